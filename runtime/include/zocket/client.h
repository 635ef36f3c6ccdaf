/*
 * Clients. A client has a connection to a server, which it opens again when it
 * is lost. Handles to instances are opened on it by the functions of a
 * generated `X_client.h`, which also make calls and listen to events and
 * states.
 *
 *     #include <stdio.h>
 *
 *     #include "counter_client.h"
 *     #include "zocket/client.h"
 *
 *     int main(void)
 *     {
 *         const struct zkt_client_options options = {
 *             .log = zkt_log_to_stderr,
 *         };
 *         struct zkt_client *client =
 *             zkt_client_open("ws://127.0.0.1:3000", &options);
 *         struct demo_counter *counter = demo_counter_open(client, "main");
 *         const struct demo_counter_inc_input two = { .by = 2 };
 *         struct zkt_reply reply = { 0 };
 *         int32_t n = 0;
 *         if (demo_counter_call_inc(counter, &two, &n, &reply) == ZKT_OK) {
 *             printf("%d\n", (int)n);
 *         } else {
 *             fprintf(stderr, "%s\n", reply.error);
 *         }
 *         zkt_reply_clear(&reply);
 *         demo_counter_close(counter);
 *         zkt_client_close(client);
 *     }
 *
 * A client is driven in one of three ways: by zkt_client_poll and blocking
 * calls; by a libuv loop of the program (options.loop); or by a thread of its
 * own (options.thread). A *turn* is one round of that loop. Callbacks run in
 * turns, and never inside the function that registers them, but for the case
 * that zkt_handle_begin names.
 *
 * Threads: a client belongs to a thread: its own, the thread that runs the
 * program's loop, or the thread that made it. Every function may be called
 * there, in callbacks too, except calls that block and zkt_client_poll, which
 * return ZKT_FAILED_PRECONDITION in a callback. From other threads only
 * zkt_client_post may be called, and functions that say so. Builds of the
 * library without NDEBUG check that: a call on another thread does nothing but
 * log an error, on that thread, and fails. Builds with NDEBUG do not look;
 * there such a call is a data race.
 *
 * Names: a numeric address is connected to at once. Any other host is looked up
 * on a thread that the library starts and that ends with the look-up (64 at
 * most in a process), so that a resolver that does not answer delays no other
 * client and no zkt_client_close. Memory of such a thread comes from the C
 * library, not from the allocator of the options.
 *
 * Fork: a child may exec, exit and open clients of its own. It must not call,
 * poll or close the clients of its parent.
 */
#ifndef ZOCKET_CLIENT_H
#define ZOCKET_CLIENT_H

#include "zocket/allocator.h"
#include "zocket/log.h"
#include "zocket/reply.h"
#include "zocket/schema.h"
#include "zocket/status.h"
#include "zocket/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct zkt_client;
struct zkt_connect;
struct zkt_tls;
struct zkt_server;
struct uv_loop_s; /* libuv's uv_loop_t */

/** The state of a client's connection. */
enum zkt_connection {
    /* There was no connection yet, however many attempts have failed. */
    ZKT_CONNECTING,
    /* There is a connection, and subscriptions have been sent. */
    ZKT_CONNECTED,
    /* The connection was lost; the next attempt is due or under way. */
    ZKT_RECONNECTING,
    /* Closed, refused for good, or lost with no_reconnect. */
    ZKT_DISCONNECTED
};

/**
 * Returns "connecting", "connected", "reconnecting" or "disconnected"; static.
 * From any thread.
 */
const char *zkt_connection_name(enum zkt_connection status);

/*
 * X(name, default, text): the limits of a client. In options 0 stands for the
 * default, and a negative number turns the limit off; json_depth is never more
 * than 64. Names end with their unit, milliseconds or bytes. A number after the
 * colon is the code of the close frame (RFC 6455, section 7.4.1), capitals are
 * the status of the call; a mismatch counts in zkt_client_stats.
 */
#define ZKT_CLIENT_LIMITS_TABLE(X)                                             \
    X(rpc_timeout_ms, 10000, "a call: waiting for the socket and the answer")  \
    X(connect_timeout_ms, 10000, "one attempt: until the server's welcome")    \
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

