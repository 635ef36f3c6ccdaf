/*
 * Subscriptions of clients to the state and to the events of instances. Each
 * function is an input to the state machine in subscription.c, from the client,
 * from the instance or from the send queue.
 */
#ifndef ZKT_SESSION_SUBSCRIPTION_H
#define ZKT_SESSION_SUBSCRIPTION_H

#include "session/session.h"

/** Handle a subscribe and an unsubscribe message of the client. */
void zkt__session_sub_ask(struct zkt_host *host, struct zkt_contact *contact,
                          enum zkt_topic topic);
void zkt__session_sub_drop(struct zkt_host *host, struct zkt_contact *contact,
                           enum zkt_topic topic);
/** Handles a catch-up of the instance. */
void zkt__session_sub_catch_up(struct zkt_host *host, struct zkt_msg *m);
/** Handles `subscribed`: events are live. */
void zkt__session_sub_confirm(struct zkt_host *host, const struct zkt_msg *m);
/** Handles `closed`: a subscription was refused, or has ended. */
void zkt__session_sub_close(struct zkt_host *host, const struct zkt_msg *m);
/** A patch of a live subscription does not fit into the queue: queues a
 * placeholder that replaces it and the patches that follow. */
void zkt__session_sub_conflate(struct zkt_host *host,
                               struct zkt_contact *contact);
/** If patches of @contact are conflated, the snapshot in their place is to name
 * a call of it. */
void zkt__session_sub_name_call(struct zkt_host *host,
                                struct zkt_contact *contact, struct zkt_str id);
/** The placeholder of @contact has reached the head of the queue: requests a
 * snapshot. */
void zkt__session_sub_fetch(struct zkt_host *host, struct zkt_contact *contact);
/** Ends a subscription without a message; its contact is being freed. */
void zkt__session_sub_clear(struct zkt_host *host, struct zkt_contact *contact,
                            enum zkt_topic topic);

#endif
