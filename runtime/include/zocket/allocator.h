/*
 * Where the runtime takes its memory from. A program may name an allocator in
 * the options of a server or a client.
 *
 * An allocator that counts the blocks that are alive, for a test that wants to
 * find leaks:
 *
 *     #include <stdlib.h>
 *
 *     #include "zocket/allocator.h"
 *
 *     static void *alloc(void *user, size_t size)
 *     {
 *         void *block = malloc(size);
 *         *(long *)user += block != NULL;
 *         return block;
 *     }
 *
 *     static void *resize(void *user, void *block, size_t size)
 *     {
 *         void *resized = realloc(block, size);
 *         *(long *)user += block == NULL && resized != NULL;
 *         return resized;
 *     }
 *
 *     static void release(void *user, void *block)
 *     {
 *         *(long *)user -= 1;
 *         free(block);
 *     }
 *
 *     long blocks;
 *     const struct zkt_allocator counting = {
 *         alloc, resize, release, &blocks
 *     };
 */
#ifndef ZOCKET_ALLOCATOR_H
#define ZOCKET_ALLOCATOR_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Three functions with the meaning of malloc, realloc and free, each with @user
 * in front. NULL in place of an allocator stands for the C library's.
 *
 * Lifetime: the struct is borrowed. It has to exist as long as the server or
 * client that was given it; and as long as memory outlives them: deferred
 * calls until they are resumed, handles until they are closed, replies until
 * they are cleared.
 *
 * Threads: the functions are called from the thread that owns the server or
 * client, from the threads that either runs of its own, from a thread that
 * posts (zkt_server_post, zkt_client_post), and from a thread that resumes a
 * call after its server was freed. A program with several of these threads
 * gives functions that any thread may call at any time.
 *
 * Libraries below do not use it. OpenSSL has memory of its own (tls.h). wslay
 * takes memory from the C library for a connection when its peer sends
 * fragments or control frames or breaks the protocol, until that message is
 * over: some KiB, and the bytes of the fragments, at most message_bytes
 * (limits.h). libuv takes memory for its loops and for resolving names from the
 * functions that the program gave to uv_replace_allocator.
 */
struct zkt_allocator {
    /*
     * Returns a block of @size bytes, aligned for any type, or NULL if there is
     * no memory.
     */
    void *(*alloc)(void *user, size_t size);
    /*
     * Makes @block larger or smaller and returns it, moved or not; @block is
     * NULL for a new block. Returns NULL if there is no memory; then @block is
     * as it was.
     */
    void *(*resize)(void *user, void *block, size_t size);
    /* Frees a block that alloc or resize returned; never NULL. */
    void (*release)(void *user, void *block);
    /* Passed to all three; the program's. */
    void *user;
};

#ifdef __cplusplus
}
#endif
#endif
