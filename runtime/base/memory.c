/*
 * See memory.h. The blocks of an arena grow geometrically, from 1 KiB to 64
 * KiB. A reset keeps a block for the next call, so that a server in steady
 * state allocates nothing per call. Larger allocations have blocks of their
 * own, which can be freed and resized, so a growing array pins at most a single
 * block of outgrown memory. Under the address sanitizer the unused parts of
 * blocks are poisoned.
 */
#include "base/memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_MIN = 1024,
    BLOCK_MAX = 64 * 1024 /* also the largest block that a reset keeps */
};

static void *default_alloc(void *user, size_t size)
{
    (void)user;
    return malloc(size);
}

static void *default_resize(void *user, void *block, size_t size)
{
    (void)user;
    return realloc(block, size);
}

static void default_release(void *user, void *block)
{
    (void)user;
    free(block);
}

const struct zkt_allocator zkt__allocator_default = {
    .alloc = default_alloc,
    .resize = default_resize,
    .release = default_release,
};

void *zkt__alloc(const struct zkt_allocator *a, size_t size)
{
    return a->alloc(a->user, size);
}

void *zkt__alloc_zero(const struct zkt_allocator *a, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    const size_t total = count * size;
    void *block = a->alloc(a->user, total > 0 ? total : 1);
    if (block != NULL) {
        memset(block, 0, total);
    }
    return block;
}

void *zkt__resize(const struct zkt_allocator *a, void *block, size_t size)
{
    return a->resize(a->user, block, size);
}

void zkt__release(const struct zkt_allocator *a, void *block)
{
    if (block != NULL) {
        a->release(a->user, block);
    }
}

/* ---- arenas ---- */

struct zkt_arena_block {
    struct zkt_arena_block *older;
    size_t size; /* of the whole block */
    alignas(ZKT_ARENA_ALIGNMENT) char bytes[];
};

struct zkt_large_block {
    struct zkt_large_block *older, *newer;
    size_t size; /* of the whole block */
    alignas(ZKT_ARENA_ALIGNMENT) char bytes[];
};

void zkt__arena_init(struct zkt_arena *arena, const struct zkt_allocator *a)
{
    *arena = (struct zkt_arena){ .allocator = a };
}

static size_t align_up(size_t size)
{
    return (size + ZKT_ARENA_ALIGNMENT - 1) &
           ~(size_t)(ZKT_ARENA_ALIGNMENT - 1);
}

/* Allocates from @block, which is empty, from now on. */
static void use_block(struct zkt_arena *arena, struct zkt_arena_block *block)
{
    arena->blocks = block;
    arena->at = block->bytes;
    arena->end = (char *)block + block->size;
    ZKT_POISON(arena->at, (size_t)(arena->end - arena->at));
}

/* Returns true if the limit allows @more bytes; counts refusals. */
static bool may_grow(struct zkt_arena *arena, size_t more)
{
    if (arena->limit == 0 || more <= arena->limit - arena->size) {
        return true;
    }
    arena->limit_reached = true;
    if (arena->limit_hits != NULL) {
        (*arena->limit_hits)++;
    }
    return false;
}

static bool add_block(struct zkt_arena *arena, size_t wanted)
{
    const size_t head = sizeof(struct zkt_arena_block);
    size_t size = BLOCK_MIN;
    if (arena->blocks != NULL) {
        size = arena->blocks->size * 2;
        size = size < BLOCK_MAX ? size : BLOCK_MAX;
    }
    if (size < wanted + head) {
        size = wanted + head;
    }
    if (!may_grow(arena, size)) {
        return false;
    }
    struct zkt_arena_block *block = zkt__alloc(arena->allocator, size);
    if (block == NULL) {
        return false;
    }
    arena->size += size;
    block->older = arena->blocks;
    block->size = size;
    use_block(arena, block);
    return true;
}

/* Returns true if an allocation needs a block of its own. */
static bool is_large(size_t size)
{
    return size > BLOCK_MAX - sizeof(struct zkt_arena_block);
}

