/*
 * Misbehaving sockets: every system call fails once, with each of its errors;
 * peers reset their connection in every state; the process runs out of
 * descriptors. The linker replaces the real functions by those below (--wrap),
 * at no cost to the library. A failure loses a connection, or the start of the
 * server, and nothing else.
 */
#define _GNU_SOURCE /* accept4 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "counter_client.h"
#include "counter_server.h"
#include "failing_alloc.h"
#include "limit_hits.h"
#include "net/inbox.h"
#include "net/socket.h"
#include "net/uv_server.h"
#include "websocket/handshake.h"
#include "wire.h"

/* ---- calls that fail ---- */

static struct {
    bool armed;
    long calls, fail_at; /* the number of the failing call, from 1 */
    int way;             /* index into the errors of the function */
    const char *failed;  /* the name of the failed function */
} fault;

static void arm(long fail_at, int way)
{
    fault.armed = true;
    fault.calls = 0;
    fault.fail_at = fail_at;
    fault.way = way;
    fault.failed = NULL;
}

/* Returns true, and sets errno, if this call has to fail. */
static bool fails(const char *name, const int *errors, int count)
{
    if (!fault.armed || ++fault.calls != fault.fail_at) {
        return false;
    }
    fault.failed = name;
    errno = errors[fault.way % count];
    return true;
}

#define FAILS(name, ...)                                                       \
    fails(name, (const int[]){ __VA_ARGS__ },                                  \
          (int)(sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int)))

/* Defines a wrapper that fails with one of the given errors or calls the real
 * function. */
#define WRAP(type, name, parameters, arguments, ...)                           \
    type __real_##name parameters;                                             \
    type __wrap_##name parameters;                                             \
    type __wrap_##name parameters                                              \
    {                                                                          \
        return FAILS(#name, __VA_ARGS__) ? (type)-1 : __real_##name arguments; \
    }
/* The same for functions that return the error. */
#define WRAP_UV(name, parameters, arguments)                                   \
    int __real_##name parameters;                                              \
    int __wrap_##name parameters;                                              \
    int __wrap_##name parameters                                               \
    {                                                                          \
        return FAILS(#name, ENOMEM, EMFILE) ? -errno                           \
                                            : __real_##name arguments;         \
    }

WRAP(int, socket, (int domain, int type, int protocol),
     (domain, type, protocol), EMFILE, ENOBUFS)
WRAP(int, bind, (int fd, const struct sockaddr *to, socklen_t len),
     (fd, to, len), EADDRINUSE)
WRAP(int, listen, (int fd, int backlog), (fd, backlog), EADDRINUSE)
WRAP(int, getsockname, (int fd, struct sockaddr *out, socklen_t *len),
     (fd, out, len), ENOBUFS)
WRAP(int, setsockopt,
     (int fd, int level, int name, const void *value, socklen_t len),
     (fd, level, name, value, len), ENOBUFS)
WRAP(int, getsockopt,
     (int fd, int level, int name, void *value, socklen_t *len),
     (fd, level, name, value, len), ENOBUFS)
static int accept_error; /* of the next accept; 0 for none */

int __real_accept4(int fd, struct sockaddr *out, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *out, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *out, socklen_t *len, int flags)
{
    if (accept_error != 0) {
        errno = accept_error;
        accept_error = 0;
        return -1;
    }
    return FAILS("accept4", EMFILE, ECONNABORTED, EINTR, ENOMEM, EAGAIN)
               ? -1
               : __real_accept4(fd, out, len, flags);
}

WRAP(int, connect, (int fd, const struct sockaddr *to, socklen_t len),
     (fd, to, len), ECONNREFUSED, EADDRNOTAVAIL)
WRAP(ssize_t, recv, (int fd, void *to, size_t size, int flags),
     (fd, to, size, flags), ECONNRESET, EINTR, ENOMEM, EAGAIN)
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),
     (fd, message, flags), EPIPE, EINTR, ENOBUFS, EAGAIN)
WRAP(ssize_t, send, (int fd, const void *bytes, size_t len, int flags),
     (fd, bytes, len, flags), EPIPE, EINTR, ENOBUFS, EAGAIN)
WRAP(int, epoll_create1, (int flags), (flags), EMFILE, ENOMEM)
WRAP(int, timerfd_create, (int clock, int flags), (clock, flags), EMFILE)
WRAP(int, shutdown, (int fd, int how), (fd, how), ENOTCONN)

/* Removing a descriptor from epoll cannot fail for lack of resources. */
int __real_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    const bool bad = what != EPOLL_CTL_DEL &&
                     FAILS("epoll_ctl", ENOMEM, ENOSPC);
    return bad ? -1 : __real_epoll_ctl(epoll, what, fd, event);
}

static bool blind; /* waiting for sockets fails */

int __real_epoll_wait(int epoll, struct epoll_event *out, int most, int ms);
int __wrap_epoll_wait(int epoll, struct epoll_event *out, int most, int ms);
int __wrap_epoll_wait(int epoll, struct epoll_event *out, int most, int ms)
{
    if (blind) {
        errno = EBADF;
        return -1;
    }
    return FAILS("epoll_wait", EINTR) ? -1
                                      : __real_epoll_wait(epoll, out, most, ms);
}

WRAP_UV(uv_loop_init, (uv_loop_t * loop), (loop))
WRAP_UV(uv_poll_init, (uv_loop_t * loop, uv_poll_t *poll, int fd),
        (loop, poll, fd))
