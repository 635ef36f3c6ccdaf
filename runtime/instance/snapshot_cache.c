/*
 * See snapshot_cache.h. Each dialect has an array of patches, so a catch-up
 * borrows it without copying. If the dialects do not differ both arrays point
 * to the same frame, which counts once.
 */
#include "instance/snapshot_cache.h"

enum {
    FIRST_CAPACITY = 4
};

void zkt__snapshot_log_init(struct zkt_snapshot_cache *cache,
                            const struct zkt_allocator *allocator, size_t limit,
                            uint64_t *limit_hits)
{
    *cache = (struct zkt_snapshot_cache){
        .allocator = allocator,
        .limit = limit,
        .limit_hits = limit_hits,
    };
    zkt__list_init(&cache->lru);
}

size_t zkt__snapshot_log_estimate(const struct zkt_snapshot_log *log)
{
    return log != NULL ? log->size + log->size / 32 : 0;
}

static void unref_patches(struct zkt_snapshot_log *log)
{
    for (size_t d = 0; d < ZKT_DIALECT_COUNT; d++) {
        for (uint32_t i = 0; i < log->count; i++) {
            zkt__buffer_unref(log->patches[d][i]);
        }
    }
    log->count = 0;
}

void zkt__snapshot_log_drop(struct zkt_snapshot_cache *cache,
                            struct zkt_snapshot_log *log)
{
    if (!zkt__snapshot_log_is_kept(log)) {
        return;
    }
    unref_patches(log);
    for (size_t d = 0; d < ZKT_DIALECT_COUNT; d++) {
        zkt__release(cache->allocator, log->patches[d]);
        log->patches[d] = NULL;
    }
    log->capacity = 0;
    zkt__buffer_unref(log->snapshot);
    log->snapshot = NULL;
    zkt__node_unlink(&log->node);
    cache->bytes -= log->bytes;
    log->bytes = log->catch_up_cost = 0;
}

void zkt__snapshot_log_refresh(struct zkt_snapshot_cache *cache,
                               struct zkt_snapshot_log *log)
{
    if (log != NULL && log->count > 0) {
        zkt__snapshot_log_drop(cache, log);
    }
}

void zkt__snapshot_log_free(struct zkt_snapshot_cache *cache,
                            struct zkt_snapshot_log *log)
{
    zkt__snapshot_log_drop(cache, log);
    zkt__release(cache->allocator, log);
}

/* Counts @bytes of @log. While the budget is exceeded, drops the least recently
 * used log, which may be @log.
 */
static void take(struct zkt_snapshot_cache *cache, struct zkt_snapshot_log *log,
                 size_t bytes)
{
    log->bytes += bytes;
    cache->bytes += bytes;
    while (cache->bytes > cache->limit) {
        struct zkt_node *first = zkt__list_first(&cache->lru);
        (*cache->limit_hits)++;
        zkt__snapshot_log_drop(
            cache, ZKT_CONTAINER(first, struct zkt_snapshot_log, node));
    }
}

static size_t size_of(const struct zkt_buffer *buffer)
{
    return sizeof(*buffer) + buffer->len;
}

void zkt__snapshot_log_keep(struct zkt_snapshot_cache *cache,
                            struct zkt_snapshot_log **slot,
                            struct zkt_buffer *snapshot)
{
    const bool small = snapshot->len < ZKT_SNAPSHOT_LOG_SMALLEST;
    zkt__snapshot_log_drop(cache, *slot);
    if (*slot == NULL && !small) {
        *slot = zkt__alloc_zero(cache->allocator, 1, sizeof(**slot));
    }
    struct zkt_snapshot_log *log = *slot;
    if (log == NULL) {
        return;
    }
    log->size = snapshot->len;
    if (small) {
        return;
    }
    if (size_of(snapshot) > cache->limit) {
        (*cache->limit_hits)++; /* no other log makes room for it */
        return;
    }
    log->snapshot = zkt__buffer_ref(snapshot);
    zkt__list_append(&cache->lru, &log->node);
    take(cache, log, size_of(snapshot));
}

/* Makes room for another patch. Returns false if there is no memory. */
static bool reserve(struct zkt_snapshot_cache *cache,
                    struct zkt_snapshot_log *log)
{
    const uint32_t capacity = log->capacity > 0 ? log->capacity * 2
                                                : FIRST_CAPACITY;
    if (log->count < log->capacity) {
        return true;
    }
    for (size_t d = 0; d < ZKT_DIALECT_COUNT; d++) {
        struct zkt_buffer **grown = zkt__resize(
            cache->allocator, log->patches[d], capacity * sizeof(*grown));
        if (grown == NULL) {
            return false;
        }
        log->patches[d] = grown;
    }
    log->capacity = capacity;
    return true;
}

/* Returns the cost of a patch for a subscriber, in the longer dialect. */
static size_t cost_of(struct zkt_buffer *const patch[ZKT_DIALECT_COUNT])
{
    size_t len = 0;
    for (size_t d = 0; d < ZKT_DIALECT_COUNT; d++) {
        len = patch[d]->len > len ? patch[d]->len : len;
    }
    return len + ZKT_SNAPSHOT_LOG_HANDLING;
}

void zkt__snapshot_log_add(struct zkt_snapshot_cache *cache,
                           struct zkt_snapshot_log *log,
                           struct zkt_buffer *const patch[ZKT_DIALECT_COUNT])
{
    size_t bytes = 0;
    if (!zkt__snapshot_log_is_kept(log)) {
        return;
    }
    log->catch_up_cost += cost_of(patch);
    if (log->catch_up_cost > log->snapshot->len / ZKT_SNAPSHOT_LOG_SHARE ||
        !reserve(cache, log)) {
        zkt__snapshot_log_drop(cache, log);
        return;
    }
    for (size_t d = 0; d < ZKT_DIALECT_COUNT; d++) {
        log->patches[d][log->count] = zkt__buffer_ref(patch[d]);
        bytes += sizeof(patch[d]);
        bytes += d == 0 || patch[d] != patch[0] ? size_of(patch[d]) : 0;
    }
    log->count++;
    take(cache, log, bytes);
}

bool zkt__snapshot_log_catch_up(struct zkt_snapshot_cache *cache,
                                struct zkt_snapshot_log *log,
                                enum zkt_dialect dialect,
                                struct zkt_catch_up *out)
{
    if (!zkt__snapshot_log_is_kept(log)) {
        return false;
    }
    zkt__node_unlink(&log->node);
    zkt__list_append(&cache->lru, &log->node);
    *out = (struct zkt_catch_up){
        .snapshot = zkt__buffer_ref(log->snapshot),
        .patches = log->patches[dialect],
        .patch_count = log->count,
    };
    return true;
}
