/*
 * Creating and ending instances. `activate` and `deactivate` run once in the
 * life of an instance.
 */
#include "instance/registry.h"

#include "instance/hooks.h"
#include "instance/mailbox.h"
#include "instance/task.h"
#include "shard/group.h"
#include "shard/metrics.h"

bool zkt__instances_init(struct zkt_instances *instances, struct zkt_host *host)
{
    host->instances = instances;
    zkt__slots_init(&instances->all, host->allocator);
    zkt__list_init(&instances->ready);
    zkt__list_init(&instances->awaiting_credit);
    zkt__list_init(&instances->parked);
    zkt__list_init(&instances->idle);
    zkt__list_init(&instances->failed);
    instances->timers = (struct zkt_timer_heap){ .stopped = false };
    instances->waiting = (struct zkt_waiting_calls){ .by_id = NULL };
    instances->next_due = ZKT_NEVER;
    zkt__snapshot_log_init(&instances->snapshots, host->allocator,
                           (size_t)host->limits->cache_bytes,
                           &host->stats.limit_hits.cache_bytes);
    instances->task = zkt__task_new(host);
    host->arena = instances->task != NULL ? &instances->task->arena : NULL;
    return instances->task != NULL;
}

void zkt__instances_finish(struct zkt_instances *instances)
{
    zkt__slots_finish(&instances->all);
    zkt__task_free(instances->task);
    zkt__task_free(instances->spare);
}

/* ---- creating ---- */

static struct zkt_contact *first_contact(const struct zkt_instance *instance)
{
    struct zkt_node *first = instance->attachments.first;
    return first != NULL ? zkt__contact_of(ZKT_CONTAINER(
                               first, struct zkt_attachment, of_instance))
                         : NULL;
}

/* Returns the offset of the private state, which follows the state. */
static size_t offset_of_private(const struct zkt_actor *actor)
{
    const size_t alignment = alignof(max_align_t);
    return (actor->state->size + alignment - 1) / alignment * alignment;
}

/* Returns the size of an instance with its states. */
static size_t size_of(const struct zkt_actor *actor)
{
    return sizeof(struct zkt_instance) +
           (actor->private_state != NULL
                ? offset_of_private(actor) + actor->private_state->size
                : actor->state->size);
}

static void free_instance(struct zkt_host *host, struct zkt_instance *instance)
{
    const struct zkt_actor *actor = instance->actor;
    zkt__snapshot_log_free(&host->instances->snapshots, instance->log);
    zkt__views_free(host, instance);
    if (instance->failed) {
        zkt__buffer_unref(instance->failure);
    }
    zkt__release(host->allocator, instance->open_calls);
    if (instance->state != NULL) {
        zkt__value_release(&host->store, actor->state, instance->state);
    }
    if (instance->private_state != NULL) {
        zkt__value_release(&host->store, actor->private_state,
                           instance->private_state);
    }
    zkt__release(host->allocator, instance);
}

/* Initialises a state at @at with its defaults. Returns NULL if there is no
 * memory. */
static void *make_state(const struct zkt_host *host,
                        const struct zkt_type *type, void *at)
{
    return zkt__value_default(&host->store, type, at) ? at : NULL;
}

/* Returns false if there is no memory. */
static bool init_states(const struct zkt_host *host,
                        struct zkt_instance *instance)
{
    const struct zkt_actor *actor = instance->actor;
    instance->state = make_state(host, actor->state, instance->states);
    if (instance->state == NULL || actor->private_state == NULL) {
        return instance->state != NULL;
    }
    instance->private_state = make_state(host, actor->private_state,
                                         instance->states +
                                             offset_of_private(actor));
    return instance->private_state != NULL;
}

static struct zkt_instance *new_instance(struct zkt_host *host,
                                         struct zkt_location *location)
{
    struct zkt_instance *instance = zkt__alloc(host->allocator,
                                               size_of(location->actor));
    if (instance == NULL) {
        return NULL;
    }
    *instance = (struct zkt_instance){
        .location = location,
        .actor = location->actor,
        .epoch = zkt__random_next(&host->random),
        .local = { .shard = host->shard, .location = location },
    };
    zkt__list_init(&instance->round);
    if (!init_states(host, instance) || !zkt__views_create(host, instance)) {
        goto fail;
    }
    instance->id = zkt__slots_add(&host->instances->all, instance);
    if (instance->id == 0) {
        goto fail;
    }
    return instance;

fail:
    free_instance(host, instance);
    return NULL;
}

/* Counts an instance, for the server and for @address. Returns false with
 * *@reason if there are too many. */
static bool count_instance(struct zkt_host *host, void *address,
                           struct zkt_str *reason)
{
    if (!zkt__group_count_instance(host, host->instances->all.live)) {
        host->stats.limit_hits.instances++;
        *reason = ZKT_STR("too many instances");
        return false;
    }
    if (host->charge != NULL && !host->charge(host, address)) {
        zkt__group_uncount_instance(host);
        *reason = ZKT_STR("too many instances of one address");
        return false;
    }
    return true;
}

