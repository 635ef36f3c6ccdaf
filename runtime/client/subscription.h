/*
 * A subscription of a client to the state or to the events of one instance, as
 * a state machine.
 *
 *   state       what it means
 *   OFF         the server has none of ours, or there is no connection
 *   ASKED       it was asked for; nothing has come yet
 *   LIVE        what came fits; patches apply
 *   FETCHING    something did not fit: a fresh snapshot was asked for
 *   RESYNCED    that came; until a patch fits, another mismatch is the end
 *   WAITING     refused, or ended, for a reason that passes: asked again later
 *   CLOSED      refused for good: until a listener joins, or a new connection
 *   MISMATCHED  schema and server are at odds: until a new connection
 *
 *   event       when
 *   JOINED      a listener joins
 *   LEFT        the last listener has left
 *   WANTED      its turn to be sent has come, and there are listeners
 *   UNWANTED    the same, and there are none; or there is no connection
 *   LOST        the connection is lost; what is still wanted is queued again
 *   SNAPSHOT    a snapshot that fits; of events: an event
 *   PATCHED     a patch that fits
 *   MISMATCH    a snapshot or patch that does not
 *   REFUSED     sub:error, for a reason that passes; also an instance's end
 *   DENIED      sub:error, for another reason
 *   DUE         the backoff is over
 *
 * The table itself is in subscription.c. The server's conflation is no state
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

/* What has yet to be sent, in the order of the program: a call, or that a
 * subscription may have to change. */
struct zkt_unsent {
    struct zkt_node node; /* in client->unsent; a subscription that has nothing
                             to send: in client->synced */
    bool is_call;
};

struct zkt_subscription {
    struct zkt_unsent unsent;
    struct zkt_timeout retry; /* in one of client->retries, while WAITING */
    struct zkt_client_instance *instance;
    enum zkt_sub_state state;
    bool of_events;
    uint32_t listeners;
    enum zkt_status refused; /* the status of the last sub:error */
    uint32_t attempts;       /* refusals and ends since it held for a while */
    int64_t asked_at;
};

/*
 * Subscriptions that wait are kept in one list for each delay, so that every
 * list is in the order of its due times. The first delay is zero.
 */
#define ZKT_SUB_DELAYS 24

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
/** The server refused or ended the subscriptions to @instance. */
void zkt__subscriptions_refused(struct zkt_client *client,
                                struct zkt_client_instance *instance,
                                enum zkt_status status);
/** When the next subscription that waits is due; ZKT_NEVER if none waits. */
int64_t zkt__subscriptions_deadline(const struct zkt_client *client);
void zkt__subscriptions_tick(struct zkt_client *client);

#endif
