/*
 * Methods that interleave: two commits, and other messages between them. The
 * first argument is the number of shards; see streaming.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "limit_hits.h"
#include "streaming.h"

static const char *run(struct wire *w, const char *text)
{
    return ask(w, text);
}

static void start_with(struct zkt_limits limits)
{
    handle_count = 0;
    set_up_with(limits);
    plays.play[GO] = add;
    plays.play[FETCH] = add_and_defer_fetch;
}

static void start(void)
{
    start_with((struct zkt_limits){ 0 });
}

/* Leaves; `close` is not in the trace. */
static void go_away(struct wire *w)
{
    traces = false;
    leave(w);
    traces = true;
}

/* ---- two commits ---- */

/* The first half is published when it defers; other calls run; the second has
 * the state of its time, the input of the first, and a zeroed result. */
static void test_two_commits(void **state)
{
    (void)state;
    start();
    struct wire a = enter();
    struct wire b = enter();
    (void)ask(&a, SUB("state:sub"));
    (void)ask(&b, SUB("state:sub"));
    assert_string_equal(run(&a, FETCH_ON("1", "x")), PATCH("1"));
    assert_string_equal(hear(&b), PATCH("1"));
    assert_int_equal(stats().deferred, 1);
    assert_string_equal(run(&b, GO_ON("2")), PATCH("2") RESULT("2", ""));
    assert_string_equal(run(&a, GO_ON("3")),
                        PATCH("2") PATCH("3") RESULT("3", ""));
    struct half second = { add };
    resume_with(0, &second);
    assert_string_equal(hear(&a), PATCH("4") RESULT("1", "3 x"));
    assert_string_equal(hear(&b), PATCH("3") PATCH("4"));
    assert_string_equal(trace_since(), "fetch:x go go then:x");
    assert_int_equal(stats().deferred, 0);
    go_away(&a);
    go_away(&b);
    tear_down();
}

static enum zkt_status add_defer_and_resume(struct zkt_call *call)
{
    const enum zkt_status status = add_and_defer_fetch(call);
    resume(handle_count - 1);
    return status;
}

static enum zkt_status do_not_defer(struct zkt_call *call)
{
    return add(call);
}

/* A call may be resumed before its handler has returned, and need not be
 * deferred. */
static void test_early(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, SUB("state:sub"));
    plays.play[FETCH] = add_defer_and_resume;
    assert_string_equal(run(&w, FETCH_ON("1", "x")),
                        PATCH("1") RESULT("1", "1 x"));
    plays.play[FETCH] = do_not_defer;
    assert_string_equal(run(&w, FETCH_ON("2", "x")),
                        PATCH("2") RESULT("2", ""));
    go_away(&w);
    tear_down();
}

/* A second half may defer again: a commit more. */
static void test_again(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, SUB("state:sub"));
    assert_string_equal(run(&w, FETCH_ON("1", "x")), PATCH("1"));
    struct half again = { add_and_defer_fetch };
    resume_with(0, &again);
    assert_string_equal(hear(&w), PATCH("2"));
    assert_string_equal(run(&w, GO_ON("2")), PATCH("3") RESULT("2", ""));
    resume_with(1, &again);
    assert_string_equal(hear(&w), PATCH("4"));
    resume(2);
    assert_string_equal(hear(&w), RESULT("1", "4 x"));
    assert_string_equal(trace_since(), "fetch:x then:x go then:x then:x");
    go_away(&w);
    tear_down();
}

static enum zkt_status find_nothing(struct zkt_call *call)
{
    (void)add(call);
    return zkt_fail(call, ZKT_NOT_FOUND, "no page");
}

/* If the second half fails, only its own changes are undone. */
static void test_second_fails(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, SUB("state:sub"));
    assert_string_equal(run(&w, FETCH_ON("1", "x")), PATCH("1"));
    struct half second = { find_nothing };
    resume_with(0, &second);
    assert_non_null(strstr(hear(&w), "NOT_FOUND"));
    assert_string_equal(run(&w, GO_ON("2")), PATCH("2") RESULT("2", ""));
    go_away(&w);
    tear_down();
}

static enum zkt_status write_wrong(struct zkt_call *call)
{
    (void)add_and_defer_fetch(call);
    set_role(call, 77);
    return ZKT_PENDING;
}

/* If the first half cannot be committed, the call ends, and the second half
 * runs cancelled. */
