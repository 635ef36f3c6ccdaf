/*
 * The answers of a connection: the hostile requests of http_cases.def, each of
 * which gets one, and nothing behind a refusal does; and the fields and bodies
 * of answers that refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http_cases.h"
#include "server/core.h"
#include "server/redirect.h"
#include "slow.h"
#include "zocket/embed.h"
#include "zocket/http.h"

#define DATE "Date: Thu, 01 Jan 1970 00:00:01 GMT\r\n"

static void on_request(struct zkt_http *http, void *user)
{
    (void)user;
    zkt_http_reply(http, 200, "text/plain", "ok", 2);
}

/* A server that answers all requests if @replies, at a known time. */
static struct zkt_server *new_server(const struct zkt_serve_options *given,
                                     bool replies)
{
    struct zkt_serve_options options = *given;
    struct zkt_server *server;
    options.on_request = replies ? on_request : NULL;
    assert_int_equal(
        zkt_server_new(slow_app(&slow_handlers), &options, &server), ZKT_OK);
    zkt__server_core(server)->wall_ms = 1500;
    return server;
}

/* Sends bytes by a listener, cut at @cut; close_wire is for the caller. */
static struct wire send_stream(struct zkt_server *server, unsigned listener,
                               const char *bytes, size_t len, size_t cut)
{
    assert_true(zkt__server_admit(server, listener));
    struct wire w = { .e = zkt__server_add_connection(server, "192.0.2.7",
                                                      listener) };
    assert_non_null(w.e);
    feed(&w, bytes, len, cut, true);
    return w;
}

/* ---- hostile requests ---- */

/* The status of each answer but of those that ask for more, and `$` if the
 * connection ends. */
static void summarize(const struct wire *w, char *out)
{
    const char *at = w->len > 0 ? w->text : "";
    *out = '\0';
    while ((at = strstr(at, "HTTP/1.1 ")) != NULL) {
        if (memcmp(at + 9, "100 ", 4) != 0) {
            out += sprintf(out, "%.3s ", at + 9);
        }
        at += 9;
    }
    strcpy(out, zkt_endpoint_fate(w->e) == ZKT_FATE_CLOSE ? "$" : "");
}

/* Translates an outcome of http_cases.def into the summary of its answers. Each
 * request for a WebSocket lacks something. */
static void translate(const char *outcome, char *out)
{
    bool over = false;
    *out = '\0';
    while (*outcome != '\0' && !over) {
        const char *token = outcome;
        const size_t n = strcspn(token, " ");
        if (strncmp(token, "...", 3) == 0) {
            return;
        }
        over = (*token >= '0' && *token <= '9') || token[n - 1] == '$';
        const bool upgrades = over && token[n - 2] == '^';
        out += sprintf(out, "%.3s %s",
                       upgrades          ? (*token == 'G' ? "426" : "405")
                       : token[0] <= '9' ? token
                                         : "200",
                       over ? "$" : "");
        outcome += n + (token[n] == ' ');
    }
}

static void test_hostile_requests(void **state)
{
    struct zkt_server *server = new_server(
        &(struct zkt_serve_options){
            .limits = { .head_bytes = 2048, .body_bytes = 64 } },
        true);
    size_t wrong = 0;
    (void)state;
    for (size_t i = 0; i < 2 * (size_t)HTTP_CASES; i++) {
        const size_t len = http_cases[i / 2].len;
        char expected[256], summary[256];
        struct wire w = send_stream(server, 0, http_cases[i / 2].bytes, len,
                                    i % 2 == 0 ? 1 : 4096);
        summarize(&w, summary);
        translate(http_cases[i / 2].outcome, expected);
        if (strcmp(summary, expected) != 0) {
            print_error("'%s', not '%s': %.*s\n", summary, expected,
                        len < 400 ? (int)len : 400, http_cases[i / 2].bytes);
            wrong++;
        }
        close_wire(&w);
    }
    assert_int_equal(wrong, 0);
    zkt_server_free(server);
}

/* ---- refusals ---- */

#define GET(path)  "GET " path " HTTP/1.1\r\n"
#define HEAD(path) "HEAD " path " HTTP/1.1\r\n"
#define HOST       "Host: a.org\r\n"
#define EVIL       "Origin: https://evil.com\r\n"
#define WEBSOCKET                                                              \
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"                            \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

