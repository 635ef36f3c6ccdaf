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
    atomic_init(&buffer->compressed, NULL);
    atomic_init(&buffer->refs, 1);
    buffer->len = len;
    return buffer;
}

void zkt__buffer_free(struct zkt_buffer *buffer)
{
    struct zkt_buffer *compressed = zkt__buffer_compressed(buffer);
    if (compressed != buffer) {
        zkt__buffer_unref(compressed);
    }
    zkt__release(buffer->allocator, buffer);
}
