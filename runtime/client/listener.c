/* See listener.h. */
#include "client/listener.h"

#include "client/broadcast.h"
#include "client/core.h"
#include "client/instance.h"
#include "client/observer.h"

/* Returns true if the listener is told of the known state. */
static bool is_of_state(const struct zkt_listener *l)
{
    return l->kind == ZKT_LISTEN_STATE || l->kind == ZKT_LISTEN_FIELD ||
           l->kind == ZKT_LISTEN_CHANGES;
}

/* The subscription that a listener needs, or NULL. */
static struct zkt_subscription *subscription_for(const struct zkt_listener *l)
{
    if (is_of_state(l)) {
        return &l->handle->instance->of_state;
    }
    return l->kind == ZKT_LISTEN_EVENT ? &l->handle->instance->of_events : NULL;
}

/* A subscription that the server has refused is asked for again with each new
 * listener. */
static void add_to_subscription(struct zkt_client *client,
                                struct zkt_subscription *sub)
{
    if (sub->listeners++ == 0 || sub->state == ZKT_SUB_CLOSED) {
        zkt__subscription_step(client, sub, ZKT_SUB_ON_JOINED);
    }
}

static void remove_from_subscription(struct zkt_client *client,
                                     struct zkt_subscription *sub)
{
    if (--sub->listeners == 0) {
        zkt__subscription_step(client, sub, ZKT_SUB_ON_LEFT);
    }
}

static void retire_listener(struct zkt_client *client, struct zkt_listener *l)
{
    if (l->removed) {
        return;
    }
    l->removed = true;
    zkt__slots_remove(&client->listeners, l->id);
    zkt__node_unlink(&l->of_handle);
    zkt__node_unlink(&l->unnotified);
    zkt__list_append(&client->removed, &l->removal);
    struct zkt_subscription *sub = subscription_for(l);
    if (l->kind == ZKT_LISTEN_CHANGES) {
        sub->instance->observers--;
    }
    if (sub != NULL) {
        remove_from_subscription(client, sub);
        zkt__client_instance_mark(client, sub->instance);
    }
}

void zkt__listeners_remove(struct zkt_client *client, struct zkt_handle *handle)
{
    struct zkt_node *n;
    while ((n = zkt__list_first(&handle->listeners)) != NULL) {
        retire_listener(client,
                        ZKT_CONTAINER(n, struct zkt_listener, of_handle));
    }
}

/* ---- adding ---- */

struct listen_request {
    struct zkt_client *client;
    struct zkt_handle *handle; /* NULL: the client's */
    enum zkt_listener_kind kind;
    uint32_t index;
    const struct zkt_event *broadcast;
    zkt_listener_thunk *thunk;
    zkt_any_function *fn;
    zkt_observer_thunk *observe; /* with an observer, instead of thunk and fn */
    const void *observer;
    size_t observer_size;
    void *user;
    uint64_t id;
};

/* The list of a listener that belongs to no handle. */
static struct zkt_list *client_list(struct zkt_client *client,
                                    enum zkt_listener_kind kind)
{
    return kind == ZKT_LISTEN_BROADCAST ? &client->broadcast_listeners
                                        : &client->status_listeners;
}

static void add_listener(void *user)
{
    struct listen_request *request = user;
    struct zkt_client *client = request->client;
    struct zkt_handle *handle = zkt__handle_find(request->handle);
    struct zkt_listener *l = NULL;
    const bool has_function = request->fn != NULL || request->observer != NULL;
    if (has_function && (request->handle == NULL || handle != NULL)) {
        l = zkt__alloc_zero(client->allocator, 1,
                            sizeof(*l) + request->observer_size);
    }
    if (l == NULL) {
        return;
    }
    l->id = zkt__slots_add(&client->listeners, l);
    if (l->id == 0) {
        zkt__release(client->allocator, l);
        return;
    }
    l->kind = request->kind;
    l->index = request->index;
    l->broadcast = request->broadcast;
    l->handle = handle;
    l->thunk = request->thunk;
    l->fn = request->fn;
    l->user = request->user;
    if (request->observer != NULL) {
        l->observe = request->observe;
        l->observer = memcpy(l + 1, request->observer, request->observer_size);
        handle->instance->observers++;
    }
    request->id = l->id;
    zkt__list_append(handle != NULL ? &handle->instance->listeners
                                    : client_list(client, l->kind),
                     &l->node);
    if (handle != NULL) {
        zkt__list_append(&handle->listeners, &l->of_handle);
    }
    if (is_of_state(l)) {
        zkt__list_append(&client->unnotified, &l->unnotified);
    }
    struct zkt_subscription *sub = subscription_for(l);
    if (sub != NULL) {
        add_to_subscription(client, sub);
    }
    zkt__client_hear(client);
    zkt__client_wake(client);
}

