/*
 * Servers on libuv loops: a loop of the user's, and that of zkt_serve; how they
 * stop, how they fail to start, and that their timers run.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "counter_client.h"
#include "counter_server.h"
#include "failing_alloc.h"

static struct demo_counter_inc_later *held;

static enum zkt_status inc(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    if (in->by == 7) {
        held = demo_counter_defer_inc(call);
        return ZKT_PENDING;
    }
    demo_counter_set_n(call, call->state->n + in->by);
    *out = call->state->n;
    return ZKT_OK;
}

static enum zkt_status inc_later(struct demo_counter_call *call,
                                 const struct demo_counter_inc_input *in,
                                 int32_t *out, void *user)
{
    int *ran = user;
    (*ran)++;
    demo_counter_set_n(call, call->state->n + 10 * in->by);
    *out = call->state->n;
    return ZKT_OK;
}

static enum zkt_status reset(struct demo_counter_call *call)
{
    zkt_server_shutdown(zkt_call_server(call->zkt));
    return ZKT_OK;
}

static const struct demo_counter_handlers counter = { .inc = inc,
                                                      .reset = reset };
static const struct demo_handlers handlers = { .counter = &counter };

/* The calls to the functions in the options. */
struct seen {
    uint16_t port;
    int listening, stopped;
    struct zkt_server *server;
    pthread_t thread; /* of a connecting peer */
    int closed;       /* connections that the server has closed */
    enum zkt_status posted;
};

static void on_listening(void *user, uint16_t port)
{
    struct seen *seen = user;
    seen->listening++;
    seen->port = port;
}

static void on_stopped(void *user)
{
    struct seen *seen = user;
    seen->stopped++;
}

static void ignore_log(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    (void)text;
}

static struct zkt_serve_options options_for(struct seen *seen)
{
    return (struct zkt_serve_options){
        .on_listening = on_listening,
        .on_stopped = on_stopped,
        .user = seen,
        .log = ignore_log,
    };
}

static struct zkt_server *new_server(struct seen *seen)
{
    const struct zkt_serve_options options = options_for(seen);
    struct zkt_server *server = NULL;
    assert_int_equal(zkt_server_new(demo_app(&handlers), &options, &server),
                     ZKT_OK);
    return server;
}

/* ---- a loop of the user's ---- */

struct answer {
    int count, status;
    int32_t value;
};

static void on_inc(const struct zkt_reply *reply, int32_t result, void *user)
{
    struct answer *answer = user;
    answer->count++;
    answer->status = (int)reply->status;
    answer->value = result;
}

static void on_reset(const struct zkt_reply *reply, void *user)
{
    struct answer *answer = user;
    answer->count++;
    answer->status = (int)reply->status;
}

/* Runs both sides until @count is reached. */
static void run_until(uv_loop_t *loop, struct zkt_client *client,
                      const int *count, int wanted)
{
    while (*count < wanted) {
        (void)uv_run(loop, UV_RUN_NOWAIT);
        (void)zkt_client_poll(client, 0);
    }
}

static void test_a_loop_of_the_users(void **state)
{
    struct seen seen = { 0 };
    struct answer answer = { 0 };
    struct zkt_server *server = new_server(&seen);
    uv_loop_t loop;
    char url[64];
    int ran = 0;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(zkt_server_listen(server, &loop), ZKT_OK);
    assert_int_equal(zkt_server_listen(server, &loop), ZKT_FAILED_PRECONDITION);
    assert_null(zkt_client_open_local(server));
    assert_int_equal(seen.listening, 1);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", (unsigned)seen.port);
    struct zkt_client *client = zkt_client_open(url, NULL);
    struct demo_counter *x = demo_counter_open(client, "x");
    demo_counter_begin_inc(x, &(struct demo_counter_inc_input){ .by = 1 },
                           on_inc, &answer);
    run_until(&loop, client, &answer.count, 1);
    assert_int_equal(answer.value, 1);
    demo_counter_begin_inc(x, &(struct demo_counter_inc_input){ .by = 7 },
                           on_inc, &answer);
    while (held == NULL) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
        (void)zkt_client_poll(client, 0);
    }
    demo_counter_resume_inc(held, inc_later, &ran);
    held = NULL;
    run_until(&loop, client, &answer.count, 2);
    assert_int_equal(answer.value, 71);
    assert_int_equal(ran, 1);
    /* A handler stops the server; the loop ends by itself. */
    demo_counter_begin_reset(x, on_reset, &answer);
    run_until(&loop, client, &answer.count, 3);
    assert_int_equal(answer.status, ZKT_OK);
    demo_counter_close(x);
    zkt_client_close(client);
    assert_int_equal(seen.stopped, 0);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(seen.stopped, 1);
    assert_true(zkt_server_is_down(server));
    zkt_server_free(server);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void free_server(void *user)
{
    struct seen *seen = user;
    seen->stopped++;
    zkt_server_free(seen->server);
}

