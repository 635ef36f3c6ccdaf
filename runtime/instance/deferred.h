/*
 * Calls that finish later: the handle for the thread that resumes such a call,
 * and the time limits of calls and instances.
 */
#ifndef ZKT_INSTANCE_DEFERRED_H
#define ZKT_INSTANCE_DEFERRED_H

#include <stdatomic.h>

#include "base/work_queue.h"
#include "instance/registry.h"
#include "zocket/call.h"

struct zkt_task;

/* Stands for a call whose handler finishes later. */
struct zkt_deferred {
    struct zkt_work work;
    struct zkt_work_queue *queue; /* a reference, while it is outstanding */
    /* Of any thread: it was resumed, and once more before that had run. */
    atomic_bool resumed, resumed_twice;
    /* The zeroed states that a cancelled call sees. */
    void *cancelled_state, *cancelled_private_state;
    zkt_then_invoke *invoke;
    void (*then)(void);
    void *user;
};

/** Its `later` may be kept for long: it knows nothing of us any more. */
void zkt__task_detach(struct zkt_task *task);

/** Cancels every deferred call; its caller is told @status and @text. */
void zkt__instances_cancel(struct zkt_host *host, enum zkt_status status,
                           struct zkt_str text);

/** When a time limit of a call or an instance passes next; ZKT_NEVER. */
static inline int64_t zkt__instances_due(const struct zkt_instances *instances)
{
    const int64_t parked = zkt__timeouts_next(&instances->parked);
    const int64_t idle = zkt__timeouts_next(&instances->idle);
    return parked < idle ? parked : idle;
}
/** Runs every one that has passed. */
void zkt__instances_expire(struct zkt_host *host);

#endif
