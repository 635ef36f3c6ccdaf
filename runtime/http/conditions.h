/*
 * Requests for a part of a file, or for a file that has changed: preconditions
 * (RFC 9110, section 13) and ranges (section 14).
 */
#ifndef ZKT_HTTP_CONDITIONS_H
#define ZKT_HTTP_CONDITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "zocket/types.h"

/* The date of a representation that has none. */
#define ZKT_HTTP_NO_DATE INT64_MIN

/* The current representation of a resource. */
struct zkt_http_validators {
    struct zkt_str etag; /* strong, with its quotation marks */
    int64_t modified_s;  /* since the epoch; or ZKT_HTTP_NO_DATE */
    int64_t now_s;       /* the wall clock; 0: none */
    uint64_t size;       /* in bytes */
};

/* Bytes of a representation. */
struct zkt_http_range {
    uint64_t first, len;
};

/**
 * Judges a request for a representation by its @fields. Stores the bytes to
 * send in *@range. Returns the status:
 * - 200: all of it, also for several ranges, or a range that is malformed
 * - 206: a part; only if @ranges, since HEAD has none
 * - 304: the client has it
 * - 412: If-Match or If-Unmodified-Since do not hold
 * - 416: the range is behind the end
 */
int zkt__http_judge_conditions(struct zkt_str fields,
                               const struct zkt_http_validators *current,
                               bool ranges, struct zkt_http_range *range);

#endif
