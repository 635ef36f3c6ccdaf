/*
 * The request of the opening handshake, and its answer: the server's role (RFC
 * 6455, section 4.2). A head is checked as a whole; folded lines and bodies are
 * refused.
 */
#include <stdio.h>
#include <string.h>

#include "http/head.h"
#include "websocket/frames.h"
#include "websocket/handshake.h"

enum {
    REPLY_MAX = 512
};

/* 16 bytes of base64 are 22 digits and two padding signs. */
static bool is_key(struct zkt_str key)
{
    if (key.len != ZKT_WS_KEY_LEN || key.data[22] != '=' ||
        key.data[23] != '=') {
        return false;
    }
    for (size_t i = 0; i < 22; i++) {
        const char c = key.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
              (c >= 'A' && c <= 'Z') || c == '+' || c == '/')) {
            return false;
        }
    }
    /* Only two bits of the last digit are used (RFC 4648, section 3.5). */
    return strchr("AQgw", key.data[21]) != NULL;
}

struct request {
    struct zkt_ws_request public;
    struct zkt_str version;
    bool upgrade, connection, body, malformed, expects_more;
};

/* Sets a field that may occur once only. */
static void set_once(struct request *r, struct zkt_str *to,
                     struct zkt_str value)
{
    r->malformed = r->malformed || to->data != NULL;
    *to = value;
}

/* Checks a list of expectations; only a single one is defined (RFC 9110,
 * section 10.1.1). */
static void take_expectations(struct request *r, struct zkt_str list)
{
    struct zkt_str item;
    while (zkt__http_next_item(&list, &item)) {
        const bool is_continue = zkt__head_same(item, "100-continue");
        r->public.expects_continue = r->public.expects_continue || is_continue;
        r->expects_more = r->expects_more || !is_continue;
    }
}

/* Checks that the offered subprotocols are tokens, so that the reply may name
 * any of them (RFC 6455, section 4.1, item 10). */
static void take_protocols(struct request *r, struct zkt_str list)
{
    struct zkt_str item;
    r->public.more_protocols = r->public.protocols.len > 0;
    r->public.protocols = r->public.more_protocols ? r->public.protocols : list;
    while (zkt__http_next_item(&list, &item)) {
        for (size_t i = 0; i < item.len; i++) {
            r->malformed = r->malformed ||
                           !zkt__head_token[(unsigned char)item.data[i]];
        }
    }
}

static void take_field(struct request *r, struct zkt_str name,
                       struct zkt_str value)
{
    if (zkt__head_same(name, "Upgrade")) {
        r->upgrade = r->upgrade || zkt__head_has(value, "websocket");
    } else if (zkt__head_same(name, "Connection")) {
        r->connection = r->connection || zkt__head_has(value, "upgrade");
    } else if (zkt__head_same(name, "Sec-WebSocket-Key")) {
        set_once(r, &r->public.key, value);
    } else if (zkt__head_same(name, "Sec-WebSocket-Version")) {
        set_once(r, &r->version, value);
    } else if (zkt__head_same(name, "Sec-WebSocket-Protocol")) {
        take_protocols(r, value);
    } else if (zkt__head_same(name, "Host")) {
        set_once(r, &r->public.host, value);
    } else if (zkt__head_same(name, "Origin")) {
        set_once(r, &r->public.origin, value);
    } else if (zkt__head_same(name, "Content-Length")) {
        r->body = r->body || !zkt_str_eq(value, ZKT_STR("0"));
    } else if (zkt__head_same(name, "Transfer-Encoding")) {
        r->body = true;
    } else if (zkt__head_same(name, "Expect")) {
        take_expectations(r, value);
    }
}

/* Accepts HTTP/1.1 and later 1.x versions (RFC 6455, section 4.2.1). */
static bool is_version(const char *text)
{
    return memcmp(text, " HTTP/1.", 8) == 0 && text[8] >= '1' && text[8] <= '9';
}

