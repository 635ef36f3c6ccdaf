/* See shard_driver.h. */
#include "net/shard_driver.h"

#include "net/proxied.h"
#include "net/ticks.h"

static void on_async(uv_async_t *async)
{
    struct zkt_shard_driver *d = async->data;
    if (d->on_wake != NULL && !d->loop.stopping) {
        zkt__loop_clock(&d->loop);
        d->on_wake(d);
    }
    zkt__loop_end_turn(&d->loop);
}

static void on_async_gone(uv_handle_t *handle)
{
    struct zkt_shard_driver *d = handle->data;
    zkt__loop_handle_gone(&d->loop);
}

/* All shards have the clock of the first: a call goes from one to another. */
static void find_ticks(struct zkt_server *server)
{
    struct zkt_core *core = zkt__server_core(server);
    const struct zkt_core *first = zkt__server_core(
        zkt__server_shard(server, 0));
    if (core != first) {
        core->ticks = first->ticks;
    } else if (core->measures) {
        zkt__ticks_find(&core->ticks);
    }
}

/* The peer is gone from the log, if it is gone from the socket. */
static void on_tls_failed(struct zkt_loop *loop, int fd, const char *reason)
{
    const struct zkt_shard_driver *d = ZKT_CONTAINER(
        loop, struct zkt_shard_driver, loop);
    struct zkt_accepted peer = { .fd = fd };
    socklen_t len = sizeof(peer.peer);
    char text[ZKT_ADDRESS_TEXT] = "a peer that is gone";
    if (getpeername(fd, (struct sockaddr *)&peer.peer, &len) == 0) {
        zkt__socket_format_peer((struct sockaddr *)&peer.peer, text);
    }
    zkt__server_log_address(d->server, ZKT_LOG_WARNING, text,
                            "TLS with %s has failed: %s", text, reason);
}

int zkt__shard_driver_init(struct zkt_shard_driver *d,
                           struct zkt_server *server, uv_loop_t *uv)
{
    const struct zkt_limits *limits = zkt__server_limits(server);
    find_ticks(server);
    int error = zkt__loop_init(&d->loop, uv, zkt__server_core(server),
                               zkt__server_allocator(server), limits->close_ms,
                               (size_t)limits->read_per_turn);
    if (error != 0) {
        return error;
    }
    error = uv_async_init(uv, &d->async, on_async);
    if (error != 0) {
        zkt__loop_stop(&d->loop);
        return error;
    }
    d->async.data = d;
    d->loop.handles++;
    zkt__list_init(&d->proxied);
    d->loop.on_tls_failed = on_tls_failed;
    d->server = server;
    return 0;
}

/* ---- waking ---- */

void zkt__shard_driver_wake(struct zkt_shard_driver *d)
{
    (void)uv_async_send(&d->async);
}

static void wake(void *user)
{
    zkt__shard_driver_wake(user);
}

static void wake_core(struct zkt_core *core)
{
    zkt__shard_driver_wake(core->driver);
}

static struct zkt_str certificate_of(struct zkt_endpoint *endpoint,
                                     enum zkt_certificate_part part)
{
    struct zkt_tls_stream *tls = zkt__loop_tls_of(endpoint);
    return tls != NULL ? tls->ops->certificate(tls, part)
                       : (struct zkt_str){ NULL, 0 };
}

void zkt__shard_driver_join(struct zkt_shard_driver *d,
                            void (*abandon)(struct zkt_core *core))
{
    struct zkt_core *core = zkt__server_core(d->server);
    core->driver = d;
    core->wake = wake_core;
    core->abandon = abandon;
    core->certificate = certificate_of;
    zkt__work_queue_on_wake(zkt__server_work(d->server), wake, d);
}

static void leave(struct zkt_shard_driver *d)
{
    struct zkt_core *core = zkt__server_core(d->server);
    zkt__work_queue_on_wake(zkt__server_work(d->server), NULL, NULL);
    core->driver = NULL;
    core->heard_ms = ZKT_NEVER;
    core->wake = NULL;
    core->abandon = NULL;
    core->certificate = NULL;
    zkt__server_unbind_thread(d->server);
}

void zkt__shard_driver_stop(struct zkt_shard_driver *d)
{
    if (d->server == NULL) {
        return;
    }
    zkt__proxied_drop_all(d);
    leave(d);
    zkt__loop_stop(&d->loop);
    uv_close((uv_handle_t *)&d->async, on_async_gone);
    d->server = NULL;
}

/* ---- connections ---- */

static bool report_dropped(struct zkt_shard_driver *d,
                           const struct zkt_accepted *accepted, int error)
{
    char text[ZKT_ADDRESS_TEXT];
    zkt__socket_format_peer((const struct sockaddr *)&accepted->peer, text);
    zkt__server_log_address(d->server, ZKT_LOG_WARNING, text,
                            "a connection from %s was dropped: %s", text,
                            uv_strerror(error));
    return false;
}

bool zkt__shard_driver_take(struct zkt_shard_driver *d,
                            const struct zkt_accepted *accepted)
{
    if ((accepted->listener & ZKT_LISTENER_PROXY) == 0) {
        return zkt__shard_driver_attach(d, accepted);
    }
    const int error = zkt__proxied_begin(d, accepted);
    if (error == 0) {
        return true;
    }
    zkt__socket_close(accepted->fd);
    zkt__server_cancel_admission(d->server, accepted->listener);
    return report_dropped(d, accepted, error);
}

bool zkt__shard_driver_attach(struct zkt_shard_driver *d,
                              const struct zkt_accepted *accepted)
{
    const struct sockaddr *peer = (const struct sockaddr *)&accepted->peer;
    char text[ZKT_ADDRESS_TEXT];
    int error = UV_ENOMEM;
    zkt__socket_format_address(peer, text);
    struct zkt_endpoint *endpoint = zkt__server_add_connection(
        d->server, text, accepted->listener);
    if (endpoint == NULL) {
        zkt__socket_close(accepted->fd);
    } else if ((accepted->listener & ZKT_LISTENER_TLS) != 0) {
        error = zkt__loop_attach_tls(&d->loop, accepted->fd, endpoint,
                                     zkt__server_options(d->server)->tls, NULL);
    } else {
        error = zkt__loop_attach(&d->loop, accepted->fd, endpoint);
    }
    if (error == 0) {
        zkt__loop_read_early(&d->loop, endpoint);
        return true;
    }
    return report_dropped(d, accepted, error);
}
