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
#include "zocket/http.h"

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
    assert_true(zkt__server_admit(server, listener));
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
    (void)send_request(server, &w, 0,
                       FETCH "Host: b.org\r\nForwarded: for=192.0.2.9\r\n\r\n");
    assert_string_equal(logged, "a request of 192.0.2.7 for the host 'b.org' "
                                "was refused: server_names does not name it, "
                                "nor trusted_proxies its proxy");
    close_wire(&w);
    (void)send_request(server, &w, 0, FETCH "Host: a.org:99999\r\n\r\n");
    assert_string_equal(logged, "a request of 192.0.2.7 for the host "
                                "'a.org:99999' was refused: it is no host with "
                                "a port up to 65535");
    close_wire(&w);
    (void)send_request(server, &w, 0,
                       FETCH
                       "Host: a.org\r\nOrigin: http://b.org/?t=x\r\n\r\n");
    assert_string_equal(logged, "a request of 192.0.2.7 from a page of "
                                "'http://b.org/' was refused: allow_origins "
                                "does not name it");
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

/* ---- proxies ---- */

/* Begins a server with proxies, whose log is read and whose addresses have few
 * connections. */
static struct zkt_server *new_proxied(const char *proxies,
                                      enum zkt_forwarded_by by)
{
    const struct zkt_serve_options options = {
        .log = on_log,
        .trusted_proxies = proxies,
        .forwarded_by = by,
        .limits = { .per_address = 2 },
    };
    struct zkt_server *server = NULL;
    assert_int_equal(
        zkt_server_new(slow_app(&slow_handlers), &options, &server), ZKT_OK);
    return server;
}

static void add_address(const struct zkt_client_info *info, void *user)
{
    char *to = user;
    strcat(to, " ");
    strncat(to, info->address.data, info->address.len);
}

/* Returns the addresses of the clients that are connected, each behind a
 * blank, without an order. */
static const char *addresses_of(struct zkt_server *server)
{
    static char text[512];
    text[0] = '\0';
    assert_int_equal(zkt_server_connections(server, add_address, NULL, text),
                     ZKT_OK);
    zkt_server_tick(server);
    return text;
}

#define FROM(address) "X-Forwarded-For: " address "\r\n"

