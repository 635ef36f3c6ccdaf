/*
 * Streams and progress: parts of an answer before its result. The first
 * argument is the number of shards; see streaming.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "call/stream.h"
#include "limit_hits.h"
#include "streaming.h"

#define TALK_ON(id, x) RPC(id, "room", "talk", INPUT(x))
#define CHUNK(id, text)                                                        \
    "|{\"type\":\"rpc:chunk\",\"id\":\"" id "\",\"chunk\":\"" text "\"}"
#define PROGRESS(id, n)                                                        \
    "|{\"type\":\"rpc:progress\",\"id\":\"" id "\",\"progress\":" n "}"

static enum zkt_status defer_talk(struct zkt_call *call)
{
    return defer(call, TALK);
}

static enum zkt_status defer_build(struct zkt_call *call)
{
    return defer(call, BUILD);
}

static enum zkt_status defer_go(struct zkt_call *call)
{
    return defer(call, GO);
}

static void start_with(struct zkt_limits limits)
{
    handle_count = 0;
    set_up_with(limits);
    plays.play[GO] = add;
    plays.play[TALK] = defer_talk;
    plays.play[BUILD] = defer_build;
}

static void start(void)
{
    start_with((struct zkt_limits){ 0 });
}

static void go_away(struct wire *w)
{
    traces = false;
    leave(w);
    traces = true;
}

static enum zkt_status send_to(size_t i, const char *text)
{
    const struct zkt_str chunk = zkt_cstr(text);
    return zkt_deferred_send(handles[i], &chunk);
}

/* Sends a chunk of @len bytes. */
static enum zkt_status send_long(size_t i, size_t len)
{
    static char text[100000];
    memset(text, 'c', len);
    const struct zkt_str chunk = { text, len };
    return zkt_deferred_send(handles[i], &chunk);
}

/* The notices of a call, as letters. */
struct notices {
    char text[64];
};

static void take_notice(enum zkt_notice notice, void *user)
{
    struct notices *notices = user;
    const size_t len = strlen(notices->text);
    assert_in_range(len, 0, sizeof(notices->text) - 2);
    notices->text[len] = "rcods"[notice];
    notices->text[len + 1] = '\0';
}

static void listen_to(size_t i, struct notices *notices)
{
    notices->text[0] = '\0';
    zkt_deferred_notify(handles[i], take_notice, notices);
}

/* ---- order ---- */

/* Chunks arrive in order, others run between them, and the result is last. */
static void test_order(void **state)
{
    (void)state;
    start();
    struct wire a = enter();
    struct wire b = enter();
    (void)ask(&a, SUB("state:sub"));
    assert_string_equal(ask(&a, TALK_ON("1", "x")), "");
    assert_int_equal(send_to(0, "one"), ZKT_OK);
    assert_int_equal(send_to(0, "two"), ZKT_OK);
    assert_string_equal(hear(&a), CHUNK("1", "one") CHUNK("1", "two"));
    assert_string_equal(ask(&b, GO_ON("2")), RESULT("2", ""));
    assert_string_equal(hear(&a), PATCH("1"));
    assert_int_equal(send_to(0, "three"), ZKT_OK);
    struct half last = { add };
    resume_with(0, &last);
    assert_string_equal(hear(&a),
                        CHUNK("1", "three") PATCH("2") NO_RESULT("1"));
    assert_string_equal(trace_since(), "talk:x go then:x");
    go_away(&a);
    go_away(&b);
    tear_down();
}

static enum zkt_status talk_at_once(struct zkt_call *call)
{
    (void)add(call);
    (void)defer_talk(call);
    assert_int_equal(send_to(handle_count - 1, "one"), ZKT_OK);
    resume(handle_count - 1);
    return ZKT_PENDING;
}

static enum zkt_status talk_and_fail(struct zkt_call *call)
{
    (void)talk_at_once(call);
    set_role(call, 77);
    return ZKT_PENDING;
}

