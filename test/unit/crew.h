/*
 * A server with several threads, over sockets, and its peers. The test's own
 * thread runs the first loop step by step, so all other work is on other
 * threads. Include cmocka first.
 */
#ifndef CREW_H
#define CREW_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "counter_server.h"
#include "loopback.h"
#include "wire.h"

/* An allocator for all threads; the allocation with the number
 * `fail_allocation` fails. */
static atomic_long live, allocations, fail_allocation;

static inline bool no_memory(void)
{
    return atomic_fetch_add(&allocations, 1) + 1 ==
           atomic_load(&fail_allocation);
}

static inline void *get(void *user, size_t size)
{
    void *block = no_memory() ? NULL : malloc(size);
    (void)user;
    atomic_fetch_add(&live, block != NULL);
    return block;
}

static inline void *resize(void *user, void *block, size_t size)
{
    void *grown = no_memory() ? NULL : realloc(block, size);
    (void)user;
    atomic_fetch_add(&live, block == NULL && grown != NULL);
    return grown;
}

static inline void release(void *user, void *block)
{
    (void)user;
    atomic_fetch_sub(&live, block != NULL);
    free(block);
}

static const struct zkt_allocator memory = { get, resize, release, NULL };

/* ---- threads and handlers ---- */

enum {
    THREADS = 8
};

static struct {
    pthread_mutex_t lock;
    pthread_t seen[THREADS];
    int count;
    struct demo_counter_inc_later *held[THREADS];
    int held_count, cancelled, resumed, shielded;
    int posted_on; /* the thread that has run a posted function */
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Threads are numbered in the order of their first call. */
static inline int32_t number_of_thread(void)
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

static inline int read_shared(const int *value)
{
    pthread_mutex_lock(&shared.lock);
    const int copy = *value;
    pthread_mutex_unlock(&shared.lock);
    return copy;
}

static inline void note_thread(struct zkt_server *server, void *user)
{
    const int number = number_of_thread();
    (void)server;
    (void)user;
    pthread_mutex_lock(&shared.lock);
    shared.posted_on = number;
    pthread_mutex_unlock(&shared.lock);
}

static inline enum zkt_status hold(struct demo_counter_call *call)
{
    pthread_mutex_lock(&shared.lock);
    shared.held[shared.held_count++] = demo_counter_defer_inc(call);
    pthread_mutex_unlock(&shared.lock);
    return ZKT_PENDING;
}

static inline void count_signals(void)
{
    sigset_t blocked;
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    pthread_mutex_lock(&shared.lock);
    shared.shielded += sigismember(&blocked, SIGTERM) &&
                       sigismember(&blocked, SIGUSR1) &&
                       !sigismember(&blocked, SIGSEGV);
    pthread_mutex_unlock(&shared.lock);
}

/* `by` selects the action; the result is the number of its thread. */
static inline enum zkt_status inc(struct demo_counter_call *call,
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
        demo_counter_set_n(call, 0); /* a mutation over the limit */
        break;
    default:
        break;
    }
    return ZKT_OK;
}

static inline enum zkt_status resume(struct demo_counter_call *call,
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

static inline void resume_all(void)
{
    for (int i = 0; i < shared.held_count; i++) {
        demo_counter_resume_inc(shared.held[i], resume, NULL);
    }
    shared.held_count = 0;
}

static inline enum zkt_status reset(struct demo_counter_call *call)
{
    demo_counter_set_n(call, 0);
    return ZKT_OK;
}

static const struct demo_counter_handlers counter = { .inc = inc,
                                                      .reset = reset };
static const struct demo_handlers handlers = { .counter = &counter };

/* The app; a test may define another with the same handlers. */
#ifndef CREW_APP
#define CREW_APP demo_app(&handlers)
#endif

/* ---- a server ---- */

struct site {
    uv_loop_t loop;
    struct zkt_server *server;
    uint16_t port;
    int stopped, descriptors;
    /* Written by the thread that logs; the server holds its own lock. */
    int entered, crowds;
    /* Guarded by a lock, as the test reads them meanwhile. */
    int warnings;
    char last[128];
};

static inline void on_listening(void *user, uint16_t port)
{
    struct site *site = user;
    site->port = port;
}

static inline void on_stopped(void *user)
{
    struct site *site = user;
    site->stopped++;
}

static inline void keep_log(void *user, enum zkt_log_level level,
                            const char *text)
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

static inline int count_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        count += fcntl(fd, F_GETFD) != -1;
    }
    return count;
}

