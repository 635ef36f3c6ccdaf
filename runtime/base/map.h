/*
 * Searches maps in the layout that users see: an array of entries, and an index
 * if there are many. Without an index (few entries, or a map that a user put
 * together) the search is linear.
 */
#ifndef ZKT_BASE_MAP_H
#define ZKT_BASE_MAP_H

#include "base/index.h"
#include "zocket/types.h"

/* Larger maps have an index. */
#define ZKT_MAP_LINEAR 8

/* The target of a map's index_. It records its entries: a copy of the map
 * struct with other items or len, changed by a user, is searched without the
 * index. */
struct zkt_map_index {
    struct zkt_hash_key key;
    struct zkt_index index;
    const void *items;
};

/** Common begin of all public map structs. */
struct zkt_any_map {
    const void *items;
    size_t len;
    const void *index_;
};

/** Returns the key of entry @position; every entry begins with its key. */
struct zkt_str zkt__map_key(const struct zkt_any_map *map, size_t entry_size,
                            size_t position);

/** Returns the position of @key, or ZKT_INDEX_NONE. */
uint32_t zkt__map_position(const struct zkt_any_map *map, size_t entry_size,
                           struct zkt_str key);

#endif
