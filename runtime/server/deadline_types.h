/*
 * The deadlines of a connection, as they are embedded in it. A connection has
 * one phase at a time, which a fixed row of deadlines.def limits; beside it a
 * message that arrives and output that waits have to make progress.
 */
#ifndef ZKT_SERVER_DEADLINE_TYPES_H
#define ZKT_SERVER_DEADLINE_TYPES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/timeouts.h"

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

#endif
