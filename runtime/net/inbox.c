/* See inbox.h. A letter of somebody who waits stands in their own frame. */
#include "net/inbox.h"

struct letter {
    struct zkt_node node;
    zkt_posted_function *fn;
    void *user;
    bool owned; /* to be released when it has been run */
};

int zkt__inbox_init(struct zkt_inbox *inbox,
                    const struct zkt_allocator *allocator,
                    void (*wake)(void *user), void *user)
{
    *inbox = (struct zkt_inbox){
        .allocator = allocator,
        .wake = wake,
        .user = user,
    };
    zkt__list_init(&inbox->letters);
    int error = pthread_mutex_init(&inbox->mutex, NULL);
    if (error != 0) {
        return error;
    }
    error = pthread_cond_init(&inbox->over, NULL);
    if (error != 0) {
        pthread_mutex_destroy(&inbox->mutex);
    }
    return error;
}

/* Under the mutex, so that a closed inbox wakes nobody. */
static bool put(struct zkt_inbox *inbox, struct letter *letter)
{
    if (inbox->closed) {
        return false;
    }
    zkt__list_append(&inbox->letters, &letter->node);
    if (inbox->wake != NULL) {
        inbox->wake(inbox->user);
    }
    return true;
}

enum zkt_status zkt__inbox_post(struct zkt_inbox *inbox,
                                zkt_posted_function *fn, void *user)
{
    struct letter *letter = zkt__alloc_zero(inbox->allocator, 1,
                                            sizeof(*letter));
    if (letter == NULL) {
        return ZKT_NO_MEMORY;
    }
    letter->fn = fn;
    letter->user = user;
    letter->owned = true;
    pthread_mutex_lock(&inbox->mutex);
    const bool good = put(inbox, letter);
    pthread_mutex_unlock(&inbox->mutex);
    if (!good) {
        zkt__release(inbox->allocator, letter);
    }
    return good ? ZKT_OK : ZKT_CLOSED;
}

void zkt__inbox_wait(struct zkt_inbox *inbox, zkt_posted_function *fn,
                     void *user, const bool *over)
{
    struct letter letter = { .fn = fn, .user = user };
    pthread_mutex_lock(&inbox->mutex);
    if (put(inbox, &letter)) {
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

/* Everything that is in it now; what it posts itself waits for the next. */
static void take(struct zkt_inbox *inbox, struct zkt_list *out)
{
    struct zkt_node *node;
    zkt__list_init(out);
    pthread_mutex_lock(&inbox->mutex);
    while ((node = zkt__list_first(&inbox->letters)) != NULL) {
        zkt__node_unlink(node);
        zkt__list_append(out, node);
    }
    pthread_mutex_unlock(&inbox->mutex);
}

bool zkt__inbox_run(struct zkt_inbox *inbox, struct zkt_client *client)
{
    struct zkt_list letters;
    struct zkt_node *node;
    take(inbox, &letters);
    const bool any = !zkt__list_empty(&letters);
    while ((node = zkt__list_first(&letters)) != NULL) {
        struct letter *letter = ZKT_CONTAINER(node, struct letter, node);
        const struct letter copy = *letter;
        zkt__node_unlink(node);
        if (copy.owned) {
            zkt__release(inbox->allocator, letter);
        }
        zkt__client_run_posted(client, copy.fn, copy.user);
    }
    return any;
}

void zkt__inbox_close(struct zkt_inbox *inbox)
{
    pthread_mutex_lock(&inbox->mutex);
    inbox->closed = true;
    pthread_mutex_unlock(&inbox->mutex);
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
}
