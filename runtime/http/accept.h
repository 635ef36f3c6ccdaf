/*
 * The items of Accept and of fields like it, and their weights (RFC 9110,
 * section 12.4.2), in thousandths; 0: not acceptable.
 */
#ifndef ZKT_HTTP_ACCEPT_H
#define ZKT_HTTP_ACCEPT_H

#include <stdbool.h>

#include "zocket/types.h"

#define ZKT_HTTP_WEIGHT_MAX 1000

/** Takes the next item off @list: its name, without its parameters, and its
 * weight. Leaves malformed items out. Returns false at the end. */
bool zkt__http_next_accepted(struct zkt_str *list, struct zkt_str *name,
                             int *weight);

/** Returns the weight of a media type, or of a range of them, by the lines of
 * Accept among @fields; the last one that names it counts. -1: none does. A
 * range names no type. */
int zkt__http_accepted_type(struct zkt_str fields, const char *type);

#endif
