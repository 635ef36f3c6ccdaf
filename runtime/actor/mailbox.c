/*
 * What waits for an instance: in the order of arrival, bounded by number and
 * by bytes. A message that waits is a copy, one block; what must not fail to
 * wait (a link's arrival and departure, an instance's end) is embedded in what
 * it is about. The end of a turn handles what can be; nothing is handled here
 * while a handler runs.
 */
#include "actor/remote.h"

/* ---- putting in ---- */

static size_t aligned(size_t size)
{
    const size_t alignment = alignof(max_align_t);
    return (size + alignment - 1) / alignment * alignment;
}

size_t zkt__letter_measure(const struct zkt_request *request)
{
    size_t size = sizeof(struct zkt_letter) + aligned(request->id.len);
    if (request->input != NULL) {
        size += zkt__value_measure(request->method->input, request->input);
    }
    return size;
}

struct zkt_letter *zkt__letter_new(const struct zkt_allocator *allocator,
                                   const struct zkt_request *request,
                                   size_t bytes)
{
    struct zkt_letter *letter = zkt__alloc(allocator, bytes);
    if (letter == NULL) {
        return NULL;
    }
    letter->mail = (struct zkt_mail){ .kind = ZKT_MAIL_LETTER };
    letter->request = *request;
    letter->bytes = bytes;
    if (request->id.len > 0) {
        memcpy(letter->memory, request->id.data, request->id.len);
        letter->request.id.data = letter->memory;
    }
    if (request->input != NULL) {
        letter->request.input = zkt__value_dup_into(
            request->method->input, request->input,
            letter->memory + aligned(request->id.len));
    }
    return letter;
}

/* It has mail: its turn comes when no call of it is under way. */
static void make_ready(struct zkt_actors *actors, struct zkt_instance *instance)
{
    if (instance->parked == NULL && !zkt__node_linked(&instance->ready)) {
        zkt__list_append(&actors->ready, &instance->ready);
    }
}

static bool undoes(const struct zkt_request *unsubscribe,
                   const struct zkt_request *queued)
{
    return queued->link == unsubscribe->link &&
           ((queued->kind == ZKT_REQUEST_SUBSCRIBE_STATE &&
             unsubscribe->kind == ZKT_REQUEST_UNSUBSCRIBE_STATE) ||
            (queued->kind == ZKT_REQUEST_SUBSCRIBE_EVENTS &&
             unsubscribe->kind == ZKT_REQUEST_UNSUBSCRIBE_EVENTS));
}

static void take_out(struct zkt_actors *actors, struct zkt_instance *instance,
                     struct zkt_mail *mail)
{
    zkt__node_unlink(&mail->node);
    if (mail->kind == ZKT_MAIL_LETTER) {
        const struct zkt_letter *letter = (struct zkt_letter *)(void *)mail;
        instance->mail_count--;
        instance->mail_bytes -= letter->bytes;
        actors->stats.queued--;
    }
}

/*
 * There is no room for an unsubscription, which cannot be refused: it counts
 * now, and the subscriptions that it undoes wait no longer.
 */
static void unsubscribe_now(struct zkt_actors *actors,
                            struct zkt_instance *instance,
                            const struct zkt_request *request)
{
    struct zkt_node *node = zkt__list_first(&instance->mailbox);
    while (node != NULL) {
        struct zkt_mail *mail = ZKT_CONTAINER(node, struct zkt_mail, node);
        struct zkt_letter *letter = (struct zkt_letter *)(void *)mail;
        node = zkt__list_after(&instance->mailbox, node);
        if (mail->kind == ZKT_MAIL_LETTER &&
            undoes(request, &letter->request)) {
            take_out(actors, instance, mail);
            zkt__remote_drop_answer(actors, &letter->request);
            zkt__release(actors->allocator, letter);
        }
    }
    zkt__edge_subscribe(actors, request);
}

static bool is_unsubscription(const struct zkt_request *request)
{
    return request->kind == ZKT_REQUEST_UNSUBSCRIBE_STATE ||
           request->kind == ZKT_REQUEST_UNSUBSCRIBE_EVENTS;
}

static bool has_room(struct zkt_actors *actors,
                     const struct zkt_instance *instance, size_t bytes)
{
    const struct zkt_limits *limits = actors->limits;
    if (instance->mail_count >= limits->mailbox_messages) {
        actors->stats.reached.mailbox_messages++;
        return false;
    }
    if (bytes > (size_t)limits->mailbox_bytes - instance->mail_bytes) {
        actors->stats.reached.mailbox_bytes++;
        return false;
    }
    return true;
}

static void refuse(struct zkt_actors *actors, struct zkt_instance *instance,
                   const struct zkt_request *request, struct zkt_str reason)
{
    if (is_unsubscription(request)) {
        unsubscribe_now(actors, instance, request);
    } else {
        zkt__edge_refuse(actors, request, ZKT_RESOURCE_EXHAUSTED, reason);
    }
}

