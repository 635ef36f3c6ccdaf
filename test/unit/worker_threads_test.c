/*
 * A server with several threads: the placement of connections, the calls that
 * are allowed there, and the limits that all threads share. Also for the thread
 * sanitizer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "crew.h"

/* ---- placement of connections ---- */

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
    struct peer a = visit(&site), b = visit(&site);
    assert_int_equal(call(&site, &a, "a", 1), 0);
    assert_int_equal(call(&site, &b, "b", 1), 0);
    close(a.fd);
    close(b.fd);
    close_site(&site);
}

/* A function that a handler posts to its server runs on the handler's
 * thread. */
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
    open_site(
        &site, 4,
        (struct zkt_limits){ .mutations = 1, .log_per_second = 4 * CALLS });
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

/* ---- admission ---- */

/* Connections without a handshake make room, on any thread. */
static void test_half_open_across_threads(void **state)
{
    struct site site;
    (void)state;
    open_site(&site, 2, (struct zkt_limits){ .half_open = 2 });
    struct peer a = knock(&site), b = knock(&site), c = knock(&site);
    say(&c, request, sizeof(request) - 1);
    wait_for(&site, &c, "\"welcome\"");
    while (hear(&a)) { /* it is the oldest */
        step(&site);
    }
    assert_int_equal(stats_of(&site).limit_hits.half_open, 1);
    enter(&site, &b);
    struct peer d = knock(&site), e = knock(&site), f = visit(&site);
    while (hear(&d)) {
        step(&site);
    }
    enter(&site, &e);
    wait_for_connections(&site, 4);
    assert_int_equal(stats_of(&site).limit_hits.half_open, 2);
    const struct peer all[] = { a, b, c, d, e, f };
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        close(all[i].fd);
    }
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
            say(&more, request, sizeof(request) - 1);
            assert_refused(&site, &more);
            wait_for_connections(&site, 3);
        }
        const struct zkt_server_stats stats = stats_of(&site);
        assert_int_equal(stats.limit_hits.connections, i == 0 ? 3 : 0);
        assert_int_equal(stats.limit_hits.per_address, i == 1 ? 3 : 0);
        close(b.fd);
        wait_for_connections(&site, 2);
        b = visit(&site);
        close(a.fd);
        close(b.fd);
        close(c.fd);
        close_site(&site);
    }
}

/* All surplus connections get an answer. They linger on the first thread, where
 * the oldest makes room. */
static void test_surplus_connections(void **state)
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
        say(&more[i], request, sizeof(request) - 1);
    }
    while (stats_of(&site).limit_hits.connections < MORE) {
        step(&site);
    }
    for (int i = 0; i < MORE; i++) {
        while (hear(&more[i])) {
            step(&site);
        }
        answered += holds(more[i].text, more[i].len, "HTTP/1.1 503 ");
    }
    assert_int_equal(answered, MORE);
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

/* The socket is lost, first on the accepting thread, then on the other. */
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
            step(&site); /* the log is called when the socket is closed */
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

/* ---- a child of the process ---- */

/* A child has none of the threads; its exit closes no connection of its
 * parent. */
static void test_a_forked_child(void **state)
{
    struct site site;
    bool open[256];
    int status = -1;
    (void)state;
    for (int fd = 0; fd < 256; fd++) {
        open[fd] = fcntl(fd, F_GETFD) != -1;
    }
    open_site(&site, 2, (struct zkt_limits){ 0 });
    struct peer a = visit(&site), b = visit(&site);
    assert_int_equal(fcntl(a.fd, F_SETFD, FD_CLOEXEC), 0);
    assert_int_equal(fcntl(b.fd, F_SETFD, FD_CLOEXEC), 0);
    for (int fd = 0; fd < 256; fd++) {
        const int flags = fcntl(fd, F_GETFD);
        assert_true(open[fd] || flags == -1 || (flags & FD_CLOEXEC) != 0);
    }
    const pid_t child = fork();
    if (child == 0) {
        _exit(3);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 3);
    assert_int_equal(call(&site, &a, "a", 1), 0);
    assert_int_equal(call(&site, &b, "b", 1), 1);
    close(a.fd);
    close(b.fd);
    close_site(&site);
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
        cmocka_unit_test(test_surplus_connections),
        cmocka_unit_test(test_descriptors_run_out),
        cmocka_unit_test(test_descriptors_of_the_threads),
        cmocka_unit_test(test_no_memory_for_a_socket),
        cmocka_unit_test(test_a_forked_child),
    };
    return cmocka_run_group_tests(tests, open_libuv, NULL);
}
