/* The limits in force: what was given, or the defaults. */
#ifndef ZKT_BASE_LIMITS_H
#define ZKT_BASE_LIMITS_H

#include <stdbool.h>

#include "zocket/limits.h"

/** False: one is negative, or more than it can be; *@bad is its name. */
bool zkt__limits_resolve(const struct zkt_limits *given, struct zkt_limits *out,
                         const char **bad);

#endif