static void test_first_fails(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, SUB("state:sub"));
    plays.play[FETCH] = write_wrong;
    assert_non_null(strstr(run(&w, FETCH_ON("1", "x")), "INTERNAL"));
    assert_int_equal(stats().deferred, 0);
    resume(0);
    assert_string_equal(hear(&w), "");
    assert_string_equal(trace_since(), "fetch:x cancelled:x");
    assert_string_equal(run(&w, GO_ON("2")), PATCH("1") RESULT("2", ""));
    go_away(&w);
    tear_down();
}

/* ---- the mailbox ---- */

static enum zkt_status hold(struct zkt_call *call)
{
    return defer(call, GO);
}

/* A call that holds the instance holds second halves back. Then they and other
 * messages take turns. */
static void test_turns(void **state)
{
    (void)state;
    start();
    struct wire a = enter();
    struct wire b = enter();
    plays.play[FETCH] = defer_fetch;
    (void)run(&a, FETCH_ON("1", "p"));
    (void)run(&a, FETCH_ON("2", "q"));
    (void)run(&a, FETCH_ON("3", "r"));
    plays.play[GO] = hold;
    (void)run(&a, GO_ON("4"));
    plays.play[GO] = add;
    plays.play[FETCH] = do_not_defer;
    (void)run(&a, FETCH_ON("5", "s"));
    (void)run(&a, FETCH_ON("6", "t"));
    (void)run(&b, FETCH_ON("7", "u"));
    (void)trace_since();
    resume(0);
    resume(1);
    resume(2);
    pass(0);
    assert_string_equal(trace_since(), "");
    resume(3);
    pass(0);
    assert_string_equal(trace_since(), "then fetch:s fetch:u then:p fetch:t "
                                       "then:q then:r");
    (void)hear(&a);
    (void)hear(&b);
    go_away(&a);
    go_away(&b);
    tear_down();
}

static enum zkt_status defer_and_resume_all(struct zkt_call *call)
{
    for (size_t i = 0; i < 2; i++) {
        resume(i);
    }
    return add(call);
}

/* A second half never runs within another call. */
static void test_busy(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    plays.play[FETCH] = defer_fetch;
    (void)run(&w, FETCH_ON("1", "p"));
    (void)run(&w, FETCH_ON("2", "q"));
    plays.play[GO] = defer_and_resume_all;
    assert_string_equal(run(&w, GO_ON("3")),
                        RESULT("3", "") RESULT("1", "1 p") RESULT("2", "1 q"));
    go_away(&w);
    tear_down();
}

/* ---- callers that go ---- */

#define HALL(id, method, more) RPC(id, "hall", method, more)

static enum zkt_status check_gone(struct zkt_call *call)
{
    assert_false(zkt_in_contact(call));
    return add(call);
}

static enum zkt_status check_present(struct zkt_call *call)
{
    assert_true(zkt_in_contact(call));
    return add(call);
}

/* The caller's connection ends: it is detached at once, and the second half
 * runs all the same. `close` is the last. */
static void test_caller_gone(void **state)
{
    (void)state;
    start();
    struct wire a = enter();
    struct wire b = enter();
    (void)run(&a, HALL("1", "fetch", INPUT("x")));
    (void)run(&a, HALL("2", "fetch", INPUT("y")));
    (void)run(&b, HALL("1", "go", ""));
    (void)trace_since();
    leave(&a);
    assert_string_equal(trace_since(), "disconnect");
    assert_int_equal(stats().deferred, 2);
    struct half second = { check_gone };
    resume_with(0, &second);
    pass(0);
    assert_string_equal(trace_since(), "then:x");
    resume_with(1, &second);
    pass(0);
    pass(0);
    assert_string_equal(trace_since(), "then:y close:/1");
    assert_string_equal(run(&b, HALL("2", "fetch", INPUT("z"))), "");
    struct half third = { check_present };
    resume_with(2, &third);
    assert_string_equal(hear(&b), RESULT("2", "6 z"));
    go_away(&b);
    tear_down();
}

/* A client that leaves the instance gets the results that are outstanding. */
static void test_caller_leaves(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    (void)run(&w, HALL("1", "fetch", INPUT("x")));
    (void)run(&w, "{\"type\":\"leave\",\"actor\":\"hall\",\"actorId\":\"a\"}");
    assert_string_equal(trace_since(), "activate connect fetch:x disconnect");
    assert_string_equal(run(&w, HALL("2", "go", "")), RESULT("2", ""));
    assert_string_equal(trace_since(), "connect go");
    resume(0);
    assert_string_equal(hear(&w), RESULT("1", "2 x"));
    (void)run(&w, HALL("3", "go", ""));
    assert_string_equal(trace_since(), "then:x go");
    go_away(&w);
    tear_down();
}

