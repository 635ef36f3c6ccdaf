/* See waiting.h. */
#include "instance/waiting.h"

#include <string.h>

#include "instance/mailbox.h"
#include "instance/task.h"

static struct zkt_msg *carrier_of(const struct zkt_waiting *waiting)
{
    return (struct zkt_msg *)(uintptr_t)waiting - 1;
}

/* ---- the tree ---- */

/* Returns the client and the id of a call that waits. */
static struct zkt_msg_cancel key_of(const struct zkt_waiting *waiting)
{
    const struct zkt_task *task = waiting->task;
    const struct zkt_msg *m = carrier_of(waiting);
    const struct zkt_contact *contact = task != NULL ? task->contact
                                                     : m->contact;
    return (struct zkt_msg_cancel){
        .client_id = zkt__peer_client_id(contact->peer),
        .id = task != NULL ? task->request.id : m->of.call.id,
    };
}

/* Clients' ids are random, so they are a part of the key of the hash. */
static uint64_t hash_of(const struct zkt_host *host,
                        const struct zkt_msg_cancel *key)
{
    struct zkt_hash_key own = host->store.key;
    uint64_t client[2];
    memcpy(client, key->client_id.data, sizeof(client));
    own.k0 ^= client[0];
    own.k1 ^= client[1];
    return zkt__hash(&own, key->id.data, key->id.len);
}

static bool is_call(const struct zkt_tree_node *node, const void *key)
{
    const struct zkt_msg_cancel *wanted = key;
    const struct zkt_msg_cancel of = key_of(
        ZKT_CONTAINER((uintptr_t)node, const struct zkt_waiting, by_id));
    return zkt_str_eq(of.client_id, wanted->client_id) &&
           zkt_str_eq(of.id, wanted->id);
}

static void add_to_tree(struct zkt_host *host, struct zkt_waiting *waiting)
{
    const struct zkt_msg_cancel key = key_of(waiting);
    if (key.client_id.len == 0) {
        return; /* of a program */
    }
    waiting->by_id = (struct zkt_tree_node){ .hash = hash_of(host, &key) };
    struct zkt_tree_node **at = zkt__tree_find(
        &host->instances->waiting.by_id, waiting->by_id.hash, is_call, &key);
    if (*at == NULL) {
        *at = &waiting->by_id;
        waiting->is_found = true;
    }
}

/* ---- time ---- */

/* Returns false if there is no memory. */
static bool reserve_seat(struct zkt_host *host, struct zkt_waiting *waiting)
{
    waiting->has_seat = zkt__heap_reserve(&host->instances->waiting.due,
                                          host->allocator);
    return waiting->has_seat;
}

static void add_to_heap(struct zkt_host *host, struct zkt_waiting *waiting)
{
    struct zkt_instances *instances = host->instances;
    zkt__heap_add(&instances->waiting.due, &waiting->due);
    zkt__instances_expect(instances, waiting->due.due);
}

bool zkt__call_is_late(const struct zkt_host *host,
                       const struct zkt_msg_call *call)
{
    return call->deadline != 0 && call->deadline <= host->clock->now_ms;
}

/* ---- waiting ---- */

bool zkt__waiting_add_message(struct zkt_host *host, struct zkt_msg *carrier)
{
    if (carrier->kind != ZKT_MSG_CALL) {
        return true;
    }
    struct zkt_waiting *waiting = zkt__msg_waiting(carrier);
    if (carrier->of.call.deadline != 0) {
        if (!reserve_seat(host, waiting)) {
            return false;
        }
        waiting->due.due = carrier->of.call.deadline;
        add_to_heap(host, waiting);
    }
    add_to_tree(host, waiting);
    return true;
}

/* Gives back the seat, too. */
static void remove_waiting(struct zkt_host *host, struct zkt_waiting *waiting)
{
    struct zkt_waiting_calls *calls = &host->instances->waiting;
    if (waiting->is_found) {
        zkt__tree_remove(zkt__tree_place(&calls->by_id, &waiting->by_id));
        waiting->is_found = false;
    }
    if (waiting->has_seat) {
        zkt__heap_remove(&calls->due, &waiting->due);
        zkt__heap_release(&calls->due, host->allocator);
        waiting->has_seat = false;
    }
}

void zkt__waiting_remove_message(struct zkt_host *host, struct zkt_msg *carrier)
{
    if (carrier->kind == ZKT_MSG_CALL) {
        remove_waiting(host, zkt__msg_waiting(carrier));
    }
}

/* Returns the most milliseconds that a task may be deferred: the method's, in
 * place of the limit handler_ms. */
static int64_t limit_of(const struct zkt_host *host,
                        const struct zkt_task *task)
{
    return task->kind == ZKT_TASK_CALL && task->request.method->timeout_ms > 0
               ? task->request.method->timeout_ms
               : host->limits->handler_ms;
}

