/*
 * A location is the name of an instance, actor and id, as a shard knows it, and
 * the shard on which the instance lives. Sessions and instances meet here: the
 * session's half lists the contacts of this shard, the instance's half has the
 * instance, if it lives on this shard. Each side accesses only its own half.
 *
 * A location is counted by reference: each contact of this shard and the
 * instance hold one. As long as it exists, its name keeps its shard.
 */
#ifndef ZKT_SHARD_LOCATION_H
#define ZKT_SHARD_LOCATION_H

#include "shard/host.h"

struct zkt_location {
    const struct zkt_actor *actor;
    struct zkt_str name; /* the actorId; stored after the struct */
    uint64_t hash;
    zkt_handle_id id;
    uint32_t home; /* the shard that the instance lives on */
    uint32_t refs;
    /* The session's half: contacts that get the next patch or event. */
    struct zkt_ring watchers, listeners;
    /* The instance's half; NULL: it does not live on this shard. */
    struct zkt_instance *instance;
};

/** Returns the hash of a name, as the index of locations uses it. */
uint64_t zkt__location_hash(const struct zkt_host *host,
                            const struct zkt_actor *actor, struct zkt_str name);
/** Finds the location of a name; returns NULL if this shard has none. */
struct zkt_location *zkt__location_find(const struct zkt_host *host,
                                        const struct zkt_actor *actor,
                                        struct zkt_str name);
/** Finds or creates the location and takes a reference; returns NULL if there
 * is no memory. A name that no shard knows is placed on this shard. @hash is
 * the hash of the name. */
struct zkt_location *zkt__location_take(struct zkt_host *host,
                                        const struct zkt_actor *actor,
                                        struct zkt_str name, uint64_t hash);
static inline void zkt__location_ref(struct zkt_location *location)
{
    location->refs++;
}
/** Drops a reference; the last reference frees the location. */
void zkt__location_release(struct zkt_host *host,
                           struct zkt_location *location);

#endif
