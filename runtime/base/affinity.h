/*
 * Thread affinity of a server or client. In builds without NDEBUG, calls from
 * other threads are detected; the caller of a check logs and fails, nothing
 * aborts.
 */
#ifndef ZKT_BASE_AFFINITY_H
#define ZKT_BASE_AFFINITY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: unbound, any thread may call. */
struct zkt_affinity {
    _Atomic(const char *) thread;
};

/** Returns an address that is unique among running threads. */
const char *zkt__thread_id(void);

/** Binds to the calling thread. */
static inline void zkt__affinity_bind(struct zkt_affinity *affinity)
{
    atomic_store_explicit(&affinity->thread, zkt__thread_id(),
                          memory_order_relaxed);
}

/** Unbinds; the next thread to bind takes over. */
static inline void zkt__affinity_unbind(struct zkt_affinity *affinity)
{
    atomic_store_explicit(&affinity->thread, NULL, memory_order_relaxed);
}

/** Binds to the calling thread, unless bound already. */
static inline void zkt__affinity_bind_free(struct zkt_affinity *affinity)
{
    if (atomic_load_explicit(&affinity->thread, memory_order_relaxed) == NULL) {
        zkt__affinity_bind(affinity);
    }
}

/** Returns true if it is bound to the calling thread. From any thread. */
static inline bool zkt__affinity_is_here(const struct zkt_affinity *affinity)
{
    /* C11 cannot load from a const atomic. */
    struct zkt_affinity *a = (struct zkt_affinity *)(uintptr_t)affinity;
    return atomic_load_explicit(&a->thread, memory_order_relaxed) ==
           zkt__thread_id();
}

/** Returns true if the calling thread may call; always with NDEBUG. */
static inline bool zkt__affinity_allows(const struct zkt_affinity *affinity)
{
#ifdef NDEBUG
    (void)affinity;
    return true;
#else
    /* C11 cannot load from a const atomic. */
    struct zkt_affinity *a = (struct zkt_affinity *)(uintptr_t)affinity;
    const char *thread = atomic_load_explicit(&a->thread, memory_order_relaxed);
    return thread == NULL || thread == zkt__thread_id();
#endif
}

#endif