static void test_proxies(void **state)
{
    static const struct {
        const char *who, *proxies;
        unsigned listener;
        enum zkt_forwarded_by by;
        const char *request, *status, *address;
    } table[] = {
        /* The peer is 192.0.2.7, and of Unix sockets nobody. */
        { "a client of a proxy", "192.0.2.7", 0,
          ZKT_FORWARDED_BY_X_FORWARDED_FOR, FROM("127.0.0.1, 203.0.113.9"),
          "101", " 203.0.113.9" },
        { "a client that calls itself one", "192.0.2.8", 0,
          ZKT_FORWARDED_BY_X_FORWARDED_FOR, FROM("203.0.113.9"), "101",
          " 192.0.2.7" },
        { "the proxy itself", "192.0.2.0/24", 0,
          ZKT_FORWARDED_BY_X_FORWARDED_FOR, "", "101", " 192.0.2.7" },
        { "a field that is not the chosen one", "192.0.2.7", 0,
          ZKT_FORWARDED_BY_FORWARDED, FROM("203.0.113.9"), "101",
          " 192.0.2.7" },
        { "the chosen one", "192.0.2.7", 0, ZKT_FORWARDED_BY_FORWARDED,
          "Forwarded: for=\"[2001:db8::9]\"\r\n", "101", " 2001:db8::9" },
        { "a Unix socket", "unix", ZKT_LISTENER_UNIX,
          ZKT_FORWARDED_BY_X_FORWARDED_FOR, FROM("203.0.113.9"), "101",
          " 203.0.113.9" },
        { "a Unix socket that is not named", "192.0.2.7", ZKT_LISTENER_UNIX,
          ZKT_FORWARDED_BY_X_FORWARDED_FOR, FROM("203.0.113.9"), "101",
          " 192.0.2.7" },
        { "an address, where Unix sockets are named", "unix", 0,
          ZKT_FORWARDED_BY_X_FORWARDED_FOR, FROM("203.0.113.9"), "101",
          " 192.0.2.7" },
        { "fields by the PROXY protocol are the client's", "192.0.2.7", 0,
          ZKT_FORWARDED_BY_PROXY_PROTOCOL, FROM("203.0.113.9"), "101",
          " 192.0.2.7" },
        { "a page of the host that the proxy tells", "192.0.2.7", 0,
          ZKT_FORWARDED_BY_X_FORWARDED_FOR,
          "X-Forwarded-Host: rooms.org\r\nOrigin: https://rooms.org\r\n", "101",
          " 192.0.2.7" },
        { "a page of the host between the proxy and us", "192.0.2.7", 0,
          ZKT_FORWARDED_BY_X_FORWARDED_FOR,
          "X-Forwarded-Host: rooms.org\r\nOrigin: https://a.org\r\n", "403",
          "" },
        { "a page without TLS, where the proxy has it", "192.0.2.7", 0,
          ZKT_FORWARDED_BY_X_FORWARDED_FOR,
          "X-Forwarded-Proto: https\r\nOrigin: http://a.org\r\n", "403", "" },
        { "the public name, by loopback", "192.0.2.7", ZKT_LISTENER_LOOPBACK,
          ZKT_FORWARDED_BY_X_FORWARDED_FOR, FROM("203.0.113.9"), "101",
          " 203.0.113.9" },
        { "the public name, by loopback and no proxy", "192.0.2.8",
          ZKT_LISTENER_LOOPBACK, ZKT_FORWARDED_BY_X_FORWARDED_FOR, "", "421",
          "" },
        { "a page of a client's own machine, by loopback", "192.0.2.7",
          ZKT_LISTENER_LOOPBACK, ZKT_FORWARDED_BY_X_FORWARDED_FOR,
          "Origin: http://localhost:5173\r\n", "403", "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct zkt_server *server = new_proxied(table[i].proxies, table[i].by);
        struct wire w;
        char text[1024];
        snprintf(text, sizeof(text), OPEN("/") "Host: a.org\r\n%s\r\n",
                 table[i].request);
        const char *answer = send_request(server, &w, table[i].listener, text);
        if (strncmp(answer + 9, table[i].status, 3) != 0 ||
            strcmp(addresses_of(server), table[i].address) != 0) {
            fail_msg("%s: '%s' %s", table[i].who, addresses_of(server), answer);
        }
        close_wire(&w);
        zkt_server_free(server);
    }
}

/* The limit of an address is for each client of a proxy, for as long as it is
 * connected, and not for the proxy. */
static void test_clients_count(void **state)
{
    static const char *const clients[] = {
        OPEN("/") "Host: a.org\r\n" FROM("203.0.113.9") "\r\n",
        OPEN("/") "Host: a.org\r\n" FROM("203.0.113.10") "\r\n",
    };
    struct zkt_server *server = new_proxied("192.0.2.7",
                                            ZKT_FORWARDED_BY_X_FORWARDED_FOR);
    struct wire w[6], idle[4], plain;
    struct zkt_server_stats stats;
    (void)state;
    for (size_t i = 0; i < 4; i++) { /* that have said nothing */
        (void)send_request(server, &idle[i], 0, "");
        assert_int_equal(zkt_endpoint_fate(idle[i].e), ZKT_FATE_OPEN);
    }
    for (size_t i = 0; i < 6; i++) {
        const char *answer = send_request(server, &w[i], 0, clients[i % 2]);
        assert_non_null(strstr(answer, i < 4 ? " 101 " : " 503 "));
    }
    zkt_server_stats(server, &stats);
    assert_int_equal(stats.limit_hits.per_address, 2);
    close_wire(&w[4]);
    close_wire(&w[5]);
    close_wire(&w[0]);
    zkt_server_tick(server);
    assert_non_null(
        strstr(send_request(server, &w[0], 0, clients[0]), " 101 "));
    /* Requests on a connection of the proxy are of many clients. */
    for (int i = 0; i < 4; i++) {
        assert_non_null(
            strstr(send_request(server, &plain, 0,
                                "GET /healthz HTTP/1.1\r\nHost: a.org\r\n" FROM(
                                    "203.0.113.9") "\r\n"),
                   " 200 "));
        close_wire(&plain);
    }
    for (size_t i = 0; i < 4; i++) {
        close_wire(&w[i]);
        close_wire(&idle[i]);
    }
    zkt_server_free(server);
}

/* ---- calls by HTTP ---- */

static struct zkt_server *new_calling(int64_t instances_per_address)
{
    const struct zkt_serve_options options = {
        .log = on_log,
        .http_calls = true,
        .trusted_proxies = "192.0.2.7",
        .forwarded_by = ZKT_FORWARDED_BY_X_FORWARDED_FOR,
        .limits = { .per_address = 2,
                    .instances_per_address = instances_per_address },
    };
    struct zkt_server *server = NULL;
    assert_int_equal(
        zkt_server_new(slow_app(&slow_handlers), &options, &server), ZKT_OK);
    return server;
}

/* Runs turns until the request is answered. Returns its status. */
static int status_after(struct wire *w)
{
    for (int i = 0; i < 4; i++) {
        w->e->core->ops->tick(w->e->core);
        drain(w);
    }
    return w->len > 9 ? atoi(w->text + 9) : 0;
}

/* Makes a call on a connection of the proxy. */
static int status_of_call(struct wire *w, const char *id, const char *fields)
{
    char text[512];
    snprintf(text, sizeof(text),
             "POST /actors/job/%s/add HTTP/1.1\r\nHost: a.org\r\n%s"
             "Content-Type: application/json\r\nContent-Length: 18\r\n\r\n"
             "{\"by\":1,\"note\":\"\"}",
             id, fields);
    w->len = 0;
    feed(w, text, strlen(text), strlen(text), true);
    return status_after(w);
}

/* Instances belong to the client that has made them, by a call by HTTP as by a
 * WebSocket. */
static void test_instances_belong_to_clients(void **state)
{
    static const struct {
        const char *id, *fields;
        int status;
    } table[] = {
        { "a", FROM("203.0.113.9"), 200 },
        { "b", FROM("203.0.113.9"), 429 },
        { "b", FROM("203.0.113.10"), 200 },
        { "c", FROM("203.0.113.10"), 429 },
        { "a", FROM("203.0.113.10"), 200 }, /* it is there */
        { "c", "", 200 }, /* of the proxy, which is no client */
        { "d", FROM("_hidden"), 200 },
        { "e", FROM("2001:db8::1"), 200 },
        { "f", FROM("2001:db8::2"), 429 }, /* of the same network */
    };
    struct zkt_server *server = new_calling(1);
    struct wire w, socket;
    (void)state;
    (void)send_request(server, &w, 0, "");
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const int status = status_of_call(&w, table[i].id, table[i].fields);
        if (status != table[i].status) {
            fail_msg("%zu: %d, not %d: %s", i, status, table[i].status, w.text);
        }
    }
    /* The same client by a WebSocket. */
    (void)send_request(server, &socket, 0,
                       OPEN("/") "Host: a.org\r\n" FROM("203.0.113.9") "\r\n");
    send_text(&socket,
              "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"job\","
              "\"actorId\":\"g\",\"method\":\"add\","
              "\"input\":{\"by\":1,\"note\":\"\"}}",
              true);
    (void)status_after(&socket);
    assert_non_null(strstr(socket.text, "RESOURCE_EXHAUSTED"));
    close_wire(&w);
    close_wire(&socket);
    zkt_server_free(server);
}

