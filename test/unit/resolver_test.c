/*
 * A name with several addresses, some of which refuse or never answer, and
 * names that take long to resolve: the test replaces the resolver and decides
 * when it answers "slow".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "zocket/client.h"

enum {
    ADDRESSES = 3
};

/* The addresses of the name "many": ports on this machine. */
static struct sockaddr_in addresses[ADDRESSES];
static int address_count;

static struct addrinfo *make_result(void)
{
    struct addrinfo *all = calloc(ADDRESSES, sizeof(*all));
    assert_non_null(all);
    for (int i = 0; i < address_count; i++) {
        all[i] = (struct addrinfo){
            .ai_family = AF_INET,
            .ai_socktype = SOCK_STREAM,
            .ai_addr = (struct sockaddr *)&addresses[i],
            .ai_addrlen = sizeof(addresses[i]),
            .ai_next = i + 1 < address_count ? &all[i + 1] : NULL,
        };
    }
    return all;
}

/* Lookups of "slow" wait for this. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool held;
static int waiting, lookups;

static void hold_names(bool hold)
{
    pthread_mutex_lock(&mutex);
    held = hold;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
}

static void wait_until_waiting(int count)
{
    pthread_mutex_lock(&mutex);
    while (waiting != count) {
        pthread_cond_wait(&changed, &mutex);
    }
    pthread_mutex_unlock(&mutex);
}

static struct addrinfo *look_up(bool slow)
{
    pthread_mutex_lock(&mutex);
    lookups++;
    waiting++;
    pthread_cond_broadcast(&changed);
    while (slow && held) {
        pthread_cond_wait(&changed, &mutex);
    }
    struct addrinfo *result = make_result();
    waiting--;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&mutex);
    return result;
}

/* Replaces the C library's function for the whole program. */
int getaddrinfo(const char *name, const char *service,
                const struct addrinfo *hints, struct addrinfo **result)
{
    struct in_addr address;
    if (inet_pton(AF_INET, name, &address) == 1) {
        *result = make_result();
        (*result)->ai_next = NULL;
        addresses[0].sin_port = htons((uint16_t)atoi(service));
        return 0;
    }
    if ((hints->ai_flags & AI_NUMERICHOST) != 0) {
        abort(); /* on any thread */
    }
    if (strcmp(name, "many") != 0 && strcmp(name, "slow") != 0) {
        return EAI_NONAME;
    }
    *result = look_up(strcmp(name, "slow") == 0);
    return 0;
}

void freeaddrinfo(struct addrinfo *result)
{
    free(result);
}

static int make_socket(struct sockaddr_in *address, int backlog)
{
    socklen_t len = sizeof(*address);
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    *address = (struct sockaddr_in){ .sin_family = AF_INET };
    address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)address, len), 0);
    if (backlog >= 0) {
        assert_int_equal(listen(fd, backlog), 0);
    }
    assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
    return fd;
}

/* An address that never answers: its queue is full and nothing is accepted. */
struct hole {
    int listener, fillers[8];
};

static void make_hole(struct hole *hole, struct sockaddr_in *address)
{
    hole->listener = make_socket(address, 0);
    for (int i = 0; i < 8; i++) {
        hole->fillers[i] = socket(AF_INET, SOCK_STREAM, 0);
        (void)fcntl(hole->fillers[i], F_SETFL, O_NONBLOCK);
        (void)connect(hole->fillers[i], (struct sockaddr *)address,
                      sizeof(*address));
    }
}

static void close_hole(const struct hole *hole)
{
    for (int i = 0; i < 8; i++) {
        close(hole->fillers[i]);
    }
    close(hole->listener);
}

/* Polls until @listener has a connection, and accepts it. */
static int wait_for_connection(struct zkt_client *client, int listener)
{
    int fd;
    while ((fd = accept(listener, NULL, NULL)) < 0) {
        zkt_client_poll(client, 10);
    }
    return fd;
}

