/*
 * A request for an actor, from its begin to its answer: a call, a state, or a
 * stream of events with the messages of either. It has an inner connection of
 * its own (inner.h).
 */
#ifndef ZKT_SERVER_ACTOR_REQUEST_H
#define ZKT_SERVER_ACTOR_REQUEST_H

#include "http/request.h"
#include "server/actor_address.h"

struct zkt_connection;
struct zkt_server;

#define ZKT_EVENT_STREAM "text/event-stream"

/** Begins a request that was checked; it answers @c. Calls the method of
 * @address, or follows its state if that has none. */
void zkt__actor_request_begin(struct zkt_connection *c,
                              const struct zkt_http_request *request,
                              const struct zkt_actor_address *address,
                              bool streams);
/** Sends comments on the streams that have been silent for 15 s, so that
 * proxies keep them. */
void zkt__heartbeats_send(struct zkt_server *server);

#endif
