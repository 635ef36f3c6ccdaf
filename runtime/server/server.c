/* Construction and destruction of servers and their shards, and functions that
 * ask for a member. */
#include "server/server.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/limits.h"
#include "http/forwarded.h"
#include "instance/deferred.h"
#include "instance/requests.h"
#include "server/call_log.h"
#include "server/connection.h"
#include "server/core.h"
#include "server/deadlines.h"
#include "server/filter.h"
#include "server/handlers.h"
#include "server/log.h"
#include "server/metrics_route.h"
#include "server/output.h"
#include "server/turn.h"
#include "shard/group.h"
#include "shard/metrics.h"

struct zkt_core *zkt__server_core(struct zkt_server *server)
{
    return &server->core;
}

const struct zkt_limits *zkt__server_limits(const struct zkt_server *server)
{
    return &server->limits;
}

const struct zkt_serve_options *zkt__server_options(
    const struct zkt_server *server)
{
    return &server->options;
}

const struct zkt_allocator *zkt__server_allocator(
    const struct zkt_server *server)
{
    return server->allocator;
}

/* ---- threads ---- */

bool zkt__server_may_call(const struct zkt_server *server, const char *function)
{
    if (zkt__affinity_allows(&server->owner)) {
        return true;
    }
    zkt__server_log_elsewhere(
        server,
        "%s was called on another thread than the server's; "
        "zkt_server_post is for that",
        function);
    return false;
}

uint32_t zkt__server_shard_count(const struct zkt_server *server)
{
    return server->shards->count;
}

struct zkt_server *zkt__server_shard(const struct zkt_server *server,
                                     uint32_t shard)
{
    return server->shards->all[shard];
}

void zkt__server_run_shards(struct zkt_server *server, uint32_t count)
{
    struct zkt_shards *shards = server->shards;
    shards->lives.running = count;
    for (uint32_t i = 0; i < shards->count; i++) {
        shards->all[i]->host.sharing = count;
    }
}

void zkt__server_unbind_thread(struct zkt_server *server)
{
    zkt__affinity_unbind(&server->owner);
}

struct zkt_limit_counts *zkt__server_limit_hits(struct zkt_server *server)
{
    return &server->host.stats.limit_hits;
}

bool zkt__server_is_running(const struct zkt_server *server)
{
    return zkt__server_is_busy(server);
}

void zkt__server_begin_callback(const struct zkt_server *server)
{
    zkt__server_writable(server)->busy++;
}

void zkt__server_end_callback(const struct zkt_server *server)
{
    zkt__server_writable(server)->busy--;
}

void zkt__server_on_process(struct zkt_server *server,
                            void (*read)(struct zkt_process_stats *out))
{
    server->shards->metrics.read_process = read;
}

struct zkt_work_queue *zkt__server_work(struct zkt_server *server)
{
    return server->host.work;
}

void zkt__server_wake(struct zkt_server *server)
{
    if (!zkt__server_is_running(server) && server->core.wake != NULL) {
        server->core.wake(&server->core);
    }
}

void zkt_server_stats(const struct zkt_server *server,
                      struct zkt_server_stats *out)
{
    *out = (struct zkt_server_stats){ 0 };
    if (!zkt__server_may_call(server, "zkt_server_stats")) {
        return;
    }
    zkt__shards_sum_stats(server, out);
}

/* ---- construction ---- */

/* Shards have different random numbers, also with a given seed. */
static bool init_random(struct zkt_server *server, const uint8_t *given)
{
    uint8_t seed[ZKT_SEED_SIZE];
    if (given != NULL) {
        memcpy(seed, given, sizeof(seed));
        seed[0] ^= (uint8_t)server->self;
    }
    return zkt__random_init(&server->host.random, &server->host.store.key,
                            given != NULL ? seed : NULL);
}

static struct zkt_server *server_of(struct zkt_host *host)
{
    return ZKT_CONTAINER(host, struct zkt_server, host);
}

static bool charge(struct zkt_host *host, void *address)
{
    struct zkt_server *server = server_of(host);
    const bool good = zkt__admission_charge_instance(&server->shards->admission,
                                                     address);
    host->stats.limit_hits.instances_per_address += !good;
    return good;
}

static void refund(struct zkt_host *host, void *address)
{
    zkt__admission_refund_instance(&server_of(host)->shards->admission,
                                   address);
}