/* Sets the time at which a deferred call ends. */
static void set_due(const struct zkt_host *host, const struct zkt_task *task)
{
    struct zkt_waiting *waiting = task->waiting;
    const int64_t now = host->clock->now_ms;
    const int64_t limit = limit_of(host, task);
    const int64_t end = now < INT64_MAX - limit ? now + limit : INT64_MAX;
    const int64_t own = task->kind == ZKT_TASK_CALL &&
                                task->request.deadline != 0
                            ? task->request.deadline
                            : INT64_MAX;
    waiting->by_limit = end < own;
    waiting->due.due = end < own ? end : own;
}

/* Lets the call wait that a deferred hook holds. Without memory it is refused.
 */
static void add_held(struct zkt_host *host, struct zkt_hook_run *hook)
{
    struct zkt_msg *held = hook->carrier;
    if (held != NULL && !zkt__waiting_add_message(host, held)) {
        hook->message = hook->carrier = NULL;
        zkt__instance_refuse(host, held, held, ZKT_RESOURCE_EXHAUSTED,
                             ZKT_STR("out of memory"));
    }
}

bool zkt__waiting_reserve_task(struct zkt_host *host, struct zkt_task *task)
{
    if (task->waiting != NULL) {
        return true; /* deferred again */
    }
    struct zkt_waiting *waiting = zkt__arena_zero(&task->arena, 1,
                                                  sizeof(*waiting));
    if (waiting == NULL || !reserve_seat(host, waiting)) {
        return false;
    }
    waiting->task = task;
    task->waiting = waiting;
    return true;
}

void zkt__waiting_add_task(struct zkt_host *host, struct zkt_task *task)
{
    set_due(host, task);
    add_to_heap(host, task->waiting);
    if (task->kind == ZKT_TASK_CALL) {
        add_to_tree(host, task->waiting);
    } else if (task->kind == ZKT_TASK_HOOK) {
        add_held(host, &task->hook);
    }
}

void zkt__waiting_remove_task(struct zkt_host *host, struct zkt_task *task)
{
    remove_waiting(host, task->waiting);
    task->waiting = NULL;
    if (task->kind == ZKT_TASK_HOOK && task->hook.carrier != NULL) {
        zkt__waiting_remove_message(host, task->hook.carrier);
    }
}

/* ---- ending ---- */

/* Answers a call that is not run: it is in a mailbox, or a hook holds it. */
static void refuse(struct zkt_host *host, struct zkt_msg *carrier,
                   enum zkt_status status, struct zkt_str text)
{
    if (zkt__node_linked(&carrier->node)) {
        zkt__mailbox_remove(host, carrier);
    } else {
        struct zkt_task *hook = carrier->contact->attachment.instance->parked;
        hook->hook.message = hook->hook.carrier = NULL;
        zkt__waiting_remove_message(host, carrier);
    }
    zkt__instance_refuse(host, carrier, carrier, status, text);
}

static void finish(struct zkt_host *host, struct zkt_waiting *waiting,
                   enum zkt_status status, struct zkt_str text)
{
    zkt__host_spend(host, ZKT_COST_CALL);
    if (waiting->task != NULL) {
        zkt__task_cancel(host, waiting->task, status, text);
    } else {
        refuse(host, carrier_of(waiting), status, text);
    }
}

void zkt__waiting_cancel(struct zkt_host *host,
                         const struct zkt_msg_cancel *cancel)
{
    struct zkt_tree_node *node = *zkt__tree_find(
        &host->instances->waiting.by_id, hash_of(host, cancel), is_call,
        cancel);
    if (node != NULL) {
        host->stats.cancelled++;
        finish(host, ZKT_CONTAINER(node, struct zkt_waiting, by_id),
               ZKT_CANCELLED, ZKT_STR("the caller has cancelled it"));
    }
}

static void expire(struct zkt_host *host, struct zkt_waiting *waiting)
{
    if (waiting->by_limit) {
        host->stats.limit_hits.handler_ms++;
        zkt__call_log(&waiting->task->call, ZKT_LOG_WARNING,
                      "it did not finish in time");
        finish(host, waiting, ZKT_DEADLINE_EXCEEDED,
               ZKT_STR("the handler did not finish in time"));
        return;
    }
    host->stats.expired++;
    finish(host, waiting, ZKT_DEADLINE_EXCEEDED,
           ZKT_STR("the time of the call is over"));
}

void zkt__waiting_expire(struct zkt_host *host)
{
    const struct zkt_heap *heap = &host->instances->waiting.due;
    const int64_t kept = host->budget / 2;
    struct zkt_heap_node *first = zkt__heap_first(heap);
    while (first != NULL && first->due <= host->clock->now_ms) {
        expire(host, ZKT_CONTAINER(first, struct zkt_waiting, due));
        zkt__arena_reset(host->arena);
        first = host->budget > kept ? zkt__heap_first(heap) : NULL;
    }
}
