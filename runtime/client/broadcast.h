/*
 * Broadcasts of the server. The client asks for them with its first listener,
 * again after each reconnection, and only a server that knows the message: its
 * welcome says so.
 */
#ifndef ZKT_CLIENT_BROADCAST_H
#define ZKT_CLIENT_BROADCAST_H

#include "protocol/envelope.h"
#include "zocket/client.h"

/** Asks for broadcasts, or for no more of them, if that has changed. */
void zkt__client_hear(struct zkt_client *client);
/** Forgets the subscription to broadcasts, with the connection. */
void zkt__client_unhear(struct zkt_client *client);
/** Gives a broadcast to its listeners. */
void zkt__client_receive_broadcast(struct zkt_client *client,
                                   const struct zkt_envelope *message);

#endif
