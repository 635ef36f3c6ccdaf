/* The opening handshake of both roles, whole and byte by byte; close codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "http/head.h"
#include "websocket/handshake.h"

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define GET "GET /chat?room=1 HTTP/1.1\r\n"
#define HEAD                                                                   \
    "Host: example.com\r\nUpgrade: WebSocket\r\n"                              \
    "Connection: keep-alive, Upgrade\r\n"
#define KEYS "Sec-WebSocket-Key: " KEY "\r\nSec-WebSocket-Version: 13\r\n"

struct heard {
    char sent[4096];
    size_t len;
    unsigned code;
    int opened, messages;
    char protocol[32], path[64], query[64];
    struct zkt_ws *ws; /* answers requests */
    bool defers;
    struct zkt_ws_request request; /* that waits */
    uint8_t memory[1024];
};

/* Selects the first of the offered subprotocols. */
static void answer(struct heard *h, const struct zkt_ws_request *request)
{
    struct zkt_str fields = request->fields;
    struct zkt_str name, value, item = ZKT_STR("");
    if (strcmp(h->path, "/closed") == 0) {
        zkt__ws_refuse(h->ws, 403, ZKT_STR("Content-Type: text/plain\r\n"),
                       ZKT_STR("closed"));
        return;
    }
    while (item.len == 0 && zkt__http_next_field(&fields, &name, &value)) {
        if (zkt_str_eq(name, ZKT_STR("Sec-WebSocket-Protocol"))) {
            (void)zkt__http_next_item(&value, &item);
        }
    }
    zkt__ws_accept(h->ws, request, item);
}

static void on_request(void *user, const struct zkt_ws_request *request)
{
    struct heard *h = user;
    snprintf(h->path, sizeof(h->path), "%.*s", ZKT_ARG(request->path));
    snprintf(h->query, sizeof(h->query), "%.*s", ZKT_ARG(request->query));
    h->request = *request;
    if (!h->defers) {
        answer(h, request);
    }
}

static void on_open(void *user, const char *protocol)
{
    struct heard *h = user;
    h->opened++;
    snprintf(h->protocol, sizeof(h->protocol), "%s", protocol);
}

static uint8_t *on_memory(void *user, size_t len)
{
    struct heard *h = user;
    return len + ZKT_PADDING <= sizeof(h->memory) ? h->memory : NULL;
}

static void on_message(void *user, bool binary, uint8_t *data, size_t len)
{
    struct heard *h = user;
    assert_false(binary);
    assert_int_equal(len, 5);
    assert_memory_equal(data, "hello", 5);
    h->messages++;
}

static void on_send(void *user, const void *data, size_t len)
{
    struct heard *h = user;
    assert_true(h->len + len < sizeof(h->sent));
    memcpy(h->sent + h->len, data, len);
    h->len += len;
    h->sent[h->len] = '\0';
}

static void on_close(void *user, unsigned code, const char *reason)
{
    struct heard *h = user;
    assert_int_equal(h->code, 0); /* only once */
    assert_non_null(reason);
    h->code = code;
}

static const struct zkt_ws_callbacks callbacks = {
    .on_request = on_request,
    .on_open = on_open,
    .memory = on_memory,
    .on_message = on_message,
    .send = on_send,
    .on_close = on_close,
};
static const struct zkt_ws_limits limits = { 1000, 1024, 16, 64 };
static const struct zkt_ws_setup setup = { .callbacks = &callbacks,
                                           .allocator = &zkt__allocator_default,
                                           .limits = &limits };

static void feed(struct zkt_ws *ws, const char *text, size_t len, size_t cut)
{
    ((struct heard *)ws->user)->ws = ws;
    for (size_t at = 0; at < len; at += cut) {
        uint8_t bytes[2048];
        const size_t n = len - at < cut ? len - at : cut;
        memcpy(bytes, text + at, n);
        assert_int_equal(zkt__ws_feed(ws, bytes, n), n);
    }
}