/** Bytes of the text of an id of a request, with its NUL. */
#define ZKT_TRACE_SIZE 65

/**
 * The options of a client; all zero is a good set. The struct is copied. The
 * loop is borrowed until it has run once after the client was closed; the
 * allocator, until the last handle is closed and the last reply is cleared,
 * which may be after the client.
 */
struct zkt_client_options {
#define X(name, value, text) int64_t name;
    ZKT_CLIENT_LIMITS_TABLE(X)
#undef X
    /* True: a connection that is lost, or an attempt that fails, is the end. */
    bool no_reconnect;
    /*
     * A libuv loop that the program runs. The client lives in it, needs no
     * zkt_client_poll, and cannot make blocking calls. It keeps the loop alive
     * until it is closed.
     */
    struct uv_loop_s *loop;
    /* The TLS of "wss://" URLs, of zkt_tls_client (tls.h). Borrowed until the
     * client is closed. */
    struct zkt_tls *tls;
    /*
     * True: the client runs on a thread of its own, which blocks all signals.
     * Callbacks run there, blocking calls may be made from all other threads.
     * Not together with loop.
     */
    bool thread;
    /*
     * Called in a turn before every attempt to connect: sets the parameters of
     * the connection by zkt_connect_bearer and its like, a token that is fresh.
     * @connect is empty to begin with.
     *
     * Returns ZKT_OK: the client connects. ZKT_PENDING: it connects when
     * zkt_client_prepared is called; connect_timeout_ms begins then. Any other
     * status: the attempt has failed with that status as its refusal, and the
     * client comes back; but UNAUTHENTICATED, PERMISSION_DENIED,
     * INVALID_ARGUMENT, NOT_FOUND and CANCELLED are final. NULL: there are no
     * parameters but those of the URL.
     */
    enum zkt_status (*prepare)(void *user, struct zkt_connect *connect);
    /* Passed to prepare. */
    void *prepare_user;
    /*
     * Called for each call that is made, on the thread that makes it: writes
     * the id of the request that the call belongs to, a string. It is sent to
     * the server, which has it in its log (`zkt_request_id`). An id has 1 to 64
     * characters of `[A-Za-z0-9._-]`, as a traceparent of W3C Trace Context;
     * for any other text, "" among them, none is sent. NULL: none is sent.
     */
    void (*trace)(void *user, char out[ZKT_TRACE_SIZE]);
    /* Passed to trace. */
    void *trace_user;
    /* NULL: malloc and its family. */
    const struct zkt_allocator *allocator;
    /* Called with a line of text: on the client's thread, on that of
     * zkt_client_open, or on a thread that calls a function it must not call.
     * Text of the server in it is not escaped. NULL: nothing is logged. */
    void (*log)(void *user, enum zkt_log_level level, const char *text);
    /* Passed to log. */
    void *log_user;
    /* 32 bytes, for tests that repeat; NULL: from the system. */
    const uint8_t *random_seed;
};

/**
 * Opens a client for "ws://host:port/path?query", which begins to connect, and
 * returns at once. The port is 80 if there is none. "wss://" is the same by
 * TLS, with port 443. An IPv6 address stands in brackets, with "%25zone" where
 * the address needs a zone (RFC 6874). Characters that path or query may not
 * hold are escaped (RFC 3986). "ws+unix:///run/chat.sock:/path?query" is a Unix
 * socket: its absolute path, escaped, and after a colon the path of the
 * request, or nothing. @url is copied; NULL @options are the defaults.
 * zkt_client_close ends it.
 *
 * Returns NULL if the URL is no such URL, or has user information, a fragment,
 * blanks, control characters or a host that is not ASCII; if options contradict
 * each other, or lack those of TLS, or name a file that cannot be read; or if
 * there is no memory or thread. The log says which. All functions of a client
 * take NULL, so that a program may check only the first call.
 */
struct zkt_client *zkt_client_open(const char *url,
                                   const struct zkt_client_options *options);

