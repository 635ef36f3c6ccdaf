/*
 * The edge: from a message to the instance that it is for, and from a commit
 * to those who watch. Links are found from the shorter of the two lists that
 * they are in; they embed both nodes, so that leaving cannot fail.
 */
#include "actor/actor.h"
#include "server/server.h"
#include "websocket/websocket.h"

/* ---- frames ---- */

void zkt__frame_begin(struct zkt_writer *w)
{
    w->len = 0;
    w->failed = false;
    if (zkt_write_reserve(w, ZKT_WS_HEAD_MAX)) {
        w->len = ZKT_WS_HEAD_MAX;
    }
}

/* Puts the head in front of what was written; where the frame begins. */
static const uint8_t *close_frame(struct zkt_writer *w, size_t *len)
{
    uint8_t *payload = (uint8_t *)w->data + ZKT_WS_HEAD_MAX;
    const size_t size = w->len - ZKT_WS_HEAD_MAX;
    const size_t head = zkt__ws_frame_head(payload, size);
    *len = head + size;
    return payload - head;
}

/* After something was queued, or could not be. */
static void note_queued(struct zkt_actors *actors, struct zkt_port *port,
                        bool good)
{
    actors->stats.messages_out++;
    const size_t hard = (size_t)actors->limits->output_hard;
    const bool over = port->queue.bytes - port->queue.exempt > hard;
    actors->stats.reached.output_hard += over;
    port->touched(port, !good || over);
}

void zkt__frame_send(struct zkt_actors *actors, struct zkt_port *port,
                     struct zkt_writer *w)
{
    size_t len;
    if (!port->open) {
        return;
    }
    if (w->failed) {
        port->touched(port, true);
        return;
    }
    const uint8_t *frame = close_frame(w, &len);
    note_queued(actors, port,
                zkt__queue_copy(&port->queue, actors->allocator,
                                &actors->spare_buffer, frame, len));
}

struct zkt_buffer *zkt__frame_share(struct zkt_actors *actors,
                                    struct zkt_writer *w)
{
    size_t len;
    if (w->failed) {
        return NULL;
    }
    const uint8_t *frame = close_frame(w, &len);
    struct zkt_buffer *buffer = zkt__buffer_new(actors->allocator, len);
    if (buffer != NULL) {
        memcpy(buffer->data, frame, len);
    }
    return buffer;
}

void zkt__frame_queue(struct zkt_actors *actors, struct zkt_port *port,
                      struct zkt_buffer *frame)
{
    if (port->open) {
        note_queued(actors, port,
                    zkt__queue_shared(&port->queue, actors->allocator, frame));
    }
}

/* ---- links ---- */

static struct zkt_link *find_link(const struct zkt_port *port,
                                  const struct zkt_instance *instance)
{
    const struct zkt_list *list = &port->links;
    const bool by_port = port->link_count <= instance->link_count;
    if (!by_port) {
        list = &instance->links;
    }
    for (struct zkt_node *n = zkt__list_first(list); n != NULL;
         n = zkt__list_after(list, n)) {
        struct zkt_link *link = by_port
                                    ? ZKT_CONTAINER(n, struct zkt_link, of_port)
                                    : ZKT_CONTAINER(n, struct zkt_link,
                                                    of_instance);
        if (link->port == port && link->instance == instance) {
            return link;
        }
    }
    return NULL;
}

void zkt__edge_arrive(struct zkt_actors *actors, struct zkt_link *link)
{
    link->connected = true;
    zkt__owner_run_hook(actors, link->instance, link->port, ZKT_HOOK_CONNECT);
}

static struct zkt_link *new_link(struct zkt_actors *actors,
                                 struct zkt_port *port,
                                 struct zkt_instance *instance)
{
    struct zkt_link *link = zkt__alloc_zero(actors->allocator, 1,
                                            sizeof(*link));
    if (link == NULL) {
        return NULL;
    }
    link->port = port;
    link->instance = instance;
    zkt__list_append(&port->links, &link->of_port);
    zkt__list_append(&instance->links, &link->of_instance);
    port->link_count++;
    instance->link_count++;
    zkt__timeout_cancel(&instance->idle);
    link->arrival.kind = ZKT_MAIL_CONNECT;
    link->departure.kind = ZKT_MAIL_LEAVE;
    if (zkt__mailbox_is_free(actors, instance)) {
        zkt__edge_arrive(actors, link);
    } else {
        zkt__mailbox_put_own(actors, instance, &link->arrival, false);
    }
    return link;
}

