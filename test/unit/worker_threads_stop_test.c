/*
 * How a server with several threads stops, in every way, and how it fails if a
 * thread, its loop or memory is missing. Failing calls are wrapped as in
 * sockets_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/epoll.h>

#include <cmocka.h>

#include "crew.h"

/* ---- calls that fail ---- */

static struct {
    /* the number of the failing call, from 1; 0 for none */
    long calls, fail_at;
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

static pthread_t seeing; /* the only thread that can wait for sockets */
static atomic_bool others_are_blind;

int __real_epoll_wait(int epoll, struct epoll_event *out, int most, int ms);
int __wrap_epoll_wait(int epoll, struct epoll_event *out, int most, int ms);
int __wrap_epoll_wait(int epoll, struct epoll_event *out, int most, int ms)
{
    if (atomic_load(&others_are_blind) &&
        !pthread_equal(pthread_self(), seeing)) {
        errno = EBADF;
        return -1;
    }
    return __real_epoll_wait(epoll, out, most, ms);
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

/* A handler stops all threads, on any thread. */
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
        resume_all(); /* on this thread: the server has ended */
        assert_int_equal(shared.resumed, 3);
        assert_int_equal(shared.cancelled, 3);
        for (int k = 0; k < 6; k++) {
            close(peers[k].fd);
        }
        leave_site(&site);
    }
}

/* Calls, some of them deferred, cross threads while the server is freed. */
static void test_freeing_while_calls_cross(void **state)
{
    enum {
        COUNT = 6,
        CALLS = 20
    };
    (void)state;
    for (int i = 0; i < 20; i++) {
        struct site site;
        struct peer peers[COUNT];
        open_site(&site, 3, (struct zkt_limits){ 0 });
        for (int k = 0; k < COUNT; k++) {
            peers[k] = visit(&site);
            char name[2] = { (char)('a' + k), '\0' };
            (void)call(&site, &peers[k], name, 1);
        }
        for (int n = 0; n < CALLS; n++) {
            for (int k = 0; k < COUNT; k++) {
                const char name[2] = { (char)('a' + (k + n) % COUNT), '\0' };
                begin_call(&peers[k], name, n == 2 + i % 8 ? 7 : 1);
            }
        }
        for (int k = 0; k < i % 5; k++) {
            step(&site);
        }
        zkt_server_free(site.server);
        resume_all();
        assert_int_equal(shared.resumed, shared.cancelled);
        for (int k = 0; k < COUNT; k++) {
            close(peers[k].fd);
        }
        leave_site(&site);
    }
}

/* Sockets cross threads while the server stops. */
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

/* Waits like a client that has no part in the server's loop. */
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

/* A server does not go on with half of its threads. */
static void test_a_thread_that_cannot_wait(void **state)
{
    struct site site = { .descriptors = count_descriptors() };
    struct zkt_serve_options options = options_for(&site, 3,
                                                   (struct zkt_limits){ 0 });
    (void)state;
    seeing = pthread_self();
    atomic_store(&others_are_blind, true);
    assert_int_equal(zkt_serve(demo_app(&handlers), &options), 1);
    atomic_store(&others_are_blind, false);
    assert_true(site.warnings > 0);
    assert_int_equal(atomic_load(&live), 0);
    assert_int_equal(count_descriptors(), site.descriptors);
}

/* ---- failing starts ---- */

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
        /* the second fails in libuv's loop */
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

/* Needs only the loop's async handle, and no other thread. */
static void test_one_thread_starts_none(void **state)
{
    struct site site;
    (void)state;
    make_site(&site, 1, (struct zkt_limits){ 0 });
    fault.calls = 0;
    fault.fail_at = 2;
    assert_int_equal(zkt_server_listen(site.server, &site.loop), ZKT_OK);
    assert_int_equal(fault.calls, 1);
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
        failed = n <= 7; /* two for the first loop, and 1 + 2 × 2 */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_threads_stop_in_phases),
        cmocka_unit_test(test_a_handler_stops_the_server),
        cmocka_unit_test(test_freeing_while_connections_are_open),
        cmocka_unit_test(test_freeing_while_calls_cross),
        cmocka_unit_test(test_stopping_while_connections_come),
        cmocka_unit_test(test_stopped_before_it_serves),
        cmocka_unit_test(test_a_second_signal),
        cmocka_unit_test(test_a_thread_that_cannot_wait),
        cmocka_unit_test(test_threads_that_do_not_start),
        cmocka_unit_test(test_one_thread_starts_none),
        cmocka_unit_test(test_no_memory_for_threads),
        cmocka_unit_test(test_a_port_that_is_taken),
    };
    return cmocka_run_group_tests(tests, open_libuv, NULL);
}
