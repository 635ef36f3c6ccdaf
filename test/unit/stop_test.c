/*
 * A server that stops, as an orchestrator and its peers see it: it is not ready
 * and serves on; then idle connections end, requests and calls that have begun
 * are answered, answers without an end are ended, hooks run, and WebSockets are
 * closed, a number of them at a time. And the time limits of all of that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/body.h"
#include "limit_hits.h"
#include "server/answer.h"
#include "server/core.h"
#include "slow.h"
#include "zocket/embed.h"
#include "zocket/http.h"

enum {
    DELAY = 5000
};

/* ---- a page that the program keeps, one without an end, and a long one ----
 */

static struct zkt_http *kept;

static void on_request(struct zkt_http *http, void *user)
{
    (void)user;
    if (zkt_str_eq(zkt_http_path(http), ZKT_STR("/kept"))) {
        zkt_http_keep(http);
        kept = http;
    } else {
        zkt_http_next(http);
    }
}

static struct page {
    struct zkt_http_source source;
    int closed;
    bool stopped, sent;
} events, file;

static enum zkt_http_progress read_events(struct zkt_http_source *source,
                                          uint8_t *to, size_t room, size_t *len)
{
    struct page *page = ZKT_CONTAINER(source, struct page, source);
    (void)room;
    if (!page->stopped) {
        return ZKT_HTTP_WAITS;
    }
    memcpy(to, "retry: 1\n\n", 10);
    *len = 10;
    return ZKT_HTTP_END;
}

static enum zkt_http_progress read_file(struct zkt_http_source *source,
                                        uint8_t *to, size_t room, size_t *len)
{
    (void)source;
    memset(to, 'x', room);
    *len = room;
    return ZKT_HTTP_MORE;
}

static void stop_events(struct zkt_http_source *source)
{
    ZKT_CONTAINER(source, struct page, source)->stopped = true;
}

static void close_page(struct zkt_http_source *source, bool sent)
{
    struct page *page = ZKT_CONTAINER(source, struct page, source);
    page->closed++;
    page->sent = sent;
}

static const struct zkt_http_source_ops events_ops = {
    .read = read_events,
    .close = close_page,
    .stop = stop_events,
    .ends_with_input = true,
};
static const struct zkt_http_source_ops file_ops = { .read = read_file,
                                                     .close = close_page };

static int judge(const struct zkt_route *route, struct zkt_connection *c,
                 const struct zkt_http_request *request)
{
    (void)route;
    (void)c;
    return zkt_str_eq(request->path, ZKT_STR("/events")) ||
                   zkt_str_eq(request->path, ZKT_STR("/file"))
               ? 0
               : ZKT_ROUTE_PASSES;
}

static void answer(const struct zkt_route *route, struct zkt_connection *c,
                   const struct zkt_http_request *request)
{
    const bool endless = zkt_str_eq(request->path, ZKT_STR("/events"));
    (void)route;
    zkt__answer_stream(
        c, request,
        (struct zkt_http_response){ .status = 200, .fields = ZKT_STR("") },
        endless ? ZKT_HTTP_NO_LENGTH : 3 * ZKT_HTTP_STEP,
        endless ? &events.source : &file.source);
}

static struct zkt_route route = { .order = ZKT_ROUTE_FILES,
                                  .judge = judge,
                                  .answer = answer };

static struct zkt_server *new_server(const struct zkt_limits *limits,
                                     uint32_t threads)
{
    struct zkt_server *server = new_slow_shards(limits, NULL, threads);
    server->options.on_request = on_request;
    zkt__on_request_init(server);
    zkt__routes_add(server, &route);
    events = (struct page){ .source.ops = &events_ops };
    file = (struct page){ .source.ops = &file_ops };
    return server;
}

/* ---- its clients ---- */

static struct wire connect_wire(struct zkt_server *server)
{
    struct wire w = { .e = zkt__server_accept(server, "test") };
    assert_non_null(w.e);
    return w;
}

