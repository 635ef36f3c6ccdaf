/* See coding.h. */
#include "http/coding.h"

#include <stdbool.h>

#include "http/head.h"

enum {
    UNNAMED = -1
};

/* The weights of codings and of `*`, in thousandths, or UNNAMED. */
struct weights {
    int codings[ZKT_HTTP_CODING_COUNT], others;
};

/* Takes what stands before @sign off @text, without white space around it. */
static struct zkt_str take_before(struct zkt_str *text, char sign)
{
    const char *found = memchr(text->data, sign, text->len);
    const size_t len = found != NULL ? (size_t)(found - text->data) : text->len;
    const struct zkt_str part = { text->data, len };
    const size_t taken = len + (found != NULL);
    *text = (struct zkt_str){ text->data + taken, text->len - taken };
    return zkt__head_strip(part);
}

/* Reads a number from 0 to 1 with at most three digits behind the point.
 * Returns it in thousandths, or -1. */
static int parse_weight(struct zkt_str text)
{
    int weight = 0;
    if (text.len == 0 || text.len > 5 ||
        (text.len > 1 && text.data[1] != '.')) {
        return -1;
    }
    for (size_t i = 0; i < 5; i++) {
        const char c = i < text.len ? text.data[i] : '0';
        if (i == 1) {
            continue;
        }
        if (c < '0' || c > '9') {
            return -1;
        }
        weight = weight * 10 + (c - '0');
    }
    return weight <= ZKT_HTTP_WEIGHT_MAX ? weight : -1;
}

/* Reads the parameters of an item. Returns the weight, or -1. */
static int read_weight(struct zkt_str parameters)
{
    int weight = ZKT_HTTP_WEIGHT_MAX;
    while (parameters.len > 0) {
        struct zkt_str value = take_before(&parameters, ';');
        if (zkt__head_same(take_before(&value, '='), "q")) {
            weight = parse_weight(value);
        }
    }
    return weight;
}

static void read_item(struct weights *weights, struct zkt_str item)
{
    const struct zkt_str name = take_before(&item, ';');
    const int weight = read_weight(item);
    if (weight < 0) {
        return;
    }
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
    while (zkt__http_next_field(&fields, &name, &value)) {
        while (zkt__head_same(name, "Accept-Encoding") &&
               zkt__http_next_item(&value, &item)) {
            read_item(&weights, item);
        }
    }
    for (int i = 0; i < ZKT_HTTP_CODING_COUNT; i++) {
        accepted.weights[i] = (uint16_t)weight_of(&weights, i);
    }
    return accepted;
}
