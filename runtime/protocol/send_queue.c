/* See send_queue.h. */
#include "protocol/send_queue.h"

#include <string.h>

enum {
    FIRST_CAPACITY = 4,
    /* The size of a private buffer for few bytes: with its header and malloc's
     * the largest size that glibc caches per thread. */
    TAIL_SIZE = 1008
};

static bool grow(struct zkt_send_queue *q, const struct zkt_allocator *a,
                 uint32_t wanted)
{
    uint32_t capacity = q->capacity > 0 ? q->capacity * 2 : FIRST_CAPACITY;
    if (q->first > 0 && q->first >= q->count && wanted <= q->capacity) {
        memmove(q->items, q->items + q->first, q->count * sizeof(*q->items));
        q->first = 0;
        return true;
    }
    while (capacity < q->first + wanted) {
        capacity *= 2;
    }
    struct zkt_queued *items = zkt__resize(a, q->capacity > 0 ? q->items : NULL,
                                           capacity * sizeof(*items));
    if (items == NULL) {
        return false;
    }
    if (q->capacity == 0) {
        items[0] = q->single;
    }
    q->items = items;
    q->capacity = capacity;
    return true;
}

/* Makes room for @more items. */
static inline bool reserve(struct zkt_send_queue *q,
                           const struct zkt_allocator *a, uint32_t more)
{
    if (q->count == 0) {
        q->first = 0;
        if (more == 1) {
            return true;
        }
    }
    return more == 0 || q->first + q->count + more <= q->capacity ||
           grow(q, a, q->count + more);
}

/* Appends an item; room must be reserved. */
static void append(struct zkt_send_queue *q, struct zkt_queued item)
{
    zkt__queue_items(q)[q->count++] = item;
    q->bytes += item.len;
    q->has_tail = false;
}

bool zkt__queue_shared(struct zkt_send_queue *q, const struct zkt_allocator *a,
                       struct zkt_buffer *buffer)
{
    if (!reserve(q, a, 1)) {
        return false;
    }
    append(q, (struct zkt_queued){ .of.buffer = zkt__buffer_ref(buffer),
                                   .len = buffer->len });
    return true;
}

/* Returns a buffer for @len private bytes, with spare room if they are few;
 * NULL if there is no memory. */
static struct zkt_buffer *private_buffer(const struct zkt_allocator *a,
                                         struct zkt_buffer **spare, size_t len)
{
    struct zkt_buffer *kept = *spare;
    if (len > TAIL_SIZE || kept == NULL) {
        return zkt__buffer_new(a, len < TAIL_SIZE ? TAIL_SIZE : len);
    }
    *spare = NULL;
    return kept;
}

/* Adds to the last buffer; false: there is no room. */
static bool add_to_tail(struct zkt_send_queue *q, const void *bytes,
                        uint32_t len)
{
    struct zkt_queued *last = zkt__queue_items(q) + q->count - 1;
    struct zkt_buffer *buffer = last->of.buffer;
    if (TAIL_SIZE - buffer->len < len) {
        return false;
    }
    memcpy(buffer->data + buffer->len, bytes, len);
    buffer->len += len;
    last->len += len;
    q->bytes += len;
    return true;
}

bool zkt__queue_copy(struct zkt_send_queue *q, const struct zkt_allocator *a,
                     struct zkt_buffer **spare, const void *bytes, size_t len)
{
    if (len == 0 || len > UINT32_MAX / 2) {
        return len == 0;
    }
    if (q->has_tail && add_to_tail(q, bytes, (uint32_t)len)) {
        return true;
    }
    if (!reserve(q, a, 1)) {
        return false;
    }
    struct zkt_buffer *buffer = private_buffer(a, spare, len);
    if (buffer == NULL) {
        return false;
    }
    memcpy(buffer->data, bytes, len);
    buffer->len = (uint32_t)len;
    append(q, (struct zkt_queued){ .of.buffer = buffer, .len = (uint32_t)len });
    q->has_tail = len <= TAIL_SIZE;
    return true;
}

/* Stores a frame of a catch-up at @at. */
static void put(struct zkt_send_queue *q, struct zkt_queued *at,
                struct zkt_buffer *frame)
{
    frame = q->compressed ? zkt__buffer_compressed(frame) : frame;
    *at = (struct zkt_queued){ .of.buffer = zkt__buffer_ref(frame),
                               .len = frame->len,
                               .exempt = true };
    q->bytes += frame->len;
    q->exempt += frame->len;
}

static void put_catch_up(struct zkt_send_queue *q, struct zkt_queued *at,
                         const struct zkt_catch_up *catch_up)
{
    put(q, at, catch_up->snapshot);
    for (uint32_t i = 0; i < catch_up->patch_count; i++) {
        put(q, at + 1 + i, catch_up->patches[i]);
    }
}

