/*
 * Deferred calls and the messages that wait for them, on one thread, with a
 * clock that the test advances.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slow.h"
#include "zocket/embed.h"

#define SNAPSHOT(instance, n, trail)                                           \
    "{\"type\":\"state:snapshot\",\"actor\":\"job\",\"actorId\":\"" instance   \
    "\",\"state\":{\"n\":" n ",\"trail\":\"" trail "\"}}\n"

#define ADDED(n)                                                               \
    "{\"type\":\"event\",\"actor\":\"job\",\"actorId\":\"x\","                 \
    "\"event\":\"added\",\"payload\":{\"n\":" n "}}\n"

static void test_everything_waits_in_order(void **state)
{
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire a = open_slow(server), b = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    assert_string_equal(ask(&a, SUB("state:sub", "x")), SNAPSHOT("x", "0", ""));
    assert_string_equal(ask(&a, SUB("event:sub", "x")), "");
    assert_string_equal(ask(&a, ADD("1", "x", "5", "later-dirty")), "");
    assert_string_equal(ask(&a, MARK("2", "x", "m")), "");
    /* Uncommitted changes are not visible; the hook of the new client waits as
     * well. */
    assert_string_equal(ask(&b, SUB("state:sub", "x")), "");
    assert_string_equal(ask(&b, ADD("3", "x", "1", "n")), "");
    assert_string_equal(ask(&a, SUB("state:unsub", "x")), "");
    assert_string_equal(ask(&b, ADD("4", "x", "1", "o")), "");
    /* Other instances do not wait. */
    assert_string_equal(ask(&a, ADD("9", "y", "2", "free")), RESULT("9", "2"));
    assert_int_equal(stats_of(server).deferred, 1);
    assert_int_equal(stats_of(server).queued, 4);
    assert_string_equal(trace, "activate:x connect:x add:later-dirty "
                               "activate:y connect:y add:free");
    trace[0] = '\0';
    resume(0, &ran);
    assert_int_equal(ran.times, 0); /* only at the end of the turn */
    turn(server);
    assert_int_equal(ran.times, 1);
    assert_int_equal(ran.cancelled, 0);
    assert_string_equal(trace, "then:later-dirty mark:m connect:x add:n add:o");
    /* It had unsubscribed before the commit. */
    assert_string_equal(said(&a), ADDED("5") RESULT("1", "5") DONE("2")
                                      ADDED("6") ADDED("7"));
    assert_string_equal(
        said(&b),
        SNAPSHOT("x", "5",
                 "dirty m") "{\"type\":\"state:patch\",\"actor\":\"job\","
                            "\"actorId\":\"x\","
                            "\"patches\":[{\"op\":\"replace\",\"path\":\"/"
                            "n\",\"value\":6}]}\n" RESULT(
                                "3",
                                "6") "{\"type\":\"state:patch\",\"actor\":"
                                     "\"job\",\"actorId\":\"x\","
                                     "\"patches\":[{\"op\":\"replace\","
                                     "\"path\":\"/n\",\"value\":7}]}\n" RESULT(
                                         "4", "7"));
    assert_int_equal(stats_of(server).deferred, 0);
    assert_int_equal(stats_of(server).queued, 0);
    close_wire(&a);
    close_wire(&b);
    zkt_server_free(server);
}

/* The input of a fragmented call is in a buffer of the connection; a queued
 * call owns a copy. */
