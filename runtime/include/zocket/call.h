/*
 * Inside a handler: the questions that the running call answers, and the things
 * it can do. A handler is given a struct of its actor, `call`: call->state is
 * the state to read, and call->zkt the `struct zkt_call *` of the functions
 * here.
 *
 *     #include "counter_server.h"
 *     #include "zocket/call.h"
 *
 *     enum zkt_status inc(struct demo_counter_call *call,
 *                         const struct demo_counter_inc_input *in,
 *                         int32_t *out)
 *     {
 *         if (call->state->n > INT32_MAX - in->by) {
 *             const struct zkt_str id = zkt_instance_id(call->zkt);
 *             return zkt_fail(call->zkt, ZKT_FAILED_PRECONDITION,
 *                             "the counter %.*s is full", ZKT_ARG(id));
 *         }
 *         demo_counter_set_n(call, call->state->n + in->by);
 *         *out = call->state->n;
 *         return ZKT_OK;
 *     }
 *
 * A call is atomic: its changes and events take effect together when the
 * handler returns ZKT_OK, and not at all when it fails. A call is *poisoned*
 * when something goes wrong in it that a handler need not look for: a rule that
 * a value breaks, an index past the end, no memory. Such a call fails, also
 * when its handler returns ZKT_OK, with INTERNAL or RESOURCE_EXHAUSTED, and the
 * log has the reason.
 *
 * Memory: every pointer that is handed out here is borrowed and good until the
 * call ends, unless its comment says otherwise.
 *
 * After its handler, and between its halves, a call does nothing, and the log
 * says so, until another call has its memory.
 *
 * Threads: all of this is for the thread that runs the handler, while it runs,
 * but for the functions of handles (zkt_deferred_…) and those that make
 * targets, which are for any thread.
 */
#ifndef ZOCKET_CALL_H
#define ZOCKET_CALL_H

#include <stdarg.h>

#include "zocket/log.h"
#include "zocket/status.h"
#include "zocket/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct zkt_call;
struct zkt_cursor;
struct zkt_deferred;
struct zkt_server;

/**
 * Sets the error of the call and returns the status for the handler to return:
 * `return zkt_fail(call->zkt, ZKT_NOT_FOUND, "no such room")`. Without that
 * return it has no effect. The caller reads code and text. For ZKT_INTERNAL the
 * text is only logged, and the caller reads "internal error". A @status that is
 * not a code of the protocol (ZKT_OK, ZKT_PENDING, a negative number) becomes
 * ZKT_INTERNAL, and the log names it. An empty text becomes the code's own.
 * @format is as for printf; the text is copied.
 */
enum zkt_status zkt_fail(struct zkt_call *call, enum zkt_status status,
                         const char *format, ...) ZKT_PRINTF(3, 4);

/**
 * Tells the caller of a call that fails to try again after @ms milliseconds,
 * whatever the code. It goes with the failure, before or after zkt_fail; 0
 * takes it back.
 */
void zkt_retry_after(struct zkt_call *call, int64_t ms);

/**
 * Returns formatted text in the call's memory, as for printf. Without memory it
 * returns the empty string and poisons the call.
 */
struct zkt_str zkt_format(struct zkt_call *call, const char *format, ...)
    ZKT_PRINTF(2, 3);

/**
 * Returns @count * @size zeroed bytes of the call's memory, aligned to 16
 * bytes; they need no release. Returns NULL, and poisons the call, if there is
 * no memory, the limit call_bytes is reached, or the product overflows.
 */
void *zkt_alloc(struct zkt_call *call, size_t count, size_t size);

/** zkt_alloc of @n zeroed objects of type @T: ZKT_NEW(call->zkt, int, 3). */
#define ZKT_NEW(call, T, n) ((T *)zkt_alloc((call), (n), sizeof(T)))

/**
 * Returns an id that nobody can guess: @bytes random bytes, from 1 to 64, in
 * lower-case hex. Returns "" in a cancelled call, and, with the call poisoned,
 * if there is no memory.
 */
struct zkt_str zkt_random_id(struct zkt_call *call, size_t bytes);

/**
 * Returns a random number from 0 to @below - 1, evenly spread; 0 if @below is
 * 0, and in a cancelled call.
 */
