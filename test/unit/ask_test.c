/*
 * Instances that tell and ask each other, on one, two and three shards of one
 * thread; the first argument is their number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "asking.h"
#include "limit_hits.h"

/* Counts how often @part occurs. */
static int count(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++) {
        n++;
    }
    return n;
}

/* ---- telling ---- */

static enum zkt_status tell_three(struct zkt_call *call)
{
    tell(call, ROOM, "b", 1);
    tell(call, HALL, "c", 2);
    tell(call, ROOM, "b", 3);
    note("told", ZKT_STR(""));
    return ZKT_OK;
}

/* A tell is a call of its own after the commit, of nobody in contact: no
 * `connect`, no middleware, internal methods. */
static void test_tell(void **state)
{
    (void)state;
    set_up();
    run("a", tell_three);
    const char *seen = trace_since();
    assert_ptr_equal(strstr(seen, "told"), seen);
    assert_non_null(strstr(seen, "go=OK/a"));
    assert_non_null(strstr(seen, "b:a+1"));
    assert_non_null(strstr(seen, "activate:c c:a+2"));
    assert_true(strstr(seen, "b:a+1") < strstr(seen, "b:a+3"));
    assert_null(strstr(seen, "connect"));
    assert_int_equal(stats().tells, 3);
    assert_int_equal(stats().tell_failures, 0);
    assert_int_equal(stats().instances, 1); /* hall c; the rooms are pristine */
    tear_down();
}

static enum zkt_status tell_itself(struct zkt_call *call)
{
    tell(call, ROOM, "a", 7);
    note("first", ZKT_STR(""));
    return ZKT_OK;
}

static void test_oneself(void **state)
{
    (void)state;
    set_up();
    run("a", tell_itself);
    assert_string_equal(trace_since(), "first go=OK/a a:a+7");
    tear_down();
}

static enum zkt_status tell_and_fail(struct zkt_call *call)
{
    (void)tell_three(call);
    return zkt_fail(call, ZKT_NOT_FOUND, "no");
}

static enum zkt_status tell_and_break(struct zkt_call *call)
{
    (void)tell_three(call);
    zkt_kick(call, ZKT_STR("x"), 1, NULL);
    return ZKT_OK;
}

/* A call that fails tells nothing. */
static void test_rollback(void **state)
{
    (void)state;
    set_up();
    run("a", tell_and_fail);
    assert_string_equal(trace_since(), "told go=NOT_FOUND/no");
    run("a", tell_and_break);
    assert_string_equal(trace_since(), "told go=INTERNAL/internal error");
    assert_int_equal(stats().tells, 0);
    assert_int_equal(stats().instances, 0);
    tear_down();
}

static enum zkt_status tell_nobody(struct zkt_call *call)
{
    tell(call, ROOM, "", 1);
    return ZKT_OK;
}

static enum zkt_status tell_long_name(struct zkt_call *call)
{
    static char name[258];
    memset(name, 'x', 257);
    tell(call, ROOM, "b", 1);
    tell(call, ROOM, name, 1);
    return ZKT_OK;
}

static enum zkt_status tell_nonsense(struct zkt_call *call)
{
    tell(call, ROOM, "b", 1);
    tell(call, ROOM, "b", 10000);
    tell(call, ROOM, "b", 1);
    return ZKT_OK;
}

/* A tell that cannot be made fails the call, with the reason in the log. */
static void test_mistakes(void **state)
{
    (void)state;
    set_up();
    run("a", tell_nobody);
    assert_string_equal(trace_since(), "go=INTERNAL/internal error");
    assert_non_null(strstr(logged, "it tells an actorId of 0 bytes"));
    run("a", tell_long_name);
    assert_string_equal(trace_since(), "go=INTERNAL/internal error");
    assert_non_null(strstr(logged, "it tells an actorId of 257 bytes"));
    run("a", tell_nonsense);
    assert_string_equal(trace_since(), "go=INTERNAL/internal error");
    assert_non_null(strstr(logged, "the input of add breaks a rule"));
    tear_down();
}

static enum zkt_status tell_twice(struct zkt_call *call)
{
    tell(call, ROOM, "b", 1);
    tell(call, ROOM, "b", 2);
    return ZKT_OK;
}

static void test_limits(void **state)
{
    (void)state;
    set_up_with((struct zkt_limits){ .tells = 2 });
    run("a", tell_twice);
    assert_non_null(strstr(trace_since(), "go=OK"));
    run("a", tell_three);
    assert_string_equal(trace_since(), "told go=INTERNAL/internal error");
    assert_non_null(strstr(logged, "it tells more than the limit tells"));
    assert_limit_hits(server, "tells", 1);
    tear_down();
    set_up_with((struct zkt_limits){ .tell_bytes = 1000 });
    run("a", tell_three);
    assert_string_equal(trace_since(), "told go=INTERNAL/internal error");
    assert_non_null(strstr(logged, "it tells more than the limit tell_bytes"));
    assert_limit_hits(server, "tell_bytes", 1);
    tear_down();
    set_up_with((struct zkt_limits){ .asking_bytes = 1000 * shards });
    run("a", tell_itself);
    assert_string_equal(trace_since(), "first go=OK/a a:a+7");
    run("a", tell_three);
    assert_string_equal(trace_since(),
                        "told go=RESOURCE_EXHAUSTED/out of memory");
    assert_non_null(strstr(logged, "the limit asking_bytes is reached"));
    assert_limit_hits(server, "asking_bytes", 1);
    tear_down();
}

static int finished;
static enum zkt_status finished_with;

static void keep_status(const struct zkt_reply *reply, const void *result,
                        void *user)
{
    (void)result;
    (void)user;
    finished++;
    finished_with = reply->status;
}

