/* See report.h. */
#include "instance/report.h"

void zkt__task_measured(struct zkt_host *host, struct zkt_task *task)
{
    if (host->reports) {
        task->handler_ns += zkt__report_end(host);
    }
}

/* Writes down the end of a call. */
static void describe_call(struct zkt_host *host, const struct zkt_task *task,
                          const struct zkt_failure *failure, int64_t answer_ns)
{
    host->describe(host, &(const struct zkt_call_report){
                             .actor = task->call.actor,
                             .method = task->request.method,
                             .instance = task->call.instance_id,
                             .peer = task->contact->peer,
                             .ask = task->request.ask,
                             .failure = failure,
                             .answer_ns = answer_ns,
                             .handler_ns = task->handler_ns,
                         });
}

static void end_timer(struct zkt_host *host, const struct zkt_task *task,
                      const struct zkt_failure *failure)
{
    if (host->metrics != NULL) {
        zkt__metrics_count_timer(host->metrics, task->call.actor,
                                 failure != NULL ? failure->status : ZKT_OK);
    }
    if (host->describe != NULL) {
        host->describe(host, &(const struct zkt_call_report){
                                 .actor = task->call.actor,
                                 .timer = task->timer.type,
                                 .instance = task->call.instance_id,
                                 .failure = failure,
                                 .answer_ns = task->handler_ns,
                                 .handler_ns = task->handler_ns,
                             });
    }
}

/* A call that is cancelled does not run. */
void zkt__task_ended(struct zkt_host *host, struct zkt_task *task,
                     const struct zkt_failure *failure)
{
    const bool runs = failure == NULL || host->running == &task->call;
    if (runs) {
        task->handler_ns += zkt__report_end(host);
    }
    if (task->kind == ZKT_TASK_TIMER) {
        end_timer(host, task, failure);
        return;
    }
    const int64_t now = runs ? host->measured_ns : zkt__report_now(host);
    const int64_t answer_ns = now - task->request.arrived_ns;
    if (zkt__call_ended(host, task->call.actor, task->request.method,
                        failure != NULL ? failure->status : ZKT_OK, answer_ns,
                        task->handler_ns)) {
        describe_call(host, task, failure, answer_ns);
    }
}

void zkt__request_report(struct zkt_host *host, const struct zkt_msg *m,
                         const struct zkt_failure *failure)
{
    const struct zkt_msg_call *call = &m->of.call;
    const struct zkt_location *location = m->contact->location;
    if (!host->reports) {
        return;
    }
    const int64_t answer_ns = zkt__report_now(host) - call->arrived_ns;
    if (zkt__call_ended(host, location->actor, call->method, failure->status,
                        answer_ns, -1)) {
        host->describe(host, &(const struct zkt_call_report){
                                 .actor = location->actor,
                                 .method = call->method,
                                 .instance = location->name,
                                 .peer = m->contact->peer,
                                 .ask = call->ask,
                                 .failure = failure,
                                 .answer_ns = answer_ns,
                                 .handler_ns = -1,
                             });
    }
}
