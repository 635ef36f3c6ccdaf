/* See task.h. */
#include "session/task.h"

#include <string.h>

#include "call/broadcast.h"
#include "shard/broadcast.h"

/* ---- tasks ---- */

static struct zkt_session_task *task_of(struct zkt_call *call)
{
    return ZKT_CONTAINER(call, struct zkt_session_task, call);
}

static struct zkt_session_task *make(struct zkt_host *host)
{
    struct zkt_session_task *task = zkt__alloc_zero(host->allocator, 1,
                                                    sizeof(*task));
    if (task != NULL) {
        zkt__arena_init(&task->arena, host->allocator);
        task->arena.limit = (size_t)host->limits->call_bytes;
        task->arena.limit_hits = &host->stats.limit_hits.call_bytes;
    }
    return task;
}

struct zkt_session_task *zkt__session_task_new(
    struct zkt_host *host, struct zkt_session *session,
    const struct zkt_session_task_ops *ops)
{
    struct zkt_session_task *task = host->sessions->spare_task;
    host->sessions->spare_task = NULL;
    task = task != NULL ? task : make(host);
    if (task != NULL) {
        task->session = session;
        task->ops = ops;
        task->may_defer = false;
        task->ends_at = 0;
        task->errors = NULL;
        task->error_count = 0;
        task->request = NULL;
        task->called = (struct zkt_called){ .method = ZKT_STR("") };
        task->chain = NULL;
        task->outputs = NULL;
        task->input = NULL;
        task->result = NULL;
        task->result_type = NULL;
        task->deferred.queue = NULL;
        memcpy(task->client_id, session->peer.client_id,
               sizeof(task->client_id));
    }
    return task;
}

static void destroy(struct zkt_session_task *task)
{
    const struct zkt_allocator *allocator = task->arena.allocator;
    zkt__call_release_connection(&task->call);
    zkt__arena_finish(&task->arena);
    zkt__release(allocator, task);
}

void zkt__session_task_free(struct zkt_host *host,
                            struct zkt_session_task *task)
{
    if (host->sessions->spare_task != NULL) {
        destroy(task);
        return;
    }
    zkt__call_release_connection(&task->call);
    zkt__arena_reset(&task->arena);
    host->sessions->spare_task = task;
}

void zkt__sessions_finish_tasks(struct zkt_sessions *sessions)
{
    if (sessions->spare_task != NULL) {
        destroy(sessions->spare_task);
        sessions->spare_task = NULL;
    }
}

/* ---- deferring ---- */

static bool is_parked(const struct zkt_session_task *task)
{
    return task->session->task == task;
}

static struct zkt_deferred *find_deferred(struct zkt_call *call,
                                          enum zkt_member member,
                                          uint32_t number,
                                          const char **obstacle)
{
    struct zkt_session_task *task = task_of(call);
    const bool same = task->member == member && task->number == number;
    *obstacle = !task->may_defer ? "close cannot finish later"
                : !same          ? "deferred as another handler"
                                 : NULL;
    return &task->deferred;
}

/* The task has all that a cancelled call needs. Middleware needs a seat for its
 * time. */
static bool prepare_cancelling(struct zkt_call *call)
{
    struct zkt_session_task *task = task_of(call);
    task->has_seat = task->has_seat ||
                     (task->member == ZKT_MEMBER_MIDDLEWARE &&
                      zkt__heap_reserve(&call->host->sessions->parked,
                                        call->host->allocator));
    return task->has_seat || task->member != ZKT_MEMBER_MIDDLEWARE;
}

static void give_back_seat(struct zkt_host *host, struct zkt_session_task *task)
{
    if (task->has_seat) {
        zkt__heap_remove(&host->sessions->parked, &task->due);
        zkt__heap_release(&host->sessions->parked, host->allocator);
        task->has_seat = false;
    }
}

static const struct zkt_session_task *task_of_const(const struct zkt_call *call)
{
    return ZKT_CONTAINER(call, const struct zkt_session_task, call);
}