static enum zkt_status talk_in_vain(struct zkt_call *call)
{
    (void)talk_at_once(call);
    return ZKT_OK;
}

/* A chunk that is sent before the first half is committed waits for it, and is
 * dropped if it fails, or if the call does not go on. */
static void test_first_half(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, SUB("state:sub"));
    plays.play[TALK] = talk_at_once;
    assert_string_equal(ask(&w, TALK_ON("1", "x")),
                        PATCH("1") CHUNK("1", "one") NO_RESULT("1"));
    plays.play[TALK] = talk_and_fail;
    const char *heard = ask(&w, TALK_ON("2", "x"));
    assert_non_null(strstr(heard, "INTERNAL"));
    assert_null(strstr(heard, "chunk"));
    plays.play[TALK] = talk_in_vain;
    assert_string_equal(ask(&w, TALK_ON("3", "x")), PATCH("2") NO_RESULT("3"));
    assert_string_equal(trace_since(),
                        "talk:x then:x talk:x cancelled:x talk:x "
                        "cancelled:x");
    go_away(&w);
    tear_down();
}

static enum zkt_status fail_talk(struct zkt_call *call)
{
    return zkt_fail(call, ZKT_UNAVAILABLE, "no model");
}

/* A stream may end with an error; chunks after its end are refused. */
static void test_error(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, TALK_ON("1", "x"));
    assert_int_equal(send_to(0, "one"), ZKT_OK);
    struct half last = { fail_talk };
    resume_with(0, &last);
    const char *heard = hear(&w);
    assert_ptr_equal(strstr(heard, CHUNK("1", "one")), heard);
    assert_non_null(strstr(heard, "no model"));
    assert_int_equal(zkt_deferred_send(NULL, NULL), ZKT_CANCELLED);
    zkt_deferred_progress(NULL, NULL);
    go_away(&w);
    tear_down();
}

/* A chunk that breaks a rule ends the stream. */
static void test_bad_chunk(void **state)
{
    struct notices notices;
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, TALK_ON("1", "x"));
    listen_to(0, &notices);
    assert_int_equal(send_to(0, "one"), ZKT_OK);
    assert_int_equal(send_to(0, "\xff"), ZKT_OK);
    assert_int_equal(send_to(0, "three"), ZKT_OK);
    const char *heard = hear(&w);
    assert_ptr_equal(strstr(heard, CHUNK("1", "one")), heard);
    assert_non_null(strstr(heard, "INTERNAL"));
    assert_null(strstr(heard, "three"));
    assert_non_null(strstr(logged, "a chunk breaks its rules"));
    assert_string_equal(notices.text, "c");
    assert_int_equal(send_to(0, "four"), ZKT_CANCELLED);
    resume(0);
    assert_string_equal(hear(&w), "");
    assert_string_equal(trace_since(), "talk:x cancelled:x");
    go_away(&w);
    tear_down();
}

/* Two streams of a caller do not mix; a second half may defer again and send
 * more. */
static void test_two_streams(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, TALK_ON("1", "x"));
    (void)ask(&w, TALK_ON("2", "y"));
    assert_int_equal(send_to(0, "a"), ZKT_OK);
    struct half again = { defer_talk };
    resume_with(0, &again);
    assert_int_equal(send_to(1, "b"), ZKT_OK);
    assert_string_equal(hear(&w), CHUNK("1", "a") CHUNK("2", "b"));
    assert_int_equal(send_to(2, "c"), ZKT_OK);
    resume(1);
    resume(2);
    const char *heard = hear(&w);
    assert_non_null(strstr(heard, CHUNK("1", "c") NO_RESULT("1")));
    assert_non_null(strstr(heard, NO_RESULT("2")));
    go_away(&w);
    tear_down();
}

/* ---- back-pressure ---- */

