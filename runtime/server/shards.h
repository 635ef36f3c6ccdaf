/*
 * The state that all shards of a server share. A server has a shard for each of
 * its threads, a struct zkt_server with connections and instances of its own; a
 * server with a single thread is a shard.
 */
#ifndef ZKT_SERVER_SHARDS_H
#define ZKT_SERVER_SHARDS_H

#include "base/log.h"
#include "server/actor_route.h"
#include "server/admission.h"
#include "server/life.h"
#include "server/metrics_route.h"
#include "server/on_request.h"
#include "server/routes.h"
#include "session/rates.h"
#include "zocket/server.h"

struct zkt_shards {
    const struct zkt_allocator *allocator;
    uint32_t count;
    struct zkt_server **all; /* by shard; NULL: not made yet */
    struct zkt_admission admission;
    struct zkt_group *group; /* NULL: a single shard */
    struct zkt_rates *rates;
    pthread_mutex_t log_lock; /* recursive: options.log may write a line */
    struct zkt_log log;       /* under log_lock */
    struct zkt_lives lives;
    struct zkt_held_requests held;
    struct zkt_metrics_route metrics;
    struct zkt_route actors;
    struct zkt_route *routes; /* in their order; constant when threads run */
    pthread_mutex_t lock;
    /* Statistics by shard, as of its last turn; under the lock. */
    struct zkt_server_stats *stats;
};

/** Makes the shared state of @count shards, which the caller makes. Returns
 * NULL if there is no memory. */
struct zkt_shards *zkt__shards_new(const struct zkt_allocator *allocator,
                                   uint32_t count,
                                   const struct zkt_limits *limits,
                                   const struct zkt_hash_key *key);
/** Frees the shared state, after all shards. Takes NULL. */
void zkt__shards_free(struct zkt_shards *shards);

/** At the end of a turn: sends its messages, publishes its statistics. */
void zkt__shards_end_turn(struct zkt_server *server);
/** Wakes the accepting shard if accepting was closed: the cause may be over. */
void zkt__shards_reopen(const struct zkt_server *server);
/** Wakes every shard. */
void zkt__shards_wake(const struct zkt_shards *shards);
/** The statistics of one shard; of another, as of its last turn. */
void zkt__shards_stats_of(const struct zkt_server *server, uint32_t shard,
                          struct zkt_server_stats *out);
/** The statistics of all shards; of other shards, as of their last turns. */
void zkt__shards_sum_stats(const struct zkt_server *server,
                           struct zkt_server_stats *out);

#endif
