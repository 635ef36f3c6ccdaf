/*
 * Clients. One client is one connection at a time, which it opens again when
 * it is lost; handles to actors are opened on it by generated functions.
 *
 * It is driven in one of three ways: by zkt_client_poll, by a libuv loop of
 * yours (options.loop), or by a thread of its own (options.thread). A client
 * belongs to one thread: its own, the one that runs your loop, or the one that
 * made it; every function is legal there in every callback, except calls that
 * block and zkt_client_poll, which give ZKT_FAILED_PRECONDITION. From other
 * threads zkt_client_post is legal, and nothing else, unless it is said here.
 * Builds of the library without NDEBUG check that: what another thread calls
 * does nothing but to say so in the log, on that thread, and fails. A library
 * that was built with NDEBUG, as for a release, does not look: there such a
 * call is a data race.
 *
 * A numeric address is connected to at once. Any other name is looked up on a
 * thread that the library starts and that ends with it (64 at most in a
 * process), so that a resolver that does not answer delays no other client, and
 * no zkt_client_close. What such a thread holds comes from the C library's
 * allocator, not from yours.
 *
 * A child of fork may exec, exit and open clients of its own. The clients of
 * its parent are not for it: it must not call, poll or close them.
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
struct uv_loop_s; /* libuv's */

enum zkt_connection {
    ZKT_CONNECTING,   /* until the first connection, however often it fails */
    ZKT_CONNECTED,    /* subscriptions have been sent */
    ZKT_RECONNECTING, /* the connection was lost; the next attempt is due */
    ZKT_DISCONNECTED  /* closed, or lost with reconnection off: for good */
};

/** "connecting", …; static. */
const char *zkt_connection_name(enum zkt_connection status);

/*
 * X(name, default, what it is). In options 0 stands for the default, and a
 * negative number turns the thing off.
 */
#define ZKT_CLIENT_LIMITS_TABLE(X)                                             \
    X(rpc_timeout_ms, 10000, "a call: waiting for the socket and the answer")  \
    X(connect_timeout_ms, 10000, "one attempt: name, socket and handshake")    \
    X(pending_calls, 65536, "calls under way at once: RESOURCE_EXHAUSTED")     \
    X(message_bytes, 67108864, "size of a message that arrives: 1009")         \
    X(fragments, 1024, "frames of one message: 1009")                          \
    X(json_depth, 64, "containers in each other, 64 at most: a misfit")        \
    X(reconnect_min_ms, 250, "before the first new attempt; then doubled")     \
    X(reconnect_max_ms, 2000, "before any new attempt, at most")               \
    X(reconnect_jitter, 50, "percent of a delay, of which a random part goes") \
    X(stable_after_ms, 5000,                                                   \
      "a connection this old begins at the first delay")                       \
    X(ping_after_ms, 30000, "silence before a ping")                           \
    X(pong_within_ms, 5000, "silence after a ping: the connection is lost")    \
    X(close_ms, 2000, "time for the server to close, after the goodbye")

/** All zero is a good set of options. */
struct zkt_client_options {
#define X(name, value, text) int64_t name;
    ZKT_CLIENT_LIMITS_TABLE(X)
#undef X
    bool no_reconnect; /* a connection that is lost, or fails, is the end */
    /*
     * Yours, borrowed until the client is closed and the loop has run once
     * more: then the client lives in it, needs no zkt_client_poll, and cannot
     * make blocking calls. It keeps the loop alive until it is closed.
     */
    struct uv_loop_s *loop;
    /*
     * The client runs on a thread of its own: callbacks run there, blocking
     * calls may be made from all others. Not together with loop.
     */
    bool thread;
    const struct zkt_allocator *allocator; /* NULL: the C library's */
    void (*log)(void *user, enum zkt_log_level level, const char *text);
    void *log_user;
    const uint8_t *random_seed; /* 32 bytes, for tests; NULL: the system's */
};

/**
 * Starts to connect to "ws://host:port/path?query" and returns at once. The
 * port is 80 if there is none; an IPv6 address stands in brackets, with
 * "%25zone" if need be; what a path or query may not hold unescaped is escaped.
 * NULL when the URL is no such thing or has user information, a fragment,
 * blanks, control characters or a host that is not ASCII, when options
 * contradict each other, or there is no memory or thread (the log says which).
 * All functions of a client take NULL, so that only the first error matters.
 */
struct zkt_client *zkt_client_open(const char *url,
                                   const struct zkt_client_options *options);

/**
 * Joins a client to @server in the same thread with no socket: for tests.
 * If the server is freed before, the client has lost its connection, and does
 * not find it again. NULL when there is no memory.
 */
