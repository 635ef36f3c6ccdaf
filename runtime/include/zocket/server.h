/*
 * Servers. zkt_serve runs one until it is told to stop; zkt_server_new makes
 * one without sockets, for tests (zkt_client_open_local) and other loops.
 * A server belongs to the thread that made it, or to that of the loop it
 * listens on; it can have others of its own ("Threads" below). Builds of the
 * library without NDEBUG check that: what another thread calls does nothing
 * but to say so in the log, on that thread, and fails. Builds with NDEBUG do
 * not look, and such a call is a data race.
 *
 * No build can check a server, a call, an endpoint or a handle that is used
 * when it is gone: a server after zkt_server_free, a `call` and what it has
 * given after its handler has returned, an endpoint after it was detached.
 */
#ifndef ZOCKET_SERVER_H
#define ZOCKET_SERVER_H

#include "zocket/allocator.h"
#include "zocket/call.h"
#include "zocket/limits.h"
#include "zocket/schema.h"
#include "zocket/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct zkt_server;
struct uv_loop_s; /* libuv's uv_loop_t */

#define ZKT_THREADS_MAX 64

/** All zero is a good set of options. Strings are borrowed until it ends. */
struct zkt_serve_options {
    const char *host; /* to listen on; NULL: "127.0.0.1". "0.0.0.0": all */
    uint16_t port;    /* 0: any free one */
    /* Called once, when connections are accepted; @port is the real one. */
    void (*on_listening)(void *user, uint16_t port);
    /* Called once by zkt_serve, before it listens: for whoever will want to
     * post to the server, or to stop it. */
    void (*on_start)(void *user, struct zkt_server *server);
    /* Called once, when nothing is left of the server on its loop; by
     * zkt_serve when the server has been freed. */
    void (*on_stopped)(void *user);
    void *user;
    const struct zkt_allocator *allocator; /* NULL: the C library's */
    /* One line of UTF-8 without controls, at most 1 KiB: text from peers is
     * escaped. Of each kind at most log_per_second (limits.h) in a second. */
    void (*log)(void *user, enum zkt_log_level level, const char *text);
    void *log_user;
    struct zkt_limits limits; /* zero: the defaults */
    /* That connections and instances are spread over, up to ZKT_THREADS_MAX; 0
     * is one. See "Threads" below. */
    uint32_t threads;
    const uint8_t *random_seed; /* 32 bytes, for tests; NULL: the system's */
};

/**
 * Runs a server until SIGTERM, SIGINT or zkt_server_shutdown, stops it in
 * phases (see there; a second signal drops what is left, and further ones do
 * nothing until it returns; then both are handled as they were before), and
 * returns the exit status for main: 0, or 1 when it could not start. Without a
 * log of yours it says what happens on standard error (zkt_log_to_stderr); when
 * it listens, `listening on ws://HOST:PORT`. Standard descriptors that are
 * closed when it is called are opened on /dev/null.
 */
int zkt_serve(struct zkt_app app, const struct zkt_serve_options *options);

/**
 * zkt_serve for a main: @options are the defaults. The environment changes
 * them (ZOCKET_PORT, ZOCKET_HOST, ZOCKET_THREADS, and one variable for each
 * limit: ZOCKET_MESSAGE_BYTES, …), and after it the arguments do: `--port N`,
 * `--host ADDRESS`, `--threads N`, `--message-bytes N`, …; `--help` lists them
 * all on standard output. A wrong one is said on standard error, and the exit
 * status is 2.
 */
int zkt_serve_main(struct zkt_app app, const struct zkt_serve_options *options,
                   int argc, char **argv);

/**
 * Makes a server with no sockets. NULL options are the defaults. ZKT_OK,
 * ZKT_MISSING_HANDLER (all of them are named in the log), ZKT_BAD_OPTION,
 * ZKT_NO_MEMORY or ZKT_SYSTEM; *@out is set only on success.
 */
enum zkt_status zkt_server_new(struct zkt_app app,
                               const struct zkt_serve_options *options,
                               struct zkt_server **out) ZKT_MUST_USE;

/**
 * Serves on a libuv loop of yours, which you run: listens with the options'
 * host and port, and says so in the log and by on_listening. From now on the
 * server belongs to the loop's thread. zkt_server_shutdown ends it: its
 * handles close, on_stopped is called, and then, or in it, it can be freed. It
 * can also be freed before, outside of callbacks; then the loop has to run
 * once more to close the handles, and on_stopped is called without a server.
 * Signals are yours to watch.
 *
 * ZKT_OK, ZKT_NO_MEMORY, ZKT_SYSTEM (the log says what), or
 * ZKT_FAILED_PRECONDITION: it listens already, has local clients, or stops.
 * After an error on_stopped is called when the loop has run, or at once.
 */
enum zkt_status zkt_server_listen(struct zkt_server *server,
                                  struct uv_loop_s *loop) ZKT_MUST_USE;

/**
 * Ends every connection and instance at once: `disconnect` and `deactivate`
 * run, calls that have yet to finish are cancelled (call.h), what was posted
 * is run. Takes NULL. From a callback or a posted function it does nothing.
 * Once: afterwards the server and all that it has given is gone, and another
 * thread that still posts to it uses memory that was freed.
 */
void zkt_server_free(struct zkt_server *server);