WRAP_UV(uv_poll_start, (uv_poll_t * poll, int events, uv_poll_cb cb),
        (poll, events, cb))
WRAP_UV(uv_async_init, (uv_loop_t * loop, uv_async_t *async, uv_async_cb cb),
        (loop, async, cb))
WRAP_UV(uv_signal_init, (uv_loop_t * loop, uv_signal_t *handle), (loop, handle))
WRAP_UV(uv_signal_start, (uv_signal_t * handle, uv_signal_cb cb, int number),
        (handle, cb, number))

/* ---- a clock that stands still until it is advanced ---- */

static uint64_t stands_at; /* 0 for the real clock */

uint64_t __real_uv_now(const uv_loop_t *loop);
uint64_t __wrap_uv_now(const uv_loop_t *loop);
uint64_t __wrap_uv_now(const uv_loop_t *loop)
{
    return stands_at != 0 ? stands_at : __real_uv_now(loop);
}

static int64_t wall_ms; /* 0 for the real clock */

int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    if (wall_ms == 0 || clock != CLOCK_REALTIME) {
        return __real_clock_gettime(clock, out);
    }
    *out = (struct timespec){ .tv_sec = wall_ms / 1000,
                              .tv_nsec = wall_ms % 1000 * 1000000 };
    return 0;
}

/* ---- a server ---- */

static int64_t called_at; /* on the server's clock */

static struct demo_counter_inc_later *held;

static enum zkt_status inc(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    if (in->by == 7) {
        held = demo_counter_defer_inc(call);
        return ZKT_PENDING;
    }
    called_at = zkt_now_ms(call->zkt);
    demo_counter_set_n(call, call->state->n + in->by);
    *out = call->state->n;
    return ZKT_OK;
}

static enum zkt_status reset(struct demo_counter_call *call)
{
    demo_counter_set_n(call, 0);
    return ZKT_OK;
}

static const struct demo_counter_handlers counter = { .inc = inc,
                                                      .reset = reset };
static const struct demo_handlers handlers = { .counter = &counter };

struct site {
    struct failing_alloc memory;
    uv_loop_t loop;
    struct zkt_server *server;
    uint16_t port;
    int warnings;
};

static void on_listening(void *user, uint16_t port)
{
    struct site *site = user;
    site->port = port;
}

static void count_warnings(void *user, enum zkt_log_level level,
                           const char *text)
{
    struct site *site = user;
    (void)text;
    site->warnings += level >= ZKT_LOG_WARNING;
}

static const char *const *listeners; /* of the next site; NULL: a port */
static bool has_metrics;             /* of the next site */

static enum zkt_status open_site(struct site *site, struct zkt_limits limits)
{
    const struct zkt_serve_options options = {
        .listen = listeners,
        .on_listening = on_listening,
        .user = site,
        .allocator = &site->memory.allocator,
        .log = count_warnings,
        .log_user = site,
        .metrics = has_metrics,
        .limits = limits,
    };
    *site = (struct site){ .port = 0 };
    stands_at = 0;
    accept_error = 0;
    failing_alloc_init(&site->memory, 0);
    assert_int_equal(
        zkt_server_new(demo_app(&handlers), &options, &site->server), ZKT_OK);
    assert_int_equal(__real_uv_loop_init(&site->loop), 0);
    return zkt_server_listen(site->server, &site->loop);
}

static void step(struct site *site)
{
    (void)uv_run(&site->loop, UV_RUN_NOWAIT);
}

static struct zkt_server_stats stats_of(const struct site *site)
{
    struct zkt_server_stats stats;
    zkt_server_stats(site->server, &stats);
    return stats;
}

static void close_site(struct site *site)
{
    zkt_server_shutdown(site->server);
    assert_int_equal(uv_run(&site->loop, UV_RUN_DEFAULT), 0);
    zkt_server_free(site->server);
    assert_int_equal(uv_run(&site->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&site->loop), 0);
    assert_int_equal(site->memory.live, 0);
}

/* ---- peers ---- */

struct peer {
    int fd;
    char text[4096];
    size_t len;
};