static uint64_t listen(struct zkt_handle *handle, enum zkt_listener_kind kind,
                       uint32_t index, zkt_listener_thunk *thunk,
                       zkt_any_function *fn, void *user)
{
    struct listen_request request = {
        .client = zkt__handle_client(handle),
        .handle = handle,
        .kind = kind,
        .index = index,
        .thunk = thunk,
        .fn = fn,
        .user = user,
    };
    if (request.client != NULL) {
        zkt__client_run(request.client, add_listener, &request);
    }
    return request.id;
}

uint64_t zkt_handle_on(struct zkt_handle *handle, uint32_t event,
                       zkt_listener_thunk *thunk, zkt_any_function *fn,
                       void *user)
{
    return listen(handle, ZKT_LISTEN_EVENT, event, thunk, fn, user);
}

uint64_t zkt_handle_subscribe(struct zkt_handle *handle,
                              zkt_listener_thunk *thunk, zkt_any_function *fn,
                              void *user)
{
    return listen(handle, ZKT_LISTEN_STATE, 0, thunk, fn, user);
}

uint64_t zkt_handle_watch(struct zkt_handle *handle, uint32_t field,
                          zkt_listener_thunk *thunk, zkt_any_function *fn,
                          void *user)
{
    return listen(handle, ZKT_LISTEN_FIELD, field, thunk, fn, user);
}

uint64_t zkt_handle_observe(struct zkt_handle *handle, uint32_t field,
                            zkt_observer_thunk *thunk, const void *observer,
                            size_t size, void *user)
{
    struct listen_request request = {
        .client = zkt__handle_client(handle),
        .handle = handle,
        .kind = ZKT_LISTEN_CHANGES,
        .index = field,
        .observe = thunk,
        .observer = observer,
        .observer_size = size,
        .user = user,
    };
    if (request.client != NULL) {
        zkt__client_run(request.client, add_listener, &request);
    }
    return request.id;
}

static void give_error(zkt_any_function *fn, const void *value, void *user)
{
    typedef void function(const struct zkt_reply *, void *);
    ((function *)fn)(value, user);
}

uint64_t zkt_handle_on_error(struct zkt_handle *handle,
                             void (*on_error)(const struct zkt_reply *error,
                                              void *user),
                             void *user)
{
    return listen(handle, ZKT_LISTEN_ERROR, 0, give_error,
                  (zkt_any_function *)on_error, user);
}

static void give_status(zkt_any_function *fn, const void *value, void *user)
{
    typedef void function(enum zkt_connection, void *);
    ((function *)fn)(*(const enum zkt_connection *)value, user);
}

uint64_t zkt_client_on_status(struct zkt_client *client,
                              void (*on_status)(enum zkt_connection status,
                                                void *user),
                              void *user)
{
    struct listen_request request = {
        .client = client,
        .kind = ZKT_LISTEN_STATUS,
        .thunk = give_status,
        .fn = (zkt_any_function *)on_status,
        .user = user,
    };
    if (client != NULL) {
        zkt__client_run(client, add_listener, &request);
    }
    return request.id;
}

uint64_t zkt_client_on_broadcast(struct zkt_client *client,
                                 const struct zkt_event *broadcast,
                                 zkt_listener_thunk *thunk,
                                 zkt_any_function *fn, void *user)
{
    struct listen_request request = {
        .client = client,
        .kind = ZKT_LISTEN_BROADCAST,
        .broadcast = broadcast,
        .thunk = thunk,
        .fn = fn,
        .user = user,
    };
    if (client != NULL) {
        zkt__client_run(client, add_listener, &request);
    }
    return request.id;
}

struct removal_request {
    struct zkt_client *client;
    uint64_t id;
};

static void remove_listener(void *user)
{
    const struct removal_request *request = user;
    struct zkt_listener *l = zkt__slots_find(&request->client->listeners,
                                             request->id);
    if (l != NULL) {
        retire_listener(request->client, l);
        zkt__client_wake(request->client);
    }
}

void zkt_client_off(struct zkt_client *client, uint64_t listener)
{
    struct removal_request request = { client, listener };
    if (client != NULL) {
        zkt__client_run(client, remove_listener, &request);
    }
}

