/*
 * Calls and states of actors by HTTP (server/actor_route.h): paths, types and
 * inputs that are refused, results, errors, calls that finish later, clients
 * that go, streams of events, slow readers, comments, stopping, and memory that
 * fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actor_http.h"
#include "server/core.h"
#include "slow.h"
#include "zocket/embed.h"

static struct zkt_server *new_server(const struct zkt_limits *limits,
                                     const struct zkt_allocator *allocator,
                                     uint32_t threads)
{
    struct zkt_server *server = new_slow_shards(limits, allocator, threads);
    server->options.http_calls = true;
    zkt__actor_route_init(server);
    return server;
}

static void test_calls(void **state)
{
    static const struct {
        const char *path, *fields, *input;
        int status;
        const char *body;
    } table[] = {
        { "/actors/job/x/add", JSON, "{\"by\":2,\"note\":\"\"}", 200, "2" },
        { "/actors/job/x/add?a=b", JSON, " {\"by\":2,\"note\":\"\"}\n", 200,
          "4" },
        { "/actors/job/%78/add",
          "content-type: Application/JSON; charset=utf-8\r\n",
          "{\"by\":1,\"note\":\"\"}", 200, "5" },
        { "/actors/job/a%2Fb%25%22/add", JSON, "{\"by\":1,\"note\":\"\"}", 200,
          "1" },
        { "/actors/job/x/add", JSON, "{\"by\":1}", 400,
          "\"code\":\"INVALID_ARGUMENT\",\"issues\":[" },
        { "/actors/job/x/add", JSON, "", 400, "INVALID_ARGUMENT" },
        { "/actors/job/x/add", JSON, "{\"by\":1,\"note\":\"\"},\"id\":\"2\"",
          400, "not one JSON value" },
        { "/actors/job/x/add", JSON, "{", 400, "not one JSON value" },
        { "/actors/job/x/add", JSON, "\"\xff\"", 400, "not one JSON value" },
        { "/actors/job/x/none", JSON, "", 501, "\"code\":\"UNIMPLEMENTED\"" },
        { "/actors/none/x/add", JSON, "", 404, "\"error\":\"Unknown actor" },
    };
    struct zkt_server *server = new_server(NULL, NULL, 1);
    struct wire w = connect_wire(server);
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        (void)exchange(&w,
                       POST(table[i].path, table[i].fields, table[i].input));
        check(&w, table[i].status, table[i].body);
        assert_non_null(strstr(w.text, "\r\nContent-Type: application/json\r\n"
                                       "Cache-Control: no-store\r\n"
                                       "X-Content-Type-Options: nosniff\r\n"));
        assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    }
    /* In a pipeline, in order. */
    char all[2048];
    snprintf(all, sizeof(all), "%s%s",
             POST("/actors/job/p/add", JSON, "{\"by\":1,\"note\":\"\"}"),
             POST("/actors/job/p/add", JSON, "{\"by\":1,\"note\":\"\"}"));
    (void)exchange(&w, all);
    run(&w);
    assert_int_equal(count_text(&w, "HTTP/1.1 200 "), 2);
    assert_true(holds(w.text, w.len, "\r\n\r\n2"));
    close_wire(&w);
    /* HTTP/1.0 needs no host. */
    w = connect_wire(server);
    (void)exchange(&w, "POST /actors/job/h/add HTTP/1.0\r\n" JSON
                       "Content-Length: 18\r\n\r\n"
                       "{\"by\":1,\"note\":\"\"}");
    check(&w, 200, "1");
    close_wire(&w);
    zkt_server_advance(server, 0);
    assert_int_equal(stats_of(server).connections, 0);
    zkt_server_free(server);
}

#define NO_PATH "no such path"
#define BAD_ID  "the id is not percent-encoded UTF-8 of at most 256 bytes"
#define TYPE    "Accept: application/json"
#define X16     "xxxxxxxxxxxxxxxx"
#define X256    X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16 X16

/* The head decides: the body is neither asked for nor read, and the connection
 * ends behind the answer. Without a body it goes on. */
