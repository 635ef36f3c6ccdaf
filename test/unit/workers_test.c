/*
 * A server with several threads, over sockets: where connections land, what
 * they may do there, how all of it stops, and what happens when a thread, its
 * loop or memory is not to be had. Calls that can fail are wrapped as in
 * sockets_test.c. The test's own thread runs the first loop, by steps, so that
 * whatever is not on it is on another. For the thread sanitizer, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "counter_server.h"
#include "wire.h"

/* ---- calls that fail ---- */

static struct {
    long calls, fail_at; /* the how-manieth fails, from 1; 0: none */
} fault;

static bool fails(void)
{
    return fault.fail_at > 0 && ++fault.calls == fault.fail_at;
}

int __real_pthread_create(pthread_t *out, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *user);
int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *user);
int __wrap_pthread_create(pthread_t *out, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *user)
{
    return fails() ? EAGAIN : __real_pthread_create(out, attributes, run, user);
}

int __real_uv_loop_init(uv_loop_t *loop);
int __wrap_uv_loop_init(uv_loop_t *loop);
int __wrap_uv_loop_init(uv_loop_t *loop)
{
    return fails() ? UV_EMFILE : __real_uv_loop_init(loop);
}

int __real_uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb cb);
int __wrap_uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb cb);
int __wrap_uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb cb)
{
    return fails() ? UV_ENOMEM : __real_uv_async_init(loop, async, cb);
}

/* An allocator for all threads; the how-manieth allocation may fail. */
static atomic_long live, allocations, fail_allocation;

static bool no_memory(void)
{
    return atomic_fetch_add(&allocations, 1) + 1 ==
           atomic_load(&fail_allocation);
}

static void *get(void *user, size_t size)
{
    void *block = no_memory() ? NULL : malloc(size);
    (void)user;
    atomic_fetch_add(&live, block != NULL);
    return block;
}

static void *resize(void *user, void *block, size_t size)
{
    void *grown = no_memory() ? NULL : realloc(block, size);
    (void)user;
    atomic_fetch_add(&live, block == NULL && grown != NULL);
    return grown;
}

static void release(void *user, void *block)
{
    (void)user;
    atomic_fetch_sub(&live, block != NULL);
    free(block);
}

static const struct zkt_allocator memory = { get, resize, release, NULL };

/* ---- threads, and what they do ---- */

enum {
    THREADS = 8
};

