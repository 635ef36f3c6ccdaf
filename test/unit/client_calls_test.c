/*
 * Calls of a client against a server that the test plays: the time that a call
 * gives its server, and cancelling.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "evolve_client.h"
#include "failing_alloc.h"
#include "fake_server.h"

#define RPC_WITHOUT_LIMIT(number)                                              \
    "{\"type\":\"rpc\",\"id\":\"rpc_" number "_0\",\"actor\":\"doc\","         \
    "\"actorId\":\"a\",\"method\":\"ping\"}\n"
#define RPC(number, ms)                                                        \
    "{\"type\":\"rpc\",\"id\":\"rpc_" number "_0\",\"actor\":\"doc\","         \
    "\"actorId\":\"a\",\"method\":\"ping\",\"timeoutMs\":" ms "}\n"

#define CANCEL(number) "{\"type\":\"rpc:cancel\",\"id\":\"rpc_" number "_0\"}\n"
#define RESULT(number) "{\"type\":\"rpc:result\",\"id\":\"rpc_" number "_0\"}"
#define LEAVE          "{\"type\":\"leave\",\"actor\":\"doc\",\"actorId\":\"a\"}\n"

static const struct zkt_client_options plain = { .reconnect_jitter = -1 };

/* The end of a call. */
struct outcome {
    int count;
    enum zkt_status status;
    char error[160];
};

static void on_done(const struct zkt_reply *reply, void *user)
{
    struct outcome *outcome = user;
    outcome->count++;
    outcome->status = reply->status;
    snprintf(outcome->error, sizeof(outcome->error), "%s", reply->error);
}

/* ---- the time of a call ---- */

static void test_a_call_says_how_long_it_may_take(void **state)
{
    struct outcome first = { 0 }, second = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    test_doc_begin_ping(doc, on_done, &first);
    fake_advance(&f, 300);
    test_doc_begin_ping(doc, on_done, &second);
    fake_advance(&f, 200);
    fake_accept(&f);
    test_doc_begin_ping(doc, on_done, &second);
    assert_string_equal(fake_sent(&f),
                        RPC("1", "9500") RPC("2", "9800") RPC("3", "10000"));
    test_doc_close(doc);
    fake_close(&f);
}

static void test_a_call_without_a_limit_says_nothing(void **state)
{
    struct zkt_client_options options = plain;
    struct outcome outcome = { 0 };
    struct fake f;
    (void)state;
    options.rpc_timeout_ms = -1;
    struct test_doc *doc = test_doc_open(fake_open(&f, options), "a");
    test_doc_begin_ping(doc, on_done, &outcome);
    fake_turn(&f);
    fake_accept(&f);
    test_doc_begin_ping(doc, on_done, &outcome);
    assert_string_equal(fake_sent(&f),
                        RPC_WITHOUT_LIMIT("1") RPC_WITHOUT_LIMIT("2"));
    test_doc_close(doc);
    fake_close(&f);
}

/* The socket opens in the same turn in which the time of the call ends. */
static void test_a_call_whose_time_is_over_is_not_sent(void **state)
{
    struct zkt_client_options options = plain;
    struct outcome late = { 0 }, early = { 0 };
    struct fake f;
    (void)state;
    options.rpc_timeout_ms = 200;
    struct test_doc *doc = test_doc_open(fake_open(&f, options), "a");
    test_doc_begin_ping(doc, on_done, &late);
    fake_advance(&f, 1);
    test_doc_begin_ping(doc, on_done, &early);
    f.core->now_ms += 199;
    fake_accept(&f);
    assert_string_equal(fake_sent(&f), RPC("2", "1"));
    assert_int_equal(late.count, 1);
    assert_int_equal(late.status, ZKT_DEADLINE_EXCEEDED);
    assert_int_equal(early.count, 0);
    test_doc_close(doc);
    fake_close(&f);
}

/* ---- cancelling ---- */

static struct test_doc *open_doc(struct fake *f, int level)
{
    struct test_doc *doc = test_doc_open(fake_open(f, plain), "a");
    fake_turn(f);
    fake_accept_at(f, level);
    return doc;
}

static void check_cancelled(const struct outcome *outcome)
{
    assert_int_equal(outcome->count, 1);
    assert_int_equal(outcome->status, ZKT_CANCELLED);
    assert_string_equal(outcome->error, "the call was cancelled");
}