static void test_calls_own_their_bytes(void **state)
{
    static const char input[] =
        "{\"part\":{\"name\":\"p\\u00fc\",\"sizes\":[1,2,3],\"parent\":{"
        "\"name\":\"q\",\"sizes\":[]}},\"more\":[{\"a\":1,\"b\":2},{}]}";
    char text[512], bytes[1024];
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire w = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    for (size_t cut = 1; cut < 4096; cut *= 4) {
        held_count = 0;
        feed(&w, bytes, frame(bytes, ADD("1", "x", "5", "later, in pieces")),
             cut, true);
        snprintf(text, sizeof(text), SLOW_CALL("2", "x", "build", "%s"), input);
        feed(&w, bytes, frame(bytes, text), cut, true);
        memset(bytes, 'x', sizeof(bytes));
        assert_string_equal(said(&w), "");
        trace[0] = '\0';
        resume(0, &ran);
        turn(server);
        assert_string_equal(trace, "then:later, in pieces build:p\xc3\xbc");
        assert_non_null(strstr(
            said(&w),
            "\"id\":\"2\",\"result\":{\"name\":\"p\xc3\xbc\",\"sizes\":[1,2,3],"
            "\"parent\":{\"name\":\"q\",\"sizes\":[]}}}\n"));
    }
    close_wire(&w);
    zkt_server_free(server);
}

static void test_deferring_again(void **state)
{
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire w = open_slow(server);
    struct ran ran = { .again = true };
    (void)state;
    assert_string_equal(ask(&w, ADD("1", "x", "5", "later")), "");
    resume(0, &ran);
    turn(server);
    assert_int_equal(held_count, 2);
    assert_string_equal(said(&w), "");
    resume(1, &ran);
    turn(server);
    assert_string_equal(said(&w), RESULT("1", "5"));
    assert_int_equal(ran.times, 2);
    /* The resumed part may fail like the first part. */
    assert_string_equal(ask(&w, ADD("2", "x", "5", "later-fail")), "");
    resume(2, &ran);
    turn(server);
    assert_string_equal(said(&w), REFUSED("2", "in vain", "ABORTED"));
    assert_string_equal(ask(&w, ADD("3", "x", "1", "")), RESULT("3", "6"));
    close_wire(&w);
    zkt_server_free(server);
}

/* Many at once: their memory is reused or freed. */
static void test_many_instances_wait(void **state)
{
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire w = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    for (int round = 0; round < 3; round++) {
        held_count = 0;
        (void)ask(&w, ADD("1", "x", "1", "later"));
        (void)ask(&w, ADD("2", "y", "1", "later-dirty"));
        (void)ask(&w, ADD("3", "z", "1", "later"));
        assert_int_equal(stats_of(server).deferred, 3);
        resume(2, &ran);
        resume(0, &ran);
        resume(1, &ran);
        turn(server);
        const char *answers = said(&w);
        const char *third = strstr(answers, "\"id\":\"3\"");
        const char *first = strstr(answers, "\"id\":\"1\"");
        const char *second = strstr(answers, "\"id\":\"2\"");
        assert_non_null(third);
        assert_true(first > third && second > first);
    }
    assert_int_equal(ran.times, 9);
    close_wire(&w);
    zkt_server_free(server);
}

/* A call that is resumed before its handler has returned, and a call that is
 * deferred but not pending. */
static void test_odd_orders(void **state)
{
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire w = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    assert_string_equal(ask(&w, ADD("1", "x", "5", "later-not")),
                        REFUSED("1", "not later", "ABORTED"));
    assert_string_equal(ask(&w, ADD("2", "x", "1", "")), RESULT("2", "1"));
    resume(0, &ran);
    turn(server);
    assert_int_equal(ran.cancelled, 1);
    assert_string_equal(ask(&w, ADD("3", "x", "1", "later-twice")), "");
    resume(1, &ran);
    turn(server); /* the call is poisoned */
    assert_string_equal(said(&w), REFUSED("3", "internal error", "INTERNAL"));
    assert_string_equal(ask(&w, MARK("4", "x", "wrong")),
                        REFUSED("4", "internal error", "INTERNAL"));
    assert_string_equal(ask(&w, ADD("5", "x", "1", "later-early")),
                        RESULT("5", "2"));
    assert_int_equal(early_ran.times, 1);
    zkt_deferred_resume(NULL, NULL, NULL, NULL);
    close_wire(&w);
    zkt_server_free(server);
}

