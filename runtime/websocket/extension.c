/*
 * The negotiation of permessage-deflate: Sec-WebSocket-Extensions (RFC 6455,
 * section 9.1; RFC 7692, sections 5 and 7.1).
 */
#include <string.h>

#include "http/head.h"
#include "http/request.h"
#include "websocket/deflate.h"

const char zkt__deflate_offered[] =
    "permessage-deflate; server_no_context_takeover; "
    "client_no_context_takeover";

enum parameter {
    SERVER_NO_CONTEXT,
    CLIENT_NO_CONTEXT,
    SERVER_WINDOW,
    CLIENT_WINDOW,
    PARAMETERS
};

static const char *const names[PARAMETERS] = {
    [SERVER_NO_CONTEXT] = "server_no_context_takeover",
    [CLIENT_NO_CONTEXT] = "client_no_context_takeover",
    [SERVER_WINDOW] = "server_max_window_bits",
    [CLIENT_WINDOW] = "client_max_window_bits",
};

enum {
    WINDOW_LEAST = 8,
    WINDOW_MOST = 15,
    NO_VALUE = 0
};

/* The parameters of an extension: the number of bits of a window, or NO_VALUE.
 */
struct parameters {
    bool has[PARAMETERS];
    int value[PARAMETERS];
};

/* Takes the text up to a ';' off the front. */
static struct zkt_str take_part(struct zkt_str *text)
{
    const char *end = text->len > 0 ? memchr(text->data, ';', text->len) : NULL;
    const size_t len = end != NULL ? (size_t)(end - text->data) : text->len;
    const struct zkt_str part = { text->data, len };
    const size_t used = len + (end != NULL);
    *text = (struct zkt_str){ text->data + used, text->len - used };
    return zkt__head_strip(part);
}

/* Parses the bits of a window, perhaps in quotes. Returns -1 if it is no number
 * of bits. */
static int parse_bits(struct zkt_str text)
{
    if (text.len >= 2 && text.data[0] == '"' &&
        text.data[text.len - 1] == '"') {
        text = (struct zkt_str){ text.data + 1, text.len - 2 };
    }
    int bits = 0;
    for (size_t i = 0; i < text.len; i++) {
        const bool digit = text.data[i] >= (i == 0 ? '1' : '0') &&
                           text.data[i] <= '9';
        bits = digit && bits < 100 ? bits * 10 + text.data[i] - '0' : 1000;
    }
    return bits >= WINDOW_LEAST && bits <= WINDOW_MOST ? bits : -1;
}

/* Returns false if a value stands where none may, or the other way around. */
static bool take_value(struct parameters *p, enum parameter which, bool given,
                       struct zkt_str value)
{
    if (which == SERVER_NO_CONTEXT || which == CLIENT_NO_CONTEXT) {
        return !given;
    }
    p->value[which] = given ? parse_bits(value) : NO_VALUE;
    return p->value[which] >= 0;
}

static bool take_parameter(struct parameters *p, struct zkt_str text)
{
    const char *sign = text.len > 0 ? memchr(text.data, '=', text.len) : NULL;
    const size_t len = sign != NULL ? (size_t)(sign - text.data) : text.len;
    const struct zkt_str name = zkt__head_strip(
        (struct zkt_str){ text.data, len });
    const struct zkt_str value = zkt__head_strip(
        sign != NULL ? (struct zkt_str){ sign + 1, text.len - len - 1 }
                     : ZKT_STR(""));
    for (enum parameter i = 0; i < PARAMETERS; i++) {
        if (zkt__head_same(name, names[i])) {
            const bool again = p->has[i];
            p->has[i] = true;
            return !again && take_value(p, i, sign != NULL, value);
        }
    }
    return false;
}

/* Parses `permessage-deflate; a; b=1`. Returns false if it is another
 * extension, or has an unknown, a repeated or an invalid parameter. */
static bool parse_extension(struct zkt_str text, struct parameters *p)
{
    *p = (struct parameters){ .has = { false } };
    if (!zkt__head_same(take_part(&text), "permessage-deflate")) {
        return false;
    }
    while (text.len > 0) {
        if (!take_parameter(p, take_part(&text))) {
            return false;
        }
    }
    return true;
}

void zkt__deflate_read_offers(struct zkt_str line,
                              struct zkt_deflate_offer *offer)
{
    struct zkt_str item;
    struct parameters p;
    while (!offer->accepted && zkt__http_next_item(&line, &item)) {
        offer->accepted = parse_extension(item, &p) &&
                          (!p.has[SERVER_WINDOW] ||
                           p.value[SERVER_WINDOW] == WINDOW_MOST);
        offer->window = offer->accepted && p.has[SERVER_WINDOW];
    }
}

bool zkt__deflate_is_accepted(struct zkt_str line)
{
    struct parameters p;
    return parse_extension(line, &p) && p.has[SERVER_NO_CONTEXT] &&
           !p.has[CLIENT_WINDOW] &&
           (!p.has[SERVER_WINDOW] || p.value[SERVER_WINDOW] != NO_VALUE);
}
