/*
 * Servers. zkt_serve_main is a whole program; zkt_serve runs a server until it
 * is told to stop; zkt_server_new makes a server without sockets, for tests
 * (zkt_client_open_local), for a libuv loop of the program (zkt_server_listen)
 * and for any other loop (embed.h).
 *
 *     #include "counter_server.h"
 *     #include "zocket/server.h"
 *
 *     extern const struct demo_counter_handlers counter;
 *
 *     int main(int argc, char **argv)
 *     {
 *         const struct demo_handlers handlers = { .counter = &counter };
 *         const struct zkt_serve_options options = {
 *             .port = 3000,
 *             .threads = 2,
 *             .limits.idle_ms = 60 * 1000,
 *         };
 *         return zkt_serve_main(demo_app(&handlers), &options, argc, argv);
 *     }
 *
 * Threads: a server belongs to the thread that made it, or to that of the loop
 * it listens on; it can have others of its own ("Threads" below). Every
 * function is for that thread alone, but for those of "other threads" below,
 * and may be called in its callbacks unless its comment says otherwise. Builds
 * of the library without NDEBUG check that: a call on another thread does
 * nothing but log an error, on that thread, and fails. Builds with NDEBUG do
 * not look; there such a call is a data race.
 *
 * No build can check the use of an object that is gone: a server after
 * zkt_server_free, a `call` and its memory after the handler has returned, an
 * endpoint after it was detached.
 */
#ifndef ZOCKET_SERVER_H
#define ZOCKET_SERVER_H

#include "zocket/allocator.h"
#include "zocket/call.h"
#include "zocket/limits.h"
#include "zocket/log.h"
#include "zocket/reply.h"
#include "zocket/schema.h"
#include "zocket/status.h"

