/*
 * Running a call or a hook of an instance: the handler, the rules at the
 * commit, the frames, and the one point from which there is no way back.
 * Everything that can fail comes before it; after it the commit is published.
 * A call whose handler finishes later is parked at the instance with all that
 * it has done so far, and goes on from there.
 */
#include "actor/remote.h"
#include "server/server.h"
#include "state/record.h"

/* A limit as what counts it. */
static uint32_t bounded(int64_t limit)
{
    return limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
}

static bool begin_call(struct zkt_actors *actors, struct zkt_task *task,
                       struct zkt_instance *instance)
{
    struct zkt_call *call = &task->call;
    const struct zkt_port *port = task->request.port;
    const uint32_t mutations = bounded(actors->limits->mutations);
    call->actors = actors;
    call->instance = instance;
    call->state = instance->state;
    call->hidden = instance->hidden;
    call->user = actors->app.user;
    call->client_id = port != NULL ? zkt__port_client(port) : ZKT_STR("");
    call->instance_id = instance->name;
    call->arena = &task->arena;
    call->failure = ZKT_OK;
    call->error = ZKT_STR("");
    call->first_event = call->last_event = NULL;
    call->event_count = 0;
    call->ends = false;
    zkt__issues_init(&call->issues, call->arena, &actors->rules);
    return zkt__journal_begin(&call->journal, &actors->store, call->arena,
                              &call->issues, instance->actor->state,
                              instance->state, mutations) &&
           (instance->hidden == NULL ||
            zkt__journal_begin(&call->hidden_journal, &actors->store,
                               call->arena, &call->issues,
                               instance->actor->hidden, instance->hidden,
                               mutations));
}

/* ---- both journals: the state's, and the private state's ---- */

/* NULL, or why what was written cannot be committed. */
static const char *check_journals(struct zkt_call *call)
{
    if (!zkt__journal_check(&call->journal)) {
        return call->journal.reason;
    }
    if (call->hidden != NULL && !zkt__journal_check(&call->hidden_journal)) {
        return call->hidden_journal.reason;
    }
    return NULL;
}

static bool has_written(const struct zkt_call *call)
{
    return call->journal.count > 0 ||
           (call->hidden != NULL && call->hidden_journal.count > 0);
}

static void settle_journals(struct zkt_call *call)
{
    zkt__journal_settle(&call->journal);
    if (call->hidden != NULL) {
        zkt__journal_settle(&call->hidden_journal);
    }
}

static void undo_journals(struct zkt_call *call)
{
    zkt__journal_undo(&call->journal);
    if (call->hidden != NULL) {
        zkt__journal_undo(&call->hidden_journal);
    }
}

/* ---- the end of a call ---- */

static void drop_events(struct zkt_call *call)
{
    for (struct zkt_emitted *e = call->first_event; e != NULL; e = e->next) {
        zkt__buffer_unref(e->frame);
    }
    call->first_event = call->last_event = NULL;
}

/* Tells the log why a call failed on our side: reason, and issues if any. */
static void log_failure(const struct zkt_call *call, const char *reason)
{
    struct zkt_writer w;
    zkt__writer_init(&w, call->actors->allocator);
    if (call->issues.total > 0) {
        ZKT_WRITE(&w, ": ");
        zkt__issues_write(&call->issues, &w);
    }
    zkt__server_log(
        call->actors->server, ZKT_LOG_ERROR, "%.*s \"%.*s\": %s: %s%.*s",
        ZKT_ARG(call->instance->actor->name), ZKT_ARG(call->instance->name),
        call->what, reason, w.failed ? 0 : (int)w.len, w.failed ? "" : w.data);
    zkt__writer_finish(&w);
}

/* The status of a call whose handler has returned @status: a call that was
 * poisoned has failed, whatever its handler says. */