/**
 * Opens a client that is joined to @server in the same thread, without a
 * socket: for tests. It is driven by zkt_client_poll and blocking calls, and
 * time passes only when nothing else can happen. If the server is freed first,
 * the client has lost its connection for good. Returns NULL if there is no
 * memory, or on another thread than the server's.
 */
struct zkt_client *zkt_client_open_local(struct zkt_server *server);

/**
 * Opens a client as zkt_client_open_local, with options. Its memory comes from
 * the server's allocator, and it sends no pings. Returns NULL also if the
 * options have a loop or a thread.
 */
struct zkt_client *zkt_client_open_local_with(
    struct zkt_server *server, const struct zkt_client_options *options);

/*
 * ---- parameters of a connection ----
 *
 * For `prepare`, until it has returned; if it returns ZKT_PENDING, until
 * zkt_client_prepared is called: then from any thread, one at a time. Memory
 * comes from the client's allocator, on the calling thread.
 *
 * Texts are copied, and dropped when the request has been sent. A second value
 * for the same name takes the place of the first. A NULL value sets nothing. A
 * text that a request cannot carry, or more than 16 KiB together, ends the
 * attempt with ZKT_INVALID_ARGUMENT, which is final; no memory, with
 * ZKT_RESOURCE_EXHAUSTED. The log names no value.
 */

/**
 * Sets the token of `from bearer`, in the field Authorization: visible ASCII,
 * without blanks.
 */
void zkt_connect_bearer(struct zkt_connect *connect, const char *token);

/**
 * Sets a key of the query string, behind those of the URL: any UTF-8, which is
 * percent-encoded. URLs end up in logs of servers and proxies; tokens do not
 * belong there.
 */
void zkt_connect_query(struct zkt_connect *connect, const char *key,
                       const char *value);

/**
 * Sets a header field; @name is compared without case. The value is UTF-8
 * without control characters, and without blanks at its ends. Fields of the
 * handshake itself cannot be set: Host, Upgrade, Connection, Sec-WebSocket-…
 */
void zkt_connect_header(struct zkt_connect *connect, const char *name,
                        const char *value);

/**
 * Sets a cookie. The value is visible ASCII without quotes, commas, semicolons
 * and backslashes (RFC 6265, section 4.1.1); it is sent as it is.
 */
void zkt_connect_cookie(struct zkt_connect *connect, const char *name,
                        const char *value);

/**
 * Ends a `prepare` that has returned ZKT_PENDING, or is about to, with a status
 * as it would return. From any thread, before zkt_client_close, and allocates
 * nothing. Does nothing if no prepare is pending, and for ZKT_PENDING.
 *
 * After zkt_client_close neither the client nor @connect may be used: a program
 * ends its other thread before.
 */
void zkt_client_prepared(struct zkt_client *client, enum zkt_status status);

/**
 * Runs the client's loop until something has happened, or for @timeout_ms
 * (negative: no limit). Callbacks run in it. Returns ZKT_OK; or
 * ZKT_DEADLINE_EXCEEDED: nothing happened; ZKT_CLOSED: the client is
 * disconnected for good, was closed in a callback, or is NULL;
 * ZKT_FAILED_PRECONDITION: this is a callback or another thread, or the client
 * has a loop or thread that runs it.
 */
enum zkt_status zkt_client_poll(struct zkt_client *client, int timeout_ms);

/**
 * Waits until the client is connected, for @timeout_ms at most (negative: no
 * limit; 0: does not wait, and may be called everywhere). Callbacks run
 * meanwhile, as in zkt_client_poll. A client with a thread may be waited for
 * from any other. Returns ZKT_OK: it is connected; ZKT_DEADLINE_EXCEEDED: not
 * yet, and zkt_client_refusal says why; ZKT_CLOSED: it is disconnected for
 * good, was closed meanwhile, or is NULL; ZKT_FAILED_PRECONDITION: this is a
 * callback, or the program runs the loop; ZKT_SYSTEM: the loop has failed.
 */
enum zkt_status zkt_client_ready(struct zkt_client *client, int timeout_ms);

