/*
 * One shard of a server on a libuv loop: the sockets of its connections, and
 * the handle by which other threads wake it. What listens (uv_server.h) is one
 * of these, and so is each of those that it hands sockets to
 * (worker_threads.h).
 */
#ifndef ZKT_NET_SHARD_DRIVER_H
#define ZKT_NET_SHARD_DRIVER_H

#include "net/loop.h"
#include "net/socket.h"
#include "server/server.h"

struct zkt_shard_driver {
    struct zkt_server *server; /* the shard; NULL: stopped */
    struct zkt_loop loop;
    uv_async_t async;
    /* Another thread has woken it, whose turn is about to end; may be NULL. */
    void (*on_wake)(struct zkt_shard_driver *driver);
};

/**
 * On the loop, but not yet joined to the shard. 0 or a libuv error, after
 * which it is stopped, and gone when its loop.handles have become 0.
 */
int zkt__shard_driver_init(struct zkt_shard_driver *driver,
                           struct zkt_server *server, uv_loop_t *uv);

/** What wakes the shard wakes the loop from now on. @abandon as in the core. */
void zkt__shard_driver_join(struct zkt_shard_driver *driver,
                            void (*abandon)(struct zkt_core *core));

/**
 * The shard receives a connection that was admitted, on its own thread. False:
 * the socket is closed already, and the log says why.
 */
bool zkt__shard_driver_take(struct zkt_shard_driver *driver, int fd,
                            const struct sockaddr *peer);

/** Wakes it, until it is stopped: from any thread. */
void zkt__shard_driver_wake(struct zkt_shard_driver *driver);

/** Leaves the shard, drops its sockets and closes the handles. Again: no. */
void zkt__shard_driver_stop(struct zkt_shard_driver *driver);

#endif
