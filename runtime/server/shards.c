/* See shards.h. */
#include "server/shards.h"

#include "server/connection.h"
#include "server/core.h"
#include "shard/group.h"

static bool init_log_lock(struct zkt_shards *shards)
{
    pthread_mutexattr_t attributes;
    if (pthread_mutexattr_init(&attributes) != 0) {
        return false;
    }
    const bool good = pthread_mutexattr_settype(&attributes,
                                                PTHREAD_MUTEX_RECURSIVE) == 0 &&
                      pthread_mutex_init(&shards->log_lock, &attributes) == 0;
    pthread_mutexattr_destroy(&attributes);
    return good;
}

static bool init_locks(struct zkt_shards *shards,
                       const struct zkt_limits *limits,
                       const struct zkt_hash_key *key)
{
    if (!init_log_lock(shards)) {
        return false;
    }
    if (pthread_mutex_init(&shards->lock, NULL) != 0) {
        goto fail_lock;
    }
    if (!zkt__admission_init(&shards->admission, shards->allocator, limits,
                             key)) {
        goto fail_admission;
    }
    return true;

fail_admission:
    pthread_mutex_destroy(&shards->lock);
fail_lock:
    pthread_mutex_destroy(&shards->log_lock);
    return false;
}

static void free_parts(struct zkt_shards *shards)
{
    zkt__rates_free(shards->rates);
    zkt__release(shards->allocator, shards->all);
    zkt__release(shards->allocator, shards->stats);
    zkt__release(shards->allocator, shards);
}

struct zkt_shards *zkt__shards_new(const struct zkt_allocator *allocator,
                                   uint32_t count,
                                   const struct zkt_limits *limits,
                                   const struct zkt_hash_key *key)
{
    struct zkt_shards *shards = zkt__alloc_zero(allocator, 1, sizeof(*shards));
    if (shards == NULL) {
        return NULL;
    }
    shards->allocator = allocator;
    shards->count = count;
    shards->lives.running = 1;
    shards->all = zkt__alloc_zero(allocator, count, sizeof(*shards->all));
    shards->stats = zkt__alloc_zero(allocator, count, sizeof(*shards->stats));
    shards->rates = zkt__rates_new(allocator, limits->buckets, key);
    if (shards->all == NULL || shards->stats == NULL || shards->rates == NULL ||
        !init_locks(shards, limits, key)) {
        free_parts(shards);
        return NULL;
    }
    shards->admission.is_alone = count == 1;
    return shards;
}

void zkt__shards_free(struct zkt_shards *shards)
{
    if (shards == NULL) {
        return;
    }
    zkt__group_free(shards->group);
    zkt__admission_finish(&shards->admission);
    pthread_mutex_destroy(&shards->lock);
    pthread_mutex_destroy(&shards->log_lock);
    free_parts(shards);
}

void zkt__shards_wake(const struct zkt_shards *shards)
{
    for (uint32_t i = 0; i < shards->count; i++) {
        zkt__work_wake(shards->all[i]->host.work);
    }
}

void zkt__shards_reopen(const struct zkt_server *server)
{
    const struct zkt_shards *shards = server->shards;
    if (server->self != 0 && atomic_load(&shards->admission.closed)) {
        zkt__work_wake(shards->all[0]->host.work);
    }
}

/* ---- statistics ---- */

static void own_stats(const struct zkt_server *server,
                      struct zkt_server_stats *out)
{
    *out = server->host.stats;
    out->turns = server->turn;
    out->busy_ns = (uint64_t)zkt__ticks_ns(&server->core.ticks,
                                           (uint64_t)server->core.busy);
    out->instances = server->instances.all.live;
    out->queued_bytes = server->instances.queued_bytes;
    out->deferred_bytes = server->instances.deferred_bytes +
                          server->sessions.deferred_bytes;
    out->asking_bytes = server->instances.asking_bytes;
    out->snapshot_bytes = server->sessions.snapshot_bytes;
    out->cache_bytes = server->instances.snapshots.bytes;
    out->limit_hits.posted = atomic_load(&server->posts_refused);
    zkt__outside_count(&server->outside, &out->limit_hits);
}

void zkt__shards_end_turn(struct zkt_server *server)
{
    struct zkt_shards *shards = server->shards;
    if (shards->group != NULL) {
        zkt__group_flush(&server->host);
        pthread_mutex_lock(&shards->lock);
        own_stats(server, &shards->stats[server->self]);
        pthread_mutex_unlock(&shards->lock);
    }
}

void zkt__shards_stats_of(const struct zkt_server *server, uint32_t shard,
                          struct zkt_server_stats *out)
{
    struct zkt_shards *shards = server->shards;
    if (shard == server->self) {
        own_stats(server, out);
        return;
    }
    pthread_mutex_lock(&shards->lock);
    *out = shards->stats[shard];
    pthread_mutex_unlock(&shards->lock);
}

/* All members have the same type, so they are added as an array. */
static void add(struct zkt_server_stats *to,
                const struct zkt_server_stats *stats)
{
    uint64_t sums[sizeof(*to) / sizeof(uint64_t)];
    uint64_t more[sizeof(*to) / sizeof(uint64_t)];
    _Static_assert(sizeof(sums) == sizeof(*to), "uint64_t, and nothing else");
    memcpy(sums, to, sizeof(sums));
    memcpy(more, stats, sizeof(more));
    for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
        sums[i] += more[i];
    }
    memcpy(to, sums, sizeof(sums));
}

void zkt__shards_sum_stats(const struct zkt_server *server,
                           struct zkt_server_stats *out)
{
    struct zkt_shards *shards = server->shards;
    own_stats(server, out);
    pthread_mutex_lock(&shards->lock);
    for (uint32_t i = 0; i < shards->count; i++) {
        if (i != server->self) {
            add(out, &shards->stats[i]);
        }
    }
    pthread_mutex_unlock(&shards->lock);
    out->connections = (uint64_t)zkt__admission_count(&shards->admission);
}
