/*
 * The opening handshake, the client's role. The head of a response is gathered
 * up to its empty line and then checked as a whole. Lines must end with CR LF;
 * names are compared without case (RFC 9110, section 5).
 */
#include "websocket/handshake.h"

#include <stdio.h>
#include <string.h>

#include "http/head.h"
#include "websocket/frames.h"

enum {
    REPLY_MAX = 512,
    HTTP_OK = 101,
    INTERIM_MAX = 16 /* responses before the final one */
};

void zkt__ws_accept_key(const char *key, char accept[ZKT_WS_ACCEPT_LEN + 1])
{
    uint8_t digest[ZKT_SHA1_SIZE];
    zkt__sha1_of_key(key, digest);
    accept[zkt__base64(digest, sizeof(digest), accept)] = '\0';
}

/* ---- client ---- */

struct response {
    bool upgrade, connection, accept, twice, extensions, deflates;
    struct zkt_str protocol;
};

static void take_response_field(const struct zkt_ws *ws, struct response *r,
                                struct zkt_str name, struct zkt_str value)
{
    char expected[ZKT_WS_ACCEPT_LEN + 1];
    if (zkt__head_same(name, "Upgrade")) {
        r->upgrade = zkt__head_same(value, "websocket");
    } else if (zkt__head_same(name, "Connection")) {
        r->connection = r->connection || zkt__head_has(value, "upgrade");
    } else if (zkt__head_same(name, "Sec-WebSocket-Accept")) {
        zkt__ws_accept_key(ws->client->key, expected);
        r->twice = r->twice || r->accept;
        r->accept = zkt_str_eq(value, zkt_cstr(expected));
    } else if (zkt__head_same(name, "Sec-WebSocket-Extensions")) {
        r->deflates = ws->setup->deflate != NULL && !r->extensions &&
                      zkt__deflate_is_accepted(value);
        r->extensions = true;
    } else if (zkt__head_same(name, "Sec-WebSocket-Protocol")) {
        r->twice = r->twice || r->protocol.data != NULL;
        r->protocol = value;
    }
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Parses `HTTP/1.x NNN reason` (RFC 9112, section 4). Returns the status, or
 * 0. */
static int take_status_line(struct zkt_head *h, struct zkt_str *reason)
{
    static const char version[] = "HTTP/1.";
    struct zkt_str line;
    if (zkt__head_has_nul(h) || !zkt__head_line(h, &line) || line.len < 12 ||
        memcmp(line.data, version, sizeof(version) - 1) != 0 ||
        !is_digit(line.data[7]) || line.data[8] != ' ' ||
        (line.len > 12 && line.data[12] != ' ')) {
        return 0;
    }
    int status = 0;
    for (size_t i = 9; i < 12; i++) {
        if (!is_digit(line.data[i])) {
            return 0;
        }
        status = status * 10 + line.data[i] - '0';
    }
    *reason = zkt__head_strip(
        (struct zkt_str){ line.data + 12, line.len - 12 });
    /* Switching protocols requires HTTP/1.1 (RFC 9110, section 7.8). */
    return status == HTTP_OK && line.data[7] == '0' ? 0 : status;
}

/* Makes the checks of RFC 6455, section 4.1. Returns NULL, or the error. */
static const char *parse_response(const struct zkt_ws *ws, struct zkt_head *h,
                                  struct response *r)
{
    struct zkt_str line, name, value;
    for (;;) {
        if (!zkt__head_line(h, &line)) {
            return "the server's handshake is malformed";
        }
        if (line.len == 0) {
            break;
        }
        if (!zkt__head_field(line, &name, &value)) {
            return "the server's handshake is malformed";
        }
        take_response_field(ws, r, name, value);
    }
    if (!r->upgrade || !r->connection || !r->accept || r->twice ||
        (r->extensions && !r->deflates)) {
        return "the server's handshake is no answer to ours";
    }
    if (r->protocol.data != NULL &&
        !zkt_str_eq(r->protocol, zkt_cstr(ws->client->offered))) {
        return "the server chose a subprotocol that was not offered";
    }
    return NULL;
}

/* The body of a response that refuses. Only a body with a length is read: a
 * chunked one is a proxy's page (RFC 9112, section 6). */
struct body {
    size_t len;
    bool known, unreadable;
};

static void take_length(struct body *body, struct zkt_str value)
{
    size_t len = 0;
    body->unreadable = body->unreadable || value.len == 0;
    for (size_t i = 0; i < value.len && !body->unreadable; i++) {
        len = len * 10 + (size_t)(value.data[i] - '0');
        body->unreadable = !is_digit(value.data[i]) || len > ZKT_WS_BODY_MAX;
    }
    body->unreadable = body->unreadable || (body->known && body->len != len);
    body->known = true;
    body->len = len;
}

/* Reads the fields up to the first malformed one. Returns the length of the
 * body, or 0 if it is not to be read. */
static size_t read_refusal(struct zkt_head *h, struct zkt_ws_refusal *refusal)
{
    struct body body = { .len = 0 };
    struct zkt_str line, name, value;
    while (zkt__head_line(h, &line) && zkt__head_field(line, &name, &value)) {
        if (zkt__head_same(name, "Retry-After")) {
            refusal->retry_after = value;
        } else if (zkt__head_same(name, "Content-Length")) {
            take_length(&body, value);
        } else if (zkt__head_same(name, "Transfer-Encoding")) {
            body.unreadable = true;
        }
    }
    /* RFC 9112, section 6.3. */
    const bool has_none = refusal->status < 200 || refusal->status == 204 ||
                          refusal->status == 304;
    return body.unreadable || has_none || h->at != h->end ? 0 : body.len;
}

static void end_refused(struct zkt_ws *ws)
{
    zkt__ws_end(ws, 1002, "the server refused the WebSocket handshake");
}

static void take_refusal(struct zkt_ws *ws, struct zkt_head *h, unsigned status,
                         struct zkt_str reason)
{
    struct zkt_ws_refusal refusal = { status, reason, ZKT_STR("") };
    ws->client->body = read_refusal(h, &refusal);
    if (ws->setup->callbacks->on_refused != NULL) {
        ws->setup->callbacks->on_refused(ws->user, &refusal);
    }
    if (ws->client->body == 0) {
        end_refused(ws);
    }
}

/* Gathers the body of a refusal. Returns the number of consumed bytes. */
static size_t take_body(struct zkt_ws *ws, const uint8_t *bytes, size_t len)
{
    const size_t left = ws->client->body - zkt__ws_have(ws);
    const size_t taken = len < left ? len : left;
    if (!zkt__ws_gather(ws, bytes, taken)) {
        zkt__ws_end(ws, 1011, "out of memory");
        return len;
    }
    if (ws->gathered->have < ws->client->body) {
        return taken;
    }
    struct zkt_ws_gathered *body = zkt__ws_take_gathered(ws);
    ws->client->body = 0;
    memset(body->bytes + body->have, 0, ZKT_PADDING);
    if (ws->setup->callbacks->on_refusal_body != NULL) {
        ws->setup->callbacks->on_refusal_body(ws->user, body->bytes,
                                              body->have);
    }
    zkt__release(ws->setup->allocator, body);
    end_refused(ws);
    return taken;
}

static void check_response(struct zkt_ws *ws, struct zkt_head *h)
{
    struct response r = { .upgrade = false };
    struct zkt_str reason = ZKT_STR("");
    const int status = take_status_line(h, &reason);
    /* "A client MUST be able to parse one or more 1xx responses received prior
     * to a final response" (RFC 9110, section 15.2). */
    if (status >= 100 && status < 200 && status != HTTP_OK &&
        ws->client->interim < INTERIM_MAX) {
        ws->client->interim++;
        return;
    }
    if (status == 0) {
        end_refused(ws);
        return;
    }
    if (status != HTTP_OK) {
        take_refusal(ws, h, (unsigned)status, reason);
        return;
    }
    const char *wrong = parse_response(ws, h, &r);
    if (wrong != NULL) {
        zkt__ws_end(ws, 1002, wrong);
        return;
    }
    ws->state = ZKT_WS_OPEN;
    ws->deflates = r.deflates;
    if (ws->setup->callbacks->on_open != NULL) {
        ws->setup->callbacks->on_open(
            ws->user, r.protocol.data != NULL ? ws->client->offered : "");
    }
}

bool zkt__ws_init_client(struct zkt_ws *ws, struct zkt_ws_client *client,
                         const struct zkt_ws_setup *setup, void *user,
                         struct zkt_random *random,
                         const struct zkt_ws_opening *opening)
{
    const char *offered = opening->offered;
    const bool deflates = setup->deflate != NULL;
    zkt__ws_init_server(ws, setup, user);
    ws->role = ZKT_WS_CLIENT;
    ws->client = client;
    *client = (struct zkt_ws_client){ .random = random, .offered = offered };
    const uint64_t bytes[2] = { zkt__random_next(random),
                                zkt__random_next(random) };
    uint8_t nonce[sizeof(bytes)];
    memcpy(nonce, bytes, sizeof(nonce));
    client->key[zkt__base64(nonce, sizeof(nonce), client->key)] = '\0';
    const size_t size = REPLY_MAX + opening->host.len + opening->target.len +
                        opening->fields.len + strlen(offered);
    char *request = zkt__alloc(setup->allocator, size);
    if (request == NULL) {
        return false;
    }
    const int len = snprintf(
        request, size,
        "GET %.*s HTTP/1.1\r\nHost: %.*s\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
        "Sec-WebSocket-Version: 13\r\n%s%s%s%s%s%s%.*s\r\n",
        ZKT_ARG(opening->target), ZKT_ARG(opening->host), client->key,
        offered[0] != '\0' ? "Sec-WebSocket-Protocol: " : "", offered,
        offered[0] != '\0' ? "\r\n" : "",
        deflates ? "Sec-WebSocket-Extensions: " : "",
        deflates ? zkt__deflate_offered : "", deflates ? "\r\n" : "",
        ZKT_ARG(opening->fields));
    setup->callbacks->send(user, request, (size_t)len);
    zkt__release(setup->allocator, request);
    return true;
}

/* ---- gathering ---- */

/* Returns the end of the head in the @have gathered bytes, or 0; the first
 * @before of them have been searched already. */
static size_t find_end(const uint8_t *bytes, size_t have, size_t before)
{
    const uint8_t *at = bytes + before;
    const uint8_t *end = bytes + have;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        at++;
        if (at - bytes >= 4 && memcmp(at - 4, "\r\n\r\n", 4) == 0) {
            return (size_t)(at - bytes);
        }
    }
    return 0;
}

size_t zkt__ws_handshake_feed(struct zkt_ws *ws, const uint8_t *bytes,
                              size_t len)
{
    if (ws->role == ZKT_WS_SERVER) {
        return zkt__ws_request_feed(ws, bytes, len);
    }
    if (ws->client->body > 0) {
        return take_body(ws, bytes, len);
    }
    const size_t before = zkt__ws_have(ws);
    const size_t room = ws->setup->limits->head - before;
    const size_t taken = len < room ? len : room;
    if (!zkt__ws_gather(ws, bytes, taken)) {
        zkt__ws_end(ws, 1011, "out of memory");
        return len;
    }
    struct zkt_ws_gathered *gathered = ws->gathered;
    const size_t end = find_end(gathered->bytes, gathered->have, before);
    if (end == 0) {
        if (gathered->have == ws->setup->limits->head) {
            zkt__ws_end(ws, 1002, "the server's handshake is too long");
        }
        return taken;
    }
    const char *head = (const char *)gathered->bytes;
    struct zkt_head h = { head, head + end };
    (void)zkt__ws_take_gathered(ws);
    check_response(ws, &h);
    zkt__release(ws->setup->allocator, gathered);
    return end - before;
}
