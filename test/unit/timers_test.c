/*
 * Timers of instances, on the tables of timed.h. The first argument is the
 * number of shards.
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
#include "timed.h"

/* ---- calls ---- */

static enum zkt_status stop_tick(struct zkt_call *call)
{
    zkt_call_timer_stop(call, TICK, ZKT_STR(""));
    assert_int_equal(left(call, TICK, ""), -1);
    return ZKT_OK;
}

static enum zkt_status start_tick(struct zkt_call *call)
{
    zkt_call_timer_start(call, TICK, 50, NULL);
    assert_int_equal(left(call, TICK, ""), 50);
    return ZKT_OK;
}

static enum zkt_status over_in_100(struct zkt_call *call)
{
    assert_int_equal(left(call, OVER, ""), -1);
    start_over(call, 100, 3);
    assert_int_equal(left(call, OVER, ""), 100);
    return ZKT_OK;
}

static enum zkt_status start_two(struct zkt_call *call)
{
    start_over(call, 10, 1);
    start_afk(call, 10, "ada");
    return ZKT_OK;
}

static enum zkt_status write_it(struct zkt_call *call)
{
    const int32_t n = 1;
    zkt_state_set(zkt_call_cursor(call), 0, &n);
    return ZKT_OK;
}

/* ---- timers that fire once ---- */

/* It fires once, with its input, at its time and not before; a stopped one does
 * not fire. */
static void test_once(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    run(&w, stop_tick);
    run(&w, over_in_100);
    run(&w, stop_tick); /* nothing happens */
    assert_string_equal(within(99), "");
    assert_int_equal(stats().timers, 1);
    assert_string_equal(within(1), "over:3");
    assert_int_equal(stats().timers, 0);
    assert_string_equal(within(1000), "");
    go_away(&w);
    tear_down();
}

static enum zkt_status several(struct zkt_call *call)
{
    (void)stop_tick(call);
    start_afk(call, 30, "bob");
    start_afk(call, 20, "ada");
    start_afk(call, 30, "eve");
    start_afk(call, 25, "dan");
    start_afk(call, -5, "now");
    start_over(call, 10, 1);
    start_over(call, 27, 2); /* replaces */
    zkt_call_timer_stop(call, AFK, ZKT_STR("dan"));
    zkt_call_timer_stop(call, AFK, ZKT_STR("nobody"));
    assert_int_equal(left(call, AFK, "dan"), -1);
    assert_int_equal(left(call, AFK, "ada"), 20);
    assert_int_equal(left(call, AFK, "now"), 1);
    assert_int_equal(left(call, OVER, ""), 27);
    return ZKT_OK;
}

static enum zkt_status stop_eve(struct zkt_call *call)
{
    assert_int_equal(left(call, AFK, "eve"), 10);
    zkt_call_timer_stop(call, AFK, ZKT_STR("eve"));
    start_afk(call, 15, "bob");
    return ZKT_OK;
}

/* Each key is a timer, in the order of their times, then of their starts. */
static void test_keys(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    run(&w, several);
    assert_int_equal(stats().timers, 5);
    assert_string_equal(within(19), "afk:now");
    assert_string_equal(within(1), "afk:ada");
    run(&w, stop_eve);
    assert_string_equal(within(100), "over:2 afk:bob");
    go_away(&w);
    tear_down();
}

static enum zkt_status start_never(struct zkt_call *call)
{
    start_over(call, INT64_MAX, 1);
    start_afk(call, INT64_MAX - 1, "ada");
    zkt_call_timer_start(call, TICK, INT64_MAX, NULL);
    assert_int_equal(zkt_call_timer_due(call, OVER, ZKT_STR("")),
                     INT64_MAX - 1);
    assert_int_equal(zkt_call_timer_due(call, AFK, ZKT_STR("ada")),
                     INT64_MAX - 1);
    assert_int_equal(zkt_call_timer_due(call, TICK, ZKT_STR("")),
                     INT64_MAX - 1);
    return ZKT_OK;
}

/* Times beyond the range of a time are its end, also with a clock that counts
 * from 1970. */
static void test_range(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    server->core.wall_ms = 1700000000000;
    run(&w, start_never);
    assert_string_equal(within(100000), "");
    assert_int_equal(stats().timers, 3);
    go_away(&w);
    tear_down();
}

