/*
 * The turns of a shard: the order of the work in a turn, the shares of its
 * budget, and the time of the next turn.
 */
#ifndef ZKT_SERVER_TURN_H
#define ZKT_SERVER_TURN_H

#include "base/endpoint.h"

/** The functions that a driver calls of every shard. */
extern const struct zkt_core_ops zkt__server_core_ops;

#endif
