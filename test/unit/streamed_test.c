/*
 * Answers whose bodies are streamed: framed by a length, in chunks and until
 * the connection closes, by sources that have their bytes at once, wait, fail
 * or end early; HEAD, pipelines, clients that go, half-closed connections, slow
 * readers, shares of a turn, and memory that fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/body.h"
#include "server/answer.h"
#include "server/connection.h"
#include "server/routes.h"
#include "slow.h"
#include "zocket/embed.h"

/* ---- a source under the control of the test ---- */

static struct script {
    struct zkt_http_source source;
    struct zkt_http_source_ops ops;
    uint64_t size, at;  /* of the body */
    uint64_t available; /* bytes that can be read; then it waits */
    uint64_t fails_at;  /* or UINT64_MAX */
    size_t most;        /* bytes of a read */
    uint64_t length;    /* that the answer states */
    int status;
    int reads, closed;
    bool sent;
} script;

static char byte_at(uint64_t at)
{
    return (char)('a' + at % 26);
}

static enum zkt_http_progress read_script(struct zkt_http_source *source,
                                          uint8_t *to, size_t room, size_t *len)
{
    struct script *s = ZKT_CONTAINER(source, struct script, source);
    size_t n = 0;
    s->reads++;
    assert_int_equal(s->closed, 0);
    assert_true(room > 0);
    while (n < room && n < s->most && s->at < s->size && s->at < s->available &&
           s->at < s->fails_at) {
        to[n++] = (uint8_t)byte_at(s->at++);
    }
    *len = n;
    return s->at == s->fails_at    ? ZKT_HTTP_FAILED
           : s->at == s->size      ? ZKT_HTTP_END
           : s->at == s->available ? ZKT_HTTP_WAITS
                                   : ZKT_HTTP_MORE;
}

static void close_script(struct zkt_http_source *source, bool sent)
{
    struct script *s = ZKT_CONTAINER(source, struct script, source);
    assert_null(source->wake);
    s->closed++;
    s->sent = sent;
}

static void reset_script(uint64_t size)
{
    script = (struct script){
        .source.ops = &script.ops,
        .ops = { .read = read_script, .close = close_script },
        .size = size,
        .available = UINT64_MAX,
        .fails_at = UINT64_MAX,
        .most = SIZE_MAX,
        .length = size,
        .status = 200,
    };
}

/* ---- its route ---- */

static int judge(const struct zkt_route *route, struct zkt_connection *c,
                 const struct zkt_http_request *request)
{
    (void)route;
    (void)c;
    return zkt_str_eq(request->path, ZKT_STR("/s")) ? 0 : ZKT_ROUTE_PASSES;
}

static void answer(const struct zkt_route *route, struct zkt_connection *c,
                   const struct zkt_http_request *request)
{
    (void)route;
    zkt__answer_stream(c, request,
                       (struct zkt_http_response){
                           .status = script.status,
                           .fields = ZKT_STR("A: b\r\n"),
                       },
                       script.length, &script.source);
}

static struct zkt_route route = { .order = ZKT_ROUTE_FILES,
                                  .judge = judge,
                                  .answer = answer };

static struct zkt_server *new_streaming(const struct zkt_limits *limits)
{
    struct zkt_server *server = new_slow_server(limits, NULL);
    zkt__routes_add(server, &route);
    return server;
}

static struct wire connect_wire(struct zkt_server *server)
{
    struct wire w = { .e = zkt__server_accept(server, "test") };
    assert_non_null(w.e);
    return w;
}

static void ask_for(struct wire *w, const char *text, bool takes)
{
    feed(w, text, strlen(text), 4096, takes);
}

#define GET(path, fields) "GET " path " HTTP/1.1\r\nHost: x\r\n" fields "\r\n"

/* Wakes the source, and takes what follows. */
static void wake(struct wire *w)
{
    zkt__http_source_wake(&script.source);
    drain(w);
    w->e->core->ops->tick(w->e->core);
}

/* ---- reading answers ---- */

static const char *body_of(const struct wire *w)
{
    const char *end = w->len > 0 ? strstr(w->text, "\r\n\r\n") : NULL;
    assert_non_null(end);
    return end + 4;
}

