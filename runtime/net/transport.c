/*
 * See transport.h. A connection costs a few words; the read buffer belongs to
 * the loop. While a peer is slow, its socket is polled for writing and nothing
 * is copied: pending bytes stay in the core's queue. A server closes a
 * connection by sending everything, half-closing, and waiting for the peer to
 * close, so that no reset overtakes the close frame (RFC 6455, section 7.1.1).
 * A client only waits, since the server is to close first.
 *
 * A connection of HTTP without a request needs no waiting if its peer has
 * acknowledged the last answer: there is nothing that a reset could take (RFC
 * 9112, section 9.6). If the acknowledgement is not there yet, it waits for as
 * long as one may be delayed.
 */
#include "net/transport.h"

#include <errno.h>

#include "net/socket.h"

enum {
    WRITE_PER_TURN = 16 * 1024 * 1024,
    ACKNOWLEDGED_MS = 500 /* RFC 9293, section 3.8.6.3 */
};

/* The TLS stream ends with the endpoint: a lingering socket only waits. */
static void detach(struct zkt_transport *t)
{
    struct zkt_endpoint *e = t->endpoint;
    zkt__secure_close(t->tls, t->loop->secure);
    t->tls = NULL;
    t->endpoint = NULL;
    e->transport = NULL;
    e->ops->detach(e);
}

void zkt__transport_drop(struct zkt_transport *t)
{
    struct zkt_loop *loop = t->loop;
    if (t->source.fd < 0) {
        return;
    }
    zkt__node_unlink(&t->node);
    zkt__list_append(&loop->dropped, &t->node);
    zkt__poller_forget(&loop->poller, &t->source);
    zkt__socket_close(t->source.fd);
    t->source.fd = -1;
    loop->sockets--;
    if (t->endpoint != NULL) {
        detach(t);
    }
    if (loop->on_transport_closed != NULL) {
        loop->on_transport_closed(loop);
    }
}

void zkt__transports_free_dropped(struct zkt_loop *loop)
{
    struct zkt_node *node;
    while ((node = zkt__list_first(&loop->dropped)) != NULL) {
        zkt__node_unlink(node);
        zkt__release(loop->allocator,
                     ZKT_CONTAINER(node, struct zkt_transport, node));
    }
}

void zkt__transport_watch(struct zkt_transport *t)
{
    const struct zkt_endpoint *e = t->endpoint;
    uint32_t events = 0;
    if (!t->ended && (e == NULL || e->reading || e->closing)) {
        events |= EPOLLIN;
    }
    if (t->stalled) {
        events |= EPOLLOUT;
    }
    if (zkt__poller_watch(&t->loop->poller, &t->source, events) != 0) {
        zkt__transport_drop(t);
    }
}

/* Detaches the endpoint, which has sent everything, and waits for the peer to
 * close. */
static void linger(struct zkt_transport *t)
{
    struct zkt_loop *loop = t->loop;
    if (!loop->is_client) {
        zkt__socket_finish_writing(t->source.fd);
    }
    const bool idle = t->endpoint->idle;
    detach(t);
    t->linger_until = (int64_t)uv_now(loop->uv) +
                      (idle && loop->linger_ms > ACKNOWLEDGED_MS
                           ? ACKNOWLEDGED_MS
                           : loop->linger_ms);
    zkt__node_unlink(&t->node);
    zkt__list_append(&loop->linger, &t->node);
}

/* The TLS of a socket has failed. Its peer reads the reason, an alert. */
static void fail_tls(struct zkt_transport *t, const char *reason)
{
    struct zkt_loop *loop = t->loop;
    if (reason != NULL && loop->on_tls_failed != NULL) {
        loop->on_tls_failed(loop, t->source.fd, reason);
    }
    if (loop->is_client || t->ended) {
        zkt__transport_drop(t);
        return;
    }
    t->stalled = false;
    linger(t);
    zkt__transport_watch(t);
}

/* Sends pending bytes as flush does, as records of TLS. Bytes count as sent
 * when they are encrypted: at most a record is ahead of the socket. */
static bool flush_tls(struct zkt_transport *t)
{
    struct zkt_endpoint *e = t->endpoint;
    struct zkt_secure_memory *memory = t->loop->secure;
    struct zkt_slice slices[ZKT_SOCKET_SLICES];
    size_t left = WRITE_PER_TURN;
    bool good = zkt__secure_flush(t->tls, memory, t->source.fd);
    while (good && t->tls->unsent_len == 0 && t->tls->is_open && left > 0) {
        const size_t count = e->ops->pending(e, slices, ZKT_SOCKET_SLICES);
        if (count == 0) {
            break;
        }
        const ptrdiff_t put = zkt__secure_write(t->tls, memory, t->source.fd,
                                                slices, count);
        good = put >= 0;
        if (good) {
            e->ops->sent(e, (size_t)put);
            left -= (size_t)put < left ? (size_t)put : left;
        }
    }
    t->stalled = t->tls->unsent_len > 0 || left == 0;
    if (!good) {
        zkt__transport_drop(t);
    }
    return good;
}