static void test_accept_keys(void **state)
{
    /* The first is of RFC 6455, section 1.3; the others are by hashlib. */
    static const char *const table[][2] = {
        { KEY, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" },
        { "AAAAAAAAAAAAAAAAAAAAAA==", "ICX+Yqv66kxgM0FcWaLWlFLwTAI=" },
        { "/////////////////////w==", "XXpj4jYzLM2yUE0C7TIgMwTQh2g=" },
        { "IiUoKy4xNDc6PUBDRklMTw==", "yGHcmjGWs/rA/Io8FUGwmcDKa28=" },
        { "Mzc7P0NHS09TV1tfY2drbw==", "SVguZUa7GAAPPtVWUYiiPTOLUsg=" },
        { "RElOU1hdYmdscXZ7gIWKjw==", "nvl/k9K2fN1bBGGYwGa9Qng9aMI=" },
        { "VVthZ21zeX+Fi5GXnaOprw==", "xZ1yYQDngtbokaIZvrkxZyrhodc=" },
        { "Zm10e4KJkJeepayzusHIzw==", "o0Zs1KKwK/AqaQF19aWUjjtJXe4=" },
        { "d3+Hj5efp6+3v8fP19/n7w==", "fjHYYdcxphkHlAsYpbLbBxADMY8=" },
        { "iJGao6y1vsfQ2eLr9P0GDw==", "PO/0fyy/PlbT+ijMnAwhkq8zYxg=" },
        { "maOtt8HL1d/p8/0HERslLw==", "WMGvAVIaR1zL3ccKh2g/J7MDEqw=" },
        { "qrXAy9bh7PcCDRgjLjlETw==", "o2lE0TC1u1ROUwfO1OHDEXuWdjM=" },
        { "u8fT3+v3Aw8bJzM/S1djbw==", "02j3mmUJ0pYAwJc6E1GAV7ox67M=" },
        { "zNnm8wANGic0QU5baHWCjw==", "Gk0KZiFajgA0AaIkWhF3XUdSDbw=" },
        { "3ev5BxUjMT9NW2l3hZOhrw==", "kIKQ5PjJfVPGulDR6nP5Q4hJ2RY=" },
        { "7v0MGyo5SFdmdYSTorHAzw==", "6SKBIrTaawj9qhIsb2K3UKCBXvs=" },
        { "/w8fLz9PX29/j5+vv8/f7w==", "xX2fHIUFwT2AO1wFWn9/Yd4MMgM=" },
    };
    char accept[ZKT_WS_ACCEPT_LEN + 1];
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        zkt__ws_accept_key(table[i][0], accept);
        assert_string_equal(accept, table[i][1]);
    }
}

static void test_base64(void **state)
{
    char text[16];
    (void)state;
    text[zkt__base64((const uint8_t *)"fooba", 5, text)] = '\0';
    assert_string_equal(text, "Zm9vYmE=");
}

