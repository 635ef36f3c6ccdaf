/*
 * A connection of a server: its WebSocket, its session, its time limits and the
 * received bytes that a turn has not handled.
 */
#ifndef ZKT_SERVER_CONNECTION_H
#define ZKT_SERVER_CONNECTION_H

#include "base/endpoint.h"
#include "base/ip.h"
#include "server/admission.h"
#include "server/deadline_types.h"
#include "server/exchange.h"
#include "server/server.h"
#include "session/session.h"
#include "websocket/websocket.h"

struct zkt_http_request;
struct zkt_server;

/* A connection with this many times output_hard is closed, however fast its
 * peer reads. */
#define ZKT_OVERSIZE_FACTOR 16

/* Reads that are kept of a connection that is not to be read from. */
#define ZKT_UNHANDLED_READS 4

/* Budget that a connection may spend before others have their turn. */
#define ZKT_ROUND_WORK 100000

/* The stages of a connection; it never goes back. */
enum zkt_stage {
    ZKT_STAGE_HANDSHAKE, /* in its first request */
    ZKT_STAGE_HTTP,      /* a plain request was answered; another may come */
    ZKT_STAGE_OPEN,
    ZKT_STAGE_OVER,    /* nothing more is queued; its contacts end */
    ZKT_STAGE_DETACHED /* its transport is gone */
};

/* Received bytes that have not been handled. */
struct zkt_unhandled {
    struct zkt_connection *connection;
    struct zkt_node node; /* in server->backlog, while they may be handled */
    size_t at, len;
    uint8_t bytes[];
};

struct zkt_connection {
    struct zkt_endpoint endpoint;
    struct zkt_ws ws;
    struct zkt_session session;
    struct zkt_node all; /* in server->connections */
    struct zkt_deadlines deadlines;
    struct zkt_unhandled *unhandled; /* or NULL */
    size_t unsent;                   /* bytes of output that count */
    union {
        struct zkt_handshake handshake; /* in that stage */
        struct zkt_timeout excess; /* until it is over: the time of more output
                                      than output_hard, if deadlines.exceeds */
        struct zkt_node ending;    /* then: in server->ending */
    };
    uint32_t protocol_errors;
    enum zkt_stage stage : 8;
    uint8_t listener;   /* a set of enum zkt_listener_trait */
    bool input_ended;   /* the peer has ended its stream */
    bool oversized : 1; /* has far too much output; counted by the server */
    bool overdue : 1;   /* it had so at the end of a turn */
    bool surplus : 1;   /* over the limit of connections: only for those
                           that watch the server */
};

/** The callbacks of WebSockets that their connections implement. */
extern const struct zkt_ws_callbacks zkt__connection_ws_callbacks;
/** The callbacks of sessions that their connections implement. */
extern const struct zkt_session_events zkt__connection_events;

/** Returns the answer of @c that is not complete, or NULL. */
static inline struct zkt_exchange *zkt__connection_exchange(
    const struct zkt_connection *c)
{
    return c->stage == ZKT_STAGE_HTTP ? c->session.exchange : NULL;
}

/** Returns true if admission counts @c, its handshake and its address. */
static inline bool zkt__connection_is_counted(const struct zkt_connection *c)
{
    return !c->endpoint.inner && (c->listener & ZKT_LISTENER_METRICS) == 0;
}

/** @has_proxy: the peer is a trusted proxy, and tells the address of its
 * client. Returns NULL if there is no memory. */
struct zkt_connection *zkt__connection_new(struct zkt_server *server,
                                           const char *address, bool has_proxy);
/** Makes a connection without a transport for a request of HTTP that @outer has
 * received, with the address of its client. Returns NULL if there is no
 * memory. */
struct zkt_connection *zkt__connection_new_inner(
    struct zkt_server *server, const struct zkt_connection *outer,
    const struct zkt_http_request *request);
/** Returns the address that the client of @c is counted by: "" if it comes by a
 * proxy that has not told it. */
const char *zkt__connection_client(const struct zkt_connection *c);
/** Sets the address of the client of a connection with a proxy; NULL: that of
 * the proxy. */
void zkt__connection_set_address(struct zkt_connection *c,
                                 const struct zkt_ip *ip);
/**
 * Counts a connection with a proxy for the address of its client, from now on.
 * Returns false if it was refused: the address has too many, or there is no
 * memory.
 */
bool zkt__connection_count_client(struct zkt_connection *c);
/** Returns true if no byte of a request has come since the answer to the last
 * one, or at all, and the connection is no WebSocket. */
bool zkt__connection_is_idle(const struct zkt_connection *c);
/** Answers a new connection with an HTTP status. */
void zkt__connection_refuse(struct zkt_connection *c, int status);
/** Ends a connection: sends a close frame if it is open. Its contacts end
 * later. */
void zkt__connection_close(struct zkt_connection *c, unsigned code,
                           const char *reason);
/** Queues bytes to send, taking a reference. Returns false if there is no
 * memory. */
bool zkt__connection_queue(struct zkt_connection *c, struct zkt_buffer *buffer);
/** A request was answered, outside of its reading: goes on with the next, or
 * ends. */
void zkt__connection_answered(struct zkt_connection *c);
/** Drops the connections with evicted handshakes. */
void zkt__connections_drop_evicted(struct zkt_server *server);
/** Handles received bytes, in rounds, while the budget lasts. */
void zkt__connections_resume(struct zkt_server *server);
/** Ends a connection at once, with all queued output. */
void zkt__connection_drop(struct zkt_connection *c);
/**
 * Ends the contacts of connections that have ended, which runs their disconnect
 * hooks, and frees the connections. Handles at most @leaves contacts and as
 * many connections; the next turn handles the rest.
 */
void zkt__connections_reap(struct zkt_server *server, int64_t leaves);

#endif
