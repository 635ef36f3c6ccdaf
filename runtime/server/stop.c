/*
 * A server's shutdown in phases, each of which is one step of a turn's end:
 * draining, closing, down. Nothing here waits; the deadline of the core says
 * when the next step is due.
 */
#include "server/connection.h"

void zkt_server_shutdown(struct zkt_server *server)
{
    if (server == NULL ||
        !zkt__server_may_call(server, "zkt_server_shutdown") ||
        server->phase != ZKT_SERVING) {
        return;
    }
    server->phase = ZKT_DRAINING;
    server->actors.stopping = true;
    server->drained_by = server->core.now_ms + server->limits.drain_ms;
    zkt__server_wake(server);
}

bool zkt__server_is_stopping(const struct zkt_server *server)
{
    return server->phase != ZKT_SERVING;
}

bool zkt_server_is_down(const struct zkt_server *server)
{
    return server->phase == ZKT_DOWN;
}

static bool is_drained(const struct zkt_server *server)
{
    return zkt__mailbox_all_free(&server->actors);
}

static bool is_over(const struct zkt_server *server)
{
    return server->core.now_ms >= server->drained_by;
}

int64_t zkt__server_stop_due(const struct zkt_server *server)
{
    if (server->phase == ZKT_DRAINING) {
        return is_drained(server) ? server->core.now_ms : server->drained_by;
    }
    return ZKT_NEVER;
}

/* The hooks run first, so that what they say goes out before the close. */
static void close_all(struct zkt_server *server)
{
    server->phase = ZKT_CLOSING;
    zkt__actors_cancel(&server->actors, ZKT_UNAVAILABLE,
                       ZKT_STR("the server stops"));
    zkt__actors_end(&server->actors);
    for (struct zkt_node *n = zkt__list_first(&server->connections); n != NULL;
         n = zkt__list_after(&server->connections, n)) {
        struct zkt_connection *c = ZKT_CONTAINER(n, struct zkt_connection, all);
        if (c->ws.state == ZKT_WS_HANDSHAKE) {
            c->endpoint.closing = true;
        }
        zkt__connection_close(c, 1001, "the server stops");
    }
}

void zkt__server_stop(struct zkt_server *server)
{
    if (server->phase == ZKT_DRAINING &&
        (is_drained(server) || is_over(server))) {
        server->actors.stats.reached.drain_ms += !is_drained(server);
        close_all(server);
    }
    if (server->phase == ZKT_CLOSING && zkt__list_empty(&server->connections)) {
        server->phase = ZKT_DOWN;
    }
}
