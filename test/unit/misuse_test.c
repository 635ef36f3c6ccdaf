/*
 * Mistakes of programs that every build notices: statuses that a handler must
 * not return, and calls that are used after their handler. Also that
 * zkt_server_advance runs all that is due.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "counter_server.h"
#include "wire.h"
#include "zocket/embed.h"

/* ---- a counter whose handlers do what a test wants ---- */

static struct {
    enum zkt_status returned;
    const char *failing; /* given to zkt_fail with that status, or NULL */
    struct demo_counter_call kept;
} program;

static enum zkt_status inc(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    program.kept = *call;
    demo_counter_set_n(call, call->state->n + in->by);
    *out = call->state->n;
    return program.failing != NULL
               ? zkt_fail(call->zkt, program.returned, "%s", program.failing)
               : program.returned;
}

static enum zkt_status reset(struct demo_counter_call *call)
{
    demo_counter_set_n(call, 0);
    return ZKT_OK;
}

static char log_text[4096];
static int log_lines;

static void keep_log(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    assert_int_equal(level, ZKT_LOG_ERROR);
    log_lines++;
    snprintf(log_text, sizeof(log_text), "%s", text);
}

static struct zkt_server *new_server(const struct zkt_serve_options *options)
{
    static const struct demo_counter_handlers counter = { .inc = inc,
                                                          .reset = reset };
    static const struct demo_handlers handlers = { .counter = &counter };
    struct zkt_server *server = NULL;
    program.returned = ZKT_OK;
    program.failing = NULL;
    log_lines = 0;
    log_text[0] = '\0';
    assert_int_equal(zkt_server_new(demo_app(&handlers), options, &server),
                     ZKT_OK);
    return server;
}

/* Calls inc, and expects this in the answer. */
static void call_inc(struct wire *w, const char *expected)
{
    w->len = 0;
    send_text(w,
              "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"counter\","
              "\"actorId\":\"x\",\"method\":\"inc\",\"input\":{\"by\":1}}",
              true);
    assert_true(holds(w->text, w->len, expected));
}

/* ---- statuses ---- */

static void test_wrong_statuses_are_named(void **state)
{
    static const struct {
        int status;
        const char *failing, *logged;
    } cases[] = {
        { 42, NULL, "42 is no status: internal error" },
        { 42, "a text", "42 is no status: a text" },
        { ZKT_PENDING, NULL,
          "PENDING is no status for callers: it has not deferred" },
        { ZKT_NO_MEMORY, NULL,
          "NO_MEMORY is no status for callers: out of memory" },
        { ZKT_CLOSED, "the end", "CLOSED is no status for callers: the end" },
        { ZKT_OK, "fine", "OK is no status for callers: fine" },
        { ZKT_INTERNAL, "a secret", "a secret" },
    };
    const struct zkt_serve_options options = { .log = keep_log };
    struct zkt_server *server = new_server(&options);
    struct wire w = open_wire(server);
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char line[256];
        log_lines = 0;
        program.returned = (enum zkt_status)cases[i].status;
        program.failing = cases[i].failing;
        call_inc(&w, "\"error\":\"internal error\",\"code\":\"INTERNAL\"");
        snprintf(line, sizeof(line), "counter \"x\": inc: %s", cases[i].logged);
        assert_string_equal(log_text, line);
        assert_int_equal(log_lines, 1);
    }
    program.returned = ZKT_OK;
    program.failing = NULL;
    call_inc(&w, "\"result\":1"); /* nothing was kept */
    assert_int_equal(log_lines, 1);
    close_wire(&w);
    zkt_server_free(server);
}

/* ---- a call after its handler ---- */

static void test_a_call_after_its_handler(void **state)
{
    const struct zkt_serve_options options = { .log = keep_log };
    struct zkt_server *server = new_server(&options);
    struct wire w = open_wire(server);
    struct demo_counter_call *call = &program.kept;
    const char said[] = "inc: the call is used after its handler has returned";
    int lines = 0;
    (void)state;
    call_inc(&w, "\"result\":1");
    assert_int_equal(log_lines, 0);
    demo_counter_set_n(call, 9);
    assert_int_equal(log_lines, ++lines);
    assert_string_equal(log_text, said);
    assert_null(zkt_alloc(call->zkt, 1, 1));
    assert_int_equal(log_lines, ++lines);
    assert_int_equal(zkt_format(call->zkt, "%d", 1).len, 0);
    assert_int_equal(log_lines, ++lines);
    assert_int_equal(zkt_fail(call->zkt, ZKT_NOT_FOUND, "no"), ZKT_INTERNAL);
    assert_int_equal(log_lines, ++lines);
    zkt_destroy(call->zkt);
    assert_int_equal(log_lines, ++lines);
    zkt_retry_after(call->zkt, 5);
    assert_int_equal(log_lines, ++lines);
    zkt_kick(call->zkt, ZKT_STR("someone"), 4000, "go");
    assert_int_equal(log_lines, ++lines);
    zkt_expel(call->zkt, ZKT_STR("someone"), ZKT_ABORTED, "go");
    assert_int_equal(log_lines, ++lines);
    zkt_topic_join(call->zkt, ZKT_STR("news"));
    assert_int_equal(log_lines, ++lines);
    assert_null(demo_counter_defer_inc(call));
    assert_int_equal(log_lines, ++lines);
    assert_string_equal(log_text, said);
    call_inc(&w, "\"result\":2"); /* none of these did anything */
    assert_int_equal(log_lines, lines);
    close_wire(&w);
    zkt_server_free(server);
}

/* ---- zkt_server_advance ---- */

/* In a single step: a ping when it is due, and the end of its time. */
static void test_a_step_runs_what_follows(void **state)
{
    const struct zkt_serve_options options = { .limits.ping_after_ms = 1000,
                                               .limits.pong_within_ms = 500 };
    struct zkt_server *server = new_server(&options);
    struct wire w = open_wire(server);
    (void)state;
    zkt_server_advance(server, 1499);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_OPEN);
    close_wire(&w);
    w = open_wire(server);
    zkt_server_advance(server, 1500);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_DROP);
    close_wire(&w);
    zkt_server_free(server);
}

static void count(struct zkt_server *server, void *user)
{
    int *counted = user;
    zkt_server_advance(server, 1000); /* in a callback: does nothing */
    (*counted)++;
}

/* More work than a turn does is done in as many turns. */
static void test_a_step_runs_all_of_it(void **state)
{
    const struct zkt_serve_options options = { .limits.posted_per_turn = 1 };
    struct zkt_server *server = new_server(&options);
    int counted = 0;
    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(zkt_server_post(server, count, &counted), ZKT_OK);
    }
    zkt_server_advance(server, 0);
    assert_int_equal(counted, 100);
    zkt_server_advance(server, -1);
    zkt_server_advance(server, INT64_MAX); /* the end of time */
    zkt_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_statuses_are_named),
        cmocka_unit_test(test_a_call_after_its_handler),
        cmocka_unit_test(test_a_step_runs_what_follows),
        cmocka_unit_test(test_a_step_runs_all_of_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
