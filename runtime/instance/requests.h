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
/** Handles a message to an instance that is free; runs `connect` first, if it
 * is the first of its contact. Takes the carrier. */
void zkt__instance_handle(struct zkt_host *host, struct zkt_msg *m,
                          struct zkt_msg *carrier);
/** Handles a message whose hook has let it pass, before all that wait: at once
 * if the instance is free, or else first of its contact. */
void zkt__instance_proceed(struct zkt_host *host, struct zkt_msg *m,
                           struct zkt_msg *carrier);

#endif
