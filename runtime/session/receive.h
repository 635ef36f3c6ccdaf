/*
 * Receives messages of the protocol: calls and subscriptions become messages to
 * instances (shard/message.h), or are refused. Names are looked up here, and
 * inputs are decoded and checked.
 */
#ifndef ZKT_SESSION_RECEIVE_H
#define ZKT_SESSION_RECEIVE_H

#include "protocol/envelope.h"
#include "session/middleware.h"
#include "session/session.h"

/** Handles a call or a subscription message of the protocol. */
void zkt__session_receive(struct zkt_host *host, struct zkt_session *session,
                          const struct zkt_envelope *message);
/** Cancels a call of the client, unless it is over. */
void zkt__session_cancel_call(struct zkt_host *host,
                              struct zkt_session *session, struct zkt_str id);
/** Begins a call or a subscription that its middleware has let pass; @outputs
 * are those of the chain, in the memory of the message, or NULL. */
void zkt__session_proceed(struct zkt_host *host, struct zkt_session *session,
                          const struct zkt_incoming *incoming,
                          const struct zkt_output *outputs);
/** Refuses a message, which is a call with an id or a subscribe. */
void zkt__session_refuse(struct zkt_host *host, struct zkt_session *session,
                         const struct zkt_envelope *message,
                         enum zkt_status status, struct zkt_str text);
/** Refuses a message likewise. */
void zkt__session_fail(struct zkt_host *host, struct zkt_session *session,
                       const struct zkt_envelope *message,
                       const struct zkt_failure *failure);
/** Reports the end of a call that reached no instance (call/report.h), and that
 * is @answered by the frame in host->result. */
void zkt__session_report(struct zkt_host *host,
                         const struct zkt_session *session,
                         const struct zkt_envelope *message,
                         const struct zkt_failure *failure, bool answered);
/** Begins the message of a refused or ended subscription in host->result; the
 * failure and `}` follow. */
void zkt__session_begin_sub_error(struct zkt_host *host,
                                  const struct zkt_session *session,
                                  struct zkt_str actor, struct zkt_str name,
                                  enum zkt_topic topic);
/** Writes the member `of`, for clients that know it. */
void zkt__session_write_of(const struct zkt_session *session,
                           enum zkt_topic topic, struct zkt_writer *w);

#endif