/* The clock for durations where the driver has no better one; it stops after
 * 292 years. */
static int64_t read_ns(const struct zkt_core *core)
{
    const int64_t ms_ns = 1000000, last_ms = INT64_MAX / ms_ns;
    return (core->now_ms < last_ms ? core->now_ms : last_ms) * ms_ns;
}

/* Returns false if there is no memory. */
static bool init_reports(struct zkt_server *server)
{
    struct zkt_host *host = &server->host;
    server->core.ticks.read = read_ns;
    if (zkt__call_log_is_wanted(&server->options)) {
        host->describe = zkt__call_log_take;
    }
    if (zkt__metrics_are_wanted(&server->options)) {
        host->metrics = zkt__metrics_new(server->allocator, host->app.info);
        if (host->metrics == NULL) {
            return false;
        }
    }
    host->reports = host->metrics != NULL || host->describe != NULL;
    server->core.measures = host->reports;
    return true;
}

/* Returns false if there is no memory. */
static bool init_proxies(struct zkt_server *server)
{
    const char *list = server->options.trusted_proxies;
    if (list == NULL) {
        return true;
    }
    server->proxies = zkt__proxies_new(server->allocator, list);
    return server->proxies != NULL;
}

/* Returns false if there is no memory. */
static bool init_deflate(struct zkt_server *server)
{
    if (server->options.deflate) {
        server->host.deflate = zkt__deflate_new(server->allocator);
    }
    return !server->options.deflate || server->host.deflate != NULL;
}

/* Initialises the host, its sessions and its instances. Returns false if there
 * is no memory. */
static bool init_host(struct zkt_server *server, struct zkt_app app)
{
    static const struct zkt_receivers receivers = {
        .to_instance = zkt__instances_take,
        .to_session = zkt__sessions_take,
        .hold_ask = zkt__asks_hold,
        .send_ask = zkt__asks_send,
        .drop_ask = zkt__asks_drop,
        .begin_ask = zkt__asks_begin,
        .refuse_ask = zkt__asks_refuse,
    };
    struct zkt_host *host = &server->host;
    host->shard = server->self;
    host->server = server;
    host->requests.last = (uint64_t)server->self << 56;
    host->log = zkt__server_log_own;
    host->charge = charge;
    host->refund = refund;
    host->receivers = &receivers;
    host->sessions = &server->sessions;
    host->asks = &server->asks;
    zkt__sessions_init(&server->sessions, &zkt__connection_events,
                       server->allocator);
    zkt__asks_init(&server->asks, server->self);
    return zkt__host_init(host, app, server->allocator, &server->limits,
                          &server->core) &&
           init_deflate(server) &&
           zkt__instances_init(&server->instances, host) &&
           zkt__outside_init(&server->outside, host) && init_reports(server) &&
           init_proxies(server);
}

