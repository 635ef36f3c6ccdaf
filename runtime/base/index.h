/*
 * A hash index over somebody else's array: open addressing from a string's
 * hash to a position in that array. It stores positions and a part of each
 * hash, never keys: the owner compares. Used by state maps, by the registry
 * of instances and by links.
 */
#ifndef ZKT_BASE_INDEX_H
#define ZKT_BASE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/memory.h"

#define ZKT_INDEX_NONE UINT32_MAX

/* Zeroed: empty, takes no memory. */
struct zkt_index {
    uint64_t
        *slots;    /* hash in the high half, position + 1 in the low; 0: free */
    uint32_t mask; /* slots - 1, a power of two less one; 0: none */
    uint32_t used;
};

/* Whether the owner's item at @position has the key that is looked for. */
typedef bool zkt_index_equal(const void *owner, uint32_t position,
                             const void *key, size_t len);

/** The position of the item, or ZKT_INDEX_NONE. */
uint32_t zkt__index_find(const struct zkt_index *index, uint64_t hash,
                         zkt_index_equal *equal, const void *owner,
                         const void *key, size_t len);
/** Makes room for @count more, so that as many _add cannot fail. */
bool zkt__index_reserve(struct zkt_index *index, const struct zkt_allocator *a,
                        uint32_t count);
/** Adds a position; there must be room (_reserve) and no such entry yet. */
void zkt__index_add(struct zkt_index *index, uint64_t hash, uint32_t position);
/** Removes the entry that says @position; it must be there. */
void zkt__index_remove(struct zkt_index *index, uint64_t hash,
                       uint32_t position);
/** The entry that says @from says @to from now on; it must be there. */
void zkt__index_move(struct zkt_index *index, uint64_t hash, uint32_t from,
                     uint32_t to);
void zkt__index_finish(struct zkt_index *index, const struct zkt_allocator *a);

#endif
