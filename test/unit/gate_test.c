/*
 * Who may connect, call and subscribe: `open`, `close`, the data of
 * connections, and middleware, over a core without sockets. The first argument
 * is the number of shards; the peer is on the last, the instances are on the
 * first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "door.h"
#include "server/connection.h"
#include "session/topics.h"
#include "zocket/embed.h"

static uint32_t shards = 1;
static struct zkt_server *server;
static struct zkt_location *home; /* of room "a", on the first shard */
static struct failing_alloc memory;
static char logged[8192];

static void keep_log(void *user, enum zkt_log_level level, const char *text)
{
    const size_t len = strlen(logged);
    (void)user;
    (void)level;
    snprintf(logged + len, sizeof(logged) - len, "%s\n", text);
}

/* Advances the clock and delivers messages between shards. */
static void pass(int64_t ms)
{
    for (uint32_t i = 0; i < 4 * shards; i++) {
        zkt_server_advance(zkt__server_shard(server, i % shards),
                           i < shards ? ms : 0);
    }
}

static void begin_with(struct zkt_limits limits)
{
    static const uint8_t seed[ZKT_SEED_SIZE] = { 7 };
    const struct zkt_serve_options options = {
        .random_seed = seed,
        .allocator = &memory.allocator,
        .threads = shards,
        .limits = limits,
        .log = keep_log,
    };
    memset(&script, 0, sizeof(script));
    trace[0] = logged[0] = '\0';
    failing_alloc_init(&memory, 0);
    assert_int_equal(zkt_server_new(door_app, &options, &server), ZKT_OK);
    zkt__server_run_shards(server, shards);
    home = zkt__location_take(
        &server->host, &door_room, ZKT_STR("a"),
        zkt__location_hash(&server->host, &door_room, ZKT_STR("a")));
    assert_non_null(home);
}

static void begin(void)
{
    begin_with((struct zkt_limits){ 0 });
}

static void end(void)
{
    zkt__location_release(&server->host, home);
    zkt_server_free(server);
    assert_int_equal(memory.live, 0);
}

/* ---- peers ---- */

#define UPGRADE                                                                \
    " HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"    \
    "Sec-WebSocket-Version: 13\r\n"                                            \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nx-tenant: t\r\n"
#define OURS "Sec-WebSocket-Protocol: zocket.rfc6902\r\n"
#define ACCEPTED                                                               \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"               \
    "Connection: Upgrade\r\n"                                                  \
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"

static void say(struct wire *w, const char *text)
{
    send_text(w, text, true);
}

/* Begins a handshake with a path and further header fields; *@early, if it is
 * not NULL, comes with the head. */
static struct wire knock(const char *path, const char *fields,
                         const char *early)
{
    char bytes[8192];
    struct wire w = {
        .e = zkt__server_accept(zkt__server_shard(server, shards - 1),
                                "192.0.2.7"),
    };
    assert_non_null(w.e);
    size_t len = (size_t)snprintf(bytes, sizeof(bytes),
                                  "GET %s" UPGRADE "%s\r\n", path, fields);
    if (early != NULL) {
        len += frame(bytes + len, early);
    }
    feed(&w, bytes, len, sizeof(bytes), true);
    pass(0);
    drain(&w);
    return w;
}

static void forget(struct wire *w)
{
    w->len = 0;
    if (w->text != NULL) {
        w->text[0] = '\0';
    }
}

/* Returns all text that the peer has received since; frame heads become '|'. */
static const char *hear(struct wire *w)
{
    static char text[16384];
    size_t len = 0;
    pass(0);
    drain(w);
    for (size_t i = 0; i < w->len && len + 1 < sizeof(text); i++) {
        const unsigned char c = (unsigned char)w->text[i];
        if (c == 0x81) {
            const unsigned char n = (unsigned char)w->text[i + 1];
            i += n == 126 ? 3 : n == 127 ? 9 : 1;
            text[len++] = '|';
        } else if (c != '\0') { /* of a ping */
            text[len++] = (char)c;
        }
    }
    text[len] = '\0';
    forget(w);
    return text;
}

static const char *ask(struct wire *w, const char *text)
{
    say(w, text);
    return hear(w);
}

/* Leaves; its contacts end, and `close` runs. */
static void leave(struct wire *w)
{
    w->e->ops->detach(w->e);
    free(w->text);
    w->text = NULL;
    for (int i = 0; i < 4; i++) {
        pass(0);
    }
}

static const char *trace_since(void)
{
    static char copy[sizeof(trace)];
    memcpy(copy, trace, sizeof(trace));
    trace[0] = '\0';
    return copy;
}