/* Runs turns in which nothing is taken from the connection. */
static void pass_unread(void)
{
    for (int i = 0; i < 4; i++) {
        pass(0);
    }
}

/* Sends chunks until none is taken any more; returns their number. */
static size_t send_all(size_t i, size_t len)
{
    size_t sent = 0;
    for (size_t refused = 0; refused < 2;) {
        if (send_long(i, len) == ZKT_OK) {
            sent++;
            refused = 0;
        } else {
            refused++;
            pass_unread();
        }
        assert_in_range(sent, 0, 100000);
    }
    return sent;
}

/* A reader that stops holds at most stream_bytes of its stream, and its sender
 * goes on when it does. */
static void test_slow_reader(void **state)
{
    struct notices notices;
    (void)state;
    for (size_t len = 10; len <= 100000; len *= 10) {
        start();
        struct wire w = enter();
        (void)ask(&w, TALK_ON("1", "x"));
        listen_to(0, &notices);
        const size_t before = memory.bytes;
        size_t sent = send_all(0, len);
        /* Besides: what waits to be sent, and the largest chunk. */
        const size_t most = 262144 + 16384 + 1000 + 3 * len;
        assert_in_range(memory.bytes - before, 100000, most);
        notices.text[0] = '\0';
        for (size_t more = sent + 10; sent < more;) {
            assert_int_equal(send_long(0, len), ZKT_RESOURCE_EXHAUSTED);
            while (notices.text[0] != 'r') {
                pass(0);
                drain(&w);
            }
            notices.text[0] = '\0';
            while (sent < more && send_long(0, len) == ZKT_OK) {
                sent++;
            }
        }
        resume(0);
        pass(0);
        drain(&w);
        pass(0);
        drain(&w);
        assert_int_equal(count_text(&w, "rpc:chunk"), sent);
        assert_int_equal(count_text(&w, "rpc:result"), 1);
        assert_true(holds(w.text + w.len - 40, 40, "rpc:result"));
        assert_true(limit_hits_of(server, "stream_bytes") > 0);
        forget(&w);
        go_away(&w);
        tear_down();
    }
}

/* A slow reader stops neither its neighbours nor the instance, and reads the
 * results of other calls while its stream waits. */
static void test_neighbours(void **state)
{
    (void)state;
    start();
    struct wire slow = enter();
    struct wire fast = enter();
    (void)ask(&slow, TALK_ON("1", "x"));
    (void)ask(&fast, TALK_ON("1", "y"));
    (void)send_all(0, 1000);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(send_long(1, 1000), ZKT_OK);
        (void)hear(&fast);
    }
    assert_string_equal(ask(&fast, GO_ON("2")), RESULT("2", ""));
    send_text(&slow, GO_ON("3"), false);
    pass(0);
    drain(&slow);
    const int before = count_text(&slow, "rpc:chunk");
    assert_int_equal(count_text(&slow, "\"id\":\"3\""), 1);
    pass(0);
    drain(&slow);
    assert_true(count_text(&slow, "rpc:chunk") >= before);
    go_away(&slow);
    go_away(&fast);
    resume(0);
    resume(1);
    pass(0);
    tear_down();
}

/* Chunks that wait count as output: the connection that has too much of it is
 * closed, and its streams end. */
static void test_unsent(void **state)
{
    struct notices notices;
    (void)state;
    start_with((struct zkt_limits){ .unsent_bytes = 100000 * shards });
    struct wire w = enter();
    (void)ask(&w, TALK_ON("1", "x"));
    listen_to(0, &notices);
    (void)send_all(0, 1000);
    pass_unread();
    assert_int_equal(stats().limit_hits.unsent_bytes, 1);
    assert_int_equal(stats().unsent, 0);
    drain(&w);
    assert_true(holds(w.text, w.len, "too much waits"));
    forget(&w);
    go_away(&w);
    assert_true(zkt_deferred_cancelled(handles[0]));
    resume(0);
    pass(0);
    tear_down();
}

