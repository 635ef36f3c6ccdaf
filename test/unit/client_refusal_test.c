/*
 * A client that is refused, or whose connection the server ends: which codes
 * are final, when the client comes back otherwise, and what waiting calls are
 * told. The test plays the server; at the end, an app of gate.h does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "evolve_client.h"
#include "failing_alloc.h"
#include "fake_server.h"
#include "gate.h"

#define WELCOME "{\"type\":\"welcome\",\"clientId\":\"me\",\"level\":1}"

static const struct zkt_client_options plain = { .reconnect_jitter = -1 };
static int prepared; /* calls of prepare */

static enum zkt_status prepare(void *user, struct zkt_connect *connect)
{
    (void)user;
    prepared++;
    zkt_connect_bearer(connect, "token");
    return ZKT_OK;
}

static struct test_doc *open_doc(struct fake *f, bool prepares)
{
    struct zkt_client_options options = plain;
    options.prepare = prepares ? prepare : NULL;
    prepared = 0;
    struct test_doc *doc = test_doc_open(fake_open(f, options), "a");
    fake_turn(f);
    return doc;
}

static void finish(struct fake *f, struct test_doc *doc)
{
    test_doc_close(doc);
    fake_close(f);
}

static void check_refusal(const struct fake *f, enum zkt_status status,
                          int code, const char *text)
{
    const struct zkt_refusal refusal = zkt_client_refusal(f->client);
    assert_int_equal(refusal.status, status);
    assert_int_equal(refusal.code, code);
    assert_string_equal(refusal.text, text);
}

/* Returns the time until the next attempt. */
static int64_t wait_of(const struct fake *f)
{
    return fake_deadline(f) == ZKT_NEVER ? ZKT_NEVER
                                         : fake_deadline(f) - f->core->now_ms;
}

struct outcome {
    int count;
    enum zkt_status status;
    char error[256];
};

static void on_done(const struct zkt_reply *reply, void *user)
{
    struct outcome *outcome = user;
    outcome->count++;
    outcome->status = reply->status;
    snprintf(outcome->error, sizeof(outcome->error), "%s", reply->error);
}

/* ---- refusing ---- */

/* Answers the attempt that is under way with a response. */
static void respond(struct fake *f, const char *response)
{
    fake_attach(f);
    fake_feed(f, response, strlen(response));
    fake_turn(f);
}

static void feed_close(struct fake *f, unsigned code, const char *reason)
{
    uint8_t frame[4 + 123] = { 0x88, (uint8_t)(2 + strlen(reason)),
                               (uint8_t)(code >> 8), (uint8_t)code };
    memcpy(frame + 4, reason, strlen(reason));
    fake_feed(f, frame, 4 + strlen(reason));
    fake_turn(f);
}

/* Accepts the handshake and closes, before `welcome`. */
static void refuse_in_band(struct fake *f, unsigned code, const char *message)
{
    fake_attach(f);
    fake_shake(f, ZKT_WS_PROTOCOL_RFC6902);
    if (message != NULL) {
        fake_say(f, message);
    }
    feed_close(f, code, "reason");
}

/* Refuses the attempt under way with a code of each kind: of HTTP, or of a
 * close frame, before `welcome` or after it. */
static void refuse(struct fake *f, unsigned code, bool after_welcome)
{
    char response[64];
    if (code < 1000) {
        snprintf(response, sizeof(response), "HTTP/1.1 %u reason\r\n\r\n",
                 code);
        respond(f, response);
    } else if (after_welcome) {
        fake_accept(f);
        feed_close(f, code, "reason");
    } else {
        refuse_in_band(f, code, NULL);
    }
}