static enum zkt_status fail_all(struct zkt_call *call)
{
    (void)several(call);
    start_over(call, 5, 8);
    return zkt_fail(call, ZKT_ABORTED, "no");
}

static enum zkt_status break_rule(struct zkt_call *call)
{
    start_over(call, 5, 77);
    return ZKT_OK;
}

/* A call that fails has started and stopped nothing. */
static void test_undone(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    run(&w, over_in_100);
    plays.go = fail_all;
    assert_non_null(strstr(ask(&w, GO), "no"));
    plays.go = break_rule;
    assert_non_null(strstr(ask(&w, GO), "INTERNAL"));
    assert_non_null(strstr(logged, "the timer over breaks a rule"));
    assert_int_equal(stats().timers, 2);
    assert_string_equal(within(100), "tick over:3 tick");
    go_away(&w);
    tear_down();
}

static enum zkt_status fail_timer(struct zkt_call *call)
{
    (void)write_it(call);
    start_over(call, 1, 5);
    return zkt_fail(call, ZKT_NOT_FOUND, "no round");
}

static enum zkt_status again(struct zkt_call *call)
{
    static int times;
    assert_int_equal(left(call, OVER, ""), -1);
    if (times++ % 2 == 0) {
        start_over(call, 10, 4);
        return write_it(call);
    }
    return ZKT_OK;
}

static enum zkt_status defer_timer(struct zkt_call *call)
{
    return zkt_call_defer(call, ZKT_MEMBER_METHOD, 0) != NULL ? ZKT_PENDING
                                                              : ZKT_OK;
}

/* A handler that fails is rolled back, logged and counted, and its timer is
 * spent; one may start its timer again; none may be deferred. */
static void test_handlers(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    run(&w, stop_tick);
    (void)ask(&w, SUB("state:sub"));
    run(&w, over_in_100);
    plays.timer = fail_timer;
    assert_string_equal(within(150), "over:3");
    assert_string_equal(hear(&w), "");
    assert_non_null(strstr(logged, ": over: the timer failed: no round"));
    assert_int_equal(stats().timer_failures, 1);
    run(&w, over_in_100);
    plays.timer = again;
    assert_string_equal(within(150), "over:3 over:4");
    assert_non_null(strstr(hear(&w), "state:patch"));
    run(&w, over_in_100);
    plays.timer = defer_timer;
    assert_string_equal(within(150), "over:3");
    assert_non_null(strstr(logged, "a timer cannot be deferred"));
    assert_int_equal(stats().timer_failures, 2);
    assert_int_equal(stats().timers, 0);
    go_away(&w);
    tear_down();
}

/* ---- repeating timers ---- */

static enum zkt_status wait_for_it(struct zkt_call *call)
{
    held = zkt_call_defer(call, ZKT_MEMBER_METHOD, 0);
    return ZKT_PENDING;
}

static enum zkt_status finish_it(struct zkt_call *call, void (*then)(void),
                                 const void *input, void *result, void *user)
{
    (void)call;
    (void)then;
    (void)input;
    (void)user;
    *(struct zkt_str *)result = ZKT_STR("");
    return ZKT_OK;
}

/* A deferred call holds timers back; missed ticks are one call, and the phase
 * stays. */
static void test_phase(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    run(&w, NULL);
    assert_string_equal(within(49), "");
    assert_string_equal(within(1), "tick");
    assert_string_equal(within(150), "tick tick tick");
    plays.go = wait_for_it;
    assert_string_equal(ask(&w, GO), "");
    assert_string_equal(within(170), "");
    zkt_deferred_resume(held, finish_it, NULL, NULL);
    assert_string_equal(within(0), "tick");
    assert_string_equal(within(29), "");
    assert_string_equal(within(1), "tick");
    assert_string_equal(within(50), "tick");
    go_away(&w);
    tear_down();
}

/* It runs from the first client to the last, and a paused one keeps nothing. */
static void test_contact(void **state)
{
    (void)state;
    set_up();
    struct wire a = enter();
    struct wire b = enter();
    run(&a, NULL);
    assert_string_equal(within(30), "");
    run(&b, NULL); /* not the first: the phase stays */
    go_away(&a);
    assert_string_equal(within(20), "tick");
    assert_int_equal(stats().timers, 1);
    go_away(&b);
    assert_string_equal(within(500), "");
    assert_int_equal(stats().timers, 0);
    assert_int_equal(stats().instances, 0);
    tear_down();
}

