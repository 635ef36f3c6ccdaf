/*
 * How a connection of a client begins, against a server that the test plays:
 * the parameters that the program sets, and when the client is connected. At
 * the end, against the app of gate.h.
 */
#include <pthread.h>
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
#define SUB     "{\"type\":\"state:sub\",\"actor\":\"doc\",\"actorId\":\"a\"}\n"
#define PING                                                                   \
    "{\"type\":\"rpc\",\"id\":\"rpc_1_0\",\"actor\":\"doc\",\"actorId\":"      \
    "\"a\",\"method\":\"ping\",\"timeoutMs\":10000}\n"
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

/* ---- parameters ---- */

/* What `prepare` sets, as a function of the test. */
struct script {
    void (*fill)(struct zkt_connect *connect);
    enum zkt_status status;
    struct zkt_connect *connect; /* of the last call */
    int count;
};

static enum zkt_status prepare(void *user, struct zkt_connect *connect)
{
    struct script *script = user;
    script->count++;
    script->connect = connect;
    if (script->fill != NULL) {
        script->fill(connect);
    }
    return script->status;
}

static struct zkt_client *open_prepared(struct fake *f, struct script *script)
{
    struct zkt_client_options options = plain;
    options.prepare = prepare;
    options.prepare_user = script;
    return fake_open(f, options);
}

/* Returns the request of the attempt under way, up to the key and behind. */
static const char *request_of(struct fake *f)
{
    static char text[FAKE_TEXT];
    shake(f);
    const char *key = strstr(f->request, "Upgrade: websocket");
    const char *rest = strstr(f->request, "rfc6902\r\n");
    snprintf(text, sizeof(text), "%.*s|%s", (int)(key - f->request), f->request,
             rest + strlen("rfc6902\r\n"));
    return text;
}

static void fill_all(struct zkt_connect *connect)
{
    zkt_connect_bearer(connect, "a.b-c_d~e+f/g==");
    zkt_connect_query(connect, "q", "a b&c=d+e%f/\xc3\xa4\n");
    zkt_connect_query(connect, "s\xc3\xbc&", "");
    zkt_connect_header(connect, "X-Tenant", "one, \"two\"\tthree \xc3\xa4");
    zkt_connect_cookie(connect, "sid", "abc!#$%&'()*+-./:<=>?@[]^_`{|}~");
    zkt_connect_header(connect, "x-empty", "");
    zkt_connect_cookie(connect, "__Host-b", "");
    zkt_connect_bearer(connect, NULL);
    zkt_connect_query(connect, "none", NULL);
    zkt_connect_header(connect, "none", NULL);
    zkt_connect_cookie(connect, "none", NULL);
    zkt_connect_bearer(NULL, "x");
    zkt_connect_query(NULL, "x", "y");
    zkt_connect_header(NULL, "x", "y");
    zkt_connect_cookie(NULL, "x", "y");
}

static void test_parameters_are_in_the_request(void **state)
{
    struct script script = { .fill = fill_all };
    struct fake f;
    (void)state;
    open_prepared(&f, &script);
    assert_int_equal(script.count, 0);
    fake_turn(&f);
    assert_int_equal(script.count, 1);
    assert_int_equal(f.dials, 1);
    assert_string_equal(
        request_of(&f),
        "GET /?q=a%20b%26c%3Dd%2Be%25f%2F%C3%A4%0A&s%C3%BC%26= HTTP/1.1\r\n"
        "Host: h\r\n|Authorization: Bearer a.b-c_d~e+f/g==\r\n"
        "X-Tenant: one, \"two\"\tthree \xc3\xa4\r\nx-empty: \r\n"
        "Cookie: sid=abc!#$%&'()*+-./:<=>?@[]^_`{|}~; __Host-b=\r\n\r\n");
    fake_say(&f, WELCOME);
    fake_turn(&f);
    assert_int_equal(zkt_client_status(f.client), ZKT_CONNECTED);
    fake_close(&f);
}

static void fill_again(struct zkt_connect *connect)
{
    zkt_connect_query(connect, "q", "first");
    zkt_connect_query(connect, "Q", "other");
    zkt_connect_query(connect, "q", "second");
    zkt_connect_header(connect, "X-A", "first");
    zkt_connect_header(connect, "x-a", "second");
    zkt_connect_header(connect, "authorization", "Basic xyz");
    zkt_connect_bearer(connect, "t");
    zkt_connect_cookie(connect, "c", "first");
    zkt_connect_cookie(connect, "c", "second");
}