/**
 * Ends the pending calls with ZKT_CANCELLED, closes the connection and frees
 * the client. Handles that are open become stale and still have to be closed.
 * In a callback it takes effect when the callback has returned.
 *
 * The socket stays open until the server has closed it or close_ms have passed
 * (RFC 6455, section 7.1.1): in the program's loop if the client has that,
 * otherwise this function waits, for that alone. A client with a thread may be
 * closed from any thread; from another than its own it returns when the thread
 * has ended.
 *
 * Takes NULL; closing it again in the same callback is harmless. When this, or
 * that callback, has returned, @client is gone: using or closing it then is an
 * error that no build detects. So is a call on another thread that begins while
 * the client is being closed.
 */
void zkt_client_close(struct zkt_client *client);

/** A function that zkt_client_post runs, with its @user. */
typedef void zkt_posted_function(struct zkt_client *client, void *user);

/**
 * Runs @fn on the client's thread, in its next turn or, if more than 256 wait,
 * in a later turn, in the order of posting. From any thread, at any time before
 * zkt_client_close. Returns ZKT_OK: @fn runs once, also if the client is closed
 * first; ZKT_NO_MEMORY, or ZKT_CLOSED in the last callbacks of a client that
 * ends or for NULL: it does not run. Memory comes from the client's allocator,
 * on the calling thread.
 */
enum zkt_status zkt_client_post(struct zkt_client *client,
                                zkt_posted_function *fn, void *user);

/**
 * Listens to the state of the connection: calls @on_status in the turn of every
 * change, in order, and not for the present state. Returns an id for
 * zkt_client_off, or 0 if there is no memory. From any thread, if the client
 * has one of its own.
 */
uint64_t zkt_client_on_status(struct zkt_client *client,
                              void (*on_status)(enum zkt_connection status,
                                                void *user),
                              void *user);

/**
 * Removes a listener of any kind; it is not called again. An id that is gone,
 * or 0, is harmless. From any thread, if the client has one of its own.
 */
void zkt_client_off(struct zkt_client *client, uint64_t listener);

/**
 * Returns the state of the connection; ZKT_DISCONNECTED for NULL. From any
 * thread, if the client has one of its own.
 */
enum zkt_connection zkt_client_status(const struct zkt_client *client);

/**
 * Returns the id that the server gave this connection, the zkt_client_id of its
 * calls; "" before that, and while there is no connection. The next connection
 * has another id. Good until the callback returns, or the next turn. On the
 * client's thread only.
 */
struct zkt_str zkt_client_own_id(const struct zkt_client *client);

/*
 * The size of the text of a refusal: a reason of a close frame, at most 123
 * bytes (RFC 6455, section 5.5), and a NUL. A longer text is cut.
 */
#define ZKT_REFUSAL_TEXT 128

/** Why there is no connection. */
struct zkt_refusal {
    /*
     * The reason as a status: UNAUTHENTICATED for 401 and 4401,
     * RESOURCE_EXHAUSTED for 429 and 1009 and so on; UNAVAILABLE also if no
     * server was reached, DEADLINE_EXCEEDED after connect_timeout_ms; the
     * status of a `prepare` that has failed. ZKT_OK: there is no reason, while
     * there is a connection and before the first attempt has ended.
     */
    enum zkt_status status;
    /*
     * 100 to 599: the HTTP status of a handshake that the server refused. From
     * 1000 on: the code of the server's close frame, 1005 for a frame without
     * code, 1006 for a connection that was lost (RFC 6455, section 7.1.5). 0:
     * neither.
     *
     * 400, 403, 404, 4400, 4403 and 4404 are final: the client is
     * ZKT_DISCONNECTED. After 401 and 4401 it connects at once, with the
     * parameters of another `prepare`; without prepare, or a second time before
     * a connection has lasted for stable_after_ms, they are final, too. After
     * any other code it comes back.
     */
    int code;
    /* The server's reason, or the library's; a line of UTF-8, perhaps empty,
     * with a NUL. */
    char text[ZKT_REFUSAL_TEXT];
};

