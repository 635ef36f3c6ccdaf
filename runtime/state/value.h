/*
 * Values that a state owns: copied, compared and released by their type
 * descriptors. Each string is a block of its own with a terminating NUL. The
 * items of a list are in a block behind a header with the capacity. A map has
 * an index beside its entries. Empty values take no memory. Users see only the
 * public struct ({items, len}).
 */
#ifndef ZKT_STATE_VALUE_H
#define ZKT_STATE_VALUE_H

#include <stdbool.h>

#include "base/hash.h"
#include "base/memory.h"
#include "zocket/schema.h"

/* Allocator and hash key of owned values; each server and client has its
 * own. */
struct zkt_store {
    const struct zkt_allocator *allocator;
    struct zkt_hash_key key; /* for the indexes of maps */
};

/**
 * Makes @to an owned deep copy of @from, which may have any owner. The last
 * entry of a duplicate map key wins. Returns false, with @to zeroed, if there
 * is no memory.
 */
bool zkt__value_copy(const struct zkt_store *store, const struct zkt_type *type,
                     void *to, const void *from);
/** Releases the memory of an owned value, and zeroes it. Takes a zeroed
 * value. */
void zkt__value_release(const struct zkt_store *store,
                        const struct zkt_type *type, void *value);
/** Returns true if the values are equal, in any order of map entries. */
bool zkt__value_equal(const struct zkt_type *type, const void *a,
                      const void *b);
/**
 * Makes @to an owned struct of its fields' defaults. Each field must have a
 * default or be absent when zeroed. Returns false if there is no memory.
 */
bool zkt__value_default(const struct zkt_store *store,
                        const struct zkt_type *type, void *to);

#endif
