/*
 * The time that connections have for what they have begun (deadlines.def), and
 * the memory of messages that have. A connection waits for one of the fixed
 * rows at a time, and beside it may have a message and output under way, which
 * have to make progress.
 */
#ifndef ZKT_SERVER_DEADLINES_H
#define ZKT_SERVER_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/timeouts.h"

struct zkt_connection;
struct zkt_server;

enum zkt_deadline {
#define CONNECTION(name, limit, extended, bounded, end) ZKT_DEADLINE_##name,
#include "server/deadlines.def"
    ZKT_DEADLINE_COUNT
};

/* A stretch of time in which output has to be taken; then another begins. */
struct zkt_window {
    struct zkt_timeout timeout;
    size_t done; /* bytes */
    size_t most; /* bytes that there are to be done */
};

/* A connection's deadlines. */
struct zkt_deadlines {
    struct zkt_timeout phase;   /* of a fixed row, or of one that is heard */
    struct zkt_timeout message; /* of a message that is under way */
    size_t before;              /* bytes of it that had come when that began */
    struct zkt_window output;
    struct zkt_timeout excess; /* while more than output_hard waits */
    size_t gathered;      /* memory of what has begun and is not complete */
    struct zkt_node node; /* in server->gathering, if there is any */
    uint32_t completed;   /* messages, as of the last time */
    enum zkt_deadline row : 8; /* that phase is of */
    bool paused;               /* it was not read from in the message's time */
};

void zkt__deadlines_init(struct zkt_server *server);
/** When the next one is due; ZKT_NEVER. */
int64_t zkt__deadlines_next(const struct zkt_server *server);
/** Ends everything whose time is over; once it is server->next_deadline. */
void zkt__deadlines_expire(struct zkt_server *server);

/* zkt__deadline_begin and others that each message passes are inline, at the
 * end of connection.h. */

/** @c was fed. Another connection, or this one, may be closed if all of them
 * have gathered too much. */
void zkt__deadline_heard(struct zkt_connection *c);
/** @c has taken so many bytes of its output, or (0) may have more; some waits.
 */
void zkt__deadline_output(struct zkt_connection *c, size_t taken);
/** Whether the time of output runs. */
static inline bool zkt__deadline_output_runs(const struct zkt_deadlines *d)
{
    return zkt__node_linked(&d->output.timeout.node);
}
/** No output waits. */
static inline void zkt__deadline_output_over(struct zkt_deadlines *d)
{
    zkt__timeout_cancel(&d->output.timeout);
    zkt__timeout_cancel(&d->excess);
}
/** @c waits for nothing any more. */
void zkt__deadlines_cancel(struct zkt_connection *c);

#endif
