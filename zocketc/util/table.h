/* A hash table from text to pointers, in an arena: names that are taken,
 * types that were made before. */
#ifndef TABLE_H
#define TABLE_H

#include <stdint.h>

#include "util/arena.h"

struct table_slot;

/* Zeroed: empty. */
struct table {
    struct table_slot *slots;
    size_t count, capacity;
};

/** A hash of a text, the same in every run. */
uint64_t table_hash(const char *key);
/** The value under @key, or NULL. */
void *table_find(const struct table *table, const char *key);
/** @key is borrowed; it is not in the table yet. @value is not NULL. */
void table_put(struct table *table, struct arena *arena, const char *key,
               void *value);

#endif
