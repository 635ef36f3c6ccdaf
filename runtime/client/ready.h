/* Blocking waits for a connection or for a first state, with a timeout. */
#ifndef ZKT_CLIENT_READY_H
#define ZKT_CLIENT_READY_H

#include <stdint.h>

struct zkt_client;

/** Ends the waits that are over; runs at the end of every turn. */
void zkt__ready_tick(struct zkt_client *client);
/** The first timeout of a wait; ZKT_NEVER if there is none. */
int64_t zkt__ready_deadline(const struct zkt_client *client);

#endif
