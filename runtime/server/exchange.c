/* See exchange.h. The node of sessions that may not receive keeps the list of
 * exchanges, and thereby stops reading. */
#include "server/exchange.h"

#include "server/connection.h"
#include "server/core.h"
#include "server/deadlines.h"
#include "server/output.h"

static struct zkt_server *server_of(struct zkt_connection *c)
{
    return (struct zkt_server *)(void *)c->endpoint.core;
}

void zkt__exchange_begin(struct zkt_connection *c,
                         struct zkt_exchange *exchange)
{
    exchange->connection = c;
    c->session.exchange = exchange;
    zkt__list_append(&server_of(c)->exchanges, &c->session.wait_node);
    zkt__timeout_cancel(&c->deadlines.phase);
}

void zkt__exchange_leave(struct zkt_exchange *exchange)
{
    struct zkt_connection *c = exchange->connection;
    exchange->connection = NULL;
    c->session.exchange = NULL;
    zkt__node_unlink(&c->session.wait_node);
    zkt__timeout_cancel(&c->deadlines.phase);
}

void zkt__exchange_drop(struct zkt_connection *c)
{
    struct zkt_exchange *exchange = zkt__connection_exchange(c);
    if (exchange != NULL) {
        zkt__exchange_leave(exchange);
        exchange->ops->drop(exchange, c);
    }
}