static void invoke_quietly(uint32_t method)
{
    assert_int_equal(zkt_server_invoke(server, ROOM, method, ZKT_STR("a"), NULL,
                                       NULL, call_done,
                                       (void (*)(void))keep_status, NULL),
                     ZKT_OK);
}

static bool multiplies;

static enum zkt_status tell_two(struct zkt_call *call, const struct add *in)
{
    (void)in;
    if (multiplies) {
        tell(call, ROOM, "b", 1);
        tell(call, ROOM, "c", 1);
    }
    return ZKT_OK;
}

static void run_turns(int count_of_turns)
{
    for (int i = 0; i < count_of_turns; i++) {
        for (uint32_t shard = 0; shard < shards; shard++) {
            struct zkt_core *core = zkt__server_core(
                zkt__server_shard(server, shard));
            core->ops->tick(core);
        }
    }
}

/* Tells that become more and more do not fill the memory, and leave clients
 * their turns. */
static void test_growth(void **state)
{
    (void)state;
    set_up_with((struct zkt_limits){ .asking_bytes = 20000 * shards,
                                     .turn_work = 5000,
                                     .log_per_second = 1 });
    plays.add = tell_two;
    plays.go = tell_twice;
    multiplies = true;
    traces = false;
    finished = 0;
    for (int i = 1; i <= 3; i++) {
        invoke_quietly(GO);
        run_turns(1000);
        assert_int_equal(finished, i);
        assert_int_equal(finished_with, ZKT_OK);
        plays.go = NULL;
    }
    assert_true(stats().limit_hits.asking_bytes > 0);
    for (uint32_t i = 0; i < shards; i++) {
        assert_in_range(zkt__server_shard(server, i)->instances.asking_bytes, 0,
                        20000);
    }
    multiplies = false;
    pass(0);
    traces = true;
    assert_int_equal(zkt__server_shard(server, 0)->instances.asking_bytes, 0);
    tear_down();
}

static enum zkt_status fail_add(struct zkt_call *call, const struct add *in)
{
    (void)in;
    return zkt_fail(call, ZKT_NOT_FOUND, "no such thing");
}

/* The failure of a told call is logged and counted. */
static void test_lost(void **state)
{
    (void)state;
    set_up();
    plays.add = fail_add;
    run("a", tell_twice);
    assert_int_equal(stats().tells, 2);
    assert_int_equal(stats().tell_failures, 2);
    assert_non_null(strstr(logged,
                           "room \"b\": add: the tell failed: no such thing "
                           "(NOT_FOUND)"));
    tear_down();
}

static const struct door_authed ada = { ZKT_STR_INIT("ada") };

static enum zkt_status tell_guarded(struct zkt_call *call)
{
    const void *outputs[] = { &ada };
    zkt_call_tell(call, ROOM, GUARDED, ZKT_STR("b"), outputs, NULL);
    return ZKT_OK;
}

/* The caller gives the contexts of a method. */
static void test_contexts(void **state)
{
    (void)state;
    set_up();
    run("a", tell_guarded);
    assert_non_null(strstr(trace_since(), "guarded:ada"));
    tear_down();
}

/* ---- order ---- */

static int32_t next_number;

static enum zkt_status tell_numbers(struct zkt_call *call)
{
    for (int i = 0; i < 5; i++) {
        tell(call, ROOM, "b", next_number++);
    }
    return ZKT_OK;
}

static int32_t expected_number;

static enum zkt_status expect_number(struct zkt_call *call,
                                     const struct add *in)
{
    (void)call;
    assert_int_equal(in->by, expected_number++);
    return ZKT_OK;
}

/* Order is kept, also if the channel between two shards takes a message at a
 * time, and if the other shard has no turn. */
static void test_order(void **state)
{
    (void)state;
    set_up_with((struct zkt_limits){ .channel_messages = 1 });
    next_number = expected_number = 0;
    plays.add = expect_number;
    plays.go = tell_numbers;
    for (int i = 0; i < 20; i++) {
        invoke(ROOM, GO, "a", NULL);
        zkt_server_advance(server, 0);
    }
    assert_in_range(expected_number, shards == 1 ? 100 : 0,
                    shards == 1 ? 100 : 1);
    for (int i = 0; i < 100; i++) {
        pass(0);
    }
    assert_int_equal(expected_number, 100);
    tear_down();
}

/* ---- asking ---- */

static enum zkt_status ask_b(struct zkt_call *call)
{
    ask_add(call, ROOM, "b", 4, note_reply, (void *)(uintptr_t) "b");
    note("asked", ZKT_STR(""));
    return ZKT_OK;
}

/* An ask is sent at once, its reply comes later. It does not wait for the
 * commit. */
static void test_ask(void **state)
{
    (void)state;
    set_up();
    seek("a", ask_b);
    const char *seen = trace_since();
    assert_ptr_equal(strstr(seen, "asked"), seen);
    assert_non_null(strstr(seen, "go=OK/a"));
    assert_non_null(strstr(seen, "b=OK/a+4"));
    assert_true(strstr(seen, "b:a+4") < strstr(seen, "b=OK/a+4"));
    assert_int_equal(stats().asks, 1);
    tear_down();
}

static enum zkt_status ask_and_fail(struct zkt_call *call)
{
    (void)ask_b(call);
    return zkt_fail(call, ZKT_NOT_FOUND, "no");
}

static enum zkt_status ban(struct zkt_call *call, const struct add *in)
{
    va_list none;
    memset(&none, 0, sizeof(none));
    (void)in;
    return zkt_call_fail(call, 0, &(const int32_t){ 3 }, NULL, none);
}

static void note_banned(const struct zkt_reply *reply, const void *result,
                        void *user)
{
    assert_null(result);
    assert_true(zkt_reply_is(reply, &door_errors[0]));
    note(user, zkt_cstr(reply->error));
}

