/*
 * The edge: from a message to the instance that it is for, and from a commit
 * to those who watch. Links are found from the shorter of the two lists that
 * they are in; they embed both nodes, so that leaving cannot fail.
 */
#include "actor/remote.h"
#include "server/server.h"
#include "websocket/websocket.h"

/*
 * ---- frames ----
 *
 * A frame is written behind room for its head and for a struct zkt_buffer. A
 * large one is shared without being copied: its block becomes the buffer.
 */
enum {
    HEAD_MAX = 10, /* of a server: no mask */
    FRONT = sizeof(struct zkt_buffer) + HEAD_MAX,
    LARGE = 65536,    /* a payload of so much has a head of HEAD_MAX */
    KEPT_ROOM = 65536 /* of a writer, as an arena keeps */
};

/* By halves: one large frame is not paid for as long as the server lives, and
 * many of them, with small ones in between, do not begin anew each. */
static void give_back_room(struct zkt_writer *w)
{
    const size_t half = w->capacity / 2;
    char *data = zkt__resize(w->allocator, w->data, half);
    if (data != NULL) {
        w->data = data;
        w->capacity = half;
    }
}

void zkt__frame_begin(struct zkt_writer *w)
{
    if (w->capacity > KEPT_ROOM && w->len < w->capacity / 8) {
        give_back_room(w);
    }
    w->len = 0;
    w->failed = false;
    if (zkt_write_reserve(w, FRONT)) {
        w->len = FRONT;
    }
}