uint32_t zkt_random(struct zkt_call *call, uint32_t below);

/**
 * Returns the time in milliseconds since the epoch. It stays the same until the
 * handler returns; a second half has the time at which it runs.
 */
int64_t zkt_now_ms(const struct zkt_call *call);

/**
 * Returns the id of the connection that has made the call, or for which the
 * hook runs; "" in `activate`, `deactivate` and timers, which no connection
 * causes.
 */
struct zkt_str zkt_client_id(const struct zkt_call *call);

/**
 * Returns the id of the request that the call belongs to: 1 to 64 characters of
 * `[A-Za-z0-9._-]`. The caller has given it (`trace`), or the server makes one,
 * which is unique among its servers and in time. All lines that the log has of
 * the call have it, and so have the calls that it tells or asks, those that it
 * begins on the server (`…_run`, `…_invoke_…`), timers that it starts and that
 * fire once, and the hooks `activate` and `connect` before it. Other hooks and
 * timers have ids of their own.
 *
 * Returns "" without memory, and in a cancelled call whose id was neither given
 * nor returned before.
 */
struct zkt_str zkt_request_id(struct zkt_call *call);

/**
 * Writes a line to the log of the server, with the fields of the call: its
 * request, connection, instance and name. @format is as for printf; lines of
 * the same @format, a literal, are a kind, of which log_per_second are written.
 * At most 1 KiB is kept, and text of peers is escaped where it has to be. In a
 * cancelled call it does nothing.
 */
void zkt_log(const struct zkt_call *call, enum zkt_log_level level,
             const char *format, ...) ZKT_PRINTF(3, 4);

/** Returns the actorId of the instance. */
struct zkt_str zkt_instance_id(const struct zkt_call *call);

/**
 * Returns the ids of all connections that are in contact with the instance, in
 * order of arrival: with the new connection in `connect`, without the leaving
 * connection in `disconnect`. The list is empty in a cancelled call; it is
 * empty as well, and the call poisoned, if there is no memory.
 */
struct zkt_str_list zkt_clients(struct zkt_call *call);

/**
 * Returns the member user of the app's handlers. It is the program's: the
 * runtime never reads it, and with several threads does not protect it.
 */
void *zkt_user(const struct zkt_call *call);

/**
 * Returns why a connection has ended, in `disconnect` and `close`: the code of
 * the close frame (RFC 6455, section 7.4), the client's or the server's; 1005
 * for a frame without a code, 1006 for a connection that was lost. Returns 0 in
 * `disconnect` if the connection goes on: the client has left the instance, or
 * was expelled. Returns 0 in every other handler.
 */
unsigned zkt_close_code(const struct zkt_call *call);

/** Returns the reason in that close frame; "" without one. It is what the peer
 * sent, at most 123 bytes of UTF-8. */
struct zkt_str zkt_close_reason(const struct zkt_call *call);

/** The kinds of subscriptions of a connection to an instance. */
enum zkt_subscription {
    ZKT_SUBSCRIPTION_STATE,
    ZKT_SUBSCRIPTION_EVENTS
};

/**
 * Ends the contact of a connection with this instance, when the call is
 * committed: its subscriptions and the messages of its that wait here fail with
 * @code and @text, `disconnect` runs, and nothing more is sent to it. The
 * connection stays open, and its next message is a new contact, for which
 * `connect` runs. The running call itself is answered, if it is that client's.
 * An id that is not in contact is ignored, and so is a client that the call has
 * expelled before. @text is copied; "" stands for the
 * text of the code. Poisons the call if there is no memory.
 */
void zkt_expel(struct zkt_call *call, struct zkt_str client_id,
               enum zkt_status code, const char *text);

/*
 * ---- the connection ----
 *
 * A call has a connection if one has caused it: in `open`, `close` and
 * middleware, in methods, and in `connect`, `subscribe` and `disconnect`. Its
 * data, which the schema declares, are call->connection of the generated
 * structs. `demo_connection_set_F` writes a field of them: the call sees it at
 * once, other calls after this one has succeeded, and before its caller reads
 * the result.
 */

/** Returns the numeric address of the client, as its socket or a trusted proxy
 * tells it (server.h); "" without a connection, and for connections of a Unix
 * socket without such a proxy. */