/* The result of a stream whose reader has stopped waits behind the chunks, and
 * counts as outstanding. */
static void test_result_waits(void **state)
{
    (void)state;
    start_with((struct zkt_limits){ .pending_calls = 2 });
    struct wire w = enter();
    (void)ask(&w, TALK_ON("1", "x"));
    (void)ask(&w, TALK_ON("2", "y"));
    const size_t sent = send_all(0, 1000) + send_all(1, 1000);
    resume(0);
    resume(1);
    pass_unread();
    assert_int_equal(stats().deferred, 0);
    assert_false(w.e->reading);
    pass(0);
    drain(&w);
    pass(0);
    drain(&w);
    assert_int_equal(count_text(&w, "rpc:chunk"), sent);
    assert_int_equal(count_text(&w, "rpc:result"), 2);
    assert_true(w.e->reading);
    forget(&w);
    go_away(&w);
    tear_down();
}

/* The patch of a second half follows the chunks that were sent before, also if
 * the reader has stopped. */
static void test_patch_waits(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, SUB("state:sub"));
    (void)ask(&w, TALK_ON("1", "x"));
    const size_t sent = send_all(0, 50000);
    struct half last = { add };
    resume_with(0, &last);
    pass_unread();
    drain(&w);
    pass(0);
    drain(&w);
    assert_int_equal(count_text(&w, "rpc:chunk"), sent);
    const char *tail = w.text + w.len - 300;
    assert_true(holds(tail, 300, "state:") && holds(tail, 300, "rpc:result"));
    forget(&w);
    go_away(&w);
    tear_down();
}

/* A hundred streams of a connection: nothing is lost or mixed up. */
static void test_many_streams(void **state)
{
    enum {
        STREAMS = 100,
        EACH = 30
    };
    char text[256];
    (void)state;
    start();
    struct wire w = enter();
    for (int i = 0; i < STREAMS; i++) {
        snprintf(text, sizeof(text), RPC("%d", "room", "talk", INPUT("x")), i);
        (void)ask(&w, text);
    }
    for (int n = 0; n < EACH; n++) {
        for (size_t i = 0; i < STREAMS; i++) {
            snprintf(text, sizeof(text), "%zu of %d", i, n);
            assert_int_equal(send_to(i, text), ZKT_OK);
        }
    }
    for (size_t i = 0; i < STREAMS; i++) {
        resume(i);
    }
    pass_unread();
    for (int turns = 0; turns < 100; turns++) {
        pass(0);
        drain(&w);
    }
    for (int n = 0; n < EACH; n++) {
        for (int i = 0; i < STREAMS; i++) {
            snprintf(text, sizeof(text), "\"id\":\"%d\",\"chunk\":\"%d of %d\"",
                     i, i, n);
            assert_int_equal(count_text(&w, text), 1);
        }
    }
    assert_int_equal(count_text(&w, "rpc:chunk"), STREAMS * EACH);
    assert_int_equal(count_text(&w, "rpc:result"), STREAMS);
    forget(&w);
    go_away(&w);
    tear_down();
}

/* Returns the ids of the chunks that were received, a digit for each. */
static const char *ids_of_chunks(const struct wire *w)
{
    static const char head[] = "\"rpc:chunk\",\"id\":\"";
    static char ids[1024];
    size_t count = 0;
    for (size_t i = 0; i + sizeof(head) < w->len; i++) {
        if (memcmp(w->text + i, head, sizeof(head) - 1) == 0 &&
            count + 1 < sizeof(ids)) {
            ids[count++] = w->text[i + sizeof(head) - 1];
        }
    }
    ids[count] = '\0';
    return ids;
}

