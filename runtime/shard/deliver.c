/*
 * Delivers messages to other shards: see zkt__deliver.
 */
#include "shard/group.h"

/* Copies a request into a carrier. A subscribe gets a second block, for the
 * message that closes the subscription. Returns NULL if there is no memory. */
static struct zkt_msg *pack_request(const struct zkt_allocator *allocator,
                                    const struct zkt_msg *m)
{
    struct zkt_msg *copy = zkt__msg_pack(allocator, m);
    if (copy == NULL || m->kind != ZKT_MSG_SUBSCRIBE) {
        return copy;
    }
    copy->of.subscribe.closing = zkt__alloc_zero(allocator, 1, sizeof(*copy));
    if (copy->of.subscribe.closing == NULL) {
        zkt__msg_free(allocator, copy);
        return NULL;
    }
    return copy;
}

bool zkt__deliver_there(struct zkt_host *host, uint32_t to, struct zkt_msg *m,
                        struct zkt_msg *carrier)
{
    if (carrier == NULL) {
        carrier = pack_request(host->allocator, m);
        if (carrier == NULL) {
            return false;
        }
    } else if (m->kind != ZKT_MSG_COMMIT && m->kind != ZKT_MSG_CHANGE &&
               m->kind != ZKT_MSG_BROADCAST) {
        zkt__msg_carry(host->allocator, carrier, m);
    }
    zkt__channel_send(zkt__group_channel(host, to), carrier);
    return true;
}

bool zkt__deliver_reserve(struct zkt_host *host, uint32_t to,
                          const struct zkt_msg *m, struct zkt_msg **carrier)
{
    *carrier = NULL;
    if (to != host->shard) {
        *carrier = zkt__msg_pack_reserved(host->allocator, m);
        return *carrier != NULL;
    }
    return true;
}
