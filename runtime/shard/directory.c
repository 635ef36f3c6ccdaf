/* See directory.h. */
#include "shard/directory.h"

#include <string.h>

struct entry {
    const struct zkt_actor *actor;
    zkt_handle_id id;
    uint64_t hash;
    uint32_t home, refs;
    size_t len;
    char name[];
};

bool zkt__directory_init(struct zkt_directory *directory,
                         const struct zkt_allocator *allocator,
                         const struct zkt_hash_key *key)
{
    directory->allocator = allocator;
    directory->key = *key;
    directory->count = 0;
    for (uint32_t i = 0; i < ZKT_DIRECTORY_PARTS; i++) {
        struct zkt_directory_part *part = &directory->parts[i];
        if (pthread_mutex_init(&part->lock, NULL) != 0) {
            return false;
        }
        zkt__slots_init(&part->entries, allocator);
        part->index = (struct zkt_index){ 0 };
        directory->count++;
    }
    return true;
}

void zkt__directory_finish(struct zkt_directory *directory)
{
    for (uint32_t i = 0; i < directory->count; i++) {
        struct zkt_directory_part *part = &directory->parts[i];
        zkt__index_finish(&part->index, directory->allocator);
        zkt__slots_finish(&part->entries);
        pthread_mutex_destroy(&part->lock);
    }
}

struct name {
    const struct zkt_actor *actor;
    struct zkt_str text;
    uint64_t hash;
};

static struct name make_name(const struct zkt_directory *directory,
                             const struct zkt_actor *actor, struct zkt_str text)
{
    struct zkt_hash_key key = directory->key;
    key.k0 ^= (uint64_t)(uintptr_t)actor;
    return (struct name){ actor, text, zkt__hash(&key, text.data, text.len) };
}

/* Returns the locked part of a name. The index of a part uses other bits. */
static struct zkt_directory_part *lock_part(struct zkt_directory *directory,
                                            const struct name *name)
{
    struct zkt_directory_part *part =
        &directory->parts[(name->hash >> 20) % ZKT_DIRECTORY_PARTS];
    pthread_mutex_lock(&part->lock);
    return part;
}

static void unlock_part(struct zkt_directory_part *part)
{
    pthread_mutex_unlock(&part->lock);
}

static bool same_name(const void *owner, uint32_t slot, const void *key,
                      size_t len)
{
    const struct zkt_directory_part *part = owner;
    const struct entry *entry = part->entries.objects[slot];
    const struct name *name = key;
    (void)len;
    return entry->actor == name->actor &&
           zkt_str_eq((struct zkt_str){ entry->name, entry->len }, name->text);
}

static struct entry *find(const struct zkt_directory_part *part,
                          const struct name *name)
{
    const uint32_t slot = zkt__index_find(&part->index, name->hash, same_name,
                                          part, name, sizeof(*name));
    return slot != ZKT_INDEX_NONE ? part->entries.objects[slot] : NULL;
}

/* Adds an entry without references; returns NULL if there is no memory. */
static struct entry *add(struct zkt_directory_part *part,
                         const struct zkt_allocator *allocator,
                         const struct name *name, uint32_t home)
{
    if (!zkt__index_reserve(&part->index, allocator, 1)) {
        return NULL;
    }
    struct entry *entry = zkt__alloc(allocator,
                                     sizeof(*entry) + name->text.len);
    if (entry == NULL) {
        return NULL;
    }
    *entry = (struct entry){ .actor = name->actor,
                             .hash = name->hash,
                             .home = home,
                             .len = name->text.len };
    memcpy(entry->name, name->text.data, name->text.len);
    entry->id = zkt__slots_add(&part->entries, entry);
    if (entry->id == 0) {
        zkt__release(allocator, entry);
        return NULL;
    }
    zkt__index_add(&part->index, name->hash, (uint32_t)entry->id);
    return entry;
}

bool zkt__directory_take(struct zkt_directory *directory,
                         const struct zkt_actor *actor, struct zkt_str name,
                         uint32_t self, uint32_t *home)
{
    const struct name wanted = make_name(directory, actor, name);
    struct zkt_directory_part *part = lock_part(directory, &wanted);
    struct entry *entry = find(part, &wanted);
    if (entry == NULL) {
        entry = add(part, directory->allocator, &wanted, self);
    }
    if (entry != NULL) {
        entry->refs++;
        *home = entry->home;
    }
    unlock_part(part);
    return entry != NULL;
}

void zkt__directory_release(struct zkt_directory *directory,
                            const struct zkt_actor *actor, struct zkt_str name)
{
    const struct name wanted = make_name(directory, actor, name);
    struct zkt_directory_part *part = lock_part(directory, &wanted);
    struct entry *entry = find(part, &wanted);
    if (--entry->refs == 0) {
        zkt__index_remove(&part->index, entry->hash, (uint32_t)entry->id);
        zkt__slots_remove(&part->entries, entry->id);
        zkt__release(directory->allocator, entry);
    }
    unlock_part(part);
}

bool zkt__directory_find(struct zkt_directory *directory,
                         const struct zkt_actor *actor, struct zkt_str name,
                         uint32_t *home)
{
    const struct name wanted = make_name(directory, actor, name);
    struct zkt_directory_part *part = lock_part(directory, &wanted);
    const struct entry *entry = find(part, &wanted);
    if (entry != NULL) {
        *home = entry->home;
    }
    unlock_part(part);
    return entry != NULL;
}