static enum zkt_status expel_all(struct zkt_call *call)
{
    const struct zkt_str_list clients = zkt_clients(call);
    for (size_t i = 0; i < clients.len; i++) {
        zkt_expel(call, clients.items[i], ZKT_PERMISSION_DENIED, "out");
    }
    return add(call);
}

/* An expelled caller gets its results; its contact ends with the last. */
static void test_caller_expelled(void **state)
{
    (void)state;
    start_with((struct zkt_limits){ .links = 1 });
    struct wire w = enter();
    (void)run(&w, HALL("1", "fetch", INPUT("x")));
    plays.play[GO] = expel_all;
    assert_string_equal(run(&w, HALL("2", "go", "")), RESULT("2", ""));
    assert_string_equal(trace_since(),
                        "activate connect fetch:x go disconnect");
    struct half second = { check_gone };
    resume_with(0, &second);
    assert_string_equal(hear(&w), RESULT("1", "2 x"));
    plays.play[GO] = add;
    /* Only with the first contact gone there is room for another. */
    assert_string_equal(run(&w, GO_ON("3")), RESULT("3", ""));
    go_away(&w);
    tear_down();
}

/* The first half may expel its own caller. */
static enum zkt_status expel_and_defer(struct zkt_call *call)
{
    (void)expel_all(call);
    return defer(call, FETCH);
}

static void test_expels_itself(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    plays.play[FETCH] = expel_and_defer;
    assert_string_equal(run(&w, HALL("1", "fetch", INPUT("x"))), "");
    assert_string_equal(trace_since(), "activate connect fetch:x disconnect");
    resume(0);
    assert_string_equal(hear(&w), RESULT("1", "1 x"));
    assert_string_equal(trace_since(), "then:x");
    go_away(&w);
    tear_down();
}

/* ---- instances that end ---- */

static enum zkt_status destroy(struct zkt_call *call)
{
    zkt_destroy(call);
    return add(call);
}

static enum zkt_status destroy_and_defer(struct zkt_call *call)
{
    (void)destroy(call);
    return defer(call, FETCH);
}

/* The open calls of an instance end with it, also one that waits, and touch
 * nothing of an instance that has the name later. */
static void test_instance_ends(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    plays.play[FETCH] = defer_fetch;
    (void)run(&w, FETCH_ON("1", "p"));
    (void)run(&w, FETCH_ON("2", "q"));
    plays.play[GO] = hold;
    (void)run(&w, GO_ON("3"));
    resume(1);
    pass(0);
    (void)trace_since();
    struct half end_it = { destroy };
    resume_with(2, &end_it);
    const char *heard = hear(&w);
    assert_non_null(strstr(heard, "\"id\":\"1\",\"error\":\"the instance was "
                                  "destroyed\",\"code\":\"ABORTED\""));
    assert_non_null(strstr(heard, "\"id\":\"2\",\"error\":\"the instance was "
                                  "destroyed\",\"code\":\"ABORTED\""));
    assert_string_equal(trace_since(), "then cancelled:q");
    plays.play[GO] = add;
    assert_string_equal(run(&w, GO_ON("4")), RESULT("4", ""));
    struct half second = { add };
    resume_with(0, &second);
    assert_string_equal(hear(&w), "");
    assert_string_equal(trace_since(), "go cancelled:p");
    plays.play[FETCH] = do_not_defer;
    (void)ask(&w, SUB("state:sub"));
    assert_string_equal(run(&w, GO_ON("5")), PATCH("2") RESULT("5", ""));
    go_away(&w);
    tear_down();
}

/* Either half may end the instance itself. */
static void test_ends_itself(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    plays.play[FETCH] = destroy_and_defer;
    const char *heard = run(&w, FETCH_ON("1", "p"));
    assert_non_null(strstr(heard, "ABORTED"));
    assert_int_equal(stats().instances, 0);
    resume(0);
    pass(0);
    plays.play[FETCH] = defer_fetch;
    (void)run(&w, FETCH_ON("2", "q"));
    struct half second = { destroy };
    resume_with(1, &second);
    assert_string_equal(hear(&w), RESULT("2", "0 q"));
    assert_string_equal(trace_since(), "fetch:p cancelled:p fetch:q then:q");
    assert_int_equal(stats().instances, 0);
    go_away(&w);
    tear_down();
}