void zkt__listeners_sweep(struct zkt_client *client)
{
    struct zkt_node *n;
    while ((n = zkt__list_first(&client->removed)) != NULL) {
        struct zkt_listener *l = ZKT_CONTAINER(n, struct zkt_listener, removal);
        zkt__node_unlink(n);
        zkt__node_unlink(&l->node);
        zkt__release(client->allocator, l);
    }
    zkt__client_hear(client);
}

void zkt__listeners_free(struct zkt_client *client, struct zkt_list *list)
{
    struct zkt_node *n;
    while ((n = zkt__list_first(list)) != NULL) {
        struct zkt_listener *l = ZKT_CONTAINER(n, struct zkt_listener, node);
        zkt__node_unlink(n);
        zkt__node_unlink(&l->of_handle);
        zkt__node_unlink(&l->unnotified);
        zkt__node_unlink(&l->removal);
        zkt__release(client->allocator, l);
    }
}

/* ---- notifying ---- */

/* Returns the value that a listener of its kind is given. */
static const void *value_for(const struct zkt_client_instance *instance,
                             const struct zkt_listener *l, const void *payload)
{
    if (l->kind == ZKT_LISTEN_STATE) {
        return instance->state;
    }
    if (l->kind == ZKT_LISTEN_FIELD) {
        return (const char *)instance->state +
               instance->actor->state->of.structs->fields[l->index].offset;
    }
    return payload;
}

static void notify(struct zkt_client *client,
                   const struct zkt_client_instance *instance,
                   struct zkt_listener *l,
                   const struct zkt_notification *notification)
{
    const bool is_new = zkt__node_linked(&l->unnotified);
    zkt__node_unlink(&l->unnotified);
    client->depth++;
    if (l->kind == ZKT_LISTEN_CHANGES) {
        zkt__observer_notify(client, instance, l,
                             is_new ? NULL : notification->patch);
    } else {
        l->thunk(l->fn, value_for(instance, l, notification->payload), l->user);
    }
    client->depth--;
}

static bool is_for(const struct zkt_listener *l,
                   const struct zkt_notification *notification)
{
    if (l->removed) {
        return false;
    }
    switch (l->kind) {
    case ZKT_LISTEN_EVENT:
        return notification->kind == ZKT_LISTEN_EVENT &&
               l->index == notification->event;
    case ZKT_LISTEN_BROADCAST:
        return notification->kind == ZKT_LISTEN_BROADCAST &&
               zkt_str_eq(l->broadcast->name, notification->broadcast->name);
    case ZKT_LISTEN_FIELD:
    case ZKT_LISTEN_CHANGES:
        return notification->kind == ZKT_LISTEN_STATE &&
               (notification->fields == NULL ||
                zkt__node_linked(&l->unnotified) ||
                (notification->fields[l->index / 64] >> l->index % 64 & 1) !=
                    0);
    default:
        return notification->kind == l->kind;
    }
}

/* Stops at the listener that was last at the begin: listeners that are added
 * meanwhile are not called. A client that was closed meanwhile notifies of its
 * status only. */
void zkt__listeners_notify(struct zkt_client *client, struct zkt_list *list,
                           const struct zkt_client_instance *instance,
                           const struct zkt_notification *notification)
{
    const struct zkt_node *last = list->head.prev;
    struct zkt_node *n = zkt__list_first(list);
    while (n != NULL) {
        struct zkt_listener *l = ZKT_CONTAINER(n, struct zkt_listener, node);
        if (is_for(l, notification) &&
            (!client->close_wanted || l->kind == ZKT_LISTEN_STATUS)) {
            notify(client, instance, l, notification);
        }
        n = n == last ? NULL : zkt__list_after(list, n);
    }
}

/* Listeners that are added meanwhile are notified in the next turn. */
void zkt__listeners_notify_new(struct zkt_client *client)
{
    static const struct zkt_notification known = { .kind = ZKT_LISTEN_STATE };
    struct zkt_list now;
    struct zkt_node *n;
    zkt__list_init(&now);
    while ((n = zkt__list_first(&client->unnotified)) != NULL) {
        zkt__node_unlink(n);
        zkt__list_append(&now, n);
    }
    while ((n = zkt__list_first(&now)) != NULL) {
        struct zkt_listener *l = ZKT_CONTAINER(n, struct zkt_listener,
                                               unnotified);
        const struct zkt_client_instance *instance = l->handle->instance;
        zkt__node_unlink(n);
        if (instance->known && !client->close_wanted) {
            notify(client, instance, l, &known);
        }
    }
}
