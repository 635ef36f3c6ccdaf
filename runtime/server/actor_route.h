/*
 * The route below /actors/, by which actors are called and followed by plain
 * HTTP (the option http_calls):
 *
 *     POST /actors/{actor}/{id}/{method}    calls, with a JSON body as input
 *     GET  /actors/{actor}/{id}             gets the state
 *
 * and a state, or a call of a method with a stream or progress, as a stream of
 * events (WHATWG HTML, "Server-sent events") with the messages of the protocol
 * as data, if Accept names text/event-stream and does not prefer JSON.
 * Each request is an inner connection of its own (inner.h).
 */
#ifndef ZKT_SERVER_ACTOR_ROUTE_H
#define ZKT_SERVER_ACTOR_ROUTE_H

#include "server/routes.h"

struct zkt_server;

/** Adds the route, if the options have http_calls. */
void zkt__actor_route_init(struct zkt_server *first);

#endif