static bool declares(const struct zkt_call *call, uint32_t error)
{
    const struct zkt_session_task *task = task_of_const(call);
    bool found = false;
    for (uint32_t i = 0; !found && i < task->error_count; i++) {
        found = task->errors[i] == error;
    }
    return found;
}

static const void *find_output(const struct zkt_call *call, uint32_t number)
{
    const struct zkt_session_task *task = task_of_const(call);
    return zkt__outputs_find(task->chain, task->outputs, number);
}

static int64_t find_due(const struct zkt_call *call)
{
    const struct zkt_session_task *task = task_of_const(call);
    if (is_parked(task) && task->has_seat) {
        return task->due.due;
    }
    return task->ends_at != 0 ? task->ends_at : INT64_MAX;
}

static struct zkt_called find_called(const struct zkt_call *call)
{
    return task_of_const(call)->called;
}

static const struct zkt_ws_request *find_request(const struct zkt_call *call)
{
    return task_of_const(call)->request;
}

static void run_cancelled(struct zkt_call *call)
{
    struct zkt_session_task *task = task_of(call);
    (void)zkt__deferred_invoke(&task->deferred, task->input, task->result);
    zkt__work_queue_unref(task->deferred.queue);
    destroy(task);
}

static void resume(struct zkt_call *call)
{
    zkt__session_task_run(call->host, task_of(call));
}

static const struct zkt_call_ops call_ops = {
    .declares = declares,
    .find_deferred = find_deferred,
    .prepare_cancelling = prepare_cancelling,
    .find_output = find_output,
    .find_due = find_due,
    .find_called = find_called,
    .find_request = find_request,
    .resume = resume,
    .run_cancelled = run_cancelled,
};

/* ---- running ---- */

void zkt__session_task_begin(struct zkt_host *host,
                             struct zkt_session_task *task, const char *name)
{
    struct zkt_call *call = &task->call;
    zkt__call_init(call, host, &task->arena);
    call->ops = &call_ops;
    call->actor = NULL;
    call->instance = NULL;
    call->state = call->private_state = NULL;
    call->name = name;
    call->request = (struct zkt_request){ 0, NULL };
    call->client_id = (struct zkt_str){ task->client_id, ZKT_CLIENT_ID_LEN };
    call->instance_id = ZKT_STR("");
    call->journal = (struct zkt_journal){
        .store = &host->store,
        .arena = &task->arena,
        .issues = &call->issues,
        .reason = "",
    };
    call->peer = &task->session->peer;
    call->record = zkt__connection_record_ref(task->session->record);
}

/* Returns the status of a poisoned call, which is logged. */
static enum zkt_status status_of_poison(struct zkt_call *call)
{
    const bool memory = call->journal.failure == ZKT_NO_MEMORY;
    zkt__call_log_failure(call, call->journal.reason);
    if (memory) {
        zkt__call_set_failure(call, ZKT_RESOURCE_EXHAUSTED,
                              ZKT_STR("out of memory"));
    }
    return memory ? ZKT_RESOURCE_EXHAUSTED : ZKT_INTERNAL;
}

/* Checks the result that a handler has filled in. */
static enum zkt_status check_result(struct zkt_session_task *task)
{
    struct zkt_call *call = &task->call;
    if (task->result_type == NULL ||
        zkt__check_value(task->result_type, task->result, NULL, 0,
                         &call->issues)) {
        return ZKT_OK;
    }
    zkt__call_log_failure(call, "the result breaks its rules");
    return ZKT_INTERNAL;
}

/* Returns the status of a call after its handler has returned @status. A
 * poisoned call fails, also if its handler returned ZKT_OK. */
static enum zkt_status find_status(struct zkt_session_task *task,
                                   enum zkt_status status)
{
    struct zkt_call *call = &task->call;
    if (status == ZKT_OK) {
        return call->journal.failure != ZKT_OK ? status_of_poison(call)
                                               : check_result(task);
    }
    return zkt__call_fail_with(call, status);
}

/* ---- parking ---- */

