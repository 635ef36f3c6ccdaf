/*
 * What an instance keeps for newcomers: the frame of a snapshot, and the
 * frames of the patches since, in both dialects. A newcomer is given all of
 * them, in order, instead of a snapshot that is encoded anew; they are counted
 * by reference and never change, so whoever is sent them shares them.
 *
 * A snapshot is kept from 4 KiB on: below that, encoding costs a few thousand
 * instructions, about as much as a call, and is not worth its memory. Patches
 * are added while they cost a newcomer less than a quarter of the snapshot,
 * each its bytes and 256 more for a place in the queue and for being applied
 * at the other end. Past that everything is dropped, and the next newcomer
 * pays for a snapshot that those after it share. It is dropped as well by a
 * change that nobody watches, of which there is no patch.
 *
 * All that is kept counts towards one budget of the owner; over it, what was
 * used least recently is dropped. An instance that has never sent a snapshot
 * worth keeping has no history at all.
 */
#ifndef ZKT_ACTOR_HISTORY_H
#define ZKT_ACTOR_HISTORY_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/list.h"
#include "state/journal.h"

enum {
    ZKT_HISTORY_SMALLEST = 4096, /* snapshot that is kept, in bytes */
    ZKT_HISTORY_SHARE = 4,       /* of a snapshot that patches may cost: 1/4 */
    ZKT_HISTORY_HANDLING = 256   /* what a patch costs beside its bytes */
};

/* Zeroed and with a snapshot of NULL: keeps nothing. */
struct zkt_history {
    struct zkt_node node; /* in the cache's list, while it keeps something */
    struct zkt_buffer *snapshot;
    struct zkt_buffer **patches[ZKT_DIALECT_COUNT]; /* each with references */
    uint32_t count, capacity;                       /* of patches */
    size_t cost;                                    /* of them to a newcomer */
    size_t bytes; /* of all, towards the budget */
    size_t size;  /* of the last snapshot; about that of the next */
};

/* The budget of an owner, and who takes from it. */
struct zkt_history_cache {
    const struct zkt_allocator *allocator;
    struct zkt_list used; /* least recently used first */
    size_t bytes, limit;
    uint64_t *reached; /* counts what the limit has dropped or kept out */
};

/* What brings a newcomer up to date: a snapshot, and the patches since. */
struct zkt_recap {
    struct zkt_buffer *snapshot;       /* a reference of its own */
    struct zkt_buffer *const *patches; /* good until the next commit */
    uint32_t patch_count;
};

void zkt__history_init(struct zkt_history_cache *cache,
                       const struct zkt_allocator *allocator, size_t limit,
                       uint64_t *reached);

/** Whether there is a recap to be had. @history may be NULL. */
static inline bool zkt__history_is_kept(const struct zkt_history *history)
{
    return history != NULL && history->snapshot != NULL;
}

/** Bytes that a snapshot may take, with some to spare; 0: nobody knows. */
size_t zkt__history_guess(const struct zkt_history *history);

/**
 * Keeps a snapshot of the state as it is, if it is worth it, by a reference of
 * its own; what was kept before is dropped. *@history is made when needed; if
 * there is no memory for it nothing is kept.
 */
void zkt__history_keep(struct zkt_history_cache *cache,
                       struct zkt_history **history,
                       struct zkt_buffer *snapshot);

/** The state has changed by @patch; takes references. @history may be NULL. */
void zkt__history_add(struct zkt_history_cache *cache,
                      struct zkt_history *history,
                      struct zkt_buffer *const patch[ZKT_DIALECT_COUNT]);

/** Keeps nothing any more. @history may be NULL. */
void zkt__history_drop(struct zkt_history_cache *cache,
                       struct zkt_history *history);

/** False: nothing is kept; *@out is untouched. @history may be NULL. */
bool zkt__history_recap(struct zkt_history_cache *cache,
                        struct zkt_history *history, enum zkt_dialect dialect,
                        struct zkt_recap *out);

/** Drops and frees it. Takes NULL. */
void zkt__history_free(struct zkt_history_cache *cache,
                       struct zkt_history *history);

#endif
