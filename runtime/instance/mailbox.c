/*
 * Messages of a contact keep their order; the number and the bytes of all are
 * bounded. A queued message has a carrier; the carrier of leave is part of the
 * contact, so leaving cannot fail.
 *
 * A contact may queue as many messages as the mailbox has places left: a single
 * contact fills half of the mailbox, two contacts a third each, and there is
 * always room for another contact.
 */
#include "instance/mailbox.h"

#include "instance/hooks.h"
#include "instance/open_calls.h"
#include "instance/requests.h"
#include "instance/task.h"
#include "shard/group.h"

/* ---- putting in ---- */

void zkt__mailbox_make_ready(struct zkt_host *host,
                             struct zkt_instance *instance)
{
    if (instance->parked == NULL && !zkt__node_linked(&instance->ready)) {
        zkt__list_append(&host->instances->ready, &instance->ready);
    }
}

bool zkt__mailbox_lacks_credit(struct zkt_host *host,
                               const struct zkt_instance *instance)
{
    const struct zkt_contact_group *a = instance->local.next;
    while (a != NULL && zkt__group_has_credit(host, a->shard)) {
        a = a->next;
    }
    return a != NULL;
}

void zkt__mailbox_append(struct zkt_host *host, struct zkt_contact *contact,
                         struct zkt_msg *m)
{
    struct zkt_attachment *attachment = &contact->attachment;
    struct zkt_instance *instance = attachment->instance;
    zkt__list_append(&attachment->mailbox, &m->node);
    if (!zkt__node_linked(&attachment->in_round)) {
        zkt__list_append(&instance->round, &attachment->in_round);
    }
    zkt__mailbox_make_ready(host, instance);
}

static bool has_room(struct zkt_host *host, const struct zkt_attachment *of,
                     size_t bytes)
{
    const struct zkt_limits *limits = host->limits;
    const struct zkt_instance *instance = of->instance;
    const size_t places = (size_t)limits->mailbox_messages;
    const size_t room = (size_t)limits->mailbox_bytes;
    if (of->queued_count + instance->queued_count >= places) {
        host->stats.limit_hits.mailbox_messages++;
        return false;
    }
    if (of->queued_bytes + instance->queued_bytes + bytes > room) {
        host->stats.limit_hits.mailbox_bytes++;
        return false;
    }
    if (host->instances->queued_bytes + bytes >
        zkt__host_share(host, limits->queued_bytes)) {
        host->stats.limit_hits.queued_bytes++;
        return false;
    }
    return true;
}

/* Counts a message that is queued (@by is 1) or removed (-1). Leave messages do
 * not count: they have their carrier, and cannot be refused. */
static void count(struct zkt_host *host, struct zkt_attachment *attachment,
                  const struct zkt_msg *m, int by)
{
    const size_t bytes = by > 0 ? m->bytes : (size_t)0 - m->bytes;
    if (m->kind == ZKT_MSG_LEAVE) {
        return;
    }
    attachment->queued_count += (uint32_t)by;
    attachment->queued_bytes += bytes;
    attachment->instance->queued_count += (uint32_t)by;
    attachment->instance->queued_bytes += bytes;
    host->instances->queued_bytes += bytes;
    host->stats.queued += (uint64_t)(int64_t)by;
}

/* Returns the carrier of a message that is to be queued, and that waits; or
 * NULL: there was no memory, and the message was refused. */
static struct zkt_msg *carry(struct zkt_host *host, struct zkt_msg *m,
                             struct zkt_msg *carrier)
{
    struct zkt_msg *block = carrier != NULL ? carrier
                                            : zkt__msg_pack(host->allocator, m);
    if (block != NULL && zkt__waiting_add_message(host, block)) {
        return block;
    }
    zkt__instance_refuse(host, m, carrier, ZKT_RESOURCE_EXHAUSTED,
                         ZKT_STR("out of memory"));
    if (block != carrier) {
        zkt__msg_free(host->allocator, block);
    }
    return NULL;
}

void zkt__mailbox_put(struct zkt_host *host, struct zkt_msg *m,
                      struct zkt_msg *carrier)
{
    struct zkt_attachment *attachment = &m->contact->attachment;
    if (!has_room(host, attachment, zkt__msg_size(m))) {
        zkt__instance_refuse(host, m, carrier, ZKT_RESOURCE_EXHAUSTED,
                             ZKT_STR("too many messages wait for the "
                                     "instance"));
        return;
    }
    struct zkt_msg *block = carry(host, m, carrier);
    if (block == NULL) {
        return;
    }
    count(host, attachment, block, 1);
    zkt__mailbox_append(host, m->contact, block);
}

void zkt__mailbox_put_first(struct zkt_host *host, struct zkt_msg *m,
                            struct zkt_msg *carrier)
{
    struct zkt_attachment *attachment = &m->contact->attachment;
    struct zkt_msg *block = carry(host, m, carrier);
    if (block == NULL) {
        return;
    }
    count(host, attachment, block, 1);
    zkt__list_prepend(&attachment->mailbox, &block->node);
    zkt__node_unlink(&attachment->in_round);
    zkt__list_prepend(&attachment->instance->round, &attachment->in_round);
    zkt__mailbox_make_ready(host, attachment->instance);
}

/* ---- taking out ---- */

struct zkt_msg *zkt__mailbox_take(struct zkt_host *host,
                                  struct zkt_contact *contact)
{
    struct zkt_attachment *attachment = &contact->attachment;
    struct zkt_node *node = zkt__list_first(&attachment->mailbox);
    if (node == NULL) {
        return NULL;
    }
    struct zkt_msg *m = ZKT_CONTAINER(node, struct zkt_msg, node);
    zkt__node_unlink(node);
    count(host, attachment, m, -1);
    zkt__waiting_remove_message(host, m);
    return m;
}