static void send_request(struct wire *w, const char *text, bool takes)
{
    feed(w, text, strlen(text), 4096, takes);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static struct wire request_from(struct zkt_server *server, const char *text,
                                bool takes)
{
    struct wire w = connect_wire(server);
    send_request(&w, text, takes);
    return w;
}

/* The status of a probe on a connection of its own. */
static int probe(struct zkt_server *server, const char *text)
{
    struct wire w = request_from(server, text, true);
    const int status = w.len > 9 ? atoi(w.text + 9) : 0;
    close_wire(&w);
    return status;
}

static bool ends(const struct wire *w)
{
    return zkt_endpoint_fate(w->e) == ZKT_FATE_CLOSE;
}

static bool says_1001(const struct wire *w)
{
    return holds(w->text, w->len, "\x03\xe9the server stops");
}

/* ---- the sequence ---- */

static void test_an_orchestrator(void **state)
{
    const struct zkt_limits limits = { .drain_delay_ms = DELAY };
    struct zkt_server *server = new_server(&limits, 1);
    struct wire idle = request_from(server, GET("/healthz"), true);
    struct wire half = request_from(server, "GET /healthz HTTP/1.1\r\n", true);
    struct wire page = request_from(server, GET("/kept"), true);
    struct wire stream = request_from(server, GET("/events"), true);
    struct wire loading = request_from(server, GET("/file"), false);
    struct wire quiet = open_slow(server), busy = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    (void)ask(&busy, ADD("1", "x", "1", "later"));
    assert_int_equal(probe(server, GET("/readyz")), 200);

    /* It is not ready, and serves. */
    zkt_server_shutdown(server);
    for (int ms = 0; ms < DELAY; ms += 1000) {
        assert_int_equal(probe(server, GET("/readyz")), 503);
        assert_int_equal(probe(server, GET("/healthz")), 200);
        struct wire late = open_slow(server);
        assert_string_equal(ask(&late, MARK("1", "y", "")), DONE("1"));
        close_wire(&late);
        idle.len = 0;
        send_request(&idle, GET("/healthz"), true);
        assert_null(strstr(idle.text, "Connection: close"));
        assert_true(zkt_server_accepting(server));
        zkt_server_advance(server, 1000);
    }
    assert_limit_hits(server, "drain_delay_ms", 1);

    /* It drains. */
    assert_false(zkt_server_accepting(server));
    assert_true(ends(&idle) && idle.e->idle);
    assert_false(ends(&half) || ends(&page) || ends(&stream) ||
                 ends(&loading) || ends(&quiet) || ends(&busy));
    assert_non_null(strstr(ask(&quiet, MARK("1", "y", "")), "UNAVAILABLE"));
    send_request(&half, "Host: x\r\n\r\n", true);
    assert_memory_equal(half.text, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(half.text, "\r\nConnection: close\r\n"));
    assert_true(ends(&half) && !half.e->idle); /* it has an answer to read */
    zkt_http_reply(kept, 200, NULL, "page", 4);
    zkt_server_advance(server, 0);
    drain(&page);
    assert_non_null(strstr(page.text, "\r\nConnection: close\r\n"));
    assert_true(holds(page.text, page.len, "\r\n\r\npage"));
    assert_true(ends(&page));
    resume(--held_count, &ran);
    zkt_server_advance(server, 1000);
    drain(&busy);
    assert_true(holds(busy.text, busy.len, "\"id\":\"1\",\"result\":1"));
    assert_false(ends(&quiet) || ends(&busy)); /* the file is being sent */
    assert_int_equal(server->life, ZKT_LIFE_DRAINING);
    drain(&loading);
    assert_int_equal(file.closed, 1);
    assert_true(file.sent);

    /* Everybody goes. */
    zkt_server_advance(server, 0);
    drain(&quiet);
    drain(&busy);
    drain(&stream);
    assert_true(says_1001(&quiet) && says_1001(&busy));
    assert_false(quiet.e->idle || busy.e->idle || stream.e->idle);
    assert_true(holds(stream.text, stream.len, "retry: 1\n\n\r\n0\r\n\r\n"));
    assert_true(ends(&stream) && events.sent);
    struct wire *all[] = {
        &idle, &half, &page, &stream, &loading, &quiet, &busy
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        close_wire(all[i]);
    }
    zkt_server_advance(server, 0);
    assert_true(zkt_server_is_down(server));
    zkt_server_free(server);
}

/* Answers that do not end: of the program, and to a reader that takes none. */
static void test_drain_ms(void **state)
{
    struct zkt_server *server = new_server(NULL, 1);
    struct wire page = request_from(server, GET("/kept"), true);
    struct wire loading = request_from(server, GET("/file"), false);
    (void)state;
    zkt_server_shutdown(server);
    zkt_server_advance(server, 4999);
    drain(&page);
    assert_int_equal(page.len, 0);
    assert_int_equal(file.closed, 0);
    zkt_server_advance(server, 1);
    drain(&page);
    assert_memory_equal(page.text, "HTTP/1.1 503 ", 13);
    assert_non_null(strstr(page.text, "\r\nConnection: close\r\n"));
    assert_true(ends(&page) && ends(&loading));
    assert_int_equal(file.closed, 1);
    assert_false(file.sent);
    zkt_http_reply(kept, 200, NULL, "too late", 8);
    close_wire(&page);
    close_wire(&loading);
    zkt_server_advance(server, 0);
    assert_true(zkt_server_is_down(server));
    zkt_server_free(server);
}

/* ---- many connections ---- */

enum {
    MANY = 1000,
    AT_ONCE = 64
};

static int count_closed(struct wire *wires)
{
    int count = 0;
    for (int i = 0; i < MANY; i++) {
        if (wires[i].e != NULL) {
            drain(&wires[i]);
            count += says_1001(&wires[i]);
        } else {
            count++; /* it has gone since then */
        }
    }
    return count;
}

static void test_closing_takes_a_while(void **state)
{
    static struct wire wires[MANY];
    struct zkt_server *server = new_server(NULL, 1);
    (void)state;
    for (int i = 0; i < MANY; i++) {
        wires[i] = open_slow(server);
    }
    zkt_server_shutdown(server);
    zkt_server_advance(server, 0);
    for (int step = 1; step <= MANY / AT_ONCE + 1; step++) {
        const int closed = step * AT_ONCE < MANY ? step * AT_ONCE : MANY;
        assert_int_equal(count_closed(wires), closed);
        zkt_server_advance(server, 9);
        assert_int_equal(count_closed(wires), closed);
        close_wire(&wires[step - 1]);
        wires[step - 1].e = NULL;
        zkt_server_advance(server, 1);
    }
    for (int i = 0; i < MANY; i++) {
        if (wires[i].e != NULL) {
            close_wire(&wires[i]);
        }
    }
    zkt_server_advance(server, 0);
    assert_true(zkt_server_is_down(server));
    zkt_server_free(server);
}

/* ---- two shards ---- */

static void run_turns(struct zkt_server *server)
{
    for (int i = 0; i < 8; i++) {
        turn(zkt__server_shard(server, i % 2));
    }
}

static void pass(struct zkt_server *server, int64_t ms)
{
    for (uint32_t i = 0; i < 2; i++) {
        zkt__server_core(zkt__server_shard(server, i))->now_ms += ms;
    }
    run_turns(server);
}

/* The second shard says that it is not ready, and serves; then both drain. */
static void test_two_shards(void **state)
{
    const struct zkt_limits limits = { .drain_delay_ms = DELAY };
    struct zkt_server *server = new_server(&limits, 2);
    struct zkt_server *other = zkt__server_shard(server, 1);
    zkt__server_run_shards(server, 2);
    struct wire w = open_slow(other);
    (void)state;
    zkt_server_shutdown(other);
    run_turns(server);
    assert_int_equal(probe(server, GET("/readyz")), 503);
    assert_int_equal(probe(other, GET("/readyz")), 503);
    assert_string_equal(ask(&w, MARK("1", "y", "")), DONE("1"));
    pass(server, DELAY - 1);
    assert_int_equal(other->life, ZKT_LIFE_SERVING);
    pass(server, 1);
    run_turns(server);
    drain(&w);
    assert_true(says_1001(&w));
    close_wire(&w);
    run_turns(server);
    assert_true(zkt_server_is_down(server));
    zkt_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_orchestrator),
        cmocka_unit_test(test_drain_ms),
        cmocka_unit_test(test_closing_takes_a_while),
        cmocka_unit_test(test_two_shards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
