/* See subscription.h. */
#include "client/subscription.h"

#include "client/calls.h"
#include "client/core.h"
#include "client/instance.h"
#include "client/receive.h"

enum action {
    IGNORE,      /* the state stays */
    MOVE,        /* the state changes, and no more */
    QUEUE,       /* queues it in the messages to send */
    SUBSCRIBE,   /* sends a subscribe */
    UNSUBSCRIBE, /* sends an unsubscribe; the state is no longer known */
    INVALIDATE,  /* the state is no longer known */
    BACK_OFF,
    GIVE_UP /* as INVALIDATE, and notifies error listeners */
};

struct step {
    uint8_t action, next;
};

#define STATE(name) [ZKT_SUB_##name]
#define ON(name)    [ZKT_SUB_ON_##name]
#define TO(name)    ZKT_SUB_##name

static const struct step table[ZKT_SUB_STATE_COUNT][ZKT_SUB_EVENT_COUNT] = {
    STATE(OFF) = {
        ON(JOINED)   = { QUEUE,       TO(OFF) },
        ON(WANTED)   = { SUBSCRIBE,   TO(ASKED) },
        ON(UNWANTED) = { INVALIDATE,  TO(OFF) },
    },
    STATE(ASKED) = {
        ON(JOINED)   = { QUEUE,       TO(ASKED) },
        ON(LEFT)     = { QUEUE,       TO(ASKED) },
        ON(UNWANTED) = { UNSUBSCRIBE, TO(OFF) },
        ON(LOST)     = { MOVE,        TO(OFF) },
        ON(SNAPSHOT) = { MOVE,        TO(LIVE) },
        ON(MISMATCH) = { SUBSCRIBE,   TO(FETCHING) },
        ON(REFUSED)  = { BACK_OFF,    TO(WAITING) },
        ON(DENIED)   = { INVALIDATE,  TO(CLOSED) },
    },
    STATE(LIVE) = {
        ON(JOINED)   = { QUEUE,       TO(LIVE) },
        ON(LEFT)     = { QUEUE,       TO(LIVE) },
        ON(UNWANTED) = { UNSUBSCRIBE, TO(OFF) },
        ON(LOST)     = { MOVE,        TO(OFF) },
        ON(MISMATCH) = { SUBSCRIBE,   TO(FETCHING) },
        ON(REFUSED)  = { BACK_OFF,    TO(WAITING) },
        ON(DENIED)   = { INVALIDATE,  TO(CLOSED) },
    },
    STATE(FETCHING) = {
        ON(JOINED)   = { QUEUE,       TO(FETCHING) },
        ON(LEFT)     = { QUEUE,       TO(FETCHING) },
        ON(UNWANTED) = { UNSUBSCRIBE, TO(OFF) },
        ON(LOST)     = { MOVE,        TO(OFF) },
        ON(SNAPSHOT) = { MOVE,        TO(RESYNCED) },
        ON(MISMATCH) = { GIVE_UP,     TO(MISMATCHED) },
        ON(REFUSED)  = { BACK_OFF,    TO(WAITING) },
        ON(DENIED)   = { INVALIDATE,  TO(CLOSED) },
    },
    STATE(RESYNCED) = {
        ON(JOINED)   = { QUEUE,       TO(RESYNCED) },
        ON(LEFT)     = { QUEUE,       TO(RESYNCED) },
        ON(UNWANTED) = { UNSUBSCRIBE, TO(OFF) },
        ON(LOST)     = { MOVE,        TO(OFF) },
        ON(PATCHED)  = { MOVE,        TO(LIVE) },
        ON(MISMATCH) = { GIVE_UP,     TO(MISMATCHED) },
        ON(REFUSED)  = { BACK_OFF,    TO(WAITING) },
        ON(DENIED)   = { INVALIDATE,  TO(CLOSED) },
    },
    STATE(WAITING) = {
        ON(JOINED)   = { QUEUE,       TO(WAITING) },
        ON(LEFT)     = { QUEUE,       TO(WAITING) },
        ON(UNWANTED) = { INVALIDATE,  TO(OFF) },
        ON(LOST)     = { MOVE,        TO(OFF) },
        ON(SNAPSHOT) = { MOVE,        TO(LIVE) },
        ON(DENIED)   = { INVALIDATE,  TO(CLOSED) },
        ON(DUE)      = { SUBSCRIBE,   TO(ASKED) },
    },
    STATE(CLOSED) = {
        ON(JOINED)   = { QUEUE,       TO(OFF) },
        ON(LEFT)     = { QUEUE,       TO(CLOSED) },
        ON(UNWANTED) = { INVALIDATE,  TO(OFF) },
        ON(LOST)     = { MOVE,        TO(OFF) },
        ON(SNAPSHOT) = { MOVE,        TO(LIVE) },
    },
    STATE(MISMATCHED) = {
        ON(JOINED)   = { QUEUE,       TO(MISMATCHED) },
        ON(LEFT)     = { QUEUE,       TO(MISMATCHED) },
        ON(UNWANTED) = { UNSUBSCRIBE, TO(OFF) },
        ON(LOST)     = { MOVE,        TO(OFF) },
        ON(SNAPSHOT) = { MOVE,        TO(RESYNCED) },
        ON(REFUSED)  = { BACK_OFF,    TO(WAITING) },
        ON(DENIED)   = { INVALIDATE,  TO(CLOSED) },
    },
};

