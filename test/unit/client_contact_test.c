/*
 * A client's contact with an instance, against a server of our dialect that the
 * test plays: when the client leaves, and what it makes of `sub:ok` and of
 * refusals that say what they are of, and until when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "evolve_client.h"
#include "fake_server.h"

#define MESSAGE(type, id)                                                      \
    "{\"type\":\"" type "\",\"actor\":\"doc\",\"actorId\":\"" id "\""
#define SUB(id)         MESSAGE("state:sub", id) "}\n"
#define UNSUB(id)       MESSAGE("state:unsub", id) "}\n"
#define EVENT_SUB(id)   MESSAGE("event:sub", id) "}\n"
#define EVENT_UNSUB(id) MESSAGE("event:unsub", id) "}\n"
#define LEAVE(id)       MESSAGE("leave", id) "}\n"
#define SUB_OK          MESSAGE("sub:ok", "a") ",\"of\":\"events\"}"
#define SNAPSHOT                                                               \
    MESSAGE("state:snapshot", "a")                                             \
    ",\"state\":{\"n\":1,\"level\":\"low\",\"list\":[],\"items\":{}}}"
#define REFUSED(id, code, rest)                                                \
    MESSAGE("sub:error", id)                                                   \
    ",\"error\":\"no\",\"code\":\"" code "\"" rest "}"
#define OF_STATE  ",\"of\":\"state\""
#define OF_EVENTS ",\"of\":\"events\""
#define RPC_WITHIN(number, id, ms)                                             \
    "{\"type\":\"rpc\",\"id\":\"rpc_" number "_0\",\"actor\":\"doc\","         \
    "\"actorId\":\"" id "\",\"method\":\"ping\",\"timeoutMs\":" ms "}\n"
#define RPC(number, id) RPC_WITHIN(number, id, "10000")
#define RESULT(number)  "{\"type\":\"rpc:result\",\"id\":\"rpc_" number "_0\"}"
#define CANCEL(number)  "{\"type\":\"rpc:cancel\",\"id\":\"rpc_" number "_0\"}\n"

static const struct zkt_client_options plain = { .reconnect_jitter = -1 };

static struct test_doc *open_doc(struct fake *f, int level)
{
    struct test_doc *doc = test_doc_open(fake_open(f, plain), "a");
    fake_turn(f);
    fake_accept_at(f, level);
    return doc;
}

static void on_ping(const struct zkt_reply *reply, void *user)
{
    int *count = user;
    *count += 1 + (int)reply->status;
}

struct seen {
    int states, hits, errors;
    enum zkt_status status;
    char reason[16];
    bool retryable;
    int64_t retry_after_ms;
};

static void on_state(const struct test_doc_state *state, void *user)
{
    struct seen *seen = user;
    (void)state;
    seen->states++;
}

static void on_hit(const struct test_doc_hit_event *hit, void *user)
{
    struct seen *seen = user;
    (void)hit;
    seen->hits++;
}

static void on_error(const struct zkt_reply *error, void *user)
{
    struct seen *seen = user;
    seen->errors++;
    seen->status = error->status;
    snprintf(seen->reason, sizeof(seen->reason), "%s", error->reason);
    seen->retryable = error->retryable;
    seen->retry_after_ms = error->retry_after_ms;
}

/* ---- leaving ---- */

static void test_the_last_handle_leaves(void **state)
{
    struct fake f;
    struct seen seen = { 0 };
    (void)state;
    struct test_doc *one = open_doc(&f, 1);
    struct test_doc *two = test_doc_open(f.client, "a");
    test_doc_subscribe(one, on_state, &seen);
    test_doc_on_hit(two, on_hit, &seen);
    assert_string_equal(fake_sent(&f), SUB("a") EVENT_SUB("a"));
    test_doc_close(one);
    assert_string_equal(fake_sent(&f), UNSUB("a"));
    test_doc_close(two);
    test_doc_close(two); /* harmless */
    assert_string_equal(fake_sent(&f), EVENT_UNSUB("a") LEAVE("a"));
    assert_string_equal(fake_sent(&f), "");
    /* Another handle is another contact. */
    one = test_doc_open(f.client, "a");
    test_doc_subscribe(one, on_state, &seen);
    assert_string_equal(fake_sent(&f), SUB("a"));
    fake_say(&f, SNAPSHOT);
    assert_int_equal(seen.states, 1);
    test_doc_close(one);
    assert_string_equal(fake_sent(&f), UNSUB("a") LEAVE("a"));
    fake_close(&f);
}