/* An open call keeps its instance, without contacts too; then it is dropped, or
 * evicted. */
static void test_kept(void **state)
{
    (void)state;
    start_with((struct zkt_limits){ .idle_ms = 10 });
    struct wire w = enter();
    plays.play[FETCH] = defer_fetch;
    (void)run(&w, FETCH_ON("1", "p"));
    go_away(&w);
    pass(1000);
    assert_int_equal(stats().instances, 1);
    resume(0);
    pass(0);
    assert_int_equal(stats().instances, 0); /* in its first state */
    w = enter();
    (void)run(&w, FETCH_ON("1", "p"));
    go_away(&w);
    pass(1000);
    struct half second = { add };
    resume_with(1, &second);
    pass(0);
    assert_int_equal(stats().instances, 1);
    assert_int_equal(stats().evictions, 0);
    pass(10);
    assert_int_equal(stats().instances, 0);
    assert_int_equal(stats().evictions, 1);
    tear_down();
}

/* ---- time, stopping, limits ---- */

static void test_deadline(void **state)
{
    (void)state;
    start_with((struct zkt_limits){ .handler_ms = 70 });
    struct wire w = enter();
    (void)ask(&w, SUB("state:sub"));
    assert_string_equal(run(&w, FETCH_ON("1", "x")), PATCH("1"));
    pass(40);
    struct half again = { add_and_defer_fetch };
    resume_with(0, &again);
    assert_string_equal(hear(&w), PATCH("2"));
    pass(29);
    assert_string_equal(hear(&w), "");
    pass(1);
    assert_non_null(strstr(hear(&w), "DEADLINE_EXCEEDED"));
    assert_string_equal(run(&w, GO_ON("2")), PATCH("3") RESULT("2", ""));
    resume(1);
    assert_string_equal(hear(&w), "");
    assert_string_equal(trace_since(), "fetch:x then:x go cancelled:x");
    go_away(&w);
    tear_down();
}

#define CANCEL(id) "{\"type\":\"rpc:cancel\",\"id\":\"" id "\"}"

/* A caller that cancels keeps what the first half has committed. A second half
 * that waits for the instance runs cancelled. */
static void test_cancelled(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    struct wire other = enter();
    (void)ask(&w, SUB("state:sub"));
    assert_string_equal(run(&w, FETCH_ON("1", "x")), PATCH("1"));
    assert_non_null(strstr(run(&w, CANCEL("1")), "CANCELLED"));
    assert_string_equal(run(&w, CANCEL("1")), "");
    resume(0);
    pass(0);
    assert_string_equal(run(&w, FETCH_ON("2", "y")), PATCH("2"));
    plays.play[GO] = hold;
    (void)run(&other, GO_ON("3"));
    struct half second = { add };
    resume_with(1, &second);
    pass(0);
    assert_non_null(strstr(run(&w, CANCEL("2")), "CANCELLED"));
    resume_with(2, &second);
    assert_string_equal(hear(&w), PATCH("3"));
    assert_string_equal(trace_since(), "fetch:x cancelled:x fetch:y go "
                                       "cancelled:y then");
    (void)hear(&other);
    go_away(&w);
    go_away(&other);
    tear_down();
}

/* Open calls may finish while the server drains; then they are cancelled. */
static void test_stopping(void **state)
{
    (void)state;
    start_with((struct zkt_limits){ .drain_ms = 100 });
    struct wire w = enter();
    (void)run(&w, FETCH_ON("1", "p"));
    (void)run(&w, FETCH_ON("2", "q"));
    zkt_server_shutdown(server);
    pass(50);
    resume(0);
    assert_string_equal(hear(&w), RESULT("1", "2 p"));
    pass(50);
    assert_non_null(strstr(hear(&w), "UNAVAILABLE"));
    resume(1);
    pass(0);
    assert_string_equal(trace_since(), "fetch:p fetch:q then:p cancelled:q");
    go_away(&w);
    tear_down();
}

/* A server that is freed leaves its open calls to those that resume them. */
static void test_freed(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    (void)run(&w, FETCH_ON("1", "p"));
    (void)run(&w, FETCH_ON("2", "q"));
    go_away(&w);
    resume(0);
    zkt__location_release(&server->host, hall);
    zkt__location_release(&server->host, home);
    zkt_server_free(server);
    resume(1);
    assert_string_equal(trace_since(),
                        "fetch:p fetch:q cancelled:p close:/1 cancelled:q");
    assert_int_equal(memory.live, 0);
}

