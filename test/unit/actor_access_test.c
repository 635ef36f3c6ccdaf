/*
 * What a client by HTTP may learn (server/actor_route.h): `open` and middleware
 * come before the question of whether an instance exists; and the status of
 * HTTP of each code that `open`, middleware and methods fail with. The first
 * argument is the number of shards.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "actor_http.h"
#include "door_peers.h"

#define TENANT          "x-tenant: t\r\n"
#define STATE(name)     GET("/actors/room/" name, TENANT)
#define CALL_OF(method) POST("/actors/room/a/" method, JSON TENANT, "")

static struct wire begin_http(void)
{
    begin();
    server->options.http_calls = true;
    zkt__actor_route_init(server);
    struct wire w = {
        .e = zkt__server_accept(zkt__server_shard(server, shards - 1),
                                "192.0.2.7"),
    };
    assert_non_null(w.e);
    return w;
}

static void hear_http(struct wire *w)
{
    for (int i = 0; i < 2; i++) {
        pass(0);
        drain(w);
    }
}

static void ask_http(struct wire *w, const char *text)
{
    forget(w);
    feed(w, text, strlen(text), 4096, true);
    hear_http(w);
}

static int64_t instances(void)
{
    struct zkt_server_stats stats;
    pass(0);
    zkt_server_stats(server, &stats);
    return (int64_t)stats.instances;
}

/* ---- instances that exist, and others ---- */

static enum zkt_status unknown(struct zkt_call *call,
                               const struct gate_input *in,
                               struct door_data *out)
{
    (void)in;
    (void)out;
    return zkt_fail(call, ZKT_UNAUTHENTICATED, "no token");
}

static enum zkt_status no_member(struct zkt_call *call, struct door_authed *out)
{
    (void)out;
    return zkt_fail(call, ZKT_PERMISSION_DENIED, "members only");
}

/* Asks for room "a", which lives, and for room "b", which does not. The answers
 * differ by nothing but the names. */
static void check_same(struct wire *w, int status, const char *text)
{
    char first[2048];
    ask_http(w, STATE("a"));
    check(w, status, text);
    snprintf(first, sizeof(first), "%s", w->text);
    ask_http(w, STATE("b"));
    assert_string_equal(w->text, first);
}

static void test_who_may_ask_for_an_instance(void **state)
{
    struct wire w = begin_http();
    struct wire member = knock("/", "", NULL);
    (void)state;
    (void)ask(&member, CALL("1", "who"));
    assert_int_equal(instances(), 1);
    script.open = unknown;
    check_same(&w, 401, "\"error\":\"no token\"");
    script.open = NULL;
    script.authed = no_member;
    check_same(&w, 403, "\"error\":\"members only\"");
    (void)trace_since();
    script.authed = NULL;
    ask_http(&w, STATE("a"));
    check(&w, 200, "{\"n\":0}");
    assert_string_equal(trace_since(),
                        "open:t authed:/1 connect:/1 disconnect:/1 close:/1");
    ask_http(&w, STATE("b"));
    check(&w, 404,
          "{\"error\":\"there is no such instance\","
          "\"code\":\"NOT_FOUND\"}");
    /* Nothing has come to be, and no hook of it has run. */
    assert_string_equal(trace_since(), "open:t authed:/1 close:/1");
    assert_int_equal(instances(), 1);
    leave(&member);
    ask_http(&w, STATE("a"));
    check(&w, 404, "no such instance");
    assert_int_equal(instances(), 0);
    close_wire(&w);
    pass(0);
    end();
}

/* A client stays in contact with the name of an instance that has ended. */
static void test_a_name_without_an_instance(void **state)
{
    struct wire w = begin_http();
    struct wire member = knock("/", "", NULL);
    (void)state;
    (void)ask(&member, CALL("1", "who"));
    assert_int_equal(zkt_server_destroy(server, ZKT_STR("room"), ZKT_STR("a")),
                     ZKT_OK);
    assert_int_equal(instances(), 0);
    ask_http(&w, STATE("a"));
    check(&w, 404, "no such instance");
    assert_int_equal(instances(), 0);
    leave(&member);
    close_wire(&w);
    pass(0);
    end();
}

/* HEAD has nothing to stream: it is answered as a plain GET. */
static void test_head_makes_no_instance(void **state)
{
    struct wire w = begin_http();
    (void)state;
    ask_http(&w, "HEAD /actors/room/a HTTP/1.1\r\nHost: x\r\n" TENANT EVENTS
                 "\r\n");
    check(&w, 404, "");
    assert_string_equal(body_of(&w), "");
    assert_non_null(strstr(w.text, "\r\nContent-Type: application/json\r\n"));
    assert_string_equal(trace_since(), "open:t authed:/1 close:/1");
    assert_int_equal(instances(), 0);
    close_wire(&w);
    pass(0);
    end();
}

