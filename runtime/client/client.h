/*
 * The client as a core without I/O. A driver (the libuv adapter of net, the
 * local loopback, a test, a fuzzer) runs it through base/endpoint.h: it hands
 * over received bytes and the time. The core decides when to connect, and when
 * to connect again after a loss: its deadline says when, and its tick asks the
 * driver to.
 */
#ifndef ZKT_CLIENT_CLIENT_H
#define ZKT_CLIENT_CLIENT_H

#include "base/endpoint.h"
#include "base/work_queue.h"
#include "zocket/client.h"

/* The functions of a driver that a client calls. */
struct zkt_client_driver_ops {
    /*
     * Begins to connect. The driver answers, in this call or later, with
     * zkt__client_connected or zkt__client_connect_failed. The client calls
     * this again only after the answer, and after the former endpoint has been
     * detached.
     */
    void (*connect)(void *driver, struct zkt_client *client);
    /* Gives up connecting; the driver answers with
     * zkt__client_connect_failed. */
    void (*abort_connect)(void *driver, struct zkt_client *client);
    /* Runs a turn, as zkt_client_poll. NULL: the program runs the turns. */
    enum zkt_status (*poll)(void *driver, int timeout_ms);
    /*
     * The client is closed. The driver flushes and drops the transport
     * (detaches the endpoint), calls zkt__client_free, and frees itself. Called
     * outside of all callbacks.
     */
    void (*finish)(void *driver, struct zkt_client *client);
    /* zkt_client_post, from any thread. */
    enum zkt_status (*post)(void *driver, zkt_posted_function *fn, void *user);
    /*
     * Runs @work on the client's thread, in a later turn; from any thread.
     * Returns false if the client is closed.
     */
    bool (*post_work)(void *driver, struct zkt_work *work);
    /* Returns true if a turn may be run now. NULL: always, outside of
     * callbacks. */
    bool (*may_poll)(const void *driver);
    /* Updates the clock of the core. NULL: it is always current. */
    void (*clock)(void *driver);

    /* The following functions are for a client on a thread of its own; others
     * leave them NULL. */

    /* Returns true if the caller is on another thread than the client's. */
    bool (*is_other_thread)(void *driver);
    /*
     * From another thread: runs @fn on the client's thread, and waits until
     * end_wait sets @over.
     */
    void (*wait)(void *driver, void (*fn)(void *user), void *user, bool *over);
    /* On the client's thread: sets @over and wakes the waiting thread. */
    void (*end_wait)(void *driver, bool *over);
    /* zkt_client_close, from another thread. */
    void (*close)(void *driver, struct zkt_client *client);
};

/**
 * Makes a client for ws://@host@path; @host is "name:port" for the Host header.
 * It asks for a connection at the first tick. Strings are copied. Returns NULL
 * if there is no memory or no randomness.
 */
struct zkt_client *zkt__client_new(const struct zkt_client_options *options,
                                   struct zkt_str host, struct zkt_str path,
                                   const struct zkt_client_driver_ops *ops,
                                   void *driver);
void zkt__client_free(struct zkt_client *client);

/** The longest time that a driver waits for the server to close. */
int64_t zkt__client_close_ms(const struct zkt_client *client);
struct zkt_core *zkt__client_core(struct zkt_client *client);

/**
 * The transport is connected. Returns the endpoint to feed; its request is
 * pending. Returns NULL if there is no memory or if the connection is no longer
 * wanted: the driver drops the transport.
 */
struct zkt_endpoint *zkt__client_connected(struct zkt_client *client);
/** @reason is a short text for people; it is copied. */
void zkt__client_connect_failed(struct zkt_client *client, const char *reason);
/** The transport of the endpoint has failed, before the driver detaches it;
 * @reason is as above. */
void zkt__client_transport_failed(struct zkt_client *client,
                                  const char *reason);

/** Runs a posted function, as a callback of the client. */
void zkt__client_run_posted(struct zkt_client *client, zkt_posted_function *fn,
                            void *user);

/** Returns true if zkt_client_close was called in a callback: the driver
 * finishes when the turn ends. */
bool zkt__client_close_wanted(const struct zkt_client *client);
/**
 * Returns true if the calling thread may use the client; if not, the log says
 * so. The thread of a client is the thread that ran the program's loop last, or
 * else the thread that made the client. A client with a thread of its own
 * accepts calls of all threads and hands them over.
 */
bool zkt__client_may_call(const struct zkt_client *client);
bool zkt__client_is_in_callback(const struct zkt_client *client);
/** Returns true while a callback or a blocking call of the client is running.
 */
bool zkt__client_is_busy(const struct zkt_client *client);

void zkt__client_log(struct zkt_client *client, enum zkt_log_level level,
                     const char *format, ...) ZKT_PRINTF(3, 4);

#endif
