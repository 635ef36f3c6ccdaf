/*
 * A connection of a server: its WebSocket, its session, its time limits and the
 * received bytes that a turn has not handled.
 */
#ifndef ZKT_SERVER_CONNECTION_H
#define ZKT_SERVER_CONNECTION_H

#include "base/endpoint.h"
#include "server/admission.h"
#include "server/deadline_types.h"
#include "session/session.h"
#include "websocket/websocket.h"

struct zkt_server;

/* Times output_hard that are too much, however fast a peer takes them. */
#define ZKT_OVERSIZE_FACTOR 16

/* So many reads are kept of a connection that is not to be read from. */
#define ZKT_UNHANDLED_READS 4

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
struct zkt_unhandled {
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
    struct zkt_unhandled *unhandled; /* these, or NULL */
    struct zkt_node oversized; /* in server->oversized: far too much waits */
    uint64_t oversized_since;  /* the turn in which that began */
    size_t unsent;             /* bytes of output that are counted */
    struct zkt_handshake handshake; /* its handshake, and its address */
    uint32_t protocol_errors;
    enum zkt_stage stage : 8;
    bool input_ended; /* the peer will send no more */
};

/** What connections do when their sessions have changed. */
extern const struct zkt_session_events zkt__connection_events;

/** NULL: no memory. */
struct zkt_connection *zkt__connection_new(struct zkt_server *server);
/** Answers one that has just been made with an HTTP status. */
void zkt__connection_refuse(struct zkt_connection *c, int status);
/** Ends it: closing handshake if it is open, and its contacts in due time. */
void zkt__connection_close(struct zkt_connection *c, unsigned code,
                           const char *reason);
/** Drops those whose handshake was given up for others'. */
void zkt__connections_drop_evicted(struct zkt_server *server);
/** Goes on with bytes that have arrived, in rounds, while the budget lasts. */
void zkt__connections_resume(struct zkt_server *server);
/** Ends it at once, whatever is queued. */
void zkt__connection_drop(struct zkt_connection *c);
/**
 * Takes apart what has ended: disconnect hooks, and memory. At most @leaves
 * contacts end, and as many connections; the rest has the next turn.
 */
void zkt__connections_reap(struct zkt_server *server, int64_t leaves);

#endif
