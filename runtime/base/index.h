/*
 * A hash index over an array of the caller: open addressing from the hash of a
 * key to a position in the array. It stores positions and half of each hash,
 * never keys: the owner compares keys. Used by state maps, the instance
 * registry and subscriptions.
 */
#ifndef ZKT_BASE_INDEX_H
#define ZKT_BASE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/memory.h"

#define ZKT_INDEX_NONE UINT32_MAX

/* Zeroed: empty, without memory. */
struct zkt_index {
    uint64_t *slots; /* high half: hash; low: position + 1; 0: free */
    uint32_t mask;   /* number of slots (a power of two) minus one; 0: none */
    uint32_t used;
};

/* Returns true if the owner's item at @position has the searched key. */
typedef bool zkt_index_equal(const void *owner, uint32_t position,
                             const void *key, size_t len);

/** Returns the position of the item, or ZKT_INDEX_NONE. */
uint32_t zkt__index_find(const struct zkt_index *index, uint64_t hash,
                         zkt_index_equal *equal, const void *owner,
                         const void *key, size_t len);
/** Makes room for @count entries, so that zkt__index_add cannot fail. */
bool zkt__index_reserve(struct zkt_index *index, const struct zkt_allocator *a,
                        uint32_t count);
/** Adds a position that is not in the index; room must be reserved. */
void zkt__index_add(struct zkt_index *index, uint64_t hash, uint32_t position);
/** Removes the entry of @position, which must exist. */
void zkt__index_remove(struct zkt_index *index, uint64_t hash,
                       uint32_t position);
/** Changes the position of an entry, which must exist, from @from to @to. */
void zkt__index_move(struct zkt_index *index, uint64_t hash, uint32_t from,
                     uint32_t to);
void zkt__index_finish(struct zkt_index *index, const struct zkt_allocator *a);

#endif