static void test_the_deadline(void **state)
{
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct zkt_core *core = zkt__server_core(server);
    struct wire w = open_slow(server);
    struct ran ran = { .again = true };
    (void)state;
    (void)ask(&w, SUB("state:sub", "x"));
    assert_string_equal(ask(&w, ADD("1", "x", "5", "later-dirty")), "");
    assert_string_equal(ask(&w, ADD("2", "x", "7", "")), "");
    zkt_server_advance(server, 20000);
    resume(0, &ran); /* deferring again does not extend the deadline */
    turn(server);
    assert_int_equal(held_count, 2);
    zkt_server_advance(server, 9999);
    assert_string_equal(said(&w), "");
    assert_true(core->ops->deadline(core) <= 30000);
    zkt_server_advance(server, 1);
    assert_string_equal(
        said(&w),
        REFUSED("1", "the handler did not finish in time",
                "DEADLINE_EXCEEDED") "{\"type\":\"state:patch\",\"actor\":"
                                     "\"job\",\"actorId\":\"x\","
                                     "\"patches\":[{\"op\":\"replace\","
                                     "\"path\":\"/n\",\"value\":7}]}\n" RESULT(
                                         "2", "7"));
    assert_int_equal(ran.times, 1);
    trace[0] = '\0';
    resume(1, &ran);
    turn(server);
    assert_int_equal(ran.times, 2);
    assert_int_equal(ran.cancelled, 1);
    /* the input is still valid */
    assert_string_equal(trace, "then:later-dirty");
    assert_string_equal(said(&w), "");
    close_wire(&w);
    zkt_server_free(server);
}

static void test_limits(void **state)
{
    const struct zkt_limits limits = { .mailbox_messages = 5,
                                       .pending_calls = 3,
                                       .mailbox_bytes = 4096 };
    struct zkt_server *server = new_slow_server(&limits, NULL);
    struct wire a = open_slow(server), b = open_slow(server);
    struct ran ran = { 0 };
    char text[4096];
    (void)state;
    assert_string_equal(ask(&a, ADD("1", "x", "1", "later")), "");
    assert_string_equal(ask(&a, ADD("2", "x", "1", "")), "");
    assert_string_equal(ask(&a, ADD("3", "x", "1", "")), "");
    /* Pipelined calls wait unread. */
    assert_false(zkt_endpoint_reading(a.e));
    assert_string_equal(ask(&a, ADD("4", "x", "1", "")), "");
    assert_int_equal(stats_of(server).queued, 2);
    assert_string_equal(ask(&b, ADD("5", "x", "1", "")), "");
    assert_string_equal(ask(&b, ADD("5", "x", "1", "")), "");
    assert_string_equal(ask(&b, ADD("6", "x", "1", "")),
                        REFUSED("6", "too many messages wait for the instance",
                                "RESOURCE_EXHAUSTED"));
    assert_string_equal(
        ask(&b, SUB("event:sub", "x")),
        "{\"type\":\"sub:error\",\"actor\":\"job\",\"actorId\":\"x\",\"error\":"
        "\"too many messages wait for the instance\","
        "\"code\":\"RESOURCE_EXHAUSTED\"}\n");
    resume(0, &ran);
    turn(server);
    assert_string_equal(said(&a), RESULT("1", "1") RESULT("2", "2")
                                      RESULT("3", "4") RESULT("4", "6"));
    assert_string_equal(said(&b), RESULT("5", "3") RESULT("5", "5"));
    assert_true(zkt_endpoint_reading(a.e));
    /* The limit in bytes: 300 numbers take more memory than text. */
    assert_string_equal(ask(&a, ADD("1", "x", "1", "later")), "");
    size_t used = (size_t)snprintf(
        text, sizeof(text), "%s",
        "{\"type\":\"rpc\",\"id\":\"7\",\"actor\":\"job\",\"actorId\":\"x\","
        "\"method\":\"build\",\"input\":{\"more\":[],\"part\":{\"name\":\"p\","
        "\"sizes\":[0");
    for (int i = 1; i < 1000; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, ",0");
    }
    snprintf(text + used, sizeof(text) - used, "]}}}");
    assert_string_equal(ask(&b, text),
                        REFUSED("7", "too many messages wait for the instance",
                                "RESOURCE_EXHAUSTED"));
    assert_string_equal(ask(&b, ADD("8", "x", "1", "")), "");
    resume(1, &ran);
    turn(server);
    assert_string_equal(said(&b), RESULT("8", "8"));
    close_wire(&a);
    close_wire(&b);
    zkt_server_free(server);
}