static struct peer knock(const struct site *site)
{
    struct peer peer = { .fd = __real_socket(AF_INET, SOCK_STREAM, 0) };
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(site->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    assert_true(peer.fd >= 0);
    assert_int_equal(
        __real_connect(peer.fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return peer;
}

static void say(const struct peer *peer, const char *bytes, size_t len)
{
    assert_int_equal(__real_send(peer->fd, bytes, len, MSG_NOSIGNAL),
                     (ssize_t)len);
}

static void say_text(const struct peer *peer, const char *text)
{
    char bytes[1024];
    say(peer, bytes, frame(bytes, text));
}

/* Receives; returns false at the end of the stream. */
static bool hear(struct peer *peer)
{
    const size_t room = sizeof(peer->text) - 1 - peer->len;
    const ssize_t got = __real_recv(peer->fd, peer->text + peer->len, room,
                                    MSG_DONTWAIT);
    if (got > 0) {
        peer->len += (size_t)got;
        peer->text[peer->len] = '\0';
    }
    return got > 0 || (got < 0 && errno == EAGAIN);
}

/* Runs the server until the peer has received @text. */
static void wait_for(struct site *site, struct peer *peer, const char *text)
{
    while (!holds(peer->text, peer->len, text)) {
        step(site);
        assert_true(hear(peer));
    }
    peer->len = 0;
}

static void enter(struct site *site, struct peer *peer)
{
    say(peer, request, sizeof(request) - 1);
    wait_for(site, peer, "\"welcome\"");
}

#define INC(id, instance, by)                                                  \
    "{\"type\":\"rpc\",\"id\":\"" id                                           \
    "\",\"actor\":\"counter\",\"actorId\":\"" instance                         \
    "\",\"method\":\"inc\",\"input\":{\"by\":" by "}}"

/* Connects a new client and expects an answer. */
static void serve_somebody(struct site *site)
{
    struct peer peer = knock(site);
    enter(site, &peer);
    say_text(&peer, INC("z", "somebody", "1"));
    wait_for(site, &peer, "\"id\":\"z\",\"result\":");
    close(peer.fd);
}

static int count_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        count += fcntl(fd, F_GETFD) != -1;
    }
    return count;
}

/* ---- every system call fails once ---- */

static void on_inc(const struct zkt_reply *reply, int32_t result, void *user)
{
    int *answers = user;
    (void)reply;
    (void)result;
    (*answers)++;
}

static char socket_path[48];

/* A client makes a call; it gets exactly 1 reply, of any status. */
static void run_client(struct site *site)
{
    const struct zkt_client_options options = { .rpc_timeout_ms = 1000,
                                                .reconnect_min_ms = 1,
                                                .reconnect_max_ms = 5,
                                                /* the test holds the server */
                                                .close_ms = -1 };
    char url[64];
    int answers = 0;
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", (unsigned)site->port);
    if (listeners != NULL) {
        snprintf(url, sizeof(url), "ws+unix://%s", socket_path);
    }
    struct zkt_client *client = zkt_client_open(url, &options);
    if (client == NULL) {
        return;
    }
    struct demo_counter *x = demo_counter_open(client, "x");
    assert_non_null(x);
    demo_counter_begin_inc(x, &(struct demo_counter_inc_input){ .by = 1 },
                           on_inc, &answers);
    while (answers == 0) {
        step(site);
        (void)zkt_client_poll(client, 0);
    }
    assert_int_equal(answers, 1);
    demo_counter_close(x);
    zkt_client_close(client);
    step(site);
}

/* Returns false if the session makes fewer calls. */
static bool run_session(long fail_at, int way)
{
    const int descriptors = count_descriptors();
    struct site site;
    arm(fail_at, way);
    const enum zkt_status status = open_site(&site, (struct zkt_limits){ 0 });
    if (status == ZKT_OK) {
        run_client(&site);
        fault.armed = false;
        serve_somebody(&site);
    } else {
        assert_true(status == ZKT_SYSTEM || status == ZKT_NO_MEMORY);
        assert_non_null(fault.failed);
        assert_int_equal(site.warnings, 1); /* the log has the reason */
    }
    fault.armed = false;
    close_site(&site);
    assert_int_equal(count_descriptors(), descriptors);
    return fault.failed != NULL;
}

static void fail_every_call(void)
{
    enum {
        WAYS = 5
    };
    bool ended = false;
    uv_loop_t first; /* opens the descriptors that libuv keeps */
    assert_int_equal(uv_loop_init(&first), 0);
    assert_int_equal(uv_loop_close(&first), 0);
    assert_false(run_session(0, 0));
    for (long n = 1; !ended; n++) {
        ended = !run_session(n, 0);
        for (int way = 1; way < WAYS && !ended; way++) {
            (void)run_session(n, way);
        }
        assert_true(!ended || n > 25);
    }
}

static void test_every_system_call(void **state)
{
    (void)state;
    fail_every_call();
}

/* The same with several listeners and a client of a Unix socket; no file
 * remains. */
static void test_every_system_call_of_listeners(void **state)
{
    char folder[] = "/tmp/zocket-sockets-XXXXXX", text[80];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(socket_path, sizeof(socket_path), "%s/s", folder);
    snprintf(text, sizeof(text), "unix:%s", socket_path);
    listeners = (const char *const[]){ text, "127.0.0.1:0", NULL };
    fail_every_call();
    listeners = NULL;
    assert_int_equal(rmdir(folder), 0);
}

/* Returns the server's socket of @peer's connection. */
static int find_other_end(const struct peer *peer)
{
    struct sockaddr_in own, other;
    socklen_t len = sizeof(own);
    assert_int_equal(
        __real_getsockname(peer->fd, (struct sockaddr *)&own, &len), 0);
    for (int fd = 0; fd < 1024; fd++) {
        len = sizeof(other);
        if (getpeername(fd, (struct sockaddr *)&other, &len) == 0 &&
            len == sizeof(other) && other.sin_port == own.sin_port) {
            return fd;
        }
    }
    return -1;
}

/* A reply does not wait for the acknowledgement of the previous reply. */
static void test_nothing_is_delayed(void **state)
{
    struct site site;
    int on = 0;
    socklen_t len = sizeof(on);
    (void)state;
    assert_int_equal(open_site(&site, (struct zkt_limits){ 0 }), ZKT_OK);
    struct peer peer = knock(&site);
    enter(&site, &peer);
    const int fd = find_other_end(&peer);
    assert_true(fd >= 0);
    assert_int_equal(__real_getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len),
                     0);
    assert_int_not_equal(on, 0);
    close(peer.fd);
    close_site(&site);
}

/* The time is right even if no socket was ready for long. */
static void test_a_call_sees_the_current_time(void **state)
{
    struct site site;
    (void)state;
    assert_int_equal(open_site(&site, (struct zkt_limits){ 0 }), ZKT_OK);
    struct peer peer = knock(&site);
    enter(&site, &peer);
    wall_ms = 1234567890123;
    say_text(&peer, INC("1", "x", "1"));
    wait_for(&site, &peer, "\"id\":\"1\",\"result\":");
    assert_int_equal(called_at, wall_ms);
    wall_ms = 0;
    close(peer.fd);
    close_site(&site);
}

