/*
 * A queue into which any thread may put work for one thread, its owner: a
 * mutex, a list, and a function that wakes the owner. It has no loop and no
 * thread of its own. It counts its references and so outlives its owner. When
 * it is closed, posting returns false and the caller keeps what it has.
 */
#ifndef ZKT_BASE_WORK_QUEUE_H
#define ZKT_BASE_WORK_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/memory.h"

/* An item; embedded in what it is about, so that posting allocates nothing. */
struct zkt_work {
    struct zkt_work *next;
    /* Runs it on the owner's thread. */
    void (*run)(struct zkt_work *work, void *owner);
};

struct zkt_work_queue {
    atomic_bool filled; /* changes under the lock; is looked at without it */
    pthread_mutex_t lock;
    const struct zkt_allocator *allocator;
    /* All of these under the lock. */
    uint32_t refs;
    bool closed;
    struct zkt_work *first, *last;
    void (*wake)(void *user);
    void *wake_user;
};

/** Returns a queue with one reference, or NULL if there is no memory. */
struct zkt_work_queue *zkt__work_queue_new(
    const struct zkt_allocator *allocator);
void zkt__work_queue_ref(struct zkt_work_queue *queue);
/** Takes NULL. Frees the queue with its last reference, on any thread. */
void zkt__work_queue_unref(struct zkt_work_queue *queue);
/**
 * What wakes the owner: called from the threads that post, with the lock held,
 * so it must not come back here. NULL: nothing. Afterwards the old one is not
 * called any more.
 */
void zkt__work_queue_on_wake(struct zkt_work_queue *queue,
                             void (*wake)(void *user), void *user);
/** Any thread: false when the queue is closed; @work is then the caller's. */
bool zkt__work_post(struct zkt_work_queue *queue, struct zkt_work *work);
/**
 * The same for several, @first to @last, which are linked already; also while
 * the queue is closed, for those who know that its owner runs it once more.
 */
void zkt__work_post_all(struct zkt_work_queue *queue, struct zkt_work *first,
                        struct zkt_work *last);
/** Wakes the owner, who will find what to do. */
void zkt__work_wake(struct zkt_work_queue *queue);
/** Whether something waits to be run. */
static inline bool zkt__work_is_pending(const struct zkt_work_queue *queue)
{
    return atomic_load_explicit(&queue->filled, memory_order_acquire);
}

#define ZKT_WORK_ALL UINT32_MAX

/**
 * Owner: runs what was posted up to now, in order, but not more than @most. The
 * rest waits for the next time.
 */
void zkt__work_run(struct zkt_work_queue *queue, void *owner, uint32_t most);
/** Owner: nothing can be posted from now on; what was stays to be run. */
void zkt__work_close(struct zkt_work_queue *queue);

#endif
