/*
 * Handles: a table of objects named by slot and generation. A stale handle
 * finds nothing, so every public function may be called in every callback.
 */
#ifndef ZKT_BASE_SLOTS_H
#define ZKT_BASE_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

/* 0 is no handle. Low 32 bits: slot; high 32 bits: generation, never 0. */
typedef uint64_t zkt_handle_id;

struct zkt_slots {
    const struct zkt_allocator *allocator;
    void **objects; /* by slot; NULL: free */
    uint32_t *generations;
    uint32_t *next_free;
    uint32_t count, capacity, free_head; /* count: slots ever used */
    uint32_t live;
};

void zkt__slots_init(struct zkt_slots *slots, const struct zkt_allocator *a);
/** Returns a handle for @object, or 0 if there is no memory. */
zkt_handle_id zkt__slots_add(struct zkt_slots *slots, void *object);
/** Returns the object, or NULL if the handle is stale or 0. */
void *zkt__slots_find(const struct zkt_slots *slots, zkt_handle_id id);
/** Frees the slot, which makes the handle stale. Takes a stale handle. */
void zkt__slots_remove(struct zkt_slots *slots, zkt_handle_id id);
void zkt__slots_finish(struct zkt_slots *slots);

#endif