void zkt__subscription_init(struct zkt_subscription *sub,
                            struct zkt_client_instance *instance,
                            bool of_events)
{
    sub->instance = instance;
    sub->of_events = of_events;
}

bool zkt__subscription_is_live(const struct zkt_subscription *sub)
{
    return sub->state == ZKT_SUB_LIVE || sub->state == ZKT_SUB_RESYNCED;
}

/* ---- actions ---- */

static void send(struct zkt_client *client, const struct zkt_subscription *sub,
                 bool wanted)
{
    struct zkt_client_instance *instance = sub->instance;
    struct zkt_writer *w = zkt__client_write(client);
    enum zkt_message type = wanted ? ZKT_MESSAGE_STATE_SUB
                                   : ZKT_MESSAGE_STATE_UNSUB;
    if (sub->of_events) {
        type = wanted ? ZKT_MESSAGE_EVENT_SUB : ZKT_MESSAGE_EVENT_UNSUB;
    }
    zkt__write_address(w, type, instance->actor->name, instance->id);
    ZKT_WRITE(w, "}");
    instance->contact = client->stats.connections;
    zkt__client_send(client);
}

static void invalidate(const struct zkt_subscription *sub)
{
    if (!sub->of_events) {
        sub->instance->known = false;
    }
}

/* Adds a subscription that waits to a list in the order of due times: raises
 * its time to the last of the list. */
static void wait_in(struct zkt_client *client, struct zkt_list *list,
                    struct zkt_subscription *sub, int64_t due)
{
    if (!zkt__list_empty(list)) {
        const struct zkt_timeout *last = ZKT_CONTAINER(
            list->head.prev, struct zkt_timeout, node);
        due = last->due > due ? last->due : due;
    }
    sub->retry.due = due;
    zkt__list_append(list, &sub->retry.node);
    client->waiting++;
}

/* Returns the list for a delay that the server has asked for: each holds delays
 * up to twice as long as the list before, so that raising a time in it at most
 * doubles the delay. */
static struct zkt_list *list_for(struct zkt_client *client, int64_t delay)
{
    size_t i = 0;
    while (i < ZKT_SUB_TIMES - 1 && delay > (int64_t)1 << i) {
        i++;
    }
    return &client->retry_times[i];
}

/*
 * Schedules the next subscribe. A subscription that the server had accepted is
 * asked for at once the first time: its instance may have ended, and a new one
 * is made. After that, and after a refusal, the delay doubles until a
 * subscription has been stable. It is added to a time that the server has asked
 * for.
 */
static void back_off(struct zkt_client *client, struct zkt_subscription *sub,
                     bool accepted)
{
    const int64_t now = client->core.now_ms;
    if (now - sub->asked_at >= client->options.stable_after_ms) {
        sub->attempts = 0;
    }
    if (sub->attempts == 0 && !accepted) {
        sub->attempts = 1;
    }
    const uint32_t level = sub->attempts;
    const int64_t delay = sub->retry_after_ms +
                          (level > 0 ? zkt__backoff(client, level - 1) : 0);
    wait_in(client,
            sub->retry_after_ms > 0 ? list_for(client, delay)
                                    : &client->retries[level],
            sub, zkt__client_time_after(client, delay));
    if (sub->attempts < ZKT_SUB_DELAYS - 1) {
        sub->attempts++;
    }
}

static void queue(struct zkt_client *client, struct zkt_subscription *sub)
{
    zkt__node_unlink(&sub->unsent.node);
    zkt__list_append(&client->unsent, &sub->unsent.node);
}

/* The last part of a step: sending may end the connection, which is a step of
 * all subscriptions. */
static void act(struct zkt_client *client, struct zkt_subscription *sub,
                enum action action, enum zkt_sub_state before)
{
    switch (action) {
    case IGNORE:
    case MOVE:
        break;
    case QUEUE:
        queue(client, sub);
        break;
    case SUBSCRIBE:
        sub->asked_at = client->core.now_ms;
        send(client, sub, true);
        break;
    case UNSUBSCRIBE:
        invalidate(sub);
        send(client, sub, false);
        break;
    case INVALIDATE:
        invalidate(sub);
        break;
    case BACK_OFF:
        back_off(client, sub, before != ZKT_SUB_ASKED);
        break;
    case GIVE_UP:
        invalidate(sub);
        sub->refused = ZKT_INTERNAL;
        zkt__client_report(client, sub->instance, ZKT_INTERNAL,
                           "the state does not fit the schema");
        break;
    }
}

