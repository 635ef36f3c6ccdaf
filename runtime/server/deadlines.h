/*
 * The time limits of connections (deadlines.def), and the memory of incomplete
 * messages. All timeouts of a row last equally long, so the list of a row is in
 * the order of due times.
 */
#ifndef ZKT_SERVER_DEADLINES_H
#define ZKT_SERVER_DEADLINES_H

#include "server/connection.h"
#include "server/core.h"
#include "server/deadline_types.h"

void zkt__deadlines_init(struct zkt_server *server);
/** The next due time, or ZKT_NEVER. */
int64_t zkt__deadlines_next(const struct zkt_server *server);
/** Runs all timeouts that are due. Called at server->next_deadline. */
void zkt__deadlines_expire(struct zkt_server *server);

/** @c has received bytes. Closes connections if all of them have gathered too
 * much, perhaps @c. */
void zkt__deadline_heard(struct zkt_connection *c);
/** The peer of @c has taken @taken bytes of output, or new output was queued
 * (0). Some output waits. */
void zkt__deadline_output(struct zkt_connection *c, size_t taken);
/** Returns true if the period for output runs. */
static inline bool zkt__deadline_output_runs(const struct zkt_deadlines *d)
{
    return zkt__node_linked(&d->output.timeout.node);
}
/** Ends the time of too much output, if it runs. */
static inline void zkt__deadline_excess_over(struct zkt_connection *c)
{
    if (c->deadlines.exceeds) {
        c->deadlines.exceeds = false;
        zkt__timeout_cancel(&c->excess);
    }
}
/** No output waits. */
static inline void zkt__deadline_output_over(struct zkt_connection *c)
{
    zkt__timeout_cancel(&c->deadlines.output.timeout);
    zkt__deadline_excess_over(c);
}
/** Cancels all deadlines of @c. */
void zkt__deadlines_cancel(struct zkt_connection *c);

/* ---- deadlines that every message begins: inline, so that a constant row
 * costs no switch ---- */

static inline int64_t zkt__deadline_ms(const struct zkt_server *server,
                                       enum zkt_deadline row)
{
    switch (row) {
#define CONNECTION(name, limit, extended, bounded, end)                        \
    case ZKT_DEADLINE_##name:                                                  \
        return server->limits.limit;
#include "server/deadlines.def"
    case ZKT_DEADLINE_COUNT:
        break;
    }
    return 0;
}

static inline void zkt__deadline_arm(struct zkt_server *server,
                                     enum zkt_deadline row,
                                     struct zkt_timeout *timeout)
{
    zkt__timeout_arm(&server->deadlines[row], timeout, server->core.now_ms,
                     zkt__deadline_ms(server, row));
    if (timeout->due < server->next_deadline) {
        server->next_deadline = timeout->due;
    }
}

/** Begins a phase: a FIXED or a HEARD row. */
static inline void zkt__deadline_begin(struct zkt_connection *c,
                                       enum zkt_deadline row)
{
    struct zkt_server *server = (struct zkt_server *)(void *)c->endpoint.core;
    c->deadlines.row = row;
    zkt__deadline_arm(server, row, &c->deadlines.phase);
}

static inline uint32_t zkt__deadline_bytes(size_t bytes)
{
    return bytes < UINT32_MAX ? (uint32_t)bytes : UINT32_MAX;
}

/** Begins a period for the queued output: its peer need not take more than is
 * queued now. */
static inline void zkt__deadline_output_begin(struct zkt_connection *c)
{
    struct zkt_server *server = (struct zkt_server *)(void *)c->endpoint.core;
    struct zkt_window *output = &c->deadlines.output;
    output->done = 0;
    output->most = zkt__deadline_bytes(c->session.queue.bytes);
    zkt__deadline_arm(server, ZKT_DEADLINE_OUTPUT, &output->timeout);
}

#endif
