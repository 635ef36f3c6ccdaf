/* See outside.h. */
#include "server/outside.h"

#include "instance/task.h"
#include "protocol/reply.h"
#include "server/core.h"

enum {
    ID_MAX = 256
};

/* ---- construction ---- */

static size_t largest_state(const struct zkt_app_info *info)
{
    size_t largest = 1;
    for (uint32_t i = 0; i < info->actor_count; i++) {
        const struct zkt_type *const types[] = {
            info->actors[i]->state, info->actors[i]->private_state
        };
        for (size_t k = 0; k < 2; k++) {
            if (types[k] != NULL && types[k]->size > largest) {
                largest = types[k]->size;
            }
        }
    }
    return largest;
}

bool zkt__outside_init(struct zkt_outside *outside, struct zkt_host *host)
{
    struct zkt_cancelled_state *cancelled = &outside->cancelled;
    zkt__program_init(&outside->program, host);
    zkt__arena_init(&cancelled->arena, host->allocator);
    if (host->shard != 0) {
        return true;
    }
    cancelled->zeros = zkt__alloc_zero(host->allocator, 1,
                                       largest_state(host->app.info));
    /* The arena keeps this memory, which is enough for two journals. */
    return cancelled->zeros != NULL &&
           zkt__arena_alloc(&cancelled->arena, 4 * sizeof(struct zkt_cursor)) !=
               NULL;
}

void zkt__outside_finish(struct zkt_outside *outside,
                         const struct zkt_allocator *allocator)
{
    zkt__release(allocator, outside->cancelled.zeros);
    zkt__arena_finish(&outside->cancelled.arena);
}

void zkt__outside_count(const struct zkt_outside *outside,
                        struct zkt_limit_counts *hits)
{
    hits->outside_messages = atomic_load(&outside->program.over_messages);
    hits->outside_bytes = atomic_load(&outside->program.over_bytes);
}

/* Begins an ask, which may be NULL: there was no memory for it. */
static enum zkt_status begin(struct zkt_server *server, struct zkt_ask *ask)
{
    return ask != NULL ? zkt__program_begin(
                             &server->shards->all[0]->outside.program, ask)
                       : ZKT_NO_MEMORY;
}

/* Returns ZKT_OK, or the reason why nothing can begin. */
static enum zkt_status find_obstacle(const struct zkt_server *server,
                                     struct zkt_str id)
{
    if (id.len == 0 || id.len > ID_MAX) {
        return ZKT_INVALID_ARGUMENT;
    }
    return zkt__server_is_stopping(server) ? ZKT_CLOSED : ZKT_OK;
}

/* ---- running a function ---- */

/* Runs on the shard of the instance. */
static enum zkt_status run_there(struct zkt_call *call, const void *handlers,
                                 const void *input, void *result)
{
    struct zkt_ask *ask = zkt__task_of(call)->request.ask;
    (void)handlers;
    (void)input;
    (void)result;
    ask->ran = true;
    return ask->thunk.run(call, ask->fn, ask->user);
}

static const struct zkt_method run_method = {
    .name = ZKT_STR_INIT("run"),
    .invoke = run_there,
};

/* Begins a journal that does nothing, in memory that is kept for it. */
static void begin_journal(struct zkt_call *call, struct zkt_journal *journal,
                          const struct zkt_type *type, void *state)
{
    (void)zkt__journal_begin(journal, NULL, call->arena, &call->issues, type,
                             state, 0);
    journal->failure = ZKT_CANCELLED;
}

static void run_cancelled(const struct zkt_ask *ask)
{
    struct zkt_outside *outside = ZKT_CONTAINER(ask->program,
                                                struct zkt_outside, program);
    struct zkt_cancelled_state *cancelled = &outside->cancelled;
    const struct zkt_actor *actor = ask->actor;
    struct zkt_task task = { .kind = ZKT_TASK_CALL };
    struct zkt_call *call = &task.call;
    zkt__arena_reset(&cancelled->arena);
    zkt__call_init(call, outside->program.host, &cancelled->arena);
    call->ops = &zkt__task_ops;
    call->host = NULL;
    call->actor = actor;
    call->name = run_method.name.data;
    call->client_id = ZKT_STR("");
    call->instance_id = ask->name;
    call->state = cancelled->zeros;
    begin_journal(call, &call->journal, actor->state, cancelled->zeros);
    if (actor->private_state != NULL) {
        call->private_state = cancelled->zeros;
        begin_journal(call, &call->private_journal, actor->private_state,
                      cancelled->zeros);
    }
    (void)ask->thunk.run(call, ask->fn, ask->user);
    zkt__arena_reset(&cancelled->arena);
}