static void uncount_instance(struct zkt_host *host, void *address)
{
    zkt__group_uncount_instance(host);
    if (host->refund != NULL) {
        host->refund(host, address);
    }
}

struct zkt_instance *zkt__instance_create(struct zkt_host *host,
                                          struct zkt_location *location,
                                          const struct zkt_msg *m,
                                          struct zkt_str *reason)
{
    void *address = m->contact->peer->address;
    if (!count_instance(host, address, reason)) {
        return NULL;
    }
    struct zkt_instance *instance = new_instance(host, location);
    if (instance == NULL) {
        uncount_instance(host, address);
        *reason = ZKT_STR("out of memory");
        return NULL;
    }
    ZKT_METRICS_ADD(host, instance->actor, instances, 1);
    instance->address = address;
    location->instance = instance;
    zkt__location_ref(location);
    zkt__hook_activate(host, instance, m);
    return instance;
}

/* A new try to start an instance is made after this time. */
#define RESTART_MS 1000

/* Encodes the failure that clients of the instance read. */
static void encode_failure(struct zkt_host *host, struct zkt_instance *instance,
                           const struct zkt_failure *failure)
{
    struct zkt_failure public = *failure;
    if (public.status == ZKT_INTERNAL) {
        public = (struct zkt_failure){ .status = ZKT_UNAVAILABLE };
    }
    if (public.retry_after_ms == 0) {
        public.retry_after_ms = RESTART_MS;
    }
    instance->failure_status = public.status;
    instance->failure = zkt__failure_share(&public, &host->plain);
}

void zkt__instance_start_failed(struct zkt_host *host,
                                struct zkt_instance *instance,
                                const struct zkt_failure *failure)
{
    struct zkt_contact *contact;
    bool leaves;
    instance->failed = true;
    encode_failure(host, instance, failure);
    zkt__instances_arm(host, &host->instances->failed, &instance->idle,
                       RESTART_MS);
    zkt__node_unlink(&instance->ready);
    while ((contact = first_contact(instance)) != NULL) {
        zkt__contact_refuse_encoded(host, contact, instance->failure_status,
                                    instance->failure, &leaves);
        zkt__detach(host, contact);
        zkt__contact_send_end(host, contact, leaves);
    }
}

/* ---- ending ---- */

void zkt__instance_forget(struct zkt_host *host, struct zkt_instance *instance)
{
    struct zkt_location *location = instance->location;
    zkt__timers_end(host, instance);
    zkt__node_unlink(&instance->ready);
    zkt__timeout_cancel(&instance->idle);
    ZKT_METRICS_ADD(host, instance->actor, instances, -1);
    uncount_instance(host, instance->address);
    zkt__slots_remove(&host->instances->all, instance->id);
    location->instance = NULL;
    free_instance(host, instance);
    zkt__location_release(host, location);
}

/* Returns true if a timer that a call has started, or an open call, keeps the
 * instance. */
static bool is_kept(const struct zkt_instance *instance)
{
    return (instance->timers != NULL && instance->timers->started > 0) ||
           zkt__open_calls_count(instance->open_calls) > 0;
}

/* Returns true if the instance is in its first state and has no hooks: another
 * that is created later is the same. */
static bool is_pristine(const struct zkt_instance *instance)
{
    const struct zkt_hook_entry *hooks = instance->actor->hooks;
    return instance->seq == 0 && !hooks[ZKT_HOOK_ACTIVATE].declared &&
           !hooks[ZKT_HOOK_DEACTIVATE].declared;
}

void zkt__instance_release_if_unused(struct zkt_host *host,
                                     struct zkt_instance *instance)
{
    if (instance->attachments.first != NULL || instance->parked != NULL ||
        instance->ending || instance->destroyed || is_kept(instance)) {
        return;
    }
    if (is_pristine(instance)) {
        zkt__instance_forget(host, instance);
    } else if (host->limits->idle_ms > 0) {
        zkt__instances_arm(host, &host->instances->idle, &instance->idle,
                           host->limits->idle_ms);
    }
}

/* Refuses the messages that were queued before the instance ends. Contacts that
 * leave are detached. */
static void refuse_all(struct zkt_host *host, struct zkt_instance *instance,
                       const struct zkt_failure *failure)
{
    struct zkt_node *n = instance->attachments.first;
    while (n != NULL) {
        struct zkt_contact *contact = zkt__contact_of(
            ZKT_CONTAINER(n, struct zkt_attachment, of_instance));
        bool leaves;
        n = zkt__ring_after(&instance->attachments, n);
        zkt__contact_refuse_queued(host, contact, failure, &leaves);
        if (leaves) {
            zkt__detach(host, contact);
            zkt__contact_send_left(host, contact);
        }
    }
}

