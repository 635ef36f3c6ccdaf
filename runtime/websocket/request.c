/*
 * The request of the opening handshake, and its answer: the server's role (RFC
 * 6455, section 4.2). The reader of http has checked that it is a request.
 */
#include <stdio.h>
#include <string.h>

#include "http/head.h"
#include "http/response.h"
#include "websocket/frames.h"
#include "websocket/handshake.h"

enum {
    REPLY_MAX = 512
};

static const char proceed[] = "HTTP/1.1 100 Continue\r\n\r\n";

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

static bool take_extensions(void *to, struct zkt_str line)
{
    zkt__deflate_read_offers(line, to);
    return true;
}

/* Makes the checks of RFC 6455, section 4.2.1. Returns 0, or the status of the
 * refusal. */
static int judge(const struct zkt_http_request *http,
                 struct zkt_ws_request *out)
{
    struct offers offers = { .first = ZKT_STR("") };
    if (http->method != ZKT_HTTP_GET) {
        return 405;
    }
    if (zkt__http_value(http, ZKT_HTTP_FIELD_WS_PROTOCOL).data != NULL) {
        zkt__http_each_line(http, ZKT_HTTP_FIELD_WS_PROTOCOL, take_offers,
                            &offers);
    }
    if (offers.malformed) {
        return 400;
    }
    if (!zkt_str_eq(zkt__http_value(http, ZKT_HTTP_FIELD_WS_VERSION),
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
    if (zkt__http_value(http, ZKT_HTTP_FIELD_WS_EXTENSIONS).data != NULL) {
        zkt__http_each_line(http, ZKT_HTTP_FIELD_WS_EXTENSIONS, take_extensions,
                            &out->deflate);
    }
    return is_key(out->key) ? 0 : 400;
}

/* Returns a response with the members that those of all requests have. */
static struct zkt_http_response complete(const struct zkt_ws *ws,
                                         const struct zkt_http_response *given)
{
    const struct zkt_ws_callbacks *callbacks = ws->setup->callbacks;
    struct zkt_http_response response = *given;
    if (callbacks->common_fields != NULL) {
        response.common = callbacks->common_fields(ws->user);
    }
    if (callbacks->wall_ms != NULL) {
        response.wall_ms = callbacks->wall_ms(ws->user);
    }
    return response;
}

void zkt__ws_refuse(struct zkt_ws *ws, int status, struct zkt_str fields,
                    struct zkt_str body)
{
    const struct zkt_http_response response = complete(
        ws, &(const struct zkt_http_response){ .to = ws->request,
                                               .status = status,
                                               .fields = fields,
                                               .body = body,
                                               .closes = true });
    zkt__http_respond(&response, ws->setup->callbacks->send, ws->user);
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
    static const char begin[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Accept: ";
    static const char selects[] = "\r\nSec-WebSocket-Protocol: ";
    static const char deflates[] =
        "\r\nSec-WebSocket-Extensions: permessage-deflate; "
        "server_no_context_takeover; client_no_context_takeover";
    static const char confirms_window[] =
        "\r\nSec-WebSocket-Extensions: permessage-deflate; "
        "server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=15";
    char reply[REPLY_MAX];
    /* It must precede the response (RFC 9110, section 7.8). */
    if (r->expects_continue) {
        ws->setup->callbacks->send(ws->user, proceed, sizeof(proceed) - 1);
    }
    size_t len = sizeof(begin) - 1;
    memcpy(reply, begin, len);
    zkt__ws_accept_key(r->key.data, reply + len);
    len += ZKT_WS_ACCEPT_LEN;
    if (protocol.len > 0) {
        memcpy(reply + len, selects, sizeof(selects) - 1);
        ws->setup->callbacks->send(ws->user, reply, len + sizeof(selects) - 1);
        ws->setup->callbacks->send(ws->user, protocol.data, protocol.len);
        len = 0;
    }
    if (ws->setup->deflate != NULL && r->deflate.accepted) {
        const char *extension = r->deflate.window ? confirms_window : deflates;
        const size_t size = strlen(extension);
        memcpy(reply + len, extension, size);
        len += size;
        ws->deflates = true;
    }
    memcpy(reply + len, "\r\n\r\n", 4);
    ws->setup->callbacks->send(ws->user, reply, len + 4);
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
        if (ws->setup->callbacks->on_open != NULL) {
            ws->setup->callbacks->on_open(ws->user, "");
        }
    }
    zkt__http_reader_free(ws->setup->allocator, reader);
}

void zkt__ws_reply(struct zkt_ws *ws, const struct zkt_http_response *response)
{
    if (ws->state == ZKT_WS_ASKED) {
        const struct zkt_http_response full = complete(ws, response);
        zkt__http_respond(&full, ws->setup->callbacks->send, ws->user);
        zkt__ws_end_reply(ws, full.closes);
    }
}

void zkt__ws_reply_early(struct zkt_ws *ws,
                         const struct zkt_http_response *response)
{
    struct zkt_http_response last = *response;
    last.closes = true;
    ws->state = ZKT_WS_ASKED;
    zkt__ws_reply(ws, &last);
}

void zkt__ws_begin_reply(struct zkt_ws *ws,
                         const struct zkt_http_response *response,
                         enum zkt_http_framing framing, uint64_t length)
{
    if (ws->state == ZKT_WS_ASKED) {
        const struct zkt_http_response full = complete(ws, response);
        zkt__http_respond_head(&full, framing, length,
                               ws->setup->callbacks->send, ws->user);
        zkt__ws_drop_request(ws);
    }
}

void zkt__ws_end_reply(struct zkt_ws *ws, bool closes)
{
    if (ws->state != ZKT_WS_ASKED) {
        return;
    }
    zkt__ws_drop_request(ws);
    ws->completed++;
    if (closes) {
        zkt__ws_end(ws, 1000, "the last request was answered");
    } else {
        ws->state = ZKT_WS_HANDSHAKE;
    }
}

struct zkt_http_reader *zkt__ws_take_request(struct zkt_ws *ws)
{
    struct zkt_http_reader *reader = ws->request;
    ws->request = NULL;
    return reader;
}

/* ---- reading ---- */

bool zkt__ws_reads_body(const struct zkt_ws *ws)
{
    return ws->request != NULL &&
           zkt__http_stage(ws->request) == ZKT_HTTP_READING_BODY;
}

void zkt__ws_drop_request(struct zkt_ws *ws)
{
    if (ws->role == ZKT_WS_SERVER) {
        zkt__http_reader_free(ws->setup->allocator, ws->request);
        ws->request = NULL;
    }
}

void zkt__ws_ask(struct zkt_ws *ws, const struct zkt_ws_request *request)
{
    ws->state = ZKT_WS_ASKED;
    if (ws->setup->callbacks->on_request != NULL) {
        ws->setup->callbacks->on_request(ws->user, request);
    } else {
        zkt__ws_accept(ws, request, ZKT_STR(""));
    }
}

/* Judges a request for a WebSocket, and asks the server to answer it. */
static void ask_for_websocket(struct zkt_ws *ws,
                              const struct zkt_http_request *http)
{
    struct zkt_ws_request request;
    const int status = judge(http, &request);
    if (status != 0) {
        refuse_plainly(ws, status);
    } else {
        zkt__ws_ask(ws, &request);
    }
}

/* The request is complete. */
static void ask(struct zkt_ws *ws, const struct zkt_http_request *http)
{
    if (http->asks_websocket) {
        ask_for_websocket(ws, http);
    } else {
        ws->state = ZKT_WS_ASKED;
        ws->setup->callbacks->on_plain(ws->user, http);
    }
}

/* As on_head, where there is none. */
static int judge_head(const struct zkt_http_request *http)
{
    const bool reads = http->method == ZKT_HTTP_GET ||
                       http->method == ZKT_HTTP_HEAD;
    return http->asks_websocket ? 0 : reads ? 426 : 405;
}

/* The head of a request is complete, and perhaps a body follows. Returns false
 * if the request is refused. */
static bool take_head(struct zkt_ws *ws, const struct zkt_http_request *http)
{
    const int status = ws->setup->callbacks->on_head != NULL
                           ? ws->setup->callbacks->on_head(ws->user, http)
                           : judge_head(http);
    if (status > 0) {
        refuse_plainly(ws, status);
    }
    if (status != 0) {
        return false;
    }
    if (http->expects_continue && zkt__ws_reads_body(ws)) {
        ws->setup->callbacks->send(ws->user, proceed, sizeof(proceed) - 1);
    }
    return true;
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
    struct zkt_http_request http;
    size_t used = 0;
    if (ws->request == NULL) {
        ws->request = zkt__http_reader_new(
            ws->setup->allocator,
            (struct zkt_http_limits){ ws->setup->limits->head,
                                      ws->setup->limits->body });
    }
    const enum zkt_http_stage before = ws->request != NULL
                                           ? zkt__http_stage(ws->request)
                                           : ZKT_HTTP_READING_HEAD;
    if (ws->request == NULL ||
        !zkt__http_read(ws->setup->allocator, &ws->request, bytes, len,
                        &used)) {
        zkt__ws_end(ws, 1011, "out of memory");
        return len;
    }
    const enum zkt_http_stage stage = zkt__http_stage(ws->request);
    if (stage == ZKT_HTTP_REFUSED) {
        refuse_by_reader(ws);
    } else if (stage > ZKT_HTTP_READING_HEAD) {
        zkt__http_get(ws->request, &http);
        if ((before > ZKT_HTTP_READING_HEAD || take_head(ws, &http)) &&
            stage == ZKT_HTTP_COMPLETE) {
            ask(ws, &http);
        }
    }
    return used;
}
