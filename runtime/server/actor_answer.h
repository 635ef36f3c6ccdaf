/*
 * The answers of JSON to requests for actors: results, states, and errors with
 * the status of HTTP that belongs to their code.
 */
#ifndef ZKT_SERVER_ACTOR_ANSWER_H
#define ZKT_SERVER_ACTOR_ANSWER_H

#include "http/request.h"
#include "zocket/status.h"

struct zkt_connection;

void zkt__actor_answer_json(struct zkt_connection *c,
                            const struct zkt_http_request *request, int status,
                            struct zkt_str body);
/** Answers with an error as the messages of the protocol have it; "" is the
 * text of @status. */
void zkt__actor_answer_error(struct zkt_connection *c,
                             const struct zkt_http_request *request, int http,
                             enum zkt_status status, const char *text);
/** Returns the status of HTTP for a message with an error. */
int zkt__actor_status(struct zkt_str message);

#endif
