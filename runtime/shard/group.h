/*
 * The shards of a server with several threads: their channels, the directory
 * that maps names to shards, and the number of instances on all shards. A
 * server with one thread has no group, and every name lives on its shard.
 */
#ifndef ZKT_SHARD_GROUP_H
#define ZKT_SHARD_GROUP_H

#include "shard/channel.h"
#include "shard/directory.h"

struct zkt_group {
    const struct zkt_allocator *allocator;
    uint32_t count;
    uint32_t channels_ready;      /* channels that were initialised */
    struct zkt_host **hosts;      /* by shard */
    struct zkt_channel *channels; /* [from * count + to] */
    struct zkt_directory directory;
    _Atomic(uint64_t) instances; /* alive on all shards */
};

/** Returns NULL if there is no memory. */
struct zkt_group *zkt__group_new(const struct zkt_allocator *allocator,
                                 uint32_t count,
                                 const struct zkt_hash_key *key);
/** Adds @host under its shard number, before any shard runs. */
void zkt__group_add(struct zkt_group *group, struct zkt_host *host);
/** Frees the group and every message in flight. Takes NULL. */
void zkt__group_free(struct zkt_group *group);

/** The channel from @host to the shard @to. */
static inline struct zkt_channel *zkt__group_channel(
    const struct zkt_host *host, uint32_t to)
{
    const struct zkt_group *group = host->group;
    return &group->channels[host->shard * group->count + to];
}

/** Returns true if @host may send more to the shard @to; always for itself. */
bool zkt__group_has_credit(struct zkt_host *host, uint32_t to);

/** Handles messages from other shards while the budget of the turn lasts. */
void zkt__group_receive(struct zkt_host *host);
/** Hands over messages to other shards, at the end of a turn. */
void zkt__group_flush(struct zkt_host *host);
/** Returns true if messages are to be handled or handed over. */
bool zkt__group_has_messages(const struct zkt_host *host);

/** Takes a reference to a name in the directory. *@home, initially this shard,
 * is its shard. Returns false if there is no memory. */
bool zkt__group_place(const struct zkt_host *host,
                      const struct zkt_actor *actor, struct zkt_str name,
                      uint32_t *home);
/** Drops that reference. */
void zkt__group_forget(const struct zkt_host *host,
                       const struct zkt_actor *actor, struct zkt_str name);
/** Asks the shard of a name to end its instance, with DESTROY. */
enum zkt_status zkt__group_destroy(struct zkt_host *host,
                                   const struct zkt_actor *actor,
                                   struct zkt_str name);
/** Counts a new instance; @alive are the instances of this shard. Returns false
 * if the limit is reached. */
bool zkt__group_count_instance(const struct zkt_host *host, uint32_t alive);
void zkt__group_uncount_instance(const struct zkt_host *host);

#endif
