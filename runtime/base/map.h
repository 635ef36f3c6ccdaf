/*
 * Finding a key in a map as users see it: entries in an array, and beside
 * them an index where there are many. Without an index (few entries, or a map
 * that a user put together) the search is linear.
 */
#ifndef ZKT_BASE_MAP_H
#define ZKT_BASE_MAP_H

#include "base/index.h"
#include "zocket/types.h"

/* Up to so many entries a map does without an index. */
#define ZKT_MAP_LINEAR 8

/* What a map's index_ points to. It says what it is of: a copy of the map's
 * struct whose items or len a user has changed has the pointer as well, and is
 * searched without the index. */
struct zkt_map_index {
    struct zkt_hash_key key;
    struct zkt_index index;
    const void *items;
};

/** Any map, whatever its entries are; what the public structs begin with. */
struct zkt_any_map {
    const void *items;
    size_t len;
    const void *index_;
};

/** The key of entry @position: every entry begins with it. */
struct zkt_str zkt__map_key(const struct zkt_any_map *map, size_t entry_size,
                            size_t position);

/** The position of @key, or ZKT_INDEX_NONE. */
uint32_t zkt__map_position(const struct zkt_any_map *map, size_t entry_size,
                           struct zkt_str key);

#endif