static void test_an_older_server_is_not_left(void **state)
{
    struct fake f;
    int count = 0;
    (void)state;
    struct test_doc *doc = open_doc(&f, 0);
    test_doc_begin_ping(doc, on_ping, &count);
    assert_string_equal(fake_sent(&f), RPC("1", "a"));
    fake_say(&f, RESULT("1"));
    test_doc_close(doc);
    assert_string_equal(fake_sent(&f), "");
    fake_close(&f);
}

/* Only an instance that the server has in contact with this connection is left,
 * and only if no handle is open at the end of the turn. */
static void test_no_contact_no_leave(void **state)
{
    struct fake f;
    struct seen seen = { 0 };
    int count = 0;
    (void)state;
    struct test_doc *doc = open_doc(&f, 1);
    test_doc_close(doc);
    assert_string_equal(fake_sent(&f), "");
    /* A bad input is sent to nobody. */
    doc = test_doc_open(f.client, "b");
    test_doc_begin_add(doc, &(const struct test_doc_add_input){ .by = 99 },
                       NULL, NULL);
    test_doc_close(doc);
    assert_string_equal(fake_sent(&f), "");
    /* A handle that is opened again in the same turn. */
    doc = test_doc_open(f.client, "a");
    test_doc_begin_ping(doc, on_ping, &count);
    fake_say(&f, RESULT("2"));
    assert_string_equal(fake_sent(&f), RPC("2", "a"));
    test_doc_close(doc);
    doc = test_doc_open(f.client, "a");
    assert_string_equal(fake_sent(&f), "");
    /* A contact of the last connection. */
    fake_detach(&f);
    fake_advance(&f, 250);
    fake_accept_at(&f, 1);
    test_doc_close(doc);
    assert_string_equal(fake_sent(&f), "");
    /* A subscription that was made again, which is one of this connection. */
    doc = test_doc_open(f.client, "a");
    test_doc_subscribe(doc, on_state, &seen);
    fake_sent(&f);
    fake_detach(&f);
    fake_advance(&f, 2000);
    fake_turn(&f);
    fake_accept_at(&f, 1);
    assert_string_equal(fake_sent(&f), SUB("a"));
    test_doc_close(doc);
    assert_string_equal(fake_sent(&f), UNSUB("a") LEAVE("a"));
    fake_close(&f);
}

static void test_a_call_keeps_the_contact(void **state)
{
    struct zkt_client_options options = plain;
    struct fake f;
    int count = 0;
    (void)state;
    options.rpc_timeout_ms = 3000;
    struct test_doc *doc = test_doc_open(fake_open(&f, options), "a");
    fake_turn(&f);
    fake_accept_at(&f, 1);
    test_doc_begin_ping(doc, on_ping, &count);
    test_doc_begin_ping(doc, on_ping, &count);
    test_doc_close(doc);
    assert_string_equal(fake_sent(&f), RPC_WITHIN("1", "a", "3000")
                                           RPC_WITHIN("2", "a", "3000"));
    fake_say(&f, RESULT("2"));
    assert_string_equal(fake_sent(&f), "");
    fake_say(&f, RESULT("1"));
    assert_int_equal(count, 2);
    assert_string_equal(fake_sent(&f), LEAVE("a"));
    /* A time-out ends a call, too. */
    doc = test_doc_open(f.client, "a");
    test_doc_begin_ping(doc, on_ping, &count);
    test_doc_close(doc);
    assert_string_equal(fake_sent(&f), RPC_WITHIN("3", "a", "3000"));
    fake_advance(&f, 10000);
    assert_string_equal(fake_sent(&f), CANCEL("3") LEAVE("a"));
    /* A call that waits for the connection is under way. */
    fake_detach(&f);
    doc = test_doc_open(f.client, "a");
    test_doc_begin_ping(doc, on_ping, &count);
    test_doc_close(doc);
    fake_turn(&f);
    fake_advance(&f, 250);
    fake_accept_at(&f, 1);
    assert_string_equal(fake_sent(&f), RPC_WITHIN("4", "a", "2750"));
    fake_say(&f, RESULT("4"));
    assert_string_equal(fake_sent(&f), LEAVE("a"));
    /* With the connection all contacts are lost. */
    doc = test_doc_open(f.client, "a");
    test_doc_begin_ping(doc, on_ping, &count);
    test_doc_close(doc);
    fake_sent(&f);
    fake_detach(&f);
    fake_turn(&f);
    fake_turn(&f);
    fake_advance(&f, 500);
    fake_accept_at(&f, 1);
    assert_string_equal(fake_sent(&f), "");
    fake_close(&f);
}