static enum zkt_status ask_ban(struct zkt_call *call)
{
    ask_add(call, ROOM, "b", 4, note_banned, (void *)(uintptr_t) "banned");
    return ZKT_OK;
}

static void count_issue(struct zkt_str code, struct zkt_str path,
                        struct zkt_str message, void *user)
{
    assert_true(zkt_str_eq(path, ZKT_STR("[\"by\"]")));
    assert_true(code.len > 0 && message.len > 0);
    ++*(int *)user;
}

static void note_invalid(const struct zkt_reply *reply, const void *result,
                         void *user)
{
    int issues = 0;
    assert_null(result);
    assert_int_equal(reply->status, ZKT_INVALID_ARGUMENT);
    zkt_reply_issues(reply, count_issue, &issues);
    assert_int_equal(issues, 1);
    note(user, ZKT_STR(""));
}

static enum zkt_status ask_nonsense(struct zkt_call *call)
{
    ask_add(call, ROOM, "b", 10000, note_invalid,
            (void *)(uintptr_t) "invalid");
    ask_add(call, ROOM, "", 1, note_reply, (void *)(uintptr_t) "empty");
    return ZKT_OK;
}

static enum zkt_status ask_guarded(struct zkt_call *call)
{
    const void *outputs[] = { &ada };
    zkt_call_ask(call, ROOM, GUARDED, ZKT_STR("b"), outputs, NULL, call_done,
                 (void (*)(void))note_reply, (void *)(uintptr_t) "b");
    return ZKT_OK;
}

static void test_replies(void **state)
{
    (void)state;
    set_up();
    seek("a", ask_and_fail);
    assert_non_null(strstr(trace_since(), "b=OK/a+4"));
    seek("a", ask_nonsense);
    const char *seen = trace_since();
    assert_non_null(strstr(seen, "invalid"));
    assert_non_null(strstr(seen, "empty=INVALID_ARGUMENT/"));
    seek("a", ask_guarded);
    assert_non_null(strstr(trace_since(), "b=OK/ada"));
    plays.add = ban;
    seek("a", ask_ban);
    assert_non_null(strstr(trace_since(), "banned:You are banned."));
    tear_down();
}

static enum zkt_status ask_66(struct zkt_call *call)
{
    for (int i = 0; i < 66; i++) {
        ask_add(call, ROOM, "b", i, note_reply, (void *)(uintptr_t) "b");
    }
    return ZKT_OK;
}

static void test_many(void **state)
{
    (void)state;
    set_up();
    seek("a", ask_66);
    const char *seen = trace_since();
    assert_int_equal(count(seen, "b=OK/a+"), 64);
    assert_int_equal(count(seen, "b=RESOURCE_EXHAUSTED/a call asks at most 64 "
                                 "times"),
                     2);
    tear_down();
}

/* ---- holding ---- */

static const struct zkt_reply *kept_reply;
static const struct zkt_str *kept_result;

static void resume_waiting(const struct zkt_reply *reply, const void *result,
                           void *user);

static enum zkt_status see_reply(struct zkt_call *call, void (*then)(void),
                                 const void *input, void *result, void *user)
{
    (void)then;
    (void)input;
    (void)result;
    if (zkt_cancelled(call)) {
        note("cancelled", ZKT_STR(""));
        return ZKT_OK;
    }
    assert_int_equal(kept_reply->status, ZKT_OK);
    note(user != NULL ? user : "second", *kept_result);
    return ZKT_OK;
}

static void resume_waiting(const struct zkt_reply *reply, const void *result,
                           void *user)
{
    kept_reply = reply;
    kept_result = result;
    note_reply(reply, result, (void *)(uintptr_t) "reply");
    zkt_deferred_resume(held, see_reply, NULL, user);
}

static enum zkt_status end_well(struct zkt_call *call, void (*then)(void),
                                const void *input, void *result, void *user)
{
    (void)call;
    (void)then;
    (void)input;
    (void)result;
    (void)user;
    return ZKT_OK;
}

static void resume_if_alone(const struct zkt_reply *reply, const void *result,
                            void *user)
{
    (void)user;
    note_reply(reply, result, (void *)(uintptr_t) "reply");
    zkt_deferred_resume(held, end_well, NULL, NULL);
}

static struct zkt_deferred *chained[32];

static void resume_chained(const struct zkt_reply *reply, const void *result,
                           void *user)
{
    note_reply(reply, result, (void *)(uintptr_t) "reply");
    zkt_deferred_resume(*(struct zkt_deferred **)user, end_well, NULL, NULL);
}

static enum zkt_status ask_and_wait(struct zkt_call *call)
{
    held = zkt_call_defer(call, ZKT_MEMBER_METHOD, SEEK);
    ask_add(call, ROOM, "b", 4, resume_waiting, NULL);
    return ZKT_PENDING;
}

/* Reply and result live until the asking call ends. */
static void test_wait(void **state)
{
    (void)state;
    set_up();
    seek("a", ask_and_wait);
    const char *seen = trace_since();
    assert_non_null(strstr(seen, "reply=OK/a+4"));
    assert_non_null(strstr(seen, "second:a+4"));
    assert_non_null(strstr(seen, "go=OK/"));
    tear_down();
}

static struct zkt_deferred *slow_add;

static enum zkt_status hold_add(struct zkt_call *call, const struct add *in)
{
    (void)in;
    slow_add = zkt_call_defer(call, ZKT_MEMBER_METHOD, ADD);
    return ZKT_PENDING;
}

static enum zkt_status end_add(struct zkt_call *call, void (*then)(void),
                               const void *input, void *result, void *user)
{
    (void)then;
    (void)input;
    (void)user;
    (void)call;
    *(struct zkt_str *)result = ZKT_STR("late");
    return ZKT_OK;
}

