/* Bytes to send that somebody else keeps alive. */
#ifndef ZOCKET_SLICE_H
#define ZOCKET_SLICE_H

#include <stddef.h>
#include <stdint.h>

struct zkt_slice {
    const uint8_t *data;
    size_t len;
};

#endif
