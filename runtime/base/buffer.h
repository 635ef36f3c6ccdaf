/*
 * A reference-counted block of bytes to send, immutable once shared. A patch or
 * event is encoded and framed a single time, and the send queues of all
 * subscribers, on any thread, hold slices of the buffer.
 */
#ifndef ZKT_BASE_BUFFER_H
#define ZKT_BASE_BUFFER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "zocket/slice.h"

#define ZKT_BUFFER_MAX INT32_MAX /* bytes of one */

struct zkt_buffer {
    const struct zkt_allocator *allocator;
    /* The compressed form, with a reference; or the buffer itself, which is
     * sent as it is; NULL: nobody has asked for it. */
    _Atomic(struct zkt_buffer *) compressed;
    _Atomic(uint32_t) refs;
    uint32_t len; /* bytes in use */
    uint8_t data[];
};

/** Returns a buffer with one reference and @len uninitialised bytes, or NULL if
 * there is no memory or @len is too large. */
struct zkt_buffer *zkt__buffer_new(const struct zkt_allocator *a, size_t len);
/**
 * Makes a buffer of a block from @a, which has room for a struct zkt_buffer in
 * front of its @len bytes; takes ownership of the block.
 */
struct zkt_buffer *zkt__buffer_take(const struct zkt_allocator *a, void *block,
                                    uint32_t len);
static inline struct zkt_buffer *zkt__buffer_ref(struct zkt_buffer *buffer)
{
    atomic_fetch_add_explicit(&buffer->refs, 1, memory_order_relaxed);
    return buffer;
}
/** Returns the form for those who take compressed bytes. */
static inline struct zkt_buffer *zkt__buffer_compressed(
    struct zkt_buffer *buffer)
{
    struct zkt_buffer *compressed = atomic_load_explicit(&buffer->compressed,
                                                         memory_order_acquire);
    return compressed != NULL ? compressed : buffer;
}
/** Frees a buffer without references. */
void zkt__buffer_free(struct zkt_buffer *buffer);
/** Takes NULL. */
static inline void zkt__buffer_unref(struct zkt_buffer *buffer)
{
    /* The last release must observe all earlier ones (acquire). */
    if (buffer != NULL && atomic_fetch_sub_explicit(
                              &buffer->refs, 1, memory_order_acq_rel) == 1) {
        zkt__buffer_free(buffer);
    }
}

#endif
