/*
 * Calls of clients that show the changes which they expect: the patch for the
 * caller names the call, and so does the snapshot in the place of patches that
 * were conflated; everybody else receives the shared frame. On one shard and on
 * two, and without memory at every allocation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/connection.h"
#include "server/core.h"
#include "shard/group.h"
#include "slow.h"
#include "zocket/embed.h"

enum {
    SHARDS_MAX = 2,
    NAMED_MAX = 64
};

static struct rig {
    struct failing_alloc memory;
    struct zkt_server *server;
    uint32_t shards;
    struct wire own,
        other; /* on the last shard; the instance is on the first */
} rig;

static void settle(void)
{
    for (uint32_t i = 0; i < 6 * rig.shards; i++) {
        turn(rig.server->shards->all[i % rig.shards]);
    }
}

/* Sends without taking what comes. */
static void tell(struct wire *w, const char *text)
{
    send_text(w, text, false);
    settle();
}

/* Returns all that comes. A snapshot in the place of patches is asked for when
 * the client has read what is before it. */
static const char *hear(struct wire *w)
{
    static char text[64 * 1024];
    size_t len = 0;
    for (int silent = 0; silent < 2; silent++) {
        const size_t before = len;
        settle();
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", said(w));
        assert_true(len < sizeof(text));
        silent = len > before ? -1 : silent;
    }
    return text;
}

#define OPTIMISTIC(id, method, input)                                          \
    "{\"type\":\"rpc\",\"id\":\"" id "\",\"actor\":\"job\",\"actorId\":\"x\"," \
    "\"method\":\"" method "\",\"input\":" input ",\"optimistic\":true}"
#define PATCH(n, more)                                                         \
    "{\"type\":\"state:patch\",\"actor\":\"job\",\"actorId\":\"x\","           \
    "\"patches\":[{\"op\":\"replace\",\"path\":\"/n\",\"value\":" n "}]" more  \
    "}\n"
#define NAMED(id) ",\"calls\":[\"" id "\"]"
#define PLUS(by)  "{\"by\":" by ",\"note\":\"\"}"

static void begin(uint32_t shards, const struct zkt_limits *limits)
{
    rig = (struct rig){ .shards = shards };
    failing_alloc_init(&rig.memory, 0);
    rig.server = new_slow_shards(limits, &rig.memory.allocator, shards);
    zkt__server_run_shards(rig.server, shards);
    /* Touched first on the first shard, so it lives there. */
    struct wire first = open_slow(rig.server->shards->all[0]);
    tell(&first, ADD("0", "x", "0", ""));
    rig.own = open_slow(rig.server->shards->all[shards - 1]);
    rig.other = open_slow(rig.server->shards->all[shards - 1]);
    tell(&rig.own, SUB("state:sub", "x"));
    tell(&rig.other, SUB("state:sub", "x"));
    close_wire(&first);
    settle();
    (void)hear(&rig.own);
    (void)hear(&rig.other);
}

static void end(void)
{
    close_wire(&rig.own);
    close_wire(&rig.other);
    settle();
    zkt_server_free(rig.server);
    assert_int_equal(rig.memory.live, 0);
}

static void run(void (*test)(void), const struct zkt_limits *limits)
{
    for (uint32_t shards = 1; shards <= SHARDS_MAX; shards++) {
        begin(shards, limits);
        test();
        end();
    }
}

/* ---- patches ---- */

static void patches(void)
{
    tell(&rig.own, OPTIMISTIC("a", "add", PLUS("1")));
    assert_string_equal(hear(&rig.own),
                        PATCH("1", NAMED("a")) RESULT("a", "1"));
    assert_string_equal(hear(&rig.other), PATCH("1", ""));
    tell(&rig.other, ADD("b", "x", "1", "")); /* as before */
    assert_string_equal(hear(&rig.own), PATCH("2", ""));
    assert_string_equal(hear(&rig.other), PATCH("2", "") RESULT("b", "2"));
    /* It changes nothing, or fails. */
    tell(&rig.own, OPTIMISTIC("c", "add", PLUS("0")));
    tell(&rig.own, OPTIMISTIC("d", "end", "{"));
    tell(&rig.own, OPTIMISTIC("e", "add", "{}"));
    assert_null(strstr(hear(&rig.own), "calls"));
    assert_string_equal(hear(&rig.other), "");
}

static void test_the_patch_names_the_call(void **state)
{
    (void)state;
    run(patches, NULL);
}

