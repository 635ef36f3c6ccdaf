/*
 * The states of the instances: snapshots, patches and events of the server
 * change them and notify listeners, and the end of a turn frees unused
 * instances.
 */
#ifndef ZKT_CLIENT_STORE_H
#define ZKT_CLIENT_STORE_H

#include <stdbool.h>

#include "zocket/schema.h"

struct zkt_client;
struct zkt_envelope;

/** Handles a snapshot, a patch or an event. */
void zkt__store_receive(struct zkt_client *client,
                        const struct zkt_envelope *message);
/** Returns true if zkt__store_end_turn has work to do. */
bool zkt__store_has_work(const struct zkt_client *client);
/** Notifies new listeners, sends queued messages, frees unused instances. */
void zkt__store_end_turn(struct zkt_client *client);
void zkt__store_free(struct zkt_client *client);

/** Decodes the payload of an event or a broadcast in the message's memory.
 * Returns NULL if it does not fit. */
void *zkt__decode_payload(struct zkt_client *client,
                          const struct zkt_type *type, struct zkt_str json);

#endif
