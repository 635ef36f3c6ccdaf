/* Deferring, resuming, cancelling and expiring calls: see deferred.h. */
#include "instance/deferred.h"

#include <string.h>

#include "instance/asking.h"
#include "instance/parts.h"

/* ---- deferring ---- */

/* Returns the reason why the call cannot be deferred as @member, or NULL. */
static const char *find_obstacle(const struct zkt_task *task,
                                 enum zkt_member member, uint32_t number)
{
    if (task->kind == ZKT_TASK_TIMER) {
        return "a timer cannot be deferred";
    }
    if (task->kind == ZKT_TASK_HOOK) {
        return member == ZKT_MEMBER_HOOK && number == task->hook.hook
                   ? NULL
                   : "deferred as another hook";
    }
    return member == ZKT_MEMBER_METHOD &&
                   task->request.method == &task->call.actor->methods[number]
               ? NULL
               : "deferred as a call of another method";
}

static struct zkt_deferred *find_deferred(struct zkt_call *call,
                                          enum zkt_member member,
                                          uint32_t number,
                                          const char **obstacle)
{
    struct zkt_task *task = zkt__task_of(call);
    *obstacle = find_obstacle(task, member, number);
    return &task->deferred;
}

/* Copies the message that waits for a hook, unless it has a block. Returns
 * false if there is no memory. */
static bool own_message(const struct zkt_host *host, struct zkt_hook_run *run)
{
    if (run->message != NULL && run->carrier == NULL) {
        run->carrier = zkt__msg_pack(host->allocator, run->message);
        run->message = run->carrier != NULL ? run->carrier : run->message;
    }
    return run->message == NULL || run->carrier != NULL;
}

/* Makes the stream of a call that reports progress or sends chunks. Returns
 * false if there is no memory. */
static bool open_stream(struct zkt_host *host, struct zkt_task *task)
{
    const struct zkt_method *method = task->kind == ZKT_TASK_CALL
                                          ? task->request.method
                                          : NULL;
    return method == NULL ||
           (method->chunk == NULL && method->progress == NULL) ||
           zkt__deferred_open_stream(host, &task->deferred, method,
                                     task->contact->peer->shard);
}

/* Allocates everything that a deferred call needs, so that cancelling cannot
 * fail. */
static bool prepare_cancelling(struct zkt_call *call)
{
    struct zkt_task *task = zkt__task_of(call);
    if (task->kind == ZKT_TASK_HOOK && !own_message(call->host, &task->hook)) {
        return false;
    }
    const struct zkt_actor *actor = call->actor;
    struct zkt_instances *instances = call->host->instances;
    const bool first = task == instances->task;
    if (first && instances->spare == NULL) {
        instances->spare = zkt__task_new(call->host);
    }
    const struct zkt_str client = zkt__arena_str(call->arena, call->client_id);
    const struct zkt_str id = zkt__arena_str(call->arena, call->instance_id);
    task->cancelled_state = zkt__arena_zero(call->arena, 1, actor->state->size);
    task->cancelled_private_state =
        actor->private_state != NULL
            ? zkt__arena_zero(call->arena, 1, actor->private_state->size)
            : NULL;
    if ((first && instances->spare == NULL) || client.data == NULL ||
        id.data == NULL || task->cancelled_state == NULL ||
        (actor->private_state != NULL &&
         task->cancelled_private_state == NULL)) {
        return false;
    }
    call->client_id = client;
    call->instance_id = id;
    if (!zkt__waiting_reserve_task(call->host, task)) {
        return false;
    }
    if (!open_stream(call->host, task)) {
        zkt__waiting_remove_task(call->host, task);
        return false;
    }
    return true;
}

static const void *find_output(const struct zkt_call *call, uint32_t number)
{
    const struct zkt_task *task = zkt__task_of(
        (struct zkt_call *)(uintptr_t)call);
    return task->kind == ZKT_TASK_CALL
               ? zkt__outputs_find(&task->request.method->middleware,
                                   task->request.outputs, number)
               : NULL;
}

static int64_t find_due(const struct zkt_call *call)
{
    const struct zkt_task *task = ZKT_CONTAINER(call, const struct zkt_task,
                                                call);
    if (task->waiting != NULL && task->waiting->due.place != 0) {
        return task->waiting->due.due; /* it was deferred before */
    }
    return task->kind == ZKT_TASK_CALL && task->request.deadline != 0
               ? task->request.deadline
               : INT64_MAX;
}

