/*
 * See forwarded.h. An item is found back from the end of a line, also within
 * quotes: the trusted proxy has written the end, and a quote that its client
 * has left open does not reach it. Where an item is malformed, the reading
 * ends, with the last hop that is known.
 */
#include "http/forwarded.h"

#include "http/head.h"
#include "http/request.h"

/* ---- trusted proxies ---- */

struct zkt_proxies *zkt__proxies_new(const struct zkt_allocator *allocator,
                                     const char *list)
{
    struct zkt_str rest = zkt_cstr(list);
    struct zkt_str item;
    size_t count = 0;
    while (zkt__http_next_item(&rest, &item)) {
        count++;
    }
    struct zkt_proxies *proxies = zkt__alloc_zero(
        allocator, 1, sizeof(*proxies) + count * sizeof(proxies->all[0]));
    if (proxies == NULL) {
        return NULL;
    }
    rest = zkt_cstr(list);
    while (zkt__http_next_item(&rest, &item)) {
        if (zkt_str_eq(item, ZKT_STR("unix"))) {
            proxies->unix_sockets = true;
        } else if (zkt__network_parse(item, &proxies->all[proxies->count])) {
            proxies->count++;
        }
    }
    return proxies;
}

struct zkt_str zkt__proxies_find_bad(const char *list)
{
    struct zkt_str rest = zkt_cstr(list != NULL ? list : "");
    struct zkt_str item;
    struct zkt_network network;
    while (zkt__http_next_item(&rest, &item)) {
        if (!zkt_str_eq(item, ZKT_STR("unix")) &&
            !zkt__network_parse(item, &network)) {
            return item;
        }
    }
    return ZKT_STR("");
}

bool zkt__proxies_trust(const struct zkt_proxies *proxies,
                        const struct zkt_ip *ip)
{
    for (uint32_t i = 0; i < proxies->count; i++) {
        if (zkt__network_has(&proxies->all[i], ip)) {
            return true;
        }
    }
    return false;
}

/* ---- lists, from the right ---- */

/* The lines of a field that are not read. */
struct lines {
    size_t count;
    struct zkt_str all[ZKT_HTTP_FIELDS_MAX];
};

static void find_lines(struct zkt_str fields, const char *name,
                       struct lines *out)
{
    struct zkt_str found, value;
    out->count = 0;
    while (out->count < ZKT_HTTP_FIELDS_MAX &&
           zkt__http_next_field(&fields, &found, &value)) {
        if (zkt__head_same(found, name)) {
            out->all[out->count++] = value;
        }
    }
}

/* Returns true if a backslash makes the character at @at a literal one. */
static bool is_escaped(struct zkt_str line, size_t at)
{
    size_t before = at;
    while (before > 0 && line.data[before - 1] == '\\') {
        before--;
    }
    return (at - before) % 2 != 0;
}

/* Returns the place behind the last comma that is not within quotes, or 0. */
static size_t find_item(struct zkt_str line)
{
    bool quoted = false;
    for (size_t i = line.len; i > 0; i--) {
        const char c = line.data[i - 1];
        if (c == '"' && !is_escaped(line, i - 1)) {
            quoted = !quoted;
        } else if (c == ',' && !quoted) {
            return i;
        }
    }
    return 0;
}

/* Takes the last item that is not empty off the lines. Returns false if there
 * is none. */
static bool take_last(struct lines *lines, struct zkt_str *item)
{
    while (lines->count > 0) {
        struct zkt_str *line = &lines->all[lines->count - 1];
        const size_t from = find_item(*line);
        *item = zkt__head_strip(
            (struct zkt_str){ line->data + from, line->len - from });
        line->len = from > 0 ? from - 1 : 0;
        lines->count -= from == 0;
        if (item->len > 0) {
            return true;
        }
    }
    return false;
}

/* Returns item number @hop of a field, from the right, or its first one if it
 * has fewer: some proxies replace these fields where others append. Data NULL:
 * there is none. */
static struct zkt_str find_of_hop(struct zkt_str fields, const char *name,
                                  unsigned hop)
{
    struct lines lines;
    struct zkt_str item, found = { NULL, 0 };
    find_lines(fields, name, &lines);
    for (unsigned i = 0; i <= hop && take_last(&lines, &item); i++) {
        found = item;
    }
    return found;
}

/* ---- hops ---- */

/* Returns true for a port behind an address, or for the name of one (RFC 7239,
 * section 6). */
static bool is_port(struct zkt_str text)
{
    size_t n = 1;
    while (n < text.len &&
           (text.data[n] == '_' || text.data[n] == '.' || text.data[n] == '-' ||
            (text.data[n] >= '0' && text.data[n] <= '9') ||
            (text.data[n] >= 'a' && text.data[n] <= 'z') ||
            (text.data[n] >= 'A' && text.data[n] <= 'Z'))) {
        n++;
    }
    return text.len > 1 && text.data[0] == ':' && n == text.len;
}

/* Parses an address, with a port or without. An IPv6 address stands in
 * brackets, or has no port. */
