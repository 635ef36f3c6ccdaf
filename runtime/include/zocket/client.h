/*
 * Clients. One client is one connection; handles to actors are opened on it
 * by generated functions. A client belongs to the thread that made it; every
 * function is legal in every callback, except blocking calls, which give
 * ZKT_FAILED_PRECONDITION there.
 */
#ifndef ZOCKET_CLIENT_H
#define ZOCKET_CLIENT_H

#include "zocket/allocator.h"
#include "zocket/schema.h"
#include "zocket/status.h"
#include "zocket/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct zkt_client;
struct zkt_server;

enum zkt_connection {
    ZKT_CONNECTING,
    ZKT_CONNECTED,
    ZKT_RECONNECTING,
    ZKT_DISCONNECTED
};

/** All zero is a good set of options. */
struct zkt_client_options {
    int64_t rpc_timeout_ms;     /* 0: 10 000; negative: none */
    int64_t connect_timeout_ms; /* 0: 10 000; negative: none */
    size_t message_bytes;       /* largest message accepted; 0: 64 MiB */
    const struct zkt_allocator *allocator; /* NULL: the C library's */
    void (*log)(void *user, enum zkt_log_level level, const char *text);
    void *log_user;
    const uint8_t *random_seed; /* 32 bytes, for tests; NULL: the system's */
};

/**
 * Starts to connect to "ws://host:port/path" and returns at once. NULL when
 * the URL is no such thing or there is no memory (the log says which). All
 * functions of a client take NULL, so that only the first error matters.
 */
struct zkt_client *zkt_client_open(const char *url,
                                   const struct zkt_client_options *options);

/**
 * Joins a client to @server in the same thread with no socket: for tests.
 * Close it before the server is freed. NULL when there is no memory.
 */
struct zkt_client *zkt_client_open_local(struct zkt_server *server);

/**
 * Runs the client's loop until something happened or @timeout_ms is over
 * (negative: no limit). ZKT_OK: callbacks may have run. ZKT_DEADLINE_EXCEEDED:
 * nothing happened. ZKT_CLOSED: the connection is gone and will not come back.
 * ZKT_FAILED_PRECONDITION: called in a callback.
 */
enum zkt_status zkt_client_poll(struct zkt_client *client, int timeout_ms);

/**
 * Rejects what is pending with "WebSocket client closed", says goodbye, and
 * frees the client; handles that are still open become stale but must still be
 * closed. In a callback it takes effect when the callback has returned.
 */
void zkt_client_close(struct zkt_client *client);

/** Removes a listener of any kind; an id that is gone is harmless. */
void zkt_client_off(struct zkt_client *client, uint64_t listener);

enum zkt_connection zkt_client_status(const struct zkt_client *client);

/** The id that the server gave this connection; "" before it did. */
struct zkt_str zkt_client_own_id(const struct zkt_client *client);

/**
 * The outcome of a call. For blocking calls: zero to start, owns what one or
 * more calls returned, zkt_reply_clear once at the end. In a callback: only
 * to read, good until the callback returns.
 */
struct zkt_reply {
    enum zkt_status status;
    const char *error; /* text; "" on success, never NULL after a call */
    void *memory_;
};
void zkt_reply_clear(struct zkt_reply *reply);

/* ---- for generated code ---- */

struct zkt_handle;
typedef void zkt_any_function(void);

struct zkt_handle *zkt_handle_open(struct zkt_client *client,
                                   const struct zkt_remote_actor *actor,
                                   const char *id);
void zkt_handle_close(struct zkt_handle *handle);

/** Blocks until the answer is there; @result may borrow from @reply. */
enum zkt_status zkt_handle_call(struct zkt_handle *handle, uint32_t method,
                                const void *input, void *result,
                                struct zkt_reply *reply);
/** Calls @thunk with @done, once and never before it returns. */
void zkt_handle_begin(struct zkt_handle *handle, uint32_t method,
                      const void *input,
                      void (*thunk)(zkt_any_function *done,
                                    const struct zkt_reply *reply,
                                    const void *result, void *user),
                      zkt_any_function *done, void *user);
/**
 * Listeners: @thunk gets the payload of an event, the state, or a pointer to
 * the value of a field. 0 when there is no memory.
 */
typedef void zkt_listener_thunk(zkt_any_function *fn, const void *value,
                                void *user);
uint64_t zkt_handle_on(struct zkt_handle *handle, uint32_t event,
                       zkt_listener_thunk *thunk, zkt_any_function *fn,
                       void *user);
uint64_t zkt_handle_subscribe(struct zkt_handle *handle,
                              zkt_listener_thunk *thunk, zkt_any_function *fn,
                              void *user);
uint64_t zkt_handle_watch(struct zkt_handle *handle, uint32_t field,
                          zkt_listener_thunk *thunk, zkt_any_function *fn,
                          void *user);
/** The state as last known, or NULL. */
const void *zkt_handle_snapshot(const struct zkt_handle *handle);

#ifdef __cplusplus
}
#endif
#endif
