/*
 * Who may connect: `open` and `close`, refusals by HTTP and in band, deferral,
 * over a core without sockets. The first argument is the number of shards.
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
#include "limit_hits.h"
#include "server/connection.h"

/* The number of second halves that ran cancelled, and whether the next
 * refuses. */
static int cancelled;
static bool then_refuses;

/* ---- open ---- */

static enum zkt_status see_request(struct zkt_call *call,
                                   const struct gate_input *in,
                                   struct door_data *out)
{
    assert_true(zkt_str_eq(zkt_remote_address(call), ZKT_STR("192.0.2.7")));
    assert_true(zkt_str_eq(zkt_request_path(call), ZKT_STR("/p")));
    assert_true(zkt_str_eq(zkt_request_header(call, "X-TENANT"), in->tenant));
    assert_null(zkt_request_header(call, "x-other").data);
    assert_int_equal(zkt_client_id(call).len, ZKT_CLIENT_ID_LEN);
    assert_int_equal(in->n.value, 5);
    assert_int_equal(out->role, 1); /* the default */
    out->user.has = true;
    out->user.value = in->token.value;
    return ZKT_OK;
}

static void see_no_request(struct zkt_call *call)
{
    assert_true(zkt_str_eq(zkt_remote_address(call), ZKT_STR("192.0.2.7")));
    assert_int_equal(zkt_request_path(call).len, 0);
    assert_null(zkt_request_header(call, "x-tenant").data);
    assert_null(zkt_call_defer(call, ZKT_MEMBER_OPEN, 0)); /* it cannot */
}

static void test_open_and_close(void **state)
{
    begin();
    (void)state;
    script.open = see_request;
    script.close = see_no_request;
    struct wire w = knock("/p?n=5", "Authorization: Bearer ada\r\n", NULL);
    const char *heard = hear(&w);
    assert_memory_equal(heard, ACCEPTED "\r\n|{\"type\":\"welcome\"",
                        strlen(ACCEPTED "\r\n|{\"type\":\"welcome\""));
    assert_string_equal(ask(&w, CALL("1", "who")), RESULT("1", "ada/1"));
    assert_string_equal(trace_since(), "open:t connect:ada/1 who:ada/1");
    leave(&w);
    assert_string_equal(trace_since(), "disconnect:ada/1 close:ada/1");
    assert_non_null(strstr(logged, "close: close cannot finish later"));
    end();
}

static void test_wrong_parameters(void **state)
{
    static const char body[] =
        "{\"error\":\"Invalid connection parameters\","
        "\"code\":\"INVALID_ARGUMENT\",\"issues\":[{\"code\":\"too_big\","
        "\"path\":[\"n\"],\"message\":\"must be at most 150\"}]}";
    char expected[1024];
    begin();
    (void)state;
    struct wire w = knock("/?n=500", "", NULL);
    snprintf(expected, sizeof(expected),
             "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
             "Cache-Control: no-store\r\n"
             "X-Content-Type-Options: nosniff\r\n"
             "Vary: Origin\r\nConnection: close\r\n"
             "Content-Length: %zu\r\n\r\n%s",
             strlen(body), body);
    assert_string_equal(hear(&w), expected);
    assert_int_equal(zkt_endpoint_fate(w.e), ZKT_FATE_CLOSE);
    leave(&w);
    w = knock("/?n=500", OURS, NULL);
    snprintf(expected, sizeof(expected),
             ACCEPTED OURS "\r\n|{\"type\":\"error\",%s"
                           "\x88\x1f\x0f\x01"
                           "40",
             body + 1);
    const char *heard = hear(&w);
    /* The close frame: its length, 4400, and the text. */
    assert_memory_equal(heard, expected, strlen(expected) - 6);
    assert_memory_equal(heard + strlen(expected) - 6,
                        "\x88\x1f\x11\x30Invalid connection parameters", 33);
    leave(&w);
    assert_string_equal(trace, ""); /* neither open nor close */
    end();
}

/* Refusals of `open`. */
static enum zkt_status refusal;

static enum zkt_status refuse(struct zkt_call *call,
                              const struct gate_input *in,
                              struct door_data *out)
{
    (void)in;
    out->role = 9;
    zkt_topic_join(call, ZKT_STR("secret"));
    return zkt_fail(call, refusal, "no, %s", "really");
}

