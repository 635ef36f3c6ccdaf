/*
 * The client's connection on a clock that the test advances: when it connects,
 * and reconnects after a loss; the fate of calls, timeouts and silent
 * connections; the order of notifications. client_store_test.c tests state,
 * events and handles.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/core.h"
#include "evolve_client.h"
#include "failing_alloc.h"
#include "fake_server.h"

#define WELCOME "{\"type\":\"welcome\",\"clientId\":\"me\"}"
#define SUB     "{\"type\":\"state:sub\",\"actor\":\"doc\",\"actorId\":\"a\"}\n"
#define RPC_WITHIN(id, method, ms)                                             \
    "{\"type\":\"rpc\",\"id\":\"rpc_" id "_0\",\"actor\":\"doc\","             \
    "\"actorId\":\"a\",\"method\":\"" method "\",\"timeoutMs\":" ms "}\n"
#define RPC(id, method) RPC_WITHIN(id, method, "10000")

static const struct zkt_client_options plain = { .reconnect_jitter = -1 };

/* The result of a call. */
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

/* The statuses that a listener has seen, as letters. */
struct history {
    char text[64];
    size_t len;
};

static void on_status(enum zkt_connection status, void *user)
{
    struct history *history = user;
    history->text[history->len++] = zkt_connection_name(status)[0];
    if (status == ZKT_CONNECTED) {
        history->text[history->len - 1] = 'C'; /* 'c' is connecting */
    }
}

/* ---- connecting ---- */

static void test_connects_at_the_first_tick(void **state)
{
    struct fake f;
    struct history seen = { .len = 0 };
    (void)state;
    struct zkt_client *client = fake_open(&f, plain);
    zkt_client_on_status(client, on_status, &seen);
    assert_int_equal(f.dials, 0);
    assert_true(fake_deadline(&f) <= 0);
    fake_turn(&f);
    assert_int_equal(f.dials, 1);
    assert_int_equal(zkt_client_status(client), ZKT_CONNECTING);
    fake_turn(&f);
    assert_int_equal(f.dials, 1); /* a single dial at a time */
    fake_accept(&f);
    assert_int_equal(zkt_client_status(client), ZKT_CONNECTED);
    fake_say(&f, WELCOME);
    assert_string_equal(zkt_client_own_id(client).data, "me");
    fake_close(&f);
    assert_string_equal(seen.text, "Cd");
    assert_true(f.finished);
}

/* Drops the connection and returns the time until the next attempt. */
static int64_t drop_and_wait(struct fake *f)
{
    const int dials = f->dials;
    fake_detach(f);
    fake_turn(f);
    assert_int_equal(f->dials, dials);
    const int64_t wait = fake_deadline(f) - f->core->now_ms;
    fake_advance(f, wait - 1);
    assert_int_equal(f->dials, dials); /* not a millisecond too early */
    fake_advance(f, 1);
    assert_int_equal(f->dials, dials + 1);
    return wait;
}

static void test_backoff_doubles_and_stays(void **state)
{
    static const int64_t expected[] = { 250, 500, 1000, 2000, 2000, 2000 };
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    fake_turn(&f);
    for (size_t i = 0; i < 6; i++) {
        fake_accept(&f);
        assert_int_equal(drop_and_wait(&f), expected[i]);
    }
    fake_close(&f);
}

static void test_attempts_that_fail_back_off(void **state)
{
    static const int64_t expected[] = { 100, 200, 400, 500, 500 };
    struct zkt_client_options options = plain;
    struct history seen = { .len = 0 };
    struct fake f;
    (void)state;
    options.reconnect_min_ms = 100;
    options.reconnect_max_ms = 500;
    zkt_client_on_status(fake_open(&f, options), on_status, &seen);
    fake_turn(&f);
    for (size_t i = 0; i < 5; i++) {
        fake_refuse(&f);
        assert_string_equal(f.log, "cannot connect: refused");
        assert_int_equal(fake_deadline(&f) - f.core->now_ms, expected[i]);
        assert_int_equal(zkt_client_status(f.client), ZKT_CONNECTING);
        fake_advance(&f, expected[i]);
    }
    assert_int_equal(f.dials, 6);
    fake_accept(&f);
    assert_string_equal(seen.text, "C");
    fake_close(&f);
}

static void test_jitter_stays_within_bounds(void **state)
{
    static const int64_t most[] = { 250, 500, 1000, 2000, 2000 };
    int64_t low = INT64_MAX, high = 0;
    (void)state;
    for (uint8_t seed = 0; seed < 200; seed++) {
        const uint8_t bytes[ZKT_SEED_SIZE] = { seed };
        const struct zkt_client_options options = { .random_seed = bytes };
        struct fake f;
        fake_open(&f, options);
        fake_turn(&f);
        for (size_t i = 0; i < 5; i++) {
            fake_refuse(&f);
            const int64_t wait = fake_deadline(&f) - f.core->now_ms;
            assert_in_range(wait, most[i] / 2, most[i]);
            low = wait * 1000 / most[i] < low ? wait * 1000 / most[i] : low;
            high = wait * 1000 / most[i] > high ? wait * 1000 / most[i] : high;
            fake_advance(&f, wait);
        }
        fake_close(&f);
    }
    /* The delays use the whole range. */
    assert_true(low < 520 && high > 980);
}

static void test_only_a_stable_connection_resets_the_backoff(void **state)
{
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    fake_turn(&f);
    fake_accept(&f);
    assert_int_equal(drop_and_wait(&f), 250);
    fake_accept(&f);
    fake_advance(&f, 4999);
    assert_int_equal(drop_and_wait(&f), 500);
    fake_accept(&f);
    fake_advance(&f, 5000);
    assert_int_equal(drop_and_wait(&f), 250);
    fake_close(&f);
}

static void test_reconnection_can_be_turned_off(void **state)
{
    struct zkt_client_options options = plain;
    struct history seen = { .len = 0 };
    struct outcome first = { 0 }, second = { 0 };
    struct fake f;
    (void)state;
    options.no_reconnect = true;
    struct zkt_client *client = fake_open(&f, options);
    zkt_client_on_status(client, on_status, &seen);
    struct test_doc *doc = test_doc_open(client, "a");
    fake_turn(&f);
    fake_accept(&f);
    test_doc_begin_ping(doc, on_done, &first);
    fake_detach(&f);
    assert_int_equal(first.count, 0);
    fake_turn(&f);
    assert_int_equal(first.status, ZKT_UNAVAILABLE);
    assert_string_equal(first.error, "WebSocket closed: the server is gone");
    assert_string_equal(seen.text, "Cd");
    test_doc_begin_ping(doc, on_done, &second);
    assert_int_equal(second.count, 0); /* never inside begin */
    fake_turn(&f);
    assert_string_equal(second.error, "not connected: the server is gone");
    assert_int_equal(zkt_client_poll(client, -1), ZKT_CLOSED);
    assert_true(fake_deadline(&f) == ZKT_NEVER);
    assert_int_equal(f.dials, 1);
    test_doc_close(doc);
    fake_close(&f);
}