static void test_final_refusals(void **state)
{
    static const struct {
        unsigned code;
        enum zkt_status status;
    } table[] = {
        { 400, ZKT_INVALID_ARGUMENT },   { 403, ZKT_PERMISSION_DENIED },
        { 404, ZKT_NOT_FOUND },          { 4400, ZKT_INVALID_ARGUMENT },
        { 4403, ZKT_PERMISSION_DENIED }, { 4404, ZKT_NOT_FOUND },
        { 401, ZKT_UNAUTHENTICATED },    { 4401, ZKT_UNAUTHENTICATED },
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(table) / sizeof(table[0]); i++) {
        const unsigned code = table[i / 2].code;
        struct outcome early = { 0 }, late = { 0 };
        char text[64];
        struct fake f;
        /* 401 is final where the program cannot make another token. */
        struct test_doc *doc = open_doc(&f, code % 100 != 1);
        test_doc_begin_ping(doc, on_done, &early);
        refuse(&f, code, i % 2 == 1);
        assert_int_equal(zkt_client_status(f.client), ZKT_DISCONNECTED);
        check_refusal(&f, table[i / 2].status, (int)code, "reason");
        assert_non_null(strstr(f.log, "; the client gives up"));
        assert_null(f.endpoint);
        assert_true(wait_of(&f) == ZKT_NEVER);
        fake_advance(&f, 60000);
        assert_int_equal(f.dials, 1);
        /* A call that waits, and one that comes later, are told why. */
        test_doc_begin_ping(doc, on_done, &late);
        fake_turn(&f);
        snprintf(text, sizeof(text), "%s: %u reason",
                 i % 2 == 1 && code > 1000 ? "WebSocket closed"
                                           : "not connected",
                 code);
        assert_int_equal(early.count, 1);
        assert_int_equal(early.status, ZKT_UNAVAILABLE);
        assert_string_equal(early.error, text);
        snprintf(text, sizeof(text), "not connected: %u reason", code);
        assert_int_equal(late.status, ZKT_UNAVAILABLE);
        assert_string_equal(late.error, text);
        assert_int_equal(zkt_client_poll(f.client, 0), ZKT_CLOSED);
        assert_int_equal(zkt_client_ready(f.client, -1), ZKT_CLOSED);
        assert_int_equal(test_doc_ready(doc, -1), ZKT_FAILED_PRECONDITION);
        finish(&f, doc);
    }
}

static void test_other_refusals_come_back(void **state)
{
    static const unsigned codes[] = {
        301,  402,  405,  408,  409,  410,  426,  429,  431,  500,
        502,  503,  504,  1001, 1002, 1007, 1008, 1009, 1011, 1013,
        4000, 4402, 4408, 4429, 4499, 4500, 4503, 4999,
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(codes) / sizeof(codes[0]); i++) {
        struct outcome outcome = { 0 };
        struct fake f;
        struct test_doc *doc = open_doc(&f, i % 3 == 0);
        refuse(&f, codes[i / 2], i % 2 == 1);
        test_doc_begin_ping(doc, on_done, &outcome);
        assert_int_equal(wait_of(&f), 250);
        fake_advance(&f, 249);
        assert_int_equal(f.dials, 1);
        fake_advance(&f, 1);
        assert_int_equal(f.dials, 2);
        assert_int_equal(zkt_client_refusal(f.client).code, codes[i / 2]);
        refuse(&f, codes[i / 2], false);
        assert_int_equal(wait_of(&f), 500);
        assert_int_equal(outcome.count, 0);
        finish(&f, doc);
    }
}

/* ---- another token ---- */

static void test_a_token_is_renewed_once(void **state)
{
    static const unsigned codes[] = { 401, 4401 };
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct fake f;
        struct test_doc *doc = open_doc(&f, true);
        assert_int_equal(prepared, 1);
        refuse(&f, codes[i % 2], i >= 2);
        /* At once, and with a token of its own. */
        assert_int_equal(wait_of(&f), 0);
        fake_turn(&f);
        assert_int_equal(f.closes, i % 2); /* the close frame was answered */
        assert_int_equal(f.dials, 2);
        assert_int_equal(prepared, 2);
        check_refusal(&f, ZKT_UNAUTHENTICATED, (int)codes[i % 2], "reason");
        refuse(&f, codes[i % 2], false);
        assert_int_equal(zkt_client_status(f.client), ZKT_DISCONNECTED);
        assert_true(wait_of(&f) == ZKT_NEVER);
        assert_int_equal(prepared, 2);
        finish(&f, doc);
    }
}

/* A connection that lasts is the end of a quarrel about tokens; a short one, or
 * another refusal between two, is not. */
static void test_a_stable_connection_allows_another_renewal(void **state)
{
    struct fake f;
    (void)state;
    struct test_doc *doc = open_doc(&f, true);
    for (int i = 1; i < 20; i++) {
        fake_accept(&f);
        fake_advance(&f, 5000);
        feed_close(&f, 4401, "");
        fake_turn(&f);
        assert_int_equal(f.dials, 2 * i);
        refuse(&f, 503, false);
        fake_advance(&f, 250);
        assert_int_equal(f.dials, 2 * i + 1);
    }
    fake_accept(&f);
    fake_advance(&f, 4999);
    feed_close(&f, 4401, "");
    assert_int_equal(zkt_client_status(f.client), ZKT_DISCONNECTED);
    assert_int_equal(prepared, 39);
    finish(&f, doc);
}