void zkt__mailbox_remove(struct zkt_host *host, struct zkt_msg *m)
{
    struct zkt_attachment *attachment = &m->contact->attachment;
    zkt__node_unlink(&m->node);
    count(host, attachment, m, -1);
    zkt__waiting_remove_message(host, m);
    if (zkt__list_empty(&attachment->mailbox)) {
        zkt__node_unlink(&attachment->in_round);
    }
}

struct zkt_msg *zkt__mailbox_take_request(struct zkt_host *host,
                                          struct zkt_contact *contact,
                                          bool *leaves)
{
    struct zkt_msg *m = zkt__mailbox_take(host, contact);
    if (m != NULL && m->kind == ZKT_MSG_LEAVE) {
        *leaves = true;
        m = zkt__mailbox_take(host, contact); /* it is the last */
    }
    return m;
}

/* Removes the first message; the others of the contact wait for the next round.
 */
static struct zkt_msg *take_next(struct zkt_host *host,
                                 struct zkt_attachment *attachment)
{
    struct zkt_msg *m = zkt__mailbox_take(host, zkt__contact_of(attachment));
    if (!zkt__list_empty(&attachment->mailbox)) {
        zkt__list_append(&attachment->instance->round, &attachment->in_round);
    }
    return m;
}

/* Serves the first of the round: handles a message of a contact, runs a timer,
 * or the second half of a call.
 * The instance may be gone afterwards; its handle tells. */
static void serve_first(struct zkt_host *host, struct zkt_instance *instance)
{
    struct zkt_node *first = zkt__list_first(&instance->round);
    zkt__node_unlink(first);
    if (instance->timers != NULL && first == &instance->timers->in_round) {
        zkt__timers_serve(host, instance);
    } else if (instance->open_calls != NULL &&
               first == &instance->open_calls->in_round) {
        zkt__open_calls_serve(host, instance);
    } else if (instance->views != NULL && first == &instance->views->in_round) {
        zkt__views_serve(host, instance);
    } else {
        struct zkt_attachment *attachment = ZKT_CONTAINER(
            first, struct zkt_attachment, in_round);
        if (attachment->view != NULL) {
            zkt__view_update(host, attachment->view);
        }
        struct zkt_msg *m = take_next(host, attachment);
        zkt__instance_handle(host, m, m);
    }
    zkt__arena_reset(host->arena);
}

static bool end_is_due(const struct zkt_instance *instance)
{
    return instance->destroyed ||
           (instance->ending && zkt__list_empty(&instance->round));
}

/* Handles a message of an instance, or ends it. Returns false if it has no more
 * to do now. */
static bool serve_one(struct zkt_host *host, struct zkt_instance *instance)
{
    if (instance->parked != NULL) {
        return false;
    }
    if (instance->expels) {
        zkt__instance_expel(host, instance);
        return instance->parked == NULL;
    }
    if (instance->abandoned) {
        zkt__instance_abandon(host, instance);
        return false;
    }
    if (end_is_due(instance)) {
        zkt__instance_end(host, instance, ZKT_END_DESTROYED);
        zkt__arena_reset(host->arena);
        return false;
    }
    if (zkt__list_empty(&instance->round)) {
        return false;
    }
    if (zkt__mailbox_lacks_credit(host, instance)) {
        /* The previous message may have made it ready. */
        zkt__node_unlink(&instance->ready);
        zkt__list_append(&host->instances->awaiting_credit, &instance->ready);
        return false;
    }
    serve_first(host, instance);
    return true;
}

/* Serves an instance, within the limit and the budget of the turn. */
static void serve(struct zkt_host *host, struct zkt_instance *instance)
{
    const zkt_handle_id id = instance->id;
    int64_t left = host->limits->mailbox_per_turn;
    while (instance != NULL && serve_one(host, instance)) {
        instance = zkt__slots_find(&host->instances->all, id);
        if (instance != NULL && (--left == 0 || host->budget <= 0)) {
            host->stats.limit_hits.mailbox_per_turn++;
            zkt__mailbox_make_ready(host, instance);
            return;
        }
    }
}

/* Makes instances ready that have credit again. */
static void wake_with_credit(struct zkt_host *host)
{
    struct zkt_instances *instances = host->instances;
    struct zkt_list batch;
    struct zkt_node *node;
    zkt__list_init(&batch);
    zkt__list_move(&batch, &instances->awaiting_credit);
    while ((node = zkt__list_first(&batch)) != NULL) {
        const struct zkt_instance *instance = ZKT_CONTAINER(
            node, struct zkt_instance, ready);
        zkt__node_unlink(node);
        zkt__list_append(zkt__mailbox_lacks_credit(host, instance)
                             ? &instances->awaiting_credit
                             : &instances->ready,
                         node);
    }
}

void zkt__instances_drain(struct zkt_host *host)
{
    struct zkt_instances *instances = host->instances;
    /* Instances that are ready now; others become ready for the next turn. */
    struct zkt_list batch;
    struct zkt_node *node;
    wake_with_credit(host);
    zkt__list_init(&batch);
    zkt__list_move(&batch, &instances->ready);
    while (host->budget > 0 && (node = zkt__list_first(&batch)) != NULL) {
        zkt__node_unlink(node);
        serve(host, ZKT_CONTAINER(node, struct zkt_instance, ready));
    }
    /* Instances that were not served come first in the next turn. */
    zkt__list_move(&batch, &instances->ready);
    zkt__list_move(&instances->ready, &batch);
}

bool zkt__instances_all_free(const struct zkt_host *host)
{
    return zkt__list_empty(&host->instances->parked) &&
           !zkt__instances_wait(host->instances);
}
