/* See url.h. */
#include "net/url.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"
#include "net/unix_socket.h"

enum {
    DEFAULT_PORT = 80,
    DEFAULT_TLS_PORT = 443
};

static uint16_t default_port(const struct zkt_url *url)
{
    return url->is_tls ? DEFAULT_TLS_PORT : DEFAULT_PORT;
}

/* ---- characters (RFC 3986, section 2 and appendix A) ---- */

/* In ASCII, independent of the locale. */
static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || (c != '\0' && strchr("-._~", c) != NULL);
}

static bool is_sub_delim(char c)
{
    return c != '\0' && strchr("!$&'()*+,;=", c) != NULL;
}

/* Legal in a path or query; a percent sign begins an escape. */
static bool is_path(char c)
{
    return is_unreserved(c) || is_sub_delim(c) ||
           (c != '\0' && strchr(":@/?%", c) != NULL);
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    const char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Returns the character of the escape `%XX` at @at, or -1. */
static int unescape(const char *at, const char *end)
{
    if (end - at < 3 || hex_value(at[1]) < 0 || hex_value(at[2]) < 0) {
        return -1;
    }
    return hex_value(at[1]) * 16 + hex_value(at[2]);
}

/* ---- the authority ---- */

static const char *parse_port(struct zkt_str text, struct zkt_url *out)
{
    unsigned long port = 0;
    for (size_t i = 0; i < text.len && port <= UINT16_MAX; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return "its port is no number from 1 to 65535";
        }
        port = port * 10 + (unsigned long)(text.data[i] - '0');
    }
    /* "Empty" is legal, and the default (RFC 3986, section 3.2.3). */
    if (text.len == 0) {
        port = default_port(out);
    }
    if (port == 0 || port > UINT16_MAX) {
        return "its port is no number from 1 to 65535";
    }
    out->port = (uint16_t)port;
    return NULL;
}

static bool append(char *to, size_t *len, char c)
{
    if (*len == ZKT_HOST_MAX) {
        return false;
    }
    to[(*len)++] = c;
    to[*len] = '\0';
    return true;
}

/* Parses a name or an IPv4 address; decodes escapes. */
static const char *parse_name(struct zkt_str text, struct zkt_url *out)
{
    const char *end = text.data + text.len;
    size_t len = 0;
    for (const char *at = text.data; at < end; at++) {
        int c = (unsigned char)*at;
        if (c == '%') {
            c = unescape(at, end);
            at += 2;
        }
        if (c < 0 || c > 0x7f ||
            (!is_unreserved((char)c) && !is_sub_delim((char)c))) {
            return "its host has characters that no host has; a name in other "
                   "scripts is to be written as xn--";
        }
        if (!append(out->host, &len, (char)c)) {
            return "its host is too long";
        }
    }
    return len > 0 ? NULL : "its host is empty";
}

/*
 * Parses an IPv6 address, without its brackets. A zone follows `%25` (RFC 6874,
 * section 2); a bare percent sign is accepted as well, as section 3 suggests. A
 * zone has a meaning on this machine only, so the Host header omits it (section
 * 4).
 */
static const char *parse_address(struct zkt_str text, struct zkt_url *out,
                                 size_t *address_len)
{
    static const char wrong[] = "its brackets hold no IPv6 address";
    struct in6_addr address;
    const char *zone = memchr(text.data, '%', text.len);
    size_t len = zone != NULL ? (size_t)(zone - text.data) : text.len;
    if (len >= INET6_ADDRSTRLEN || text.len > ZKT_HOST_MAX) {
        return wrong;
    }
    memcpy(out->host, text.data, len);
    out->host[len] = '\0';
    *address_len = len;
    if (inet_pton(AF_INET6, out->host, &address) != 1) {
        return wrong;
    }
    if (zone == NULL) {
        return NULL;
    }
    const char *end = text.data + text.len;
    zone += unescape(zone, end) == '%' ? 3 : 1;
    (void)append(out->host, &len, '%');
    for (const char *at = zone; at < end; at++) {
        if (!is_unreserved(*at)) {
            return wrong;
        }
        (void)append(out->host, &len, *at);
    }
    return zone < end ? NULL : wrong;
}

/* The Host header: "its value contains /host/ plus optionally ":" followed by
 * /port/ (when not using the default port)" (RFC 6455, section 4.1). */
static void write_authority(struct zkt_url *out, size_t address_len)
{
    const bool is_address = address_len > 0;
    const int len = (int)(is_address ? address_len : strlen(out->host));
    char port[8] = "";
    if (out->port != default_port(out)) {
        snprintf(port, sizeof(port), ":%u", (unsigned)out->port);
    }
    snprintf(out->authority, sizeof(out->authority), "%s%.*s%s%s",
             is_address ? "[" : "", len, out->host, is_address ? "]" : "",
             port);
}

