/*
 * Any call in any callback: every function that a program calls in a handler, a
 * hook, the resumed part of a call, a posted function, the log or a listing of
 * instances is done or refused, and does no harm. Handles of ended objects find
 * nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "slow.h"
#include "zocket/embed.h"

static struct zkt_server *server;  /* of the running test */
static struct zkt_endpoint *spare; /* a connection for meddling with */
static int meddled, deep;
static bool destroys, freeing;

static void ignore(struct zkt_server *s, void *user)
{
    (void)s;
    (void)user;
}

static void skip_instance(const struct zkt_instance_info *info, void *user)
{
    (void)info;
    (void)user;
}

static void skip_client(const struct zkt_client_info *info, void *user)
{
    (void)info;
    (void)user;
}

/* Calls every function, except those that end the server. */
static void meddle(void)
{
    struct zkt_server_stats stats;
    struct zkt_slice slice;
    char hello[] = "GET / HTTP/1.1\r\n\r\n";
    uv_loop_t *loop = uv_default_loop();
    if (deep > 0) {
        return; /* these calls call back, too */
    }
    deep++;
    meddled++;
    zkt_server_free(server); /* does nothing */
    zkt_server_advance(server, 1000);
    zkt_server_tick(server);
    zkt_server_clock(server, 5, 5);
    zkt_server_stats(server, &stats);
    zkt_server_instances(server, skip_instance, NULL);
    assert_int_equal(
        zkt_server_destroy(server, ZKT_STR("job"), ZKT_STR("nobody")),
        ZKT_NOT_FOUND);
    if (destroys) {
        (void)zkt_server_destroy(server, ZKT_STR("job"), ZKT_STR("victim"));
    }
    const enum zkt_status posted = zkt_server_post(server, ignore, NULL);
    assert_true(posted == ZKT_OK || (freeing && posted == ZKT_CLOSED));
    const enum zkt_status listed = zkt_server_connections(server, skip_client,
                                                          NULL, NULL);
    assert_true(listed == ZKT_OK || (freeing && listed == ZKT_CLOSED));
    assert_int_equal(zkt_server_listen(server, loop), ZKT_FAILED_PRECONDITION);
    assert_true(zkt_server_timeout(server) >= -1);
    (void)zkt_server_accepting(server);
    assert_int_equal(zkt_server_is_down(server), freeing);
    struct zkt_endpoint *e = zkt_server_accept(server, "meddler", NULL);
    if (e != NULL) {
        assert_int_equal(zkt_endpoint_pending(e, &slice, 1), 0);
        zkt_endpoint_feed(e, hello, sizeof(hello) - 1);
        assert_int_equal(zkt_endpoint_fate(e), ZKT_FATE_DROP);
        zkt_endpoint_ended(e);
        zkt_endpoint_detach(e);
    }
    if (spare != NULL) {
        zkt_endpoint_detach(spare);
        spare = NULL;
    }
    deep--;
}

/* ---- the callbacks ---- */

static bool shuts_down;

static void meddle_in(struct slow_job_call *call)
{
    assert_ptr_equal(zkt_call_server(call->zkt), server);
    meddle();
    if (shuts_down) {
        zkt_server_shutdown(server);
    }
}

static enum zkt_status meddling_hook(struct slow_job_call *call)
{
    meddle_in(call);
    slow_job_set_n(call, call->state->n + 1);
    return ZKT_OK;
}

static enum zkt_status meddling_then(struct slow_job_call *call,
                                     const struct slow_job_add_input *in,
                                     int32_t *out, void *user)
{
    (void)user;
    meddle_in(call);
    slow_job_set_n(call, call->state->n + in->by);
    *out = call->state->n;
    return ZKT_OK;
}

static enum zkt_status meddling_add(struct slow_job_call *call,
                                    const struct slow_job_add_input *in,
                                    int32_t *out)
{
    slow_job_set_n(call, call->state->n + in->by);
    meddle_in(call);
    if (in->note.len > 0) {
        held[held_count++] = slow_job_defer_add(call);
        return ZKT_PENDING;
    }
    *out = call->state->n;
    return ZKT_OK;
}

static enum zkt_status meddling_mark(struct slow_job_call *call,
                                     const struct slow_job_mark_input *in)
{
    (void)in;
    meddle_in(call);
    return zkt_fail(call->zkt, ZKT_INTERNAL, "on purpose"); /* for the log */
}

static void meddling_log(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    (void)text;
    if (server != NULL) {
        meddle();
    }
}

static void meddling_post(struct zkt_server *s, void *user)
{
    (void)user;
    assert_ptr_equal(s, server);
    meddle();
}

static void meddling_each(const struct zkt_instance_info *info, void *user)
{
    int *count = user;
    (void)info;
    (*count)++;
    meddle();
}

/* Detaches another connection while its own is listed. */
static void meddling_client(const struct zkt_client_info *info, void *user)
{
    (void)user;
    assert_int_equal(info->id.len, 32);
    meddle();
}

static void meddling_end(void *user)
{
    (void)user;
    meddle();
}

