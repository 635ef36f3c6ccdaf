/*
 * Which thread a server or a client belongs to, for builds that check that no
 * other one calls it (those without NDEBUG). A check does not abort: whoever
 * asks says so in the log and fails.
 */
#ifndef ZKT_BASE_OWNER_H
#define ZKT_BASE_OWNER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: nobody's, so that anybody may call. */
struct zkt_owner {
    _Atomic(const char *) thread;
};

/** Something whose address no other thread that runs has. */
const char *zkt__owner_self(void);

/** It is the calling thread's from now on. */
static inline void zkt__owner_claim(struct zkt_owner *owner)
{
    atomic_store_explicit(&owner->thread, zkt__owner_self(),
                          memory_order_relaxed);
}

/** It is of the thread that claims it next. */
static inline void zkt__owner_leave(struct zkt_owner *owner)
{
    atomic_store_explicit(&owner->thread, NULL, memory_order_relaxed);
}

/** The calling thread's, if it is nobody's. */
static inline void zkt__owner_claim_free(struct zkt_owner *owner)
{
    if (atomic_load_explicit(&owner->thread, memory_order_relaxed) == NULL) {
        zkt__owner_claim(owner);
    }
}

/** Whether the calling thread may call; always, if that is not checked. */
static inline bool zkt__owner_may_call(const struct zkt_owner *owner)
{
#ifdef NDEBUG
    (void)owner;
    return true;
#else
    /* C11 has no load from a const atomic. */
    struct zkt_owner *o = (struct zkt_owner *)(uintptr_t)owner;
    const char *thread = atomic_load_explicit(&o->thread, memory_order_relaxed);
    return thread == NULL || thread == zkt__owner_self();
#endif
}

#endif
