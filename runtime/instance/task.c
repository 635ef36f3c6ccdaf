/*
 * Runs calls and hooks: begins the journals, invokes the handler, and commits
 * or undoes its changes. A deferred call is parked at the instance with its
 * changes until it is resumed (deferred.c).
 */
#include "instance/task.h"

#include <string.h>

#include "call/stream.h"
#include "instance/asking.h"
#include "instance/commit.h"
#include "instance/contacts.h"
#include "instance/mailbox.h"
#include "instance/open_calls.h"
#include "instance/report.h"
#include "protocol/envelope.h"

/* ---- tasks ---- */

struct zkt_task *zkt__task_new(struct zkt_host *host)
{
    struct zkt_task *task = zkt__alloc_zero(host->allocator, 1, sizeof(*task));
    if (task != NULL) {
        const struct zkt_limits *limits = host->limits;
        zkt__arena_init(&task->arena, host->allocator);
        task->arena.limit = (size_t)limits->call_bytes +
                            (size_t)limits->message_bytes;
        task->arena.limit_hits = &host->stats.limit_hits.call_bytes;
    }
    return task;
}

static void drop_holdings(struct zkt_call *call)
{
    zkt__call_release_connection(call);
    zkt__outgoing_end(call);
}

/* Releases the records, tells and asks of a call that has ended. */
static inline void release_holdings(struct zkt_call *call)
{
    if (call->record != NULL || call->view != NULL || call->outgoing != NULL) {
        drop_holdings(call);
    }
}

void zkt__task_free(struct zkt_task *task)
{
    if (task == NULL) {
        return;
    }
    const struct zkt_allocator *allocator = task->arena.allocator;
    if (task->kind == ZKT_TASK_CALL) {
        zkt__release(allocator, task->request.body);
    }
    drop_holdings(&task->call);
    zkt__deferred_release_stream(&task->deferred);
    zkt__arena_finish(&task->arena);
    zkt__release(allocator, task);
}

/* ---- beginning ---- */

static bool begin_journals(struct zkt_call *call)
{
    const struct zkt_host *host = call->host;
    const struct zkt_instance *instance = call->instance;
    const uint32_t mutations = zkt__bounded(host->limits->mutations);
    return zkt__journal_begin(&call->journal, &host->store, call->arena,
                              &call->issues, instance->actor->state,
                              instance->state, mutations) &&
           (instance->private_state == NULL ||
            zkt__journal_begin(&call->private_journal, &host->store,
                               call->arena, &call->issues,
                               instance->actor->private_state,
                               instance->private_state, mutations));
}

/* Sets what a hook can ask its call. */
static void describe_hook(struct zkt_task *task)
{
    struct zkt_call *call = &task->call;
    const struct zkt_contact *contact = task->contact;
    if (task->hook.hook == ZKT_HOOK_SUBSCRIBE) {
        call->topic = task->hook.message->topic;
    }
    if (task->hook.hook == ZKT_HOOK_DISCONNECT && contact->attachment.lost) {
        call->close_code = contact->peer->close_code;
        call->close_reason = zkt_cstr(contact->peer->close_reason);
    }
    if (task->hook.hook == ZKT_HOOK_DISCONNECT && call->host->stopping &&
        call->close_code == 0) {
        call->close_code = 1001;
        call->close_reason = ZKT_STR("the server stops");
    }
}

/* Returns false if there is no memory. */
static bool begin_call(struct zkt_host *host, struct zkt_task *task,
                       struct zkt_instance *instance)
{
    struct zkt_call *call = &task->call;
    const struct zkt_contact *contact = task->contact;
    zkt__call_init(call, host, &task->arena);
    call->ops = &zkt__task_ops;
    call->actor = instance->actor;
    call->instance = instance;
    call->state = instance->state;
    call->private_state = instance->private_state;
    call->peer = contact != NULL && !contact->peer->is_program ? contact->peer
                                                               : NULL;
    call->client_id = contact != NULL ? zkt__peer_client_id(contact->peer)
                                      : ZKT_STR("");
    call->instance_id = instance->location->name;
    if (task->kind == ZKT_TASK_HOOK) {
        describe_hook(task);
    }
    return begin_journals(call);
}

