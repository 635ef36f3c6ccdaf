/*
 * Runs one shard of a server on a libuv loop: the sockets of its connections,
 * and the handle by which other threads wake it. The shard that listens
 * (uv_server.h) has a driver, and so has each worker thread
 * (worker_threads.h).
 */
#ifndef ZKT_NET_SHARD_DRIVER_H
#define ZKT_NET_SHARD_DRIVER_H

#include "net/listener.h"
#include "net/loop.h"
#include "server/server.h"

struct zkt_shard_driver {
    struct zkt_server *server; /* the shard; NULL after a stop */
    struct zkt_loop loop;
    uv_async_t async;
    struct zkt_list proxied; /* connections without their header: proxied.h */
    /* Called after a wake, before the turn ends; may be NULL. */
    void (*on_wake)(struct zkt_shard_driver *driver);
};

/**
 * Opens the handles of the driver on the loop. Returns 0 or a libuv error;
 * after an error, the driver is stopped, and may be freed when its
 * loop.handles is 0.
 */
int zkt__shard_driver_init(struct zkt_shard_driver *driver,
                           struct zkt_server *server, uv_loop_t *uv);

/** Joins the driver to the shard: wakes of the shard wake the loop. @abandon is
 * the core's callback. */
void zkt__shard_driver_join(struct zkt_shard_driver *driver,
                            void (*abandon)(struct zkt_core *core));

/**
 * Hands an admitted connection to the shard, on the shard's thread. Returns
 * false if that fails: the socket is closed and the reason is logged.
 */
bool zkt__shard_driver_take(struct zkt_shard_driver *driver,
                            const struct zkt_accepted *accepted);

/** As zkt__shard_driver_take, for a connection whose peer is known. */
bool zkt__shard_driver_attach(struct zkt_shard_driver *driver,
                              const struct zkt_accepted *accepted);

/** Wakes the driver. May be called from any thread until the driver stops. */
void zkt__shard_driver_wake(struct zkt_shard_driver *driver);

/** Leaves the shard, drops its sockets and closes the handles. May be called
 * again. */
void zkt__shard_driver_stop(struct zkt_shard_driver *driver);

#endif