static void link_large(struct zkt_arena *arena, struct zkt_large_block *large)
{
    large->older = arena->large;
    large->newer = NULL;
    if (arena->large != NULL) {
        arena->large->newer = large;
    }
    arena->large = large;
    arena->size += large->size;
}

static void unlink_large(struct zkt_arena *arena, struct zkt_large_block *large)
{
    if (large->older != NULL) {
        large->older->newer = large->newer;
    }
    if (large->newer != NULL) {
        large->newer->older = large->older;
    } else {
        arena->large = large->older;
    }
    arena->size -= large->size;
}

static void *add_large(struct zkt_arena *arena, size_t wanted)
{
    const size_t head = sizeof(struct zkt_large_block);
    if (wanted > SIZE_MAX - head - ZKT_ARENA_ALIGNMENT ||
        !may_grow(arena, head + align_up(wanted))) {
        return NULL;
    }
    struct zkt_large_block *large = zkt__alloc(arena->allocator,
                                               head + align_up(wanted));
    if (large == NULL) {
        return NULL;
    }
    large->size = head + align_up(wanted);
    link_large(arena, large);
    return large->bytes;
}

void *zkt__arena_grow(struct zkt_arena *arena, size_t size)
{
    if (size == 0) {
        return zkt__arena_alloc(arena, 1);
    }
    if (is_large(size)) {
        return add_large(arena, size);
    }
    return add_block(arena, align_up(size)) ? zkt__arena_alloc(arena, size)
                                            : NULL;
}

static struct zkt_large_block *large_of(void *block)
{
    return (struct zkt_large_block *)(void *)((char *)block -
                                              sizeof(struct zkt_large_block));
}

static bool is_newest(const struct zkt_arena *arena, const void *block,
                      size_t size)
{
    return (const char *)block + align_up(size) == arena->at;
}

void zkt__arena_release(struct zkt_arena *arena, void *block, size_t size)
{
    if (block == NULL) {
        return;
    }
    if (is_large(size)) {
        struct zkt_large_block *large = large_of(block);
        unlink_large(arena, large);
        zkt__release(arena->allocator, large);
    } else if (is_newest(arena, block, size)) {
        arena->at = block;
        ZKT_POISON(arena->at, align_up(size));
    }
}

/* Resizes a large block to another large size; as zkt__arena_resize. */
static void *resize_large(struct zkt_arena *arena, void *block, size_t wanted)
{
    struct zkt_large_block *large = large_of(block);
    const size_t size = sizeof(*large) + align_up(wanted);
    if (size > large->size && !may_grow(arena, size - large->size)) {
        return NULL;
    }
    unlink_large(arena, large);
    struct zkt_large_block *resized = zkt__resize(arena->allocator, large,
                                                  size);
    if (resized == NULL) {
        link_large(arena, large);
        return NULL;
    }
    resized->size = size;
    link_large(arena, resized);
    return resized->bytes;
}

/* Moves the end of the newest allocation. Returns false if there is no room. */
static bool resize_newest(struct zkt_arena *arena, void *block, size_t wanted)
{
    char *begin = block;
    if (wanted > (size_t)(arena->end - begin)) {
        return false;
    }
    ZKT_POISON(begin, (size_t)(arena->at - begin));
    ZKT_UNPOISON(begin, wanted);
    arena->at = begin + align_up(wanted);
    return true;
}

void *zkt__arena_shrink(struct zkt_arena *arena, void *block, size_t size,
                        size_t wanted)
{
    void *resized = NULL;
    if (is_large(size)) {
        resized = is_large(wanted) ? resize_large(arena, block, wanted) : NULL;
    } else if (is_newest(arena, block, size)) {
        (void)resize_newest(arena, block, wanted);
    }
    return resized != NULL ? resized : block;
}

