/* See inbox.h. The item of a waiting thread is on its stack. */
#include "net/inbox.h"

#include <errno.h>

#include "base/list.h"

struct item {
    struct zkt_work work;
    zkt_posted_function *fn;
    void *user;
    /* Releases the item when its function runs; NULL: it is on a stack. */
    const struct zkt_allocator *allocator;
};

int zkt__inbox_init(struct zkt_inbox *inbox,
                    const struct zkt_allocator *allocator,
                    void (*wake)(void *user), void *user)
{
    int error = ENOMEM;
    *inbox = (struct zkt_inbox){ .queue = zkt__work_queue_new(allocator) };
    if (inbox->queue == NULL) {
        return error;
    }
    error = pthread_mutex_init(&inbox->mutex, NULL);
    if (error != 0) {
        goto fail_mutex;
    }
    error = pthread_cond_init(&inbox->over, NULL);
    if (error != 0) {
        goto fail_cond;
    }
    zkt__work_queue_on_wake(inbox->queue, wake, user);
    return 0;

fail_cond:
    pthread_mutex_destroy(&inbox->mutex);
fail_mutex:
    zkt__work_queue_unref(inbox->queue);
    return error;
}

/* The item of a waiting thread may be gone when its function has run. */
static void run_item(struct zkt_work *work, void *owner)
{
    struct item *item = ZKT_CONTAINER(work, struct item, work);
    const struct item copy = *item;
    if (copy.allocator != NULL) {
        zkt__release(copy.allocator, item);
    }
    zkt__client_run_posted(owner, copy.fn, copy.user);
}

enum zkt_status zkt__inbox_post(struct zkt_inbox *inbox,
                                zkt_posted_function *fn, void *user)
{
    const struct zkt_allocator *allocator = inbox->queue->allocator;
    struct item *item = zkt__alloc(allocator, sizeof(*item));
    if (item == NULL) {
        return ZKT_NO_MEMORY;
    }
    *item = (struct item){ .work = { .run = run_item },
                           .fn = fn,
                           .user = user,
                           .allocator = allocator };
    if (!zkt__work_post(inbox->queue, &item->work)) {
        zkt__release(allocator, item);
        return ZKT_CLOSED;
    }
    return ZKT_OK;
}

bool zkt__inbox_post_work(struct zkt_inbox *inbox, struct zkt_work *work)
{
    return zkt__work_post(inbox->queue, work);
}

void zkt__inbox_wait(struct zkt_inbox *inbox, zkt_posted_function *fn,
                     void *user, const bool *over)
{
    struct item item = { .work = { .run = run_item }, .fn = fn, .user = user };
    pthread_mutex_lock(&inbox->mutex);
    if (zkt__work_post(inbox->queue, &item.work)) {
        inbox->waiting++;
        while (!*over) {
            pthread_cond_wait(&inbox->over, &inbox->mutex);
        }
        inbox->waiting--;
        pthread_cond_broadcast(&inbox->over);
    }
    pthread_mutex_unlock(&inbox->mutex);
}

void zkt__inbox_end_wait(struct zkt_inbox *inbox, bool *over)
{
    pthread_mutex_lock(&inbox->mutex);
    *over = true;
    pthread_cond_broadcast(&inbox->over);
    pthread_mutex_unlock(&inbox->mutex);
}

bool zkt__inbox_run(struct zkt_inbox *inbox, struct zkt_client *client)
{
    const bool any = zkt__work_is_pending(inbox->queue);
    zkt__work_run(inbox->queue, client, ZKT_INBOX_TURN);
    return any;
}

bool zkt__inbox_waits(const struct zkt_inbox *inbox)
{
    return zkt__work_is_pending(inbox->queue);
}

void zkt__inbox_close(struct zkt_inbox *inbox, struct zkt_client *client)
{
    zkt__work_close(inbox->queue);
    zkt__work_run(inbox->queue, client, ZKT_WORK_ALL);
}

void zkt__inbox_finish(struct zkt_inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    while (inbox->waiting > 0) {
        pthread_cond_wait(&inbox->over, &inbox->mutex);
    }
    pthread_mutex_unlock(&inbox->mutex);
    pthread_cond_destroy(&inbox->over);
    pthread_mutex_destroy(&inbox->mutex);
    zkt__work_queue_unref(inbox->queue);
}