/*
 * ---- Threads ----
 *
 * With options.threads = N, zkt_serve and zkt_server_listen start N - 1 threads
 * more, which end before on_stopped is called, or within zkt_server_free. The
 * first thread listens. Connections are spread over all: each goes to the
 * thread that has fewest. An instance lives on the thread on which it was first
 * touched, until it ends.
 *
 * - Handlers, hooks, posted functions and second halves of one instance run one
 *   at a time, on its thread; those of different instances may run at the same
 *   time on different threads. What they share (the handlers' `user`, globals)
 *   has to be safe for that. `check_…` handlers run for any message on any of
 *   the threads.
 * - zkt_call_server gives the server as the handler's thread sees it. What is
 *   asked of it concerns that thread: zkt_server_instances lists the instances
 *   that live there, zkt_server_post runs there. With the server that you made
 *   both concern the first thread. zkt_server_stats adds all of them up, the
 *   others as of their last turns; zkt_server_shutdown stops all.
 * - The options' log is called by one thread at a time, whichever it is. Their
 *   other functions are called on the first. The allocator has to be callable
 *   on all threads at the same time.
 * - Limits are the server's as a whole, but for those of one instance, one
 *   connection or one turn.
 * - The threads block every signal but those of a thread's own mistakes.
 * - A process that was forked has none of the threads, and shares the sockets.
 *   It must not call anything of the server, not even zkt_server_free, and ends
 *   by exec or _exit. Every descriptor of the server closes on exec; until then
 *   a connection that the server closes stays open in the child. With one
 *   thread it is the same.
 *
 * Without sockets (local clients, embed.h) a server uses its first thread only.
 */

/*
 * ---- stopping ----
 *
 * zkt_server_shutdown ends a server in phases, each turn as far as it can:
 * 1. No connection is accepted, and what would begin something new (a call, a
 *    subscription) is refused with UNAVAILABLE; calls that run or wait finish.
 *    After the limit drain_ms those that have not are cancelled.
 * 2. `disconnect` runs for whoever is in contact with an instance, then each
 *    instance's `deactivate`.
 * 3. What is queued is sent, then every connection closes with 1001. One that
 *    does not answer within the limit close_ms is dropped.
 */

/**
 * Begins to stop; again: does nothing. Legal in every callback, on whichever of
 * the server's threads that runs, and on other threads by zkt_server_post.
 * zkt_serve returns when it is done.
 */
void zkt_server_shutdown(struct zkt_server *server);

/** Whether a shutdown is complete: the server can be freed. */
bool zkt_server_is_down(const struct zkt_server *server);

/* ---- other threads ---- */

/**
 * Runs @fn on the server's thread, between turns, in the order of posting; with
 * threads, on that of the server which it is given (zkt_call_server: the
 * handler's). From any thread; the one function of this header that is. ZKT_OK:
 * it runs exactly once, at the latest within zkt_server_free. Otherwise it does
 * not: ZKT_NO_MEMORY; ZKT_RESOURCE_EXHAUSTED, when as many wait as the limit
 * `posted` says (try again later, or drop it); ZKT_CLOSED while the server is
 * freed. Takes memory from the server's allocator, on the calling thread. A
 * turn runs as many as `posted_per_turn` says, and results of other threads
 * among them, before connections have their turn.
 *
 * @server has to be there: other threads are told to stop posting before
 * zkt_server_free is called, or the program keeps a lock around both.
 */
enum zkt_status zkt_server_post(struct zkt_server *server,
                                void (*fn)(struct zkt_server *server,
                                           void *user),
                                void *user) ZKT_MUST_USE;

/* ---- instances ---- */

/** One instance; the strings are good as long as it is. */
struct zkt_instance_info {
    struct zkt_str actor, id;
    uint32_t clients;     /* in contact */
    uint32_t subscribers; /* to its state */
    uint32_t queued;      /* messages that wait */
    bool deferred;        /* one of its calls has yet to finish */
    uint64_t calls;       /* since it was made */
};

/** Calls @each for every instance that is alive on the thread, in no order. */
void zkt_server_instances(const struct zkt_server *server,
                          void (*each)(const struct zkt_instance_info *info,
                                       void *user),
                          void *user);

/**
 * Ends an instance, when what waits for it has been handled and at the end of
 * the turn at the earliest: `deactivate` runs, messages that have come after
 * this are refused with ABORTED, subscribers are told by sub:error, and its
 * state is gone. The next contact makes a new one. ZKT_NOT_FOUND: there is
 * none. ZKT_FAILED_PRECONDITION: the thread is not the server's. ZKT_NO_MEMORY:
 * to tell the thread that it lives on, if there are several. See also
 * zkt_destroy (call.h).
 */
enum zkt_status zkt_server_destroy(struct zkt_server *server,
                                   struct zkt_str actor, struct zkt_str id);

/**
 * Moves the clock of a server without sockets by @ms, and runs what falls
 * due, for it and for its local clients.
 */
void zkt_server_advance(struct zkt_server *server, int64_t ms);

/** What has been counted so far. */
struct zkt_server_stats {
    uint64_t connections, instances; /* alive now */
    uint64_t deferred, queued;       /* calls and messages that wait now */
    uint64_t gathered; /* bytes taken now by messages that have begun */
    uint64_t calls, commits, patches, events, hook_failures, evictions;
    uint64_t snapshots, snapshots_cached; /* sent; of them, not encoded anew */
    uint64_t protocol_errors, messages_in, messages_out;
    uint64_t messages_ignored; /* of an unknown type, from newer clients */
    struct zkt_limit_counts reached;
};
void zkt_server_stats(const struct zkt_server *server,
                      struct zkt_server_stats *out);

#ifdef __cplusplus
}
#endif
#endif