void *zkt__arena_resize(struct zkt_arena *arena, void *block, size_t size,
                        size_t wanted)
{
    if (block == NULL) {
        return zkt__arena_alloc(arena, wanted);
    }
    if (wanted > SIZE_MAX / 2) {
        return NULL;
    }
    if (is_large(size) && is_large(wanted)) {
        return resize_large(arena, block, wanted);
    }
    if (!is_large(size) && is_newest(arena, block, size) && wanted > 0 &&
        resize_newest(arena, block, wanted)) {
        return block;
    }
    void *copy = zkt__arena_alloc(arena, wanted);
    if (copy != NULL) {
        memcpy(copy, block, size < wanted ? size : wanted);
        zkt__arena_release(arena, block, size);
    }
    return copy;
}

void *zkt__arena_zero(struct zkt_arena *arena, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    void *found = zkt__arena_alloc(arena, count * size);
    if (found != NULL) {
        memset(found, 0, count * size);
    }
    return found;
}

struct zkt_str zkt__arena_str(struct zkt_arena *arena, struct zkt_str text)
{
    char *copy = NULL;
    if (text.len < SIZE_MAX) {
        copy = zkt__arena_alloc(arena, text.len + 1);
    }
    if (copy == NULL) {
        return (struct zkt_str){ NULL, 0 };
    }
    if (text.len > 0) {
        memcpy(copy, text.data, text.len);
    }
    copy[text.len] = '\0';
    return (struct zkt_str){ copy, text.len };
}

/* Header that stores the size, since allocators are not told sizes on
 * release. */
struct sized {
    alignas(ZKT_ARENA_ALIGNMENT) size_t size; /* including the header */
};

static void *arena_allocator_resize(void *user, void *block, size_t size)
{
    struct sized *before = block != NULL ? (struct sized *)block - 1 : NULL;
    if (size > SIZE_MAX - sizeof(*before)) {
        return NULL;
    }
    struct sized *sized = zkt__arena_resize(
        user, before, before != NULL ? before->size : 0, size + sizeof(*sized));
    if (sized == NULL) {
        return NULL;
    }
    sized->size = size + sizeof(*sized);
    return sized + 1;
}

static void *arena_allocator_alloc(void *user, size_t size)
{
    return arena_allocator_resize(user, NULL, size);
}

static void arena_allocator_release(void *user, void *block)
{
    if (block != NULL) {
        struct sized *sized = (struct sized *)block - 1;
        zkt__arena_release(user, sized, sized->size);
    }
}

struct zkt_allocator zkt__arena_allocator(struct zkt_arena *arena)
{
    return (struct zkt_allocator){
        .alloc = arena_allocator_alloc,
        .resize = arena_allocator_resize,
        .release = arena_allocator_release,
        .user = arena,
    };
}

static void release_block(struct zkt_arena *arena,
                          struct zkt_arena_block *block)
{
    ZKT_UNPOISON(block->bytes, block->size - sizeof(*block));
    zkt__release(arena->allocator, block);
}

static void release_large(struct zkt_arena *arena)
{
    while (arena->large != NULL) {
        struct zkt_large_block *large = arena->large;
        unlink_large(arena, large);
        zkt__release(arena->allocator, large);
    }
}

void zkt__arena_reset(struct zkt_arena *arena)
{
    struct zkt_arena_block *kept = arena->blocks;
    arena->limit_reached = false;
    if (arena->large != NULL) {
        release_large(arena);
    }
    if (kept == NULL) {
        return;
    }
    /* The newest block is the largest. */
    while (kept->older != NULL) {
        struct zkt_arena_block *older = kept->older;
        kept->older = older->older;
        release_block(arena, older);
    }
    arena->size = kept->size;
    use_block(arena, kept);
}

void zkt__arena_finish(struct zkt_arena *arena)
{
    zkt__arena_reset(arena);
    if (arena->blocks != NULL) {
        release_block(arena, arena->blocks);
    }
    zkt__arena_init(arena, arena->allocator);
}
