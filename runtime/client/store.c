/*
 * What a client knows of instances: handles, listeners, and the typed state
 * that snapshots replace and patches change in place. Listeners may come and
 * go in each other's callbacks: one that goes is marked, and freed at the end
 * of the turn; one that comes is first called in the next.
 */
#include "client/internal.h"

/* ---- handles and entries ---- */

static struct zkt_entry *find_entry(const struct zkt_client *client,
                                    struct zkt_str actor, struct zkt_str id)
{
    for (struct zkt_node *n = zkt__list_first(&client->entries); n != NULL;
         n = zkt__list_after(&client->entries, n)) {
        struct zkt_entry *e = ZKT_CONTAINER(n, struct zkt_entry, node);
        if (zkt_str_eq(e->actor->name, actor) && zkt_str_eq(e->id, id)) {
            return e;
        }
    }
    return NULL;
}

static void free_entry(struct zkt_client *client, struct zkt_entry *e)
{
    zkt__node_unlink(&e->node);
    if (e->state != NULL) {
        zkt__value_release(&client->store, e->actor->state, e->state);
        zkt__release(client->allocator, e->state);
    }
    zkt__value_release(&client->store, &zkt_type_string, &e->id);
    zkt__release(client->allocator, e);
}

static struct zkt_entry *new_entry(struct zkt_client *client,
                                   const struct zkt_remote_actor *actor,
                                   struct zkt_str id)
{
    struct zkt_entry *e = zkt__alloc_zero(client->allocator, 1, sizeof(*e));
    if (e == NULL) {
        return NULL;
    }
    e->actor = actor;
    zkt__list_init(&e->listeners);
    const size_t size = actor->state->size;
    e->state = zkt__alloc_zero(client->allocator, 1, size > 0 ? size : 1);
    if (e->state == NULL ||
        !zkt__value_copy(&client->store, &zkt_type_string, &e->id, &id)) {
        free_entry(client, e);
        return NULL;
    }
    zkt__list_append(&client->entries, &e->node);
    return e;
}

struct zkt_handle *zkt_handle_open(struct zkt_client *client,
                                   const struct zkt_remote_actor *actor,
                                   const char *id)
{
    if (client == NULL) {
        return NULL;
    }
    struct zkt_handle *handle = zkt__alloc_zero(client->allocator, 1,
                                                sizeof(*handle));
    struct zkt_entry *e = find_entry(client, actor->name, zkt_cstr(id));
    if (e == NULL && handle != NULL) {
        e = new_entry(client, actor, zkt_cstr(id));
    }
    if (handle == NULL || e == NULL) {
        zkt__release(client->allocator, handle);
        return NULL;
    }
    e->handles++;
    handle->client = client;
    handle->allocator = client->allocator;
    handle->entry = e;
    zkt__list_append(&client->handles, &handle->node);
    return handle;
}

static void kill_listener(struct zkt_client *client, struct zkt_listener *l)
{
    if (!l->dead) {
        l->dead = true;
        zkt__slots_remove(&client->listeners, l->id);
        client->changed = true;
    }
}

void zkt_handle_close(struct zkt_handle *handle)
{
    if (handle == NULL) {
        return;
    }
    struct zkt_client *client = handle->client;
    if (client == NULL) {
        zkt__release(handle->allocator, handle);
        return;
    }
    struct zkt_entry *e = handle->entry;
    for (struct zkt_node *n = zkt__list_first(&e->listeners); n != NULL;
         n = zkt__list_after(&e->listeners, n)) {
        struct zkt_listener *l = ZKT_CONTAINER(n, struct zkt_listener, node);
        if (l->handle == handle) {
            kill_listener(client, l);
        }
    }
    e->handles--;
    client->changed = true;
    zkt__node_unlink(&handle->node);
    handle->closed = true;
    if (!handle->spare_used) {
        zkt__release(client->allocator, handle);
    }
    zkt__client_touch(client);
}

/* ---- listeners ---- */

