/*
 * Middleware: order, refusals, writes, deferral; random messages of peers whose
 * roles change, against a model; and no memory. The first argument is the
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

#include "door_peers.h"

/* The number of second halves that ran cancelled, and whether the next
 * refuses. */
static int cancelled;
static bool then_refuses;

/* ---- middleware ---- */

static void test_middleware_in_order(void **state)
{
    begin();
    (void)state;
    struct wire w = knock("/", "Authorization: Bearer ada\r\n", NULL);
    (void)hear(&w);
    assert_string_equal(ask(&w, CALL("1", "ban")), RESULT("1", "ada/1"));
    assert_string_equal(trace_since(), "open:t authed:ada/1 moderator:ada/1 "
                                       "connect:ada/1 ban:ada/1");
    assert_non_null(strstr(ask(&w, SUB("state:sub")), "state:snapshot"));
    assert_string_equal(trace_since(), "authed:ada/1");
    assert_non_null(
        strstr(ask(&w, CALL("2", "settle")), "Unknown method: settle"));
    leave(&w);
    end();
}

static enum zkt_status refuse_it(struct zkt_call *call, struct door_authed *out)
{
    const struct zkt_called called = zkt_called(call);
    (void)out;
    set_role(call, 7); /* not applied */
    return zkt_fail(call, ZKT_UNAUTHENTICATED, "%d %.*s %.*s %.*s",
                    (int)called.kind, ZKT_ARG(called.actor), ZKT_ARG(called.id),
                    ZKT_ARG(called.method));
}

/* Nothing is touched, made, or sent but the refusal. */
static void test_refused_by_middleware(void **state)
{
    begin();
    (void)state;
    struct wire w = knock("/", OURS, NULL);
    (void)hear(&w);
    script.authed = refuse_it;
    assert_string_equal(ask(&w, CALL("1", "ban")),
                        "|{\"type\":\"rpc:result\",\"id\":\"1\",\"error\":"
                        "\"0 room a ban\",\"code\":\"UNAUTHENTICATED\"}");
    assert_string_equal(ask(&w, SUB("state:sub")),
                        "|{\"type\":\"sub:error\",\"actor\":\"room\","
                        "\"actorId\":\"a\",\"of\":\"state\",\"error\":"
                        "\"1 room a \",\"code\":\"UNAUTHENTICATED\"}");
    assert_string_equal(ask(&w, SUB("event:sub")),
                        "|{\"type\":\"sub:error\",\"actor\":\"room\","
                        "\"actorId\":\"a\",\"of\":\"events\",\"error\":"
                        "\"2 room a \",\"code\":\"UNAUTHENTICATED\"}");
    assert_null(home->instance);
    assert_string_equal(trace_since(), "open:t authed:/1 authed:/1 authed:/1");
    leave(&w);
    assert_string_equal(trace_since(), "close:/1");
    end();
}

static enum zkt_status demote(struct zkt_call *call, struct door_authed *out)
{
    set_role(call, 2);
    out->user = door_seen(call);
    return ZKT_OK;
}

static enum zkt_status see_demoted(struct zkt_call *call,
                                   const struct door_authed *authed)
{
    assert_true(zkt_str_eq(authed->user, ZKT_STR("ada/2")));
    assert_true(zkt_str_eq(door_seen(call), ZKT_STR("ada/2")));
    return zkt_fail(call, ZKT_PERMISSION_DENIED, "no moderator");
}

static void test_writes_of_middleware(void **state)
{
    begin();
    (void)state;
    struct wire w = knock("/", "Authorization: Bearer ada\r\n", NULL);
    (void)hear(&w);
    script.authed = demote;
    script.moderator = see_demoted;
    assert_non_null(strstr(ask(&w, CALL("1", "ban")), "no moderator"));
    assert_string_equal(ask(&w, CALL("2", "who")), RESULT("2", "ada/2"));
    leave(&w);
    end();
}

/* ---- deferred middleware ---- */