struct zkt_str zkt_remote_address(const struct zkt_call *call);

/**
 * In `open`: returns the first header field of the request with that name,
 * whose case does not matter; data is NULL if there is none, and in any other
 * handler. The value is as it was received, of any bytes.
 */
struct zkt_str zkt_request_header(const struct zkt_call *call,
                                  const char *name);

/** In `open`: returns the path of the request, as it was received, without its
 * query. "" in any other handler. */
struct zkt_str zkt_request_path(const struct zkt_call *call);

/** The kinds of messages that middleware decides on. */
enum zkt_called_kind {
    /* A call of a method. */
    ZKT_CALLED_METHOD,
    /* A subscription to a state, or to events. */
    ZKT_CALLED_STATE,
    ZKT_CALLED_EVENTS
};

/** The message that middleware decides on. */
struct zkt_called {
    enum zkt_called_kind kind;
    /* Names as on the wire; method is "" of a subscription. */
    struct zkt_str actor, id, method;
};

/** Returns the message that a middleware decides on, or that a method is called
 * by. */
struct zkt_called zkt_called(const struct zkt_call *call);

/**
 * Joins or leaves a topic, with the connection of the call; it takes effect as
 * writes of the connection's data do. Broadcasts can be sent to the connections
 * of a topic. A name has 1 to 128 bytes. Poisons the call without a connection,
 * for another name, and for more topics than the limit topics.
 */
void zkt_topic_join(struct zkt_call *call, struct zkt_str name);
void zkt_topic_leave(struct zkt_call *call, struct zkt_str name);

/** Returns true if the connection has joined a topic, as the call sees it. */
bool zkt_topic_has(const struct zkt_call *call, struct zkt_str name);

/** Returns the topics of the connection, sorted, as the call sees them. */
struct zkt_str_list zkt_topics(struct zkt_call *call);

/* ---- checks ---- */

struct zkt_issues;
struct zkt_reply;

/**
 * Reports a mistake in the struct that a `check_…` handler looks at. @field is
 * the name of the wrong field as on the wire, or NULL for the struct as a
 * whole; it is copied. May be called more than once: the client receives every
 * issue, with the code `custom`, as ZKT_INVALID_ARGUMENT. A text is cut after
 * 199 bytes.
 *
 * Check handlers run on any thread of the server, at the same time.
 */
void zkt_issue(struct zkt_issues *issues, const char *field, const char *format,
               ...) ZKT_PRINTF(3, 4);

/**
 * Returns the server that runs the call, for the functions of server.h. With
 * several threads it is the server as this thread sees it (server.h,
 * "Threads"). Returns NULL in a cancelled call.
 */
struct zkt_server *zkt_call_server(const struct zkt_call *call);

/**
 * Ends the instance with this call. When the call has been committed,
 * `deactivate` runs, messages that wait for the instance are refused with
 * ABORTED, its subscribers receive sub:error, and its state is gone. The next
 * contact makes a new instance. A call that fails ends nothing.
 */
void zkt_destroy(struct zkt_call *call);

/*
 * ---- finishing later ----
 *
 * The handler of a method that has to wait for something (a database, another
 * thread, a timer) does not block. It takes a handle with the generated
 * `<app>_<actor>_defer_<method>`, passes it on, and returns ZKT_PENDING. When
 * the wait is over, *any thread* hands the handle to the generated
 * `<app>_<actor>_resume_<method>(deferred, then, user)`. Then `then` runs as
 * the second half of the same call, on the server's thread, with the same input
 * and the same result. It may write, emit, fail, or defer again, which gives
 * the same handle. Its `call` is a new pointer: the first half's is gone.
 *
 * Each defer is followed by exactly one resume, also when the handler then
 * returns something other than ZKT_PENDING. A second resume that comes before
 * `then` runs does nothing, and the log says so. No build can check a resume
 * that comes later: by then the handle may belong to another call. Until the
 * second half is over all other messages for the instance wait; other instances
 * do not.
 *
 * The call may end before that: when it takes longer than the limit handler_ms,
 * when deferred calls hold more than deferred_bytes, when the server stops or
 * is freed. Then `then` runs all the same, so that it can release the things it
 * owns, with a call that is *cancelled*: writing and emitting do nothing, the
 * state is empty (all zero), the status it returns is ignored; input and ids
 * are as they were. After zkt_server_free it runs within resume, on the thread
 * that resumes.
 */

