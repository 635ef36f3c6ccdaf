/*
 * The option on_request (zocket/http.h): the request as the program reads it,
 * replies at once and later, from the shard of the connection and another one,
 * to clients that have gone and servers that were freed; the order of a
 * pipeline, time limits, memory that fails, and every mistake.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "limit_hits.h"
#include "server/answer.h"
#include "server/core.h"
#include "slow.h"
#include "zocket/embed.h"
#include "zocket/http.h"

/* ---- a program ---- */

static struct {
    struct zkt_http *held[8];
    int held_count, calls, errors;
    char logged[256]; /* the last error */
} program;

static void on_log(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    if (level == ZKT_LOG_ERROR) {
        program.errors++;
        snprintf(program.logged, sizeof(program.logged), "%s", text);
    }
}

static void reply_text(struct zkt_http *http, const char *text)
{
    zkt_http_reply(http, 200, "text/plain", text, strlen(text));
}

static void echo(struct zkt_http *http)
{
    char text[512];
    const struct zkt_str method = zkt_http_method(http),
                         path = zkt_http_path(http),
                         query = zkt_http_query(http),
                         body = zkt_http_body(http),
                         field = zkt_http_field(http, "x-one"),
                         address = zkt_http_remote_address(http);
    assert_null(zkt_http_field(http, "x-none").data);
    const int len = snprintf(text, sizeof(text),
                             "%.*s %.*s %.*s %.*s %.*s %.*s", ZKT_ARG(method),
                             ZKT_ARG(path), ZKT_ARG(query), ZKT_ARG(field),
                             ZKT_ARG(body), ZKT_ARG(address));
    zkt_http_header(http, "X-Two", "2");
    zkt_http_header(http, "Set-Cookie", "a=b");
    zkt_http_header(http, "Set-Cookie", "c=d");
    zkt_http_reply(http, 201, "text/plain", text, (size_t)len);
}

/* What a request for a path does. */
static void act(struct zkt_http *http, struct zkt_str path)
{
    if (zkt_str_eq(path, ZKT_STR("/echo"))) {
        echo(http);
    } else if (zkt_str_eq(path, ZKT_STR("/keep"))) {
        zkt_http_keep(http);
        program.held[program.held_count++] = http;
    } else if (zkt_str_eq(path, ZKT_STR("/none"))) {
        zkt_http_reply(http, 204, NULL, "x", 1);
    } else if (zkt_str_eq(path, ZKT_STR("/forget"))) {
        zkt_http_header(http, "A", "b");
    } else if (zkt_str_eq(path, ZKT_STR("/twice"))) {
        reply_text(http, "first");
        reply_text(http, "second");
    } else if (zkt_str_eq(path, ZKT_STR("/late-field"))) {
        zkt_http_next(http);
        zkt_http_header(http, "A", "b");
    } else if (zkt_str_eq(path, ZKT_STR("/status"))) {
        zkt_http_reply(http, 199, NULL, NULL, 0);
    } else if (zkt_str_eq(path, ZKT_STR("/type"))) {
        zkt_http_reply(http, 200, "a\r\nb: c", NULL, 0);
    } else if (zkt_str_eq(path, ZKT_STR("/field"))) {
        const struct zkt_str query = zkt_http_query(http);
        zkt_http_header(http,
                        query.data[0] == 'n'   ? "A: b\r\nC"
                        : query.data[0] == 'o' ? "content-LENGTH"
                                               : "A",
                        query.data[0] == 'v' ? "b\nC: d" : "1");
        reply_text(http, "never");
    } else {
        zkt_http_header(http, "A", "b");
        zkt_http_next(http);
    }
}

static void on_request(struct zkt_http *http, void *user)
{
    assert_ptr_equal(user, &program);
    program.calls++;
    act(http, zkt_http_path(http));
}

static struct zkt_server *new_server(const struct zkt_limits *limits,
                                     const struct zkt_allocator *allocator,
                                     uint32_t threads)
{
    struct zkt_serve_options options = { .on_request = on_request,
                                         .user = &program,
                                         .allocator = allocator,
                                         .threads = threads,
                                         .metrics = true,
                                         .log = on_log };
    struct zkt_server *server;
    memset(&program, 0, sizeof(program));
    if (limits != NULL) {
        options.limits = *limits;
    }
    assert_int_equal(
        zkt_server_new(slow_app(&slow_handlers), &options, &server), ZKT_OK);
    return server;
}

/* ---- its clients ---- */

static struct wire connect_wire(struct zkt_server *server)
{
    struct wire w = { .e = zkt__server_accept(server, "192.0.2.7") };
    assert_non_null(w.e);
    return w;
}

static const char *exchange(struct wire *w, const char *text)
{
    w->len = 0;
    feed(w, text, strlen(text), 4096, true);
    drain(w);
    return w->len > 0 ? w->text : "";
}

