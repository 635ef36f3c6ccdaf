/*
 * The answers of JSON to requests for actors: results, states, and errors with
 * the status of HTTP that belongs to their code.
 */
#ifndef ZKT_SERVER_ACTOR_ANSWER_H
#define ZKT_SERVER_ACTOR_ANSWER_H

#include "http/request.h"
#include "zocket/status.h"

struct zkt_connection;

/* Why a request is refused before it is a session. */
struct zkt_actor_refusal {
    int status;        /* of HTTP; 0: it is not refused */
    const char *text;  /* of the error */
    const char *field; /* that belongs to the status, with its CR LF; or "" */
};

void zkt__actor_answer_json(struct zkt_connection *c,
                            const struct zkt_http_request *request, int status,
                            struct zkt_str body);
/** Answers with an error as the messages of the protocol have it; "" is the
 * text of @status. */
void zkt__actor_answer_error(struct zkt_connection *c,
                             const struct zkt_http_request *request, int http,
                             enum zkt_status status, const char *text);
/** Answers with the error of a refusal, also while a head is judged. */
void zkt__actor_answer_refusal(struct zkt_connection *c,
                               const struct zkt_http_request *request,
                               const struct zkt_actor_refusal *refusal);
/** Returns the status of HTTP for a message with an error. */
int zkt__actor_status(struct zkt_str message);

#endif
