/*
 * How instances and servers end: by function, by a handler, by idleness, and in
 * phases when the server stops. On one thread, with a clock that the test
 * advances.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slow.h"

#define GONE(instance, text, code)                                             \
    "{\"type\":\"sub:error\",\"actor\":\"job\",\"actorId\":\"" instance        \
    "\",\"error\":\"" text "\",\"code\":\"" code "\"}\n"
#define DESTROYED "the instance was destroyed"

/* ---- destroying ---- */

static void test_a_handler_ends_its_instance(void **state)
{
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire a = open_slow(server), b = open_slow(server);
    (void)state;
    (void)ask(&a, SUB("event:sub", "x"));
    (void)ask(&b, ADD("1", "x", "5", ""));
    (void)said(&a);
    trace[0] = '\0';
    /* Both calls come in a single read: the second meets a new instance. */
    char bytes[1024];
    size_t len = frame(bytes, SLOW_CALL("2", "x", "end", "null"));
    len += frame(bytes + len, ADD("3", "x", "1", ""));
    feed(&b, bytes, len, sizeof(bytes), true);
    assert_string_equal(said(&b), DONE("2") RESULT("3", "1"));
    assert_string_equal(said(&a), GONE("x", DESTROYED, "ABORTED"));
    assert_string_equal(trace, "end:x deactivate:x activate:x connect:x add");
    assert_int_equal(stats_of(server).instances, 1);
    trace[0] = '\0';
    close_wire(&a); /* has no contact */
    close_wire(&b);
    turn(server);
    assert_string_equal(trace, "disconnect:x");
    zkt_server_free(server);
}

static void test_ending_an_instance_by_function(void **state)
{
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire w = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    assert_int_equal(zkt_server_destroy(server, ZKT_STR("job"), ZKT_STR("x")),
                     ZKT_NOT_FOUND);
    assert_int_equal(
        zkt_server_destroy(server, ZKT_STR("nothing"), ZKT_STR("x")),
        ZKT_NOT_FOUND);
    (void)ask(&w, ADD("1", "x", "5", "later"));
    (void)ask(&w, ADD("2", "x", "1", "before"));
    trace[0] = '\0';
    assert_int_equal(zkt_server_destroy(server, ZKT_STR("job"), ZKT_STR("x")),
                     ZKT_OK);
    assert_int_equal(zkt_server_destroy(server, ZKT_STR("job"), ZKT_STR("x")),
                     ZKT_OK);
    (void)ask(&w, ADD("3", "x", "1", "behind"));
    (void)ask(&w, SUB("state:sub", "x"));
    assert_string_equal(trace, "");
    resume(0, &ran);
    turn(server);
    assert_string_equal(said(&w), RESULT("1", "5") RESULT("2", "6")
                                      REFUSED("3", DESTROYED, "ABORTED")
                                          GONE("x", DESTROYED, "ABORTED"));
    assert_string_equal(trace, "then:later add:before deactivate:x");
    assert_int_equal(stats_of(server).instances, 0);
    assert_int_equal(stats_of(server).queued, 0);
    /* A handler ends the instance of another. */
    (void)ask(&w, ADD("4", "b", "1", ""));
    trace[0] = '\0';
    assert_string_equal(ask(&w, MARK("5", "a", "other")), DONE("5"));
    turn(server);
    assert_string_equal(trace, "activate:a connect:a mark:other deactivate:b");
    assert_int_equal(stats_of(server).instances, 1);
    close_wire(&w);
    zkt_server_free(server);
}

static void test_hooks_that_end_their_instance(void **state)
{
    static const char *const names[] = { "activate", "connect", "disconnect",
                                         "deactivate" };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct zkt_server *server = new_slow_server(NULL, NULL);
        struct wire w = open_slow(server), other = open_slow(server);
        hook_that_ends = names[i];
        const char *answer = ask(&w, ADD("1", "x", "5", ""));
        assert_string_equal(answer, i < 2 ? REFUSED("1", DESTROYED, "ABORTED")
                                          : RESULT("1", "5"));
        assert_int_equal(stats_of(server).instances, i < 2 ? 0 : 1);
        (void)ask(&other, SUB("state:sub", "x"));
        close_wire(&w);
        turn(server);
        turn(server);
        assert_int_equal(stats_of(server).instances, i == 3);
        assert_int_equal(hooks.activate, i < 2 ? 2 : 1);
        assert_int_equal(hooks.deactivate, i < 2 ? 2 : i == 2);
        close_wire(&other);
        zkt_server_free(server);
        assert_int_equal(hooks.activate, hooks.deactivate);
    }
}

/* ---- listing ---- */

struct listed {
    int count;
    struct zkt_instance_info x, y;
};