#define ASK(method, path, fields)                                              \
    method " " path " HTTP/1.1\r\nHost: x\r\n" fields "\r\n"
#define GET(path) ASK("GET", path, "")

/* The status of each answer. */
static const char *summary(const struct wire *w)
{
    static char out[256];
    const char *at = w->len > 0 ? w->text : "";
    out[0] = '\0';
    while ((at = strstr(at, "HTTP/1.1 ")) != NULL) {
        snprintf(out + strlen(out), sizeof(out) - strlen(out), "%.3s ", at + 9);
        at += 9;
    }
    return out;
}

static void check_body(const struct wire *w, const char *body)
{
    const char *end = strstr(w->text, "\r\n\r\n");
    assert_non_null(end);
    assert_string_equal(end + 4, body);
}

/* Releases the oldest request that is kept. */
static struct zkt_http *take_held(void)
{
    struct zkt_http *http = program.held[0];
    assert_true(program.held_count > 0);
    memmove(program.held, program.held + 1,
            sizeof(program.held) - sizeof(http));
    program.held_count--;
    return http;
}

/* ---- replies ---- */

static void test_a_request_and_its_reply(void **state)
{
    struct zkt_server *server = new_server(NULL, NULL, 1);
    struct wire w = connect_wire(server);
    (void)state;
    (void)exchange(&w, ASK("POST", "/echo?a=b%20c",
                           "X-Zero: 0\r\nx-ONE: 1\r\nX-One: 2\r\n"
                           "Transfer-Encoding: chunked\r\n") "2\r\nhe\r\n3\r\nl"
                                                             "lo\r\n0\r\n\r\n");
    assert_memory_equal(w.text, "HTTP/1.1 201 Created\r\n", 22);
    assert_non_null(strstr(w.text, "\r\nX-Two: 2\r\nSet-Cookie: a=b\r\n"
                                   "Set-Cookie: c=d\r\n"
                                   "Content-Type: text/plain\r\n"));
    check_body(&w, "POST /echo a=b%20c 1 hello 192.0.2.7");
    (void)exchange(&w, ASK("HEAD", "/echo", ""));
    assert_non_null(strstr(w.text, "\r\nContent-Length: 23\r\n"));
    check_body(&w, "");
    (void)exchange(&w, GET("/none"));
    assert_memory_equal(w.text, "HTTP/1.1 204 ", 13);
    assert_null(strstr(w.text, "Content-"));
    check_body(&w, "");
    (void)exchange(&w, GET("/healthz"));
    assert_string_equal(summary(&w), "200 ");
    assert_int_equal(program.calls, 3);
    (void)exchange(&w, GET("/other"));
    assert_string_equal(summary(&w), "404 ");
    assert_null(strstr(w.text, "A: b"));
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    assert_string_equal(
        summary((exchange(&w, "GET /echo HTTP/1.0\r\n\r\n"), &w)), "201 ");
    assert_non_null(strstr(w.text, "\r\nConnection: close\r\n"));
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    assert_int_equal(program.errors, 0);
    close_wire(&w);
    zkt_server_free(server);
}

/* Also the answers of a pipeline, and a WebSocket behind it. */
static void test_replies_that_come_later(void **state)
{
    struct zkt_server *server = new_server(NULL, NULL, 1);
    struct wire w = connect_wire(server);
    (void)state;
    (void)exchange(&w, GET("/keep") GET("/echo") GET("/keep") GET("/keep"));
    assert_string_equal(summary(&w), "");
    assert_int_equal(program.held_count, 1);
    struct zkt_http *http = take_held();
    assert_true(zkt_str_eq(zkt_http_path(http), ZKT_STR("/keep")));
    reply_text(http, "one");
    zkt_server_advance(server, 0);
    drain(&w);
    assert_string_equal(summary(&w), "200 201 ");
    zkt_http_next(take_held());
    zkt_server_advance(server, 0);
    drain(&w);
    assert_string_equal(summary(&w), "200 201 404 ");
    reply_text(take_held(), "three");
    zkt_server_advance(server, 0);
    (void)exchange(&w, request);
    assert_non_null(strstr(w.text, "HTTP/1.1 200 "));
    assert_non_null(strstr(w.text, "\r\n\r\nthreeHTTP/1.1 101 "));
    assert_int_equal(program.errors, 0);
    close_wire(&w);
    zkt_server_free(server);
}

