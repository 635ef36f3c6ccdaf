/*
 * Reports of calls that instances have answered: call/report.h. The functions
 * do nothing unless host->reports is true.
 */
#ifndef ZKT_INSTANCE_REPORT_H
#define ZKT_INSTANCE_REPORT_H

#include "call/report.h"
#include "instance/task.h"

/** The handler of a task is about to run. */
static inline void zkt__task_measure(struct zkt_host *host)
{
    if (host->reports) {
        zkt__report_begin(host);
    }
}
/** The handler of a task has returned, and the task waits. */
void zkt__task_measured(struct zkt_host *host, struct zkt_task *task);

/** Continues zkt__task_report. */
void zkt__task_ended(struct zkt_host *host, struct zkt_task *task,
                     const struct zkt_failure *failure);
/** Reports the end of the call of a task, which is about to be answered; NULL
 * @failure: it has succeeded. */
static inline void zkt__task_report(struct zkt_host *host,
                                    struct zkt_task *task,
                                    const struct zkt_failure *failure)
{
    if (host->reports) {
        zkt__task_ended(host, task, failure);
    }
}
/** Reports the end of the handler of a timer likewise. */
void zkt__timer_report(struct zkt_host *host, struct zkt_task *task,
                       const struct zkt_failure *failure);
/** Reports the end of a call that was refused before it ran. */
void zkt__request_report(struct zkt_host *host, const struct zkt_msg *m,
                         const struct zkt_failure *failure);

#endif