static void spellings(void)
{
    static const struct {
        const char *rest;
        bool named;
    } table[] = {
        { "\"optimistic\":true", true },
        { "\"optimistic\":true,\"timeoutMs\":1000", true },
        { "\"timeoutMs\":1000,\"optimistic\":true", true },
        { "\"optimistic\": true ", true },
        { "\"optimistic\":false,\"optimistic\":true", true },
        { "\"optimistic\":true,\"optimistic\":false", false },
        { "\"optimistic\":false", false },
        { "\"optimistic\":null", false },
        { "\"optimistic\":\"true\"", false },
        { "\"optimistic\":1", false },
        { "\"optimistic\":[true]", false },
        { "\"optimistic\":true,\"timeoutMs\":\"x\"", true },
        { "\"optimistic\":true,\"timeoutMs\":01", true },
        { "\"pessimistic\":true", false },
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 "{\"type\":\"rpc\",\"id\":\"a\",\"actor\":\"job\","
                 "\"actorId\":\"x\",\"method\":\"add\",\"input\":%s,%s}",
                 PLUS("1"), table[i].rest);
        tell(&rig.own, text);
        const char *got = hear(&rig.own);
        /* A leading zero is no JSON: the message is refused. */
        const bool ran = strstr(got, "state:patch") != NULL;
        assert_true(ran || strstr(table[i].rest, ":01") != NULL);
        if (ran) {
            assert_int_equal(strstr(got, NAMED("a")) != NULL, table[i].named);
        }
        assert_null(strstr(hear(&rig.other), "calls"));
    }
}

static void test_spellings(void **state)
{
    (void)state;
    run(spellings, NULL);
}

static void ids(void)
{
    tell(&rig.own, "{\"type\":\"rpc\",\"id\":7,\"actor\":\"job\",\"actorId\":"
                   "\"x\",\"method\":\"add\",\"input\":" PLUS(
                       "1") ",\"optimistic\":true}");
    assert_non_null(strstr(hear(&rig.own), ",\"calls\":[7]}"));
    tell(&rig.own, OPTIMISTIC("\\u0022\\\\", "add", PLUS("1")));
    assert_non_null(strstr(hear(&rig.own), ",\"calls\":[\"\\u0022\\\\\"]}"));
}

static void test_ids_are_repeated_as_they_were_sent(void **state)
{
    (void)state;
    run(ids, NULL);
}

static void without_subscription(void)
{
    tell(&rig.own, SUB("state:unsub", "x"));
    tell(&rig.own, OPTIMISTIC("a", "add", PLUS("1")));
    assert_string_equal(hear(&rig.own), RESULT("a", "1"));
    tell(&rig.own, SUB("event:sub", "x"));
    (void)hear(&rig.own);
    tell(&rig.own, OPTIMISTIC("b", "add", PLUS("1")));
    assert_null(strstr(hear(&rig.own), "calls"));
}

static void test_only_a_subscriber_is_told(void **state)
{
    (void)state;
    run(without_subscription, NULL);
}

static void deferred(void)
{
    struct ran ran = { 0 };
    tell(&rig.own,
         OPTIMISTIC("a", "add", "{\"by\":5,\"note\":\"later-dirty\"}"));
    assert_int_equal(held_count, 1);
    resume(--held_count, &ran);
    const char *got = hear(&rig.own);
    assert_int_equal(ran.times, 1);
    assert_non_null(strstr(got, NAMED("a") "}"));
    assert_non_null(strstr(got, RESULT("a", "5")));
    assert_null(strstr(hear(&rig.other), "calls"));
}

static void test_a_call_that_ends_later(void **state)
{
    (void)state;
    run(deferred, NULL);
}

/* ---- conflated patches ---- */

/* Makes the patch of any mark longer than the queue of a slow reader. */
static void lengthen(struct wire *w)
{
    for (int i = 0; i < 17; i++) {
        char text[512];
        snprintf(text, sizeof(text), MARK("m", "x", "%0190d"), i);
        tell(w, text);
    }
    (void)hear(&rig.own);
    (void)hear(&rig.other);
}

static int count(const char *text, const char *part)
{
    int n = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part)) {
        n++;
    }
    return n;
}