static void test_connecting_has_a_limit(void **state)
{
    struct zkt_client_options options = plain;
    struct fake f;
    (void)state;
    options.connect_timeout_ms = 3000;
    fake_open(&f, options);
    fake_turn(&f);
    fake_advance(&f, 2999);
    assert_int_equal(f.aborts, 0);
    fake_advance(&f, 1);
    assert_int_equal(f.aborts, 1);
    assert_string_equal(f.log,
                        "cannot connect: WebSocket did not connect within "
                        "3000ms");
    assert_int_equal(zkt_client_status(f.client), ZKT_CONNECTING);
    fake_advance(&f, 250);
    assert_int_equal(f.dials, 2);
    /* The handshake counts towards the limit. */
    fake_advance(&f, 1000);
    fake_attach(&f);
    fake_advance(&f, 1999);
    assert_non_null(f.endpoint);
    fake_advance(&f, 1);
    assert_null(f.endpoint);
    assert_int_equal(f.aborts, 1);
    fake_advance(&f, 500);
    assert_int_equal(f.dials, 3);
    fake_close(&f);
}

/* A driver with a resolver that hangs: the next attempt waits for the end of
 * the abort, and a late result is discarded. */
static void test_an_abort_may_take_its_time(void **state)
{
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    f.lazy = true;
    fake_turn(&f);
    fake_advance(&f, 10000);
    assert_int_equal(f.aborts, 1);
    fake_advance(&f, 60000);
    assert_int_equal(f.dials, 1);
    assert_true(fake_deadline(&f) == ZKT_NEVER);
    assert_null(zkt__client_connected(f.client));
    fake_turn(&f);
    assert_int_equal(f.dials, 2);
    fake_accept(&f);
    assert_int_equal(zkt_client_status(f.client), ZKT_CONNECTED);
    fake_close(&f);
}

static void test_limits_can_be_turned_off(void **state)
{
    struct zkt_client_options options = plain;
    struct outcome outcome = { 0 };
    struct fake f;
    (void)state;
    options.connect_timeout_ms = options.rpc_timeout_ms = -1;
    options.ping_after_ms = -1;
    struct test_doc *doc = test_doc_open(fake_open(&f, options), "a");
    fake_turn(&f);
    test_doc_begin_ping(doc, on_done, &outcome);
    fake_turn(&f);
    assert_true(fake_deadline(&f) == ZKT_NEVER);
    fake_advance(&f, (int64_t)1 << 40);
    fake_accept(&f);
    fake_advance(&f, (int64_t)1 << 40);
    assert_int_equal(outcome.count, 0);
    assert_true(fake_deadline(&f) == ZKT_NEVER);
    fake_say(&f, "{\"type\":\"rpc:result\",\"id\":\"rpc_1_0\"}");
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.status, ZKT_OK);
    test_doc_close(doc);
    fake_close(&f);
}

static void check_refusal(const struct fake *f, enum zkt_status status,
                          int code, const char *text)
{
    const struct zkt_refusal refusal = zkt_client_refusal(f->client);
    assert_int_equal(refusal.status, status);
    assert_int_equal(refusal.code, code);
    assert_string_equal(refusal.text, text);
}

static void test_the_server_refuses_the_handshake(void **state)
{
    static const char refusal[] = "HTTP/1.1 503 Not\tnow \r\n\r\n";
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    fake_turn(&f);
    fake_attach(&f);
    fake_feed(&f, refusal, strlen(refusal));
    fake_turn(&f);
    assert_null(f.endpoint);
    assert_string_equal(f.log, "cannot connect: the server refused the "
                               "WebSocket handshake: 503 Not now");
    check_refusal(&f, ZKT_UNAVAILABLE, 503, "Not now");
    fake_advance(&f, 250);
    assert_int_equal(f.dials, 2);
    fake_close(&f);
}

static void refuse_with(struct fake *f, const char *response)
{
    fake_attach(f);
    fake_feed(f, response, strlen(response));
    fake_turn(f);
    fake_advance(f, 2000);
}

static void close_with(struct fake *f, const char *frame, size_t len)
{
    fake_accept(f);
    check_refusal(f, ZKT_OK, 0, "");
    fake_feed(f, frame, len);
    fake_turn(f);
    fake_advance(f, 2000);
}

static void test_reasons_for_having_no_connection(void **state)
{
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    check_refusal(&f, ZKT_OK, 0, "");
    fake_turn(&f);
    fake_refuse(&f);
    check_refusal(&f, ZKT_UNAVAILABLE, 0, "refused");
    fake_advance(&f, 2000);
    fake_advance(&f, 10000);
    check_refusal(&f, ZKT_DEADLINE_EXCEEDED, 0,
                  "WebSocket did not connect within 10000ms");
    fake_advance(&f, 2000);
    refuse_with(&f, "HTTP/1.1 429 Slow\r\n\r\n");
    check_refusal(&f, ZKT_RESOURCE_EXHAUSTED, 429, "Slow");
    refuse_with(&f, "HTTP/1.0 502 \xff\r\n\r\n");
    check_refusal(&f, ZKT_UNAVAILABLE, 502, "");
    refuse_with(&f, "HTTP/1.1 418\r\n\r\n");
    check_refusal(&f, ZKT_FAILED_PRECONDITION, 418, "");
    refuse_with(&f, "SSH-2.0-x\r\n\r\n");
    check_refusal(&f, ZKT_UNAVAILABLE, 0,
                  "the server refused the WebSocket handshake");
    close_with(&f, "\x88\x06\x03\xf5slow", 8);
    check_refusal(&f, ZKT_UNAVAILABLE, 1013, "slow");
    assert_string_equal(f.log, "the connection is lost: the peer closed the "
                               "connection: 1013 slow");
    close_with(&f, "\x88\x02\x11\x4d", 4);
    check_refusal(&f, ZKT_RESOURCE_EXHAUSTED, 4429, "");
    close_with(&f, "\x88\x00", 2);
    check_refusal(&f, ZKT_UNAVAILABLE, 1005, "");
    close_with(&f, "\x83\x00", 2); /* not a frame */
    check_refusal(&f, ZKT_UNAVAILABLE, 1006, "the peer broke the protocol");
    fake_accept(&f);
    fake_detach(&f);
    check_refusal(&f, ZKT_UNAVAILABLE, 1006, "the server is gone");
    fake_close(&f);
    assert_int_equal(zkt_client_refusal(NULL).status, ZKT_OK);
}

/* A reason may be as long as a close frame allows. */
static void test_a_long_reason(void **state)
{
    char frame[2 + 2 + 123 + 1] = "\x88\x7d\x0f\xa0";
    char line[2048];
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    fake_turn(&f);
    memset(frame + 4, 'x', 123);
    close_with(&f, frame, 4 + 123);
    check_refusal(&f, ZKT_UNAVAILABLE, 4000, frame + 4);
    /* A reason phrase may be longer; it is cut between two characters. */
    snprintf(line, sizeof(line), "HTTP/1.1 500 %s%s\xc3\xa4%s\r\n\r\n",
             frame + 4, "yyy", frame + 4);
    refuse_with(&f, line);
    const struct zkt_refusal refusal = zkt_client_refusal(f.client);
    assert_int_equal(refusal.status, ZKT_INTERNAL);
    assert_int_equal(strlen(refusal.text), 126);
    assert_string_equal(refusal.text + 123, "yyy");
    fake_close(&f);
}