static enum zkt_status judge(struct zkt_call *call, enum zkt_status status)
{
    if (status == ZKT_OK) {
        const char *reason = check_journals(call);
        if (reason != NULL) {
            call->actors->stats.reached.mutations +=
                call->journal.over ||
                (call->hidden != NULL && call->hidden_journal.over);
            log_failure(call, reason);
            return ZKT_INTERNAL;
        }
        return ZKT_OK;
    }
    if (status == ZKT_PENDING) {
        log_failure(call, "the handler is pending, but has not deferred");
        return ZKT_INTERNAL;
    }
    if (status != call->failure) { /* returned without zkt_fail */
        (void)zkt_fail(call, status, "%s", zkt_status_text(status));
    }
    if (call->failure == ZKT_INTERNAL) {
        log_failure(call, call->error.len > 0 ? call->error.data
                                              : "the handler failed");
    }
    return call->failure;
}

/* Writes the result's frame text; false: the result breaks its rules, or
 * there is no memory. */
static bool write_result(struct zkt_call *call,
                         const struct zkt_request *request, const void *result)
{
    struct zkt_writer *w = &call->actors->result;
    const struct zkt_type *type = request->method->result;
    if (type != NULL &&
        !zkt__check_value(type, result, NULL, 0, &call->issues)) {
        log_failure(call, "the result breaks its rules");
        return false;
    }
    zkt__frame_begin(w);
    zkt__write_result_begin(w, request->id);
    if (type != NULL) {
        ZKT_WRITE(w, ",\"result\":");
        type->encode(w, type, result);
    }
    ZKT_WRITE(w, "}");
    return !w->failed;
}

/* The frame of a patch whose operations are in @w behind room for it. */
static struct zkt_buffer *frame_patch(struct zkt_call *call,
                                      struct zkt_writer *w)
{
    ZKT_WRITE(w, "}");
    return zkt__frame_share(call->actors, w);
}

/* Begins a patch message; where its operations will begin. */
static size_t begin_patch(struct zkt_call *call, struct zkt_writer *w)
{
    zkt__frame_begin(w);
    zkt__write_address(w, ZKT_MESSAGE_STATE_PATCH, call->instance->actor->name,
                       call->instance->name);
    ZKT_WRITE(w, ",\"patches\":");
    return w->len;
}

static bool make_patches(struct zkt_call *call, struct zkt_commit *commit)
{
    struct zkt_actors *actors = call->actors;
    bool same;
    if (call->instance->subscribers == 0) {
        return true;
    }
    const size_t empty = begin_patch(call, &actors->plain);
    (void)begin_patch(call, &actors->rfc6902);
    call->journal.pieces_max = bounded(actors->limits->pieces);
    if (!zkt__journal_patch(&call->journal, &actors->plain, &actors->rfc6902,
                            &same)) {
        return false;
    }
    actors->stats.reached.pieces += call->journal.cut;
    if (actors->plain.len == empty && !actors->plain.failed && same) {
        return true; /* no net change */
    }
    commit->patch[ZKT_DIALECT_PLAIN] = frame_patch(call, &actors->plain);
    commit->patch[ZKT_DIALECT_RFC6902] = same ? commit->patch[ZKT_DIALECT_PLAIN]
                                              : frame_patch(call,
                                                            &actors->rfc6902);
    if (commit->patch[ZKT_DIALECT_PLAIN] == NULL ||
        commit->patch[ZKT_DIALECT_RFC6902] == NULL) {
        return false;
    }
    if (same) {
        zkt__buffer_ref(commit->patch[ZKT_DIALECT_PLAIN]);
    }
    return true;
}

static void release_commit(struct zkt_commit *commit)
{
    for (size_t i = 0; i < ZKT_DIALECT_COUNT; i++) {
        zkt__buffer_unref(commit->patch[i]);
        commit->patch[i] = NULL;
    }
}

/* What newcomers are given follows the state: a change that nobody watches has
 * no patch, and one that was watched and has none has changed nothing. */
static void keep_history(struct zkt_call *call, const struct zkt_commit *commit)
{
    struct zkt_history_cache *cache = &call->actors->histories;
    struct zkt_history *history = call->instance->history;
    if (commit->patch[ZKT_DIALECT_PLAIN] != NULL) {
        zkt__history_add(cache, history, commit->patch);
    } else if (call->journal.count > 0 && call->instance->subscribers == 0) {
        zkt__history_drop(cache, history);
    }
}

