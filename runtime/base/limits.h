/* The limits in force: given values, or the defaults. */
#ifndef ZKT_BASE_LIMITS_H
#define ZKT_BASE_LIMITS_H

#include <stdbool.h>

#include "zocket/limits.h"

/** Returns false if a limit is negative or exceeds its maximum; *@bad is its
 * name. */
bool zkt__limits_resolve(const struct zkt_limits *given, struct zkt_limits *out,
                         const char **bad);

#endif