/*
 * Sends pending bytes, up to a limit: a connection that is owed many snapshots
 * and reads fast must not keep the others waiting. Returns false if the
 * transport was dropped.
 */
static bool flush(struct zkt_transport *t)
{
    struct zkt_endpoint *e = t->endpoint;
    struct zkt_slice slices[ZKT_SOCKET_SLICES];
    size_t left = WRITE_PER_TURN;
    if (t->tls != NULL) {
        return flush_tls(t);
    }
    t->stalled = false;
    for (;;) {
        const size_t count = e->ops->pending(e, slices, ZKT_SOCKET_SLICES);
        if (count == 0) {
            return true;
        }
        size_t wanted = 0;
        for (size_t i = 0; i < count; i++) {
            wanted += slices[i].len;
        }
        const ptrdiff_t put = zkt__socket_write(t->source.fd, slices, count);
        if (put < 0 && put != -EAGAIN) {
            zkt__transport_drop(t);
            return false;
        }
        if (put > 0) {
            e->ops->sent(e, (size_t)put);
        }
        if (put < 0 || (size_t)put < wanted || (size_t)put >= left) {
            t->stalled = true;
            return true;
        }
        left -= (size_t)put;
    }
}

/* Returns true if the endpoint closes, and all of its output is sent. Output
 * waits for the end of a TLS handshake. */
static bool is_done(struct zkt_transport *t)
{
    struct zkt_endpoint *e = t->endpoint;
    struct zkt_slice slice;
    return e->closing && !t->stalled &&
           (t->tls == NULL || t->tls->is_open ||
            e->ops->pending(e, &slice, 1) == 0);
}

/* Returns true if the peer of an endpoint that is done loses nothing when the
 * socket closes. Asked before the end of a TLS stream is sent, which nobody
 * waits for either. */
static bool may_close(const struct zkt_transport *t)
{
    return t->ended ||
           (t->endpoint->idle && zkt__socket_is_settled(t->source.fd));
}

void zkt__transport_update(struct zkt_transport *t)
{
    struct zkt_endpoint *e = t->endpoint;
    if (e->aborted) {
        zkt__transport_drop(t);
        return;
    }
    if (!flush(t)) {
        return;
    }
    const bool done = is_done(t);
    const bool at_once = done && may_close(t);
    if (done && t->tls != NULL) {
        zkt__secure_end(t->tls, t->loop->secure, t->source.fd);
    }
    if (e->aborted || at_once) {
        zkt__transport_drop(t);
        return;
    }
    if (done) {
        linger(t);
    }
    zkt__transport_watch(t);
}

/* Decrypts received bytes and feeds them to the endpoint. */
static void feed_tls(struct zkt_transport *t, size_t len)
{
    struct zkt_loop *loop = t->loop;
    struct zkt_endpoint *e = t->endpoint;
    struct zkt_secure_memory *memory = loop->secure;
    ptrdiff_t got;
    if (!t->tls->has_read && !loop->is_client &&
        zkt__secure_is_http(loop->read_buffer, len)) {
        zkt__secure_answer_http(t->source.fd, loop->read_buffer, len,
                                loop->core != NULL ? loop->core->wall_ms : 0);
        fail_tls(t, NULL);
        return;
    }
    t->tls->has_read = t->tls->has_read || len > 0;
    loop->handshakes += !t->tls->is_open;
    memory->bytes.in = loop->read_buffer;
    memory->bytes.in_len = len;
    while ((got = zkt__secure_read(t->tls, memory, t->source.fd)) > 0) {
        e->ops->feed(e, memory->plain, (size_t)got);
        if (t->source.fd < 0) {
            return; /* the core was abandoned */
        }
    }
    if (got == ZKT_SECURE_LOST) {
        zkt__transport_drop(t);
    } else if (got == ZKT_TLS_FAILED) {
        fail_tls(t, t->tls->ops->explain(t->tls));
    } else if (got == ZKT_TLS_ENDED && !t->peer_end) {
        t->peer_end = true;
        e->ops->ended(e);
    }
}

/* The peer has ended the stream of the socket. */
static void end_of_file(struct zkt_transport *t)
{
    struct zkt_endpoint *e = t->endpoint;
    t->ended = true;
    if (t->tls != NULL && !t->tls->is_open) {
        fail_tls(t, t->tls->has_read || t->loop->is_client
                        ? "the peer has closed the connection"
                        : NULL);
    } else if (!t->peer_end) {
        e->ops->ended(e);
    }
}