static struct {
    pthread_mutex_t lock;
    pthread_t seen[THREADS];
    int count;
    struct demo_counter_inc_later *held[THREADS];
    int held_count, cancelled, resumed, shielded;
    int posted_on; /* the thread on which a posted function has run */
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Threads have numbers, in the order in which they ask for them. */
static int32_t number_of_thread(void)
{
    int i = 0;
    pthread_mutex_lock(&shared.lock);
    while (i < shared.count && !pthread_equal(shared.seen[i], pthread_self())) {
        i++;
    }
    if (i == shared.count && i < THREADS) {
        shared.seen[shared.count++] = pthread_self();
    }
    pthread_mutex_unlock(&shared.lock);
    return i;
}

static int read_shared(const int *value)
{
    pthread_mutex_lock(&shared.lock);
    const int copy = *value;
    pthread_mutex_unlock(&shared.lock);
    return copy;
}

static void note_thread(struct zkt_server *server, void *user)
{
    const int number = number_of_thread();
    (void)server;
    (void)user;
    pthread_mutex_lock(&shared.lock);
    shared.posted_on = number;
    pthread_mutex_unlock(&shared.lock);
}

static enum zkt_status hold(struct demo_counter_call *call)
{
    pthread_mutex_lock(&shared.lock);
    shared.held[shared.held_count++] = demo_counter_defer_inc(call);
    pthread_mutex_unlock(&shared.lock);
    return ZKT_PENDING;
}

static void count_signals(void)
{
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    pthread_mutex_lock(&shared.lock);
    shared.shielded += sigismember(&blocked, SIGTERM) &&
                       sigismember(&blocked, SIGUSR1) &&
                       !sigismember(&blocked, SIGSEGV);
    pthread_mutex_unlock(&shared.lock);
}

/* What it does is for `by` to say; gives the number of its thread. */
static enum zkt_status inc(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    demo_counter_set_n(call, call->state->n + 1);
    *out = number_of_thread();
    switch (in->by) {
    case 5:
        count_signals();
        break;
    case 6:
        zkt_server_shutdown(zkt_call_server(call->zkt));
        break;
    case 7:
        return hold(call);
    case 8:
        return zkt_server_post(zkt_call_server(call->zkt), note_thread, NULL);
    case 9:
        demo_counter_set_n(call, 0); /* one mutation too many */
        break;
    default:
        break;
    }
    return ZKT_OK;
}

static enum zkt_status resume(struct demo_counter_call *call,
                              const struct demo_counter_inc_input *in,
                              int32_t *out, void *user)
{
    (void)in;
    (void)user;
    *out = number_of_thread();
    pthread_mutex_lock(&shared.lock);
    shared.resumed++;
    shared.cancelled += zkt_cancelled(call->zkt);
    pthread_mutex_unlock(&shared.lock);
    return ZKT_OK;
}

static void resume_all(void)
{
    for (int i = 0; i < shared.held_count; i++) {
        demo_counter_resume_inc(shared.held[i], resume, NULL);
    }
    shared.held_count = 0;
}

static enum zkt_status reset(struct demo_counter_call *call)
{
    demo_counter_set_n(call, 0);
    return ZKT_OK;
}

static const struct demo_counter_handlers counter = { .inc = inc,
                                                      .reset = reset };
static const struct demo_handlers handlers = { .counter = &counter };

/* ---- a server ---- */

struct site {
    uv_loop_t loop;
    struct zkt_server *server;
    uint16_t port;
    int stopped, descriptors;
    /* By whatever thread logs, without a lock, which the server has. */
    int entered, crowds;
    /* These with one, as the test reads them meanwhile. */
    int warnings;
    char last[128];
};

static void on_listening(void *user, uint16_t port)
{
    struct site *site = user;
    site->port = port;
}

static void on_stopped(void *user)
{
    struct site *site = user;
    site->stopped++;
}

static void keep_log(void *user, enum zkt_log_level level, const char *text)
{
    struct site *site = user;
    site->crowds += site->entered++ > 0;
    pthread_mutex_lock(&shared.lock);
    if (level >= ZKT_LOG_WARNING) {
        site->warnings++;
        snprintf(site->last, sizeof(site->last), "%s", text);
    }
    pthread_mutex_unlock(&shared.lock);
    site->entered--;
}

static int count_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        count += fcntl(fd, F_GETFD) != -1;
    }
    return count;
}

static struct zkt_serve_options options_for(struct site *site, uint32_t threads,
                                            struct zkt_limits limits)
{
    return (struct zkt_serve_options){
        .on_listening = on_listening,
        .on_stopped = on_stopped,
        .user = site,
        .allocator = &memory,
        .log = keep_log,
        .log_user = site,
        .limits = limits,
        .threads = threads,
    };
}

static void make_site(struct site *site, uint32_t threads,
                      struct zkt_limits limits)
{
    *site = (struct site){ .descriptors = count_descriptors() };
    const struct zkt_serve_options options = options_for(site, threads, limits);
    assert_int_equal(
        zkt_server_new(demo_app(&handlers), &options, &site->server), ZKT_OK);
    assert_int_equal(__real_uv_loop_init(&site->loop), 0);
    shared.count = 0;
    shared.held_count = shared.cancelled = shared.resumed = 0;
    shared.shielded = 0;
    shared.posted_on = -1;
    assert_int_equal(number_of_thread(), 0);
}

static void open_site(struct site *site, uint32_t threads,
                      struct zkt_limits limits)
{
    make_site(site, threads, limits);
    assert_int_equal(zkt_server_listen(site->server, &site->loop), ZKT_OK);
}

/* Lets others run, too. */
static void step(struct site *site)
{
    (void)uv_run(&site->loop, UV_RUN_NOWAIT);
    (void)poll(NULL, 0, 1);
}

static struct zkt_server_stats stats_of(const struct site *site)
{
    struct zkt_server_stats stats;
    zkt_server_stats(site->server, &stats);
    return stats;
}

