/*
 * See proxied.h. Only trusted proxies get here, and they send the header at
 * once, so that such a connection lasts for a moment: it may have a timer of
 * its own. Nothing behind the header is read from the socket.
 */
#include "net/proxied.h"

#include <errno.h>
#include <string.h>

#include "net/proxy_header.h"
#include "net/shard_driver.h"

struct proxied {
    struct zkt_source source;
    struct zkt_node node; /* in driver->proxied */
    struct zkt_shard_driver *driver;
    struct zkt_accepted accepted;
    struct zkt_proxy_header header;
    uv_timer_t timer;
};

static void on_timer_gone(uv_handle_t *handle)
{
    struct proxied *p = handle->data;
    struct zkt_loop *loop = &p->driver->loop;
    zkt__release(loop->allocator, p);
    zkt__loop_handle_gone(loop);
}

/* Lets go of the socket, which the caller closes or hands over. */
static void leave(struct proxied *p)
{
    struct zkt_loop *loop = &p->driver->loop;
    zkt__node_unlink(&p->node);
    zkt__poller_forget(&loop->poller, &p->source);
    loop->sockets--;
    uv_close((uv_handle_t *)&p->timer, on_timer_gone);
}

static void report_closed(struct zkt_loop *loop)
{
    if (loop->on_transport_closed != NULL) {
        loop->on_transport_closed(loop);
    }
}

static void drop(struct proxied *p)
{
    struct zkt_shard_driver *d = p->driver;
    leave(p);
    zkt__socket_close(p->accepted.fd);
    zkt__server_cancel_admission(d->server, p->accepted.listener);
    report_closed(&d->loop);
}

static void drop_with(struct proxied *p, const char *reason)
{
    char text[ZKT_ADDRESS_TEXT];
    zkt__socket_format_peer((const struct sockaddr *)&p->accepted.peer, text);
    zkt__server_log_address(p->driver->server, ZKT_LOG_WARNING, text,
                            "a connection of the proxy %s was dropped: %s",
                            text, reason);
    drop(p);
}

/* Puts the client that the header tells in place of the proxy. */
static void take_client(struct proxied *p)
{
    struct zkt_ip ip;
    union zkt_socket_address address = { 0 };
    if (!zkt__proxy_header_client(&p->header, &ip)) {
        return;
    }
    static const uint8_t v4[12] = { [10] = 0xff, [11] = 0xff };
    if (memcmp(ip.bytes, v4, sizeof(v4)) == 0) {
        address.v4.sin_family = AF_INET;
        memcpy(&address.v4.sin_addr, ip.bytes + 12, 4);
    } else {
        address.v6.sin6_family = AF_INET6;
        memcpy(&address.v6.sin6_addr, ip.bytes, 16);
    }
    memcpy(&p->accepted.peer, &address, sizeof(address));
}

/* The header is complete. */
static void hand_over(struct proxied *p)
{
    struct zkt_shard_driver *d = p->driver;
    take_client(p);
    leave(p);
    if (!zkt__shard_driver_attach(d, &p->accepted)) {
        report_closed(&d->loop);
    }
}

static void on_ready(struct zkt_source *source, uint32_t events)
{
    struct proxied *p = ZKT_CONTAINER(source, struct proxied, source);
    uint8_t bytes[512];
    size_t wanted;
    (void)events;
    while ((wanted = zkt__proxy_header_wants(&p->header)) > 0) {
        const ptrdiff_t got = zkt__socket_read(
            source->fd, bytes, wanted < sizeof(bytes) ? wanted : sizeof(bytes));
        if (got == -EAGAIN) {
            return;
        }
        if (got <= 0) {
            drop(p);
            return;
        }
        if (!zkt__proxy_header_take(&p->header, bytes, (size_t)got)) {
            drop_with(p, "it begins with no header of the PROXY protocol 2");
            return;
        }
    }
    hand_over(p);
}

static void on_timer(uv_timer_t *timer)
{
    struct proxied *p = timer->data;
    zkt__server_limit_hits(p->driver->server)->handshake_ms++;
    drop_with(p, "its header of the PROXY protocol is late");
}

int zkt__proxied_begin(struct zkt_shard_driver *d,
                       const struct zkt_accepted *accepted)
{
    struct zkt_loop *loop = &d->loop;
    struct proxied *p = zkt__alloc_zero(loop->allocator, 1, sizeof(*p));
    if (p == NULL) {
        return UV_ENOMEM;
    }
    p->driver = d;
    p->accepted = *accepted;
    p->source = (struct zkt_source){ .on_ready = on_ready, .fd = accepted->fd };
    const int error = zkt__poller_watch(&loop->poller, &p->source, EPOLLIN);
    if (error != 0) {
        zkt__release(loop->allocator, p);
        return error;
    }
    uv_timer_init(loop->uv, &p->timer);
    p->timer.data = p;
    loop->handles++;
    loop->sockets++;
    zkt__list_append(&d->proxied, &p->node);
    uv_timer_start(&p->timer, on_timer,
                   (uint64_t)zkt__server_limits(d->server)->handshake_ms, 0);
    on_ready(&p->source, EPOLLIN);
    return 0;
}

void zkt__proxied_drop_all(struct zkt_shard_driver *d)
{
    struct zkt_node *node;
    while ((node = zkt__list_first(&d->proxied)) != NULL) {
        drop(ZKT_CONTAINER(node, struct proxied, node));
    }
}
