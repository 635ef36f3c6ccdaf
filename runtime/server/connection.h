/* One connection of a server: its WebSocket, its session, its time limits. */
#ifndef ZKT_SERVER_CONNECTION_H
#define ZKT_SERVER_CONNECTION_H

#include "base/affinity.h"
#include "base/endpoint.h"
#include "instance/registry.h"
#include "server/deadlines.h"
#include "server/server.h"
#include "server/shards.h"
#include "session/session.h"
#include "websocket/websocket.h"

/* Times output_hard that are too much, however fast a peer takes them. */
#define ZKT_BLOATED 16

/* So many reads are kept of a connection that is not to be read from. */
#define ZKT_HELD_READS 4

/* A connection's share of the budget of a turn before others have theirs. */
#define ZKT_ROUND_WORK 100000

/* How far a connection has come; it never goes back. */
enum zkt_stage {
    ZKT_STAGE_HANDSHAKE,
    ZKT_STAGE_OPEN,
    ZKT_STAGE_OVER,    /* nothing is queued; its contacts end */
    ZKT_STAGE_DETACHED /* its transport is gone */
};

/* Bytes that have arrived and have yet to be handled. */
struct zkt_held {
    size_t at, len;
    uint8_t bytes[];
};

struct zkt_connection {
    struct zkt_endpoint endpoint;
    struct zkt_ws ws;
    struct zkt_session session;
    struct zkt_node all;    /* in server->connections */
    struct zkt_node ending; /* in server->ending */
    struct zkt_deadlines deadlines;
    struct zkt_node backlog; /* in server->backlog: bytes to go on with */
    struct zkt_held *held;   /* these, or NULL */
    struct zkt_node bloated; /* in server->bloated: far too much waits */
    uint64_t bloated_in;     /* the turn in which that began */
    size_t unsent;           /* bytes of output that are counted */
    struct zkt_knock knock;  /* its handshake, and its address */
    uint32_t protocol_errors;
    enum zkt_stage stage : 8;
    bool input_ended; /* the peer will send no more */
};

/*
 * A server, or one shard of it: all that one thread has for itself. What its
 * shards share stands behind @shards.
 */
struct zkt_server {
    struct zkt_core core;
    struct zkt_shards *shards;
    uint32_t self; /* which of them it is; 0: the one that the user has */
    struct zkt_affinity owner;
    struct zkt_serve_options options;
    const struct zkt_allocator *allocator;
    struct zkt_limits limits;
    struct zkt_ws_limits ws_limits;
    struct zkt_host host;
    struct zkt_sessions sessions;
    struct zkt_instances instances;
    struct zkt_list connections; /* all that have a transport */
    struct zkt_list ending;      /* over: the end of a turn takes them apart */
    struct zkt_list deadlines[ZKT_DEADLINE_COUNT];
    int64_t next_deadline;     /* none of them is due before */
    struct zkt_list gathering; /* that have gathered a part of something */
    struct zkt_list backlog;   /* that have bytes to go on with */
    struct zkt_list bloated;   /* whose output is far over its limit */
    size_t output_little;      /* bytes that reach no limit of output */
    bool crowded;              /* the output of all is over its limit */
    uint64_t crowded_in;       /* the turn in which that began */
    uint64_t turn;             /* number of this one */
    int64_t round_ends;        /* budget at which a connection's round ends */
    enum zkt_life life;
    int64_t drained_by; /* while draining: when the rest is cancelled */
    uint8_t *lent;      /* memory of the message, from the arena */
    /* Of any thread: functions that wait to be run, and how many have not been
     * taken. */
    _Atomic(int64_t) posted;
    _Atomic(uint64_t) posts_refused;
    uint32_t busy; /* turns and callbacks under way: nothing is freed */
};

/** zkt__server_is_running; inline for what asks once a frame. */
static inline bool zkt__server_is_busy(const struct zkt_server *server)
{
    return server->host.running || server->busy > 0 ||
           server->life == ZKT_LIFE_FREED;
}

/** What connections do when their sessions have changed. */
extern const struct zkt_session_events zkt__connection_events;

/** NULL: no memory. */
struct zkt_connection *zkt__connection_new(struct zkt_server *server);
/** Handles a message; @data is in the memory that was lent for it, or not. */
void zkt__connection_receive(struct zkt_connection *c, uint8_t *data,
                             size_t len);
/** Answers one that has just been made with an HTTP status. */
void zkt__connection_refuse(struct zkt_connection *c, int status);
/** Ends it: closing handshake if it is open, and its contacts in due time. */
void zkt__connection_close(struct zkt_connection *c, unsigned code,
                           const char *reason);
/** Drops those whose handshake was given up for others'. */
void zkt__connections_make_room(struct zkt_server *server);
/** Goes on with bytes that have arrived, in rounds, while the budget lasts. */
void zkt__connections_go_on(struct zkt_server *server);
/** Ends it at once, whatever is queued. */
void zkt__connection_drop(struct zkt_connection *c);
/**
 * Takes apart what has ended: disconnect hooks, and memory. At most @leaves
 * contacts end, and as many connections; the rest has the next turn.
 */
void zkt__connections_reap(struct zkt_server *server, int64_t leaves);

/* ---- deadlines that every message begins: inline, and a row that is known
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

/** Begins one of the rows that are not of a window. */
static inline void zkt__deadline_begin(struct zkt_connection *c,
                                       enum zkt_deadline row)
{
    struct zkt_server *server = (struct zkt_server *)(void *)c->endpoint.core;
    c->deadlines.row = row;
    zkt__deadline_arm(server, row, &c->deadlines.phase);
}

/** Begins the time of output that waits from now on: no more of it can be asked
 * for than there is. */
static inline void zkt__deadline_output_begin(struct zkt_connection *c)
{
    struct zkt_server *server = (struct zkt_server *)(void *)c->endpoint.core;
    struct zkt_window *output = &c->deadlines.output;
    output->done = 0;
    output->most = c->session.queue.bytes;
    zkt__deadline_arm(server, ZKT_DEADLINE_OUTPUT, &output->timeout);
}

#endif