/**
 * Returns why the last connection, or the last attempt, has ended. From any
 * thread, if the client has one of its own.
 */
struct zkt_refusal zkt_client_refusal(const struct zkt_client *client);

/** Counters of a client, since it was opened. */
struct zkt_client_stats {
    /* Connections that were opened, and those of them that were lost. */
    uint64_t connections, drops;
    /* Calls that were begun; messages of all kinds. */
    uint64_t calls, messages_in, messages_out;
    /* Those that fitted the schema. */
    uint64_t snapshots, patches, events;
    /* Messages over message_bytes, fragments or json_depth. */
    uint64_t over_limit;
    /* Snapshots, patches, events, results, progress and chunks that did not fit
     * the schema. */
    uint64_t mismatches;
    /* Errors that the server sent, or that listeners were given. */
    uint64_t errors;
    /* Parts of messages from a newer server, which were ignored. */
    uint64_t unknown_messages, unknown_events, unknown_fields, unknown_values;
};

/**
 * Stores the counters in *@out; zeros for NULL. On the client's thread only.
 */
void zkt_client_stats(const struct zkt_client *client,
                      struct zkt_client_stats *out);

/* ---- cancelling calls ---- */

/**
 * Cancels a call by the id that a `…_begin_…` function has returned: `done`
 * runs with ZKT_CANCELLED in the next turn. A call that was not sent yet never
 * is. Of another the server is told, unless it is an older one; the method may
 * have run all the same. Nothing happens if the call has ended, or for 0. On
 * the client's thread only, callbacks included.
 */
void zkt_client_cancel(struct zkt_client *client, uint64_t call);

/*
 * ---- for generated code ----
 *
 * Opening, closing, listening and calling may be done from any thread, if
 * options.thread is set; a snapshot is for callbacks alone. From another thread
 * each of these waits for the client's thread: hold no lock that a callback
 * takes.
 *
 * Generated functions cast between these handles and those of their actors. A
 * program may do the same, for code that works on the handles of all actors.
 */

struct zkt_handle;

/** A function of any type, which a thunk casts back. */
typedef void zkt_any_function(void);

/**
 * Opens a handle to the instance @id of @actor. Handles to the same instance
 * share its state and its subscriptions. @id is 1 to 256 bytes of UTF-8, and is
 * copied; @actor is borrowed as long as the client. Returns NULL if @id is
 * anything else, @client is NULL, or there is no memory.
 */
struct zkt_handle *zkt_handle_open(struct zkt_client *client,
                                   const struct zkt_remote_actor *actor,
                                   const char *id);

/** Opens a handle as zkt_handle_open, with an id that may hold a NUL. */
struct zkt_handle *zkt_handle_open_str(struct zkt_client *client,
                                       const struct zkt_remote_actor *actor,
                                       struct zkt_str id);

/**
 * Returns the name of the actor that the handle was opened with; "" once the
 * handle or its client is closed. From any thread.
 */
struct zkt_str zkt_handle_actor(const struct zkt_handle *handle);

/** Returns the actorId, as zkt_handle_actor. */
struct zkt_str zkt_handle_actor_id(const struct zkt_handle *handle);

/**
 * Closes a handle and removes its listeners. The last listener of an instance
 * unsubscribes, in the next turn. The last handle leaves the instance, in the
 * next turn or when the last call to it has ended: the server ends the contact,
 * and its `disconnect` runs; an older server does so with the connection. Takes
 * NULL.
 *
 * As long as the client is open, a handle that was closed is known as such in
 * every function, until 65536 others have been closed. After the client was
 * closed, close each handle that is still open exactly once, and use no handle
 * that was closed: with the last of them their memory goes, and no build checks
 * that.
 */
void zkt_handle_close(struct zkt_handle *handle);

