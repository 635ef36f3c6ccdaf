/*
 * Compressed output (websocket/deflate.h). A frame is compressed when the first
 * session that negotiated it is sent the frame; all such sessions share the
 * compressed form, which is freed with the frame.
 */
#ifndef ZKT_SESSION_COMPRESSION_H
#define ZKT_SESSION_COMPRESSION_H

#include "session/session.h"

/** Returns true if the session takes a message with @payload bytes compressed.
 */
static inline bool zkt__session_compresses(const struct zkt_session *session,
                                           size_t payload)
{
    return session->queue.compressed && payload >= ZKT_DEFLATE_MIN;
}

/** Returns the compressed form of a frame; the frame, if that is not shorter,
 * or without memory. */
struct zkt_buffer *zkt__session_compress(struct zkt_host *host,
                                         struct zkt_buffer *frame);

/** Makes the compressed forms of a catch-up. */
void zkt__session_compress_catch_up(struct zkt_host *host,
                                    const struct zkt_catch_up *catch_up);

#endif
