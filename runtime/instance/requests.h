/*
 * Messages that come up from sessions: each is handled at once if its instance
 * is free, and waits in the mailbox if not.
 */
#ifndef ZKT_INSTANCE_REQUESTS_H
#define ZKT_INSTANCE_REQUESTS_H

#include "shard/message.h"

/** Handles a message from a session (struct zkt_receivers). */
void zkt__instances_take(struct zkt_host *host, struct zkt_msg *m,
                         struct zkt_msg *carrier);
/** Handles one message now; its instance is free. Takes the carrier. */
void zkt__instance_handle(struct zkt_host *host, struct zkt_msg *m,
                          struct zkt_msg *carrier);
/**
 * Runs `connect` of a contact whose first message is @m. Returns true if @m is
 * handled with it: who subscribes to events gets those of its own `connect`.
 */
bool zkt__attachment_connect(struct zkt_host *host, struct zkt_msg *m,
                             struct zkt_msg *carrier);

#endif