static void test_freed_when_it_has_stopped(void **state)
{
    struct seen seen = { 0 };
    struct zkt_serve_options options = options_for(&seen);
    uv_loop_t loop;
    (void)state;
    options.on_stopped = free_server;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(
        zkt_server_new(demo_app(&handlers), &options, &seen.server), ZKT_OK);
    assert_int_equal(zkt_server_listen(seen.server, &loop), ZKT_OK);
    zkt_server_shutdown(seen.server);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(seen.stopped, 1);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* A request outside of a turn wakes a sleeping loop. */
static void destroy_it(uv_timer_t *timer)
{
    struct zkt_server *server = timer->data;
    assert_int_equal(
        zkt_server_destroy(server, ZKT_STR("counter"), ZKT_STR("x")), ZKT_OK);
    uv_close((uv_handle_t *)timer, NULL);
}

static void test_the_loop_is_woken(void **state)
{
    struct seen seen = { 0 };
    struct answer answer = { 0 };
    struct zkt_server *server = new_server(&seen);
    struct zkt_server_stats stats = { 0 };
    uv_loop_t loop;
    uv_timer_t timer;
    char url[64];
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(zkt_server_listen(server, &loop), ZKT_OK);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", (unsigned)seen.port);
    struct zkt_client *client = zkt_client_open(url, NULL);
    struct demo_counter *x = demo_counter_open(client, "x");
    demo_counter_begin_inc(x, &(struct demo_counter_inc_input){ .by = 1 },
                           on_inc, &answer);
    run_until(&loop, client, &answer.count, 1);
    uv_timer_init(&loop, &timer);
    timer.data = server;
    uv_timer_start(&timer, destroy_it, 0, 0);
    do {
        (void)uv_run(&loop, UV_RUN_ONCE); /* blocks, unless it is woken */
        zkt_server_stats(server, &stats);
    } while (stats.instances > 0);
    zkt_server_shutdown(server);
    demo_counter_close(x);
    zkt_client_close(client);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    zkt_server_free(server);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_freeing_a_server_that_listens(void **state)
{
    struct seen seen = { 0 };
    struct answer answer = { 0 };
    struct zkt_server *server = new_server(&seen);
    uv_loop_t loop;
    char url[64];
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(zkt_server_listen(server, &loop), ZKT_OK);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", (unsigned)seen.port);
    struct zkt_client *client = zkt_client_open(url, NULL);
    struct demo_counter *x = demo_counter_open(client, "x");
    demo_counter_begin_inc(x, &(struct demo_counter_inc_input){ .by = 1 },
                           on_inc, &answer);
    run_until(&loop, client, &answer.count, 1);
    zkt_server_free(server);
    assert_int_equal(seen.stopped, 0);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(seen.stopped, 1);
    assert_int_equal(uv_loop_close(&loop), 0);
    demo_counter_close(x);
    zkt_client_close(client);
}

static void test_failing_starts(void **state)
{
    struct seen first = { 0 }, second = { 0 };
    struct zkt_server *a = new_server(&first);
    uv_loop_t loop;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(zkt_server_listen(a, &loop), ZKT_OK);
    struct zkt_serve_options options = options_for(&second);
    struct zkt_server *b = NULL;
    options.port = first.port; /* taken */
    assert_int_equal(zkt_server_new(demo_app(&handlers), &options, &b), ZKT_OK);
    assert_int_equal(zkt_server_listen(b, &loop), ZKT_SYSTEM);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(second.listening, 0);
    assert_int_equal(second.stopped, 1);
    zkt_server_free(b);
    assert_int_equal(zkt_serve(demo_app(&handlers), &options), 1);
    zkt_server_shutdown(a);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(first.stopped, 1);
    assert_int_equal(zkt_server_listen(a, &loop), ZKT_FAILED_PRECONDITION);
    zkt_server_free(a);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_listening_without_memory(void **state)
{
    uv_loop_t loop;
    long n = 1;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    for (bool failed = true; failed; n++) {
        struct failing_alloc failing;
        struct seen seen = { 0 };
        struct zkt_serve_options options = options_for(&seen);
        struct zkt_server *server = NULL;
        failing_alloc_init(&failing, 0);
        options.allocator = &failing.allocator;
        assert_int_equal(zkt_server_new(demo_app(&handlers), &options, &server),
                         ZKT_OK);
        failing.fail_at = failing.calls + n;
        failed = zkt_server_listen(server, &loop) != ZKT_OK;
        assert_int_equal(failed, failing.calls >= failing.fail_at);
        zkt_server_free(server);
        assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(seen.stopped, 1);
        assert_int_equal(failing.live, 0);
    }
    assert_int_equal(n, 5);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* ---- no loop ---- */

struct meddler {
    struct zkt_server *server;
    int count;
};

static void meddle(const struct zkt_reply *reply, int32_t result, void *user)
{
    struct meddler *meddler = user;
    struct zkt_server_stats stats;
    assert_int_equal(reply->status, ZKT_OK);
    assert_int_equal(result, 1);
    meddler->count++;
    assert_int_equal(
        zkt_server_destroy(meddler->server, ZKT_STR("counter"), ZKT_STR("x")),
        ZKT_OK);
    zkt_server_advance(meddler->server, 10);
    zkt_server_stats(meddler->server, &stats);
    assert_int_equal(stats.instances, 0);
    zkt_server_shutdown(meddler->server);
}

/* A callback of a client may call every function of a server. */
static void test_a_local_client_meddles(void **state)
{
    struct seen seen = { 0 };
    struct answer answer = { 0 };
    struct zkt_server *server = new_server(&seen);
    struct meddler meddler = { .server = server };
    struct zkt_client *client = zkt_client_open_local(server);
    struct demo_counter *x = demo_counter_open(client, "x");
    int ran = 0;
    (void)state;
    demo_counter_begin_inc(x, &(struct demo_counter_inc_input){ .by = 7 },
                           on_inc, &answer);
    while (held == NULL) {
        assert_int_equal(zkt_client_poll(client, 0), ZKT_OK);
    }
    demo_counter_resume_inc(held, inc_later, &ran);
    held = NULL;
    while (answer.count == 0) {
        assert_int_equal(zkt_client_poll(client, 0), ZKT_OK);
    }
    assert_int_equal(answer.value, 70);
    assert_int_equal(
        zkt_server_destroy(server, ZKT_STR("counter"), ZKT_STR("x")), ZKT_OK);
    demo_counter_begin_inc(x, &(struct demo_counter_inc_input){ .by = 1 },
                           meddle, &meddler);
    while (meddler.count == 0) {
        assert_int_equal(zkt_client_poll(client, 0), ZKT_OK);
    }
    for (int i = 0; i < 1000 && !zkt_server_is_down(server); i++) {
        (void)zkt_client_poll(client, 0);
    }
    assert_true(zkt_server_is_down(server));
    demo_counter_close(x);
    zkt_client_close(client);
    zkt_server_free(server);
}

/* ---- zkt_serve ---- */

static void raise_it(struct zkt_server *server, void *user)
{
    (void)server;
    raise(*(int *)user);
}

static int signal_number;

static void post_signal(void *user, struct zkt_server *server)
{
    struct seen *seen = user;
    seen->server = server;
    if (signal_number == 0) {
        zkt_server_shutdown(server); /* before it has begun */
        return;
    }
    assert_int_equal(zkt_server_post(server, raise_it, &signal_number), ZKT_OK);
}

static void test_serving_until_a_signal(void **state)
{
    static const int signals[] = { SIGTERM, SIGINT, 0 };
    (void)state;
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        struct seen seen = { 0 };
        struct zkt_serve_options options = options_for(&seen);
        signal_number = signals[i];
        options.on_start = post_signal;
        assert_int_equal(zkt_serve(demo_app(&handlers), &options), 0);
        assert_non_null(seen.server);
        assert_int_equal(seen.stopped, 1);
    }
}

static volatile sig_atomic_t own_signals;

static void on_own_signal(int number)
{
    (void)number;
    own_signals++;
}

/* Raises the signal in every turn, the last time while the server is freed. */
static void raise_again(struct zkt_server *server, void *user)
{
    raise(SIGTERM);
    /* Until the server is closed, that is, freed. */
    const enum zkt_status status = zkt_server_post(server, raise_again, user);
    assert_true(status == ZKT_OK || status == ZKT_CLOSED);
}

static void post_raise_again(void *user, struct zkt_server *server)
{
    assert_int_equal(zkt_server_post(server, raise_again, user), ZKT_OK);
}

/* A second signal ends the server, further signals have no effect; afterwards
 * the program's handlers are back. */
static void test_signals_at_every_moment(void **state)
{
    const struct sigaction own = { .sa_handler = on_own_signal };
    struct sigaction before, after;
    struct seen seen = { 0 };
    struct zkt_serve_options options = options_for(&seen);
    (void)state;
    assert_int_equal(sigaction(SIGTERM, &own, &before), 0);
    options.on_start = post_raise_again;
    assert_int_equal(zkt_serve(demo_app(&handlers), &options), 0);
    assert_int_equal(seen.stopped, 1);
    assert_int_equal(own_signals, 0);
    assert_int_equal(sigaction(SIGTERM, &before, &after), 0);
    assert_true(after.sa_handler == on_own_signal);
}

static char hangup_log[1024];

static void take_log(void *user, enum zkt_log_level level, const char *text)
{
    const size_t len = strlen(hangup_log);
    (void)user;
    (void)level;
    snprintf(hangup_log + len, sizeof(hangup_log) - len, "%s\n", text);
}

static void hang_up(struct zkt_server *server, void *user)
{
    (void)server;
    (void)user;
    raise(SIGHUP);
    raise(SIGTERM);
}

static void post_hang_up(void *user, struct zkt_server *server)
{
    assert_int_equal(zkt_server_post(server, hang_up, user), ZKT_OK);
}

/* SIGHUP ends no server without TLS, unless it is begun on a terminal; a
 * handler of the program is run. */
static void test_hangups(void **state)
{
    const struct sigaction own = { .sa_handler = on_own_signal },
                           usual = { .sa_handler = SIG_DFL };
    static const char line[] = "SIGHUP: there is no certificate to read again";
    struct sigaction before;
    const int input = dup(STDIN_FILENO);
    (void)state;
    (void)close(STDIN_FILENO);
    assert_int_equal(open("/dev/null", O_RDONLY), STDIN_FILENO);
    assert_int_equal(sigaction(SIGHUP, NULL, &before), 0);
    for (int has_own = 0; has_own < 2; has_own++) {
        struct seen seen = { 0 };
        struct zkt_serve_options options = options_for(&seen);
        own_signals = 0;
        hangup_log[0] = '\0';
        options.log = take_log;
        options.on_start = post_hang_up;
        assert_int_equal(sigaction(SIGHUP, has_own ? &own : &usual, NULL), 0);
        assert_int_equal(zkt_serve(demo_app(&handlers), &options), 0);
        assert_int_equal(seen.stopped, 1);
        assert_int_equal(strstr(hangup_log, line) == NULL, has_own);
        assert_int_equal(own_signals, has_own);
    }
    assert_int_equal(sigaction(SIGHUP, &before, NULL), 0);
    assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO);
    (void)close(input);
}

static void keep_server(void *user, struct zkt_server *server)
{
    struct seen *seen = user;
    seen->server = server;
}

static void shut_down(struct zkt_server *server, void *user)
{
    (void)user;
    zkt_server_shutdown(server);
}

/* Connects twice and sends nothing, until the server closes the connections. */
static void *knock_silently(void *user)
{
    struct seen *seen = user;
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons(seen->port) };
    char byte;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < 2; i++) {
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        const bool good = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0;
        seen->closed += good && recv(fd, &byte, 1, 0) == 0;
        close(fd);
    }
    seen->posted = zkt_server_post(seen->server, shut_down, NULL);
    return NULL;
}

