/*
 * See transport.h. A connection costs a few words; the read buffer belongs to
 * the loop. While a peer is slow, its socket is polled for writing and nothing
 * is copied: pending bytes stay in the core's queue. A server closes a
 * connection by sending everything, half-closing, and waiting for the peer to
 * close, so that no reset overtakes the close frame (RFC 6455, section 7.1.1).
 * A client only waits, since the server is to close first.
 */
#include "net/transport.h"

#include <errno.h>

#include "net/socket.h"

enum {
    WRITE_PER_TURN = 16 * 1024 * 1024
};

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
        t->endpoint->transport = NULL;
        t->endpoint->ops->detach(t->endpoint);
        t->endpoint = NULL;
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
    t->endpoint->transport = NULL;
    t->endpoint->ops->detach(t->endpoint);
    t->endpoint = NULL;
    t->linger_until = (int64_t)uv_now(loop->uv) + loop->linger_ms;
    zkt__node_unlink(&t->node);
    zkt__list_append(&loop->linger, &t->node);
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
    if (e->aborted || (e->closing && t->ended && !t->stalled)) {
        zkt__transport_drop(t);
        return;
    }
    if (e->closing && !t->stalled) {
        linger(t);
    }
    zkt__transport_watch(t);
}

static void read_once(struct zkt_transport *t)
{
    struct zkt_loop *loop = t->loop;
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
        t->ended = true;
        e->ops->ended(e);
        return;
    }
    e->ops->feed(e, loop->read_buffer, (size_t)got);
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

int zkt__loop_attach(struct zkt_loop *loop, int fd,
                     struct zkt_endpoint *endpoint)
{
    int error = UV_ENOMEM;
    struct zkt_transport *t = zkt__alloc_zero(loop->allocator, 1,
                                              sizeof(struct zkt_transport));
    if (t == NULL) {
        goto fail_alloc;
    }
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
    zkt__transport_update(t);
    return 0;

fail_watch:
    zkt__release(loop->allocator, t);
fail_alloc:
    endpoint->ops->detach(endpoint);
    zkt__socket_close(fd);
    return error;
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
