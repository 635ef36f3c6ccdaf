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
#include "fake_server.h"

#define RPC_WITHOUT_LIMIT(number)                                              \
    "{\"type\":\"rpc\",\"id\":\"rpc_" number "_0\",\"actor\":\"doc\","         \
    "\"actorId\":\"a\",\"method\":\"ping\"}\n"
#define RPC(number, ms)                                                        \
    "{\"type\":\"rpc\",\"id\":\"rpc_" number "_0\",\"actor\":\"doc\","         \
    "\"actorId\":\"a\",\"method\":\"ping\",\"timeoutMs\":" ms "}\n"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_says_how_long_it_may_take),
        cmocka_unit_test(test_a_call_without_a_limit_says_nothing),
        cmocka_unit_test(test_a_call_whose_time_is_over_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