static void test_limit(void **state)
{
    (void)state;
    start_with((struct zkt_limits){ .open_calls = 2 });
    struct wire w = enter();
    (void)run(&w, FETCH_ON("1", "p"));
    (void)run(&w, FETCH_ON("2", "q"));
    assert_non_null(strstr(run(&w, FETCH_ON("3", "r")),
                           "\"error\":\"too many calls of the instance are "
                           "open\",\"code\":\"RESOURCE_EXHAUSTED\""));
    assert_limit_hits(server, "open_calls", 1);
    assert_string_equal(run(&w, GO_ON("4")), RESULT("4", ""));
    resume(0);
    assert_string_equal(hear(&w), RESULT("1", "3 p"));
    assert_string_equal(run(&w, FETCH_ON("5", "s")), "");
    resume(1);
    resume(2);
    assert_string_equal(hear(&w), RESULT("2", "4 q") RESULT("5", "4 s"));
    assert_string_equal(trace_since(),
                        "fetch:p fetch:q go then:p fetch:s then:q then:s");
    go_away(&w);
    tear_down();
}

static enum zkt_status take_much(struct zkt_call *call)
{
    (void)zkt_alloc(call, 10000, 1);
    return add_and_defer_fetch(call);
}

/* The memory of open calls counts as that of deferred ones. */
static void test_budget(void **state)
{
    (void)state;
    start_with((struct zkt_limits){ .deferred_bytes = 40000 * shards });
    struct wire w = enter();
    plays.play[FETCH] = take_much;
    (void)ask(&w, SUB("state:sub"));
    size_t open = 0;
    while (strstr(run(&w, FETCH_ON("1", "p")), "RESOURCE_EXHAUSTED") == NULL) {
        open++;
    }
    assert_in_range(open, 1, 4);
    assert_int_equal(stats().deferred, open);
    assert_int_equal(stats().limit_hits.deferred_bytes, 1);
    for (size_t i = 0; i < handle_count; i++) {
        resume(i);
    }
    (void)hear(&w);
    assert_string_equal(run(&w, FETCH_ON("1", "p")), PATCH("3"));
    go_away(&w);
    resume(handle_count - 1);
    pass(0);
    tear_down();
}

/* A call that is deferred again and again counts all that it has taken. */
static void test_growing(void **state)
{
    struct half again = { take_much };
    (void)state;
    start_with((struct zkt_limits){ .deferred_bytes = 40000 * shards });
    struct wire w = enter();
    plays.play[FETCH] = take_much;
    const char *heard = run(&w, FETCH_ON("1", "p"));
    for (size_t i = 0; strstr(heard, "RESOURCE_EXHAUSTED") == NULL; i++) {
        assert_in_range(i, 0, 6);
        resume_with(i, &again);
        heard = hear(&w);
    }
    assert_int_equal(stats().deferred, 0);
    resume(handle_count - 1);
    pass(0);
    (void)run(&w, FETCH_ON("2", "p"));
    assert_int_equal(stats().deferred, 1);
    go_away(&w);
    resume(handle_count - 1);
    pass(0);
    tear_down();
}

/* ---- the connection, the program ---- */

static enum zkt_status change_role(struct zkt_call *call)
{
    set_role(call, 5);
    return defer(call, FETCH);
}

static enum zkt_status see_role(struct zkt_call *call)
{
    note("seen", door_seen(call));
    return ZKT_OK;
}

static enum zkt_status change_user(struct zkt_call *call)
{
    note("seen", door_seen(call));
    set_user(call, ZKT_STR("eve"));
    return ZKT_OK;
}

/* The data that the first half has changed reach the connection with it; the
 * second half sees them, and what it changes. */
static void test_connection(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    plays.play[FETCH] = change_role;
    (void)run(&w, FETCH_ON("1", "x"));
    plays.play[GO] = see_role;
    (void)run(&w, GO_ON("2"));
    struct half second = { change_user };
    resume_with(0, &second);
    (void)hear(&w);
    (void)run(&w, GO_ON("3"));
    assert_string_equal(trace_since(), "fetch:x go seen:/5 then:x seen:/5 go "
                                       "seen:eve/5");
    go_away(&w);
    tear_down();
}

