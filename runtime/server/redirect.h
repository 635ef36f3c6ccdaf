/*
 * Answers on a listener that only sends requests on to https://. A request that
 * names a host of another server is not sent anywhere: its sender alone would
 * choose the place.
 */
#ifndef ZKT_SERVER_REDIRECT_H
#define ZKT_SERVER_REDIRECT_H

#include "server/server.h"
#include "websocket/websocket.h"

/**
 * Refuses a request for @target, whose Host is @host or data NULL: with 308 and
 * the URL in its Location (RFC 9110, section 15.4.9), 400 for a bad host, or
 * 421 for the host of another server.
 */
void zkt__redirect_answer(struct zkt_server *server, struct zkt_ws *ws,
                          struct zkt_str host, struct zkt_str target);

#endif
