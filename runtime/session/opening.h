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

struct zkt_failure;

/** Refuses the request of a session that is not open with an HTTP status, and
 * the failure as JSON. */
void zkt__session_refuse_request(struct zkt_host *host,
                                 struct zkt_session *session, int status,
                                 const struct zkt_failure *failure);

/** Decides on the request of a session that is not open: checks its parameters
 * and runs `open`, which may defer. Accepts or refuses it by the
 * events of sessions. */
void zkt__session_begin(struct zkt_host *host, struct zkt_session *session,
                        const struct zkt_ws_request *request);

/** The handshake of a session with a parked `open` is out of time: it is
 * refused. */
void zkt__session_expire_open(struct zkt_host *host,
                              struct zkt_session *session);
/** Continues zkt__session_end if there is anything to do. */
void zkt__session_run_close(struct zkt_host *host, struct zkt_session *session);
/** Ends a session without contacts: runs `close`, once, if it was
 * admitted, and drops its record. */
static inline void zkt__session_end(struct zkt_host *host,
                                    struct zkt_session *session)
{
    if (session->closes || session->record != NULL) {
        zkt__session_run_close(host, session);
    }
}

#endif
