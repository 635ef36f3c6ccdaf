/* See deflate.h. A message ends as RFC 7692, section 7.2 says: with an empty
 * block, of which the last four bytes are not sent. */
#include "websocket/deflate.h"

#include <string.h>
#define ZLIB_CONST
#include <zlib.h>

enum {
    LEVEL = 1,
    WINDOW_BITS = -15, /* negative: no header of zlib's */
    MEMORY_LEVEL = 8,
    TAIL = 4,
    FIRST_ROOM = 1024,
    AT_BLOCK = 128 /* of data_type: the input has ended between two blocks */
};

static const uint8_t tail[TAIL] = { 0, 0, 0xff, 0xff };

struct zkt_deflate {
    const struct zkt_allocator *allocator;
    z_stream out, in;
    bool has_out, has_in; /* zlib has initialised them */
};

static void *allocate(void *allocator, unsigned count, unsigned size)
{
    return zkt__alloc_zero(allocator, count, size);
}

static void release(void *allocator, void *block)
{
    zkt__release(allocator, block);
}

bool zkt__deflate_is_built(void)
{
    return true;
}

struct zkt_deflate *zkt__deflate_new(const struct zkt_allocator *allocator)
{
    struct zkt_deflate *d = zkt__alloc_zero(allocator, 1, sizeof(*d));
    if (d != NULL) {
        d->allocator = allocator;
        d->out.zalloc = d->in.zalloc = allocate;
        d->out.zfree = d->in.zfree = release;
        /* zlib does not change it; its callbacks get it back. */
        memcpy(&d->out.opaque, &allocator, sizeof(allocator));
        memcpy(&d->in.opaque, &allocator, sizeof(allocator));
    }
    return d;
}

void zkt__deflate_free(struct zkt_deflate *d)
{
    if (d == NULL) {
        return;
    }
    if (d->has_out) {
        (void)deflateEnd(&d->out);
    }
    if (d->has_in) {
        (void)inflateEnd(&d->in);
    }
    zkt__release(d->allocator, d);
}

/* ---- compressing ---- */

static bool begin_out(struct zkt_deflate *d)
{
    if (!d->has_out) {
        d->has_out = deflateInit2(&d->out, LEVEL, Z_DEFLATED, WINDOW_BITS,
                                  MEMORY_LEVEL, Z_DEFAULT_STRATEGY) == Z_OK;
        return d->has_out;
    }
    return deflateReset(&d->out) == Z_OK;
}

size_t zkt__deflate_message(struct zkt_deflate *d, const void *message,
                            size_t len, uint8_t *to, size_t room)
{
    if (len > INT32_MAX || room > INT32_MAX || !begin_out(d)) {
        return 0;
    }
    d->out.next_in = message;
    d->out.avail_in = (uInt)len;
    d->out.next_out = to;
    d->out.avail_out = (uInt)room;
    const bool whole = deflate(&d->out, Z_SYNC_FLUSH) == Z_OK &&
                       d->out.avail_in == 0 && d->out.avail_out > 0;
    return whole ? room - d->out.avail_out - TAIL : 0;
}

/* ---- decompressing ---- */

static bool begin_in(struct zkt_deflate *d)
{
    if (!d->has_in) {
        d->has_in = inflateInit2(&d->in, WINDOW_BITS) == Z_OK;
        return d->has_in;
    }
    return inflateReset(&d->in) == Z_OK;
}

/* A message that grows. */
struct growing {
    uint8_t *bytes;
    size_t len, room;
};

/* Makes room for more of a message of at most @most bytes, and for one byte
 * over that. Returns false if there is no memory. */
static bool make_room(const struct zkt_deflate *d, struct growing *g,
                      size_t most)
{
    size_t room = g->room > 0 ? g->room * 2 : FIRST_ROOM;
    room = room < most + 1 ? room : most + 1;
    uint8_t *bytes = zkt__resize(d->allocator, g->bytes, room + ZKT_PADDING);
    if (bytes == NULL) {
        return false;
    }
    g->bytes = bytes;
    g->room = room;
    return true;
}

/* Decompresses the bytes of d->in, all of them or until the message is too
 * long. A final block may be followed by others (RFC 7692, section 7.2.3.4). */
static enum zkt_inflated inflate_all(struct zkt_deflate *d, struct growing *g,
                                     size_t most)
{
    for (;;) {
        if (g->len == g->room && !make_room(d, g, most)) {
            return ZKT_INFLATE_NO_MEMORY;
        }
        d->in.next_out = g->bytes + g->len;
        d->in.avail_out = (uInt)(g->room - g->len);
        const int result = inflate(&d->in, Z_SYNC_FLUSH);
        g->len = g->room - d->in.avail_out;
        if (g->len > most) {
            return ZKT_INFLATE_TOO_LONG;
        }
        if (result == Z_STREAM_END) {
            (void)inflateReset(&d->in);
        } else if (result != Z_OK && result != Z_BUF_ERROR) {
            return result == Z_MEM_ERROR ? ZKT_INFLATE_NO_MEMORY
                                         : ZKT_INFLATE_INVALID;
        }
        if (d->in.avail_in == 0 && g->len < g->room) {
            return ZKT_INFLATED;
        }
        if (result == Z_BUF_ERROR && g->len < g->room) {
            return ZKT_INFLATE_INVALID; /* it takes no more */
        }
    }
}

enum zkt_inflated zkt__inflate_message(struct zkt_deflate *d,
                                       const uint8_t *bytes, size_t len,
                                       size_t most,
                                       struct zkt_inflated_message *out)
{
    struct growing g = { .len = 0 };
    most = most < INT32_MAX ? most : INT32_MAX - 1;
    if (len > INT32_MAX) {
        return ZKT_INFLATE_TOO_LONG;
    }
    if (!begin_in(d)) {
        return ZKT_INFLATE_NO_MEMORY;
    }
    d->in.next_in = bytes;
    d->in.avail_in = (uInt)len;
    enum zkt_inflated result = inflate_all(d, &g, most);
    if (result == ZKT_INFLATED) {
        d->in.next_in = tail;
        d->in.avail_in = TAIL;
        result = inflate_all(d, &g, most);
    }
    if (result == ZKT_INFLATED && (d->in.data_type & AT_BLOCK) == 0) {
        result = ZKT_INFLATE_INVALID; /* a block has no end */
    }
    if (result != ZKT_INFLATED) {
        zkt__release(d->allocator, g.bytes);
        return result;
    }
    memset(g.bytes + g.len, 0, ZKT_PADDING);
    *out = (struct zkt_inflated_message){ g.bytes, g.len };
    return ZKT_INFLATED;
}
