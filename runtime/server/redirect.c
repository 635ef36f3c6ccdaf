/* See redirect.h. */
#include "server/redirect.h"

#include <string.h>

#include "server/core.h"

enum {
    HTTPS_PORT = 443,
    NAME_MAX_LEN = 253 /* of a host (RFC 1035, section 2.3.4) */
};

static bool is_host_character(char c, bool in_brackets)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '.' || (in_brackets && c == ':') ||
           (!in_brackets && (c == '-' || c == '_'));
}

/* Takes the host off `host:port`; an IPv6 address keeps its brackets, a name
 * loses the dot of the root. Returns false if it is malformed. */
static bool take_host(struct zkt_str authority, struct zkt_str *host)
{
    const bool v6 = authority.len > 0 && authority.data[0] == '[';
    const char *end = memchr(authority.data, v6 ? ']' : ':', authority.len);
    size_t len = end != NULL ? (size_t)(end - authority.data) : authority.len;
    if ((v6 && end == NULL) || len > NAME_MAX_LEN || len <= v6) {
        return false;
    }
    for (size_t i = v6; i < len; i++) {
        if (!is_host_character(authority.data[i], v6)) {
            return false;
        }
    }
    len -= !v6 && len > 1 && authority.data[len - 1] == '.';
    *host = (struct zkt_str){ authority.data, len + v6 };
    return true;
}

/* Returns the address of an IPv6 host without its brackets. */
static struct zkt_str strip_brackets(struct zkt_str host)
{
    return host.data[0] == '[' ? (struct zkt_str){ host.data + 1, host.len - 2 }
                               : host;
}

static void refuse(struct zkt_ws *ws, int status, struct zkt_str fields)
{
    zkt__ws_refuse(ws, status, fields, ZKT_STR(""));
}

static void send_on(struct zkt_server *server, struct zkt_ws *ws,
                    struct zkt_str host, struct zkt_str target)
{
    struct zkt_writer *w = &server->host.plain;
    w->len = 0;
    w->failed = false;
    ZKT_WRITE(w, "Location: https://");
    zkt_write_raw(w, host.data, host.len);
    if (server->redirect->port != HTTPS_PORT) {
        ZKT_WRITE(w, ":");
        zkt_write_int64(w, server->redirect->port);
    }
    zkt_write_raw(w, target.data, target.len);
    ZKT_WRITE(w, "\r\n");
    if (w->failed) {
        refuse(ws, 503, ZKT_STR(""));
    } else {
        refuse(ws, 308, (struct zkt_str){ w->data, w->len });
    }
}

void zkt__redirect_answer(struct zkt_server *server, struct zkt_ws *ws,
                          struct zkt_str host, struct zkt_str target)
{
    const struct zkt_redirect *redirect = server->redirect;
    struct zkt_str name;
    if (host.data == NULL || !take_host(host, &name) || target.len == 0 ||
        target.data[0] != '/') {
        refuse(ws, 400, ZKT_STR(""));
    } else if (redirect == NULL ||
               !redirect->names(redirect->user, strip_brackets(name))) {
        refuse(ws, 421, ZKT_STR(""));
    } else {
        send_on(server, ws, name, target);
    }
}

void zkt__server_set_redirect(struct zkt_server *server,
                              const struct zkt_redirect *redirect)
{
    for (uint32_t i = 0; i < server->shards->count; i++) {
        server->shards->all[i]->redirect = redirect;
    }
}