static void test_refusals_by_the_head(void **state)
{
    static const struct {
        const char *line, *fields;
        int status; /* 0: the body is read */
        const char *body, *field;
    } table[] = {
        { "POST /actors/job/x/add", JSON, 0, "", "" },
        { "POST /actors/job/" X256 "/add", JSON, 0, "", "" },
        { "POST /actors/none/x/add", JSON, 0, "", "" }, /* behind `open` */
        { "POST /actors/job/x/add",
          "content-type:application/json\r\n"
          "Content-Encoding: identity, \r\n",
          0, "", "" },
        { "POST /actors/job/x/add/more", JSON, 404, NO_PATH, "" },
        { "POST /actors/job//add", JSON, 404, NO_PATH, "" },
        { "PUT /actors/job", "", 404, NO_PATH, "" },
        { "POST /actors/job/%/add", JSON, 400, BAD_ID, "" },
        { "POST /actors/job/%4/add", JSON, 400, BAD_ID, "" },
        { "POST /actors/job/%zz/add", JSON, 400, BAD_ID, "" },
        { "POST /actors/job/%ff/add", JSON, 400, BAD_ID, "" },
        { "POST /actors/job/x" X256 "/add", JSON, 400, BAD_ID, "" },
        { "POST /actors/job/x", JSON, 405, "read by GET", "Allow: GET, HEAD" },
        { "PUT /actors/job/x", JSON, 405, "read by GET", "Allow: GET, HEAD" },
        { "OPTIONS /actors/job/x", "", 405, "read by GET", "Allow: GET, HEAD" },
        { "GET /actors/job/x/add", "", 405, "called by POST", "Allow: POST" },
        { "HEAD /actors/job/x/add", "", 405, "", "Allow: POST" },
        { "DELETE /actors/job/x/add", JSON, 405, "called by POST",
          "Allow: POST" },
        { "POST /actors/job/x/add", "", 415, "application/json", TYPE },
        { "POST /actors/job/x/add", "Content-Type: text/plain\r\n", 415, "",
          TYPE },
        { "POST /actors/job/x/add",
          "Content-Type: text/plain;application/json"
          "\r\n",
          415, "", TYPE },
        { "POST /actors/job/x/add",
          "Content-Type: application/x-www-form-urlencoded\r\n", 415, "",
          TYPE },
        { "POST /actors/job/x/add", JSON "Content-Type: text/plain\r\n", 415,
          "", TYPE },
        { "POST /actors/job/x/add", "Content-Type: text/plain\r\n" JSON, 415,
          "", TYPE },
        { "POST /actors/job/x/add", JSON JSON, 415, "", TYPE },
        { "POST /actors/job/x/add", JSON "Content-Encoding: gzip\r\n", 415,
          "not to be encoded", "Accept-Encoding: identity" },
        { "POST /actors/job/x/add",
          JSON "Content-Encoding: identity\r\ncontent-encoding: br\r\n", 415,
          "not to be encoded", "Accept-Encoding: identity" },
    };
    struct zkt_server *server = new_server(NULL, NULL, 1);
    char text[2048], field[64];
    (void)state;
    server->core.wall_ms = 784111777000;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct wire w = connect_wire(server);
        snprintf(text, sizeof(text),
                 "%s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                 "Content-Length: 900000\r\n%s\r\n",
                 table[i].line, table[i].fields);
        (void)exchange(&w, text);
        if (table[i].status == 0) {
            assert_string_equal(w.text, "HTTP/1.1 100 Continue\r\n\r\n");
            close_wire(&w);
            continue;
        }
        check(&w, table[i].status, table[i].body);
        snprintf(field, sizeof(field), "\r\n%s\r\n", table[i].field);
        assert_non_null(strstr(w.text, table[i].field[0] ? field : ""));
        assert_int_equal(count_text(&w, "\r\nAllow:"),
                         table[i].status == 405 ? 1 : 0);
        assert_non_null(strstr(w.text, "\r\nDate: "));
        assert_non_null(strstr(w.text, "\r\nConnection: close\r\n"));
        assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
        close_wire(&w);
        w = connect_wire(server);
        snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: x\r\n%s\r\n",
                 table[i].line, table[i].fields);
        (void)exchange(&w, text);
        check(&w, table[i].status, table[i].body);
        assert_non_null(strstr(w.text, table[i].field[0] ? field : ""));
        assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
        /* One that is not read is no request, and the bytes behind it are none.
         */
        snprintf(text, sizeof(text),
                 "%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n%s\r\n1%s",
                 table[i].line, table[i].fields, GET("/actors/job/x", ""));
        (void)exchange(&w, text);
        check(&w, table[i].status, table[i].body);
        assert_int_equal(count_text(&w, "HTTP/1.1 "), 1);
        close_wire(&w);
    }
    zkt_server_free(server);
}