static void test_refusals_by_status(void **state)
{
    static const struct {
        enum zkt_status status;
        const char *line, *code, *text, *field;
    } table[] = {
        { ZKT_INVALID_ARGUMENT, "400 Bad Request", "INVALID_ARGUMENT",
          "no, really", "" },
        { ZKT_UNAUTHENTICATED, "401 Unauthorized", "UNAUTHENTICATED",
          "no, really", "WWW-Authenticate: Bearer\r\n" },
        { ZKT_PERMISSION_DENIED, "403 Forbidden", "PERMISSION_DENIED",
          "no, really", "" },
        { ZKT_NOT_FOUND, "404 Not Found", "NOT_FOUND", "no, really", "" },
        { ZKT_RESOURCE_EXHAUSTED, "429 Too Many Requests", "RESOURCE_EXHAUSTED",
          "no, really", "" },
        { ZKT_UNAVAILABLE, "503 Service Unavailable", "UNAVAILABLE",
          "no, really", "" },
        { ZKT_INTERNAL, "500 Internal Server Error", "INTERNAL",
          "internal error", "" },
        { ZKT_ABORTED, "500 Internal Server Error", "ABORTED", "internal error",
          "" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        char body[512], expected[1024];
        begin();
        script.open = refuse;
        refusal = table[i].status;
        struct wire w = knock("/", "", CALL("1", "who"));
        snprintf(body, sizeof(body), "{\"error\":\"%s\",\"code\":\"%s\"}",
                 table[i].text, table[i].code);
        snprintf(expected, sizeof(expected),
                 "HTTP/1.1 %s\r\nContent-Type: application/json\r\n"
                 "Cache-Control: no-store\r\n"
                 "X-Content-Type-Options: nosniff\r\n"
                 "%sVary: Origin\r\nConnection: close\r\n"
                 "Content-Length: %zu\r\n\r\n%s",
                 table[i].line, table[i].field, strlen(body), body);
        assert_string_equal(hear(&w), expected);
        leave(&w);
        assert_string_equal(trace, "open:t");
        end();
    }
}

static enum zkt_status refuse_as_banned(struct zkt_call *call,
                                        const struct gate_input *in,
                                        struct door_data *out)
{
    static const int32_t days = 3;
    va_list none;
    (void)in;
    (void)out;
    memset(&none, 0, sizeof(none));
    zkt_retry_after(call, 1001);
    return zkt_call_fail(call, 0, &days, NULL, none);
}

static void test_typed_refusals(void **state)
{
    static const char body[] =
        "{\"error\":\"You are banned.\",\"code\":\"PERMISSION_DENIED\","
        "\"reason\":\"banned\",\"details\":{\"days\":3},\"retryable\":true,"
        "\"retryAfterMs\":1001}";
    char expected[1024];
    begin();
    (void)state;
    script.open = refuse_as_banned;
    struct wire w = knock("/", "", NULL);
    snprintf(
        expected, sizeof(expected),
        "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nRetry-After: 2\r\n"
        "Vary: Origin\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s",
        strlen(body), body);
    assert_string_equal(hear(&w), expected);
    leave(&w);
    w = knock("/", OURS, NULL);
    snprintf(expected, sizeof(expected),
             ACCEPTED OURS "\r\n|{\"type\":\"error\",%s"
                           "\x88\x11\x11\x33You are banned.",
             body + 1);
    assert_string_equal(hear(&w), expected);
    leave(&w);
    end();
}

/* ---- deferred open ---- */

static enum zkt_status open_later(struct zkt_call *call,
                                  const struct gate_input *in,
                                  struct door_data *out)
{
    (void)in;
    (void)out;
    assert_null(zkt_call_connection(call));
    held = zkt_call_defer(call, ZKT_MEMBER_OPEN, 0);
    assert_non_null(held);
    return ZKT_PENDING;
}

static enum zkt_status invoke_then(struct zkt_call *call, void (*then)(void),
                                   const void *input, void *result, void *user)
{
    const struct gate_input *in = input;
    struct door_data *out = result;
    (void)then;
    (void)user;
    note("then", in->tenant);
    if (zkt_cancelled(call)) {
        cancelled++;
        assert_int_equal(zkt_remote_address(call).len, 0);
        assert_null(zkt_request_header(call, "x-tenant").data);
        assert_int_equal(out->role, 0);
        zkt_topic_join(call, ZKT_STR("x"));
        zkt_call_set_connection(call, 1, &(int32_t){ 3 });
        return ZKT_OK;
    }
    assert_true(zkt_str_eq(zkt_request_header(call, "X-Tenant"), in->tenant));
    if (then_refuses) {
        return zkt_fail(call, ZKT_UNAUTHENTICATED, "no token");
    }
    out->user.has = true;
    out->user.value = ZKT_STR("late");
    return ZKT_OK;
}

static void resume(void)
{
    zkt_deferred_resume(held, invoke_then, NULL, NULL);
}

static void test_a_deferred_open(void **state)
{
    begin();
    (void)state;
    script.open = open_later;
    struct wire w = knock("/", "", CALL("1", "who"));
    say(&w, CALL("2", "who")); /* both wait unread */
    pass(9000);
    assert_string_equal(hear(&w), "");
    assert_string_equal(trace_since(), "open:t");
    struct zkt_server *shard = zkt__server_shard(server, shards - 1);
    assert_true(shard->host.stats.gathered > 0); /* the head */
    resume();
    const char *heard = hear(&w);
    assert_int_equal(shard->host.stats.gathered, 0);
    assert_non_null(strstr(heard, "welcome"));
    const char *first = strstr(heard, RESULT("1", "late/1"));
    assert_non_null(first);
    assert_non_null(strstr(first, RESULT("2", "late/1")));
    assert_string_equal(trace_since(),
                        "then:t connect:late/1 who:late/1 who:late/1");
    leave(&w);
    assert_string_equal(trace_since(), "disconnect:late/1 close:late/1");
    end();
}

static void test_a_deferred_refusal(void **state)
{
    (void)state;
    for (int ours = 0; ours < 2; ours++) {
        begin();
        script.open = open_later;
        then_refuses = true;
        struct wire w = knock("/", ours ? OURS : "", CALL("1", "who"));
        resume();
        const char *heard = hear(&w);
        assert_null(
            ZKT_CONTAINER(w.e, struct zkt_connection, endpoint)->ws.gathered);
        assert_non_null(strstr(heard, "\"UNAUTHENTICATED\""));
        assert_null(strstr(heard, "welcome"));
        assert_null(strstr(heard, "rpc:result"));
        assert_true(ours == (strstr(heard, "HTTP/1.1 101 ") != NULL));
        leave(&w);
        assert_string_equal(trace_since(), "open:t then:t");
        then_refuses = false;
        end();
    }
}

/* A lost connection, a time-out and a stop cancel `open`; `close` does not
 * run. */
static void test_a_cancelled_open(void **state)
{
    (void)state;
    for (int way = 0; way < 5; way++) {
        begin();
        script.open = open_later;
        cancelled = 0;
        struct wire w = knock("/", "", NULL);
        if (way == 0) {
            leave(&w);
        } else if (way == 1) {
            w.e->ops->ended(w.e);
        } else if (way == 2) {
            pass(10000);
            assert_non_null(strstr(hear(&w), "HTTP/1.1 503 "));
        } else if (way == 3) {
            zkt_server_shutdown(server);
            pass(0);
            pass(5000);
            assert_non_null(strstr(hear(&w), "HTTP/1.1 503 "));
        } else {
            zkt__location_release(&server->host, home);
            zkt_server_free(server);
            resume(); /* runs at once */
            free(w.text);
            assert_string_equal(trace, "open:t then:t");
            assert_int_equal(memory.live, 0);
            continue;
        }
        resume();
        pass(0);
        assert_int_equal(cancelled, 1);
        if (way > 0) {
            leave(&w);
        }
        assert_string_equal(trace_since(), "open:t then:t");
        end();
    }
}

/* ---- the data ---- */

static enum zkt_status fill_badly(struct zkt_call *call,
                                  const struct gate_input *in,
                                  struct door_data *out)
{
    (void)call;
    (void)in;
    out->role = 10;
    return ZKT_OK;
}

static enum zkt_status fill_too_much(struct zkt_call *call,
                                     const struct gate_input *in,
                                     struct door_data *out)
{
    (void)call;
    (void)in;
    out->user.has = true;
    out->user.value = ZKT_STR("ada");
    return ZKT_OK;
}

static void test_data_that_break_their_rules(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        begin_with((struct zkt_limits){ .connection_bytes = i == 0 ? 0 : 24 });
        script.open = i == 0 ? fill_badly : fill_too_much;
        struct wire w = knock("/", "", NULL);
        assert_non_null(strstr(hear(&w), "HTTP/1.1 500 "));
        leave(&w);
        assert_string_equal(trace_since(), "open:t");
        assert_non_null(strstr(logged, "open"));
        assert_limit_hits(server, "connection_bytes", i);
        end();
    }
}

