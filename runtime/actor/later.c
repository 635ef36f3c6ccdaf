/*
 * Calls that finish later: the task that such a call lives in, the handle for
 * the thread that resumes it, and what becomes of both when the call ends
 * first. A handle is the task itself: resuming posts it to the server's
 * thread, which cannot fail. A task that was detached knows neither server
 * nor instance, and belongs to whoever resumes it.
 */
#include "actor/actor.h"
#include "server/server.h"
#include "state/record.h"

struct zkt_task *zkt__task_new(struct zkt_actors *actors)
{
    struct zkt_task *task = zkt__alloc_zero(actors->allocator, 1,
                                            sizeof(*task));
    if (task != NULL) {
        const struct zkt_limits *limits = actors->limits;
        zkt__arena_init(&task->arena, actors->allocator);
        task->arena.limit = (size_t)limits->call_bytes +
                            (size_t)limits->message_bytes;
        task->arena.reached = &actors->stats.reached.call_bytes;
    }
    return task;
}

void zkt__task_free(struct zkt_task *task)
{
    if (task == NULL) {
        return;
    }
    const struct zkt_allocator *allocator = task->arena.allocator;
    zkt__release(allocator, task->letter);
    zkt__arena_finish(&task->arena);
    zkt__release(allocator, task);
}

static struct zkt_task *task_of(struct zkt_later *later)
{
    return ZKT_CONTAINER(later, struct zkt_task, later);
}

/* ---- deferring ---- */

/* Why the call that runs cannot be deferred, or NULL. */
static const char *find_obstacle(const struct zkt_task *task, uint32_t method)
{
    const struct zkt_request *request = &task->request;
    if (request->kind != ZKT_REQUEST_CALL) {
        return "a hook cannot finish later";
    }
    if (request->method != &task->call.instance->actor->methods[method]) {
        return "deferred as a call of another method";
    }
    return task->later.box != NULL ? "deferred twice" : NULL;
}

/* All that a cancelled call will need, so that cancelling cannot fail. */
static bool prepare_cancelling(struct zkt_actors *actors, struct zkt_task *task)
{
    struct zkt_call *call = &task->call;
    const struct zkt_actor *actor = call->instance->actor;
    if (task == actors->task && actors->spare == NULL) {
        actors->spare = zkt__task_new(actors);
    }
    const struct zkt_str client = zkt__arena_str(call->arena, call->client_id);
    const struct zkt_str id = zkt__arena_str(call->arena, call->instance_id);
    task->later.empty = zkt__arena_zero(call->arena, 1, actor->state->size);
    task->later.empty_hidden = actor->hidden != NULL
                                   ? zkt__arena_zero(call->arena, 1,
                                                     actor->hidden->size)
                                   : NULL;
    if ((task == actors->task && actors->spare == NULL) ||
        client.data == NULL || id.data == NULL || task->later.empty == NULL ||
        (actor->hidden != NULL && task->later.empty_hidden == NULL)) {
        return false;
    }
    call->client_id = client;
    call->instance_id = id;
    return true;
}

static void run_cancelled(struct zkt_task *task)
{
    const struct zkt_later *later = &task->later;
    (void)later->invoke(&task->call, later->then, task->request.input,
                        task->result, later->user);
    zkt__post_box_unref(later->box);
    zkt__task_free(task);
}

static void run_posted(struct zkt_posted *posted, void *owner)
{
    struct zkt_task *task = task_of(
        ZKT_CONTAINER(posted, struct zkt_later, posted));
    (void)owner;
    if (task->call.actors == NULL) {
        run_cancelled(task);
        return;
    }
    zkt__post_box_unref(task->later.box);
    task->later.box = NULL;
    zkt__task_resume(task->call.actors, task);
}

