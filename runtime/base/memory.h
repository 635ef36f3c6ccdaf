/*
 * Memory: the caller's allocator, and arenas on top of it. An arena is a chain
 * of blocks that is released as a whole; one per call holds everything that
 * lives exactly as long as the call.
 */
#ifndef ZKT_BASE_MEMORY_H
#define ZKT_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/poison.h"
#include "zocket/allocator.h"
#include "zocket/types.h"

/** The C library's allocator: what NULL stands for in the options. */
extern const struct zkt_allocator zkt__allocator_default;

/** @size bytes, or NULL. Never called with 0. */
void *zkt__alloc(const struct zkt_allocator *a, size_t size);
/** The same, zeroed; NULL also when count * size overflows. */
void *zkt__alloc_zero(const struct zkt_allocator *a, size_t count, size_t size);
/** As realloc: on failure NULL, and @block stays as it was. */
void *zkt__resize(const struct zkt_allocator *a, void *block, size_t size);
/** Takes NULL. */
void zkt__release(const struct zkt_allocator *a, void *block);

/* Every message handed up has so many readable zero bytes behind its end. */
#define ZKT_PADDING 32

#define ZKT_ARENA_ALIGNMENT 16

struct zkt_arena_block;
struct zkt_large_block;

/*
 * Zero-initialise and set @allocator, or use zkt__arena_init. Everything given
 * out is aligned to 16 bytes (strings: to 1).
 */
struct zkt_arena {
    const struct zkt_allocator *allocator;
    struct zkt_arena_block *blocks; /* newest first */
    struct zkt_large_block *large;  /* each of one allocation */
    char *at, *end;                 /* what is left of the newest */
    size_t size, limit;             /* of all blocks; limit 0: none */
    uint64_t *limit_hits;           /* counts how often the limit was; NULL */
};

void zkt__arena_init(struct zkt_arena *arena, const struct zkt_allocator *a);
/** What zkt__arena_alloc does when the newest block has no room. */
void *zkt__arena_grow(struct zkt_arena *arena, size_t size);
/** Uninitialised memory, aligned to 16; NULL when there is none. */
static inline void *zkt__arena_alloc(struct zkt_arena *arena, size_t size)
{
    /* Both ends are aligned, so what fits does so rounded up, too. A size of
     * 0 wraps around and does not. */
    if (size - 1 >= (size_t)(arena->end - arena->at)) {
        return zkt__arena_grow(arena, size);
    }
    char *found = arena->at;
    arena->at += (size + ZKT_ARENA_ALIGNMENT - 1) / ZKT_ARENA_ALIGNMENT *
                 ZKT_ARENA_ALIGNMENT;
    ZKT_UNPOISON(found, size);
    return found;
}
/** Zeroed; NULL when there is none or count * size overflows. */
void *zkt__arena_zero(struct zkt_arena *arena, size_t count, size_t size);
/**
 * Makes @block, @size bytes from the arena (or NULL, of 0), @wanted bytes long,
 * and keeps what it holds. The newest allocation grows where it stands while
 * there is room, a large one is resized by the allocator; any other is copied.
 * NULL: no memory; @block is as before.
 */
void *zkt__arena_resize(struct zkt_arena *arena, void *block, size_t size,
                        size_t wanted);
/**
 * Makes @block smaller where that costs nothing, as if it had been allocated
 * with @wanted bytes, more than 0; returns where it is then. It never fails.
 */
void *zkt__arena_shrink(struct zkt_arena *arena, void *block, size_t size,
                        size_t wanted);
/**
 * Gives back @block of @size bytes if it is the newest allocation or a large
 * one; else it stays until the arena is reset. Takes NULL.
 */
void zkt__arena_release(struct zkt_arena *arena, void *block, size_t size);
/** A copy with a NUL behind it; .data is NULL when there is no memory. */
struct zkt_str zkt__arena_str(struct zkt_arena *arena, struct zkt_str text);
/**
 * An allocator that takes from the arena and gives back what the arena takes
 * back. Good as long as @arena stays where it is.
 */
struct zkt_allocator zkt__arena_allocator(struct zkt_arena *arena);
/**
 * Empties the arena and keeps its largest block (up to 64 KiB) for reuse, and
 * its limit.
 */
void zkt__arena_reset(struct zkt_arena *arena);
/** Releases everything; the arena is as after init. Takes a zeroed one. */
void zkt__arena_finish(struct zkt_arena *arena);

#endif
