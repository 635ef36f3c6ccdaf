/* The registry of instances: making, finding and dropping them. */
#include "actor/actor.h"
#include "server/server.h"

void zkt__actors_init(struct zkt_actors *actors, struct zkt_app app,
                      const struct zkt_allocator *allocator,
                      const struct zkt_limits *limits,
                      const struct zkt_server *server, const int64_t *wall_ms)
{
    actors->app = app;
    actors->allocator = allocator;
    actors->limits = limits;
    actors->server = server;
    actors->wall_ms = wall_ms;
    actors->store.allocator = allocator;
    actors->patterns.allocator = allocator;
    actors->rules = (struct zkt_rule_context){ &actors->patterns,
                                               &actors->app };
    zkt__slots_init(&actors->instances, allocator);
    zkt__arena_init(&actors->arena, allocator);
    zkt__writer_init(&actors->result, allocator);
    zkt__writer_init(&actors->plain, allocator);
    zkt__writer_init(&actors->rfc6902, allocator);
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

static void free_instance(struct zkt_actors *actors,
                          struct zkt_instance *instance)
{
    zkt__value_release(&actors->store, &zkt_type_string, &instance->name);
    if (instance->state != NULL) {
        zkt__value_release(&actors->store, instance->actor->state,
                           instance->state);
        zkt__release(actors->allocator, instance->state);
    }
    zkt__release(actors->allocator, instance);
}

static struct zkt_instance *new_instance(struct zkt_actors *actors,
                                         const struct zkt_actor *actor,
                                         struct zkt_str name)
{
    struct zkt_instance *instance = zkt__alloc_zero(actors->allocator, 1,
                                                    sizeof(*instance));
    if (instance == NULL) {
        return NULL;
    }
    instance->actor = actor;
    instance->epoch = zkt__random_next(&actors->random);
    instance->hash = hash_name(actors, actor, name);
    zkt__list_init(&instance->links);
    const size_t size = actor->state->size;
    instance->state = zkt__alloc_zero(actors->allocator, 1,
                                      size > 0 ? size : 1);
    if (instance->state == NULL ||
        !zkt__value_copy(&actors->store, &zkt_type_string, &instance->name,
                         &name) ||
        !zkt__value_default(&actors->store, actor->state, instance->state)) {
        free_instance(actors, instance);
        return NULL;
    }
    return instance;
}

static void run_own_hook(struct zkt_actors *actors,
                         const struct zkt_instance *instance,
                         enum zkt_hook hook)
{
    if (instance->actor->hooks[hook].declared) {
        const struct zkt_request request = {
            .kind = ZKT_REQUEST_HOOK,
            .instance = instance->id,
            .hook = hook,
        };
        zkt__owner_deliver(actors, &request);
    }
}

struct zkt_instance *zkt__owner_create(struct zkt_actors *actors,
                                       const struct zkt_actor *actor,
                                       struct zkt_str name)
{
    if (actors->instances.live >= actors->limits->instances ||
        !zkt__index_reserve(&actors->index, actors->allocator, 1)) {
        return NULL;
    }
    struct zkt_instance *instance = new_instance(actors, actor, name);
    if (instance == NULL) {
        return NULL;
    }
    instance->id = zkt__slots_add(&actors->instances, instance);
    if (instance->id == 0) {
        free_instance(actors, instance);
        return NULL;
    }
    zkt__index_add(&actors->index, instance->hash, (uint32_t)instance->id);
    run_own_hook(actors, instance, ZKT_HOOK_ACTIVATE);
    return instance;
}

static void remove_instance(struct zkt_actors *actors,
                            struct zkt_instance *instance)
{
    zkt__index_remove(&actors->index, instance->hash, (uint32_t)instance->id);
    zkt__slots_remove(&actors->instances, instance->id);
    free_instance(actors, instance);
}

void zkt__owner_drop_idle(struct zkt_actors *actors,
                          struct zkt_instance *instance)
{
    /* Still in its first state, it is the same as one that is made anew. */
    if (instance->link_count == 0 && instance->seq == 0 &&
        !instance->actor->hooks[ZKT_HOOK_ACTIVATE].declared) {
        remove_instance(actors, instance);
    }
}

struct zkt_buffer *zkt__owner_snapshot(struct zkt_actors *actors,
                                       const struct zkt_instance *instance)
{
    const struct zkt_type *type = instance->actor->state;
    struct zkt_writer *w = &actors->plain;
    zkt__frame_begin(w);
    zkt__write_address(w, ZKT_MESSAGE_STATE_SNAPSHOT, instance->actor->name,
                       instance->name);
    ZKT_WRITE(w, ",\"state\":");
    type->encode(w, type, instance->state);
    ZKT_WRITE(w, "}");
    return zkt__frame_share(actors, w);
}

void zkt__actors_deactivate(struct zkt_actors *actors)
{
    for (uint32_t i = 0; i < actors->instances.count; i++) {
        const struct zkt_instance *instance = actors->instances.objects[i];
        if (instance != NULL) {
            run_own_hook(actors, instance, ZKT_HOOK_DEACTIVATE);
        }
    }
}

void zkt__actors_finish(struct zkt_actors *actors)
{
    for (uint32_t i = 0; i < actors->instances.count; i++) {
        struct zkt_instance *instance = actors->instances.objects[i];
        if (instance != NULL) {
            remove_instance(actors, instance);
        }
    }
    zkt__index_finish(&actors->index, actors->allocator);
    zkt__slots_finish(&actors->instances);
    zkt__arena_finish(&actors->arena);
    zkt__patterns_finish(&actors->patterns);
    zkt__writer_finish(&actors->result);
    zkt__writer_finish(&actors->plain);
    zkt__writer_finish(&actors->rfc6902);
}