/* The asking call ends before the reply comes, and is resumed afterwards. */
static void test_asker_ends(void **state)
{
    (void)state;
    set_up_with((struct zkt_limits){ .handler_ms = 50 });
    plays.add = hold_add;
    seek("a", ask_and_wait);
    (void)trace_since();
    pass(40);
    struct zkt_deferred *held_add = slow_add;
    zkt_deferred_resume(held_add, end_add, NULL, NULL);
    assert_string_equal(trace_since(), "");
    pass(0);
    assert_non_null(strstr(trace_since(), "second:late"));
    seek("a", ask_and_wait);
    pass(50);
    zkt_deferred_resume(slow_add, end_add, NULL, NULL);
    pass(0);
    const char *seen = trace_since();
    assert_non_null(strstr(seen, "go=DEADLINE_EXCEEDED"));
    assert_non_null(strstr(seen, "reply=DEADLINE_EXCEEDED"));
    assert_non_null(strstr(seen, "cancelled"));
    tear_down();
}

/* The time of the asking call is that of the asked call, too. */
static void test_deadline(void **state)
{
    (void)state;
    set_up();
    plays.add = hold_add;
    plays.seek = ask_and_wait;
    struct wire w = knock("/", "", NULL);
    (void)hear(&w);
    say(&w, "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"room\","
            "\"actorId\":\"a\",\"method\":\"seek\",\"timeoutMs\":70}");
    pass(0);
    pass(69);
    assert_false(zkt_deferred_cancelled(slow_add));
    assert_string_equal(hear(&w), "");
    pass(1);
    assert_true(zkt_deferred_cancelled(slow_add));
    assert_non_null(strstr(hear(&w), "\"DEADLINE_EXCEEDED\""));
    assert_int_equal(stats().expired, 2);
    zkt_deferred_resume(slow_add, end_add, NULL, NULL);
    pass(0);
    assert_non_null(strstr(trace_since(), "reply=DEADLINE_EXCEEDED"));
    leave(&w);
    tear_down();
}

static void keep_waiting(const struct zkt_reply *reply, const void *result,
                         void *user)
{
    note_reply(reply, result, user);
    kept_reply = reply;
    kept_result = result;
}

static enum zkt_status ask_and_stay(struct zkt_call *call)
{
    held = zkt_call_defer(call, ZKT_MEMBER_METHOD, SEEK);
    ask_add(call, ROOM, "b", 4, keep_waiting, (void *)(uintptr_t) "reply");
    return ZKT_PENDING;
}

static enum zkt_status see_cancelled(struct zkt_call *call, void (*then)(void),
                                     const void *input, void *result,
                                     void *user)
{
    (void)then;
    (void)input;
    (void)result;
    (void)user;
    assert_true(zkt_cancelled(call));
    assert_true(zkt_str_eq(*kept_result, ZKT_STR("a+4")));
    ask_add(call, ROOM, "b", 5, note_reply, (void *)(uintptr_t) "late");
    tell(call, ROOM, "b", 6);
    note("then", ZKT_STR(""));
    return ZKT_OK;
}

/* A reply that has come is there for the second half of a call that has ended,
 * which may not ask any more: it hears so at once. */
static void test_cancelled(void **state)
{
    (void)state;
    set_up_with((struct zkt_limits){ .handler_ms = 50 });
    seek("a", ask_and_stay);
    assert_non_null(strstr(trace_since(), "reply=OK/a+4"));
    pass(50);
    assert_string_equal(trace_since(), "go=DEADLINE_EXCEEDED/the handler did "
                                       "not finish in time");
    zkt_deferred_resume(held, see_cancelled, NULL, NULL);
    pass(0);
    assert_string_equal(trace_since(), "late=CANCELLED/cancelled then");
    tear_down();
}

/* The same after the server. */
static void test_cancelled_after_server(void **state)
{
    (void)state;
    set_up();
    seek("a", ask_and_stay);
    tear_down_with(true);
    trace[0] = '\0';
    zkt_deferred_resume(held, see_cancelled, NULL, NULL);
    assert_string_equal(trace_since(), "late=CANCELLED/cancelled then");
    assert_int_equal(memory.live, 0);
}

/* ---- who may ask ---- */

static enum zkt_status run_script(struct zkt_call *call, void (*fn)(void),
                                  void *user)
{
    (void)user;
    return ((script_function *)fn)(call);
}

static enum zkt_status start_tick(struct zkt_call *call)
{
    zkt_call_timer_start(call, 0, 1, NULL);
    return ZKT_OK;
}

static enum zkt_status tell_and_ask(struct zkt_call *call)
{
    tell(call, ROOM, "b", 1);
    return ask_b(call);
}

#define MAY_NOT                                                                \
    "b=FAILED_PRECONDITION/only hooks, streams and methods that interleave "   \
    "may ask"

/* A method that holds its instance, a timer and a function of the program may
 * not ask; all may tell. */
static void test_who(void **state)
{
    (void)state;
    set_up();
    run("a", tell_and_ask);
    const char *seen = trace_since();
    assert_non_null(strstr(seen, MAY_NOT));
    assert_non_null(strstr(seen, "b:a+1"));
    assert_non_null(strstr(logged, "room \"a\": go: it asks, which only hooks, "
                                   "streams and methods that interleave may "
                                   "do"));
    logged[0] = '\0';
    run("a", start_tick);
    (void)trace_since();
    plays.timer = tell_and_ask;
    pass(1);
    seen = trace_since();
    assert_non_null(strstr(seen, MAY_NOT));
    assert_non_null(strstr(seen, "b:a+1"));
    assert_non_null(strstr(logged, "room \"a\": tick: it asks"));
    assert_int_equal(zkt_server_run(server, ROOM, ZKT_STR("a"), run_script,
                                    (void (*)(void))tell_and_ask, NULL),
                     ZKT_OK);
    pass(0);
    seen = trace_since();
    assert_non_null(strstr(seen, MAY_NOT));
    assert_non_null(strstr(seen, "b:a+1"));
    tear_down();
}

