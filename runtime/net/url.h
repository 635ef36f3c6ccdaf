/* ws:// URLs (RFC 6455, section 3), as far as a client needs them. */
#ifndef ZKT_NET_URL_H
#define ZKT_NET_URL_H

#include <stdint.h>

#include "zocket/types.h"

#define ZKT_HOST_MAX 255

struct zkt_url {
    char host[ZKT_HOST_MAX + 1]; /* name or address, without brackets */
    uint16_t port;
    struct zkt_str authority; /* as written: the Host header; a view */
    struct zkt_str path;      /* with the query, begins with '/'; a view */
};

/** NULL, or a short text that says what is wrong. @out borrows from @text. */
const char *zkt__url_parse(const char *text, struct zkt_url *out);

#endif