#define CALL(id, method)                                                       \
    "{\"type\":\"rpc\",\"id\":\"" id                                           \
    "\",\"actor\":\"room\",\"actorId\":\"a\",\"method\":\"" method "\"}"
#define SUB(type) "{\"type\":\"" type "\",\"actor\":\"room\",\"actorId\":\"a\"}"
#define RESULT(id, value)                                                      \
    "|{\"type\":\"rpc:result\",\"id\":\"" id "\",\"result\":\"" value "\"}"

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
             "Cache-Control: no-store\r\nConnection: close\r\n"
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
                 "Cache-Control: no-store\r\n%sConnection: close\r\n"
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
    snprintf(expected, sizeof(expected),
             "HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n"
             "Cache-Control: no-store\r\nRetry-After: 2\r\n"
             "Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
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

static struct zkt_deferred *held;
static int cancelled;
static bool then_refuses;

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
        end();
    }
}

static void set_role(struct zkt_call *call, int32_t role)
{
    zkt_call_set_connection(call, 1, &role);
}

static void set_user(struct zkt_call *call, struct zkt_str user)
{
    const struct door_data data = { .user = { true, user } };
    zkt_call_set_connection(call, 0, &data.user);
}

static const struct door_data *seen;

static enum zkt_status promote(struct zkt_call *call, struct zkt_str *out)
{
    seen = zkt_call_connection(call);
    assert_int_equal(seen->role, 1);
    assert_true(zkt_str_eq(zkt_remote_address(call), ZKT_STR("192.0.2.7")));
    set_role(call, 5);
    set_user(call, ZKT_STR("bob"));
    assert_int_equal(seen->role, 5); /* a stable pointer */
    assert_ptr_equal(zkt_call_connection(call), seen);
    assert_ptr_equal(zkt_call_connection_of(call, zkt_client_id(call)), seen);
    *out = door_seen(call);
    return ZKT_OK;
}

static void test_writes_of_data(void **state)
{
    begin();
    (void)state;
    struct wire w = knock("/", "Authorization: Bearer ada\r\n", NULL);
    (void)hear(&w);
    script.who = promote;
    assert_string_equal(ask(&w, CALL("1", "who")), RESULT("1", "bob/5"));
    script.who = NULL;
    assert_string_equal(ask(&w, CALL("2", "who")), RESULT("2", "bob/5"));
    leave(&w);
    assert_string_equal(trace_since(),
                        "open:t connect:ada/1 who:ada/1 who:bob/5 "
                        "disconnect:bob/5 close:bob/5");
    end();
}

static enum zkt_status write_wrong(struct zkt_call *call, struct zkt_str *out)
{
    set_user(call, ZKT_STR("eve"));
    set_role(call, 10);
    assert_int_equal(
        ((const struct door_data *)zkt_call_connection(call))->role, 1);
    *out = ZKT_STR("done");
    return ZKT_OK;
}

static enum zkt_status write_and_fail(struct zkt_call *call,
                                      struct zkt_str *out)
{
    (void)out;
    set_role(call, 9);
    return zkt_fail(call, ZKT_ABORTED, "no");
}

static enum zkt_status unset_user(struct zkt_call *call, struct zkt_str *out)
{
    zkt_call_set_connection(call, 0, NULL);
    *out = door_seen(call);
    return ZKT_OK;
}

static void test_writes_that_fail(void **state)
{
    begin();
    (void)state;
    struct wire w = knock("/", "Authorization: Bearer ada\r\n", NULL);
    (void)hear(&w);
    script.who = write_wrong;
    assert_non_null(strstr(ask(&w, CALL("1", "who")), "\"INTERNAL\""));
    assert_non_null(strstr(logged, "role of the connection breaks its rules"));
    script.who = write_and_fail;
    assert_non_null(strstr(ask(&w, CALL("2", "who")), "\"ABORTED\""));
    script.who = NULL;
    assert_string_equal(ask(&w, CALL("3", "who")), RESULT("3", "ada/1"));
    script.who = unset_user;
    assert_string_equal(ask(&w, CALL("4", "who")), RESULT("4", "/1"));
    leave(&w);
    end();
}

/* `disconnect` has no more to tell the session, and close sees its writes. */
static enum zkt_status join_topics(struct zkt_call *call, struct zkt_str *out)
{
    zkt_topic_join(call, ZKT_STR("b"));
    zkt_topic_join(call, ZKT_STR("a"));
    zkt_topic_join(call, ZKT_STR("b"));
    zkt_topic_join(call, ZKT_STR("c"));
    zkt_topic_leave(call, ZKT_STR("c"));
    zkt_topic_leave(call, ZKT_STR("d"));
    assert_true(zkt_topic_has(call, ZKT_STR("a")));
    assert_false(zkt_topic_has(call, ZKT_STR("c")));
    const struct zkt_str_list topics = zkt_topics(call);
    assert_int_equal(topics.len, 2);
    assert_string_equal(topics.items[0].data, "a");
    *out = ZKT_STR("joined");
    return ZKT_OK;
}

