/* See turn.h. */
#include "server/turn.h"

#include "instance/deferred.h"
#include "instance/mailbox.h"
#include "server/actor_request.h"
#include "server/answer.h"
#include "server/connection.h"
#include "server/core.h"
#include "server/deadlines.h"
#include "server/inner.h"
#include "server/output.h"
#include "session/task.h"
#include "shard/group.h"

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t deadline(const struct zkt_core *core)
{
    const struct zkt_server *s = (const struct zkt_server *)(const void *)core;
    int64_t next = zkt__deadlines_next(s);
    next = earlier(next, s->instances.next_due);
    next = earlier(next, zkt__sessions_due(&s->sessions));
    next = earlier(next, zkt__life_due(s));
    next = earlier(next, zkt__timeouts_next(&s->heartbeats));
    if (s->self == 0) {
        next = earlier(next,
                       zkt__admission_due(&s->shards->admission, &s->limits));
    }
    return !zkt__list_empty(&s->ending) ||
                   zkt__admission_has_evicted(&s->shards->admission, s->self) ||
                   zkt__group_has_messages(&s->host) ||
                   zkt__sessions_may_wake(&s->host) ||
                   (zkt__asks_are_busy(&s->asks) &&
                    zkt__asks_are_due(&s->asks)) ||
                   !zkt__list_empty(&s->instances.ready) ||
                   !zkt__list_empty(&s->backlog) ||
                   !zkt__list_empty(&s->streams) ||
                   !zkt__list_empty(&s->core.inner) ||
                   zkt__output_is_over_limit(s) ||
                   zkt__work_is_pending(s->host.work)
               ? s->core.now_ms
               : next;
}

/* Runs posted work, up to a share of a turn. A shard that has ended runs all of
 * it, since it closes next. */
static void run_posted(struct zkt_server *server)
{
    const int64_t most = server->limits.posted_per_turn;
    const bool all = server->life >= ZKT_LIFE_ENDED || most >= ZKT_WORK_ALL;
    zkt__work_run(server->host.work, server,
                  all ? ZKT_WORK_ALL : (uint32_t)most);
    server->host.stats.limit_hits.posted_per_turn +=
        !all && zkt__work_is_pending(server->host.work);
}

/* Runs a kind of work with a part of the budget that is left. */
static void share(struct zkt_host *host, int64_t parts,
                  void (*run)(struct zkt_host *host))
{
    const int64_t kept = host->budget > 0 ? host->budget - host->budget / parts
                                          : 0;
    host->budget -= kept;
    run(host);
    host->budget += kept;
}

/* Spends the rest of the turn's budget on messages from other shards,
 * mailboxes, and received bytes. None of them takes all of it while others
 * wait; the next turn continues. */
static void work(struct zkt_server *server)
{
    struct zkt_host *host = &server->host;
    if (server->life >= ZKT_LIFE_ENDED) {
        host->budget = INT64_MAX; /* the last messages of other shards */
    }
    if (host->group != NULL) {
        share(host, 3, zkt__group_receive);
    }
    if (zkt__sessions_wait(&server->sessions)) {
        zkt__sessions_wake(host);
    }
    if (server->asks.unsent > 0) {
        share(host, 3, zkt__asks_deliver);
    }
    if (zkt__instances_wait(&server->instances)) {
        share(host, 2, zkt__instances_drain);
    }
    if (!zkt__list_empty(&server->backlog)) {
        zkt__connections_resume(server);
    }
    if (host->group != NULL) {
        zkt__group_receive(host);
    }
    host->stats.limit_hits.turn_work += host->budget <= 0;
    host->budget = host->measured_budget = server->limits.turn_work;
    server->turn++;
    if (!zkt__list_empty(&server->streams)) {
        zkt__answers_resume(server);
    }
}

static void tick(struct zkt_core *core)
{
    struct zkt_server *server = (struct zkt_server *)(void *)core;
    if (zkt__server_is_busy(server)) {
        return;
    }
    zkt__affinity_bind_free(&server->owner);
    server->busy++;
    if (server->life == ZKT_LIFE_ENDED) {
        zkt__life_begin_turn(server);
    }
    if (zkt__work_is_pending(server->host.work)) {
        run_posted(server); /* later posts wake the driver */
    }
    if (zkt__admission_has_evicted(&server->shards->admission, server->self)) {
        zkt__connections_drop_evicted(server);
    }
    if (server->core.now_ms >= server->next_deadline) {
        zkt__deadlines_expire(server);
    }
    if (zkt__output_is_over_limit(server)) {
        zkt__output_enforce_limits(server);
    }
    if (server->core.now_ms >= server->instances.next_due) {
        zkt__instances_expire(&server->host);
    }
    if (server->core.now_ms >= zkt__sessions_due(&server->sessions)) {
        zkt__sessions_expire(&server->host);
    }
    if (server->core.now_ms >= zkt__timeouts_next(&server->heartbeats)) {
        zkt__heartbeats_send(server);
    }
    work(server);
    if (!zkt__list_empty(&server->core.inner)) {
        zkt__inner_serve(server);
    }
    if (zkt__asks_are_busy(&server->asks)) {
        zkt__asks_settle(&server->host);
    }
    if (!zkt__list_empty(&server->ending)) {
        zkt__connections_reap(server, server->limits.leaves_per_turn);
    }
    if (zkt__life_ends(&server->shards->lives, server->life)) {
        zkt__life_end_turn(server);
    }
    if (server->self == 0 && atomic_load(&server->shards->admission.closed)) {
        (void)zkt__server_is_open(server);
    }
    if (server->shards->count > 1) {
        zkt__shards_end_turn(server);
    }
    server->busy--;
}

const struct zkt_core_ops zkt__server_core_ops = {
    .deadline = deadline,
    .tick = tick,
};

/* Moves the clock to @ms, unless it is past that, and runs a turn. */
static void advance_to(struct zkt_server *server, int64_t ms)
{
    const int64_t passed = ms - server->core.now_ms;
    if (passed > 0) {
        server->core.now_ms += passed;
        server->core.wall_ms += passed;
    }
    server->core.heard_ms = ZKT_NEVER;
    (void)zkt__core_woken(&server->core);
    tick(&server->core);
    zkt__server_wake(server);
}

/* Runs turns until nothing is due. The number of turns is bounded: work may
 * wait for a driver that takes output. */
static void finish_work(struct zkt_server *server)
{
    enum {
        TURNS_MAX = 10000
    };
    for (int i = 0; i < TURNS_MAX; i++) {
        if (deadline(&server->core) > server->core.now_ms) {
            return;
        }
        advance_to(server, server->core.now_ms);
    }
}

void zkt_server_advance(struct zkt_server *server, int64_t ms)
{
    if (server == NULL || ms < 0 ||
        !zkt__server_may_call(server, "zkt_server_advance") ||
        zkt__server_is_running(server) || server->advancing) {
        return;
    }
    server->advancing = true;
    const int64_t now = server->core.now_ms;
    const int64_t end = ms < ZKT_NEVER - now ? now + ms : ZKT_NEVER - 1;
    do {
        const int64_t due = deadline(&server->core);
        advance_to(server, due < end ? due : end);
        finish_work(server);
    } while (server->core.now_ms < end);
    server->advancing = false;
}