static size_t rest_of(const struct wire *w, const char *at)
{
    return w->len - (size_t)(at - w->text);
}

/* Checks that @len bytes are those of the script from @from on. */
static void check_bytes(const char *at, size_t len, uint64_t from)
{
    for (size_t i = 0; i < len; i++) {
        if (at[i] != byte_at(from + i)) {
            fail_msg("byte %zu", i);
        }
    }
}

/* Returns the end of a chunked body of @size bytes. */
static const char *check_chunks(const char *at, uint64_t size)
{
    uint64_t got = 0;
    for (;;) {
        char *end;
        const size_t len = strtoul(at, &end, 16);
        assert_memory_equal(end, "\r\n", 2);
        at = end + 2;
        if (len == 0) {
            break;
        }
        check_bytes(at, len, got);
        got += len;
        assert_memory_equal(at + len, "\r\n", 2);
        at += len + 2;
    }
    assert_memory_equal(at, "\r\n", 2);
    assert_int_equal(got, size);
    return at + 2;
}

static const uint64_t sizes[] = { 0,     1,      15,     65535,  65536,
                                  65537, 131072, 200000, 2100000 };

enum {
    SIZES = sizeof(sizes) / sizeof(sizes[0])
};

static void test_a_length(void **state)
{
    struct zkt_server *server = new_streaming(NULL);
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        struct wire w = connect_wire(server);
        char field[64];
        reset_script(sizes[i]);
        ask_for(&w, GET("/s", ""), true);
        while (script.closed == 0) {
            turn(server);
            drain(&w);
        }
        snprintf(field, sizeof(field), "\r\nContent-Length: %llu\r\n\r\n",
                 (unsigned long long)sizes[i]);
        assert_non_null(strstr(w.text, "\r\nA: b\r\n"));
        assert_non_null(strstr(w.text, field));
        assert_int_equal(rest_of(&w, body_of(&w)), sizes[i]);
        check_bytes(body_of(&w), (size_t)sizes[i], 0);
        assert_true(script.sent);
        assert_int_equal(script.closed, 1);
        assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
        w.len = 0;
        ask_for(&w, GET("/healthz", ""), true);
        assert_memory_equal(w.text, "HTTP/1.1 200 ", 13);
        close_wire(&w);
    }
    zkt_server_free(server);
}

static void test_chunks(void **state)
{
    struct zkt_server *server = new_streaming(NULL);
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        struct wire w = connect_wire(server);
        reset_script(sizes[i]);
        script.length = ZKT_HTTP_NO_LENGTH;
        script.most = sizes[i] < 100 ? 7 : SIZE_MAX;
        ask_for(&w, GET("/s", "") GET("/healthz", ""), true);
        for (int k = 0; k < 20; k++) {
            turn(server);
            drain(&w);
        }
        assert_non_null(strstr(w.text, "\r\nTransfer-Encoding: chunked\r\n"));
        assert_null(strstr(w.text, "Content-Length: 0"));
        const char *end = check_chunks(body_of(&w), sizes[i]);
        assert_memory_equal(end, "HTTP/1.1 200 ", 13);
        assert_true(script.sent);
        close_wire(&w);
    }
    zkt_server_free(server);
}

/* To HTTP/1.0, and with Connection: close. */
static void test_answers_that_close(void **state)
{
    struct zkt_server *server = new_streaming(NULL);
    struct wire w = connect_wire(server);
    (void)state;
    reset_script(30);
    script.length = ZKT_HTTP_NO_LENGTH;
    ask_for(&w, "GET /s HTTP/1.0\r\n\r\n", true);
    assert_null(strstr(w.text, "Transfer-Encoding"));
    assert_null(strstr(w.text, "Content-Length"));
    assert_non_null(strstr(w.text, "\r\nConnection: close\r\n"));
    assert_int_equal(rest_of(&w, body_of(&w)), 30);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    close_wire(&w);
    w = connect_wire(server);
    reset_script(30);
    ask_for(&w, GET("/s", "Connection: close\r\n") GET("/healthz", ""), true);
    assert_int_equal(rest_of(&w, body_of(&w)), 30);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    close_wire(&w);
    zkt_server_free(server);
}

