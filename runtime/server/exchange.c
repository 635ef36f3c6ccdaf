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
    server_of(c)->answers += exchange->ops->stop == NULL;
    zkt__timeout_cancel(&c->deadlines.phase);
    if (c->input_ended) {
        zkt__exchange_input_ended(c);
    }
}

/* A time that the owner has begun goes on. */
void zkt__exchange_input_ended(struct zkt_connection *c)
{
    const struct zkt_exchange *exchange = zkt__connection_exchange(c);
    if (exchange != NULL && exchange->ops->refuse != NULL &&
        !zkt__node_linked(&c->deadlines.phase.node)) {
        zkt__deadline_begin(c, ZKT_DEADLINE_REQUEST);
    }
}

void zkt__exchange_leave(struct zkt_exchange *exchange)
{
    struct zkt_connection *c = exchange->connection;
    server_of(c)->answers -= exchange->ops->stop == NULL;
    exchange->connection = NULL;
    c->session.exchange = NULL;
    zkt__node_unlink(&c->session.wait_node);
    zkt__timeout_cancel(&c->deadlines.phase);
}

void zkt__exchanges_refuse(struct zkt_server *server)
{
    struct zkt_node *node = zkt__list_first(&server->exchanges);
    while (node != NULL) {
        struct zkt_exchange *exchange =
            ZKT_CONTAINER(node, struct zkt_session, wait_node)->exchange;
        node = zkt__list_after(&server->exchanges, node);
        if (exchange->ops->refuse != NULL) {
            exchange->ops->refuse(exchange, 503, ZKT_STR("the server stops\n"));
        }
    }
}

void zkt__exchange_drop(struct zkt_connection *c)
{
    struct zkt_exchange *exchange = zkt__connection_exchange(c);
    if (exchange != NULL) {
        zkt__exchange_leave(exchange);
        exchange->ops->drop(exchange, c);
    }
}

size_t zkt__exchange_pending(struct zkt_connection *c, struct zkt_slice *out,
                             size_t max)
{
    struct zkt_exchange *exchange = zkt__connection_exchange(c);
    if (exchange == NULL || exchange->ops->pull == NULL) {
        return 0;
    }
    exchange->ops->pull(exchange);
    return zkt__queue_peek(&c->session.queue, out, max);
}
