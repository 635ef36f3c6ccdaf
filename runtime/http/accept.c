/* See accept.h. */
#include "http/accept.h"

#include "http/head.h"

/* Takes the part before @sign off @text, without white space around it. */
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

bool zkt__http_next_accepted(struct zkt_str *list, struct zkt_str *name,
                             int *weight)
{
    struct zkt_str item;
    while (zkt__http_next_item(list, &item)) {
        *name = take_before(&item, ';');
        *weight = read_weight(item);
        if (*weight >= 0) {
            return true;
        }
    }
    return false;
}

int zkt__http_accepted_type(struct zkt_str fields, const char *type)
{
    struct zkt_str name, value, item;
    int accepted = -1, weight;
    while (zkt__http_next_field(&fields, &name, &value)) {
        while (zkt__head_same(name, "Accept") &&
               zkt__http_next_accepted(&value, &item, &weight)) {
            accepted = zkt__head_same(item, type) ? weight : accepted;
        }
    }
    return accepted;
}