/* The source is closed unread. */
static void test_no_body(void **state)
{
    struct zkt_server *server = new_streaming(NULL);
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct wire w = connect_wire(server);
        reset_script(30);
        script.length = i == 0 ? 30 : ZKT_HTTP_NO_LENGTH;
        script.status = i == 2 ? 204 : 200;
        ask_for(&w,
                i == 2 ? GET("/s", "") : "HEAD /s HTTP/1.1\r\nHost: x\r\n\r\n",
                true);
        assert_string_equal(body_of(&w), "");
        assert_int_equal(count_text(&w, "Content-Length: 30"), i == 0);
        assert_int_equal(count_text(&w, "Transfer-Encoding"), i == 1);
        assert_int_equal(script.reads, 0);
        assert_int_equal(script.closed, 1);
        assert_true(script.sent);
        assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
        close_wire(&w);
    }
    zkt_server_free(server);
}

/* The rest of the pipeline waits as long, and no time limit runs. */
static void test_a_source_that_waits(void **state)
{
    struct zkt_server *server = new_streaming(NULL);
    struct wire w = connect_wire(server);
    (void)state;
    reset_script(10);
    script.available = 0;
    script.length = ZKT_HTTP_NO_LENGTH;
    ask_for(&w, GET("/s", "") GET("/healthz", ""), true);
    assert_string_equal(body_of(&w), "");
    zkt_server_advance(server, 1000 * 1000);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    for (script.available = 1; script.available < 10; script.available++) {
        const int reads = script.reads;
        wake(&w);
        drain(&w); /* nothing is read in vain */
        assert_int_equal(script.reads, reads + 1);
        wake(&w);
        assert_int_equal(script.reads, reads + 2);
    }
    script.available = 10;
    wake(&w);
    drain(&w);
    const char *end = check_chunks(body_of(&w), 10);
    assert_memory_equal(end, "HTTP/1.1 200 ", 13);
    assert_true(zkt_endpoint_reading(w.e));
    zkt_server_advance(server, 74 * 1000);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    zkt_server_advance(server, 1000);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    close_wire(&w);
    zkt_server_free(server);
}

/* A body that fails, at once or later, or is too short for its length. */
static void test_sources_that_fail(void **state)
{
    struct zkt_server *server = new_streaming(NULL);
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct wire w = connect_wire(server);
        reset_script(100000);
        script.fails_at = i == 0 ? 0 : i == 1 ? 70000 : UINT64_MAX;
        script.length = i == 2 ? 100001 : 100000;
        script.most = i == 3 ? 0 : SIZE_MAX; /* more, but nothing */
        ask_for(&w, GET("/s", "") GET("/healthz", ""), true);
        drain(&w);
        assert_int_equal(script.closed, 1);
        assert_false(script.sent);
        assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_DROP);
        assert_in_range(count_text(&w, "HTTP/1.1"), 0, 1);
        close_wire(&w);
    }
    zkt_server_free(server);
}

static void test_clients_that_go(void **state)
{
    struct zkt_server *server = new_streaming(NULL);
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct wire w = connect_wire(server);
        reset_script(10);
        script.available = 5;
        script.ops.ends_with_input = i == 1;
        ask_for(&w, GET("/s", ""), true);
        assert_true(zkt_endpoint_reading(w.e)); /* for its end */
        if (i > 0) {
            zkt_endpoint_ended(w.e);
        }
        assert_int_equal(script.closed, i == 1);
        if (i == 2) {
            script.available = 10; /* half of the connection lives */
            wake(&w);
            assert_true(script.sent);
            check_bytes(body_of(&w), 10, 0);
            assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
        }
        close_wire(&w);
        assert_int_equal(script.closed, 1);
        assert_int_equal(script.sent, i == 2);
        turn(server);
    }
    struct wire w = connect_wire(server);
    reset_script(10);
    script.available = 5;
    ask_for(&w, GET("/s", ""), true);
    zkt_server_free(server);
    assert_int_equal(script.closed, 1);
    free(w.text);
}

