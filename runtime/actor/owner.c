/*
 * The registry of instances: making, finding and ending them. What activate
 * has begun deactivate ends: each runs once in the life of an instance.
 */
#include "actor/remote.h"
#include "server/server.h"

bool zkt__actors_init(struct zkt_actors *actors, struct zkt_app app,
                      const struct zkt_allocator *allocator,
                      const struct zkt_limits *limits,
                      struct zkt_server *server, const struct zkt_core *core)
{
    actors->app = app;
    actors->allocator = allocator;
    actors->limits = limits;
    actors->server = server;
    actors->core = core;
    actors->store.allocator = allocator;
    actors->patterns.allocator = allocator;
    actors->rules = (struct zkt_rule_context){
        .patterns = &actors->patterns,
        .app = &actors->app,
        .issues_max = (uint32_t)limits->issues,
    };
    zkt__slots_init(&actors->instances, allocator);
    zkt__list_init(&actors->ready);
    zkt__list_init(&actors->parked);
    zkt__list_init(&actors->idle);
    zkt__writer_init(&actors->result, allocator);
    zkt__writer_init(&actors->plain, allocator);
    zkt__writer_init(&actors->rfc6902, allocator);
    zkt__history_init(&actors->histories, allocator,
                      (size_t)limits->cache_bytes,
                      &actors->stats.reached.cache_bytes);
    actors->box = zkt__post_box_new(allocator);
    actors->task = zkt__task_new(actors);
    return actors->box != NULL && actors->task != NULL;
}

/* Instances are found by actor and name: the hash takes in both. */
static uint64_t hash_name(const struct zkt_actors *actors,
                          const struct zkt_actor *actor, struct zkt_str name)
{
    struct zkt_hash_key key = actors->store.key;
    key.k0 ^= (uint64_t)(uintptr_t)actor;
    return zkt__hash(&key, name.data, name.len);
}

struct name_key {
    const struct zkt_actor *actor;
    struct zkt_str name;
};

static bool same_instance(const void *owner, uint32_t slot, const void *key,
                          size_t len)
{
    const struct zkt_actors *actors = owner;
    const struct zkt_instance *instance = actors->instances.objects[slot];
    const struct name_key *wanted = key;
    (void)len;
    return instance->actor == wanted->actor &&
           zkt_str_eq(instance->name, wanted->name);
}

struct zkt_instance *zkt__owner_find(const struct zkt_actors *actors,
                                     const struct zkt_actor *actor,
                                     struct zkt_str name)
{
    const struct name_key key = { actor, name };
    const uint32_t slot = zkt__index_find(
        &actors->index, hash_name(actors, actor, name), same_instance, actors,
        &key, sizeof(key));
    return slot != ZKT_INDEX_NONE ? actors->instances.objects[slot] : NULL;
}

static void free_state(const struct zkt_actors *actors,
                       const struct zkt_type *type, void *state)
{
    if (state != NULL) {
        zkt__value_release(&actors->store, type, state);
        zkt__release(actors->allocator, state);
    }
}

/* A state as its defaults make it, or NULL. */
static void *new_state(const struct zkt_actors *actors,
                       const struct zkt_type *type)
{
    void *state = zkt__alloc_zero(actors->allocator, 1, type->size);
    if (state != NULL && !zkt__value_default(&actors->store, type, state)) {
        zkt__release(actors->allocator, state);
        return NULL;
    }
    return state;
}

static void free_instance(struct zkt_actors *actors,
                          struct zkt_instance *instance)
{
    zkt__history_free(&actors->histories, instance->history);
    zkt__value_release(&actors->store, &zkt_type_string, &instance->name);
    free_state(actors, instance->actor->state, instance->state);
    free_state(actors, instance->actor->hidden, instance->hidden);
    zkt__release(actors->allocator, instance);
}