/* `connect` and `disconnect` run for each request. */
static void test_hooks(void **state)
{
    struct zkt_server *server = new_server(NULL, NULL, 1);
    struct wire w = connect_wire(server);
    (void)state;
    for (int i = 0; i < 2; i++) {
        trace[0] = '\0';
        (void)exchange(&w,
                       POST("/actors/job/x/mark", JSON, "{\"note\":\"n\"}"));
        zkt_server_advance(server, 0);
        assert_non_null(strstr(trace, "connect"));
        assert_non_null(strstr(trace, "disconnect"));
    }
    close_wire(&w);
    zkt_server_free(server);
}

/* A request takes no place of its own among connections, and none of its
 * address. */
static void test_a_request_is_no_connection(void **state)
{
    const struct zkt_limits limits = { .connections = 2, .per_address = 2 };
    struct zkt_server *server = new_server(&limits, NULL, 1);
    struct wire w[2] = { connect_wire(server), connect_wire(server) };
    (void)state;
    for (int i = 0; i < 2; i++) {
        (void)exchange(
            &w[i], POST("/actors/job/x/add", JSON, "{\"by\":1,\"note\":\"\"}"));
        check(&w[i], 200, "");
    }
    for (int i = 0; i < 2; i++) {
        (void)exchange(&w[i], GET("/actors/job/x", EVENTS));
        check(&w[i], 200, "data: {\"type\":\"state:snapshot\",");
    }
    assert_int_equal(stats_of(server).connections, 2);
    assert_int_equal(stats_of(server).limit_hits.connections, 0);
    assert_int_equal(stats_of(server).limit_hits.per_address, 0);
    struct wire more = connect_wire(server);
    (void)exchange(&more, GET("/actors/job/x", ""));
    check(&more, 503, "");
    close_wire(&more);
    close_wire(&w[0]);
    close_wire(&w[1]);
    zkt_server_advance(server, 0);
    assert_int_equal(stats_of(server).connections, 0);
    zkt_server_free(server);
}

/* `open` is in no handshake of its own: requests neither fill half_open nor
 * wait for it. */
static void test_a_request_is_no_handshake(void **state)
{
    const struct zkt_limits limits = { .half_open = 1 };
    struct zkt_server *server = new_server(&limits, NULL, 1);
    struct wire w = connect_wire(server);
    (void)state;
    for (int i = 0; i < 3; i++) {
        (void)exchange(
            &w, POST("/actors/job/x/add", JSON, "{\"by\":1,\"note\":\"\"}"));
        check(&w, 200, "");
        assert_true(zkt__server_is_open(server));
    }
    struct wire silent = connect_wire(server);
    (void)exchange(&w,
                   POST("/actors/job/x/add", JSON, "{\"by\":1,\"note\":\"\"}"));
    check(&w, 200, "");
    assert_int_equal(zkt_endpoint_fate(silent.e), ZKT_FATE_OPEN);
    close_wire(&silent);
    close_wire(&w);
    zkt_server_free(server);
}

static void test_a_call_that_finishes_later(void **state)
{
    struct zkt_server *server = new_server(NULL, NULL, 1);
    struct wire w = connect_wire(server), gone = connect_wire(server);
    struct ran ran = { 0 };
    (void)state;
    (void)exchange(
        &w, POST("/actors/job/x/add", JSON, "{\"by\":3,\"note\":\"later\"}"));
    assert_int_equal(w.len, 0);
    resume(--held_count, &ran);
    zkt_server_advance(server, 0);
    run(&w);
    check(&w, 200, "3");
    (void)exchange(&gone, POST("/actors/job/x/add", JSON,
                               "{\"by\":3,\"note\":\"later\"}"));
    close_wire(&gone);
    zkt_server_advance(server, 0);
    resume(--held_count, &ran);
    zkt_server_advance(server, 0);
    close_wire(&w);
    zkt_server_advance(server, 0);
    assert_int_equal(stats_of(server).connections, 0);
    zkt_server_free(server);
}

static void test_states(void **state)
{
    struct zkt_server *server = new_server(NULL, NULL, 1);
    struct wire w = connect_wire(server);
    (void)state;
    (void)exchange(&w, GET("/actors/job/x", ""));
    check(&w, 404, "\"code\":\"NOT_FOUND\"");
    assert_int_equal(stats_of(server).instances, 0);
    (void)exchange(&w,
                   POST("/actors/job/x/add", JSON, "{\"by\":3,\"note\":\"\"}"));
    (void)exchange(&w, GET("/actors/job/x", ""));
    check(&w, 200, "\"n\":3");
    assert_int_equal(body_of(&w)[0], '{');
    (void)exchange(&w, GET("/actors/none/x", ""));
    check(&w, 404, "Unknown actor");
    (void)exchange(&w, "HEAD /actors/job/x HTTP/1.1\r\nHost: x\r\n\r\n");
    check(&w, 200, "");
    assert_string_equal(body_of(&w), "");
    close_wire(&w);
    zkt_server_free(server);
}

