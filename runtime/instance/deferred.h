/*
 * Deferred calls of instances (call/deferred.h): detaching and cancelling their
 * tasks, and the time limits of deferred calls and idle instances.
 */
#ifndef ZKT_INSTANCE_DEFERRED_H
#define ZKT_INSTANCE_DEFERRED_H

#include "instance/registry.h"

struct zkt_call_ops;
struct zkt_task;

/* How calls of instances are deferred and resumed. */
extern const struct zkt_call_ops zkt__task_ops;

/** Detaches the task of a call that has ended while the program holds its
 * handle. */
void zkt__task_detach(struct zkt_task *task);

/** Cancels every deferred call with @status and @text. */
void zkt__instances_cancel(struct zkt_host *host, enum zkt_status status,
                           struct zkt_str text);

/** Returns the next deadline of a deferred call, of an idle instance or of one
 * that has failed to start; or ZKT_NEVER. */
static inline int64_t zkt__instances_due(const struct zkt_instances *instances)
{
    const int64_t parked = zkt__timeouts_next(&instances->parked);
    const int64_t idle = zkt__timeouts_next(&instances->idle);
    const int64_t failed = zkt__timeouts_next(&instances->failed);
    const int64_t first = parked < idle ? parked : idle;
    return first < failed ? first : failed;
}
/** Fails overdue calls, evicts idle instances, and removes failed ones. */
void zkt__instances_expire(struct zkt_host *host);

#endif