struct zkt_later *zkt_call_defer(struct zkt_call *call, uint32_t method)
{
    struct zkt_task *task = ZKT_CONTAINER(call, struct zkt_task, call);
    struct zkt_actors *actors = call->actors;
    if (actors == NULL) {
        return NULL;
    }
    const char *obstacle = find_obstacle(task, method);
    if (obstacle != NULL) {
        zkt__journal_fail(&call->journal, ZKT_INTERNAL, "%s", obstacle);
        return NULL;
    }
    if (!prepare_cancelling(actors, task)) {
        zkt__journal_fail(&call->journal, ZKT_NO_MEMORY,
                          "no memory to finish later");
        return NULL;
    }
    task->later.posted.run = run_posted;
    task->later.box = actors->box;
    zkt__post_box_ref(actors->box);
    return &task->later;
}

void zkt_later_resume(struct zkt_later *later, zkt_then_invoke *invoke,
                      void (*then)(void), void *user)
{
    if (later == NULL) {
        return;
    }
    later->invoke = invoke;
    later->then = then;
    later->user = user;
    if (!zkt__post(later->box, &later->posted)) {
        run_cancelled(task_of(later)); /* the server is gone */
    }
}

/* ---- cancelling ---- */

/* Writes do nothing from now on. */
static void cancel_journal(struct zkt_journal *journal, void *empty)
{
    journal->failure = ZKT_CANCELLED;
    journal->count = 0;
    journal->root->at = empty;
}

void zkt__task_detach(struct zkt_task *task)
{
    struct zkt_call *call = &task->call;
    task->arena.reached = NULL; /* of a server that may go */
    call->actors = NULL;
    call->instance = NULL;
    call->state = task->later.empty;
    cancel_journal(&call->journal, task->later.empty);
    if (call->hidden != NULL) {
        call->hidden = task->later.empty_hidden;
        cancel_journal(&call->hidden_journal, task->later.empty_hidden);
    }
    task->request.port = NULL;
    task->request.link = NULL;
    if (task->result != NULL) {
        memset(task->result, 0, task->request.method->result->size);
    }
}

bool zkt_cancelled(const struct zkt_call *call)
{
    return call->actors == NULL;
}

static struct zkt_task *first_parked(const struct zkt_actors *actors)
{
    struct zkt_node *first = zkt__list_first(&actors->parked);
    return first != NULL ? ZKT_CONTAINER(first, struct zkt_task, deadline.node)
                         : NULL;
}

void zkt__actors_cancel(struct zkt_actors *actors, enum zkt_status status,
                        struct zkt_str text)
{
    struct zkt_task *task;
    while ((task = first_parked(actors)) != NULL) {
        zkt__task_cancel(actors, task, status, text);
    }
}

static void give_up(struct zkt_actors *actors, struct zkt_task *task)
{
    const struct zkt_call *call = &task->call;
    actors->stats.reached.handler_ms++;
    zkt__server_log(actors->server, ZKT_LOG_WARNING,
                    "%.*s \"%.*s\": %s: it did not finish in time",
                    ZKT_ARG(call->instance->actor->name),
                    ZKT_ARG(call->instance->name), call->what);
    zkt__task_cancel(actors, task, ZKT_DEADLINE_EXCEEDED,
                     ZKT_STR("the handler did not finish in time"));
}

static void evict(struct zkt_actors *actors, struct zkt_instance *instance)
{
    actors->stats.evictions++;
    actors->stats.reached.idle_ms++;
    zkt__owner_end(actors, instance, ZKT_ABORTED,
                   ZKT_STR("the instance was evicted"));
    zkt__arena_reset(&actors->task->arena);
}

void zkt__actors_expire(struct zkt_actors *actors)
{
    const int64_t now = actors->core->now_ms;
    struct zkt_timeout *due;
    struct zkt_task *task;
    while ((task = first_parked(actors)) != NULL && task->deadline.due <= now) {
        give_up(actors, task);
    }
    while ((due = zkt__timeouts_take(&actors->idle, now)) != NULL) {
        evict(actors, ZKT_CONTAINER(due, struct zkt_instance, idle));
    }
}

int64_t zkt__actors_deadline(const struct zkt_actors *actors)
{
    const int64_t parked = zkt__timeouts_next(&actors->parked);
    const int64_t idle = zkt__timeouts_next(&actors->idle);
    if (!zkt__list_empty(&actors->ready)) {
        return actors->core->now_ms;
    }
    return parked < idle ? parked : idle;
}
