/*
 * The memory of OpenSSL and of the TLS streams of a test, counted for each
 * side. For one source file of a program, which gives the functions to
 * CRYPTO_set_mem_functions, and the allocator to the streams.
 */
#ifndef TEST_TLS_MEMORY_H
#define TEST_TLS_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/memory.h"

enum {
    SIDES = 3, /* the server's streams, the client's, others */
    SERVER = 0,
    CLIENT = 1,
    OTHER = 2
};

union tls_block {
    struct {
        size_t size;
        int side;
    } of;
    max_align_t alignment;
};

/* OpenSSL keeps some blocks of a side for later streams. */
static size_t bytes_of[SIDES];
static int side = OTHER;          /* that runs now */
static long allocations, fail_at; /* fail_at 0: never */

static void *tls_resize(void *block, size_t size, const char *file, int line)
{
    union tls_block *head = block != NULL ? (union tls_block *)block - 1 : NULL;
    (void)file;
    (void)line;
    if (fail_at > 0 && ++allocations == fail_at) {
        return NULL;
    }
    const int owner = head != NULL ? head->of.side : side;
    const size_t before = head != NULL ? head->of.size : 0;
    head = realloc(head, sizeof(*head) + size);
    if (head == NULL) {
        return NULL;
    }
    bytes_of[owner] += size - before;
    head->of.size = size;
    head->of.side = owner;
    return head + 1;
}

static void *tls_get(size_t size, const char *file, int line)
{
    return tls_resize(NULL, size, file, line);
}

static void tls_release(void *block, const char *file, int line)
{
    (void)file;
    (void)line;
    if (block != NULL) {
        union tls_block *head = (union tls_block *)block - 1;
        bytes_of[head->of.side] -= head->of.size;
        free(head);
    }
}

static void *own_alloc(void *user, size_t size)
{
    (void)user;
    return tls_get(size, NULL, 0);
}

static void *own_resize(void *user, void *block, size_t size)
{
    (void)user;
    return tls_resize(block, size, NULL, 0);
}

static void own_release(void *user, void *block)
{
    (void)user;
    tls_release(block, NULL, 0);
}

static const struct zkt_allocator allocator = { own_alloc, own_resize,
                                                own_release, NULL };

#endif
