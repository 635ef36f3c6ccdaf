/* See url.h. A fragment, user information and white space are refused. */
#include "net/url.h"

#include <string.h>
#include <strings.h>

enum {
    DEFAULT_PORT = 80
};

static const char *parse_port(const char *text, size_t len, uint16_t *out)
{
    unsigned port = 0;
    if (len == 0 || len > 5) {
        return "its port is no number from 1 to 65535";
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return "its port is no number from 1 to 65535";
        }
        port = port * 10 + (unsigned)(text[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX) {
        return "its port is no number from 1 to 65535";
    }
    *out = (uint16_t)port;
    return NULL;
}

static const char *parse_authority(struct zkt_str text, struct zkt_url *out)
{
    const char *host = text.data;
    size_t len = text.len;
    const char *after = NULL; /* what follows the host */
    if (len > 0 && host[0] == '[') {
        const char *close = memchr(host, ']', len);
        if (close == NULL) {
            return "its address lacks the closing bracket";
        }
        after = close + 1;
        host++;
        len = (size_t)(close - host);
    } else {
        const char *colon = memchr(host, ':', len);
        after = colon != NULL ? colon : host + len;
        len = (size_t)(after - host);
    }
    if (len == 0 || len > ZKT_HOST_MAX) {
        return "its host is empty or too long";
    }
    memcpy(out->host, host, len);
    out->host[len] = '\0';
    const size_t rest = text.len - (size_t)(after - text.data);
    if (rest == 0) {
        out->port = DEFAULT_PORT;
        return NULL;
    }
    if (after[0] != ':') {
        return "something stands between its host and its port";
    }
    return parse_port(after + 1, rest - 1, &out->port);
}

const char *zkt__url_parse(const char *text, struct zkt_url *out)
{
    static const char scheme[] = "ws://";
    if (text == NULL || strncasecmp(text, scheme, sizeof(scheme) - 1) != 0) {
        return "it does not begin with ws://";
    }
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '#' || *c == '@') {
            return "it holds a blank, a control character, # or @";
        }
    }
    const char *authority = text + sizeof(scheme) - 1;
    const size_t len = strcspn(authority, "/?");
    const char *path = authority + len;
    if (path[0] == '?') {
        return "its path does not begin with /";
    }
    out->authority = (struct zkt_str){ authority, len };
    out->path = path[0] == '\0' ? ZKT_STR("/") : zkt_cstr(path);
    return parse_authority(out->authority, out);
}