/**
 * Returns true in a second half that runs after the end of its call; false in
 * every other handler.
 */
bool zkt_cancelled(const struct zkt_call *call);

/*
 * ---- time, and the caller ----
 *
 * A call ends at its deadline: the time that its caller has given
 * (`timeoutMs`), or that the method declares (`timeout 30s`), whichever is
 * earlier, from the arrival of the call. The limit handler_ms bounds a deferred
 * call as well, unless its method declares a time. A caller can cancel a call,
 * too. A call that waits is then not run; one that is deferred ends with its
 * state untouched. One that runs is not interrupted.
 */

/**
 * Returns the milliseconds until the call ends by itself, 0 or more; INT64_MAX
 * if it does not: a call without a deadline that has not been deferred. Returns
 * 0 in a cancelled call.
 */
int64_t zkt_time_left(const struct zkt_call *call);

/**
 * Returns true if the client that causes the call is in contact with the
 * instance. A second half may run after its caller has gone. False without a
 * client, and in a cancelled call.
 */
bool zkt_in_contact(const struct zkt_call *call);

/** The notices for the worker of a deferred call. */
enum zkt_notice {
    /* A stream takes chunks again, after `send` has returned
     * ZKT_RESOURCE_EXHAUSTED. The only notice that may come more than once. */
    ZKT_NOTICE_READY,
    /* The call has ended, and is to be resumed soon. Its caller has cancelled
     * it, or the server, for its memory or for a status that is not
     * ZKT_PENDING; */
    ZKT_NOTICE_CANCELLED,
    /* the connection of a stream, a middleware or `open` has ended, or the
     * instance of the call; */
    ZKT_NOTICE_CONNECTION,
    /* the time is over; */
    ZKT_NOTICE_DEADLINE,
    /* or the server stops. A stream has this notice when the server begins to
     * stop, and goes on: it has drain_ms to be resumed, and no other notice of
     * its end. */
    ZKT_NOTICE_SHUTDOWN
};

/** Takes the notices of a deferred call, on the server's thread. It may resume
 * the call. */
typedef void zkt_notice_function(enum zkt_notice notice, void *user);

/*
 * ---- letting others in ----
 *
 * A method with `interleave`, and every stream, does not hold its instance
 * while it is deferred. Its first half is a commit of its own, published when
 * the handler returns ZKT_PENDING. Then the instance goes on with other
 * messages. The second half is another message, which is never refused: it has
 * the state of that time, the input, contexts and connection of the first, and
 * the memory of the call; pointers into the state are not valid over the gap.
 * If the instance has ended meanwhile, the call ends with ABORTED, and the
 * second half runs cancelled.
 *
 * The chunks of a stream go through the thread of the instance to the caller,
 * in order, before the patch of the second half and the result. `send` copies
 * and never blocks. A caller that does not read stops its own stream, by the
 * limit stream_bytes, and no other.
 */

/* ---- emitting events ---- */

/** The connections that an event or a broadcast is for, among those that
 * subscribe to it. */
enum zkt_target_kind {
    /* Nobody; a zeroed target. */
    ZKT_TARGET_NONE,
    /* All subscribers. */
    ZKT_TARGET_ALL,
    /* The subscribers in the list of ids. */
    ZKT_TARGET_ONLY,
    /* All subscribers but those in the list of ids. */
    ZKT_TARGET_EXCEPT,
    /* Of a broadcast: the subscribers that have joined a topic in the list. */
    ZKT_TARGET_TOPICS,
    /* Of an event: the subscribers that belong to an audience of the actor when
     * the call has committed. */
    ZKT_TARGET_AUDIENCE
};

/**
 * The target of an event or a broadcast, made by the functions below. It
 * narrows the set of subscribers and never widens it: an id that subscribes to
 * nothing receives nothing. Ids are those of zkt_client_id, borrowed until the
 * emit returns. The target of an audience is made by generated code, and is for
 * events of the actor that has it: a broadcast with it poisons the call.
 */