static struct zkt_failure failure_of(enum zkt_instance_end reason)
{
    switch (reason) {
    case ZKT_END_EVICTED:
        return (struct zkt_failure){
            .status = ZKT_ABORTED, .text = ZKT_STR("the instance was evicted")
        };
    case ZKT_END_STOPPED:
        return (struct zkt_failure){ .status = ZKT_UNAVAILABLE,
                                     .text = ZKT_STR("the server stops") };
    case ZKT_END_DESTROYED:
    case ZKT_END_ABANDONED:
        break;
    }
    return (struct zkt_failure){ .status = ZKT_ABORTED,
                                 .text = ZKT_STR("the instance was "
                                                 "destroyed") };
}

void zkt__instance_end(struct zkt_host *host, struct zkt_instance *instance,
                       enum zkt_instance_end reason)
{
    const struct zkt_failure failure = failure_of(reason);
    instance->ending = true; /* nothing else releases it */
    instance->end = reason;
    zkt__timers_end(host, instance);
    zkt__open_calls_abort(host, instance, &failure);
    refuse_all(host, instance, &failure);
    zkt__hook_deactivate(host, instance);
}

/* Detaches a contact of an instance that has ended. Messages that arrived while
 * `deactivate` was running are appended to @waiting. */
static void end_contact(struct zkt_host *host, struct zkt_contact *contact,
                        struct zkt_list *waiting)
{
    const struct zkt_instance *instance = contact->attachment.instance;
    const bool *to = contact->attachment.subscribed;
    const bool subscribed = to[ZKT_TOPIC_STATE] || to[ZKT_TOPIC_EVENTS];
    const struct zkt_failure failure = failure_of(instance->end);
    bool waits = false;
    struct zkt_msg *m;
    while ((m = zkt__mailbox_take(host, contact)) != NULL) {
        zkt__list_append(waiting, &m->node);
        waits = true;
    }
    zkt__detach(host, contact);
    if (subscribed) {
        zkt__contact_send_closed(host, contact, &failure);
    }
    if (!waits) {
        zkt__contact_send_ended(host, contact);
    }
}

void zkt__instance_complete_end(struct zkt_host *host,
                                struct zkt_instance *instance)
{
    struct zkt_contact *contact;
    struct zkt_list waiting;
    struct zkt_node *node;
    zkt__list_init(&waiting);
    while ((contact = first_contact(instance)) != NULL) {
        end_contact(host, contact, &waiting);
    }
    zkt__instance_forget(host, instance);
    while ((node = zkt__list_first(&waiting)) != NULL) {
        struct zkt_msg *m = ZKT_CONTAINER(node, struct zkt_msg, node);
        zkt__node_unlink(node);
        host->receivers->to_instance(host, m, m);
    }
}

void zkt__instance_abandon(struct zkt_host *host, struct zkt_instance *instance)
{
    instance->abandoned = false;
    if (instance->attachments.first != NULL || instance->ending ||
        (instance->established && is_kept(instance))) {
        if (!zkt__list_empty(&instance->round) || instance->ending) {
            zkt__mailbox_make_ready(host, instance);
        }
    } else if (instance->established) {
        zkt__instance_release_if_unused(host, instance);
    } else {
        zkt__instance_end(host, instance, ZKT_END_ABANDONED);
    }
}

void zkt__instance_destroy(struct zkt_host *host, struct zkt_instance *instance)
{
    instance->ending = true;
    zkt__mailbox_make_ready(host, instance);
}

/* ---- stopping ---- */

/* Disconnects every contact, then ends the instance, as far as hooks finish. */
static void stop_instance(struct zkt_host *host, struct zkt_instance *instance)
{
    const struct zkt_failure failure = failure_of(ZKT_END_STOPPED);
    struct zkt_contact *contact;
    bool leaves;
    if (instance->failed) {
        zkt__instance_forget(host, instance);
        return;
    }
    instance->ending = true; /* nothing else releases it */
    while (instance->parked == NULL &&
           (contact = first_contact(instance)) != NULL) {
        zkt__contact_refuse_queued(host, contact, &failure, &leaves);
        zkt__attachment_disconnect(host, contact);
        if (leaves) {
            zkt__contact_send_left(host, contact);
        }
    }
    if (instance->parked == NULL && !instance->closing) {
        zkt__instance_end(host, instance, ZKT_END_STOPPED);
    }
    zkt__arena_reset(host->arena);
}

bool zkt__instances_end(struct zkt_host *host)
{
    struct zkt_instances *instances = host->instances;
    instances->ended = true;
    for (uint32_t i = 0; i < instances->all.count; i++) {
        if (instances->all.objects[i] != NULL) {
            stop_instance(host, instances->all.objects[i]);
        }
    }
    return instances->all.live == 0;
}
