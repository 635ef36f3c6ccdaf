/*
 * A slice: bytes that are ready to be sent. zkt_endpoint_pending (embed.h)
 * fills an array of slices, in the order in which the bytes have to leave.
 *
 * A slice never owns its bytes. They belong to the server, which keeps them
 * until it is told that they were sent. The shape is that of an iovec of
 * writev(2), so that a system call can send several slices:
 *
 *     #include <stdint.h>
 *     #include <sys/uio.h>
 *
 *     #include "zocket/slice.h"
 *
 *     ssize_t write_slices(int fd, const struct zkt_slice *slices, int count)
 *     {
 *         struct iovec out[16];
 *         int n = 0;
 *         for (; n < count && n < 16; n++) {
 *             out[n].iov_base = (void *)(uintptr_t)slices[n].data;
 *             out[n].iov_len = slices[n].len;
 *         }
 *         return writev(fd, out, n);
 *     }
 */
#ifndef ZOCKET_SLICE_H
#define ZOCKET_SLICE_H

#include <stddef.h>
#include <stdint.h>

/** A view of bytes; valid as long as the function that gave it says. */
struct zkt_slice {
    /* The first byte; borrowed, and not to be changed. */
    const uint8_t *data;
    /* Bytes from data on. */
    size_t len;
};

#endif
