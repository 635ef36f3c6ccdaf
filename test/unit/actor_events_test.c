/*
 * Calls of actors by HTTP that may be answered by events: progress and chunks,
 * and clients that end their stream.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actor_http.h"
#include "film_server.h"
#include "limit_hits.h"
#include "server/connection.h"
#include "server/core.h"
#include "zocket/embed.h"

/* ---- the server ---- */

static struct show_film_render_later *rendering;
static struct show_film_generate_later *generating;
static int finished, cancelled;

static enum zkt_status view(struct show_film_call *call, int32_t *out)
{
    (void)call;
    *out = 7;
    return ZKT_OK;
}

static enum zkt_status render(struct show_film_call *call,
                              const struct show_film_render_input *in,
                              struct zkt_str *out)
{
    (void)in;
    (void)out;
    rendering = show_film_defer_render(call);
    return ZKT_PENDING;
}

static enum zkt_status generate(struct show_film_call *call,
                                const struct show_film_generate_input *in)
{
    (void)in;
    generating = show_film_defer_generate(call);
    return ZKT_PENDING;
}

static enum zkt_status finish_render(struct show_film_call *call,
                                     const struct show_film_render_input *in,
                                     struct zkt_str *out, void *user)
{
    (void)in;
    (void)user;
    finished++;
    cancelled += zkt_cancelled(call->zkt);
    *out = ZKT_STR("a film");
    return ZKT_OK;
}

static enum zkt_status finish_generate(
    struct show_film_call *call, const struct show_film_generate_input *in,
    void *user)
{
    (void)in;
    (void)user;
    finished++;
    cancelled += zkt_cancelled(call->zkt);
    return ZKT_OK;
}

static struct zkt_server *new_server_of(const struct zkt_limits *limits)
{
    static const struct show_film_handlers film = { .view = view,
                                                    .render = render,
                                                    .generate = generate };
    static const struct show_handlers handlers = { .film = &film };
    const struct zkt_serve_options options = { .http_calls = true,
                                               .metrics = true,
                                               .limits = *limits };
    struct zkt_server *server = NULL;
    finished = cancelled = 0;
    assert_int_equal(zkt_server_new(show_app(&handlers), &options, &server),
                     ZKT_OK);
    return server;
}

static struct zkt_server *new_server(void)
{
    return new_server_of(&(const struct zkt_limits){ 0 });
}

static void free_server(struct zkt_server *server)
{
    struct zkt_server_stats stats;
    zkt_server_advance(server, 0);
    zkt_server_stats(server, &stats);
    assert_int_equal(stats.connections, 0);
    zkt_server_free(server);
}

#define FRAMES "{\"frames\":9}"
#define PROMPT "{\"prompt\":\"a tale\"}"

/* The requests; @fields are those beside their type. */
#define RENDER(fields)   POST("/actors/film/x/render", JSON fields, FRAMES)
#define GENERATE(fields) POST("/actors/film/x/generate", JSON fields, PROMPT)

static void end_render(struct zkt_server *server, struct wire *w)
{
    show_film_resume_render(rendering, finish_render, NULL);
    zkt_server_advance(server, 0);
    run(w);
}

/* ---- who has events ---- */

/* The answer of a method without progress is JSON, that of a stream is events:
 * Accept decides where there are both. */
