/*
 * The snapshot cache. An instance keeps the frame of a snapshot and a log of
 * the patches since, in both dialects. A new subscriber is given all of them,
 * in order, instead of a snapshot that is encoded anew. Frames are counted by
 * reference and never change, so all who are sent them share them.
 *
 * A snapshot is kept from 4 KiB on: below that, encoding costs a few thousand
 * instructions, about as much as a call, and is not worth its memory. Patches
 * are added while they cost a new subscriber less than a quarter of the
 * snapshot, each its bytes and 256 more for a place in the queue and for being
 * applied at the other end. Past that everything is dropped, and the next new
 * subscriber pays for a snapshot that those after it share. It is dropped as
 * well by a change that nobody watches, of which there is no patch, and by a
 * subscriber that asks again: one of these patches may be what it could not
 * apply.
 *
 * All that is kept counts towards one budget of the shard; over it, the log
 * that was used least recently is dropped. An instance that has never sent a
 * snapshot worth keeping has no log at all.
 */
#ifndef ZKT_INSTANCE_SNAPSHOT_CACHE_H
#define ZKT_INSTANCE_SNAPSHOT_CACHE_H

#include <stdbool.h>

#include "base/list.h"
#include "protocol/send_queue.h"
#include "state/journal.h"

enum {
    ZKT_SNAPSHOT_LOG_SMALLEST = 4096, /* snapshot that is kept, in bytes */
    ZKT_SNAPSHOT_LOG_SHARE = 4, /* of a snapshot that patches may cost: 1/4 */
    ZKT_SNAPSHOT_LOG_HANDLING = 256 /* what a patch costs beside its bytes */
};

/* Zeroed and with a snapshot of NULL: keeps nothing. */
struct zkt_snapshot_log {
    struct zkt_node node; /* in the cache's list, while it keeps something */
    struct zkt_buffer *snapshot;
    struct zkt_buffer **patches[ZKT_DIALECT_COUNT]; /* each with references */
    uint32_t count, capacity;                       /* of patches */
    size_t catch_up_cost; /* bytes a new subscriber pays for these patches */
    size_t bytes;         /* that count towards the budget */
    size_t size;          /* of the last snapshot; about that of the next */
};

/* The budget of a shard, and the logs that take from it. */
struct zkt_snapshot_cache {
    const struct zkt_allocator *allocator;
    struct zkt_list lru; /* least recently used first */
    size_t bytes, limit;
    uint64_t *limit_hits; /* counts what the limit has dropped or kept out */
};

void zkt__snapshot_log_init(struct zkt_snapshot_cache *cache,
                            const struct zkt_allocator *allocator, size_t limit,
                            uint64_t *limit_hits);

/** Whether there is a catch-up to be had. @log may be NULL. */
static inline bool zkt__snapshot_log_is_kept(const struct zkt_snapshot_log *log)
{
    return log != NULL && log->snapshot != NULL;
}

/** Whether it is a snapshot of this moment: no patch has followed. */
static inline bool zkt__snapshot_log_is_fresh(
    const struct zkt_snapshot_log *log)
{
    return zkt__snapshot_log_is_kept(log) && log->count == 0;
}

/** Bytes that a snapshot may take, with some to spare; 0: nobody knows. */
size_t zkt__snapshot_log_estimate(const struct zkt_snapshot_log *log);

/**
 * Keeps a snapshot of the state as it is, if it is worth it, by a reference of
 * its own; what was kept before is dropped. *@slot is made when needed; if
 * there is no memory for it nothing is kept.
 */
void zkt__snapshot_log_keep(struct zkt_snapshot_cache *cache,
                            struct zkt_snapshot_log **slot,
                            struct zkt_buffer *snapshot);

/** The state has changed by @patch; takes references. @log may be NULL. */
void zkt__snapshot_log_add(struct zkt_snapshot_cache *cache,
                           struct zkt_snapshot_log *log,
                           struct zkt_buffer *const patch[ZKT_DIALECT_COUNT]);

/** Keeps nothing any more. @log may be NULL. */
void zkt__snapshot_log_drop(struct zkt_snapshot_cache *cache,
                            struct zkt_snapshot_log *log);

/** Drops a snapshot that patches have followed. @log may be NULL. */
void zkt__snapshot_log_refresh(struct zkt_snapshot_cache *cache,
                               struct zkt_snapshot_log *log);

/** False: nothing is kept; *@out is untouched. @log may be NULL. */
bool zkt__snapshot_log_catch_up(struct zkt_snapshot_cache *cache,
                                struct zkt_snapshot_log *log,
                                enum zkt_dialect dialect,
                                struct zkt_catch_up *out);

/** Drops and frees it. Takes NULL. */
void zkt__snapshot_log_free(struct zkt_snapshot_cache *cache,
                            struct zkt_snapshot_log *log);

#endif