static enum zkt_status leave_topic(struct zkt_call *call, struct zkt_str *out)
{
    assert_true(zkt_topic_has(call, ZKT_STR("a")));
    zkt_topic_leave(call, ZKT_STR("a"));
    *out = ZKT_STR("left");
    return ZKT_OK;
}

static enum zkt_status join_too_many(struct zkt_call *call, struct zkt_str *out)
{
    char name[2] = { 'e', '\0' };
    for (int i = 0; i < 3; i++, name[0]++) {
        zkt_topic_join(call, zkt_cstr(name));
    }
    (void)out;
    return ZKT_OK;
}

static uint32_t members(const char *topic)
{
    const struct zkt_topic_group *group = zkt__topic_find(
        &zkt__server_shard(server, shards - 1)->host, zkt_cstr(topic));
    return group != NULL ? group->count : 0;
}

static void test_topics(void **state)
{
    begin_with((struct zkt_limits){ .topics = 3 });
    (void)state;
    struct wire w = knock("/", "", NULL), v = knock("/", "", NULL);
    (void)hear(&w);
    (void)hear(&v);
    script.who = join_topics;
    assert_string_equal(ask(&w, CALL("1", "who")), RESULT("1", "joined"));
    assert_string_equal(ask(&v, CALL("1", "who")), RESULT("1", "joined"));
    assert_int_equal(members("a"), 2);
    assert_int_equal(members("b"), 2);
    assert_int_equal(members("c"), 0);
    script.who = leave_topic;
    assert_string_equal(ask(&w, CALL("2", "who")), RESULT("2", "left"));
    assert_int_equal(members("a"), 1);
    script.who = join_too_many;
    assert_non_null(strstr(ask(&w, CALL("3", "who")), "\"INTERNAL\""));
    assert_int_equal(members("e"), 0);
    leave(&w);
    assert_int_equal(members("a"), 1);
    assert_int_equal(members("b"), 1);
    leave(&v);
    assert_int_equal(members("a") + members("b"), 0);
    end();
}

/* ---- two instances ---- */

#define CALL_B(id)                                                             \
    "{\"type\":\"rpc\",\"id\":\"" id                                           \
    "\",\"actor\":\"room\",\"actorId\":\"b\",\"method\":\"who\"}"

/* Room "b" is on the peer's shard. */
static struct zkt_location *claim_b(void)
{
    struct zkt_host *host = &zkt__server_shard(server, shards - 1)->host;
    return zkt__location_take(
        host, &door_room, ZKT_STR("b"),
        zkt__location_hash(host, &door_room, ZKT_STR("b")));
}

static bool is_room(struct zkt_call *call, const char *name)
{
    return zkt_str_eq(zkt_instance_id(call), zkt_cstr(name));
}

/* Room "a" takes its time, room "b" revokes the role. */
static enum zkt_status revoke_or_wait(struct zkt_call *call,
                                      struct zkt_str *out)
{
    if (is_room(call, "a")) {
        held = zkt_call_defer(call, ZKT_MEMBER_METHOD, 0);
        assert_non_null(held);
        return ZKT_PENDING;
    }
    set_role(call, 0);
    *out = door_seen(call);
    return ZKT_OK;
}

static enum zkt_status invoke_rename(struct zkt_call *call, void (*then)(void),
                                     const void *input, void *result,
                                     void *user)
{
    struct zkt_str *out = result;
    (void)then;
    (void)input;
    (void)user;
    set_user(call, ZKT_STR("bob"));
    *out = door_seen(call);
    return ZKT_OK;
}

/* A role that was revoked stays revoked under a slow call that writes another
 * field, and that began before. */
static void test_fields_of_two_instances(void **state)
{
    begin();
    (void)state;
    struct zkt_location *b = claim_b();
    struct wire w = knock("/", "Authorization: Bearer ada\r\n", NULL);
    (void)hear(&w);
    script.who = revoke_or_wait;
    assert_string_equal(ask(&w, CALL("1", "who")), "");
    assert_string_equal(ask(&w, CALL_B("2")), RESULT("2", "ada/0"));
    zkt_deferred_resume(held, invoke_rename, NULL, NULL);
    assert_string_equal(hear(&w), RESULT("1", "bob/1")); /* as of its message */
    script.who = NULL;
    assert_string_equal(ask(&w, CALL("3", "who")), RESULT("3", "bob/0"));
    assert_string_equal(ask(&w, CALL_B("4")), RESULT("4", "bob/0"));
    leave(&w);
    zkt__location_release(&zkt__server_shard(server, shards - 1)->host, b);
    end();
}