static void test_answers_of_methods(void **state)
{
    static const struct {
        const char *accepted;
        bool render;  /* answers as events */
        int generate; /* its status */
    } table[] = {
        { "", false, 406 },
        { "Accept: */*\r\n", false, 406 },
        { "Accept: text/event-stream;q=0\r\n", false, 406 },
        { "Accept: application/json\r\n", false, 406 },
        { "Accept: text/event-stream\r\n", true, 200 },
        { "Accept: application/json, text/event-stream\r\n", true, 200 },
        { "Accept: application/json, text/event-stream;q=0.1\r\n", false, 200 },
        { "Accept: */*, text/event-stream;q=0.1\r\n", false, 200 },
        { "Accept: */*;q=0.1, text/event-stream\r\n", true, 200 },
    };
    struct zkt_server *server = new_server();
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct wire w = connect_wire(server);
        char fields[256];
        snprintf(fields, sizeof(fields), JSON "%s", table[i].accepted);
        (void)exchange(&w, POST("/actors/film/x/view", fields, ""));
        check(&w, 200, "7");
        assert_null(strstr(w.text, "event-stream"));
        (void)exchange(&w, POST("/actors/film/x/none", fields, ""));
        check(&w, 501, "UNIMPLEMENTED");
        (void)exchange(&w, POST("/actors/film/x/render", fields, FRAMES));
        end_render(server, &w);
        check(&w, 200, table[i].render ? "data: {" : "\"a film\"");
        assert_int_equal(count_text(&w, "event-stream"), table[i].render);
        (void)exchange(&w, POST("/actors/film/x/generate", fields, PROMPT));
        if (table[i].generate == 200) {
            show_film_resume_generate(generating, finish_generate, NULL);
            zkt_server_advance(server, 0);
            run(&w);
        }
        check(&w, table[i].generate,
              table[i].generate == 200 ? "data: {" : "INVALID_ARGUMENT");
        close_wire(&w);
    }
    free_server(server);
}

/* ---- clients that end their stream ---- */

/* The stream of a call has an end, which its client still reads: whether it has
 * begun or not. */
static void test_the_events_of_a_half_closed_call(void **state)
{
    struct zkt_server *server = new_server();
    (void)state;
    for (int begun = 0; begun < 2; begun++) {
        struct wire w = connect_wire(server);
        (void)exchange(&w, RENDER(EVENTS));
        for (int i = 0; i < 2; i++) {
            if (i == begun) {
                zkt_endpoint_ended(w.e);
                run(&w);
            }
            show_film_progress_render(rendering, 10 + i);
            zkt_server_advance(server, 0);
            run(&w);
            assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
        }
        end_render(server, &w);
        check(&w, 200, "data: {\"type\":\"rpc:progress\"");
        assert_int_equal(count_text(&w, "rpc:progress"), 2);
        assert_int_equal(count_text(&w, "\"result\":\"a film\""), 1);
        assert_true(holds(w.text, w.len, "\r\n0\r\n\r\n"));
        assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
        close_wire(&w);
    }
    struct wire w = connect_wire(server);
    (void)exchange(&w, GENERATE(EVENTS));
    zkt_endpoint_ended(w.e);
    assert_int_equal(show_film_send_generate(generating, ZKT_STR("once")),
                     ZKT_OK);
    show_film_resume_generate(generating, finish_generate, NULL);
    zkt_server_advance(server, 0);
    run(&w);
    check(&w, 200, "\"chunk\":\"once\"");
    assert_int_equal(count_text(&w, "rpc:result"), 1);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    close_wire(&w);
    assert_int_equal(finished, 3);
    assert_int_equal(cancelled, 0);
    free_server(server);
}

/* A client that has gone looks as one that still reads: its connection lasts
 * for http_ms from the end of its stream, and not for each of its requests. */
static void test_a_client_that_has_gone(void **state)
{
    enum {
        HTTP_MS = 1000
    };
    const struct zkt_limits limits = { .http_ms = HTTP_MS };
    struct zkt_server *server = new_server_of(&limits);
    (void)state;
    for (int events = 0; events < 2; events++) {
        struct wire w = connect_wire(server);
        (void)exchange(&w, events ? RENDER(EVENTS) : RENDER(""));
        (void)exchange(&w, RENDER(""));
        zkt_server_advance(server, 5 * HTTP_MS);
        run(&w);
        assert_int_equal(w.len, 0);
        zkt_endpoint_ended(w.e);
        zkt_server_advance(server, HTTP_MS - 1);
        run(&w);
        assert_int_equal(w.len, 0);
        zkt_server_advance(server, 1);
        run(&w);
        check(&w, 504, "\"code\":\"DEADLINE_EXCEEDED\"");
        assert_int_equal(count_text(&w, "HTTP/1.1 "), 1);
        assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
        assert_limit_hits(server, "http_ms", events + 1);
        end_render(server, &w);
        assert_int_equal(count_text(&w, "HTTP/1.1 "), 1);
        close_wire(&w);
    }
    assert_int_equal(finished, 2);
    free_server(server);
}

