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

/** Detaches the task of a call that has ended while its second half has yet to
 * run. If the program holds the handle, it gets notice, and the task may be
 * free afterwards. */
void zkt__task_detach(struct zkt_task *task);

/** Cancels every deferred call with @status and @text. */
void zkt__instances_cancel(struct zkt_host *host, enum zkt_status status,
                           struct zkt_str text);

/** Begins a time limit of an idle instance, or of one that has failed to start:
 * @delay from now, in @list. */
void zkt__instances_arm(const struct zkt_host *host, struct zkt_list *list,
                        struct zkt_timeout *timeout, int64_t delay);
/** Lets zkt__instances_expire run at @due, or before. */
static inline void zkt__instances_expect(struct zkt_instances *instances,
                                         int64_t due)
{
    instances->next_due = due < instances->next_due ? due : instances->next_due;
}
/** Ends overdue calls, evicts idle instances, removes failed ones, and lets
 * timers fire. Called at instances->next_due; finds the next. */
void zkt__instances_expire(struct zkt_host *host);

#endif
