/*
 * Subscriptions of clients to the state and to the events of instances. Each
 * function is an input of the state machine in subscription.c: a message of the
 * client, a message of the instance, or the state of the send queue.
 */
#ifndef ZKT_SESSION_SUBSCRIPTION_H
#define ZKT_SESSION_SUBSCRIPTION_H

#include "session/session.h"

/** The client subscribes, or unsubscribes. */
void zkt__session_sub_ask(struct zkt_host *host, struct zkt_contact *contact,
                          enum zkt_topic topic);
void zkt__session_sub_drop(struct zkt_host *host, struct zkt_contact *contact,
                           enum zkt_topic topic);
/** A snapshot, or that there is none, has come for a subscription. */
void zkt__session_sub_catch_up(struct zkt_host *host, struct zkt_msg *m);
/** Events have been subscribed to. */
void zkt__session_sub_confirm(struct zkt_host *host, const struct zkt_msg *m);
/** A subscription was refused, or has ended. */
void zkt__session_sub_close(struct zkt_host *host, const struct zkt_msg *m);
/** A patch of a live subscription does not fit into the queue: a placeholder
 * stands for what comes from here on, until that is sent. */
void zkt__session_sub_conflate(struct zkt_host *host,
                               struct zkt_contact *contact);
/** The placeholder of @contact has reached the head of the queue. */
void zkt__session_sub_fetch(struct zkt_host *host, struct zkt_contact *contact);
/** Forgets a subscription without a word, with its contact. */
void zkt__session_sub_clear(struct zkt_host *host, struct zkt_contact *contact,
                            enum zkt_topic topic);

#endif