static bool make_result(struct zkt_task *task)
{
    const struct zkt_type *type = task->kind == ZKT_TASK_CALL
                                      ? task->request.method->result
                                      : NULL;
    task->result = NULL;
    if (type != NULL) {
        task->result = zkt__arena_alloc(&task->arena, type->size);
        if (task->result == NULL) {
            return false;
        }
        memset(task->result, 0, type->size);
    }
    return true;
}

/* ---- the end of a call ---- */

/* Logs the failure of a hook or a timer that nobody is told. */
static void log_failure(const struct zkt_task *task, const char *kind,
                        const struct zkt_failure *failure)
{
    const struct zkt_call *call = &task->call;
    const struct zkt_str text =
        failure->text.len > 0 ? failure->text
                              : zkt_cstr(zkt_status_text(failure->status));
    char request[ZKT_REQUEST_SIZE];
    struct zkt_log_record fields = zkt__call_fields(call, ZKT_LOG_WARNING,
                                                    request);
    fields.code = zkt_cstr(zkt_status_name(failure->status));
    zkt__host_log(call->host, &fields, "the %s failed: %.*s", kind,
                  ZKT_ARG(text));
}

/* Sends an error to the caller. That of a hook is for its continuation, that of
 * a timer for the log. */
static void send_failure(struct zkt_host *host, struct zkt_task *task,
                         enum zkt_status status)
{
    const struct zkt_failure failure = zkt__call_failure(&task->call, status);
    if (task->kind == ZKT_TASK_HOOK) {
        host->stats.hook_failures++;
        if (task->hook.message == NULL) {
            log_failure(task, "hook", &failure);
        }
        return;
    }
    if (task->kind == ZKT_TASK_TIMER) {
        host->stats.timer_failures++;
        log_failure(task, "timer", &failure);
        zkt__timer_report(host, task, &failure);
        return;
    }
    zkt__instance_write_failure(host, &task->request, &failure);
    zkt__task_reply(host, task, &failure);
}

void zkt__task_reply(struct zkt_host *host, struct zkt_task *task,
                     const struct zkt_failure *failure)
{
    struct zkt_msg reply;
    struct zkt_msg *carrier = task->carrier;
    zkt__task_report(host, task, failure);
    zkt__msg_init(&reply, ZKT_MSG_RESULT, task->contact);
    reply.of.result.ask = task->request.ask;
    reply.of.result.frame = NULL;
    reply.of.result.stream = task->deferred.stream;
    reply.of.result.text = task->request.ask == NULL ? &host->result : NULL;
    task->carrier = NULL;
    (void)zkt__deliver(host, task->contact->peer->shard, &reply, carrier);
}

/* Returns the status of a call after its handler has returned @status. A
 * poisoned call fails, also if its handler returned ZKT_OK. */
static enum zkt_status find_status(struct zkt_call *call,
                                   enum zkt_status status)
{
    if (status == ZKT_OK) {
        return zkt__call_check(call);
    }
    return zkt__call_fail_with(call, status);
}

/* Commits the changes of a call that is checked, or undoes them: @status is
 * that of the check. Returns the status that the call goes on with. */
static inline enum zkt_status commit_or_undo(struct zkt_host *host,
                                             struct zkt_task *task,
                                             enum zkt_status status, bool ends)
{
    if (status == ZKT_OK) {
        status = zkt__task_commit(task, ends);
    }
    if (status != ZKT_OK) {
        zkt__call_undo(&task->call);
        send_failure(host, task, status);
    }
    return status;
}

/* A call has committed that destroys its instance. */
static void note_destroyed(struct zkt_host *host, struct zkt_instance *instance)
{
    instance->destroyed = true;
    zkt__mailbox_make_ready(host, instance);
}

/* ---- parking ---- */

/* The next message is read into another task. */
static void replace_task(struct zkt_host *host)
{
    struct zkt_instances *instances = host->instances;
    instances->task = instances->spare;
    instances->spare = NULL;
    host->arena = &instances->task->arena;
}