/* The link of @port to the instance of this name, or NULL: the one that was
 * found last, if it is that. */
static struct zkt_link *find_recent(const struct zkt_port *port,
                                    const struct zkt_actor *actor,
                                    struct zkt_str name)
{
    struct zkt_link *link = port->recent;
    return link != NULL && link->instance->actor == actor &&
                   zkt_str_eq(link->instance->name, name)
               ? link
               : NULL;
}

/*
 * The link of a valid call or subscription, made at first contact, with the
 * instance if there is none yet. NULL: *@reason is why not.
 */
static struct zkt_link *contact(struct zkt_actors *actors,
                                struct zkt_port *port,
                                const struct zkt_actor *actor,
                                struct zkt_str name, struct zkt_str *reason)
{
    struct zkt_link *link = find_recent(port, actor, name);
    if (link != NULL) {
        return link;
    }
    struct zkt_instance *instance = zkt__owner_find(actors, actor, name);
    link = instance != NULL ? find_link(port, instance) : NULL;
    if (link != NULL) {
        port->recent = link;
        return link;
    }
    if (port->link_count >= actors->limits->links) {
        actors->stats.reached.links++;
        *reason = ZKT_STR("the connection is in contact with too many "
                          "instances");
        return NULL;
    }
    *reason = ZKT_STR("out of memory");
    if (instance == NULL &&
        actors->instances.live >= actors->limits->instances) {
        actors->stats.reached.instances++;
        *reason = ZKT_STR("too many instances");
        return NULL;
    }
    if (instance == NULL) {
        instance = zkt__owner_create(actors, actor, name);
    }
    if (instance == NULL) {
        return NULL;
    }
    link = new_link(actors, port, instance);
    if (link == NULL) {
        zkt__owner_settle(actors, instance);
    }
    port->recent = link;
    return link;
}

/* The link is gone; its port may have been waiting for that. */
static void free_link(struct zkt_actors *actors, struct zkt_link *link)
{
    struct zkt_port *port = link->port;
    struct zkt_instance *instance = link->instance;
    if (link->collapsed) {
        zkt__queue_drop_tokens(&port->queue, link);
    }
    if (port->recent == link) {
        port->recent = NULL;
    }
    zkt__node_unlink(&link->of_port);
    zkt__node_unlink(&link->of_instance);
    port->link_count--;
    port->subscriptions -= (uint32_t)link->state + (uint32_t)link->events;
    instance->link_count--;
    instance->subscribers -= link->state;
    zkt__release(actors->allocator, link);
}

void zkt__edge_leave(struct zkt_actors *actors, struct zkt_link *link)
{
    struct zkt_port *port = link->port;
    struct zkt_instance *instance = link->instance;
    const bool connected = link->connected;
    free_link(actors, link);
    if (connected) {
        zkt__owner_run_hook(actors, instance, port, ZKT_HOOK_DISCONNECT);
    }
    zkt__owner_settle(actors, instance);
    if (port->link_count == 0) {
        port->emptied(port);
    }
}

bool zkt__edge_leave_all(struct zkt_actors *actors, struct zkt_port *port,
                         int64_t *left)
{
    struct zkt_node *node = zkt__list_first(&port->links);
    while (node != NULL) {
        struct zkt_link *link = ZKT_CONTAINER(node, struct zkt_link, of_port);
        struct zkt_instance *instance = link->instance;
        node = zkt__list_after(&port->links, node);
        if (link->leaving) {
            continue;
        }
        if ((*left)-- <= 0) {
            return false;
        }
        link->leaving = true;
        if (zkt__mailbox_is_free(actors, instance)) {
            zkt__edge_leave(actors, link);
            zkt__arena_reset(&actors->task->arena);
        } else {
            zkt__mailbox_put_own(actors, instance, &link->departure, false);
        }
    }
    return true;
}