static void test_clients_that_go(void **state)
{
    struct zkt_server *server = new_server(NULL, NULL, 1);
    (void)state;
    struct wire gone = connect_wire(server), half = connect_wire(server);
    (void)exchange(&gone, ASK("POST", "/keep", "Content-Length: 3\r\n") "abc");
    (void)exchange(&half, GET("/keep"));
    close_wire(&gone);
    zkt_endpoint_ended(half.e);
    zkt_server_advance(server, 0);
    struct zkt_http *http = take_held(); /* it can still be read */
    assert_true(zkt_str_eq(zkt_http_body(http), ZKT_STR("abc")));
    reply_text(http, "nobody");
    reply_text(take_held(), "half");
    zkt_server_advance(server, 0);
    drain(&half);
    check_body(&half, "half");
    assert_int_equal(zkt_endpoint_fate(half.e), ZKT_FATE_CLOSE);
    close_wire(&half);
    /* The server is freed, and then the request answered. */
    struct wire w = connect_wire(server);
    (void)exchange(&w, GET("/keep") GET("/keep"));
    zkt_server_free(server);
    assert_true(zkt_str_eq(zkt_http_path(program.held[0]), ZKT_STR("/keep")));
    zkt_http_header(program.held[0], "A", "b");
    reply_text(take_held(), "too late");
    free(w.text);
}

static void test_http_ms(void **state)
{
    struct zkt_server *server = new_server(NULL, NULL, 1);
    struct wire w = connect_wire(server);
    (void)state;
    (void)exchange(&w, GET("/keep") GET("/echo"));
    zkt_server_advance(server, 29999);
    drain(&w);
    assert_int_equal(w.len, 0);
    zkt_server_advance(server, 1);
    drain(&w);
    zkt_server_advance(server, 0);
    drain(&w);
    assert_string_equal(summary(&w), "504 201 ");
    assert_limit_hits(server, "http_ms", 1);
    assert_true(zkt_str_eq(zkt_http_path(program.held[0]), ZKT_STR("/keep")));
    reply_text(take_held(), "too late");
    assert_string_equal(summary((exchange(&w, GET("/echo")), &w)), "201 ");
    assert_int_equal(program.errors, 0);
    close_wire(&w);
    zkt_server_free(server);
}

/* The end of the client's stream does not begin the time anew. */
static void test_http_ms_of_a_half_closed_client(void **state)
{
    struct zkt_server *server = new_server(NULL, NULL, 1);
    struct wire w = connect_wire(server);
    (void)state;
    (void)exchange(&w, GET("/keep"));
    zkt_server_advance(server, 20000);
    zkt_endpoint_ended(w.e);
    zkt_server_advance(server, 9999);
    drain(&w);
    assert_int_equal(w.len, 0);
    zkt_server_advance(server, 1);
    drain(&w);
    assert_string_equal(summary(&w), "504 ");
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    reply_text(take_held(), "too late");
    close_wire(&w);
    zkt_server_free(server);
}

static void test_limits(void **state)
{
    for (int i = 0; i < 2; i++) {
        const struct zkt_limits limits = { .held_requests = i == 0 ? 2 : 0,
                                           .held_bytes = i == 0 ? 0 : 4000 };
        struct zkt_server *server = new_server(&limits, NULL, 1);
        struct wire wires[4];
        int most = 0;
        (void)state;
        for (int k = 0; k < 4; k++) {
            wires[k] = connect_wire(server);
            (void)exchange(&wires[k], GET("/keep"));
            most += wires[k].len == 0;
        }
        assert_in_range(most, 2, 3);
        assert_string_equal(summary(&wires[3]), "503 ");
        assert_limit_hits(server, "held_requests", i == 0 ? 4 - most : 0);
        assert_limit_hits(server, "held_bytes", i == 0 ? 0 : 4 - most);
        while (program.held_count > 0) {
            reply_text(take_held(), "x");
        }
        zkt_server_advance(server, 0);
        (void)exchange(&wires[3], GET("/keep"));
        assert_int_equal(wires[3].len, 0);
        reply_text(take_held(), "x");
        for (int k = 0; k < 4; k++) {
            close_wire(&wires[k]);
        }
        zkt_server_free(server);
    }
}

/* ---- mistakes ---- */

static void test_mistakes(void **state)
{
    static const struct {
        const char *path, *summary, *log;
    } table[] = {
        { GET("/forget"), "500 ", "neither answered nor kept" },
        { GET("/status"), "500 ", "the status is not from 200" },
        { GET("/type"), "500 ", "a header field is malformed" },
        { GET("/field?n"), "500 ", "a header field is malformed" },
        { GET("/field?v"), "500 ", "a header field is malformed" },
        { GET("/field?o"), "500 ", "the server's own" },
        { GET("/twice"), "200 ", "answered twice" },
        { GET("/late-field"), "404 ", "answered twice" },
    };
    struct zkt_server *server = new_server(NULL, NULL, 1);
    struct wire w = connect_wire(server);
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        (void)exchange(&w, table[i].path);
        zkt_server_advance(server, 0);
        assert_string_equal(summary(&w), table[i].summary);
        assert_non_null(strstr(program.logged, table[i].log));
        assert_int_equal(program.errors, i + 1);
        assert_null(strstr(w.text, "C: d"));
    }
    zkt_http_reply(NULL, 200, NULL, NULL, 0);
    zkt_http_header(NULL, "A", "b");
    zkt_http_next(NULL);
    zkt_http_keep(NULL);
    close_wire(&w);
    zkt_server_free(server);
}