static void conflated(void)
{
    lengthen(&rig.other);
    for (int i = 10; i < 80; i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 OPTIMISTIC("%d", "mark", "{\"note\":\"%d\"}"), i, i);
        tell(&rig.own, text);
    }
    const char *got = hear(&rig.own);
    const char *named = strstr(got, "\"calls\":[\"10\",\"11\",");
    assert_non_null(named);
    /* It names the first, and has the changes of all; the results follow. */
    assert_int_equal(count(got, "state:snapshot"), 1);
    assert_int_equal(count(got, "\"calls\""), 1);
    assert_true(strstr(got, "rpc:result") > named);
    const char *names_end = strchr(named, ']');
    char names[1024];
    snprintf(names, sizeof(names), "%.*s", (int)(names_end - named), named);
    assert_int_equal(count(names, ","), NAMED_MAX - 1);
    assert_non_null(strstr(got, " 79\"}"));
    assert_int_equal(count(got, "rpc:result"), 70);
    assert_int_equal(count(hear(&rig.other), "calls"), 0);
    /* The next patch names its call alone. */
    tell(&rig.own, OPTIMISTIC("z", "add", PLUS("1")));
    assert_string_equal(hear(&rig.own),
                        PATCH("1", NAMED("z")) RESULT("z", "1"));
}

static const struct zkt_limits slow_readers = { .output_high = 3000,
                                                .output_stuck_ms = 60000 };

static void test_a_snapshot_names_the_conflated_calls(void **state)
{
    (void)state;
    run(conflated, &slow_readers);
}

/* Ids of 128 bytes: not all are kept. */
static void long_ids(void)
{
    lengthen(&rig.other);
    for (int i = 0; i < 15; i++) {
        char text[512];
        snprintf(text, sizeof(text),
                 OPTIMISTIC("%0128d", "mark", "{\"note\":\"%d\"}"), i, i);
        tell(&rig.own, text);
    }
    const char *got = hear(&rig.own);
    const char *named = strstr(got, "\"calls\":[");
    assert_non_null(named);
    const ptrdiff_t len = strchr(named, ']') - named;
    assert_true(len > 800 && len < 1100);
}

static void test_long_ids(void **state)
{
    (void)state;
    run(long_ids, &slow_readers);
}

static void conflate_some(void)
{
    tell(&rig.own, OPTIMISTIC("a", "mark", "{\"note\":\"a\"}"));
    tell(&rig.own, OPTIMISTIC("b", "mark", "{\"note\":\"b\"}"));
}

static void ends(void)
{
    lengthen(&rig.other);
    conflate_some();
    tell(&rig.own, SUB("state:unsub", "x"));
    assert_null(strstr(hear(&rig.own), "calls"));
    tell(&rig.own, SUB("state:sub", "x"));
    assert_null(strstr(hear(&rig.own), "calls"));
    conflate_some();
    tell(&rig.own, SUB("leave", "x"));
    assert_null(strstr(hear(&rig.own), "calls"));
    tell(&rig.own, SUB("state:sub", "x"));
    (void)hear(&rig.own);
    conflate_some();
    tell(&rig.other, SLOW_CALL("e", "x", "end", "{}"));
    settle();
    conflate_some(); /* and the connection is lost */
}

static void test_conflated_subscriptions_that_end(void **state)
{
    (void)state;
    run(ends, &slow_readers);
}

/* ---- without memory ---- */

/* Returns false once no allocation has failed. */
static bool run_failing(uint32_t shards, long at)
{
    begin(shards, &slow_readers);
    rig.memory.fail_at = rig.memory.calls + at;
    tell(&rig.own, OPTIMISTIC("a", "add", PLUS("1")));
    const char *got = hear(&rig.own);
    /* It names the call, or leaves that to the result; or there is neither. */
    assert_true(strstr(got, NAMED("a")) != NULL || strstr(got, "rpc:result") ||
                strstr(got, "close") || rig.own.e->closing);
    lengthen(&rig.other);
    conflate_some();
    (void)hear(&rig.own);
    const bool failed = rig.memory.calls >= rig.memory.fail_at;
    rig.memory.fail_at = 0;
    end();
    return failed;
}

static void test_every_allocation(void **state)
{
    (void)state;
    for (uint32_t shards = 1; shards <= SHARDS_MAX; shards++) {
        long at = 1;
        while (run_failing(shards, at)) {
            at++;
        }
        assert_true(at > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_patch_names_the_call),
        cmocka_unit_test(test_spellings),
        cmocka_unit_test(test_ids_are_repeated_as_they_were_sent),
        cmocka_unit_test(test_only_a_subscriber_is_told),
        cmocka_unit_test(test_a_call_that_ends_later),
        cmocka_unit_test(test_a_snapshot_names_the_conflated_calls),
        cmocka_unit_test(test_long_ids),
        cmocka_unit_test(test_conflated_subscriptions_that_end),
        cmocka_unit_test(test_every_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