/* The calls that were sent are lost with the connection; those that wait go out
 * with the next one. */
static void test_calls_wait_for_another_token(void **state)
{
    struct outcome sent = { 0 }, waiting = { 0 };
    struct fake f;
    (void)state;
    struct test_doc *doc = open_doc(&f, true);
    fake_accept(&f);
    test_doc_begin_ping(doc, on_done, &sent);
    fake_turn(&f);
    fake_sent(&f);
    feed_close(&f, 4401, "expired");
    fake_turn(&f);
    assert_int_equal(sent.status, ZKT_UNAVAILABLE);
    assert_string_equal(sent.error, "WebSocket closed: 4401 expired");
    test_doc_begin_ping(doc, on_done, &waiting);
    fake_accept(&f);
    assert_non_null(strstr(fake_sent(&f), "\"rpc_2_0\""));
    assert_int_equal(waiting.count, 0);
    finish(&f, doc);
}

/* A server that closes and reads nothing has a moment to take the goodbye. */
static void test_a_renewal_waits_for_the_close_frame(void **state)
{
    static const uint8_t frame[] = { 0x88, 2, 0x11, 0x31 };
    struct fake f;
    (void)state;
    struct test_doc *doc = open_doc(&f, true);
    fake_accept(&f);
    fake_feed(&f, frame, sizeof(frame));
    f.core->ops->tick(f.core);
    assert_true(f.endpoint->closing);
    assert_false(f.endpoint->aborted);
    assert_int_equal(wait_of(&f), 250);
    f.core->now_ms += 250;
    f.core->ops->tick(f.core);
    assert_true(f.endpoint->aborted);
    fake_detach(&f);
    fake_turn(&f);
    assert_int_equal(f.dials, 2);
    finish(&f, doc);
}

static void test_no_reconnect_renews_nothing(void **state)
{
    struct zkt_client_options options = plain;
    struct fake f;
    (void)state;
    options.prepare = prepare;
    options.no_reconnect = true;
    fake_open(&f, options);
    fake_turn(&f);
    refuse(&f, 401, false);
    assert_int_equal(zkt_client_status(f.client), ZKT_DISCONNECTED);
    assert_string_equal(f.log, "cannot connect: the server refused the "
                               "WebSocket handshake: 401 reason");
    fake_close(&f);
}

/* ---- in band ---- */

#define LONG                                                                   \
    "a text that is longer than the reason of a close frame may be, since "    \
    "that holds no more than one hundred and twenty-three of its bytes"

static void test_a_message_refuses(void **state)
{
    struct fake f;
    (void)state;
    struct test_doc *doc = open_doc(&f, false);
    refuse_in_band(&f, 4503,
                   "{\"type\":\"error\",\"error\":\"" LONG "\",\"code\":"
                   "\"UNAVAILABLE\",\"reason\":\"busy\",\"details\":{},"
                   "\"retryAfterMs\":7000}");
    const struct zkt_refusal refusal = zkt_client_refusal(f.client);
    assert_int_equal(refusal.status, ZKT_UNAVAILABLE);
    assert_int_equal(refusal.code, 4503);
    assert_memory_equal(refusal.text, LONG, ZKT_REFUSAL_TEXT - 1);
    assert_int_equal(strlen(refusal.text), ZKT_REFUSAL_TEXT - 1);
    assert_int_equal(wait_of(&f), 7250);
    fake_advance(&f, 7250);
    /* The time was that of the last attempt. */
    refuse_in_band(&f, 4503, "{\"type\":\"error\",\"error\":\"\"}");
    check_refusal(&f, ZKT_UNAVAILABLE, 4503, "reason");
    assert_int_equal(wait_of(&f), 500);
    fake_advance(&f, 500);
    /* Without a close frame. */
    fake_attach(&f);
    fake_shake(&f, ZKT_WS_PROTOCOL_RFC6902);
    fake_say(&f, "{\"type\":\"error\",\"error\":\"go\",\"retryAfterMs\":9}");
    fake_detach(&f);
    check_refusal(&f, ZKT_UNAVAILABLE, 1006, "go");
    assert_int_equal(wait_of(&f), 1009);
    finish(&f, doc);
}

