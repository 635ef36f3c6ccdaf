/*
 * How a connection of a client begins, against a server that the test plays:
 * when the client is connected.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "evolve_client.h"
#include "fake_server.h"

#define WELCOME "{\"type\":\"welcome\",\"clientId\":\"me\",\"level\":1}"
#define SUB     "{\"type\":\"state:sub\",\"actor\":\"doc\",\"actorId\":\"a\"}\n"
#define PING                                                                   \
    "{\"type\":\"rpc\",\"id\":\"rpc_1_0\",\"actor\":\"doc\",\"actorId\":"      \
    "\"a\",\"method\":\"ping\"}\n"
#define STATE                                                                  \
    "{\"type\":\"state:snapshot\",\"actor\":\"doc\",\"actorId\":\"a\","        \
    "\"state\":{\"n\":1,\"level\":\"low\",\"list\":[],\"items\":{}}}"

static const struct zkt_client_options plain = { .reconnect_jitter = -1 };

static void check_refusal(const struct fake *f, enum zkt_status status,
                          int code, const char *text)
{
    const struct zkt_refusal refusal = zkt_client_refusal(f->client);
    assert_int_equal(refusal.status, status);
    assert_int_equal(refusal.code, code);
    assert_string_equal(refusal.text, text);
}

static struct zkt_client_stats stats_of(const struct fake *f)
{
    struct zkt_client_stats stats;
    zkt_client_stats(f->client, &stats);
    return stats;
}

/* Answers the handshake of the attempt that is under way, without `welcome`. */
static void shake(struct fake *f)
{
    fake_attach(f);
    fake_shake(f, ZKT_WS_PROTOCOL_RFC6902);
    fake_turn(f);
}

/* ---- welcome ---- */

struct greeting {
    struct fake *fake;
    int changes;
    enum zkt_connection status;
    char id[16];
};

static void on_status(enum zkt_connection status, void *user)
{
    struct greeting *g = user;
    g->changes++;
    g->status = status;
    snprintf(g->id, sizeof(g->id), "%s",
             zkt_client_own_id(g->fake->client).data);
}

static void on_ping(const struct zkt_reply *reply, void *user)
{
    int *status = user;
    *status = (int)reply->status;
}

static void on_state(const struct test_doc_state *state, void *user)
{
    int *n = user;
    *n = (int)state->n;
}

static void test_is_connected_at_welcome(void **state)
{
    struct fake f;
    struct greeting g = { .fake = &f };
    int status = -1, n = 0;
    (void)state;
    struct zkt_client *client = fake_open(&f, plain);
    struct test_doc *doc = test_doc_open(client, "a");
    zkt_client_on_status(client, on_status, &g);
    test_doc_subscribe(doc, on_state, &n);
    test_doc_begin_ping(doc, on_ping, &status);
    fake_turn(&f);
    shake(&f);
    assert_int_equal(zkt_client_status(client), ZKT_CONNECTING);
    assert_string_equal(fake_sent(&f), "");
    fake_say(&f, WELCOME);
    assert_string_equal(fake_sent(&f), SUB PING);
    assert_int_equal(g.changes, 1);
    assert_int_equal(g.status, ZKT_CONNECTED);
    assert_string_equal(g.id, "me");
    assert_int_equal(stats_of(&f).connections, 1);
    fake_say(&f, "{\"type\":\"rpc:result\",\"id\":\"rpc_1_0\"}");
    assert_int_equal(status, ZKT_OK);
    fake_say(&f, STATE);
    assert_int_equal(n, 1);
    test_doc_close(doc);
    fake_close(&f);
}

static void test_a_plain_server_need_not_welcome(void **state)
{
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    fake_turn(&f);
    fake_attach(&f);
    fake_shake(&f, NULL);
    fake_turn(&f);
    assert_int_equal(zkt_client_status(f.client), ZKT_CONNECTED);
    fake_close(&f);
}

