/*
 * A subscription of a client to the state or to the events of an instance, as a
 * state machine.
 *
 *   state       meaning
 *   OFF         not subscribed at the server, or no connection
 *   ASKED       subscribe was sent; nothing has come yet
 *   LIVE        a snapshot has come; patches apply
 *   FETCHING    a mismatch: a new snapshot was asked for
 *   RESYNCED    it has come; before a patch fits, another mismatch is final
 *   WAITING     refused or ended for a temporary reason: asked again later
 *   CLOSED      refused for good: until a listener joins, or a new connection
 *   MISMATCHED  schema and server are at odds: until a new connection
 *
 *   event       cause
 *   JOINED      a listener joins
 *   LEFT        the last listener has left
 *   WANTED      its queue entry is sent, and there are listeners
 *   UNWANTED    the same without listeners; or there is no connection
 *   LOST        the connection is lost; subscriptions with listeners are queued
 *   SNAPSHOT    a snapshot that fits; of events: sub:ok, or an event
 *   PATCHED     a patch that fits
 *   MISMATCH    a snapshot or patch that does not fit
 *   REFUSED     sub:error, for a temporary reason; also the end of an instance
 *   DENIED      sub:error, for another reason
 *   DUE         the backoff is over
 *
 * The table itself is in subscription.c. Conflation by the server is no state
 * here: it is a snapshot that comes while LIVE.
 */
#ifndef ZKT_CLIENT_SUBSCRIPTION_H
#define ZKT_CLIENT_SUBSCRIPTION_H

#include "base/timeouts.h"
#include "zocket/status.h"

struct zkt_client;
struct zkt_client_instance;

enum zkt_sub_state {
    ZKT_SUB_OFF,
    ZKT_SUB_ASKED,
    ZKT_SUB_LIVE,
    ZKT_SUB_FETCHING,
    ZKT_SUB_RESYNCED,
    ZKT_SUB_WAITING,
    ZKT_SUB_CLOSED,
    ZKT_SUB_MISMATCHED,
    ZKT_SUB_STATE_COUNT
};

enum zkt_sub_event {
    ZKT_SUB_ON_JOINED,
    ZKT_SUB_ON_LEFT,
    ZKT_SUB_ON_WANTED,
    ZKT_SUB_ON_UNWANTED,
    ZKT_SUB_ON_LOST,
    ZKT_SUB_ON_SNAPSHOT,
    ZKT_SUB_ON_PATCHED,
    ZKT_SUB_ON_MISMATCH,
    ZKT_SUB_ON_REFUSED,
    ZKT_SUB_ON_DENIED,
    ZKT_SUB_ON_DUE,
    ZKT_SUB_EVENT_COUNT
};

/* An entry of the queue of unsent messages, in the program's order: a call, or
 * a subscription whose subscribe or unsubscribe may have to be sent. */
struct zkt_unsent {
    struct zkt_node node; /* in client->unsent; of a subscription with nothing
                             to send: in client->synced */
    bool is_call;
};

struct zkt_subscription {
    struct zkt_unsent unsent;
    struct zkt_timeout retry; /* in client->retries, while WAITING */
    struct zkt_client_instance *instance;
    enum zkt_sub_state state;
    bool of_events;
    uint32_t listeners;
    enum zkt_status refused; /* the status of the last sub:error */
    uint32_t attempts;       /* refusals and ends since it was stable */
    int64_t asked_at;
    int64_t retry_after_ms; /* that the last sub:error asked for; 0: none */
};

/*
 * Subscriptions that wait are kept in one list for each delay, so that every
 * list is in the order of its due times. The first delay is zero. Those with a
 * time that the server has asked for are in lists of their own.
 */
#define ZKT_SUB_DELAYS 24
#define ZKT_SUB_TIMES  20 /* up to 2^19 ms */

void zkt__subscription_init(struct zkt_subscription *sub,
                            struct zkt_client_instance *instance,
                            bool of_events);
/** Does what the table says for @event. */
void zkt__subscription_step(struct zkt_client *client,
                            struct zkt_subscription *sub,
                            enum zkt_sub_event event);
/** Returns true if patches apply to the known state. */
bool zkt__subscription_is_live(const struct zkt_subscription *sub);

/** Sends everything that is queued, in order, while the connection lasts. */
void zkt__unsent_flush(struct zkt_client *client);
/** The connection is lost: queues all subscriptions that are still wanted. */
void zkt__subscriptions_lost(struct zkt_client *client);
/** Forgets the state of a subscription without listeners, if it is OFF. */
void zkt__subscription_drop(struct zkt_client *client,
                            struct zkt_subscription *sub);
/** The server refused or ended a subscription, which is asked for again after
 * @retry_after_ms or more, if at all. */
void zkt__subscription_refused(struct zkt_client *client,
                               struct zkt_subscription *sub,
                               enum zkt_status status, int64_t retry_after_ms);
/** When the next subscription that waits is due; ZKT_NEVER if none waits. */
int64_t zkt__subscriptions_deadline(const struct zkt_client *client);
void zkt__subscriptions_tick(struct zkt_client *client);

#endif