/* The id belongs to the connection: without a connection there is no id. */
static void test_the_id_of_the_connection(void **state)
{
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    fake_turn(&f);
    fake_attach(&f);
    fake_shake(&f, NULL);
    assert_string_equal(zkt_client_own_id(f.client).data, "");
    fake_say(&f, WELCOME);
    assert_string_equal(zkt_client_own_id(f.client).data, "me");
    fake_detach(&f);
    assert_string_equal(zkt_client_own_id(f.client).data, "");
    fake_advance(&f, 250);
    fake_advance(&f, 250);
    fake_attach(&f);
    fake_shake(&f, NULL);
    assert_string_equal(zkt_client_own_id(f.client).data, "");
    fake_say(&f, "{\"type\":\"welcome\",\"clientId\":\"you\"}");
    assert_string_equal(zkt_client_own_id(f.client).data, "you");
    fake_close(&f);
}

static void test_a_close_frame_is_a_drop(void **state)
{
    static const uint8_t going[] = { 0x88, 2, 0x03, 0xe9 };
    struct history seen = { .len = 0 };
    struct fake f;
    (void)state;
    zkt_client_on_status(fake_open(&f, plain), on_status, &seen);
    fake_turn(&f);
    fake_attach(&f);
    fake_shake(&f, NULL);
    /* The close comes in the turn of the handshake: listeners see both
     * changes. */
    fake_feed(&f, going, sizeof(going));
    fake_turn(&f);
    assert_string_equal(seen.text, "Cr");
    assert_null(f.endpoint);
    assert_int_equal(f.closes, 1); /* the close was answered */
    fake_advance(&f, 250);
    fake_accept(&f);
    assert_string_equal(seen.text, "CrC");
    fake_close(&f);
    assert_string_equal(seen.text, "CrCd");
}

/* The peer reads nothing, so the client's close frame never leaves: when the
 * next attempt is due, the old transport is dropped. */
static void test_a_transport_that_hangs_is_dropped(void **state)
{
    static const uint8_t going[] = { 0x88, 2, 0x03, 0xe9 };
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    fake_turn(&f);
    fake_accept(&f);
    fake_feed(&f, going, sizeof(going));
    f.core->ops->tick(f.core);
    assert_true(f.endpoint->closing);
    assert_false(f.endpoint->aborted);
    assert_int_equal(fake_deadline(&f), 250);
    f.core->now_ms += 250;
    f.core->ops->tick(f.core);
    assert_true(f.endpoint->aborted);
    assert_int_equal(f.dials, 1);
    assert_true(fake_deadline(&f) == ZKT_NEVER);
    fake_detach(&f);
    fake_turn(&f);
    assert_int_equal(f.dials, 2);
    fake_close(&f);
}

static void test_silence_is_asked_and_then_ended(void **state)
{
    static const uint8_t pong[] = { 0x8a, 0 };
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    fake_turn(&f);
    fake_accept(&f);
    fake_advance(&f, 20000);
    fake_say(&f, WELCOME);
    fake_advance(&f, 29999);
    assert_int_equal(f.pings, 0);
    fake_advance(&f, 1);
    assert_int_equal(f.pings, 1);
    fake_advance(&f, 4999);
    fake_feed(&f, pong, sizeof(pong));
    fake_advance(&f, 29999);
    assert_int_equal(f.pings, 1);
    fake_advance(&f, 1);
    assert_int_equal(f.pings, 2);
    fake_advance(&f, 5000);
    assert_int_equal(zkt_client_status(f.client), ZKT_RECONNECTING);
    assert_null(f.endpoint);
    fake_close(&f);
}

/* The head of a message of a MiB less one byte. */
static void begin_message(struct fake *f)
{
    fake_feed(f, "\x81\x7f\0\0\0\0\0\x0f\xff\xff", 10);
}

static void test_a_message_that_drips_is_silence(void **state)
{
    static char kib[1024];
    struct fake f;
    (void)state;
    memset(kib, 'x', sizeof(kib));
    fake_open(&f, plain);
    fake_turn(&f);
    fake_accept(&f);
    begin_message(&f);
    for (int i = 0; i < 200; i++) { /* however much came before */
        fake_feed(&f, kib, sizeof(kib));
    }
    for (int i = 0; i < 30; i++) {
        assert_int_equal(f.pings, 0);
        fake_advance(&f, 1000);
        fake_feed(&f, "x", 1);
    }
    assert_int_equal(f.pings, 1);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(zkt_client_status(f.client), ZKT_CONNECTED);
        fake_feed(&f, "x", 1);
        fake_advance(&f, 1000);
    }
    assert_int_equal(zkt_client_status(f.client), ZKT_RECONNECTING);
    fake_close(&f);
}

static void test_a_message_that_takes_long_is_none(void **state)
{
    static char more[1200]; /* than is progress in a second */
    struct fake f;
    (void)state;
    memset(more, 'x', sizeof(more));
    fake_open(&f, plain);
    fake_turn(&f);
    fake_accept(&f);
    begin_message(&f);
    for (int i = 0; i < 800; i++) {
        fake_feed(&f, more, sizeof(more));
        fake_advance(&f, 1000);
    }
    assert_int_equal(f.pings, 0);
    assert_int_equal(zkt_client_status(f.client), ZKT_CONNECTED);
    fake_close(&f);
}

/* A client that has not polled for a while has not read the pong either. */
static void test_a_client_that_slept_asks_again(void **state)
{
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    fake_turn(&f);
    fake_accept(&f);
    fake_advance(&f, 30000);
    assert_int_equal(f.pings, 1);
    fake_advance(&f, 10000);
    assert_int_equal(f.pings, 2);
    assert_int_equal(zkt_client_status(f.client), ZKT_CONNECTED);
    fake_advance(&f, 9999);
    assert_int_equal(zkt_client_status(f.client), ZKT_RECONNECTING);
    fake_close(&f);
}

/* ---- calls ---- */

/* The clock of the last turn may be old: a call still gets its full time. */
static void test_a_call_after_a_long_silence(void **state)
{
    struct outcome outcome = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    fake_turn(&f);
    f.slept = 8000;
    test_doc_begin_ping(doc, on_done, &outcome);
    fake_turn(&f);
    assert_int_equal(outcome.count, 0);
    fake_advance(&f, 9999);
    assert_int_equal(outcome.count, 0);
    fake_advance(&f, 1);
    assert_int_equal(outcome.count, 1);
    test_doc_close(doc);
    fake_close(&f);
}

struct name_seen {
    int count;
    enum zkt_status status;
    char name[32], error[64];
};