/* Messages that come first answer nothing, and change nothing. */
static void test_messages_before_welcome_are_ignored(void **state)
{
    struct fake f;
    int n = 0;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    test_doc_subscribe(doc, on_state, &n);
    fake_turn(&f);
    shake(&f);
    fake_say(&f, STATE);
    fake_say(&f, "{\"type\":\"sub:error\",\"actor\":\"doc\",\"actorId\":"
                 "\"a\",\"error\":\"no\",\"code\":\"NOT_FOUND\"}");
    fake_turn(&f);
    assert_null(test_doc_snapshot(doc));
    assert_int_equal(stats_of(&f).unknown_messages, 2);
    fake_say(&f, WELCOME);
    assert_string_equal(fake_sent(&f), SUB);
    test_doc_close(doc);
    fake_close(&f);
}

static void test_the_wait_for_welcome_has_a_limit(void **state)
{
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    fake_turn(&f);
    fake_advance(&f, 4000);
    shake(&f);
    fake_advance(&f, 5999);
    assert_non_null(f.endpoint);
    assert_int_equal(f.pings, 0);
    fake_advance(&f, 1);
    assert_null(f.endpoint);
    assert_string_equal(f.log, "cannot connect: WebSocket did not connect "
                               "within 10000ms");
    check_refusal(&f, ZKT_DEADLINE_EXCEEDED, 0,
                  "WebSocket did not connect within 10000ms");
    fake_close(&f);
}

/* However long it lasts, a handshake without welcome is no stable connection:
 * the delay grows. */
static void test_a_handshake_does_not_reset_the_backoff(void **state)
{
    struct fake f;
    struct greeting g = { .fake = &f };
    int status = -1;
    (void)state;
    struct zkt_client *client = fake_open(&f, plain);
    struct test_doc *doc = test_doc_open(client, "a");
    zkt_client_on_status(client, on_status, &g);
    fake_turn(&f);
    for (int64_t delay = 250; delay <= 1000; delay *= 2) {
        shake(&f);
        fake_advance(&f, 6000);
        fake_detach(&f);
        fake_turn(&f);
        check_refusal(&f, ZKT_UNAVAILABLE, 1006, "the server is gone");
        assert_int_equal(fake_deadline(&f) - f.core->now_ms, delay);
        fake_advance(&f, delay);
    }
    assert_int_equal(g.changes, 0);
    assert_int_equal(stats_of(&f).connections, 0);
    assert_int_equal(stats_of(&f).drops, 0);
    /* A call waits through such attempts. */
    test_doc_begin_ping(doc, on_ping, &status);
    shake(&f);
    fake_detach(&f);
    fake_turn(&f);
    assert_int_equal(status, -1);
    test_doc_close(doc);
    fake_close(&f);
}

/* The client answers the close frame of a server that does not welcome it. */
static void test_a_close_before_welcome_is_answered(void **state)
{
    static const uint8_t bye[] = { 0x88, 2, 0x03, 0xf5 };
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    fake_turn(&f);
    shake(&f);
    fake_feed(&f, bye, sizeof(bye));
    fake_turn(&f);
    assert_int_equal(f.closes, 1);
    assert_null(f.endpoint);
    check_refusal(&f, ZKT_UNAVAILABLE, 1013, "");
    fake_close(&f);
}

/* A client that is closed while it waits says goodbye. */
static void test_closing_before_welcome(void **state)
{
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    fake_turn(&f);
    shake(&f);
    fake_close(&f);
    assert_int_equal(f.closes, 1);
    assert_true(f.finished);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_connected_at_welcome),
        cmocka_unit_test(test_a_plain_server_need_not_welcome),
        cmocka_unit_test(test_messages_before_welcome_are_ignored),
        cmocka_unit_test(test_the_wait_for_welcome_has_a_limit),
        cmocka_unit_test(test_a_handshake_does_not_reset_the_backoff),
        cmocka_unit_test(test_a_close_before_welcome_is_answered),
        cmocka_unit_test(test_closing_before_welcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
