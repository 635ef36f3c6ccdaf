/*
 * The instances that a client knows, found by actor and id: every message of
 * the server names one, so with many of them a search must not grow. They
 * stand in a table, whose last one takes the place of one that goes, with an
 * index beside it; the list of them keeps the order of arrival.
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
    const struct zkt_client_instance *e = client->table[position];
    const struct name *name = key;
    (void)len;
    return zkt_str_eq(e->id, name->id) &&
           zkt_str_eq(e->actor->name, name->actor);
}

struct zkt_client_instance *zkt__client_instance_find(
    const struct zkt_client *client, struct zkt_str actor, struct zkt_str id)
{
    const struct name name = { actor, id };
    const uint32_t at = zkt__index_find(&client->by_name, hash_of(client, id),
                                        is_named, client, &name, sizeof(name));
    return at != ZKT_INDEX_NONE ? client->table[at] : NULL;
}

/* Room for one more, in the table and in the index. */
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

/* Releases what an instance holds. */
static void release(struct zkt_client *client, struct zkt_client_instance *e)
{
    if (e->state != NULL) {
        zkt__value_release(&client->store, e->actor->state, e->state);
        zkt__release(client->allocator, e->state);
    }
    zkt__value_release(&client->store, &zkt_type_string, &e->id);
    zkt__release(client->allocator, e);
}

struct zkt_client_instance *zkt__client_instance_new(
    struct zkt_client *client, const struct zkt_remote_actor *actor,
    struct zkt_str id)
{
    struct zkt_client_instance *e = zkt__alloc_zero(client->allocator, 1,
                                                    sizeof(*e));
    if (e == NULL) {
        return NULL;
    }
    e->actor = actor;
    zkt__list_init(&e->listeners);
    zkt__subscription_init(&e->of_state, e, false);
    zkt__subscription_init(&e->of_events, e, true);
    const size_t size = actor->state->size;
    e->state = zkt__alloc_zero(client->allocator, 1, size > 0 ? size : 1);
    if (e->state == NULL || !reserve(client) ||
        !zkt__value_copy(&client->store, &zkt_type_string, &e->id, &id)) {
        release(client, e);
        return NULL;
    }
    e->position = client->count;
    client->table[client->count++] = e;
    zkt__index_add(&client->by_name, hash_of(client, e->id), e->position);
    zkt__list_append(&client->instances, &e->node);
    return e;
}

void zkt__client_instance_free(struct zkt_client *client,
                               struct zkt_client_instance *e)
{
    struct zkt_client_instance *last = client->table[--client->count];
    zkt__index_remove(&client->by_name, hash_of(client, e->id), e->position);
    if (last != e) {
        zkt__index_move(&client->by_name, hash_of(client, last->id),
                        last->position, e->position);
        last->position = e->position;
        client->table[last->position] = last;
    }
    zkt__node_unlink(&e->node);
    zkt__node_unlink(&e->dirty);
    release(client, e);
}

void zkt__client_instance_mark(struct zkt_client *client,
                               struct zkt_client_instance *e)
{
    if (!zkt__node_linked(&e->dirty)) {
        zkt__list_append(&client->dirty, &e->dirty);
    }
}

void zkt__client_instances_finish(struct zkt_client *client)
{
    zkt__index_finish(&client->by_name, client->allocator);
    zkt__release(client->allocator, client->table);
}
