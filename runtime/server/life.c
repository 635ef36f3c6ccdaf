/* See life.h. No function here waits; zkt__life_due has the time of the next
 * step. */
#include "server/life.h"

#include "instance/deferred.h"
#include "instance/mailbox.h"
#include "instance/open_calls.h"
#include "server/connection.h"
#include "server/core.h"
#include "session/task.h"

/* Returns true if the goal of all shards is @life or later. */
static bool is_goal(const struct zkt_server *server, enum zkt_life life)
{
    return atomic_load(&server->shards->lives.goal) >= life;
}

/* Advances the goal of all shards. Returns false if it was as far before. */
static bool set_goal(struct zkt_shards *shards, enum zkt_life life)
{
    enum zkt_life before = atomic_load(&shards->lives.goal);
    while (before < life) {
        if (atomic_compare_exchange_weak(&shards->lives.goal, &before, life)) {
            return true;
        }
    }
    return false;
}

void zkt__life_enter(struct zkt_server *server, enum zkt_life life)
{
    server->life = life;
    server->host.stopping = life >= ZKT_LIFE_DRAINING;
    server->instances.ended = life >= ZKT_LIFE_ENDED;
    server->instances.timers.stopped = server->host.stopping;
}

static void begin(struct zkt_server *server)
{
    zkt__life_enter(server, ZKT_LIFE_DRAINING);
    server->drain_due = server->core.now_ms + server->limits.drain_ms;
    zkt__open_calls_stop(&server->host);
}

void zkt_server_shutdown(struct zkt_server *server)
{
    if (server == NULL || is_goal(server, ZKT_LIFE_DRAINING)) {
        return;
    }
    if (server->shards->lives.running > 1) {
        (void)set_goal(server->shards, ZKT_LIFE_DRAINING);
        zkt__shards_wake(server->shards);
    } else if (zkt__server_may_call(server, "zkt_server_shutdown")) {
        (void)set_goal(server->shards, ZKT_LIFE_DRAINING);
        begin(server);
        zkt__server_wake(server);
    }
}

bool zkt__server_is_stopping(const struct zkt_server *server)
{
    return is_goal(server, ZKT_LIFE_DRAINING);
}

bool zkt_server_is_down(const struct zkt_server *server)
{
    const struct zkt_lives *lives = &server->shards->lives;
    return atomic_load(&lives->down) == lives->running ||
           is_goal(server, ZKT_LIFE_FREED);
}

/* ---- when ---- */

static bool is_drained(const struct zkt_server *server)
{
    return zkt__instances_all_free(&server->host) &&
           server->sessions.outstanding == 0;
}

static bool have_all_ended(const struct zkt_server *server)
{
    const struct zkt_lives *lives = &server->shards->lives;
    return atomic_load(&lives->ended) == lives->running;
}

int64_t zkt__life_due(const struct zkt_server *server)
{
    const int64_t now = server->core.now_ms;
    switch (server->life) {
    case ZKT_LIFE_SERVING:
        return is_goal(server, ZKT_LIFE_DRAINING) ? now : ZKT_NEVER;
    case ZKT_LIFE_DRAINING:
        return server->shards->lives.running == 1 && is_drained(server)
                   ? now
                   : server->drain_due;
    case ZKT_LIFE_ENDED:
        if (!server->instances_over) {
            return server->drain_due;
        }
        return have_all_ended(server) ? now : ZKT_NEVER;
    case ZKT_LIFE_FLUSHED:
        return now;
    case ZKT_LIFE_CLOSING:
    case ZKT_LIFE_DOWN:
    case ZKT_LIFE_FREED:
        break;
    }
    return ZKT_NEVER;
}

/* Publishes whether this shard is drained. Returns true if all shards are. */
static bool are_all_drained(struct zkt_server *server, bool drained)
{
    struct zkt_lives *lives = &server->shards->lives;
    const uint64_t all = UINT64_MAX >> (ZKT_THREADS_MAX - lives->running);
    const uint64_t own = (uint64_t)1 << server->self;
    _Static_assert(ZKT_THREADS_MAX == 64, "a shard has a bit");
    if (!drained) {
        atomic_fetch_and(&lives->drained, ~own);
        return false;
    }
    return (atomic_fetch_or(&lives->drained, own) | own) == all;
}

