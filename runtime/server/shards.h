/*
 * What the threads of one server share. Each has a shard, a struct zkt_server
 * with connections and instances of its own; a server with one thread is one
 * shard.
 */
#ifndef ZKT_SERVER_SHARDS_H
#define ZKT_SERVER_SHARDS_H

#include "base/log.h"
#include "server/admission.h"
#include "server/life.h"
#include "zocket/server.h"

struct zkt_shards {
    const struct zkt_allocator *allocator;
    uint32_t count;
    struct zkt_server **all; /* by shard; NULL: not made yet */
    struct zkt_admission admission;
    struct zkt_group *group;  /* NULL: there is one shard */
    pthread_mutex_t log_lock; /* recursive: a log may call what logs */
    struct zkt_log log;       /* under log_lock */
    struct zkt_lives lives;
    pthread_mutex_t lock;
    /* Under the lock, by shard, as of its last turn. */
    struct zkt_server_stats *stats;
};

/** What @count shards share, none of which is there yet; NULL: no memory. */
struct zkt_shards *zkt__shards_new(const struct zkt_allocator *allocator,
                                   uint32_t count,
                                   const struct zkt_limits *limits,
                                   const struct zkt_hash_key *key);
/** Frees it; the shards are gone. Takes NULL. */
void zkt__shards_free(struct zkt_shards *shards);

/** The end of @server's turn: its messages leave, its figures are told. */
void zkt__shards_end_turn(struct zkt_server *server);
/** What made accepting wait may have passed, on @server's thread. */
void zkt__shards_reopen(const struct zkt_server *server);
/** Wakes every shard. */
void zkt__shards_wake(const struct zkt_shards *shards);
/** The figures of all shards: those of the others as of their last turns. */
void zkt__shards_sum_stats(const struct zkt_server *server,
                           struct zkt_server_stats *out);

#endif
