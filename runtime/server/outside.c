/* See outside.h. */
#include "server/outside.h"

#include "instance/task.h"
#include "protocol/reply.h"
#include "server/core.h"

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
    hits->outside_messages = atomic_load(&outside->over_messages);
    hits->outside_bytes = atomic_load(&outside->over_bytes);
}

bool zkt__outside_reserve(struct zkt_server *first, size_t size)
{
    struct zkt_outside *outside = &first->outside;
    const int64_t bytes = (int64_t)size;
    const bool many = atomic_fetch_add(&outside->messages, 1) >=
                      first->limits.outside_messages;
    const bool much = atomic_fetch_add(&outside->bytes, bytes) + bytes >
                      first->limits.outside_bytes;
    if (many || much) {
        atomic_fetch_add(&outside->over_messages, many);
        atomic_fetch_add(&outside->over_bytes, !many);
    }
    return !many && !much;
}

void zkt__outside_release(struct zkt_server *first, size_t size)
{
    atomic_fetch_sub(&first->outside.messages, 1);
    atomic_fetch_sub(&first->outside.bytes, (int64_t)size);
}

/* ---- asks of the program ---- */

struct outside_ask {
    struct zkt_ask ask;
    struct zkt_work work;     /* posted to the first shard */
    struct zkt_server *first; /* shard */
    bool ran;                 /* a function of the program ran in the call */
    /* The function of the program: runs in the call, or gets the reply. */
    union {
        zkt_run_thunk *run;
        zkt_done_thunk *done;
    } thunk;
    void (*fn)(void); /* or NULL */
    void *user;
};

static struct outside_ask *outside_of(struct zkt_ask *ask)
{
    return ZKT_CONTAINER(ask, struct outside_ask, ask);
}

static void release(struct outside_ask *outside)
{
    zkt__outside_release(outside->first, outside->ask.bytes);
    zkt__ask_free(&outside->ask);
}

/* Runs on the first shard. */
static void take_posted(struct zkt_work *work, void *owner)
{
    struct outside_ask *outside = ZKT_CONTAINER(work, struct outside_ask, work);
    struct zkt_host *host = &outside->first->host;
    (void)owner;
    zkt__asks_begin(host, &outside->ask);
    zkt__arena_reset(host->arena);
}

/* Begins an ask of the program: calls @fn by one of the thunks. */
static enum zkt_status begin(struct zkt_server *server,
                             const struct zkt_asked *asked,
                             void (*finish)(struct zkt_host *host,
                                            struct zkt_ask *ask),
                             const struct outside_ask *rest)
{
    struct zkt_server *first = server->shards->all[0];
    struct zkt_ask *ask = zkt__ask_new(server->allocator, server->host.app.info,
                                       asked, sizeof(struct outside_ask));
    enum zkt_status status = ZKT_OK;
    if (ask == NULL) {
        return ZKT_NO_MEMORY;
    }
    ask->finish = finish;
    struct outside_ask *outside = outside_of(ask);
    outside->work.run = take_posted;
    outside->first = first;
    outside->ran = false;
    outside->thunk = rest->thunk;
    outside->fn = rest->fn;
    outside->user = rest->user;
    if (!zkt__outside_reserve(first, ask->bytes)) {
        status = ZKT_RESOURCE_EXHAUSTED;
    } else if (!zkt__work_post(first->host.work, &outside->work)) {
        status = ZKT_CLOSED;
    }
    if (status != ZKT_OK) {
        release(outside);
    }
    return status;
}

/* Returns the request of the call that runs on this thread, if it is one of the
 * server's; otherwise none. */
static struct zkt_request find_request(const struct zkt_server *server)
{
    const struct zkt_shards *shards = server->shards;
    for (uint32_t i = 0; i < shards->count; i++) {
        const struct zkt_server *shard = shards->all[i];
        if (zkt__affinity_is_here(&shard->owner)) {
            return shard->host.running != NULL
                       ? zkt__call_request(
                             (void *)(uintptr_t)shard->host.running)
                       : (struct zkt_request){ 0, NULL };
        }
    }
    return (struct zkt_request){ 0, NULL };
}

