/*
 * See body.h. A chunk is read behind the room for its head, whose size has
 * always five digits: leading zeros are allowed (RFC 9112, section 7.1).
 */
#include "http/body.h"

#include <stdio.h>
#include <string.h>

enum {
    HEAD_LEN = 7,                   /* "10000\r\n" */
    TAIL_LEN = 2,                   /* "\r\n" */
    SPARE = HEAD_LEN + TAIL_LEN + 5 /* with the last chunk, "0\r\n\r\n" */
};

/* Returns the bytes that may be read at once. */
static size_t room_of(const struct zkt_http_body *body)
{
    return body->framing == ZKT_HTTP_LENGTH && body->left < ZKT_HTTP_STEP
               ? (size_t)body->left
               : ZKT_HTTP_STEP;
}

/* Judges a read of @len bytes into @room. */
static enum zkt_http_progress judge(struct zkt_http_body *body,
                                    enum zkt_http_progress progress,
                                    size_t room, size_t len)
{
    if (progress == ZKT_HTTP_FAILED || len > room ||
        (progress == ZKT_HTTP_MORE && len == 0)) {
        return ZKT_HTTP_FAILED;
    }
    if (body->framing != ZKT_HTTP_LENGTH) {
        return progress;
    }
    body->left -= len;
    if (body->left == 0) {
        return ZKT_HTTP_END;
    }
    return progress == ZKT_HTTP_END ? ZKT_HTTP_FAILED : progress;
}

/* Frames @len bytes as a chunk, and adds the last chunk at the end. Returns the
 * length of all. */
static size_t frame_chunk(uint8_t *data, size_t len, bool ends)
{
    size_t all = 0;
    if (len > 0) {
        char head[2 * sizeof(len) + 3]; /* of any length, says gcc -O0 */
        snprintf(head, sizeof(head), "%05zx\r\n", len);
        memcpy(data, head, HEAD_LEN);
        memcpy(data + HEAD_LEN + len, "\r\n", TAIL_LEN);
        all = HEAD_LEN + len + TAIL_LEN;
    }
    if (ends) {
        memcpy(data + all, "0\r\n\r\n", 5);
        all += 5;
    }
    return all;
}

/* Gives the buffer out if there is something in it, in no more memory than it
 * needs: a slow reader keeps it. */
static void hand_out(const struct zkt_allocator *a, struct zkt_buffer *buffer,
                     size_t len, struct zkt_buffer **out)
{
    if (len == 0) {
        zkt__buffer_unref(buffer);
        return;
    }
    struct zkt_buffer *less = len < ZKT_HTTP_STEP / 2
                                  ? zkt__resize(a, buffer,
                                                sizeof(*buffer) + len)
                                  : NULL;
    *out = less != NULL ? less : buffer;
    (*out)->len = (uint32_t)len;
}

enum zkt_http_progress zkt__http_body_read(struct zkt_http_body *body,
                                           const struct zkt_allocator *a,
                                           struct zkt_buffer **out)
{
    const size_t room = room_of(body);
    const bool chunked = body->framing == ZKT_HTTP_CHUNKED;
    size_t len = 0;
    *out = NULL;
    if (room == 0) {
        return ZKT_HTTP_END;
    }
    struct zkt_buffer *buffer = zkt__buffer_new(a, room + SPARE);
    if (buffer == NULL) {
        return ZKT_HTTP_FAILED;
    }
    enum zkt_http_progress progress = body->source->ops->read(
        body->source, buffer->data + (chunked ? HEAD_LEN : 0), room, &len);
    progress = judge(body, progress, room, len);
    if (progress == ZKT_HTTP_FAILED) {
        len = 0;
    } else if (chunked) {
        len = frame_chunk(buffer->data, len, progress == ZKT_HTTP_END);
    }
    hand_out(a, buffer, len, out);
    return progress;
}