/**
 * Calls method number @method and blocks until the reply. @input is borrowed,
 * NULL for a method without input; the result is stored in *@result and may
 * borrow from @reply. @reply may be NULL if the result holds no pointers.
 *
 * Returns ZKT_OK or the status of the failed call, which @reply has with its
 * text: that of the handler; ZKT_INVALID_ARGUMENT: the input breaks a rule, and
 * nothing was sent, or @reply is NULL and the result needs it;
 * ZKT_DEADLINE_EXCEEDED after rpc_timeout_ms, if the call was sent after 500 ms
 * more, for the answer of the server, which is given the same time;
 * ZKT_UNAVAILABLE: the connection was lost, and the call may have run
 * ("WebSocket closed: …"), or the client is disconnected, and it was not sent
 * ("not connected: …"); ZKT_CANCELLED: zkt_client_cancel, or the client was
 * closed; ZKT_RESOURCE_EXHAUSTED: pending_calls is reached, or there is no
 * memory; ZKT_INTERNAL: the result does not fit the schema;
 * ZKT_FAILED_PRECONDITION: this is a callback or another thread, the handle is
 * closed or NULL, or the program runs the loop.
 */
enum zkt_status zkt_handle_call(struct zkt_handle *handle, uint32_t method,
                                const void *input, void *result,
                                struct zkt_reply *reply);

/**
 * Begins to call method number @method and returns at once. @input is encoded
 * before it returns. @thunk runs once, in a later turn, with @done, a reply
 * with the statuses of zkt_handle_call, and the result, or NULL after a
 * failure; all of them good until it returns. A NULL @done is not told. Returns
 * the id of the call, for zkt_client_cancel; 0: it has ended already.
 *
 * There is a case in which @thunk is called from within: if nothing can be kept
 * for later. Then the status is ZKT_FAILED_PRECONDITION (no client, a closed
 * handle, another thread) or ZKT_RESOURCE_EXHAUSTED (no memory at all). A @done
 * that tries again must not do so after the first.
 */
uint64_t zkt_handle_begin(struct zkt_handle *handle, uint32_t method,
                          const void *input,
                          void (*thunk)(zkt_any_function *done,
                                        const struct zkt_reply *reply,
                                        const void *result, void *user),
                          zkt_any_function *done, void *user);

/* Takes the progress of a call, or the chunks of a stream, by its real type;
 * *@value is borrowed until it returns. */
typedef void zkt_part_thunk(zkt_any_function *on_part, const void *value,
                            void *user);

/**
 * Begins a call as zkt_handle_begin does, of a method that reports progress or
 * is a stream: @part calls @on_part for each report or chunk, in order, before
 * @thunk runs; either may be NULL. A chunk that does not fit the schema ends
 * the call with ZKT_INTERNAL. The limit rpc_timeout_ms of a stream counts until
 * its first chunk.
 */
uint64_t zkt_handle_begin_parts(struct zkt_handle *handle, uint32_t method,
                                const void *input, zkt_part_thunk *part,
                                zkt_any_function *on_part,
                                void (*thunk)(zkt_any_function *done,
                                              const struct zkt_reply *reply,
                                              const void *result, void *user),
                                zkt_any_function *done, void *user);

/** Calls method number @method as zkt_handle_call does, and @on_part while it
 * blocks. */
enum zkt_status zkt_handle_call_parts(struct zkt_handle *handle,
                                      uint32_t method, const void *input,
                                      void *result, zkt_part_thunk *part,
                                      zkt_any_function *on_part, void *user,
                                      struct zkt_reply *reply);

/**
 * Calls a listener by its real type. @value is the payload of an event (NULL if
 * it has none), the state, or a pointer to the value of a field; borrowed until
 * it returns.
 */
typedef void zkt_listener_thunk(zkt_any_function *fn, const void *value,
                                void *user);

/**
 * Listens to event number @event of the instance; the first listener
 * subscribes. @fn is called by @thunk in the turn of every event. Returns an id
 * for zkt_client_off, or 0 if there is no memory, no @fn, or no open handle.
 */
uint64_t zkt_handle_on(struct zkt_handle *handle, uint32_t event,
                       zkt_listener_thunk *thunk, zkt_any_function *fn,
                       void *user);

/**
 * Listens to the state as zkt_handle_on does to an event: @fn is called with
 * the known state in the next turn, and after every change.
 */
uint64_t zkt_handle_subscribe(struct zkt_handle *handle,
                              zkt_listener_thunk *thunk, zkt_any_function *fn,
                              void *user);

