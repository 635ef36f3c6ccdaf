/* See table.h. Open addressing; nothing is ever taken out. */
#include "util/table.h"

#include <string.h>

struct table_slot {
    const char *key; /* NULL: free */
    uint64_t hash;
    void *value;
};

/* FNV-1a, with the high bits brought down. */
uint64_t table_hash(const char *key)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (; *key != '\0'; key++) {
        hash = (hash ^ (unsigned char)*key) * 0x100000001b3u;
    }
    return hash ^ hash >> 32;
}

static struct table_slot *find(const struct table *table, const char *key,
                               uint64_t hash)
{
    size_t at = hash & (table->capacity - 1);
    while (table->slots[at].key != NULL &&
           (table->slots[at].hash != hash ||
            strcmp(table->slots[at].key, key) != 0)) {
        at = (at + 1) & (table->capacity - 1);
    }
    return &table->slots[at];
}

void *table_find(const struct table *table, const char *key)
{
    return table->capacity > 0 ? find(table, key, table_hash(key))->value
                               : NULL;
}

static void grow(struct table *table, struct arena *arena)
{
    const struct table old = *table;
    table->capacity = old.capacity > 0 ? 2 * old.capacity : 16;
    table->slots = arena_alloc(arena, table->capacity * sizeof(*table->slots));
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].key != NULL) {
            *find(table, old.slots[i].key, old.slots[i].hash) = old.slots[i];
        }
    }
}

void table_put(struct table *table, struct arena *arena, const char *key,
               void *value)
{
    if (2 * table->count >= table->capacity) {
        grow(table, arena);
    }
    const uint64_t hash = table_hash(key);
    *find(table, key, hash) = (struct table_slot){ key, hash, value };
    table->count++;
}
