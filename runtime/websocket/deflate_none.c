/* See deflate.h: a build without zlib. No server has a compressor, so the other
 * functions are never called with one. */
#include "websocket/deflate.h"

bool zkt__deflate_is_built(void)
{
    return false;
}

struct zkt_deflate *zkt__deflate_new(const struct zkt_allocator *allocator)
{
    (void)allocator;
    return NULL;
}

void zkt__deflate_free(struct zkt_deflate *deflate)
{
    (void)deflate;
}

size_t zkt__deflate_message(struct zkt_deflate *deflate, const void *message,
                            size_t len, uint8_t *to, size_t room)
{
    (void)deflate;
    (void)message;
    (void)len;
    (void)to;
    (void)room;
    return 0;
}

enum zkt_inflated zkt__inflate_message(struct zkt_deflate *deflate,
                                       const uint8_t *bytes, size_t len,
                                       size_t most,
                                       struct zkt_inflated_message *out)
{
    (void)deflate;
    (void)bytes;
    (void)len;
    (void)most;
    (void)out;
    return ZKT_INFLATE_INVALID;
}