static void on_name(const struct zkt_reply *reply, struct zkt_str name,
                    void *user)
{
    struct name_seen *seen = user;
    seen->count++;
    seen->status = reply->status;
    snprintf(seen->name, sizeof(seen->name), "%.*s", ZKT_ARG(name));
    snprintf(seen->error, sizeof(seen->error), "%s", reply->error);
}

static void ignore_state(const struct test_doc_state *now, void *user)
{
    (void)now;
    (void)user;
}

static void test_a_drop_rejects_what_was_sent(void **state)
{
    struct outcome sent = { 0 }, meanwhile = { 0 };
    struct name_seen name = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    test_doc_subscribe(doc, ignore_state, NULL);
    fake_turn(&f);
    fake_accept(&f);
    assert_string_equal(fake_sent(&f), SUB);
    test_doc_begin_ping(doc, on_done, &sent);
    assert_string_equal(fake_sent(&f), RPC("1", "ping"));
    fake_detach(&f);
    test_doc_begin_name(doc, on_name, &name);
    fake_turn(&f);
    assert_int_equal(sent.count, 1);
    assert_int_equal(sent.status, ZKT_UNAVAILABLE);
    assert_string_equal(sent.error, "WebSocket closed: the server is gone");
    fake_advance(&f, 250);
    test_doc_begin_ping(doc, on_done, &meanwhile);
    fake_refuse(&f); /* a failed attempt rejects nothing */
    fake_turn(&f);
    assert_int_equal(meanwhile.count, 0);
    fake_advance(&f, 500);
    fake_accept(&f);
    /* Subscriptions first; calls that were sent before are not sent again. */
    assert_string_equal(fake_sent(&f), SUB RPC_WITHIN("2", "name", "9250")
                                           RPC_WITHIN("3", "ping", "9500"));
    fake_say(&f, "{\"type\":\"rpc:result\",\"id\":\"rpc_1_0\"}");
    fake_say(&f, "{\"type\":\"rpc:result\",\"id\":\"rpc_3_0\"}");
    assert_int_equal(sent.count, 1);
    assert_int_equal(meanwhile.count, 1);
    assert_int_equal(meanwhile.status, ZKT_OK);
    assert_int_equal(name.count, 0);
    test_doc_close(doc);
    fake_close(&f);
    assert_string_equal(name.error, "WebSocket client closed");
}

static void test_a_timeout_covers_waiting_and_answer(void **state)
{
    struct outcome waiting = { 0 }, sent = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    test_doc_begin_ping(doc, on_done, &waiting);
    fake_turn(&f);
    fake_advance(&f, 4000);
    test_doc_begin_ping(doc, on_done, &sent);
    fake_advance(&f, 5999);
    assert_int_equal(waiting.count, 0);
    fake_advance(&f, 1);
    assert_int_equal(waiting.count, 1);
    assert_int_equal(waiting.status, ZKT_DEADLINE_EXCEEDED);
    assert_string_equal(waiting.error,
                        "RPC \"ping\" timed out after 10000ms: not connected: "
                        "WebSocket did not connect within 10000ms");
    fake_advance(&f, 250);
    fake_accept(&f);
    assert_string_equal(fake_sent(&f), RPC_WITHIN("2", "ping", "3750"));
    /* The answer of a server with the same limit has a little more time. */
    fake_advance(&f, 3750 + 499);
    assert_int_equal(sent.count, 0);
    fake_advance(&f, 1);
    assert_int_equal(sent.count, 1);
    assert_string_equal(sent.error, "RPC \"ping\" timed out after 10000ms");
    /* A late result is ignored. */
    fake_say(&f, "{\"type\":\"rpc:result\",\"id\":\"rpc_2_0\"}");
    assert_int_equal(sent.count, 1);
    test_doc_close(doc);
    fake_close(&f);
}

/* In the time that a server has beyond the limit, its answer counts, and so
 * does the end of the connection. */
static void test_an_answer_may_be_a_little_late(void **state)
{
    struct outcome first = { 0 }, second = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    fake_turn(&f);
    fake_accept(&f);
    test_doc_begin_ping(doc, on_done, &first);
    fake_advance(&f, 1);
    test_doc_begin_ping(doc, on_done, &second);
    fake_advance(&f, 10400);
    assert_int_equal(fake_deadline(&f), 10500);
    fake_say(&f, "{\"type\":\"rpc:result\",\"id\":\"rpc_1_0\",\"error\":"
                 "\"slow\",\"code\":\"DEADLINE_EXCEEDED\"}");
    assert_int_equal(first.count, 1);
    assert_string_equal(first.error, "slow");
    fake_detach(&f);
    fake_turn(&f);
    assert_int_equal(second.count, 1);
    assert_int_equal(second.status, ZKT_UNAVAILABLE);
    test_doc_close(doc);
    fake_close(&f);
}

/* A call that was never sent says why. */
static void test_a_timeout_says_why_there_is_no_connection(void **state)
{
    struct zkt_client_options options = plain;
    struct outcome outcome = { 0 };
    struct fake f;
    (void)state;
    options.rpc_timeout_ms = 200;
    struct test_doc *doc = test_doc_open(fake_open(&f, options), "a");
    fake_turn(&f);
    test_doc_begin_ping(doc, on_done, &outcome);
    fake_advance(&f, 200);
    assert_string_equal(outcome.error,
                        "RPC \"ping\" timed out after 200ms: not connected");
    test_doc_begin_ping(doc, on_done, &outcome);
    fake_attach(&f);
    fake_feed(&f, "HTTP/1.1 503 Full\r\n\r\n", 21);
    fake_turn(&f);
    fake_advance(&f, 200);
    assert_string_equal(outcome.error, "RPC \"ping\" timed out after 200ms: "
                                       "not connected: 503 Full");
    assert_int_equal(outcome.count, 2);
    test_doc_close(doc);
    fake_close(&f);
}

static void answer_ping(struct fake *f)
{
    if (f->endpoint == NULL) {
        fake_accept(f);
    } else {
        fake_say(f, "{\"type\":\"rpc:result\",\"id\":\"rpc_1_0\"}");
    }
}

static void drop_in_call(struct fake *f)
{
    if (f->asked) {
        fake_accept(f);
    } else if (f->endpoint != NULL) {
        fake_detach(f);
    }
}

/* A NULL callback is allowed. */
static void test_null_callbacks(void **state)
{
    struct fake f;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    fake_turn(&f);
    fake_accept(&f);
    test_doc_begin_ping(doc, NULL, NULL);
    test_doc_begin_name(doc, NULL, NULL);
    assert_string_equal(fake_sent(&f), RPC("1", "ping") RPC("2", "name"));
    fake_say(&f, "{\"type\":\"rpc:result\",\"id\":\"rpc_1_0\"}");
    assert_int_equal(test_doc_subscribe(doc, NULL, NULL), 0);
    assert_int_equal(test_doc_on_quiet(doc, NULL, NULL), 0);
    assert_int_equal(zkt_client_on_status(f.client, NULL, NULL), 0);
    assert_string_equal(fake_sent(&f), "");
    test_doc_close(doc);
    test_doc_begin_ping(doc, NULL, NULL);
    fake_close(&f);
}

