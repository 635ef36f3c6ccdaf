/* See compression.h. */
#include "session/compression.h"

enum {
    COST = 20 /* of the budget, for each byte */
};

struct zkt_buffer *zkt__session_compress(struct zkt_host *host,
                                         struct zkt_buffer *frame)
{
    if (zkt__frame_deflate(frame, host->deflate)) {
        host->stats.deflated++;
        zkt__host_spend(host, COST * (size_t)frame->len);
    }
    return zkt__buffer_compressed(frame);
}

void zkt__session_compress_catch_up(struct zkt_host *host,
                                    const struct zkt_catch_up *catch_up)
{
    (void)zkt__session_compress(host, catch_up->snapshot);
    for (uint32_t i = 0; i < catch_up->patch_count; i++) {
        (void)zkt__session_compress(host, catch_up->patches[i]);
    }
}
