/*
 * The client as a core without I/O: what a driver (net's libuv adapter, the
 * local joiner, a test, a fuzzer) uses to run one. Time and bytes come in
 * through base/endpoint.h. When to connect, and again after a loss, is the
 * core's decision: its deadline says when, and its tick asks the driver to.
 */
#ifndef ZKT_CLIENT_CLIENT_H
#define ZKT_CLIENT_CLIENT_H

#include "base/endpoint.h"
#include "zocket/client.h"

/* What a client asks of the one who drives it. */
struct zkt_client_driver_ops {
    /*
     * Begin to connect. Answer, in this call or later, with
     * zkt__client_connected or zkt__client_connect_failed. It is asked again
     * only after it has answered, and the endpoint of before is detached.
     */
    void (*connect)(void *driver, struct zkt_client *client);
    /* Give up connecting; answer with zkt__client_connect_failed. */
    void (*abort_connect)(void *driver, struct zkt_client *client);
    /* Run one turn, as zkt_client_poll. NULL: turns are not ours to run. */
    enum zkt_status (*poll)(void *driver, int timeout_ms);
    /*
     * The client is closed: flush and drop the transport (detach the
     * endpoint), call zkt__client_free, then free the driver itself.
     * Called outside of all callbacks.
     */
    void (*finish)(void *driver, struct zkt_client *client);
    /* zkt_client_post, from any thread. */
    enum zkt_status (*post)(void *driver, zkt_posted_function *fn, void *user);
    /* Whether a turn may be run now. NULL: always, outside of callbacks. */
    bool (*may_poll)(const void *driver);
    /* Bring the core's clock up to date. NULL: it always is. */
    void (*clock)(void *driver);

    /* The rest is for a client on a thread of its own, NULL for others. */

    /* Whether the caller is on another thread than the client's. */
    bool (*is_other_thread)(void *driver);
    /*
     * From another thread: runs @fn on the client's, and waits until @over is
     * set by end_wait.
     */
    void (*wait)(void *driver, void (*fn)(void *user), void *user, bool *over);
    /* On the client's thread: sets @over and wakes who waits for it. */
    void (*end_wait)(void *driver, bool *over);
    /* zkt_client_close, from another thread. */
    void (*close)(void *driver, struct zkt_client *client);
};

/**
 * A client for ws://@host@path, @host being "name:port" for the Host header.
 * It asks for a connection at the first tick. Strings are copied; NULL when
 * there is no memory or no randomness.
 */
struct zkt_client *zkt__client_new(const struct zkt_client_options *options,
                                   struct zkt_str host, struct zkt_str path,
                                   const struct zkt_client_driver_ops *ops,
                                   void *driver);
void zkt__client_free(struct zkt_client *client);

/** How long a driver waits for the server to close, at most. */
int64_t zkt__client_close_ms(const struct zkt_client *client);
struct zkt_core *zkt__client_core(struct zkt_client *client);

/**
 * The transport is there: the endpoint to feed, its request already pending.
 * NULL: no memory, or no longer wanted; drop the transport.
 */
struct zkt_endpoint *zkt__client_connected(struct zkt_client *client);
/** @reason is a short text for people, copied. */
void zkt__client_connect_failed(struct zkt_client *client, const char *reason);

/** Runs what was posted, as a callback of the client's. */
void zkt__client_run_posted(struct zkt_client *client, zkt_posted_function *fn,
                            void *user);

/** zkt_client_close was called in a callback: finish when the turn ends. */
bool zkt__client_close_wanted(const struct zkt_client *client);
/**
 * Whether the calling thread may use the client; if not, the log says so. On
 * a user's loop it is the one that ran the loop last, a client with a thread
 * of its own hands over what comes from others; for the rest it is the one
 * that made it.
 */
bool zkt__client_may_call(const struct zkt_client *client);
bool zkt__client_is_in_callback(const struct zkt_client *client);
/** A callback or a blocking call of the client is running. */
bool zkt__client_is_busy(const struct zkt_client *client);

void zkt__client_log(struct zkt_client *client, enum zkt_log_level level,
                     const char *format, ...) ZKT_PRINTF(3, 4);

#endif