static void test_blocking_calls_wait_and_fail_alike(void **state)
{
    struct zkt_reply reply = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    fake_turn(&f);
    f.on_poll = answer_ping;
    assert_int_equal(test_doc_call_ping(doc, &reply), ZKT_OK);
    f.on_poll = drop_in_call;
    assert_int_equal(test_doc_call_ping(doc, &reply), ZKT_UNAVAILABLE);
    assert_string_equal(reply.error, "WebSocket closed: the server is gone");
    zkt_reply_clear(&reply);
    test_doc_close(doc);
    assert_int_equal(test_doc_call_ping(doc, &reply), ZKT_FAILED_PRECONDITION);
    assert_string_equal(reply.error, "the handle is closed");
    zkt_reply_clear(&reply);
    fake_close(&f);
}

/* ---- waiting until the client is ready ---- */

static void accept_late(struct fake *f)
{
    if (f->core->now_ms >= 300 && f->asked) {
        fake_accept(f);
    } else {
        fake_advance(f, 100);
    }
}

static void only_time(struct fake *f)
{
    fake_advance(f, 100);
}

static void refuse_all(struct fake *f)
{
    if (f->asked) {
        fake_refuse(f);
    }
}

static void close_it(struct fake *f)
{
    zkt_client_close(f->client);
}

static void test_waiting_for_a_connection(void **state)
{
    struct fake f;
    (void)state;
    struct zkt_client *client = fake_open(&f, plain);
    fake_turn(&f);
    assert_int_equal(zkt_client_ready(client, 0), ZKT_DEADLINE_EXCEEDED);
    f.on_poll = only_time;
    assert_int_equal(zkt_client_ready(client, 250), ZKT_DEADLINE_EXCEEDED);
    assert_int_equal(f.core->now_ms, 300);
    f.on_poll = accept_late;
    assert_int_equal(zkt_client_ready(client, -1), ZKT_OK);
    f.on_poll = NULL;
    assert_int_equal(zkt_client_ready(client, 1), ZKT_OK);
    fake_detach(&f);
    fake_turn(&f);
    assert_int_equal(zkt_client_ready(client, 0), ZKT_DEADLINE_EXCEEDED);
    f.on_poll = close_it; /* the client is freed after the wait */
    assert_int_equal(zkt_client_ready(client, -1), ZKT_CLOSED);
    assert_true(f.finished);
    assert_int_equal(zkt_client_ready(NULL, -1), ZKT_CLOSED);
    assert_int_equal(test_doc_ready(NULL, -1), ZKT_CLOSED);
}

static void test_waiting_without_reconnection(void **state)
{
    struct zkt_client_options options = plain;
    struct fake f;
    (void)state;
    options.no_reconnect = true;
    struct zkt_client *client = fake_open(&f, options);
    struct test_doc *doc = test_doc_open(client, "a");
    test_doc_subscribe(doc, ignore_state, NULL);
    f.on_poll = refuse_all;
    assert_int_equal(test_doc_ready(doc, -1), ZKT_CLOSED);
    assert_int_equal(zkt_client_ready(client, -1), ZKT_CLOSED);
    assert_int_equal(zkt_client_refusal(client).status, ZKT_UNAVAILABLE);
    test_doc_close(doc);
    fake_close(&f);
}

#define ABOUT_A "\"actor\":\"doc\",\"actorId\":\"a\""

static void serve_state(struct fake *f)
{
    if (f->endpoint == NULL) {
        fake_accept(f);
    } else if (strstr(f->sent, SUB) != NULL) {
        fake_say(f,
                 "{\"type\":\"state:snapshot\"," ABOUT_A ",\"state\":{\"n\":3,"
                 "\"level\":\"low\",\"list\":[],\"items\":{}}}");
    }
}

static void deny_state(struct fake *f)
{
    fake_say(f, "{\"type\":\"sub:error\"," ABOUT_A ",\"error\":\"no\","
                "\"code\":\"NOT_FOUND\"}");
}

static void test_waiting_for_a_state(void **state)
{
    struct fake f;
    (void)state;
    struct zkt_client *client = fake_open(&f, plain);
    struct test_doc *doc = test_doc_open(client, "a");
    fake_turn(&f);
    assert_int_equal(test_doc_ready(doc, -1), ZKT_FAILED_PRECONDITION);
    uint64_t id = test_doc_subscribe(doc, ignore_state, NULL);
    f.on_poll = only_time;
    assert_int_equal(test_doc_ready(doc, 100), ZKT_DEADLINE_EXCEEDED);
    f.on_poll = serve_state;
    assert_int_equal(test_doc_ready(doc, 1000), ZKT_OK);
    assert_int_equal(test_doc_snapshot(doc)->n, 3);
    zkt_client_off(client, id);
    fake_turn(&f);
    id = test_doc_subscribe(doc, ignore_state, NULL);
    f.on_poll = deny_state;
    assert_int_equal(test_doc_ready(doc, -1), ZKT_NOT_FOUND);
    assert_int_equal(test_doc_ready(doc, 0), ZKT_NOT_FOUND);
    test_doc_close(doc);
    assert_int_equal(test_doc_ready(doc, -1), ZKT_FAILED_PRECONDITION);
    fake_close(&f);
}

/* ---- a thread that is about to end ---- */

static bool always_other_thread(void *driver)
{
    (void)driver;
    return true;
}

/* The driver never runs the function, as when another thread closes the
 * client. */
static void never_run(void *driver, void (*fn)(void *user), void *user,
                      bool *over)
{
    (void)driver;
    (void)fn;
    (void)user;
    (void)over;
}

static void test_a_call_that_never_runs_fails(void **state)
{
    static const struct zkt_client_driver_ops nobody = {
        .is_other_thread = always_other_thread,
        .wait = never_run,
    };
    struct zkt_reply reply = { .status = ZKT_OK };
    struct outcome outcome = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    const struct zkt_client_driver_ops *ops = f.client->ops;
    f.client->ops = &nobody;
    assert_int_equal(test_doc_call_ping(doc, &reply), ZKT_CANCELLED);
    assert_string_equal(reply.error, "WebSocket client closed");
    assert_int_equal(test_doc_call_ping(doc, NULL), ZKT_CANCELLED);
    test_doc_begin_ping(doc, on_done, &outcome);
    assert_int_equal(outcome.count, 1);
    assert_int_not_equal(outcome.status, ZKT_OK);
    assert_int_equal(zkt_client_ready(f.client, -1), ZKT_CLOSED);
    assert_int_equal(test_doc_ready(doc, -1), ZKT_CLOSED);
    assert_null(test_doc_open(f.client, "b"));
    f.client->ops = ops;
    test_doc_close(doc);
    fake_close(&f);
}

static void on_number(const struct zkt_reply *reply, int32_t n, void *user)
{
    (void)n;
    on_done(reply, user);
}

