/*
 * Broadcasts as sessions receive them: a session that has asked for them gets
 * the broadcasts of which it is a target; and the ends of connections that a
 * program asks for.
 */
#ifndef ZKT_SESSION_BROADCASTS_H
#define ZKT_SESSION_BROADCASTS_H

#include "session/session.h"

/** Makes the session get broadcasts, or no more of them. */
void zkt__session_hear(struct zkt_host *host, struct zkt_session *session,
                       bool hears);
/** Handles the broadcasts from @first on: sends each to the sessions of this
 * shard that are its target. */
void zkt__sessions_take_broadcasts(struct zkt_host *host,
                                   const struct zkt_emitted *first);

#endif
