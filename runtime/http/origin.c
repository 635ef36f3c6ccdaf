/*
 * See origin.h. An origin is compared by scheme, host and port (RFC 6454,
 * section 4), with a missing port as the default of the scheme. A name is
 * compared as text, without the dot of the root at its end (RFC 1034, section
 * 3.1); an address of IPv6 has many texts, and is compared by value.
 */
#include "http/origin.h"

#include "base/ip.h"
#include "http/head.h"

struct origin {
    struct zkt_str scheme, host;
    uint32_t port;
};

static bool same(struct zkt_str a, struct zkt_str b)
{
    return a.len == b.len && strncasecmp(a.data, b.data, a.len) == 0;
}

/* Returns an IPv6 address without its brackets, or another host. */
static struct zkt_str without_brackets(struct zkt_str host)
{
    return host.len > 2 && host.data[0] == '[' && host.data[host.len - 1] == ']'
               ? (struct zkt_str){ host.data + 1, host.len - 2 }
               : host;
}

/* Returns a name without the dot at its end, or another host. */
static struct zkt_str without_root(struct zkt_str host)
{
    return host.len > 1 && host.data[host.len - 1] == '.'
               ? (struct zkt_str){ host.data, host.len - 1 }
               : host;
}

/* Returns true if one of the hosts may be an address of IPv6. */
static bool has_colon(struct zkt_str a, struct zkt_str b)
{
    return memchr(a.data, ':', a.len) != NULL ||
           memchr(b.data, ':', b.len) != NULL;
}

/* Returns true if both are the same host, with brackets or without. */
static bool same_host(struct zkt_str a, struct zkt_str b)
{
    struct zkt_ip left, right;
    a = without_brackets(a);
    b = without_brackets(b);
    return same(a, b) ||
           (has_colon(a, b) && zkt__ip_parse(a, &left) &&
            zkt__ip_parse(b, &right) &&
            memcmp(left.bytes, right.bytes, sizeof(left.bytes)) == 0);
}

/* ---- parsing ---- */

/* Parses `:port`, or "" for the default of @scheme. Returns false if it is
 * neither. */
