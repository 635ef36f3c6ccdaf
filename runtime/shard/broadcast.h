/*
 * Broadcasts, and the ends of connections that a program asks for: messages of
 * a call to connections anywhere, whether they are in contact with an instance
 * or not. Every shard gets one message with all of a call.
 */
#ifndef ZKT_SHARD_BROADCAST_H
#define ZKT_SHARD_BROADCAST_H

#include "shard/message.h"

/** Allocates the carriers of the messages with @first and all after it, so that
 * they cannot fail. Returns false if there is no memory; the carriers in the
 * list are dropped by zkt__carriers_drop in both cases. */
bool zkt__broadcasts_reserve(struct zkt_host *host,
                             const struct zkt_emitted *first,
                             struct zkt_list *carriers);
/** Sends @first and all after it to every shard. */
void zkt__broadcasts_publish(struct zkt_host *host,
                             const struct zkt_emitted *first,
                             struct zkt_list *carriers);

#endif