void zkt__edge_drop_link(struct zkt_actors *actors, struct zkt_link *link,
                         enum zkt_status status, struct zkt_str text)
{
    struct zkt_port *port = link->port;
    const struct zkt_request request = {
        .kind = ZKT_REQUEST_SUBSCRIBE_STATE,
        .port = port,
        .link = link,
    };
    if (link->state || link->events) {
        zkt__edge_refuse(actors, &request, status, text);
    }
    free_link(actors, link);
    if (port->link_count == 0) {
        port->emptied(port);
    }
}

/* ---- messages ---- */

static void refuse_call(struct zkt_actors *actors, struct zkt_port *port,
                        struct zkt_str id, enum zkt_status status,
                        struct zkt_str text)
{
    zkt__frame_begin(&actors->result);
    zkt__write_result_error(&actors->result, id, text, status);
    zkt__frame_send(actors, port, &actors->result);
}

static void refuse_subscription(struct zkt_actors *actors,
                                struct zkt_port *port, struct zkt_str actor,
                                struct zkt_str name, enum zkt_status status,
                                struct zkt_str text)
{
    zkt__frame_begin(&actors->result);
    zkt__write_sub_error(&actors->result, actor, name, text, status);
    zkt__frame_send(actors, port, &actors->result);
}

void zkt__edge_refuse(struct zkt_actors *actors,
                      const struct zkt_request *request, enum zkt_status status,
                      struct zkt_str text)
{
    if (request->kind == ZKT_REQUEST_CALL) {
        refuse_call(actors, request->port, request->id, status, text);
    } else if (request->kind == ZKT_REQUEST_SUBSCRIBE_STATE ||
               request->kind == ZKT_REQUEST_SUBSCRIBE_EVENTS) {
        const struct zkt_instance *instance = request->link->instance;
        refuse_subscription(actors, request->port, instance->actor->name,
                            instance->name, status, text);
    }
}

/* `PREFIX: NAME` as an error text, in the call's memory. */
static struct zkt_str name_it(struct zkt_actors *actors, const char *prefix,
                              struct zkt_str name)
{
    struct zkt_str text = { NULL, 0 };
    const size_t len = strlen(prefix);
    char *to = zkt__arena_alloc(&actors->task->arena, len + name.len + 1);
    if (to != NULL) {
        memcpy(to, prefix, len);
        memcpy(to + len, name.data, name.len);
        text = (struct zkt_str){ to, len + name.len };
    }
    return text;
}

static const struct zkt_actor *find_actor(const struct zkt_actors *actors,
                                          struct zkt_str name)
{
    const int index = actors->app.info->find_actor(name);
    return index >= 0 ? actors->app.info->actors[index] : NULL;
}

/* `Validation failed for METHOD: [issues]`. */
static void refuse_input(struct zkt_actors *actors, struct zkt_port *port,
                         struct zkt_str id, const struct zkt_method *method,
                         const struct zkt_issues *issues)
{
    struct zkt_writer *w = &actors->plain;
    w->len = 0;
    w->failed = false;
    ZKT_WRITE(w, "Validation failed for ");
    zkt_write_raw(w, method->name.data, method->name.len);
    ZKT_WRITE(w, ": ");
    zkt__issues_write(issues, w);
    if (w->failed) {
        port->touched(port, true);
        return;
    }
    refuse_call(actors, port, id, ZKT_INVALID_ARGUMENT,
                (struct zkt_str){ w->data, w->len });
}

/* Reads a call's input into the call's memory. False: answered already. */
static bool read_input(struct zkt_actors *actors, struct zkt_port *port,
                       const struct zkt_envelope *message,
                       const struct zkt_method *method, void **input)
{
    /* What stands in for an input that is not there: all defaults, or a null
     * that is of the wrong type. */
    char nothing[4 + ZKT_PADDING] = "{}";
    struct zkt_reader reader;
    struct zkt_issues issues;
    if (method->input == NULL) {
        *input = NULL;
        return true;
    }
    zkt__issues_init(&issues, &actors->task->arena, &actors->rules);
    if (method->input->kind != ZKT_KIND_STRUCT) {
        memcpy(nothing, "null", 4);
    }
    const struct zkt_str text = message->input.data != NULL ? message->input
                                                            : zkt_cstr(nothing);
    zkt__reader_init(&reader, (char *)(uintptr_t)text.data, text.len,
                     &actors->task->arena, &issues, &actors->store.key);
    reader.plain = message->plain;
    *input = zkt__arena_alloc(&actors->task->arena, method->input->size);
    if (*input != NULL &&
        method->input->decode(&reader, method->input, *input)) {
        return true;
    }
    if (*input == NULL || reader.no_memory || issues.no_memory) {
        refuse_call(actors, port, message->id, ZKT_RESOURCE_EXHAUSTED,
                    ZKT_STR("out of memory"));
    } else {
        refuse_input(actors, port, message->id, method, &issues);
    }
    return false;
}