/* Requests that wait for others when the stream ends have that time, too. */
static void test_requests_behind_the_end(void **state)
{
    enum {
        HTTP_MS = 1000
    };
    const struct zkt_limits limits = { .http_ms = HTTP_MS };
    struct zkt_server *server = new_server_of(&limits);
    struct wire w = connect_wire(server);
    (void)state;
    (void)exchange(&w, RENDER(""));
    (void)exchange(&w, RENDER(""));
    zkt_endpoint_ended(w.e);
    zkt_server_advance(server, HTTP_MS - 1);
    end_render(server, &w);
    check(&w, 200, "a film");
    zkt_server_advance(server, HTTP_MS - 1);
    run(&w);
    assert_int_equal(count_text(&w, "HTTP/1.1 "), 1);
    zkt_server_advance(server, 1);
    run(&w);
    assert_int_equal(count_text(&w, "HTTP/1.1 504 "), 1);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    end_render(server, &w);
    close_wire(&w);
    free_server(server);
}

/* Events that have begun last for as long as their reader takes them. */
static void test_events_outlast_the_time_of_a_request(void **state)
{
    const struct zkt_limits limits = { .http_ms = 1000 };
    struct zkt_server *server = new_server_of(&limits);
    struct wire w = connect_wire(server);
    (void)state;
    (void)exchange(&w, RENDER(EVENTS));
    show_film_progress_render(rendering, 10);
    zkt_server_advance(server, 0);
    run(&w);
    zkt_endpoint_ended(w.e);
    zkt_server_advance(server, 20000);
    run(&w);
    assert_int_equal(count_text(&w, "\r\n:\n\n\r\n"), 1);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    end_render(server, &w);
    check(&w, 200, "a film");
    close_wire(&w);
    free_server(server);
}

/* ---- the end ---- */

static struct zkt_str any_certificate(struct zkt_endpoint *e,
                                      enum zkt_certificate_part part)
{
    (void)part;
    assert_false(e->inner);
    return ZKT_STR("a name");
}

/* The session of a request may outlast its connection: it then has no
 * certificate. */
static void test_the_certificate_of_a_session(void **state)
{
    struct zkt_server *server = new_server();
    struct wire w = connect_wire(server);
    (void)state;
    server->core.certificate = any_certificate;
    (void)exchange(&w, RENDER(""));
    struct zkt_connection *inner = ZKT_CONTAINER(
        zkt__list_after(&server->connections,
                        zkt__list_first(&server->connections)),
        struct zkt_connection, all);
    assert_true(inner->endpoint.inner);
    assert_non_null(
        zkt__connection_events.certificate(&inner->session, ZKT_CERTIFICATE_CN)
            .data);
    close_wire(&w);
    assert_null(
        zkt__connection_events.certificate(&inner->session, ZKT_CERTIFICATE_CN)
            .data);
    show_film_resume_render(rendering, finish_render, NULL);
    free_server(server);
}

/* A call that the end of a server cancels is answered as any that fails, and
 * one that ends in the same turn has its result. */
static void test_the_end_of_a_server(void **state)
{
    const struct zkt_limits limits = { .drain_ms = 1000 };
    (void)state;
    for (int ends = 0; ends < 2; ends++) {
        struct zkt_server *server = new_server_of(&limits);
        struct wire w = connect_wire(server);
        (void)exchange(&w, RENDER(""));
        zkt_server_shutdown(server);
        zkt_server_advance(server, 0);
        zkt_server_advance(server, 999);
        run(&w);
        assert_int_equal(w.len, 0);
        if (ends) {
            show_film_resume_render(rendering, finish_render, NULL);
        }
        zkt_server_advance(server, 1);
        run(&w);
        if (ends) {
            check(&w, 200, "\"a film\"");
        } else {
            check(&w, 503,
                  "{\"error\":\"the server stops\",\"code\":\"UNAVAILABLE\"}");
            end_render(server, &w);
        }
        assert_int_equal(cancelled, !ends);
        close_wire(&w);
        free_server(server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_of_methods),
        cmocka_unit_test(test_the_events_of_a_half_closed_call),
        cmocka_unit_test(test_a_client_that_has_gone),
        cmocka_unit_test(test_requests_behind_the_end),
        cmocka_unit_test(test_events_outlast_the_time_of_a_request),
        cmocka_unit_test(test_the_certificate_of_a_session),
        cmocka_unit_test(test_the_end_of_a_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
