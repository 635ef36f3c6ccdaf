/*
 * The server as a core without I/O: what a driver (net's libuv adapter, the
 * local joiner, a test, a fuzzer) uses to run one. Time and bytes come in
 * through base/endpoint.h.
 */
#ifndef ZKT_SERVER_SERVER_H
#define ZKT_SERVER_SERVER_H

#include "base/endpoint.h"
#include "base/work_queue.h"
#include "zocket/server.h"

struct zkt_core *zkt__server_core(struct zkt_server *server);

/** The limits in force: the defaults, with the options' overrides. */
const struct zkt_limits *zkt__server_limits(const struct zkt_server *server);

const struct zkt_serve_options *zkt__server_options(
    const struct zkt_server *server);

const struct zkt_allocator *zkt__server_allocator(
    const struct zkt_server *server);

/**
 * A line for the server's log, on the server's thread; see base/log.h. At most
 * 1 KiB of it is kept. Lines of the same @format, a literal, are one kind.
 */
void zkt__server_log(const struct zkt_server *server, enum zkt_log_level level,
                     const char *format, ...) ZKT_PRINTF(3, 4);

/**
 * Whether the calling thread may call @what. If not, the log says so, on that
 * thread. Builds with NDEBUG do not look.
 */
bool zkt__server_may_call(const struct zkt_server *server, const char *what);

/** The server is of the thread that runs its next turn. */
void zkt__server_unbind_thread(struct zkt_server *server);

/**
 * Around a callback that is no handler, and around a turn: what must not happen
 * in callbacks does nothing meanwhile.
 */
void zkt__server_begin_callback(const struct zkt_server *server);
void zkt__server_end_callback(const struct zkt_server *server);

/** Whether a callback runs right now, or the end of a turn. */
bool zkt__server_is_running(const struct zkt_server *server);

/**
 * Whether a connection may be accepted now. When it may not, ask again at the
 * end of a turn; the core's deadline is early enough for that.
 */
bool zkt__server_is_open(struct zkt_server *server);

/** Accepting has failed for want of something: it is not open for a while. */
void zkt__server_pause_accepting(struct zkt_server *server);

/* So many connections over the limit are told that they are refused. */
#define ZKT_REFUSED_MAX 32

/** As many connections at once, if the options do not say how many. */
void zkt__server_limit_connections(struct zkt_server *server, int64_t most);

/** What counts how often limits are reached, for those that a driver keeps. */
struct zkt_limit_counts *zkt__server_limit_hits(struct zkt_server *server);

/**
 * A new connection, in its WebSocket handshake. @address is the peer's
 * (borrowed for the call). NULL: no memory, or a limit is reached; drop the
 * socket. The endpoint is the server's; the driver ends it with detach.
 */
struct zkt_endpoint *zkt__server_accept(struct zkt_server *server,
                                        const char *address);

/**
 * The two halves of accept, for a driver that accepts on one thread and hands
 * the socket to another. False: a limit is reached. If it is true, one call of
 * add_connection or of cancel_admission has to follow, on any shard of the
 * server.
 */
bool zkt__server_admit(struct zkt_server *server);
struct zkt_endpoint *zkt__server_add_connection(struct zkt_server *server,
                                                const char *address);
/**
 * Everything was sent on a connection that closes, and the driver waits for the
 * peer to close, too: when close_ms have passed, the endpoint is aborted.
 */
void zkt__server_await_close(struct zkt_endpoint *endpoint);
/** Instead of receive, for a socket that is lost between the two. */
void zkt__server_cancel_admission(struct zkt_server *server);

/** How many shards a server has, and one of them; 0 is what the user has. */
uint32_t zkt__server_shard_count(const struct zkt_server *server);
struct zkt_server *zkt__server_shard(const struct zkt_server *server,
                                     uint32_t shard);

/**
 * From now on the turns of the first @count shards are taken, of all or of one;
 * none of the others has done anything yet. Before their threads begin.
 */
void zkt__server_run_shards(struct zkt_server *server, uint32_t count);

/** Tells the driver that there is something to do, unless it knows. */
void zkt__server_wake(struct zkt_server *server);

/** Whether a shutdown has begun. */
bool zkt__server_is_stopping(const struct zkt_server *server);

/** What other threads post into. */
struct zkt_work_queue *zkt__server_work(struct zkt_server *server);

#endif