static void receive_call(struct zkt_actors *actors, struct zkt_port *port,
                         const struct zkt_envelope *message)
{
    const struct zkt_actor *actor = find_actor(actors, message->actor);
    if (actor == NULL) {
        refuse_call(actors, port, message->id, ZKT_NOT_FOUND,
                    name_it(actors, "Unknown actor: ", message->actor));
        return;
    }
    const int index = actor->find_method(message->method);
    if (index < 0) {
        refuse_call(actors, port, message->id, ZKT_UNIMPLEMENTED,
                    name_it(actors, "Unknown method: ", message->method));
        return;
    }
    const struct zkt_method *method = &actor->methods[index];
    void *input;
    if (port->waiting >= actors->limits->pending_calls) {
        actors->stats.reached.pending_calls++;
        refuse_call(actors, port, message->id, ZKT_RESOURCE_EXHAUSTED,
                    ZKT_STR("too many calls of the connection wait"));
        return;
    }
    if (!read_input(actors, port, message, method, &input)) {
        return;
    }
    struct zkt_str reason;
    struct zkt_link *link = contact(actors, port, actor, message->actor_id,
                                    &reason);
    if (link == NULL) {
        refuse_call(actors, port, message->id, ZKT_RESOURCE_EXHAUSTED, reason);
        return;
    }
    const struct zkt_request request = {
        .kind = ZKT_REQUEST_CALL,
        .instance = link->instance->id,
        .port = port,
        .link = link,
        .method = method,
        .id = message->id,
        .input = input,
    };
    zkt__owner_deliver(actors, &request);
}

static void receive_subscription(struct zkt_actors *actors,
                                 struct zkt_port *port,
                                 const struct zkt_envelope *message)
{
    const struct zkt_actor *actor = find_actor(actors, message->actor);
    if (actor == NULL) {
        refuse_subscription(actors, port, message->actor, message->actor_id,
                            ZKT_NOT_FOUND,
                            name_it(actors, "Unknown actor: ", message->actor));
        return;
    }
    struct zkt_str reason;
    struct zkt_link *link = contact(actors, port, actor, message->actor_id,
                                    &reason);
    if (link == NULL) {
        refuse_subscription(actors, port, message->actor, message->actor_id,
                            ZKT_RESOURCE_EXHAUSTED, reason);
        return;
    }
    const struct zkt_request request = {
        .kind = message->type == ZKT_MESSAGE_STATE_SUB
                    ? ZKT_REQUEST_SUBSCRIBE_STATE
                    : ZKT_REQUEST_SUBSCRIBE_EVENTS,
        .instance = link->instance->id,
        .port = port,
        .link = link,
    };
    zkt__owner_deliver(actors, &request);
}

/* Neither makes an instance nor a contact. */
static void receive_unsubscription(struct zkt_actors *actors,
                                   struct zkt_port *port,
                                   const struct zkt_envelope *message)
{
    const struct zkt_actor *actor = find_actor(actors, message->actor);
    struct zkt_instance *instance = actor != NULL
                                        ? zkt__owner_find(actors, actor,
                                                          message->actor_id)
                                        : NULL;
    struct zkt_link *link = instance != NULL ? find_link(port, instance) : NULL;
    if (link == NULL) {
        return;
    }
    const struct zkt_request request = {
        .kind = message->type == ZKT_MESSAGE_STATE_UNSUB
                    ? ZKT_REQUEST_UNSUBSCRIBE_STATE
                    : ZKT_REQUEST_UNSUBSCRIBE_EVENTS,
        .instance = instance->id,
        .port = port,
        .link = link,
    };
    zkt__owner_deliver(actors, &request);
}