/* A handle may be opened again while a call to its instance is under way. */
static void test_coming_back_during_a_call(void **state)
{
    struct fake f;
    struct seen seen = { 0 };
    int count = 0;
    (void)state;
    struct test_doc *doc = open_doc(&f, 1);
    test_doc_begin_ping(doc, on_ping, &count);
    test_doc_close(doc);
    fake_sent(&f);
    doc = test_doc_open(f.client, "a");
    test_doc_subscribe(doc, on_state, &seen);
    assert_string_equal(fake_sent(&f), SUB("a"));
    fake_say(&f, RESULT("1"));
    fake_say(&f, SNAPSHOT);
    assert_string_equal(fake_sent(&f), "");
    assert_int_equal(seen.states, 1);
    test_doc_close(doc);
    assert_string_equal(fake_sent(&f), UNSUB("a") LEAVE("a"));
    fake_close(&f);
}

/* The client is closed with calls to instances without handles. */
static void test_closing_with_calls_under_way(void **state)
{
    struct fake f;
    int count = 0;
    (void)state;
    struct test_doc *doc = open_doc(&f, 1);
    test_doc_begin_ping(doc, on_ping, &count);
    test_doc_close(doc);
    fake_turn(&f);
    fake_close(&f);
    assert_int_equal(count, 1 + (int)ZKT_CANCELLED);
}

/* ---- refusals that say of what ---- */

static struct test_doc *follow(struct fake *f, struct seen *seen)
{
    struct test_doc *doc = open_doc(f, 1);
    *seen = (struct seen){ 0 };
    test_doc_subscribe(doc, on_state, seen);
    test_doc_on_hit(doc, on_hit, seen);
    test_doc_subscribe_errors(doc, on_error, seen);
    fake_say(f, SNAPSHOT);
    assert_string_equal(fake_sent(f), SUB("a") EVENT_SUB("a"));
    return doc;
}

static void finish(struct fake *f, struct test_doc *doc)
{
    test_doc_close(doc);
    fake_close(f);
}

static int64_t wait_of(const struct fake *f)
{
    return fake_deadline(f) - f->core->now_ms;
}

static void test_a_refusal_of_one_subscription(void **state)
{
    struct fake f;
    struct seen seen;
    (void)state;
    struct test_doc *doc = follow(&f, &seen);
    fake_say(&f, SNAPSHOT);
    fake_say(&f, REFUSED("a", "PERMISSION_DENIED", OF_EVENTS));
    assert_int_equal(seen.errors, 1);
    assert_non_null(test_doc_snapshot(doc)); /* the state goes on */
    assert_int_equal(test_doc_ready(doc, 0), ZKT_OK);
    fake_say(&f, REFUSED("a", "ABORTED", OF_STATE));
    assert_string_equal(fake_sent(&f), SUB("a"));
    fake_say(&f, SNAPSHOT);
    fake_say(&f, REFUSED("a", "PERMISSION_DENIED", OF_STATE));
    assert_null(test_doc_snapshot(doc));
    assert_int_equal(test_doc_ready(doc, 0), ZKT_PERMISSION_DENIED);
    fake_advance(&f, 20000);
    assert_string_equal(fake_sent(&f), "");
    /* Each is asked for again by a listener of its own. */
    test_doc_subscribe(doc, on_state, &seen);
    assert_string_equal(fake_sent(&f), SUB("a"));
    test_doc_on_hit(doc, on_hit, &seen);
    assert_string_equal(fake_sent(&f), EVENT_SUB("a"));
    /* A server that does not say so, or something new, means both. */
    fake_say(&f, REFUSED("a", "ABORTED", ",\"of\":\"all\""));
    fake_advance(&f, 250);
    assert_string_equal(fake_sent(&f), SUB("a") EVENT_SUB("a"));
    finish(&f, doc);
}

