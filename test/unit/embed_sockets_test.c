/*
 * The socket functions of zocket/embed.h, over the loopback: the events for
 * poll, the errors when a peer goes in different ways, and a peer that does not
 * read. One thread and no loop: the test makes each step.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "counter_server.h"
#include "zocket/zocket.h"

static enum zkt_status inc(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    (void)call;
    *out = in->by;
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

/* ---- a server, a peer, and the connection between them ---- */

struct bench {
    struct zkt_server *server;
    struct zkt_endpoint *endpoint;
    int listener, fd, peer;
};

static int connect_to(uint16_t port)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

/* Returns true if any of @events occurs; waits a minute at most. */
static bool comes(int fd, short events)
{
    struct pollfd one = { .fd = fd, .events = events };
    return poll(&one, 1, 60000) == 1;
}

/* Takes a turn with something to read. */
static int turn(struct bench *b)
{
    assert_true(comes(b->fd, POLLIN));
    zkt_server_read_clock(b->server);
    zkt_endpoint_receive(b->endpoint, b->fd);
    zkt_server_tick(b->server);
    return zkt_endpoint_send(b->endpoint, b->fd);
}

static void shake_hands(struct bench *b)
{
    static const char request[] =
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static const char accepted[] = "HTTP/1.1 101 ";
    char answer[1024];
    assert_int_equal(send(b->peer, request, sizeof(request) - 1, 0),
                     sizeof(request) - 1);
    assert_int_equal(turn(b), POLLIN);
    assert_true(recv(b->peer, answer, sizeof(answer), 0) > 0);
    assert_memory_equal(answer, accepted, sizeof(accepted) - 1);
}

static int set_up(void **state)
{
    static struct bench b;
    uint16_t port = 0;
    b = (struct bench){ .fd = -1 };
    assert_int_equal(zkt_server_new(demo_app(&handlers), NULL, &b.server),
                     ZKT_OK);
    zkt_server_read_clock(b.server);
    b.listener = zkt_socket_listen("127.0.0.1", &port);
    assert_true(b.listener >= 0);
    assert_int_not_equal(port, 0);
    assert_true(zkt_server_accepting(b.server));
    assert_null(zkt_server_accept_socket(b.server, b.listener, NULL, &b.fd));
    assert_int_equal(b.fd, -1);
    b.peer = connect_to(port);
    assert_true(comes(b.listener, POLLIN));
    b.endpoint = zkt_server_accept_socket(b.server, b.listener, &b, &b.fd);
    assert_non_null(b.endpoint);
    assert_ptr_equal(zkt_endpoint_user(b.endpoint), &b);
    assert_true(b.fd >= 0);
    shake_hands(&b);
    *state = &b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    close(b->fd);
    close(b->listener);
    if (b->peer >= 0) {
        close(b->peer);
    }
    zkt_server_free(b->server);
    return 0;
}

/* Sends a text frame with a mask of zeros. */
static void give_call(struct bench *b, bool through_socket)
{
    static const char text[] =
        "{\"type\":\"rpc\",\"id\":\"a call with quite a long id, for the "
        "frame to be long\",\"actor\":\"counter\",\"actorId\":\"x\","
        "\"method\":\"inc\",\"input\":{\"by\":3}}";
    char frame[8 + sizeof(text)] = { (char)0x81, (char)0xfe };
    frame[3] = (char)(sizeof(text) - 1);
    memcpy(frame + 8, text, sizeof(text) - 1);
    if (through_socket) {
        assert_int_equal(send(b->peer, frame, sizeof(frame) - 1, 0),
                         sizeof(frame) - 1);
    } else {
        zkt_endpoint_feed(b->endpoint, frame, sizeof(frame) - 1);
    }
}

/* ---- the tests ---- */

static void test_a_call(void **state)
{
    struct bench *b = *state;
    char answer[256] = { 0 };
    give_call(b, true);
    assert_int_equal(turn(b), POLLIN);
    assert_true(recv(b->peer, answer, sizeof(answer) - 1, 0) > 2);
    assert_non_null(strstr(answer + 2, "\"result\":3"));
}

static void test_the_end_of_file(void **state)
{
    struct bench *b = *state;
    assert_int_equal(shutdown(b->peer, SHUT_WR), 0);
    assert_int_equal(turn(b), -1);
}

