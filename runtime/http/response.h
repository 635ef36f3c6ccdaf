/* Answers to requests (RFC 9110, section 15; RFC 9112, section 4). */
#ifndef ZKT_HTTP_RESPONSE_H
#define ZKT_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zocket/types.h"

struct zkt_http_reader;

struct zkt_http_response {
    const struct zkt_http_reader
        *to;               /* the request; NULL: it is not complete */
    int status;            /* 200 to 599 */
    struct zkt_str fields; /* lines, each with its CR LF; or "" */
    struct zkt_str body;   /* "" for 204 */
    bool omits_body; /* the answer to HEAD has the length of the body alone */
    bool closes;     /* the connection ends behind it */
};

/** Sends an answer through @send, which copies, in pieces. */
void zkt__http_respond(const struct zkt_http_response *response,
                       void (*send)(void *user, const void *data, size_t len),
                       void *user);

#endif
