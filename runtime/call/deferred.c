/* Deferring and resuming calls: see deferred.h. */
#include "call/deferred.h"

#include "call/call.h"
#include "call/stream.h"

static void report_second_resume(const struct zkt_deferred *deferred)
{
    if (atomic_load(&deferred->resumed_twice)) {
        zkt__call_log(deferred->call, ZKT_LOG_WARNING, "it was resumed twice");
    }
}

/* ---- notices ---- */

enum zkt_notice zkt__notice_of(enum zkt_status status)
{
    switch (status) {
    case ZKT_DEADLINE_EXCEEDED:
        return ZKT_NOTICE_DEADLINE;
    case ZKT_UNAVAILABLE:
        return ZKT_NOTICE_SHUTDOWN;
    case ZKT_ABORTED:
        return ZKT_NOTICE_CONNECTION;
    default:
        return ZKT_NOTICE_CANCELLED;
    }
}

static enum zkt_notice end_of(const struct zkt_deferred *deferred)
{
    return (enum zkt_notice)atomic_load(&deferred->end);
}

/* Calls the function of the program, if there is one, with the reason of the
 * end, unless it has been told that the server stops; or, while the call runs,
 * with the notices among @wants. */
static void notify(struct zkt_deferred *deferred, unsigned wants)
{
    zkt__work_queue_lock(deferred->queue);
    zkt_notice_function *const fn = deferred->notify;
    void *const user = deferred->notify_user;
    const enum zkt_notice end = end_of(deferred);
    if (end != ZKT_NOTICE_READY) {
        deferred->notify = NULL; /* no notice follows the end */
    }
    deferred->ready = fn == NULL &&
                      (deferred->ready || (wants & ZKT_WANT_READY) != 0);
    const bool runs = end == ZKT_NOTICE_READY;
    const bool stops = runs && (wants & ZKT_WANT_STOP) != 0 && !deferred->told;
    const bool over = !runs && !deferred->told;
    deferred->told = deferred->told || (stops && fn != NULL);
    zkt__work_queue_unlock(deferred->queue);
    if (fn != NULL && runs && (wants & ZKT_WANT_READY) != 0) {
        fn(ZKT_NOTICE_READY, user);
    }
    if (fn != NULL && (stops || over) && !atomic_load(&deferred->resumed)) {
        fn(stops ? ZKT_NOTICE_SHUTDOWN : end, user);
    }
}

/* ---- running ---- */

/* Runs the second half, after which the task may be free. */
static void run_second_half(struct zkt_deferred *deferred)
{
    if (deferred->call->host == NULL) {
        deferred->call->ops->run_cancelled(deferred->call);
        return;
    }
    zkt__work_queue_unref(deferred->queue);
    deferred->queue = NULL;
    report_second_resume(deferred);
    deferred->call->ops->resume(deferred->call);
}

/* Returns true if the turn has time for parts: they leave some of its budget to
 * other work. */
static bool has_time(const struct zkt_deferred *deferred)
{
    const struct zkt_host *host = deferred->call->host;
    return host == NULL || host->budget > host->limits->turn_work / 4;
}

/* Sends parts, also before the second half, which follows them; or leaves them
 * to another turn. */
static void serve_parts(struct zkt_deferred *deferred, unsigned wants)
{
    const bool last = (wants & ZKT_WANT_RESUME) != 0;
    if (last || has_time(deferred)) {
        zkt__deferred_send_parts(deferred, last); /* may end the call */
    } else {
        atomic_fetch_or(&deferred->wants, ZKT_WANT_PARTS);
    }
}

/* Posts a handle that runs and is wanted again. Returns false if the server is
 * gone. */
static bool postpone(struct zkt_deferred *deferred)
{
    atomic_fetch_and(&deferred->wants, ~(unsigned)ZKT_WANT_RUNNING);
    return zkt__work_post(deferred->queue, &deferred->work);
}

/* Serves the wanted bits, and those that are set meanwhile: in another turn, if
 * their sender may be as fast. No notice follows resume. */