static void test_cancelling_a_call_that_was_sent(void **state)
{
    struct outcome first = { 0 }, second = { 0 };
    struct zkt_client_stats stats;
    struct fake f;
    (void)state;
    struct test_doc *doc = open_doc(&f, 1);
    const uint64_t call = test_doc_begin_ping(doc, on_done, &first);
    test_doc_begin_ping(doc, on_done, &second);
    assert_string_equal(fake_sent(&f), RPC("1", "10000") RPC("2", "10000"));
    zkt_client_cancel(f.client, call);
    zkt_client_cancel(f.client, call);
    assert_int_equal(first.count, 0);
    assert_int_equal(fake_deadline(&f), f.core->now_ms);
    assert_string_equal(fake_sent(&f), CANCEL("1"));
    check_cancelled(&first);
    zkt_client_cancel(f.client, call);
    /* The server answers every call; the result of this one is ignored. */
    fake_say(&f, "{\"type\":\"rpc:result\",\"id\":\"rpc_1_0\",\"error\":"
                 "\"cancelled\",\"code\":\"CANCELLED\"}");
    fake_say(&f, RESULT("2"));
    assert_string_equal(fake_sent(&f), "");
    assert_int_equal(first.count, 1);
    assert_int_equal(second.count, 1);
    assert_int_equal(second.status, ZKT_OK);
    zkt_client_stats(f.client, &stats);
    assert_int_equal(stats.mismatches + stats.errors + stats.unknown_messages,
                     0);
    test_doc_close(doc);
    fake_close(&f);
}

static void test_cancelling_a_call_that_waits(void **state)
{
    struct outcome first = { 0 }, second = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    const uint64_t call = test_doc_begin_ping(doc, on_done, &first);
    test_doc_begin_ping(doc, on_done, &second);
    fake_turn(&f);
    zkt_client_cancel(f.client, call);
    assert_int_equal(first.count, 0);
    fake_turn(&f);
    check_cancelled(&first);
    fake_accept_at(&f, 1);
    assert_string_equal(fake_sent(&f), RPC("2", "10000"));
    test_doc_close(doc);
    fake_close(&f);
}

/* The connection opens after the call was cancelled, and before its callback
 * has run. */
static void test_a_cancelled_call_is_never_sent(void **state)
{
    struct outcome outcome = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    const uint64_t call = test_doc_begin_ping(doc, on_done, &outcome);
    fake_turn(&f);
    fake_attach(&f);
    fake_shake(&f, ZKT_WS_PROTOCOL_RFC6902);
    zkt_client_cancel(f.client, call);
    fake_say(&f, "{\"type\":\"welcome\",\"clientId\":\"me\",\"level\":1}");
    assert_string_equal(fake_sent(&f), "");
    check_cancelled(&outcome);
    test_doc_close(doc);
    fake_close(&f);
}

static void test_calls_that_cannot_be_cancelled(void **state)
{
    const struct test_doc_add_input bad = { .by = 99 };
    struct outcome outcome = { 0 }, closed = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = open_doc(&f, 1);
    const uint64_t call = test_doc_begin_ping(doc, on_done, &outcome);
    assert_string_equal(fake_sent(&f), RPC("1", "10000"));
    fake_say(&f, RESULT("1"));
    zkt_client_cancel(f.client, call);
    zkt_client_cancel(f.client, call + 1);
    zkt_client_cancel(f.client, 0);
    zkt_client_cancel(f.client, UINT64_MAX);
    zkt_client_cancel(NULL, call);
    assert_string_equal(fake_sent(&f), "");
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.status, ZKT_OK);
    /* It has failed already, and keeps its status. */
    zkt_client_cancel(f.client, test_doc_begin_add(doc, &bad, NULL, NULL));
    fake_detach(&f);
    fake_turn(&f);
    const uint64_t lost = test_doc_begin_ping(doc, on_done, &outcome);
    zkt_client_close(f.client);
    assert_int_equal(outcome.count, 2);
    assert_string_equal(outcome.error, "WebSocket client closed");
    assert_int_equal(lost, 3);
    /* Without a client a call ends at once. */
    assert_int_equal(test_doc_begin_ping(doc, on_done, &closed), 0);
    assert_int_equal(closed.status, ZKT_FAILED_PRECONDITION);
    test_doc_close(doc);
}

static void test_an_older_server_is_not_told(void **state)
{
    struct outcome cancelled = { 0 }, late = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = open_doc(&f, 0);
    const uint64_t call = test_doc_begin_ping(doc, on_done, &cancelled);
    test_doc_begin_ping(doc, on_done, &late);
    assert_string_equal(fake_sent(&f), RPC("1", "10000") RPC("2", "10000"));
    zkt_client_cancel(f.client, call);
    assert_string_equal(fake_sent(&f), "");
    check_cancelled(&cancelled);
    fake_advance(&f, 10000);
    fake_advance(&f, 500);
    assert_int_equal(late.status, ZKT_DEADLINE_EXCEEDED);
    assert_string_equal(fake_sent(&f), "");
    test_doc_close(doc);
    fake_close(&f);
}