/* Makes the call final and publishes it; false: no memory, nothing is done. */
static bool commit_call(struct zkt_call *call,
                        const struct zkt_request *request)
{
    struct zkt_instance *instance = call->instance;
    struct zkt_commit commit = {
        .instance = instance,
        .events = call->first_event,
        .call = request->kind == ZKT_REQUEST_CALL ? request : NULL,
        .result = &call->actors->result,
    };
    if (!make_patches(call, &commit) ||
        !zkt__remote_prepare(call->actors, &commit)) {
        release_commit(&commit);
        return false;
    }
    if (has_written(call)) {
        instance->seq++;
        call->actors->stats.commits++;
    }
    commit.epoch = instance->epoch;
    commit.seq = instance->seq;
    keep_history(call, &commit);
    settle_journals(call);
    zkt__remote_publish(call->actors, &commit);
    zkt__edge_publish(call->actors, &commit);
    release_commit(&commit);
    drop_events(call);
    return true;
}

/* Tells the caller that its call failed. */
static void send_failure(struct zkt_call *call,
                         const struct zkt_request *request,
                         enum zkt_status status)
{
    struct zkt_writer *w = &call->actors->result;
    const struct zkt_str text = status == ZKT_INTERNAL
                                    ? ZKT_STR("internal error")
                                    : call->error;
    if (request->kind != ZKT_REQUEST_CALL) {
        call->actors->stats.hook_failures++;
        zkt__server_log(call->actors->server, ZKT_LOG_WARNING,
                        "%.*s \"%.*s\": the %s hook failed: %.*s",
                        ZKT_ARG(call->instance->actor->name),
                        ZKT_ARG(call->instance->name), call->what,
                        ZKT_ARG(text));
        return;
    }
    zkt__frame_begin(w);
    zkt__write_result_error(w, request->id, text, status);
    zkt__edge_answer(call->actors, request, w);
}

static void roll_back(struct zkt_call *call, const struct zkt_request *request,
                      enum zkt_status status)
{
    undo_journals(call);
    drop_events(call);
    send_failure(call, request, status);
}

static enum zkt_status invoke(struct zkt_call *call,
                              const struct zkt_request *request, void *result)
{
    const struct zkt_actor *actor = call->instance->actor;
    const void *handlers;
    memcpy(&handlers,
           (const char *)call->actors->app.handlers + actor->handlers_offset,
           sizeof(handlers));
    if (request->kind == ZKT_REQUEST_HOOK) {
        return actor->hooks[request->hook].invoke(call, handlers);
    }
    return request->method->invoke(call, handlers, request->input, result);
}

static const char *name_of(const struct zkt_request *request)
{
    static const char *const hooks[] = {
        [ZKT_HOOK_CONNECT] = "connect",
        [ZKT_HOOK_DISCONNECT] = "disconnect",
        [ZKT_HOOK_ACTIVATE] = "activate",
        [ZKT_HOOK_DEACTIVATE] = "deactivate",
    };
    return request->kind == ZKT_REQUEST_HOOK ? hooks[request->hook]
                                             : request->method->name.data;
}

/* The second half of the call is what the resumer gave. */
static enum zkt_status invoke_then(struct zkt_task *task)
{
    const struct zkt_later *later = &task->later;
    return later->invoke(&task->call, later->then, task->request.input,
                         task->result, later->user);
}

/* Commits what the call did, or takes it back. Whether it was committed. */
static bool settle_call(struct zkt_task *task, enum zkt_status status)
{
    struct zkt_call *call = &task->call;
    const struct zkt_request *request = &task->request;
    status = judge(call, status);
    if (status == ZKT_OK && request->kind == ZKT_REQUEST_CALL &&
        !write_result(call, request, task->result)) {
        status = ZKT_INTERNAL;
    }
    if (status == ZKT_OK && !commit_call(call, request)) {
        status = ZKT_RESOURCE_EXHAUSTED;
        call->error = ZKT_STR("out of memory");
    }
    if (status != ZKT_OK) {
        roll_back(call, request, status);
    }
    return status == ZKT_OK;
}

/* ---- tasks ---- */

static bool is_outstanding(const struct zkt_task *task)
{
    return task->later.box != NULL;
}