/* A message of a connection that is open refuses nothing. */
static void test_a_message_after_welcome_does_not_refuse(void **state)
{
    struct fake f;
    (void)state;
    struct test_doc *doc = open_doc(&f, false);
    fake_attach(&f);
    fake_shake(&f, ZKT_WS_PROTOCOL_RFC6902);
    fake_say(&f, "{\"type\":\"error\",\"error\":\"no\",\"retryAfterMs\":90}");
    fake_say(&f, WELCOME);
    fake_turn(&f);
    check_refusal(&f, ZKT_OK, 0, "");
    fake_say(&f, "{\"type\":\"error\",\"error\":\"hm\",\"retryAfterMs\":90}");
    assert_string_equal(f.log, "the server says: hm");
    fake_detach(&f);
    fake_turn(&f);
    check_refusal(&f, ZKT_UNAVAILABLE, 1006, "the server is gone");
    assert_int_equal(wait_of(&f), 250);
    finish(&f, doc);
}

/* ---- responses ---- */

#define HEAD(status, fields) "HTTP/1.1 " status "\r\n" fields "\r\n"
#define BODY(status, len, fields, body)                                        \
    HEAD(status, fields "Content-Length: " #len "\r\n") body

static void test_bodies_and_times(void **state)
{
    static const struct {
        const char *response, *text;
        int code;
        int64_t wait;
    } table[] = {
        { BODY("503 Busy", 28, "", "{\"error\":\"the pool is full\"}"),
          "the pool is full", 503, 250 },
        { BODY("503 Busy", 45, "Retry-After: 9\r\n",
               "{\"retryAfterMs\":1500,\"error\":\"x\",\"issues\":[]}"),
          "x", 503, 1750 },
        { BODY("429 Slow", 13, "retry-after:\t20\r\n", "{\"error\":\"y\"}"),
          "y", 429, 20250 },
        /* No JSON, no object, no text: the phrase stands. */
        { BODY("503 Busy", 6, "Retry-After: 2\r\n", "<html>"), "Busy", 503,
          2250 },
        { BODY("503 Busy", 2, "", "[]"), "Busy", 503, 250 },
        { BODY("503 Busy", 2, "", "{}"), "Busy", 503, 250 },
        { BODY("503 Busy", 12, "", "{\"error\":\"\"}"), "Busy", 503, 250 },
        { BODY("503 Busy", 11, "", "{\"error\":7}"), "Busy", 503, 250 },
        { BODY("503 Busy", 13, "", "{\"error\":\"\xff\"}"), "Busy", 503, 250 },
        { BODY("503 Busy", 12, "", "{\"error\":\"x\""), "Busy", 503, 250 },
        { BODY("503 Busy", 14, "", "{\"error\":\"\\n\"}"), " ", 503, 250 },
        /* Bodies that are not read. */
        { HEAD("503 Busy", "") "{\"error\":\"x\"}", "Busy", 503, 250 },
        { BODY("503 Busy", 0, "", "{\"error\":\"x\"}"), "Busy", 503, 250 },
        { BODY("503 Busy", 9000, "", "{\"error\":\"x\"}"), "Busy", 503, 250 },
        { BODY("503 Busy", -1, "", "{\"error\":\"x\"}"), "Busy", 503, 250 },
        { BODY("503 Busy", 1x, "", "{\"error\":\"x\"}"), "Busy", 503, 250 },
        { BODY("503 Busy", 13 13, "", "{\"error\":\"x\"}"), "Busy", 503, 250 },
        { BODY("503 Busy", 99999999999999999999, "", "{\"error\":\"x\"}"),
          "Busy", 503, 250 },
        { BODY("503 Busy", 13, "Content-Length: 12\r\n", "{\"error\":\"x\"}"),
          "Busy", 503, 250 },
        { BODY("503 Busy", 13, "Transfer-Encoding: chunked\r\n",
               "d\r\n{\"error\":\"x\"}"),
          "Busy", 503, 250 },
        { BODY("304 Same", 13, "", ""), "Same", 304, 250 },
        { BODY("204 None", 13, "", ""), "None", 204, 250 },
        { HEAD("503 Busy", "broken\r\nRetry-After: 7\r\n"), "Busy", 503, 250 },
        /* Times that are none, and times past the limit. */
        { HEAD("503 Busy", "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n"),
          "Busy", 503, 250 },
        { HEAD("503 Busy", "Retry-After: -1\r\n"), "Busy", 503, 250 },
        { HEAD("503 Busy", "Retry-After: 1.5\r\n"), "Busy", 503, 250 },
        { HEAD("503 Busy", "Retry-After: \r\n"), "Busy", 503, 250 },
        { HEAD("503 Busy", "Retry-After: 301\r\n"), "Busy", 503, 300250 },
        { HEAD("503 Busy", "Retry-After: 999999999999999\r\n"), "Busy", 503,
          300250 },
        { HEAD("503 Busy", "Retry-After: 9999999999999999\r\n"), "Busy", 503,
          250 },
        { BODY("503 Busy", 32, "", "{\"retryAfterMs\":999999999999999}"),
          "Busy", 503, 300250 },
        { BODY("503 Busy", 19, "", "{\"retryAfterMs\":-5}"), "Busy", 503, 250 },
        { BODY("503 Busy", 21, "", "{\"retryAfterMs\":\"50\"}"), "Busy", 503,
          250 },
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(table) / sizeof(table[0]); i++) {
        const char *response = table[i / 2].response;
        struct fake f;
        struct test_doc *doc = open_doc(&f, false);
        fake_attach(&f);
        for (size_t at = 0; i % 2 == 1 && at < strlen(response); at++) {
            fake_feed(&f, response + at, 1);
        }
        if (i % 2 == 0) {
            fake_feed(&f, response, strlen(response));
        }
        fake_turn(&f);
        assert_null(f.endpoint);
        assert_int_equal(zkt_client_refusal(f.client).code, table[i / 2].code);
        assert_string_equal(zkt_client_refusal(f.client).text,
                            table[i / 2].text);
        assert_int_equal(wait_of(&f), table[i / 2].wait);
        finish(&f, doc);
    }
}

/* A body that does not come changes nothing in the refusal. */
static void test_an_unfinished_body(void **state)
{
    struct fake f;
    (void)state;
    struct test_doc *doc = open_doc(&f, false);
    respond(&f, BODY("503 Busy", 27, "Retry-After: 3\r\n", "{\"error\":"));
    assert_non_null(f.endpoint);
    f.endpoint->ops->ended(f.endpoint);
    fake_turn(&f);
    check_refusal(&f, ZKT_UNAVAILABLE, 503, "Busy");
    assert_int_equal(wait_of(&f), 3250);
    fake_advance(&f, 3250);
    respond(&f, BODY("403 No", 27, "", "{\"error\":"));
    fake_advance(&f, 10000);
    check_refusal(&f, ZKT_PERMISSION_DENIED, 403, "No");
    assert_int_equal(zkt_client_status(f.client), ZKT_DISCONNECTED);
    finish(&f, doc);
}

/* The longest body that is read. */
static void test_a_long_body(void **state)
{
    static char response[FAKE_TEXT];
    struct fake f;
    (void)state;
    struct test_doc *doc = open_doc(&f, false);
    int len = snprintf(response, sizeof(response),
                       "HTTP/1.1 503 Busy\r\nContent-Length: 8192\r\n\r\n");
    len += snprintf(response + len, sizeof(response) - (size_t)len,
                    "{\"error\":\"%08180d\"}", 1);
    respond(&f, response);
    assert_null(f.endpoint);
    assert_int_equal(strlen(zkt_client_refusal(f.client).text),
                     ZKT_REFUSAL_TEXT - 1);
    finish(&f, doc);
}

/* However little memory there is, the refusal counts. */
static void test_a_refusal_without_memory(void **state)
{
    static const char response[] = BODY("403 No", 17, "",
                                        "{\"error\":\"\\u0041\"}");
    bool done = false;
    (void)state;
    for (long n = 1; !done; n++) {
        struct zkt_client_options options = plain;
        struct failing_alloc failing;
        struct fake f;
        failing_alloc_init(&failing, 0);
        options.allocator = &failing.allocator;
        fake_open(&f, options);
        fake_turn(&f);
        fake_attach(&f);
        failing.fail_at = failing.calls + n;
        for (size_t i = 0; i < strlen(response) && f.endpoint != NULL; i++) {
            fake_feed(&f, response + i, 1);
        }
        fake_turn(&f);
        done = failing.calls < failing.fail_at;
        /* Only the head needs memory that nothing replaces. */
        assert_true(zkt_client_refusal(f.client).code == 403 || n == 1);
        fake_close(&f);
        assert_int_equal(failing.live, 0);
    }
}

/* A server that accepts, complains and is never done has no more time than
 * others, and costs no more memory. */
static void test_a_server_that_complains(void **state)
{
    struct failing_alloc failing;
    struct zkt_client_options options = plain;
    struct fake f;
    (void)state;
    failing_alloc_init(&failing, 0);
    options.allocator = &failing.allocator;
    fake_open(&f, options);
    fake_turn(&f);
    fake_attach(&f);
    fake_shake(&f, ZKT_WS_PROTOCOL_RFC6902);
    fake_say(&f, "{\"type\":\"error\",\"error\":\"" LONG "\"}");
    const long live = failing.live;
    for (int i = 0; i < 999; i++) {
        fake_say(&f, "{\"type\":\"error\",\"error\":\"" LONG "\"}");
        fake_advance(&f, 10);
    }
    assert_int_equal(failing.live, live);
    assert_non_null(f.endpoint);
    fake_advance(&f, 10);
    assert_null(f.endpoint);
    assert_int_equal(zkt_client_refusal(f.client).code, 0);
    fake_close(&f);
    assert_int_equal(failing.live, 0);
}

/* ---- a server that refuses ---- */

static enum zkt_status verdict;

static enum zkt_status deny(struct zkt_call *call, const void *handlers,
                            const void *input, void *data)
{
    (void)handlers;
    (void)input;
    (void)data;
    return zkt_fail(call, verdict, "because");
}

static void fill_tenant(struct zkt_connect *connect)
{
    zkt_connect_header(connect, "x-tenant", "acme");
}

static enum zkt_status prepare_tenant(void *user, struct zkt_connect *connect)
{
    (void)user;
    prepared++;
    fill_tenant(connect);
    return ZKT_OK;
}

static void test_refusals_of_a_server(void **state)
{
    static const struct {
        enum zkt_status status;
        int code, prepared; /* 0: as often as it likes */
        const char *text;
    } table[] = {
        { ZKT_INVALID_ARGUMENT, 4400, 1, "because" },
        { ZKT_UNAUTHENTICATED, 4401, 2, "because" },
        { ZKT_PERMISSION_DENIED, 4403, 1, "because" },
        { ZKT_NOT_FOUND, 4404, 1, "because" },
        { ZKT_RESOURCE_EXHAUSTED, 4429, 0, "because" },
        { ZKT_UNAVAILABLE, 4503, 0, "because" },
        { ZKT_INTERNAL, 4500, 0, "internal error" },
    };
    static const struct zkt_connection_info connection = {
        .input = &gate_input_type,
        .parameters = gate_parameters,
        .open = deny,
    };
    static const struct zkt_app_info info = {
        .name = "gate",
        .find_actor = gate_find_actor,
        .connection = &connection,
    };
    /* The app's struct of handlers: any function. */
    static void (*const handlers)(void) = (void (*)(void))deny;
    const struct zkt_app app = { .info = &info, .handlers = &handlers };
    const struct zkt_client_options options = { .prepare = prepare_tenant };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct zkt_server *server = NULL;
        verdict = table[i].status;
        prepared = 0;
        assert_int_equal(zkt_server_new(app, NULL, &server), ZKT_OK);
        struct zkt_client *client = zkt_client_open_local_with(server,
                                                               &options);
        assert_int_equal(zkt_client_ready(client, 1000),
                         table[i].prepared > 0 ? ZKT_CLOSED
                                               : ZKT_DEADLINE_EXCEEDED);
        const struct zkt_refusal refusal = zkt_client_refusal(client);
        assert_int_equal(refusal.status, table[i].status);
        assert_int_equal(refusal.code, table[i].code);
        assert_string_equal(refusal.text, table[i].text);
        assert_true(table[i].prepared > 0 ? prepared == table[i].prepared
                                          : prepared > 2);
        zkt_client_close(client);
        zkt_server_free(server);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_final_refusals),
        cmocka_unit_test(test_other_refusals_come_back),
        cmocka_unit_test(test_a_token_is_renewed_once),
        cmocka_unit_test(test_a_stable_connection_allows_another_renewal),
        cmocka_unit_test(test_calls_wait_for_another_token),
        cmocka_unit_test(test_a_renewal_waits_for_the_close_frame),
        cmocka_unit_test(test_no_reconnect_renews_nothing),
        cmocka_unit_test(test_a_message_refuses),
        cmocka_unit_test(test_a_message_after_welcome_does_not_refuse),
        cmocka_unit_test(test_bodies_and_times),
        cmocka_unit_test(test_an_unfinished_body),
        cmocka_unit_test(test_a_long_body),
        cmocka_unit_test(test_a_refusal_without_memory),
        cmocka_unit_test(test_a_server_that_complains),
        cmocka_unit_test(test_refusals_of_a_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