/* Bytes that are queued behind snapshots. */
static size_t queued_bytes(const struct zkt_port *port)
{
    return port->queue.bytes - port->queue.exempt;
}

/* Its state from here on comes as a snapshot, once what is before it is sent.
 */
static void collapse(struct zkt_actors *actors, struct zkt_link *link)
{
    actors->stats.reached.output_high++;
    link->collapsed = zkt__queue_token(&link->port->queue, actors->allocator,
                                       link);
    link->port->touched(link->port, !link->collapsed);
}

static void send_snapshot(struct zkt_actors *actors, struct zkt_link *link)
{
    struct zkt_port *port = link->port;
    if (link->collapsed || !port->open) {
        return;
    }
    if (port->queue.bytes > (size_t)actors->limits->output_high) {
        collapse(actors, link); /* so that at most one is in memory */
        return;
    }
    struct zkt_buffer *snapshot = zkt__owner_snapshot(actors, link->instance);
    if (snapshot == NULL) {
        port->touched(port, true);
        return;
    }
    const bool good = zkt__queue_shared(&port->queue, actors->allocator,
                                        snapshot);
    if (good) {
        zkt__queue_exempt_last(&port->queue);
    }
    note_queued(actors, port, good);
    zkt__buffer_unref(snapshot);
}

static void subscribe_state(struct zkt_actors *actors, struct zkt_link *link)
{
    if (!link->state) {
        link->state = true;
        link->instance->subscribers++;
        link->port->subscriptions++;
    }
    send_snapshot(actors, link);
}

static void unsubscribe_state(struct zkt_link *link)
{
    link->port->subscriptions -= link->state;
    link->instance->subscribers -= link->state;
    link->state = false;
    if (link->collapsed) {
        zkt__queue_drop_tokens(&link->port->queue, link);
        link->collapsed = false;
    }
}

static bool is_one_too_many(const struct zkt_actors *actors,
                            const struct zkt_request *request)
{
    const struct zkt_link *link = request->link;
    const bool adds =
        (request->kind == ZKT_REQUEST_SUBSCRIBE_STATE && !link->state) ||
        (request->kind == ZKT_REQUEST_SUBSCRIBE_EVENTS && !link->events);
    return adds && link->port->subscriptions >= actors->limits->subscriptions;
}

void zkt__edge_subscribe(struct zkt_actors *actors,
                         const struct zkt_request *request)
{
    struct zkt_link *link = request->link;
    if (is_one_too_many(actors, request)) {
        actors->stats.reached.subscriptions++;
        zkt__edge_refuse(actors, request, ZKT_RESOURCE_EXHAUSTED,
                         ZKT_STR("too many subscriptions of the connection"));
    } else if (request->kind == ZKT_REQUEST_SUBSCRIBE_STATE) {
        subscribe_state(actors, link);
    } else if (request->kind == ZKT_REQUEST_UNSUBSCRIBE_STATE) {
        unsubscribe_state(link);
    } else {
        link->port->subscriptions -= link->events;
        link->events = request->kind == ZKT_REQUEST_SUBSCRIBE_EVENTS;
        link->port->subscriptions += link->events;
    }
}

/* Answers what begins something new while the server stops. */
static void refuse_message(struct zkt_actors *actors, struct zkt_port *port,
                           const struct zkt_envelope *message)
{
    const struct zkt_str text = ZKT_STR("the server stops");
    if (message->type == ZKT_MESSAGE_RPC) {
        refuse_call(actors, port, message->id, ZKT_UNAVAILABLE, text);
    } else {
        refuse_subscription(actors, port, message->actor, message->actor_id,
                            ZKT_UNAVAILABLE, text);
    }
}

void zkt__edge_receive(struct zkt_actors *actors, struct zkt_port *port,
                       const struct zkt_envelope *message)
{
    const bool unsubscribes = message->type == ZKT_MESSAGE_STATE_UNSUB ||
                              message->type == ZKT_MESSAGE_EVENT_UNSUB;
    if (actors->stopping && !unsubscribes) {
        refuse_message(actors, port, message);
        return;
    }
    switch (message->type) {
    case ZKT_MESSAGE_RPC:
        receive_call(actors, port, message);
        break;
    case ZKT_MESSAGE_STATE_SUB:
    case ZKT_MESSAGE_EVENT_SUB:
        receive_subscription(actors, port, message);
        break;
    default:
        receive_unsubscription(actors, port, message);
        break;
    }
}