/* False: no memory. */
static bool fill_states(struct zkt_actors *actors,
                        struct zkt_instance *instance)
{
    const struct zkt_actor *actor = instance->actor;
    instance->state = new_state(actors, actor->state);
    instance->hidden = actor->hidden != NULL ? new_state(actors, actor->hidden)
                                             : NULL;
    return instance->state != NULL &&
           (actor->hidden == NULL || instance->hidden != NULL);
}

/* One on the shard @home; only on its own it has states. */
static struct zkt_instance *new_instance(struct zkt_actors *actors,
                                         const struct zkt_actor *actor,
                                         struct zkt_str name, uint32_t home)
{
    struct zkt_instance *instance = zkt__alloc_zero(actors->allocator, 1,
                                                    sizeof(*instance));
    if (instance == NULL) {
        return NULL;
    }
    instance->actor = actor;
    instance->home = home;
    instance->epoch = zkt__random_next(&actors->random);
    instance->hash = hash_name(actors, actor, name);
    zkt__list_init(&instance->links);
    zkt__list_init(&instance->mailbox);
    instance->end.kind = ZKT_MAIL_END;
    if (!zkt__value_copy(&actors->store, &zkt_type_string, &instance->name,
                         &name) ||
        (home == actors->self && !fill_states(actors, instance))) {
        free_instance(actors, instance);
        return NULL;
    }
    return instance;
}

void zkt__owner_run_hook(struct zkt_actors *actors,
                         struct zkt_instance *instance, struct zkt_port *port,
                         enum zkt_hook hook)
{
    if (instance->actor->hooks[hook].declared) {
        const struct zkt_request request = {
            .kind = ZKT_REQUEST_HOOK,
            .instance = instance->id,
            .port = port,
            .hook = hook,
        };
        zkt__task_run(actors, &request, instance, NULL);
    }
}

/* NULL: no memory. */
static struct zkt_instance *add_instance(struct zkt_actors *actors,
                                         const struct zkt_actor *actor,
                                         struct zkt_str name, uint32_t home)
{
    if (!zkt__index_reserve(&actors->index, actors->allocator, 1)) {
        return NULL;
    }
    struct zkt_instance *instance = new_instance(actors, actor, name, home);
    if (instance == NULL) {
        return NULL;
    }
    instance->id = zkt__slots_add(&actors->instances, instance);
    if (instance->id == 0) {
        free_instance(actors, instance);
        return NULL;
    }
    zkt__index_add(&actors->index, instance->hash, (uint32_t)instance->id);
    return instance;
}

struct zkt_instance *zkt__owner_create(struct zkt_actors *actors,
                                       const struct zkt_actor *actor,
                                       struct zkt_str name,
                                       struct zkt_str *reason)
{
    uint32_t home = actors->self;
    *reason = ZKT_STR("out of memory");
    if (!zkt__remote_take(actors, actor, name, &home)) {
        return NULL;
    }
    const bool here = home == actors->self;
    struct zkt_instance *instance = NULL;
    if (here && !zkt__remote_count(actors)) {
        actors->stats.reached.instances++;
        *reason = ZKT_STR("too many instances");
        goto fail_count;
    }
    instance = add_instance(actors, actor, name, home);
    if (instance == NULL) {
        goto fail_add;
    }
    if (here) {
        zkt__owner_run_hook(actors, instance, NULL, ZKT_HOOK_ACTIVATE);
    } else {
        actors->stubs++;
    }
    return instance;

fail_add:
    if (here) {
        zkt__remote_uncount(actors);
    }
fail_count:
    zkt__remote_release(actors, actor, name);
    return NULL;
}

static void remove_instance(struct zkt_actors *actors,
                            struct zkt_instance *instance)
{
    zkt__node_unlink(&instance->ready);
    zkt__timeout_cancel(&instance->idle);
    if (zkt__is_stub(actors, instance)) {
        actors->stubs--;
    } else {
        zkt__remote_uncount(actors);
    }
    zkt__remote_release(actors, instance->actor, instance->name);
    zkt__index_remove(&actors->index, instance->hash, (uint32_t)instance->id);
    zkt__slots_remove(&actors->instances, instance->id);
    free_instance(actors, instance);
}