/* ---- a server with its own loop ---- */

static void stop_at_once(void *user, struct zkt_server *server)
{
    (void)user;
    zkt_server_shutdown(server);
}

static void stop_by_signal(void *user, uint16_t port)
{
    (void)user;
    (void)port;
    (void)raise(SIGTERM);
}

/* Stops the server before its loop runs, or from a callback in the loop. */
static void run_starts(bool early)
{
    struct site site = { 0 };
    const int descriptors = count_descriptors();
    for (long n = 1;; n++) {
        const struct zkt_serve_options options = {
            .on_start = early ? stop_at_once : NULL,
            .on_listening = early ? NULL : stop_by_signal,
            .user = &site,
            .allocator = &site.memory.allocator,
            .log = count_warnings,
            .log_user = &site,
        };
        failing_alloc_init(&site.memory, 0);
        site.warnings = 0;
        arm(n, 0);
        const int status = zkt_serve(demo_app(&handlers), &options);
        fault.armed = false;
        assert_int_equal(site.memory.live, 0);
        assert_int_equal(count_descriptors(), descriptors);
        if (fault.failed == NULL) {
            assert_int_equal(status, 0);
            assert_true(n > (early ? 12 : 15));
            break;
        }
        const bool harmless = strcmp(fault.failed, "epoll_wait") == 0;
        assert_int_equal(status, harmless ? 0 : 1);
        assert_int_equal(site.warnings, status); /* the log has the reason */
    }
}

static void test_every_system_call_of_a_start(void **state)
{
    (void)state;
    run_starts(true);
    run_starts(false);
}

/* ---- a loop that cannot wait ---- */

static void go_blind(void *user, uint16_t port)
{
    (void)user;
    (void)port;
    blind = true;
}

/* The server ends instead of retrying forever. */
static void test_a_server_that_cannot_wait(void **state)
{
    struct site site = { 0 };
    const int descriptors = count_descriptors();
    const struct zkt_serve_options options = {
        .on_listening = go_blind,
        .user = &site,
        .allocator = &site.memory.allocator,
        .log = count_warnings,
        .log_user = &site,
    };
    (void)state;
    failing_alloc_init(&site.memory, 0);
    assert_int_equal(zkt_serve(demo_app(&handlers), &options), 1);
    blind = false;
    assert_int_equal(site.warnings, 1);
    assert_int_equal(site.memory.live, 0);
    assert_int_equal(count_descriptors(), descriptors);
}

static void test_a_loop_that_cannot_wait(void **state)
{
    struct site site;
    (void)state;
    assert_int_equal(open_site(&site, (struct zkt_limits){ 0 }), ZKT_OK);
    struct peer peer = knock(&site);
    enter(&site, &peer);
    blind = true;
    say_text(&peer, INC("1", "x", "1"));
    while (uv_run(&site.loop, UV_RUN_NOWAIT) != 0) {
    }
    blind = false;
    assert_int_equal(site.warnings, 1);
    assert_false(hear(&peer));
    close(peer.fd);
    close_site(&site);
}

/* ---- closing a client ---- */

/* A client in its own loop; the test plays the server. */
struct visit {
    uv_loop_t loop;
    struct zkt_client *client;
    int listener;
    struct peer server; /* the server's end of the connection */
};

static void open_visit(struct visit *v)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t len = sizeof(at);
    char url[64];
    *v = (struct visit){ .listener = __real_socket(AF_INET, SOCK_STREAM, 0) };
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(__real_bind(v->listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(__real_listen(v->listener, 1), 0);
    assert_int_equal(
        __real_getsockname(v->listener, (struct sockaddr *)&at, &len), 0);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u",
             (unsigned)ntohs(at.sin_port));
    assert_int_equal(__real_uv_loop_init(&v->loop), 0);
    v->client = zkt_client_open(
        url, &(struct zkt_client_options){ .loop = &v->loop });
    assert_non_null(v->client);
}

/* Runs the client until the server has received @text. */
static void wait_for_client(struct visit *v, const char *text)
{
    while (!holds(v->server.text, v->server.len, text)) {
        (void)uv_run(&v->loop, UV_RUN_NOWAIT);
        assert_true(hear(&v->server));
    }
}

