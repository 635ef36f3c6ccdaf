/*
 * The core in a user's own loop: the promises of zocket/embed.h, with only the
 * public headers, a clock of the test, and no sockets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "counter_server.h"
#include "zocket/zocket.h"

static struct demo_counter_inc_later *held;

static enum zkt_status inc(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    demo_counter_set_n(call, call->state->n + in->by);
    *out = call->state->n;
    if (in->by == 7) {
        held = demo_counter_defer_inc(call);
        return ZKT_PENDING;
    }
    return ZKT_OK;
}

static enum zkt_status inc_later(struct demo_counter_call *call,
                                 const struct demo_counter_inc_input *in,
                                 int32_t *out, void *user)
{
    (void)call;
    (void)user;
    *out = 100 + in->by;
    return ZKT_OK;
}

static enum zkt_status reset(struct demo_counter_call *call)
{
    (void)call;
    return ZKT_OK;
}

static const struct demo_counter_handlers counter = { .inc = inc,
                                                      .reset = reset };
static const struct demo_handlers handlers = { .counter = &counter };

static struct zkt_server *new_server(void)
{
    struct zkt_server *server = NULL;
    assert_int_equal(zkt_server_new(demo_app(&handlers), NULL, &server),
                     ZKT_OK);
    return server;
}

/* ---- the peer's side ---- */

struct peer {
    char bytes[4096];
    size_t len;
};

static const char handshake[] =
    "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static void give(struct zkt_endpoint *e, const char *bytes, size_t len)
{
    char copy[1024];
    assert_true(len <= sizeof(copy));
    memcpy(copy, bytes, len);
    zkt_endpoint_feed(e, copy, len);
}

/* Sends a text frame with a mask of zeros. */
static void give_text(struct zkt_endpoint *e, const char *text)
{
    char frame[512] = { (char)0x81 };
    const size_t len = strlen(text);
    assert_in_range(len, 126, 500);
    frame[1] = (char)0xfe;
    frame[2] = (char)(len >> 8);
    frame[3] = (char)len;
    memcpy(frame + 8, text, len);
    give(e, frame, 8 + len);
}

#define INC(by)                                                                \
    "{\"type\":\"rpc\",\"id\":\"a call with quite a long id, for the frame "   \
    "to be long\",\"actor\":\"counter\",\"actorId\":\"x\",\"method\":"         \
    "\"inc\",\"input\":{\"by\":" by "}}"

/* Takes pending output, three bytes at a time. */
static void take(struct zkt_endpoint *e, struct peer *peer)
{
    struct zkt_slice slices[2];
    while (zkt_endpoint_pending(e, slices, 2) > 0) {
        const size_t len = slices[0].len < 3 ? slices[0].len : 3;
        assert_true(peer->len + len < sizeof(peer->bytes));
        memcpy(peer->bytes + peer->len, slices[0].data, len);
        peer->len += len;
        zkt_endpoint_sent(e, len);
    }
    peer->bytes[peer->len] = '\0';
}

static bool ends_with(const struct peer *peer, const char *text)
{
    const size_t len = strlen(text);
    return peer->len >= len &&
           memcmp(peer->bytes + peer->len - len, text, len) == 0;
}

static struct zkt_endpoint *connect_peer(struct zkt_server *server,
                                         struct peer *peer)
{
    peer->len = 0;
    struct zkt_endpoint *e = zkt_server_accept(server, "test", peer);
    assert_non_null(e);
    assert_ptr_equal(zkt_endpoint_user(e), peer);
    give(e, handshake, sizeof(handshake) - 1);
    take(e, peer);
    assert_memory_equal(peer->bytes, "HTTP/1.1 101", 12);
    return e;
}

/* ---- tests ---- */

static void test_a_session(void **state)
{
    struct zkt_server *server = new_server();
    struct peer peer;
    (void)state;
    assert_int_equal(zkt_server_timeout(server), -1);
    zkt_server_clock(server, 50, 1700000000000);
    struct zkt_endpoint *e = connect_peer(server, &peer);
    zkt_server_tick(server);
    assert_int_equal(zkt_server_timeout(server), 30000);
    assert_ptr_equal(zkt_server_changed(server), e);
    assert_null(zkt_server_changed(server));
    give_text(e, INC("5"));
    assert_ptr_equal(zkt_server_changed(server), e);
    take(e, &peer);
    assert_true(ends_with(&peer, ",\"result\":5}"));
    assert_true(zkt_endpoint_reading(e));
    zkt_server_clock(server, 20050, 1700000020000);
    zkt_server_tick(server);
    assert_int_equal(zkt_server_timeout(server), 10000);
    /* The peer sends nothing more; it is sent its output first. */
    give_text(e, INC("1"));
    zkt_endpoint_ended(e);
    assert_int_equal(zkt_endpoint_fate(e), ZKT_FATE_CLOSE);
    take(e, &peer);
    assert_true(ends_with(&peer, ",\"result\":6}"));
    zkt_endpoint_detach(e);
    assert_int_equal(zkt_server_timeout(server), 0); /* for its hooks */
    zkt_server_tick(server);
    assert_null(zkt_server_changed(server));
    assert_int_equal(zkt_server_timeout(server), -1);
    zkt_server_free(server);
}