/* An unsubscription cannot be refused: it takes effect at once, and the reply
 * to the subscription that it ends is not sent. */
static void test_an_unsubscription_always_finds_room(void **state)
{
    const struct zkt_limits limits = { .mailbox_messages = 2 };
    struct zkt_server *server = new_slow_server(&limits, NULL);
    struct wire w = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    (void)ask(&w, SUB("event:sub", "x"));
    assert_string_equal(ask(&w, ADD("1", "x", "1", "later-dirty")), "");
    assert_string_equal(ask(&w, SUB("state:sub", "x")), "");
    assert_string_equal(ask(&w, ADD("2", "x", "1", "")),
                        REFUSED("2", "too many messages wait for the instance",
                                "RESOURCE_EXHAUSTED"));
    assert_string_equal(ask(&w, SUB("event:unsub", "x")), "");
    assert_string_equal(ask(&w, SUB("state:unsub", "x")), "");
    assert_int_equal(stats_of(server).queued, 1);
    resume(0, &ran);
    turn(server);
    assert_string_equal(said(&w), RESULT("1", "1"));
    (void)ask(&w, ADD("3", "x", "1", ""));
    assert_string_equal(said(&w), "");
    close_wire(&w);
    zkt_server_free(server);
}

static void test_calls_of_a_long_mailbox(void **state)
{
    enum {
        CALLS = 70
    };
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct zkt_core *core = zkt__server_core(server);
    struct wire w = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    (void)ask(&w, ADD("1", "x", "1", "later"));
    for (int i = 0; i < CALLS; i++) {
        assert_string_equal(ask(&w, ADD("2", "x", "1", "")), "");
    }
    resume(0, &ran);
    assert_int_equal(core->ops->deadline(core), core->now_ms);
    turn(server);
    assert_int_equal(stats_of(server).queued, CALLS - 32);
    /* A later message waits behind them. */
    (void)ask(&w, MARK("3", "x", "late"));
    assert_null(strstr(trace, "late "));
    assert_int_equal(stats_of(server).queued, CALLS + 1 - 64);
    assert_int_equal(core->ops->deadline(core), core->now_ms);
    turn(server);
    assert_int_equal(stats_of(server).queued, 0);
    assert_true(core->ops->deadline(core) > core->now_ms);
    assert_string_equal(trace + strlen(trace) - 13, "add mark:late");
    assert_non_null(strstr(said(&w), RESULT("2", "71") DONE("3")));
    close_wire(&w);
    zkt_server_free(server);
}

static void test_a_caller_that_leaves(void **state)
{
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire a = open_slow(server), b = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    (void)ask(&b, SUB("event:sub", "x"));
    (void)ask(&a, SUB("state:sub", "x"));
    assert_string_equal(ask(&a, ADD("1", "x", "1", "later-dirty")), "");
    assert_string_equal(ask(&a, ADD("2", "x", "1", "")), "");
    trace[0] = '\0';
    close_wire(&a);
    turn(server);
    assert_int_equal(stats_of(server).connections, 1);
    assert_string_equal(trace, "");
    resume(0, &ran);
    turn(server);
    turn(server);
    assert_int_equal(ran.cancelled, 0); /* the call completes */
    assert_string_equal(trace, "then:later-dirty add disconnect:x");
    assert_string_equal(
        ask(&b, ADD("3", "x", "1", "")),
        "{\"type\":\"event\",\"actor\":\"job\",\"actorId\":"
        "\"x\",\"event\":\"added\",\"payload\":{\"n\":1}}\n"
        "{\"type\":\"event\",\"actor\":\"job\",\"actorId\":"
        "\"x\",\"event\":\"added\",\"payload\":{\"n\":2}}\n"
        "{\"type\":\"event\",\"actor\":\"job\",\"actorId\":"
        "\"x\",\"event\":\"added\",\"payload\":{\"n\":3}}\n" RESULT("3", "3"));
    close_wire(&b);
    zkt_server_free(server);
}