static void recycle(struct zkt_host *host, struct zkt_task *task)
{
    if (host->instances->spare != NULL) {
        zkt__task_free(task);
        return;
    }
    zkt__arena_reset(&task->arena);
    host->instances->spare = task;
}

static bool is_over_budget(const struct zkt_host *host)
{
    return host->instances->deferred_bytes >
           zkt__host_share(host, host->limits->deferred_bytes);
}

void zkt__task_hold(struct zkt_host *host, struct zkt_task *task)
{
    struct zkt_instances *instances = host->instances;
    replace_task(host);
    task->parked_bytes = task->arena.size;
    instances->deferred_bytes += task->parked_bytes;
    zkt__list_append(&instances->parked, &task->parked);
    zkt__waiting_add_task(host, task);
    host->stats.deferred++;
}

void zkt__task_release(struct zkt_host *host, struct zkt_task *task)
{
    zkt__node_unlink(&task->parked);
    zkt__waiting_remove_task(host, task);
    host->stats.deferred--;
    host->instances->deferred_bytes -= task->parked_bytes;
}

void zkt__task_keep_budget(struct zkt_host *host, struct zkt_task *task)
{
    const size_t bytes = task->arena.size;
    host->instances->deferred_bytes += bytes - task->parked_bytes;
    task->parked_bytes = bytes;
    if (is_over_budget(host)) {
        host->stats.limit_hits.deferred_bytes++;
        zkt__task_cancel(host, task, ZKT_RESOURCE_EXHAUSTED,
                         ZKT_STR("too much memory is held by calls that have "
                                 "yet to finish"));
    }
}

/* Parks the call at its instance until it is resumed. */
static void park(struct zkt_host *host, struct zkt_task *task)
{
    zkt__task_measured(host, task);
    if (task != host->instances->task) {
        return; /* deferred again: its deadline stays */
    }
    task->call.instance->parked = task;
    zkt__task_hold(host, task);
    zkt__task_keep_budget(host, task);
}

/* Frees the instance for its queued messages. */
static void unpark(struct zkt_host *host, struct zkt_task *task)
{
    struct zkt_instance *instance = task->call.instance;
    zkt__task_release(host, task);
    instance->parked = NULL;
    /* Nobody may be left: `disconnect` of the last client has waited. */
    instance->abandoned = instance->abandoned ||
                          instance->attachments.first == NULL;
    zkt__instance_send_snapshots(host, instance);
    if (!zkt__list_empty(&instance->round) || instance->ending ||
        instance->destroyed || instance->expels || instance->abandoned) {
        zkt__mailbox_make_ready(host, instance);
    }
}

static void release_body(struct zkt_host *host, struct zkt_task *task)
{
    if (task->kind == ZKT_TASK_CALL && task->request.body != NULL) {
        zkt__release(host->allocator, task->request.body);
        task->request.body = NULL;
    }
}

void zkt__task_reuse(struct zkt_host *host, struct zkt_task *task)
{
    drop_holdings(&task->call);
    zkt__deferred_end_stream(&task->deferred);
    zkt__deferred_release_stream(&task->deferred);
    release_body(host, task);
    recycle(host, task);
}

/* Continues after a hook that has ended with @status. A continuation may run
 * another call in the current task, and may end the instance. */
static void continue_after_hook(struct zkt_host *host, struct zkt_task *task,
                                enum zkt_status status)
{
    const struct zkt_hook_run run = task->hook;
    if (status == ZKT_OK) {
        zkt__hook_over(host, &run, NULL);
        return;
    }
    const struct zkt_failure failure = zkt__call_failure(&task->call, status);
    zkt__hook_over(host, &run, &failure);
}

/* Ends a call that was parked, or is deferred and not resumed yet. */
static void finish_deferred(struct zkt_host *host, struct zkt_task *task,
                            enum zkt_status status)
{
    struct zkt_instance *instance = task->call.instance;
    const bool parked = instance->parked == task;
    const bool outstanding = zkt__deferred_is_outstanding(&task->deferred);
    if (parked) {
        unpark(host, task);
    } else {
        zkt__waiting_remove_task(host, task);
        replace_task(host);
    }
    if (task->kind == ZKT_TASK_HOOK) {
        continue_after_hook(host, task, status);
        instance = NULL; /* may be gone */
    }
    if (outstanding) {
        zkt__task_detach(task);
    } else {
        zkt__task_reuse(host, task);
    }
    if (instance != NULL && instance->expels) {
        zkt__instance_expel(host, instance);
    }
}

