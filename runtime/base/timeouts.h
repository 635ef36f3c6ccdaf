/*
 * Deadlines that are all equally far away: a list in the order of arming is
 * in the order of falling due, so arming and cancelling cost the same however
 * many there are. One list for each length of time.
 */
#ifndef ZKT_BASE_TIMEOUTS_H
#define ZKT_BASE_TIMEOUTS_H

#include <stdint.h>

#include "base/list.h"

struct zkt_timeout {
    struct zkt_node node;
    int64_t due; /* monotonic ms */
};

/* Arms it, or arms it anew, @delay from @now. */
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

/* When the first one is due; INT64_MAX for none. */
static inline int64_t zkt__timeouts_next(const struct zkt_list *list)
{
    const struct zkt_node *first = zkt__list_first(list);
    return first == NULL ? INT64_MAX
                         : ZKT_CONTAINER(first, struct zkt_timeout, node)->due;
}

/* The first one that is due, disarmed; NULL: none is. */
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