static enum zkt_status open_tells(struct zkt_call *call,
                                  const struct gate_input *in,
                                  struct door_data *out)
{
    (void)in;
    (void)out;
    tell(call, ROOM, "b", 1);
    return ZKT_OK;
}

static enum zkt_status open_asks(struct zkt_call *call,
                                 const struct gate_input *in,
                                 struct door_data *out)
{
    (void)in;
    (void)out;
    return ask_b(call);
}

static void close_tells(struct zkt_call *call)
{
    tell(call, ROOM, "b", 1);
}

/* A call of a connection is of no instance: it fails, and the log says so. */
static void test_connections(void **state)
{
    (void)state;
    set_up();
    script.open = open_tells;
    struct wire w = knock("/", "", NULL);
    assert_non_null(strstr(hear(&w), "500"));
    leave(&w);
    assert_non_null(strstr(logged, "only an instance can tell"));
    (void)trace_since();
    script.open = open_asks;
    w = knock("/", "", NULL);
    assert_non_null(strstr(hear(&w), "500"));
    leave(&w);
    assert_non_null(strstr(logged, "only an instance can ask"));
    assert_non_null(strstr(trace_since(), "asked b=FAILED_PRECONDITION/the "
                                          "asking call has failed"));
    logged[0] = '\0';
    script.open = NULL;
    script.close = close_tells;
    w = knock("/", "", NULL);
    leave(&w);
    assert_non_null(strstr(logged, "only an instance can tell"));
    assert_int_equal(stats().tells, 0);
    tear_down();
}

static enum zkt_status poisoned_ask(struct zkt_call *call)
{
    tell(call, ROOM, "", 1);
    return ask_b(call);
}

static void test_poisoned(void **state)
{
    (void)state;
    set_up();
    seek("a", poisoned_ask);
    const char *seen = trace_since();
    assert_non_null(strstr(seen, "b=FAILED_PRECONDITION/the asking call has "
                                 "failed"));
    assert_non_null(strstr(seen, "go=INTERNAL"));
    tear_down();
}

/* ---- hooks ---- */

static enum zkt_status ask_in_activate(struct zkt_call *call, const char *name)
{
    if (strcmp(name, "activate") != 0) {
        return ZKT_OK;
    }
    held = zkt_call_defer(call, ZKT_MEMBER_HOOK, ZKT_HOOK_ACTIVATE);
    ask_add(call, ROOM, "b", 4, resume_waiting, NULL);
    return ZKT_PENDING;
}

/* A hook may ask and hold its instance; the messages for it wait. */
static void test_hook(void **state)
{
    (void)state;
    set_up();
    plays.hook = ask_in_activate;
    invoke(HALL, GO, "a", NULL);
    pass(0);
    assert_string_equal(trace_since(),
                        "activate:a b:a+4 reply=OK/a+4 second:a+4 go=OK/a");
    tear_down();
}

static enum zkt_status activate_asks_itself(struct zkt_call *call,
                                            const char *name)
{
    if (strcmp(name, "activate") != 0) {
        return ZKT_OK;
    }
    held = zkt_call_defer(call, ZKT_MEMBER_HOOK, ZKT_HOOK_ACTIVATE);
    ask_add(call, HALL, zkt_instance_id(call).data, 4, resume_if_alone, NULL);
    return ZKT_PENDING;
}

/* A hook that waits for its own instance would wait for ever. */
static void test_hook_of_itself(void **state)
{
    (void)state;
    set_up();
    plays.hook = activate_asks_itself;
    invoke(HALL, GO, "a", NULL);
    pass(0);
    assert_string_equal(trace_since(),
                        "activate:a reply=FAILED_PRECONDITION/a circle of "
                        "asks: hall \"a\" > hall \"a\" go=OK/a");
    tear_down();
}

static enum zkt_status activate_asks_the_next(struct zkt_call *call,
                                              const char *name)
{
    struct zkt_deferred **deferred = NULL;
    const char *id = zkt_instance_id(call).data;
    if (strcmp(name, "activate") != 0) {
        return ZKT_OK;
    }
    deferred = &chained[id[0] - 'a'];
    *deferred = zkt_call_defer(call, ZKT_MEMBER_HOOK, ZKT_HOOK_ACTIVATE);
    ask_add(call, HALL,
            id[0] == 'c'   ? "a"
            : id[0] == 'b' ? "c"
                           : "b",
            4, resume_chained, deferred);
    return ZKT_PENDING;
}

/* A circle of hooks that start instances is refused where it closes. */
static void test_circle_of_hooks(void **state)
{
    (void)state;
    set_up();
    plays.hook = activate_asks_the_next;
    invoke(HALL, GO, "a", NULL);
    for (int i = 0; i < 4; i++) {
        pass(0);
    }
    assert_string_equal(
        trace_since(),
        "activate:a activate:b activate:c reply=FAILED_PRECONDITION/a circle "
        "of asks: hall \"a\" > hall \"b\" > hall \"c\" > hall \"a\" c:b+4 "
        "reply=OK/b+4 b:a+4 reply=OK/a+4 go=OK/a");
    tear_down();
}

static enum zkt_status activate_asks_and_goes_on(struct zkt_call *call,
                                                 const char *name)
{
    if (strcmp(name, "activate") == 0) {
        ask_add(call, HALL, zkt_instance_id(call).data, 4, note_reply,
                (void *)(uintptr_t) "reply");
    }
    return ZKT_OK;
}