/* Checks the characters of a target; others must be percent-encoded; a fragment
 * is not allowed (RFC 6455, section 3). */
static bool is_target(struct zkt_str target)
{
    for (size_t i = 0; i < target.len; i++) {
        const unsigned char c = (unsigned char)target.data[i];
        if (c <= ' ' || c >= 0x7f || c == '#') {
            return false;
        }
    }
    return true;
}

/* Returns the path and query of a target, also of the absolute form
 * `http://host/…` that some proxies and clients send (RFC 6455, section 4.1);
 * an empty path becomes "/". */
static struct zkt_str resource_of(struct zkt_str target)
{
    static const char *const schemes[] = { "http://", "https://" };
    for (size_t i = 0; i < 2; i++) {
        const size_t len = strlen(schemes[i]);
        if (target.len > len &&
            strncasecmp(target.data, schemes[i], len) == 0) {
            target.data += len;
            target.len -= len;
            const size_t host = strcspn(target.data, "/? ");
            if (host == 0 || host > target.len || target.data[host] == '?') {
                return (struct zkt_str){ NULL, 0 };
            }
            return host == target.len ? ZKT_STR("/")
                                      : (struct zkt_str){ target.data + host,
                                                          target.len - host };
        }
    }
    return target;
}

/* Parses `GET /path?query HTTP/1.1`. Returns 0, or the status of the
 * refusal. */
static int take_request_line(struct request *r, struct zkt_str line)
{
    static const char get[] = "GET ";
    const size_t get_len = sizeof(get) - 1, version_len = 9;
    const char *space = memchr(line.data, ' ', line.len);
    if (space == NULL || space == line.data) {
        return 400;
    }
    if (line.len < get_len || memcmp(line.data, get, get_len) != 0) {
        return 405;
    }
    if (line.len < get_len + version_len + 1 ||
        !is_version(line.data + line.len - version_len)) {
        return 400;
    }
    const struct zkt_str target = { line.data + get_len,
                                    line.len - get_len - version_len };
    const struct zkt_str resource = resource_of(target);
    if (!is_target(target) || resource.len == 0 || resource.data[0] != '/') {
        return 400;
    }
    const char *mark = memchr(resource.data, '?', resource.len);
    r->public.target = r->public.path = resource;
    r->public.query = ZKT_STR("");
    if (mark != NULL) {
        r->public.path.len = (size_t)(mark - resource.data);
        r->public.query =
            (struct zkt_str){ mark + 1, resource.len - r->public.path.len - 1 };
    }
    return 0;
}

/* Makes the checks of RFC 6455, section 4.2.1. Returns 0, or the status of the
 * refusal. */
static int parse_request(struct zkt_head *h, struct request *r)
{
    struct zkt_str line, name, value;
    if (zkt__head_has_nul(h) || !zkt__head_line(h, &line)) {
        return 400;
    }
    const int refused = take_request_line(r, line);
    if (refused != 0) {
        return refused;
    }
    r->public.fields = (struct zkt_str){ h->at, (size_t)(h->end - h->at) };
    for (;;) {
        if (!zkt__head_line(h, &line)) {
            return 400;
        }
        if (line.len == 0) {
            break;
        }
        if (!zkt__head_field(line, &name, &value)) {
            return 400;
        }
        take_field(r, name, value);
    }
    if (r->body || r->malformed || r->public.host.data == NULL) {
        return 400;
    }
    if (!r->upgrade || !r->connection ||
        !zkt_str_eq(r->version, ZKT_STR("13"))) {
        return 426;
    }
    if (!is_key(r->public.key)) {
        return 400;
    }
    return r->expects_more ? 417 : 0;
}

static const char *http_reason(int status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 417:
        return "Expectation Failed";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    default:
        return "Refused";
    }
}