/* A slow reader's snapshot is never of an uncommitted state. */
static void test_a_slow_reader_waits_for_a_commit(void **state)
{
    const struct zkt_limits limits = { .output_high = 4096 };
    struct zkt_server *server = new_slow_server(&limits, NULL);
    struct wire slow = open_slow(server), busy = open_slow(server);
    struct ran ran = { 0 };
    (void)state;
    send_text(&slow, SUB("state:sub", "x"), false);
    for (int i = 0; i < 60; i++) {
        (void)ask(&busy, MARK("1", "x", "a text of some length, for patches"));
    }
    (void)ask(&busy, ADD("2", "x", "5", "later-dirty"));
    assert_null(strstr(said(&slow), "dirty"));
    zkt_server_advance(server, 15000); /* the reader is not at fault */
    assert_false(slow.e->closing);
    assert_string_equal(said(&slow), "");
    resume(0, &ran);
    turn(server);
    assert_string_equal(said(&slow), SNAPSHOT("x", "5", "dirty"));
    /* A placeholder ends with its subscription. */
    for (int i = 0; i < 60; i++) {
        (void)ask(&busy, MARK("1", "x", "a text of some length, for patches"));
    }
    slow.e->ops->ended(slow.e);
    turn(server);
    assert_true(strlen(said(&slow)) > 1000);
    close_wire(&slow);
    close_wire(&busy);
    zkt_server_free(server);
}

/* With this id, a snapshot of the longest trail is large enough to be kept. */
#define LONG_ID                                                                \
    "lllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll"    \
    "lllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll"

static void write_trail(struct wire *w)
{
    char text[512], note[200];
    memset(note, 't', sizeof(note) - 1);
    note[sizeof(note) - 1] = '\0';
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof(text), MARK("0", LONG_ID, "%s"), note);
        (void)ask(w, text);
    }
}

/* A snapshot is kept, with a patch after it; a call has changed the state and
 * has not finished. A client that knows the state gets neither the snapshot nor
 * the uncommitted state. */
static void test_no_step_back(void **state)
{
    const struct zkt_limits limits = { .output_high = 2000 };
    (void)state;
    for (int asks = 0; asks < 2; asks++) {
        struct zkt_server *server = new_slow_server(&limits, NULL);
        struct wire knows = open_slow(server), busy = open_slow(server);
        struct wire newcomer = open_slow(server);
        struct ran ran = { 0 };
        write_trail(&busy);
        (void)ask(&knows, SUB("state:sub", LONG_ID));
        (void)ask(&busy, ADD("1", LONG_ID, "1", ""));
        assert_non_null(strstr(said(&knows), "\"value\":1}"));
        assert_int_equal(stats_of(server).snapshots_cached, 0);
        (void)ask(&newcomer, SUB("state:sub", LONG_ID));
        assert_int_equal(stats_of(server).snapshots_cached, 1);
        if (!asks) { /* it falls behind, until a placeholder is at the head */
            for (int i = 0; i < 60; i++) {
                send_text(&knows, MARK("2", "other", "text"), false);
            }
            (void)ask(&busy, ADD("1", LONG_ID, "1", ""));
            assert_true(stats_of(server).limit_hits.output_high > 0);
        }
        assert_string_equal(ask(&busy, ADD("3", LONG_ID, "1", "later-dirty")),
                            "");
        assert_null(
            strstr(asks ? ask(&knows, SUB("state:sub", LONG_ID)) : said(&knows),
                   "snapshot"));
        resume(0, &ran);
        turn(server);
        assert_non_null(strstr(said(&knows), asks ? "\"state\":{\"n\":2,"
                                                  : "\"state\":{\"n\":3,"));
        close_wire(&knows);
        close_wire(&busy);
        close_wire(&newcomer);
        zkt_server_free(server);
    }
}