#ifdef __cplusplus
extern "C" {
#endif

struct zkt_http;
struct zkt_server;
struct zkt_tls;
struct uv_loop_s; /* libuv's uv_loop_t */

/** The largest number of threads of a server. */
#define ZKT_THREADS_MAX 64

/* How trusted proxies tell whom they speak for. Others of these are ignored: a
 * proxy that sets one passes the others on as a client has sent them. */
enum zkt_forwarded_by {
    ZKT_FORWARDED_BY_NOTHING,
    /* X-Forwarded-For, with X-Forwarded-Host and X-Forwarded-Proto. */
    ZKT_FORWARDED_BY_X_FORWARDED_FOR,
    /* Forwarded (RFC 7239). */
    ZKT_FORWARDED_BY_FORWARDED,
    /* The PROXY protocol, version 2, on listeners "proxy:…". */
    ZKT_FORWARDED_BY_PROXY_PROTOCOL
};

/**
 * A call that has ended: it was answered, refused before it ran, cancelled, or
 * late; or the handler of a timer. Everything in it is borrowed.
 */
struct zkt_call_report {
    /* It is the handler of a timer, which has no caller. */
    bool is_timer;
    /* The actor, the actorId, and the method or timer; "" for names that the
     * app does not have. */
    struct zkt_str actor, id, method;
    /* The zkt_client_id of the caller, and its zkt_remote_address; "" of calls
     * of instances and of the program. */
    struct zkt_str client_id, address;
    /* The data of the caller's connection as of the arrival of the call, a
     * struct <app>_connection; NULL: there are none. */
    const void *connection;
    /* The id of the request (zkt_request_id), and the same if the caller has
     * given it, else "". */
    struct zkt_str request, trace;
    /* ZKT_OK, or the code that the caller reads. */
    enum zkt_status code;
    /* Milliseconds since the epoch at its end, as of the turn. */
    int64_t ended_ms;
    /* Microseconds in its handler, and the rest of the time from its arrival to
     * its answer. */
    int64_t handler_us, wait_us;
    /* Bytes of its message and of its result, in JSON; 0 of calls of instances
     * and of the program, and for a caller that has gone. */
    size_t bytes_in, bytes_out;
};

/**
 * The options of a server; all zero is a good set. The struct is copied. The
 * strings in it are borrowed until the server is freed, and so is the
 * allocator, or longer (allocator.h).
 */
struct zkt_serve_options {
    /* The numeric address to listen on. NULL: "127.0.0.1". "0.0.0.0": all. */
    const char *host;
    /* The port to listen on; 0: any free port. */
    uint16_t port;
    /* The listeners, ended by NULL, in place of host and port; NULL: host and
     * port. "127.0.0.1:3000", "[::1]:3000" (IPv6 peers only), "name:3000" (all
     * addresses of the name), "*:3000" (all interfaces, IPv4 and IPv6), port 0
     * for a free one, "unix:/run/chat.sock", "fd:3" (an inherited listening
     * socket, which the server closes), "systemd" (the sockets of its socket
     * activation, LISTEN_FDS), "proxy:127.0.0.1:3000" (any of these, for
     * trusted_proxies with the PROXY protocol). At most 64 sockets; all are
     * opened, or none. Names are looked up in zkt_serve or zkt_server_listen,
     * which wait. */
    const char *const *listen;
    /* TLS on every listener, with the certificates of zkt_tls_server (tls.h);
     * NULL: none. Borrowed until the server is freed. In front of a listener
     * "plain:" leaves it without TLS, and "redirect:" makes it send each
     * request on to https:// (308), if a certificate names its host. */
    struct zkt_tls *tls;
    /* Seconds for which browsers that were answered by TLS come by no other way
     * (Strict-Transport-Security, RFC 6797); 0: the field is not sent. */
    uint32_t hsts_seconds;
    /* The permissions of the files of Unix sockets, whatever the umask is; 0:
     * 0600. */
    uint32_t socket_mode;
    /* Called once, when connections are accepted; @port is the real port of the
     * first listener that has one, or 0. */
    void (*on_listening)(void *user, uint16_t port);
    /* Called once by zkt_serve, before it listens: the server, for threads that
     * will post to it (zkt_server_post). */
    void (*on_start)(void *user, struct zkt_server *server);
    /* Called once, when nothing is left of the server on its loop; by zkt_serve
     * after the server was freed, and not if its exit status is 1. */
    void (*on_stopped)(void *user);
    /* Called for each request that asks for no WebSocket, and that no route of
     * the server takes; it answers (zocket/http.h), on the server's first
     * thread. */
    void (*on_request)(struct zkt_http *http, void *user);
    /* Passed to the four above. */
    void *user;
    /* NULL: malloc and its family. */
    const struct zkt_allocator *allocator;
    /* Called with a line of UTF-8 without controls, at most 1 KiB, in which
     * text from peers is escaped; of each kind at most log_per_second
     * (limits.h) a second. A lock is held: it must not call the server. Without
     * log and log_record nothing is logged; zkt_serve takes zkt_log_to_stderr
     * instead. */
    void (*log)(void *user, enum zkt_log_level level, const char *text);
    /* The same with the line as a record, in place of log; text from peers is
     * not escaped in it. zkt_log_logfmt and zkt_log_json can be named here. */
    void (*log_record)(void *user, const struct zkt_log_record *record);
    /* Passed to log and log_record. */
    void *log_user;
    /* The least level that is logged; 0: ZKT_LOG_INFO. ZKT_LOG_DEBUG logs every
     * call, without the limit log_per_second. */
    enum zkt_log_level log_level;
    /* 0: the defaults (limits.h). */
    struct zkt_limits limits;
    /* Threads that connections and instances are spread over, from 1 to
     * ZKT_THREADS_MAX; 0: 1. See "Threads" below. */
    uint32_t threads;
    /* The origins whose pages may send requests (RFC 6454), separated by
     * commas: "https://example.org", "*.example.org" for the hosts of a domain,
     * "null", "*" for all. Others are answered with 403, for a WebSocket and
     * for plain HTTP. A request without Origin may come, unless its browser
     * says that it is of a page of another site. NULL: the origin of the
     * request's Host; on a listener of loopback, every origin of loopback. */
    const char *allow_origins;
    /* The names of the server, separated by commas: "rooms.example.org",
     * "*.example.org", "192.0.2.1", "*" for all. A request for another Host is
     * answered with 421. NULL: on a listener of loopback, the names and
     * addresses of loopback; else all. */
    const char *server_names;
    /* The proxies in front of the server, separated by commas: "127.0.0.1",
     * "10.0.0.0/8", "fd00::/8", "unix" for whoever connects to a Unix socket.
     * The address of a client is the one that they tell, in forwarded_by, which
     * has to be set as well. NULL: none. */
    const char *trusted_proxies;
    enum zkt_forwarded_by forwarded_by;
    /* Called at the end of each call, on the thread that answers it, for some
     * at the same time if there are several. Only functions of the server for
     * any thread may be called in it. NULL: nothing is called. */
    void (*on_call)(void *user, const struct zkt_call_report *report);
    /* Passed to on_call. */
    void *on_call_user;
    /* True: the server counts and measures for zkt_server_metrics. The two
     * options below imply it. */
    bool metrics;
    /* A listener, as those of `listen`, that serves `GET /metrics` in the text
     * format of Prometheus, and the routes of health, and nothing else, to
     * whoever reaches it: "127.0.0.1:9464". It has 16 connections of its own,
     * beside limits.connections. NULL: none. */
    const char *metrics_listen;
    /* 16 to 256 visible characters of ASCII: the other listeners serve the
     * metrics to requests with `Authorization: Bearer` and this token. NULL:
     * they do not. */
    const char *metrics_token;
    /* True: actors can be called and followed by plain HTTP, below /actors/
     * (operations.md). */
    bool http_calls;
    /* Leave out the routes GET /healthz and GET /readyz, by which load
     * balancers and orchestrators watch a server. */
    bool no_healthz, no_readyz;
    /* Leaves out the route GET /_zocket/client.js, the client for pages. A
     * library that was built without esbuild does not have it. */
    bool no_client_js;
    /* Compresses messages from 1 KiB on for clients that offer it
     * (permessage-deflate, RFC 7692), and takes theirs. It costs time, and 300
     * KB of memory for each thread. The library has to be built with zlib. */
    bool deflate;
    /* A folder whose files zkt_serve and zkt_server_listen serve to GET and
     * HEAD, at paths that nothing else takes; NULL: none. It may be a symbolic
     * link, and is looked up for each request; links in it are not followed,
     * and names that begin with a dot are not served, except `.well-known`.
     * Reading blocks the thread of the connection for 64 KiB at a time. */
    const char *static_dir;
    /* The file of that folder that stands for pages that do not exist, for an
     * app that has its pages in scripts: "index.html"; NULL: none. */
    const char *static_fallback;
    /* A path below which the files never change, since a build names them
     * after their contents: "/assets". Others are validated each time. NULL:
     * none. */
    const char *static_immutable;
    /* 32 bytes, for tests that repeat; NULL: from the system. */
    const uint8_t *random_seed;
};

/**
 * Runs a server until SIGTERM, SIGINT or zkt_server_shutdown, and stops it in
 * phases (zkt_server_shutdown). A second signal drops all connections, and
 * further ones do nothing; before it returns it restores the handling of both
 * signals. Returns the exit status for main: 0, or 1 if it could not start or
 * the loop failed; the log says why.
 *
 * NULL @options are the defaults. Without a log it uses zkt_log_to_stderr; the
 * line `listening on ws://HOST:PORT`, or `ws+unix://PATH`, one for each socket,
 * says that it listens. If NOTIFY_SOCKET is set, systemd is sent `READY=1`
 * then, and `STOPPING=1` when the server begins to stop. Standard descriptors
 * that are closed when it is called are opened on /dev/null.
 */
int zkt_serve(struct zkt_app app, const struct zkt_serve_options *options);

/**
 * Runs zkt_serve as the main of a program. @options are the defaults, the
 * environment changes them (ZOCKET_PORT, ZOCKET_HOST, ZOCKET_LISTEN with blanks
 * between the listeners, ZOCKET_SOCKET_MODE, ZOCKET_THREADS,
 * ZOCKET_ALLOW_ORIGINS, ZOCKET_SERVER_NAMES, ZOCKET_TRUSTED_PROXIES,
 * ZOCKET_FORWARDED_BY, ZOCKET_STATIC, ZOCKET_STATIC_FALLBACK,
 * ZOCKET_STATIC_IMMUTABLE, ZOCKET_HEALTHZ, ZOCKET_READYZ and ZOCKET_CLIENT_JS,
 * on or off, ZOCKET_LOG_FORMAT, ZOCKET_LOG_LEVEL, and a variable for each
 * limit: ZOCKET_MESSAGE_BYTES, …), and the arguments change both: `--port N`,
 * `--host ADDRESS`, `--listen WHERE` once or more often, `--socket-mode MODE`,
 * `--threads N`, `--allow-origins LIST`, `--server-names LIST`,
 * `--trusted-proxies LIST`, `--forwarded-by WORD`, `--static DIR`,
 * `--static-fallback FILE`, `--static-immutable PATH`, `--http-calls on|off`,
 * `--healthz on|off`,
 * `--readyz on|off`, `--client-js on|off`, `--log-format FORMAT`,
 * `--log-level LEVEL`, `--message-bytes N`, …. Listeners of the environment or
 * the arguments replace earlier ones; so do a host or a port, which exclude
 * listeners beside them. A process that systemd has passed sockets (LISTEN_PID,
 * LISTEN_FDS) listens on these, unless the environment or the arguments name
 * others. A log format, `text`, `logfmt` or `json`, replaces the log of
 * @options by one on standard error. `--help` lists them on standard output and
 * returns 0. Returns the exit status for main: that of zkt_serve, or 2 for a
 * wrong argument or variable, which is reported on standard error.
 */
int zkt_serve_main(struct zkt_app app, const struct zkt_serve_options *options,
                   int argc, char **argv);

/**
 * Makes a server without sockets and stores it in *@out; zkt_server_free ends
 * it. NULL @options are the defaults. The handlers of @app are borrowed until
 * then.
 *
 * Returns ZKT_OK; ZKT_MISSING_HANDLER (the log names each); ZKT_BAD_OPTION (the
 * log names it); ZKT_NO_MEMORY; ZKT_SYSTEM if the system gives no random bytes.
 * *@out is set only on success.
 */
enum zkt_status zkt_server_new(struct zkt_app app,
                               const struct zkt_serve_options *options,
                               struct zkt_server **out) ZKT_MUST_USE;

/**
 * Serves on a libuv loop that the program runs: listens as the options say, and
 * says so in the log and by on_listening. From now on the server belongs to the
 * loop's thread. Signals are the program's to watch.
 *
 * zkt_server_shutdown ends it: its handles close, then on_stopped is called, in
 * which or after which the server can be freed. It can also be freed before,
 * outside of callbacks; then the loop has to run once more to close the
 * handles, and on_stopped is called without a server.
 *
 * Returns ZKT_OK; ZKT_NO_MEMORY; ZKT_SYSTEM (the log says why); or
 * ZKT_FAILED_PRECONDITION: it listens already, has local clients, stops, or
 * this is a callback or another thread. After ZKT_NO_MEMORY and ZKT_SYSTEM
 * on_stopped is called as well, when the loop has run, or before this returns.
 */
enum zkt_status zkt_server_listen(struct zkt_server *server,
                                  struct uv_loop_s *loop) ZKT_MUST_USE;

/**
 * Ends every connection and instance at once and frees the server. `disconnect`
 * and `deactivate` run, deferred calls are cancelled (call.h), posted functions
 * run. Takes NULL. In a callback or a posted function it does nothing.
 *
 * Afterwards the server and everything that it has given is gone, and a thread
 * that still posts to it uses freed memory: see zkt_server_post. Calls that are
 * still deferred can be resumed.
 */
void zkt_server_free(struct zkt_server *server);

/*
 * ---- Threads ----
 *
 * With options.threads = N, zkt_serve and zkt_server_listen start N - 1 threads
 * more, which end before on_stopped is called, or within zkt_server_free. The
 * first thread listens. Each connection goes to the thread that has fewest. An
 * instance lives on the thread on which it was first touched, until it ends.
 *
 * - Handlers, hooks and second halves of an instance run one at a time, on its
 *   thread; those of different instances may run at the same time on different
 *   threads. Data that they share (the handlers' `user`, globals) has to be
 * safe for that. `check_…` handlers run for any message on any of the threads.
 * - zkt_call_server gives the server as the handler's thread sees it, and
 *   functions that are given it concern that thread: zkt_server_instances lists
 *   the instances that live there, zkt_server_post runs there. The server of
 *   zkt_server_new is the first thread's. zkt_server_stats adds all of them up,
 *   the others as of their last turns; zkt_server_shutdown stops all.
 * - The options' log is called by one thread at a time, whichever it is. Their
 *   other functions are called on the first. The allocator has to be callable
 *   on all threads at the same time.
 * - Limits are the server's as a whole, unless limits.h says otherwise.
 * - The threads block every signal but those of a thread's own mistakes, such
 *   as SIGSEGV.
 * - A process that was forked has none of the threads, and shares the sockets.
 *   It must not call anything of the server, not even zkt_server_free, and ends
 *   by exec or _exit. Every descriptor of the server closes on exec; until then
 *   a connection that the server closes stays open in the child. The same holds
 * without threads.
 *
 * Without sockets (local clients, embed.h) a server uses its first thread only.
 */

/*
 * ---- stopping ----
 *
 * zkt_server_shutdown ends a server in phases, each turn as far as it can:
 * 1. For drain_delay_ms, a limit, it serves as before, but GET /readyz is
 *    answered with 503.
 * 2. No connection is accepted, and new calls and subscriptions are refused
 *    with UNAVAILABLE; connections of HTTP that are idle end, and so do others
 *    behind their next answer. Calls and requests that run or wait finish.
 *    After the limit drain_ms those that have not are cancelled.
 * 3. `disconnect` runs for each connection in contact with an instance, then
 *    each instance's `deactivate`.
 * 4. Queued bytes are sent, then every connection closes with 1001 (RFC 6455,
 *    section 7.4.1), at least 64 of a thread every 10 ms and all within two
 *    seconds. One that does not answer within the limit close_ms is dropped.
 */

/**
 * Begins to stop; a second call does nothing. May be called in every callback,
 * on the thread of the server's that runs it, and from other threads by
 * zkt_server_post. zkt_serve returns when the last phase is over.
 */
void zkt_server_shutdown(struct zkt_server *server);

/**
 * Returns true if a shutdown is complete: all connections are closed, and the
 * server can be freed.
 */
bool zkt_server_is_down(const struct zkt_server *server);

/* ---- other threads ---- */

/**
 * Runs @fn on the server's thread, between turns, in the order of posting. From
 * any thread; with several threads it runs on that of the server it is given
 * (zkt_call_server: the handler's). A turn runs as many as posted_per_turn,
 * among them calls that were resumed, before connections have their share.
 *
 * Returns ZKT_OK: @fn runs exactly once, at the latest within zkt_server_free.
 * Otherwise it does not run: ZKT_NO_MEMORY; ZKT_RESOURCE_EXHAUSTED if the limit
 * posted is reached (try again later, or drop it); ZKT_CLOSED while the server
 * is freed. Memory comes from the server's allocator, on the calling thread.
 * @user is passed to @fn.
 *
 * @server has to exist: tell other threads to stop posting before
 * zkt_server_free is called, or keep a lock around both.
 */
enum zkt_status zkt_server_post(struct zkt_server *server,
                                void (*fn)(struct zkt_server *server,
                                           void *user),
                                void *user) ZKT_MUST_USE;

/*
 * Calls of instances from outside, for generated code: `<app>_<actor>_run` and
 * `<app>_<actor>_invoke_<method>`. From any thread, and in every callback and
 * handler. They wait for nothing: the call is a message of the instance's
 * mailbox, which makes the instance if need be. It comes from no connection, so
 * its client id is "", it is in no zkt_clients, and the hooks `connect` and
 * `disconnect` do not run for it.
 *
 * Each returns ZKT_OK: then its function is called, exactly once, at the latest
 * within zkt_server_free. Otherwise it is never called:
 *
 *   ZKT_RESOURCE_EXHAUSTED   the limit outside_messages or outside_bytes is
 *                            reached: try again later, or drop it
 *   ZKT_NO_MEMORY            of the server's allocator, on the calling thread
 *   ZKT_CLOSED               the server stops
 *   ZKT_INVALID_ARGUMENT     the id does not have 1 to 256 bytes
 *
 * Everything that is passed is copied. The calls of a thread to an instance
 * happen in the order in which the thread has made them. @server has to exist,
 * as for zkt_server_post.
 */

/** Calls @fn, a function of the program, by its real type. */
typedef enum zkt_status zkt_run_thunk(struct zkt_call *call, void (*fn)(void),
                                      void *user);

/**
 * Runs @fn as a call of an instance: it may read and write the state, emit and
 * fail, which undoes its writes; it cannot finish later. If it cannot run there
 * (the server stops, or the instance cannot be made), it runs on the server's
 * first thread with a call that is cancelled (zkt_cancelled).
 */
enum zkt_status zkt_server_run(struct zkt_server *server, uint32_t actor,
                               struct zkt_str id, zkt_run_thunk *thunk,
                               void (*fn)(void), void *user) ZKT_MUST_USE;

/**
 * Calls a method of an instance, also an internal one; its middleware does
 * not run, and its rate does not count. @outputs are the outputs of its
 * middleware in their order, of those that have one; NULL if none has. They are
 * copied, as @input is. @input is of the method's type, NULL if it has none; it
 * has to keep its rules, or the call fails with INVALID_ARGUMENT. @done, or
 * NULL, gets the reply on the server's first thread; @reply and @result are
 * borrowed for that, and @result is NULL after a failure.
 */
enum zkt_status zkt_server_invoke(struct zkt_server *server, uint32_t actor,
                                  uint32_t method, struct zkt_str id,
                                  const void *const *outputs, const void *input,
                                  zkt_done_thunk *thunk, void (*done)(void),
                                  void *user) ZKT_MUST_USE;

/**
 * Sends broadcast number @broadcast of the app to the connections of @target
 * that listen to broadcasts, as zkt_call_broadcast does; for generated code.
 * From any thread. The payload and the target are copied; on the server's first
 * thread the broadcast is encoded, once for all threads, and a payload that
 * breaks a rule is dropped with a line in the log.
 *
 * Returns ZKT_OK, ZKT_RESOURCE_EXHAUSTED (outside_messages, outside_bytes),
 * ZKT_NO_MEMORY, ZKT_CLOSED: the server stops; or ZKT_INVALID_ARGUMENT: @target
 * is an audience.
 */
enum zkt_status zkt_server_broadcast(struct zkt_server *server,
                                     uint32_t broadcast, const void *payload,
                                     struct zkt_target target) ZKT_MUST_USE;

/**
 * Closes the connection of a client, as zkt_kick does (call.h). From any
 * thread. Returns as zkt_server_broadcast; ZKT_INVALID_ARGUMENT for a @code
 * that is neither 1008 nor 4000 to 4999.
 */
enum zkt_status zkt_server_kick(struct zkt_server *server,
                                struct zkt_str client_id, unsigned code,
                                const char *reason) ZKT_MUST_USE;

/** A client that is connected. Everything in it is borrowed for the call that
 * it is passed to. */
struct zkt_client_info {
    /* Its zkt_client_id, and its zkt_remote_address. */
    struct zkt_str id, address;
    /* The data of its connection, which the schema declares: a struct
     * <app>_connection. NULL: the app declares none. */
    const void *data;
    /* Instances that it is in contact with. */
    uint32_t contacts;
    /* Its subscriptions, those to states and those to events. */
    uint32_t subscriptions;
};

/**
 * Lists the clients of all threads of the server: calls @each for every client,
 * in no order, and then @done, or NULL, on the server's first thread. From any
 * thread; it waits for nothing. Every thread lists its own clients in a turn of
 * its own, the threads one after another: no two of these calls happen at the
 * same time, and each sees all that those before it have written.
 *
 * A client is listed once. It is listed if it is connected all the while; one
 * that comes or goes meanwhile may be missing. The data are as of the moment
 * when the client is listed. A connection is listed when its handshake is over,
 * which includes `open`.
 *
 * In @each and @done only functions of the server for any thread may be called,
 * for example zkt_server_kick. A long list takes a turn of each thread as long
 * as @each takes.
 *
 * Returns ZKT_OK: @done is called, exactly once, at the latest within
 * zkt_server_free, which lists no more clients. Otherwise nothing is called:
 * ZKT_RESOURCE_EXHAUSTED (outside_messages, outside_bytes), ZKT_NO_MEMORY, or
 * ZKT_CLOSED while the server is freed. @server has to exist, as for
 * zkt_server_post.
 */
enum zkt_status zkt_server_connections(
    struct zkt_server *server,
    void (*each)(const struct zkt_client_info *info, void *user),
    void (*done)(void *user), void *user) ZKT_MUST_USE;

/* ---- instances ---- */

/** An instance, as of now. Strings are borrowed until it ends. */
struct zkt_instance_info {
    /* The name of its actor, and its actorId. */
    struct zkt_str actor, id;
    /* Connections in contact with it. */
    uint32_t clients;
    /* Connections that subscribe to its state. */
    uint32_t subscribers;
    /* Messages that wait for it. */
    uint32_t queued;
    /* True: a call of it is deferred and has yet to finish. */
    bool deferred;
    /* Calls since it was made. */
    uint64_t calls;
};

/**
 * Calls @each for every instance that is alive on the thread, in no order,
 * before it returns. @info is borrowed for that call, @user is passed on.
 */
void zkt_server_instances(const struct zkt_server *server,
                          void (*each)(const struct zkt_instance_info *info,
                                       void *user),
                          void *user);

/**
 * Ends an instance, after the messages that wait for it and not before the end
 * of the turn. `deactivate` runs, messages that arrive after this call are
 * refused with ABORTED, subscribers receive sub:error, and its state is gone.
 * The next contact makes a new instance. The strings are borrowed for the call.
 *
 * Returns ZKT_OK; ZKT_NOT_FOUND if there is no such actor or instance;
 * ZKT_FAILED_PRECONDITION on another thread; ZKT_NO_MEMORY if the thread that
 * it lives on, of several, could not be told. In a handler of the instance
 * itself use zkt_destroy (call.h).
 */
enum zkt_status zkt_server_destroy(struct zkt_server *server,
                                   struct zkt_str actor, struct zkt_str id);

/**
 * Moves the clock of a server without sockets forward by @ms, and runs
 * everything that falls due, in order and each at its time, also the effects of
 * that: a test of a timeout takes no time. Local clients take part.
 * Returns when nothing more is due. In a callback, also of a local client, or
 * with a negative @ms, it does nothing.
 */
void zkt_server_advance(struct zkt_server *server, int64_t ms);

/** Counters of a server, since it was made unless they say "now". */
struct zkt_server_stats {
    /* Alive now. */
    uint64_t connections, instances;
    /* Deferred calls, and messages in mailboxes, that wait now. */
    uint64_t deferred, queued;
    /* Bytes taken now by messages that have begun to arrive. */
    uint64_t gathered;
    /* Bytes that wait now for connections with more than 16 KiB of them. */
    uint64_t unsent;
    /* Bytes that are held now by messages in mailboxes, by deferred calls, by
     * tells and asks that are not finished, by snapshots for slow readers, and
     * by snapshots that are kept for new subscribers. */
    uint64_t queued_bytes, deferred_bytes, asking_bytes, snapshot_bytes;
    uint64_t cache_bytes;
    /* Turns of the loops, and the nanoseconds that they took, which are 0
     * without options.metrics. */
    uint64_t turns, busy_ns;
    /* Calls and commits; patches and events that were queued, counted for each
     * receiver; hooks that failed; instances that idle_ms has ended. */
    uint64_t calls, commits, patches, events, hook_failures, evictions;
    /* Calls that their callers have cancelled, and calls that have run out of
     * the time of the caller or of the method. */
    uint64_t cancelled, expired;
    /* Timers that run now; their handlers that failed. */
    uint64_t timers, timer_failures;
    /* Calls of instances by instances, with an answer and without; those of the
     * latter that have failed, or could not be run. */
    uint64_t asks, tells, tell_failures;
    /* Snapshots that were sent, and those of them that were not encoded anew.
     */
    uint64_t snapshots, snapshots_cached;
    /* Events that are broadcasts. */
    uint64_t broadcasts;
    /* Bytes of the patches, the snapshots and the events, with broadcasts, that
     * were queued; with the heads of their frames. */
    uint64_t bytes_of_patches, bytes_of_snapshots, bytes_of_events;
    /* Bytes that peers have sent and taken, of HTTP and WebSocket. */
    uint64_t bytes_in, bytes_out;
    /* Messages that are none of the protocol; messages of all kinds. */
    uint64_t protocol_errors, messages_in, messages_out;
    /* Requests of HTTP that were answered, other than for a WebSocket. */
    uint64_t http_requests;
    /* Requests that were refused for their Host, and for their Origin;
     * WebSockets that were refused for the parameters of their connection, by
     * `open`, and since the server stops. */
    uint64_t refused_hosts, refused_origins;
    uint64_t refused_parameters, refused_opens, refused_late;
    /* Messages that were compressed: once, for all that they were sent to. */
    uint64_t deflated;
    /* Messages of an unknown type, from newer clients. */
    uint64_t messages_ignored;
    /* How often each limit was reached. */
    struct zkt_limit_counts limit_hits;
};

/**
 * Stores the counters in *@out. On another thread it stores zeros. With several
 * threads it adds them up.
 */
void zkt_server_stats(const struct zkt_server *server,
                      struct zkt_server_stats *out);

/**
 * Writes the metrics of all threads of the server and of its process, in the
 * text format of Prometheus (0.0.4), by calls of @write, which borrows the text
 * and gets @user; it may call nothing of the server. Others than the server's
 * own thread are read as of a moment ago. The time grows with the methods of
 * the schema; GET /metrics takes it in small parts.
 *
 * Returns ZKT_OK; ZKT_FAILED_PRECONDITION if the options do not ask for
 * metrics, or on another thread; or ZKT_NO_MEMORY, after a part of the text.
 */
enum zkt_status zkt_server_metrics(struct zkt_server *server,
                                   void (*write)(void *user, const char *text,
                                                 size_t len),
                                   void *user) ZKT_MUST_USE;

#ifdef __cplusplus
}
#endif
#endif
