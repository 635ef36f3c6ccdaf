/* See limits.h. Generated from the table of limits. */
#include "base/limits.h"

#include "zocket/codec.h"

/* The maximum of each limit; 0: unbounded. */
static const struct zkt_limits maxima = {
    .json_depth = ZKT_DEPTH_MAX, /* bounds the path of a reader */
    .issues = 1024, /* kept in order by insertion, which is quadratic */
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