static struct zkt_called find_called(const struct zkt_call *call)
{
    const struct zkt_task *task = zkt__task_of(
        (struct zkt_call *)(uintptr_t)call);
    return (struct zkt_called){
        .kind = ZKT_CALLED_METHOD,
        .actor = call->actor->name,
        .id = call->instance_id,
        .method = task->kind == ZKT_TASK_CALL ? task->request.method->name
                                              : ZKT_STR(""),
    };
}

static const struct zkt_ws_request *find_request(const struct zkt_call *call)
{
    (void)call;
    return NULL;
}

static void run_cancelled(struct zkt_call *call)
{
    struct zkt_task *task = zkt__task_of(call);
    (void)zkt__deferred_invoke(&task->deferred, zkt__task_input(task),
                               task->result);
    zkt__work_queue_unref(task->deferred.queue);
    zkt__task_free(task);
}

/* Hooks and timers have no callers who know their errors: they may fail with
 * any. */
static bool declares(const struct zkt_call *call, uint32_t error)
{
    const struct zkt_task *task = ZKT_CONTAINER(call, const struct zkt_task,
                                                call);
    if (task->kind != ZKT_TASK_CALL) {
        return true;
    }
    const struct zkt_method *method = task->request.method;
    uint32_t i = 0;
    while (i < method->error_count && method->errors[i] != error) {
        i++;
    }
    return i < method->error_count;
}

const struct zkt_call_ops zkt__task_ops = {
    .declares = declares,
    .find_deferred = find_deferred,
    .prepare_cancelling = prepare_cancelling,
    .find_output = find_output,
    .find_due = find_due,
    .find_called = find_called,
    .find_request = find_request,
    .resume = zkt__task_resume,
    .run_cancelled = run_cancelled,
    .send_parts = zkt__task_send_parts,
};

/* ---- cancelling ---- */

/* Makes later writes do nothing. */
static void cancel_journal(struct zkt_journal *journal, void *state)
{
    journal->failure = ZKT_CANCELLED;
    journal->count = 0;
    journal->root->at = state;
}

/* Allocates zeroed states for a cancelled call, and journals on them. */
static bool copy_states(struct zkt_task *task, struct zkt_arena *to)
{
    struct zkt_call *call = &task->call;
    const struct zkt_actor *actor = call->actor;
    task->cancelled_state = zkt__arena_zero(to, 1, actor->state->size);
    task->cancelled_private_state = actor->private_state != NULL
                                        ? zkt__arena_zero(
                                              to, 1, actor->private_state->size)
                                        : NULL;
    return task->cancelled_state != NULL &&
           zkt__journal_begin(&call->journal, call->journal.store, to,
                              &call->issues, actor->state,
                              task->cancelled_state, 0) &&
           (actor->private_state == NULL ||
            (task->cancelled_private_state != NULL &&
             zkt__journal_begin(&call->private_journal, call->journal.store, to,
                                &call->issues, actor->private_state,
                                task->cancelled_private_state, 0)));
}

/* Copies the input of a call into another arena, unless it has a block, and
 * makes another result. Returns false if there is no memory. */
static bool copy_request(struct zkt_task *task, struct zkt_arena *to)
{
    const struct zkt_method *method = task->request.method;
    const void *input = task->request.input;
    void *result = NULL;
    if (input != NULL && task->request.body == NULL) {
        void *copy = zkt__arena_alloc(to,
                                      zkt__value_measure(method->input, input));
        input = copy != NULL ? zkt__value_dup_into(method->input, input, copy)
                             : NULL;
    }
    if (task->result != NULL) {
        result = zkt__arena_zero(to, 1, method->result->size);
    }
    if ((input == NULL) != (task->request.input == NULL) ||
        (result == NULL) != (task->result == NULL)) {
        return false;
    }
    task->request.input = input;
    task->result = result;
    return true;
}

/* Copies everything that a cancelled call still needs into another arena.
 * Returns false if there is no memory. */
