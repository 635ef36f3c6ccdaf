/*
 * The opening handshake of both roles. A head is gathered up to its empty line
 * and then checked as a whole. Lines must end with CR LF; folded lines and
 * bodies are refused; names are compared without case (RFC 9110, section 5).
 */
#include "websocket/handshake.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "websocket/frames.h"

enum {
    REPLY_MAX = 512,
    HTTP_OK = 101,
    INTERIM_MAX = 16 /* responses before the final one */
};

void zkt__ws_accept_key(const char *key, char accept[ZKT_WS_ACCEPT_LEN + 1])
{
    /* The GUID of RFC 6455, section 1.3. */
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[ZKT_WS_KEY_LEN + sizeof(guid) - 1];
    uint8_t digest[ZKT_SHA1_SIZE];
    memcpy(text, key, ZKT_WS_KEY_LEN);
    memcpy(text + ZKT_WS_KEY_LEN, guid, sizeof(guid) - 1);
    zkt__sha1(text, sizeof(text), digest);
    accept[zkt__base64(digest, sizeof(digest), accept)] = '\0';
}

/* ---- heads ---- */

/* Parser state of a head. */
struct head {
    const char *at, *end;
};

static bool same_word(struct zkt_str a, const char *b)
{
    return a.len == strlen(b) && strncasecmp(a.data, b, a.len) == 0;
}