static enum zkt_status authed_later(struct zkt_call *call,
                                    struct door_authed *out)
{
    (void)out;
    held = zkt_call_defer(call, ZKT_MEMBER_MIDDLEWARE, 0);
    assert_non_null(held);
    return ZKT_PENDING;
}

static enum zkt_status invoke_authed_then(struct zkt_call *call,
                                          void (*then)(void), const void *input,
                                          void *result, void *user)
{
    struct door_authed *out = result;
    (void)then;
    (void)user;
    assert_null(input);
    note("then", zkt_called(call).id);
    if (zkt_cancelled(call)) {
        cancelled++;
        assert_int_equal(out->user.len, 0);
        return ZKT_OK;
    }
    if (then_refuses) {
        return zkt_fail(call, ZKT_PERMISSION_DENIED, "late no");
    }
    out->user = zkt_format(call, "late %.*s", ZKT_ARG(door_seen(call)));
    return ZKT_OK;
}

static void resume_authed(void)
{
    zkt_deferred_resume(held, invoke_authed_then, NULL, NULL);
}

static void test_deferred_middleware(void **state)
{
    begin();
    (void)state;
    struct wire w = knock("/", "Authorization: Bearer ada\r\n", NULL);
    (void)hear(&w);
    script.authed = authed_later;
    assert_string_equal(ask(&w, CALL("1", "ban")), "");
    assert_string_equal(ask(&w, CALL("2", "who")), ""); /* waits unread */
    resume_authed();
    assert_string_equal(hear(&w),
                        RESULT("1", "late ada/1") RESULT("2", "ada/1"));
    assert_string_equal(ask(&w, SUB("state:sub")), "");
    resume_authed();
    assert_non_null(strstr(hear(&w), "state:snapshot"));
    then_refuses = true;
    assert_string_equal(ask(&w, CALL("3", "ban")), "");
    resume_authed();
    assert_string_equal(hear(&w),
                        "|{\"type\":\"rpc:result\",\"id\":\"3\",\"error\":"
                        "\"late no\",\"code\":\"PERMISSION_DENIED\"}");
    then_refuses = false;
    leave(&w);
    end();
}

static void test_cancelled_middleware(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        begin();
        cancelled = 0;
        script.authed = authed_later;
        struct wire w = knock("/", "", NULL);
        (void)hear(&w);
        assert_string_equal(ask(&w, CALL("1", "ban")), "");
        if (way == 0) {
            leave(&w);
        } else if (way == 1) {
            pass(30000);
            assert_non_null(strstr(hear(&w), "\"DEADLINE_EXCEEDED\""));
        } else {
            zkt_server_shutdown(server);
            pass(0);
            pass(5000);
            assert_non_null(strstr(hear(&w), "\"UNAVAILABLE\""));
        }
        resume_authed();
        pass(0);
        assert_int_equal(cancelled, 1);
        if (way > 0) {
            leave(&w);
        }
        assert_null(strstr(trace, "ban"));
        end();
    }
}

static enum zkt_status defer_and_return(struct zkt_call *call,
                                        struct door_authed *out)
{
    held = zkt_call_defer(call, ZKT_MEMBER_MIDDLEWARE, 0);
    assert_non_null(held);
    assert_null(zkt_call_defer(call, ZKT_MEMBER_MIDDLEWARE, 0));
    out->user = ZKT_STR("hasty");
    return ZKT_OK;
}

static enum zkt_status hold_and_return(struct zkt_call *call,
                                       struct door_authed *out)
{
    held = zkt_call_defer(call, ZKT_MEMBER_MIDDLEWARE, 0);
    out->user = ZKT_STR("hasty");
    return ZKT_OK;
}

static enum zkt_status defer_as_another(struct zkt_call *call,
                                        struct door_authed *out)
{
    (void)out;
    assert_null(zkt_call_defer(call, ZKT_MEMBER_MIDDLEWARE, 1));
    return ZKT_OK;
}

