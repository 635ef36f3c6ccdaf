/*
 * Who is let in: requests of browsers, as they send them, and of other clients,
 * to listeners of each nature; and what the log and the answers tell.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slow.h"
#include "zocket/embed.h"

/* The last line of the log. */
static char logged[1024];

static void on_log(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    snprintf(logged, sizeof(logged), "%s", text);
}

static struct zkt_server *new_server(const char *allow_origins,
                                     const char *server_names)
{
    const struct zkt_serve_options options = {
        .log = on_log,
        .allow_origins = allow_origins,
        .server_names = server_names,
    };
    struct zkt_server *server = NULL;
    assert_int_equal(
        zkt_server_new(slow_app(&slow_handlers), &options, &server), ZKT_OK);
    return server;
}

/* Sends a request by a listener, and returns the answer. */
static const char *send_request(struct zkt_server *server, struct wire *w,
                                unsigned listener, const char *text)
{
    logged[0] = '\0';
    assert_true(zkt__server_admit(server));
    *w = (struct wire){ .e = zkt__server_add_connection(server, "192.0.2.7",
                                                        listener) };
    assert_non_null(w->e);
    feed(w, text, strlen(text), strlen(text), true);
    return w->len > 0 ? w->text : "";
}

#define WEBSOCKET                                                              \
    "Upgrade: websocket\r\nConnection: Upgrade\r\n"                            \
    "Sec-WebSocket-Version: 13\r\n"                                            \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define OPEN(path) "GET " path " HTTP/1.1\r\n" WEBSOCKET
#define FETCH      "GET /nothing HTTP/1.1\r\n"

