/*
 * The data of a session's connection: its record, and the changes that calls
 * make.
 */
#ifndef ZKT_SESSION_DATA_H
#define ZKT_SESSION_DATA_H

#include "session/session.h"

/** Gives a session that is about to open its record, with data (NULL: the app
 * has none) and the topics that @changes join. Returns false if there is no
 * memory. */
bool zkt__session_begin_record(struct zkt_host *host,
                               struct zkt_session *session, const void *data,
                               const struct zkt_connection_change *changes);
/** Applies the changes of a call: they are in force for every message that
 * arrives later. Tells the instances that the session is in contact with. A
 * session that cannot follow for lack of memory fails. */
void zkt__session_change(struct zkt_host *host, struct zkt_session *session,
                         const struct zkt_connection_change *changes);
/** Drops the record. */
void zkt__session_drop_record(struct zkt_host *host,
                              struct zkt_session *session);

#endif