/* A tick that a call has started runs without contact, until it is stopped;
 * then it rests until the next first client. */
static void test_started(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    run(&w, NULL);
    assert_string_equal(within(30), "");
    run(&w, start_tick);
    assert_string_equal(within(20), ""); /* replaced */
    go_away(&w);
    assert_string_equal(within(130), "tick tick tick");
    assert_int_equal(stats().instances, 1);
    w = enter();
    run(&w, stop_tick);
    assert_string_equal(within(200), "");
    go_away(&w);
    assert_int_equal(stats().instances, 0);
    w = enter();
    run(&w, NULL);
    assert_string_equal(within(50), "tick");
    go_away(&w);
    tear_down();
}

/* ---- the life of an instance ---- */

/* An instance with a timer is neither dropped nor evicted; without it, it is.
 */
static void test_kept(void **state)
{
    (void)state;
    set_up_with((struct zkt_limits){ .idle_ms = 10 });
    struct wire w = enter();
    run(&w, over_in_100);
    go_away(&w);
    assert_string_equal(within(99), "");
    assert_int_equal(stats().instances, 1);
    assert_string_equal(within(1), "over:3");
    assert_int_equal(stats().instances, 0); /* in its first state */
    w = enter();
    run(&w, over_in_100);
    plays.timer = write_it;
    go_away(&w);
    assert_string_equal(within(100), "over:3");
    assert_int_equal(stats().instances, 1);
    (void)within(10);
    assert_int_equal(stats().instances, 0);
    assert_int_equal(stats().evictions, 1);
    tear_down();
}

static enum zkt_status destroy(struct zkt_call *call)
{
    start_over(call, 10, 1);
    start_afk(call, 10, "ada");
    zkt_destroy(call);
    return ZKT_OK;
}

/* Timers end with their instance: destroyed by a call, or by a timer. */
static void test_destroyed(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    run(&w, destroy);
    assert_string_equal(within(200), "");
    assert_int_equal(stats().timers, 0);
    run(&w, over_in_100);
    plays.timer = destroy;
    assert_string_equal(within(200), "tick");
    assert_int_equal(stats().timers, 0);
    assert_int_equal(stats().instances, 0);
    go_away(&w);
    tear_down();
}

static enum zkt_status start_and_fail(struct zkt_call *call, const char *name)
{
    start_over(call, 10, 1);
    (void)start_tick(call);
    return strcmp(name, "activate") == 0 ? ZKT_ABORTED : ZKT_OK;
}

static enum zkt_status start_in_hook(struct zkt_call *call, const char *name)
{
    (void)name;
    start_over(call, 10, 1);
    return ZKT_OK;
}

/* Hooks start timers as methods do: not if `activate` fails, and none outlives
 * `deactivate`. */
static void test_hooks(void **state)
{
    (void)state;
    set_up_with((struct zkt_limits){ .idle_ms = 20 });
    struct wire w = enter();
    plays.hook = start_and_fail;
    assert_non_null(strstr(ask(&w, GO_HALL), "ABORTED"));
    assert_string_equal(within(2000), "activate");
    assert_int_equal(stats().timers, 0);
    plays.hook = start_in_hook;
    assert_string_equal(ask(&w, GO_HALL), DONE);
    assert_int_equal(stats().timers, 2);
    (void)trace_since();
    go_away(&w);

    assert_string_equal(within(29), "over:1");
    assert_string_equal(within(1), "deactivate");
    assert_int_equal(stats().timers, 0);
    tear_down();
}

static enum zkt_status refuse_connect(struct zkt_call *call, const char *name)
{
    start_over(call, 10, 1);
    return strcmp(name, "connect") == 0 ? ZKT_PERMISSION_DENIED : ZKT_OK;
}

/* A refused client leaves no tick, and no timer of the instance that it was
 * made for. */
static void test_refused(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    plays.hook = refuse_connect;
    assert_non_null(strstr(ask(&w, GO_HALL), "PERMISSION_DENIED"));
    assert_string_equal(within(100), "activate connect deactivate");
    assert_int_equal(stats().timers, 0);
    assert_int_equal(stats().instances, 0);
    go_away(&w);
    tear_down();
}

