/* Deferring, resuming, cancelling and expiring calls: see deferred.h. */
#include "instance/deferred.h"

#include <string.h>

#include "instance/task.h"

static struct zkt_task *task_of(struct zkt_deferred *deferred)
{
    return ZKT_CONTAINER(deferred, struct zkt_task, deferred);
}

/* ---- deferring ---- */

/* Returns the reason why the call cannot be deferred, or NULL. */
static const char *find_obstacle(const struct zkt_task *task, uint32_t method)
{
    if (task->is_hook) {
        return "a hook cannot finish later";
    }
    if (task->request.method != &task->call.instance->actor->methods[method]) {
        return "deferred as a call of another method";
    }
    return task->deferred.queue != NULL ? "deferred twice" : NULL;
}

/* Allocates everything that a cancelled call needs, so that cancelling cannot
 * fail. */
static bool prepare_cancelling(struct zkt_host *host, struct zkt_task *task)
{
    struct zkt_call *call = &task->call;
    const struct zkt_actor *actor = call->instance->actor;
    struct zkt_instances *instances = host->instances;
    const bool first = task == instances->task;
    if (first && instances->spare == NULL) {
        instances->spare = zkt__task_new(host);
    }
    const struct zkt_str client = zkt__arena_str(call->arena, call->client_id);
    const struct zkt_str id = zkt__arena_str(call->arena, call->instance_id);
    task->deferred.cancelled_state = zkt__arena_zero(call->arena, 1,
                                                     actor->state->size);
    task->deferred.cancelled_private_state =
        actor->private_state != NULL
            ? zkt__arena_zero(call->arena, 1, actor->private_state->size)
            : NULL;
    if ((first && instances->spare == NULL) || client.data == NULL ||
        id.data == NULL || task->deferred.cancelled_state == NULL ||
        (actor->private_state != NULL &&
         task->deferred.cancelled_private_state == NULL)) {
        return false;
    }
    call->client_id = client;
    call->instance_id = id;
    return true;
}

static void run_cancelled(struct zkt_task *task)
{
    const struct zkt_deferred *deferred = &task->deferred;
    (void)deferred->invoke(&task->call, deferred->then, task->request.input,
                           task->result, deferred->user);
    zkt__work_queue_unref(deferred->queue);
    zkt__task_free(task);
}

static void report_second_resume(const struct zkt_task *task)
{
    const struct zkt_call *call = &task->call;
    if (atomic_load(&task->deferred.resumed_twice)) {
        zkt__host_log(call->host, ZKT_LOG_WARNING,
                      "%.*s \"%.*s\": %s: it was resumed twice",
                      ZKT_ARG(call->instance->actor->name),
                      ZKT_ARG(call->instance->location->name), call->name);
    }
}

static void run_posted(struct zkt_work *work, void *owner)
{
    struct zkt_task *task = task_of(
        ZKT_CONTAINER(work, struct zkt_deferred, work));
    (void)owner;
    if (task->call.host == NULL) {
        run_cancelled(task);
        return;
    }
    zkt__work_queue_unref(task->deferred.queue);
    task->deferred.queue = NULL;
    report_second_resume(task);
    zkt__task_resume(task->call.host, task);
}

struct zkt_deferred *zkt_call_defer(struct zkt_call *call, uint32_t method)
{
    struct zkt_task *task = ZKT_CONTAINER(call, struct zkt_task, call);
    struct zkt_host *host = call->host;
    if (host == NULL) {
        return NULL;
    }
    const char *obstacle = find_obstacle(task, method);
    if (obstacle != NULL) {
        zkt__journal_fail(&call->journal, ZKT_INTERNAL, "%s", obstacle);
        return NULL;
    }
    if (!prepare_cancelling(host, task)) {
        zkt__journal_fail(&call->journal, ZKT_NO_MEMORY,
                          "no memory to finish later");
        return NULL;
    }
    task->deferred.work.run = run_posted;
    task->deferred.queue = host->work;
    atomic_store(&task->deferred.resumed_twice, false);
    atomic_store(&task->deferred.resumed, false);
    zkt__work_queue_ref(host->work);
    return &task->deferred;
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
        run_cancelled(task_of(deferred)); /* the server is gone */
    }
}

/* ---- cancelling ---- */

/* Makes later writes do nothing. */
static void cancel_journal(struct zkt_journal *journal, void *state)
{
    journal->failure = ZKT_CANCELLED;
    journal->count = 0;
    journal->root->at = state;
}

/* Allocates zeroed states for a cancelled call, and journals on them. */
static bool copy_states(struct zkt_call *call, struct zkt_deferred *deferred,
                        const struct zkt_actor *actor, struct zkt_arena *to)
{
    deferred->cancelled_state = zkt__arena_zero(to, 1, actor->state->size);
    deferred->cancelled_private_state =
        actor->private_state != NULL
            ? zkt__arena_zero(to, 1, actor->private_state->size)
            : NULL;
    return deferred->cancelled_state != NULL &&
           zkt__journal_begin(&call->journal, call->journal.store, to,
                              &call->issues, actor->state,
                              deferred->cancelled_state, 0) &&
           (actor->private_state == NULL ||
            (deferred->cancelled_private_state != NULL &&
             zkt__journal_begin(&call->private_journal, call->journal.store, to,
                                &call->issues, actor->private_state,
                                deferred->cancelled_private_state, 0)));
}