struct zkt_client *zkt_client_open_local(struct zkt_server *server);

/**
 * Runs the client's loop until something happened or @timeout_ms is over
 * (negative: no limit). ZKT_OK: callbacks may have run. ZKT_DEADLINE_EXCEEDED:
 * nothing happened. ZKT_CLOSED: it is disconnected for good.
 * ZKT_FAILED_PRECONDITION: called in a callback, or the loop or thread is not
 * the caller's to run.
 */
enum zkt_status zkt_client_poll(struct zkt_client *client, int timeout_ms);

/**
 * Waits until the client is connected, @timeout_ms at most (negative: no limit;
 * 0: does not wait, and is legal everywhere). Callbacks run meanwhile, as in
 * zkt_client_poll; a client with a thread may be waited for from any other.
 * ZKT_OK: it is connected. ZKT_DEADLINE_EXCEEDED: it is not yet;
 * zkt_client_refusal says why. ZKT_CLOSED: it is disconnected for good, or was
 * closed meanwhile. ZKT_FAILED_PRECONDITION: called in a callback, or the loop
 * is yours to run.
 */
enum zkt_status zkt_client_ready(struct zkt_client *client, int timeout_ms);

/**
 * Rejects what is pending with "WebSocket client closed", says goodbye, and
 * frees the client; handles that are still open become stale but must still be
 * closed. In a callback it takes effect when the callback has returned. The
 * socket is left open until the server has closed it or close_ms have passed
 * (RFC 6455, section 7.1.1): in your loop, if you gave it one; otherwise this
 * waits for it, and for nothing else. A client with a thread may be closed from
 * any; from another than its own it returns when the thread has ended.
 *
 * Takes NULL; closing it again in the same callback is harmless. When it has
 * returned, or that callback has, @client is gone: using or closing it then is
 * an error that no build detects. So is a call on another thread that begins
 * while the client is being closed.
 */
void zkt_client_close(struct zkt_client *client);

/**
 * Runs @fn on the client's thread, in its next turn: from any thread, at any
 * time before zkt_client_close. What was posted before the end still runs,
 * once. ZKT_OK, or it will not run: ZKT_NO_MEMORY, or ZKT_CLOSED in the last
 * callbacks of a client that ends. The allocator is called from the thread
 * that posts.
 */
typedef void zkt_posted_function(struct zkt_client *client, void *user);
enum zkt_status zkt_client_post(struct zkt_client *client,
                                zkt_posted_function *fn, void *user);

/**
 * Calls @on_status in the turn of every change, in order, and not for what it
 * is now. The result is for zkt_client_off; 0: no memory.
 */
uint64_t zkt_client_on_status(struct zkt_client *client,
                              void (*on_status)(enum zkt_connection status,
                                                void *user),
                              void *user);

/**
 * Removes a listener of any kind, which is not called again; an id that is
 * gone is harmless. From any thread, if the client has one of its own.
 */
void zkt_client_off(struct zkt_client *client, uint64_t listener);

/** From any thread, if the client has one of its own. */
enum zkt_connection zkt_client_status(const struct zkt_client *client);

/**
 * The id that the server gave this connection; "" before it did, and while
 * there is none: the next one has another id. Good until the callback returns,
 * or the next turn; for callbacks alone, if the client has a thread of its own.
 */
struct zkt_str zkt_client_own_id(const struct zkt_client *client);

#define ZKT_REFUSAL_TEXT                                                       \
    128 /* a reason of RFC 6455 fits: 123 bytes and NUL                        \
         */

/* Why there is no connection. */
struct zkt_refusal {
    /*
     * What it comes to: UNAUTHENTICATED for 401 and 4401, RESOURCE_EXHAUSTED
     * for 429 and 1009 and so on; UNAVAILABLE also where no server was reached,
     * DEADLINE_EXCEEDED after connect_timeout_ms. ZKT_OK: there is nothing to
     * say, while there is a connection and before the first attempt has ended.
     */
    enum zkt_status status;
    /*
     * 100 to 599: the HTTP status of a handshake that the server refused. From
     * 1000 on: the code of the server's close frame, 1005 for one without; 1006
     * for a connection that was lost (RFC 6455, section 7.1.5). 0: none.
     */
    int code;
    /* The server's reason, or ours; one line of UTF-8, perhaps empty. */
    char text[ZKT_REFUSAL_TEXT];
};

/**
 * Why the last connection, or the last attempt, has ended. From any thread, if
 * the client has one of its own.
 */
struct zkt_refusal zkt_client_refusal(const struct zkt_client *client);

