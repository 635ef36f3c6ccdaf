/*
 * See snapshot_cache.h. Patches stand in one array for each dialect, so that
 * what a new subscriber is sent is a run of pointers, whatever it speaks. Where
 * the dialects do not differ both point to the same frame, which counts once.
 */
#include "instance/snapshot_cache.h"

enum {
    FIRST_CAPACITY = 4
};

void zkt__snapshot_log_init(struct zkt_snapshot_cache *cache,
                            const struct zkt_allocator *allocator, size_t limit,
                            uint64_t *reached)
{
    *cache = (struct zkt_snapshot_cache){
        .allocator = allocator,
        .limit = limit,
        .reached = reached,
    };
    zkt__list_init(&cache->used);
}

size_t zkt__snapshot_log_guess(const struct zkt_snapshot_log *log)
{
    return log != NULL ? log->size + log->size / 32 : 0;
}

static void unref_patches(struct zkt_snapshot_log *h)
{
    for (size_t d = 0; d < ZKT_DIALECT_COUNT; d++) {
        for (uint32_t i = 0; i < h->count; i++) {
            zkt__buffer_unref(h->patches[d][i]);
        }
    }
    h->count = 0;
}

void zkt__snapshot_log_drop(struct zkt_snapshot_cache *cache,
                            struct zkt_snapshot_log *h)
{
    if (!zkt__snapshot_log_is_kept(h)) {
        return;
    }
    unref_patches(h);
    for (size_t d = 0; d < ZKT_DIALECT_COUNT; d++) {
        zkt__release(cache->allocator, h->patches[d]);
        h->patches[d] = NULL;
    }
    h->capacity = 0;
    zkt__buffer_unref(h->snapshot);
    h->snapshot = NULL;
    zkt__node_unlink(&h->node);
    cache->bytes -= h->bytes;
    h->bytes = h->catch_up_cost = 0;
}

void zkt__snapshot_log_refresh(struct zkt_snapshot_cache *cache,
                               struct zkt_snapshot_log *h)
{
    if (h != NULL && h->count > 0) {
        zkt__snapshot_log_drop(cache, h);
    }
}

void zkt__snapshot_log_free(struct zkt_snapshot_cache *cache,
                            struct zkt_snapshot_log *h)
{
    zkt__snapshot_log_drop(cache, h);
    zkt__release(cache->allocator, h);
}

/* @h takes @bytes more of the budget; somebody may have to go, @h as well. */
static void take(struct zkt_snapshot_cache *cache, struct zkt_snapshot_log *h,
                 size_t bytes)
{
    h->bytes += bytes;
    cache->bytes += bytes;
    while (cache->bytes > cache->limit) {
        struct zkt_node *first = zkt__list_first(&cache->used);
        (*cache->reached)++;
        zkt__snapshot_log_drop(
            cache, ZKT_CONTAINER(first, struct zkt_snapshot_log, node));
    }
}

static size_t size_of(const struct zkt_buffer *buffer)
{
    return sizeof(*buffer) + buffer->len;
}

void zkt__snapshot_log_keep(struct zkt_snapshot_cache *cache,
                            struct zkt_snapshot_log **log,
                            struct zkt_buffer *snapshot)
{
    const bool small = snapshot->len < ZKT_SNAPSHOT_LOG_SMALLEST;
    zkt__snapshot_log_drop(cache, *log);
    if (*log == NULL && !small) {
        *log = zkt__alloc_zero(cache->allocator, 1, sizeof(**log));
    }
    struct zkt_snapshot_log *h = *log;
    if (h == NULL) {
        return;
    }
    h->size = snapshot->len;
    if (small) {
        return;
    }
    if (size_of(snapshot) > cache->limit) {
        (*cache->reached)++; /* nobody has to go for what has no room anyway */
        return;
    }
    h->snapshot = zkt__buffer_ref(snapshot);
    zkt__list_append(&cache->used, &h->node);
    take(cache, h, size_of(snapshot));
}

/* Room for one more patch. */
static bool reserve(struct zkt_snapshot_cache *cache,
                    struct zkt_snapshot_log *h)
{
    const uint32_t capacity = h->capacity > 0 ? h->capacity * 2
                                              : FIRST_CAPACITY;
    if (h->count < h->capacity) {
        return true;
    }
    for (size_t d = 0; d < ZKT_DIALECT_COUNT; d++) {
        struct zkt_buffer **grown = zkt__resize(cache->allocator, h->patches[d],
                                                capacity * sizeof(*grown));
        if (grown == NULL) {
            return false;
        }
        h->patches[d] = grown;
    }
    h->capacity = capacity;
    return true;
}

/* What a patch costs whoever is sent it, in the longer of its dialects. */
static size_t cost_of(struct zkt_buffer *const patch[ZKT_DIALECT_COUNT])
{
    size_t len = 0;
    for (size_t d = 0; d < ZKT_DIALECT_COUNT; d++) {
        len = patch[d]->len > len ? patch[d]->len : len;
    }
    return len + ZKT_SNAPSHOT_LOG_HANDLING;
}

void zkt__snapshot_log_add(struct zkt_snapshot_cache *cache,
                           struct zkt_snapshot_log *h,
                           struct zkt_buffer *const patch[ZKT_DIALECT_COUNT])
{
    size_t bytes = 0;
    if (!zkt__snapshot_log_is_kept(h)) {
        return;
    }
    h->catch_up_cost += cost_of(patch);
    if (h->catch_up_cost > h->snapshot->len / ZKT_SNAPSHOT_LOG_SHARE ||
        !reserve(cache, h)) {
        zkt__snapshot_log_drop(cache, h);
        return;
    }
    for (size_t d = 0; d < ZKT_DIALECT_COUNT; d++) {
        h->patches[d][h->count] = zkt__buffer_ref(patch[d]);
        bytes += sizeof(patch[d]);
        bytes += d == 0 || patch[d] != patch[0] ? size_of(patch[d]) : 0;
    }
    h->count++;
    take(cache, h, bytes);
}

bool zkt__snapshot_log_catch_up(struct zkt_snapshot_cache *cache,
                                struct zkt_snapshot_log *h,
                                enum zkt_dialect dialect,
                                struct zkt_catch_up *out)
{
    if (!zkt__snapshot_log_is_kept(h)) {
        return false;
    }
    zkt__node_unlink(&h->node);
    zkt__list_append(&cache->used, &h->node);
    *out = (struct zkt_catch_up){
        .snapshot = zkt__buffer_ref(h->snapshot),
        .patches = h->patches[dialect],
        .patch_count = h->count,
    };
    return true;
}
