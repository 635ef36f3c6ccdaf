/*
 * The client as a core without I/O: what a driver (net's libuv adapter, the
 * local joiner, a test, a fuzzer) uses to run one. Time and bytes come in
 * through base/endpoint.h.
 */
#ifndef ZKT_CLIENT_CLIENT_H
#define ZKT_CLIENT_CLIENT_H

#include "base/endpoint.h"
#include "zocket/client.h"

/* What a client asks of the one who drives it. */
struct zkt_client_driver_ops {
    /*
     * Begin to connect. Answer, in this call or later, with
     * zkt__client_connected or zkt__client_connect_failed.
     */
    void (*connect)(void *driver, struct zkt_client *client);
    /* Give up connecting; answer with zkt__client_connect_failed. */
    void (*abort_connect)(void *driver, struct zkt_client *client);
    /* Run one turn, as zkt_client_poll. */
    enum zkt_status (*poll)(void *driver, int timeout_ms);
    /*
     * The client is closed: flush and drop the transport (detach the
     * endpoint), call zkt__client_free, then free the driver itself.
     * Called outside of all callbacks.
     */
    void (*finish)(void *driver, struct zkt_client *client);
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

struct zkt_core *zkt__client_core(struct zkt_client *client);

/**
 * The transport is there: the endpoint to feed, its request already pending.
 * NULL: no memory; drop the transport.
 */
struct zkt_endpoint *zkt__client_connected(struct zkt_client *client);
/** @reason is a short text for people, copied. */
void zkt__client_connect_failed(struct zkt_client *client, const char *reason);

void zkt__client_log(const struct zkt_client *client, enum zkt_log_level level,
                     const char *format, ...) ZKT_PRINTF(3, 4);

#endif