/* A connection that is lost ends its calls; the next has nothing to cancel. */
static void test_cancelling_and_a_lost_connection(void **state)
{
    struct outcome cancelled = { 0 }, lost = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = open_doc(&f, 1);
    const uint64_t first = test_doc_begin_ping(doc, on_done, &cancelled);
    const uint64_t second = test_doc_begin_ping(doc, on_done, &lost);
    assert_string_equal(fake_sent(&f), RPC("1", "10000") RPC("2", "10000"));
    zkt_client_cancel(f.client, first);
    fake_detach(&f);
    zkt_client_cancel(f.client, second);
    fake_turn(&f);
    check_cancelled(&cancelled);
    assert_int_equal(lost.status, ZKT_UNAVAILABLE);
    fake_advance(&f, 250);
    fake_accept_at(&f, 1);
    zkt_client_cancel(f.client, second);
    assert_string_equal(fake_sent(&f), "");
    assert_int_equal(lost.count, 1);
    test_doc_close(doc);
    fake_close(&f);
}

static void test_a_call_that_times_out_is_cancelled(void **state)
{
    struct outcome outcome = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = open_doc(&f, 1);
    test_doc_begin_ping(doc, on_done, &outcome);
    assert_string_equal(fake_sent(&f), RPC("1", "10000"));
    fake_advance(&f, 10499);
    assert_string_equal(fake_sent(&f), "");
    fake_advance(&f, 1);
    assert_string_equal(fake_sent(&f), CANCEL("1"));
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.status, ZKT_DEADLINE_EXCEEDED);
    assert_string_equal(outcome.error, "RPC \"ping\" timed out after 10000ms");
    test_doc_close(doc);
    fake_close(&f);
}

static void let_time_pass(struct fake *f)
{
    f->core->now_ms += 5250;
}

static void test_a_blocking_call_that_times_out_is_cancelled(void **state)
{
    struct zkt_reply reply = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = open_doc(&f, 1);
    f.on_poll = let_time_pass;
    assert_int_equal(test_doc_call_ping(doc, &reply), ZKT_DEADLINE_EXCEEDED);
    assert_string_equal(fake_sent(&f), RPC("1", "10000") CANCEL("1"));
    zkt_reply_clear(&reply);
    test_doc_close(doc);
    fake_close(&f);
}

/* The contact ends after its last call, which the server is told to end. */
static void test_cancelling_and_leaving(void **state)
{
    struct outcome outcome = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = open_doc(&f, 1);
    const uint64_t call = test_doc_begin_ping(doc, on_done, &outcome);
    test_doc_close(doc);
    assert_string_equal(fake_sent(&f), RPC("1", "10000"));
    zkt_client_cancel(f.client, call);
    assert_string_equal(fake_sent(&f), CANCEL("1") LEAVE);
    check_cancelled(&outcome);
    fake_close(&f);
}

static void test_cancelled_calls_make_room(void **state)
{
    struct zkt_client_options options = plain;
    struct outcome first = { 0 }, second = { 0 }, third = { 0 };
    struct fake f;
    (void)state;
    options.pending_calls = 1;
    struct test_doc *doc = test_doc_open(fake_open(&f, options), "a");
    const uint64_t call = test_doc_begin_ping(doc, on_done, &first);
    zkt_client_cancel(f.client, call);
    test_doc_begin_ping(doc, on_done, &second); /* the first has not ended */
    fake_turn(&f);
    check_cancelled(&first);
    assert_int_equal(second.status, ZKT_RESOURCE_EXHAUSTED);
    test_doc_begin_ping(doc, on_done, &third);
    fake_accept_at(&f, 1);
    assert_string_equal(fake_sent(&f), RPC("3", "10000"));
    test_doc_close(doc);
    fake_close(&f);
}

/* Each call cancels the next: all end in turns of their own. */
struct chain {
    struct fake *fake;
    uint64_t calls[4];
    int ended;
};

static void cancel_next(const struct zkt_reply *reply, void *user)
{
    struct chain *chain = user;
    assert_int_equal(reply->status, ZKT_CANCELLED);
    if (++chain->ended < 4) {
        zkt_client_cancel(chain->fake->client, chain->calls[chain->ended]);
    }
}

