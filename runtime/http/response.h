/* Answers to requests (RFC 9110, section 15; RFC 9112, section 4). */
#ifndef ZKT_HTTP_RESPONSE_H
#define ZKT_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zocket/types.h"

struct zkt_http_reader;

/* The end of a body that follows its head in parts. */
enum zkt_http_framing {
    ZKT_HTTP_LENGTH,     /* after the number of bytes that the head has */
    ZKT_HTTP_CHUNKED,    /* after the last chunk; not in HTTP/1.0 */
    ZKT_HTTP_UNTIL_CLOSE /* with the connection */
};

struct zkt_http_response {
    const struct zkt_http_reader
        *to;               /* the request; NULL: it is not complete */
    int status;            /* 200 to 599 */
    struct zkt_str fields; /* lines, each with its CR LF; or "" */
    struct zkt_str common; /* the same, of every answer */
    struct zkt_str body;
    int64_t wall_ms; /* the time for Date, since the epoch; 0: no clock */
    bool closes;     /* the connection ends behind it */
    bool has_fields; /* those that belong to the status are among @fields */
};

/** Returns false for a status whose answers have no body, and no length of one
 * (RFC 9110, sections 15.3.5 and 15.4.5). */
static inline bool zkt__http_has_body(int status)
{
    return status != 204 && status != 304;
}

/** Sends an answer through @send, which copies, in pieces. That to HEAD has the
 * length of the body alone. */
void zkt__http_respond(const struct zkt_http_response *response,
                       void (*send)(void *user, const void *data, size_t len),
                       void *user);
/** Sends the head of an answer whose body follows in parts; @length is that of
 * ZKT_HTTP_LENGTH. */
void zkt__http_respond_head(const struct zkt_http_response *response,
                            enum zkt_http_framing framing, uint64_t length,
                            void (*send)(void *user, const void *data,
                                         size_t len),
                            void *user);

/** Returns true if a field may be sent: the name is a token, and the value has
 * no CR, LF or NUL (RFC 9110, section 5.5), and no blank around it. */
bool zkt__http_field_is_good(struct zkt_str name, struct zkt_str value);

#endif