static void test_a_second_value_replaces_the_first(void **state)
{
    struct script script = { .fill = fill_again };
    struct fake f;
    (void)state;
    open_prepared(&f, &script);
    fake_turn(&f);
    assert_string_equal(request_of(&f),
                        "GET /?q=second&Q=other HTTP/1.1\r\nHost: h\r\n|"
                        "X-A: second\r\nauthorization: Bearer t\r\n"
                        "Cookie: c=second\r\n\r\n");
    fake_close(&f);
}

static void fill_token(struct zkt_connect *connect)
{
    static int count;
    char token[16];
    snprintf(token, sizeof(token), "t%d", ++count);
    zkt_connect_bearer(connect, token);
}

/* No parameter of an attempt is in the next one. */
static void test_every_attempt_is_prepared(void **state)
{
    struct script script = { .fill = fill_token };
    struct fake f;
    (void)state;
    open_prepared(&f, &script);
    fake_turn(&f);
    fake_refuse(&f);
    fake_advance(&f, 250);
    assert_int_equal(script.count, 2);
    assert_non_null(strstr(request_of(&f), "Bearer t2\r\n"));
    fake_say(&f, WELCOME);
    fake_turn(&f);
    fake_detach(&f);
    script.fill = NULL;
    fake_advance(&f, 500);
    fake_turn(&f);
    assert_int_equal(script.count, 3);
    assert_string_equal(request_of(&f), "GET / HTTP/1.1\r\nHost: h\r\n|\r\n");
    fake_close(&f);
}

/* ---- parameters that cannot be sent ---- */

static const char *bad_key, *bad_value;

static void fill_query(struct zkt_connect *connect)
{
    zkt_connect_query(connect, bad_key, bad_value);
}

static void fill_header(struct zkt_connect *connect)
{
    zkt_connect_header(connect, bad_key, bad_value);
}

static void fill_cookie(struct zkt_connect *connect)
{
    zkt_connect_cookie(connect, bad_key, bad_value);
}

static void fill_bearer(struct zkt_connect *connect)
{
    zkt_connect_bearer(connect, bad_value);
}

static void test_bad_parameters_are_never_sent(void **state)
{
    static const char query[] = "prepare has failed: a key of the query string "
                                "is empty, or a text is not UTF-8";
    static const char name[] = "prepare has failed: a header field has a name "
                               "that a program cannot set";
    static const char value[] = "prepare has failed: a header field has a "
                                "value that cannot be sent";
    static const char cookie[] = "prepare has failed: a cookie has a name or a "
                                 "value that cannot be sent";
    static const char bearer[] = "prepare has failed: a bearer token is empty, "
                                 "or cannot be sent";
    static const struct {
        void (*fill)(struct zkt_connect *connect);
        const char *key, *value, *text;
    } table[] = {
        { fill_query, "", "secret", query },
        { fill_query, NULL, "secret", query },
        { fill_query, "\xff", "secret", query },
        { fill_query, "a", "secret\xc3", query },
        { fill_header, "", "secret", name },
        { fill_header, NULL, "secret", name },
        { fill_header, "a b", "secret", name },
        { fill_header, "a:", "secret", name },
        { fill_header, "a\r\nb", "secret", name },
        { fill_header, "host", "secret", name },
        { fill_header, "Connection", "secret", name },
        { fill_header, "upgrade", "secret", name },
        { fill_header, "Cookie", "secret", name },
        { fill_header, "content-length", "secret", name },
        { fill_header, "transfer-encoding", "secret", name },
        { fill_header, "sec-websocket-key", "secret", name },
        { fill_header, "Sec-WebSocket-Extensions", "secret", name },
        { fill_header, "a", "secret\r\nx: y", value },
        { fill_header, "a", "secret\n", value },
        { fill_header, "a", "secret\x01", value },
        { fill_header, "a", "secret\x7f", value },
        { fill_header, "a", " secret", value },
        { fill_header, "a", "secret\t", value },
        { fill_header, "a", "secret\xff", value },
        { fill_cookie, "", "secret", cookie },
        { fill_cookie, "a=b", "secret", cookie },
        { fill_cookie, "a", "secret; b=c", cookie },
        { fill_cookie, "a", "sec ret", cookie },
        { fill_cookie, "a", "\"secret\"", cookie },
        { fill_cookie, "a", "secret,", cookie },
        { fill_cookie, "a", "secret\\", cookie },
        { fill_cookie, "a", "secret\r\n", cookie },
        { fill_cookie, "a", "secret\xc3\xa4", cookie },
        { fill_bearer, "", "", bearer },
        { fill_bearer, "", "sec ret", bearer },
        { fill_bearer, "", "secret\r\nx: y", bearer },
        { fill_bearer, "", "secret\xc3\xa4", bearer },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct script script = { .fill = table[i].fill };
        struct fake f;
        bad_key = table[i].key;
        bad_value = table[i].value;
        open_prepared(&f, &script);
        fake_turn(&f);
        assert_int_equal(f.dials, 0);
        check_refusal(&f, ZKT_INVALID_ARGUMENT, 0, table[i].text);
        assert_int_equal(zkt_client_status(f.client), ZKT_DISCONNECTED);
        assert_null(strstr(f.log, "secret"));
        assert_true(fake_deadline(&f) == ZKT_NEVER);
        fake_close(&f);
    }
}