/* ---- the end of the server ---- */

static void test_freeing_a_server(void **state)
{
    struct zkt_server *server = new_slow_server(NULL, NULL);
    struct wire w = open_slow(server);
    struct ran early = { 0 }, late = { 0 };
    (void)state;
    (void)ask(&w, ADD("1", "x", "1", "later-dirty"));
    (void)ask(&w, ADD("2", "y", "1", "later-detached"));
    (void)ask(&w, ADD("3", "y", "1", "waits in vain"));
    /* A client with a waiting connect hook has no disconnect hook. */
    struct wire late_comer = open_slow(server);
    (void)ask(&late_comer, ADD("4", "y", "1", "waits in vain"));
    trace[0] = '\0';
    resume(0, &early);
    zkt_server_free(server);
    assert_int_equal(early.cancelled, 1);
    assert_int_equal(late.times, 0);
    assert_string_equal(trace, "then:later-dirty disconnect:x deactivate:x "
                               "disconnect:y deactivate:y");
    trace[0] = '\0';
    resume(1, &late); /* the last reference to the call */
    assert_int_equal(late.cancelled, 1);
    assert_string_equal(trace, "then:later-detached");
    free(w.text);
    free(late_comer.text);
}

static void count(struct zkt_server *server, void *user)
{
    int *posted = user;
    assert_non_null(server);
    (*posted)++;
    zkt_server_free(server);       /* refused inside of a callback */
    zkt_server_advance(server, 1); /* so is this */
}

static void post_again(struct zkt_server *server, void *user)
{
    int *posted = user;
    const enum zkt_status status = zkt_server_post(server, count, posted);
    assert_int_equal(status, *posted == 0 ? ZKT_OK : ZKT_CLOSED);
}

static void test_posting(void **state)
{
    struct zkt_server *server = new_slow_server(NULL, NULL);
    int posted = 0;
    (void)state;
    assert_int_equal(zkt_server_post(server, post_again, &posted), ZKT_OK);
    turn(server);
    assert_int_equal(posted, 0); /* it runs in the next turn */
    turn(server);
    assert_int_equal(posted, 1);
    assert_int_equal(zkt_server_post(server, count, &posted), ZKT_OK);
    assert_int_equal(zkt_server_post(server, post_again, &posted), ZKT_OK);
    zkt_server_free(server);
    assert_int_equal(posted, 2);
}

/* ---- without memory ---- */

/* Plays a session while the @n-th allocation fails. Returns false if there were
 * fewer allocations. */
static bool run_with_failure(long n)
{
    struct failing_alloc failing;
    struct ran ran = { 0 };
    failing_alloc_init(&failing, 0);
    struct zkt_server *server = new_slow_server(NULL, &failing.allocator);
    struct wire a = open_slow(server), b = open_slow(server);
    failing.calls = 0;
    failing.fail_at = n;
    (void)ask(&a, SUB("state:sub", "x"));
    (void)ask(&a, ADD("1", "x", "1", "later-dirty"));
    (void)ask(&b, SUB("state:sub", "x"));
    (void)ask(&b, ADD("2", "x", "1", ""));
    (void)ask(&b, SUB("state:unsub", "x"));
    (void)ask(&a, SLOW_CALL("3", "x", "end", "null"));
    const bool deferred = held_count == 1;
    if (deferred) {
        resume(0, &ran);
    }
    turn(server);
    turn(server);
    (void)ask(&a, ADD("4", "x", "1", ""));
    const bool failed = failing.calls >= n;
    failing.fail_at = 0;
    if (!failed) {
        assert_true(deferred);
    }
    assert_int_equal(ran.times, deferred);
    /* A new client is served. */
    struct wire c = open_slow(server);
    assert_string_equal(ask(&c, ADD("5", "z", "3", "")), RESULT("5", "3"));
    close_wire(&a);
    close_wire(&b);
    close_wire(&c);
    zkt_server_free(server);
    assert_int_equal(failing.live, 0);
    return failed;
}