bool zkt__queue_catch_up(struct zkt_send_queue *q,
                         const struct zkt_allocator *a,
                         const struct zkt_catch_up *catch_up)
{
    if (!reserve(q, a, 1 + catch_up->patch_count)) {
        return false;
    }
    put_catch_up(q, zkt__queue_items(q) + q->count, catch_up);
    q->count += 1 + catch_up->patch_count;
    q->has_tail = false;
    return true;
}

bool zkt__queue_placeholder(struct zkt_send_queue *q,
                            const struct zkt_allocator *a, uint64_t subscriber)
{
    if (!reserve(q, a, 1)) {
        return false;
    }
    append(q, (struct zkt_queued){ .of.subscriber = subscriber });
    q->placeholders++;
    return true;
}

bool zkt__queue_fill(struct zkt_send_queue *q, const struct zkt_allocator *a,
                     const struct zkt_catch_up *catch_up)
{
    const uint32_t more = catch_up->patch_count;
    if (!reserve(q, a, more)) {
        return false;
    }
    struct zkt_queued *head = zkt__queue_items(q);
    memmove(head + 1 + more, head + 1, (q->count - 1) * sizeof(*head));
    put_catch_up(q, head, catch_up);
    q->placeholders--;
    q->count += more;
    return true;
}

/* Drops the first item; its buffer may become the spare. */
static void drop_head(struct zkt_send_queue *q, struct zkt_buffer **spare)
{
    const struct zkt_queued *head = zkt__queue_items(q);
    struct zkt_buffer *buffer = zkt__queue_is_placeholder(head)
                                    ? NULL
                                    : head->of.buffer;
    q->first++;
    q->count--;
    if (q->count == 0 && q->has_tail) {
        q->has_tail = false;
        if (*spare == NULL) {
            *spare = buffer;
            return;
        }
    }
    zkt__buffer_unref(buffer);
}

size_t zkt__queue_peek(struct zkt_send_queue *q, struct zkt_slice *out,
                       size_t max)
{
    const struct zkt_queued *items = zkt__queue_items(q);
    size_t n = 0;
    while (n < max && n < q->count && !zkt__queue_is_placeholder(&items[n])) {
        const struct zkt_buffer *buffer = items[n].of.buffer;
        out[n] = (struct zkt_slice){ buffer->data + items[n].offset,
                                     items[n].len };
        n++;
    }
    return n;
}

/* Frees the memory of an empty queue; its counts are zero already. */
static void reset(struct zkt_send_queue *q, const struct zkt_allocator *a)
{
    if (q->capacity > 0) {
        zkt__release(a, q->items);
        q->capacity = 0;
    }
    q->first = 0;
}

void zkt__queue_skip(struct zkt_send_queue *q, const struct zkt_allocator *a)
{
    q->first++;
    q->count--;
    q->placeholders--;
    if (q->count == 0) {
        reset(q, a);
    }
}

size_t zkt__queue_behind(struct zkt_send_queue *q)
{
    const struct zkt_queued *head = zkt__queue_items(q);
    const size_t sending = q->count > 0 && !head->exempt ? head->len : 0;
    return zkt__queue_backlog(q) - sending;
}

void zkt__queue_sent(struct zkt_send_queue *q, const struct zkt_allocator *a,
                     struct zkt_buffer **spare, size_t len)
{
    q->bytes -= len;
    while (len > 0) {
        struct zkt_queued *item = zkt__queue_items(q);
        if (item->exempt) {
            q->exempt -= len < item->len ? len : item->len;
        }
        if (len < item->len) {
            item->offset = (item->offset + (uint32_t)len) & ZKT_BUFFER_MAX;
            item->len -= (uint32_t)len;
            return;
        }
        len -= item->len;
        drop_head(q, spare);
    }
    if (q->count == 0) {
        reset(q, a);
    }
}

void zkt__queue_drop_unsent(struct zkt_send_queue *q)
{
    const struct zkt_queued *items = zkt__queue_items(q);
    const bool started = q->count > 0 && items[0].offset > 0;
    while (q->count > (started ? 1u : 0u)) {
        const struct zkt_queued *last = &items[--q->count];
        q->bytes -= last->len;
        q->exempt -= last->exempt ? last->len : 0;
        zkt__buffer_unref(zkt__queue_is_placeholder(last) ? NULL
                                                          : last->of.buffer);
    }
    q->placeholders = 0;
    q->has_tail = false;
}

void zkt__queue_finish(struct zkt_send_queue *q, const struct zkt_allocator *a)
{
    struct zkt_buffer *last = NULL;
    while (q->count > 0) {
        drop_head(q, &last);
    }
    zkt__buffer_unref(last);
    q->bytes = q->exempt = 0;
    reset(q, a);
}