static bool copy_rest(struct zkt_task *task, struct zkt_arena *to)
{
    struct zkt_call *call = &task->call;
    const struct zkt_str client = zkt__arena_str(to, call->client_id);
    const struct zkt_str id = zkt__arena_str(to, call->instance_id);
    if (client.data == NULL || id.data == NULL ||
        (task->kind == ZKT_TASK_CALL && !copy_request(task, to)) ||
        !copy_states(task, to)) {
        return false;
    }
    call->client_id = client;
    call->instance_id = id;
    return true;
}

/* Releases memory that a cancelled call does not need, unless its handler may
 * still use memory of the arena. Without memory for the copy nothing changes.
 */
static void shrink(struct zkt_task *task)
{
    struct zkt_call *call = &task->call;
    /* Nothing of the handle: another thread may be resuming it. */
    void *const state = task->cancelled_state;
    void *const private_state = task->cancelled_private_state;
    const struct zkt_journal journals[] = { call->journal,
                                            call->private_journal };
    struct zkt_arena small;
    if (call->has_allocated || call->outgoing != NULL ||
        (task->kind == ZKT_TASK_CALL && task->request.outputs != NULL)) {
        return;
    }
    zkt__arena_init(&small, task->arena.allocator);
    if (!copy_rest(task, &small)) {
        task->cancelled_state = state;
        task->cancelled_private_state = private_state;
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
    zkt__outgoing_detach(call);
    shrink(task);
    task->arena.limit_hits = NULL; /* the server may be freed first */
    call->host = NULL;
    call->instance = NULL;
    call->state = task->cancelled_state;
    cancel_journal(&call->journal, task->cancelled_state);
    if (call->private_state != NULL) {
        call->private_state = task->cancelled_private_state;
        cancel_journal(&call->private_journal, task->cancelled_private_state);
    }
    call->peer = NULL;
    task->contact = NULL;
    task->carrier = NULL;
    if (task->result != NULL) {
        memset(task->result, 0, task->request.method->result->size);
    }
    zkt__deferred_end_stream(&task->deferred);
    if (zkt__deferred_is_outstanding(&task->deferred)) {
        zkt__deferred_notice(&task->deferred, task->deferred.reason);
    }
}

/* ---- time ---- */

static struct zkt_task *first_parked(const struct zkt_host *host)
{
    struct zkt_node *first = zkt__list_first(&host->instances->parked);
    return first != NULL ? ZKT_CONTAINER(first, struct zkt_task, parked) : NULL;
}

void zkt__instances_cancel(struct zkt_host *host, enum zkt_status status,
                           struct zkt_str text)
{
    struct zkt_task *task;
    while ((task = first_parked(host)) != NULL) {
        zkt__task_cancel(host, task, status, text);
    }
}

static void evict(struct zkt_host *host, struct zkt_instance *instance)
{
    host->stats.evictions++;
    host->stats.limit_hits.idle_ms++;
    zkt__instance_end(host, instance, ZKT_END_EVICTED);
    zkt__arena_reset(host->arena);
}

void zkt__instances_arm(const struct zkt_host *host, struct zkt_list *list,
                        struct zkt_timeout *timeout, int64_t delay)
{
    zkt__timeout_arm(list, timeout, host->clock->now_ms, delay);
    zkt__instances_expect(host->instances, timeout->due);
}

/* Returns the earliest time at which something is due, or ZKT_NEVER. */
static int64_t find_next(const struct zkt_instances *instances)
{
    const int64_t call = zkt__waiting_next(&instances->waiting);
    const int64_t idle = zkt__timeouts_next(&instances->idle);
    const int64_t failed = zkt__timeouts_next(&instances->failed);
    const int64_t timer = zkt__timers_next(&instances->timers);
    const int64_t first = call < idle ? call : idle;
    const int64_t second = failed < timer ? failed : timer;
    return first < second ? first : second;
}

void zkt__instances_expire(struct zkt_host *host)
{
    const int64_t now = host->clock->now_ms;
    struct zkt_timeout *due;
    zkt__waiting_expire(host);
    while ((due = zkt__timeouts_take(&host->instances->idle, now)) != NULL) {
        evict(host, ZKT_CONTAINER(due, struct zkt_instance, idle));
    }
    while ((due = zkt__timeouts_take(&host->instances->failed, now)) != NULL) {
        zkt__instance_forget(host,
                             ZKT_CONTAINER(due, struct zkt_instance, idle));
    }
    zkt__timers_fire(host);
    host->instances->next_due = find_next(host->instances);
}