static void fill_most(struct zkt_connect *connect)
{
    char value[16372];
    memset(value, ' ', sizeof(value));
    value[5459] = '\0'; /* with its escapes 16377 bytes, and 7 for the rest */
    zkt_connect_query(connect, "key", value);
}

static void fill_too_much(struct zkt_connect *connect)
{
    fill_most(connect);
    zkt_connect_cookie(connect, "c", "");
}

static void test_parameters_have_a_limit(void **state)
{
    struct script script = { .fill = fill_most };
    struct fake f;
    (void)state;
    open_prepared(&f, &script);
    fake_turn(&f);
    assert_int_equal(f.dials, 1);
    fake_close(&f);
    script.fill = fill_too_much;
    open_prepared(&f, &script);
    fake_turn(&f);
    check_refusal(&f, ZKT_INVALID_ARGUMENT, 0,
                  "prepare has failed: the parameters exceed 16 KiB");
    assert_int_equal(f.dials, 0);
    fake_close(&f);
}

/* Without memory an attempt fails, and another one follows. */
static void test_parameters_without_memory(void **state)
{
    struct script script = { .fill = fill_all };
    bool done = false;
    (void)state;
    for (long n = 1; !done; n++) {
        struct zkt_client_options options = plain;
        struct failing_alloc failing;
        struct fake f;
        failing_alloc_init(&failing, 0);
        options.prepare = prepare;
        options.prepare_user = &script;
        options.allocator = &failing.allocator;
        fake_open(&f, options);
        failing.fail_at = failing.calls + n;
        fake_turn(&f);
        if (f.asked) {
            fake_attach(&f);
        }
        done = failing.calls < failing.fail_at;
        failing.fail_at = 0;
        fake_turn(&f);
        assert_int_not_equal(zkt_client_status(f.client), ZKT_DISCONNECTED);
        assert_true(!done || f.endpoint != NULL);
        if (f.endpoint == NULL) {
            assert_non_null(strstr(f.log, "out of memory"));
            fake_advance(&f, 250);
            fake_attach(&f);
        }
        f.raw[f.raw_len] = '\0';
        assert_non_null(strstr((char *)f.raw, "Bearer a.b-c_d~e+f/g==\r\n"));
        fake_close(&f);
        assert_int_equal(failing.live, 0);
    }
}

/* ---- a prepare that ends later, or fails ---- */

static void test_prepare_may_end_later(void **state)
{
    struct script script = { .status = ZKT_PENDING };
    struct fake f;
    (void)state;
    struct zkt_client *client = open_prepared(&f, &script);
    zkt_client_prepared(client, ZKT_OK); /* nothing is pending */
    assert_null(f.work);
    fake_turn(&f);
    /* The time of the program is no time of the attempt. */
    fake_advance(&f, 60000);
    assert_int_equal(script.count, 1);
    assert_int_equal(f.dials, 0);
    assert_int_equal(zkt_client_status(client), ZKT_CONNECTING);
    assert_true(fake_deadline(&f) == ZKT_NEVER);
    zkt_connect_bearer(script.connect, "late");
    f.slept = 5000; /* of which the client's clock does not know yet */
    zkt_client_prepared(client, ZKT_PENDING);
    assert_null(f.work);
    zkt_client_prepared(client, ZKT_OK);
    zkt_client_prepared(client, ZKT_UNAVAILABLE); /* the first one counts */
    zkt_client_prepared(NULL, ZKT_OK);
    assert_int_equal(f.dials, 0);
    fake_turn(&f);
    assert_int_equal(f.dials, 1);
    assert_int_equal(fake_deadline(&f), 75000);
    assert_non_null(strstr(request_of(&f), "Bearer late\r\n"));
    fake_close(&f);
}

