/*
 * An allocator that fails at one allocation, or at several in a row, and counts
 * live blocks and their bytes. A test is run once for each allocation that it
 * makes.
 */
#ifndef FAILING_ALLOC_H
#define FAILING_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "zocket/allocator.h"

struct failing_alloc {
    struct zkt_allocator allocator;
    /* the number of the failing allocation, from 1; 0 for none */
    long fail_at;
    long fail_count; /* failures in a row; 0 means 1 */
    long calls;      /* allocations so far, resizings among them */
    long live;       /* blocks that are not released */
    size_t bytes;    /* in them */
};

/* In front of a block: its size. */
union failing_head {
    size_t size;
    max_align_t alignment;
};

static inline union failing_head *failing_head_of(void *block)
{
    return block != NULL ? (union failing_head *)block - 1 : NULL;
}

static inline bool failing_now(struct failing_alloc *f)
{
    const long past = ++f->calls - f->fail_at;
    return f->fail_at > 0 && past >= 0 &&
           past < (f->fail_count > 0 ? f->fail_count : 1);
}

static inline void *failing_resize(void *user, void *block, size_t size)
{
    struct failing_alloc *f = user;
    union failing_head *head = failing_head_of(block);
    const size_t before = head != NULL ? head->size : 0;
    head = failing_now(f) ? NULL : realloc(head, sizeof(*head) + size);
    if (head == NULL) {
        return NULL;
    }
    f->live += block == NULL;
    f->bytes += size - before;
    head->size = size;
    return head + 1;
}

static inline void *failing_get(void *user, size_t size)
{
    return failing_resize(user, NULL, size);
}

static inline void failing_release(void *user, void *block)
{
    struct failing_alloc *f = user;
    union failing_head *head = failing_head_of(block);
    f->live -= head != NULL;
    f->bytes -= head != NULL ? head->size : 0;
    free(head);
}

static inline void failing_alloc_init(struct failing_alloc *f, long fail_at)
{
    *f = (struct failing_alloc){
        .allocator = { failing_get, failing_resize, failing_release, f },
        .fail_at = fail_at,
    };
}

#endif