/* A connection of a proxy counts for no address; the requests on it count for
 * their clients, while they last. */
static void test_requests_count_for_clients(void **state)
{
    static const char *const follow[] = {
        "GET /actors/job/x HTTP/1.1\r\nHost: a.org\r\n" FROM(
            "203.0.113.9") "Accept: text/event-stream\r\n\r\n",
        "GET /actors/job/x HTTP/1.1\r\nHost: a.org\r\n" FROM(
            "203.0.113.10") "Accept: text/event-stream\r\n\r\n",
    };
    struct zkt_server *server = new_calling(0);
    struct zkt_server_stats stats;
    struct wire w[6];
    (void)state;
    for (size_t i = 0; i < 6; i++) {
        (void)send_request(server, &w[i], 0, follow[i % 2]);
        assert_int_equal(status_after(&w[i]), i < 4 ? 200 : 503);
    }
    zkt_server_stats(server, &stats);
    assert_int_equal(stats.limit_hits.per_address, 2);
    assert_int_equal(stats.connections, 6);
    close_wire(&w[0]);
    zkt_server_tick(server);
    w[4].len = 0;
    feed(&w[4], follow[0], strlen(follow[0]), strlen(follow[0]), true);
    assert_int_equal(status_after(&w[4]), 200);
    for (size_t i = 1; i < 6; i++) {
        close_wire(&w[i]);
    }
    zkt_server_tick(server);
    zkt_server_stats(server, &stats);
    assert_int_equal(stats.connections, 0);
    zkt_server_free(server);
}

