/* A binary heap in an array: see heap.h. */
#include "base/heap.h"

enum {
    CAPACITY_MIN = 16
};

static bool resize(struct zkt_heap *heap, const struct zkt_allocator *a,
                   uint32_t capacity)
{
    struct zkt_heap_node **nodes = zkt__resize(
        a, heap->nodes, capacity * sizeof(struct zkt_heap_node *));
    if (nodes != NULL) {
        heap->nodes = nodes;
        heap->capacity = capacity;
    }
    return nodes != NULL;
}

bool zkt__heap_reserve(struct zkt_heap *heap, const struct zkt_allocator *a)
{
    if (heap->seats == heap->capacity) {
        const uint32_t wanted = heap->capacity > 0 ? 2 * heap->capacity
                                                   : CAPACITY_MIN;
        if (heap->capacity > UINT32_MAX / 4 || !resize(heap, a, wanted)) {
            return false;
        }
    }
    heap->seats++;
    return true;
}

/* The array shrinks to a half when it is a quarter full. Without memory it
 * stays as large. */
void zkt__heap_release(struct zkt_heap *heap, const struct zkt_allocator *a)
{
    heap->seats--;
    if (heap->seats == 0) {
        zkt__release(a, heap->nodes);
        heap->nodes = NULL;
        heap->capacity = 0;
    } else if (heap->capacity > CAPACITY_MIN &&
               heap->seats <= heap->capacity / 4) {
        (void)resize(heap, a, heap->capacity / 2);
    }
}

static bool is_before(const struct zkt_heap_node *a,
                      const struct zkt_heap_node *b)
{
    return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void put(const struct zkt_heap *heap, uint32_t at,
                struct zkt_heap_node *node)
{
    heap->nodes[at] = node;
    node->place = at + 1;
}

/* Puts @node at @at or above. */
static void move_up(const struct zkt_heap *heap, uint32_t at,
                    struct zkt_heap_node *node)
{
    while (at > 0 && is_before(node, heap->nodes[(at - 1) / 2])) {
        put(heap, at, heap->nodes[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(heap, at, node);
}

/* Puts @node at @at or below. */
static void move_down(const struct zkt_heap *heap, uint32_t at,
                      struct zkt_heap_node *node)
{
    uint32_t child;
    while ((child = 2 * at + 1) < heap->count) {
        if (child + 1 < heap->count &&
            is_before(heap->nodes[child + 1], heap->nodes[child])) {
            child++;
        }
        if (is_before(node, heap->nodes[child])) {
            break;
        }
        put(heap, at, heap->nodes[child]);
        at = child;
    }
    put(heap, at, node);
}

void zkt__heap_add(struct zkt_heap *heap, struct zkt_heap_node *node)
{
    node->order = heap->order++;
    move_up(heap, heap->count++, node);
}

/* The last node fills the gap. */
void zkt__heap_remove(struct zkt_heap *heap, struct zkt_heap_node *node)
{
    if (node->place == 0) {
        return;
    }
    const uint32_t at = node->place - 1;
    struct zkt_heap_node *last = heap->nodes[--heap->count];
    node->place = 0;
    if (last == node) {
        return;
    }
    if (at > 0 && is_before(last, heap->nodes[(at - 1) / 2])) {
        move_up(heap, at, last);
    } else {
        move_down(heap, at, last);
    }
}
