/*
 * The checks of every request before anything answers it, for a WebSocket or
 * not: the host that it names and the page that sends it (http/origin.h), after
 * the client for which a trusted proxy speaks was found (http/forwarded.h). The
 * log names the option that would have allowed a refused request.
 */
#ifndef ZKT_SERVER_FILTER_H
#define ZKT_SERVER_FILTER_H

#include "http/origin.h"
#include "zocket/server.h"

struct zkt_connection;

/** Returns false if an option of these rules is malformed, or contradicts
 * another; the log says so. */
bool zkt__filter_check_options(const struct zkt_serve_options *options);

/** Judges the head of a request. Returns false if the request was refused. */
bool zkt__filter_head(struct zkt_connection *c,
                      const struct zkt_http_request *request);

/** Answers a preflight that was let in. */
void zkt__filter_answer_preflight(struct zkt_connection *c,
                                  const struct zkt_http_request *request);

#endif