static void test_cancelling_in_a_callback(void **state)
{
    struct fake f;
    struct chain chain = { .fake = &f };
    (void)state;
    struct test_doc *doc = open_doc(&f, 1);
    for (int i = 0; i < 4; i++) {
        chain.calls[i] = test_doc_begin_ping(doc, cancel_next, &chain);
    }
    (void)fake_sent(&f);
    zkt_client_cancel(f.client, chain.calls[0]);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(chain.ended, i);
        fake_turn(&f);
    }
    assert_int_equal(chain.ended, 4);
    assert_string_equal(fake_sent(&f),
                        CANCEL("1") CANCEL("2") CANCEL("3") CANCEL("4"));
    test_doc_close(doc);
    fake_close(&f);
}

/* ---- no memory ---- */

/* Calls that are cancelled, sent and not, and one that times out; the @n-th
 * allocation fails. */
static bool cancel_with_failure(long n)
{
    struct zkt_client_options options = plain;
    struct outcome outcomes[3] = { 0 };
    uint64_t calls[3] = { 0 };
    struct failing_alloc failing;
    struct fake f;
    failing_alloc_init(&failing, n);
    options.allocator = &failing.allocator;
    struct zkt_client *client = fake_open(&f, options);
    struct test_doc *doc = test_doc_open(client, "a");
    for (int i = 0; i < 3 && client != NULL; i++) {
        calls[i] = test_doc_begin_ping(doc, on_done, &outcomes[i]);
        fake_turn(&f);
        if (i == 0) {
            zkt_client_cancel(client, calls[0]);
        }
        if (f.asked) {
            fake_attach(&f);
        }
        if (f.endpoint != NULL && f.raw_len > 0 && f.raw[0] == 'G') {
            fake_shake(&f, ZKT_WS_PROTOCOL_RFC6902);
        }
        if (f.endpoint != NULL) {
            fake_say(&f, "{\"type\":\"welcome\",\"level\":1}");
        }
        fake_turn(&f);
    }
    zkt_client_cancel(client, calls[1]);
    if (client != NULL) {
        fake_advance(&f, 20000);
        fake_close(&f);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(outcomes[i].count, 1);
        }
    }
    test_doc_close(doc);
    assert_int_equal(failing.live, 0);
    return failing.calls >= n;
}

static void test_every_allocation_of_cancelled_calls(void **state)
{
    long n = 1;
    (void)state;
    while (cancel_with_failure(n)) {
        n++;
    }
    assert_true(n > 15);
}

/* A call that there is no memory for says so, also without a limit of calls. */
static void test_a_call_without_memory_says_so(void **state)
{
    struct zkt_client_options options = plain;
    struct failing_alloc failing;
    struct outcome outcome = { 0 };
    struct fake f;
    (void)state;
    failing_alloc_init(&failing, 0);
    options.allocator = &failing.allocator;
    options.pending_calls = -1;
    struct test_doc *doc = test_doc_open(fake_open(&f, options), "a");
    failing.fail_at = failing.calls + 1;
    assert_int_not_equal(test_doc_begin_ping(doc, on_done, &outcome), 0);
    fake_turn(&f);
    assert_int_equal(outcome.status, ZKT_RESOURCE_EXHAUSTED);
    assert_string_equal(outcome.error, "out of memory");
    test_doc_close(doc);
    fake_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_says_how_long_it_may_take),
        cmocka_unit_test(test_a_call_without_a_limit_says_nothing),
        cmocka_unit_test(test_a_call_whose_time_is_over_is_not_sent),
        cmocka_unit_test(test_cancelling_a_call_that_was_sent),
        cmocka_unit_test(test_cancelling_a_call_that_waits),
        cmocka_unit_test(test_a_cancelled_call_is_never_sent),
        cmocka_unit_test(test_calls_that_cannot_be_cancelled),
        cmocka_unit_test(test_an_older_server_is_not_told),
        cmocka_unit_test(test_cancelling_and_a_lost_connection),
        cmocka_unit_test(test_a_call_that_times_out_is_cancelled),
        cmocka_unit_test(test_a_blocking_call_that_times_out_is_cancelled),
        cmocka_unit_test(test_cancelling_and_leaving),
        cmocka_unit_test(test_cancelled_calls_make_room),
        cmocka_unit_test(test_cancelling_in_a_callback),
        cmocka_unit_test(test_every_allocation_of_cancelled_calls),
        cmocka_unit_test(test_a_call_without_memory_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
