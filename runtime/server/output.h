/*
 * The output of connections that waits. While more than a little does, a
 * connection is not read from, and what it has is counted: each may have so
 * much of it (output_hard), and all together (unsent_bytes).
 */
#ifndef ZKT_SERVER_OUTPUT_H
#define ZKT_SERVER_OUTPUT_H

#include "server/connection.h"
#include "server/core.h"

/* So many bytes of one connection are not counted; see struct
 * zkt_server_stats. */
#define ZKT_OUTPUT_LITTLE (16 * 1024)

/** Whether more may be read from the peer, and handled. */
static inline bool zkt__connection_may_receive(const struct zkt_connection *c)
{
    const struct zkt_server *server =
        (const struct zkt_server *)(const void *)c->endpoint.core;
    return zkt__session_may_receive(&server->host, &c->session);
}

/** Reading follows what may be handled: it stops with bytes at hand. */
void zkt__output_follow_reading(struct zkt_connection *c);
/** The output that waits has grown, or become less. */
void zkt__output_follow(struct zkt_connection *c);
/** No output of @c waits any more. */
void zkt__output_forget(struct zkt_connection *c);
/**
 * Once a turn: closes those that hold far too much output, and, while all of
 * them hold too much, the one that holds most; both after a turn in which it
 * could be sent.
 */
void zkt__output_enforce_limits(struct zkt_server *server);
/** Whether there is something to be closed in the next turn. */
static inline bool zkt__output_is_over_limit(const struct zkt_server *server)
{
    return server->unsent_over_limit || !zkt__list_empty(&server->oversized);
}

#endif