/* The server is gone; nothing else is left. */
static void leave_site(struct site *site)
{
    assert_int_equal(uv_run(&site->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&site->loop), 0);
    assert_int_equal(site->stopped, 1);
    assert_int_equal(atomic_load(&live), 0);
    assert_int_equal(count_descriptors(), site->descriptors);
}

static void close_site(struct site *site)
{
    zkt_server_shutdown(site->server);
    assert_int_equal(uv_run(&site->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(site->stopped, 1);
    assert_true(zkt_server_is_down(site->server));
    zkt_server_free(site->server);
    leave_site(site);
}

/* ---- peers ---- */

struct peer {
    int fd;
    char text[4096];
    size_t len;
};

static struct peer knock(const struct site *site)
{
    struct peer peer = { .fd = socket(AF_INET, SOCK_STREAM, 0) };
    struct sockaddr_in to = {
        .sin_family = AF_INET,
        .sin_port = htons(site->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    assert_true(peer.fd >= 0);
    assert_int_equal(connect(peer.fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return peer;
}

static void say(const struct peer *peer, const char *bytes, size_t len)
{
    assert_int_equal(send(peer->fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Takes what has come; false: the end. */
static bool hear(struct peer *peer)
{
    const size_t room = sizeof(peer->text) - 1 - peer->len;
    const ssize_t got = recv(peer->fd, peer->text + peer->len, room,
                             MSG_DONTWAIT);
    if (got > 0) {
        peer->len += (size_t)got;
        peer->text[peer->len] = '\0';
    }
    return got > 0 || (got < 0 && errno == EAGAIN);
}

static void wait_for(struct site *site, struct peer *peer, const char *text)
{
    while (!holds(peer->text, peer->len, text)) {
        step(site);
        assert_true(hear(peer));
    }
}

static void forget(struct peer *peer)
{
    peer->len = 0;
    peer->text[0] = '\0';
}

static void enter(struct site *site, struct peer *peer)
{
    say(peer, request, sizeof(request) - 1);
    wait_for(site, peer, "\"welcome\"");
    forget(peer);
}

static struct peer visit(struct site *site)
{
    struct peer peer = knock(site);
    enter(site, &peer);
    return peer;
}

static void begin_call(const struct peer *peer, const char *instance, int by)
{
    char text[256], bytes[512];
    snprintf(text, sizeof(text),
             "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"counter\","
             "\"actorId\":\"%s\",\"method\":\"inc\",\"input\":{\"by\":%d}}",
             instance, by);
    say(peer, bytes, frame(bytes, text));
}

static int end_call(struct site *site, struct peer *peer)
{
    static const char result[] = "\"id\":\"1\",\"result\":";
    wait_for(site, peer, result);
    while (peer->text[peer->len - 1] != '}') {
        step(site);
        assert_true(hear(peer));
    }
    const char *at = peer->text;
    while (strncmp(at, result, sizeof(result) - 1) != 0) {
        at++; /* zeros may stand before it */
    }
    const int number = atoi(at + sizeof(result) - 1);
    forget(peer);
    return number;
}

/* The number of the thread that has run it. */
static int call(struct site *site, struct peer *peer, const char *instance,
                int by)
{
    begin_call(peer, instance, by);
    return end_call(site, peer);
}

static void hold_calls(struct site *site, struct peer *peers, int count)
{
    for (int i = 0; i < count; i++) {
        char name[8];
        snprintf(name, sizeof(name), "h%d", i);
        begin_call(&peers[i], name, 7);
        while (read_shared(&shared.held_count) <= i) {
            step(site);
        }
    }
}

static void wait_for_connections(struct site *site, uint64_t count)
{
    while (stats_of(site).connections != count) {
        step(site);
    }
}

#define SAYS_1001 "\x03\xe9the server stops"

/* The server closes with 1001, and then the socket. */
static void assert_told(struct peer *peer)
{
    while (hear(peer)) {
        (void)poll(NULL, 0, 1);
    }
    assert_true(holds(peer->text, peer->len, SAYS_1001));
    close(peer->fd);
}

static void answer_close(struct site *site, struct peer *peer)
{
    wait_for(site, peer, SAYS_1001);
    say(peer, "\x88\x82\0\0\0\0\x03\xe8", 8);
}

/* ---- where connections land ---- */

static void test_connections_are_spread(void **state)
{
    const struct zkt_limits limits = { .close_ms = 60000 };
    struct site site;
    struct peer peers[7];
    char name[8];
    (void)state;
    open_site(&site, 3, limits);
    for (int i = 0; i < 6; i++) {
        snprintf(name, sizeof(name), "%d", i);
        peers[i] = visit(&site);
        assert_int_equal(call(&site, &peers[i], name, 5), i % 3);
    }
    assert_int_equal(read_shared(&shared.count), 3);
    assert_int_equal(read_shared(&shared.shielded),
                     4); /* not on the test's thread */
    assert_int_equal(stats_of(&site).connections, 6);
    close(peers[4].fd);
    wait_for_connections(&site, 5);
    peers[6] = visit(&site);
    assert_int_equal(call(&site, &peers[6], "6", 1), 1);
    for (int i = 0; i < 7; i++) {
        if (i != 4) {
            close(peers[i].fd);
        }
    }
    wait_for_connections(&site, 0);
    assert_int_equal(stats_of(&site).calls, 7);
    assert_int_equal(stats_of(&site).instances, 7);
    close_site(&site);
    assert_int_equal(site.warnings, 0);
}

static void test_one_thread_is_the_loops(void **state)
{
    struct site site;
    (void)state;
    open_site(&site, 1, (struct zkt_limits){ 0 });
    assert_int_equal(count_descriptors(), site.descriptors + 5);
    struct peer a = visit(&site), b = visit(&site);
    assert_int_equal(call(&site, &a, "a", 1), 0);
    assert_int_equal(call(&site, &b, "b", 1), 0);
    close(a.fd);
    close(b.fd);
    close_site(&site);
}

/* What a handler posts to its server runs where the handler does. */
static void test_posting_to_the_handlers_thread(void **state)
{
    struct site site;
    (void)state;
    open_site(&site, 2, (struct zkt_limits){ 0 });
    struct peer peers[] = { visit(&site), visit(&site) };
    for (int i = 0; i < 2; i++) {
        assert_int_equal(call(&site, &peers[i], i == 0 ? "a" : "b", 8), i);
        while (read_shared(&shared.posted_on) != i) {
            step(&site);
        }
    }
    assert_int_equal(zkt_server_post(site.server, note_thread, NULL), ZKT_OK);
    while (read_shared(&shared.posted_on) != 0) {
        step(&site);
    }
    close(peers[0].fd);
    close(peers[1].fd);
    close_site(&site);
}

static void test_one_log_at_a_time(void **state)
{
    enum {
        CALLS = 50
    };
    struct site site;
    struct peer peers[4];
    (void)state;
    open_site(&site, 4, (struct zkt_limits){ .mutations = 1 });
    for (int i = 0; i < 4; i++) {
        peers[i] = visit(&site);
    }
    for (int n = 0; n < CALLS; n++) {
        for (int i = 0; i < 4; i++) {
            char name[8];
            snprintf(name, sizeof(name), "%d", i);
            begin_call(&peers[i], name, 9);
        }
    }
    while (stats_of(&site).calls < 4 * CALLS) {
        step(&site);
        for (int i = 0; i < 4; i++) {
            forget(&peers[i]);
            assert_true(hear(&peers[i]));
        }
    }
    for (int i = 0; i < 4; i++) {
        close(peers[i].fd);
    }
    close_site(&site);
    assert_int_equal(site.warnings, 4 * CALLS);
    assert_int_equal(site.crowds, 0);
}

/* ---- who is accepted ---- */

static void test_half_open_across_threads(void **state)
{
    struct site site;
    (void)state;
    open_site(&site, 2, (struct zkt_limits){ .half_open = 2 });
    struct peer a = knock(&site), b = knock(&site), c = knock(&site);
    say(&c, request, sizeof(request) - 1);
    while (stats_of(&site).reached.half_open == 0) {
        step(&site);
    }
    assert_int_equal(stats_of(&site).connections, 2);
    enter(&site, &b); /* on the other thread, which lets the next one in */
    wait_for(&site, &c, "\"welcome\"");
    assert_int_equal(stats_of(&site).connections, 3);
    enter(&site, &a);
    assert_int_equal(call(&site, &a, "a", 1), 0);
    assert_int_equal(call(&site, &b, "b", 1), 1);
    close(a.fd);
    close(b.fd);
    close(c.fd);
    close_site(&site);
}

static void assert_refused(struct site *site, struct peer *peer)
{
    wait_for(site, peer, "HTTP/1.1 503 ");
    while (hear(peer)) {
        step(site);
    }
    close(peer->fd);
}

static void test_limits_are_of_all_threads(void **state)
{
    const struct zkt_limits each[] = { { .connections = 3 },
                                       { .per_address = 3 } };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct site site;
        open_site(&site, 2, each[i]);
        struct peer a = visit(&site), b = visit(&site), c = visit(&site);
        for (int k = 0; k < 3; k++) {
            struct peer more = knock(&site);
            assert_refused(&site, &more);
            wait_for_connections(&site, 3);
        }
        const struct zkt_server_stats stats = stats_of(&site);
        assert_int_equal(stats.reached.connections, i == 0 ? 3 : 0);
        assert_int_equal(stats.reached.per_address, i == 1 ? 3 : 0);
        close(b.fd);
        wait_for_connections(&site, 2);
        b = visit(&site);
        close(a.fd);
        close(b.fd);
        close(c.fd);
        close_site(&site);
    }
}

/* Of those that are too many 32 are answered; they linger on both threads. */
static void test_many_too_many(void **state)
{
    enum {
        MORE = 40
    };
    struct site site;
    struct peer more[MORE];
    int answered = 0;
    (void)state;
    open_site(&site, 2,
              (struct zkt_limits){ .connections = 1, .close_ms = 60000 });
    struct peer first = visit(&site);
    for (int i = 0; i < MORE; i++) {
        more[i] = knock(&site);
    }
    while (stats_of(&site).reached.connections < MORE) {
        step(&site);
    }
    for (int i = 0; i < MORE; i++) {
        while (hear(&more[i])) {
            step(&site);
        }
        answered += holds(more[i].text, more[i].len, "HTTP/1.1 503 ");
    }
    assert_int_equal(answered, 32);
    for (int i = 0; i < MORE; i++) {
        close(more[i].fd);
    }
    close(first.fd);
    wait_for_connections(&site, 0);
    first = visit(&site);
    assert_int_equal(call(&site, &first, "a", 1) < 2, 1);
    close(first.fd);
    close_site(&site);
}

static void test_descriptors_run_out(void **state)
{
    struct site site;
    struct rlimit before;
    int taken[1024], count = 0;
    (void)state;
    open_site(&site, 2, (struct zkt_limits){ .connections = 100000 });
    struct peer first = visit(&site), peer = knock(&site);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit few = before;
    few.rlim_cur = 200;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    while ((taken[count] = dup(peer.fd)) >= 0) {
        count++;
    }
    while (read_shared(&site.warnings) == 0) {
        step(&site);
    }
    while (count > 0) {
        close(taken[--count]);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    enter(&site, &peer);
    assert_int_equal(call(&site, &peer, "a", 1), 1);
    close(first.fd);
    close(peer.fd);
    close_site(&site);
}

static void test_descriptors_of_the_threads(void **state)
{
    struct site site;
    struct rlimit before;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit few = before;
    few.rlim_cur = 1000;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    open_site(&site, 3, (struct zkt_limits){ 0 });
    for (uint32_t i = 0; i < 3; i++) {
        const struct zkt_server *shard = zkt__server_shard(site.server, i);
        assert_int_equal(zkt__server_limits(shard)->connections, 928);
    }
    close_site(&site);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* The socket is lost, once on the thread that accepts, and on the other. */
static void test_no_memory_for_a_socket(void **state)
{
    struct site site;
    (void)state;
    open_site(&site, 2, (struct zkt_limits){ .half_open = 1 });
    struct peer first = visit(&site);
    for (int i = 1; i <= 2; i++) {
        atomic_store(&fail_allocation, atomic_load(&allocations) + i);
        struct peer peer = knock(&site);
        while (hear(&peer)) {
            step(&site);
        }
        close(peer.fd);
        while (read_shared(&site.warnings) < i) {
            step(&site); /* the log is told when the socket is closed */
        }
        assert_string_equal(site.last, "a connection from 127.0.0.1 was "
                                       "dropped: not enough memory");
        assert_int_equal(stats_of(&site).connections, 1);
    }
    struct peer peer = visit(&site);
    assert_int_equal(call(&site, &peer, "a", 1), 1);
    close(first.fd);
    close(peer.fd);
    close_site(&site);
}

/* ---- stopping ---- */

static void test_all_threads_stop_in_phases(void **state)
{
    struct site site;
    (void)state;
    open_site(&site, 2, (struct zkt_limits){ 0 });
    struct peer peers[] = { visit(&site), visit(&site) };
    hold_calls(&site, peers, 2);
    zkt_server_shutdown(site.server);
    for (int i = 0; i < 2; i++) {
        while (!holds(peers[i].text, peers[i].len, "UNAVAILABLE")) {
            forget(&peers[i]);
            begin_call(&peers[i], i == 0 ? "x" : "y", 1);
            step(&site);
            assert_true(hear(&peers[i]));
        }
    }
    assert_false(zkt_server_is_down(site.server));
    assert_int_equal(site.stopped, 0);
    resume_all();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(read_shared(&shared.cancelled), 0);
        wait_for(&site, &peers[i], "\"result\":");
        answer_close(&site, &peers[i]);
    }
    assert_int_equal(uv_run(&site.loop, UV_RUN_DEFAULT), 0);
    for (int i = 0; i < 2; i++) {
        assert_told(&peers[i]);
    }
    assert_int_equal(shared.resumed, 2);
    close_site(&site);
}

/* A handler stops them, on whatever thread it runs. */
static void test_a_handler_stops_the_server(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct site site;
        open_site(&site, 2, (struct zkt_limits){ .close_ms = 100 });
        struct peer peers[] = { visit(&site), visit(&site) };
        begin_call(&peers[i], "a", 6);
        assert_int_equal(uv_run(&site.loop, UV_RUN_DEFAULT), 0);
        assert_true(zkt_server_is_down(site.server));
        assert_told(&peers[0]);
        assert_told(&peers[1]);
        close_site(&site);
    }
}

static void test_freeing_while_connections_are_open(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct site site;
        open_site(&site, 3, (struct zkt_limits){ 0 });
        struct peer peers[6];
        for (int k = 0; k < 6; k++) {
            peers[k] = visit(&site);
        }
        hold_calls(&site, peers, 3);
        begin_call(&peers[4], "a", 1);
        zkt_server_free(site.server);
        assert_int_equal(site.stopped, 0);
        resume_all(); /* on this thread: there is no server any more */
        assert_int_equal(shared.resumed, 3);
        assert_int_equal(shared.cancelled, 3);
        for (int k = 0; k < 6; k++) {
            close(peers[k].fd);
        }
        leave_site(&site);
    }
}

/* Sockets are on their way from thread to thread when it stops. */
static void test_stopping_while_connections_come(void **state)
{
    enum {
        COUNT = 20
    };
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct site site;
        struct peer peers[COUNT];
        open_site(&site, 3, (struct zkt_limits){ .close_ms = 1 });
        for (int k = 0; k < COUNT; k++) {
            peers[k] = knock(&site);
            say(&peers[k], request, sizeof(request) - 1);
        }
        for (int k = 0; k < i % 4; k++) {
            (void)uv_run(&site.loop, UV_RUN_NOWAIT);
        }
        if (i % 2 == 0) {
            zkt_server_shutdown(site.server);
            assert_int_equal(uv_run(&site.loop, UV_RUN_DEFAULT), 0);
            assert_true(zkt_server_is_down(site.server));
        }
        zkt_server_free(site.server);
        for (int k = 0; k < COUNT; k++) {
            while (hear(&peers[k])) {
                (void)poll(NULL, 0, 1);
            }
            close(peers[k].fd);
        }
        assert_int_equal(site.warnings, 0);
        leave_site(&site);
    }
}

static void stop_at_once(void *user, struct zkt_server *server)
{
    (void)user;
    zkt_server_shutdown(server);
}

static void test_stopped_before_it_serves(void **state)
{
    struct site site = { .descriptors = count_descriptors() };
    struct zkt_serve_options options = options_for(&site, 4,
                                                   (struct zkt_limits){ 0 });
    (void)state;
    options.on_start = stop_at_once;
    assert_int_equal(zkt_serve(demo_app(&handlers), &options), 0);
    assert_int_equal(site.stopped, 1);
    assert_int_equal(atomic_load(&live), 0);
    assert_int_equal(count_descriptors(), site.descriptors);
}

/* ---- a second signal ---- */

static atomic_uint served_port;

static void tell_port(void *user, uint16_t port)
{
    (void)user;
    atomic_store(&served_port, port);
}

static void *serve(void *user)
{
    struct site *site = user;
    struct zkt_serve_options options = options_for(site, 2,
                                                   (struct zkt_limits){ 0 });
    options.on_listening = tell_port;
    site->stopped -= zkt_serve(demo_app(&handlers), &options); /* 0 */
    return NULL;
}

/* As a client that has no part in the server's loop. */
static void await(struct peer *peer, const char *text)
{
    while (!holds(peer->text, peer->len, text)) {
        (void)poll(NULL, 0, 1);
        assert_true(hear(peer));
    }
    forget(peer);
}

static void test_a_second_signal(void **state)
{
    struct site site = { .descriptors = count_descriptors() };
    struct peer peers[2];
    pthread_t thread;
    (void)state;
    shared.held_count = shared.cancelled = shared.resumed = 0;
    assert_int_equal(pthread_create(&thread, NULL, serve, &site), 0);
    while (atomic_load(&served_port) == 0) {
        (void)poll(NULL, 0, 1);
    }
    site.port = (uint16_t)atomic_load(&served_port);
    for (int i = 0; i < 2; i++) {
        peers[i] = knock(&site);
        say(&peers[i], request, sizeof(request) - 1);
        await(&peers[i], "\"welcome\"");
        begin_call(&peers[i], i == 0 ? "a" : "b", 7);
        while (read_shared(&shared.held_count) <= i) {
            (void)poll(NULL, 0, 1);
        }
    }
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    for (int i = 0; i < 2; i++) {
        while (!holds(peers[i].text, peers[i].len, "UNAVAILABLE")) {
            forget(&peers[i]);
            begin_call(&peers[i], i == 0 ? "x" : "y", 1);
            (void)poll(NULL, 0, 1);
            assert_true(hear(&peers[i]));
        }
    }
    assert_int_equal(kill(getpid(), SIGTERM), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(site.stopped, 1);
    resume_all();
    assert_int_equal(shared.cancelled, 2);
    close(peers[0].fd);
    close(peers[1].fd);
    assert_int_equal(atomic_load(&live), 0);
    assert_int_equal(count_descriptors(), site.descriptors);
}

/* ---- what cannot start ---- */

static void assert_no_start(struct site *site, enum zkt_status expected)
{
    assert_int_equal(zkt_server_listen(site->server, &site->loop), expected);
    assert_int_equal(site->warnings, 1);
    assert_int_equal(site->port, 0);
    assert_int_equal(uv_run(&site->loop, UV_RUN_DEFAULT), 0);
    zkt_server_free(site->server);
    leave_site(site);
}

static void test_threads_that_do_not_start(void **state)
{
    static const struct {
        enum zkt_status status;
        const char *text;
    } expected[] = {
        { ZKT_NO_MEMORY, "cannot serve on the loop: not enough memory" },
        { ZKT_SYSTEM, "cannot start 2 threads: too many open files" },
        /* the second is that of libuv's loop */
        { ZKT_NO_MEMORY, "cannot start 2 threads: not enough memory" },
        { ZKT_SYSTEM,
          "cannot start 2 threads: resource temporarily unavailable" },
        { ZKT_SYSTEM, "cannot start 2 threads: too many open files" },
        { ZKT_NO_MEMORY, "cannot start 2 threads: not enough memory" },
        { ZKT_SYSTEM,
          "cannot start 2 threads: resource temporarily unavailable" },
    };
    struct site site;
    (void)state;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        make_site(&site, 3, (struct zkt_limits){ 0 });
        fault.calls = 0;
        fault.fail_at = (long)i + 1;
        assert_no_start(&site, expected[i].status);
        assert_string_equal(site.last, expected[i].text);
        assert_int_equal(fault.calls, fault.fail_at);
        fault.fail_at = 0;
    }
    make_site(&site, 3, (struct zkt_limits){ 0 });
    fault.calls = 0;
    fault.fail_at = 8;
    assert_int_equal(zkt_server_listen(site.server, &site.loop), ZKT_OK);
    assert_int_equal(fault.calls, 7);
    fault.fail_at = 0;
    close_site(&site);
}

static void test_no_memory_for_threads(void **state)
{
    long n = 1;
    (void)state;
    for (bool failed = true; failed; n++) {
        struct site site;
        make_site(&site, 3, (struct zkt_limits){ 0 });
        atomic_store(&fail_allocation, atomic_load(&allocations) + n);
        failed = n <= 7; /* two for the loop's own, and 1 + 2 × 2 */
        if (failed) {
            assert_no_start(&site, ZKT_NO_MEMORY);
        } else {
            atomic_store(&fail_allocation, 0);
            assert_int_equal(zkt_server_listen(site.server, &site.loop),
                             ZKT_OK);
            close_site(&site);
        }
    }
    assert_int_equal(n, 9);
}

static void test_a_port_that_is_taken(void **state)
{
    struct site site, other;
    (void)state;
    open_site(&site, 2, (struct zkt_limits){ 0 });
    make_site(&other, 2, (struct zkt_limits){ 0 });
    struct zkt_serve_options options = options_for(&other, 2,
                                                   (struct zkt_limits){ 0 });
    options.port = site.port;
    zkt_server_free(other.server);
    assert_int_equal(
        zkt_server_new(demo_app(&handlers), &options, &other.server), ZKT_OK);
    assert_int_equal(zkt_server_listen(other.server, &other.loop), ZKT_SYSTEM);
    assert_int_equal(uv_run(&other.loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(other.stopped, 1);
    assert_int_equal(other.warnings, 1);
    zkt_server_free(other.server);
    assert_int_equal(uv_loop_close(&other.loop), 0);
    close_site(&site);
}

/* Opens what libuv keeps for the process. */
static int open_libuv(void **state)
{
    uv_loop_t first;
    uv_signal_t signal;
    (void)state;
    (void)uv_loop_init(&first);
    (void)uv_signal_init(&first, &signal);
    uv_close((uv_handle_t *)&signal, NULL);
    (void)uv_run(&first, UV_RUN_DEFAULT);
    return uv_loop_close(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connections_are_spread),
        cmocka_unit_test(test_one_thread_is_the_loops),
        cmocka_unit_test(test_posting_to_the_handlers_thread),
        cmocka_unit_test(test_one_log_at_a_time),
        cmocka_unit_test(test_half_open_across_threads),
        cmocka_unit_test(test_limits_are_of_all_threads),
        cmocka_unit_test(test_many_too_many),
        cmocka_unit_test(test_descriptors_run_out),
        cmocka_unit_test(test_descriptors_of_the_threads),
        cmocka_unit_test(test_no_memory_for_a_socket),
        cmocka_unit_test(test_all_threads_stop_in_phases),
        cmocka_unit_test(test_a_handler_stops_the_server),
        cmocka_unit_test(test_freeing_while_connections_are_open),
        cmocka_unit_test(test_stopping_while_connections_come),
        cmocka_unit_test(test_stopped_before_it_serves),
        cmocka_unit_test(test_a_second_signal),
        cmocka_unit_test(test_threads_that_do_not_start),
        cmocka_unit_test(test_no_memory_for_threads),
        cmocka_unit_test(test_a_port_that_is_taken),
    };
    return cmocka_run_group_tests(tests, open_libuv, NULL);
}
