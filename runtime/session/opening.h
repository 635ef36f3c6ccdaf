/*
 * The opening of a session: from the request of its handshake to the welcome,
 * or to a refusal. A refusal is an answer of HTTP; a client of our own dialect,
 * which may be a page that cannot read that answer, is accepted and told in a
 * message, before a close frame (protocol.md).
 */
#ifndef ZKT_SESSION_OPENING_H
#define ZKT_SESSION_OPENING_H

#include "session/session.h"
#include "websocket/websocket.h"

/** Decides on the request of a session that is not open: checks its Origin and
 * its parameters, and accepts or refuses it by the events of sessions. */
void zkt__session_begin(struct zkt_host *host, struct zkt_session *session,
                        const struct zkt_ws_request *request);

#endif