static void test_who_is_let_in(void **state)
{
    enum {
        PUBLIC = 0,
        LOCAL = ZKT_LISTENER_LOOPBACK,
        UNIX = ZKT_LISTENER_UNIX,
        TLS = ZKT_LISTENER_TLS
    };
    static const struct {
        const char *who, *origins, *names;
        unsigned listener;
        const char *request;
        const char *status;
        const char *option; /* that the log names; NULL: no line */
    } table[] = {
        /* A WebSocket is opened with 101; a path that nobody has is 426. */
        { "a page of its own host", NULL, NULL, PUBLIC,
          OPEN("/") "Host: a.org\r\nOrigin: https://a.org\r\n"
                    "Cookie: sid=1\r\n",
          "101", NULL },
        { "a page of another site, with cookies", NULL, NULL, PUBLIC,
          OPEN("/") "Host: a.org\r\nOrigin: https://evil.com\r\n"
                    "Cookie: sid=1\r\n",
          "403", "allow_origins" },
        { "the same behind a Unix socket", NULL, NULL, UNIX,
          OPEN("/") "Host: a.org\r\nOrigin: https://evil.com\r\n", "403",
          "allow_origins" },
        { "its own page by a Unix socket", NULL, NULL, UNIX,
          OPEN("/") "Host: a.org\r\nOrigin: https://a.org\r\n", "101", NULL },
        { "a page without TLS of a server with it", NULL, NULL, TLS,
          OPEN("/") "Host: a.org\r\nOrigin: http://a.org\r\n", "403",
          "allow_origins" },
        { "a sandboxed page", NULL, NULL, PUBLIC,
          OPEN("/") "Host: a.org\r\nOrigin: null\r\n", "403", "allow_origins" },
        { "a sandboxed page that is named", "https://a.org, null", NULL, PUBLIC,
          OPEN("/") "Host: a.org\r\nOrigin: null\r\n", "101", NULL },
        { "a page that is named", "https://b.org", NULL, PUBLIC,
          OPEN("/") "Host: a.org\r\nOrigin: https://b.org\r\n", "101", NULL },
        { "its own page, not named", "https://b.org", NULL, PUBLIC,
          OPEN("/") "Host: a.org\r\nOrigin: https://a.org\r\n", "403",
          "allow_origins" },
        { "any page", "*", NULL, PUBLIC,
          OPEN("/") "Host: a.org\r\nOrigin: https://evil.com\r\n", "101",
          NULL },
        { "a native client", NULL, NULL, PUBLIC, OPEN("/") "Host: a.org\r\n",
          "101", NULL },
        { "a native client by loopback", NULL, NULL, LOCAL,
          OPEN("/") "Host: 127.0.0.1:3000\r\n", "101", NULL },
        { "a development server beside ours", NULL, NULL, LOCAL,
          OPEN("/") "Host: localhost:3000\r\n"
                    "Origin: http://localhost:5173\r\n",
          "101", NULL },
        { "the same on a listener for everybody", NULL, NULL, PUBLIC,
          OPEN("/") "Host: localhost:3000\r\n"
                    "Origin: http://localhost:5173\r\n",
          "403", "allow_origins" },
        { "a page of the web that opens loopback", NULL, NULL, LOCAL,
          OPEN("/") "Host: localhost:3000\r\nOrigin: https://evil.com\r\n",
          "403", "allow_origins" },
        { "DNS rebinding", NULL, NULL, LOCAL,
          OPEN("/") "Host: evil.com:3000\r\n"
                    "Origin: http://evil.com:3000\r\n",
          "421", "server_names" },
        { "DNS rebinding, without Origin", NULL, NULL, LOCAL,
          FETCH "Host: evil.com:3000\r\nSec-Fetch-Site: same-origin\r\n", "421",
          "server_names" },
        { "DNS rebinding of a server with a name", NULL, "a.org", PUBLIC,
          FETCH "Host: evil.com\r\n", "421", "server_names" },
        { "the absolute form, whose host counts", NULL, NULL, LOCAL,
          "GET http://evil.com:3000/nothing HTTP/1.1\r\n"
          "Host: localhost:3000\r\n",
          "421", "server_names" },
        { "HTTP/1.0 without a host", NULL, "a.org", LOCAL,
          "GET /nothing HTTP/1.0\r\n", "426", NULL },
        { "a probe, by an address", NULL, "a.org", PUBLIC,
          "GET /healthz HTTP/1.1\r\nHost: 10.0.0.9:3000\r\n", "200", NULL },
        { "a probe, by another name of loopback", NULL, NULL, LOCAL,
          "GET /readyz HTTP/1.1\r\nHost: kubernetes\r\n", "200", NULL },
        { "a WebSocket at the path of a probe", NULL, "a.org", PUBLIC,
          OPEN("/healthz") "Host: evil.com\r\n", "421", "server_names" },
        /* plain HTTP */
        { "a fetch of its own page", NULL, NULL, PUBLIC,
          FETCH "Host: a.org\r\nSec-Fetch-Site: same-origin\r\n", "426", NULL },
        { "curl", NULL, NULL, PUBLIC, FETCH "Host: a.org\r\n", "426", NULL },
        { "a fetch of another page", NULL, NULL, PUBLIC,
          FETCH "Host: a.org\r\nOrigin: https://evil.com\r\n"
                "Sec-Fetch-Site: cross-site\r\n",
          "403", "allow_origins" },
        { "an image of another page", NULL, NULL, PUBLIC,
          FETCH "Host: a.org\r\nSec-Fetch-Site: cross-site\r\n"
                "Sec-Fetch-Mode: no-cors\r\n",
          "403", "allow_origins" },
        { "an image, of a server for all pages", "*", NULL, PUBLIC,
          FETCH "Host: a.org\r\nSec-Fetch-Site: cross-site\r\n", "426", NULL },
        { "a link on another page", NULL, NULL, PUBLIC,
          FETCH "Host: a.org\r\nSec-Fetch-Site: cross-site\r\n"
                "Sec-Fetch-Mode: navigate\r\n",
          "426", NULL },
        { "a form on another page", NULL, NULL, PUBLIC,
          "POST /nothing HTTP/1.1\r\nHost: a.org\r\n"
          "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n"
          "Content-Length: 0\r\n",
          "403", "allow_origins" },
        { "a form on another page, as it has an Origin", NULL, NULL, PUBLIC,
          "POST /nothing HTTP/1.1\r\nHost: a.org\r\nOrigin: null\r\n"
          "Content-Length: 0\r\n",
          "403", "allow_origins" },
        { "a WebSocket that calls itself a navigation", NULL, NULL, PUBLIC,
          OPEN("/") "Host: a.org\r\nSec-Fetch-Site: cross-site\r\n"
                    "Sec-Fetch-Mode: navigate\r\n",
          "403", "allow_origins" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct zkt_server *server = new_server(table[i].origins,
                                               table[i].names);
        struct wire w;
        struct zkt_server_stats stats;
        char text[1024];
        snprintf(text, sizeof(text), "%s\r\n", table[i].request);
        const char *answer = send_request(server, &w, table[i].listener, text);
        if (strncmp(answer, "HTTP/1.1 ", 9) != 0 ||
            strncmp(answer + 9, table[i].status, 3) != 0) {
            fail_msg("%s: %s", table[i].who, answer);
        }
        if (table[i].option == NULL ? logged[0] != '\0'
                                    : strstr(logged, table[i].option) == NULL) {
            fail_msg("%s: the log says '%s'", table[i].who, logged);
        }
        zkt_server_stats(server, &stats);
        assert_int_equal(stats.refused_hosts,
                         strcmp(table[i].status, "421") == 0);
        assert_int_equal(stats.refused_origins,
                         strcmp(table[i].status, "403") == 0);
        close_wire(&w);
        zkt_server_free(server);
    }
}

static void test_lines(void **state)
{
    struct zkt_server *server = new_server(NULL, "a.org");
    struct wire w;
    (void)state;
    (void)send_request(server, &w, 0,
                       FETCH "Host: a.org\r\nOrigin: https://evil.com\r\n\r\n");
    assert_string_equal(logged,
                        "a request of 192.0.2.7 from a page of "
                        "'https://evil.com' was refused: allow_origins does "
                        "not name it");
    assert_non_null(strstr(w.text, "HTTP/1.1 403 Forbidden\r\n"));
    assert_null(strstr(w.text, "Access-Control"));
    assert_non_null(strstr(w.text, "{\"error\":\"The origin is not allowed\","
                                   "\"code\":\"PERMISSION_DENIED\"}"));
    close_wire(&w);
    (void)send_request(server, &w, 0,
                       FETCH
                       "Host: a.org\r\nSec-Fetch-Site: cross-site\r\n\r\n");
    assert_string_equal(logged, "a request of 192.0.2.7 from a page of another "
                                "site was refused: allow_origins does not "
                                "allow all");
    close_wire(&w);
    (void)send_request(server, &w, ZKT_LISTENER_UNIX,
                       FETCH "Host: b.org\r\n\r\n");
    assert_string_equal(logged, "a request of 192.0.2.7 for the host 'b.org' "
                                "was refused: server_names does not name it");
    assert_non_null(strstr(w.text, "HTTP/1.1 421 Misdirected Request\r\n"));
    close_wire(&w);
    zkt_server_free(server);
}

/* ---- what pages may read ---- */

#define READS(origin)                                                          \
    "Vary: Origin\r\nAccess-Control-Allow-Origin: " origin "\r\n"
#define COOKIES "Access-Control-Allow-Credentials: true\r\n"
#define ANSWER  "HTTP/1.1 426 Upgrade Required\r\n"

/* The answer to a request for which there is no route, with the fields of its
 * status and of its end around those of CORS. */
static void test_cors(void **state)
{
    static const struct {
        const char *origins, *origin, *fields;
    } table[] = {
        { NULL, NULL, "Vary: Origin\r\n" },
        { NULL, "https://a.org", READS("https://a.org") COOKIES },
        { "https://b.org", "https://b.org", READS("https://b.org") COOKIES },
        { "*.b.org", "http://c.b.org:9", READS("http://c.b.org:9") COOKIES },
        { "*", "https://b.org", READS("*") },
        { "*", "null", READS("*") },
        { "*", NULL, "Vary: Origin\r\n" },
        { "*, https://b.org", "https://b.org", READS("https://b.org") COOKIES },
        { "*, https://b.org", "https://c.org", READS("*") },
        { "null", "null", READS("*") },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct zkt_server *server = new_server(table[i].origins, NULL);
        const char *origin = table[i].origin;
        struct wire w;
        char text[256], expected[512];
        snprintf(text, sizeof(text), FETCH "Host: a.org\r\n%s%s%s\r\n",
                 origin != NULL ? "Origin: " : "", origin != NULL ? origin : "",
                 origin != NULL ? "\r\n" : "");
        snprintf(expected, sizeof(expected),
                 ANSWER "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                        "%sConnection: Upgrade, close\r\n"
                        "Content-Length: 0\r\n\r\n",
                 table[i].fields);
        assert_string_equal(send_request(server, &w, 0, text), expected);
        close_wire(&w);
        zkt_server_free(server);
    }
}

#define PREFLIGHT                                                              \
    "OPTIONS /actors/a/b/c HTTP/1.1\r\nHost: a.org\r\n"                        \
    "Access-Control-Request-Method: POST\r\n"

static void test_preflights(void **state)
{
    static const char allowed[] =
        "HTTP/1.1 204 No Content\r\n"
        "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, DELETE\r\n"
        "Access-Control-Allow-Headers: authorization, content-type, "
        "x-request-id, traceparent\r\n"
        "Access-Control-Max-Age: 600\r\n";
    struct zkt_server *server = new_server("https://b.org", NULL);
    struct wire w;
    char expected[1024];
    (void)state;
    snprintf(expected, sizeof(expected), "%s%s\r\n", allowed,
             READS("https://b.org") COOKIES);
    assert_string_equal(
        send_request(server, &w, 0, PREFLIGHT "Origin: https://b.org\r\n\r\n"),
        expected);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    close_wire(&w);
    assert_non_null(strstr(
        send_request(server, &w, 0, PREFLIGHT "Origin: https://c.org\r\n\r\n"),
        " 403 "));
    assert_null(strstr(w.text, "Access-Control"));
    close_wire(&w);
    /* Not of a browser: a request as any other. */
    assert_non_null(
        strstr(send_request(server, &w, 0, PREFLIGHT "\r\n"), " 405 "));
    close_wire(&w);
    zkt_server_free(server);
}

/* A connection without memory for its refusal ends. */
static void test_no_memory(void **state)
{
    (void)state;
    for (long fail_at = 1;; fail_at++) {
        static const char text[] = FETCH
            "Host: a.org\r\nOrigin: https://evil.com\r\n\r\n";
        struct failing_alloc memory;
        struct zkt_server *server = NULL;
        struct wire w = { .e = NULL };
        failing_alloc_init(&memory, 0);
        const struct zkt_serve_options options = {
            .allocator = &memory.allocator,
        };
        assert_int_equal(
            zkt_server_new(slow_app(&slow_handlers), &options, &server),
            ZKT_OK);
        const long before = memory.calls;
        memory.fail_at = before + fail_at;
        w.e = zkt__server_accept(server, "192.0.2.7");
        if (w.e != NULL) {
            feed(&w, text, sizeof(text) - 1, sizeof(text), true);
            assert_true(zkt_endpoint_fate(w.e) != ZKT_FATE_OPEN);
            close_wire(&w);
        }
        const bool done = memory.calls < memory.fail_at;
        zkt_server_free(server);
        assert_int_equal(memory.live, 0);
        if (done) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_is_let_in), cmocka_unit_test(test_lines),
        cmocka_unit_test(test_cors),          cmocka_unit_test(test_preflights),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