void zkt__subscription_step(struct zkt_client *client,
                            struct zkt_subscription *sub,
                            enum zkt_sub_event event)
{
    const enum zkt_sub_state before = sub->state;
    const struct step step = table[before][event];
    if (step.action == IGNORE) {
        return;
    }
    sub->state = step.next;
    if (before == ZKT_SUB_WAITING && sub->state != before) {
        client->waiting -= zkt__node_linked(&sub->retry.node);
        zkt__timeout_cancel(&sub->retry);
    }
    if (sub->state == ZKT_SUB_OFF) {
        sub->attempts = 0;
    }
    act(client, sub, step.action, before);
}

/* ---- unsent messages ---- */

/* While it is sent, the subscription is in client->synced: if sending ends the
 * connection, it is queued again with the others. */
static void send_change(struct zkt_client *client, struct zkt_subscription *sub)
{
    zkt__list_append(&client->synced, &sub->unsent.node);
    zkt__subscription_step(client, sub,
                           sub->listeners > 0 ? ZKT_SUB_ON_WANTED
                                              : ZKT_SUB_ON_UNWANTED);
    if (sub->listeners == 0) {
        zkt__node_unlink(&sub->unsent.node);
    }
}

void zkt__unsent_flush(struct zkt_client *client)
{
    struct zkt_node *node;
    while (zkt__client_is_open(client) &&
           (node = zkt__list_first(&client->unsent)) != NULL) {
        struct zkt_unsent *unsent = ZKT_CONTAINER(node, struct zkt_unsent,
                                                  node);
        zkt__node_unlink(node);
        if (unsent->is_call) {
            zkt__call_send(client,
                           ZKT_CONTAINER(unsent, struct zkt_pending, queued));
        } else {
            send_change(client,
                        ZKT_CONTAINER(unsent, struct zkt_subscription, unsent));
        }
    }
}

static struct zkt_subscription *from_node(struct zkt_node *node)
{
    struct zkt_unsent *unsent = ZKT_CONTAINER(node, struct zkt_unsent, node);
    return unsent->is_call
               ? NULL
               : ZKT_CONTAINER(unsent, struct zkt_subscription, unsent);
}

/* Queues the subscriptions that were sent in front of the unsent ones, in the
 * order in which they were sent. */
void zkt__subscriptions_lost(struct zkt_client *client)
{
    for (struct zkt_node *n = zkt__list_first(&client->unsent); n != NULL;
         n = zkt__list_after(&client->unsent, n)) {
        struct zkt_subscription *sub = from_node(n);
        if (sub != NULL) {
            zkt__subscription_step(client, sub, ZKT_SUB_ON_LOST);
        }
    }
    while (!zkt__list_empty(&client->synced)) {
        struct zkt_node *last = client->synced.head.prev;
        zkt__subscription_step(client, from_node(last), ZKT_SUB_ON_LOST);
        zkt__node_unlink(last);
        zkt__list_prepend(&client->unsent, last);
    }
}

void zkt__subscription_drop(struct zkt_client *client,
                            struct zkt_subscription *sub)
{
    if (sub->listeners == 0 && sub->state == ZKT_SUB_OFF) {
        zkt__node_unlink(&sub->unsent.node);
        zkt__subscription_step(client, sub, ZKT_SUB_ON_UNWANTED);
    }
}

/* ---- refusals ---- */

static bool is_temporary(enum zkt_status status)
{
    return status == ZKT_UNAVAILABLE || status == ZKT_RESOURCE_EXHAUSTED ||
           status == ZKT_ABORTED || status == ZKT_DEADLINE_EXCEEDED;
}

void zkt__subscription_refused(struct zkt_client *client,
                               struct zkt_subscription *sub,
                               enum zkt_status status, int64_t retry_after_ms)
{
    sub->refused = status;
    sub->retry_after_ms = retry_after_ms;
    zkt__subscription_step(client, sub,
                           is_temporary(status) ? ZKT_SUB_ON_REFUSED
                                                : ZKT_SUB_ON_DENIED);
}

/* Returns one of the lists of subscriptions that wait. */
static struct zkt_list *waiting_list(const struct zkt_client *client, size_t i)
{
    const struct zkt_list *list =
        i < ZKT_SUB_DELAYS ? &client->retries[i]
                           : &client->retry_times[i - ZKT_SUB_DELAYS];
    return (struct zkt_list *)(uintptr_t)list;
}

enum {
    WAITING_LISTS = ZKT_SUB_DELAYS + ZKT_SUB_TIMES
};

int64_t zkt__subscriptions_deadline(const struct zkt_client *client)
{
    int64_t next = ZKT_NEVER;
    for (size_t i = 0; client->waiting > 0 && i < WAITING_LISTS; i++) {
        const int64_t due = zkt__timeouts_next(waiting_list(client, i));
        next = due < next ? due : next;
    }
    return next;
}

void zkt__subscriptions_tick(struct zkt_client *client)
{
    struct zkt_timeout *due;
    for (size_t i = 0; client->waiting > 0 && i < WAITING_LISTS; i++) {
        while ((due = zkt__timeouts_take(waiting_list(client, i),
                                         client->core.now_ms)) != NULL) {
            client->waiting--;
            zkt__subscription_step(
                client, ZKT_CONTAINER(due, struct zkt_subscription, retry),
                ZKT_SUB_ON_DUE);
        }
    }
}