/* A hook that does not wait holds nothing. */
static void test_hook_that_goes_on(void **state)
{
    (void)state;
    set_up();
    plays.hook = activate_asks_and_goes_on;
    invoke(HALL, GO, "a", NULL);
    pass(0);
    const char *seen = trace_since();
    assert_non_null(strstr(seen, "reply=OK/a+4"));
    assert_non_null(strstr(seen, "go=OK/a"));
    tear_down();
}

/* ---- depth ---- */

static enum zkt_status ask_the_next(struct zkt_call *call)
{
    char next[16];
    const int number = atoi(zkt_instance_id(call).data);
    struct zkt_deferred **deferred = &chained[number];
    snprintf(next, sizeof(next), "%d", number + 1);
    *deferred = zkt_call_defer(call, ZKT_MEMBER_METHOD, SEEK);
    ask_method(call, ROOM, SEEK, next, NULL, resume_chained, deferred);
    return ZKT_PENDING;
}

/* The chain of calls that ask each other has an end. */
static void test_depth(void **state)
{
    (void)state;
    set_up();
    seek("1", ask_the_next);
    for (int i = 0; i < 20; i++) {
        pass(0);
    }
    const char *seen = trace_since();
    assert_int_equal(count(seen, "reply="), 17);
    assert_int_equal(count(seen, "reply=RESOURCE_EXHAUSTED/more than 16 calls "
                                 "ask each other"),
                     1);
    assert_int_equal(count(seen, "reply=OK"), 16);
    assert_non_null(strstr(seen, "go=OK/"));
    tear_down();
}

/* Asks the next of a, b and c; from the first round on its own instance. */
static int left;

static enum zkt_status ask_in_a_circle(struct zkt_call *call)
{
    const char at = zkt_instance_id(call).data[0];
    const char next[] = { left > 8    ? at
                          : at == 'c' ? 'a'
                                      : (char)(at + 1),
                          '\0' };
    note("at", zkt_instance_id(call));
    if (left == 0) {
        return ZKT_OK;
    }
    struct zkt_deferred **deferred = &chained[left--];
    *deferred = zkt_call_defer(call, ZKT_MEMBER_METHOD, SEEK);
    ask_method(call, ROOM, SEEK, next, NULL, resume_chained, deferred);
    tell(call, ROOM, next, left);
    return ZKT_PENDING;
}

/* Methods that interleave may ask in a circle, also their own instance. Each
 * half is a commit, with its tells. */
static void test_circle(void **state)
{
    (void)state;
    set_up();
    left = 10;
    seek("a", ask_in_a_circle);
    for (int i = 0; i < 10; i++) {
        pass(0);
    }
    const char *seen = trace_since();
    assert_int_equal(count(seen, "at:a"), 5);
    assert_int_equal(count(seen, "at:b"), 3);
    assert_int_equal(count(seen, "at:c"), 3);
    assert_int_equal(count(seen, "reply=OK"), 10);
    assert_non_null(strstr(seen, "go=OK/"));
    assert_int_equal(stats().tells, 10);
    assert_int_equal(stats().deferred, 0);
    tear_down();
}

static enum zkt_status ask_and_tell_later(struct zkt_call *call)
{
    held = zkt_call_defer(call, ZKT_MEMBER_METHOD, SEEK);
    tell(call, ROOM, "b", 1);
    ask_add(call, ROOM, "b", 2, keep_waiting, (void *)(uintptr_t) "reply");
    return ZKT_PENDING;
}

static enum zkt_status tell_and_fail_later(struct zkt_call *call,
                                           void (*then)(void),
                                           const void *input, void *result,
                                           void *user)
{
    (void)then;
    (void)input;
    (void)result;
    (void)user;
    assert_true(zkt_str_eq(*kept_result, ZKT_STR("a+2")));
    tell(call, ROOM, "b", 3);
    ask_add(call, ROOM, "b", 4, note_reply, (void *)(uintptr_t) "second");
    return zkt_fail(call, ZKT_NOT_FOUND, "no");
}

/* The tells of a half that has committed are sent, those of one that fails are
 * not; an ask is sent in any case. */
static void test_halves(void **state)
{
    (void)state;
    set_up();
    seek("a", ask_and_tell_later);
    const char *seen = trace_since();
    assert_true(strstr(seen, "b:a+2") < strstr(seen, "b:a+1"));
    assert_non_null(strstr(seen, "reply=OK/a+2"));
    zkt_deferred_resume(held, tell_and_fail_later, NULL, NULL);
    pass(0);
    seen = trace_since();
    assert_non_null(strstr(seen, "go=NOT_FOUND/no"));
    assert_non_null(strstr(seen, "second=OK/a+4"));
    assert_int_equal(stats().tells, 1);
    tear_down();
}

/* ---- time ---- */

static enum zkt_status ask_soon_and_wait(struct zkt_call *call)
{
    held = zkt_call_defer(call, ZKT_MEMBER_METHOD, SOON);
    ask_add(call, ROOM, "b", 4, note_reply, (void *)(uintptr_t) "reply");
    return ZKT_PENDING;
}

static enum zkt_status ask_for_soon(struct zkt_call *call)
{
    plays.seek = ask_soon_and_wait;
    ask_method(call, ROOM, SOON, "c", NULL, note_reply,
               (void *)(uintptr_t) "soon");
    return ZKT_OK;
}

static enum zkt_status tell_soon(struct zkt_call *call)
{
    plays.seek = ask_soon_and_wait;
    zkt_call_tell(call, ROOM, SOON, ZKT_STR("c"), NULL, NULL);
    return ZKT_OK;
}

#define IS_OVER "=DEADLINE_EXCEEDED/the time of the call is over"

/* The time of a call is that of the call that it asks, and so on; that of a
 * method bounds each call of it. */