static void test_requests(void **state)
{
    static const struct {
        const char *head;
        int status;
    } table[] = {
        { GET HEAD KEYS "\r\n", 101 },
        /* RFC 6455, section 4.1: an absolute URI. */
        { "GET http://x:1/chat HTTP/1.1\r\n" HEAD KEYS "\r\n", 101 },
        { "GET HTTPS://x HTTP/1.1\r\n" HEAD KEYS "\r\n", 101 },
        { "GET / HTTP/1.2\r\n" HEAD KEYS "\r\n", 505 },
        { "GET http://x/closed HTTP/1.1\r\n" HEAD KEYS "\r\n", 403 },
        { "GET http:// HTTP/1.1\r\n" HEAD KEYS "\r\n", 400 },
        { "GET http:///a HTTP/1.1\r\n" HEAD KEYS "\r\n", 400 },
        { "GET http://x?a HTTP/1.1\r\n" HEAD KEYS "\r\n", 400 },
        { "GET ftp://x/ HTTP/1.1\r\n" HEAD KEYS "\r\n", 400 },
        /* Section 3: no fragment; RFC 3986: nothing but ASCII. */
        { "GET /a#b HTTP/1.1\r\n" HEAD KEYS "\r\n", 400 },
        { "GET /\xc3\xa9 HTTP/1.1\r\n" HEAD KEYS "\r\n", 400 },
        { "GET / HTTP/1.x\r\n" HEAD KEYS "\r\n", 400 },
        { "GET / HTTP/2.0\r\n" HEAD KEYS "\r\n", 505 },
        { "GET  HTTP/1.1\r\n" HEAD KEYS "\r\n", 400 },
        { "GE\r\n\r\n", 400 },
        { GET "host:x\r\nupgrade:websocket\r\nCONNECTION:upgrade\r\n" KEYS
              "\r\n",
          101 },
        { GET HEAD KEYS "Content-Length: 0\r\n\r\n", 101 },
        { "GET /closed HTTP/1.1\r\n" HEAD KEYS "\r\n", 403 },
        { "POST / HTTP/1.1\r\n" HEAD KEYS "\r\n", 405 },
        /* RFC 9110, section 7.8: HTTP/1.0 has no Upgrade. */
        { "GET / HTTP/1.0\r\n" HEAD KEYS "\r\n", 426 },
        { "GET x HTTP/1.1\r\n" HEAD KEYS "\r\n", 400 },
        { "GET /a b HTTP/1.1\r\n" HEAD KEYS "\r\n", 400 },
        { "nonsense\r\n\r\n", 400 },
        { GET KEYS "Upgrade: websocket\r\nConnection: upgrade\r\n\r\n", 400 },
        { GET "Host: x\r\nConnection: upgrade\r\n" KEYS "\r\n", 426 },
        { GET "Host: x\r\nUpgrade: websocket\r\n" KEYS "\r\n", 426 },
        { GET HEAD "Sec-WebSocket-Key: " KEY
                   "\r\nSec-WebSocket-Version: 8\r\n\r\n",
          426 },
        { GET HEAD "Sec-WebSocket-Version: 13\r\n\r\n", 400 },
        { GET HEAD "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n"
                   "Sec-WebSocket-Version: 13\r\n\r\n",
          400 },
        { GET HEAD "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZR==\r\n"
                   "Sec-WebSocket-Version: 13\r\n\r\n",
          400 },
        { GET HEAD KEYS KEYS "\r\n", 400 },
        { GET HEAD KEYS "Content-Length: 1\r\n\r\n", 400 },
        { GET HEAD KEYS "Transfer-Encoding: chunked\r\n\r\n", 400 },
        { GET HEAD KEYS " folded: yes\r\n\r\n", 400 },
        { GET HEAD KEYS "No-Colon\r\n\r\n", 400 },
        { GET HEAD KEYS "X: a\nb\r\n\r\n", 400 },
        { GET HEAD KEYS "Origin: http://x\r\n\r\n", 101 },
        { GET HEAD KEYS "Origin: http://x\r\nOrigin: http://x\r\n\r\n", 400 },
        /* RFC 6455, section 4.1, item 10: subprotocols are tokens. */
        { GET HEAD KEYS "Sec-WebSocket-Protocol: , a ,,b.c\r\n\r\n", 101 },
        { GET HEAD KEYS "Sec-WebSocket-Protocol: a b\r\n\r\n", 400 },
        { GET HEAD KEYS "Sec-WebSocket-Protocol: a, \"b\"\r\n\r\n", 400 },
        { GET HEAD KEYS "Sec-WebSocket-Protocol: a,\xc3\xa9\r\n\r\n", 400 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        for (size_t cut = 1; cut < 5000; cut += 4999) {
            struct zkt_ws ws;
            struct heard h = { .len = 0 };
            char expected[32];
            zkt__ws_init_server(&ws, &setup, &h);
            feed(&ws, table[i].head, strlen(table[i].head), cut);
            snprintf(expected, sizeof(expected), "HTTP/1.1 %d ",
                     table[i].status);
            if (strncmp(h.sent, expected, strlen(expected)) != 0) {
                fail_msg("request %zu: %s", i, h.sent);
            }
            assert_int_equal(h.opened, table[i].status == 101);
            assert_int_equal(h.code, table[i].status == 101 ? 0 : 1002);
            zkt__ws_finish(&ws);
        }
    }
}

/* RFC 9110, sections 10.1.1 and 7.8: a client waits for 100, and gets 100 or
 * its refusal; other expectations cannot be met. */
static void test_expectations(void **state)
{
    static const struct {
        const char *head, *answer;
    } table[] = {
        { GET HEAD KEYS "Expect: 100-continue\r\n\r\n",
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 " },
        { GET HEAD KEYS "Expect: 100-Continue, ,\r\nExpect:\r\n\r\n",
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 " },
        { GET HEAD KEYS "Expect:\r\n\r\n", "HTTP/1.1 101 " },
        { GET HEAD KEYS "Expect: 100-continue, x\r\n\r\n",
          "HTTP/1.1 417 Expectation Failed\r\n" },
        { GET HEAD KEYS "Expect: 200-ok\r\nExpect: 100-continue\r\n\r\n",
          "HTTP/1.1 417 " },
        { GET HEAD "Expect: 100-continue\r\n\r\n", "HTTP/1.1 426 " },
        { "GET /closed HTTP/1.1\r\n" HEAD KEYS "Expect: 100-continue\r\n\r\n",
          "HTTP/1.1 403 " },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct zkt_ws ws;
        struct heard h = { .len = 0 };
        zkt__ws_init_server(&ws, &setup, &h);
        feed(&ws, table[i].head, strlen(table[i].head), 2048);
        if (strncmp(h.sent, table[i].answer, strlen(table[i].answer)) != 0) {
            fail_msg("request %zu: %s", i, h.sent);
        }
        zkt__ws_finish(&ws);
    }
}

/* RFC 9112, section 2.2. */
static void test_empty_lines_before_a_request(void **state)
{
    static const struct {
        const char *head;
        int status;
    } table[] = {
        { "\r\n" GET HEAD KEYS "\r\n", 101 },
        { "\r\n\r\n\r\n" GET HEAD KEYS "\r\n", 101 },
        { "\r" GET HEAD KEYS "\r\n", 400 },
        { "\n" GET HEAD KEYS "\r\n", 400 },
        { "\r\r\n" GET HEAD KEYS "\r\n", 400 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        for (size_t cut = 1; cut < 8; cut++) {
            struct zkt_ws ws;
            struct heard h = { .len = 0 };
            char expected[32];
            zkt__ws_init_server(&ws, &setup, &h);
            feed(&ws, table[i].head, strlen(table[i].head), cut);
            snprintf(expected, sizeof(expected), "HTTP/1.1 %d ",
                     table[i].status);
            if (strncmp(h.sent, expected, strlen(expected)) != 0) {
                fail_msg("request %zu, cut %zu: %s", i, cut, h.sent);
            }
            zkt__ws_finish(&ws);
        }
    }
}

/* RFC 9110, sections 15.5.22 and 7.8; RFC 6455, section 4.4. */
static void test_the_fields_of_a_426(void **state)
{
    static const char head[] = GET "Host: x\r\n" KEYS "\r\n";
    struct zkt_ws ws;
    struct heard h = { .len = 0 };
    (void)state;
    zkt__ws_init_server(&ws, &setup, &h);
    feed(&ws, head, strlen(head), 2048);
    assert_non_null(strstr(h.sent, "\r\nUpgrade: websocket\r\n"));
    assert_non_null(strstr(h.sent, "\r\nConnection: Upgrade, close\r\n"));
    assert_non_null(strstr(h.sent, "\r\nSec-WebSocket-Version: 13\r\n"));
    zkt__ws_finish(&ws);
}

static void test_bytes_after_the_head(void **state)
{
    /* A masked "hello", and a protocol that is offered among others. */
    static const char text[] = GET HEAD KEYS
        "Sec-WebSocket-Protocol: ,zocket.rfc6902, a\r\n\r\n"
        "\x81\x85\x01\x02\x03\x04"
        "igohn"
        "\x81\x85\x01\x02\x03\x04"
        "igohn";
    (void)state;
    for (size_t cut = 1; cut < 400; cut += 7) {
        struct zkt_ws ws;
        struct heard h = { .len = 0 };
        zkt__ws_init_server(&ws, &setup, &h);
        feed(&ws, text, sizeof(text) - 1, cut);
        assert_string_equal(h.path, "/chat");
        assert_string_equal(h.query, "room=1");
        assert_non_null(
            strstr(h.sent, "\r\nSec-WebSocket-Protocol: zocket.rfc6902\r\n"));
        assert_int_equal(h.messages, 2);
        zkt__ws_finish(&ws);
    }
}

/* A refusal may have fields and a body. */
static void test_the_body_of_a_refusal(void **state)
{
    static const char head[] = "GET /closed HTTP/1.1\r\n" HEAD KEYS "\r\n";
    struct zkt_ws ws;
    struct heard h = { .len = 0 };
    (void)state;
    zkt__ws_init_server(&ws, &setup, &h);
    feed(&ws, head, strlen(head), 2048);
    assert_string_equal(h.sent, "HTTP/1.1 403 Forbidden\r\n"
                                "Content-Type: text/plain\r\n"
                                "Vary: Origin\r\n"
                                "Connection: close\r\n"
                                "Content-Length: 6\r\n\r\nclosed");
    zkt__ws_finish(&ws);
}

/* Until the request is answered nothing is consumed; its memory counts. */
static void test_a_later_answer(void **state)
{
    static const char text[] = GET HEAD KEYS
        "Sec-WebSocket-Protocol: long\r\n\r\n"
        "\x81\x85\x01\x02\x03\x04"
        "igohn";
    const size_t head = sizeof(text) - 1 - 11;
    (void)state;
    for (int outcome = 0; outcome < 4; outcome++) {
        struct zkt_ws ws;
        struct heard h = { .defers = true };
        uint8_t bytes[1024];
        size_t memory;
        zkt__ws_init_server(&ws, &setup, &h);
        memcpy(bytes, text, sizeof(text));
        assert_int_equal(zkt__ws_feed(&ws, bytes, sizeof(text) - 1), head);
        zkt__ws_resume(&ws);
        assert_int_equal(zkt__ws_feed(&ws, bytes + head, 11), 0);
        assert_int_equal(zkt__ws_partial(&ws, &memory), head);
        assert_true(memory >= head);
        assert_int_equal(h.len + (size_t)h.opened, 0);
        if (outcome == 0) {
            zkt__ws_accept(&ws, &h.request, ZKT_STR("long"));
            zkt__ws_accept(&ws, &h.request,
                           ZKT_STR("long")); /* has no effect */
            assert_int_equal(h.opened, 1);
            assert_int_equal(zkt__ws_feed(&ws, bytes + head, 11), 11);
            assert_non_null(strstr(h.sent, "\r\nSec-WebSocket-Protocol: long"));
        } else if (outcome == 1) {
            zkt__ws_refuse(&ws, 401, ZKT_STR("A: b\r\n"), ZKT_STR(""));
            assert_memory_equal(h.sent, "HTTP/1.1 401 Unauthorized\r\nA: b\r\n",
                                33);
        } else if (outcome == 2) {
            zkt__ws_close(&ws, 1001, "gone");
            assert_int_equal(h.len, 0);
        }
        assert_int_equal(h.messages, outcome == 0);
        assert_int_equal(h.code, outcome == 1 ? 1002 : outcome == 2 ? 1001 : 0);
        zkt__ws_finish(&ws);
    }
}

static void test_a_head_that_is_too_long(void **state)
{
    struct zkt_ws ws;
    struct heard h = { .len = 0 };
    (void)state;
    zkt__ws_init_server(&ws, &setup, &h);
    feed(&ws, GET, strlen(GET), 100);
    for (int i = 0; i < 100 && h.len == 0; i++) {
        feed(&ws, "X: yyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 32, 100);
    }
    assert_memory_equal(h.sent, "HTTP/1.1 431 ", 13);
    zkt__ws_finish(&ws);
}

/* ---- the client's side ---- */

static void open_client(struct zkt_ws *ws, struct zkt_ws_client *client,
                        struct heard *h, struct zkt_random *random)
{
    static const uint8_t seed[ZKT_SEED_SIZE] = { 7 };
    struct zkt_hash_key key;
    assert_true(zkt__random_init(random, &key, seed));
    assert_true(zkt__ws_init_client(
        ws, client, &setup, h, random,
        &(const struct zkt_ws_opening){ .host = ZKT_STR("example.com:80"),
                                        .target = ZKT_STR("/p?q"),
                                        .fields = ZKT_STR("X-A: b\r\n"),
                                        .offered = "zocket.rfc6902" }));
    assert_non_null(strstr(h->sent, "GET /p?q HTTP/1.1\r\n"
                                    "Host: example.com:80\r\n"));
    assert_non_null(strstr(h->sent, "Sec-WebSocket-Protocol: zocket.rfc6902\r\n"
                                    "X-A: b\r\n\r\n"));
    h->len = 0;
}

static void test_responses(void **state)
{
    static const struct {
        const char *format; /* with the right accept key */
        bool good;
    } table[] = {
        { "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: %s\r\n\r\n\x81\x05hello",
          true },
        { "HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: %s\r\n\r\n",
          false },
        { "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: x%s\r\n\r\n",
          false },
        { "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: other\r\n\r\n",
          false },
        { "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Extensions: x\r\n\r\n",
          false },
        { "HTTP/1.1 101 Yes\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: %s\r\n\r\n",
          false },
        /* RFC 6455, section 4.1, 1: a status code that only begins with 101. */
        { "HTTP/1.1 1010 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: %s\r\n\r\n",
          false },
        { "HTTP/1.0 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: %s\r\n\r\n",
          false },
        /* RFC 9110, section 15.2: interim responses before the final
         * response. */
        { "HTTP/1.1 100 Continue\r\n\r\n"
          "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
          "HTTP/1.0 199\r\n\r\n"
          "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: %s\r\n\r\n\x81\x05hello",
          true },
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\n\r\n%.0s", false },
        { "HTTP/1.1 1x0 Continue\r\n\r\n%.0s", false },
        { "HTTP/1.1 099 Continue\r\n\r\n%.0s", false },
        /* 2, 3: names in any case, spaces around values, a list with a single
         * element. */
        { "HTTP/1.1 101\r\nuPgRaDe:  WEBSOCKET\r\nconnection:x,UPGRADE\t\r\n"
          "sec-websocket-accept: %s \r\n\r\n\x81\x05hello",
          true },
        /* 4: the accept key once, and right. */
        { "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Accept: x\r\n\r\n",
          false },
        { "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
          "\r\n",
          false },
        { "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: close\r\n"
          "Sec-WebSocket-Accept: %s\r\n\r\n",
          false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct zkt_ws ws;
        struct zkt_ws_client client;
        struct zkt_random random;
        struct heard h = { .len = 0 };
        char accept[ZKT_WS_ACCEPT_LEN + 1], response[512];
        open_client(&ws, &client, &h, &random);
        zkt__ws_accept_key(client.key, accept);
        const int len = snprintf(response, sizeof(response), table[i].format,
                                 accept);
        feed(&ws, response, (size_t)len, 3);
        assert_int_equal(h.opened, table[i].good);
        assert_int_equal(h.messages, table[i].good);
        assert_int_equal(h.code, table[i].good ? 0 : 1002);
        zkt__ws_finish(&ws);
    }
}

/* The number of interim responses is limited. */
static void test_interim_responses_are_bounded(void **state)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct zkt_ws ws;
    struct zkt_ws_client client;
    struct zkt_random random;
    struct heard h = { .len = 0 };
    int count = 0;
    (void)state;
    open_client(&ws, &client, &h, &random);
    while (h.code == 0 && count < 1000) {
        feed(&ws, interim, strlen(interim), 9);
        count++;
    }
    assert_int_equal(h.code, 1002);
    assert_int_equal(count, 17);
    zkt__ws_finish(&ws);
}

static void test_closing(void **state)
{
    struct zkt_ws ws;
    struct heard h = { .len = 0 };
    (void)state;
    zkt__ws_init_server(&ws, &setup, &h);
    ws.state = ZKT_WS_OPEN;
    /* The limit is reached in the middle of a frame: the rest of it is
     * skipped. */
    feed(&ws,
         "\x81\x85\x01\x02\x03\x04"
         "ig",
         8, 8);
    zkt__ws_close(&ws, 1001, "bye");
    zkt__ws_close(&ws, 1000, "");
    assert_int_equal(h.code, 1001);
    assert_int_equal(h.len, 7);
    assert_memory_equal(h.sent,
                        "\x88\x05\x03\xe9"
                        "bye",
                        7);
    feed(&ws, "ohn\x81\x85\x01\x02\x03\x04igohn", 14, 2);
    assert_int_equal(ws.state, ZKT_WS_CLOSING);
    feed(&ws, "\x88\x82\x00\x00\x00\x00\x03\xe9", 8, 3);
    assert_int_equal(ws.state, ZKT_WS_CLOSED);
    assert_int_equal(h.messages, 0);
    zkt__ws_finish(&ws);
}

static void test_limits_and_memory(void **state)
{
    static const char over[] = "\x81\xfe\x03\xe9\x01\x02\x03\x04?";
    static const char piece[] = "\x01\x80\x00\x00\x00\x00";
    struct failing_alloc failing;
    (void)state;
    for (long n = 0; n < 4; n++) {
        struct zkt_ws ws;
        struct heard h = { .len = 0 };
        failing_alloc_init(&failing, n);
        const struct zkt_ws_setup scarce = { .callbacks = &callbacks,
                                             .allocator = &failing.allocator,
                                             .limits = &limits };
        zkt__ws_init_server(&ws, &scarce, &h);
        ws.state = ZKT_WS_OPEN;
        feed(&ws, over, sizeof(over) - 1, 1); /* a byte over the limit */
        assert_int_equal(h.code, n == 0 || failing.calls < n ? 1009 : 1011);
        zkt__ws_finish(&ws);
        assert_int_equal(failing.live, 0);
    }
    struct zkt_ws ws;
    struct heard h = { .len = 0 };
    zkt__ws_init_server(&ws, &setup, &h);
    ws.state = ZKT_WS_OPEN;
    feed(&ws, piece, 6, 6);
    for (int i = 0; i < 15; i++) {
        feed(&ws, "\x00\x80\x00\x00\x00\x00", 6, 6);
    }
    assert_int_equal(h.code, 0);
    feed(&ws, "\x00\x80\x00\x00\x00\x00", 6, 6);
    assert_int_equal(h.code, 1009); /* a fragment over the limit */
    zkt__ws_finish(&ws);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept_keys),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_empty_lines_before_a_request),
        cmocka_unit_test(test_the_fields_of_a_426),
        cmocka_unit_test(test_bytes_after_the_head),
        cmocka_unit_test(test_the_body_of_a_refusal),
        cmocka_unit_test(test_a_later_answer),
        cmocka_unit_test(test_a_head_that_is_too_long),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_interim_responses_are_bounded),
        cmocka_unit_test(test_closing),
        cmocka_unit_test(test_limits_and_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
