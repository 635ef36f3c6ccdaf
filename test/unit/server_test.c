/*
 * The server core without sockets: bytes in, bytes out. A whole session gets
 * the same answers, to the last byte, for every cut of its input; a subscriber
 * that reads nothing costs a bounded amount and is brought up to date when it
 * reads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_alloc.h"
#include "protocol/frame.h"
#include "server/server.h"
#include "wire.h"
#include "json/json.h"

#define main chat_main
#include "../chat/server.c"
#undef main

static const uint8_t seed[32] = { 9 };

static struct zkt_server *new_server(void)
{
    static const struct demo_handlers handlers = { .chat = &chat };
    const struct zkt_serve_options options = { .random_seed = seed };
    struct zkt_server *server = NULL;
    assert_int_equal(zkt_server_new(demo_app(&handlers), &options, &server),
                     ZKT_OK);
    zkt__server_core(server)->wall_ms = 1700000000000;
    return server;
}

#define RPC(id, method, input)                                                 \
    "{\"type\":\"rpc\",\"id\":\"" id "\",\"actor\":\"chat\",\"actorId\":"      \
    "\"a\",\"method\":\"" method "\",\"input\":" input "}"

/* ---- tests ---- */

/* Returns all answers to a session that is fed in pieces of @cut. */
static char *run_session(size_t cut, size_t *len)
{
    static const char *const messages[] = {
        "{\"type\":\"state:sub\",\"actor\":\"chat\",\"actorId\":\"a\"}",
        "{\"type\":\"event:sub\",\"actor\":\"chat\",\"actorId\":\"a\"}",
        RPC("1", "join", "{\"name\":\"  ada \"}"),
        RPC("2", "say", "{\"text\":\"hello\"}"),
        RPC("3", "say", "{\"text\":\"\"}"),
        RPC("4", "history", "{\"limit\":5}"),
        RPC("5", "nonsense", "{}"),
        "not json",
        "{\"type\":\"state:unsub\",\"actor\":\"chat\",\"actorId\":\"a\"}",
        RPC("6", "leave", "null"),
    };
    char bytes[8192];
    size_t used = sizeof(request) - 1;
    struct zkt_server *server = new_server();
    struct wire w = { .e = zkt__server_accept(server, "test") };
    memcpy(bytes, request, used);
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        used += frame(bytes + used, messages[i]);
    }
    feed(&w, bytes, used, cut, true);
    char *text = w.text;
    *len = w.len;
    w.text = NULL;
    close_wire(&w);
    zkt_server_free(server);
    return text;
}

static void test_any_cut_gives_the_same_answers(void **state)
{
    size_t len, other_len;
    char *whole = run_session(8192, &len);
    (void)state;
    assert_true(holds(whole, len, "\"id\":\"6\"}"));
    assert_true(holds(whole, len, "Validation failed for say"));
    for (size_t cut = 1; cut < 300; cut = cut * 2 + 1) {
        char *other = run_session(cut, &other_len);
        assert_int_equal(other_len, len);
        assert_memory_equal(other, whole, len);
        free(other);
    }
    free(whole);
}

static void test_a_subscriber_that_takes_nothing(void **state)
{
    enum {
        CHANGES = 20000
    };
    struct zkt_server *server = new_server();
    struct wire slow = open_wire(server), busy = open_wire(server);
    struct zkt_server_stats stats;
    char text[256];
    (void)state;
    send_text(&busy, RPC("j", "join", "{\"name\":\"ada\"}"), true);
    send_text(&slow,
              "{\"type\":\"state:sub\",\"actor\":\"chat\",\"actorId\":\"a\"}",
              true);
    for (int i = 0; i < CHANGES; i++) {
        snprintf(text, sizeof(text),
                 RPC("t", "setTopic",
                     "{\"topic\":\"a topic of some length, number %d\"}"),
                 i);
        send_text(&busy, text, true);
        busy.len = 0;
    }
    zkt_server_stats(server, &stats);
    assert_int_equal(stats.connections, 2);
    assert_true(stats.patches < 4000); /* the rest is conflated */
    slow.len = 0;
    drain(&slow);
    assert_true(slow.len < 512 * 1024);
    snprintf(text, sizeof(text), "number %d\"", CHANGES - 1);
    assert_true(holds(slow.text, slow.len, text));
    assert_true(holds(slow.text, slow.len, "state:snapshot"));
    slow.len = 0; /* it gets patches again */
    send_text(&busy, RPC("t", "setTopic", "{\"topic\":\"once more\"}"), true);
    drain(&slow);
    assert_true(holds(slow.text, slow.len, "once more"));
    close_wire(&slow);
    close_wire(&busy);
    zkt_server_free(server);
}

static void test_a_caller_that_takes_nothing(void **state)
{
    struct zkt_server *server = new_server();
    struct wire w = open_wire(server);
    bool stopped = false;
    int i = 0;
    (void)state;
    /* Results cannot be conflated: reading stops, then the connection ends. */
    for (; i < 100000 && !w.e->closing; i++) {
        send_text(&w, RPC("h", "nonsense", "{}"), false);
        stopped = stopped || !w.e->reading;
    }
    assert_true(i < 100000);
    assert_true(stopped);
    close_wire(&w);
    zkt_server_free(server);
}

static void test_time_limits(void **state)
{
    struct zkt_server *server = new_server();
    struct wire late = { .e = zkt__server_accept(server, "test") };
    struct wire silent = open_wire(server);
    (void)state;
    assert_int_equal(
        zkt__server_core(server)->ops->deadline(zkt__server_core(server)),
        10000);
    zkt_server_advance(server, 9999);
    assert_false(late.e->aborted);
    zkt_server_advance(server, 1);
    assert_true(late.e->aborted); /* no handshake in time */
    zkt_server_advance(server, 20000);
    silent.len = 0;
    drain(&silent);
    assert_memory_equal(silent.text, "\x89\x00", 2); /* a ping */
    zkt_server_advance(server, 5000);
    assert_true(silent.e->aborted); /* and no pong */
    close_wire(&late);
    close_wire(&silent);
    zkt_server_free(server);
}

/* Small frames give back the room of a large frame; the used room is kept. */
static void test_room_for_a_large_frame(void **state)
{
    struct failing_alloc failing;
    struct zkt_writer w;
    (void)state;
    failing_alloc_init(&failing, 0);
    zkt__writer_init(&w, &failing.allocator);
    zkt__frame_begin(&w);
    assert_int_equal(w.capacity, 256);
    assert_true(zkt_write_reserve(&w, 1000000));
    const size_t large = w.capacity;
    w.len += 1000000;
    zkt__frame_begin(&w); /* kept after a large frame, as another may follow */
    assert_int_equal(w.capacity, large);
    failing.fail_at = failing.calls + 1;
    zkt__frame_begin(&w);
    assert_int_equal(w.capacity, large); /* no harm */
    failing.fail_at = 0;
    for (int i = 0; i < 5; i++) {
        zkt__frame_begin(&w);
    }
    assert_int_equal(w.capacity, large / 16);
    zkt__frame_begin(&w);
    assert_int_equal(w.capacity, large / 16);
    assert_false(w.failed);
    zkt__writer_finish(&w);
    assert_int_equal(failing.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room_for_a_large_frame),
        cmocka_unit_test(test_any_cut_gives_the_same_answers),
        cmocka_unit_test(test_a_subscriber_that_takes_nothing),
        cmocka_unit_test(test_a_caller_that_takes_nothing),
        cmocka_unit_test(test_time_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
