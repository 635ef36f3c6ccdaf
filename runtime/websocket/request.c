/*
 * The request of the opening handshake, and its answer: the server's role (RFC
 * 6455, section 4.2). The reader of http has checked that it is a request.
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
    uint8_t all = 0, last = 0;
    for (size_t i = 0; i < 22; i += 2) {
        last = zkt__base64_digits[(unsigned char)key.data[i + 1]];
        all |= zkt__base64_digits[(unsigned char)key.data[i]] | last;
    }
    /* Only two bits of the last digit are used (RFC 4648, section 3.5). */
    return all < ZKT_BASE64_NO_DIGIT && (last & 15) == 0;
}

/* The offered subprotocols, from all lines of their field. */
struct offers {
    struct zkt_str first; /* of the lines that offer some */
    bool more, malformed;
};

/* Checks that offers are tokens, so that the response may name any of them (RFC
 * 6455, section 4.1, item 10). */
static bool take_offers(void *to, struct zkt_str line)
{
    struct offers *offers = to;
    struct zkt_str item;
    offers->more = offers->first.len > 0;
    offers->first = offers->more ? offers->first : line;
    while (zkt__http_next_item(&line, &item)) {
        for (size_t i = 0; i < item.len; i++) {
            offers->malformed = offers->malformed ||
                                !zkt__head_token[(unsigned char)item.data[i]];
        }
    }
    return true;
}

/* Makes the checks of RFC 6455, section 4.2.1. Returns 0, or the status of the
 * refusal. */
static int judge(const struct zkt_http_request *http,
                 struct zkt_ws_request *out)
{
    struct offers offers = { .first = ZKT_STR("") };
    if (http->method != ZKT_HTTP_GET &&
        (http->method != ZKT_HTTP_HEAD || http->asks_websocket)) {
        return 405;
    }
    if (zkt__http_value(http, ZKT_HTTP_FIELD_WS_PROTOCOL).data != NULL) {
        zkt__http_each_line(http, ZKT_HTTP_FIELD_WS_PROTOCOL, take_offers,
                            &offers);
    }
    if (offers.malformed) {
        return 400;
    }
    if (!http->asks_websocket ||
        !zkt_str_eq(zkt__http_value(http, ZKT_HTTP_FIELD_WS_VERSION),
                    ZKT_STR("13"))) {
        return 426;
    }
    *out = (struct zkt_ws_request){
        .target = http->target,
        .path = http->path,
        .query = http->query,
        .host = http->host,
        .origin = zkt__http_value(http, ZKT_HTTP_FIELD_ORIGIN),
        .fields = http->fields,
        .protocols = offers.first,
        .key = zkt__http_value(http, ZKT_HTTP_FIELD_WS_KEY),
        .more_protocols = offers.more,
        .expects_continue = http->expects_continue,
    };
    return is_key(out->key) ? 0 : 400;
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
    case 413:
        return "Content Too Large";
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
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
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
    zkt__ws_drop_request(ws);
    zkt__ws_end(ws, 1002, "the handshake was refused");
}

/* Refuses a request with an HTTP status alone. */
static void refuse_plainly(struct zkt_ws *ws, int status)
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
    struct zkt_http_reader *reader = ws->request;
    ws->request = NULL;
    send_acceptance(ws, request, protocol);
    if (ws->state == ZKT_WS_ASKED) {
        ws->state = ZKT_WS_OPEN;
        if (ws->callbacks->on_open != NULL) {
            ws->callbacks->on_open(ws->user, "");
        }
    }
    zkt__http_reader_free(ws->allocator, reader);
}

/* ---- reading ---- */

void zkt__ws_drop_request(struct zkt_ws *ws)
{
    if (ws->role == ZKT_WS_SERVER) {
        zkt__http_reader_free(ws->allocator, ws->request);
        ws->request = NULL;
    }
}

/* Judges the request, and asks the server to answer it. */
static void ask(struct zkt_ws *ws)
{
    struct zkt_http_request http;
    struct zkt_ws_request request;
    zkt__http_get(ws->request, &http);
    const int status = judge(&http, &request);
    if (status != 0) {
        refuse_plainly(ws, status);
        return;
    }
    ws->state = ZKT_WS_ASKED;
    if (ws->callbacks->on_request != NULL) {
        ws->callbacks->on_request(ws->user, &request);
    } else {
        zkt__ws_accept(ws, &request, ZKT_STR(""));
    }
}

static void refuse_by_reader(struct zkt_ws *ws)
{
    const int status = zkt__http_refusal(ws->request);
    if (status == 431 || status == 413) {
        zkt__ws_notify_limit(ws, status == 431 ? ZKT_WS_LIMIT_HEAD
                                               : ZKT_WS_LIMIT_BODY);
    }
    refuse_plainly(ws, status);
}

size_t zkt__ws_request_feed(struct zkt_ws *ws, const uint8_t *bytes, size_t len)
{
    size_t used = 0;
    if (ws->request == NULL) {
        ws->request = zkt__http_reader_new(
            ws->allocator,
            (struct zkt_http_limits){ ws->limits->head, ws->limits->body });
    }
    if (ws->request == NULL ||
        !zkt__http_read(ws->allocator, &ws->request, bytes, len, &used)) {
        zkt__ws_end(ws, 1011, "out of memory");
        return len;
    }
    switch (zkt__http_stage(ws->request)) {
    case ZKT_HTTP_READING_HEAD:
    case ZKT_HTTP_READING_BODY:
        break;
    case ZKT_HTTP_COMPLETE:
        ask(ws);
        break;
    case ZKT_HTTP_REFUSED:
        refuse_by_reader(ws);
        break;
    }
    return used;
}
