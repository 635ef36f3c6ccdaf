/* The limits in force, from the one table. */
#include "base/limits.h"

#include "zocket/codec.h"

/* The most that a limit can be; 0: whatever is given. */
static const struct zkt_limits maxima = {
    .json_depth = ZKT_DEPTH_MAX, /* a reader has no room for a longer path */
    .issues = 1024,              /* they are kept in order, one by one */
};

bool zkt__limits_resolve(const struct zkt_limits *given, struct zkt_limits *out,
                         const char **bad)
{
#define X(name, value, text)                                                   \
    if (given->name < 0 || (maxima.name > 0 && given->name > maxima.name)) {   \
        *bad = #name;                                                          \
        return false;                                                          \
    }                                                                          \
    out->name = given->name > 0 ? given->name : (value);
    ZKT_LIMITS_TABLE(X)
#undef X
    return true;
}