/* A subscription to events that was accepted is asked for again at once. */
static void test_events_are_accepted(void **state)
{
    struct fake f;
    struct seen seen;
    (void)state;
    struct test_doc *doc = follow(&f, &seen);
    fake_say(&f, SUB_OK);
    fake_say(&f, REFUSED("a", "ABORTED", OF_EVENTS));
    assert_string_equal(fake_sent(&f), EVENT_SUB("a"));
    fake_say(&f, REFUSED("a", "ABORTED", OF_EVENTS));
    assert_string_equal(fake_sent(&f), "");
    assert_int_equal(wait_of(&f), 250);
    /* Answers to nothing change nothing. */
    fake_say(&f, MESSAGE("sub:ok", "a") ",\"of\":\"state\"}");
    fake_say(&f, MESSAGE("sub:ok", "b") ",\"of\":\"events\"}");
    fake_say(&f, "{\"type\":\"sub:ok\",\"of\":\"events\"}");
    fake_say(&f, REFUSED("b", "ABORTED", OF_EVENTS));
    fake_say(&f, "{\"type\":\"sub:error\",\"error\":\"no\"}");
    assert_int_equal(wait_of(&f), 250);
    finish(&f, doc);
}

static void test_error_listeners_read_all_of_it(void **state)
{
    struct fake f;
    struct seen seen;
    (void)state;
    struct test_doc *doc = follow(&f, &seen);
    fake_say(&f, REFUSED("a", "FAILED_PRECONDITION",
                         OF_EVENTS ",\"reason\":\"full\",\"retryable\":true,"
                                   "\"retryAfterMs\":70"));
    assert_int_equal(seen.status, ZKT_FAILED_PRECONDITION);
    assert_string_equal(seen.reason, "full");
    assert_true(seen.retryable);
    assert_int_equal(seen.retry_after_ms, 70);
    finish(&f, doc);
}

/* ---- times ---- */

