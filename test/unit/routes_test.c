/*
 * Plain requests to a server, on one connection and in order: the built-in
 * routes, their methods, keep-alive, pipelines cut at every byte, bodies and
 * their expectations, and a WebSocket behind other requests.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/core.h"
#include "server/page_client.h"
#include "slow.h"
#include "zocket/embed.h"

#define HEALTH "GET /healthz HTTP/1.1\r\nHost: x\r\n"

static struct wire connect_wire(struct zkt_server *server)
{
    struct wire w = { .e = zkt__server_accept(server, "test") };
    assert_non_null(w.e);
    return w;
}

/* Sends @text, cut at @cut, and returns the answers. */
static const char *exchange(struct wire *w, const char *text, size_t cut)
{
    const size_t len = strlen(text);
    w->len = 0;
    if (cut > 0) {
        feed(w, text, cut, cut, true);
    }
    if (cut < len) {
        feed(w, text + cut, len - cut, len - cut, true);
    }
    return w->len > 0 ? w->text : "";
}

static void test_answers(void **state)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\n"
                             "Date: Thu, 01 Jan 1970 00:00:01 GMT\r\n"
                             "Content-Type: text/plain\r\n"
                             "Cache-Control: no-store\r\n"
                             "Content-Length: 3\r\n\r\n";
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire w = connect_wire(server);
    char expected[512];
    (void)state;
    zkt__server_core(server)->wall_ms = 1500;
    snprintf(expected, sizeof(expected), "%sok\n", ok);
    assert_string_equal(exchange(&w, HEALTH "\r\n", 0), expected);
    assert_string_equal(exchange(&w,
                                 "GET http://x/readyz?a HTTP/1.1\r\n"
                                 "Host: y\r\n\r\n",
                                 5),
                        expected);
    assert_string_equal(
        exchange(&w, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 0), ok);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    assert_int_equal(stats_of(server).http_requests, 3);
    close_wire(&w);
    zkt_server_free(server);
}

/* The status of each answer to a stream, `101` and a WebSocket included, and
 * `$` if the connection ends. */
static void summarize(const struct wire *w, char *out)
{
    const char *at = w->len > 0 ? w->text : "";
    while ((at = strstr(at, "HTTP/1.1 ")) != NULL) {
        out += sprintf(out, "%.3s ", at + 9);
        at += 9;
    }
    strcpy(out, zkt_endpoint_fate(w->e) == ZKT_FATE_CLOSE ? "$" : "");
}

