/*
 * A location is the name of an instance, actor and id, as one shard knows it,
 * and the shard on which the instance lives. Both sides of the seam meet here:
 * the session's side lists the contacts of its connections, the instance's
 * side has the instance, if it lives on this shard. Each touches its own part.
 *
 * A location exists while somebody holds a reference: each contact of this
 * shard, and the instance. As long as it does, its name keeps its shard.
 */
#ifndef ZKT_SHARD_LOCATION_H
#define ZKT_SHARD_LOCATION_H

#include "shard/host.h"

struct zkt_location {
    const struct zkt_actor *actor;
    struct zkt_str name; /* the actorId; stands behind the struct */
    uint64_t hash;
    zkt_handle_id id;
    uint32_t home; /* the shard that the instance lives on */
    uint32_t refs;
    /* Of the session's side: contacts that get the next patch or event. */
    struct zkt_list watchers, listeners;
    /* Of the instance's side; NULL: none is alive here. */
    struct zkt_instance *instance;
};

/** The hash of a name, by which its location is found. */
uint64_t zkt__location_hash(const struct zkt_host *host,
                            const struct zkt_actor *actor, struct zkt_str name);
/** Finds the location of a name; NULL: this shard does not know it. */
struct zkt_location *zkt__location_find(const struct zkt_host *host,
                                        const struct zkt_actor *actor,
                                        struct zkt_str name);
/** Finds or makes it, and takes a reference; NULL: no memory. A name that no
 * shard knows lives here from now on. @hash is the name's. */
struct zkt_location *zkt__location_take(struct zkt_host *host,
                                        const struct zkt_actor *actor,
                                        struct zkt_str name, uint64_t hash);
static inline void zkt__location_ref(struct zkt_location *location)
{
    location->refs++;
}
/** Drops a reference; the last one frees it. */
void zkt__location_release(struct zkt_host *host,
                           struct zkt_location *location);

#endif