/* No timer fires while the server stops, also one that waits for a call. */
static void test_stopping(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    run(&w, over_in_100);
    plays.go = wait_for_it;
    assert_string_equal(ask(&w, GO), "");
    assert_string_equal(within(60), "");
    zkt_server_shutdown(server);
    assert_string_equal(within(60), "");
    zkt_deferred_resume(held, finish_it, NULL, NULL);
    assert_string_equal(within(60), "");
    assert_int_equal(stats().timers, 0);
    go_away(&w);
    tear_down();
}

/* ---- the clock, other threads, the program ---- */

/* The server knows when the next timer is due, also after a stop; an advance
 * over many runs them in the order of their times. */
static void test_clock(void **state)
{
    (void)state;
    set_up();
    struct wire w = enter();
    plays.go = over_in_100;
    assert_string_equal(ask(&w, GO), DONE);
    assert_string_equal(within(5), "");
    assert_string_equal(ask(&w, GO_HALL), DONE);
    (void)trace_since();
    assert_int_equal(zkt_server_timeout(server), 45);
    assert_string_equal(within(115), "tick tick over:3 tick over:3 tick");
    assert_int_equal(zkt_server_timeout(server), 30);
    run(&w, stop_tick);
    plays.go = stop_tick;
    assert_string_equal(ask(&w, GO_HALL), DONE);
    (void)within(30); /* a turn that finds nothing */
    const int64_t next = zkt_server_timeout(server);
    assert_true(next < 0 || next >= 1000);
    go_away(&w);
    tear_down();
}

/* A timer without a handler is named when the server is made. */
static void test_missing_handler(void **state)
{
    static const struct door_handlers none = { .any = NULL };
    static const struct door_handlers without = { .any = any_handler,
                                                  .room = &none };
    const struct zkt_app app = { .info = &timed_info, .handlers = &without };
    const struct zkt_serve_options options = { .log = keep_log };
    struct zkt_server *made = NULL;
    (void)state;
    logged[0] = '\0';
    assert_int_not_equal(zkt_server_new(app, &options, &made), ZKT_OK);
    assert_non_null(strstr(logged, "actor room: the handler of timer tick is "
                                   "missing"));
    assert_non_null(strstr(logged, "actor hall: the handler of timer afk is "
                                   "missing"));
}

/* A deferred call that ran out of time has started nothing. */
static enum zkt_status start_and_wait(struct zkt_call *call)
{
    start_over(call, 10, 1);
    zkt_call_timer_stop(call, AFK, ZKT_STR("ada"));
    return wait_for_it(call);
}

static void test_cancelled(void **state)
{
    (void)state;
    set_up_with((struct zkt_limits){ .handler_ms = 70 });
    struct wire w = enter();
    plays.go = start_two;
    assert_string_equal(ask(&w, GO), DONE);
    assert_string_equal(within(10), "over:1 afk:ada");
    plays.go = start_and_wait;
    assert_string_equal(ask(&w, GO), "");
    assert_string_equal(within(69), "");
    assert_string_equal(within(1), "tick");
    assert_non_null(strstr(hear(&w), "DEADLINE_EXCEEDED"));
    assert_int_equal(stats().timers, 1);
    zkt_deferred_resume(held, finish_it, NULL, NULL);
    assert_string_equal(within(0), "");
    go_away(&w);
    tear_down();
}

static enum zkt_status run_in(struct zkt_call *call, void (*fn)(void),
                              void *user)
{
    (void)fn;
    return user != NULL ? over_in_100(call) : ZKT_OK;
}

static void no_function(void)
{
}

/* The program is not in contact: no tick runs for it. Its timers run. */
static void test_program(void **state)
{
    int starts;
    (void)state;
    set_up();
    assert_int_equal(
        zkt_server_run(server, 0, ZKT_STR("a"), run_in, no_function, NULL),
        ZKT_OK);
    assert_string_equal(within(100), "");
    assert_int_equal(
        zkt_server_run(server, 0, ZKT_STR("a"), run_in, no_function, &starts),
        ZKT_OK);
    assert_string_equal(within(0), "");
    assert_int_equal(stats().timers, 1);
    assert_string_equal(within(100), "over:3");
    tear_down();
}