/* A page is judged once, by the host that the proxy tells. */
static void test_pages_of_a_proxy_call(void **state)
{
    struct zkt_server *server = new_calling(0);
    struct wire w;
    (void)state;
    (void)send_request(server, &w, ZKT_LISTENER_LOOPBACK, "");
    assert_int_equal(
        status_of_call(&w, "x",
                       "X-Forwarded-Host: rooms.org\r\n"
                       "X-Forwarded-Proto: https\r\n"
                       "Origin: https://rooms.org\r\n" FROM("203.0.113.9")),
        200);
    close_wire(&w);
    zkt_server_free(server);
}

/* Each request of a connection has the address of its own client. */
static void test_requests_of_several_clients(void **state)
{
    static const struct {
        const char *fields, *line;
    } table[] = {
        { FROM("203.0.113.9"), "a request of 203.0.113.9 for " },
        { FROM("2001:db8::1"), "a request of 2001:db8::1 for " },
        { "", "a request of 192.0.2.7 for " },
        { FROM("_hidden"), "a request of 192.0.2.7 for " },
        { FROM("203.0.113.10"), "a request of 203.0.113.10 for " },
    };
    const struct zkt_serve_options options = {
        .log = on_log,
        .trusted_proxies = "192.0.2.7",
        .forwarded_by = ZKT_FORWARDED_BY_X_FORWARDED_FOR,
        .server_names = "b.org",
    };
    struct zkt_server *server = NULL;
    (void)state;
    assert_int_equal(
        zkt_server_new(slow_app(&slow_handlers), &options, &server), ZKT_OK);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct wire w;
        char text[1024];
        int len = 0;
        for (size_t k = 0; k <= i; k++) { /* only the last is refused */
            len += snprintf(text + len, sizeof(text) - (size_t)len,
                            "GET /healthz%s HTTP/1.1\r\nHost: a.org\r\n%s\r\n",
                            k < i ? "" : "/none", table[k].fields);
        }
        (void)send_request(server, &w, 0, text);
        assert_int_equal(strncmp(logged, table[i].line, strlen(table[i].line)),
                         0);
        close_wire(&w);
    }
    zkt_server_free(server);
}

static void reply_with_address(struct zkt_http *http, void *user)
{
    const struct zkt_str address = zkt_http_remote_address(http);
    (void)user;
    zkt_http_reply(http, 200, "text/plain", address.data, address.len);
}

/* The program's routes have the address of the client, and what they answer is
 * for the pages that may come. */
