/*
 * See request.h. An origin is compared by scheme, host and port (RFC 6454,
 * section 4), with a missing port as the default of the scheme.
 */
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

/* ---- subprotocols ---- */

bool zkt__request_is_offer(struct zkt_str name)
{
    return zkt__request_same(name, ZKT_STR("Sec-WebSocket-Protocol"));
}

/* The subprotocol to select, as far as the offers are known. */
struct selection {
    struct zkt_str known, bearer; /* or "" */
};

static void take_offers(struct selection *s, struct zkt_str offers)
{
    struct zkt_str offer;
    while (s->known.len == 0 && zkt__http_next_item(&offers, &offer)) {
        if (zkt_str_eq(offer, ZKT_STR(ZKT_WS_PROTOCOL_RFC6902)) ||
            zkt_str_eq(offer, ZKT_STR(ZKT_WS_PROTOCOL_PLAIN))) {
            s->known = offer;
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

/* ---- origins ---- */

struct origin {
    struct zkt_str scheme, host;
    uint32_t port;
};

/* Parses `:port`, or "" for the default of @scheme. Returns false if it is
 * neither. */
static bool parse_port(struct zkt_str scheme, struct zkt_str text,
                       uint32_t *port)
{
    if (text.len == 0) {
        *port = zkt__request_same(scheme, ZKT_STR("https"))  ? 443
                : zkt__request_same(scheme, ZKT_STR("http")) ? 80
                                                             : 0;
        return true;
    }
    *port = 0;
    for (size_t i = 1; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || *port > UINT16_MAX) {
            return false;
        }
        *port = *port * 10 + (uint32_t)(text.data[i] - '0');
    }
    return text.data[0] == ':' && text.len > 1 && *port <= UINT16_MAX;
}

/* Parses `host` or `host:port` of @scheme; the host may be an IPv6 address in
 * brackets. */
static bool parse_authority(struct zkt_str scheme, struct zkt_str text,
                            struct origin *out)
{
    const char *bracket = text.len > 0 && text.data[0] == '['
                              ? memchr(text.data, ']', text.len)
                              : NULL;
    const size_t from = bracket != NULL ? (size_t)(bracket - text.data) : 0;
    const char *colon = memchr(text.data + from, ':', text.len - from);
    const size_t len = colon != NULL ? (size_t)(colon - text.data) : text.len;
    const struct zkt_str rest = { text.data + len, text.len - len };
    out->scheme = scheme;
    out->host = (struct zkt_str){ text.data, len };
    for (size_t i = 0; i < len; i++) {
        if (strchr("/?#@*, \t", text.data[i]) != NULL) {
            return false;
        }
    }
    return len > 0 && parse_port(scheme, rest, &out->port);
}

/* Parses `scheme://host:port`. */
static bool parse_origin(struct zkt_str text, struct origin *out)
{
    static const char mark[] = "://";
    for (size_t i = 1; i + 3 <= text.len; i++) {
        if (memcmp(text.data + i, mark, 3) == 0) {
            return parse_authority(
                (struct zkt_str){ text.data, i },
                (struct zkt_str){ text.data + i + 3, text.len - i - 3 }, out);
        }
    }
    return false;
}

/* The domain of an entry `*.example.org`, with its dot; "" for another. */
static struct zkt_str domain_of(struct zkt_str entry)
{
    if (entry.len > 2 && zkt__request_begins(entry, ZKT_STR("*.")) &&
        memchr(entry.data + 1, '*', entry.len - 1) == NULL) {
        return (struct zkt_str){ entry.data + 1, entry.len - 1 };
    }
    return ZKT_STR("");
}

static bool is_in_domain(struct zkt_str host, struct zkt_str domain)
{
    return domain.len > 0 && host.len > domain.len &&
           zkt__request_same(
               (struct zkt_str){ host.data + host.len - domain.len,
                                 domain.len },
               domain);
}

static bool is_same_origin(const struct origin *a, const struct origin *b)
{
    return zkt__request_same(a->scheme, b->scheme) &&
           zkt__request_same(a->host, b->host) && a->port == b->port;
}

static bool entry_allows(struct zkt_str entry, struct zkt_str text)
{
    struct origin origin, allowed;
    if (zkt_str_eq(entry, ZKT_STR("*"))) {
        return true;
    }
    return parse_origin(text, &origin) &&
           (is_in_domain(origin.host, domain_of(entry)) ||
            (parse_origin(entry, &allowed) &&
             is_same_origin(&origin, &allowed)));
}

/* Returns true if @origin has the host and port of @host. */
static bool is_own(struct zkt_str origin, struct zkt_str host)
{
    struct origin theirs, ours;
    return parse_origin(origin, &theirs) &&
           parse_authority(theirs.scheme, host, &ours) &&
           is_same_origin(&theirs, &ours);
}

bool zkt__origin_is_allowed(const char *allowed,
                            const struct zkt_ws_request *request)
{
    struct zkt_str entry;
    if (request->origin.data == NULL) {
        return true;
    }
    if (allowed == NULL) {
        return is_own(request->origin, request->host);
    }
    struct zkt_str list = zkt_cstr(allowed);
    while (zkt__http_next_item(&list, &entry)) {
        if (entry_allows(entry, request->origin)) {
            return true;
        }
    }
    return false;
}

struct zkt_str zkt__origins_find_bad(const char *allowed)
{
    struct zkt_str list = zkt_cstr(allowed != NULL ? allowed : "");
    struct zkt_str entry;
    struct origin origin;
    while (zkt__http_next_item(&list, &entry)) {
        if (!zkt_str_eq(entry, ZKT_STR("*")) && domain_of(entry).len == 0 &&
            !parse_origin(entry, &origin)) {
            return entry;
        }
    }
    return ZKT_STR("");
}
