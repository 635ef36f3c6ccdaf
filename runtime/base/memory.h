/*
 * Memory: the caller's allocator, and arenas on top of it. An arena is a chain
 * of blocks that is released as a whole; the arena of a call holds everything
 * that lives exactly as long as the call.
 */
#ifndef ZKT_BASE_MEMORY_H
#define ZKT_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/poison.h"
#include "zocket/allocator.h"
#include "zocket/types.h"

/** The C library's allocator; used if the options give none. */
extern const struct zkt_allocator zkt__allocator_default;

/** Returns @size bytes, or NULL. @size must not be 0. */
void *zkt__alloc(const struct zkt_allocator *a, size_t size);
/** Returns zeroed memory; NULL also if count * size overflows. */
void *zkt__alloc_zero(const struct zkt_allocator *a, size_t count, size_t size);
/** As realloc: returns NULL on failure, and @block stays valid. */
void *zkt__resize(const struct zkt_allocator *a, void *block, size_t size);
/** Takes NULL. */
void zkt__release(const struct zkt_allocator *a, void *block);

/* Number of readable zero bytes behind every received message. */
#define ZKT_PADDING 32

#define ZKT_ARENA_ALIGNMENT 16

struct zkt_arena_block;
struct zkt_large_block;

/*
 * Zero-initialise and set @allocator, or use zkt__arena_init. Allocations are
 * aligned to 16 bytes, strings to 1.
 */
struct zkt_arena {
    const struct zkt_allocator *allocator;
    struct zkt_arena_block *blocks; /* newest first */
    struct zkt_large_block *large;  /* an allocation each */
    char *at, *end;                 /* free part of the newest block */
    size_t size, limit;             /* of all blocks; limit 0: none */
    uint64_t *limit_hits; /* counter of refused allocations; or NULL */
    bool limit_reached;   /* an allocation was refused since the last reset */
};

void zkt__arena_init(struct zkt_arena *arena, const struct zkt_allocator *a);
/** Continues zkt__arena_alloc if the newest block has no room. */
void *zkt__arena_grow(struct zkt_arena *arena, size_t size);
/** Returns uninitialised memory, aligned to 16, or NULL if there is none. */
static inline void *zkt__arena_alloc(struct zkt_arena *arena, size_t size)
{
    /* Both ends are aligned, so if @size fits, it fits rounded up. A size of 0
     * wraps around and does not fit. */
    if (size - 1 >= (size_t)(arena->end - arena->at)) {
        return zkt__arena_grow(arena, size);
    }
    char *found = arena->at;
    arena->at += (size + ZKT_ARENA_ALIGNMENT - 1) / ZKT_ARENA_ALIGNMENT *
                 ZKT_ARENA_ALIGNMENT;
    ZKT_UNPOISON(found, size);
    return found;
}
/** Returns zeroed memory; NULL if there is none or count * size overflows. */
void *zkt__arena_zero(struct zkt_arena *arena, size_t count, size_t size);
/**
 * Resizes @block, @size bytes from the arena (or NULL and 0), to @wanted bytes,
 * keeping its content. The newest allocation grows in place while there is
 * room, the allocator resizes a large one, any other is copied. Returns NULL,
 * with @block unchanged, if there is no memory.
 */
void *zkt__arena_resize(struct zkt_arena *arena, void *block, size_t size,
                        size_t wanted);
/**
 * Shrinks @block to @wanted bytes, more than 0, if that costs no copy; from
 * then on its size is @wanted. Returns its address, which may change; never
 * fails.
 */
void *zkt__arena_shrink(struct zkt_arena *arena, void *block, size_t size,
                        size_t wanted);
/**
 * Frees @block of @size bytes if it is the newest allocation or a large one;
 * any other stays until the arena is reset. Takes NULL.
 */
void zkt__arena_release(struct zkt_arena *arena, void *block, size_t size);
/** Returns a copy with a terminating NUL; .data is NULL if there is no
 * memory. */
struct zkt_str zkt__arena_str(struct zkt_arena *arena, struct zkt_str text);
/**
 * Returns an allocator that uses the arena, and frees as zkt__arena_release
 * does. Valid as long as @arena is not moved.
 */
struct zkt_allocator zkt__arena_allocator(struct zkt_arena *arena);
/**
 * Empties the arena, but keeps its limit and, for reuse, its largest block (up
 * to 64 KiB).
 */
void zkt__arena_reset(struct zkt_arena *arena);
/** Releases everything; the arena is as after init. Takes a zeroed one. */
void zkt__arena_finish(struct zkt_arena *arena);

#endif
