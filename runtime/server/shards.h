/*
 * What the threads of one server share. Each has a shard, a struct zkt_server
 * with connections and instances of its own; a server with one thread is one
 * shard. Shards tell each other of a shutdown here, each of its own turns, so
 * that nobody waits for anybody: whoever takes a step that others depend on
 * wakes them.
 */
#ifndef ZKT_SERVER_SHARDS_H
#define ZKT_SERVER_SHARDS_H

#include "server/admission.h"
#include "zocket/server.h"

/* How far a shard has come; see zkt_server_shutdown. */
enum zkt_phase {
    ZKT_SERVING,
    ZKT_DRAINING, /* what runs may finish; nothing is begun */
    ZKT_ENDED,    /* hooks have run; what others say may be on its way */
    ZKT_CLOSING,  /* connections close */
    ZKT_DOWN
};

struct zkt_shards {
    const struct zkt_allocator *allocator;
    uint32_t count;
    uint32_t running; /* of them, whose turns are taken: the first, or all */
    struct zkt_server **all; /* by shard; NULL: not made yet */
    struct zkt_admission admission;
    struct zkt_peers *peers;  /* NULL: there is one shard */
    pthread_mutex_t log_lock; /* recursive: a log may call what logs */
    atomic_bool stopping;     /* a shutdown has begun */
    atomic_bool ending;      /* its second phase has: nothing drains any more */
    atomic_uint ended, down; /* shards that have come so far */
    pthread_mutex_t lock;
    /* Both under the lock, by shard. */
    bool *drained;
    struct zkt_server_stats *stats; /* as of its last turn */
};

/** What @count shards share, none of which is there yet; NULL: no memory. */
struct zkt_shards *zkt__shards_new(const struct zkt_allocator *allocator,
                                   uint32_t count,
                                   const struct zkt_hash_key *key);
/** Frees it; the shards are gone. Takes NULL. */
void zkt__shards_free(struct zkt_shards *shards);

/** The end of @server's turn: its messages leave, its figures are told. */
void zkt__shards_end_turn(struct zkt_server *server);
/** What made accepting wait may have passed, on @server's thread. */
void zkt__shards_reopen(const struct zkt_server *server);
/** Wakes every shard. */
void zkt__shards_wake(const struct zkt_shards *shards);
/** Notes whether a shard is drained. Whether all are. */
bool zkt__shards_note_drained(struct zkt_shards *shards, uint32_t shard,
                              bool drained);
/** The figures of all shards: those of the others as of their last turns. */
void zkt__shards_sum_stats(const struct zkt_server *server,
                           struct zkt_server_stats *out);

#endif
