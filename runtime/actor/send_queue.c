/* See send_queue.h. An empty queue holds no memory. */
#include "actor/send_queue.h"

#include <string.h>

enum {
    FIRST_CAPACITY = 4,
    /* A private buffer holds at least so much: with its head and malloc's the
     * most that glibc keeps at hand for the next one. */
    TAIL_SIZE = 1008
};

/* Makes room for @more items. */
static bool reserve(struct zkt_send_queue *q, const struct zkt_allocator *a,
                    uint32_t more)
{
    const uint32_t wanted = q->count + more;
    uint32_t capacity = q->capacity > 0 ? q->capacity * 2 : FIRST_CAPACITY;
    if (q->count == 0) {
        q->first = 0;
    }
    if (q->first + wanted <= (q->capacity > 0 ? q->capacity : 1)) {
        return true;
    }
    if (q->first > 0 && q->first >= q->count && wanted <= q->capacity) {
        memmove(q->items, q->items + q->first, q->count * sizeof(*q->items));
        q->first = 0;
        return true;
    }
    while (capacity < q->first + wanted) {
        capacity *= 2;
    }
    struct zkt_queued *items = zkt__resize(a, q->items,
                                           capacity * sizeof(*items));
    if (items == NULL) {
        return false;
    }
    if (q->capacity == 0) {
        items[0] = q->one;
    }
    q->items = items;
    q->capacity = capacity;
    return true;
}

/* Appends an item; there is room. */
static void append(struct zkt_send_queue *q, struct zkt_queued item)
{
    zkt__queue_items(q)[q->count++] = item;
    q->bytes += item.len;
    q->tail = NULL;
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

bool zkt__queue_copy(struct zkt_send_queue *q, const struct zkt_allocator *a,
                     const void *bytes, size_t len)
{
    if (len == 0 || len > UINT32_MAX / 2) {
        return len == 0;
    }
    if (q->tail != NULL && q->tail_capacity - q->tail->len >= len) {
        memcpy(q->tail->data + q->tail->len, bytes, len);
        q->tail->len += (uint32_t)len;
        zkt__queue_items(q)[q->count - 1].len += (uint32_t)len;
        q->bytes += len;
        return true;
    }
    if (!reserve(q, a, 1)) {
        return false;
    }
    const size_t size = len < TAIL_SIZE ? TAIL_SIZE : len;
    struct zkt_buffer *buffer = zkt__buffer_new(a, size);
    if (buffer == NULL) {
        return false;
    }
    memcpy(buffer->data, bytes, len);
    buffer->len = (uint32_t)len;
    append(q, (struct zkt_queued){ .of.buffer = buffer, .len = (uint32_t)len });
    q->tail = buffer;
    q->tail_capacity = (uint32_t)size;
    return true;
}

/* Puts one frame of a recap into its place. */
static void put(struct zkt_send_queue *q, struct zkt_queued *at,
                struct zkt_buffer *frame)
{
    *at = (struct zkt_queued){ .of.buffer = zkt__buffer_ref(frame),
                               .len = frame->len,
                               .exempt = true };
    q->bytes += frame->len;
    q->exempt += frame->len;
}

static void put_recap(struct zkt_send_queue *q, struct zkt_queued *at,
                      const struct zkt_recap *recap)
{
    put(q, at, recap->snapshot);
    for (uint32_t i = 0; i < recap->patch_count; i++) {
        put(q, at + 1 + i, recap->patches[i]);
    }
}

bool zkt__queue_recap(struct zkt_send_queue *q, const struct zkt_allocator *a,
                      const struct zkt_recap *recap)
{
    if (!reserve(q, a, 1 + recap->patch_count)) {
        return false;
    }
    put_recap(q, zkt__queue_items(q) + q->count, recap);
    q->count += 1 + recap->patch_count;
    q->tail = NULL;
    return true;
}

bool zkt__queue_token(struct zkt_send_queue *q, const struct zkt_allocator *a,
                      void *link)
{
    if (!reserve(q, a, 1)) {
        return false;
    }
    append(q, (struct zkt_queued){ .of.link = link });
    return true;
}

bool zkt__queue_fill_token(struct zkt_send_queue *q,
                           const struct zkt_allocator *a,
                           const struct zkt_recap *recap)
{
    const uint32_t more = recap->patch_count;
    if (!reserve(q, a, more)) {
        return false;
    }
    struct zkt_queued *head = zkt__queue_items(q);
    memmove(head + 1 + more, head + 1, (q->count - 1) * sizeof(*head));
    put_recap(q, head, recap);
    q->count += more;
    return true;
}

static void drop_head(struct zkt_send_queue *q)
{
    const struct zkt_queued *head = zkt__queue_items(q);
    struct zkt_buffer *buffer = zkt__queue_is_token(head) ? NULL
                                                          : head->of.buffer;
    q->first++;
    q->count--;
    if (q->tail == buffer) {
        q->tail = NULL;
    }
    zkt__buffer_unref(buffer);
}

void zkt__queue_drop_tokens(struct zkt_send_queue *q, const void *link)
{
    struct zkt_queued *items = zkt__queue_items(q);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < q->count; i++) {
        if (!zkt__queue_is_token(&items[i]) || items[i].of.link != link) {
            items[kept++] = items[i];
        }
    }
    q->count = kept;
}

size_t zkt__queue_peek(struct zkt_send_queue *q, struct zkt_slice *out,
                       size_t max)
{
    const struct zkt_queued *items = zkt__queue_items(q);
    size_t n = 0;
    while (n < max && n < q->count && !zkt__queue_is_token(&items[n])) {
        const struct zkt_buffer *buffer = items[n].of.buffer;
        out[n] = (struct zkt_slice){ buffer->data + items[n].offset,
                                     items[n].len };
        n++;
    }
    return n;
}

void zkt__queue_sent(struct zkt_send_queue *q, const struct zkt_allocator *a,
                     size_t len)
{
    q->bytes -= len;
    while (len > 0) {
        struct zkt_queued *item = zkt__queue_items(q);
        if (item->exempt) {
            q->exempt -= len < item->len ? len : item->len;
        }
        if (len < item->len) {
            item->offset += (uint32_t)len;
            item->len -= (uint32_t)len;
            return;
        }
        len -= item->len;
        drop_head(q);
    }
    if (q->count == 0) {
        zkt__queue_finish(q, a);
    }
}

void zkt__queue_cut(struct zkt_send_queue *q)
{
    const struct zkt_queued *items = zkt__queue_items(q);
    const bool started = q->count > 0 && items[0].offset > 0;
    while (q->count > (started ? 1u : 0u)) {
        const struct zkt_queued *last = &items[--q->count];
        q->bytes -= last->len;
        q->exempt -= last->exempt ? last->len : 0;
        zkt__buffer_unref(zkt__queue_is_token(last) ? NULL : last->of.buffer);
    }
    q->tail = NULL;
}

void zkt__queue_finish(struct zkt_send_queue *q, const struct zkt_allocator *a)
{
    while (q->count > 0) {
        drop_head(q);
    }
    if (q->capacity > 0) {
        zkt__release(a, q->items);
    }
    *q = (struct zkt_send_queue){ 0 };
}
