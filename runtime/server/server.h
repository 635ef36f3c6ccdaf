/*
 * The server as a core without I/O. A driver (the libuv adapter of net, the
 * local loopback, a test, a fuzzer) runs it through base/endpoint.h: it hands
 * over received bytes and the time.
 */
#ifndef ZKT_SERVER_SERVER_H
#define ZKT_SERVER_SERVER_H

#include "base/endpoint.h"
#include "base/work_queue.h"
#include "zocket/server.h"

struct zkt_process_stats;

struct zkt_core *zkt__server_core(struct zkt_server *server);

/** The limits in force: the defaults, with the options' overrides. */
const struct zkt_limits *zkt__server_limits(const struct zkt_server *server);

const struct zkt_serve_options *zkt__server_options(
    const struct zkt_server *server);

const struct zkt_allocator *zkt__server_allocator(
    const struct zkt_server *server);

/**
 * Writes a line to the server's log, on the server's thread; see base/log.h. At
 * most 1 KiB of it is kept. Lines of the same @format, a literal, count as one
 * kind.
 */
void zkt__server_log(const struct zkt_server *server, enum zkt_log_level level,
                     const char *format, ...) ZKT_PRINTF(3, 4);

/** The same for a line about an address, which is in the text as well. */
void zkt__server_log_address(const struct zkt_server *server,
                             enum zkt_log_level level, const char *address,
                             const char *format, ...) ZKT_PRINTF(4, 5);

/**
 * Returns true if the calling thread may call @function. If not, the log says
 * so, on that thread. Builds with NDEBUG do not check.
 */
bool zkt__server_may_call(const struct zkt_server *server,
                          const char *function);

/** Binds the server to the thread that runs its next turn. */
void zkt__server_unbind_thread(struct zkt_server *server);

/**
 * Enclose a callback that is not a handler, or a turn: functions that are not
 * allowed in callbacks do nothing between them.
 */
void zkt__server_begin_callback(const struct zkt_server *server);
void zkt__server_end_callback(const struct zkt_server *server);

/** Returns true while a callback or the end of a turn is running. */
bool zkt__server_is_running(const struct zkt_server *server);

/**
 * Returns true if a connection may be accepted now. If not, the driver asks
 * again at the end of a turn; the deadline of the core is early enough for
 * that.
 */
bool zkt__server_is_open(struct zkt_server *server);

/** Stops accepting for a short time, since the process is out of descriptors or
 * memory. */
void zkt__server_pause_accepting(struct zkt_server *server);

/* Connections over the limit that may get an HTTP answer; sockets beyond that
 * are dropped. */
#define ZKT_REFUSED_MAX 32

/* Sockets of the listener of metrics, beside the limit. */
#define ZKT_METRICS_ROOM 16

/** Returns true if there are more connections than the limit allows, beside
 * those over it that wait for their request. */
bool zkt__server_is_full(const struct zkt_server *server);

/** Limits the connections to @most, unless the options have a limit. */
void zkt__server_limit_connections(struct zkt_server *server, int64_t most);

/** The counters of limits that were reached, for limits that a driver
 * enforces. */
struct zkt_limit_counts *zkt__server_limit_hits(struct zkt_server *server);

/* What a driver knows of the listener of a connection; a set. None: a listener
 * that anybody may reach. */
enum zkt_listener_trait {
    ZKT_LISTENER_LOOPBACK = 1 << 0, /* bound to an address of loopback */
    ZKT_LISTENER_UNIX = 1 << 1,     /* a Unix socket */
    ZKT_LISTENER_TLS = 1 << 2,      /* with TLS */
    ZKT_LISTENER_REDIRECT = 1 << 3, /* sends requests on to https:// */
    ZKT_LISTENER_PROXY = 1 << 4,    /* by a proxy, with the PROXY protocol */
    ZKT_LISTENER_METRICS = 1 << 5   /* serves metrics and health alone */
};

/* The place that listeners with ZKT_LISTENER_REDIRECT send requests to. */
struct zkt_redirect {
    uint16_t port;
    /* Returns true if @host, without its port, is a name of this server. From
     * any thread. */
    bool (*names)(void *user, struct zkt_str host);
    void *user;
};

/** Sets the place, for all shards. @redirect is borrowed as long as there are
 * connections of such listeners. */
void zkt__server_set_redirect(struct zkt_server *server,
                              const struct zkt_redirect *redirect);

/**
 * Adds a connection, in its WebSocket handshake. @address is the address of the
 * peer, borrowed for the call. Returns NULL if there is no memory or a limit is
 * reached: the driver drops the socket. The server owns the endpoint; the
 * driver ends it with detach.
 */
struct zkt_endpoint *zkt__server_accept(struct zkt_server *server,
                                        const char *address);

/** Returns true if a peer of a listener is a trusted proxy. */
bool zkt__server_trusts(const struct zkt_server *server, const char *address,
                        unsigned listener);

/**
 * The two halves of accept, for a driver that accepts on one thread and hands
 * the socket to another. zkt__server_admit returns false if a limit is reached.
 * After true, a call of zkt__server_add_connection or of
 * zkt__server_cancel_admission has to follow, on any shard of the server.
 * @listener is a set of enum zkt_listener_trait, the same in these calls.
 */
bool zkt__server_admit(struct zkt_server *server, unsigned listener);
struct zkt_endpoint *zkt__server_add_connection(struct zkt_server *server,
                                                const char *address,
                                                unsigned listener);
/**
 * Everything was sent on a connection that closes, and the driver waits for the
 * peer to close as well: after close_ms the endpoint is aborted.
 */
void zkt__server_await_close(struct zkt_endpoint *endpoint);
/** For a socket that is lost between the two halves. */
void zkt__server_cancel_admission(struct zkt_server *server, unsigned listener);

/** The number of shards of a server, and a shard. The program has shard 0. */
uint32_t zkt__server_shard_count(const struct zkt_server *server);
struct zkt_server *zkt__server_shard(const struct zkt_server *server,
                                     uint32_t shard);

/**
 * Runs the turns of the first @count shards: all of them, or only the first.
 * Called before their threads begin; the others have done nothing yet.
 */
void zkt__server_run_shards(struct zkt_server *server, uint32_t count);

/** Wakes the driver, unless a turn or a callback is running. */
void zkt__server_wake(struct zkt_server *server);

/** Returns true until a shutdown: more work may be sent to the server. */
bool zkt__server_is_ready(const struct zkt_server *server);
/** Returns true if the server accepts no more connections and calls, since it
 * stops. */
bool zkt__server_is_stopping(const struct zkt_server *server);

/** Sets the function by which metrics ask the system about the process; before
 * connections are accepted. */
void zkt__server_on_process(struct zkt_server *server,
                            void (*read)(struct zkt_process_stats *out));

/** The queue of work that other threads post. */
struct zkt_work_queue *zkt__server_work(struct zkt_server *server);

#endif
