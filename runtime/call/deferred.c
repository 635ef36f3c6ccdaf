/* Deferring and resuming calls: see deferred.h. */
#include "call/deferred.h"

#include "call/call.h"

static void report_second_resume(const struct zkt_deferred *deferred)
{
    if (atomic_load(&deferred->resumed_twice)) {
        zkt__call_log(deferred->call, ZKT_LOG_WARNING, "it was resumed twice");
    }
}

static void run_cancelled(const struct zkt_deferred *deferred)
{
    deferred->call->ops->run_cancelled(deferred->call);
}

static void run_posted(struct zkt_work *work, void *owner)
{
    struct zkt_deferred *deferred = ZKT_CONTAINER(work, struct zkt_deferred,
                                                  work);
    (void)owner;
    if (deferred->call->host == NULL) {
        run_cancelled(deferred);
        return;
    }
    zkt__work_queue_unref(deferred->queue);
    deferred->queue = NULL;
    report_second_resume(deferred);
    deferred->call->ops->resume(deferred->call);
}

struct zkt_deferred *zkt_call_defer(struct zkt_call *call,
                                    enum zkt_member member, uint32_t number)
{
    const char *obstacle = NULL;
    if (call->host == NULL || !zkt__call_runs(call)) {
        return NULL;
    }
    struct zkt_deferred *deferred = call->ops->find_deferred(call, member,
                                                             number, &obstacle);
    if (deferred != NULL && zkt__deferred_is_outstanding(deferred)) {
        obstacle = "deferred twice";
    }
    if (obstacle != NULL) {
        zkt__call_poison(call, ZKT_INTERNAL, "%s", obstacle);
        return NULL;
    }
    if (!call->ops->prepare_cancelling(call)) {
        zkt__call_poison(call, ZKT_NO_MEMORY, "no memory to finish later");
        return NULL;
    }
    deferred->work.run = run_posted;
    deferred->call = call;
    deferred->queue = call->host->work;
    atomic_store(&deferred->resumed_twice, false);
    atomic_store(&deferred->resumed, false);
    zkt__work_queue_ref(deferred->queue);
    return deferred;
}

void zkt_deferred_resume(struct zkt_deferred *deferred, zkt_then_invoke *invoke,
                         void (*then)(void), void *user)
{
    if (deferred == NULL) {
        return;
    }
    if (atomic_exchange(&deferred->resumed, true)) {
        atomic_store(&deferred->resumed_twice, true);
        return;
    }
    deferred->invoke = invoke;
    deferred->then = then;
    deferred->user = user;
    if (!zkt__work_post(deferred->queue, &deferred->work)) {
        run_cancelled(deferred); /* the server is gone */
    }
}
