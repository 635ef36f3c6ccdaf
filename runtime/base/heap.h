/*
 * A heap of times: finds the earliest of many. Adding, removing and finding
 * cost O(log n) at most. Equal times keep the order in which they were added.
 *
 * The elements are embedded in the objects that wait. Each object has a seat
 * from its creation to its end, so adding one cannot fail.
 */
#ifndef ZKT_BASE_HEAP_H
#define ZKT_BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/memory.h"

/* Zeroed: not in the heap. */
struct zkt_heap_node {
    int64_t due;
    uint64_t order; /* among equal times */
    uint32_t place; /* in the heap, from 1; 0: it is not there */
};

/* Zeroed: empty, without memory. */
struct zkt_heap {
    struct zkt_heap_node **nodes;
    uint32_t count, seats, capacity;
    uint64_t order; /* of the next node */
};

/** Reserves a seat. Returns false if there is no memory. */
bool zkt__heap_reserve(struct zkt_heap *heap, const struct zkt_allocator *a);
/** Gives back the seat of a node that is not in the heap. */
void zkt__heap_release(struct zkt_heap *heap, const struct zkt_allocator *a);

/** Adds a node with its due time; it must have a seat and not be there. */
void zkt__heap_add(struct zkt_heap *heap, struct zkt_heap_node *node);
/** Removes a node, if it is there. */
void zkt__heap_remove(struct zkt_heap *heap, struct zkt_heap_node *node);
/** Returns the earliest node, or NULL. */
static inline struct zkt_heap_node *zkt__heap_first(const struct zkt_heap *heap)
{
    return heap->count > 0 ? heap->nodes[0] : NULL;
}

#endif
