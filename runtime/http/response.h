/* Answers to requests (RFC 9110, section 15; RFC 9112, section 4). */
#ifndef ZKT_HTTP_RESPONSE_H
#define ZKT_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zocket/types.h"

struct zkt_http_response {
    int status;            /* 200 to 599 */
    struct zkt_str fields; /* lines, each with its CR LF; or "" */
    struct zkt_str body;
    bool omits_body; /* the answer to HEAD has the length of the body alone */
    bool closes;     /* the connection ends behind it */
};

/** Sends an answer through @send, which copies, in pieces. */
void zkt__http_respond(const struct zkt_http_response *response,
                       void (*send)(void *user, const void *data, size_t len),
                       void *user);

/** The length of a date, with its NUL. */
#define ZKT_HTTP_DATE_SIZE 30

/** Writes a time in ms since the epoch as a date (RFC 9110, section 5.6.7); ""
 * for 0, the time of a program without a clock, and outside of the years from
 * 1970 to 9999. */
void zkt__http_date(int64_t ms, char out[ZKT_HTTP_DATE_SIZE]);

#endif
