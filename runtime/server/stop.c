/*
 * A server's shutdown in phases, each of which is one step of a turn's end:
 * draining, ended, closing, down. Nothing here waits; the deadline of the core
 * says when the next step is due, and shards wake each other. A shard that has
 * ended its instances may still hear of others' until all have ended theirs;
 * what they have said by then has arrived when its next turn is over.
 */
#include "actor/remote.h"
#include "server/connection.h"

static void begin(struct zkt_server *server)
{
    server->phase = ZKT_DRAINING;
    server->actors.stopping = true;
    server->drained_by = server->core.now_ms + server->limits.drain_ms;
}

void zkt_server_shutdown(struct zkt_server *server)
{
    if (server == NULL || atomic_load(&server->shards->stopping)) {
        return;
    }
    if (server->shards->running > 1) {
        atomic_store(&server->shards->stopping, true);
        zkt__shards_wake(server->shards);
    } else if (zkt__server_may_call(server, "zkt_server_shutdown")) {
        atomic_store(&server->shards->stopping, true);
        begin(server);
        zkt__server_wake(server);
    }
}

bool zkt__server_is_stopping(const struct zkt_server *server)
{
    return atomic_load(&server->shards->stopping);
}

bool zkt_server_is_down(const struct zkt_server *server)
{
    return atomic_load(&server->shards->down) == server->shards->running;
}

static bool is_drained(const struct zkt_server *server)
{
    const struct zkt_actors *actors = &server->actors;
    return zkt__mailbox_all_free(actors) &&
           (actors->remote == NULL || actors->remote->away == 0);
}

static bool is_over(const struct zkt_server *server)
{
    return server->core.now_ms >= server->drained_by;
}

static bool have_all_ended(const struct zkt_server *server)
{
    return atomic_load(&server->shards->ended) == server->shards->running;
}

int64_t zkt__server_stop_due(const struct zkt_server *server)
{
    const int64_t now = server->core.now_ms;
    switch (server->phase) {
    case ZKT_SERVING:
        return atomic_load(&server->shards->stopping) ? now : ZKT_NEVER;
    case ZKT_DRAINING:
        return server->shards->running == 1 && is_drained(server)
                   ? now
                   : server->drained_by;
    case ZKT_ENDED:
        return have_all_ended(server) ? now : ZKT_NEVER;
    case ZKT_CLOSING:
    case ZKT_DOWN:
        break;
    }
    return ZKT_NEVER;
}

/* Whether calls have had the time they get, on this shard or on another. */
static bool is_time_to_end(struct zkt_server *server)
{
    struct zkt_shards *shards = server->shards;
    const bool drained = is_drained(server);
    if (zkt__shards_note_drained(shards, server->self, drained) ||
        is_over(server)) {
        if (!atomic_exchange(&shards->ending, true)) {
            server->actors.stats.reached.drain_ms += !drained;
            zkt__shards_wake(shards);
        }
    }
    return atomic_load(&shards->ending);
}

/* The hooks run first, so that what they say goes out before the close. */
static void end_instances(struct zkt_server *server)
{
    server->phase = ZKT_ENDED;
    zkt__actors_cancel(&server->actors, ZKT_UNAVAILABLE,
                       ZKT_STR("the server stops"));
    zkt__actors_end(&server->actors);
    zkt__shards_end_turn(server);
    if (atomic_fetch_add(&server->shards->ended, 1) + 1 ==
        server->shards->running) {
        zkt__shards_wake(server->shards);
    }
    server->complete = server->shards->running == 1;
}

static void close_connections(struct zkt_server *server)
{
    server->phase = ZKT_CLOSING;
    for (struct zkt_node *n = zkt__list_first(&server->connections); n != NULL;
         n = zkt__list_after(&server->connections, n)) {
        struct zkt_connection *c = ZKT_CONTAINER(n, struct zkt_connection, all);
        if (c->ws.state == ZKT_WS_HANDSHAKE) {
            c->endpoint.closing = true;
        }
        zkt__connection_close(c, 1001, "the server stops");
    }
}

static void go_down(struct zkt_server *server)
{
    server->phase = ZKT_DOWN;
    if (atomic_fetch_add(&server->shards->down, 1) + 1 ==
        server->shards->running) {
        zkt__shards_wake(server->shards);
    }
}

void zkt__server_look_around(struct zkt_server *server)
{
    if (server->phase == ZKT_ENDED && have_all_ended(server)) {
        server->complete = true;
    }
}

void zkt__server_stop(struct zkt_server *server)
{
    if (server->phase == ZKT_SERVING && zkt__server_is_stopping(server)) {
        begin(server);
    }
    if (server->phase == ZKT_DRAINING && is_time_to_end(server)) {
        end_instances(server);
    }
    if (server->phase == ZKT_ENDED && server->complete) {
        close_connections(server);
    }
    if (server->phase == ZKT_CLOSING && zkt__list_empty(&server->connections)) {
        go_down(server);
    }
}
