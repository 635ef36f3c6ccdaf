/*
 * See frame.h. The block of a large frame becomes the buffer without a copy:
 * its front has room for the struct.
 */
#include "protocol/frame.h"

#include <string.h>

#include "websocket/websocket.h"

enum {
    FRONT = ZKT_FRAME_FRONT,
    KEPT_CAPACITY = 65536 /* of a writer, as for arenas */
};

/* Shrinks by halves: the memory of a rare large frame is not kept for good,
 * and frequent large frames, with small ones in between, do not start from
 * nothing. */
static void shrink(struct zkt_writer *w)
{
    const size_t half = w->capacity / 2;
    char *data = zkt__resize(w->allocator, w->data, half);
    if (data != NULL) {
        w->data = data;
        w->capacity = half;
    }
}

void zkt__frame_begin(struct zkt_writer *w)
{
    if (w->capacity > KEPT_CAPACITY && w->len < w->capacity / 8) {
        shrink(w);
    }
    w->len = 0;
    w->failed = false;
    if (zkt_write_reserve(w, FRONT)) {
        w->len = FRONT;
    }
}

const uint8_t *zkt__frame_close(struct zkt_writer *w, size_t *len)
{
    uint8_t *payload = (uint8_t *)w->data + FRONT;
    const size_t size = w->len - FRONT;
    const size_t head = zkt__ws_frame_head(payload, size);
    *len = head + size;
    return payload - head;
}

/* Turns the block of a large frame into a buffer; returns NULL if it is too
 * large. */
static struct zkt_buffer *take_block(struct zkt_writer *w)
{
    size_t len;
    (void)zkt__frame_close(w, &len);
    if (len > ZKT_BUFFER_MAX) {
        zkt__writer_finish(w);
        return NULL;
    }
    /* A small excess is free: its pages have never been used. */
    if (w->capacity - w->len > len / 4) {
        char *fitting = zkt__resize(w->allocator, w->data, w->len);
        w->data = fitting != NULL ? fitting : w->data;
    }
    struct zkt_buffer *buffer = zkt__buffer_take(w->allocator, w->data,
                                                 (uint32_t)len);
    zkt__writer_init(w, w->allocator);
    return buffer;
}

struct zkt_buffer *zkt__frame_share(struct zkt_writer *w)
{
    size_t len;
    if (w->failed) {
        return NULL;
    }
    if (zkt__frame_is_large(w)) {
        return take_block(w);
    }
    const uint8_t *frame = zkt__frame_close(w, &len);
    struct zkt_buffer *buffer = zkt__buffer_new(w->allocator, len);
    if (buffer != NULL) {
        memcpy(buffer->data, frame, len);
    }
    return buffer;
}

struct zkt_str zkt__frame_text(const struct zkt_buffer *frame)
{
    /* The length of the payload is in the second byte, or it says how many
     * bytes follow with the length: RFC 6455, section 5.2. */
    const size_t head = frame->data[1] < 126    ? 2
                        : frame->data[1] == 126 ? 4
                                                : 10;
    return (struct zkt_str){ (const char *)frame->data + head,
                             frame->len - head };
}

/* Returns the compressed frame; NULL if it is no shorter, or without memory. */
static struct zkt_buffer *compress(const struct zkt_buffer *frame,
                                   struct zkt_deflate *deflate)
{
    const struct zkt_str text = zkt__frame_text(frame);
    struct zkt_buffer *buffer = zkt__buffer_new(frame->allocator,
                                                ZKT_FRAME_HEAD_MAX + text.len);
    if (buffer == NULL) {
        return NULL;
    }
    uint8_t *payload = buffer->data + ZKT_FRAME_HEAD_MAX;
    const size_t len = zkt__deflate_message(deflate, text.data, text.len,
                                            payload, text.len);
    const size_t head = zkt__ws_frame_head(payload, len);
    memmove(buffer->data, payload - head, head + len);
    buffer->data[0] |= ZKT_WS_COMPRESSED;
    buffer->len = (uint32_t)(head + len);
    struct zkt_buffer *fitting = zkt__resize(frame->allocator, buffer,
                                             sizeof(*buffer) + buffer->len);
    buffer = fitting != NULL ? fitting : buffer;
    if (len == 0) {
        zkt__buffer_unref(buffer);
        return NULL;
    }
    return buffer;
}

bool zkt__frame_deflate(struct zkt_buffer *frame, struct zkt_deflate *deflate)
{
    struct zkt_buffer *none = NULL;
    if (frame->len < ZKT_DEFLATE_MIN ||
        atomic_load_explicit(&frame->compressed, memory_order_relaxed) !=
            NULL) {
        return false;
    }
    struct zkt_buffer *compressed = compress(frame, deflate);
    const bool kept = atomic_compare_exchange_strong(
        &frame->compressed, &none, compressed != NULL ? compressed : frame);
    if (!kept) {
        zkt__buffer_unref(compressed);
    }
    return kept && compressed != NULL;
}
