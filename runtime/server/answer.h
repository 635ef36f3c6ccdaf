/*
 * The answers of routes (routes.h) to requests, whole or streamed. The date is
 * added, the body of an answer to HEAD is left out, and the connection ends
 * behind the answer if the request or the response says so, or if the server
 * stops.
 */
#ifndef ZKT_SERVER_ANSWER_H
#define ZKT_SERVER_ANSWER_H

#include "http/body.h"
#include "http/request.h"

struct zkt_connection;
struct zkt_server;

/** Returns the server, on the thread of a connection that is to be answered. */
struct zkt_server *zkt__answer_server(struct zkt_connection *c);

/** Counts work of a route, in ns, that a turn of the server is to be charged
 * with; copied bytes are counted anyway. */
void zkt__answer_spend(struct zkt_connection *c, size_t work);

/** Answers with a whole response, which is copied. */
void zkt__answer(struct zkt_connection *c,
                 const struct zkt_http_request *request,
                 struct zkt_http_response response);

/**
 * Answers with a response whose body comes from @source, which is borrowed
 * until its close. @length is that of the body, or ZKT_HTTP_NO_LENGTH: then it
 * is sent in chunks, to HTTP/1.0 until the connection closes. The response's
 * own body is not used. Without memory the connection ends.
 */
void zkt__answer_stream(struct zkt_connection *c,
                        const struct zkt_http_request *request,
                        struct zkt_http_response response, uint64_t length,
                        struct zkt_http_source *source);

/** Answers with a status and a line of text, which is not to be cached. */
void zkt__answer_text(struct zkt_connection *c,
                      const struct zkt_http_request *request, int status,
                      struct zkt_str text);

/** The turn of a thread begins: streams that have had their share of the last
 * one go on. */
void zkt__answers_resume(struct zkt_server *server);

#endif
