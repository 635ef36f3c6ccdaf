/*
 * What waits to be sent on one connection: slices of shared, already framed
 * buffers, in order. Small private frames of a turn are gathered in one
 * buffer. A *token* stands where a snapshot is to be sent once it reaches the
 * head: it is encoded only then, and so is never older than what follows it.
 */
#ifndef ZKT_ACTOR_SEND_QUEUE_H
#define ZKT_ACTOR_SEND_QUEUE_H

#include <stdbool.h>

#include "actor/history.h"
#include "base/buffer.h"

struct zkt_queued {
    union {
        struct zkt_buffer *buffer;
        void *link; /* of a token */
    } of;
    uint32_t offset, len; /* len 0: a token; no slice is empty */
    bool exempt; /* of a recap: does not count towards the hard limit */
};

struct zkt_send_queue {
    struct zkt_queued *items;        /* while there is more than one */
    struct zkt_queued one;           /* else: most often there is one */
    uint32_t first, count, capacity; /* items[first … first + count) */
    uint32_t tail_capacity;          /* of the last buffer, if it is private */
    struct zkt_buffer *tail;         /* that buffer; the last item ends in it */
    size_t bytes;                    /* queued in all */
    size_t exempt;                   /* of them, in recaps */
};

/** The first item; the others follow. */
static inline struct zkt_queued *zkt__queue_items(struct zkt_send_queue *q)
{
    return q->capacity > 0 ? q->items + q->first : &q->one;
}
static inline bool zkt__queue_is_token(const struct zkt_queued *item)
{
    return item->len == 0;
}
/** The token at the head, or NULL. */
static inline void *zkt__queue_head_token(struct zkt_send_queue *q)
{
    const struct zkt_queued *head = zkt__queue_items(q);
    return q->count > 0 && zkt__queue_is_token(head) ? head->of.link : NULL;
}

/** Queues a slice of the whole of @buffer, taking a reference. */
bool zkt__queue_shared(struct zkt_send_queue *q, const struct zkt_allocator *a,
                       struct zkt_buffer *buffer);
/** Queues a copy of some bytes. */
bool zkt__queue_copy(struct zkt_send_queue *q, const struct zkt_allocator *a,
                     const void *bytes, size_t len);
/** Queues a snapshot and the patches since, taking references. */
bool zkt__queue_recap(struct zkt_send_queue *q, const struct zkt_allocator *a,
                      const struct zkt_recap *recap);
bool zkt__queue_token(struct zkt_send_queue *q, const struct zkt_allocator *a,
                      void *link);
/** Puts these in the place of the token at the head, taking references. */
bool zkt__queue_fill_token(struct zkt_send_queue *q,
                           const struct zkt_allocator *a,
                           const struct zkt_recap *recap);
/** Tokens of @link are void from now on. */
void zkt__queue_drop_tokens(struct zkt_send_queue *q, const void *link);
/** At most @max slices from the head, up to the next token. */
size_t zkt__queue_peek(struct zkt_send_queue *q, struct zkt_slice *out,
                       size_t max);
/** The first @len bytes are sent. */
void zkt__queue_sent(struct zkt_send_queue *q, const struct zkt_allocator *a,
                     size_t len);
/** Drops everything but a slice that is sent in part already. */
void zkt__queue_cut(struct zkt_send_queue *q);
void zkt__queue_finish(struct zkt_send_queue *q, const struct zkt_allocator *a);

#endif
