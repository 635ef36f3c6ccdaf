/*
 * Calls of actors by HTTP whose answer may be a stream of events: progress and
 * chunks, and clients that end their stream.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "actor_http.h"
#include "film_server.h"
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

static struct zkt_server *new_server(void)
{
    static const struct show_film_handlers film = { .view = view,
                                                    .render = render,
                                                    .generate = generate };
    static const struct show_handlers handlers = { .film = &film };
    const struct zkt_serve_options options = { .http_calls = true };
    struct zkt_server *server = NULL;
    finished = cancelled = 0;
    assert_int_equal(zkt_server_new(show_app(&handlers), &options, &server),
                     ZKT_OK);
    return server;
}

static void free_server(struct zkt_server *server)
{
    struct zkt_server_stats stats;
    zkt_server_advance(server, 0);
    zkt_server_stats(server, &stats);
    assert_int_equal(stats.connections, 0);
    zkt_server_free(server);
}

/* The requests; @fields are those beside their type. */
#define RENDER(fields)                                                         \
    POST("/actors/film/x/render", JSON fields, "{\"frames\":9}")
#define GENERATE(fields)                                                       \
    POST("/actors/film/x/generate", JSON fields, "{\"prompt\":\"a tale\"}")

static void end_render(struct zkt_server *server, struct wire *w)
{
    show_film_resume_render(rendering, finish_render, NULL);
    zkt_server_advance(server, 0);
    run(w);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_events_of_a_half_closed_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