/* Streams that wait for the same reader take turns. */
static void test_turns(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, TALK_ON("1", "x"));
    (void)ask(&w, TALK_ON("2", "y"));
    (void)ask(&w, TALK_ON("3", "z"));
    for (size_t i = 0; i < 3; i++) {
        for (int n = 0; n < 8; n++) {
            assert_int_equal(send_long(i, 6000), ZKT_OK);
        }
        pass_unread();
    }
    pass(0);
    drain(&w);
    assert_string_equal(ids_of_chunks(&w), "111123123123123123232323");
    forget(&w);
    go_away(&w);
    resume(0);
    resume(1);
    resume(2);
    pass(0);
    tear_down();
}

/* Many chunks leave time to other work: a turn takes some of them. */
static void test_time(void **state)
{
    enum {
        STREAMS = 40
    };
    (void)state;
    start_with((struct zkt_limits){ .turn_work = 200000 });
    struct zkt_core *core = zkt__server_core(server);
    struct wire w = enter();
    for (int i = 0; i < STREAMS; i++) {
        (void)ask(&w, TALK_ON("1", "x"));
    }
    for (size_t i = 0; i < STREAMS; i++) {
        for (int n = 0; n < 20; n++) {
            assert_int_equal(send_long(i, 1000), ZKT_OK);
        }
    }
    core->ops->tick(core);
    size_t left = 0;
    for (size_t i = 0; i < STREAMS; i++) {
        left += atomic_load(&handles[i]->stream->chunks) != NULL;
    }
    assert_in_range(left, 1, STREAMS - 1);
    for (int turns = 0; turns < 100; turns++) {
        pass(0);
        drain(&w);
    }
    assert_int_equal(count_text(&w, "rpc:chunk"), STREAMS * 20);
    forget(&w);
    go_away(&w);
    for (size_t i = 0; i < STREAMS; i++) {
        resume(i);
    }
    pass(0);
    tear_down();
}

/* ---- ends ---- */

/* A connection that ends cancels its streams, and no other calls; chunks on the
 * way go nowhere. */
static void test_connection_ends(void **state)
{
    struct notices notices[3];
    (void)state;
    start();
    struct wire w = enter();
    plays.play[FETCH] = defer_fetch;
    (void)ask(&w, TALK_ON("1", "x"));
    (void)ask(&w, FETCH_ON("2", "y"));
    (void)ask(&w, TALK_ON("3", "z"));
    for (size_t i = 0; i < 3; i++) {
        listen_to(i, &notices[i]);
    }
    (void)send_all(0, 1000);
    assert_int_equal(send_to(2, "late"), ZKT_OK);
    resume(2);
    go_away(&w);
    /* The chunks that were dropped may have made room. */
    assert_string_equal(notices[0].text + (notices[0].text[0] == 'r'), "o");
    assert_string_equal(notices[1].text, "");
    assert_string_equal(notices[2].text, "");
    assert_int_equal(send_to(0, "more"), ZKT_CANCELLED);
    assert_true(zkt_deferred_cancelled(handles[0]));
    resume(0);
    resume(1);
    pass(0);
    assert_string_equal(trace_since(), "talk:x fetch:y talk:z cancelled:x "
                                       "then:y close:/1");
    tear_down();
}

/* A stream that waits in the mailbox when its connection ends is cancelled as
 * soon as it has begun. */
static void test_queued_stream(void **state)
{
    struct notices notices;
    (void)state;
    start();
    struct wire w = enter();
    struct wire other = enter();
    plays.play[GO] = defer_go;
    (void)ask(&other, GO_ON("1"));
    (void)ask(&w, TALK_ON("1", "x"));
    leave(&w);
    assert_int_equal(handle_count, 1);
    resume(0);
    pass(0);
    assert_int_equal(handle_count, 2);
    listen_to(1, &notices);
    pass(0);
    assert_string_equal(notices.text, "o");
    resume(1);
    (void)hear(&other);
    go_away(&other);
    tear_down();
}