static void shake_hands(struct visit *v)
{
    static const char name[] = "Sec-WebSocket-Key: ";
    char accept[ZKT_WS_ACCEPT_LEN + 1], reply[256];
    struct pollfd knocks = { .fd = v->listener, .events = POLLIN };
    while (poll(&knocks, 1, 0) == 0) {
        (void)uv_run(&v->loop, UV_RUN_NOWAIT);
    }
    v->server.fd = __real_accept4(v->listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(v->server.fd >= 0);
    wait_for_client(v, "\r\n\r\n");
    zkt__ws_accept_key(strstr(v->server.text, name) + sizeof(name) - 1, accept);
    const int len = snprintf(reply, sizeof(reply),
                             "HTTP/1.1 101 Switching Protocols\r\n"
                             "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Accept: %s\r\n\r\n",
                             accept);
    say(&v->server, reply, (size_t)len);
    while (zkt_client_status(v->client) != ZKT_CONNECTED) {
        (void)uv_run(&v->loop, UV_RUN_NOWAIT);
    }
    v->server.len = 0;
}

static void end_visit(struct visit *v)
{
    while (uv_run(&v->loop, UV_RUN_NOWAIT) != 0) {
    }
    assert_int_equal(uv_loop_close(&v->loop), 0);
    close(v->server.fd);
    close(v->listener);
    stands_at = 0;
}

static void run_ten_turns(struct visit *v)
{
    for (int i = 0; i < 10; i++) {
        assert_int_not_equal(uv_run(&v->loop, UV_RUN_NOWAIT), 0);
        assert_true(hear(&v->server));
    }
}

static void add_one(struct zkt_client *client, void *user)
{
    (void)client;
    ++*(int *)user;
}

/* However much is posted, sockets and other handles have their turns. */
static void test_posting_much_to_a_loop(void **state)
{
    struct visit v;
    int count = 0, before = 0;
    (void)state;
    open_visit(&v);
    shake_hands(&v);
    for (int i = 0; i < 4 * ZKT_INBOX_TURN; i++) {
        assert_int_equal(zkt_client_post(v.client, add_one, &count), ZKT_OK);
    }
    while (count < 4 * ZKT_INBOX_TURN) {
        (void)uv_run(&v.loop, UV_RUN_NOWAIT);
        assert_true(count - before <= ZKT_INBOX_TURN);
        before = count;
    }
    zkt_client_close(v.client);
    end_visit(&v);
}

/* The client sends a close frame and keeps its socket open until its
 * timeout. */
static void leave(struct visit *v)
{
    stands_at = __real_uv_now(&v->loop);
    zkt_client_close(v->client);
    wait_for_client(v, "\x88\x82"); /* a close frame, masked, with a code */
    assert_int_equal(v->server.len, 8);
    stands_at += 1999;
    run_ten_turns(v);
}

static void test_the_server_closes_first(void **state)
{
    struct visit v;
    (void)state;
    open_visit(&v);
    shake_hands(&v);
    leave(&v);
    say(&v.server, "\x88\x02\x03\xe8", 4);
    run_ten_turns(&v);
    assert_int_equal(__real_shutdown(v.server.fd, SHUT_WR), 0);
    end_visit(&v);
}

static void test_the_server_does_not_close(void **state)
{
    struct visit v;
    (void)state;
    open_visit(&v);
    shake_hands(&v);
    leave(&v);
    stands_at++;
    while (hear(&v.server)) {
        (void)uv_run(&v.loop, UV_RUN_NOWAIT);
    }
    end_visit(&v);
}

/* Without a handshake there is no session to close. */
static void test_leaving_before_the_handshake(void **state)
{
    struct visit v;
    struct pollfd knocks = { .events = POLLIN };
    (void)state;
    open_visit(&v);
    knocks.fd = v.listener;
    while (poll(&knocks, 1, 0) == 0) {
        (void)uv_run(&v.loop, UV_RUN_NOWAIT);
    }
    v.server.fd = __real_accept4(v.listener, NULL, NULL, SOCK_NONBLOCK);
    wait_for_client(&v, "\r\n\r\n");
    zkt_client_close(v.client);
    assert_false(hear(&v.server));
    end_visit(&v);
}

/* ---- a process that was suspended ---- */

static const struct zkt_limits attentive = {
    .ping_after_ms = 1000,
    .pong_within_ms = 500,
};

/* Stops the server's clock and connects peers until each has been pinged. */
static void ping_all(struct site *site, struct peer *peers, int count)
{
    for (int i = 0; i < count; i++) {
        peers[i] = knock(site);
        enter(site, &peers[i]);
    }
    stands_at += 1000;
    for (int i = 0; i < count; i++) {
        while (peers[i].len < 2) {
            step(site);
            assert_true(hear(&peers[i]));
        }
        assert_memory_equal(peers[i].text, "\x89", 2);
        peers[i].len = 0;
    }
}

static void do_nothing_at_all(struct zkt_server *server, void *user)
{
    (void)server;
    (void)user;
}

/* The process is suspended for a minute. A function that was posted meanwhile
 * ends a turn before the server has looked at any socket. */
static void hold_up(struct site *site, const struct peer *peers, int count)
{
    assert_int_equal(zkt_server_post(site->server, do_nothing_at_all, NULL),
                     ZKT_OK);
    for (int i = 0; i < count; i++) {
        say(&peers[i], "\x8a\x80\0\0\0\0", 6); /* a pong */
    }
    stands_at += 60000;
    for (int i = 0; i < 20; i++) {
        step(site);
    }
}

/* All peers but the last answer. */
static void run_hold_up(int count)
{
    static struct peer peers[300];
    struct site site;
    assert_int_equal(open_site(&site, attentive), ZKT_OK);
    stands_at = __real_uv_now(&site.loop);
    ping_all(&site, peers, count);
    hold_up(&site, peers, count - 1);
    assert_int_equal(stats_of(&site).connections, count - 1);
    assert_int_equal(stats_of(&site).limit_hits.pong_within_ms, 1);
    for (int i = 0; i < count; i++) {
        close(peers[i].fd);
    }
    stands_at = 0;
    close_site(&site);
}

static void test_pongs_that_lie_unread(void **state)
{
    (void)state;
    run_hold_up(2);
    run_hold_up(300); /* more than the server reads in a turn */
}

/* ---- resets ---- */

static void reset_peer(struct peer *peer)
{
    const struct linger now = { .l_onoff = 1 };
    assert_int_equal(
        __real_setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)),
        0);
    close(peer->fd);
}