static void test_times_of_methods(void **state)
{
    (void)state;
    set_up();
    plays.add = hold_add;
    seek("a", ask_for_soon);
    pass(19);
    const char *seen = trace_since();
    assert_null(strstr(seen, "DEADLINE"));
    assert_int_equal(stats().deferred, 2);
    pass(1);
    seen = trace_since();
    assert_non_null(strstr(seen, "reply" IS_OVER));
    assert_non_null(strstr(seen, "soon" IS_OVER));
    assert_int_equal(stats().deferred, 0);
    zkt_deferred_resume(held, end_well, NULL, NULL);
    zkt_deferred_resume(slow_add, end_add, NULL, NULL);
    run("a", tell_soon);
    pass(20);
    assert_non_null(strstr(trace_since(), "reply" IS_OVER));
    assert_int_equal(stats().tell_failures, 1);
    zkt_deferred_resume(held, end_well, NULL, NULL);
    zkt_deferred_resume(slow_add, end_add, NULL, NULL);
    invoke(ROOM, SOON, "a", NULL);
    pass(0);
    pass(20);
    seen = trace_since();
    assert_non_null(strstr(seen, "go" IS_OVER));
    assert_non_null(strstr(seen, "reply" IS_OVER));
    zkt_deferred_resume(held, end_well, NULL, NULL);
    zkt_deferred_resume(slow_add, end_add, NULL, NULL);
    tear_down();
}

/* A call that waits for a reply ends with its instance: the reply comes all the
 * same. */
static enum zkt_status destroy(struct zkt_call *call)
{
    zkt_destroy(call);
    return ZKT_OK;
}

static void test_asker_is_destroyed(void **state)
{
    (void)state;
    set_up();
    plays.add = hold_add;
    seek("a", ask_and_wait);
    run("a", destroy);
    pass(0);
    const char *seen = trace_since();
    assert_int_equal(count(seen, "go=ABORTED/the instance was destroyed"), 1);
    assert_null(strstr(seen, "reply"));
    zkt_deferred_resume(slow_add, end_add, NULL, NULL);
    pass(0);
    seen = trace_since();
    assert_non_null(strstr(seen, "reply=OK/late"));
    assert_non_null(strstr(seen, "cancelled"));
    tear_down();
}

/* ---- targets that do not answer ---- */

static enum zkt_status ask_hall(struct zkt_call *call)
{
    ask_add(call, HALL, "b", 4, note_reply, (void *)(uintptr_t) "hall");
    return ZKT_OK;
}

static enum zkt_status fail_activate(struct zkt_call *call, const char *name)
{
    (void)call;
    return strcmp(name, "activate") == 0 ? ZKT_INTERNAL : ZKT_OK;
}

static enum zkt_status end_destroying(struct zkt_call *call, void (*then)(void),
                                      const void *input, void *result,
                                      void *user)
{
    (void)then;
    (void)input;
    (void)result;
    (void)user;
    return destroy(call);
}

static void test_targets(void **state)
{
    (void)state;
    set_up_with((struct zkt_limits){ .mailbox_messages = 2 });
    plays.hook = fail_activate;
    seek("a", ask_hall);
    assert_non_null(strstr(trace_since(), "hall=UNAVAILABLE/"));
    plays.hook = NULL;
    pass(2000);
    plays.add = hold_add;
    seek("a", ask_b); /* it is held */
    seek("a", ask_b); /* this one waits */
    seek("a", ask_b); /* there is no room for it */
    assert_non_null(strstr(trace_since(), "b=RESOURCE_EXHAUSTED/too many "
                                          "messages wait for the instance"));
    zkt_deferred_resume(slow_add, end_destroying, NULL, NULL);
    pass(0);
    const char *seen = trace_since();
    assert_int_equal(count(seen, "b=OK"), 1);
    assert_int_equal(count(seen, "b=ABORTED/the instance was destroyed"), 1);
    tear_down();
}

/* ---- stopping ---- */

static enum zkt_status tell_on(struct zkt_call *call, const struct add *in)
{
    if (in->by > 0) {
        tell(call, ROOM, zkt_instance_id(call).data[0] == 'b' ? "c" : "b",
             in->by - 1);
    }
    return ZKT_OK;
}

static enum zkt_status start_telling(struct zkt_call *call)
{
    tell(call, ROOM, "b", 9);
    return ZKT_OK;
}

/* Tells of final commits are delivered while the server drains. */
static void test_draining(void **state)
{
    (void)state;
    set_up();
    plays.add = tell_on;
    plays.go = start_telling;
    invoke(ROOM, GO, "a", NULL);
    zkt_server_shutdown(server);
    for (int i = 0; i < 20; i++) {
        pass(0);
    }
    assert_non_null(strstr(trace_since(), "b+0"));
    assert_int_equal(stats().tells, 10);
    assert_int_equal(stats().tell_failures, 0);
    assert_true(zkt_server_is_down(server));
    tear_down();
}

static enum zkt_status tell_at_the_end(struct zkt_call *call, const char *name)
{
    if (strcmp(name, "deactivate") == 0) {
        tell(call, ROOM, "b", 1);
        ask_add(call, ROOM, "b", 2, note_reply, (void *)(uintptr_t) "b");
    }
    return ZKT_OK;
}

/* A hook that ends an instance may tell and ask; when the server stops, its
 * tells are dropped, its asks refused. */