static void test_missing_handlers(void **state)
{
    static const struct door_handlers none = { .room = &none };
    const struct zkt_app app = { .info = &door_info, .handlers = &none };
    const struct zkt_serve_options options = { .log = keep_log };
    struct zkt_server *made = NULL;
    (void)state;
    logged[0] = '\0';
    assert_int_equal(zkt_server_new(app, &options, &made), ZKT_MISSING_HANDLER);
    assert_non_null(strstr(logged, "app door: the handler on_open is missing"));
    assert_non_null(strstr(logged, "the handler on_close is missing"));
    assert_non_null(strstr(logged, "the handler middleware authed is missing"));
    assert_non_null(
        strstr(logged, "the handler middleware moderator is missing"));
}

/* A parked `open` holds memory as deferred calls do. */
static void test_deferred_bytes(void **state)
{
    begin_with((struct zkt_limits){ .deferred_bytes = shards });
    (void)state;
    cancelled = 0;
    script.open = open_later;
    struct wire w = knock("/", "", NULL);
    assert_non_null(strstr(hear(&w), "\"RESOURCE_EXHAUSTED\""));
    assert_int_equal(zkt__server_shard(server, shards - 1)
                         ->host.stats.limit_hits.deferred_bytes,
                     1);
    resume();
    pass(0);
    assert_int_equal(cancelled, 1);
    leave(&w);
    end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_and_close),
        cmocka_unit_test(test_wrong_parameters),
        cmocka_unit_test(test_refusals_by_status),
        cmocka_unit_test(test_typed_refusals),
        cmocka_unit_test(test_a_deferred_open),
        cmocka_unit_test(test_a_deferred_refusal),
        cmocka_unit_test(test_a_cancelled_open),
        cmocka_unit_test(test_data_that_break_their_rules),
        cmocka_unit_test(test_missing_handlers),
        cmocka_unit_test(test_deferred_bytes),
    };
    shards = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