static inline struct zkt_serve_options options_for(struct site *site,
                                                   uint32_t threads,
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

static inline void make_site(struct site *site, uint32_t threads,
                             struct zkt_limits limits)
{
    *site = (struct site){ .descriptors = count_descriptors() };
    const struct zkt_serve_options options = options_for(site, threads, limits);
    assert_int_equal(zkt_server_new(CREW_APP, &options, &site->server), ZKT_OK);
    assert_int_equal(uv_loop_init(&site->loop), 0);
    shared.count = 0;
    shared.held_count = shared.cancelled = shared.resumed = 0;
    shared.shielded = 0;
    shared.posted_on = -1;
    assert_int_equal(number_of_thread(), 0);
}

static inline void open_site(struct site *site, uint32_t threads,
                             struct zkt_limits limits)
{
    make_site(site, threads, limits);
    assert_int_equal(zkt_server_listen(site->server, &site->loop), ZKT_OK);
}

/* Gives other threads time, too. */
static inline void step(struct site *site)
{
    (void)uv_run(&site->loop, UV_RUN_NOWAIT);
    (void)poll(NULL, 0, 1);
}

static inline struct zkt_server_stats stats_of(const struct site *site)
{
    struct zkt_server_stats stats;
    zkt_server_stats(site->server, &stats);
    return stats;
}

/* Leaves a loop that must hold nothing after the server. */
static inline void leave_site(struct site *site)
{
    assert_int_equal(uv_run(&site->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&site->loop), 0);
    assert_int_equal(site->stopped, 1);
    assert_int_equal(atomic_load(&live), 0);
    assert_int_equal(count_descriptors(), site->descriptors);
}

static inline void close_site(struct site *site)
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

static inline struct peer knock(const struct site *site)
{
    return (struct peer){ .fd = connect_to_loopback(site->port) };
}

static inline void say(const struct peer *peer, const char *bytes, size_t len)
{
    assert_int_equal(send(peer->fd, bytes, len, MSG_NOSIGNAL), (ssize_t)len);
}

/* Receives; returns false at the end of the stream. */
static inline bool hear(struct peer *peer)
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

static inline void wait_for(struct site *site, struct peer *peer,
                            const char *text)
{
    while (!holds(peer->text, peer->len, text)) {
        step(site);
        assert_true(hear(peer));
    }
}

static inline void forget(struct peer *peer)
{
    peer->len = 0;
    peer->text[0] = '\0';
}

static inline void enter(struct site *site, struct peer *peer)
{
    say(peer, request, sizeof(request) - 1);
    wait_for(site, peer, "\"welcome\"");
    forget(peer);
}

static inline struct peer visit(struct site *site)
{
    struct peer peer = knock(site);
    enter(site, &peer);
    return peer;
}

static inline void begin_call(const struct peer *peer, const char *instance,
                              int by)
{
    char text[256], bytes[512];
    snprintf(text, sizeof(text),
             "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":\"counter\","
             "\"actorId\":\"%s\",\"method\":\"inc\",\"input\":{\"by\":%d}}",
             instance, by);
    say(peer, bytes, frame(bytes, text));
}

static inline int end_call(struct site *site, struct peer *peer)
{
    static const char result[] = "\"id\":\"1\",\"result\":";
    wait_for(site, peer, result);
    while (peer->text[peer->len - 1] != '}') {
        step(site);
        assert_true(hear(peer));
    }
    const char *at = peer->text;
    while (strncmp(at, result, sizeof(result) - 1) != 0) {
        at++; /* zeros may precede it */
    }
    const int number = atoi(at + sizeof(result) - 1);
    forget(peer);
    return number;
}

/* Returns the number of the thread that has run the call. */
static inline int call(struct site *site, struct peer *peer,
                       const char *instance, int by)
{
    begin_call(peer, instance, by);
    return end_call(site, peer);
}

static inline void hold_calls(struct site *site, struct peer *peers, int count)
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

static inline void wait_for_connections(struct site *site, uint64_t count)
{
    while (stats_of(site).connections != count) {
        step(site);
    }
}

#define SAYS_1001 "\x03\xe9the server stops"

/* Expects a close with 1001 and then the end of the stream. */
static inline void assert_told(struct peer *peer)
{
    while (hear(peer)) {
        (void)poll(NULL, 0, 1);
    }
    assert_true(holds(peer->text, peer->len, SAYS_1001));
    close(peer->fd);
}

static inline void answer_close(struct site *site, struct peer *peer)
{
    wait_for(site, peer, SAYS_1001);
    say(peer, "\x88\x82\0\0\0\0\x03\xe8", 8);
}

/* Opens the descriptors that libuv keeps. */
static inline int open_libuv(void **state)
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

#endif
