/*
 * Text frames of a WebSocket, as servers send them. A message is written with
 * room for its header in front, so framing moves no bytes: begin a frame, write
 * the message, then copy the frame out or share it.
 *
 *     zkt__frame_begin(w);
 *     zkt__write_welcome(w, client_id);
 *     struct zkt_buffer *frame = zkt__frame_share(w);
 */
#ifndef ZKT_PROTOCOL_FRAME_H
#define ZKT_PROTOCOL_FRAME_H

#include "base/buffer.h"
#include "websocket/deflate.h"
#include "json/json.h"

/* Room in front of a message: for the longest header of a server's frame, and
 * for a struct zkt_buffer in front of that. */
enum {
    ZKT_FRAME_HEAD_MAX = 10, /* without a mask */
    ZKT_FRAME_FRONT = sizeof(struct zkt_buffer) + ZKT_FRAME_HEAD_MAX,
    ZKT_FRAME_LARGE = 65536 /* messages of this size have the longest header */
};

/** Empties @w and leaves room for the header. */
void zkt__frame_begin(struct zkt_writer *w);

/** Returns true if sharing the frame moves the memory of @w instead of copying
 * it. */
static inline bool zkt__frame_is_large(const struct zkt_writer *w)
{
    return w->len >= ZKT_FRAME_FRONT + ZKT_FRAME_LARGE;
}

/** Returns the length of the message in @w so far, in bytes. */
static inline size_t zkt__frame_payload(const struct zkt_writer *w)
{
    return w->len < ZKT_FRAME_FRONT ? 0 : w->len - ZKT_FRAME_FRONT;
}

/**
 * Writes the header. Returns the begin of the frame, and its length in *@len;
 * valid until @w is used again.
 */
const uint8_t *zkt__frame_close(struct zkt_writer *w, size_t *len);

/**
 * Returns the frame as a buffer with one reference, or NULL if there is no
 * memory, if writing has failed, or if it is 2 GiB long. A large frame takes
 * over the memory of @w.
 */
struct zkt_buffer *zkt__frame_share(struct zkt_writer *w);

/**
 * Makes the compressed form of a frame, unless it is short, or there is one, or
 * it would be no shorter: zkt__buffer_compressed. Returns true if it made one.
 * Two threads may do so at once; one form is kept.
 */
bool zkt__frame_deflate(struct zkt_buffer *frame, struct zkt_deflate *deflate);

/** Returns the message in a frame that zkt__frame_share has made. */
struct zkt_str zkt__frame_text(const struct zkt_buffer *frame);

#endif
