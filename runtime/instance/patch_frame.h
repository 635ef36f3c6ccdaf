/* The message of a patch, around its operations. */
#ifndef ZKT_INSTANCE_PATCH_FRAME_H
#define ZKT_INSTANCE_PATCH_FRAME_H

#include "instance/registry.h"
#include "protocol/envelope.h"

/** Begins a patch message in @w. Returns the offset of its operations. */
static inline size_t zkt__patch_frame_begin(const struct zkt_instance *instance,
                                            struct zkt_writer *w)
{
    zkt__frame_begin(w);
    zkt__write_address(w, ZKT_MESSAGE_STATE_PATCH, instance->actor->name,
                       instance->location->name);
    ZKT_WRITE(w, ",\"patches\":");
    return w->len;
}

/** Completes the message. Returns its frame, or NULL if there is no memory. */
static inline struct zkt_buffer *zkt__patch_frame_end(struct zkt_host *host,
                                                      struct zkt_writer *w)
{
    ZKT_WRITE(w, "}");
    zkt__host_spend(host, zkt__frame_payload(w));
    return zkt__frame_share(w);
}

#endif
