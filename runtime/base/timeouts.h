/*
 * Timeouts of equal delay. Such a list is ordered by due time if timeouts are
 * appended when armed, so arming and cancelling take constant time. Each delay
 * has a list of its own.
 */
#ifndef ZKT_BASE_TIMEOUTS_H
#define ZKT_BASE_TIMEOUTS_H

#include <stdint.h>

#include "base/list.h"

struct zkt_timeout {
    struct zkt_node node;
    int64_t due; /* monotonic ms */
};

/* Arms or rearms it, @delay from @now. */
static inline void zkt__timeout_arm(struct zkt_list *list,
                                    struct zkt_timeout *timeout, int64_t now,
                                    int64_t delay)
{
    zkt__node_unlink(&timeout->node);
    timeout->due = now > INT64_MAX - delay ? INT64_MAX : now + delay;
    zkt__list_append(list, &timeout->node);
}

static inline void zkt__timeout_cancel(struct zkt_timeout *timeout)
{
    zkt__node_unlink(&timeout->node);
}

/* Returns the earliest due time, or INT64_MAX if the list is empty. */
static inline int64_t zkt__timeouts_next(const struct zkt_list *list)
{
    const struct zkt_node *first = zkt__list_first(list);
    return first == NULL ? INT64_MAX
                         : ZKT_CONTAINER(first, struct zkt_timeout, node)->due;
}

/* Disarms and returns the first timeout that is due, or NULL. */
static inline struct zkt_timeout *zkt__timeouts_take(struct zkt_list *list,
                                                     int64_t now)
{
    if (zkt__timeouts_next(list) > now) {
        return NULL;
    }
    struct zkt_node *first = zkt__list_first(list);
    if (first == NULL) {
        return NULL;
    }
    zkt__node_unlink(first);
    return ZKT_CONTAINER(first, struct zkt_timeout, node);
}

#endif
