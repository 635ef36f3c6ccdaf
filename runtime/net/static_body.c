/*
 * See static_body.h. Reading from a disk blocks the thread, so a step is small
 * (ZKT_HTTP_STEP), and the next one is read when the client has taken it.
 */
#include "net/static_body.h"

#include <errno.h>
#include <unistd.h>

#include "base/list.h"
#include "net/socket.h"

struct body {
    struct zkt_http_source source;
    const struct zkt_allocator *allocator;
    int fd;
    uint64_t at, end;          /* of the bytes to read */
    void (*ended)(void *user); /* or NULL */
    void *user;
};

static struct body *body_of(struct zkt_http_source *source)
{
    return ZKT_CONTAINER(source, struct body, source);
}

static enum zkt_http_progress read_step(struct zkt_http_source *source,
                                        uint8_t *to, size_t room, size_t *len)
{
    struct body *body = body_of(source);
    ssize_t got;
    do {
        got = pread(body->fd, to, room, (off_t)body->at);
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        return ZKT_HTTP_FAILED;
    }
    *len = (size_t)got;
    body->at += (uint64_t)got;
    return body->at == body->end ? ZKT_HTTP_END : ZKT_HTTP_MORE;
}

static void close_body(struct zkt_http_source *source, bool sent)
{
    struct body *body = body_of(source);
    (void)sent;
    zkt__socket_close(body->fd);
    if (body->ended != NULL) {
        body->ended(body->user);
    }
    zkt__release(body->allocator, body);
}

struct zkt_http_source *zkt__static_body_new(
    const struct zkt_allocator *allocator, int fd, struct zkt_http_range range,
    void (*ended)(void *user), void *user)
{
    static const struct zkt_http_source_ops ops = { .read = read_step,
                                                    .close = close_body };
    struct body *body = zkt__alloc_zero(allocator, 1, sizeof(*body));
    if (body == NULL) {
        zkt__socket_close(fd);
        return NULL;
    }
    *body = (struct body){
        .source = { .ops = &ops },
        .allocator = allocator,
        .fd = fd,
        .at = range.first,
        .end = range.first + range.len,
        .ended = ended,
        .user = user,
    };
    return &body->source;
}