/* Sets the time of a middleware: that of its message, or the limit. */
static void set_due(const struct zkt_host *host, struct zkt_session_task *task)
{
    const int64_t now = host->clock->now_ms;
    const int64_t limit = host->limits->handler_ms;
    task->due.due = now < INT64_MAX - limit ? now + limit : INT64_MAX;
    task->by_limit = task->ends_at == 0 || task->due.due <= task->ends_at;
    task->due.due = task->by_limit ? task->due.due : task->ends_at;
}

static void park(struct zkt_host *host, struct zkt_session_task *task)
{
    struct zkt_session *session = task->session;
    if (is_parked(task)) {
        return; /* deferred again: its deadline stays */
    }
    session->task = task;
    host->stats.deferred++;
    zkt__node_unlink(&session->wait_node);
    zkt__list_append(&host->sessions->gated, &session->wait_node);
    if (task->member == ZKT_MEMBER_MIDDLEWARE) {
        host->sessions->outstanding++;
        set_due(host, task);
        zkt__heap_add(&host->sessions->parked, &task->due);
    }
    if (task->ops->keep != NULL && !task->ops->keep(task)) {
        task->parked_bytes = 0;
        zkt__session_fail_task(host, session, ZKT_RESOURCE_EXHAUSTED,
                               ZKT_STR("out of memory"));
        return;
    }
    task->parked_bytes = task->arena.size;
    host->sessions->deferred_bytes += task->parked_bytes;
    if (host->sessions->deferred_bytes >
        zkt__host_share(host, host->limits->deferred_bytes)) {
        host->stats.limit_hits.deferred_bytes++;
        zkt__session_fail_task(host, session, ZKT_RESOURCE_EXHAUSTED,
                               ZKT_STR("too much memory is held by calls that "
                                       "have yet to finish"));
    }
}

/* Takes a parked task from its session, which may receive again. */
static void unpark(struct zkt_host *host, struct zkt_session_task *task)
{
    task->session->task = NULL;
    host->stats.deferred--;
    host->sessions->deferred_bytes -= task->parked_bytes;
    zkt__node_unlink(&task->session->wait_node);
    give_back_seat(host, task);
    host->sessions->outstanding -= task->member == ZKT_MEMBER_MIDDLEWARE;
}

/* Leaves a task to the thread that resumes it, and gives it notice. The task
 * may be free afterwards. */
static void detach(struct zkt_session_task *task)
{
    struct zkt_call *call = &task->call;
    task->arena.limit_hits = NULL; /* the server may be freed first */
    task->session = NULL;
    call->host = NULL;
    call->peer = NULL;
    call->journal.failure = ZKT_CANCELLED;
    if (task->result != NULL) {
        memset(task->result, 0, task->result_type->size);
    }
    zkt__deferred_notice(&task->deferred, task->deferred.reason);
}

void zkt__session_cancel(struct zkt_host *host, struct zkt_session *session)
{
    struct zkt_session_task *task = session->task;
    if (task != NULL) {
        unpark(host, task);
        if (task->ops->abandon != NULL) {
            task->ops->abandon(task);
        }
        zkt__emitted_drop(&task->call.broadcasts);
        task->deferred.reason = host->stopping ? ZKT_NOTICE_SHUTDOWN
                                               : ZKT_NOTICE_CONNECTION;
        detach(task);
    }
}

/* ---- broadcasts and kicks ---- */

/* Reserves memory for the broadcasts of a call that ends with @status, and
 * returns the status with which it ends then. */
static enum zkt_status reserve_broadcasts(struct zkt_host *host,
                                          struct zkt_call *call,
                                          enum zkt_status status,
                                          struct zkt_list *carriers)
{
    if (status != ZKT_OK || call->broadcasts.first == NULL ||
        zkt__broadcasts_reserve(host, call->broadcasts.first, carriers)) {
        return status;
    }
    zkt__call_set_failure(call, ZKT_RESOURCE_EXHAUSTED,
                          ZKT_STR("out of memory"));
    return ZKT_RESOURCE_EXHAUSTED;
}