static struct zkt_str strip(struct zkt_str s)
{
    while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 &&
           (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

/* Returns true if a head contains a NUL; checked once, before its lines are. */
static bool has_nul(const struct head *h)
{
    return memchr(h->at, '\0', (size_t)(h->end - h->at)) != NULL;
}

/* Reads the next line without its end. Returns false if it contains a stray CR
 * or LF. */
static bool take_line(struct head *h, struct zkt_str *line)
{
    const char *end = memchr(h->at, '\n', (size_t)(h->end - h->at));
    if (end == NULL || end == h->at || end[-1] != '\r') {
        return false;
    }
    *line = (struct zkt_str){ h->at, (size_t)(end - h->at) - 1 };
    h->at = end + 1;
    return memchr(line->data, '\r', line->len) == NULL;
}

/* The characters of a field name (RFC 9110, section 5.6.2). */
static const uint8_t is_token[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1,  ['%'] = 1, ['&'] = 1, ['*'] = 1,
    ['+'] = 1, ['-'] = 1, ['.'] = 1,  ['^'] = 1, ['_'] = 1, ['`'] = 1,
    ['|'] = 1, ['~'] = 1, ['\''] = 1, ['0'] = 1, ['1'] = 1, ['2'] = 1,
    ['3'] = 1, ['4'] = 1, ['5'] = 1,  ['6'] = 1, ['7'] = 1, ['8'] = 1,
    ['9'] = 1, ['A'] = 1, ['B'] = 1,  ['C'] = 1, ['D'] = 1, ['E'] = 1,
    ['F'] = 1, ['G'] = 1, ['H'] = 1,  ['I'] = 1, ['J'] = 1, ['K'] = 1,
    ['L'] = 1, ['M'] = 1, ['N'] = 1,  ['O'] = 1, ['P'] = 1, ['Q'] = 1,
    ['R'] = 1, ['S'] = 1, ['T'] = 1,  ['U'] = 1, ['V'] = 1, ['W'] = 1,
    ['X'] = 1, ['Y'] = 1, ['Z'] = 1,  ['a'] = 1, ['b'] = 1, ['c'] = 1,
    ['d'] = 1, ['e'] = 1, ['f'] = 1,  ['g'] = 1, ['h'] = 1, ['i'] = 1,
    ['j'] = 1, ['k'] = 1, ['l'] = 1,  ['m'] = 1, ['n'] = 1, ['o'] = 1,
    ['p'] = 1, ['q'] = 1, ['r'] = 1,  ['s'] = 1, ['t'] = 1, ['u'] = 1,
    ['v'] = 1, ['w'] = 1, ['x'] = 1,  ['y'] = 1, ['z'] = 1
};

/* Splits `Name: value`. Returns false if the line is malformed or folded. */
static bool split_field(struct zkt_str line, struct zkt_str *name,
                        struct zkt_str *value)
{
    size_t n = 0;
    while (n < line.len && is_token[(unsigned char)line.data[n]]) {
        n++;
    }
    if (n == 0 || n == line.len || line.data[n] != ':') {
        return false;
    }
    *name = (struct zkt_str){ line.data, n };
    *value = strip((struct zkt_str){ line.data + n + 1, line.len - n - 1 });
    return true;
}

bool zkt__ws_next_item(struct zkt_str *list, struct zkt_str *item)
{
    while (list->len > 0) {
        const char *comma = memchr(list->data, ',', list->len);
        const size_t n = comma != NULL ? (size_t)(comma - list->data)
                                       : list->len;
        *item = strip((struct zkt_str){ list->data, n });
        list->data += comma != NULL ? n + 1 : n;
        list->len -= comma != NULL ? n + 1 : n;
        if (item->len > 0) {
            return true;
        }
    }
    return false;
}

/* Returns true if a comma-separated list contains @word. */
static bool list_has(struct zkt_str list, const char *word)
{
    struct zkt_str item;
    while (zkt__ws_next_item(&list, &item)) {
        if (same_word(item, word)) {
            return true;
        }
    }
    return false;
}

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

/* ---- server ---- */

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
    while (zkt__ws_next_item(&list, &item)) {
        const bool is_continue = same_word(item, "100-continue");
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
    while (zkt__ws_next_item(&list, &item)) {
        for (size_t i = 0; i < item.len; i++) {
            r->malformed = r->malformed ||
                           !is_token[(unsigned char)item.data[i]];
        }
    }
}

static void take_field(struct request *r, struct zkt_str name,
                       struct zkt_str value)
{
    if (same_word(name, "Upgrade")) {
        r->upgrade = r->upgrade || list_has(value, "websocket");
    } else if (same_word(name, "Connection")) {
        r->connection = r->connection || list_has(value, "upgrade");
    } else if (same_word(name, "Sec-WebSocket-Key")) {
        set_once(r, &r->public.key, value);
    } else if (same_word(name, "Sec-WebSocket-Version")) {
        set_once(r, &r->version, value);
    } else if (same_word(name, "Sec-WebSocket-Protocol")) {
        take_protocols(r, value);
    } else if (same_word(name, "Host")) {
        set_once(r, &r->public.host, value);
    } else if (same_word(name, "Origin")) {
        set_once(r, &r->public.origin, value);
    } else if (same_word(name, "Content-Length")) {
        r->body = r->body || !zkt_str_eq(value, ZKT_STR("0"));
    } else if (same_word(name, "Transfer-Encoding")) {
        r->body = true;
    } else if (same_word(name, "Expect")) {
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
static int parse_request(struct head *h, struct request *r)
{
    struct zkt_str line, name, value;
    if (has_nul(h) || !take_line(h, &line)) {
        return 400;
    }
    const int refused = take_request_line(r, line);
    if (refused != 0) {
        return refused;
    }
    r->public.fields = (struct zkt_str){ h->at, (size_t)(h->end - h->at) };
    for (;;) {
        if (!take_line(h, &line)) {
            return 400;
        }
        if (line.len == 0) {
            break;
        }
        if (!split_field(line, &name, &value)) {
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

bool zkt__ws_next_field(struct zkt_str *fields, struct zkt_str *name,
                        struct zkt_str *value)
{
    struct head h = { fields->data, fields->data + fields->len };
    struct zkt_str line;
    const bool found = take_line(&h, &line) && split_field(line, name, value);
    *fields = (struct zkt_str){ h.at, (size_t)(h.end - h.at) };
    return found;
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

static void refuse(struct zkt_ws *ws, int status)
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
static void check_request(struct zkt_ws *ws, size_t end)
{
    struct request r = { .public.protocols = ZKT_STR("") };
    struct head h = { (const char *)ws->gathered,
                      (const char *)ws->gathered + end };
    const int status = parse_request(&h, &r);
    ws->have = end;
    if (status != 0) {
        refuse(ws, status);
    } else {
        ws->state = ZKT_WS_ASKED;
        if (ws->callbacks->on_request != NULL) {
            ws->callbacks->on_request(ws->user, &r.public);
        } else {
            zkt__ws_accept(ws, &r.public, ZKT_STR(""));
        }
    }
}

/* ---- client ---- */

struct response {
    bool upgrade, connection, accept, twice, extensions;
    struct zkt_str protocol;
};

static void take_response_field(const struct zkt_ws *ws, struct response *r,
                                struct zkt_str name, struct zkt_str value)
{
    char expected[ZKT_WS_ACCEPT_LEN + 1];
    if (same_word(name, "Upgrade")) {
        r->upgrade = same_word(value, "websocket");
    } else if (same_word(name, "Connection")) {
        r->connection = r->connection || list_has(value, "upgrade");
    } else if (same_word(name, "Sec-WebSocket-Accept")) {
        zkt__ws_accept_key(ws->client->key, expected);
        r->twice = r->twice || r->accept;
        r->accept = zkt_str_eq(value, zkt_cstr(expected));
    } else if (same_word(name, "Sec-WebSocket-Extensions")) {
        r->extensions = true;
    } else if (same_word(name, "Sec-WebSocket-Protocol")) {
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
static int take_status_line(struct head *h, struct zkt_str *reason)
{
    static const char version[] = "HTTP/1.";
    struct zkt_str line;
    if (has_nul(h) || !take_line(h, &line) || line.len < 12 ||
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
    *reason = strip((struct zkt_str){ line.data + 12, line.len - 12 });
    /* Switching protocols requires HTTP/1.1 (RFC 9110, section 7.8). */
    return status == HTTP_OK && line.data[7] == '0' ? 0 : status;
}

/* Makes the checks of RFC 6455, section 4.1. Returns NULL, or the error. */
static const char *parse_response(const struct zkt_ws *ws, struct head *h,
                                  struct response *r)
{
    struct zkt_str line, name, value;
    for (;;) {
        if (!take_line(h, &line)) {
            return "the server's handshake is malformed";
        }
        if (line.len == 0) {
            break;
        }
        if (!split_field(line, &name, &value)) {
            return "the server's handshake is malformed";
        }
        take_response_field(ws, r, name, value);
    }
    if (!r->upgrade || !r->connection || !r->accept || r->twice ||
        r->extensions) {
        return "the server's handshake is no answer to ours";
    }
    if (r->protocol.data != NULL &&
        !zkt_str_eq(r->protocol, zkt_cstr(ws->client->offered))) {
        return "the server chose a subprotocol that was not offered";
    }
    return NULL;
}

static void check_response(struct zkt_ws *ws, struct head *h)
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
    if (status != HTTP_OK) {
        if (status != 0 && ws->callbacks->on_peer_status != NULL) {
            ws->callbacks->on_peer_status(ws->user, (unsigned)status, reason);
        }
        zkt__ws_end(ws, 1002, "the server refused the WebSocket handshake");
        return;
    }
    const char *wrong = parse_response(ws, h, &r);
    if (wrong != NULL) {
        zkt__ws_end(ws, 1002, wrong);
        return;
    }
    ws->state = ZKT_WS_OPEN;
    if (ws->callbacks->on_open != NULL) {
        ws->callbacks->on_open(
            ws->user, r.protocol.data != NULL ? ws->client->offered : "");
    }
}

bool zkt__ws_init_client(struct zkt_ws *ws, struct zkt_ws_client *client,
                         const struct zkt_ws_callbacks *callbacks, void *user,
                         const struct zkt_allocator *allocator,
                         const struct zkt_ws_limits *limits,
                         struct zkt_random *random, struct zkt_str host,
                         struct zkt_str path, const char *offered)
{
    zkt__ws_init_server(ws, callbacks, user, allocator, limits);
    ws->role = ZKT_WS_CLIENT;
    ws->client = client;
    *client = (struct zkt_ws_client){ .random = random, .offered = offered };
    const uint64_t bytes[2] = { zkt__random_next(random),
                                zkt__random_next(random) };
    uint8_t nonce[sizeof(bytes)];
    memcpy(nonce, bytes, sizeof(nonce));
    client->key[zkt__base64(nonce, sizeof(nonce), client->key)] = '\0';
    const size_t size = REPLY_MAX + host.len + path.len + strlen(offered);
    char *request = zkt__alloc(allocator, size);
    if (request == NULL) {
        return false;
    }
    const int len = snprintf(
        request, size,
        "GET %.*s HTTP/1.1\r\nHost: %.*s\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
        "Sec-WebSocket-Version: 13\r\n%s%s%s\r\n",
        ZKT_ARG(path), ZKT_ARG(host), client->key,
        offered[0] != '\0' ? "Sec-WebSocket-Protocol: " : "", offered,
        offered[0] != '\0' ? "\r\n" : "");
    callbacks->send(user, request, (size_t)len);
    zkt__release(allocator, request);
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

/* Returns the number of bytes in empty lines before a request, which must be
 * ignored (RFC 9112, section 2.2). A CR that an LF may follow is gathered. */
static size_t skip_empty_lines(struct zkt_ws *ws, const uint8_t *bytes,
                               size_t len)
{
    size_t n = 0;
    if (ws->have == 1 && ws->gathered[0] == '\r' && bytes[0] == '\n') {
        ws->have = 0;
        n = 1;
    }
    while (ws->have == 0 && len - n >= 2 && bytes[n] == '\r' &&
           bytes[n + 1] == '\n') {
        n += 2;
    }
    return n;
}

size_t zkt__ws_handshake_feed(struct zkt_ws *ws, const uint8_t *bytes,
                              size_t len)
{
    if (ws->role == ZKT_WS_SERVER && ws->have < 2) {
        const size_t skipped = skip_empty_lines(ws, bytes, len);
        if (skipped > 0) {
            return skipped;
        }
    }
    const size_t before = ws->have;
    const size_t room = ws->limits->head - before;
    const size_t taken = len < room ? len : room;
    if (!zkt__ws_gather(ws, bytes, taken)) {
        zkt__ws_end(ws, 1011, "out of memory");
        return len;
    }
    const size_t end = find_end(ws->gathered, ws->have, before);
    if (end == 0) {
        if (ws->have == ws->limits->head) {
            if (ws->role == ZKT_WS_SERVER) {
                zkt__ws_notify_limit(ws, ZKT_WS_LIMIT_HEAD);
                refuse(ws, 431);
            } else {
                zkt__ws_end(ws, 1002, "the server's handshake is too long");
            }
        }
        return taken;
    }
    if (ws->role == ZKT_WS_SERVER) {
        check_request(ws, end);
        return end - before;
    }
    /* Detached from @ws, since a callback may end the connection. */
    uint8_t *gathered = ws->gathered;
    struct head h = { (const char *)gathered, (const char *)gathered + end };
    ws->gathered = NULL;
    ws->have = ws->want = ws->capacity = 0;
    check_response(ws, &h);
    zkt__release(ws->allocator, gathered);
    return end - before;
}