static bool names_a_org(void *user, struct zkt_str host)
{
    (void)user;
    return zkt_str_eq(host, ZKT_STR("a.org"));
}

/* Answers that are no success have the time (RFC 9110, section 6.6.1), and say
 * that they depend on the page; JSON is not guessed at; and the answer to HEAD
 * has no body (section 9.3.2), but the length of it. */
static void test_refusals(void **state)
{
    static const struct {
        unsigned listener;
        int status;
        bool json;
        const char *text;
    } table[] = {
        { 0, 400, false, "GET\r\n\r\n" },
        { 0, 400, false, GET("/") "\r\n" },
        { 0, 505, false, "GET / HTTP/2.0\r\n\r\n" },
        { 0, 501, false, "BREW / HTTP/1.1\r\n" HOST "\r\n" },
        { 0, 417, false, GET("/") HOST "Expect: x\r\n\r\n" },
        { 0, 413, false, GET("/") HOST "Content-Length: 65\r\n\r\n" },
        { 0, 405, false, "CONNECT a.org:1 HTTP/1.1\r\n" HOST "\r\n" },
        { 0, 405, false, "POST / HTTP/1.1\r\n" HOST "\r\n" },
        { 0, 405, false, "POST /healthz HTTP/1.1\r\n" HOST "\r\n" },
        { 0, 426, false, GET("/") HOST "\r\n" },
        { 0, 426, false, GET("/") HOST WEBSOCKET "\r\n" },
        { 0, 426, false, HEAD("/") HOST "\r\n" },
        { 0, 403, true, GET("/") HOST EVIL "\r\n" },
        { 0, 403, true, HEAD("/") HOST EVIL "\r\n" },
        { 0, 403, true, GET("/") HOST EVIL WEBSOCKET "\r\n" },
        { 0, 421, true, GET("/") "Host: b.org\r\n\r\n" },
        { 0, 421, true, HEAD("/") "Host: b.org\r\n\r\n" },
        { ZKT_LISTENER_REDIRECT, 308, false, GET("/") HOST "\r\n" },
        { ZKT_LISTENER_REDIRECT, 308, false, HEAD("/") HOST "\r\n" },
        { ZKT_LISTENER_REDIRECT, 308, false, GET("/") "Host: a.org.:\r\n\r\n" },
        { ZKT_LISTENER_REDIRECT, 421, false, GET("/") "Host: b\r\n\r\n" },
        { ZKT_LISTENER_REDIRECT, 400, false, GET("/") "\r\n" },
    };
    static const struct zkt_redirect redirect = { .names = names_a_org,
                                                  .port = 443 };
    struct zkt_server *server = new_server(
        &(struct zkt_serve_options){
            .server_names = "a.org",
            .limits = { .head_bytes = 2048, .body_bytes = 64 } },
        false);
    (void)state;
    zkt__server_set_redirect(server, &redirect);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const char *text = table[i].text;
        const bool probe = strstr(text, "/healthz") != NULL;
        struct wire w = send_stream(server, table[i].listener, text,
                                    strlen(text), 4096);
        const char *end = w.len > 0 ? strstr(w.text, "\r\n\r\n") : NULL;
        assert_non_null(end);
        const bool has_json = strstr(w.text, "application/json") != NULL;
        const bool empty = strstr(w.text, "Content-Length: 0\r\n") != NULL;
        if (atoi(w.text + 9) != table[i].status || count_text(&w, DATE) != 1 ||
            count_text(&w, "close\r\n") != 1 ||
            count_text(&w, "Vary: Origin\r\n") != !probe ||
            has_json != table[i].json || empty == table[i].json ||
            count_text(&w, "X-Content-Type-Options: nosniff\r\n") !=
                table[i].json ||
            (strlen(end) > 4) != (table[i].json && text[0] != 'H')) {
            fail_msg("%s: %s", text, w.text);
        }
        close_wire(&w);
    }
    zkt_server_free(server);
}

/* A server without a clock sends no date. */
static void test_no_clock(void **state)
{
    struct zkt_server *server = new_server(&(struct zkt_serve_options){ 0 },
                                           false);
    (void)state;
    zkt__server_core(server)->wall_ms = 0;
    struct wire w = send_stream(server, 0, "x\r\n", 3, 4096);
    assert_int_equal(count_text(&w, "HTTP/1.1 400 "), 1);
    assert_int_equal(count_text(&w, "Date"), 0);
    close_wire(&w);
    zkt_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_requests),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