static void test_a_peer_that_is_silent(void **state)
{
    struct zkt_server *server = new_server();
    struct peer peer;
    (void)state;
    struct zkt_endpoint *e = connect_peer(server, &peer);
    assert_int_equal(zkt_endpoint_fate(e), ZKT_FATE_OPEN);
    zkt_server_clock(server, 0, 0);
    zkt_server_clock(server, 30000, 0);
    zkt_server_tick(server);
    take(e, &peer);
    assert_memory_equal(peer.bytes + peer.len - 2, "\x89\x00", 2);
    zkt_server_clock(server, 35000, 0);
    zkt_server_tick(server);
    assert_int_equal(zkt_endpoint_fate(e), ZKT_FATE_OPEN);
    /* a last look at the socket */
    assert_int_equal(zkt_server_timeout(server), 0);
    zkt_server_clock(server, 35000, 0);
    zkt_server_tick(server);
    assert_int_equal(zkt_endpoint_fate(e), ZKT_FATE_DROP);
    zkt_endpoint_detach(e);
    zkt_server_free(server);
}

/* The process was suspended for a minute, and the pong is in a socket. */
static void test_a_peer_that_is_not_silent(void **state)
{
    struct zkt_server *server = new_server();
    struct peer peer;
    char pong[] = "\x8a\x80\0\0\0";
    (void)state;
    struct zkt_endpoint *e = connect_peer(server, &peer);
    zkt_server_clock(server, 0, 0);
    zkt_server_clock(server, 30000, 0);
    zkt_server_tick(server);
    take(e, &peer);
    zkt_server_clock(server, 90000, 0);
    zkt_server_tick(server);
    assert_int_equal(zkt_endpoint_fate(e), ZKT_FATE_OPEN);
    zkt_server_clock(server, 90001, 0);
    zkt_endpoint_feed(e, pong, 6);
    zkt_server_tick(server);
    zkt_server_clock(server, 90002, 0);
    zkt_server_tick(server);
    assert_int_equal(zkt_endpoint_fate(e), ZKT_FATE_OPEN);
    zkt_endpoint_detach(e);
    zkt_server_free(server);
}

static void wake(void *user)
{
    (*(int *)user)++;
}

static void test_being_woken(void **state)
{
    struct zkt_server *server = new_server();
    struct peer peer;
    int woken = 0;
    (void)state;
    struct zkt_endpoint *e = connect_peer(server, &peer);
    give_text(e, INC("7"));
    zkt_server_on_wake(server, wake, &woken);
    assert_int_equal(woken, 0);
    demo_counter_resume_inc(held, inc_later, NULL);
    assert_int_equal(woken, 1);
    assert_int_equal(zkt_server_timeout(server), 0);
    zkt_server_tick(server);
    take(e, &peer);
    assert_true(ends_with(&peer, ",\"result\":107}"));
    /* Work that was posted before a wake function was set. */
    zkt_server_on_wake(server, NULL, NULL);
    give_text(e, INC("7"));
    demo_counter_resume_inc(held, inc_later, NULL);
    assert_int_equal(woken, 1);
    zkt_server_on_wake(server, wake, &woken);
    assert_int_equal(woken, 2);
    zkt_endpoint_detach(e);
    zkt_server_free(server);
}

/* Every call twice, and with more bytes than there are. */
static void test_repeated_calls(void **state)
{
    struct zkt_server *server = new_server();
    struct peer peer;
    struct zkt_slice slice;
    (void)state;
    struct zkt_endpoint *e = connect_peer(server, &peer);
    give_text(e, INC("2"));
    assert_int_equal(zkt_endpoint_pending(e, &slice, 1), 1);
    zkt_endpoint_sent(e, slice.len + 1000);
    assert_int_equal(zkt_endpoint_pending(e, &slice, 1), 0);
    zkt_endpoint_sent(e, 1);
    give_text(e, INC("2"));
    take(e, &peer);
    assert_true(ends_with(&peer, "\"result\":4}"));
    zkt_endpoint_ended(e);
    zkt_endpoint_ended(e);
    zkt_server_tick(server);
    zkt_endpoint_ended(e);
    assert_int_equal(zkt_endpoint_fate(e), ZKT_FATE_CLOSE);
    zkt_server_on_wake(server, NULL, NULL);
    zkt_server_on_wake(server, NULL, NULL);
    zkt_server_shutdown(server);
    zkt_server_shutdown(server);
    zkt_server_tick(server);
    zkt_endpoint_detach(e);
    zkt_server_tick(server);
    zkt_server_tick(server);
    assert_true(zkt_server_is_down(server));
    zkt_server_shutdown(server);
    zkt_server_free(server);
}

static void test_stopping(void **state)
{
    struct zkt_server *server = new_server();
    struct peer peer;
    (void)state;
    struct zkt_endpoint *e = connect_peer(server, &peer);
    zkt_server_shutdown(server);
    assert_int_equal(zkt_server_timeout(server), 0);
    zkt_server_tick(server);
    assert_int_equal(zkt_server_timeout(server), 2000);
    take(e, &peer);
    assert_int_equal(peer.bytes[peer.len - 20], (char)0x88);
    assert_true(ends_with(&peer, "\x03\xe9the server stops"));
    assert_int_equal(zkt_endpoint_fate(e), ZKT_FATE_OPEN);
    give(e, "\x88\x82\0\0\0\0\x03\xe9", 8);
    assert_int_equal(zkt_endpoint_fate(e), ZKT_FATE_CLOSE);
    assert_false(zkt_server_is_down(server));
    zkt_endpoint_detach(e);
    zkt_server_tick(server);
    assert_true(zkt_server_is_down(server));
    assert_null(zkt_server_accept(server, "test", NULL));
    zkt_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_session),
        cmocka_unit_test(test_a_peer_that_is_silent),
        cmocka_unit_test(test_a_peer_that_is_not_silent),
        cmocka_unit_test(test_being_woken),
        cmocka_unit_test(test_repeated_calls),
        cmocka_unit_test(test_stopping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