static void test_not_before_the_time_of_the_server(void **state)
{
    static const struct {
        const char *ms;
        int64_t wait;
    } table[] = {
        { "1", 251 },
        { "7000", 7250 },
        { "300000", 300250 },
        { "300001", 300250 },
        { "999999999999999", 300250 },
        { "0", 250 },
        { "-7", 250 },
        { "\"7\"", 250 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char text[256];
        struct fake f;
        struct seen seen = { 0 };
        struct test_doc *doc = open_doc(&f, 1);
        test_doc_subscribe(doc, on_state, &seen);
        assert_string_equal(fake_sent(&f), SUB("a"));
        snprintf(text, sizeof(text),
                 REFUSED("a", "RESOURCE_EXHAUSTED", ",\"retryAfterMs\":%s"),
                 table[i].ms);
        fake_say(&f, text);
        fake_turn(&f);
        /* Silence is ended by pings, which have nothing to do with it. */
        const int64_t until = f.core->now_ms + table[i].wait;
        while (f.core->now_ms < until - 1) {
            const int64_t step = until - 1 - f.core->now_ms;
            fake_advance(&f, step < 10000 ? step : 10000);
            fake_say(&f, "{}");
        }
        assert_string_equal(fake_sent(&f), "");
        fake_advance(&f, 1);
        assert_string_equal(fake_sent(&f), SUB("a"));
        /* The next refusal has no time. */
        fake_say(&f, REFUSED("a", "RESOURCE_EXHAUSTED", ""));
        fake_turn(&f);
        assert_int_equal(wait_of(&f), 500);
        finish(&f, doc);
    }
}

/* A long time of one subscription delays no other one much: each is asked for
 * not before its time, and before twice its time. */
static void test_times_of_many_subscriptions(void **state)
{
    enum {
        COUNT = 64
    };
    struct fake f;
    struct seen seen = { 0 };
    struct test_doc *docs[COUNT];
    int64_t times[COUNT];
    (void)state;
    struct zkt_client_options options = plain;
    options.ping_after_ms = -1;
    struct test_doc *doc = test_doc_open(fake_open(&f, options), "a");
    fake_turn(&f);
    fake_accept_at(&f, 1);
    for (int i = 0; i < COUNT; i++) {
        char id[8];
        snprintf(id, sizeof(id), "d%d", i);
        docs[i] = test_doc_open(f.client, id);
        test_doc_subscribe(docs[i], on_state, &seen);
    }
    fake_sent(&f);
    for (int i = 0; i < COUNT; i++) {
        char text[256];
        times[i] = (i * 7919) % 20000 + 1;
        snprintf(text, sizeof(text),
                 "{\"type\":\"sub:error\",\"actor\":\"doc\",\"actorId\":\"d%d\""
                 ",\"code\":\"UNAVAILABLE\",\"error\":\"no\","
                 "\"retryAfterMs\":%d}",
                 i, (int)times[i]);
        fake_say(&f, text);
    }
    fake_turn(&f);
    int asked = 0;
    while (asked < COUNT) {
        const int64_t wait = wait_of(&f);
        assert_true(wait > 0 && wait < 50000);
        fake_advance(&f, wait);
        const char *sent = fake_sent(&f);
        for (int i = 0; i < COUNT; i++) {
            char name[16];
            snprintf(name, sizeof(name), "\"d%d\"", i);
            if (strstr(sent, name) != NULL) {
                const int64_t now = f.core->now_ms;
                assert_true(now >= times[i] + 250 &&
                            now <= 2 * (times[i] + 250));
                asked++;
            }
        }
    }
    for (int i = 0; i < COUNT; i++) {
        test_doc_close(docs[i]);
    }
    finish(&f, doc);
}

/* Neither an unsubscribe nor a lost connection leaves anything behind. */
static void test_a_wait_may_be_given_up(void **state)
{
    struct fake f;
    struct seen seen = { 0 };
    (void)state;
    struct test_doc *doc = open_doc(&f, 1);
    const uint64_t listener = test_doc_subscribe(doc, on_state, &seen);
    fake_sent(&f);
    fake_say(&f, REFUSED("a", "ABORTED", ",\"retryAfterMs\":9000"));
    zkt_client_off(f.client, listener);
    fake_advance(&f, 10000);
    assert_string_equal(fake_sent(&f), "");
    test_doc_subscribe(doc, on_state, &seen);
    assert_string_equal(fake_sent(&f), SUB("a"));
    fake_say(&f, REFUSED("a", "ABORTED", ",\"retryAfterMs\":9000"));
    fake_detach(&f);
    fake_turn(&f);
    fake_advance(&f, 250);
    fake_accept_at(&f, 1);
    assert_string_equal(fake_sent(&f), SUB("a")); /* a new connection */
    finish(&f, doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_handle_leaves),
        cmocka_unit_test(test_an_older_server_is_not_left),
        cmocka_unit_test(test_no_contact_no_leave),
        cmocka_unit_test(test_a_call_keeps_the_contact),
        cmocka_unit_test(test_coming_back_during_a_call),
        cmocka_unit_test(test_closing_with_calls_under_way),
        cmocka_unit_test(test_a_refusal_of_one_subscription),
        cmocka_unit_test(test_events_are_accepted),
        cmocka_unit_test(test_error_listeners_read_all_of_it),
        cmocka_unit_test(test_not_before_the_time_of_the_server),
        cmocka_unit_test(test_times_of_many_subscriptions),
        cmocka_unit_test(test_a_wait_may_be_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
