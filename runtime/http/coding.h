/* The content codings that a client accepts: Accept-Encoding (RFC 9110, section
 * 12.5.3). */
#ifndef ZKT_HTTP_CODING_H
#define ZKT_HTTP_CODING_H

#include <stdint.h>

#include "zocket/types.h"

/* Codings of files, the one that is preferred among equals first. */
enum zkt_http_coding {
    ZKT_HTTP_CODING_BR,
    ZKT_HTTP_CODING_GZIP,
    ZKT_HTTP_CODING_IDENTITY,
    ZKT_HTTP_CODING_COUNT
};

/* The weight of each coding (accept.h). */
struct zkt_http_accepted {
    uint16_t weights[ZKT_HTTP_CODING_COUNT];
};

/**
 * Reads the lines of Accept-Encoding among @fields; items that are malformed
 * are left out. Without such a line a client accepts only the identity: many
 * that send none cannot decode. The identity is acceptable unless it is
 * excluded, and comes last unless it is named.
 */
struct zkt_http_accepted zkt__http_accepted(struct zkt_str fields);

#endif
