/* See work_queue.h. The wake function is the only code of another module that
 * the queue runs with the lock held. */
#include "base/work_queue.h"

struct zkt_work_queue *zkt__work_queue_new(
    const struct zkt_allocator *allocator)
{
    struct zkt_work_queue *queue = zkt__alloc_zero(allocator, 1,
                                                   sizeof(*queue));
    if (queue == NULL) {
        return NULL;
    }
    if (pthread_mutex_init(&queue->lock, NULL) != 0) {
        zkt__release(allocator, queue);
        return NULL;
    }
    queue->allocator = allocator;
    queue->refs = 1;
    return queue;
}

void zkt__work_queue_ref(struct zkt_work_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->refs++;
    pthread_mutex_unlock(&queue->lock);
}

void zkt__work_queue_unref(struct zkt_work_queue *queue)
{
    if (queue == NULL) {
        return;
    }
    pthread_mutex_lock(&queue->lock);
    const bool last = --queue->refs == 0;
    pthread_mutex_unlock(&queue->lock);
    if (last) {
        pthread_mutex_destroy(&queue->lock);
        zkt__release(queue->allocator, queue);
    }
}

void zkt__work_queue_on_wake(struct zkt_work_queue *queue,
                             void (*wake)(void *user), void *user)
{
    pthread_mutex_lock(&queue->lock);
    queue->wake = wake;
    queue->wake_user = user;
    if (wake != NULL && queue->first != NULL) {
        wake(user); /* for work posted before */
    }
    pthread_mutex_unlock(&queue->lock);
}

void zkt__work_queue_lock(struct zkt_work_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
}

void zkt__work_queue_unlock(struct zkt_work_queue *queue)
{
    pthread_mutex_unlock(&queue->lock);
}

static void wake(const struct zkt_work_queue *queue)
{
    if (queue->wake != NULL) {
        queue->wake(queue->wake_user);
    }
}

static void append(struct zkt_work_queue *queue, struct zkt_work *first,
                   struct zkt_work *last)
{
    last->next = NULL;
    if (queue->last != NULL) {
        queue->last->next = first;
    } else {
        queue->first = first;
    }
    queue->last = last;
    atomic_store_explicit(&queue->filled, true, memory_order_release);
    wake(queue);
}

bool zkt__work_post(struct zkt_work_queue *queue, struct zkt_work *work)
{
    pthread_mutex_lock(&queue->lock);
    const bool open = !queue->closed;
    if (open) {
        append(queue, work, work);
    }
    pthread_mutex_unlock(&queue->lock);
    return open;
}

void zkt__work_post_all(struct zkt_work_queue *queue, struct zkt_work *first,
                        struct zkt_work *last)
{
    pthread_mutex_lock(&queue->lock);
    append(queue, first, last);
    pthread_mutex_unlock(&queue->lock);
}

void zkt__work_wake(struct zkt_work_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    wake(queue);
    pthread_mutex_unlock(&queue->lock);
}

/* Returns the link to the first item that remains after taking @most. */
static struct zkt_work **find_rest(struct zkt_work_queue *queue, uint32_t most)
{
    struct zkt_work **rest = &queue->first;
    while (*rest != NULL && most-- > 0) {
        rest = &(*rest)->next;
    }
    return rest;
}

/* Takes at most @most items, linked. */
static struct zkt_work *take(struct zkt_work_queue *queue, uint32_t most)
{
    pthread_mutex_lock(&queue->lock);
    struct zkt_work *const first = most > 0 ? queue->first : NULL;
    struct zkt_work *rest = NULL;
    if (most != ZKT_WORK_ALL) {
        struct zkt_work **end = find_rest(queue, most);
        rest = *end;
        *end = NULL;
    }
    queue->first = rest;
    if (rest == NULL) {
        queue->last = NULL;
        atomic_store_explicit(&queue->filled, false, memory_order_relaxed);
    }
    pthread_mutex_unlock(&queue->lock);
    return first;
}

void zkt__work_run(struct zkt_work_queue *queue, void *owner, uint32_t most)
{
    if (!zkt__work_is_pending(queue)) {
        return; /* a later post wakes the owner */
    }
    struct zkt_work *work = take(queue, most);
    while (work != NULL) {
        struct zkt_work *next = work->next;
        work->run(work, owner);
        work = next;
    }
}

void zkt__work_close(struct zkt_work_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->closed = true;
    queue->wake = NULL;
    pthread_mutex_unlock(&queue->lock);
}
