/*
 * The queued output of connections. A connection with more than a little of it
 * is not read from, and its output counts towards two limits: output_hard for
 * each connection, and unsent_bytes for all.
 */
#ifndef ZKT_SERVER_OUTPUT_H
#define ZKT_SERVER_OUTPUT_H

#include "server/connection.h"
#include "server/core.h"

/* Bytes of a connection that are not counted; see struct zkt_server_stats. */
#define ZKT_OUTPUT_LITTLE (16 * 1024)

/** Returns true if more may be read from the peer and handled. */
static inline bool zkt__connection_may_receive(const struct zkt_connection *c)
{
    const struct zkt_server *server =
        (const struct zkt_server *)(const void *)c->endpoint.core;
    return zkt__session_may_receive(&server->host, &c->session);
}

/** Stops or resumes reading: unhandled bytes stop it. */
void zkt__output_follow_reading(struct zkt_connection *c);
/** The queued output has changed: updates the counts, and reading. */
void zkt__output_follow(struct zkt_connection *c);
/** The output of @c is gone. */
void zkt__output_forget(struct zkt_connection *c);
/**
 * Once a turn: closes connections with far too much output, and, while all
 * output is over unsent_bytes, the connection with most of it. Both had a turn
 * in which the output could be sent.
 */
void zkt__output_enforce_limits(struct zkt_server *server);
/** Returns true if zkt__output_enforce_limits has connections to close. */
static inline bool zkt__output_is_over_limit(const struct zkt_server *server)
{
    return server->unsent_over_limit || server->oversized > 0;
}

#endif
