/*
 * Where instances live when a server has several threads: from actor and name
 * to a shard. A name keeps its shard as long as anybody has a reference to it:
 * the instance itself, and every shard with a contact. So whoever holds one
 * can send to that shard without asking again, and the shard may end the
 * instance and make it anew meanwhile. Any thread may ask: the names are
 * spread over several locks.
 */
#ifndef ZKT_SHARD_DIRECTORY_H
#define ZKT_SHARD_DIRECTORY_H

#include <pthread.h>
#include <stdbool.h>

#include "base/index.h"
#include "base/slots.h"
#include "zocket/schema.h"

#define ZKT_DIRECTORY_PARTS 32

struct zkt_directory_part {
    pthread_mutex_t lock;
    struct zkt_slots entries;
    struct zkt_index index;
};

struct zkt_directory {
    const struct zkt_allocator *allocator;
    struct zkt_hash_key key;
    uint32_t count; /* parts that there are */
    struct zkt_directory_part parts[ZKT_DIRECTORY_PARTS];
};

/** False: the system has no locks for it; finish takes what there is. */
bool zkt__directory_init(struct zkt_directory *directory,
                         const struct zkt_allocator *allocator,
                         const struct zkt_hash_key *key);
void zkt__directory_finish(struct zkt_directory *directory);

/**
 * Takes a reference to a name; *@home is its shard, and @self from now on if
 * it had none. False: no memory.
 */
bool zkt__directory_take(struct zkt_directory *directory,
                         const struct zkt_actor *actor, struct zkt_str name,
                         uint32_t self, uint32_t *home);
/** Lets a reference go. */
void zkt__directory_release(struct zkt_directory *directory,
                            const struct zkt_actor *actor, struct zkt_str name);
/** The shard of a name without a reference; false: it has none. */
bool zkt__directory_find(struct zkt_directory *directory,
                         const struct zkt_actor *actor, struct zkt_str name,
                         uint32_t *home);

#endif