/* A caller that cancels gets the chunks that were sent, and then the end. */
static void test_cancelled(void **state)
{
    struct notices notices;
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, TALK_ON("1", "x"));
    (void)ask(&w, TALK_ON("2", "y"));
    listen_to(0, &notices);
    const size_t sent = send_all(0, 1000);
    notices.text[0] = '\0';
    send_text(&w, "{\"type\":\"rpc:cancel\",\"id\":\"1\"}", false);
    pass_unread();
    assert_string_equal(notices.text, "c");
    assert_int_equal(send_to(0, "more"), ZKT_CANCELLED);
    assert_int_equal(send_to(1, "other"), ZKT_OK);
    for (int i = 0; i < 4; i++) {
        pass(0);
        drain(&w);
    }
    assert_int_equal(count_text(&w, "rpc:chunk"), sent + 1);
    assert_int_equal(count_text(&w, "rpc:result"), 1);
    assert_int_equal(count_text(&w, "CANCELLED"), 1);
    assert_true(holds(w.text + w.len - 100, 100, "CANCELLED"));
    forget(&w);
    resume(0);
    resume(1);
    assert_string_equal(hear(&w), NO_RESULT("2"));
    assert_string_equal(trace_since(), "talk:x talk:y cancelled:x then:y");
    go_away(&w);
    tear_down();
}

static enum zkt_status destroy(struct zkt_call *call)
{
    zkt_destroy(call);
    return ZKT_OK;
}

/* The end of an instance ends its streams, behind their chunks. */
static void test_instance_ends(void **state)
{
    struct notices notices;
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, TALK_ON("1", "x"));
    listen_to(0, &notices);
    assert_int_equal(send_to(0, "one"), ZKT_OK);
    plays.play[GO] = destroy;
    const char *heard = ask(&w, GO_ON("2"));
    const char *chunk = strstr(heard, CHUNK("1", "one"));
    const char *end = strstr(heard, "ABORTED");
    assert_non_null(end);
    assert_true(chunk == NULL || chunk < end);
    assert_string_equal(notices.text, "o");
    assert_int_equal(send_to(0, "two"), ZKT_CANCELLED);
    resume(0);
    assert_string_equal(hear(&w), "");
    go_away(&w);
    tear_down();
}

/* While the server drains, streams may finish, and know that they should; then
 * they are cancelled, and the chunks that wait are sent before the close frame.
 */
static void test_stopping(void **state)
{
    struct notices notices, late;
    (void)state;
    start_with((struct zkt_limits){ .drain_ms = 100 });
    struct wire w = enter();
    (void)ask(&w, TALK_ON("1", "x"));
    (void)ask(&w, TALK_ON("2", "y"));
    (void)ask(&w, TALK_ON("3", "z"));
    listen_to(1, &notices);
    const size_t sent = send_all(2, 1000);
    resume(2);
    zkt_server_shutdown(server);
    pass(0);
    assert_string_equal(notices.text, "s");
    listen_to(0, &late);
    pass(0);
    assert_string_equal(late.text, "s");
    assert_int_equal(send_to(0, "bye"), ZKT_OK);
    resume(0);
    pass(50);
    assert_false(zkt_deferred_cancelled(handles[1]));
    pass(50);
    assert_true(zkt_deferred_cancelled(handles[1]));
    assert_string_equal(notices.text, "s");
    resume(1);
    for (int i = 0; i < 4; i++) {
        pass(0);
        drain(&w);
    }
    assert_int_equal(count_text(&w, "rpc:chunk"), sent + 1);
    assert_int_equal(count_text(&w, "rpc:result"), 3);
    forget(&w);
    go_away(&w);
    tear_down();
}

/* A stream that waits in the mailbox when the server begins to stop knows it
 * from its first half on. */
