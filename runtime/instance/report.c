/* See report.h. */
#include "instance/report.h"

/* The handler of a task ends: counts its time, and returns the time now. */
static inline int64_t end_run(struct zkt_host *host, struct zkt_task *task)
{
    const int64_t began = host->clock->measured;
    const int64_t now = zkt__report_lap(host);
    task->handler_ns += zkt__report_ns(host, began, now);
    return now;
}

void zkt__task_measured(struct zkt_host *host, struct zkt_task *task)
{
    if (host->reports) {
        (void)end_run(host, task);
    }
}

/* Writes down the end of a call. */
static void describe_call(struct zkt_host *host, const struct zkt_task *task,
                          const struct zkt_failure *failure, int64_t answer_ns)
{
    host->describe(
        host, &(const struct zkt_ended_call){
                  .actor = task->call.actor,
                  .method = task->request.method,
                  .instance = task->call.instance_id,
                  .peer = task->contact->peer,
                  .record = task->call.record,
                  .ask = task->request.ask,
                  .request = task->call.request,
                  .size = task->size,
                  .answer = task->request.ask == NULL ? &host->result : NULL,
                  .failure = failure,
                  .answer_ns = answer_ns,
                  .handler_ns = task->handler_ns,
              });
}

void zkt__timer_report(struct zkt_host *host, struct zkt_task *task,
                       const struct zkt_failure *failure)
{
    if (!host->reports) {
        return;
    }
    (void)end_run(host, task);
    if (host->metrics != NULL) {
        zkt__metrics_count_timer(host->metrics, task->call.actor,
                                 failure != NULL ? failure->status : ZKT_OK);
    }
    if (host->describe != NULL) {
        host->describe(host, &(const struct zkt_ended_call){
                                 .actor = task->call.actor,
                                 .timer = task->timer.type,
                                 .instance = task->call.instance_id,
                                 .request = zkt__call_request(&task->call),
                                 .failure = failure,
                                 .answer_ns = task->handler_ns,
                                 .handler_ns = task->handler_ns,
                             });
    }
}

/* A call that is cancelled does not run. */
__attribute__((noinline)) static void end_task(
    struct zkt_host *host, struct zkt_task *task,
    const struct zkt_failure *failure)
{
    const bool runs = failure == NULL || host->running == &task->call;
    const int64_t now = runs ? end_run(host, task) : zkt__report_now(host);
    const int64_t answer_ns = zkt__report_ns(host, task->request.arrived, now);
    if (zkt__call_ended(host, task->call.actor, task->request.method,
                        failure != NULL ? failure->status : ZKT_OK, answer_ns,
                        task->handler_ns)) {
        describe_call(host, task, failure, answer_ns);
    }
}

#ifdef __x86_64__

/* Counts a call that has succeeded, by the counter of the CPU: as end_task,
 * without the branches and calls that most calls do not need. */
static inline void count_success(struct zkt_host *host,
                                 const struct zkt_task *task, uint64_t scale)
{
    const int64_t arrived = task->request.arrived;
    const int64_t began = host->clock->measured;
    const int64_t now = zkt__ticks_cpu();
    host->clock->measured = now;
    host->measured_budget = host->budget;
    const int64_t run_ns = zkt__ticks_cpu_ns(scale, (uint64_t)(now - began));
    zkt__metrics_count_success(
        host->metrics, task->call.actor, task->request.method,
        arrived == began ? run_ns
                         : zkt__ticks_cpu_ns(scale, (uint64_t)(now - arrived)),
        task->handler_ns + run_ns);
}

void zkt__task_ended(struct zkt_host *host, struct zkt_task *task,
                     const struct zkt_failure *failure)
{
    const uint64_t scale = host->clock->ticks.cpu_scale;
    if (failure == NULL && host->describe == NULL && scale != 0) {
        count_success(host, task, scale);
    } else {
        end_task(host, task, failure);
    }
}

#else

void zkt__task_ended(struct zkt_host *host, struct zkt_task *task,
                     const struct zkt_failure *failure)
{
    end_task(host, task, failure);
}

#endif

void zkt__request_report(struct zkt_host *host, const struct zkt_msg *m,
                         const struct zkt_failure *failure)
{
    const struct zkt_msg_call *call = &m->of.call;
    const struct zkt_location *location = m->contact->location;
    if (!host->reports) {
        return;
    }
    const int64_t answer_ns = zkt__report_ns(host, call->arrived,
                                             zkt__report_now(host));
    if (zkt__call_ended(host, location->actor, call->method, failure->status,
                        answer_ns, -1)) {
        host->describe(host,
                       &(const struct zkt_ended_call){
                           .actor = location->actor,
                           .method = call->method,
                           .instance = location->name,
                           .peer = m->contact->peer,
                           .record = m->record,
                           .ask = call->ask,
                           .request = call->request,
                           .size = m->size,
                           .answer = call->ask == NULL ? &host->result : NULL,
                           .failure = failure,
                           .answer_ns = answer_ns,
                           .handler_ns = -1,
                       });
    }
}