static void test_a_reset(void **state)
{
    struct bench *b = *state;
    const struct linger none = { .l_onoff = 1 };
    assert_int_equal(
        setsockopt(b->peer, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
    close(b->peer);
    b->peer = -1;
    assert_int_equal(turn(b), -1);
}

/* The reset is found by the write if nothing was read. */
static void test_a_reset_before_a_send(void **state)
{
    struct bench *b = *state;
    const struct linger none = { .l_onoff = 1 };
    assert_int_equal(
        setsockopt(b->peer, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
    close(b->peer);
    b->peer = -1;
    assert_true(comes(b->fd, POLLIN));
    give_call(b, false);
    zkt_server_tick(b->server);
    assert_int_equal(zkt_endpoint_send(b->endpoint, b->fd), -1);
}

/* Output to a peer that does not read accumulates until the server stops
 * reading from it; then the peer reads. */
static void test_a_peer_that_does_not_read(void **state)
{
    struct bench *b = *state;
    const int small = 1;
    char bytes[4096];
    int events = POLLIN;
    int calls = 0;
    (void)setsockopt(b->fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    for (; events != POLLOUT && calls < 1000000; calls++) {
        give_call(b, false);
        zkt_server_tick(b->server);
        events = zkt_endpoint_send(b->endpoint, b->fd);
        assert_true((events & ~(POLLIN | POLLOUT)) == 0);
    }
    assert_int_equal(events, POLLOUT);
    zkt_endpoint_receive(b->endpoint, b->fd); /* does nothing */
    while (events != POLLIN) {
        assert_true(comes(b->peer, POLLIN));
        assert_true(recv(b->peer, bytes, sizeof(bytes), 0) > 0);
        events = zkt_endpoint_send(b->endpoint, b->fd);
    }
    give_call(b, true);
    assert_int_equal(turn(b) & POLLIN, POLLIN);
}

/* A peer that does not read disconnects: the server reads nothing from it and
 * still notices. */
static void test_a_reset_while_nothing_is_read(void **state)
{
    struct bench *b = *state;
    const struct linger none = { .l_onoff = 1 };
    int events = POLLIN;
    while (events != POLLOUT) {
        give_call(b, false);
        zkt_server_tick(b->server);
        events = zkt_endpoint_send(b->endpoint, b->fd);
    }
    assert_int_equal(
        setsockopt(b->peer, SOL_SOCKET, SO_LINGER, &none, sizeof(none)), 0);
    close(b->peer);
    b->peer = -1;
    assert_true(comes(b->fd, 0)); /* poll always reports POLLERR and POLLHUP */
    zkt_endpoint_receive(b->endpoint, b->fd);
    assert_int_equal(zkt_endpoint_fate(b->endpoint), ZKT_FATE_DROP);
    assert_int_equal(zkt_endpoint_send(b->endpoint, b->fd), -1);
}

/* ---- how a connection ends ---- */

enum {
    TOO_LONG = 4 << 20
};

/* Takes a turn without waiting; returns the events of zkt_endpoint_send. */
static int turn_now(struct bench *b)
{
    zkt_server_read_clock(b->server);
    zkt_endpoint_receive(b->endpoint, b->fd);
    zkt_server_tick(b->server);
    return zkt_endpoint_send(b->endpoint, b->fd);
}

static void begin_message_too_long(const struct bench *b)
{
    static const char head[14] = { (char)0x81, (char)0xff, 0, 0,
                                   0,          0,          0, TOO_LONG >> 16 };
    assert_int_equal(send(b->peer, head, sizeof(head), 0), sizeof(head));
}

/* The peer reads after it has sent the whole message, and finds the reason for
 * the close. */
static void give_message_too_long(struct bench *b)
{
    static char zeros[65536];
    char bytes[64];
    begin_message_too_long(b);
    for (size_t sent = 0; sent < TOO_LONG;) {
        const ssize_t n = send(b->peer, zeros, sizeof(zeros),
                               MSG_DONTWAIT | MSG_NOSIGNAL);
        assert_true(n > 0 || errno == EAGAIN);
        sent += n > 0 ? (size_t)n : 0;
        assert_int_equal(turn_now(b), POLLIN);
    }
    assert_int_equal(recv(b->peer, bytes, sizeof(bytes), 0), 4);
    assert_memory_equal(bytes, "\x88\x02\x03\xf1", 4); /* 1009 */
    assert_int_equal(recv(b->peer, bytes, sizeof(bytes), 0), 0);
    assert_int_equal(turn_now(b), POLLIN);
    assert_int_equal(shutdown(b->peer, SHUT_WR), 0);
    int events;
    do {
        events = turn_now(b);
    } while (events == POLLIN);
    assert_int_equal(events, -1);
}

static void test_a_close_frame_is_not_overtaken(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 20; i++) {
        give_message_too_long(b);
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
    }
}

/* The server waits for the peer to close, with a limit; the clock is the
 * test's. */
static void test_a_peer_that_does_not_close(void **state)
{
    struct bench *b = *state;
    const int64_t now = INT64_MAX / 2;
    zkt_server_clock(b->server, now, 0);
    assert_int_equal(send(b->peer, "\xff\xff", 2, 0), 2);
    assert_int_equal(turn(b), POLLIN);
    assert_int_equal(zkt_server_timeout(b->server), 2000);
    zkt_server_clock(b->server, now + 1999, 0);
    zkt_server_tick(b->server);
    assert_int_equal(zkt_endpoint_send(b->endpoint, b->fd), POLLIN);
    zkt_server_clock(b->server, now + 2000, 0);
    zkt_server_tick(b->server);
    assert_int_equal(zkt_endpoint_send(b->endpoint, b->fd), POLLIN);
    zkt_server_clock(b->server, now + 2000, 0); /* past the deadline */
    zkt_server_tick(b->server);
    assert_int_equal(zkt_endpoint_send(b->endpoint, b->fd), -1);
}

/* poll must not report the end of the stream again and again. */
static void test_an_end_while_output_waits(void **state)
{
    struct bench *b = *state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends),
                     0);
    while (send(ends[0], b, sizeof(*b), 0) > 0) { /* until it is full */
    }
    give_call(b, false);
    zkt_server_tick(b->server);
    assert_int_equal(zkt_endpoint_send(b->endpoint, ends[0]), POLLIN | POLLOUT);
    assert_int_equal(shutdown(ends[1], SHUT_WR), 0);
    zkt_endpoint_receive(b->endpoint, ends[0]);
    zkt_server_tick(b->server);
    assert_int_equal(zkt_endpoint_send(b->endpoint, ends[0]), POLLOUT);
    close(ends[0]);
    close(ends[1]);
}

/* At a stop a WebSocket waits for its peer to close, and a connection without a
 * request does not. */
static void test_idle_connections_at_a_stop(void **state)
{
    struct bench *b = *state;
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    int fd = -1;
    assert_int_equal(getsockname(b->listener, (struct sockaddr *)&at, &len), 0);
    const int peer = connect_to(ntohs(at.sin_port));
    assert_true(comes(b->listener, POLLIN));
    struct zkt_endpoint *idle = zkt_server_accept_socket(b->server, b->listener,
                                                         NULL, &fd);
    assert_non_null(idle);
    assert_int_equal(zkt_endpoint_send(idle, fd), POLLIN);
    zkt_server_shutdown(b->server);
    zkt_server_advance(b->server, 0);
    assert_int_equal(zkt_endpoint_send(idle, fd), -1);
    assert_int_equal(zkt_endpoint_send(b->endpoint, b->fd), POLLIN);
    close(fd);
    close(peer);
}

static void test_a_server_that_stops(void **state)
{
    struct bench *b = *state;
    uint16_t port = 0;
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    assert_int_equal(getsockname(b->listener, (struct sockaddr *)&at, &len), 0);
    port = ntohs(at.sin_port);
    zkt_server_shutdown(b->server);
    const int other = connect_to(port);
    char byte;
    int fd = -2;
    assert_true(comes(b->listener, POLLIN));
    assert_null(zkt_server_accept_socket(b->server, b->listener, NULL, &fd));
    assert_int_equal(fd, -2);
    assert_true(recv(other, &byte, 1, 0) <= 0); /* closed by the server */
    close(other);
}

/* poll would report a waiting connection that cannot be accepted. */
static void test_descriptors_run_out(void **state)
{
    struct bench *b = *state;
    struct rlimit before;
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    const int64_t now = INT64_MAX / 2;
    int fd = -1;
    assert_int_equal(getsockname(b->listener, (struct sockaddr *)&at, &len), 0);
    const int other = connect_to(ntohs(at.sin_port));
    assert_true(comes(b->listener, POLLIN));
    zkt_server_clock(b->server, now, 0);
    zkt_server_tick(b->server);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = { 0, before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_null(zkt_server_accept_socket(b->server, b->listener, NULL, &fd));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(zkt_server_accepting(b->server));
    assert_int_equal(zkt_server_timeout(b->server), 100);
    zkt_server_clock(b->server, now + 99, 0);
    zkt_server_tick(b->server);
    assert_false(zkt_server_accepting(b->server));
    zkt_server_clock(b->server, now + 100, 0);
    assert_true(zkt_server_accepting(b->server));
    struct zkt_endpoint *endpoint = zkt_server_accept_socket(
        b->server, b->listener, NULL, &fd);
    assert_non_null(endpoint);
    zkt_endpoint_detach(endpoint);
    close(fd);
    close(other);
}

static void test_where_nobody_can_listen(void **state)
{
    struct bench *b = *state;
    uint16_t port = 0;
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    assert_int_equal(zkt_socket_listen("no address", &port), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(getsockname(b->listener, (struct sockaddr *)&at, &len), 0);
    port = ntohs(at.sin_port);
    assert_int_equal(zkt_socket_listen("127.0.0.1", &port), -1);
    assert_int_equal(errno, EADDRINUSE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_a_call),
        T(test_the_end_of_file),
        T(test_a_reset),
        T(test_a_reset_before_a_send),
        T(test_a_peer_that_does_not_read),
        T(test_a_reset_while_nothing_is_read),
        T(test_a_close_frame_is_not_overtaken),
        T(test_a_peer_that_does_not_close),
        T(test_an_end_while_output_waits),
        T(test_idle_connections_at_a_stop),
        T(test_a_server_that_stops),
        T(test_descriptors_run_out),
        T(test_where_nobody_can_listen),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
