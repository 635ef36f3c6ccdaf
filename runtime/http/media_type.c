/* See media_type.h. */
#include "http/media_type.h"

#include "http/head.h"

static const struct {
    const char *ending, *type;
} types[] = {
#define TYPE(ending, type) { ending, type },
#include "http/media_types.def"
#undef TYPE
};

/* Returns the part behind the last dot, or "". */
static struct zkt_str ending_of(struct zkt_str name)
{
    size_t at = name.len;
    while (at > 0 && name.data[at - 1] != '.') {
        at--;
    }
    return at > 0 ? (struct zkt_str){ name.data + at, name.len - at }
                  : ZKT_STR("");
}

const char *zkt__http_media_type(struct zkt_str name)
{
    const struct zkt_str ending = ending_of(name);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (zkt__head_same(ending, types[i].ending)) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}