/* Still in its first state, it is the same as one that is made anew. */
static bool is_as_new(const struct zkt_instance *instance)
{
    const struct zkt_hook_entry *hooks = instance->actor->hooks;
    return instance->seq == 0 && !hooks[ZKT_HOOK_ACTIVATE].declared &&
           !hooks[ZKT_HOOK_DEACTIVATE].declared;
}

void zkt__owner_settle(struct zkt_actors *actors, struct zkt_instance *instance)
{
    if (instance->link_count > 0 || instance->parked != NULL ||
        !zkt__list_empty(&instance->mailbox)) {
        return;
    }
    if (zkt__is_stub(actors, instance) || is_as_new(instance)) {
        remove_instance(actors, instance);
    } else if (actors->limits->idle_ms > 0) {
        zkt__timeout_arm(&actors->idle, &instance->idle, actors->core->now_ms,
                         actors->limits->idle_ms);
    }
}

/* What waits learns that it waits in vain. */
static void refuse_mail(struct zkt_actors *actors,
                        struct zkt_instance *instance, enum zkt_status status,
                        struct zkt_str text)
{
    struct zkt_mail *mail;
    while ((mail = zkt__mailbox_take(actors, instance)) != NULL) {
        if (mail->kind == ZKT_MAIL_LETTER) {
            struct zkt_letter *letter = (struct zkt_letter *)(void *)mail;
            const struct zkt_request *request = &letter->request;
            request->port->waiting -= request->kind == ZKT_REQUEST_CALL;
            zkt__edge_refuse(actors, request, status, text);
            zkt__release(actors->allocator, letter);
        }
    }
}

void zkt__owner_end(struct zkt_actors *actors, struct zkt_instance *instance,
                    enum zkt_status status, struct zkt_str text)
{
    struct zkt_node *first;
    zkt__owner_run_hook(actors, instance, NULL, ZKT_HOOK_DEACTIVATE);
    refuse_mail(actors, instance, status, text);
    while ((first = zkt__list_first(&instance->links)) != NULL) {
        zkt__edge_drop_link(actors,
                            ZKT_CONTAINER(first, struct zkt_link, of_instance),
                            status, text);
    }
    remove_instance(actors, instance);
}

/* The flags are the edge's; what they mean is for the owner to know. */
static void deliver_elsewhere(struct zkt_actors *actors,
                              const struct zkt_request *request)
{
    if (request->kind == ZKT_REQUEST_CALL) {
        zkt__remote_send(actors, request);
    } else {
        zkt__edge_subscribe(actors, request);
    }
}

/* Who calls next meets a new instance. */
static void end_if_destroyed(struct zkt_actors *actors,
                             struct zkt_instance *instance)
{
    if (instance->parked == NULL &&
        zkt__list_first(&instance->mailbox) == &instance->end.node &&
        zkt__node_linked(&instance->end.node)) {
        (void)zkt__mailbox_take(actors, instance);
        zkt__owner_end(actors, instance, ZKT_ABORTED,
                       ZKT_STR("the instance was destroyed"));
    }
}

void zkt__owner_deliver(struct zkt_actors *actors,
                        const struct zkt_request *request)
{
    struct zkt_instance *instance = zkt__slots_find(&actors->instances,
                                                    request->instance);
    if (instance == NULL) {
        return;
    }
    if (zkt__is_stub(actors, instance)) {
        deliver_elsewhere(actors, request);
        return;
    }
    if (!zkt__mailbox_is_free(actors, instance)) {
        zkt__mailbox_put(actors, instance, request);
        return;
    }
    if (request->kind != ZKT_REQUEST_CALL) {
        zkt__edge_subscribe(actors, request);
        return;
    }
    zkt__task_run(actors, request, instance, NULL);
    end_if_destroyed(actors, instance);
}