static void do_nothing(struct site *site, struct peer *peer)
{
    (void)site;
    (void)peer;
}

static void half_a_head(struct site *site, struct peer *peer)
{
    (void)site;
    say(peer, request, 20);
}

static void a_bad_head(struct site *site, struct peer *peer)
{
    (void)site;
    say(peer, "nonsense\r\n\r\n", 12);
}

static void open_it(struct site *site, struct peer *peer)
{
    enter(site, peer);
}

static void half_a_frame(struct site *site, struct peer *peer)
{
    enter(site, peer);
    say(peer, "\x81\xfe\x01\x00\0\0\0\0{", 9);
}

static void half_a_message(struct site *site, struct peer *peer)
{
    enter(site, peer);
    say(peer, "\x01\x80\0\0\0\0", 6);
}

static void a_call_and_gone(struct site *site, struct peer *peer)
{
    enter(site, peer);
    say_text(peer, INC("1", "shared", "1"));
}

static void a_call_that_waits(struct site *site, struct peer *peer)
{
    enter(site, peer);
    held = NULL;
    say_text(peer, INC("1", "waits", "7"));
    while (held == NULL) {
        step(site);
    }
    say_text(peer, INC("2", "waits", "1"));
}

static void subscribed(struct site *site, struct peer *peer)
{
    enter(site, peer);
    say_text(peer, "{\"type\":\"state:sub\",\"actor\":\"counter\","
                   "\"actorId\":\"shared\"}");
}

static void closing(struct site *site, struct peer *peer)
{
    enter(site, peer);
    say(peer, "\x88\x82\0\0\0\0\x03\xe8", 8);
}

static void broke_the_protocol(struct site *site, struct peer *peer)
{
    enter(site, peer);
    say(peer, "\xff\xff", 2);
}

static void lingering(struct site *site, struct peer *peer)
{
    broke_the_protocol(site, peer);
    while (hear(peer)) { /* until the server has half-closed */
        step(site);
    }
}

static enum zkt_status inc_then(struct demo_counter_call *call,
                                const struct demo_counter_inc_input *in,
                                int32_t *out, void *user)
{
    (void)call;
    (void)in;
    (void)user;
    *out = 0;
    return ZKT_OK;
}

static void test_resets_in_every_state(void **state)
{
    static void (*const states[])(struct site *, struct peer *) = {
        do_nothing,   half_a_head,    a_bad_head,         open_it,
        half_a_frame, half_a_message, a_call_and_gone,    a_call_that_waits,
        subscribed,   closing,        broke_the_protocol, lingering,
    };
    const int descriptors = count_descriptors();
    struct site site;
    (void)state;
    assert_int_equal(open_site(&site, (struct zkt_limits){ 0 }), ZKT_OK);
    struct peer bystander = knock(&site);
    enter(&site, &bystander);
    for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        for (int steps = 0; steps < 4; steps++) {
            struct peer peer = knock(&site);
            held = NULL;
            states[i](&site, &peer);
            for (int k = 0; k < steps; k++) {
                step(&site);
            }
            reset_peer(&peer);
            say_text(&bystander, INC("b", "shared", "1"));
            wait_for(&site, &bystander, "\"id\":\"b\",\"result\":");
            if (held != NULL) {
                demo_counter_resume_inc(held, inc_then, NULL);
            }
            while (stats_of(&site).connections > 1) {
                step(&site);
            }
        }
    }
    close(bystander.fd);
    while (stats_of(&site).connections > 0) {
        step(&site);
    }
    assert_int_equal(stats_of(&site).deferred, 0);
    close_site(&site);
    assert_int_equal(count_descriptors(), descriptors);
}

/* A peer that reads only after it has sent everything finds the reason for the
 * close. */
static void test_a_close_frame_is_not_overtaken(void **state)
{
    static const char head[14] = { (char)0x81, (char)0xff, [7] = 4 << 4 };
    static const char zeros[65536];
    struct site site;
    (void)state;
    assert_int_equal(open_site(&site, (struct zkt_limits){ 0 }), ZKT_OK);
    for (int i = 0; i < 20; i++) {
        struct peer peer = knock(&site);
        enter(&site, &peer);
        say(&peer, head, sizeof(head));
        for (size_t sent = 0; sent < 4 << 20;) {
            const ssize_t n = __real_send(peer.fd, zeros, sizeof(zeros),
                                          MSG_DONTWAIT | MSG_NOSIGNAL);
            assert_true(n > 0 || errno == EAGAIN);
            sent += n > 0 ? (size_t)n : 0;
            step(&site);
        }
        while (hear(&peer)) {
            step(&site);
        }
        assert_int_equal(peer.len, 4);
        assert_memory_equal(peer.text, "\x88\x02\x03\xf1", 4); /* 1009 */
        assert_int_equal(__real_recv(peer.fd, peer.text, 1, 0), 0);
        close(peer.fd);
    }
    close_site(&site);
}

/* ---- accepting ---- */

