/* See buffer.h. */
#include "base/buffer.h"

struct zkt_buffer *zkt__buffer_new(const struct zkt_allocator *a, size_t len)
{
    if (len > UINT32_MAX) {
        return NULL;
    }
    struct zkt_buffer *buffer = zkt__alloc(a, sizeof(struct zkt_buffer) + len);
    if (buffer != NULL) {
        buffer->allocator = a;
        buffer->refs = 1;
        buffer->len = (uint32_t)len;
    }
    return buffer;
}

struct zkt_buffer *zkt__buffer_ref(struct zkt_buffer *buffer)
{
    buffer->refs++;
    return buffer;
}

void zkt__buffer_unref(struct zkt_buffer *buffer)
{
    if (buffer != NULL && --buffer->refs == 0) {
        zkt__release(buffer->allocator, buffer);
    }
}
