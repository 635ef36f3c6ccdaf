/* See life.h. No function here waits; zkt__life_due has the time of the next
 * step. */
#include "server/life.h"

#include "instance/deferred.h"
#include "instance/mailbox.h"
#include "instance/open_calls.h"
#include "server/connection.h"
#include "server/core.h"
#include "server/exchange.h"
#include "session/task.h"

/* Connections close in steps, STEP_MIN or more at a time, over at most two
 * seconds. */
enum {
    STEP_MS = 10,
    STEPS = 200,
    STEP_MIN = 64
};

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

static void close_connection(struct zkt_connection *c)
{
    const struct zkt_exchange *exchange = zkt__connection_exchange(c);
    if (exchange != NULL && exchange->ops->stop != NULL) {
        exchange->ops->stop(c->session.exchange);
        return;
    }
    if (c->stage < ZKT_STAGE_OPEN) {
        c->endpoint.closing = true;
    }
    zkt__connection_close(c, 1001, "the server stops");
}

static void close_idle(struct zkt_server *server)
{
    for (struct zkt_node *n = zkt__list_first(&server->connections); n != NULL;
         n = zkt__list_after(&server->connections, n)) {
        struct zkt_connection *c = ZKT_CONTAINER(n, struct zkt_connection, all);
        if (c->stage == ZKT_STAGE_HTTP && zkt__connection_is_idle(c)) {
            close_connection(c);
        }
    }
}

/* Begins to drain. */
static void begin(struct zkt_server *server)
{
    zkt__life_enter(server, ZKT_LIFE_DRAINING);
    server->phase_ends = server->core.now_ms + server->limits.drain_ms;
    zkt__open_calls_stop(&server->host);
    close_idle(server);
}

/* The goal of a shutdown: shards drain at once, or serve for a while. */
static enum zkt_life first_goal(const struct zkt_server *server)
{
    return server->limits.drain_delay_ms > 0 ? ZKT_LIFE_LEAVING
                                             : ZKT_LIFE_DRAINING;
}

/* Begins the time in which the server says that it is not ready; on the first
 * shard. */
static void begin_leaving(struct zkt_server *server)
{
    server->phase_ends = server->core.now_ms + server->limits.drain_delay_ms;
}

void zkt_server_shutdown(struct zkt_server *server)
{
    if (server == NULL || is_goal(server, ZKT_LIFE_LEAVING)) {
        return;
    }
    if (server->shards->lives.running > 1) {
        (void)set_goal(server->shards, first_goal(server));
        zkt__shards_wake(server->shards);
    } else if (zkt__server_may_call(server, "zkt_server_shutdown")) {
        (void)set_goal(server->shards, first_goal(server));
        if (zkt__server_is_stopping(server)) {
            begin(server);
        } else {
            begin_leaving(server);
        }
        zkt__server_wake(server);
    }
}

bool zkt__server_is_ready(const struct zkt_server *server)
{
    return !is_goal(server, ZKT_LIFE_LEAVING);
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
           server->sessions.outstanding == 0 && server->answers == 0;
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
        return is_goal(server, ZKT_LIFE_DRAINING) ? now
               : is_goal(server, ZKT_LIFE_LEAVING) && server->self == 0
                   ? server->phase_ends
                   : ZKT_NEVER;
    case ZKT_LIFE_DRAINING:
        return server->shards->lives.running == 1 && is_drained(server)
                   ? now
                   : server->phase_ends;
    case ZKT_LIFE_ENDED:
        if (!server->instances_over) {
            return server->phase_ends;
        }
        return have_all_ended(server) ? now : ZKT_NEVER;
    case ZKT_LIFE_FLUSHED:
        return now;
    case ZKT_LIFE_CLOSING:
        return server->closing.left > 0 ? server->closing.next_ms : ZKT_NEVER;
    case ZKT_LIFE_LEAVING:
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
         server->core.now_ms >= server->phase_ends) &&
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
    if (server->core.now_ms >= server->phase_ends) {
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
    zkt__exchanges_refuse(server);
    zkt__life_enter(server, ZKT_LIFE_ENDED);
    server->phase_ends = server->core.now_ms + server->limits.drain_ms;
}

static void begin_closing(struct zkt_server *server)
{
    struct zkt_closing *closing = &server->closing;
    zkt__life_enter(server, ZKT_LIFE_CLOSING);
    closing->left = 0;
    for (struct zkt_node *n = zkt__list_first(&server->connections); n != NULL;
         n = zkt__list_after(&server->connections, n)) {
        closing->left++;
    }
    closing->per_step = closing->left / STEPS > STEP_MIN
                            ? closing->left / STEPS + 1
                            : STEP_MIN;
    closing->next_ms = server->core.now_ms;
}

/* Closes some of the connections, and moves them to the end of their list. */
static void close_connections(struct zkt_server *server)
{
    struct zkt_closing *closing = &server->closing;
    struct zkt_node *node;
    for (uint32_t i = 0; i < closing->per_step && closing->left > 0 &&
                         (node = zkt__list_first(&server->connections)) != NULL;
         i++, closing->left--) {
        zkt__node_unlink(node);
        zkt__list_append(&server->connections, node);
        close_connection(ZKT_CONTAINER(node, struct zkt_connection, all));
    }
    closing->next_ms = server->core.now_ms + STEP_MS;
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

/* Begins and ends the time in which the server says that it is not ready; on
 * the first shard. */
static void leave(struct zkt_server *server)
{
    if (server->phase_ends == 0) { /* another thread has shut it down */
        begin_leaving(server);
    }
    if (server->core.now_ms >= server->phase_ends &&
        set_goal(server->shards, ZKT_LIFE_DRAINING)) {
        server->host.stats.limit_hits.drain_delay_ms++;
        zkt__shards_wake(server->shards);
    }
}

void zkt__life_end_turn(struct zkt_server *server)
{
    if (server->self == 0 && !zkt__server_is_ready(server) &&
        !zkt__server_is_stopping(server)) {
        leave(server);
    }
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
        begin_closing(server);
    }
    if (server->life == ZKT_LIFE_CLOSING && server->closing.left > 0 &&
        server->core.now_ms >= server->closing.next_ms) {
        close_connections(server);
    }
    if (server->life == ZKT_LIFE_CLOSING &&
        zkt__list_empty(&server->connections)) {
        go_down(server);
    }
}
