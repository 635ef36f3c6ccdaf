/*
 * A block of bytes to be sent, counted by reference and never changed once it
 * is shared: one patch or event is encoded and framed once, into one of these,
 * and every subscriber's send queue holds a slice of it, on any thread.
 */
#ifndef ZKT_BASE_BUFFER_H
#define ZKT_BASE_BUFFER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "zocket/slice.h"

struct zkt_buffer {
    const struct zkt_allocator *allocator;
    _Atomic(uint32_t) refs;
    uint32_t len; /* bytes in use */
    uint8_t data[];
};

/** A buffer with one reference and @len uninitialised bytes, or NULL. */
struct zkt_buffer *zkt__buffer_new(const struct zkt_allocator *a, size_t len);
/**
 * The same of a block of @a's that has room for a struct zkt_buffer in front
 * of its @len bytes; the block is the buffer's from now on.
 */
struct zkt_buffer *zkt__buffer_take(const struct zkt_allocator *a, void *block,
                                    uint32_t len);
static inline struct zkt_buffer *zkt__buffer_ref(struct zkt_buffer *buffer)
{
    atomic_fetch_add_explicit(&buffer->refs, 1, memory_order_relaxed);
    return buffer;
}
/** Takes NULL. */
void zkt__buffer_unref(struct zkt_buffer *buffer);

#endif