/* Returns true if no shard has calls, or if a shard has drained for
 * drain_ms. */
static bool is_time_to_end(struct zkt_server *server)
{
    const bool drained = is_drained(server);
    if ((are_all_drained(server, drained) ||
         server->core.now_ms >= server->drain_due) &&
        set_goal(server->shards, ZKT_LIFE_ENDED)) {
        server->host.stats.limit_hits.drain_ms += !drained;
        zkt__shards_wake(server->shards);
    }
    return is_goal(server, ZKT_LIFE_ENDED);
}

/* ---- steps ---- */

/* Goes on with ending the instances. Hooks that are deferred have drain_ms. */
static void end_instances(struct zkt_server *server)
{
    struct zkt_lives *lives = &server->shards->lives;
    if (server->core.now_ms >= server->drain_due) {
        zkt__instances_cancel(&server->host, ZKT_UNAVAILABLE,
                              ZKT_STR("the server stops"));
    }
    server->instances_over = zkt__instances_end(&server->host);
    zkt__shards_end_turn(server);
    if (!server->instances_over) {
        return;
    }
    if (atomic_fetch_add(&lives->ended, 1) + 1 == lives->running) {
        zkt__shards_wake(server->shards);
    }
    if (lives->running == 1) {
        zkt__life_enter(server, ZKT_LIFE_FLUSHED); /* no other shard sends */
    }
}

/* The hooks run first, so that their events are sent before the close frame. */
static void begin_ending(struct zkt_server *server)
{
    zkt__sessions_cancel(&server->host, ZKT_UNAVAILABLE,
                         ZKT_STR("the server stops"));
    zkt__instances_cancel(&server->host, ZKT_UNAVAILABLE,
                          ZKT_STR("the server stops"));
    zkt__life_enter(server, ZKT_LIFE_ENDED);
    server->drain_due = server->core.now_ms + server->limits.drain_ms;
}

static void close_connections(struct zkt_server *server)
{
    zkt__life_enter(server, ZKT_LIFE_CLOSING);
    for (struct zkt_node *n = zkt__list_first(&server->connections); n != NULL;
         n = zkt__list_after(&server->connections, n)) {
        struct zkt_connection *c = ZKT_CONTAINER(n, struct zkt_connection, all);
        if (c->stage < ZKT_STAGE_OPEN) {
            c->endpoint.closing = true;
        }
        zkt__connection_close(c, 1001, "the server stops");
    }
}

static void go_down(struct zkt_server *server)
{
    struct zkt_lives *lives = &server->shards->lives;
    zkt__life_enter(server, ZKT_LIFE_DOWN);
    if (atomic_fetch_add(&lives->down, 1) + 1 == lives->running) {
        zkt__shards_wake(server->shards);
    }
}

void zkt__life_begin_turn(struct zkt_server *server)
{
    if (server->life == ZKT_LIFE_ENDED && server->instances_over &&
        have_all_ended(server)) {
        zkt__life_enter(server, ZKT_LIFE_FLUSHED);
    }
}

void zkt__life_end_turn(struct zkt_server *server)
{
    if (server->life == ZKT_LIFE_SERVING && zkt__server_is_stopping(server)) {
        begin(server);
    }
    if (server->life == ZKT_LIFE_DRAINING && is_time_to_end(server)) {
        begin_ending(server);
    }
    if (server->life == ZKT_LIFE_ENDED && !server->instances_over) {
        end_instances(server);
    }
    if (server->life == ZKT_LIFE_FLUSHED) {
        close_connections(server);
    }
    if (server->life == ZKT_LIFE_CLOSING &&
        zkt__list_empty(&server->connections)) {
        go_down(server);
    }
}