static void test_events(void **state)
{
    struct zkt_server *server = new_server(NULL, NULL, 1);
    struct wire w = connect_wire(server), caller = connect_wire(server);
    (void)state;
    (void)exchange(&w, GET("/actors/job/x", EVENTS));
    check(&w, 200, "data: {\"type\":\"state:snapshot\",");
    assert_non_null(strstr(w.text, "\r\nContent-Type: text/event-stream\r\n"));
    assert_non_null(strstr(w.text, "\r\nX-Accel-Buffering: no\r\n"));
    for (int i = 0; i < 3; i++) {
        w.len = 0;
        (void)exchange(&caller, POST("/actors/job/x/add", JSON,
                                     "{\"by\":1,\"note\":\"\"}"));
        run(&w);
        assert_int_equal(count_text(&w, "data: {\"type\":\"state:patch\""), 1);
        assert_int_equal(count_text(&w, "data: {\"type\":\"event\""), 1);
    }
    /* Silence: comments, and pings of the inner connection. */
    w.len = 0;
    for (int i = 0; i < 10; i++) {
        zkt_server_advance(server, 15000);
        run(&w);
    }
    assert_int_equal(count_text(&w, "\r\n:\n\n\r\n"), 10);
    assert_int_equal(count_text(&w, "data"), 0);
    /* The server stops. */
    close_wire(&caller);
    zkt_server_shutdown(server);
    zkt_server_advance(server, 0);
    run(&w);
    assert_true(holds(w.text, w.len, "retry: 1000\n\n\r\n0\r\n\r\n"));
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    close_wire(&w);
    zkt_server_advance(server, 0);
    assert_true(zkt_server_is_down(server));
    zkt_server_free(server);
}

/* Events are for those who name their type, and prefer no JSON. */
static void test_who_accepts_events(void **state)
{
    static const struct {
        const char *fields;
        bool streams;
    } table[] = {
        { "", false },
        { "Accept: */*\r\n", false },
        { "Accept: text/*\r\n", false },
        { "Accept: text/event-stream\r\n", true },
        { "accept: Text/Event-Stream ; q=0.001\r\n", true },
        { "Accept: text/event-stream;charset=utf-8;q=1.000\r\n", true },
        { "Accept: text/html\r\nAccept: text/event-stream\r\n", true },
        { "Accept: text/event-stream\r\nAccept: text/html\r\n", true },
        { "Accept: text/event-stream;q=0\r\n", false },
        { "Accept: text/html, text/event-stream; Q=0.000, */*\r\n", false },
        { "Accept: text/event-stream;q=2\r\n", false },
        { "Accept: text/event-stream;q=\r\n", false },
        { "Accept: text/event-streams, text/event-strea\r\n", false },
        { "Accept-Encoding: text/event-stream\r\n", false },
        { "Accept: application/json, text/event-stream;q=0.1\r\n", false },
        { "Accept: text/event-stream;q=0.9, application/json\r\n", false },
        { "Accept: application/json;q=0.9, text/event-stream\r\n", true },
        { "Accept: application/json, text/event-stream\r\n", true },
        { "Accept: text/event-stream;q=0.5, */*;q=0.4\r\n", true },
        { "Accept: text/event-stream;q=0.5, */*\r\n", false },
        { "Accept: text/event-stream;q=0.5, Application/*\r\n", false },
        { "Accept: */*, application/*;q=0.4, text/event-stream;q=0.5\r\n",
          true },
        { "Accept: application/*, application/json;q=0\r\n"
          "Accept: text/event-stream;q=0.001\r\n",
          true },
    };
    struct zkt_server *server = new_server(NULL, NULL, 1);
    char text[512];
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct wire w = connect_wire(server);
        (void)exchange(
            &w, POST("/actors/job/x/add", JSON, "{\"by\":1,\"note\":\"\"}"));
        snprintf(text, sizeof(text),
                 "GET /actors/job/x HTTP/1.1\r\nHost: x\r\n%s\r\n",
                 table[i].fields);
        (void)exchange(&w, text);
        check(&w, 200, table[i].streams ? "data: {" : "{\"n\":");
        assert_true((strstr(w.text, "text/event-stream") != NULL) ==
                    table[i].streams);
        close_wire(&w);
    }
    zkt_server_free(server);
}

