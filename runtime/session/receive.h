/*
 * Receives messages of the protocol: calls and subscriptions become messages to
 * instances (shard/message.h), or are refused. Names are looked up here, and
 * inputs are decoded and checked.
 */
#ifndef ZKT_SESSION_RECEIVE_H
#define ZKT_SESSION_RECEIVE_H

#include "protocol/envelope.h"
#include "session/session.h"

/** Handles a call or a subscription message of the protocol. */
void zkt__session_receive(struct zkt_host *host, struct zkt_session *session,
                          const struct zkt_envelope *message);
/** Refuses a message, which is a call with an id or a subscribe. */
void zkt__session_refuse(struct zkt_host *host, struct zkt_session *session,
                         const struct zkt_envelope *message,
                         enum zkt_status status, struct zkt_str text);
/** Send the error message of a refused call, and of a refused or ended
 * subscription. */
void zkt__session_refuse_call(struct zkt_host *host,
                              struct zkt_session *session, struct zkt_str id,
                              enum zkt_status status, struct zkt_str text);
void zkt__session_refuse_subscription(struct zkt_host *host,
                                      struct zkt_session *session,
                                      struct zkt_str actor, struct zkt_str name,
                                      enum zkt_status status,
                                      struct zkt_str text);

#endif