/* Returns ZKT_OK, or the reason why nothing can begin. */
static enum zkt_status find_obstacle(const struct zkt_server *server,
                                     struct zkt_str id)
{
    if (id.len == 0 || id.len > ZKT_ASK_NAME_MAX) {
        return ZKT_INVALID_ARGUMENT;
    }
    return zkt__server_is_stopping(server) ? ZKT_CLOSED : ZKT_OK;
}

/* ---- running a function ---- */

/* Runs on the shard of the instance. */
static enum zkt_status run_there(struct zkt_call *call, const void *handlers,
                                 const void *input, void *result)
{
    struct outside_ask *outside = outside_of(zkt__task_of(call)->request.ask);
    (void)handlers;
    (void)input;
    (void)result;
    outside->ran = true;
    return outside->thunk.run(call, outside->fn, outside->user);
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

static void run_cancelled(const struct outside_ask *outside)
{
    struct zkt_server *first = outside->first;
    struct zkt_cancelled_state *cancelled = &first->outside.cancelled;
    const struct zkt_actor *actor = outside->ask.actor;
    struct zkt_task task = { .kind = ZKT_TASK_CALL };
    struct zkt_call *call = &task.call;
    zkt__arena_reset(&cancelled->arena);
    zkt__call_init(call, &first->host, &cancelled->arena);
    call->ops = &zkt__task_ops;
    call->host = NULL;
    call->actor = actor;
    call->name = run_method.name.data;
    call->request = (struct zkt_request){ 0, NULL };
    call->client_id = ZKT_STR("");
    call->instance_id = outside->ask.name;
    call->state = cancelled->zeros;
    begin_journal(call, &call->journal, actor->state, cancelled->zeros);
    if (actor->private_state != NULL) {
        call->private_state = cancelled->zeros;
        begin_journal(call, &call->private_journal, actor->private_state,
                      cancelled->zeros);
    }
    (void)outside->thunk.run(call, outside->fn, outside->user);
    zkt__arena_reset(&cancelled->arena);
}

static void finish_run(struct zkt_host *host, struct zkt_ask *ask)
{
    (void)host;
    struct outside_ask *outside = outside_of(ask);
    if (!outside->ran) {
        run_cancelled(outside);
    }
    release(outside);
}

enum zkt_status zkt_server_run(struct zkt_server *server, uint32_t actor,
                               struct zkt_str id, zkt_run_thunk *thunk,
                               void (*fn)(void), void *user)
{
    const struct zkt_asked asked = {
        .actor = server->host.app.info->actors[actor],
        .name = id,
        .method = &run_method,
        .request = find_request(server),
    };
    const enum zkt_status status = find_obstacle(server, id);
    return status == ZKT_OK
               ? begin(server, &asked, finish_run,
                       &(const struct outside_ask){
                           .thunk.run = thunk, .fn = fn, .user = user })
               : status;
}

/* ---- calling a method ---- */

static void finish_invoke(struct zkt_host *host, struct zkt_ask *ask)
{
    struct outside_ask *outside = outside_of(ask);
    struct zkt_reply_memory memory;
    const struct zkt_reply reply = zkt__ask_reply(ask, &host->store.key,
                                                  &memory);
    if (outside->fn != NULL) {
        outside->thunk.done(outside->fn, &reply, ask->result, outside->user);
    }
    zkt__arena_finish(&memory.arena);
    release(outside);
}

enum zkt_status zkt_server_invoke(struct zkt_server *server, uint32_t actor,
                                  uint32_t method, struct zkt_str id,
                                  const void *const *outputs, const void *input,
                                  zkt_done_thunk *thunk, void (*done)(void),
                                  void *user)
{
    const struct zkt_actor *of = server->host.app.info->actors[actor];
    const struct zkt_asked asked = {
        .actor = of,
        .name = id,
        .method = &of->methods[method],
        .outputs = outputs,
        .input = input,
        .request = find_request(server),
    };
    const enum zkt_status status = find_obstacle(server, id);
    return status == ZKT_OK
               ? begin(server, &asked, finish_invoke,
                       &(const struct outside_ask){
                           .thunk.done = thunk, .fn = done, .user = user })
               : status;
}