static void test_an_input_is_checked_before_it_is_sent(void **state)
{
    const struct test_doc_add_input bad = { .by = 11 };
    struct outcome outcome = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    fake_turn(&f);
    fake_accept(&f);
    test_doc_begin_add(doc, &bad, on_number, &outcome);
    assert_int_equal(outcome.count, 0); /* never inside begin */
    assert_string_equal(fake_sent(&f), "");
    assert_int_equal(outcome.count, 1);
    assert_int_equal(outcome.status, ZKT_INVALID_ARGUMENT);
    assert_string_equal(outcome.error,
                        "Validation failed for add: [{\"code\":\"too_big\","
                        "\"path\":[\"by\"],\"message\":\"must be at most "
                        "10\"}]");
    test_doc_close(doc);
    fake_close(&f);
}

static void test_calls_are_bounded(void **state)
{
    struct zkt_client_options options = plain;
    struct outcome good = { 0 }, bad = { 0 }, after = { 0 };
    struct fake f;
    (void)state;
    options.pending_calls = 3;
    struct test_doc *doc = test_doc_open(fake_open(&f, options), "a");
    fake_turn(&f);
    for (int i = 0; i < 3; i++) {
        test_doc_begin_ping(doc, on_done, &good);
    }
    test_doc_begin_ping(doc, on_done, &bad);
    fake_turn(&f);
    assert_int_equal(bad.status, ZKT_RESOURCE_EXHAUSTED);
    assert_string_equal(bad.error, "too many calls at once");
    fake_accept(&f);
    assert_string_equal(fake_sent(&f),
                        RPC("1", "ping") RPC("2", "ping") RPC("3", "ping"));
    fake_say(&f, "{\"type\":\"rpc:result\",\"id\":\"rpc_2_0\"}");
    test_doc_begin_ping(doc, on_done, &after);
    assert_string_equal(fake_sent(&f), RPC("5", "ping"));
    assert_int_equal(good.count, 1);
    assert_int_equal(good.status, ZKT_OK);
    test_doc_close(doc);
    fake_close(&f);
}

/* A handle returns its id, even if that contains a NUL. */
static void test_the_id_of_a_handle(void **state)
{
    const struct zkt_str odd = ZKT_STR("a\0b");
    struct outcome outcome = { 0 };
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    fake_turn(&f);
    fake_accept(&f);
    struct test_doc *doc = test_doc_open_str(f.client, odd);
    struct test_doc *other = test_doc_open(f.client, "a");
    assert_true(zkt_str_eq(test_doc_id(doc), odd));
    assert_true(zkt_str_eq(test_doc_id(other), ZKT_STR("a")));
    assert_true(
        zkt_str_eq(zkt_handle_actor((struct zkt_handle *)doc), ZKT_STR("doc")));
    test_doc_begin_ping(doc, on_done, &outcome);
    assert_non_null(strstr(fake_sent(&f), "\"actorId\":\"a\\u0000b\""));
    test_doc_close(doc);
    assert_true(zkt_str_eq(test_doc_id(doc), ZKT_STR("")));
    assert_true(zkt_str_eq(test_doc_id(NULL), ZKT_STR("")));
    assert_true(zkt_str_eq(zkt_handle_actor(NULL), ZKT_STR("")));
    fake_close(&f);
    assert_true(zkt_str_eq(test_doc_id(other), ZKT_STR("")));
    test_doc_close(other);
}

static void ignore_quiet(void *user)
{
    (void)user;
}

/* What others say is one line of text in the log, and does nothing to it. */
static void test_lines_with_text_of_others(void **state)
{
    char message[1200];
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    fake_turn(&f);
    fake_accept(&f);
    fake_say(&f, "{\"type\":\"error\",\"error\":\"a\\nb\\u001b[2J"
                 "\\u202ec\"}");
    assert_string_equal(f.log, "the server says: a\\x0ab\\x1b[2J"
                               "\\xe2\\x80\\xaec");
    struct test_doc *doc = test_doc_open(f.client, "x\ny");
    test_doc_on_quiet(doc, ignore_quiet, NULL);
    fake_turn(&f);
    fake_say(&f, "{\"type\":\"sub:error\",\"actor\":\"doc\",\"actorId\":"
                 "\"x\\ny\",\"error\":\"no\\r\"}");
    assert_string_equal(f.log, "doc \"x\\x0ay\": the subscription was "
                               "refused: no\\x0d");
    snprintf(message, sizeof(message),
             "{\"type\":\"error\",\"error\":\"%1100d\"}", 1);
    fake_say(&f, message);
    assert_memory_equal(f.log + strlen(f.log) - 3, "\xe2\x80\xa6", 3); /* cut */
    fake_feed(&f, "\x88\x06\x03\xf5\xe2\x80\xa8!", 8);
    assert_string_equal(f.log, "the connection is lost: the peer closed the "
                               "connection: 1013 \\xe2\\x80\\xa8!");
    test_doc_close(doc);
    fake_close(&f);
}

static void test_ids_of_instances(void **state)
{
    char long_id[258];
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    memset(long_id, 'x', 257);
    long_id[257] = '\0';
    assert_null(test_doc_open(f.client, ""));
    assert_null(test_doc_open(f.client, NULL));
    assert_null(test_doc_open(f.client, "\xff"));
    assert_null(test_doc_open(f.client, long_id));
    assert_string_equal(f.log,
                        "the id of an instance is 1 to 256 bytes of UTF-8");
    struct test_doc *doc = test_doc_open(f.client, long_id + 1);
    assert_non_null(doc);
    test_doc_close(doc);
    fake_close(&f);
}

/* A plain Zocket server: no codes, no welcome, no subprotocol. */
static void test_answers_of_a_plain_server(void **state)
{
    struct name_seen seen = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    fake_turn(&f);
    fake_attach(&f);
    fake_shake(&f, NULL);
    fake_turn(&f);
    assert_int_equal(zkt_client_status(f.client), ZKT_CONNECTED);
    assert_string_equal(zkt_client_own_id(f.client).data, "");
    test_doc_begin_name(doc, on_name, &seen);
    fake_say(&f, "{\"type\":\"rpc:result\",\"id\":\"rpc_1_0\","
                 "\"error\":\"Forbidden\"}");
    assert_int_equal(seen.status, ZKT_INTERNAL);
    assert_string_equal(seen.error, "Forbidden");
    assert_string_equal(seen.name, "");
    test_doc_begin_name(doc, on_name, &seen);
    fake_say(&f, "{\"type\":\"rpc:result\",\"id\":\"rpc_2_0\","
                 "\"error\":\"no\",\"code\":\"ABORTED\"}");
    assert_int_equal(seen.status, ZKT_ABORTED);
    test_doc_begin_name(doc, on_name, &seen);
    fake_say(&f, "{\"type\":\"rpc:result\",\"id\":\"rpc_3_0\","
                 "\"result\":\"ada\"}");
    assert_int_equal(seen.status, ZKT_OK);
    assert_string_equal(seen.name, "ada");
    test_doc_begin_name(doc, on_name, &seen);
    fake_say(&f, "{\"type\":\"rpc:result\",\"id\":\"rpc_4_0\",\"result\":7}");
    assert_int_equal(seen.status, ZKT_INTERNAL);
    assert_string_equal(seen.error, "the result does not fit the schema");
    assert_int_equal(seen.count, 4);
    test_doc_close(doc);
    fake_close(&f);
}

