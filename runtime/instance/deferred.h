/*
 * Deferred calls: the handle by which any thread resumes a call, cancelling,
 * and the time limits of deferred calls and idle instances. The handle is part
 * of the call's task, so resuming, which posts it to the shard's work queue,
 * cannot fail. When the call ends first, the task is detached: it refers to
 * neither server nor instance, and the resuming thread frees it.
 */
#ifndef ZKT_INSTANCE_DEFERRED_H
#define ZKT_INSTANCE_DEFERRED_H

#include <stdatomic.h>

#include "base/work_queue.h"
#include "instance/registry.h"
#include "zocket/call.h"

struct zkt_task;

/* The handle of a deferred call; zocket/call.h. */
struct zkt_deferred {
    struct zkt_work work;
    struct zkt_work_queue *queue; /* with a reference until it is resumed */
    /* Set by any thread: resumed, and resumed again before the call ran. */
    atomic_bool resumed, resumed_twice;
    /* The zeroed states that a cancelled call sees. */
    void *cancelled_state, *cancelled_private_state;
    zkt_then_invoke *invoke;
    void (*then)(void);
    void *user;
};

/** Detaches the task of a call that has ended while the program holds its
 * handle. */
void zkt__task_detach(struct zkt_task *task);

/** Cancels every deferred call with @status and @text. */
void zkt__instances_cancel(struct zkt_host *host, enum zkt_status status,
                           struct zkt_str text);

/** Returns the next deadline of a deferred call or an idle instance, or
 * ZKT_NEVER. */
static inline int64_t zkt__instances_due(const struct zkt_instances *instances)
{
    const int64_t parked = zkt__timeouts_next(&instances->parked);
    const int64_t idle = zkt__timeouts_next(&instances->idle);
    return parked < idle ? parked : idle;
}
/** Fails overdue calls and evicts idle instances. */
void zkt__instances_expire(struct zkt_host *host);

#endif