static bool parse_port(struct zkt_str scheme, struct zkt_str text,
                       uint32_t *port)
{
    if (text.len == 0) {
        *port = zkt__head_same(scheme, "https")  ? 443
                : zkt__head_same(scheme, "http") ? 80
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
    if (text.len == 0) {
        return false;
    }
    const char *bracket = text.data[0] == '[' ? memchr(text.data, ']', text.len)
                                              : NULL;
    const size_t from = bracket != NULL ? (size_t)(bracket - text.data) : 0;
    const char *colon = memchr(text.data + from, ':', text.len - from);
    const size_t len = colon != NULL ? (size_t)(colon - text.data) : text.len;
    const struct zkt_str rest = { text.data + len, text.len - len };
    out->scheme = scheme;
    out->host = without_root((struct zkt_str){ text.data, len });
    for (size_t i = 0; i < len; i++) {
        if (strchr("/?#@*, \t", text.data[i]) != NULL) {
            return false;
        }
    }
    return len > 0 && parse_port(scheme, rest, &out->port);
}

/* Parses the host of a request. Its port may be empty (RFC 3986, section
 * 3.2.3); that of an origin may not. */
static bool parse_host(struct zkt_str scheme, struct zkt_str text,
                       struct origin *out)
{
    const bool empty = text.len > 0 && text.data[text.len - 1] == ':';
    return parse_authority(
        scheme, (struct zkt_str){ text.data, text.len - empty }, out);
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

static bool is_in_domain(struct zkt_str host, struct zkt_str domain)
{
    return domain.len > 0 && host.len > domain.len &&
           same((struct zkt_str){ host.data + host.len - domain.len,
                                  domain.len },
                domain);
}

/* Returns true for the names of loopback (RFC 6761, section 6.3) and its
 * addresses. */
static bool is_loopback(struct zkt_str host)
{
    struct zkt_ip ip;
    return zkt__head_same(host, "localhost") ||
           is_in_domain(host, ZKT_STR(".localhost")) ||
           (zkt__ip_parse(without_brackets(host), &ip) &&
            zkt__ip_is_loopback(&ip));
}

/* The domain of an entry `*.example.org`, with its first dot; "" for another.
 */
static struct zkt_str domain_of(struct zkt_str entry)
{
    entry = without_root(entry);
    if (entry.len > 2 && memcmp(entry.data, "*.", 2) == 0 &&
        memchr(entry.data + 1, '*', entry.len - 1) == NULL) {
        return (struct zkt_str){ entry.data + 1, entry.len - 1 };
    }
    return ZKT_STR("");
}

/* ---- hosts ---- */

static bool names(struct zkt_str entry, struct zkt_str host)
{
    return zkt__head_same(entry, "*") || is_in_domain(host, domain_of(entry)) ||
           same_host(without_root(entry), host);
}

bool zkt__origin_serves(const struct zkt_origin_rules *rules,
                        const struct zkt_origin_way *way)
{
    struct origin named;
    struct zkt_str entry;
    if (way->host.len == 0 || (rules->server_names == NULL && !way->loopback)) {
        return true;
    }
    if (!parse_host(ZKT_STR("http"), way->host, &named)) {
        return false;
    }
    if (rules->server_names == NULL) {
        return is_loopback(named.host);
    }
    struct zkt_str list = zkt_cstr(rules->server_names);
    while (zkt__http_next_item(&list, &entry)) {
        if (names(entry, named.host)) {
            return true;
        }
    }
    return false;
}

bool zkt__origin_is_host(struct zkt_str host)
{
    struct origin named;
    return parse_host(ZKT_STR("http"), host, &named);
}

/* ---- origins ---- */

static bool is_same_origin(const struct origin *a, const struct origin *b)
{
    return same(a->scheme, b->scheme) && same_host(a->host, b->host) &&
           a->port == b->port;
}

/* Returns true if an origin has the host and port of the request. A page that
 * has come without TLS is not the server's own if the server has TLS: anybody
 * on the way can have written it. */
static bool is_own(struct zkt_str text, const struct zkt_origin_way *way)
{
    struct origin theirs, ours;
    return parse_origin(text, &theirs) &&
           parse_host(theirs.scheme, way->host, &ours) &&
           is_same_origin(&theirs, &ours) &&
           (!way->secure || zkt__head_same(theirs.scheme, "https"));
}

static bool is_allowed_by_default(struct zkt_str text,
                                  const struct zkt_origin_way *way)
{
    struct origin origin;
    return is_own(text, way) || (way->loopback && parse_origin(text, &origin) &&
                                 is_loopback(origin.host));
}

/* Returns true if an entry other than "*" allows an origin. */
static bool entry_allows(struct zkt_str entry, struct zkt_str text)
{
    struct origin origin, allowed;
    if (zkt_str_eq(entry, ZKT_STR("null"))) {
        return zkt_str_eq(text, entry);
    }
    return parse_origin(text, &origin) &&
           (is_in_domain(origin.host, domain_of(entry)) ||
            (parse_origin(entry, &allowed) &&
             is_same_origin(&origin, &allowed)));
}

static bool is_all(struct zkt_str entry)
{
    return zkt_str_eq(entry, ZKT_STR("*"));
}

/* Looks an origin up in the option. An entry that names it has precedence of
 * "*": its pages may use the cookies of their users. "null" is the origin of
 * many pages, and has no cookies. */
static enum zkt_origin_verdict look_up(const char *allow_origins,
                                       struct zkt_str text,
                                       enum zkt_http_cors *cors)
{
    struct zkt_str list = zkt_cstr(allow_origins);
    struct zkt_str entry;
    bool all = false;
    while (zkt__http_next_item(&list, &entry)) {
        if (entry_allows(entry, text)) {
            *cors = zkt_str_eq(text, ZKT_STR("null")) ? ZKT_HTTP_CORS_ALL
                                                      : ZKT_HTTP_CORS_ORIGIN;
            return ZKT_ORIGIN_ALLOWED;
        }
        all = all || is_all(entry);
    }
    *cors = all ? ZKT_HTTP_CORS_ALL : ZKT_HTTP_CORS_NONE;
    return all ? ZKT_ORIGIN_ALLOWED : ZKT_ORIGIN_FOREIGN;
}

static bool allows_all(const char *allow_origins)
{
    struct zkt_str list = zkt_cstr(allow_origins != NULL ? allow_origins : "");
    struct zkt_str entry;
    while (zkt__http_next_item(&list, &entry)) {
        if (is_all(entry)) {
            return true;
        }
    }
    return false;
}

static bool is_navigation(const struct zkt_http_request *request)
{
    const struct zkt_str mode = zkt__http_find(request->fields,
                                               "Sec-Fetch-Mode");
    return (request->method == ZKT_HTTP_GET ||
            request->method == ZKT_HTTP_HEAD) &&
           !request->asks_websocket && zkt__head_same(mode, "navigate");
}

enum zkt_origin_verdict zkt__origin_check(
    const struct zkt_origin_rules *rules, const struct zkt_origin_way *way,
    const struct zkt_http_request *request, enum zkt_http_cors *cors)
{
    const struct zkt_str origin = zkt__http_value(request,
                                                  ZKT_HTTP_FIELD_ORIGIN);
    *cors = ZKT_HTTP_CORS_NONE;
    if (origin.data == NULL) {
        return zkt__http_has(request, ZKT_HTTP_FIELD_SEC_FETCH_SITE,
                             "cross-site") &&
                       !is_navigation(request) &&
                       !allows_all(rules->allow_origins)
                   ? ZKT_ORIGIN_CROSS_SITE
                   : ZKT_ORIGIN_ALLOWED;
    }
    if (rules->allow_origins != NULL) {
        return look_up(rules->allow_origins, origin, cors);
    }
    if (!is_allowed_by_default(origin, way)) {
        return ZKT_ORIGIN_FOREIGN;
    }
    *cors = ZKT_HTTP_CORS_ORIGIN;
    return ZKT_ORIGIN_ALLOWED;
}

struct zkt_str zkt__origin_shown(struct zkt_str origin)
{
    struct origin parsed;
    struct zkt_str shown = origin;
    if (zkt_str_eq(origin, ZKT_STR("null")) || parse_origin(origin, &parsed)) {
        return origin;
    }
    for (shown.len = 0; shown.len < origin.len; shown.len++) {
        if (strchr("?#@", origin.data[shown.len]) != NULL) {
            break;
        }
    }
    return shown.len == origin.len || origin.data[shown.len] != '@'
               ? shown
               : ZKT_STR("");
}

bool zkt__origin_is_preflight(const struct zkt_http_request *request)
{
    return request->method == ZKT_HTTP_OPTIONS &&
           zkt__http_value(request, ZKT_HTTP_FIELD_ORIGIN).data != NULL &&
           zkt__http_find(request->fields, "Access-Control-Request-Method")
                   .data != NULL;
}

/* ---- options ---- */

struct zkt_str zkt__origin_find_bad(const char *allow_origins)
{
    struct zkt_str list = zkt_cstr(allow_origins != NULL ? allow_origins : "");
    struct zkt_str entry;
    struct origin origin;
    while (zkt__http_next_item(&list, &entry)) {
        if (!is_all(entry) && !zkt_str_eq(entry, ZKT_STR("null")) &&
            domain_of(entry).len == 0 && !parse_origin(entry, &origin)) {
            return entry;
        }
    }
    return ZKT_STR("");
}

/* A name has no port, so that a colon is one of IPv6. */
static bool is_name(struct zkt_str entry)
{
    struct zkt_ip ip;
    struct origin named;
    return zkt__ip_parse(without_brackets(entry), &ip) ||
           (memchr(entry.data, ':', entry.len) == NULL &&
            parse_authority(ZKT_STR("http"), entry, &named));
}

struct zkt_str zkt__origin_find_bad_name(const char *server_names)
{
    struct zkt_str list = zkt_cstr(server_names != NULL ? server_names : "");
    struct zkt_str entry;
    while (zkt__http_next_item(&list, &entry)) {
        if (!is_all(entry) && domain_of(entry).len == 0 && !is_name(entry)) {
            return entry;
        }
    }
    return ZKT_STR("");
}
