/* See secure.h. */
#include "net/secure.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "http/response.h"
#include "net/socket.h"

enum {
    KEPT_OUT = 64 * 1024 /* a larger block for answers is not kept */
};

struct zkt_secure_memory *zkt__secure_memory_new(
    const struct zkt_allocator *allocator)
{
    struct zkt_secure_memory *memory = zkt__alloc(allocator, sizeof(*memory));
    if (memory != NULL) {
        memory->bytes = (struct zkt_tls_bytes){ .allocator = allocator };
    }
    return memory;
}

static void free_out(struct zkt_tls_bytes *bytes)
{
    zkt__release(bytes->allocator, bytes->out);
    bytes->out = NULL;
    bytes->out_len = bytes->out_capacity = 0;
}

void zkt__secure_memory_free(struct zkt_secure_memory *memory)
{
    if (memory != NULL) {
        free_out(&memory->bytes);
        zkt__release(memory->bytes.allocator, memory);
    }
}

static void drop_unsent(struct zkt_tls_stream *stream,
                        const struct zkt_allocator *allocator)
{
    zkt__release(allocator, stream->unsent);
    stream->unsent = NULL;
    stream->unsent_at = stream->unsent_len = 0;
}

void zkt__secure_close(struct zkt_tls_stream *stream,
                       struct zkt_secure_memory *memory)
{
    if (stream != NULL) {
        drop_unsent(stream, memory->bytes.allocator);
        stream->ops->close(stream);
    }
}

/* ---- sending ---- */

/* Returns the number of bytes that the socket takes, or -1 if it fails. */
static ptrdiff_t send_some(int fd, const uint8_t *bytes, size_t len)
{
    const struct zkt_slice slice = { bytes, len };
    const ptrdiff_t put = zkt__socket_write(fd, &slice, 1);
    return put == -EAGAIN ? 0 : put < 0 ? -1 : put;
}

bool zkt__secure_flush(struct zkt_tls_stream *stream,
                       struct zkt_secure_memory *memory, int fd)
{
    if (stream->unsent_len == 0) {
        return true;
    }
    const ptrdiff_t put = send_some(fd, stream->unsent + stream->unsent_at,
                                    stream->unsent_len);
    if (put < 0) {
        return false;
    }
    stream->unsent_at += (uint32_t)put;
    stream->unsent_len -= (uint32_t)put;
    if (stream->unsent_len == 0) {
        drop_unsent(stream, memory->bytes.allocator);
    }
    return true;
}

/* Keeps bytes behind those that are unsent. Returns false if there is no
 * memory. */
static bool keep(struct zkt_tls_stream *stream,
                 const struct zkt_allocator *allocator, const uint8_t *bytes,
                 size_t len)
{
    const size_t before = stream->unsent_len;
    if (len > UINT32_MAX - before) {
        return false;
    }
    uint8_t *kept = zkt__alloc(allocator, before + len);
    if (kept == NULL) {
        return false;
    }
    if (before > 0) {
        memcpy(kept, stream->unsent + stream->unsent_at, before);
    }
    memcpy(kept + before, bytes, len);
    drop_unsent(stream, allocator);
    stream->unsent = kept;
    stream->unsent_len = (uint32_t)(before + len);
    return true;
}

/* Sends what the library has given. Returns false if the socket fails, or there
 * is no memory. */
static bool send_out(struct zkt_tls_stream *stream, struct zkt_tls_bytes *bytes,
                     int fd)
{
    const size_t len = bytes->out_len;
    size_t put = 0;
    if (len == 0) {
        return true;
    }
    bytes->out_len = 0;
    if (stream->unsent_len == 0) {
        const ptrdiff_t sent = send_some(fd, bytes->out, len);
        if (sent < 0) {
            return false;
        }
        put = (size_t)sent;
    }
    const bool sent = put == len || keep(stream, bytes->allocator,
                                         bytes->out + put, len - put);
    if (bytes->out_capacity > KEPT_OUT) {
        free_out(bytes);
    }
    return sent;
}

/* Puts the bytes of the slices one behind the other, at most a record. */
static size_t gather(const struct zkt_slice *slices, size_t count,
                     uint8_t plain[ZKT_TLS_RECORD])
{
    size_t len = 0;
    for (size_t i = 0; i < count && len < ZKT_TLS_RECORD; i++) {
        const size_t room = ZKT_TLS_RECORD - len;
        const size_t part = slices[i].len < room ? slices[i].len : room;
        memcpy(plain + len, slices[i].data, part);
        len += part;
    }
    return len;
}

ptrdiff_t zkt__secure_write(struct zkt_tls_stream *stream,
                            struct zkt_secure_memory *memory, int fd,
                            const struct zkt_slice *slices, size_t count)
{
    const void *plain = slices[0].data;
    size_t len = slices[0].len;
    if (len > ZKT_TLS_RECORD) {
        len = ZKT_TLS_RECORD;
    } else if (count > 1) {
        len = gather(slices, count, memory->plain);
        plain = memory->plain;
    }
    if (!stream->ops->write(stream, &memory->bytes, plain, len)) {
        /* Whatever is in the block would be sent by the next stream. */
        memory->bytes.out_len = 0;
        return -1;
    }
    return send_out(stream, &memory->bytes, fd) ? (ptrdiff_t)len : -1;
}

void zkt__secure_end(struct zkt_tls_stream *stream,
                     struct zkt_secure_memory *memory, int fd)
{
    stream->ops->end(stream, &memory->bytes);
    (void)send_out(stream, &memory->bytes, fd);
}

/* ---- receiving ---- */

ptrdiff_t zkt__secure_read(struct zkt_tls_stream *stream,
                           struct zkt_secure_memory *memory, int fd)
{
    const ptrdiff_t got = stream->ops->read(stream, &memory->bytes,
                                            memory->plain, ZKT_TLS_RECORD);
    /* Also the alert of a failure. */
    const bool sent = send_out(stream, &memory->bytes, fd);
    return sent || got == ZKT_TLS_FAILED ? got : ZKT_SECURE_LOST;
}

/* ---- HTTP instead of TLS ---- */

bool zkt__secure_is_http(const uint8_t *bytes, size_t len)
{
    return len > 0 && bytes[0] >= 'A' && bytes[0] <= 'Z';
}

/* An answer that goes to a socket in a single piece. */
struct plain_answer {
    uint8_t bytes[512];
    size_t len;
};

static void put_plain(void *user, const void *data, size_t len)
{
    struct plain_answer *answer = user;
    if (len <= sizeof(answer->bytes) - answer->len) {
        memcpy(answer->bytes + answer->len, data, len);
        answer->len += len;
    }
}

void zkt__secure_answer_http(int fd, const uint8_t *bytes, size_t len,
                             int64_t wall_ms)
{
    const bool is_head = len >= 5 && memcmp(bytes, "HEAD ", 5) == 0;
    const struct zkt_http_response response = {
        .status = 400,
        .fields = ZKT_STR("Content-Type: text/plain\r\n"),
        .common = ZKT_STR(""),
        .body = ZKT_STR("This port speaks TLS: use https://\n"),
        .wall_ms = wall_ms,
        .closes = true,
    };
    struct plain_answer answer = { .len = 0 };
    zkt__http_respond_head(&response, ZKT_HTTP_LENGTH, response.body.len,
                           put_plain, &answer);
    if (!is_head) {
        put_plain(&answer, response.body.data, response.body.len);
    }
    (void)send_some(fd, answer.bytes, answer.len);
}