static bool parse_hop(struct zkt_str text, struct zkt_ip *ip)
{
    if (text.len == 0) {
        return false;
    }
    const bool bracketed = text.data[0] == '[';
    const char *first = memchr(text.data, ':', text.len);
    const char *end = text.data + text.len;
    if (bracketed) {
        end = memchr(text.data, ']', text.len);
        if (end == NULL || first == NULL || first > end) {
            return false;
        }
        text.data++;
        text.len--;
    } else if (first != NULL &&
               memchr(first + 1, ':', (size_t)(end - first) - 1) == NULL) {
        end = first;
    }
    const size_t len = (size_t)(end - text.data);
    const struct zkt_str rest = { end + bracketed, text.len - len - bracketed };
    return zkt__ip_parse((struct zkt_str){ text.data, len }, ip) &&
           (rest.len == 0 || is_port(rest));
}

/* Notes the address of a hop, if it is one. Returns true if it is a trusted
 * proxy's, so that the hop before it may be looked at. */
static bool pass_hop(const struct zkt_proxies *proxies, struct zkt_str text,
                     struct zkt_forwarded *out)
{
    struct zkt_ip ip;
    if (!parse_hop(text, &ip)) {
        return false;
    }
    out->has_ip = true;
    out->ip = ip;
    return zkt__proxies_trust(proxies, &ip);
}

static bool is_secure(struct zkt_str proto)
{
    return zkt__head_same(proto, "https") || zkt__head_same(proto, "wss");
}

/* ---- X-Forwarded-For ---- */

static void read_x_forwarded(const struct zkt_proxies *proxies,
                             struct zkt_str fields, struct zkt_forwarded *out)
{
    struct lines lines;
    struct zkt_str item;
    unsigned hop = 0; /* of the client */
    bool passed = true;
    find_lines(fields, "X-Forwarded-For", &lines);
    for (unsigned i = 0;
         i <= ZKT_FORWARDED_HOPS && passed && take_last(&lines, &item); i++) {
        passed = pass_hop(proxies, item, out);
        hop = i;
    }
    out->secure = is_secure(find_of_hop(fields, "X-Forwarded-Proto", hop));
    out->host = find_of_hop(fields, "X-Forwarded-Host", hop);
}

/* ---- Forwarded ---- */

/* The parameters of an element; data NULL: absent. */
struct element {
    struct zkt_str hop, host, proto;
};

/* Takes the value of a parameter off @text: a token, or a quoted string
 * without escapes. Returns false if it is malformed. */
static bool take_value(struct zkt_str *text, struct zkt_str *value)
{
    const bool quoted = text->len > 0 && text->data[0] == '"';
    const char stop = quoted ? '"' : ';';
    size_t n = quoted;
    while (n < text->len && text->data[n] != stop) {
        if (text->data[n] == '\\' || (!quoted && text->data[n] == '"')) {
            return false;
        }
        n++;
    }
    *value = (struct zkt_str){ text->data + quoted, n - quoted };
    if (quoted && n == text->len) {
        return false;
    }
    n += quoted;
    *text = zkt__head_strip((struct zkt_str){ text->data + n, text->len - n });
    return true;
}

/* Keeps a parameter that is known. Returns false if it was there before. */
static bool keep(struct element *element, struct zkt_str name,
                 struct zkt_str value)
{
    struct zkt_str *to = zkt__head_same(name, "for")     ? &element->hop
                         : zkt__head_same(name, "host")  ? &element->host
                         : zkt__head_same(name, "proto") ? &element->proto
                                                         : NULL;
    if (to != NULL && to->data != NULL) {
        return false;
    }
    if (to != NULL) {
        *to = value;
    }
    return true;
}

/* Parses `for=192.0.2.1;proto=https` (RFC 7239, section 4). */
static bool parse_element(struct zkt_str text, struct element *out)
{
    *out = (struct element){ { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
    while (text.len > 0) {
        struct zkt_str value;
        size_t n = 0;
        while (n < text.len && zkt__head_token[(unsigned char)text.data[n]]) {
            n++;
        }
        const struct zkt_str name = { text.data, n };
        if (n == 0 || n == text.len || text.data[n] != '=') {
            return false;
        }
        text = (struct zkt_str){ text.data + n + 1, text.len - n - 1 };
        if (!take_value(&text, &value) || !keep(out, name, value)) {
            return false;
        }
        if (text.len > 0) {
            if (text.data[0] != ';') {
                return false;
            }
            text = zkt__head_strip(
                (struct zkt_str){ text.data + 1, text.len - 1 });
        }
    }
    return true;
}

static void read_forwarded(const struct zkt_proxies *proxies,
                           struct zkt_str fields, struct zkt_forwarded *out)
{
    struct lines lines;
    struct zkt_str item;
    struct element element;
    find_lines(fields, "Forwarded", &lines);
    for (unsigned hop = 0;
         hop <= ZKT_FORWARDED_HOPS && take_last(&lines, &item) &&
         parse_element(item, &element);
         hop++) {
        if (element.host.data != NULL) {
            out->host = element.host;
        }
        if (element.proto.data != NULL) {
            out->secure = is_secure(element.proto);
        }
        if (!pass_hop(proxies, element.hop, out)) {
            return;
        }
    }
}

/* ---- both ---- */

void zkt__forwarded_read(enum zkt_forwarded_by by,
                         const struct zkt_proxies *proxies,
                         struct zkt_str fields, struct zkt_forwarded *out)
{
    *out = (struct zkt_forwarded){ .has_ip = false };
    if (by == ZKT_FORWARDED_BY_X_FORWARDED_FOR) {
        read_x_forwarded(proxies, fields, out);
    } else if (by == ZKT_FORWARDED_BY_FORWARDED) {
        read_forwarded(proxies, fields, out);
    }
}