struct zkt_target {
    enum zkt_target_kind kind;
    /* The number of the audience (zkt_actor.audiences). */
    uint32_t audience;
    /* The ids, or NULL for the single id `one`. */
    const struct zkt_str *ids;
    /* Ids in the list; 1 for a single id. */
    size_t len;
    struct zkt_str one;
};

/** Returns the target of all subscribers. */
struct zkt_target zkt_to_all(void);
/** Returns the target of a single connection. */
struct zkt_target zkt_to(struct zkt_str id);
/** Returns the target of @len connections; @ids is borrowed. */
struct zkt_target zkt_to_each(const struct zkt_str *ids, size_t len);
/** Returns the target of all subscribers but the connection @id. */
struct zkt_target zkt_except(struct zkt_str id);
/** Returns the target of all subscribers but @len; @ids is borrowed. */
struct zkt_target zkt_except_each(const struct zkt_str *ids, size_t len);
/** Returns the target of all subscribers that have joined a topic. It is for
 * broadcasts: an event of an actor with it poisons the call. */
struct zkt_target zkt_to_topic(struct zkt_str name);
/** Returns the target of all subscribers that have joined any of @len topics:
 * each receives the broadcast once. @names is borrowed. */
struct zkt_target zkt_to_topics(const struct zkt_str *names, size_t len);

/* ---- ending connections ---- */

/**
 * Closes the connection of a client, whichever instances it is in contact with,
 * when the call commits; nothing happens if there is none. Its messages that
 * are not in a mailbox yet are dropped. @code is 1008, after which a client
 * connects again, or 4000 to 4999 (4401: our clients come back with a new
 * token; 4403: they do not come back); another one poisons the call. @reason,
 * or NULL, is sent with it, at most 123 bytes of it.
 */
void zkt_kick(struct zkt_call *call, struct zkt_str client_id, unsigned code,
              const char *reason);

/* ---- for generated code ---- */

/**
 * Returns the live state of the instance, never NULL. It shows the changes of
 * the call as soon as they are made. All zero in a cancelled call.
 */
const void *zkt_call_state(const struct zkt_call *call);

/**
 * Returns the private state, as zkt_call_state; NULL if the actor has none.
 */
const void *zkt_call_private_state(const struct zkt_call *call);

/** Returns the cursor (state.h) that is the whole state. */
struct zkt_cursor *zkt_call_cursor(struct zkt_call *call);

/**
 * Returns the cursor that is the whole private state; NULL if the actor has
 * none.
 */
struct zkt_cursor *zkt_call_private_cursor(struct zkt_call *call);

/**
 * Sets the error of the call to error number @error of the app, as zkt_fail
 * does, and returns its status. @details is a value of the error's type, NULL
 * for an error that has none, and is copied. A NULL @format stands for the text
 * of the error. An error that the handler does not declare (`throws`) becomes
 * ZKT_INTERNAL, and the log names it; hooks may fail with every error. Poisons
 * the call if the details break a rule, or if there is no memory.
 */
enum zkt_status zkt_call_fail(struct zkt_call *call, uint32_t error,
                              const void *details, const char *format,
                              va_list arguments);

/** Returns the kind of the subscription, in a `subscribe` hook. */
enum zkt_subscription zkt_call_subscription(const struct zkt_call *call);

/**
 * Returns the data of the connection as the call sees them, the same pointer
 * each time; NULL if it has none.
 */
const void *zkt_call_connection(struct zkt_call *call);

/**
 * Writes field number @field of the connection's data. *@value is of the
 * field's type; NULL makes an optional field absent. Poisons the call if it has
 * no connection, if the value breaks a rule, if the data exceed the limit
 * connection_bytes, or if there is no memory.
 */
void zkt_call_set_connection(struct zkt_call *call, uint32_t field,
                             const void *value);

/**
 * Returns the data of another client in contact with the instance, as of its
 * last message, until the call ends; those of the call's own as the call sees
 * them. NULL if it is not in contact.
 */
const void *zkt_call_connection_of(struct zkt_call *call,
                                   struct zkt_str client_id);

/** Returns the output of middleware number @number, which has run for this
 * message; NULL if it has not. */
const void *zkt_call_middleware(const struct zkt_call *call, uint32_t number);