static char replied[64];

static void take_reply(void (*done)(void), const struct zkt_reply *reply,
                       const void *result, void *user)
{
    (void)done;
    (void)user;
    const struct zkt_str text = result != NULL ? *(const struct zkt_str *)result
                                               : ZKT_STR("-");
    snprintf(replied, sizeof(replied), "%d %.*s", (int)reply->status,
             ZKT_ARG(text));
}

static void no_function(void)
{
}

/* The program may call a method that interleaves; a stream it may not. */
static void test_program(void **state)
{
    const struct zkt_str input = ZKT_STR_INIT("x");
    (void)state;
    start();
    replied[0] = '\0';
    assert_int_equal(zkt_server_invoke(server, 0, FETCH, ZKT_STR("a"), NULL,
                                       &input, take_reply, no_function, NULL),
                     ZKT_OK);
    pass(0);
    assert_string_equal(replied, "");
    struct half second = { check_gone };
    resume_with(0, &second);
    pass(0);
    assert_string_equal(replied, "0 1 x");
    assert_int_equal(zkt_server_invoke(server, 0, TALK, ZKT_STR("a"), NULL,
                                       &input, take_reply, no_function, NULL),
                     ZKT_OK);
    pass(0);
    snprintf(logged, sizeof(logged), "%d -", (int)ZKT_FAILED_PRECONDITION);
    assert_string_equal(replied, logged);
    tear_down();
}

/* Second halves wait while the channel to a thread with clients takes no more.
 */
static void test_credit(void **state)
{
    (void)state;
    start_with((struct zkt_limits){ .channel_messages = 4 });
    struct wire w = enter();
    struct half second = { add };
    (void)ask(&w, SUB("state:sub"));
    plays.play[FETCH] = defer_fetch;
    for (size_t i = 0; i < 20; i++) {
        (void)run(&w, FETCH_ON("1", "x"));
    }
    (void)trace_since();
    for (size_t i = 0; i < 20; i++) {
        resume_with(i, &second);
    }
    zkt_server_advance(server, 0); /* the last shard has no turn */
    const size_t ran = strlen(trace_since()) / strlen("then:x");
    assert_in_range(ran, 1, shards == 1 ? 30 : 6);
    for (size_t i = 0; i < 20; i++) {
        pass(0);
    }
    assert_non_null(strstr(hear(&w), PATCH("20") RESULT("1", "19 x")));
    go_away(&w);
    tear_down();
}

/* ---- memory ---- */

/* Without memory either half fails whole, and every call has one result, or
 * its connection ends. Returns false if there are no more allocations. */
static bool try_without_memory(long fail_at)
{
    start();
    struct wire a = enter();
    struct wire b = enter();
    (void)ask(&b, SUB("state:sub"));
    memory.calls = 0;
    memory.fail_at = fail_at;
    struct half again = { add_and_defer_fetch };
    struct half last = { add };
    size_t results = 0;
    results += strstr(run(&a, FETCH_ON("1", "x")), "rpc:result") != NULL;
    if (handle_count > 0 && handles[0] != NULL) {
        resume_with(0, &again);
        results += strstr(hear(&a), "rpc:result") != NULL;
    }
    if (handle_count > 1 && handles[1] != NULL) {
        resume_with(1, &last);
        results += strstr(hear(&a), "rpc:result") != NULL;
    }
    const bool reached = memory.calls >= fail_at;
    memory.fail_at = 0;
    assert_true(results == 1 || a.e->closing);
    assert_int_equal(stats().deferred, 0);
    go_away(&a);
    go_away(&b);
    tear_down();
    return reached;
}

static void test_no_memory(void **state)
{
    (void)state;
    long fail_at = 1;
    while (try_without_memory(fail_at)) {
        fail_at++;
    }
    assert_in_range(fail_at, 5, 1000);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_commits),
        cmocka_unit_test(test_early),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_second_fails),
        cmocka_unit_test(test_first_fails),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_caller_gone),
        cmocka_unit_test(test_caller_leaves),
        cmocka_unit_test(test_caller_expelled),
        cmocka_unit_test(test_expels_itself),
        cmocka_unit_test(test_instance_ends),
        cmocka_unit_test(test_ends_itself),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_freed),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_growing),
        cmocka_unit_test(test_connection),
        cmocka_unit_test(test_program),
        cmocka_unit_test(test_credit),
        cmocka_unit_test(test_no_memory),
    };
    shards = count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