/* Puts the head in front of what was written; where the frame begins. */
static const uint8_t *close_frame(struct zkt_writer *w, size_t *len)
{
    uint8_t *payload = (uint8_t *)w->data + FRONT;
    const size_t size = w->len - FRONT;
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

static bool is_large(const struct zkt_writer *w)
{
    return w->len >= FRONT + LARGE;
}

/* The block of a large frame as a buffer, or NULL: too large. */
static struct zkt_buffer *take_frame(struct zkt_writer *w)
{
    size_t len;
    (void)close_frame(w, &len);
    if (len > UINT32_MAX) {
        zkt__writer_finish(w);
        return NULL;
    }
    /* A little room to spare costs nothing: its pages were never touched. */
    if (w->capacity - w->len > len / 4) {
        char *fitting = zkt__resize(w->allocator, w->data, w->len);
        w->data = fitting != NULL ? fitting : w->data;
    }
    struct zkt_buffer *buffer = zkt__buffer_take(w->allocator, w->data,
                                                 (uint32_t)len);
    zkt__writer_init(w, w->allocator);
    return buffer;
}

static void send_large(struct zkt_actors *actors, struct zkt_port *port,
                       struct zkt_writer *w)
{
    struct zkt_buffer *frame = take_frame(w);
    if (frame == NULL) {
        port->touched(port, true);
        return;
    }
    zkt__frame_queue(actors, port, frame);
    zkt__buffer_unref(frame);
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
    if (is_large(w)) {
        send_large(actors, port, w);
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
    if (is_large(w)) {
        return take_frame(w);
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

void zkt__edge_join(struct zkt_actors *actors, struct zkt_link *link,
                    struct zkt_port *port, struct zkt_instance *instance)
{
    link->port = port;
    link->instance = instance;
    zkt__list_append(&port->links, &link->of_port);
    zkt__list_append(&instance->links, &link->of_instance);
    port->link_count++;
    instance->link_count++;
    instance->guests += zkt__is_guest(actors, port);
    if (zkt__is_stub(actors, instance)) {
        return; /* the owner will have it arrive */
    }
    zkt__timeout_cancel(&instance->idle);
    link->arrival.kind = ZKT_MAIL_CONNECT;
    link->departure.kind = ZKT_MAIL_LEAVE;
    if (zkt__mailbox_is_free(actors, instance)) {
        zkt__edge_arrive(actors, link);
    } else {
        zkt__mailbox_put_own(actors, instance, &link->arrival, false);
    }
}

static struct zkt_link *new_link(struct zkt_actors *actors,
                                 struct zkt_port *port,
                                 struct zkt_instance *instance)
{
    struct zkt_link *link = zkt__is_stub(actors, instance)
                                ? zkt__remote_link(actors, port, instance)
                                : zkt__alloc_zero(actors->allocator, 1,
                                                  sizeof(*link));
    if (link != NULL) {
        zkt__edge_join(actors, link, port, instance);
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
    if (instance == NULL) {
        instance = zkt__owner_create(actors, actor, name, reason);
    }
    if (instance == NULL) {
        return NULL;
    }
    link = new_link(actors, port, instance);
    if (link == NULL) {
        *reason = ZKT_STR("out of memory");
        zkt__owner_settle(actors, instance);
    }
    port->recent = link;
    return link;
}

void zkt__edge_part(struct zkt_actors *actors, struct zkt_link *link)
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
    instance->guests -= zkt__is_guest(actors, port);
    link->instance = NULL;
    link->state = link->events = link->connected = false;
}

/* The link is gone; its port may have been waiting for that. A guest's is
 * there as long as its route. */
static void free_link(struct zkt_actors *actors, struct zkt_link *link)
{
    const bool guest = zkt__is_guest(actors, link->port);
    zkt__edge_part(actors, link);
    if (!guest) {
        zkt__release(actors->allocator, link);
    }
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
        if (zkt__is_stub(actors, instance)) {
            zkt__remote_leave(actors, link);
        } else if (zkt__mailbox_is_free(actors, instance)) {
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
    if ((link->state || link->events) && zkt__is_guest(actors, port)) {
        zkt__remote_notify(actors, link, status, text);
    } else if (link->state || link->events) {
        zkt__edge_refuse(actors, &request, status, text);
    }
    free_link(actors, link);
    if (port->link_count == 0) {
        port->emptied(port);
    }
}

/* ---- messages ---- */

void zkt__edge_answer(struct zkt_actors *actors,
                      const struct zkt_request *request, struct zkt_writer *w)
{
    if (request->answer != NULL) {
        zkt__remote_answer(actors, request, zkt__frame_share(actors, w), false);
    } else {
        zkt__frame_send(actors, request->port, w);
    }
}

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

/* What a request is for. A guest's may have no instance: it has a stub. */
static const struct zkt_instance *subject_of(const struct zkt_request *request)
{
    return request->answer != NULL
               ? zkt__route_of_guest(request->link)->link.instance
               : request->link->instance;
}

void zkt__edge_refuse(struct zkt_actors *actors,
                      const struct zkt_request *request, enum zkt_status status,
                      struct zkt_str text)
{
    struct zkt_writer *w = &actors->result;
    if (request->kind != ZKT_REQUEST_CALL &&
        request->kind != ZKT_REQUEST_SUBSCRIBE_STATE &&
        request->kind != ZKT_REQUEST_SUBSCRIBE_EVENTS) {
        return;
    }
    zkt__frame_begin(w);
    if (request->kind == ZKT_REQUEST_CALL) {
        zkt__write_result_error(w, request->id, text, status);
    } else {
        const struct zkt_instance *subject = subject_of(request);
        zkt__write_sub_error(w, subject->actor->name, subject->name, text,
                             status);
    }
    if (request->answer != NULL) {
        zkt__remote_answer(actors, request, zkt__frame_share(actors, w), true);
    } else {
        zkt__frame_send(actors, request->port, w);
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
    reader.depth_max = (uint32_t)actors->limits->json_depth;
    *input = zkt__arena_alloc(&actors->task->arena, method->input->size);
    if (*input != NULL &&
        method->input->decode(&reader, method->input, *input)) {
        return true;
    }
    actors->stats.reached.json_depth += reader.too_deep;
    actors->stats.reached.issues += issues.total > issues.count;
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

/* A snapshot would be one too many in memory: one is to come later. */
static bool must_collapse(const struct zkt_actors *actors,
                          const struct zkt_port *port)
{
    return port->queue.bytes > (size_t)actors->limits->output_high;
}

/* Whoever queues it counts its last frame. */
static void count_recap(struct zkt_actors *actors,
                        const struct zkt_recap *recap)
{
    actors->stats.snapshots++;
    actors->stats.patches += recap->patch_count;
    actors->stats.messages_out += recap->patch_count;
}

static void queue_recap(struct zkt_actors *actors, struct zkt_port *port,
                        const struct zkt_recap *recap)
{
    const bool good = zkt__queue_recap(&port->queue, actors->allocator, recap);
    count_recap(actors, recap);
    note_queued(actors, port, good);
}

/* Puts it in the place of @link's token, which is at the head. */
static bool fill_token(struct zkt_actors *actors, struct zkt_link *link,
                       const struct zkt_recap *recap)
{
    struct zkt_port *port = link->port;
    if (!zkt__queue_fill_token(&port->queue, actors->allocator, recap)) {
        port->touched(port, true);
        return false;
    }
    count_recap(actors, recap);
    actors->stats.messages_out++;
    link->collapsed = false;
    return true;
}

/* False: no memory, and the connection ends. */
static bool take_recap(struct zkt_actors *actors, struct zkt_link *link,
                       struct zkt_recap *recap)
{
    struct zkt_port *port = link->port;
    if (!zkt__owner_recap(actors, link->instance, port->dialect, recap)) {
        port->touched(port, true);
        return false;
    }
    return true;
}

/* @again: the link is subscribed already. */
static void send_snapshot(struct zkt_actors *actors, struct zkt_link *link,
                          bool again)
{
    struct zkt_port *port = link->port;
    struct zkt_recap recap;
    if (link->collapsed || !port->open) {
        return;
    }
    if (must_collapse(actors, port)) {
        collapse(actors, link);
    } else if (zkt__is_stub(actors, link->instance)) {
        zkt__remote_fetch(actors, link,
                          again ? ZKT_FETCH_AGAIN : ZKT_FETCH_FIRST);
    } else if (take_recap(actors, link, &recap)) {
        queue_recap(actors, port, &recap);
        zkt__buffer_unref(recap.snapshot);
    }
}

void zkt__edge_take_snapshot(struct zkt_actors *actors, struct zkt_link *link,
                             const struct zkt_recap *recap)
{
    struct zkt_port *port = link->port;
    if (!port->open) {
        return;
    }
    if (recap->snapshot == NULL) {
        port->touched(port, true);
    } else if (link->collapsed) {
        port->touched(port, false); /* its token will bring a newer one */
    } else if (!must_collapse(actors, port)) {
        queue_recap(actors, port, recap);
    } else if (link->state) {
        collapse(actors, link);
    }
}

void zkt__edge_take_token(struct zkt_actors *actors, struct zkt_link *link,
                          const struct zkt_recap *recap)
{
    struct zkt_port *port = link->port;
    if (!port->open || !link->collapsed) {
        return;
    }
    if (recap->snapshot == NULL) {
        port->touched(port, true);
    } else if (fill_token(actors, link, recap)) {
        port->touched(port, false);
    }
}

static void subscribe_state(struct zkt_actors *actors,
                            const struct zkt_request *request)
{
    struct zkt_link *link = request->link;
    const bool again = link->state;
    if (!again) {
        link->state = true;
        link->instance->subscribers++;
        link->port->subscriptions++;
    } else if (!request->token) {
        zkt__owner_refresh(actors, link->instance);
    }
    if (request->answer != NULL) {
        zkt__remote_note(request);
        zkt__remote_recap(actors, request);
    } else {
        send_snapshot(actors, link, again);
    }
}

void zkt__edge_unsubscribe_state(struct zkt_link *link)
{
    link->port->subscriptions -= link->state;
    link->instance->subscribers -= link->state;
    link->state = link->waits = false;
    if (link->collapsed) {
        zkt__queue_drop_tokens(&link->port->queue, link);
        link->collapsed = false;
    }
}

static void subscribe_events(struct zkt_actors *actors,
                             const struct zkt_request *request)
{
    struct zkt_link *link = request->link;
    link->port->subscriptions += !link->events;
    link->events = true;
    if (zkt__is_stub(actors, link->instance)) {
        zkt__remote_send(actors, request);
    } else if (request->answer != NULL) {
        zkt__remote_note(request);
        zkt__remote_drop_answer(actors, request);
    }
}

void zkt__edge_unsubscribe_events(struct zkt_link *link)
{
    link->port->subscriptions -= link->events;
    link->events = false;
}

static void unsubscribe(struct zkt_actors *actors,
                        const struct zkt_request *request)
{
    struct zkt_link *link = request->link;
    if (request->kind == ZKT_REQUEST_UNSUBSCRIBE_STATE) {
        zkt__edge_unsubscribe_state(link);
    } else {
        zkt__edge_unsubscribe_events(link);
    }
    if (zkt__is_stub(actors, link->instance)) {
        zkt__remote_send(actors, request);
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
    if (is_one_too_many(actors, request)) {
        actors->stats.reached.subscriptions++;
        zkt__edge_refuse(actors, request, ZKT_RESOURCE_EXHAUSTED,
                         ZKT_STR("too many subscriptions of the connection"));
    } else if (request->kind == ZKT_REQUEST_SUBSCRIBE_STATE) {
        subscribe_state(actors, request);
    } else if (request->kind == ZKT_REQUEST_SUBSCRIBE_EVENTS) {
        subscribe_events(actors, request);
    } else {
        unsubscribe(actors, request);
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
    if (link->collapsed || link->waits || !port->open) {
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
        if (link->state && !zkt__is_guest(actors, link->port)) {
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
        if (link->events && !zkt__is_guest(actors, link->port) &&
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
    if (commit->call != NULL) {
        zkt__edge_answer(actors, commit->call, commit->result);
    }
}

bool zkt__edge_is_held(struct zkt_port *port)
{
    const struct zkt_link *link = zkt__queue_head_token(&port->queue);
    return link != NULL &&
           (link->waits || !zkt__owner_can_recap(link->instance));
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

/* Whether its token must stay for now: what follows must not overtake it. */
static bool must_wait(struct zkt_actors *actors, struct zkt_link *link)
{
    if (link->waits || !zkt__owner_can_recap(link->instance)) {
        return true;
    }
    if (zkt__is_stub(actors, link->instance)) {
        zkt__remote_fetch(actors, link, ZKT_FETCH_TOKEN);
        return true;
    }
    return false;
}

void zkt__edge_settle_queue(struct zkt_actors *actors, struct zkt_port *port)
{
    struct zkt_link *link;
    while ((link = zkt__queue_head_token(&port->queue)) != NULL) {
        struct zkt_recap recap;
        if (!port->open) {
            /* Nobody wants it any more, and the close must not wait. */
            zkt__queue_drop_tokens(&port->queue, link);
            link->collapsed = false;
            continue;
        }
        if (must_wait(actors, link)) {
            return;
        }
        if (!take_recap(actors, link, &recap)) {
            return;
        }
        const bool good = fill_token(actors, link, &recap);
        zkt__buffer_unref(recap.snapshot);
        if (!good) {
            return;
        }
    }
}