/* What waits is conflated, as for a slow WebSocket. */
static void test_a_slow_reader(void **state)
{
    const struct zkt_limits limits = { .output_high = 4096,
                                       .output_stuck_ms = 100000 };
    struct zkt_server *server = new_server(&limits, NULL, 1);
    struct wire w = connect_wire(server), caller = connect_wire(server);
    (void)state;
    (void)exchange(&w, GET("/actors/job/x", EVENTS));
    w.len = 0;
    for (int i = 0; i < 500; i++) {
        (void)exchange(&caller, POST("/actors/job/x/add", JSON,
                                     "{\"by\":1,\"note\":\"\"}"));
    }
    assert_int_equal(w.len, 0);
    for (int i = 0; i < 50; i++) {
        run(&w);
    }
    assert_true(count_text(&w, "data: {\"type\":\"state:patch\"") < 500);
    assert_true(holds(w.text, w.len, "\"n\":500") ||
                holds(w.text, w.len, "\"value\":500"));
    close_wire(&w);
    close_wire(&caller);
    zkt_server_free(server);
}

/* The limits of heads are met once: by the request. */
static void test_a_head_at_its_limits(void **state)
{
    enum {
        OTHERS = 3, /* fields of each request */
        HEAD_MAX = 4096
    };
    static const char input[] = "{\"by\":1,\"note\":\"\"}";
    const struct zkt_limits limits = { .head_bytes = HEAD_MAX };
    struct zkt_server *server = new_server(&limits, NULL, 1);
    (void)state;
    for (int over = 0; over < 2; over++) {
        struct wire w = connect_wire(server);
        char fields[HEAD_MAX] = JSON;
        for (int i = OTHERS; i < ZKT_HTTP_FIELDS_MAX + over; i++) {
            strcat(fields, "X: y\r\n");
        }
        (void)exchange(&w, POST("/actors/job/x/add", fields, input));
        check(&w, over ? 431 : 200, "");
        close_wire(&w);
    }
    for (int over = 0; over < 2; over++) {
        struct wire w = connect_wire(server);
        char fields[HEAD_MAX];
        snprintf(fields, sizeof(fields), JSON "X: \r\n");
        const size_t bare = strlen(POST("/actors/job/x/add", fields, input)) -
                            strlen(input);
        snprintf(fields, sizeof(fields), JSON "X: %0*d\r\n",
                 (int)(HEAD_MAX - bare) + over, 0);
        (void)exchange(&w, POST("/actors/job/x/add", fields, input));
        check(&w, over ? 431 : 200, "");
        close_wire(&w);
    }
    zkt_server_free(server);
}

/* HTTP/1.0 needs no Host. */
static void test_http_1_0(void **state)
{
    struct zkt_server *server = new_server(NULL, NULL, 1);
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct wire w = connect_wire(server);
        (void)exchange(&w, i == 0 ? "POST /actors/job/x/mark HTTP/1.0\r\n" JSON
                                    "Content-Length: 12\r\n\r\n"
                                    "{\"note\":\"n\"}"
                           : i == 1 ? "GET /actors/job/x HTTP/1.0\r\n\r\n"
                                    : "GET /actors/job/x HTTP/1.0\r\n" EVENTS
                                      "\r\n");
        check(&w, i == 0 ? 204 : 200, i == 0 ? "" : "\"n\":0");
        assert_int_equal(zkt_endpoint_fate(w.e),
                         i == 2 ? ZKT_FATE_OPEN : ZKT_FATE_CLOSE);
        close_wire(&w);
    }
    zkt_server_free(server);
}

/* A call that is larger than a message may be. */
static void test_a_large_input(void **state)
{
    const struct zkt_limits limits = { .message_bytes = 1000 };
    struct zkt_server *server = new_server(&limits, NULL, 1);
    struct wire w = connect_wire(server);
    char input[1200];
    (void)state;
    snprintf(input, sizeof(input), "{\"by\":1,\"note\":\"%01100d\"}", 0);
    (void)exchange(&w, POST("/actors/job/x/add", JSON, input));
    check(&w, 413, "RESOURCE_EXHAUSTED");
    close_wire(&w);
    zkt_server_free(server);
}

/* A client that ends its stream still reads its answer; a reader of events has
 * gone. */