static void open_server(struct failing_alloc *memory)
{
    static const struct slow_job_handlers job = {
        .add = meddling_add,
        .build = build,
        .mark = meddling_mark,
        .end = end_it,
        .on_connect = meddling_hook,
        .on_disconnect = meddling_hook,
        .on_activate = meddling_hook,
        .on_deactivate = meddling_hook,
    };
    static const struct slow_handlers handlers = { .job = &job,
                                                   .plain = &plain_handlers };
    failing_alloc_init(memory, 0);
    const struct zkt_serve_options options = {
        .log = meddling_log,
        .allocator = &memory->allocator,
    };
    server = NULL;
    held_count = 0;
    meddled = 0;
    struct zkt_server *made = NULL;
    assert_int_equal(zkt_server_new(slow_app(&handlers), &options, &made),
                     ZKT_OK);
    server = made;
}

static void close_server(const struct failing_alloc *memory)
{
    freeing = true;
    zkt_server_free(server);
    freeing = false;
    server = NULL;
    assert_int_equal(memory->live, 0);
}

/* The answers are the same as without these calls. */
static void test_any_call_in_any_callback(void **state)
{
    struct failing_alloc memory;
    (void)state;
    shuts_down = destroys = false;
    open_server(&memory);
    struct wire w = open_slow(server);
    struct wire victim = open_slow(server);
    spare = zkt_server_accept(server, "spare", NULL);
    assert_non_null(
        strstr(ask(&victim, SUB("state:sub", "victim")), "state:snapshot"));
    assert_int_equal(meddled, 2); /* activate, connect */
    assert_null(spare);
    destroys = true;
    assert_string_equal(ask(&w, ADD("1", "x", "1", "")), RESULT("1", "3"));
    assert_int_equal(meddled, 2 + 3 + 1); /* and the victim's deactivate */
    assert_non_null(strstr(said(&victim), "sub:error"));
    assert_string_equal(ask(&w, ADD("2", "x", "1", "later")), "");
    slow_job_resume_add(held[0], meddling_then, NULL);
    turn(server);
    assert_string_equal(said(&w), RESULT("2", "5"));
    meddled = 0;
    assert_string_equal(ask(&w, MARK("3", "x", "")),
                        REFUSED("3", "internal error", "INTERNAL"));
    assert_int_equal(meddled, 2); /* the handler, and the log */
    assert_int_equal(zkt_server_post(server, meddling_post, NULL), ZKT_OK);
    turn(server);
    assert_int_equal(meddled, 3);
    int count = 0;
    zkt_server_instances(server, meddling_each, &count);
    assert_int_equal(count, 1);
    assert_int_equal(meddled, 4);
    spare = zkt_server_accept(server, "spare", NULL);
    assert_int_equal(
        zkt_server_connections(server, meddling_client, meddling_end, NULL),
        ZKT_OK);
    turn(server);
    assert_int_equal(meddled, 4 + 2 + 1);
    assert_null(spare);
    close_wire(&w);
    turn(server);
    assert_int_equal(meddled, 8); /* disconnect */
    close_wire(&victim);
    close_server(&memory);
}

/* The same; each callback stops the server. */
static void test_stopping_in_any_callback(void **state)
{
    static const char *const first[] = {
        ADD("1", "x", "1", ""),
        ADD("1", "x", "1", "later"),
        MARK("1", "x", ""),
        SUB("state:sub", "x"),
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(first) / sizeof(first[0]); i++) {
        struct failing_alloc memory;
        open_server(&memory);
        shuts_down = i % 2 == 0;
        struct wire w = open_slow(server);
        send_text(&w, first[i / 2], true);
        shuts_down = true;
        if (held_count > 0) {
            slow_job_resume_add(held[0], meddling_then, NULL);
        }
        close_wire(&w);
        turn(server);
        turn(server);
        assert_true(zkt_server_is_down(server));
        close_server(&memory);
    }
}

/* ---- a loop ---- */

static void on_listening(void *user, uint16_t port)
{
    (void)port;
    int *calls = user;
    (*calls)++;
    zkt_server_free(server); /* does nothing */
    zkt_server_tick(server);
    assert_int_equal(zkt_server_listen(server, uv_default_loop()),
                     ZKT_FAILED_PRECONDITION);
    zkt_server_shutdown(server);
}

static void on_start(void *user, struct zkt_server *s)
{
    (void)user;
    server = s;
    zkt_server_free(s); /* does nothing */
    zkt_server_tick(s);
}

static void test_options_that_meddle(void **state)
{
    int calls = 0;
    const struct zkt_serve_options options = {
        .on_listening = on_listening,
        .on_start = on_start,
        .user = &calls,
        .log = meddling_log,
    };
    (void)state;
    server = NULL;
    assert_int_equal(zkt_serve(slow_app(&slow_handlers), &options), 0);
    assert_int_equal(calls, 1);
    server = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_call_in_any_callback),
        cmocka_unit_test(test_stopping_in_any_callback),
        cmocka_unit_test(test_options_that_meddle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