/* The answer of a request that is gone is noticed, for a while. */
static void test_a_second_answer_that_comes_later(void **state)
{
    struct zkt_server *server = new_server(NULL, NULL, 1);
    struct wire w = connect_wire(server);
    (void)state;
    (void)exchange(&w, GET("/keep"));
    struct zkt_http *http = take_held();
    reply_text(http, "one");
    zkt_server_advance(server, 0);
    for (int i = 0; i < 60; i++) {
        (void)exchange(&w, GET("/echo"));
    }
    reply_text(http, "two");
    assert_int_equal(zkt_http_path(http).len, 0);
    for (int i = 0; i < 100; i++) {
        (void)exchange(&w, GET("/echo"));
    }
    zkt_server_advance(server, 0);
    assert_int_equal(program.errors, 1);
    assert_string_equal(summary(&w), "201 ");
    close_wire(&w);
    zkt_server_free(server);
}

/* ---- two shards ---- */

static void run_turns(struct zkt_server *server, struct wire *w)
{
    for (int i = 0; i < 6; i++) {
        turn(zkt__server_shard(server, i % 2));
        drain(w);
    }
}

static void test_the_first_shard_answers(void **state)
{
    struct zkt_server *server = new_server(NULL, NULL, 2);
    struct zkt_server *other = zkt__server_shard(server, 1);
    zkt__server_run_shards(server, 2);
    struct wire w = connect_wire(other);
    (void)state;
    (void)exchange(&w, GET("/echo") GET("/keep") GET("/healthz") GET("/other"));
    assert_int_equal(program.calls, 0);
    for (int i = 0; i < 3; i++) {
        run_turns(server, &w);
    }
    assert_string_equal(summary(&w), "201 ");
    reply_text(take_held(), "kept");
    for (int i = 0; i < 3; i++) {
        run_turns(server, &w);
    }
    assert_string_equal(summary(&w), "201 200 200 404 ");
    /* The client goes while its request is on its way. */
    (void)exchange(&w, GET("/keep"));
    close_wire(&w);
    turn(server);
    reply_text(take_held(), "nobody");
    turn(other);
    /* The server is freed while requests are on their way. */
    struct wire late = connect_wire(other);
    (void)exchange(&late, GET("/echo"));
    const int calls = program.calls;
    zkt_server_free(server);
    assert_int_equal(program.calls, calls);
    free(late.text);
}

/* ---- memory ---- */

/* Each allocation fails once: there is an answer, or the connection ends. */
static void fail_each_allocation(uint32_t threads)
{
    bool done = false;
    for (long at = 1; !done; at++) {
        struct failing_alloc memory;
        failing_alloc_init(&memory, 0);
        struct zkt_server *server = new_server(NULL, &memory.allocator,
                                               threads);
        zkt__server_run_shards(server, threads);
        struct wire w = connect_wire(zkt__server_shard(server, threads - 1));
        memory.calls = 0;
        memory.fail_at = at;
        (void)exchange(&w, GET("/echo") GET("/keep"));
        for (int i = 0; threads > 1 && i < 3; i++) {
            run_turns(server, &w);
        }
        if (program.held_count > 0) {
            zkt_http_header(program.held[0], "A", "b");
            reply_text(take_held(), "later");
        }
        for (uint32_t i = 0; i < threads; i++) {
            turn(zkt__server_shard(server, i));
        }
        drain(&w);
        done = memory.calls < at;
        memory.fail_at = 0;
        if (zkt_endpoint_fate(w.e) == ZKT_FATE_OPEN) {
            assert_int_equal(strlen(summary(&w)), 8);
        }
        close_wire(&w);
        zkt_server_free(server);
        assert_int_equal(memory.live, 0);
    }
}

static void test_failing_memory(void **state)
{
    (void)state;
    fail_each_allocation(1);
    fail_each_allocation(2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_and_its_reply),
        cmocka_unit_test(test_replies_that_come_later),
        cmocka_unit_test(test_clients_that_go),
        cmocka_unit_test(test_http_ms),
        cmocka_unit_test(test_http_ms_of_a_half_closed_client),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_a_second_answer_that_comes_later),
        cmocka_unit_test(test_the_first_shard_answers),
        cmocka_unit_test(test_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
