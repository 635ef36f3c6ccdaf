/* The memory of replies, and filling them from failures. */
#ifndef ZKT_PROTOCOL_REPLY_H
#define ZKT_PROTOCOL_REPLY_H

#include "base/hash.h"
#include "protocol/envelope.h"
#include "zocket/reply.h"

/* zkt_reply.memory_: results and details borrow from it. */
struct zkt_reply_memory {
    struct zkt_arena arena;
    struct zkt_hash_key key; /* of maps */
};

/** Returns the memory of a reply, and makes it if there is none yet. Returns
 * NULL if that fails. */
struct zkt_reply_memory *zkt__reply_memory(struct zkt_reply *reply,
                                           const struct zkt_allocator *a,
                                           const struct zkt_hash_key *key);

/** Makes a reply one of that status, with the status's own text. Keeps its
 * memory. */
void zkt__reply_reset(struct zkt_reply *reply, enum zkt_status status);

/** Returns a whole number of milliseconds, or of another unit; 0 if @digits are
 * none. */
int64_t zkt__reply_ms(struct zkt_str digits);
/** Sets the parts of a failed reply that the message has; its strings are
 * borrowed. */
void zkt__reply_read(struct zkt_reply *reply,
                     const struct zkt_envelope *message);

#endif
