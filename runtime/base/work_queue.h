/*
 * A queue of work for a single thread, its owner; any thread may post. Consists
 * of a mutex, a list and a function that wakes the owner; it has no loop and no
 * thread. It is reference counted and so may outlive its owner. Posting to a
 * closed queue returns false; the caller keeps ownership.
 */
#ifndef ZKT_BASE_WORK_QUEUE_H
#define ZKT_BASE_WORK_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/memory.h"

/* A work item, embedded in its subject, so that posting never allocates. */
struct zkt_work {
    struct zkt_work *next;
    /* Runs it on the owner's thread. */
    void (*run)(struct zkt_work *work, void *owner);
};

struct zkt_work_queue {
    atomic_bool filled; /* written under the lock, read without it */
    pthread_mutex_t lock;
    const struct zkt_allocator *allocator;
    /* The rest is guarded by the lock. */
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
 * Sets the function that wakes the owner; NULL: none. It is called on posting
 * threads with the lock held, so it must not use the queue. On return the
 * previous function is not called any more.
 */
void zkt__work_queue_on_wake(struct zkt_work_queue *queue,
                             void (*wake)(void *user), void *user);
/** Any thread: returns false if the queue is closed; the caller keeps @work. */
bool zkt__work_post(struct zkt_work_queue *queue, struct zkt_work *work);
/**
 * As zkt__work_post for the linked items @first to @last; also posts to a
 * closed queue, for callers that know that its owner runs it once more.
 */
void zkt__work_post_all(struct zkt_work_queue *queue, struct zkt_work *first,
                        struct zkt_work *last);
/** Locks the queue for a moment, to guard data of its work items. The holder
 * must not use the queue. */
void zkt__work_queue_lock(struct zkt_work_queue *queue);
void zkt__work_queue_unlock(struct zkt_work_queue *queue);
/** Wakes the owner without posting. */
void zkt__work_wake(struct zkt_work_queue *queue);
/** Returns true if posted work is queued. */
static inline bool zkt__work_is_pending(const struct zkt_work_queue *queue)
{
    return atomic_load_explicit(&queue->filled, memory_order_acquire);
}

#define ZKT_WORK_ALL UINT32_MAX

/**
 * Owner: runs at most @most of the items posted up to now, in order. The rest
 * remains queued.
 */
void zkt__work_run(struct zkt_work_queue *queue, void *owner, uint32_t most);
/** Owner: rejects further posts; queued items can still be run. */
void zkt__work_close(struct zkt_work_queue *queue);

#endif