/* Sends the broadcasts of a call that has ended with @status, if it is OK. */
static void send_broadcasts(struct zkt_host *host, struct zkt_call *call,
                            enum zkt_status status, struct zkt_list *carriers)
{
    if (status == ZKT_OK && call->broadcasts.first != NULL) {
        zkt__broadcasts_publish(host, call->broadcasts.first, carriers);
    }
    zkt__carriers_drop(host, carriers);
    zkt__emitted_drop(&call->broadcasts);
}

/* ---- running a handler ---- */

/* Ends a handler that has returned @status. Returns true if the task runs
 * another. */
static bool finish_handler(struct zkt_host *host, struct zkt_session_task *task,
                           enum zkt_status status)
{
    struct zkt_list carriers;
    zkt__list_init(&carriers);
    status = reserve_broadcasts(host, &task->call, find_status(task, status),
                                &carriers);
    const bool goes_on = task->ops->finish(task, status);
    send_broadcasts(host, &task->call, status, &carriers);
    return goes_on && task->session != NULL;
}

void zkt__session_task_run(struct zkt_host *host, struct zkt_session_task *task)
{
    struct zkt_session *session = task->session;
    bool resumed = is_parked(task);
    bool goes_on = true;
    while (goes_on) {
        zkt__host_spend(host, ZKT_COST_CALL);
        host->running = &task->call;
        task->call.now_ms = host->clock->wall_ms;
        const enum zkt_status status = resumed ? zkt__deferred_invoke(
                                                     &task->deferred,
                                                     task->input, task->result)
                                               : task->ops->invoke(task);
        host->running = NULL;
        if (status == ZKT_PENDING &&
            zkt__deferred_is_outstanding(&task->deferred)) {
            park(host, task);
            return;
        }
        if (resumed) {
            unpark(host, task);
        }
        goes_on = finish_handler(host, task, status);
        resumed = false;
    }
    give_back_seat(host, task);
    if (zkt__deferred_is_outstanding(&task->deferred)) {
        detach(task);
    } else {
        zkt__session_task_free(host, task);
    }
    host->sessions->events.changed(session);
}

void zkt__session_fail_task(struct zkt_host *host, struct zkt_session *session,
                            enum zkt_status status, struct zkt_str text)
{
    struct zkt_session_task *task = session->task;
    unpark(host, task);
    task->deferred.reason = zkt__notice_of(status);
    zkt__call_set_failure(&task->call, status, text);
    zkt__emitted_drop(&task->call.broadcasts);
    (void)task->ops->finish(task, status);
    detach(task);
    host->sessions->events.changed(session);
}

static struct zkt_session *first_of(const struct zkt_list *list)
{
    struct zkt_node *node = zkt__list_first(list);
    return node != NULL ? ZKT_CONTAINER(node, struct zkt_session, wait_node)
                        : NULL;
}

void zkt__sessions_cancel(struct zkt_host *host, enum zkt_status status,
                          struct zkt_str text)
{
    struct zkt_session *session;
    while ((session = first_of(&host->sessions->gated)) != NULL) {
        zkt__session_fail_task(host, session, status, text);
    }
}

static void expire(struct zkt_host *host, struct zkt_session_task *task)
{
    if (task->by_limit) {
        host->stats.limit_hits.handler_ms++;
        zkt__call_log(&task->call, ZKT_LOG_WARNING,
                      "it did not finish in time");
        zkt__session_fail_task(host, task->session, ZKT_DEADLINE_EXCEEDED,
                               ZKT_STR("the handler did not finish in time"));
        return;
    }
    host->stats.expired++;
    zkt__session_fail_task(host, task->session, ZKT_DEADLINE_EXCEEDED,
                           ZKT_STR("the time of the call is over"));
}

void zkt__sessions_expire(struct zkt_host *host)
{
    const struct zkt_heap *parked = &host->sessions->parked;
    struct zkt_heap_node *first;
    while ((first = zkt__heap_first(parked)) != NULL &&
           first->due <= host->clock->now_ms) {
        expire(host, ZKT_CONTAINER(first, struct zkt_session_task, due));
    }
}