static int make_live(struct sockaddr_in *address)
{
    const int fd = make_socket(address, 8);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void test_refused_addresses_are_passed(void **state)
{
    (void)state;
    close(make_socket(&addresses[0], -1));
    close(make_socket(&addresses[1], -1));
    const int live = make_live(&addresses[2]);
    address_count = 3;
    const struct zkt_client_options options = { .no_reconnect = true };
    struct zkt_client *client = zkt_client_open("ws://many:1", &options);
    close(wait_for_connection(client, live));
    zkt_client_close(client);
    close(live);
}

/* The address is given up at the end of the attempt; the next attempt begins
 * with the address after it. */
static void test_an_address_that_never_answers(void **state)
{
    struct hole hole;
    (void)state;
    make_hole(&hole, &addresses[0]);
    const int live = make_live(&addresses[1]);
    address_count = 2;
    const struct zkt_client_options options = {
        .connect_timeout_ms = 100,
        .reconnect_min_ms = 1,
        .reconnect_max_ms = 1,
    };
    struct zkt_client *client = zkt_client_open("ws://many:1", &options);
    const int first = wait_for_connection(client, live);
    close(first); /* after a drop, the address that answered comes first */
    close(wait_for_connection(client, live));
    zkt_client_close(client);
    close(live);
    close_hole(&hole);
}

static void test_an_unknown_name(void **state)
{
    const struct zkt_client_options options = { .no_reconnect = true };
    (void)state;
    struct zkt_client *client = zkt_client_open("ws://none:1", &options);
    while (zkt_client_status(client) != ZKT_DISCONNECTED) {
        zkt_client_poll(client, -1);
    }
    assert_int_equal(zkt_client_poll(client, -1), ZKT_CLOSED);
    assert_int_equal(zkt_client_ready(client, -1), ZKT_CLOSED);
    const struct zkt_refusal refusal = zkt_client_refusal(client);
    assert_int_equal(refusal.status, ZKT_UNAVAILABLE);
    assert_int_equal(refusal.code, 0);
    assert_string_equal(refusal.text, "unknown node or service");
    zkt_client_close(client);
}

/* Waiting for an unknown name ends. */
static void test_waiting_for_an_unknown_name(void **state)
{
    const struct zkt_client_options ways[] = {
        { .no_reconnect = true },
        { .no_reconnect = true, .thread = true },
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct zkt_client *client = zkt_client_open("ws://none:1", &ways[i]);
        assert_int_equal(zkt_client_ready(client, -1), ZKT_CLOSED);
        assert_int_equal(zkt_client_refusal(client).status, ZKT_UNAVAILABLE);
        zkt_client_close(client);
    }
}

/* ---- slow names ---- */

/* Lookups occupy all threads; numeric addresses and closing do not wait for
 * them. */
static void test_slow_names_block_no_other_work(void **state)
{
    enum {
        SLOW = 64,
        MORE = 3 /* more than there are threads */
    };
    static struct zkt_client *slow[SLOW + MORE];
    char url[32];
    (void)state;
    hold_names(true);
    for (int i = 0; i < SLOW + MORE; i++) {
        slow[i] = zkt_client_open("ws://slow:1", NULL);
        zkt_client_poll(slow[i], 0);
    }
    wait_until_waiting(SLOW);
    const int live = make_live(&addresses[0]);
    address_count = 1;
    snprintf(url, sizeof(url), "ws://127.0.0.1:%d",
             ntohs(addresses[0].sin_port));
    const int before = lookups;
    struct zkt_client *client = zkt_client_open(url, NULL);
    close(wait_for_connection(client, live));
    assert_int_equal(lookups, before);
    for (int i = 0; i < SLOW + MORE; i++) {
        zkt_client_close(slow[i]);
    }
    zkt_client_close(client);
    assert_int_equal(lookups, before);
    hold_names(false);
    wait_until_waiting(0);
    assert_int_equal(lookups, before); /* the other lookups were cancelled */
    close(live);
}

/* ---- threads that cannot be started ---- */

static bool no_threads;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *user);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *user);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                          void *(*run)(void *), void *user)
{
    return no_threads ? EAGAIN
                      : __real_pthread_create(thread, attributes, run, user);
}

/* Without any thread the attempt fails; otherwise a running thread takes the
 * lookup. */
static void test_no_more_threads(void **state)
{
    const struct zkt_client_options options = { .no_reconnect = true };
    (void)state;
    no_threads = true;
    struct zkt_client *client = zkt_client_open("ws://many:1", &options);
    assert_int_equal(zkt_client_ready(client, -1), ZKT_CLOSED);
    const struct zkt_refusal refusal = zkt_client_refusal(client);
    assert_string_equal(refusal.text, "resource temporarily unavailable");
    zkt_client_close(client);

    no_threads = false;
    hold_names(true);
    struct zkt_client *slow = zkt_client_open("ws://slow:1", NULL);
    zkt_client_poll(slow, 0);
    wait_until_waiting(1);
    no_threads = true;
    const int live = make_live(&addresses[0]);
    address_count = 1;
    client = zkt_client_open("ws://many:1", NULL);
    zkt_client_poll(client, 0);
    hold_names(false);
    close(wait_for_connection(client, live));
    zkt_client_close(client);
    zkt_client_close(slow);
    no_threads = false;
    close(live);
}

/* A name that takes longer to resolve than an attempt lasts is looked up once,
 * and found. */
static void test_a_name_slower_than_an_attempt(void **state)
{
    const struct zkt_client_options options = {
        .connect_timeout_ms = 1,
        .reconnect_min_ms = 1,
        .reconnect_max_ms = 1,
    };
    (void)state;
    const int live = make_live(&addresses[0]);
    address_count = 1;
    hold_names(true);
    const int before = lookups;
    struct zkt_client *client = zkt_client_open("ws://slow:1", &options);
    for (int i = 0; i < 50; i++) {
        zkt_client_poll(client, 1);
    }
    wait_until_waiting(1);
    assert_int_equal(lookups, before + 1);
    hold_names(false);
    close(wait_for_connection(client, live));
    zkt_client_close(client);
    wait_until_waiting(0);
    close(live);
}

/* A forked child can end with exit, after and during a lookup of its parent; it
 * may look up names itself. */
static void leave_by_exit(bool connects)
{
    int status = -1;
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        const struct zkt_client_options options = { .no_reconnect = true };
        struct zkt_client *client =
            connects ? zkt_client_open("ws://none:1", &options) : NULL;
        while (zkt_client_poll(client, -1) != ZKT_CLOSED) {
        }
        zkt_client_close(client);
        exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_fork(void **state)
{
    (void)state;
    test_an_unknown_name(state);
    leave_by_exit(false);
    leave_by_exit(true);
    hold_names(true);
    struct zkt_client *client = zkt_client_open("ws://slow:1", NULL);
    zkt_client_poll(client, 0);
    wait_until_waiting(1);
    leave_by_exit(false);
    leave_by_exit(true);
    zkt_client_close(client);
    hold_names(false);
    wait_until_waiting(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* before any thread has started */
        cmocka_unit_test(test_no_more_threads),
        cmocka_unit_test(test_refused_addresses_are_passed),
        cmocka_unit_test(test_an_address_that_never_answers),
        cmocka_unit_test(test_an_unknown_name),
        cmocka_unit_test(test_waiting_for_an_unknown_name),
        cmocka_unit_test(test_slow_names_block_no_other_work),
        cmocka_unit_test(test_a_name_slower_than_an_attempt),
        cmocka_unit_test(test_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