static void test_stopping_queued(void **state)
{
    struct notices notices;
    (void)state;
    start();
    struct wire w = enter();
    struct wire other = enter();
    plays.play[GO] = defer_go;
    (void)ask(&other, GO_ON("1"));
    (void)ask(&w, TALK_ON("1", "x"));
    zkt_server_shutdown(server);
    pass(0);
    resume(0);
    pass(0);
    assert_int_equal(handle_count, 2);
    listen_to(1, &notices);
    pass(0);
    assert_string_equal(notices.text, "s");
    resume(1);
    assert_non_null(strstr(hear(&w), NO_RESULT("1")));
    (void)hear(&other);
    go_away(&w);
    go_away(&other);
    tear_down();
}

/* Handles outlive their server. */
static void test_freed(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, TALK_ON("1", "x"));
    (void)ask(&w, RPC("2", "room", "build", ""));
    (void)send_all(0, 1000);
    const int32_t n = 3;
    zkt_deferred_progress(handles[1], &n);
    go_away(&w);
    zkt__location_release(&server->host, hall);
    zkt__location_release(&server->host, home);
    zkt_server_free(server);
    assert_int_equal(send_to(0, "late"), ZKT_CANCELLED);
    zkt_deferred_progress(handles[1], &n);
    resume(0);
    resume(1);
    assert_int_equal(memory.live, 0);
}

/* ---- notices ---- */

/* READY comes at once if there is room by then, and is kept for a function that
 * comes later. */
static void test_ready(void **state)
{
    struct notices notices;
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, TALK_ON("1", "x"));
    (void)send_all(0, 10000);
    while (stats().limit_hits.stream_bytes == 0) {
        pass(0);
        drain(&w);
    }
    listen_to(0, &notices);
    pass(0);
    assert_string_equal(notices.text, "r");
    pass(0);
    assert_string_equal(notices.text, "r");
    resume(0);
    (void)hear(&w);
    (void)hear(&w);
    forget(&w);
    go_away(&w);
    tear_down();
}

/* A chunk that is larger than the limit is sent alone. */
static void test_large_chunk(void **state)
{
    struct notices notices;
    (void)state;
    start_with((struct zkt_limits){ .stream_bytes = 1000 });
    struct wire w = enter();
    (void)ask(&w, TALK_ON("1", "x"));
    listen_to(0, &notices);
    assert_int_equal(send_long(0, 5000), ZKT_OK);
    assert_int_equal(send_to(0, "x"), ZKT_RESOURCE_EXHAUSTED);
    assert_int_equal(send_long(0, 5000), ZKT_RESOURCE_EXHAUSTED);
    pass(0);
    pass(0);
    assert_string_equal(notices.text, "r");
    assert_int_equal(send_long(0, 5000), ZKT_OK);
    resume(0);
    pass(0);
    drain(&w);
    assert_int_equal(count_text(&w, "rpc:chunk"), 2);
    forget(&w);
    go_away(&w);
    tear_down();
}

/* ---- progress ---- */

static void report(size_t i, int32_t n)
{
    zkt_deferred_progress(handles[i], &n);
}

/* The last of several reports is sent, and none after the result. */
static void test_progress(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    assert_string_equal(ask(&w, RPC("1", "room", "build", "")), "");
    report(0, 1);
    assert_string_equal(hear(&w), PROGRESS("1", "1"));
    report(0, 2);
    report(0, 3);
    report(0, 4);
    assert_string_equal(hear(&w), PROGRESS("1", "4"));
    report(0, 77);
    assert_string_equal(hear(&w), "");
    assert_non_null(strstr(logged, "a report of progress breaks its rules"));
    report(0, 5);
    resume(0);
    assert_string_equal(hear(&w), PROGRESS("1", "5") RESULT("1", "0 "));
    go_away(&w);
    tear_down();
}