static void end_at_once(struct zkt_connect *connect);
static struct zkt_client *prepared_client;

static void test_prepare_may_end_before_it_returns(void **state)
{
    struct script script = { .fill = end_at_once };
    struct fake f;
    (void)state;
    for (int pending = 0; pending < 2; pending++) {
        script.status = pending ? ZKT_PENDING : ZKT_OK;
        prepared_client = open_prepared(&f, &script);
        fake_turn(&f);
        assert_int_equal(f.dials, 0);
        fake_turn(&f);
        assert_int_equal(f.dials, 1);
        assert_non_null(strstr(request_of(&f), "Bearer once\r\n"));
        fake_close(&f);
    }
}

static void end_at_once(struct zkt_connect *connect)
{
    zkt_connect_bearer(connect, "once");
    zkt_client_prepared(prepared_client, ZKT_OK);
}

static void test_prepare_may_fail(void **state)
{
    static const struct {
        enum zkt_status status;
        bool is_final;
        const char *text;
    } table[] = {
        { ZKT_UNAUTHENTICATED, true, "prepare has failed: unauthenticated" },
        { ZKT_PERMISSION_DENIED, true,
          "prepare has failed: permission denied" },
        { ZKT_INVALID_ARGUMENT, true, "prepare has failed: invalid argument" },
        { ZKT_NOT_FOUND, true, "prepare has failed: not found" },
        { ZKT_CANCELLED, true, "prepare has failed: cancelled" },
        { ZKT_UNAVAILABLE, false, "prepare has failed: unavailable" },
        { ZKT_INTERNAL, false, "prepare has failed: internal error" },
        { ZKT_DEADLINE_EXCEEDED, false,
          "prepare has failed: deadline exceeded" },
        { ZKT_NO_MEMORY, false, "prepare has failed: out of memory" },
    };
    (void)state;
    for (size_t i = 0; i < 2 * sizeof(table) / sizeof(table[0]); i++) {
        const size_t row = i / 2;
        const bool later = i % 2 == 1;
        struct script script = { .status = later ? ZKT_PENDING
                                                 : table[row].status };
        struct fake f;
        struct zkt_client *client = open_prepared(&f, &script);
        fake_turn(&f);
        if (later) {
            zkt_client_prepared(client, table[row].status);
            fake_turn(&f);
        }
        check_refusal(&f, table[row].status, 0, table[row].text);
        assert_int_equal(zkt_client_status(client), table[row].is_final
                                                        ? ZKT_DISCONNECTED
                                                        : ZKT_CONNECTING);
        assert_true(fake_deadline(&f) ==
                    (table[row].is_final ? ZKT_NEVER : 250));
        fake_advance(&f, 250);
        assert_int_equal(script.count, table[row].is_final ? 1 : 2);
        assert_int_equal(f.dials, 0);
        fake_close(&f);
    }
}

static void close_client(struct zkt_connect *connect)
{
    zkt_client_close(prepared_client);
    zkt_connect_bearer(connect, "never");
}

static void test_closing_while_preparing(void **state)
{
    struct script script = { .fill = close_client };
    struct fake f;
    (void)state;
    prepared_client = open_prepared(&f, &script);
    fake_turn(&f);
    assert_true(f.finished);
    assert_int_equal(f.dials, 0);
    script = (struct script){ .status = ZKT_PENDING };
    open_prepared(&f, &script);
    fake_turn(&f);
    zkt_connect_bearer(script.connect, "never");
    zkt_client_prepared(f.client, ZKT_OK);
    fake_close(&f);
    assert_true(f.finished);
    assert_int_equal(f.dials, 0);
}

/* ---- a server that reads them ---- */

static enum zkt_status print_parameters(struct zkt_call *call,
                                        const void *handlers, const void *input,
                                        void *data)
{
    char text[512];
    (void)handlers;
    (void)data;
    gate_print(input, text, sizeof(text));
    return zkt_fail(call, ZKT_UNAVAILABLE, "%s", text);
}

