/*
 * A chain: a call that asks, the call by which it was asked, and so on. Each
 * call that asks has a link; its asks carry it to their targets, where it tells
 * how deep they are, and whether an instance waits for itself. Links never
 * change and are counted by reference, on any thread.
 */
#ifndef ZKT_SHARD_CHAIN_H
#define ZKT_SHARD_CHAIN_H

#include <stdatomic.h>

#include "shard/host.h"

#define ZKT_CHAIN_MAX 16 /* links of a chain */

struct zkt_chain {
    const struct zkt_allocator *allocator;
    _Atomic(uint32_t) refs;
    uint32_t length;          /* with this link */
    struct zkt_chain *parent; /* NULL: this is the first link */
    uint64_t id;              /* of the call: random */
    const struct zkt_actor *actor;
    struct zkt_str name; /* the actorId; stored after the struct */
};

/** Makes the link of a call of an instance, behind @parent (NULL: none).
 * Returns NULL if there is no memory. */
struct zkt_chain *zkt__chain_new(struct zkt_host *host,
                                 struct zkt_chain *parent,
                                 const struct zkt_actor *actor,
                                 struct zkt_str name);
/** Takes a reference. Takes and returns NULL. */
struct zkt_chain *zkt__chain_ref(struct zkt_chain *chain);
/** Drops a reference. Takes NULL. */
void zkt__chain_unref(struct zkt_chain *chain);

/** Returns true if the call with @id is in the chain, which may be NULL. */
bool zkt__chain_has(const struct zkt_chain *chain, uint64_t id);
/** Writes the instances of the chain, from the first on: `room "a" > `. */
void zkt__chain_write(const struct zkt_chain *chain, struct zkt_writer *w);

#endif
