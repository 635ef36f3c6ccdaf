/* See post.h. Nothing runs while the lock is held but the wake function. */
#include "base/post.h"

struct zkt_post_box *zkt__post_box_new(const struct zkt_allocator *allocator)
{
    struct zkt_post_box *box = zkt__alloc_zero(allocator, 1, sizeof(*box));
    if (box == NULL) {
        return NULL;
    }
    if (pthread_mutex_init(&box->lock, NULL) != 0) {
        zkt__release(allocator, box);
        return NULL;
    }
    box->allocator = allocator;
    box->refs = 1;
    return box;
}

void zkt__post_box_ref(struct zkt_post_box *box)
{
    pthread_mutex_lock(&box->lock);
    box->refs++;
    pthread_mutex_unlock(&box->lock);
}

void zkt__post_box_unref(struct zkt_post_box *box)
{
    if (box == NULL) {
        return;
    }
    pthread_mutex_lock(&box->lock);
    const bool last = --box->refs == 0;
    pthread_mutex_unlock(&box->lock);
    if (last) {
        pthread_mutex_destroy(&box->lock);
        zkt__release(box->allocator, box);
    }
}

void zkt__post_box_on_wake(struct zkt_post_box *box, void (*wake)(void *user),
                           void *user)
{
    pthread_mutex_lock(&box->lock);
    box->wake = wake;
    box->wake_user = user;
    if (wake != NULL && box->first != NULL) {
        wake(user); /* what came before there was anybody to wake */
    }
    pthread_mutex_unlock(&box->lock);
}

static void wake(const struct zkt_post_box *box)
{
    if (box->wake != NULL) {
        box->wake(box->wake_user);
    }
}

static void append(struct zkt_post_box *box, struct zkt_posted *first,
                   struct zkt_posted *last)
{
    last->next = NULL;
    if (box->last != NULL) {
        box->last->next = first;
    } else {
        box->first = first;
    }
    box->last = last;
    atomic_store_explicit(&box->filled, true, memory_order_release);
    wake(box);
}

bool zkt__post(struct zkt_post_box *box, struct zkt_posted *posted)
{
    pthread_mutex_lock(&box->lock);
    const bool open = !box->closed;
    if (open) {
        append(box, posted, posted);
    }
    pthread_mutex_unlock(&box->lock);
    return open;
}

void zkt__post_all(struct zkt_post_box *box, struct zkt_posted *first,
                   struct zkt_posted *last)
{
    pthread_mutex_lock(&box->lock);
    append(box, first, last);
    pthread_mutex_unlock(&box->lock);
}

void zkt__post_wake(struct zkt_post_box *box)
{
    pthread_mutex_lock(&box->lock);
    wake(box);
    pthread_mutex_unlock(&box->lock);
}

bool zkt__post_waits(const struct zkt_post_box *box)
{
    return atomic_load_explicit(&box->filled, memory_order_acquire);
}

/* The first of what stays when @most are taken. */
static struct zkt_posted **find_rest(struct zkt_post_box *box, uint32_t most)
{
    struct zkt_posted **rest = &box->first;
    while (*rest != NULL && most-- > 0) {
        rest = &(*rest)->next;
    }
    return rest;
}

/* Takes at most @most out, linked. */
static struct zkt_posted *take(struct zkt_post_box *box, uint32_t most)
{
    pthread_mutex_lock(&box->lock);
    struct zkt_posted *const first = most > 0 ? box->first : NULL;
    struct zkt_posted *rest = NULL;
    if (most != ZKT_POST_ALL) {
        struct zkt_posted **end = find_rest(box, most);
        rest = *end;
        *end = NULL;
    }
    box->first = rest;
    if (rest == NULL) {
        box->last = NULL;
        atomic_store_explicit(&box->filled, false, memory_order_relaxed);
    }
    pthread_mutex_unlock(&box->lock);
    return first;
}

void zkt__post_run(struct zkt_post_box *box, void *owner, uint32_t most)
{
    if (!zkt__post_waits(box)) {
        return; /* what comes now wakes the owner */
    }
    struct zkt_posted *posted = take(box, most);
    while (posted != NULL) {
        struct zkt_posted *next = posted->next;
        posted->run(posted, owner);
        posted = next;
    }
}

void zkt__post_close(struct zkt_post_box *box)
{
    pthread_mutex_lock(&box->lock);
    box->closed = true;
    box->wake = NULL;
    pthread_mutex_unlock(&box->lock);
}