static char other_id[ZKT_CLIENT_ID_LEN + 1];

static enum zkt_status look_at_other(struct zkt_call *call, struct zkt_str *out)
{
    if (is_room(call, "b")) {
        set_role(call, 4);
        return ZKT_OK;
    }
    const struct door_data *data = zkt_call_connection_of(call,
                                                          zkt_cstr(other_id));
    assert_null(zkt_call_connection_of(call, ZKT_STR("nobody")));
    *out = data != NULL ? zkt_format(call, "%.*s/%d", ZKT_ARG(data->user.value),
                                     (int)data->role)
                        : ZKT_STR("absent");
    return ZKT_OK;
}

/* The data of another client in contact are current, also if it has been idle
 * since. */
static void test_the_data_of_another_client(void **state)
{
    begin();
    (void)state;
    struct zkt_location *b = claim_b();
    struct wire v = knock("/", "Authorization: Bearer eve\r\n", NULL);
    struct wire w = knock("/", "Authorization: Bearer ada\r\n", NULL);
    const char *id = strstr(hear(&v), "\"clientId\":\"");
    assert_non_null(id);
    memcpy(other_id, id + strlen("\"clientId\":\""), ZKT_CLIENT_ID_LEN);
    (void)hear(&w);
    script.who = look_at_other;
    assert_string_equal(ask(&w, CALL("1", "who")), RESULT("1", "absent"));
    assert_string_equal(ask(&v, CALL("1", "who")), RESULT("1", "eve/1"));
    assert_string_equal(ask(&w, CALL("2", "who")), RESULT("2", "eve/1"));
    assert_string_equal(ask(&v, CALL_B("2")), RESULT("2", "eve/1"));
    assert_string_equal(ask(&w, CALL("3", "who")), RESULT("3", "eve/4"));
    leave(&v);
    assert_string_equal(ask(&w, CALL("4", "who")), RESULT("4", "absent"));
    leave(&w);
    zkt__location_release(&zkt__server_shard(server, shards - 1)->host, b);
    end();
}

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

/* Parked tasks of sessions hold memory as deferred calls do. */
static void test_deferred_bytes(void **state)
{
    (void)state;
    for (int opens = 0; opens < 2; opens++) {
        begin_with((struct zkt_limits){ .deferred_bytes = shards });
        cancelled = 0;
        script.open = opens ? open_later : NULL;
        script.authed = authed_later;
        struct wire w = knock("/", "", NULL);
        if (!opens) {
            (void)hear(&w);
            say(&w, CALL("1", "ban"));
        }
        assert_non_null(strstr(hear(&w), "\"RESOURCE_EXHAUSTED\""));
        assert_int_equal(zkt__server_shard(server, shards - 1)
                             ->host.stats.limit_hits.deferred_bytes,
                         1);
        if (opens) {
            resume();
        } else {
            resume_authed();
        }
        pass(0);
        assert_int_equal(cancelled, 1);
        leave(&w);
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
        cmocka_unit_test(test_open_and_close),
        cmocka_unit_test(test_wrong_parameters),
        cmocka_unit_test(test_refusals_by_status),
        cmocka_unit_test(test_typed_refusals),
        cmocka_unit_test(test_a_deferred_open),
        cmocka_unit_test(test_a_deferred_refusal),
        cmocka_unit_test(test_a_cancelled_open),
        cmocka_unit_test(test_data_that_break_their_rules),
        cmocka_unit_test(test_writes_of_data),
        cmocka_unit_test(test_writes_that_fail),
        cmocka_unit_test(test_topics),
        cmocka_unit_test(test_fields_of_two_instances),
        cmocka_unit_test(test_the_data_of_another_client),
        cmocka_unit_test(test_middleware_in_order),
        cmocka_unit_test(test_refused_by_middleware),
        cmocka_unit_test(test_writes_of_middleware),
        cmocka_unit_test(test_deferred_middleware),
        cmocka_unit_test(test_cancelled_middleware),
        cmocka_unit_test(test_mistakes_of_deferring),
        cmocka_unit_test(test_deferred_bytes),
        cmocka_unit_test(test_missing_handlers),
        cmocka_unit_test(test_random_sequences),
        cmocka_unit_test(test_no_memory),
    };
    shards = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