void zkt__owner_deliver_letter(struct zkt_actors *actors,
                               struct zkt_letter *letter)
{
    struct zkt_instance *instance = zkt__slots_find(&actors->instances,
                                                    letter->request.instance);
    if (!zkt__mailbox_is_free(actors, instance)) {
        zkt__mailbox_put_letter(actors, instance, letter);
        return;
    }
    zkt__mailbox_open(actors, instance, letter);
    end_if_destroyed(actors, instance);
}

/* ---- snapshots ---- */

/* A call has changed the state and has yet to finish. */
static bool is_dirty(const struct zkt_instance *instance)
{
    return instance->parked != NULL && instance->parked->call.journal.count > 0;
}

bool zkt__owner_can_recap(const struct zkt_instance *instance)
{
    return zkt__history_is_kept(instance->history) || !is_dirty(instance);
}

/* The frame of a snapshot of the state as it is, or NULL: no memory. */
static struct zkt_buffer *encode_snapshot(struct zkt_actors *actors,
                                          const struct zkt_instance *instance)
{
    const struct zkt_type *type = instance->actor->state;
    struct zkt_writer *w = &actors->plain;
    zkt__frame_begin(w);
    if (!zkt_write_reserve(w, zkt__history_guess(instance->history))) {
        zkt__frame_begin(w); /* it was a guess; so much may not be needed */
    }
    zkt__write_address(w, ZKT_MESSAGE_STATE_SNAPSHOT, instance->actor->name,
                       instance->name);
    ZKT_WRITE(w, ",\"state\":");
    type->encode(w, type, instance->state);
    ZKT_WRITE(w, "}");
    return zkt__frame_share(actors, w);
}

bool zkt__owner_recap(struct zkt_actors *actors, struct zkt_instance *instance,
                      enum zkt_dialect dialect, struct zkt_recap *out)
{
    struct zkt_history_cache *cache = &actors->histories;
    if (zkt__history_recap(cache, instance->history, dialect, out)) {
        actors->stats.snapshots_cached++;
        return true;
    }
    struct zkt_buffer *snapshot = encode_snapshot(actors, instance);
    if (snapshot == NULL) {
        return false;
    }
    zkt__history_keep(cache, &instance->history, snapshot);
    *out = (struct zkt_recap){ .snapshot = snapshot };
    return true;
}

/* ---- stopping ---- */

/* Everybody leaves, then the instance ends. */
static void stop_instance(struct zkt_actors *actors,
                          struct zkt_instance *instance)
{
    const zkt_handle_id id = instance->id;
    const struct zkt_str text = ZKT_STR("the server stops");
    struct zkt_node *first;
    refuse_mail(actors, instance, ZKT_UNAVAILABLE, text);
    while (instance != NULL &&
           (first = zkt__list_first(&instance->links)) != NULL) {
        zkt__edge_leave(actors,
                        ZKT_CONTAINER(first, struct zkt_link, of_instance));
        instance = zkt__slots_find(&actors->instances, id);
    }
    if (instance != NULL) {
        zkt__owner_end(actors, instance, ZKT_UNAVAILABLE, text);
    }
    zkt__arena_reset(&actors->task->arena);
}

void zkt__actors_end(struct zkt_actors *actors)
{
    actors->ended = true;
    for (uint32_t i = 0; i < actors->instances.count; i++) {
        struct zkt_instance *instance = actors->instances.objects[i];
        if (instance != NULL && !zkt__is_stub(actors, instance)) {
            stop_instance(actors, instance);
        }
    }
}

void zkt__actors_finish(struct zkt_actors *actors)
{
    zkt__index_finish(&actors->index, actors->allocator);
    zkt__slots_finish(&actors->instances);
    zkt__patterns_finish(&actors->patterns);
    zkt__task_free(actors->task);
    zkt__task_free(actors->spare);
    zkt__post_box_unref(actors->box);
    zkt__release(actors->allocator, actors->remote);
    zkt__writer_finish(&actors->result);
    zkt__writer_finish(&actors->plain);
    zkt__writer_finish(&actors->rfc6902);
}