/** What has been counted so far; for callbacks alone, if it has a thread. */
struct zkt_client_stats {
    uint64_t connections, drops; /* opened, and of those lost */
    uint64_t calls, messages_in, messages_out;
    uint64_t snapshots, patches, events; /* that fitted */
    uint64_t
        over_limit;   /* messages over message_bytes, fragments, json_depth */
    uint64_t misfits; /* snapshots, patches, events, results that did not */
    uint64_t errors;  /* that the server sent, or listeners were told */
    /* What a newer server sent and was passed over: */
    uint64_t unknown_messages, unknown_events, unknown_fields, unknown_values;
};
void zkt_client_stats(const struct zkt_client *client,
                      struct zkt_client_stats *out);

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
/** Takes NULL and a zeroed one; twice is harmless. */
void zkt_reply_clear(struct zkt_reply *reply);

/* ---- for generated code ---- */

struct zkt_handle;
typedef void zkt_any_function(void);

/*
 * Opening, closing, listening and calling are legal from any thread, if the
 * client has one of its own; a snapshot is for callbacks alone. From another
 * thread each waits for the client's: hold no lock that a callback takes.
 */

/*
 * Generated functions cast between these handles and theirs; so may you, for
 * what works on the handles of all actors.
 */

/**
 * Handles to one instance share what is known of it. NULL when there is no
 * memory, or @id is not what the protocol allows: 1 to 256 bytes of UTF-8.
 * The second one takes an id with a NUL in it; @id is copied.
 */
struct zkt_handle *zkt_handle_open(struct zkt_client *client,
                                   const struct zkt_remote_actor *actor,
                                   const char *id);
struct zkt_handle *zkt_handle_open_str(struct zkt_client *client,
                                       const struct zkt_remote_actor *actor,
                                       struct zkt_str id);

/**
 * The actor and the id that it was opened with, as long as it and its client
 * are open; else "". From any thread.
 */
struct zkt_str zkt_handle_actor(const struct zkt_handle *handle);
struct zkt_str zkt_handle_actor_id(const struct zkt_handle *handle);

/**
 * The last one to close unsubscribes, in the next turn. As long as the client
 * is open, a handle that was closed is known as such, whatever is done with it,
 * until 65536 others have been closed. After the client each handle is to be
 * closed just once: with the last one their memory goes.
 */
void zkt_handle_close(struct zkt_handle *handle);

/** Blocks until the answer is there; @result may borrow from @reply. */
enum zkt_status zkt_handle_call(struct zkt_handle *handle, uint32_t method,
                                const void *input, void *result,
                                struct zkt_reply *reply);
/**
 * Calls @thunk with @done, unless that is NULL, once, and never inside of this;
 * only where there is no client any more, or no memory at all, it is called
 * from here, with ZKT_FAILED_PRECONDITION or ZKT_RESOURCE_EXHAUSTED: who tries
 * again in @done must not do so for the first. @input is encoded before it
 * returns.
 */
void zkt_handle_begin(struct zkt_handle *handle, uint32_t method,
                      const void *input,
                      void (*thunk)(zkt_any_function *done,
                                    const struct zkt_reply *reply,
                                    const void *result, void *user),
                      zkt_any_function *done, void *user);
/**
 * Listeners: @thunk gets the payload of an event, the state, or a pointer to
 * the value of a field; one for the state or a field is told what is known in
 * the next turn. 0 when there is no memory, or no @fn.
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
/**
 * What goes wrong with an instance outside of calls: a subscription that was
 * refused or ended by the server, an event or, twice in a row, a state that
 * does not fit the schema; then the state is unknown until the next connection.
 * It subscribes to nothing. What was refused or ended with UNAVAILABLE,
 * RESOURCE_EXHAUSTED, ABORTED or DEADLINE_EXCEEDED is asked for again by
 * itself; with another status, when a listener joins or after the next
 * connection.
 */
uint64_t zkt_handle_on_error(struct zkt_handle *handle,
                             void (*on_error)(const struct zkt_reply *error,
                                              void *user),
                             void *user);
/**
 * Waits until the state is known, as zkt_client_ready waits for a connection.
 * ZKT_OK: zkt_handle_snapshot has it. ZKT_FAILED_PRECONDITION: also when nobody
 * listens to the state, for then none will come. Another status: that of the
 * subscription, which was refused for good.
 */
enum zkt_status zkt_handle_ready(struct zkt_handle *handle, int timeout_ms);
/** The state as last known, or NULL; good until the next turn. */
const void *zkt_handle_snapshot(const struct zkt_handle *handle);

#ifdef __cplusplus
}
#endif
#endif
