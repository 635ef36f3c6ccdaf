/* One connection of a server: its WebSocket, its port, its time limits. */
#ifndef ZKT_SERVER_CONNECTION_H
#define ZKT_SERVER_CONNECTION_H

#include "actor/actor.h"
#include "base/endpoint.h"
#include "base/owner.h"
#include "server/deadlines.h"
#include "server/server.h"
#include "server/shards.h"
#include "websocket/websocket.h"

#define ZKT_CLIENT_ID_BYTES 16 /* 128 random bits */

/* How far a connection has come; it never goes back. */
enum zkt_stage {
    ZKT_STAGE_HANDSHAKE,
    ZKT_STAGE_OPEN,
    ZKT_STAGE_OVER,    /* nothing is queued; its contacts end */
    ZKT_STAGE_DETACHED /* its transport is gone */
};

struct zkt_connection {
    struct zkt_endpoint endpoint;
    struct zkt_ws ws;
    struct zkt_port port;
    struct zkt_node all;    /* in server->connections */
    struct zkt_node ending; /* in server->ending */
    struct zkt_deadlines deadlines;
    struct zkt_address *address; /* that it counts for, or NULL */
    struct zkt_knock knock;      /* its handshake, while that is under way */
    int64_t protocol_errors;
    enum zkt_stage stage;
    char client_id[2 * ZKT_CLIENT_ID_BYTES + 1];
};

/*
 * A server, or one shard of it: all that one thread has for itself. What its
 * shards share stands behind @shards.
 */
struct zkt_server {
    struct zkt_core core;
    struct zkt_shards *shards;
    uint32_t self; /* which of them it is; 0: the one that the user has */
    struct zkt_owner owner;
    struct zkt_serve_options options;
    const struct zkt_allocator *allocator;
    struct zkt_limits limits;
    struct zkt_ws_limits ws_limits;
    struct zkt_actors actors;
    struct zkt_list connections; /* all that have a transport */
    struct zkt_list ending;      /* over: the end of a turn takes them apart */
    struct zkt_list deadlines[ZKT_DEADLINE_COUNT];
    struct zkt_list gathering; /* that have gathered a part of something */
    enum zkt_life life;
    int64_t drained_by; /* while draining: when the rest is cancelled */
    uint8_t *lent;      /* the message's memory, from the call's arena */
    uint32_t busy;      /* turns and callbacks under way: nothing is freed */
};

/** NULL: no memory. */
struct zkt_connection *zkt__connection_new(struct zkt_server *server);
/** Answers one that has just been made with an HTTP status. */
void zkt__connection_refuse(struct zkt_connection *c, int status);
/** Ends it: closing handshake if it is open, and its links in due time. */
void zkt__connection_close(struct zkt_connection *c, unsigned code,
                           const char *reason);
/** Drops those whose handshake was given up for others'. */
void zkt__connections_make_room(struct zkt_server *server);
/** Ends it at once, whatever is queued. */
void zkt__connection_drop(struct zkt_connection *c);
/**
 * Takes apart what has ended: disconnect hooks, and memory. At most @links
 * contacts end, and as many connections; the rest has the next turn.
 */
void zkt__connections_reap(struct zkt_server *server, int64_t links);

#endif
