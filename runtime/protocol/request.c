/* See request.h. */
#include "protocol/request.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

bool zkt__trace_is_good(struct zkt_str text)
{
    for (size_t i = 0; i < text.len && i <= ZKT_TRACE_MAX; i++) {
        const char c = text.data[i];
        if (!is_alphanumeric(c) && c != '.' && c != '_' && c != '-') {
            return false;
        }
    }
    return text.len > 0 && text.len <= ZKT_TRACE_MAX;
}

const char *zkt__trace_keep(struct zkt_arena *arena, const char *trace)
{
    return trace != NULL ? zkt__arena_str(arena, zkt_cstr(trace)).data : NULL;
}

struct zkt_str zkt__request_print(const struct zkt_request_numbers *numbers,
                                  const struct zkt_request *request,
                                  char out[ZKT_REQUEST_SIZE])
{
    const unsigned shard = (unsigned)(request->number >> 56);
    const unsigned long long count = request->number & (UINT64_MAX >> 8);
    int len = 0;
    if (request->trace != NULL) {
        len = snprintf(out, ZKT_REQUEST_SIZE, "%s", request->trace);
    } else if (request->number != 0 && shard == 0) {
        len = snprintf(out, ZKT_REQUEST_SIZE, "%012llx-%llx",
                       (unsigned long long)numbers->prefix, count);
    } else if (request->number != 0) {
        len = snprintf(out, ZKT_REQUEST_SIZE, "%012llx-%llx.%u",
                       (unsigned long long)numbers->prefix, count, shard);
    }
    return (struct zkt_str){ len > 0 ? out : "", (size_t)len };
}
