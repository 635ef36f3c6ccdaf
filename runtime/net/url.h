/*
 * ws:// URLs (RFC 6455, section 3; RFC 3986), as a client needs them: what to
 * connect to, and what the request says. What may not stand in a URL unless it
 * is encoded is encoded, but for blanks and control characters: a URL that has
 * them was not meant to be one, or was meant to be more than one.
 *
 * Refused as well: user information and fragments, which the scheme has not
 * (RFC 6455, section 3); hosts that are not ASCII, for which IDNA is needed.
 */
#ifndef ZKT_NET_URL_H
#define ZKT_NET_URL_H

#include <stdint.h>

#include "zocket/types.h"

#define ZKT_HOST_MAX 255

struct zkt_url {
    char host[ZKT_HOST_MAX + 1]; /* name or address; with an IPv6 zone */
    uint16_t port;
    char authority[ZKT_HOST_MAX + 16]; /* the Host header: no default port */
    struct zkt_str rest;               /* path and query as written; a view */
};

/** NULL, or a short text that says what is wrong. @out borrows from @text. */
const char *zkt__url_parse(const char *text, struct zkt_url *out);

/** Of the request target, which is never longer than that. */
size_t zkt__url_target_max(const struct zkt_url *url);
/** Writes the request target, path and query, and its NUL; how long it is. */
size_t zkt__url_target(const struct zkt_url *url, char *to);

#endif
