/* See coding.h. */
#include "http/coding.h"

#include <stdbool.h>

#include "http/accept.h"
#include "http/head.h"

enum {
    UNNAMED = -1
};

/* The weights of codings and of `*`, in thousandths, or UNNAMED. */
struct weights {
    int codings[ZKT_HTTP_CODING_COUNT], others;
};

static void take_item(struct weights *weights, struct zkt_str name, int weight)
{
    if (zkt__head_same(name, "br")) {
        weights->codings[ZKT_HTTP_CODING_BR] = weight;
    } else if (zkt__head_same(name, "gzip") || zkt__head_same(name, "x-gzip")) {
        weights->codings[ZKT_HTTP_CODING_GZIP] = weight;
    } else if (zkt__head_same(name, "identity")) {
        weights->codings[ZKT_HTTP_CODING_IDENTITY] = weight;
    } else if (zkt__head_same(name, "*")) {
        weights->others = weight;
    }
}

static int weight_of(const struct weights *weights, int coding)
{
    if (weights->codings[coding] != UNNAMED) {
        return weights->codings[coding];
    }
    if (weights->others != UNNAMED) {
        return weights->others;
    }
    return coding == ZKT_HTTP_CODING_IDENTITY ? 1 : 0;
}

struct zkt_http_accepted zkt__http_accepted(struct zkt_str fields)
{
    struct weights weights = { { UNNAMED, UNNAMED, UNNAMED }, UNNAMED };
    struct zkt_http_accepted accepted;
    struct zkt_str name, value, item;
    int weight;
    while (zkt__http_next_field(&fields, &name, &value)) {
        while (zkt__head_same(name, "Accept-Encoding") &&
               zkt__http_next_accepted(&value, &item, &weight)) {
            take_item(&weights, item, weight);
        }
    }
    for (int i = 0; i < ZKT_HTTP_CODING_COUNT; i++) {
        accepted.weights[i] = (uint16_t)weight_of(&weights, i);
    }
    return accepted;
}