/* A handle that is taken is resumed once, whatever the handler returns. */
static void test_mistakes_of_deferring(void **state)
{
    enum zkt_status (*const scripts[])(struct zkt_call *,
                                       struct door_authed *) = {
        defer_and_return, hold_and_return, defer_as_another
    };
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        begin();
        held = NULL;
        cancelled = 0;
        struct wire w = knock("/", "", NULL);
        (void)hear(&w);
        script.authed = scripts[i];
        assert_non_null(strstr(ask(&w, CALL("1", "ban")), "\"INTERNAL\""));
        assert_non_null(strstr(logged, "authed"));
        script.authed = NULL;
        assert_string_equal(ask(&w, CALL("2", "who")), RESULT("2", "/1"));
        resume_authed();
        pass(0);
        assert_int_equal(cancelled, held != NULL);
        leave(&w);
        end();
    }
}

/* Parked middleware holds memory as deferred calls do. */
static void test_deferred_bytes(void **state)
{
    begin_with((struct zkt_limits){ .deferred_bytes = shards });
    (void)state;
    cancelled = 0;
    script.authed = authed_later;
    struct wire w = knock("/", "", NULL);
    (void)hear(&w);
    assert_non_null(
        strstr(ask(&w, CALL("1", "ban")), "\"RESOURCE_EXHAUSTED\""));
    assert_int_equal(zkt__server_shard(server, shards - 1)
                         ->host.stats.limit_hits.deferred_bytes,
                     1);
    resume_authed();
    pass(0);
    assert_int_equal(cancelled, 1);
    leave(&w);
    end();
}

/* ---- random sequences against a model ---- */

enum {
    PEERS = 3,
    STEPS = 400
};

/* The dice of the run; not of the server. */
static uint32_t dice = 1;

static uint32_t roll(uint32_t below)
{
    dice = dice * 1664525 + 1013904223;
    return (dice >> 8) % below;
}

static int32_t role_to_set;
static bool fails;

/* Only roles from 1 on may do anything, and from 5 on may ban. */
static enum zkt_status authed_by_role(struct zkt_call *call,
                                      struct door_authed *out)
{
    const struct door_data *data = zkt_call_connection(call);
    out->user = ZKT_STR("u");
    return data->role >= 1 ? ZKT_OK
                           : zkt_fail(call, ZKT_PERMISSION_DENIED, "no role");
}

static enum zkt_status moderator_by_role(struct zkt_call *call,
                                         const struct door_authed *authed)
{
    const struct door_data *data = zkt_call_connection(call);
    (void)authed;
    return data->role >= 5
               ? ZKT_OK
               : zkt_fail(call, ZKT_PERMISSION_DENIED, "no moderator");
}

static enum zkt_status change_role(struct zkt_call *call, struct zkt_str *out)
{
    set_role(call, role_to_set);
    *out = ZKT_STR("changed");
    return fails ? zkt_fail(call, ZKT_ABORTED, "not changed") : ZKT_OK;
}

static const char *expected_of_ban(int32_t role)
{
    return role < 1   ? "|{\"type\":\"rpc:result\",\"id\":\"1\",\"error\":"
                        "\"no role\",\"code\":\"PERMISSION_DENIED\"}"
           : role < 5 ? "|{\"type\":\"rpc:result\",\"id\":\"1\",\"error\":"
                        "\"no moderator\",\"code\":\"PERMISSION_DENIED\"}"
                      : RESULT("1", "u");
}

/* Each step is a message of a peer; all that it receives is what its role
 * permits, to the last byte. */