void zkt__ws_refuse(struct zkt_ws *ws, int status, struct zkt_str fields,
                    struct zkt_str body)
{
    char begin[REPLY_MAX], end[REPLY_MAX];
    const char *extra = status == 405 ? "Allow: GET\r\n" : "";
    const char *options = "close";
    if (status == 426) {
        /* RFC 9110, sections 15.5.22 and 7.8; RFC 6455, section 4.4. */
        extra = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
        options = "Upgrade, close";
    }
    const int begin_len = snprintf(begin, sizeof(begin), "HTTP/1.1 %d %s\r\n%s",
                                   status, http_reason(status), extra);
    const int end_len = snprintf(end, sizeof(end),
                                 "Connection: %s\r\nContent-Length: %zu"
                                 "\r\n\r\n",
                                 options, body.len);
    ws->callbacks->send(ws->user, begin, (size_t)begin_len);
    if (fields.len > 0) {
        ws->callbacks->send(ws->user, fields.data, fields.len);
    }
    ws->callbacks->send(ws->user, end, (size_t)end_len);
    if (body.len > 0) {
        ws->callbacks->send(ws->user, body.data, body.len);
    }
    zkt__ws_drop_gathered(ws);
    zkt__ws_end(ws, 1002, "the handshake was refused");
}

void zkt__ws_refuse_plainly(struct zkt_ws *ws, int status)
{
    zkt__ws_refuse(ws, status, ZKT_STR(""), ZKT_STR(""));
}

/* Sends the response that accepts a request. */
static void send_acceptance(struct zkt_ws *ws, const struct zkt_ws_request *r,
                            struct zkt_str protocol)
{
    /* It must precede the response (RFC 9110, section 7.8). */
    static const char proceed[] = "HTTP/1.1 100 Continue\r\n\r\n";
    static const char begin[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Accept: ";
    static const char selects[] = "\r\nSec-WebSocket-Protocol: ";
    char reply[REPLY_MAX];
    if (r->expects_continue) {
        ws->callbacks->send(ws->user, proceed, sizeof(proceed) - 1);
    }
    size_t len = sizeof(begin) - 1;
    memcpy(reply, begin, len);
    zkt__ws_accept_key(r->key.data, reply + len);
    len += ZKT_WS_ACCEPT_LEN;
    if (protocol.len > 0) {
        memcpy(reply + len, selects, sizeof(selects) - 1);
        ws->callbacks->send(ws->user, reply, len + sizeof(selects) - 1);
        ws->callbacks->send(ws->user, protocol.data, protocol.len);
        len = 0;
    }
    memcpy(reply + len, "\r\n\r\n", 4);
    ws->callbacks->send(ws->user, reply, len + 4);
}

void zkt__ws_accept(struct zkt_ws *ws, const struct zkt_ws_request *request,
                    struct zkt_str protocol)
{
    if (ws->state != ZKT_WS_ASKED) {
        return;
    }
    uint8_t *head = ws->gathered;
    ws->gathered = NULL;
    ws->have = ws->capacity = 0;
    send_acceptance(ws, request, protocol);
    if (ws->state == ZKT_WS_ASKED) {
        ws->state = ZKT_WS_OPEN;
        if (ws->callbacks->on_open != NULL) {
            ws->callbacks->on_open(ws->user, "");
        }
    }
    zkt__release(ws->allocator, head);
}

/* Checks the gathered head, and asks the server to answer the request. */
void zkt__ws_check_request(struct zkt_ws *ws, size_t end)
{
    struct request r = { .public.protocols = ZKT_STR("") };
    struct zkt_head h = { (const char *)ws->gathered,
                          (const char *)ws->gathered + end };
    const int status = parse_request(&h, &r);
    ws->have = end;
    if (status != 0) {
        zkt__ws_refuse_plainly(ws, status);
    } else {
        ws->state = ZKT_WS_ASKED;
        if (ws->callbacks->on_request != NULL) {
            ws->callbacks->on_request(ws->user, &r.public);
        } else {
            zkt__ws_accept(ws, &r.public, ZKT_STR(""));
        }
    }
}