static void listen_to_thread(void *user, uint16_t port)
{
    struct seen *seen = user;
    seen->port = port;
    assert_int_equal(pthread_create(&seen->thread, NULL, knock_silently, seen),
                     0);
}

/* No socket is ready meanwhile: the server's own timers must wake the loop. */
static void test_time_passes_while_serving(void **state)
{
    struct seen seen = { 0 };
    struct zkt_serve_options options = options_for(&seen);
    (void)state;
    options.on_start = keep_server;
    options.on_listening = listen_to_thread;
    options.limits.handshake_ms = 20;
    assert_int_equal(zkt_serve(demo_app(&handlers), &options), 0);
    assert_int_equal(pthread_join(seen.thread, NULL), 0);
    assert_int_equal(seen.closed, 2);
    assert_int_equal(seen.posted, ZKT_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_loop_of_the_users),
        cmocka_unit_test(test_freed_when_it_has_stopped),
        cmocka_unit_test(test_the_loop_is_woken),
        cmocka_unit_test(test_freeing_a_server_that_listens),
        cmocka_unit_test(test_failing_starts),
        cmocka_unit_test(test_listening_without_memory),
        cmocka_unit_test(test_a_local_client_meddles),
        cmocka_unit_test(test_serving_until_a_signal),
        cmocka_unit_test(test_signals_at_every_moment),
        cmocka_unit_test(test_hangups),
        cmocka_unit_test(test_time_passes_while_serving),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