static void list(const struct zkt_instance_info *info, void *user)
{
    struct listed *listed = user;
    listed->count++;
    if (zkt_str_eq(info->id, ZKT_STR("x"))) {
        listed->x = *info;
    } else {
        listed->y = *info;
    }
}

static void test_listing_instances(void **state)
{
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire a = open_slow(server), b = open_slow(server);
    struct listed listed = { 0 };
    struct ran ran = { 0 };
    (void)state;
    (void)ask(&a, SUB("state:sub", "x"));
    (void)ask(&b, SUB("event:sub", "x"));
    (void)ask(&a, ADD("1", "x", "1", ""));
    (void)ask(&a, ADD("2", "x", "1", "later"));
    (void)ask(&b, ADD("3", "x", "1", ""));
    (void)ask(&b, "{\"type\":\"state:sub\",\"actor\":\"plain\","
                  "\"actorId\":\"y\"}");
    zkt_server_instances(server, list, &listed);
    assert_int_equal(listed.count, 2);
    assert_string_equal(listed.x.actor.data, "job");
    assert_string_equal(listed.x.id.data, "x");
    assert_int_equal(listed.x.clients, 2);
    assert_int_equal(listed.x.subscribers, 1);
    assert_int_equal(listed.x.calls, 2);
    assert_int_equal(listed.x.queued, 1);
    assert_true(listed.x.deferred);
    assert_string_equal(listed.y.actor.data, "plain");
    assert_string_equal(listed.y.id.data, "y");
    assert_int_equal(listed.y.clients, 1);
    assert_int_equal(listed.y.subscribers, 1);
    assert_int_equal(listed.y.calls, 0);
    assert_int_equal(listed.y.queued, 0);
    assert_false(listed.y.deferred);
    close_wire(&b);
    turn(server);
    listed = (struct listed){ 0 };
    zkt_server_instances(server, list, &listed);
    /* y has its initial state: it is dropped */
    assert_int_equal(listed.count, 1);
    resume(0, &ran);
    close_wire(&a);
    zkt_server_free(server);
}

/* ---- eviction ---- */

static void test_eviction(void **state)
{
    const struct zkt_limits limits = { .idle_ms = 1000 };
    struct zkt_server *server = new_slow_server(&limits, NULL);
    struct zkt_core *core = zkt__server_core(server);
    struct wire a = open_slow(server), b = open_slow(server);
    (void)state;
    (void)ask(&a, ADD("1", "x", "5", ""));
    (void)ask(&b, "{\"type\":\"rpc\",\"id\":\"2\",\"actor\":\"plain\","
                  "\"actorId\":\"y\",\"method\":\"set\",\"input\":{\"n\":1}}");
    zkt_server_advance(server, 5000); /* a client is in contact */
    assert_int_equal(stats_of(server).instances, 2);
    close_wire(&a);
    turn(server);
    assert_int_equal(core->ops->deadline(core), 6000);
    zkt_server_advance(server, 999);
    assert_string_equal(ask(&b, ADD("3", "x", "1", "")), RESULT("3", "6"));
    zkt_server_advance(server, 5000); /* it was used in time */
    close_wire(&b);
    turn(server);
    assert_int_equal(stats_of(server).instances, 2);
    trace[0] = '\0';
    zkt_server_advance(server, 999);
    assert_string_equal(trace, "");
    zkt_server_advance(server, 1);
    assert_string_equal(trace, "deactivate:x");
    assert_int_equal(stats_of(server).instances, 0);
    assert_int_equal(stats_of(server).evictions, 2);
    assert_int_equal(core->ops->deadline(core), ZKT_NEVER);
    struct wire c = open_slow(server);
    trace[0] = '\0';
    assert_string_equal(ask(&c, ADD("4", "x", "1", "")), RESULT("4", "1"));
    assert_string_equal(trace, "activate:x connect:x add");
    close_wire(&c);
    zkt_server_free(server);
}

static void test_no_eviction_by_default(void **state)
{
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire w = open_slow(server);
    (void)state;
    (void)ask(&w, ADD("1", "x", "5", ""));
    close_wire(&w);
    zkt_server_advance(server, INT32_MAX);
    assert_int_equal(stats_of(server).instances, 1);
    trace[0] = '\0';
    zkt_server_free(server);
    assert_string_equal(trace, "deactivate:x"); /* once, at the end */
}

/* ---- shutdown ---- */

#define STOPS "the server stops"

