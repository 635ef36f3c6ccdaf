/*
 * The streams of a session: chunks and progress of calls that wait until the
 * connection has little to send. A slow reader stops its own streams, by their
 * limits, and streams take turns. The result of a call waits behind its parts,
 * and counts as outstanding until then.
 */
#ifndef ZKT_SESSION_STREAMS_H
#define ZKT_SESSION_STREAMS_H

#include "session/session.h"
#include "shard/stream.h"

/** Takes a message of a part, which it owns. */
void zkt__streams_take(struct zkt_host *host, struct zkt_msg *m);
/** Keeps the result of a call behind its parts. Returns false if none waits. */
bool zkt__streams_keep_result(struct zkt_host *host,
                              struct zkt_session *session,
                              const struct zkt_msg_result *result);
/** Queues parts while the connection has little to send. */
void zkt__streams_send(struct zkt_host *host, struct zkt_session *session);
/** Queues all parts of a stream that wait. */
void zkt__streams_flush(struct zkt_host *host, struct zkt_stream *stream);
/** Queues all parts and results that wait. */
void zkt__streams_flush_all(struct zkt_host *host, struct zkt_session *session);
/** Drops all parts and results that wait. */
void zkt__streams_drop(struct zkt_host *host, struct zkt_session *session);

#endif