/* Returns true if a handshake waits for the next turn, in which the socket is
 * still readable. */
static bool must_wait(const struct zkt_transport *t)
{
    return t->endpoint != NULL && t->tls != NULL && !t->tls->is_open &&
           t->loop->handshakes >= ZKT_HANDSHAKES_PER_TURN;
}

static void read_once(struct zkt_transport *t)
{
    struct zkt_loop *loop = t->loop;
    if (must_wait(t)) {
        return;
    }
    const ptrdiff_t got = zkt__socket_read(t->source.fd, loop->read_buffer,
                                           loop->read_size);
    if (got == -EAGAIN) {
        return;
    }
    struct zkt_endpoint *e = t->endpoint;
    if (got < 0 || (got == 0 && e == NULL)) {
        zkt__transport_drop(t);
        return;
    }
    if (e == NULL) {
        return; /* lingering: discards the bytes */
    }
    if (got == 0) {
        end_of_file(t);
    } else if (t->tls != NULL) {
        feed_tls(t, (size_t)got);
    } else {
        e->ops->feed(e, loop->read_buffer, (size_t)got);
    }
}

static void on_ready(struct zkt_source *source, uint32_t events)
{
    struct zkt_transport *t = ZKT_CONTAINER(source, struct zkt_transport,
                                            source);
    const bool reads = (source->events & EPOLLIN) != 0;
    t->loop->turns++;
    if ((events & EPOLLERR) != 0 || ((events & EPOLLHUP) != 0 && !reads)) {
        zkt__transport_drop(t);
        return;
    }
    if (reads && (events & (EPOLLIN | EPOLLHUP)) != 0) {
        read_once(t);
    }
    if (t->endpoint != NULL) {
        zkt__transport_update(t);
    }
}

/* Takes ownership of @stream, or NULL. */
static int attach(struct zkt_loop *loop, int fd, struct zkt_endpoint *endpoint,
                  struct zkt_tls_stream *stream)
{
    int error = UV_ENOMEM;
    struct zkt_transport *t = zkt__alloc_zero(loop->allocator, 1,
                                              sizeof(struct zkt_transport));
    if (t == NULL) {
        goto fail_alloc;
    }
    t->tls = stream;
    t->source = (struct zkt_source){ .on_ready = on_ready, .fd = fd };
    error = zkt__poller_watch(&loop->poller, &t->source, EPOLLIN);
    if (error != 0) {
        goto fail_watch;
    }
    loop->sockets++;
    t->loop = loop;
    t->endpoint = endpoint;
    endpoint->transport = t;
    zkt__list_append(&loop->transports, &t->node);
    if (stream != NULL && loop->is_client) {
        feed_tls(t, 0); /* sends the greeting */
    }
    if (t->endpoint != NULL) {
        zkt__transport_update(t);
    }
    return 0;

fail_watch:
    zkt__release(loop->allocator, t);
fail_alloc:
    zkt__secure_close(stream, loop->secure);
    endpoint->ops->detach(endpoint);
    zkt__socket_close(fd);
    return error;
}

int zkt__loop_attach(struct zkt_loop *loop, int fd,
                     struct zkt_endpoint *endpoint)
{
    return attach(loop, fd, endpoint, NULL);
}

int zkt__loop_attach_tls(struct zkt_loop *loop, int fd,
                         struct zkt_endpoint *endpoint, struct zkt_tls *tls,
                         const char *host)
{
    if (loop->secure == NULL) {
        loop->secure = zkt__secure_memory_new(loop->allocator);
    }
    struct zkt_tls_stream *stream = loop->secure != NULL
                                        ? tls->ops->open(tls, loop->allocator,
                                                         host)
                                        : NULL;
    if (stream == NULL) {
        endpoint->ops->detach(endpoint);
        zkt__socket_close(fd);
        return UV_ENOMEM;
    }
    return attach(loop, fd, endpoint, stream);
}

struct zkt_tls_stream *zkt__loop_tls_of(const struct zkt_endpoint *endpoint)
{
    const struct zkt_transport *t = endpoint->transport;
    return t != NULL ? t->tls : NULL;
}

void zkt__loop_read_early(struct zkt_loop *loop, struct zkt_endpoint *endpoint)
{
    struct zkt_transport *t = endpoint->transport;
    if (t != NULL && endpoint->reading) {
        loop->turns++;
        read_once(t);
        if (t->endpoint != NULL) {
            zkt__transport_update(t);
        }
    }
}