/* Copies everything that a cancelled call still needs into another arena.
 * Returns false if there is no memory. */
static bool copy_rest(struct zkt_task *task, const struct zkt_actor *actor,
                      struct zkt_arena *to)
{
    struct zkt_call *call = &task->call;
    const struct zkt_method *method = task->request.method;
    const struct zkt_str client = zkt__arena_str(to, call->client_id);
    const struct zkt_str id = zkt__arena_str(to, call->instance_id);
    const void *input = task->request.input;
    void *result = NULL;
    if (input != NULL && task->body == NULL) {
        void *copy = zkt__arena_alloc(to,
                                      zkt__value_measure(method->input, input));
        input = copy != NULL ? zkt__value_dup_into(method->input, input, copy)
                             : NULL;
    }
    if (task->result != NULL) {
        result = zkt__arena_zero(to, 1, method->result->size);
    }
    if (client.data == NULL || id.data == NULL ||
        (input == NULL) != (task->request.input == NULL) ||
        (result == NULL) != (task->result == NULL) ||
        !copy_states(call, &task->deferred, actor, to)) {
        return false;
    }
    call->client_id = client;
    call->instance_id = id;
    task->request.input = input;
    task->result = result;
    return true;
}

/* Releases memory that a cancelled call does not need, unless its handler may
 * still use memory of the arena. Without memory for the copy nothing changes.
 */
static void shrink(struct zkt_task *task)
{
    struct zkt_call *call = &task->call;
    /* Nothing else of the handle: another thread may be resuming it. */
    void *const state = task->deferred.cancelled_state;
    void *const private_state = task->deferred.cancelled_private_state;
    const struct zkt_journal journals[] = { call->journal,
                                            call->private_journal };
    struct zkt_arena small;
    if (call->has_allocated) {
        return;
    }
    zkt__arena_init(&small, task->arena.allocator);
    if (!copy_rest(task, call->instance->actor, &small)) {
        task->deferred.cancelled_state = state;
        task->deferred.cancelled_private_state = private_state;
        call->journal = journals[0];
        call->private_journal = journals[1];
        zkt__arena_finish(&small);
        return;
    }
    zkt__arena_finish(&task->arena);
    task->arena = small;
    call->journal.arena = call->private_journal.arena = &task->arena;
}

void zkt__task_detach(struct zkt_task *task)
{
    struct zkt_call *call = &task->call;
    shrink(task);
    task->arena.limit_hits = NULL; /* the server may be freed first */
    call->host = NULL;
    call->instance = NULL;
    call->state = task->deferred.cancelled_state;
    cancel_journal(&call->journal, task->deferred.cancelled_state);
    if (call->private_state != NULL) {
        call->private_state = task->deferred.cancelled_private_state;
        cancel_journal(&call->private_journal,
                       task->deferred.cancelled_private_state);
    }
    task->contact = NULL;
    task->carrier = NULL;
    if (task->result != NULL) {
        memset(task->result, 0, task->request.method->result->size);
    }
}

bool zkt_cancelled(const struct zkt_call *call)
{
    return call->host == NULL;
}

/* ---- time ---- */

static struct zkt_task *first_parked(const struct zkt_host *host)
{
    struct zkt_node *first = zkt__list_first(&host->instances->parked);
    return first != NULL ? ZKT_CONTAINER(first, struct zkt_task, deadline.node)
                         : NULL;
}

void zkt__instances_cancel(struct zkt_host *host, enum zkt_status status,
                           struct zkt_str text)
{
    struct zkt_task *task;
    while ((task = first_parked(host)) != NULL) {
        zkt__task_cancel(host, task, status, text);
    }
}

static void expire_call(struct zkt_host *host, struct zkt_task *task)
{
    const struct zkt_call *call = &task->call;
    host->stats.limit_hits.handler_ms++;
    zkt__host_log(host, ZKT_LOG_WARNING,
                  "%.*s \"%.*s\": %s: it did not finish in time",
                  ZKT_ARG(call->instance->actor->name),
                  ZKT_ARG(call->instance->location->name), call->name);
    zkt__task_cancel(host, task, ZKT_DEADLINE_EXCEEDED,
                     ZKT_STR("the handler did not finish in time"));
}

static void evict(struct zkt_host *host, struct zkt_instance *instance)
{
    host->stats.evictions++;
    host->stats.limit_hits.idle_ms++;
    zkt__instance_end(host, instance, ZKT_ABORTED,
                      ZKT_STR("the instance was evicted"));
    zkt__arena_reset(host->arena);
}

void zkt__instances_expire(struct zkt_host *host)
{
    const int64_t now = host->clock->now_ms;
    struct zkt_timeout *due;
    struct zkt_task *task;
    while ((task = first_parked(host)) != NULL && task->deadline.due <= now) {
        expire_call(host, task);
    }
    while ((due = zkt__timeouts_take(&host->instances->idle, now)) != NULL) {
        evict(host, ZKT_CONTAINER(due, struct zkt_instance, idle));
    }
}