/**
 * Listens to field number @field of the state as zkt_handle_subscribe does to
 * all of it: @fn is called with the known value in the next turn, after a
 * snapshot in which the field differs, and after a patch that touches it.
 */
uint64_t zkt_handle_watch(struct zkt_handle *handle, uint32_t field,
                          zkt_listener_thunk *thunk, zkt_any_function *fn,
                          void *user);

/** The kinds of changes that an observer is told. */
enum zkt_observed_kind {
    /* The list or map as a whole. */
    ZKT_OBSERVED_RESET,
    /* A map: an entry was added, or its value has changed. */
    ZKT_OBSERVED_PUT,
    /* A list: an item is new at its index, or has changed there. */
    ZKT_OBSERVED_INSERTED,
    ZKT_OBSERVED_CHANGED,
    /* An entry, or the item at an index, is gone. */
    ZKT_OBSERVED_REMOVED
};

/** A change of a list or map; borrowed until the thunk returns. */
struct zkt_observed {
    enum zkt_observed_kind kind;
    /* The key of an entry. */
    struct zkt_str key;
    /* The index of an item, in a list with all changes before this. */
    size_t index;
    /* The list or map; or the item, or the value of the entry; NULL: removed.
     * As in the state, which has all changes already. */
    const void *value;
};

/** Calls a function of *@observer by its real type. */
typedef void zkt_observer_thunk(const void *observer,
                                const struct zkt_observed *change, void *user);

/**
 * Observes field number @field of the state, a list or a map: calls @thunk with
 * a copy of the @size bytes of *@observer for each change of a patch, in an
 * order that makes the old value the new. It is called with a reset in the next
 * turn, if the state is known; after a snapshot in which the field differs; and
 * after a patch that sets the field, changes a list in more than 256 places, or
 * needs memory that there is not. Returns an id as zkt_handle_on. Patches cost
 * more only for instances with observers.
 */
uint64_t zkt_handle_observe(struct zkt_handle *handle, uint32_t field,
                            zkt_observer_thunk *thunk, const void *observer,
                            size_t size, void *user);

/**
 * Listens to failures of an instance outside of calls: a subscription that the
 * server refused or ended; an event that does not fit the schema; or, twice in
 * a row, a state that does not, which is then unknown until the next
 * connection. It subscribes to nothing. Returns an id as zkt_handle_on.
 *
 * A subscription that was refused or ended with UNAVAILABLE,
 * RESOURCE_EXHAUSTED, ABORTED or DEADLINE_EXCEEDED is asked for again without
 * help, not before the error's retry_after_ms; with another status, when a
 * listener joins or after the next connection.
 */
uint64_t zkt_handle_on_error(struct zkt_handle *handle,
                             void (*on_error)(const struct zkt_reply *error,
                                              void *user),
                             void *user);

/**
 * Listens to a broadcast of the server, as zkt_handle_on does to an event, for
 * generated code; @broadcast is borrowed as long as the client. The first
 * listener asks the server for broadcasts, and each connection anew; a server
 * that knows none is not asked. Returns an id as zkt_handle_on.
 */
uint64_t zkt_client_on_broadcast(struct zkt_client *client,
                                 const struct zkt_event *broadcast,
                                 zkt_listener_thunk *thunk,
                                 zkt_any_function *fn, void *user);

/**
 * Waits until the state is known, as zkt_client_ready waits for a connection.
 * Returns ZKT_OK: zkt_handle_snapshot has it; the statuses of zkt_client_ready;
 * ZKT_FAILED_PRECONDITION also if no listener subscribes to the state, since
 * none will come, or the handle is closed; or the status of a subscription that
 * was refused for good.
 */
enum zkt_status zkt_handle_ready(struct zkt_handle *handle, int timeout_ms);

/**
 * Returns the last known state, or NULL if there is none; good until the next
 * turn. On the client's thread only.
 */
const void *zkt_handle_snapshot(const struct zkt_handle *handle);

#ifdef __cplusplus
}
#endif
#endif