static void test_every_allocation(void **state)
{
    long n = 1;
    (void)state;
    while (run_with_failure(n)) {
        n++;
        assert_true(n < 1000);
    }
    assert_true(n > 20);
}

/* ---- calls that are resumed twice ---- */

static struct {
    int count;
    char last[128];
} logged;

static void keep_log(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    assert_int_equal(level, ZKT_LOG_WARNING);
    logged.count++;
    snprintf(logged.last, sizeof(logged.last), "%s", text);
}

static struct zkt_server *new_logging_server(void)
{
    const struct zkt_serve_options options = { .log = keep_log };
    struct zkt_server *server = NULL;
    logged.count = 0;
    held_count = 0;
    assert_int_equal(
        zkt_server_new(slow_app(&slow_handlers), &options, &server), ZKT_OK);
    return server;
}

/* The second resume is logged and has no effect; the next call is another
 * call. */
static void test_resumed_twice(void **state)
{
    struct zkt_server *server = new_logging_server();
    struct wire w = open_slow(server);
    struct ran first = { 0 }, second = { 0 };
    (void)state;
    (void)ask(&w, ADD("1", "x", "1", "later"));
    resume(0, &first);
    resume(0, &second);
    resume(0, &second);
    turn(server);
    assert_string_equal(said(&w), RESULT("1", "1"));
    assert_int_equal(logged.count, 1);
    assert_string_equal(logged.last, "job \"x\": add: it was resumed twice");
    (void)ask(&w, ADD("2", "x", "1", "later"));
    first.again = true;
    resume(1, &first);
    turn(server);
    assert_int_equal(held_count, 3); /* deferred again: it may be resumed */
    resume(2, &first);
    turn(server);
    assert_string_equal(said(&w), RESULT("2", "2"));
    assert_int_equal(first.times, 3);
    assert_int_equal(second.times, 0);
    assert_int_equal(logged.count, 1);
    close_wire(&w);
    zkt_server_free(server);
}

/* So for a call that is cancelled before the resumed part has run. */
static void test_resumed_twice_and_cancelled(void **state)
{
    struct zkt_server *server = new_logging_server();
    struct wire w = open_slow(server);
    struct ran first = { 0 }, second = { 0 };
    (void)state;
    (void)ask(&w, ADD("1", "x", "1", "later"));
    resume(0, &first);
    resume(0, &second);
    close_wire(&w);
    zkt_server_free(server);
    assert_int_equal(first.times, 1);
    assert_int_equal(first.cancelled, 1);
    assert_int_equal(second.times, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_waits_in_order),
        cmocka_unit_test(test_calls_own_their_bytes),
        cmocka_unit_test(test_deferring_again),
        cmocka_unit_test(test_resumed_twice),
        cmocka_unit_test(test_resumed_twice_and_cancelled),
        cmocka_unit_test(test_many_instances_wait),
        cmocka_unit_test(test_odd_orders),
        cmocka_unit_test(test_the_deadline),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_an_unsubscription_always_finds_room),
        cmocka_unit_test(test_calls_of_a_long_mailbox),
        cmocka_unit_test(test_a_caller_that_leaves),
        cmocka_unit_test(test_a_slow_reader_waits_for_a_commit),
        cmocka_unit_test(test_no_step_back),
        cmocka_unit_test(test_freeing_a_server),
        cmocka_unit_test(test_posting),
        cmocka_unit_test(test_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