/* A slow reader holds a step, and is closed when it takes nothing. */
static void test_slow_readers(void **state)
{
    struct zkt_server *server = new_streaming(NULL);
    struct wire w = connect_wire(server);
    struct zkt_slice slices[8];
    (void)state;
    reset_script(10 * ZKT_HTTP_STEP);
    ask_for(&w, GET("/s", ""), false);
    for (int i = 0; i < 3; i++) {
        turn(server);
        assert_true(w.e->ops->pending(w.e, slices, 8) > 0);
    }
    assert_int_equal(script.reads, 1);
    zkt_server_advance(server, 9000);
    w.e->ops->sent(w.e, 20000);
    zkt_server_advance(server, 9000);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    zkt_server_advance(server, 2000);
    assert_int_equal(script.closed, 1);
    assert_false(script.sent);
    assert_int_equal(stats_of(server).limit_hits.output_stuck_ms, 1);
    close_wire(&w);
    zkt_server_free(server);
}

/* A reader that takes everything has a share of each turn. */
static void test_fast_readers(void **state)
{
    struct zkt_server *server = new_streaming(NULL);
    struct wire w = connect_wire(server);
    (void)state;
    reset_script(100 * ZKT_HTTP_STEP);
    ask_for(&w, GET("/s", ""), true);
    int turns = 0;
    while (script.closed == 0) {
        assert_ptr_equal(zkt_server_changed(server), w.e);
        drain(&w);
        turns++;
        assert_int_equal(zkt_server_timeout(server) == 0, script.closed == 0);
        turn(server);
    }
    assert_in_range(turns, 5, 7);
    assert_int_equal(rest_of(&w, body_of(&w)), 100 * ZKT_HTTP_STEP);
    close_wire(&w);
    zkt_server_free(server);
}

/* Each allocation fails once: the source is closed exactly once, and the answer
 * is whole or its connection ends. */
static void test_failing_memory(void **state)
{
    bool done = false;
    (void)state;
    for (long at = 1; !done; at++) {
        struct failing_alloc memory;
        failing_alloc_init(&memory, 0);
        struct zkt_server *server = new_slow_server(NULL, &memory.allocator);
        zkt__routes_add(server, &route);
        struct wire w = connect_wire(server);
        reset_script(3 * ZKT_HTTP_STEP);
        script.length = ZKT_HTTP_NO_LENGTH;
        memory.calls = 0;
        memory.fail_at = at;
        ask_for(&w, GET("/s", ""), true);
        done = memory.calls < at;
        memory.fail_at = 0;
        if (zkt_endpoint_fate(w.e) == ZKT_FATE_OPEN) {
            assert_true(script.sent);
            (void)check_chunks(body_of(&w), script.size);
        } else {
            assert_false(script.sent);
        }
        assert_in_range(script.closed, 0, 1);
        close_wire(&w);
        zkt_server_free(server);
        assert_int_equal(memory.live, 0);
    }
}

/* ---- header fields ---- */

static void test_fields(void **state)
{
    static const struct {
        const char *name, *value;
        bool good;
    } table[] = {
        { "A", "b", true },          { "x-request-id", "", true },
        { "A", "b c\td", true },     { "A", "\xc3\xa4", true },
        { "", "b", false },          { "A b", "c", false },
        { "A:", "c", false },        { "A\r\n", "c", false },
        { "A", "b\r\nC: d", false }, { "A", "b\n", false },
        { "A", "\rb", false },       { "A", " b", false },
        { "A", "b\t", false },       { "\xc3\xa4", "b", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        assert_int_equal(zkt__http_field_is_good(zkt_cstr(table[i].name),
                                                 zkt_cstr(table[i].value)),
                         table[i].good);
    }
    assert_false(
        zkt__http_field_is_good(ZKT_STR("A"), (struct zkt_str){ "b\0c", 3 }));
    assert_false(
        zkt__http_field_is_good((struct zkt_str){ "A\0", 2 }, ZKT_STR("b")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_length),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_answers_that_close),
        cmocka_unit_test(test_no_body),
        cmocka_unit_test(test_a_source_that_waits),
        cmocka_unit_test(test_sources_that_fail),
        cmocka_unit_test(test_clients_that_go),
        cmocka_unit_test(test_slow_readers),
        cmocka_unit_test(test_fast_readers),
        cmocka_unit_test(test_failing_memory),
        cmocka_unit_test(test_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