/* Malformed replies, and replies to unknown calls, are ignored. */
static void test_answers_that_match_no_call(void **state)
{
    static const char *const messages[] = {
        "{\"type\":\"rpc:result\",\"id\":\"rpc_9_0\"}",
        "{\"type\":\"rpc:result\",\"id\":\"rpc_\"}",
        "{\"type\":\"rpc:result\",\"id\":\"rpc_99999999999999999999999_0\"}",
        "{\"type\":\"rpc:result\",\"id\":\"rpc_18446744073709551617_0\"}",
        "{\"type\":\"rpc:result\",\"id\":\"rpc_01_0\"}",
        "{\"type\":\"rpc:result\",\"id\":\"rpc_1_1\"}",
        "{\"type\":\"rpc:result\",\"id\":\"rpc_1_\"}",
        "{\"type\":\"rpc:result\",\"id\":\"rpc_1\"}",
        "{\"type\":\"rpc:result\",\"id\":7}",
        "{\"type\":\"rpc:result\",\"id\":\"other\",\"error\":\"x\"}",
        "{\"type\":\"rpc:result\"}",
        "{\"type\":\"error\",\"error\":\"you are wrong\"}",
        "{\"type\":\"error\"}",
        "{\"type\":\"welcome\"}",
        "{\"type\":\"from the future\",\"x\":[1,{}]}",
        "{}",
        "[]",
        "not JSON",
        "{\"type\":\"rpc\",\"id\":\"rpc_1_0\"}",
    };
    struct zkt_client_stats stats;
    struct outcome outcome = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    fake_turn(&f);
    fake_accept(&f);
    test_doc_begin_ping(doc, on_done, &outcome);
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        fake_say(&f, messages[i]);
        fake_turn(&f);
    }
    assert_int_equal(outcome.count, 0);
    assert_int_equal(zkt_client_status(f.client), ZKT_CONNECTED);
    zkt_client_stats(f.client, &stats);
    assert_int_equal(stats.messages_in, 20); /* with the first welcome */
    assert_int_equal(stats.errors, 2);
    assert_int_equal(stats.unknown_messages, 5);
    assert_int_equal(stats.calls, 1);
    assert_int_equal(stats.messages_out, 1);
    assert_int_equal(stats.connections, 1);
    assert_int_equal(stats.drops, 0);
    test_doc_close(doc);
    fake_close(&f);
    assert_int_equal(outcome.count, 1);
    assert_string_equal(outcome.error, "WebSocket client closed");
}

/* Clocks that jump back and forth: the wall clock is part of the ids of calls,
 * the monotonic clock ends them. */
static void test_clocks_that_jump(void **state)
{
    struct outcome first = { 0 }, second = { 0 }, third = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    fake_turn(&f);
    fake_accept(&f);
    (void)fake_sent(&f);
    f.core->wall_ms = -1;
    test_doc_begin_ping(doc, on_done, &first);
    assert_non_null(strstr(fake_sent(&f), "\"rpc_1_3w5e11264sgsf\""));
    fake_say(&f, "{\"type\":\"rpc:result\",\"id\":\"rpc_1_3w5e11264sgsf\"}");
    assert_int_equal(first.count, 1);
    assert_int_equal(first.status, ZKT_OK);
    fake_advance(&f, 9000);
    test_doc_begin_ping(doc, on_done, &second);
    f.core->now_ms -= 9000;
    fake_turn(&f);
    test_doc_begin_ping(doc, on_done, &third);
    assert_true(fake_deadline(&f) > f.core->now_ms);
    fake_advance(&f, 9000 + 10500);
    assert_int_equal(second.status, ZKT_DEADLINE_EXCEEDED);
    assert_int_equal(third.status, ZKT_DEADLINE_EXCEEDED);
    assert_int_equal(second.count + third.count, 2);
    assert_int_equal(zkt_client_status(f.client), ZKT_CONNECTED);
    test_doc_close(doc);
    fake_close(&f);
}

/* A server that sends pings and reads no pongs loses the connection. */
static void test_pings_without_end(void **state)
{
    uint8_t ping[127] = { 0x89, 125 };
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    fake_turn(&f);
    fake_accept(&f);
    for (int i = 0; i < 10000; i++) { /* the pongs are read: no limit applies */
        fake_feed(&f, ping, sizeof(ping));
        f.raw_len = 0;
        fake_turn(&f);
    }
    assert_int_equal(zkt_client_status(f.client), ZKT_CONNECTED);
    int pings = 0;
    while (zkt_client_status(f.client) == ZKT_CONNECTED && pings < 10000) {
        fake_feed(&f, ping, sizeof(ping));
        pings++;
    }
    assert_int_equal(pings, 256 * 1024 / 131 + 1);
    assert_string_equal(f.log, "the connection is lost: the server does not "
                               "take what it asks for");
    fake_detach(&f);
    fake_close(&f);
}

/* ---- callbacks that call the client ---- */

struct stubborn {
    struct test_doc *doc;
    int count;
};

static void on_failed(const struct zkt_reply *reply, void *user)
{
    struct stubborn *s = user;
    assert_int_not_equal(reply->status, ZKT_OK);
    if (++s->count < 1000) {
        test_doc_begin_ping(s->doc, on_failed, s);
    }
}

/* A call in the callback of a failed call is tried in the next turn. */
static void test_trying_again_at_once(void **state)
{
    struct zkt_client_options options = plain;
    struct fake f;
    (void)state;
    options.no_reconnect = true;
    struct stubborn s = { test_doc_open(fake_open(&f, options), "a"), 0 };
    fake_turn(&f);
    fake_refuse(&f);
    test_doc_begin_ping(s.doc, on_failed, &s);
    for (int i = 1; i <= 5; i++) {
        fake_turn(&f);
        assert_int_equal(s.count, i);
    }
    s.count = 1000;
    test_doc_close(s.doc);
    fake_close(&f);
}

struct quitter {
    struct fake *f;
    struct test_doc *doc;
    int told;
};

static void quit_on_status(enum zkt_connection status, void *user)
{
    struct quitter *q = user;
    q->told++;
    if (status == ZKT_CONNECTED) {
        test_doc_close(q->doc);
        zkt_client_close(q->f->client);
    }
}

static void test_closing_in_a_status_listener(void **state)
{
    struct history seen = { .len = 0 };
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    struct quitter q = { &f, test_doc_open(f.client, "a"), 0 };
    zkt_client_on_status(f.client, quit_on_status, &q);
    zkt_client_on_status(f.client, on_status, &seen);
    fake_turn(&f);
    fake_accept(&f);
    assert_true(f.finished);
    assert_int_equal(q.told, 2);
    assert_string_equal(seen.text, "Cd");
}

