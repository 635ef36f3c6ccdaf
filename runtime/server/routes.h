/*
 * The answers to requests that ask for no WebSocket. Built-in routes run on the
 * thread of their connection and answer at once.
 */
#ifndef ZKT_SERVER_ROUTES_H
#define ZKT_SERVER_ROUTES_H

#include "websocket/websocket.h"

struct zkt_server;

/** Returns true for the routes of probes: a load balancer names an address as
 * their host, or nothing. */
bool zkt__routes_is_probe(struct zkt_str path);
/** Returns 0 if a route takes the request, or the status that refuses it. */
int zkt__routes_check(const struct zkt_http_request *request);
/** Answers a request that a route takes, by zkt__ws_reply. */
void zkt__routes_answer(struct zkt_server *server, struct zkt_ws *ws,
                        const struct zkt_http_request *request);

#endif