/* A slow reader has at most two reports of a call to come. */
static void test_slow_progress(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, TALK_ON("1", "x"));
    (void)ask(&w, RPC("2", "room", "build", ""));
    (void)send_all(0, 1000);
    const size_t before = memory.bytes;
    for (int32_t i = 0; i < 1000; i++) {
        report(1, i % 10);
        pass(0);
    }
    assert_in_range(memory.bytes - before, 0, 2000);
    for (int i = 0; i < 4; i++) {
        pass(0);
        drain(&w);
    }
    assert_in_range(count_text(&w, "rpc:progress"), 1, 2);
    assert_int_equal(count_text(&w, "\"progress\":9"), 1);
    resume(0);
    resume(1);
    pass(0);
    drain(&w);
    forget(&w);
    go_away(&w);
    tear_down();
}

/* The last report before the second half is sent, also if one waits for the
 * reader. */
static void test_last_progress(void **state)
{
    (void)state;
    start();
    struct wire w = enter();
    (void)ask(&w, TALK_ON("1", "x"));
    (void)ask(&w, RPC("2", "room", "build", ""));
    (void)send_all(0, 1000);
    report(1, 3);
    pass(0);
    report(1, 8);
    report(1, 9);
    resume(1);
    resume(0);
    for (int i = 0; i < 100; i++) {
        pass(0);
        drain(&w);
    }
    assert_int_equal(count_text(&w, "\"progress\":3"), 1);
    assert_int_equal(count_text(&w, "\"progress\":8"), 0);
    assert_int_equal(count_text(&w, "\"progress\":9"), 1);
    assert_int_equal(count_text(&w, "rpc:result"), 2);
    forget(&w);
    go_away(&w);
    tear_down();
}

/* ---- memory ---- */

/* Counts the results in @text; sets *@closed if there is a close frame. */
static int count_results(const char *text, bool *closed)
{
    int results = 0;
    for (const char *at = text; (at = strstr(at, "rpc:result")) != NULL; at++) {
        results++;
    }
    *closed = *closed || strchr(text, '\x88') != NULL;
    return results;
}

/* Without memory a chunk is refused or ends its stream, a report is lost, and
 * every call has one result, or its connection ends. Returns false if there are
 * no more allocations. */
static bool try_without_memory(long fail_at)
{
    bool closed = false;
    start();
    struct wire w = enter();
    (void)ask(&w, SUB("state:sub"));
    memory.calls = 0;
    memory.fail_at = fail_at;
    int results = count_results(ask(&w, TALK_ON("1", "x")), &closed);
    results += count_results(ask(&w, RPC("2", "room", "build", "")), &closed);
    for (size_t i = 0; i < handle_count; i++) {
        if (handles[i] != NULL && handle_methods[i] == TALK) {
            (void)send_to(i, "one");
            pass(0);
            (void)send_to(i, "two");
            (void)send_long(i, 1000);
        } else if (handles[i] != NULL) {
            report(i, 1);
        }
        resume(i);
    }
    results += count_results(hear(&w), &closed);
    const bool reached = memory.calls >= fail_at;
    memory.fail_at = 0;
    assert_true(results == 2 || closed || w.e->closing || w.e->aborted);
    assert_int_equal(stats().deferred, 0);
    go_away(&w);
    tear_down();
    return reached;
}

static void test_no_memory(void **state)
{
    (void)state;
    long fail_at = 1;
    while (try_without_memory(fail_at)) {
        fail_at++;
    }
    assert_in_range(fail_at, 10, 1000);
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_first_half),
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_bad_chunk),
        cmocka_unit_test(test_two_streams),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_neighbours),
        cmocka_unit_test(test_unsent),
        cmocka_unit_test(test_result_waits),
        cmocka_unit_test(test_patch_waits),
        cmocka_unit_test(test_many_streams),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_connection_ends),
        cmocka_unit_test(test_queued_stream),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_instance_ends),
        cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_stopping_queued),
        cmocka_unit_test(test_freed),
        cmocka_unit_test(test_ready),
        cmocka_unit_test(test_large_chunk),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_slow_progress),
        cmocka_unit_test(test_last_progress),
        cmocka_unit_test(test_no_memory),
    };
    shards = count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
