/*
 * Which thread a server or a client belongs to, for builds that check that no
 * other one calls it (those without NDEBUG). A check does not abort: whoever
 * asks says so in the log and fails.
 */
#ifndef ZKT_BASE_AFFINITY_H
#define ZKT_BASE_AFFINITY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: nobody's, so that anybody may call. */
struct zkt_affinity {
    _Atomic(const char *) thread;
};

/** Something whose address no other thread that runs has. */
const char *zkt__thread_id(void);

/** It is the calling thread's from now on. */
static inline void zkt__affinity_bind(struct zkt_affinity *affinity)
{
    atomic_store_explicit(&affinity->thread, zkt__thread_id(),
                          memory_order_relaxed);
}

/** It is of the thread that claims it next. */
static inline void zkt__affinity_unbind(struct zkt_affinity *affinity)
{
    atomic_store_explicit(&affinity->thread, NULL, memory_order_relaxed);
}

/** The calling thread's, if it is nobody's. */
static inline void zkt__affinity_bind_free(struct zkt_affinity *affinity)
{
    if (atomic_load_explicit(&affinity->thread, memory_order_relaxed) == NULL) {
        zkt__affinity_bind(affinity);
    }
}

/** Whether the calling thread may call; always, if that is not checked. */
static inline bool zkt__affinity_allows(const struct zkt_affinity *affinity)
{
#ifdef NDEBUG
    (void)affinity;
    return true;
#else
    /* C11 has no load from a const atomic. */
    struct zkt_affinity *a = (struct zkt_affinity *)(uintptr_t)affinity;
    const char *thread = atomic_load_explicit(&a->thread, memory_order_relaxed);
    return thread == NULL || thread == zkt__thread_id();
#endif
}

#endif
