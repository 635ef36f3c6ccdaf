/*
 * The snapshot cache. An instance keeps the frame of a snapshot and a log of
 * the patches since, in both dialects. A new subscriber receives all of them,
 * in order, instead of a newly encoded snapshot. Frames are immutable and
 * reference counted, so all subscribers share them.
 *
 * A snapshot is kept from 4 KiB on: below that, encoding costs a few thousand
 * instructions, about as much as a call, and is not worth its memory. Patches
 * are added while they cost a new subscriber less than a quarter of the
 * snapshot, each its bytes and 256 more for a place in the queue and for being
 * applied at the other end. Beyond that everything is dropped, and the next new
 * subscriber has a snapshot encoded, which later subscribers share. A log is
 * also dropped by a change without subscribers, which has no patch, and by a
 * client that subscribes again: it may have failed to apply a patch of the log.
 *
 * All logs share a budget of the shard; when it is exceeded, the least recently
 * used log is dropped. An instance has no log until it sends a snapshot that is
 * worth keeping.
 */
#ifndef ZKT_INSTANCE_SNAPSHOT_CACHE_H
#define ZKT_INSTANCE_SNAPSHOT_CACHE_H

#include <stdbool.h>

#include "base/list.h"
#include "protocol/send_queue.h"
#include "state/journal.h"

enum {
    ZKT_SNAPSHOT_LOG_SMALLEST = 4096, /* bytes of a snapshot that is kept */
    ZKT_SNAPSHOT_LOG_SHARE = 4,       /* patches may cost 1/4 of the snapshot */
    ZKT_SNAPSHOT_LOG_HANDLING = 256   /* cost of a patch beside its bytes */
};

/* Empty if zeroed, or if snapshot is NULL. */
struct zkt_snapshot_log {
    struct zkt_node node; /* in cache->lru, unless empty */
    struct zkt_buffer *snapshot;
    struct zkt_buffer **patches[ZKT_DIALECT_COUNT]; /* with references */
    uint32_t count, capacity;                       /* of patches */
    size_t catch_up_cost; /* bytes a new subscriber pays for these patches */
    size_t bytes;         /* counted in cache->bytes */
    size_t size;          /* of the last snapshot */
};

/* The logs of a shard and their budget. */
struct zkt_snapshot_cache {
    const struct zkt_allocator *allocator;
    struct zkt_list lru; /* least recently used first */
    size_t bytes, limit;
    uint64_t *limit_hits; /* counts logs that the limit dropped or refused */
};

void zkt__snapshot_log_init(struct zkt_snapshot_cache *cache,
                            const struct zkt_allocator *allocator, size_t limit,
                            uint64_t *limit_hits);

/** Returns true if the log has a catch-up. @log may be NULL. */
static inline bool zkt__snapshot_log_is_kept(const struct zkt_snapshot_log *log)
{
    return log != NULL && log->snapshot != NULL;
}

/** Returns true if the catch-up is a snapshot without patches. */
static inline bool zkt__snapshot_log_is_fresh(
    const struct zkt_snapshot_log *log)
{
    return zkt__snapshot_log_is_kept(log) && log->count == 0;
}

/** Estimates the size of the next snapshot; 0: unknown. */
size_t zkt__snapshot_log_estimate(const struct zkt_snapshot_log *log);

/**
 * Replaces the content of the log by a snapshot of the current state, with a
 * reference, if it is worth keeping. Creates *@slot when needed; without memory
 * the log stays empty.
 */
void zkt__snapshot_log_keep(struct zkt_snapshot_cache *cache,
                            struct zkt_snapshot_log **slot,
                            struct zkt_buffer *snapshot);

/** Adds a patch, with references, or drops the log if patches cost too much.
 * @log may be NULL. */
void zkt__snapshot_log_add(struct zkt_snapshot_cache *cache,
                           struct zkt_snapshot_log *log,
                           struct zkt_buffer *const patch[ZKT_DIALECT_COUNT]);

/** Empties the log. @log may be NULL. */
void zkt__snapshot_log_drop(struct zkt_snapshot_cache *cache,
                            struct zkt_snapshot_log *log);

/** Empties the log if it has patches. @log may be NULL. */
void zkt__snapshot_log_refresh(struct zkt_snapshot_cache *cache,
                               struct zkt_snapshot_log *log);

/** Fills *@out with a catch-up and marks the log as used. Returns false if the
 * log is empty. The caller owns a reference to the snapshot. @log may be NULL.
 */
bool zkt__snapshot_log_catch_up(struct zkt_snapshot_cache *cache,
                                struct zkt_snapshot_log *log,
                                enum zkt_dialect dialect,
                                struct zkt_catch_up *out);

/** Frees the log. Takes NULL. */
void zkt__snapshot_log_free(struct zkt_snapshot_cache *cache,
                            struct zkt_snapshot_log *log);

#endif