/**
 * Sends broadcast number @broadcast of the app when the call commits, to the
 * connections of @target that listen to broadcasts, on all threads. @payload is
 * a value of the broadcast's type, NULL if it has none; it is encoded before
 * this returns. Poisons the call if the payload breaks a rule, or if there is
 * no memory.
 */
void zkt_call_broadcast(struct zkt_call *call, uint32_t broadcast,
                        const void *payload, struct zkt_target target);

/** The handlers that can finish later. */
enum zkt_member {
    /* A method of the actor, by its number. */
    ZKT_MEMBER_METHOD,
    /* A hook of the actor, by its enum zkt_hook. */
    ZKT_MEMBER_HOOK,
    /* `open` of the connection. */
    ZKT_MEMBER_OPEN,
    /* A middleware of the app, by its number. */
    ZKT_MEMBER_MIDDLEWARE
};

/**
 * Returns the handle of the running call, which must be of @member, number
 * @number, to be resumed once. Returns NULL in a cancelled call; and, with the
 * call poisoned, for a call of another member, for a call that is deferred
 * already, or if there is no memory. After NULL there is nothing to resume.
 */
struct zkt_deferred *zkt_call_defer(struct zkt_call *call,
                                    enum zkt_member member, uint32_t number);

/** Calls @then by its real type, which a generated function knows. */
typedef enum zkt_status zkt_then_invoke(struct zkt_call *call,
                                        void (*then)(void), const void *input,
                                        void *result, void *user);

/**
 * Resumes a deferred call: @then runs by @invoke in the server's next turn.
 * From any thread, once for each zkt_call_defer. It takes no memory and cannot
 * fail. NULL does nothing. @user is passed to @then.
 */
void zkt_deferred_resume(struct zkt_deferred *deferred, zkt_then_invoke *invoke,
                         void (*then)(void), void *user);

/** Returns true if the call has ended, or the server is gone: the call is to be
 * resumed soon. From any thread, until @deferred is resumed. NULL: true. */
bool zkt_deferred_cancelled(const struct zkt_deferred *deferred);

/**
 * Calls @fn with the notices of a deferred call, in a turn of the thread of its
 * instance: once why it has ended, also if it has ended before, and with
 * ZKT_NOTICE_READY as often as that happens. None begins once the call is
 * resumed, and the second half begins after @fn has returned, so it may free
 * @user. A second function replaces the first; NULL: none. A call that is
 * deferred again begins without a function. After zkt_server_free @fn is called
 * at once, by this function. From any thread, until @deferred is resumed; takes
 * no memory. A NULL @deferred does nothing.
 */
void zkt_deferred_notify(struct zkt_deferred *deferred, zkt_notice_function *fn,
                         void *user);

/**
 * Reports the progress of a deferred call to its caller: *@value is of the
 * method's progress type, and is copied. Of several reports that the caller has
 * not been sent the last counts, and there is none after the result. A report
 * that breaks a rule, or finds no memory, is dropped, with a line in the log.
 * From any thread, until @deferred is resumed. NULL does nothing.
 */
void zkt_deferred_progress(struct zkt_deferred *deferred, const void *value);

/**
 * Sends a chunk of a stream: *@chunk is of the method's type of chunks, and is
 * copied. Returns ZKT_OK; ZKT_RESOURCE_EXHAUSTED: stream_bytes wait for this
 * call, or there is no memory, and ZKT_NOTICE_READY will come, at once if there
 * is room by then; or ZKT_CANCELLED: the call has ended. A chunk that breaks a
 * rule ends the stream with INTERNAL. From any thread, until @deferred is
 * resumed. NULL: ZKT_CANCELLED.
 */
enum zkt_status zkt_deferred_send(struct zkt_deferred *deferred,
                                  const void *chunk);

/*
 * Calls of instances by calls of instances. Both functions copy everything that
 * they are given; @outputs are the outputs of the middleware of the method in
 * their order, of those that have one, NULL if none has: middleware does not
 * run, a rate does not count, and internal methods may be called. The called
 * instance is made if it does not exist; it is in contact with nobody by that.
 * The tells and asks of one instance to another arrive in the order in which
 * they are sent: asks at once, tells with the commit.
 *
 * Calls of connections (`open`, `close`, middleware) are of no instance: both
 * functions poison them.
 */

