/*
 * The placement of instances in a server with several threads: maps actor and
 * name to a shard. A name keeps its shard as long as it has a reference: from
 * the instance itself, and from every shard with a contact. So the holder of a
 * reference can send to that shard without asking again, and the shard may end
 * the instance and create it again meanwhile. Any thread may call: the names
 * are spread over several locks.
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
    uint32_t count; /* parts that are initialised */
    struct zkt_directory_part parts[ZKT_DIRECTORY_PARTS];
};

/** Returns false if a mutex cannot be created; call finish in both cases. */
bool zkt__directory_init(struct zkt_directory *directory,
                         const struct zkt_allocator *allocator,
                         const struct zkt_hash_key *key);
void zkt__directory_finish(struct zkt_directory *directory);

/**
 * Takes a reference to a name. *@home is its shard; a name without a reference
 * is placed on @self. Returns false if there is no memory.
 */
bool zkt__directory_take(struct zkt_directory *directory,
                         const struct zkt_actor *actor, struct zkt_str name,
                         uint32_t self, uint32_t *home);
/** Drops a reference. */
void zkt__directory_release(struct zkt_directory *directory,
                            const struct zkt_actor *actor, struct zkt_str name);
/** Gets the shard of a name without taking a reference. Returns false if the
 * name is not placed. */
bool zkt__directory_find(struct zkt_directory *directory,
                         const struct zkt_actor *actor, struct zkt_str name,
                         uint32_t *home);

#endif