static void serve(struct zkt_deferred *deferred)
{
    unsigned running, wants;
    do {
        wants = atomic_exchange(&deferred->wants, ZKT_WANT_RUNNING);
        if ((wants & (ZKT_WANT_PARTS | ZKT_WANT_RESUME)) != 0) {
            serve_parts(deferred, wants);
        }
        if ((wants & ZKT_WANT_RESUME) != 0) {
            run_second_half(deferred);
            return;
        }
        if ((wants & (ZKT_WANT_READY | ZKT_WANT_END | ZKT_WANT_STOP)) != 0) {
            notify(deferred, wants);
        }
        running = ZKT_WANT_RUNNING;
    } while (!atomic_compare_exchange_strong(&deferred->wants, &running, 0) &&
             ((wants & ZKT_WANT_PARTS) == 0 || !postpone(deferred)));
}

static void run_posted(struct zkt_work *work, void *owner)
{
    (void)owner;
    serve(ZKT_CONTAINER(work, struct zkt_deferred, work));
}

/* Returns true if the call has ended, and the server is gone, so that the
 * calling thread owns the task. Otherwise the server is about to end the call,
 * and then runs the handle. */
static bool take_over(struct zkt_deferred *deferred)
{
    zkt__work_queue_lock(deferred->queue);
    const bool ended = end_of(deferred) != ZKT_NOTICE_READY;
    deferred->stranded = !ended;
    zkt__work_queue_unlock(deferred->queue);
    return ended;
}

void zkt__deferred_want(struct zkt_deferred *deferred, unsigned wants)
{
    if (atomic_fetch_or(&deferred->wants, wants) == 0 &&
        !zkt__work_post(deferred->queue, &deferred->work) &&
        take_over(deferred)) {
        serve(deferred);
    }
}

/* Sets the end of a call. Returns true if the handle must run for it. */
static bool set_end(struct zkt_deferred *deferred, enum zkt_notice notice)
{
    zkt__work_queue_lock(deferred->queue);
    atomic_store(&deferred->end, notice);
    const bool idle = deferred->notify != NULL &&
                      atomic_fetch_or(&deferred->wants, ZKT_WANT_END) == 0;
    const bool runs = idle || deferred->stranded;
    zkt__work_queue_unlock(deferred->queue);
    return runs;
}

void zkt__deferred_notice(struct zkt_deferred *deferred, enum zkt_notice notice)
{
    struct zkt_work_queue *queue = deferred->queue;
    if (notice == ZKT_NOTICE_READY) {
        zkt__deferred_want(deferred, ZKT_WANT_READY);
    } else if (set_end(deferred, notice)) {
        /* Also while the server is freed: it runs its queue once more. */
        zkt__work_post_all(queue, &deferred->work, &deferred->work);
    }
}

void zkt__deferred_stop(struct zkt_deferred *deferred)
{
    zkt__work_queue_lock(deferred->queue);
    deferred->stops = true;
    zkt__work_queue_unlock(deferred->queue);
    zkt__deferred_want(deferred, ZKT_WANT_STOP);
}

/* ---- for programs ---- */

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
    deferred->reason = ZKT_NOTICE_CANCELLED;
    deferred->stranded = deferred->ready = false;
    deferred->stops = deferred->told = false;
    deferred->notify = NULL;
    atomic_store(&deferred->wants, 0);
    atomic_store(&deferred->end, ZKT_NOTICE_READY);
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
    zkt__deferred_want(deferred, ZKT_WANT_RESUME);
}

bool zkt_deferred_cancelled(const struct zkt_deferred *deferred)
{
    return deferred == NULL || end_of(deferred) != ZKT_NOTICE_READY;
}

void zkt_deferred_notify(struct zkt_deferred *deferred, zkt_notice_function *fn,
                         void *user)
{
    if (deferred == NULL) {
        return;
    }
    zkt__work_queue_lock(deferred->queue);
    deferred->notify = fn;
    deferred->notify_user = user;
    const bool ended = end_of(deferred) != ZKT_NOTICE_READY;
    const unsigned wants = (deferred->ready ? ZKT_WANT_READY : 0u) |
                           (deferred->stops ? ZKT_WANT_STOP : 0u);
    deferred->told = false;
    zkt__work_queue_unlock(deferred->queue);
    if ((ended || wants != 0) && fn != NULL) {
        zkt__deferred_want(deferred, ended ? ZKT_WANT_END : wants);
    }
}