static uint64_t listen(struct zkt_handle *handle, enum zkt_listener_kind kind,
                       uint32_t index, zkt_listener_thunk *thunk,
                       zkt_any_function *fn, void *user)
{
    if (handle == NULL || handle->client == NULL) {
        return 0;
    }
    struct zkt_client *client = handle->client;
    struct zkt_listener *l = zkt__alloc_zero(client->allocator, 1, sizeof(*l));
    if (l == NULL) {
        return 0;
    }
    l->id = zkt__slots_add(&client->listeners, l);
    if (l->id == 0) {
        zkt__release(client->allocator, l);
        return 0;
    }
    l->kind = kind;
    l->index = index;
    l->handle = handle;
    l->thunk = thunk;
    l->fn = fn;
    l->user = user;
    l->fresh = kind != ZKT_LISTEN_EVENT;
    zkt__list_append(&handle->entry->listeners, &l->node);
    client->changed = true;
    zkt__client_touch(client);
    return l->id;
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

void zkt_client_off(struct zkt_client *client, uint64_t listener)
{
    struct zkt_listener *l = client != NULL
                                 ? zkt__slots_find(&client->listeners, listener)
                                 : NULL;
    if (l != NULL) {
        kill_listener(client, l);
        zkt__client_touch(client);
    }
}

const void *zkt_handle_snapshot(const struct zkt_handle *handle)
{
    if (handle == NULL || handle->client == NULL || !handle->entry->known) {
        return NULL;
    }
    return handle->entry->state;
}

/* Calls one listener with what it listens to. */
static void tell(struct zkt_client *client, const struct zkt_entry *e,
                 struct zkt_listener *l, const void *payload)
{
    const void *value = payload;
    if (l->kind == ZKT_LISTEN_STATE) {
        value = e->state;
    } else if (l->kind == ZKT_LISTEN_FIELD) {
        value = (const char *)e->state +
                e->actor->state->of.structs->fields[l->index].offset;
    }
    l->fresh = false;
    client->depth++;
    l->thunk(l->fn, value, l->user);
    client->depth--;
}

/* Which listeners a change is for. */
struct news {
    enum zkt_listener_kind kind;
    bool fresh_only;
    uint32_t event;
    const uint64_t *fields; /* changed ones, a bit each; NULL: all */
    const void *payload;
};

static bool concerns(const struct zkt_listener *l, const struct news *news)
{
    if (l->dead || (news->fresh_only && !l->fresh)) {
        return false;
    }
    switch (l->kind) {
    case ZKT_LISTEN_EVENT:
        return news->kind == ZKT_LISTEN_EVENT && l->index == news->event;
    case ZKT_LISTEN_STATE:
        return news->kind == ZKT_LISTEN_STATE;
    case ZKT_LISTEN_FIELD:
        return news->kind == ZKT_LISTEN_STATE &&
               (news->fields == NULL || l->fresh ||
                (news->fields[l->index / 64] >> l->index % 64 & 1) != 0);
    }
    return false;
}

/* The last one is noted first: whoever joins meanwhile is not called. */
static void tell_all(struct zkt_client *client, struct zkt_entry *e,
                     const struct news *news)
{
    const struct zkt_node *last = e->listeners.head.prev;
    struct zkt_node *n = zkt__list_first(&e->listeners);
    while (n != NULL) {
        struct zkt_listener *l = ZKT_CONTAINER(n, struct zkt_listener, node);
        if (concerns(l, news)) {
            tell(client, e, l, news->payload);
        }
        n = n == last ? NULL : zkt__list_after(&e->listeners, n);
    }
}

/* ---- state ---- */

static void send_subscription(struct zkt_client *client,
                              const struct zkt_entry *e, enum zkt_message type)
{
    struct zkt_writer *w = zkt__client_write(client);
    zkt__write_address(w, type, e->actor->name, e->id);
    ZKT_WRITE(w, "}");
    zkt__client_send(client);
}

/* The server's state does not fit: asks for a fresh snapshot, once. */
static void on_misfit(struct zkt_client *client, struct zkt_entry *e)
{
    if (e->misfit) {
        zkt__client_log(client, ZKT_LOG_ERROR,
                        "the state of %.*s \"%.*s\" does not fit the schema",
                        ZKT_ARG(e->actor->name), ZKT_ARG(e->id));
        return;
    }
    e->misfit = true;
    send_subscription(client, e, ZKT_MESSAGE_STATE_SUB);
}

static void note_changed(const struct zkt_type *type, const char *before,
                         const char *after, uint64_t *fields)
{
    const struct zkt_struct_info *info = type->of.structs;
    for (uint32_t i = 0; i < info->count; i++) {
        if (!zkt__value_equal(info->fields[i].type,
                              before + info->fields[i].offset,
                              after + info->fields[i].offset)) {
            fields[i / 64] |= (uint64_t)1 << i % 64;
        }
    }
}

static void receive_snapshot(struct zkt_client *client, struct zkt_entry *e,
                             struct zkt_str json)
{
    const struct zkt_type *type = e->actor->state;
    uint64_t fields[ZKT_FIELDS_MAX / 64] = { 0 };
    struct zkt_issues issues = { .arena = &client->arena };
    struct zkt_reader reader;
    void *decoded = zkt__arena_zero(&client->arena, 1, type->size);
    void *owned = zkt__arena_zero(&client->arena, 1, type->size);
    if (decoded == NULL || owned == NULL) {
        zkt__client_lost(client, "out of memory");
        return;
    }
    zkt__reader_init(&reader, (char *)(uintptr_t)json.data, json.len,
                     &client->arena, &issues, &client->store.key);
    reader.lenient = true;
    if (!type->decode(&reader, type, decoded)) {
        on_misfit(client, e);
        return;
    }
    if (!zkt__value_copy(&client->store, type, owned, decoded)) {
        zkt__client_lost(client, "out of memory");
        return;
    }
    note_changed(type, e->state, owned, fields);
    zkt__value_release(&client->store, type, e->state);
    memcpy(e->state, owned, type->size);
    const struct news news = { .kind = ZKT_LISTEN_STATE,
                               .fields = e->known ? fields : NULL };
    e->known = true;
    tell_all(client, e, &news);
}

static void note_field(void *user, uint32_t field)
{
    uint64_t *fields = user;
    fields[field / 64] |= (uint64_t)1 << field % 64;
}

static void receive_patch(struct zkt_client *client, struct zkt_entry *e,
                          struct zkt_str json)
{
    uint64_t fields[ZKT_FIELDS_MAX / 64] = { 0 };
    struct zkt_issues issues = { .arena = &client->arena };
    struct zkt_journal journal;
    struct zkt_reader reader;
    if (!e->known) {
        return; /* a snapshot is on its way */
    }
    if (!zkt__journal_begin(&journal, &client->store, &client->arena, &issues,
                            e->actor->state, e->state, UINT32_MAX)) {
        zkt__client_lost(client, "out of memory");
        return;
    }
    journal.checks = false;
    zkt__reader_init(&reader, (char *)(uintptr_t)json.data, json.len,
                     &client->arena, &issues, &client->store.key);
    switch (zkt__patch_apply(&journal, &reader, client->dialect)) {
    case ZKT_PATCH_APPLIED:
        break;
    case ZKT_PATCH_MISFIT:
        on_misfit(client, e);
        return;
    case ZKT_PATCH_NO_MEMORY:
        zkt__client_lost(client, "out of memory");
        return;
    }
    e->misfit = false;
    zkt__journal_touched(&journal, note_field, fields);
    zkt__journal_settle(&journal);
    const struct news news = { .kind = ZKT_LISTEN_STATE, .fields = fields };
    tell_all(client, e, &news);
}

static void receive_event(struct zkt_client *client, struct zkt_entry *e,
                          const struct zkt_envelope *message)
{
    struct zkt_issues issues = { .arena = &client->arena };
    struct zkt_reader reader;
    uint32_t index = 0;
    while (index < e->actor->event_count &&
           !zkt_str_eq(e->actor->events[index].name, message->event)) {
        index++;
    }
    if (index == e->actor->event_count) {
        return; /* a newer server's */
    }
    const struct zkt_type *type = e->actor->events[index].payload;
    void *payload = NULL;
    if (type != NULL) {
        payload = zkt__arena_zero(&client->arena, 1, type->size);
        if (payload == NULL || message->payload.data == NULL) {
            return;
        }
        zkt__reader_init(&reader, (char *)(uintptr_t)message->payload.data,
                         message->payload.len, &client->arena, &issues,
                         &client->store.key);
        reader.lenient = true;
        if (!type->decode(&reader, type, payload)) {
            zkt__client_log(client, ZKT_LOG_ERROR,
                            "an event %.*s does not fit the schema",
                            ZKT_ARG(message->event));
            return;
        }
    }
    const struct news news = { .kind = ZKT_LISTEN_EVENT,
                               .event = index,
                               .payload = payload };
    tell_all(client, e, &news);
}

void zkt__store_receive(struct zkt_client *client,
                        const struct zkt_envelope *message)
{
    struct zkt_entry *e = NULL;
    if (message->actor.data != NULL && message->actor_id.data != NULL) {
        e = find_entry(client, message->actor, message->actor_id);
    }
    if (e == NULL) {
        return;
    }
    if (message->type == ZKT_MESSAGE_STATE_SNAPSHOT &&
        message->state.data != NULL) {
        receive_snapshot(client, e, message->state);
    } else if (message->type == ZKT_MESSAGE_STATE_PATCH &&
               message->patches.data != NULL) {
        receive_patch(client, e, message->patches);
    } else if (message->type == ZKT_MESSAGE_EVENT &&
               message->event.data != NULL) {
        receive_event(client, e, message);
    } else if (message->type == ZKT_MESSAGE_SUB_ERROR) {
        zkt__client_log(client, ZKT_LOG_ERROR,
                        "the subscription to %.*s \"%.*s\" was refused: %.*s",
                        ZKT_ARG(message->actor), ZKT_ARG(message->actor_id),
                        message->error.data != NULL ? (int)message->error.len
                                                    : 0,
                        message->error.data != NULL ? message->error.data : "");
    }
}

/* ---- the end of a turn ---- */

/* Frees listeners that are gone; what is left says what is wanted. */
static void sweep(struct zkt_client *client, struct zkt_entry *e, bool *state,
                  bool *events)
{
    struct zkt_node *n = zkt__list_first(&e->listeners);
    *state = *events = false;
    while (n != NULL) {
        struct zkt_listener *l = ZKT_CONTAINER(n, struct zkt_listener, node);
        n = zkt__list_after(&e->listeners, n);
        if (l->dead) {
            zkt__node_unlink(&l->node);
            zkt__release(client->allocator, l);
        } else if (l->kind == ZKT_LISTEN_EVENT) {
            *events = true;
        } else {
            *state = true;
        }
    }
}

/* Brings one subscription to what is wanted. */
static void reconcile(struct zkt_client *client, struct zkt_entry *e,
                      bool wanted, bool *sent, enum zkt_message sub,
                      enum zkt_message unsub)
{
    if (wanted != *sent && zkt__client_is_open(client)) {
        *sent = wanted;
        send_subscription(client, e, wanted ? sub : unsub);
    }
}

static void settle_entry(struct zkt_client *client, struct zkt_entry *e)
{
    bool state, events;
    sweep(client, e, &state, &events);
    reconcile(client, e, state, &e->state_sent, ZKT_MESSAGE_STATE_SUB,
              ZKT_MESSAGE_STATE_UNSUB);
    reconcile(client, e, events, &e->events_sent, ZKT_MESSAGE_EVENT_SUB,
              ZKT_MESSAGE_EVENT_UNSUB);
    if (!state) {
        e->known = false; /* what is no longer followed grows stale */
        e->misfit = false;
    }
    if (e->handles == 0) {
        free_entry(client, e);
    }
}

void zkt__store_settle(struct zkt_client *client)
{
    if (!client->changed || client->depth > 0) {
        return;
    }
    const struct news fresh = { .kind = ZKT_LISTEN_STATE, .fresh_only = true };
    struct zkt_node *n = zkt__list_first(&client->entries);
    client->changed = false;
    for (; n != NULL; n = zkt__list_after(&client->entries, n)) {
        struct zkt_entry *e = ZKT_CONTAINER(n, struct zkt_entry, node);
        if (e->known) {
            tell_all(client, e, &fresh);
        }
    }
    n = zkt__list_first(&client->entries);
    while (n != NULL) {
        struct zkt_entry *e = ZKT_CONTAINER(n, struct zkt_entry, node);
        n = zkt__list_after(&client->entries, n);
        settle_entry(client, e);
    }
}

void zkt__store_resubscribe(struct zkt_client *client)
{
    for (struct zkt_node *n = zkt__list_first(&client->entries); n != NULL;
         n = zkt__list_after(&client->entries, n)) {
        struct zkt_entry *e = ZKT_CONTAINER(n, struct zkt_entry, node);
        e->state_sent = e->events_sent = false;
    }
    client->changed = true;
    zkt__store_settle(client);
}

void zkt__store_free(struct zkt_client *client)
{
    bool state, events;
    struct zkt_node *n;
    while ((n = zkt__list_first(&client->entries)) != NULL) {
        struct zkt_entry *e = ZKT_CONTAINER(n, struct zkt_entry, node);
        for (struct zkt_node *l = zkt__list_first(&e->listeners); l != NULL;
             l = zkt__list_after(&e->listeners, l)) {
            kill_listener(client, ZKT_CONTAINER(l, struct zkt_listener, node));
        }
        sweep(client, e, &state, &events);
        free_entry(client, e);
    }
    /* Handles stay until they are closed; they are stale from now on. */
    while ((n = zkt__list_first(&client->handles)) != NULL) {
        struct zkt_handle *handle = ZKT_CONTAINER(n, struct zkt_handle, node);
        zkt__node_unlink(n);
        handle->client = NULL;
        handle->entry = NULL;
    }
}