/* ---- publishing ---- */

/*
 * A patch for one subscriber. One that does not take what it is sent gets no
 * more patches, but a token for a snapshot in the place of the first.
 */
static void send_patch(struct zkt_actors *actors, struct zkt_link *link,
                       struct zkt_buffer *frame)
{
    struct zkt_port *port = link->port;
    if (link->collapsed || !port->open) {
        return;
    }
    if (queued_bytes(port) + frame->len <=
        (size_t)actors->limits->output_high) {
        zkt__frame_queue(actors, port, frame);
        actors->stats.patches++;
        return;
    }
    collapse(actors, link);
}

static void publish_patch(struct zkt_actors *actors,
                          const struct zkt_commit *commit)
{
    const struct zkt_list *links = &commit->instance->links;
    if (commit->patch[ZKT_DIALECT_PLAIN] == NULL) {
        return;
    }
    for (struct zkt_node *n = zkt__list_first(links); n != NULL;
         n = zkt__list_after(links, n)) {
        struct zkt_link *link = ZKT_CONTAINER(n, struct zkt_link, of_instance);
        if (link->state) {
            send_patch(actors, link, commit->patch[link->port->dialect]);
        }
    }
}

static bool is_for(const struct zkt_target *target, struct zkt_str client)
{
    bool named = false;
    if (target->kind == ZKT_TARGET_ALL) {
        return true;
    }
    for (size_t i = 0; i < target->len && !named; i++) {
        named = zkt_str_eq(target->ids[i], client);
    }
    return target->kind == ZKT_TARGET_ONLY     ? named
           : target->kind == ZKT_TARGET_EXCEPT ? !named
                                               : false;
}

static void publish_event(struct zkt_actors *actors,
                          const struct zkt_instance *instance,
                          const struct zkt_emitted *event)
{
    const struct zkt_list *links = &instance->links;
    for (struct zkt_node *n = zkt__list_first(links); n != NULL;
         n = zkt__list_after(links, n)) {
        const struct zkt_link *link = ZKT_CONTAINER(n, struct zkt_link,
                                                    of_instance);
        if (link->events &&
            is_for(&event->target, zkt__port_client(link->port))) {
            zkt__frame_queue(actors, link->port, event->frame);
            actors->stats.events++;
        }
    }
}

void zkt__edge_publish(struct zkt_actors *actors,
                       const struct zkt_commit *commit)
{
    publish_patch(actors, commit);
    for (const struct zkt_emitted *e = commit->events; e != NULL; e = e->next) {
        publish_event(actors, commit->instance, e);
    }
    if (commit->caller != NULL) {
        zkt__frame_send(actors, commit->caller, commit->result);
    }
}

/* Its state is not the committed one: a call has written and not finished. */
static bool is_dirty(const struct zkt_instance *instance)
{
    return instance->parked != NULL && instance->parked->call.journal.count > 0;
}

bool zkt__edge_is_held(struct zkt_port *port)
{
    const struct zkt_link *link = zkt__queue_head_token(&port->queue);
    return link != NULL && is_dirty(link->instance);
}

void zkt__edge_release(const struct zkt_instance *instance)
{
    const struct zkt_list *links = &instance->links;
    for (struct zkt_node *n = zkt__list_first(links); n != NULL;
         n = zkt__list_after(links, n)) {
        const struct zkt_link *link = ZKT_CONTAINER(n, struct zkt_link,
                                                    of_instance);
        if (link->collapsed && link->port->open) {
            link->port->touched(link->port, false);
        }
    }
}

void zkt__edge_settle_queue(struct zkt_actors *actors, struct zkt_port *port)
{
    struct zkt_link *link;
    while ((link = zkt__queue_head_token(&port->queue)) != NULL) {
        if (is_dirty(link->instance)) {
            return; /* what follows must not overtake it */
        }
        struct zkt_buffer *snapshot = zkt__owner_snapshot(actors,
                                                          link->instance);
        if (snapshot == NULL) {
            port->touched(port, true);
            return;
        }
        link->collapsed = false;
        zkt__queue_fill_token(&port->queue, snapshot);
    }
}