static void leave_on_status(enum zkt_connection status, void *user)
{
    struct quitter *q = user;
    (void)status;
    q->told++;
    zkt_client_off(q->f->client, (uint64_t)(uintptr_t)q->doc);
}

static void test_a_status_listener_leaves(void **state)
{
    struct history seen = { .len = 0 };
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    struct quitter q = { &f, NULL, 0 };
    zkt_client_on_status(f.client, leave_on_status, &q);
    const uint64_t id = zkt_client_on_status(f.client, on_status, &seen);
    q.doc = (struct test_doc *)(uintptr_t)id;
    fake_turn(&f);
    fake_accept(&f);
    assert_int_equal(q.told, 1);
    assert_string_equal(seen.text, ""); /* the first listener has removed it */
    fake_close(&f);
    assert_int_equal(q.told, 2);
}

static void quit_on_log(struct fake *f)
{
    zkt_client_close(f->client);
}

static void test_closing_in_the_log(void **state)
{
    struct fake f;
    (void)state;
    fake_open(&f, plain);
    f.on_log = quit_on_log;
    fake_turn(&f);
    fake_refuse(&f);
    fake_turn(&f);
    assert_true(f.finished);
    assert_int_equal(f.dials, 1);
}

static void post_begin(struct zkt_client *client, void *user)
{
    struct zkt_reply reply = { 0 };
    struct test_doc *doc = user;
    assert_int_equal(zkt_client_poll(client, 0), ZKT_FAILED_PRECONDITION);
    assert_int_equal(test_doc_call_ping(doc, &reply), ZKT_FAILED_PRECONDITION);
}

static void test_a_posted_function_is_a_callback(void **state)
{
    struct fake f;
    (void)state;
    struct test_doc *doc = test_doc_open(fake_open(&f, plain), "a");
    assert_int_equal(zkt_client_post(f.client, post_begin, doc), ZKT_OK);
    assert_int_equal(zkt_client_post(NULL, post_begin, doc), ZKT_CLOSED);
    test_doc_close(doc);
    fake_close(&f);
}

/* ---- no memory ---- */

/* Plays the server's part several times; drops the first connection if @drop is
 * true. */
static void keep_up(struct fake *f, bool drop)
{
    for (int i = 0; i < 4; i++) {
        if (f->asked) {
            fake_attach(f);
        }
        if (f->endpoint != NULL && f->raw_len > 0 && f->raw[0] == 'G') {
            fake_shake(f, NULL);
        }
        fake_turn(f);
        if (f->endpoint != NULL && drop && i == 0) {
            fake_detach(f);
        }
        fake_advance(f, 2000);
    }
}

/* A session with a lost connection; the @n-th allocation fails. */
static bool session_with_failure(long n)
{
    struct zkt_client_options options = plain;
    struct outcome first = { 0 }, second = { 0 };
    struct history seen = { .len = 0 };
    struct failing_alloc failing;
    struct fake f;
    failing_alloc_init(&failing, n);
    options.allocator = &failing.allocator;
    struct zkt_client *client = fake_open(&f, options);
    struct test_doc *doc = test_doc_open(client, "a");
    zkt_client_on_status(client, on_status, &seen);
    if (doc != NULL) {
        fake_turn(&f);
        test_doc_begin_ping(doc, on_done, &first);
        keep_up(&f, true);
        test_doc_begin_ping(doc, on_done, &second);
        keep_up(&f, false);
        assert_int_equal(zkt_client_status(client), ZKT_CONNECTED);
    }
    test_doc_close(doc);
    if (client != NULL) {
        fake_close(&f);
        assert_int_equal(first.count, doc != NULL);
        assert_int_equal(second.count, doc != NULL);
    }
    assert_int_equal(failing.live, 0);
    return failing.calls >= n;
}

static void test_every_allocation_of_a_session(void **state)
{
    long n = 1;
    (void)state;
    while (session_with_failure(n)) {
        n++;
    }
    assert_true(n > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connects_at_the_first_tick),
        cmocka_unit_test(test_backoff_doubles_and_stays),
        cmocka_unit_test(test_attempts_that_fail_back_off),
        cmocka_unit_test(test_jitter_stays_within_bounds),
        cmocka_unit_test(test_only_a_stable_connection_resets_the_backoff),
        cmocka_unit_test(test_reconnection_can_be_turned_off),
        cmocka_unit_test(test_connecting_has_a_limit),
        cmocka_unit_test(test_an_abort_may_take_its_time),
        cmocka_unit_test(test_limits_can_be_turned_off),
        cmocka_unit_test(test_the_server_refuses_the_handshake),
        cmocka_unit_test(test_reasons_for_having_no_connection),
        cmocka_unit_test(test_a_long_reason),
        cmocka_unit_test(test_the_id_of_the_connection),
        cmocka_unit_test(test_a_close_frame_is_a_drop),
        cmocka_unit_test(test_a_transport_that_hangs_is_dropped),
        cmocka_unit_test(test_silence_is_asked_and_then_ended),
        cmocka_unit_test(test_a_message_that_drips_is_silence),
        cmocka_unit_test(test_a_message_that_takes_long_is_none),
        cmocka_unit_test(test_a_client_that_slept_asks_again),
        cmocka_unit_test(test_a_call_after_a_long_silence),
        cmocka_unit_test(test_a_drop_rejects_what_was_sent),
        cmocka_unit_test(test_a_timeout_covers_waiting_and_answer),
        cmocka_unit_test(test_an_answer_may_be_a_little_late),
        cmocka_unit_test(test_a_timeout_says_why_there_is_no_connection),
        cmocka_unit_test(test_null_callbacks),
        cmocka_unit_test(test_blocking_calls_wait_and_fail_alike),
        cmocka_unit_test(test_an_input_is_checked_before_it_is_sent),
        cmocka_unit_test(test_calls_are_bounded),
        cmocka_unit_test(test_waiting_for_a_connection),
        cmocka_unit_test(test_waiting_without_reconnection),
        cmocka_unit_test(test_waiting_for_a_state),
        cmocka_unit_test(test_a_call_that_never_runs_fails),
        cmocka_unit_test(test_the_id_of_a_handle),
        cmocka_unit_test(test_lines_with_text_of_others),
        cmocka_unit_test(test_ids_of_instances),
        cmocka_unit_test(test_answers_of_a_plain_server),
        cmocka_unit_test(test_answers_that_match_no_call),
        cmocka_unit_test(test_clocks_that_jump),
        cmocka_unit_test(test_pings_without_end),
        cmocka_unit_test(test_trying_again_at_once),
        cmocka_unit_test(test_closing_in_a_status_listener),
        cmocka_unit_test(test_a_status_listener_leaves),
        cmocka_unit_test(test_closing_in_the_log),
        cmocka_unit_test(test_a_posted_function_is_a_callback),
        cmocka_unit_test(test_every_allocation_of_a_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