static void test_deactivate(void **state)
{
    (void)state;
    set_up_with((struct zkt_limits){ .idle_ms = 10 });
    plays.hook = tell_at_the_end;
    invoke(HALL, GO, "a", NULL);
    pass(0);
    (void)trace_since();
    pass(10);
    pass(0);
    const char *seen = trace_since();
    assert_non_null(strstr(seen, "b:a+1"));
    assert_non_null(strstr(seen, "b=OK/a+2"));
    invoke(HALL, GO, "a", NULL);
    pass(0);
    (void)trace_since();
    zkt_server_shutdown(server);
    for (int i = 0; i < 4; i++) {
        pass(0);
    }
    assert_string_equal(trace_since(),
                        "deactivate:a b=UNAVAILABLE/the server stops");
    assert_int_equal(stats().tells, 1);
    assert_int_equal(stats().tell_failures, 0);
    tear_down();
}

/* An ask that is held and one that waits end with the server, also without a
 * shutdown. */
static void test_freed(void **state)
{
    (void)state;
    set_up();
    plays.add = hold_add;
    seek("a", ask_b);
    seek("a", ask_b);
    (void)trace_since();
    tear_down_with(true);
    assert_string_equal(trace_since(), "b=UNAVAILABLE/the server stops "
                                       "b=UNAVAILABLE/the server stops");
    zkt_deferred_resume(slow_add, end_add, NULL, NULL);
    assert_int_equal(memory.live, 0);
}

static enum zkt_status activate_waits(struct zkt_call *call, const char *name)
{
    if (strcmp(name, "activate") != 0) {
        return ZKT_OK;
    }
    held = zkt_call_defer(call, ZKT_MEMBER_HOOK, ZKT_HOOK_ACTIVATE);
    return ZKT_PENDING;
}

/* An ask that waits for `activate` ends with the server. */
static void test_freed_hook(void **state)
{
    (void)state;
    set_up();
    plays.hook = activate_waits;
    seek("a", ask_hall);
    (void)trace_since();
    tear_down_with(true);
    assert_string_equal(trace_since(), "hall=UNAVAILABLE/unavailable");
    zkt_deferred_resume(held, end_well, NULL, NULL);
    assert_int_equal(memory.live, 0);
}

static enum zkt_status ask_in_connect(struct zkt_call *call, const char *name)
{
    if (strcmp(name, "connect") != 0) {
        return ZKT_OK;
    }
    held = zkt_call_defer(call, ZKT_MEMBER_HOOK, ZKT_HOOK_CONNECT);
    ask_add(call, ROOM, "b", 4, resume_if_alone, NULL);
    return ZKT_PENDING;
}

/* `connect` may ask, and hold its client back meanwhile. */
static void test_connect(void **state)
{
    (void)state;
    set_up();
    struct wire w = knock("/", "", NULL);
    (void)hear(&w);
    (void)trace_since();
    plays.hook = ask_in_connect;
    say(&w, "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"hall\","
            "\"actorId\":\"a\",\"method\":\"go\"}");
    assert_string_equal(hear(&w), RESULT("1", "a"));
    assert_string_equal(trace_since(),
                        "activate:a connect:a b:a+4 reply=OK/a+4");
    plays.hook = NULL;
    leave(&w);
    tear_down();
}

/* ---- memory ---- */

static int told, asked, replies;

static enum zkt_status count_told(struct zkt_call *call, const struct add *in)
{
    (void)call;
    (void)in;
    told++;
    return ZKT_OK;
}

static void count_reply(const struct zkt_reply *reply, const void *result,
                        void *user)
{
    assert_true((reply->status == ZKT_OK) == (result != NULL));
    assert_true(reply->status == ZKT_OK ||
                reply->status == ZKT_RESOURCE_EXHAUSTED ||
                reply->status == ZKT_FAILED_PRECONDITION);
    ++*(int *)user;
}

static enum zkt_status tell_and_ask_many(struct zkt_call *call)
{
    const int32_t n = 1;
    zkt_state_set(zkt_call_cursor(call), 0, &n);
    tell(call, ROOM, "b", 1);
    ask_add(call, ROOM, "c", 1, count_reply, &replies);
    tell(call, ROOM, "c", 1);
    ask_method(call, ROOM, GO, "b", NULL, count_reply, &replies);
    asked += 2;
    return ZKT_OK;
}

/* Every allocation fails once: a call tells both or nobody, its asks are
 * answered once, and its tells are lost only with a line in the log. */
static void test_memory(void **state)
{
    bool failed = true;
    (void)state;
    for (long n = 1; failed; n++) {
        set_up();
        plays.add = count_told;
        plays.seek = tell_and_ask_many;
        told = asked = replies = finished = 0;
        traces = false;
        invoke_quietly(SEEK);
        memory.fail_at = memory.calls + n;
        pass(0);
        failed = memory.calls >= memory.fail_at;
        memory.fail_at = 0;
        pass(0);
        traces = true;
        const struct zkt_server_stats all = stats();
        assert_int_equal(finished, 1);
        assert_true(all.tells == 0 || all.tells == 2);
        assert_true(finished_with == ZKT_OK || all.tells == 0);
        assert_int_equal(replies, asked);
        assert_true((uint64_t)told + all.tell_failures >= all.tells);
        assert_true(failed || (told == 3 && all.tell_failures == 0));
        tear_down();
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tell),
        cmocka_unit_test(test_oneself),
        cmocka_unit_test(test_rollback),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_contexts),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_ask),
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_asker_ends),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_cancelled_after_server),
        cmocka_unit_test(test_who),
        cmocka_unit_test(test_connections),
        cmocka_unit_test(test_poisoned),
        cmocka_unit_test(test_hook),
        cmocka_unit_test(test_hook_of_itself),
        cmocka_unit_test(test_circle_of_hooks),
        cmocka_unit_test(test_hook_that_goes_on),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_circle),
        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_times_of_methods),
        cmocka_unit_test(test_asker_is_destroyed),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_draining),
        cmocka_unit_test(test_deactivate),
        cmocka_unit_test(test_freed),
        cmocka_unit_test(test_freed_hook),
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_memory),
    };
    shards = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
