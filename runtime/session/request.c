/* See request.h. */
#include "session/request.h"

#include <string.h>
#include <strings.h>

#include "http/head.h"

bool zkt__request_same(struct zkt_str a, struct zkt_str b)
{
    return a.len == b.len && strncasecmp(a.data, b.data, a.len) == 0;
}

bool zkt__request_begins(struct zkt_str text, struct zkt_str prefix)
{
    return text.len >= prefix.len &&
           memcmp(text.data, prefix.data, prefix.len) == 0;
}

/* ---- the id ---- */

/* Returns the first value of a field that is an id, or "". */
static struct zkt_str find_id(struct zkt_str fields, struct zkt_str name)
{
    struct zkt_str found, value;
    while (zkt__http_next_field(&fields, &found, &value)) {
        if (zkt__request_same(found, name) && zkt__trace_is_good(value)) {
            return value;
        }
    }
    return ZKT_STR("");
}

struct zkt_str zkt__request_id(const struct zkt_peer *peer,
                               struct zkt_str fields)
{
    if (!peer->has_proxy) {
        return ZKT_STR("");
    }
    const struct zkt_str id = find_id(fields, ZKT_STR("X-Request-Id"));
    return id.len > 0 ? id : find_id(fields, ZKT_STR("traceparent"));
}

/* ---- subprotocols ---- */

bool zkt__request_is_offer(struct zkt_str name)
{
    return zkt__request_same(name, ZKT_STR("Sec-WebSocket-Protocol"));
}

/* The subprotocol to select, as far as the offers are known. */
struct selection {
    struct zkt_str known, bearer; /* or "" */
};

/* A client prefers what we prefer, in whichever order it offers: one that
 * offers `zocket` first knows from the answer of a server that takes the first
 * offer of anybody that this is not ours. */
static void take_offers(struct selection *s, struct zkt_str offers)
{
    struct zkt_str offer;
    while (zkt__http_next_item(&offers, &offer)) {
        if (zkt_str_eq(offer, ZKT_STR(ZKT_WS_PROTOCOL_RFC6902))) {
            s->known = offer;
        } else if (zkt_str_eq(offer, ZKT_STR(ZKT_WS_PROTOCOL_PLAIN))) {
            s->known = s->known.len > 0 ? s->known : offer;
        } else if (s->bearer.len == 0 &&
                   zkt__request_begins(offer, ZKT_STR("bearer"))) {
            s->bearer = offer;
        }
    }
}

struct zkt_str zkt__request_protocol(const struct zkt_ws_request *request)
{
    if (request->protocols.len == 0) {
        return ZKT_STR("");
    }
    struct selection s = { ZKT_STR(""), ZKT_STR("") };
    struct zkt_str fields = request->fields;
    struct zkt_str name, value;
    if (!request->more_protocols) {
        take_offers(&s, request->protocols);
    } else {
        while (zkt__http_next_field(&fields, &name, &value)) {
            if (zkt__request_is_offer(name)) {
                take_offers(&s, value);
            }
        }
    }
    return s.known.len > 0 ? s.known : s.bearer;
}