/* Ends a call with @status. Its task is used again, unless the program still
 * holds the deferred call. */
static inline void finish(struct zkt_host *host, struct zkt_task *task,
                          enum zkt_status status)
{
    struct zkt_instance *instance = task->call.instance;
    if (instance->parked == task ||
        zkt__deferred_is_outstanding(&task->deferred)) {
        finish_deferred(host, task, status);
        return;
    }
    release_holdings(&task->call);
    if (task->kind == ZKT_TASK_HOOK) {
        continue_after_hook(host, task, status);
        return;
    }
    release_body(host, task);
    if (instance->expels) {
        zkt__instance_expel(host, instance);
    }
}

/* ---- running ---- */

/* Invokes the handler of a hook or a timer. */
static enum zkt_status invoke_other(struct zkt_task *task, const void *handlers)
{
    struct zkt_call *call = &task->call;
    return task->kind == ZKT_TASK_HOOK
               ? call->actor->hooks[task->hook.hook].invoke(call, handlers)
               : task->timer.type->invoke(call, handlers, task->timer.input);
}

static enum zkt_status invoke(struct zkt_host *host, struct zkt_task *task)
{
    struct zkt_call *call = &task->call;
    const struct zkt_actor *actor = call->instance->actor;
    const void *handlers;
    memcpy(&handlers, (const char *)host->app.handlers + actor->handlers_offset,
           sizeof(handlers));
    if (task->kind != ZKT_TASK_CALL) {
        return invoke_other(task, handlers);
    }
    call->has_effects = task->is_optimistic;
    return task->request.method->invoke(call, handlers, task->request.input,
                                        task->result);
}

static bool interleaves(const struct zkt_task *task)
{
    return task->kind == ZKT_TASK_CALL && task->request.method->interleaves;
}

/* Commits the half of a call that has run, and lets other messages of its
 * instance in until it is resumed. */
static void let_others_in(struct zkt_host *host, struct zkt_task *task)
{
    const bool first = task == host->instances->task;
    const enum zkt_status status = commit_or_undo(
        host, task, zkt__call_check(&task->call), false);
    host->running = NULL;
    if (status == ZKT_OK) {
        if (task->call.destroys) {
            note_destroyed(host, task->call.instance);
        }
        zkt__task_measured(host, task);
        zkt__open_call_begin(host, task);
    } else if (first) {
        finish(host, task, status);
    } else {
        zkt__open_call_end(host, task);
    }
}

/* Runs the first half of a call, or the second half of a parked call. */
static inline void execute(struct zkt_host *host, struct zkt_task *task)
{
    struct zkt_instance *instance = task->call.instance;
    const bool resumed = task == instance->parked;
    host->running = &task->call;
    task->call.now_ms = host->clock->wall_ms;
    const enum zkt_status status =
        resumed ? zkt__deferred_invoke(&task->deferred, zkt__task_input(task),
                                       task->result)
                : invoke(host, task);
    if (status == ZKT_PENDING &&
        zkt__deferred_is_outstanding(&task->deferred)) {
        if (interleaves(task)) {
            let_others_in(host, task);
            return;
        }
        host->running = NULL;
        park(host, task);
        return;
    }
    const enum zkt_status end = commit_or_undo(
        host, task, find_status(&task->call, status), true);
    host->running = NULL;
    if (end == ZKT_OK && task->call.destroys) {
        note_destroyed(host, instance);
    }
    finish(host, task, end);
}

void zkt__task_run_open(struct zkt_host *host, struct zkt_task *task)
{
    struct zkt_call *call = &task->call;
    host->running = call;
    call->now_ms = host->clock->wall_ms;
    zkt__task_measure(host);
    const enum zkt_status status = zkt__deferred_invoke(
        &task->deferred, task->request.input, task->result);
    if (status == ZKT_PENDING &&
        zkt__deferred_is_outstanding(&task->deferred)) {
        let_others_in(host, task);
        return;
    }
    const enum zkt_status end = commit_or_undo(
        host, task, find_status(&task->call, status), true);
    host->running = NULL;
    if (end == ZKT_OK && call->destroys) {
        note_destroyed(host, call->instance);
    }
    zkt__open_call_end(host, task);
}