static void test_a_shutdown_waits_for_calls(void **state)
{
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire a = open_slow(server), b = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    (void)ask(&a, SUB("state:sub", "x"));
    (void)ask(&a, ADD("1", "x", "5", "later"));
    (void)ask(&b, ADD("2", "x", "1", "waits"));
    trace[0] = '\0';
    /* A handler begins the shutdown, in the middle of its call. */
    assert_string_equal(ask(&b, MARK("3", "y", "shutdown")), DONE("3"));
    zkt_server_shutdown(server); /* again: no effect */
    assert_false(zkt_server_is_down(server));
    assert_null(zkt__server_accept(server, "test"));
    assert_string_equal(ask(&b, MARK("4", "y", "more")),
                        REFUSED("4", STOPS, "UNAVAILABLE"));
    assert_string_equal(ask(&b, SUB("event:sub", "z")),
                        GONE("z", STOPS, "UNAVAILABLE"));
    resume(0, &ran);
    turn(server);
    assert_int_equal(ran.cancelled, 0);
    assert_string_equal(
        trace, "activate:y connect:y mark:shutdown then:later connect:x "
               "add:waits disconnect:x disconnect:x deactivate:x "
               "disconnect:y deactivate:y");
    assert_string_equal(
        said(&a),
        "{\"type\":\"state:patch\",\"actor\":\"job\",\"actorId\":\"x\","
        "\"patches\":[{\"op\":\"replace\",\"path\":\"/"
        "n\",\"value\":5}]}\n" RESULT(
            "1", "5") "{\"type\":\"state:patch\",\"actor\":\"job\",\"actorId\":"
                      "\"x\","
                      "\"patches\":[{\"op\":\"replace\",\"path\":\"/"
                      "n\",\"value\":6}]}\n"
                      "close 1001\n");
    assert_string_equal(said(&b), RESULT("2", "6") "close 1001\n");
    assert_int_equal(stats_of(server).instances, 0);
    /* Client a answers the close, client b does not. */
    feed(&a, "\x88\x82\1\2\3\4\x02\xea", 8, 8, true);
    assert_true(a.e->closing);
    zkt_server_advance(server, 1999);
    assert_false(b.e->aborted);
    zkt_server_advance(server, 1);
    assert_true(b.e->aborted);
    assert_false(zkt_server_is_down(server));
    close_wire(&a);
    close_wire(&b);
    turn(server);
    assert_true(zkt_server_is_down(server));
    zkt_server_free(server);
}

static void test_a_shutdown_waits_for_a_limited_time(void **state)
{
    const struct zkt_limits limits = { .drain_ms = 700 };
    struct zkt_server *server = new_slow_server(&limits, NULL);
    struct zkt_core *core = zkt__server_core(server);
    struct wire w = open_slow(server);
    struct wire late = { .e = zkt__server_accept(server, "test") };
    struct ran ran = { 0 };
    (void)state;
    (void)ask(&w, ADD("1", "x", "5", "later-dirty"));
    (void)ask(&w, ADD("2", "x", "5", ""));
    trace[0] = '\0';
    zkt_server_shutdown(server);
    feed(&late, request, sizeof(request) - 1, 4096, true);
    assert_memory_equal(late.text, "HTTP/1.1 503", 12);
    assert_int_equal(core->ops->deadline(core), 700);
    zkt_server_advance(server, 699);
    assert_string_equal(said(&w), "");
    zkt_server_advance(server, 1);
    assert_string_equal(said(&w),
                        REFUSED("1", STOPS, "UNAVAILABLE")
                            REFUSED("2", STOPS, "UNAVAILABLE") "close 1001\n");
    assert_string_equal(trace, "disconnect:x deactivate:x");
    close_wire(&w);
    close_wire(&late);
    turn(server);
    assert_true(zkt_server_is_down(server));
    resume(0, &ran);
    turn(server);
    assert_int_equal(ran.cancelled, 1);
    zkt_server_free(server);
}

static void stop(struct zkt_server *server, void *user)
{
    (void)user;
    zkt_server_shutdown(server);
}

static void test_a_shutdown_of_nothing(void **state)
{
    struct zkt_server *server = new_slow_server(NULL, NULL);
    (void)state;
    assert_int_equal(zkt_server_post(server, stop, NULL), ZKT_OK);
    assert_false(zkt_server_is_down(server));
    turn(server);
    assert_true(zkt_server_is_down(server));
    zkt_server_shutdown(NULL);
    zkt_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_handler_ends_its_instance),
        cmocka_unit_test(test_ending_an_instance_by_function),
        cmocka_unit_test(test_hooks_that_end_their_instance),
        cmocka_unit_test(test_listing_instances),
        cmocka_unit_test(test_eviction),
        cmocka_unit_test(test_no_eviction_by_default),
        cmocka_unit_test(test_a_shutdown_waits_for_calls),
        cmocka_unit_test(test_a_shutdown_waits_for_a_limited_time),
        cmocka_unit_test(test_a_shutdown_of_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