static void test_half_closed(void **state)
{
    static const char add_later[] = "{\"by\":3,\"note\":\"later\"}";
    struct zkt_server *server = new_server(NULL, NULL, 1);
    struct ran ran = { 0 };
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct wire w = connect_wire(server);
        (void)exchange(&w, POST("/actors/job/x/add", JSON, add_later));
        (void)exchange(&w, i == 1 ? GET("/actors/job/x", "") : "");
        assert_int_equal(w.len, 0);
        w.e->ops->ended(w.e);
        run(&w);
        assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
        resume(--held_count, &ran);
        zkt_server_advance(server, 0);
        run(&w);
        check(&w, 200, "");
        assert_int_equal(count_text(&w, "HTTP/1.1 200 "), i == 1 ? 2 : 1);
        assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
        close_wire(&w);
    }
    struct wire w = connect_wire(server);
    (void)exchange(&w, GET("/actors/job/x", EVENTS));
    check(&w, 200, "data: {\"type\":\"state:snapshot\",");
    w.e->ops->ended(w.e);
    run(&w);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    close_wire(&w);
    zkt_server_free(server);
}

static void test_stopping(void **state)
{
    struct zkt_server *server = new_server(NULL, NULL, 1);
    struct wire w = connect_wire(server), late = connect_wire(server);
    struct ran ran = { 0 };
    (void)state;
    (void)exchange(
        &w, POST("/actors/job/x/add", JSON, "{\"by\":3,\"note\":\"later\"}"));
    zkt_server_shutdown(server);
    (void)exchange(&late,
                   POST("/actors/job/x/add", JSON, "{\"by\":3,\"note\":\"\"}"));
    check(&late, 503, "UNAVAILABLE");
    zkt_server_advance(server, 1000);
    assert_int_equal(w.len, 0);
    resume(--held_count, &ran);
    zkt_server_advance(server, 0);
    run(&w);
    check(&w, 200, "3");
    assert_non_null(strstr(w.text, "\r\nConnection: close\r\n"));
    close_wire(&w);
    close_wire(&late);
    zkt_server_advance(server, 0);
    assert_true(zkt_server_is_down(server));
    zkt_server_free(server);
}

static void test_two_shards(void **state)
{
    struct zkt_server *server = new_server(NULL, NULL, 2);
    struct zkt_server *other = zkt__server_shard(server, 1);
    zkt__server_run_shards(server, 2);
    struct wire a = connect_wire(server), b = connect_wire(other);
    (void)state;
    (void)exchange(&a,
                   POST("/actors/job/x/add", JSON, "{\"by\":1,\"note\":\"\"}"));
    check(&a, 200, "1");
    (void)exchange(&b,
                   POST("/actors/job/x/add", JSON, "{\"by\":1,\"note\":\"\"}"));
    for (int i = 0; i < 20; i++) {
        turn(i % 2 == 0 ? server : other);
        drain(&b);
    }
    check(&b, 200, "2");
    close_wire(&a);
    close_wire(&b);
    zkt_server_free(server);
}

/* Each allocation fails once: there is an answer, or the connection ends. */
static void test_failing_memory(void **state)
{
    bool done = false;
    (void)state;
    for (long at = 1; !done; at++) {
        struct failing_alloc memory;
        failing_alloc_init(&memory, 0);
        struct zkt_server *server = new_server(NULL, &memory.allocator, 1);
        struct wire w = connect_wire(server);
        memory.calls = 0;
        memory.fail_at = at;
        (void)exchange(
            &w, POST("/actors/job/x/add", JSON, "{\"by\":1,\"note\":\"\"}"));
        if (zkt_endpoint_fate(w.e) == ZKT_FATE_OPEN) {
            assert_int_not_equal(status_of(&w), 0);
            (void)exchange(&w, GET("/actors/job/y", EVENTS));
        }
        if (zkt_endpoint_fate(w.e) == ZKT_FATE_OPEN) {
            assert_int_not_equal(status_of(&w), 0);
        }
        done = memory.calls < at;
        memory.fail_at = 0;
        close_wire(&w);
        zkt_server_free(server);
        assert_int_equal(memory.live, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_refusals_by_the_head),
        cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_a_request_is_no_connection),
        cmocka_unit_test(test_a_request_is_no_handshake),
        cmocka_unit_test(test_a_call_that_finishes_later),
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_who_accepts_events),
        cmocka_unit_test(test_a_slow_reader),
        cmocka_unit_test(test_a_head_at_its_limits),
        cmocka_unit_test(test_http_1_0),
        cmocka_unit_test(test_a_large_input),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_two_shards),
        cmocka_unit_test(test_failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
