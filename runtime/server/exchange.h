/*
 * An exchange: a request that was received, and its answer, while the answer is
 * not complete. A route that answers at once needs none. While there is one,
 * its connection handles no further bytes, so that answers keep the order of
 * their requests.
 *
 * It is embedded in the object that makes the answer: a body that is streamed
 * (answer.h), a request that the program answers later.
 */
#ifndef ZKT_SERVER_EXCHANGE_H
#define ZKT_SERVER_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "zocket/types.h"

struct zkt_connection;
struct zkt_exchange;
struct zkt_server;
struct zkt_slice;

struct zkt_exchange_ops {
    /* The connection @c ends. The exchange has ended; its owner may free it. */
    void (*drop)(struct zkt_exchange *exchange, struct zkt_connection *c);
    /* All output was taken: more may be queued. NULL: nothing is queued. */
    void (*pull)(struct zkt_exchange *exchange);
    /* There is no time left for the answer: another takes its place, of
     * @status, 503 if the server stops, or 504 if ZKT_DEADLINE_REQUEST is over,
     * which the owner begins, or the end of the client's stream. NULL: the
     * answer has begun. */
    void (*refuse)(struct zkt_exchange *exchange, int status,
                   struct zkt_str text);
    /* The server stops, and its connections close: an answer without an end
     * ends now, and its connection with it. NULL: the answer has an end, for
     * which a draining server waits. */
    void (*stop)(struct zkt_exchange *exchange);
};

struct zkt_exchange {
    const struct zkt_exchange_ops *ops;
    struct zkt_connection *connection;
    bool ends_with_input; /* it is dropped when the client ends its stream */
};

/** Begins an exchange, in the answer function of a route. */
void zkt__exchange_begin(struct zkt_connection *c,
                         struct zkt_exchange *exchange);
/** The client of @c has ended its stream, and may have gone: an answer that has
 * not begun has as much time as the program has for one. */
void zkt__exchange_input_ended(struct zkt_connection *c);
/** Ends an exchange: now its connection is answered by answer.h, and then by
 * zkt__connection_answered goes on. */
void zkt__exchange_leave(struct zkt_exchange *exchange);
/** Refuses all answers of a server that have not begun, since it stops. */
void zkt__exchanges_refuse(struct zkt_server *server);
/** All output of a connection was taken: pulls more from its exchange, if any.
 * The result is that of pending, of struct zkt_endpoint_ops. */
size_t zkt__exchange_pending(struct zkt_connection *c, struct zkt_slice *out,
                             size_t max);
/** The connection ends: drops its exchange, if there is one. */
void zkt__exchange_drop(struct zkt_connection *c);

#endif