static void finish_run(struct zkt_ask *ask)
{
    if (!ask->ran) {
        run_cancelled(ask);
    }
}

enum zkt_status zkt_server_run(struct zkt_server *server, uint32_t actor,
                               struct zkt_str id, zkt_run_thunk *thunk,
                               void (*fn)(void), void *user)
{
    const enum zkt_status status = find_obstacle(server, id);
    if (status != ZKT_OK) {
        return status;
    }
    struct zkt_ask *ask = zkt__ask_new(server->allocator,
                                       server->host.app.info->actors[actor], id,
                                       &run_method, NULL, NULL);
    if (ask != NULL) {
        ask->finish = finish_run;
        ask->thunk.run = thunk;
        ask->fn = fn;
        ask->user = user;
    }
    return begin(server, ask);
}

/* ---- calling a method ---- */

static void finish_invoke(struct zkt_ask *ask)
{
    const struct zkt_failure *failure = &ask->failure;
    const bool failed = failure->status != ZKT_OK;
    const char *text = failure->text.len > 0 ? failure->text.data
                                             : zkt_status_text(failure->status);
    struct zkt_reply_memory memory = { .key = ask->program->host->store.key };
    const struct zkt_reply reply = {
        .status = failure->status,
        .error = failed ? text : "",
        .reason = failure->reason.len > 0 ? failure->reason.data : "",
        .retryable = failed && (failure->retry_after_ms > 0 ||
                                zkt__status_is_retryable(failure->status)),
        .retry_after_ms = failure->retry_after_ms,
        .memory_ = &memory,
        .details_ = failure->details,
        .issues_ = failure->issues,
    };
    zkt__arena_init(&memory.arena, ask->allocator);
    if (ask->fn != NULL) {
        ask->thunk.done(ask->fn, &reply, ask->result, ask->user);
    }
    zkt__arena_finish(&memory.arena);
}

/* Gives the outputs of a method their types, in @all. Returns NULL if its
 * middleware has none. */
static const struct zkt_output *list_outputs(
    const struct zkt_app_info *info, const struct zkt_method *method,
    const void *const *outputs, struct zkt_output all[ZKT_MIDDLEWARE_MAX])
{
    if (outputs == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < method->middleware.count; i++) {
        const uint16_t number = method->middleware.numbers[i];
        const struct zkt_type *type = info->middleware[number].output;
        all[i] = (struct zkt_output){ .type = type,
                                      .value = type != NULL ? *outputs++
                                                            : NULL };
    }
    return all;
}

enum zkt_status zkt_server_invoke(struct zkt_server *server, uint32_t actor,
                                  uint32_t method, struct zkt_str id,
                                  const void *const *outputs, const void *input,
                                  zkt_done_thunk *thunk, void (*done)(void),
                                  void *user)
{
    const struct zkt_app_info *info = server->host.app.info;
    const struct zkt_actor *of = info->actors[actor];
    const struct zkt_method *called = &of->methods[method];
    struct zkt_output all[ZKT_MIDDLEWARE_MAX];
    const enum zkt_status status = find_obstacle(server, id);
    if (status != ZKT_OK) {
        return status;
    }
    struct zkt_ask *ask = zkt__ask_new(server->allocator, of, id, called,
                                       list_outputs(info, called, outputs, all),
                                       input);
    if (ask != NULL) {
        ask->finish = finish_invoke;
        ask->thunk.done = thunk;
        ask->fn = done;
        ask->user = user;
    }
    return begin(server, ask);
}