static void fill_gate(struct zkt_connect *connect)
{
    zkt_connect_bearer(connect, "tok");
    zkt_connect_cookie(connect, "sid", "abc");
    zkt_connect_header(connect, "X-Tenant", "acme");
    zkt_connect_query(connect, "locale", "\xc3\xa4+& %");
    zkt_connect_query(connect, "color", "dark red");
    zkt_connect_query(connect, "n", "7");
}

static void test_a_server_reads_every_source(void **state)
{
    static const struct zkt_connection_info connection = {
        .input = &gate_input_type,
        .parameters = gate_parameters,
        .open = print_parameters,
    };
    static const struct zkt_app_info info = {
        .name = "gate",
        .find_actor = gate_find_actor,
        .connection = &connection,
    };
    /* The app's struct of handlers: any function. */
    static void (*const handlers)(void) = (void (*)(void))print_parameters;
    const struct zkt_app app = { .info = &info, .handlers = &handlers };
    struct script script = { .fill = fill_gate };
    const struct zkt_client_options options = { .prepare = prepare,
                                                .prepare_user = &script };
    (void)state;
    struct zkt_server *server = NULL;
    assert_int_equal(zkt_server_new(app, NULL, &server), ZKT_OK);
    struct zkt_client *client = zkt_client_open_local_with(server, &options);
    assert_int_equal(zkt_client_ready(client, 100), ZKT_DEADLINE_EXCEEDED);
    const struct zkt_refusal refusal = zkt_client_refusal(client);
    assert_int_equal(refusal.code, 4503);
    assert_string_equal(refusal.text, "token=tok sid=abc tenant=acme "
                                      "locale=\xc3\xa4+& % n=7 color=1");
    zkt_client_close(client);
    assert_null(zkt_client_open_local_with(
        server, &(const struct zkt_client_options){ .thread = true }));
    assert_null(zkt_client_open_local_with(NULL, NULL));
    zkt_server_free(server);
}

/* ---- another thread ---- */

struct fetch {
    struct zkt_client *client;
    struct zkt_connect *connect;
    pthread_mutex_t opened; /* held until client is set */
    pthread_t thread;
};

static void *run_fetch(void *user)
{
    struct fetch *fetch = user;
    pthread_mutex_lock(&fetch->opened);
    pthread_mutex_unlock(&fetch->opened);
    zkt_connect_header(fetch->connect, "x-tenant", "acme");
    zkt_client_prepared(fetch->client, ZKT_OK);
    return NULL;
}

static enum zkt_status begin_fetch(void *user, struct zkt_connect *connect)
{
    struct fetch *fetch = user;
    fetch->connect = connect;
    assert_int_equal(pthread_create(&fetch->thread, NULL, run_fetch, fetch), 0);
    return ZKT_PENDING;
}

/* A local client, which has no socket to be woken by. */
static void test_prepare_on_another_thread(void **state)
{
    struct fetch fetch = { .client = NULL };
    const struct zkt_client_options options = { .prepare = begin_fetch,
                                                .prepare_user = &fetch };
    struct zkt_server *server = NULL;
    (void)state;
    pthread_mutex_init(&fetch.opened, NULL);
    pthread_mutex_lock(&fetch.opened);
    assert_int_equal(zkt_server_new(gate_app(NULL), NULL, &server), ZKT_OK);
    fetch.client = zkt_client_open_local_with(server, &options);
    pthread_mutex_unlock(&fetch.opened);
    assert_int_equal(zkt_client_ready(fetch.client, -1), ZKT_OK);
    (void)pthread_join(fetch.thread, NULL);
    zkt_client_close(fetch.client);
    zkt_server_free(server);
    pthread_mutex_destroy(&fetch.opened);
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
        cmocka_unit_test(test_parameters_are_in_the_request),
        cmocka_unit_test(test_a_second_value_replaces_the_first),
        cmocka_unit_test(test_every_attempt_is_prepared),
        cmocka_unit_test(test_bad_parameters_are_never_sent),
        cmocka_unit_test(test_parameters_have_a_limit),
        cmocka_unit_test(test_parameters_without_memory),
        cmocka_unit_test(test_prepare_may_end_later),
        cmocka_unit_test(test_prepare_may_end_before_it_returns),
        cmocka_unit_test(test_prepare_may_fail),
        cmocka_unit_test(test_closing_while_preparing),
        cmocka_unit_test(test_a_server_reads_every_source),
        cmocka_unit_test(test_prepare_on_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
