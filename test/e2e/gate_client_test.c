/*
 * Clients with parameters over real sockets, with each of the three drivers:
 * the program prepares each attempt on a thread of its own, and the server
 * refuses the first attempt. Then a refusal by a response.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uv.h>

#include "program.h"
#include "zocket/client.h"

static char *server_arguments[2]; /* GATE_SERVER, from the environment */
static struct program server;

/* A program that has a client. Its thread runs once for each attempt. */
struct program_of_client {
    struct zkt_client *client;
    struct zkt_connect *connect;
    pthread_mutex_t opened; /* held until client is set */
    pthread_t thread;
    int attempts;
    char first[ZKT_REFUSAL_TEXT];
    uv_loop_t loop;
};

static void *fetch_token(void *user)
{
    struct program_of_client *p = user;
    const bool again = p->attempts > 1;
    pthread_mutex_lock(&p->opened);
    pthread_mutex_unlock(&p->opened);
    zkt_connect_bearer(p->connect, again ? "new" : "old");
    zkt_connect_cookie(p->connect, "sid", "s");
    zkt_connect_header(p->connect, "X-Tenant", again ? "in" : "out");
    zkt_connect_query(p->connect, "color", "dark red");
    zkt_client_prepared(p->client, ZKT_OK);
    return NULL;
}

static enum zkt_status prepare(void *user, struct zkt_connect *connect)
{
    struct program_of_client *p = user;
    if (p->attempts++ > 0) {
        (void)pthread_join(p->thread, NULL);
        const struct zkt_refusal refusal = zkt_client_refusal(p->client);
        assert_int_equal(refusal.code, 4401);
        snprintf(p->first, sizeof(p->first), "%s", refusal.text);
    }
    p->connect = connect;
    assert_int_equal(pthread_create(&p->thread, NULL, fetch_token, p), 0);
    return ZKT_PENDING;
}

static void open_client(struct program_of_client *p, bool thread,
                        uv_loop_t *loop)
{
    const struct zkt_client_options options = {
        .prepare = prepare,
        .prepare_user = p,
        .thread = thread,
        .loop = loop,
        .reconnect_min_ms = 5,
        .connect_timeout_ms = 60000,
    };
    pthread_mutex_init(&p->opened, NULL);
    pthread_mutex_lock(&p->opened);
    p->client = zkt_client_open(server.url, &options);
    pthread_mutex_unlock(&p->opened);
    assert_non_null(p->client);
}

/* No other thread may use the client while it is closed. */
static void close_client(struct program_of_client *p)
{
    (void)pthread_join(p->thread, NULL);
    zkt_client_close(p->client);
}

static void check(struct program_of_client *p)
{
    pthread_mutex_destroy(&p->opened);
    assert_int_equal(p->attempts, 2);
    assert_string_equal(p->first,
                        "token=old sid=s tenant=out locale=en color=1");
}

static void test_polled(void **state)
{
    struct program_of_client p = { .attempts = 0 };
    (void)state;
    open_client(&p, false, NULL);
    assert_int_equal(zkt_client_ready(p.client, -1), ZKT_OK);
    close_client(&p);
    check(&p);
}

static void test_on_a_thread(void **state)
{
    struct program_of_client p = { .attempts = 0 };
    (void)state;
    open_client(&p, true, NULL);
    assert_int_equal(zkt_client_ready(p.client, -1), ZKT_OK);
    close_client(&p);
    check(&p);
}

static void on_status(enum zkt_connection status, void *user)
{
    struct program_of_client *p = user;
    if (status == ZKT_CONNECTED) {
        close_client(p);
    }
}

static void test_on_a_loop(void **state)
{
    struct program_of_client p = { .attempts = 0 };
    (void)state;
    assert_int_equal(uv_loop_init(&p.loop), 0);
    open_client(&p, false, &p.loop);
    zkt_client_on_status(p.client, on_status, &p);
    uv_run(&p.loop, UV_RUN_DEFAULT);
    check(&p);
    assert_int_equal(uv_loop_close(&p.loop), 0);
}

static enum zkt_status come_from_elsewhere(void *user,
                                           struct zkt_connect *connect)
{
    int *attempts = user;
    ++*attempts;
    zkt_connect_header(connect, "X-Tenant", "in");
    zkt_connect_header(connect, "Origin", "https://elsewhere.example");
    return ZKT_OK;
}

/* The app reads a cookie: a page of another origin is refused by HTTP. */
static void test_an_origin_is_refused(void **state)
{
    int attempts = 0;
    const struct zkt_client_options options = {
        .prepare = come_from_elsewhere,
        .prepare_user = &attempts,
    };
    (void)state;
    struct zkt_client *client = zkt_client_open(server.url, &options);
    assert_int_equal(zkt_client_ready(client, -1), ZKT_CLOSED);
    const struct zkt_refusal refusal = zkt_client_refusal(client);
    assert_int_equal(refusal.status, ZKT_PERMISSION_DENIED);
    assert_int_equal(refusal.code, 403);
    assert_string_equal(refusal.text, "The origin is not allowed");
    assert_int_equal(attempts, 1);
    zkt_client_close(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_polled),
        cmocka_unit_test(test_on_a_thread),
        cmocka_unit_test(test_on_a_loop),
        cmocka_unit_test(test_an_origin_is_refused),
    };
    server_arguments[0] = getenv("GATE_SERVER");
    if (server_arguments[0] == NULL ||
        !program_start(&server, server_arguments, "0")) {
        fprintf(stderr, "GATE_SERVER is no server\n");
        return 2;
    }
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    program_kill(&server);
    return failed;
}