static void finish_host(struct zkt_server *server)
{
    zkt__release(server->allocator, server->proxies);
    zkt__outside_finish(&server->outside, server->allocator);
    zkt__instances_finish(&server->instances);
    zkt__sessions_finish(&server->sessions, server->allocator);
    zkt__host_finish(&server->host);
    zkt__metrics_free(server->host.metrics, server->allocator);
    zkt__deflate_free(server->host.deflate);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static enum zkt_status init(struct zkt_server *server, struct zkt_app app,
                            const struct zkt_serve_options *options)
{
    const char *bad = NULL;
    server->options = *options;
    if (!zkt__limits_resolve(&options->limits, &server->limits, &bad)) {
        zkt__server_log_early(options, "the limit %s is out of its range", bad);
        return ZKT_BAD_OPTION;
    }
    if (!zkt__filter_check_options(options) ||
        !zkt__metrics_check_options(options)) {
        return ZKT_BAD_OPTION;
    }
    if (options->deflate && !zkt__deflate_is_built()) {
        zkt__server_log_early(options,
                              "deflate: the library was built without zlib");
        return ZKT_BAD_OPTION;
    }
    if (!init_random(server, options->random_seed)) {
        zkt__server_log_early(options, "the system gives no random bytes");
        return ZKT_SYSTEM;
    }
    server->core.ops = &zkt__server_core_ops;
    server->core.heard_ms = ZKT_NEVER;
    server->ws_limits = (struct zkt_ws_limits){
        .message = (size_t)server->limits.message_bytes,
        .head = (size_t)server->limits.head_bytes,
        .fragments = (size_t)server->limits.fragments,
        .body = (size_t)server->limits.body_bytes,
    };
    if (options->hsts_seconds > 0) {
        snprintf(server->hsts, sizeof(server->hsts),
                 "Strict-Transport-Security: max-age=%" PRIu32 "\r\n",
                 options->hsts_seconds);
    }
    zkt__list_init(&server->core.dirty);
    zkt__list_init(&server->core.inner);
    zkt__list_init(&server->heartbeats);
    zkt__list_init(&server->connections);
    zkt__list_init(&server->ending);
    server->output_little = (size_t)least(
        ZKT_OUTPUT_LITTLE,
        least(server->limits.output_high, server->limits.output_hard));
    zkt__list_init(&server->backlog);
    zkt__list_init(&server->exchanges);
    zkt__list_init(&server->streams);
    zkt__list_init(&server->answered.list);
    zkt__deadlines_init(server);
    if (!init_host(server, app)) {
        finish_host(server);
        zkt__server_log_early(options, "out of memory");
        return ZKT_NO_MEMORY;
    }
    server->ws = (struct zkt_ws_setup){
        .callbacks = &zkt__connection_ws_callbacks,
        .allocator = server->allocator,
        .limits = &server->ws_limits,
        .deflate = server->host.deflate,
    };
    return ZKT_OK;
}

/* Makes a shard without its shared state. Sets *@out only on success. */
static enum zkt_status new_shard(struct zkt_app app,
                                 const struct zkt_serve_options *options,
                                 const struct zkt_allocator *allocator,
                                 uint32_t self, struct zkt_server **out)
{
    struct zkt_server *server = zkt__alloc_zero(allocator, 1, sizeof(*server));
    if (server == NULL) {
        zkt__server_log_early(options, "out of memory");
        return ZKT_NO_MEMORY;
    }
    server->allocator = allocator;
    server->self = self;
    zkt__affinity_bind(&server->owner);
    const enum zkt_status status = init(server, app, options);
    if (status != ZKT_OK) {
        zkt__release(allocator, server);
        return status;
    }
    *out = server;
    return ZKT_OK;
}

static void free_shard(struct zkt_server *server)
{
    if (server != NULL) {
        zkt__on_request_finish(server);
        finish_host(server);
        zkt__release(server->allocator, server);
    }
}

/* Frees all shards and their shared state. */
static void free_shards(struct zkt_shards *shards)
{
    for (uint32_t i = 0; i < shards->count; i++) {
        free_shard(shards->all[i]);
    }
    zkt__shards_free(shards);
}

/* Makes all shards after the first, which has the shared state. */
static enum zkt_status add_shards(struct zkt_server *first, struct zkt_app app,
                                  const struct zkt_serve_options *options)
{
    struct zkt_shards *shards = first->shards;
    enum zkt_status status = ZKT_OK;
    for (uint32_t i = 1; i < shards->count && status == ZKT_OK; i++) {
        status = new_shard(app, options, shards->allocator, i, &shards->all[i]);
        if (status == ZKT_OK) {
            shards->all[i]->shards = shards;
            shards->all[i]->host.rates = shards->rates;
            shards->all[i]->host.requests.prefix = first->host.requests.prefix;
        }
    }
    return status;
}

/* Connects the shards by a group. Returns false if there is no memory. */
static bool connect_shards(struct zkt_shards *shards)
{
    if (shards->count == 1) {
        return true;
    }
    shards->group = zkt__group_new(shards->allocator, shards->count,
                                   &shards->all[0]->host.store.key);
    for (uint32_t i = 0; i < shards->count && shards->group != NULL; i++) {
        zkt__group_add(shards->group, &shards->all[i]->host);
    }
    return shards->group != NULL;
}

enum zkt_status zkt_server_new(struct zkt_app app,
                               const struct zkt_serve_options *given,
                               struct zkt_server **out)
{
    static const struct zkt_serve_options defaults;
    const struct zkt_serve_options *options = given != NULL ? given : &defaults;
    const struct zkt_allocator *allocator = options->allocator != NULL
                                                ? options->allocator
                                                : &zkt__allocator_default;
    const uint32_t threads = options->threads > 0 ? options->threads : 1;
    struct zkt_server *first;
    enum zkt_status status = zkt__server_check_app(&app, options);
    if (status != ZKT_OK) {
        return status;
    }
    if (threads > ZKT_THREADS_MAX) {
        zkt__server_log_early(options, "more threads than %d", ZKT_THREADS_MAX);
        return ZKT_BAD_OPTION;
    }
    status = new_shard(app, options, allocator, 0, &first);
    if (status != ZKT_OK) {
        return status;
    }
    first->shards = zkt__shards_new(allocator, threads, &first->limits,
                                    &first->host.store.key);
    if (first->shards == NULL) {
        zkt__server_log_early(options, "out of memory");
        free_shard(first);
        return ZKT_NO_MEMORY;
    }
    first->shards->all[0] = first;
    first->host.rates = first->shards->rates;
    zkt__metrics_route_init(first);
    zkt__actor_route_init(first);
    zkt__on_request_init(first);
    first->host.requests.prefix = zkt__random_next(&first->host.random) >> 16;
    zkt__server_log_init(&first->shards->log, &first->options,
                         first->limits.log_per_second);
    status = add_shards(first, app, options);
    if (status == ZKT_OK && !connect_shards(first->shards)) {
        zkt__server_log_early(options, "out of memory");
        status = ZKT_NO_MEMORY;
    }
    if (status != ZKT_OK) {
        free_shards(first->shards);
        return status;
    }
    *out = first;
    return ZKT_OK;
}

/* ---- destruction ---- */

/*
 * Ends a shard: its connections are detached and its calls cancelled, and it
 * begins nothing. Messages that another shard has sent before are refused: a
 * call that began now could be deferred after the last time that deferred calls
 * are cancelled.
 */
static void end_shard(struct zkt_server *server)
{
    zkt__life_enter(server, ZKT_LIFE_FREED);
    zkt__server_unbind_thread(server);
    for (struct zkt_node *n = zkt__list_first(&server->connections); n != NULL;
         n = zkt__list_after(&server->connections, n)) {
        struct zkt_connection *c = ZKT_CONTAINER(n, struct zkt_connection, all);
        c->endpoint.ops->detach(&c->endpoint);
    }
    zkt__instances_cancel(&server->host, ZKT_UNAVAILABLE,
                          ZKT_STR("the server stops"));
    zkt__work_close(server->host.work);
}

/* Runs work and messages between shards until none is left. Asks that wait in a
 * mailbox stay there until their instance ends. */
static void flush_shards(struct zkt_shards *shards)
{
    bool again = true;
    while (again) {
        again = false;
        for (uint32_t i = 0; i < shards->count; i++) {
            struct zkt_server *server = shards->all[i];
            server->host.budget = INT64_MAX;
            zkt__work_run(server->host.work, server, ZKT_WORK_ALL);
            zkt__group_receive(&server->host);
            zkt__connections_reap(server, INT64_MAX);
            zkt__asks_deliver(&server->host);
            zkt__asks_settle(&server->host);
            zkt__shards_end_turn(server);
        }
        for (uint32_t i = 0; i < shards->count; i++) {
            again = again || zkt__work_is_pending(shards->all[i]->host.work) ||
                    zkt__group_has_messages(&shards->all[i]->host) ||
                    zkt__asks_are_due(&shards->all[i]->asks);
        }
    }
}

/* Ends all instances; hooks that would finish later are cancelled. */
static void end_instances(struct zkt_host *host)
{
    while (!zkt__instances_end(host)) {
        zkt__instances_cancel(host, ZKT_UNAVAILABLE,
                              ZKT_STR("the server stops"));
    }
}

void zkt_server_free(struct zkt_server *server)
{
    if (server == NULL || !zkt__server_may_call(server, "zkt_server_free") ||
        zkt__server_is_running(server) || server->advancing) {
        return;
    }
    struct zkt_shards *shards = server->shards;
    zkt__server_begin_callback(server); /* callbacks cannot free the server */
    if (server->core.abandon != NULL) {
        server->core.abandon(&server->core);
    }
    atomic_store(&shards->lives.goal, ZKT_LIFE_FREED);
    for (uint32_t i = 0; i < shards->count; i++) {
        end_shard(shards->all[i]);
    }
    flush_shards(shards);
    for (uint32_t i = 0; i < shards->count; i++) {
        end_instances(&shards->all[i]->host);
    }
    flush_shards(shards);
    zkt__log_flush(&shards->log);
    free_shards(shards);
}
