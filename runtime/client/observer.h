/*
 * Observers of a list or a map: a patch becomes a sequence of changes, each of
 * which is an insertion, a removal or a new value. Changes that cannot be told
 * apart, and whole values, become a reset.
 */
#ifndef ZKT_CLIENT_OBSERVER_H
#define ZKT_CLIENT_OBSERVER_H

#include "zocket/client.h"

struct zkt_client;
struct zkt_client_instance;
struct zkt_delta;
struct zkt_listener;

/** Calls the observer @l with the changes of its field, as @patch has them;
 * NULL: with a reset. Stops if the listener is removed, or the client closed,
 * meanwhile. */
void zkt__observer_notify(const struct zkt_client *client,
                          const struct zkt_client_instance *instance,
                          struct zkt_listener *l,
                          const struct zkt_delta *patch);

#endif
