/* See listen_address.h. */
#include "net/listen_address.h"

#include <arpa/inet.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "net/unix_socket.h"

int zkt__listen_parse_number(const char *text, int max)
{
    int value = 0;
    if (*text == '\0') {
        return -1;
    }
    for (; *text != '\0'; text++) {
        const int digit = *text - '0';
        if (digit < 0 || digit > 9 || value > (max - digit) / 10) {
            return -1;
        }
        value = value * 10 + digit;
    }
    return value;
}

/* ASCII, independent of the locale. */
static bool is_host_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

static const char *parse_name(struct zkt_listen_address *out)
{
    if (strcmp(out->host, "*") == 0) {
        return NULL;
    }
    for (const char *at = out->host; *at != '\0'; at++) {
        if (!is_host_character(*at)) {
            return *at == ':' ? "an IPv6 address stands in brackets"
                              : "its host has characters that no host has";
        }
    }
    return out->host[0] != '\0' ? NULL : "its host is empty; * means all";
}

/* An IPv6 address without its brackets; it may have a zone. */
static const char *parse_v6(const struct zkt_listen_address *out)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    const size_t len = strcspn(out->host, "%");
    const bool has_zone = out->host[len] == '%';
    bool good = len < sizeof(text) && (!has_zone || out->host[len + 1] != '\0');
    if (good) {
        memcpy(text, out->host, len);
        text[len] = '\0';
        good = inet_pton(AF_INET6, text, &address) == 1;
    }
    for (size_t i = len + 1; good && has_zone && out->host[i] != '\0'; i++) {
        good = is_host_character(out->host[i]);
    }
    return good ? NULL : "its brackets hold no IPv6 address";
}

static const char *parse_host(const char *text, struct zkt_listen_address *out)
{
    const char *colon = strrchr(text, ':');
    const char *end = colon;
    if (colon == NULL) {
        return "its port is missing";
    }
    const int port = zkt__listen_parse_number(colon + 1, UINT16_MAX);
    if (port < 0) {
        return "its port is no number from 0 to 65535";
    }
    const bool v6 = text[0] == '[';
    if (v6) {
        text++;
        end--;
        if (end < text || *end != ']') {
            return "its address lacks the closing bracket";
        }
    }
    const size_t len = (size_t)(end - text);
    if (len > ZKT_HOST_MAX) {
        return "its host is too long";
    }
    memcpy(out->host, text, len);
    out->host[len] = '\0';
    out->port = (uint16_t)port;
    out->kind = ZKT_LISTEN_HOST;
    return v6 ? parse_v6(out) : parse_name(out);
}

static const char *parse_unix(const char *path, struct zkt_listen_address *out)
{
    out->kind = ZKT_LISTEN_UNIX;
    out->path = path;
    if (path[0] != '/') {
        return "its path is not absolute";
    }
    return strlen(path) <= ZKT_SOCKET_PATH_MAX
               ? NULL
               : "its path is longer than 107 bytes";
}

static const char *parse_fd(const char *number, struct zkt_listen_address *out)
{
    out->kind = ZKT_LISTEN_FD;
    out->fd = zkt__listen_parse_number(number, INT_MAX);
    return out->fd > STDERR_FILENO ? NULL
                                   : "its descriptor is no number from 3 on";
}

/* Takes a prefix off the text, if there is one. */
static bool take_prefix(const char **text, struct zkt_listen_address *out)
{
    const struct {
        const char *text;
        bool *flag;
    } prefixes[] = {
        { "proxy:", &out->proxied },
        { "plain:", &out->plain },
        { "redirect:", &out->redirects },
    };
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        const size_t len = strlen(prefixes[i].text);
        if (strncmp(*text, prefixes[i].text, len) == 0 && !*prefixes[i].flag) {
            *prefixes[i].flag = true;
            *text += len;
            return true;
        }
    }
    return false;
}

const char *zkt__listen_address_parse(const char *text,
                                      struct zkt_listen_address *out)
{
    *out = (struct zkt_listen_address){ .fd = -1 };
    while (take_prefix(&text, out)) {
    }
    if (strncmp(text, "unix:", 5) == 0) {
        return parse_unix(text + 5, out);
    }
    if (strncmp(text, "fd:", 3) == 0) {
        return parse_fd(text + 3, out);
    }
    if (strcmp(text, "systemd") == 0) {
        out->kind = ZKT_LISTEN_SYSTEMD;
        return NULL;
    }
    return parse_host(text, out);
}
