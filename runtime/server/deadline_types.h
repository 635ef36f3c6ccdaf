/*
 * The deadlines of a connection, which are embedded in it. A connection is in
 * one of the phases that a fixed row of deadlines.def limits; beside it, a
 * message that arrives and output that waits have to make progress.
 */
#ifndef ZKT_SERVER_DEADLINE_TYPES_H
#define ZKT_SERVER_DEADLINE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/timeouts.h"

struct zkt_connection;

enum zkt_deadline {
#define CONNECTION(name, limit, extended, bounded, end) ZKT_DEADLINE_##name,
#include "server/deadlines.def"
    ZKT_DEADLINE_COUNT
};

/* A period in which output has to be taken; then another begins. */
struct zkt_window {
    struct zkt_timeout timeout;
    uint32_t done; /* bytes taken in it, at most UINT32_MAX */
    uint32_t most; /* bytes queued at its begin, at most UINT32_MAX */
};

/* The incomplete message or request of a connection. A message that has begun
 * has to make progress in a period. */
struct zkt_arrival {
    struct zkt_connection *connection;
    struct zkt_node node;       /* in server->gathering */
    size_t memory;              /* of the message */
    struct zkt_timeout timeout; /* of a message; the phase times a body */
    size_t before;              /* bytes of the message or body at the begin of
                                   its period */
};

/* A connection's other deadlines. */
struct zkt_deadlines {
    struct zkt_timeout phase; /* of a FIXED or a HEARD row, or of BODY */
    struct zkt_window output;
    struct zkt_arrival *arrival; /* NULL: nothing is incomplete */
    uint32_t completed; /* complete messages and requests at the last read */
    enum zkt_deadline row : 8; /* of the phase */
    bool paused;  /* reading has stopped in the period of the message */
    bool exceeds; /* the time of too much output runs: connection->excess */
};

#endif
