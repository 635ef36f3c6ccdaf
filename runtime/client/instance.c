/*
 * The instances of a client, by actor and id: every message of the server names
 * an instance, so a look-up must not depend on their count. They are in an
 * array, where the last takes the place of a freed instance, with a hash index
 * of positions. A list keeps their order of arrival.
 */
#include "client/instance.h"

#include "client/core.h"

enum {
    FIRST_CAPACITY = 8
};

struct name {
    struct zkt_str actor, id;
};

static uint64_t hash_of(const struct zkt_client *client, struct zkt_str id)
{
    return zkt__hash(&client->store.key, id.data, id.len);
}

static bool is_named(const void *owner, uint32_t position, const void *key,
                     size_t len)
{
    const struct zkt_client *client = owner;
    const struct zkt_client_instance *instance = client->table[position];
    const struct name *name = key;
    (void)len;
    return zkt_str_eq(instance->id, name->id) &&
           zkt_str_eq(instance->actor->name, name->actor);
}

struct zkt_client_instance *zkt__client_instance_find(
    const struct zkt_client *client, struct zkt_str actor, struct zkt_str id)
{
    const struct name name = { actor, id };
    const uint32_t at = zkt__index_find(&client->by_name, hash_of(client, id),
                                        is_named, client, &name, sizeof(name));
    return at != ZKT_INDEX_NONE ? client->table[at] : NULL;
}

/* Reserves room for another instance, in the array and in the index. */
static bool reserve(struct zkt_client *client)
{
    if (client->count == client->capacity) {
        const uint32_t capacity = client->capacity > 0 ? client->capacity * 2
                                                       : FIRST_CAPACITY;
        struct zkt_client_instance **table = zkt__resize(
            client->allocator, client->table, capacity * sizeof(*table));
        if (table == NULL) {
            return false;
        }
        client->table = table;
        client->capacity = capacity;
    }
    return zkt__index_reserve(&client->by_name, client->allocator, 1);
}

/* Frees an instance and its state. */
static void release(struct zkt_client *client,
                    struct zkt_client_instance *instance)
{
    if (instance->state != NULL) {
        zkt__value_release(&client->store, instance->actor->state,
                           instance->state);
        zkt__release(client->allocator, instance->state);
    }
    zkt__value_release(&client->store, &zkt_type_string, &instance->id);
    zkt__release(client->allocator, instance);
}

struct zkt_client_instance *zkt__client_instance_new(
    struct zkt_client *client, const struct zkt_remote_actor *actor,
    struct zkt_str id)
{
    struct zkt_client_instance *instance = zkt__alloc_zero(client->allocator, 1,
                                                           sizeof(*instance));
    if (instance == NULL) {
        return NULL;
    }
    instance->actor = actor;
    zkt__list_init(&instance->listeners);
    zkt__subscription_init(&instance->of_state, instance, false);
    zkt__subscription_init(&instance->of_events, instance, true);
    const size_t size = actor->state->size;
    instance->state = zkt__alloc_zero(client->allocator, 1,
                                      size > 0 ? size : 1);
    if (instance->state == NULL || !reserve(client) ||
        !zkt__value_copy(&client->store, &zkt_type_string, &instance->id,
                         &id)) {
        release(client, instance);
        return NULL;
    }
    instance->position = client->count;
    client->table[client->count++] = instance;
    zkt__index_add(&client->by_name, hash_of(client, instance->id),
                   instance->position);
    zkt__list_append(&client->instances, &instance->node);
    return instance;
}

void zkt__client_instance_free(struct zkt_client *client,
                               struct zkt_client_instance *instance)
{
    struct zkt_client_instance *last = client->table[--client->count];
    zkt__index_remove(&client->by_name, hash_of(client, instance->id),
                      instance->position);
    if (last != instance) {
        zkt__index_move(&client->by_name, hash_of(client, last->id),
                        last->position, instance->position);
        last->position = instance->position;
        client->table[last->position] = last;
    }
    zkt__node_unlink(&instance->node);
    zkt__node_unlink(&instance->dirty);
    release(client, instance);
}

void zkt__client_instance_end_call(struct zkt_client *client,
                                   struct zkt_client_instance *instance)
{
    if (--instance->calls == 0 && instance->handles == 0) {
        zkt__client_instance_mark(client, instance);
    }
}

/* The server has a contact with the client if a call or a subscription was sent
 * on this connection. Older servers do not know the message. */
void zkt__client_instance_leave(struct zkt_client *client,
                                struct zkt_client_instance *instance)
{
    if (client->level > 0 && zkt__client_is_open(client) &&
        instance->contact == client->stats.connections) {
        struct zkt_writer *w = zkt__client_write(client);
        zkt__write_address(w, ZKT_MESSAGE_LEAVE, instance->actor->name,
                           instance->id);
        ZKT_WRITE(w, "}");
        zkt__client_send(client);
    }
    zkt__client_instance_free(client, instance);
}

void zkt__client_instance_mark(struct zkt_client *client,
                               struct zkt_client_instance *instance)
{
    if (!zkt__node_linked(&instance->dirty)) {
        zkt__list_append(&client->dirty, &instance->dirty);
    }
}

void zkt__client_instances_finish(struct zkt_client *client)
{
    zkt__index_finish(&client->by_name, client->allocator);
    zkt__release(client->allocator, client->table);
}
