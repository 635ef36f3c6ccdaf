/*
 * A box into which any thread may put work for the thread that owns a server:
 * a mutex, a list, and a function that wakes the owner. It has no loop and no
 * thread of its own. It counts its references and so outlives its owner: what
 * is put into a box that was closed comes back to whoever brought it.
 */
#ifndef ZKT_BASE_POST_H
#define ZKT_BASE_POST_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/memory.h"

/* Embedded in what is posted, so that posting allocates nothing. */
struct zkt_posted {
    struct zkt_posted *next;
    /* Runs it on the owner's thread. */
    void (*run)(struct zkt_posted *posted, void *owner);
};

struct zkt_post_box {
    atomic_bool filled; /* changes under the lock; is looked at without it */
    pthread_mutex_t lock;
    const struct zkt_allocator *allocator;
    /* All of these under the lock. */
    uint32_t refs;
    bool closed;
    struct zkt_posted *first, *last;
    void (*wake)(void *user);
    void *wake_user;
};

/** A box with one reference, or NULL: no memory. */
struct zkt_post_box *zkt__post_box_new(const struct zkt_allocator *allocator);
void zkt__post_box_ref(struct zkt_post_box *box);
/** Takes NULL. Frees the box with its last reference, on any thread. */
void zkt__post_box_unref(struct zkt_post_box *box);
/**
 * What wakes the owner: called from the threads that post, with the lock held,
 * so it must not come back here. NULL: nothing. Afterwards the old one is not
 * called any more.
 */
void zkt__post_box_on_wake(struct zkt_post_box *box, void (*wake)(void *user),
                           void *user);
/** Any thread: false when the box is closed; @posted is then the caller's. */
bool zkt__post(struct zkt_post_box *box, struct zkt_posted *posted);
/**
 * The same for several, @first to @last, which are linked already; also while
 * the box is closed, for those who know that its owner runs it once more.
 */
void zkt__post_all(struct zkt_post_box *box, struct zkt_posted *first,
                   struct zkt_posted *last);
/** Wakes the owner, who will find what to do. */
void zkt__post_wake(struct zkt_post_box *box);
/** Whether something waits to be run. */
bool zkt__post_waits(const struct zkt_post_box *box);
#define ZKT_POST_ALL UINT32_MAX

/**
 * Owner: runs what was posted up to now, in order, but not more than @most. The
 * rest waits for the next time.
 */
void zkt__post_run(struct zkt_post_box *box, void *owner, uint32_t most);
/** Owner: nothing can be posted from now on; what was stays to be run. */
void zkt__post_close(struct zkt_post_box *box);

#endif