/* ---- an open that takes its time ---- */

static int cancelled; /* runs of the second half */

static enum zkt_status open_later(struct zkt_call *call,
                                  const struct gate_input *in,
                                  struct door_data *out)
{
    (void)in;
    (void)out;
    held = zkt_call_defer(call, ZKT_MEMBER_OPEN, 0);
    assert_non_null(held);
    return ZKT_PENDING;
}

static enum zkt_status open_then(struct zkt_call *call, void (*then)(void),
                                 const void *input, void *result, void *user)
{
    const struct gate_input *in = input;
    (void)then;
    (void)result;
    (void)user;
    if (zkt_cancelled(call)) {
        cancelled++;
        assert_null(zkt_request_header(call, "x-tenant").data);
        return ZKT_OK;
    }
    assert_true(zkt_str_eq(zkt_request_header(call, "X-Tenant"), in->tenant));
    assert_true(zkt_str_eq(zkt_request_header(call, "Host"), ZKT_STR("x")));
    return ZKT_OK;
}

/* The fields of the request stay, also while its connection receives more. */
static void test_a_deferred_open(void **state)
{
    struct wire w = begin_http();
    (void)state;
    script.open = open_later;
    ask_http(&w, CALL_OF("who"));
    feed(&w, CALL_OF("who"), strlen(CALL_OF("who")), 4096, true);
    assert_int_equal(w.len, 0);
    zkt_deferred_resume(held, open_then, NULL, NULL);
    script.open = NULL;
    hear_http(&w);
    hear_http(&w);
    assert_int_equal(count_text(&w, "HTTP/1.1 200 "), 2);
    script.open = open_later;
    ask_http(&w, CALL_OF("who"));
    close_wire(&w);
    pass(0);
    cancelled = 0;
    zkt_deferred_resume(held, open_then, NULL, NULL);
    pass(0);
    assert_int_equal(cancelled, 1);
    end();
}

/* ---- statuses ---- */

static enum zkt_status told; /* by the test, to the handlers */

static enum zkt_status fail_open(struct zkt_call *call,
                                 const struct gate_input *in,
                                 struct door_data *out)
{
    (void)in;
    (void)out;
    return zkt_fail(call, told, "as told");
}

static enum zkt_status fail_authed(struct zkt_call *call,
                                   struct door_authed *out)
{
    (void)out;
    return zkt_fail(call, told, "as told");
}

static enum zkt_status fail_who(struct zkt_call *call, struct zkt_str *out)
{
    (void)out;
    return zkt_fail(call, told, "as told");
}

/* A handler's failure is answered with the status of its code. That of `open`
 * is an answer to a handshake, too, which knows fewer statuses. */
static void test_statuses_of_codes(void **state)
{
    static const struct {
        enum zkt_status code;
        int status, of_open;
    } table[] = {
        { ZKT_INVALID_ARGUMENT, 400, 400 },
        { ZKT_UNAUTHENTICATED, 401, 401 },
        { ZKT_PERMISSION_DENIED, 403, 403 },
        { ZKT_NOT_FOUND, 404, 404 },
        { ZKT_ALREADY_EXISTS, 409, 500 },
        { ZKT_ABORTED, 409, 500 },
        { ZKT_FAILED_PRECONDITION, 412, 500 },
        { ZKT_RESOURCE_EXHAUSTED, 429, 429 },
        { ZKT_CANCELLED, 499, 500 },
        { ZKT_INTERNAL, 500, 500 },
        { ZKT_UNIMPLEMENTED, 501, 500 },
        { ZKT_UNAVAILABLE, 503, 503 },
        { ZKT_DEADLINE_EXCEEDED, 504, 500 },
    };
    char code[64];
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct wire w = begin_http();
        told = table[i].code;
        snprintf(code, sizeof(code), "\"code\":\"%s\"}", zkt_status_name(told));
        script.who = fail_who;
        ask_http(&w, CALL_OF("who"));
        check(&w, table[i].status, code);
        script.authed = fail_authed;
        ask_http(&w, CALL_OF("ban"));
        check(&w, table[i].status, code);
        script.open = fail_open;
        ask_http(&w, CALL_OF("who"));
        check(&w, table[i].of_open, code);
        close_wire(&w);
        pass(0);
        end();
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_may_ask_for_an_instance),
        cmocka_unit_test(test_a_name_without_an_instance),
        cmocka_unit_test(test_head_makes_no_instance),
        cmocka_unit_test(test_a_deferred_open),
        cmocka_unit_test(test_statuses_of_codes),
    };
    shards = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
