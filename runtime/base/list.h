/*
 * Doubly linked lists with nodes embedded in the elements, so that linking
 * never allocates and never fails. A zeroed node is unlinked.
 */
#ifndef ZKT_BASE_LIST_H
#define ZKT_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct zkt_node {
    struct zkt_node *prev, *next;
};

struct zkt_list {
    struct zkt_node head;
};

static inline void zkt__list_init(struct zkt_list *list)
{
    list->head.prev = list->head.next = &list->head;
}

static inline bool zkt__list_empty(const struct zkt_list *list)
{
    return list->head.next == &list->head;
}

static inline bool zkt__node_linked(const struct zkt_node *node)
{
    return node->next != NULL;
}

/* Links @node in front of @before, which is in a list or the head of one. */
static inline void zkt__node_insert(struct zkt_node *before,
                                    struct zkt_node *node)
{
    node->prev = before->prev;
    node->next = before;
    before->prev->next = node;
    before->prev = node;
}

static inline void zkt__list_append(struct zkt_list *list,
                                    struct zkt_node *node)
{
    zkt__node_insert(&list->head, node);
}

static inline void zkt__list_prepend(struct zkt_list *list,
                                     struct zkt_node *node)
{
    zkt__node_insert(list->head.next, node);
}

/* Takes an unlinked node. */
static inline void zkt__node_unlink(struct zkt_node *node)
{
    if (node->next != NULL) {
        node->prev->next = node->next;
        node->next->prev = node->prev;
        node->prev = node->next = NULL;
    }
}

/* Returns the first node, or NULL. */
static inline struct zkt_node *zkt__list_first(const struct zkt_list *list)
{
    return zkt__list_empty(list) ? NULL : list->head.next;
}

/* Returns the node after @node, or NULL at the end. */
static inline struct zkt_node *zkt__list_after(const struct zkt_list *list,
                                               const struct zkt_node *node)
{
    return node->next == &list->head ? NULL : node->next;
}

/* Appends all nodes of @from to @to; @from becomes empty. */
static inline void zkt__list_move(struct zkt_list *to, struct zkt_list *from)
{
    if (!zkt__list_empty(from)) {
        from->head.next->prev = to->head.prev;
        from->head.prev->next = &to->head;
        to->head.prev->next = from->head.next;
        to->head.prev = from->head.prev;
        zkt__list_init(from);
    }
}

/*
 * A list with a head of one pointer, for owners of which there are many: the
 * nodes form a circle. A zeroed ring is empty. Nodes are removed from their
 * ring, not just unlinked.
 */
struct zkt_ring {
    struct zkt_node *first; /* NULL: empty */
};

static inline void zkt__ring_append(struct zkt_ring *ring,
                                    struct zkt_node *node)
{
    if (ring->first == NULL) {
        ring->first = node->prev = node->next = node;
    } else {
        zkt__node_insert(ring->first, node);
    }
}

static inline void zkt__ring_prepend(struct zkt_ring *ring,
                                     struct zkt_node *node)
{
    zkt__ring_append(ring, node);
    ring->first = node;
}

/* Returns the node after @node, or NULL at the end. */
static inline struct zkt_node *zkt__ring_after(const struct zkt_ring *ring,
                                               const struct zkt_node *node)
{
    return node->next == ring->first ? NULL : node->next;
}

/* Takes a node of the ring, or an unlinked node. */
static inline void zkt__ring_remove(struct zkt_ring *ring,
                                    struct zkt_node *node)
{
    if (ring->first == node) {
        ring->first = zkt__ring_after(ring, node);
    }
    zkt__node_unlink(node);
}

#define ZKT_CONTAINER(node, type, member)                                      \
    ((type *)(void *)((char *)(node)-offsetof(type, member)))

#endif
