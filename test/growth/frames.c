/*
 * Frames of a client: n messages, n fragments of a message, n control frames
 * between two of them, each plain and compressed, in reads of many bytes and of
 * one. A build without zlib has the plain ones alone.
 */
#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "websocket/websocket.h"

enum {
    MESSAGE_MAX = 1 << 20,
    FRAGMENTS_MAX = 1 << 20,
    FRAME = 16 /* bytes of a frame here, at most */
};

/* What n stands for. */
struct shape {
    bool fragments; /* n fragments, each with a byte; else n messages */
    bool compressed;
    bool pings;  /* n of them behind the first fragment */
    size_t read; /* bytes of a read; 0: all */
};

struct work {
    const struct shape *shape;
    size_t n, len;
    uint8_t *stream;
    struct zkt_ws_setup setup;
    struct zkt_ws ws;
    size_t messages, bytes;
    size_t replies; /* heads and contents */
    unsigned closed;
    uint8_t memory[64 * 1024];
};

/* ---- the receiver ---- */

static uint8_t *give_memory(void *user, size_t len)
{
    struct work *w = user;
    return len + ZKT_PADDING <= sizeof(w->memory) ? w->memory : NULL;
}

static void on_message(void *user, bool binary, uint8_t *data, size_t len)
{
    struct work *w = user;
    (void)binary;
    (void)data;
    w->messages++;
    w->bytes += len;
}

static void on_send(void *user, const void *data, size_t len)
{
    struct work *w = user;
    (void)data;
    (void)len;
    w->replies++;
}

static void on_close(void *user, unsigned code, const char *reason)
{
    struct work *w = user;
    (void)reason;
    w->closed = code;
}

static const struct zkt_ws_callbacks callbacks = {
    .memory = give_memory,
    .on_message = on_message,
    .send = on_send,
    .on_close = on_close,
};
static const struct zkt_ws_limits limits = { .message = MESSAGE_MAX,
                                             .head = 1024,
                                             .fragments = FRAGMENTS_MAX };

/* ---- the frames ---- */

static void put_frame(struct work *w, uint8_t first, const void *payload,
                      size_t len)
{
    const uint8_t head[] = { first, (uint8_t)(0x80 | len), 0, 0, 0, 0 };
    memcpy(w->stream + w->len, head, sizeof(head));
    memcpy(w->stream + w->len + sizeof(head), payload, len);
    w->len += sizeof(head) + len;
}

/* A fragment with a byte; compressed, it is a stored block, and the last has
 * the head of the empty block that ends a message (RFC 7692, section 7.2.1). */
static void put_fragment(struct work *w, bool first, bool last)
{
    static const uint8_t stored[] = { 0x00, 0x01, 0x00, 0xfe, 0xff, 'x', 0x00 };
    const bool compressed = w->shape->compressed;
    const size_t len = compressed ? sizeof(stored) - !last : 1;
    put_frame(w,
              (uint8_t)((first ? 0x01 : 0) | (first && compressed ? 0x40 : 0) |
                        (last ? 0x80 : 0)),
              compressed ? stored : (const void *)"x", len);
}

static void put_messages(struct work *w, size_t n)
{
    static const uint8_t packed[] = { 0xaa, 0x00, 0x00 }; /* "x" */
    for (size_t i = 0; i < n; i++) {
        put_frame(w, w->shape->compressed ? 0xc1 : 0x81,
                  w->shape->compressed ? packed : (const void *)"x",
                  w->shape->compressed ? sizeof(packed) : 1);
    }
}

static void put_fragments(struct work *w, size_t n)
{
    put_fragment(w, true, false);
    for (size_t i = 0; w->shape->pings && i < n; i++) {
        put_frame(w, 0x89, "?", 1);
    }
    for (size_t i = 0; !w->shape->pings && i < n; i++) {
        put_fragment(w, false, false);
    }
    put_fragment(w, false, true);
}

static void finish(void *work)
{
    struct work *w = work;
    zkt__ws_finish(&w->ws);
    zkt__deflate_free(w->setup.deflate);
    free(w->stream);
    free(w);
}

static void *prepare(const void *with, size_t n)
{
    struct work *w = calloc(1, sizeof(*w));
    w->shape = with;
    w->n = n;
    w->stream = malloc((n + 2) * FRAME);
    w->setup =
        (struct zkt_ws_setup){ .callbacks = &callbacks,
                               .allocator = &growth_allocator,
                               .limits = &limits,
                               .deflate = zkt__deflate_new(&growth_allocator) };
    zkt__ws_init_server(&w->ws, &w->setup, w);
    w->ws.state = ZKT_WS_OPEN;
    w->ws.deflates = w->shape->compressed;
    if (w->shape->fragments) {
        put_fragments(w, n);
    } else {
        put_messages(w, n);
    }
    return w;
}

static bool feed(void *work)
{
    struct work *w = work;
    const size_t read = w->shape->read > 0 ? w->shape->read : w->len + 1;
    for (size_t at = 0; at < w->len; at += read) {
        const size_t left = w->len - at;
        (void)zkt__ws_feed(&w->ws, w->stream + at, left < read ? left : read);
    }
    const size_t between = w->shape->pings ? 0 : w->n;
    return w->closed == 0 &&
           (w->shape->fragments ? w->messages == 1 && w->bytes == between + 2
                                : w->messages == w->n && w->bytes == w->n) &&
           (!w->shape->pings || w->replies == 2 * w->n);
}

void growth_frames(void)
{
    static const struct shape messages = { .read = 0 };
    static const struct shape drips = { .read = 1 };
    static const struct shape fragments = { .fragments = true };
    static const struct shape pings = { .fragments = true, .pings = true };
    static const struct shape packed = { .compressed = true };
    static const struct shape parts = { .compressed = true, .fragments = true };
    static const struct shape slow = { .compressed = true,
                                       .fragments = true,
                                       .read = 1 };
    static const struct growth_row rows[] = {
        { "frames: messages", 0, &messages, prepare, feed, finish },
        { "frames: messages, slowly", 0, &drips, prepare, feed, finish },
        { "frames: fragments", 0, &fragments, prepare, feed, finish },
        { "frames: pings between fragments", 0, &pings, prepare, feed, finish },
        { "frames: compressed messages", 0, &packed, prepare, feed, finish },
        { "frames: compressed fragments", 0, &parts, prepare, feed, finish },
        { "frames: compressed fragments, slowly", 0, &slow, prepare, feed,
          finish },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct shape *shape = rows[i].with;
        if (!shape->compressed || zkt__deflate_is_built()) {
            growth_measure(&rows[i]);
        }
    }
}
