/* See channel.h. */
#include "shard/channel.h"

bool zkt__channel_init(struct zkt_channel *channel)
{
    zkt__list_init(&channel->outbox);
    zkt__list_init(&channel->queue);
    zkt__list_init(&channel->inbox);
    return pthread_mutex_init(&channel->lock, NULL) == 0;
}

static void free_all(struct zkt_list *list,
                     const struct zkt_allocator *allocator)
{
    struct zkt_node *node;
    while ((node = zkt__list_first(list)) != NULL) {
        zkt__node_unlink(node);
        zkt__msg_free(allocator, ZKT_CONTAINER(node, struct zkt_msg, node));
    }
}

void zkt__channel_finish(struct zkt_channel *channel,
                         const struct zkt_allocator *allocator)
{
    free_all(&channel->inbox, allocator);
    free_all(&channel->queue, allocator);
    free_all(&channel->outbox, allocator);
    pthread_mutex_destroy(&channel->lock);
}

void zkt__channel_send(struct zkt_channel *channel, struct zkt_msg *m)
{
    channel->sent_messages++;
    channel->sent_bytes += m->bytes;
    zkt__list_append(&channel->outbox, &m->node);
}

/* Returns true if the limits allow another message; counts a reached limit. */
static bool is_within(struct zkt_channel *channel,
                      const struct zkt_limits *limits,
                      struct zkt_limit_counts *reached)
{
    const uint64_t messages = channel->sent_messages -
                              atomic_load(&channel->taken_messages);
    const uint64_t bytes = channel->sent_bytes -
                           atomic_load(&channel->taken_bytes);
    const bool many = messages >= (uint64_t)limits->channel_messages;
    const bool much = bytes >= (uint64_t)limits->channel_bytes;
    reached->channel_messages += many;
    reached->channel_bytes += much;
    return !many && !much;
}

bool zkt__channel_has_credit(struct zkt_channel *channel,
                             const struct zkt_limits *limits,
                             struct zkt_limit_counts *reached)
{
    struct zkt_limit_counts uncounted;
    if (is_within(channel, limits, reached)) {
        return true;
    }
    /* The receiver counts a message before it reads `wanted`, so either it sees
     * `wanted` or the sender sees the count. */
    atomic_store(&channel->wanted, true);
    uncounted = *reached;
    return is_within(channel, limits, &uncounted);
}

bool zkt__channel_flush(struct zkt_channel *channel)
{
    if (zkt__list_empty(&channel->outbox)) {
        return false;
    }
    pthread_mutex_lock(&channel->lock);
    zkt__list_move(&channel->queue, &channel->outbox);
    atomic_store(&channel->filled, true);
    pthread_mutex_unlock(&channel->lock);
    return true;
}

static void refill(struct zkt_channel *channel)
{
    pthread_mutex_lock(&channel->lock);
    zkt__list_move(&channel->inbox, &channel->queue);
    atomic_store(&channel->filled, false);
    pthread_mutex_unlock(&channel->lock);
}

struct zkt_msg *zkt__channel_take(struct zkt_channel *channel, bool *wake)
{
    if (zkt__list_empty(&channel->inbox) && atomic_load(&channel->filled)) {
        refill(channel);
    }
    struct zkt_node *node = zkt__list_first(&channel->inbox);
    if (node == NULL) {
        return NULL;
    }
    struct zkt_msg *m = ZKT_CONTAINER(node, struct zkt_msg, node);
    zkt__node_unlink(node);
    atomic_fetch_add(&channel->taken_messages, 1);
    atomic_fetch_add(&channel->taken_bytes, m->bytes);
    if (atomic_load(&channel->wanted)) {
        *wake = atomic_exchange(&channel->wanted, false) || *wake;
    }
    return m;
}

bool zkt__channel_has_messages(const struct zkt_channel *channel)
{
    return !zkt__list_empty(&channel->inbox) || atomic_load(&channel->filled);
}
