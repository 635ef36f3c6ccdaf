/*
 * An inner connection: a WebSocket whose client is the server itself, on behalf
 * of a request of HTTP. So a call by HTTP is a call like any other: `open`, the
 * middleware, the hooks, limits and slow readers are those of connections. It
 * takes the place of a driver: it feeds the bytes of a client to an endpoint
 * and reads those that the endpoint has to send.
 *
 * It is no connection of its own for admission: that of its request is counted.
 * Everything that it does, `open` and `close` included, has the id of the
 * request (struct zkt_peer_request).
 */
#ifndef ZKT_SERVER_INNER_H
#define ZKT_SERVER_INNER_H

#include "base/endpoint.h"
#include "http/request.h"

struct zkt_connection;
struct zkt_server;

struct zkt_inner {
    /* Called at the end of a turn: there may be something to read. */
    void (*wake)(struct zkt_inner *inner);
    struct zkt_endpoint *endpoint; /* NULL: closed */
    struct zkt_endpoint *outer;    /* of the connection with the request */
    const struct zkt_allocator *allocator;
    uint8_t *bytes; /* that are not read yet, from @at to @len */
    size_t at, len, capacity;
    size_t message; /* bytes of the frame that zkt__inner_read has given out */
    bool open;      /* the response of the handshake was read */
    unsigned code;  /* of the close frame that was read; 0: none was */
    bool creates_none; /* set before it opens: it creates no instance */
};

/* What there is to read. */
enum zkt_inner_event {
    ZKT_INNER_WAITS,
    ZKT_INNER_MESSAGE,
    ZKT_INNER_REFUSED, /* the handshake was, by a response of HTTP */
    ZKT_INNER_CLOSED
};

/** Returns the endpoint of the request that the inner endpoint @e serves; NULL
 * if that is closed. */
static inline struct zkt_endpoint *zkt__inner_outer(
    const struct zkt_endpoint *e)
{
    const struct zkt_inner *inner = e->transport;
    return inner != NULL ? inner->outer : NULL;
}

/**
 * Opens a connection on behalf of @request of @outer, with its fields and its
 * query, and sends @messages. Returns false if the server takes no connection,
 * or there is no memory.
 */
bool zkt__inner_open(struct zkt_inner *inner, struct zkt_connection *outer,
                     const struct zkt_http_request *request,
                     const struct zkt_str *messages, size_t count);

/** Reads the next message, or the response of a refusal; *@text is valid until
 * the next call. */
enum zkt_inner_event zkt__inner_read(struct zkt_inner *inner,
                                     struct zkt_str *text);

/** Closes the connection as a client that goes, and frees its memory. Takes one
 * that is closed. */
void zkt__inner_close(struct zkt_inner *inner);

/** Wakes the inner connections with something to read; once a turn. */
void zkt__inner_serve(struct zkt_server *server);

#endif
