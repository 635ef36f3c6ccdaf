/*
 * See history.h. Patches stand in one array for each dialect, so that what a
 * newcomer is sent is a run of pointers, whatever it speaks. Where the
 * dialects do not differ both point to the same frame, which counts once.
 */
#include "actor/history.h"

enum {
    FIRST_CAPACITY = 4
};

void zkt__history_init(struct zkt_history_cache *cache,
                       const struct zkt_allocator *allocator, size_t limit,
                       uint64_t *reached)
{
    *cache = (struct zkt_history_cache){
        .allocator = allocator,
        .limit = limit,
        .reached = reached,
    };
    zkt__list_init(&cache->used);
}

size_t zkt__history_guess(const struct zkt_history *history)
{
    return history != NULL ? history->size + history->size / 32 : 0;
}

static void unref_patches(struct zkt_history *h)
{
    for (size_t d = 0; d < ZKT_DIALECT_COUNT; d++) {
        for (uint32_t i = 0; i < h->count; i++) {
            zkt__buffer_unref(h->patches[d][i]);
        }
    }
    h->count = 0;
}

void zkt__history_drop(struct zkt_history_cache *cache, struct zkt_history *h)
{
    if (!zkt__history_is_kept(h)) {
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
    h->bytes = h->cost = 0;
}

void zkt__history_free(struct zkt_history_cache *cache, struct zkt_history *h)
{
    zkt__history_drop(cache, h);
    zkt__release(cache->allocator, h);
}

/* @h takes @bytes more of the budget; somebody may have to go, @h as well. */
static void take(struct zkt_history_cache *cache, struct zkt_history *h,
                 size_t bytes)
{
    h->bytes += bytes;
    cache->bytes += bytes;
    while (cache->bytes > cache->limit) {
        struct zkt_node *first = zkt__list_first(&cache->used);
        (*cache->reached)++;
        zkt__history_drop(cache,
                          ZKT_CONTAINER(first, struct zkt_history, node));
    }
}

static size_t size_of(const struct zkt_buffer *buffer)
{
    return sizeof(*buffer) + buffer->len;
}

void zkt__history_keep(struct zkt_history_cache *cache,
                       struct zkt_history **history,
                       struct zkt_buffer *snapshot)
{
    zkt__history_drop(cache, *history);
    if (snapshot->len < ZKT_HISTORY_SMALLEST) {
        return;
    }
    if (size_of(snapshot) > cache->limit) {
        (*cache->reached)++; /* nobody has to go for what has no room anyway */
        return;
    }
    if (*history == NULL) {
        *history = zkt__alloc_zero(cache->allocator, 1, sizeof(**history));
    }
    struct zkt_history *h = *history;
    if (h != NULL) {
        h->snapshot = zkt__buffer_ref(snapshot);
        h->size = snapshot->len;
        zkt__list_append(&cache->used, &h->node);
        take(cache, h, size_of(snapshot));
    }
}

/* Room for one more patch. */
static bool reserve(struct zkt_history_cache *cache, struct zkt_history *h)
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
    return len + ZKT_HISTORY_HANDLING;
}

void zkt__history_add(struct zkt_history_cache *cache, struct zkt_history *h,
                      struct zkt_buffer *const patch[ZKT_DIALECT_COUNT])
{
    size_t bytes = 0;
    if (!zkt__history_is_kept(h)) {
        return;
    }
    h->cost += cost_of(patch);
    if (h->cost > h->snapshot->len / ZKT_HISTORY_SHARE || !reserve(cache, h)) {
        zkt__history_drop(cache, h);
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

bool zkt__history_recap(struct zkt_history_cache *cache, struct zkt_history *h,
                        enum zkt_dialect dialect, struct zkt_recap *out)
{
    if (!zkt__history_is_kept(h)) {
        return false;
    }
    zkt__node_unlink(&h->node);
    zkt__list_append(&cache->used, &h->node);
    *out = (struct zkt_recap){
        .snapshot = zkt__buffer_ref(h->snapshot),
        .patches = h->patches[dialect],
        .patch_count = h->count,
    };
    return true;
}