static void step(struct wire *w, int32_t *role)
{
    const uint32_t kind = roll(4);
    if (kind == 0) {
        assert_string_equal(ask(w, CALL("1", "ban")), expected_of_ban(*role));
    } else if (kind == 1) {
        const char *heard = ask(w, SUB("state:sub"));
        assert_true(*role >= 1
                        ? strstr(heard, "state:snapshot") != NULL
                        : strcmp(heard, "|{\"type\":\"sub:error\",\"actor\":"
                                        "\"room\",\"actorId\":\"a\","
                                        "\"error\":\"no role\",\"code\":"
                                        "\"PERMISSION_DENIED\"}") == 0);
    } else if (kind == 2) {
        say(w, SUB("state:unsub"));
        assert_string_equal(hear(w), "");
    } else {
        role_to_set = (int32_t)roll(11); /* 10 breaks the rule */
        fails = roll(4) == 0;
        const bool good = role_to_set < 10 && !fails;
        const char *heard = ask(w, CALL("1", "who"));
        assert_true(good == (strcmp(heard, RESULT("1", "changed")) == 0));
        *role = good ? role_to_set : *role;
    }
}

static void test_random_sequences(void **state)
{
    struct wire peers[PEERS];
    int32_t roles[PEERS];
    begin_with((struct zkt_limits){ .log_per_second = 1 });
    (void)state;
    script.authed = authed_by_role;
    script.moderator = moderator_by_role;
    script.who = change_role;
    for (int i = 0; i < PEERS; i++) {
        peers[i] = knock("/", "", NULL);
        roles[i] = 1;
        (void)hear(&peers[i]);
    }
    for (int i = 0; i < STEPS; i++) {
        const uint32_t peer = roll(PEERS);
        step(&peers[peer], &roles[peer]);
        if (roll(20) == 0) { /* another connection begins with the default */
            leave(&peers[peer]);
            peers[peer] = knock("/", "", NULL);
            roles[peer] = 1;
            (void)hear(&peers[peer]);
        }
        trace[0] = '\0';
    }
    for (int i = 0; i < PEERS; i++) {
        leave(&peers[i]);
    }
    end();
}

/* ---- no memory ---- */

static enum zkt_status promote_blindly(struct zkt_call *call,
                                       struct zkt_str *out)
{
    set_role(call, 5);
    set_user(call, ZKT_STR("bob"));
    *out = ZKT_STR("promoted");
    return ZKT_OK;
}

static enum zkt_status join_blindly(struct zkt_call *call, struct zkt_str *out)
{
    zkt_topic_join(call, ZKT_STR("a"));
    (void)zkt_topics(call);
    *out = ZKT_STR("joined");
    return ZKT_OK;
}

/* At each allocation that fails, the peer is refused or lost, or all is as it
 * should be; nobody gets in without `open`. */
static void test_no_memory(void **state)
{
    bool failed = true;
    (void)state;
    for (long n = 1; failed; n++) {
        begin();
        memory.calls = 0;
        memory.fail_at = n;
        struct wire w = {
            .e = zkt__server_accept(zkt__server_shard(server, shards - 1),
                                    "192.0.2.7"),
        };
        if (w.e != NULL) {
            script.who = promote_blindly;
            static const char head[] = "GET /?n=5" UPGRADE
                                       "Authorization: Bearer ada\r\n\r\n";
            feed(&w, head, sizeof(head) - 1, sizeof(head), true);
            say(&w, CALL("1", "ban"));
            say(&w, CALL("2", "who"));
            pass(0);
            script.who = join_blindly;
            if (zkt_endpoint_fate(w.e) == ZKT_FATE_OPEN) {
                say(&w, CALL("3", "who"));
                say(&w, SUB("state:sub"));
            }
            (void)hear(&w);
            failed = memory.calls >= n;
            memory.fail_at = 0;
            leave(&w);
        }
        assert_true(
            (strstr(trace, "open:t") != NULL) ||
            (strstr(trace, "who") == NULL && strstr(trace, "ban") == NULL));
        memory.fail_at = 0;
        end();
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_middleware_in_order),
        cmocka_unit_test(test_refused_by_middleware),
        cmocka_unit_test(test_writes_of_middleware),
        cmocka_unit_test(test_deferred_middleware),
        cmocka_unit_test(test_cancelled_middleware),
        cmocka_unit_test(test_mistakes_of_deferring),
        cmocka_unit_test(test_deferred_bytes),
        cmocka_unit_test(test_random_sequences),
        cmocka_unit_test(test_no_memory),
    };
    shards = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