static enum zkt_status write_more(struct zkt_call *call)
{
    const int32_t n = ((const struct door_state *)zkt_call_state(call))->n + 1;
    zkt_state_set(zkt_call_cursor(call), 0, &n);
    return ZKT_OK;
}

/* Timers wait while the channel to a thread with clients takes no more. */
static void test_credit(void **state)
{
    (void)state;
    set_up_with((struct zkt_limits){ .channel_messages = 2 });
    struct wire w = enter();
    (void)ask(&w, SUB("state:sub"));
    plays.timer = write_more;
    zkt_server_advance(server, 500); /* the last shard has no turn */
    assert_in_range(strlen(trace_since()), shards == 1 ? 49 : 4,
                    shards == 1 ? 49 : 24);
    zkt_server_advance(zkt__server_shard(server, shards - 1), 0);
    assert_string_equal(within(0), shards == 1 ? "" : "tick");
    assert_non_null(strstr(hear(&w), "state:patch"));
    go_away(&w);
    tear_down();
}

/* ---- limits and memory ---- */

static enum zkt_status start_three(struct zkt_call *call)
{
    start_over(call, 10, 1);
    start_afk(call, 10, "ada");
    start_afk(call, 10, "ada");
    zkt_call_timer_stop(call, AFK, ZKT_STR("ada"));
    start_afk(call, 10, "bob");
    return ZKT_OK;
}

static enum zkt_status start_more(struct zkt_call *call)
{
    start_over(call, 10, 2);
    start_afk(call, 10, "eve");
    return ZKT_OK;
}

static void test_limit(void **state)
{
    (void)state;
    set_up_with((struct zkt_limits){ .timers = 3 });
    struct wire w = enter();
    run(&w, start_three);
    plays.go = start_more;
    assert_non_null(strstr(ask(&w, GO), "INTERNAL"));
    assert_non_null(strstr(logged, "too many timers of one instance"));
    assert_limit_hits(server, "timers", 1);
    assert_string_equal(within(10), "over:1 afk:bob");
    go_away(&w);
    tear_down();
}

/* Without memory a call changes nothing, or all, if only its result is lost
 * with the connection; timers that run fire all the same. Returns false if
 * there are no more allocations. */
static bool try_without_memory(long fail_at)
{
    set_up();
    struct wire w = enter();
    run(&w, over_in_100);
    plays.go = start_two;
    memory.calls = 0;
    memory.fail_at = fail_at;
    const char *answer = ask(&w, GO);
    const bool good = strcmp(answer, DONE) == 0;
    const bool failed = strstr(answer, "rpc:result") != NULL && !good;
    const bool reached = memory.calls >= fail_at;
    memory.fail_at = 0;
    const char *ran = within(100);
    const bool all = strstr(ran, "over:1 afk:ada") != NULL;
    assert_true(all ? !failed : !good);
    assert_true(all != (strstr(ran, "over:3") != NULL));
    go_away(&w);
    assert_int_equal(stats().timers, 0);
    tear_down();
    return reached;
}

/* The same for the first contact, which begins the ticks, and for a timer that
 * fires: it is spent. */
static bool try_firing_without_memory(long fail_at)
{
    set_up();
    struct wire w = enter();
    memory.calls = 0;
    memory.fail_at = fail_at;
    plays.go = start_two;
    (void)ask(&w, GO);
    (void)within(10);
    const bool reached = memory.calls >= fail_at;
    memory.fail_at = 0;
    assert_in_range(stats().timers, 0, 3);
    (void)within(100);
    go_away(&w);
    assert_int_equal(stats().timers, 0);
    w = enter();
    run(&w, NULL);
    assert_int_equal(stats().timers, 1);
    go_away(&w);
    assert_int_equal(stats().timers, 0);
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
    assert_in_range(fail_at, 3, 1000);
    for (fail_at = 1; try_firing_without_memory(fail_at); fail_at++) {
    }
    assert_in_range(fail_at, 3, 1000);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_undone),
        cmocka_unit_test(test_handlers),
        cmocka_unit_test(test_phase),
        cmocka_unit_test(test_contact),
        cmocka_unit_test(test_started),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_destroyed),
        cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_clock),
        cmocka_unit_test(test_missing_handler),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_program),
        cmocka_unit_test(test_credit),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_no_memory),
    };
    shards = count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
