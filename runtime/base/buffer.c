/* See buffer.h. */
#include "base/buffer.h"

struct zkt_buffer *zkt__buffer_new(const struct zkt_allocator *a, size_t len)
{
    if (len > ZKT_BUFFER_MAX) {
        return NULL;
    }
    struct zkt_buffer *buffer = zkt__alloc(a, sizeof(struct zkt_buffer) + len);
    return buffer != NULL ? zkt__buffer_take(a, buffer, (uint32_t)len) : NULL;
}

struct zkt_buffer *zkt__buffer_take(const struct zkt_allocator *a, void *block,
                                    uint32_t len)
{
    struct zkt_buffer *buffer = block;
    buffer->allocator = a;
    atomic_init(&buffer->refs, 1);
    buffer->len = len;
    return buffer;
}

void zkt__buffer_unref(struct zkt_buffer *buffer)
{
    if (buffer == NULL) {
        return;
    }
    /* The last release must observe all earlier ones (acquire). */
    if (atomic_fetch_sub_explicit(&buffer->refs, 1, memory_order_acq_rel) ==
        1) {
        zkt__release(buffer->allocator, buffer);
    }
}
