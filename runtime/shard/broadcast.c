/* See broadcast.h. */
#include "shard/broadcast.h"

#include "shard/group.h"

static uint32_t count_shards(const struct zkt_host *host)
{
    return host->group != NULL ? host->group->count : 1;
}

static void init_message(struct zkt_msg *m, const struct zkt_commit *content)
{
    zkt__msg_init(m, ZKT_MSG_BROADCAST, NULL);
    m->of.commit = (struct zkt_msg_commit){ .content = content };
}

bool zkt__broadcasts_reserve(struct zkt_host *host,
                             const struct zkt_emitted *first,
                             struct zkt_list *carriers)
{
    const struct zkt_commit content = { .events = first };
    struct zkt_msg m;
    init_message(&m, &content);
    for (uint32_t i = 0; i < count_shards(host); i++) {
        struct zkt_msg *carrier;
        if (!zkt__deliver_reserve(host, i, &m, &carrier)) {
            return false;
        }
        if (carrier != NULL) {
            zkt__list_append(carriers, &carrier->node);
        }
    }
    return true;
}

void zkt__broadcasts_publish(struct zkt_host *host,
                             const struct zkt_emitted *first,
                             struct zkt_list *carriers)
{
    const struct zkt_commit content = { .events = first };
    for (uint32_t i = 0; i < count_shards(host); i++) {
        struct zkt_msg m;
        init_message(&m, &content);
        (void)zkt__deliver(host, i, &m,
                           i != host->shard ? zkt__carriers_take(carriers)
                                            : NULL);
    }
}
