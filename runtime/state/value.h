/*
 * Values that a state owns: copied in, compared, released, all by the type
 * table. Each string is a block of its own with a NUL behind it; a list's
 * items stand in a block with a head in front that knows its capacity; a map
 * has an index beside its items. Empty ones take no memory. The public struct
 * ({items, len}) is all that a user sees.
 */
#ifndef ZKT_STATE_VALUE_H
#define ZKT_STATE_VALUE_H

#include <stdbool.h>

#include "base/hash.h"
#include "base/memory.h"
#include "zocket/schema.h"

/* What owned values are made with; one per server or client. */
struct zkt_store {
    const struct zkt_allocator *allocator;
    struct zkt_hash_key key; /* for the indexes of maps */
};

/**
 * Makes @to an owned deep copy of @from, which may be anybody's. Of equal
 * keys in a map the last one wins. False: no memory, and @to is zeroed.
 */
bool zkt__value_copy(const struct zkt_store *store, const struct zkt_type *type,
                     void *to, const void *from);
/** Releases what an owned value holds, and zeroes it. Takes a zeroed one. */
void zkt__value_release(const struct zkt_store *store,
                        const struct zkt_type *type, void *value);
/** Maps are equal when they have the same entries, in any order. */
bool zkt__value_equal(const struct zkt_type *type, const void *a,
                      const void *b);
/**
 * Makes @to the value that a struct has by its fields' defaults, owned. Every
 * field must have one or be absent by nature. False: no memory.
 */
bool zkt__value_default(const struct zkt_store *store,
                        const struct zkt_type *type, void *to);

#endif
