/*
 * Frames that wait to be sent on a connection: slices of shared, already framed
 * buffers, in order. Small private frames of a turn are gathered in a common
 * buffer. A *placeholder* marks the position of a snapshot, which is encoded
 * only when the placeholder reaches the head, and so is never older than the
 * frames behind it. An empty queue holds no memory.
 */
#ifndef ZKT_PROTOCOL_SEND_QUEUE_H
#define ZKT_PROTOCOL_SEND_QUEUE_H

#include <stdbool.h>

#include "base/buffer.h"

/* Brings a new subscriber up to date: a snapshot, and the patches since. */
struct zkt_catch_up {
    struct zkt_buffer *snapshot;       /* owns a reference */
    struct zkt_buffer *const *patches; /* valid until the next commit */
    uint32_t patch_count;
};

struct zkt_queued {
    union {
        struct zkt_buffer *buffer;
        uint64_t subscriber; /* of a placeholder */
    } of;
    uint32_t offset : 31; /* bytes sent already */
    uint32_t exempt : 1;  /* part of a catch-up, which no limit counts */
    uint32_t len; /* of the rest; 0: a placeholder, slices are never empty */
};

struct zkt_send_queue {
    union {
        struct zkt_queued *items; /* once there is more than one item */
        struct zkt_queued single; /* capacity is 0, the most common case */
    };
    uint32_t first, count, capacity; /* items[first … first + count) */
    uint32_t placeholders : 30;      /* among the items */
    bool compressed : 1; /* catch-ups are queued in their compressed forms */
    bool has_tail : 1;   /* the last item's buffer may take more */
    size_t bytes;        /* of all slices */
    size_t exempt;       /* of the exempt slices */
};

/** Returns the first item; the others follow. */
static inline struct zkt_queued *zkt__queue_items(struct zkt_send_queue *q)
{
    return q->capacity > 0 ? q->items + q->first : &q->single;
}
static inline bool zkt__queue_is_placeholder(const struct zkt_queued *item)
{
    return item->len == 0;
}
/** Returns true, and sets *@subscriber, if a placeholder is at the head. */
static inline bool zkt__queue_head_placeholder(struct zkt_send_queue *q,
                                               uint64_t *subscriber)
{
    const struct zkt_queued *head = zkt__queue_items(q);
    if (q->count == 0 || !zkt__queue_is_placeholder(head)) {
        return false;
    }
    *subscriber = head->of.subscriber;
    return true;
}
/** Returns the bytes that count towards the limits. */
static inline size_t zkt__queue_backlog(const struct zkt_send_queue *q)
{
    return q->bytes - q->exempt;
}
/** Returns the counted bytes behind the frame that is being sent. */
size_t zkt__queue_behind(struct zkt_send_queue *q);

/** Queues a slice of the whole @buffer, taking a reference. Returns false if
 * there is no memory, as the functions below. */
bool zkt__queue_shared(struct zkt_send_queue *q, const struct zkt_allocator *a,
                       struct zkt_buffer *buffer);
/**
 * Queues a copy of @bytes. *@spare is an unused private buffer or NULL, shared
 * by all queues of a server or client, which releases it at its end.
 */
bool zkt__queue_copy(struct zkt_send_queue *q, const struct zkt_allocator *a,
                     struct zkt_buffer **spare, const void *bytes, size_t len);
/** Queues a snapshot and the patches since, taking references. */
bool zkt__queue_catch_up(struct zkt_send_queue *q,
                         const struct zkt_allocator *a,
                         const struct zkt_catch_up *catch_up);
bool zkt__queue_placeholder(struct zkt_send_queue *q,
                            const struct zkt_allocator *a, uint64_t subscriber);
/** Replaces the placeholder at the head with a catch-up. */
bool zkt__queue_fill(struct zkt_send_queue *q, const struct zkt_allocator *a,
                     const struct zkt_catch_up *catch_up);
/** Removes the placeholder at the head. */
void zkt__queue_skip(struct zkt_send_queue *q, const struct zkt_allocator *a);
/** Returns at most @max slices from the head, up to the next placeholder. */
size_t zkt__queue_peek(struct zkt_send_queue *q, struct zkt_slice *out,
                       size_t max);
/** Removes the first @len bytes, which have been sent. */
void zkt__queue_sent(struct zkt_send_queue *q, const struct zkt_allocator *a,
                     struct zkt_buffer **spare, size_t len);
/** Drops everything except a slice that is partly sent. */
void zkt__queue_drop_unsent(struct zkt_send_queue *q);
void zkt__queue_finish(struct zkt_send_queue *q, const struct zkt_allocator *a);

#endif
