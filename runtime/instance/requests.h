/*
 * Messages of sessions to instances. A message is handled at once if its
 * instance is free, and queued in the mailbox if not. A call or a subscribe
 * creates the instance if it does not exist, and runs `connect` if it is the
 * first message of its contact.
 */
#ifndef ZKT_INSTANCE_REQUESTS_H
#define ZKT_INSTANCE_REQUESTS_H

#include "shard/message.h"

/** Handles a message from a session (struct zkt_receivers). */
void zkt__instances_take(struct zkt_host *host, struct zkt_msg *m,
                         struct zkt_msg *carrier);
/** Handles a message to an instance that is free. Takes the carrier. */
void zkt__instance_handle(struct zkt_host *host, struct zkt_msg *m,
                          struct zkt_msg *carrier);
/**
 * Runs `connect` of a contact before its first message @m. Returns true if @m
 * was handled, too: a subscribe to events is handled before `connect` runs, so
 * that the client receives the events of its `connect`.
 */
bool zkt__attachment_connect(struct zkt_host *host, struct zkt_msg *m,
                             struct zkt_msg *carrier);

#endif