static void test_descriptors_run_out(void **state)
{
    struct site site;
    struct rlimit before;
    int taken[1024], count = 0;
    (void)state;
    assert_int_equal(
        open_site(&site, (struct zkt_limits){ .connections = 100000 }), ZKT_OK);
    struct peer peer = knock(&site);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit few = before;
    few.rlim_cur = 200;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while ((taken[count] = dup(peer.fd)) >= 0) {
        count++;
    }
    while (site.warnings == 0) {
        step(&site);
    }
    assert_int_equal(stats_of(&site).connections, 0);
    while (count > 0) {
        close(taken[--count]);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    enter(&site, &peer);
    close(peer.fd);
    close_site(&site);
}

/* Errors that concern one connection, and errors of the process (accept(2)). */
static void test_accept_errors(void **state)
{
    static const int of_one[] = { ECONNABORTED, EINTR,       EPROTO,     EPERM,
                                  ENETDOWN,     ENOPROTOOPT, EHOSTDOWN,  ENONET,
                                  EHOSTUNREACH, EOPNOTSUPP,  ENETUNREACH };
    static const int of_all[] = { EMFILE, ENFILE, ENOBUFS, ENOMEM };
    struct site site;
    (void)state;
    assert_int_equal(open_site(&site, (struct zkt_limits){ 0 }), ZKT_OK);
    for (size_t i = 0; i < sizeof(of_one) / sizeof(of_one[0]); i++) {
        accept_error = of_one[i];
        serve_somebody(&site);
        assert_int_equal(accept_error, 0);
        assert_int_equal(site.warnings, 0);
    }
    for (int i = 0; i < (int)(sizeof(of_all) / sizeof(of_all[0])); i++) {
        accept_error = of_all[i];
        serve_somebody(&site); /* after a while */
        assert_int_equal(site.warnings, i + 1);
    }
    close_site(&site);
}

/* The error is logged once for any number of attempts. */
static void test_accepting_fails_for_long(void **state)
{
    struct site site;
    (void)state;
    assert_int_equal(open_site(&site, (struct zkt_limits){ 0 }), ZKT_OK);
    struct peer peer = knock(&site);
    for (int i = 0; i < 3; i++) {
        accept_error = EMFILE;
        while (accept_error != 0) {
            (void)uv_run(&site.loop, UV_RUN_ONCE);
        }
    }
    assert_int_equal(site.warnings, 1);
    enter(&site, &peer);
    close(peer.fd);
    close_site(&site);
}

static void test_descriptors_bound_connections(void **state)
{
    struct site site;
    struct rlimit before;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlim_t of[] = { 1000, 129, 128, 100 };
    const int64_t expected[] = { 936, 65, 64, 50 };
    for (size_t i = 0; i < 4; i++) {
        struct rlimit few = before;
        few.rlim_cur = of[i];
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        assert_int_equal(open_site(&site, (struct zkt_limits){ 0 }), ZKT_OK);
        assert_int_equal(zkt__server_limits(site.server)->connections,
                         expected[i]);
        close_site(&site);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* Reads until the server closes. Returns the status, or 0 without an answer. */
static int read_answer(struct site *site, struct peer *peer)
{
    while (hear(peer)) {
        step(site);
    }
    close(peer->fd);
    return holds(peer->text, peer->len, "HTTP/1.1 ") ? atoi(peer->text + 9) : 0;
}

static int fetch(struct site *site, const char *text)
{
    struct peer peer = knock(site);
    say(&peer, text, strlen(text));
    return read_answer(site, &peer);
}

/* A refused connection lingers, until its socket is needed. */
static void test_one_connection_too_many(void **state)
{
    enum {
        MORE = 40
    };
    struct site site;
    struct peer more[MORE];
    (void)state;
    assert_int_equal(open_site(&site, (struct zkt_limits){ .connections = 1 }),
                     ZKT_OK);
    struct peer first = knock(&site);
    enter(&site, &first);
    for (int i = 0; i < MORE; i++) {
        more[i] = knock(&site);
        say(&more[i], request, sizeof(request) - 1);
    }
    while (stats_of(&site).limit_hits.connections < MORE) {
        step(&site);
    }
    for (int i = 0; i < MORE; i++) {
        assert_int_equal(read_answer(&site, &more[i]), 503);
    }
    close(first.fd);
    while (stats_of(&site).connections > 0) {
        step(&site);
    }
    serve_somebody(&site);
    close_site(&site);
}

/* A full server answers probes, also among peers that say nothing. */
static void test_probes_of_a_full_server(void **state)
{
    enum {
        SILENT = 40
    };
    struct site site;
    struct peer silent[SILENT];
    (void)state;
    assert_int_equal(open_site(&site, (struct zkt_limits){ .connections = 1 }),
                     ZKT_OK);
    struct peer first = knock(&site);
    enter(&site, &first);
    for (int i = 0; i < SILENT; i++) {
        silent[i] = knock(&site);
    }
    while (stats_of(&site).limit_hits.connections < SILENT - 16) {
        step(&site);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal(
            fetch(&site, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"),
            200);
        assert_int_equal(fetch(&site, request), 503);
    }
    for (int i = 0; i < SILENT; i++) {
        close(silent[i].fd);
    }
    close(first.fd);
    close_site(&site);
}

/* ---- idle connections at a stop ---- */

/* Closing a socket takes nothing from its peer. */
static void test_settled_sockets(void **state)
{
    int ends[2];
    char byte = 0;
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_true(zkt__socket_is_settled(ends[0]));
    assert_int_equal(__real_send(ends[0], "x", 1, 0), 1);
    assert_false(zkt__socket_is_settled(ends[0])); /* it is not taken */
    assert_false(zkt__socket_is_settled(ends[1])); /* it is unread */
    assert_int_equal(__real_recv(ends[1], &byte, 1, 0), 1);
    assert_true(zkt__socket_is_settled(ends[0]));
    assert_true(zkt__socket_is_settled(ends[1]));
    close(ends[0]);
    assert_true(zkt__socket_is_settled(ends[1])); /* at the end of file */
    close(ends[1]);
    assert_false(zkt__socket_is_settled(-1));
}

/* Stops a server in no time: its clock stands still. Returns true if it has
 * waited for nobody. */
static bool stops_at_once(struct site *site)
{
    enum {
        STEPS = 1000
    };
    bool waits = true;
    stands_at = __real_uv_now(&site->loop);
    zkt_server_shutdown(site->server);
    for (int i = 0; i < STEPS && waits; i++) {
        waits = uv_run(&site->loop, UV_RUN_NOWAIT) != 0;
    }
    stands_at = 0;
    return !waits;
}

/* Acknowledges the received bytes. */
static void acknowledge(const struct peer *peer)
{
    const int on = 1;
    assert_int_equal(
        __real_setsockopt(peer->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on)),
        0);
}

/* A server that stops waits for no peer to close a connection on which nothing
 * is under way. */
static void test_a_stop_with_idle_connections(void **state)
{
#define PROBE "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
    static const struct {
        const char *said, *heard;
        bool at_once;
    } table[] = {
        { "", "", true },
        { PROBE "\r\n", "\r\n\r\nok\n", true },
        { PROBE "\r\n" PROBE "\r\n", "ok\nHTTP/1.1 200 ", true },
        { PROBE, "", false },
        { PROBE "\r\n" PROBE, "\r\n\r\nok\n", false },
        { PROBE "Connection: close\r\n\r\n", "\r\n\r\nok\n", false },
        { request, "\"welcome\"", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct site site;
        assert_int_equal(
            open_site(&site, (struct zkt_limits){ .close_ms = 300000 }),
            ZKT_OK);
        struct peer peer = knock(&site);
        while (stats_of(&site).connections < 1) {
            step(&site);
        }
        say(&peer, table[i].said, strlen(table[i].said));
        while (stats_of(&site).bytes_in < strlen(table[i].said)) {
            step(&site);
        }
        wait_for(&site, &peer, table[i].heard);
        acknowledge(&peer);
        if (stops_at_once(&site) != table[i].at_once) {
            fail_msg("%zu: it waits: %d", i, table[i].at_once);
        }
        close(peer.fd);
        close_site(&site);
    }
}

static void test_the_oldest_makes_room(void **state)
{
    struct site site;
    (void)state;
    has_metrics = true;
    assert_int_equal(
        open_site(&site,
                  (struct zkt_limits){ .half_open = 1, .accepts_per_turn = 1 }),
        ZKT_OK);
    has_metrics = false;
    struct peer a = knock(&site), b = knock(&site), c = knock(&site);
    say(&b, request, sizeof(request) - 1);
    wait_for(&site, &b, "\"welcome\"");
    while (hear(&a)) {
        step(&site);
    }
    assert_int_equal(stats_of(&site).limit_hits.half_open, 1);
    assert_limit_hits(site.server, "accepts_per_turn", 2);
    enter(&site, &c);
    assert_int_equal(stats_of(&site).connections, 2);
    close(a.fd);
    close(b.fd);
    close(c.fd);
    close_site(&site);
}

/* Connections beyond the limit of a second are accepted in the next second. */
static void test_accepting_waits_for_time(void **state)
{
    struct site site;
    (void)state;
    assert_int_equal(
        open_site(&site, (struct zkt_limits){ .accepts_per_second = 2 }),
        ZKT_OK);
    struct peer a = knock(&site), b = knock(&site), c = knock(&site);
    enter(&site, &a);
    enter(&site, &b);
    say(&c, request, sizeof(request) - 1);
    const int64_t before = (int64_t)uv_now(&site.loop);
    while (stats_of(&site).connections < 3) {
        (void)uv_run(&site.loop, UV_RUN_ONCE);
    }
    assert_int_equal(stats_of(&site).limit_hits.accepts_per_second, 1);
    assert_true((int64_t)uv_now(&site.loop) - before > 100);
    wait_for(&site, &c, "\"welcome\"");
    close(a.fd);
    close(b.fd);
    close(c.fd);
    close_site(&site);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_system_call),
        cmocka_unit_test(test_every_system_call_of_listeners),
        cmocka_unit_test(test_nothing_is_delayed),
        cmocka_unit_test(test_a_call_sees_the_current_time),
        cmocka_unit_test(test_a_server_that_cannot_wait),
        cmocka_unit_test(test_a_loop_that_cannot_wait),
        cmocka_unit_test(test_posting_much_to_a_loop),
        cmocka_unit_test(test_the_server_closes_first),
        cmocka_unit_test(test_the_server_does_not_close),
        cmocka_unit_test(test_leaving_before_the_handshake),
        cmocka_unit_test(test_every_system_call_of_a_start),
        cmocka_unit_test(test_pongs_that_lie_unread),
        cmocka_unit_test(test_resets_in_every_state),
        cmocka_unit_test(test_a_close_frame_is_not_overtaken),
        cmocka_unit_test(test_descriptors_run_out),
        cmocka_unit_test(test_accept_errors),
        cmocka_unit_test(test_accepting_fails_for_long),
        cmocka_unit_test(test_descriptors_bound_connections),
        cmocka_unit_test(test_one_connection_too_many),
        cmocka_unit_test(test_probes_of_a_full_server),
        cmocka_unit_test(test_settled_sockets),
        cmocka_unit_test(test_a_stop_with_idle_connections),
        cmocka_unit_test(test_the_oldest_makes_room),
        cmocka_unit_test(test_accepting_waits_for_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