static void test_connections(void **state)
{
    static const struct {
        const char *stream, *summary;
    } table[] = {
        { HEALTH "\r\n" HEALTH "\r\n" HEALTH "\r\n", "200 200 200 " },
        { HEALTH "\r\n\r\n" HEALTH "Connection: close\r\n\r\n" HEALTH "\r\n",
          "200 200 $" },
        { "GET /healthz HTTP/1.0\r\n\r\n" HEALTH "\r\n", "200 $" },
        { HEALTH "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n" HEALTH "\r\n",
          "200 426 $" },
        { "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "426 $" },
        { "GET /healthz/ HTTP/1.1\r\nHost: x\r\n\r\n", "426 $" },
        { "GET /HEALTHZ HTTP/1.1\r\nHost: x\r\n\r\n", "426 $" },
        { "GET /%68ealthz HTTP/1.1\r\nHost: x\r\n\r\n", "426 $" },
        { "POST /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "405 $" },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n", "405 $" },
        { "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "405 $" },
        { "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n", "405 $" },
        { HEALTH "Content-Length: 3\r\n\r\nabc" HEALTH "\r\n", "200 200 " },
        { HEALTH
          "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" HEALTH
          "\r\n",
          "200 200 " },
        { HEALTH "Content-Length: 3\r\n\r\nab", "" },
        { HEALTH "Content-Length: 3\r\n\r\nabcd" HEALTH "\r\n", "200 400 $" },
        { HEALTH "Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n" HEALTH "\r\n",
          "200 200 " },
        /* RFC 9110, section 10.1.1 */
        { HEALTH "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", "100 " },
        { HEALTH "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
          "100 200 " },
        { HEALTH "Expect: 100-continue\r\n\r\n", "200 " },
        { "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
          "Content-Length: 3\r\n\r\n",
          "405 $" },
        { "GET /healthz HTTP/1.0\r\nExpect: 100-continue\r\n"
          "Content-Length: 3\r\n\r\nabc",
          "200 $" },
        /* a WebSocket behind other requests, at the path of a route */
        { HEALTH "\r\n" HEALTH "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
          "200 101 " },
        { HEALTH "\r\n" HEALTH "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Version: 8\r\n\r\n",
          "200 426 $" },
    };
    struct zkt_server *server = new_slow_server(NULL, NULL);
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        for (size_t cut = 0; cut <= strlen(table[i].stream); cut++) {
            struct wire w = connect_wire(server);
            char summary[256];
            (void)exchange(&w, table[i].stream, cut);
            summarize(&w, summary);
            if (strcmp(summary, table[i].summary) != 0) {
                fail_msg("'%s', not '%s', cut at %zu: %s", summary,
                         table[i].summary, cut, table[i].stream);
            }
            close_wire(&w);
        }
    }
    turn(server);
    assert_int_equal(stats_of(server).connections, 0);
    zkt_server_free(server);
}

static void test_routes_that_are_left_out(void **state)
{
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire w = connect_wire(server);
    (void)state;
    server->options.no_healthz = true;
    (void)exchange(&w, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", 0);
    assert_memory_equal(w.text, "HTTP/1.1 200 ", 13);
    (void)exchange(&w, HEALTH "\r\n", 0);
    assert_memory_equal(w.text, "HTTP/1.1 426 ", 13);
    close_wire(&w);
    zkt_server_free(server);
}

#define SCRIPT(method) method " /_zocket/client.js HTTP/1.1\r\nHost: x\r\n"

static void check_script(struct wire *w, const struct zkt_page_client *client)
{
    char fields[256], known[256];
    const size_t len = (size_t)snprintf(
        fields, sizeof(fields),
        "Content-Type: text/javascript; charset=utf-8\r\n"
        "ETag: %.*s\r\n"
        "Cache-Control: no-cache\r\n"
        "X-Content-Type-Options: nosniff\r\n",
        ZKT_ARG(client->etag));
    snprintf(known, sizeof(known),
             SCRIPT("GET") "If-None-Match: \"no\", W/%.*s\r\n\r\n",
             ZKT_ARG(client->etag));
    (void)exchange(w, SCRIPT("GET") "\r\n", 0);
    assert_memory_equal(w->text, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(w->text, fields));
    assert_in_range(w->len, len + client->script.len, 65536);
    assert_memory_equal(w->text + w->len - client->script.len,
                        client->script.data, client->script.len);
    (void)exchange(w, SCRIPT("HEAD") "\r\n", 0);
    assert_memory_equal(w->text, "HTTP/1.1 200 ", 13);
    assert_in_range(w->len, len, len + 200);
    (void)exchange(w, known, 0);
    assert_memory_equal(w->text, "HTTP/1.1 304 ", 13);
    assert_non_null(strstr(w->text, fields));
    assert_in_range(w->len, len, len + 200);
    (void)exchange(w,
                   SCRIPT("GET") "If-Modified-Since: Thu, 01 Jan 2099 "
                                 "00:00:00 GMT\r\n\r\n",
                   0);
    assert_memory_equal(w->text, "HTTP/1.1 200 ", 13); /* it has no date */
}

/* A library that was built without the script has no such route. */
static void test_the_client_for_pages(void **state)
{
    const struct zkt_page_client *client = &zkt__page_client;
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire w = connect_wire(server);
    (void)state;
    if (client->script.len > 0) {
        check_script(&w, client);
    }
    (void)exchange(&w, SCRIPT("POST") "\r\n", 0);
    assert_memory_equal(w.text, "HTTP/1.1 405 ", 13);
    close_wire(&w);
    w = connect_wire(server);
    server->options.no_client_js = true;
    (void)exchange(&w, SCRIPT("GET") "\r\n", 0);
    assert_memory_equal(w.text, "HTTP/1.1 426 ", 13);
    close_wire(&w);
    zkt_server_free(server);
}

/* The WebSocket works, and a half-open connection is counted no more. */
static void test_a_websocket_behind_requests(void **state)
{
    const struct zkt_limits limits = { .half_open = 1 };
    struct zkt_server *server = new_slow_server(&limits, NULL);
    struct wire idle = connect_wire(server);
    (void)state;
    (void)exchange(&idle, HEALTH "\r\n", 0);
    struct wire w = connect_wire(server);
    (void)exchange(&w, HEALTH "\r\n", 0);
    (void)exchange(&w, request, 9);
    assert_non_null(strstr(w.text, "HTTP/1.1 101 "));
    assert_non_null(strstr(w.text, "\"welcome\""));
    w.len = 0;
    assert_string_equal(ask(&w, MARK("1", "x", "")), DONE("1"));
    turn(server);
    assert_int_equal(zkt_endpoint_fate(idle.e), ZKT_FATE_OPEN);
    assert_int_equal(stats_of(server).limit_hits.half_open, 0);
    close_wire(&w);
    close_wire(&idle);
    zkt_server_free(server);
}

/* A pipeline is not read on while its answers are not taken. */
static void test_answers_that_are_not_taken(void **state)
{
    const struct zkt_limits limits = { .output_high = 1000 };
    struct zkt_server *server = new_slow_server(&limits, NULL);
    struct wire w = connect_wire(server);
    (void)state;
    for (int i = 0; i < 100 && zkt_endpoint_reading(w.e); i++) {
        feed(&w, HEALTH "\r\n", strlen(HEALTH "\r\n"), 4096, false);
    }
    assert_false(zkt_endpoint_reading(w.e));
    const uint64_t answered = stats_of(server).http_requests;
    assert_in_range(answered, 5, 20);
    drain(&w);
    turn(server);
    assert_true(zkt_endpoint_reading(w.e));
    close_wire(&w);
    zkt_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_routes_that_are_left_out),
        cmocka_unit_test(test_the_client_for_pages),
        cmocka_unit_test(test_a_websocket_behind_requests),
        cmocka_unit_test(test_answers_that_are_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
