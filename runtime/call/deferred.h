/*
 * The handle of a deferred call, by which any thread resumes it. The handle is
 * a part of the call's task, so resuming, which posts it to the shard's work
 * queue, cannot fail. When the call ends first, its task is detached: it refers
 * to neither server nor instance, and the resuming thread frees it.
 */
#ifndef ZKT_CALL_DEFERRED_H
#define ZKT_CALL_DEFERRED_H

#include <stdatomic.h>

#include "base/work_queue.h"
#include "zocket/call.h"

/* The handle of a deferred call; zocket/call.h. */
struct zkt_deferred {
    struct zkt_work work;
    struct zkt_work_queue *queue; /* with a reference until it is resumed */
    struct zkt_call *call;
    /* Set by any thread: resumed, and resumed again before the call ran. */
    atomic_bool resumed, resumed_twice;
    zkt_then_invoke *invoke;
    void (*then)(void);
    void *user;
};

/** Returns true if the program holds the handle and has not resumed it. */
static inline bool zkt__deferred_is_outstanding(
    const struct zkt_deferred *deferred)
{
    return deferred->queue != NULL;
}

/** Runs the second half of a call, the function given to resume. */
static inline enum zkt_status zkt__deferred_invoke(
    const struct zkt_deferred *deferred, const void *input, void *result)
{
    return deferred->invoke(deferred->call, deferred->then, input, result,
                            deferred->user);
}

#endif
