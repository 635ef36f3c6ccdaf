/* The limits in force, from the one table. */
#include "base/limits.h"

bool zkt__limits_resolve(const struct zkt_limits *given, struct zkt_limits *out,
                         const char **bad)
{
#define X(name, value, text)                                                   \
    if (given->name < 0) {                                                     \
        *bad = #name;                                                          \
        return false;                                                          \
    }                                                                          \
    out->name = given->name > 0 ? given->name : (value);
    ZKT_LIMITS_TABLE(X)
#undef X
    return true;
}