static void test_routes_of_the_program(void **state)
{
    const struct zkt_serve_options options = {
        .on_request = reply_with_address,
        .allow_origins = "https://b.org",
        .trusted_proxies = "192.0.2.7",
        .forwarded_by = ZKT_FORWARDED_BY_X_FORWARDED_FOR,
    };
    struct zkt_server *server = NULL;
    struct wire w;
    (void)state;
    assert_int_equal(
        zkt_server_new(slow_app(&slow_handlers), &options, &server), ZKT_OK);
    (void)send_request(server, &w, 0,
                       FETCH "Host: a.org\r\nOrigin: https://b.org\r\n" FROM(
                           "203.0.113.9") "\r\n");
    for (int i = 0; i < 3; i++) {
        zkt_server_tick(server);
        drain(&w);
    }
    assert_non_null(strstr(w.text, " 200 "));
    assert_non_null(strstr(w.text, READS("https://b.org") COOKIES));
    assert_non_null(strstr(w.text, "\r\n\r\n203.0.113.9"));
    close_wire(&w);
    assert_non_null(strstr(
        send_request(server, &w, 0,
                     FETCH "Host: a.org\r\nOrigin: https://c.org\r\n\r\n"),
        " 403 "));
    close_wire(&w);
    zkt_server_free(server);
}

static void test_contradictions(void **state)
{
    static const struct {
        const char *proxies;
        unsigned by;
        const char *said; /* NULL: nothing is wrong */
    } table[] = {
        { NULL, ZKT_FORWARDED_BY_NOTHING, NULL },
        { "", ZKT_FORWARDED_BY_NOTHING, NULL },
        { "unix", ZKT_FORWARDED_BY_FORWARDED, NULL },
        { "10.0.0.0/8", ZKT_FORWARDED_BY_NOTHING,
          "trusted_proxies without forwarded_by: say how they tell their "
          "clients" },
        { NULL, ZKT_FORWARDED_BY_FORWARDED,
          "forwarded_by without trusted_proxies: say which peers are "
          "proxies" },
        { " , ", ZKT_FORWARDED_BY_PROXY_PROTOCOL,
          "forwarded_by without trusted_proxies: say which peers are "
          "proxies" },
        { "10.0.0.1/8", ZKT_FORWARDED_BY_FORWARDED,
          "trusted_proxies: '10.0.0.1/8' is no address and no network" },
        { "unix", 4, "forwarded_by is none of its values" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct zkt_serve_options options = {
            .log = on_log,
            .trusted_proxies = table[i].proxies,
            .forwarded_by = (enum zkt_forwarded_by)table[i].by,
        };
        struct zkt_server *server = NULL;
        logged[0] = '\0';
        assert_int_equal(
            zkt_server_new(slow_app(&slow_handlers), &options, &server),
            table[i].said == NULL ? ZKT_OK : ZKT_BAD_OPTION);
        assert_string_equal(logged, table[i].said != NULL ? table[i].said : "");
        zkt_server_free(server);
    }
}

/* A connection without memory for its refusal ends. */
static void test_no_memory(void **state)
{
    (void)state;
    for (long fail_at = 1;; fail_at++) {
        static const char text[] =
            OPEN("/") "Host: a.org\r\nOrigin: https://evil.com\r\n" FROM(
                "203.0.113.9") "\r\n";
        struct failing_alloc memory;
        struct zkt_server *server = NULL;
        struct wire w = { .e = NULL };
        failing_alloc_init(&memory, fail_at);
        const struct zkt_serve_options options = {
            .allocator = &memory.allocator,
            .trusted_proxies = "192.0.2.7",
            .forwarded_by = ZKT_FORWARDED_BY_X_FORWARDED_FOR,
        };
        const enum zkt_status status = zkt_server_new(slow_app(&slow_handlers),
                                                      &options, &server);
        assert_true(status == ZKT_OK || status == ZKT_NO_MEMORY);
        if (status == ZKT_OK) {
            w.e = zkt__server_accept(server, "192.0.2.7");
        }
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
        cmocka_unit_test(test_who_is_let_in),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_cors),
        cmocka_unit_test(test_preflights),
        cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_clients_count),
        cmocka_unit_test(test_instances_belong_to_clients),
        cmocka_unit_test(test_requests_count_for_clients),
        cmocka_unit_test(test_pages_of_a_proxy_call),
        cmocka_unit_test(test_requests_of_several_clients),
        cmocka_unit_test(test_routes_of_the_program),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