static void put(struct zkt_actors *actors, struct zkt_instance *instance,
                struct zkt_letter *letter)
{
    letter->request.port->waiting += letter->request.kind == ZKT_REQUEST_CALL;
    instance->mail_count++;
    instance->mail_bytes += letter->bytes;
    actors->stats.queued++;
    zkt__list_append(&instance->mailbox, &letter->mail.node);
    make_ready(actors, instance);
}

static const char full[] = "too many messages wait for the instance";

void zkt__mailbox_put(struct zkt_actors *actors, struct zkt_instance *instance,
                      const struct zkt_request *request)
{
    const size_t bytes = zkt__letter_measure(request);
    if (!has_room(actors, instance, bytes)) {
        refuse(actors, instance, request, zkt_cstr(full));
        return;
    }
    struct zkt_letter *letter = zkt__letter_new(actors->allocator, request,
                                                bytes);
    if (letter == NULL) {
        refuse(actors, instance, request, ZKT_STR("out of memory"));
        return;
    }
    put(actors, instance, letter);
}

void zkt__mailbox_put_letter(struct zkt_actors *actors,
                             struct zkt_instance *instance,
                             struct zkt_letter *letter)
{
    if (has_room(actors, instance, letter->bytes)) {
        put(actors, instance, letter);
        return;
    }
    refuse(actors, instance, &letter->request, zkt_cstr(full));
    zkt__release(actors->allocator, letter);
}

void zkt__mailbox_put_own(struct zkt_actors *actors,
                          struct zkt_instance *instance, struct zkt_mail *mail,
                          bool first)
{
    if (zkt__node_linked(&mail->node)) {
        if (!first) {
            return;
        }
        zkt__node_unlink(&mail->node);
    }
    if (first) {
        zkt__list_prepend(&instance->mailbox, &mail->node);
    } else {
        zkt__list_append(&instance->mailbox, &mail->node);
    }
    make_ready(actors, instance);
}

/* ---- taking out ---- */

struct zkt_mail *zkt__mailbox_take(struct zkt_actors *actors,
                                   struct zkt_instance *instance)
{
    struct zkt_node *first = zkt__list_first(&instance->mailbox);
    if (first == NULL) {
        return NULL;
    }
    struct zkt_mail *mail = ZKT_CONTAINER(first, struct zkt_mail, node);
    take_out(actors, instance, mail);
    return mail;
}

void zkt__mailbox_resume(struct zkt_actors *actors,
                         struct zkt_instance *instance)
{
    if (!zkt__list_empty(&instance->mailbox)) {
        make_ready(actors, instance);
    }
}

void zkt__mailbox_open(struct zkt_actors *actors, struct zkt_instance *instance,
                       struct zkt_letter *letter)
{
    if (letter->request.kind == ZKT_REQUEST_CALL) {
        zkt__task_run(actors, &letter->request, instance, letter);
    } else {
        zkt__edge_subscribe(actors, &letter->request);
        zkt__release(actors->allocator, letter);
    }
}

/* Whether the instance is still there afterwards is for its handle to say. */
static void handle(struct zkt_actors *actors, struct zkt_instance *instance,
                   struct zkt_mail *mail)
{
    struct zkt_link *link;
    switch (mail->kind) {
    case ZKT_MAIL_LETTER:
        zkt__mailbox_open(actors, instance, (struct zkt_letter *)(void *)mail);
        break;
    case ZKT_MAIL_CONNECT:
        link = ZKT_CONTAINER(mail, struct zkt_link, arrival);
        zkt__edge_arrive(actors, link);
        break;
    case ZKT_MAIL_LEAVE:
        link = ZKT_CONTAINER(mail, struct zkt_link, departure);
        zkt__edge_leave(actors, link);
        break;
    case ZKT_MAIL_END:
        zkt__owner_end(actors, instance, ZKT_ABORTED,
                       ZKT_STR("the instance was destroyed"));
        break;
    }
    zkt__arena_reset(&actors->task->arena);
}

static void drain_one(struct zkt_actors *actors, struct zkt_instance *instance)
{
    const zkt_handle_id id = instance->id;
    int64_t left = actors->limits->mailbox_per_turn;
    while (instance != NULL && instance->parked == NULL) {
        if (zkt__list_empty(&instance->mailbox)) {
            return;
        }
        if (left-- == 0) {
            actors->stats.reached.mailbox_per_turn++;
            make_ready(actors, instance);
            return;
        }
        handle(actors, instance, zkt__mailbox_take(actors, instance));
        instance = zkt__slots_find(&actors->instances, id);
    }
}

void zkt__mailbox_drain(struct zkt_actors *actors)
{
    /* Those that are ready now; whoever becomes ready has the next turn. */
    struct zkt_list turn;
    struct zkt_node *node;
    zkt__list_init(&turn);
    while ((node = zkt__list_first(&actors->ready)) != NULL) {
        zkt__node_unlink(node);
        zkt__list_append(&turn, node);
    }
    while ((node = zkt__list_first(&turn)) != NULL) {
        zkt__node_unlink(node);
        drain_one(actors, ZKT_CONTAINER(node, struct zkt_instance, ready));
    }
}