/* Ends a call or hook that is not committed. */
static void fail(struct zkt_host *host, struct zkt_task *task,
                 enum zkt_status status, struct zkt_str text)
{
    zkt__call_set_failure(&task->call, status, text);
    send_failure(host, task, status);
    finish(host, task, status);
}

/* Runs the call or hook in the current task. */
static void run(struct zkt_host *host, struct zkt_instance *instance)
{
    struct zkt_task *task = host->instances->task;
    task->deferred.queue = NULL;
    task->handler_ns = 0;
    zkt__task_measure(host);
    if (begin_call(host, task, instance) && make_result(task)) {
        execute(host, task);
        return;
    }
    fail(host, task, ZKT_RESOURCE_EXHAUSTED, ZKT_STR("out of memory"));
}

void zkt__task_call(struct zkt_host *host, const struct zkt_msg *m,
                    struct zkt_msg *carrier)
{
    struct zkt_task *task = host->instances->task;
    struct zkt_instance *instance = m->contact->attachment.instance;
    task->contact = m->contact;
    task->call.record = zkt__connection_record_ref(m->record);
    task->call.request = m->of.call.request;
    task->request = m->of.call;
    task->kind = ZKT_TASK_CALL;
    task->is_optimistic = m->is_optimistic;
    task->size = m->size;
    task->carrier = carrier;
    if (carrier != NULL) {
        carrier->of.call.body = NULL;
    }
    task->call.name = m->of.call.method->name.data;
    host->stats.calls++;
    instance->calls++;
    run(host, instance);
}

void zkt__task_hook(struct zkt_host *host, const struct zkt_hook_run *hook)
{
    static const char *const names[] = {
        [ZKT_HOOK_CONNECT] = "connect",
        [ZKT_HOOK_SUBSCRIBE] = "subscribe",
        [ZKT_HOOK_DISCONNECT] = "disconnect",
        [ZKT_HOOK_ACTIVATE] = "activate",
        [ZKT_HOOK_DEACTIVATE] = "deactivate",
    };
    struct zkt_task *task = host->instances->task;
    task->contact = hook->contact;
    task->kind = ZKT_TASK_HOOK;
    task->hook = *hook;
    task->carrier = NULL;
    task->call.record = hook->contact != NULL
                            ? zkt__connection_record_ref(
                                  hook->contact->attachment.record)
                            : NULL;
    task->call.name = names[hook->hook];
    task->call.request = (struct zkt_request){
        hook->request.number,
        zkt__trace_keep(&task->arena, hook->request.trace),
    };
    run(host, hook->instance);
}

void zkt__task_timer(struct zkt_host *host, struct zkt_instance *instance,
                     const struct zkt_timer_run *timer)
{
    struct zkt_task *task = host->instances->task;
    task->contact = NULL;
    task->kind = ZKT_TASK_TIMER;
    task->timer = *timer;
    task->carrier = NULL;
    task->call.record = NULL;
    task->call.name = timer->type->name.data;
    task->call.request = timer->request;
    run(host, instance);
}

void zkt__task_resume(struct zkt_call *call)
{
    struct zkt_task *task = zkt__task_of(call);
    if (zkt__open_call_is(task)) {
        zkt__open_call_resume(call->host, task);
    } else {
        zkt__task_measure(call->host);
        execute(call->host, task);
    }
}

void zkt__task_cancel(struct zkt_host *host, struct zkt_task *task,
                      enum zkt_status status, struct zkt_str text)
{
    task->deferred.reason = zkt__notice_of(status);
    zkt__call_undo(&task->call);
    if (zkt__open_call_is(task)) {
        zkt__call_set_failure(&task->call, status, text);
        send_failure(host, task, status);
        zkt__open_call_end(host, task);
    } else {
        fail(host, task, status, text);
    }
}