/**
 * Tells an instance of actor number @actor: calls its method number @method
 * without an answer, after this call has committed, and never if it fails; also
 * the instance of this call, for which it is one more message. If the method
 * fails or cannot be run (no room, the instance does not start), the log says
 * so, and tell_failures of the statistics counts it.
 *
 * Poisons the call if the input breaks a rule, if @id does not have 1 to 256
 * bytes, if it tells more than the limits tells and tell_bytes, or if there is
 * no memory, of the server or of the limit asking_bytes. So a call that
 * commits tells everybody or nobody. While a server stops, the tells of
 * commits are delivered as long as it drains; those of `disconnect` and
 * `deactivate` after that are dropped.
 */
void zkt_call_tell(struct zkt_call *call, uint32_t actor, uint32_t method,
                   struct zkt_str id, const void *const *outputs,
                   const void *input);

/** Calls @done, a function of the program, by its real type. */
typedef void zkt_done_thunk(void (*done)(void), const struct zkt_reply *reply,
                            const void *result, void *user);

/**
 * Asks an instance of actor number @actor: calls its method number @method,
 * whether or not this call commits. @thunk gets the reply exactly once, on the
 * thread of this instance, in a later turn. @reply and @result live until this
 * call has ended, with its second half; if it has ended before, until @thunk
 * returns. @result is NULL after a failure.
 *
 * A method that asks must interleave; in another one, in a timer and in a
 * function of zkt_server_run the reply is FAILED_PRECONDITION, and the log says
 * so. Interleaving methods may ask each other in a circle. Hooks may ask, and
 * hold their instance meanwhile: an ask that would wait for a hook that waits
 * for it is refused with FAILED_PRECONDITION and the circle in the text.
 *
 * The reply is RESOURCE_EXHAUSTED for more than 64 asks of a call, for more
 * than 16 calls that ask each other, and without memory, of the server or of
 * the limit asking_bytes; INVALID_ARGUMENT if the input breaks a rule, or @id
 * does not have 1 to 256 bytes; FAILED_PRECONDITION if this call is poisoned;
 * UNAVAILABLE if the server stops and does not drain any more. The deadline of
 * this call is that of the asked one, too; its cancellation does not travel.
 *
 * @thunk runs before this returns in two cases: in a cancelled call, with
 * CANCELLED, and if there is not even memory for a refusal.
 */
void zkt_call_ask(struct zkt_call *call, uint32_t actor, uint32_t method,
                  struct zkt_str id, const void *const *outputs,
                  const void *input, zkt_done_thunk *thunk, void (*done)(void),
                  void *user);

/**
 * Checks and encodes event number @event with @payload (NULL for an event that
 * has none) and queues it. Subscribers receive it when the call is committed,
 * after the patch and before the result. Poisons the call if the payload breaks
 * a rule, is larger than output_bytes, exceeds the limit events, or there is no
 * memory. In a poisoned or cancelled call it does nothing. @payload and the ids
 * of @target are borrowed until it returns.
 */
void zkt_call_emit(struct zkt_call *call, uint32_t event, const void *payload,
                   struct zkt_target target);

/**
 * Starts timer number @timer of the actor, in place of one that runs with the
 * same key; it takes effect when the call commits, and later code of the call
 * sees it. It fires @ms after now, at least 1: once, with a copy of @input; a
 * repeating timer fires each @ms, and @input is NULL. Poisons the call if the
 * input breaks a rule, if the instance has more timers than the limit timers,
 * or if there is no memory.
 */
void zkt_call_timer_start(struct zkt_call *call, uint32_t timer, int64_t ms,
                          const void *input);

/** Stops a timer when the call commits, also one that is due and waits. @key is
 * "" for a timer without a key. Nothing happens if it does not run. */
void zkt_call_timer_stop(struct zkt_call *call, uint32_t timer,
                         struct zkt_str key);

/** Returns the time at which a timer is due, in milliseconds since the epoch,
 * as the call sees it; -1 if it does not run. */
int64_t zkt_call_timer_due(const struct zkt_call *call, uint32_t timer,
                           struct zkt_str key);

#ifdef __cplusplus
}
#endif
#endif