/* The message that is read next is read into another task. */
static void replace_task(struct zkt_actors *actors)
{
    actors->task = actors->spare;
    actors->spare = NULL;
}

static void recycle(struct zkt_actors *actors, struct zkt_task *task)
{
    if (actors->spare != NULL) {
        zkt__task_free(task);
        return;
    }
    zkt__arena_reset(&task->arena);
    actors->spare = task;
}

/* The instance keeps the call until it is resumed. */
static void park(struct zkt_actors *actors, struct zkt_task *task)
{
    if (task != actors->task) {
        return; /* it was parked before; its deadline stays */
    }
    replace_task(actors);
    task->call.instance->parked = task;
    if (!task->counted) {
        task->counted = true;
        task->request.port->waiting++;
    }
    zkt__timeout_arm(&actors->parked, &task->deadline, actors->core->now_ms,
                     actors->limits->handler_ms);
    actors->stats.deferred++;
}

/* The instance waits for it no longer. */
static void unpark(struct zkt_actors *actors, struct zkt_task *task)
{
    struct zkt_instance *instance = task->call.instance;
    zkt__timeout_cancel(&task->deadline);
    actors->stats.deferred--;
    instance->parked = NULL;
    zkt__mailbox_resume(actors, instance);
    zkt__edge_release(instance);
}

/* The call is over; its task serves the next one, unless it is kept. */
static void finish(struct zkt_actors *actors, struct zkt_task *task)
{
    const bool parked = task->call.instance->parked == task;
    if (task->counted) {
        task->request.port->waiting--;
        task->counted = false;
    }
    if (parked) {
        unpark(actors, task);
    }
    if (is_outstanding(task)) {
        if (!parked) {
            replace_task(actors);
        }
        zkt__task_detach(task);
        return;
    }
    zkt__release(actors->allocator, task->letter);
    task->letter = NULL;
    if (parked) {
        recycle(actors, task);
    }
}

/* Runs one half of a call that has begun. */
static void execute(struct zkt_actors *actors, struct zkt_task *task)
{
    struct zkt_instance *instance = task->call.instance;
    const bool again = task == instance->parked;
    actors->running = true;
    task->call.now_ms = actors->core->wall_ms;
    const enum zkt_status status = again ? invoke_then(task)
                                         : invoke(&task->call, &task->request,
                                                  task->result);
    if (status == ZKT_PENDING && is_outstanding(task)) {
        actors->running = false;
        park(actors, task);
        return;
    }
    const bool ends = settle_call(task, status) && task->call.ends;
    actors->running = false;
    finish(actors, task);
    if (ends) {
        zkt__mailbox_put_own(actors, instance, &instance->end, true);
    }
}

static bool make_result(struct zkt_task *task)
{
    const struct zkt_request *request = &task->request;
    task->result = NULL;
    if (request->kind == ZKT_REQUEST_CALL && request->method->result != NULL) {
        task->result = zkt__arena_zero(&task->arena, 1,
                                       request->method->result->size);
        return task->result != NULL;
    }
    return true;
}

void zkt__task_run(struct zkt_actors *actors, const struct zkt_request *request,
                   struct zkt_instance *instance, struct zkt_letter *letter)
{
    struct zkt_task *task = actors->task;
    const bool is_call = request->kind == ZKT_REQUEST_CALL;
    task->request = *request;
    task->letter = letter;
    task->counted = letter != NULL;
    task->later.box = NULL;
    task->call.what = name_of(request);
    actors->stats.calls += is_call;
    instance->calls += is_call;
    if (begin_call(actors, task, instance) && make_result(task)) {
        execute(actors, task);
        return;
    }
    task->call.error = ZKT_STR("out of memory");
    send_failure(&task->call, request, ZKT_RESOURCE_EXHAUSTED);
    finish(actors, task);
}

void zkt__task_resume(struct zkt_actors *actors, struct zkt_task *task)
{
    execute(actors, task);
}

void zkt__task_cancel(struct zkt_actors *actors, struct zkt_task *task,
                      enum zkt_status status, struct zkt_str text)
{
    task->call.failure = status;
    task->call.error = text;
    roll_back(&task->call, &task->request, status);
    finish(actors, task);
}
