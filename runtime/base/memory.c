/*
 * See memory.h. An arena's blocks grow geometrically, from 1 KiB to 64 KiB,
 * with larger ones for what does not fit; a reset keeps one for the next
 * call, so that a server in steady state allocates nothing per call. Under
 * the address sanitizer the unused parts of a block are poisoned.
 */
#include "base/memory.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_MIN = 1024,
    BLOCK_MAX = 64 * 1024 /* also the largest that a reset keeps */
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

void zkt__arena_init(struct zkt_arena *arena, const struct zkt_allocator *a)
{
    *arena = (struct zkt_arena){ .allocator = a };
}

static size_t align_up(size_t size)
{
    return (size + ZKT_ARENA_ALIGNMENT - 1) &
           ~(size_t)(ZKT_ARENA_ALIGNMENT - 1);
}

/* Makes @block, which holds nothing, the one that is allocated from. */
static void use_block(struct zkt_arena *arena, struct zkt_arena_block *block)
{
    arena->blocks = block;
    arena->at = block->bytes;
    arena->end = (char *)block + block->size;
    ZKT_POISON(arena->at, (size_t)(arena->end - arena->at));
}

static bool add_block(struct zkt_arena *arena, size_t wanted)
{
    const size_t head = sizeof(struct zkt_arena_block);
    size_t size = BLOCK_MIN;
    if (arena->blocks != NULL) {
        size = arena->blocks->size * 2;
        size = size < BLOCK_MAX ? size : BLOCK_MAX;
    }
    if (wanted > SIZE_MAX - head - ZKT_ARENA_ALIGNMENT) {
        return false;
    }
    if (size < wanted + head) {
        size = wanted + head;
    }
    if (arena->limit > 0 && size > arena->limit - arena->size) {
        if (arena->reached != NULL) {
            (*arena->reached)++;
        }
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

void *zkt__arena_grow(struct zkt_arena *arena, size_t size)
{
    if (size == 0) {
        return zkt__arena_alloc(arena, 1);
    }
    if (size > SIZE_MAX - ZKT_ARENA_ALIGNMENT ||
        !add_block(arena, align_up(size))) {
        return NULL;
    }
    return zkt__arena_alloc(arena, size);
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

static void *arena_allocator_alloc(void *user, size_t size)
{
    return zkt__arena_alloc(user, size);
}

static void *arena_allocator_resize(void *user, void *block, size_t size)
{
    (void)user;
    (void)block;
    (void)size;
    return NULL;
}

static void arena_allocator_release(void *user, void *block)
{
    (void)user;
    (void)block;
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

void zkt__arena_reset(struct zkt_arena *arena)
{
    struct zkt_arena_block *kept = NULL;
    struct zkt_arena_block *block = arena->blocks;
    while (block != NULL) {
        struct zkt_arena_block *older = block->older;
        if (block->size > BLOCK_MAX) {
            release_block(arena, block);
        } else if (kept == NULL || block->size > kept->size) {
            if (kept != NULL) {
                release_block(arena, kept);
            }
            kept = block;
        } else {
            release_block(arena, block);
        }
        block = older;
    }
    arena->blocks = NULL;
    arena->at = arena->end = NULL;
    arena->size = 0;
    if (kept != NULL) {
        kept->older = NULL;
        arena->size = kept->size;
        use_block(arena, kept);
    }
}

void zkt__arena_finish(struct zkt_arena *arena)
{
    struct zkt_arena_block *block = arena->blocks;
    while (block != NULL) {
        struct zkt_arena_block *older = block->older;
        release_block(arena, block);
        block = older;
    }
    zkt__arena_init(arena, arena->allocator);
}