static const char *parse_authority(struct zkt_str text, struct zkt_url *out)
{
    struct zkt_str host = text;
    const char *after, *wrong;
    size_t address_len = 0;
    if (memchr(text.data, '@', text.len) != NULL) {
        return "it has user information, which ws:// has not";
    }
    if (text.len > 0 && text.data[0] == '[') {
        const char *close = memchr(text.data, ']', text.len);
        if (close == NULL) {
            return "its address lacks the closing bracket";
        }
        after = close + 1;
        host = (struct zkt_str){ text.data + 1,
                                 (size_t)(close - text.data) - 1 };
        wrong = parse_address(host, out, &address_len);
    } else {
        const char *colon = memchr(text.data, ':', text.len);
        after = colon != NULL ? colon : text.data + text.len;
        host.len = (size_t)(after - text.data);
        wrong = parse_name(host, out);
    }
    if (wrong != NULL) {
        return wrong;
    }
    struct zkt_str port = { after, text.len - (size_t)(after - text.data) };
    if (port.len > 0 && port.data[0] != ':') {
        return "something stands between its host and its port";
    }
    if (port.len > 0) {
        port.data++;
        port.len--;
    }
    wrong = parse_port(port, out);
    write_authority(out, address_len);
    return wrong;
}

/* ---- a Unix socket ---- */

/* Decodes the path of the socket. */
static const char *parse_socket_path(struct zkt_str text, struct zkt_url *out)
{
    const char *end = text.data + text.len;
    size_t len = 0;
    if (text.len == 0 || text.data[0] != '/') {
        return "the path of its socket is not absolute";
    }
    for (const char *at = text.data; at < end; at++) {
        int c = (unsigned char)*at;
        if (c == '%') {
            c = unescape(at, end);
            at += 2;
        }
        if (c <= 0) {
            return "the path of its socket has a wrong escape";
        }
        if (len == ZKT_SOCKET_PATH_MAX) {
            return "the path of its socket is too long";
        }
        out->host[len++] = (char)c;
    }
    out->host[len] = '\0';
    return NULL;
}

/* "localhost" is the Host header, since RFC 6455 demands one and a path is no
 * host. */
static const char *parse_socket(const char *text, struct zkt_url *out)
{
    const size_t len = strcspn(text, ":?");
    const bool has_target = text[len] == ':';
    const char *rest = text + len + has_target;
    if (has_target && *rest != '/' && *rest != '?' && *rest != '\0') {
        return "its path does not begin with a slash";
    }
    out->is_unix = true;
    out->port = 0;
    out->rest = zkt_cstr(rest);
    snprintf(out->authority, sizeof(out->authority), "localhost");
    return parse_socket_path((struct zkt_str){ text, len }, out);
}

/* ---- path and query ---- */

static const char *check_rest(struct zkt_str rest)
{
    const char *end = rest.data + rest.len;
    for (const char *at = rest.data; at < end; at++) {
        if (*at == '%' && unescape(at, end) < 0) {
            return "it has a percent sign that begins no escape";
        }
    }
    return zkt__utf8_valid(rest.data, rest.len) ? NULL : "it is not UTF-8";
}

size_t zkt__url_target_max(const struct zkt_url *url)
{
    return 1 + 3 * url->rest.len;
}

size_t zkt__url_target(const struct zkt_url *url, char *to)
{
    static const char digits[] = "0123456789ABCDEF";
    char *start = to;
    /* "Either the path or a slash" (RFC 6455, section 3). */
    if (url->rest.len == 0 || url->rest.data[0] == '?') {
        *to++ = '/';
    }
    for (size_t i = 0; i < url->rest.len; i++) {
        const char c = url->rest.data[i];
        if (is_path(c)) {
            *to++ = c;
            continue;
        }
        *to++ = '%';
        *to++ = digits[(unsigned char)c >> 4];
        *to++ = digits[(unsigned char)c & 15];
    }
    *to = '\0';
    return (size_t)(to - start);
}

/* ---- the whole ---- */

static bool skip_scheme(const char **text, const char *scheme)
{
    const size_t len = strlen(scheme);
    const bool found = strncasecmp(*text, scheme, len) == 0;
    *text += found ? len : 0;
    return found;
}

static const char *parse_internet(const char *authority, struct zkt_url *out)
{
    const size_t len = strcspn(authority, "/?");
    out->is_unix = false;
    out->rest = zkt_cstr(authority + len);
    return parse_authority((struct zkt_str){ authority, len }, out);
}

const char *zkt__url_parse(const char *text, struct zkt_url *out)
{
    if (text == NULL) {
        return "it does not begin with ws:// or wss://";
    }
    out->is_tls = skip_scheme(&text, "wss://");
    const bool is_unix = !out->is_tls && skip_scheme(&text, "ws+unix://");
    if (!out->is_tls && !is_unix && !skip_scheme(&text, "ws://")) {
        return "it does not begin with ws:// or wss://";
    }
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f) {
            return "it holds a blank or a control character";
        }
        if (*c == '#') {
            return "it has a fragment, which ws:// has not";
        }
    }
    const char *wrong = is_unix ? parse_socket(text, out)
                                : parse_internet(text, out);
    return wrong != NULL ? wrong : check_rest(out->rest);
}
