/*
 * Clients over real sockets: the counter's server is killed and restarted under
 * a client of each of its three drivers, and the state is in sync again. The
 * tests wait for events, never for a time.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <uv.h>

#include "counter_client.h"
#include "program.h"

/* COUNTER_SERVER, from the environment. */
static char *server_arguments[2];

static struct program server;

static int set_up(void **state)
{
    (void)state;
    assert_true(program_start(&server, server_arguments, "0"));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    program_kill(&server);
    return 0;
}

/* Restarts the server on its old port, so that the client finds it again. */
static void restart(void)
{
    char port[8];
    bool up = false;
    snprintf(port, sizeof(port), "%s", server.port);
    /* another program may hold it briefly */
    for (int i = 0; i < 100 && !up; i++) {
        program_kill(&server);
        up = program_start(&server, server_arguments, port);
    }
    assert_true(up);
}

/* Short delays for short tests; the restart of the server takes longer. */
static const struct zkt_client_options quick = {
    .reconnect_min_ms = 5,
    .reconnect_max_ms = 20,
    .rpc_timeout_ms = 60000,
};

/* The client's notifications; guarded if threads share it. */
struct seen {
    struct zkt_client *client;
    struct demo_counter *counter;
    enum zkt_connection status;
    char history[32];
    int32_t n, result;
    int told, done;
    enum zkt_status outcome;
    char error[64];
};

static void on_status(enum zkt_connection status, void *user)
{
    struct seen *seen = user;
    const size_t len = strlen(seen->history);
    assert_true(len + 1 < sizeof(seen->history));
    seen->history[len] = "cCrd"[status];
    seen->status = status;
}

static void on_n(int32_t n, void *user)
{
    struct seen *seen = user;
    seen->n = n;
    seen->told++;
}

static void on_inc(const struct zkt_reply *reply, int32_t n, void *user)
{
    struct seen *seen = user;
    seen->done++;
    seen->outcome = reply->status;
    seen->result = n;
    snprintf(seen->error, sizeof(seen->error), "%s", reply->error);
}

static void begin_inc(struct seen *seen, int32_t by)
{
    const struct demo_counter_inc_input in = { .by = by };
    demo_counter_begin_inc(seen->counter, &in, on_inc, seen);
}

static void open_seen(struct seen *seen,
                      const struct zkt_client_options *options)
{
    *seen = (struct seen){ .client = zkt_client_open(server.url, options) };
    assert_non_null(seen->client);
    seen->counter = demo_counter_open(seen->client, "x");
    zkt_client_on_status(seen->client, on_status, seen);
    demo_counter_watch_n(seen->counter, on_n, seen);
}

/* ---- polled clients ---- */

static void test_polled(void **state)
{
    struct seen seen;
    struct zkt_reply reply = { 0 };
    const struct demo_counter_inc_input three = { .by = 3 };
    int32_t n = 0;
    (void)state;
    open_seen(&seen, &quick);
    assert_int_equal(demo_counter_call_inc(seen.counter, &three, &n, &reply),
                     ZKT_OK);
    assert_int_equal(n, 3);
    while (seen.n != 3) {
        zkt_client_poll(seen.client, -1);
    }
    program_kill(&server);
    while (seen.status != ZKT_RECONNECTING) {
        zkt_client_poll(seen.client, -1);
    }
    begin_inc(&seen, 4); /* waits for the socket */
    for (int i = 0; i < 5; i++) {
        zkt_client_poll(seen.client, 20);
    }
    assert_int_equal(seen.done, 0);
    restart();
    while (seen.done == 0) {
        zkt_client_poll(seen.client, -1);
    }
    assert_int_equal(seen.outcome, ZKT_OK);
    assert_int_equal(seen.result, 4); /* the new server began at 0 */
    assert_int_equal(seen.n, 4);
    assert_int_equal(demo_counter_snapshot(seen.counter)->n, 4);
    assert_string_equal(seen.history, "CrC");
    zkt_reply_clear(&reply);
    demo_counter_close(seen.counter);
    zkt_client_close(seen.client);
    assert_string_equal(seen.history, "CrCd");
}

/* Closes the client while its name is being resolved. */
static void test_closing_while_a_name_is_looked_up(void **state)
{
    (void)state;
    struct zkt_client *client = zkt_client_open("ws://localhost:1", &quick);
    assert_int_equal(zkt_client_poll(client, 0), ZKT_OK);
    zkt_client_close(client);
}

static void count_post(struct zkt_client *client, void *user)
{
    int *count = user;
    assert_non_null(client);
    (*count)++;
}

static void test_posting_to_a_polled_client(void **state)
{
    struct seen seen;
    int count = 0;
    (void)state;
    open_seen(&seen, &quick);
    while (seen.status != ZKT_CONNECTED) {
        zkt_client_poll(seen.client, -1);
    }
    assert_int_equal(zkt_client_post(seen.client, count_post, &count), ZKT_OK);
    assert_int_equal(count, 0);
    while (count == 0) {
        zkt_client_poll(seen.client, -1);
    }
    assert_int_equal(zkt_client_post(seen.client, count_post, &count), ZKT_OK);
    demo_counter_close(seen.counter);
    zkt_client_close(seen.client);
    assert_int_equal(count, 2); /* earlier posts still ran */
}

/* ---- clients on a user's loop ---- */

struct on_loop {
    struct seen seen;
    uv_idle_t step;
    int stage;
};

/* Takes the next step, once per iteration, when the condition of the previous
 * step holds. */
static void on_step(uv_idle_t *step)
{
    struct on_loop *t = step->data;
    struct seen *seen = &t->seen;
    struct zkt_reply reply = { 0 };
    switch (t->stage) {
    case 0:
        assert_int_equal(zkt_client_poll(seen->client, 0),
                         ZKT_FAILED_PRECONDITION);
        assert_int_equal(demo_counter_call_reset(seen->counter, &reply),
                         ZKT_FAILED_PRECONDITION);
        zkt_reply_clear(&reply);
        begin_inc(seen, 3);
        t->stage++;
        break;
    case 1:
        if (seen->n == 3 && seen->done == 1) {
            program_kill(&server);
            t->stage++;
        }
        break;
    case 2:
        if (seen->status == ZKT_RECONNECTING) {
            begin_inc(seen, 5);
            restart();
            t->stage++;
        }
        break;
    case 3:
        if (seen->n == 5 && seen->done == 2) {
            begin_inc(seen, 1);
            demo_counter_close(seen->counter);
            zkt_client_close(seen->client);
            uv_close((uv_handle_t *)step, NULL);
            t->stage++;
        }
        break;
    default:
        fail();
    }
}

static void test_on_a_loop_of_ours(void **state)
{
    struct zkt_client_options options = quick;
    struct on_loop t = { .stage = 0 };
    uv_loop_t loop;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    options.loop = &loop;
    open_seen(&t.seen, &options);
    uv_idle_init(&loop, &t.step);
    t.step.data = &t;
    uv_idle_start(&t.step, on_step);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(t.stage, 4);
    assert_int_equal(t.seen.done, 3);
    assert_string_equal(t.seen.error, "WebSocket client closed");
    assert_string_equal(t.seen.history, "CrCd");
    assert_int_equal(uv_loop_close(&loop), 0); /* nothing is left in it */
}

static void close_on_inc(const struct zkt_reply *reply, int32_t n, void *user)
{
    struct seen *seen = user;
    on_inc(reply, n, seen);
    demo_counter_close(seen->counter);
    zkt_client_close(seen->client);
}

/* A call outside of all callbacks is sent although nothing else wakes the loop;
 * and the client is closed in a callback of its own. */
static void test_a_quiet_loop(void **state)
{
    struct zkt_client_options options = quick;
    struct seen seen = { .n = 0 };
    const struct demo_counter_inc_input in = { .by = 2 };
    uv_loop_t loop;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    options.loop = &loop;
    seen.client = zkt_client_open(server.url, &options);
    seen.counter = demo_counter_open(seen.client, "x");
    while (zkt_client_status(seen.client) != ZKT_CONNECTED) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    while (uv_run(&loop, UV_RUN_NOWAIT) == 0) {
    }
    demo_counter_begin_inc(seen.counter, &in, close_on_inc, &seen);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(seen.done, 1);
    assert_int_equal(seen.result, 2);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_a_loop_that_ends_early(void **state)
{
    struct zkt_client_options options = quick;
    uv_loop_t loop;
    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    options.loop = &loop;
    struct zkt_client *client = zkt_client_open(server.url, &options);
    zkt_client_close(client); /* before the loop has run */
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&loop), 0);
    options.thread = true;
    assert_null(zkt_client_open(server.url, &options));
}

/* ---- clients with a thread of their own ---- */

/* Passes results from callbacks on the client's thread to the test's thread. */
struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t main;
    struct zkt_client *client;
    struct demo_counter *counter;
    enum zkt_connection status;
    int32_t n;
    bool over;
};

static void shared_begin(struct shared *s)
{
    assert_false(pthread_equal(pthread_self(), s->main));
    pthread_mutex_lock(&s->mutex);
}

static void shared_end(struct shared *s)
{
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
}

static void shared_on_status(enum zkt_connection status, void *user)
{
    struct shared *s = user;
    shared_begin(s);
    s->status = status;
    shared_end(s);
}

static void shared_on_n(int32_t n, void *user)
{
    struct shared *s = user;
    shared_begin(s);
    s->n = n;
    shared_end(s);
}

static void wait_for_n(struct shared *s, int32_t n)
{
    pthread_mutex_lock(&s->mutex);
    while (s->n != n) {
        pthread_cond_wait(&s->changed, &s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
}

static void wait_for_status(struct shared *s, enum zkt_connection status)
{
    pthread_mutex_lock(&s->mutex);
    while (s->status != status) {
        pthread_cond_wait(&s->changed, &s->mutex);
    }
    pthread_mutex_unlock(&s->mutex);
}

/* The listener may have been added after the connection. */
static void be_connected(struct shared *s)
{
    struct zkt_reply reply = { 0 };
    assert_int_equal(demo_counter_call_reset(s->counter, &reply), ZKT_OK);
    zkt_reply_clear(&reply);
}

static void open_shared(struct shared *s)
{
    struct zkt_client_options options = quick;
    options.thread = true;
    *s = (struct shared){ .main = pthread_self() };
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->changed, NULL);
    s->client = zkt_client_open(server.url, &options);
    assert_non_null(s->client);
    s->counter = demo_counter_open(s->client, "x");
    zkt_client_on_status(s->client, shared_on_status, s);
    demo_counter_watch_n(s->counter, shared_on_n, s);
}

static void finish_shared(struct shared *s)
{
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
}

static void look_inside(struct zkt_client *client, void *user)
{
    struct shared *s = user;
    struct zkt_reply reply = { 0 };
    const int32_t n = demo_counter_snapshot(s->counter)->n;
    assert_int_equal(demo_counter_call_reset(s->counter, &reply),
                     ZKT_FAILED_PRECONDITION);
    assert_int_equal(zkt_client_poll(client, 0), ZKT_FAILED_PRECONDITION);
    shared_begin(s);
    s->over = n == 6;
    shared_end(s);
}

static void test_on_its_own_thread(void **state)
{
    struct shared s;
    struct zkt_reply reply = { 0 };
    const struct demo_counter_inc_input two = { .by = 2 };
    int32_t n = 0;
    (void)state;
    open_shared(&s);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(demo_counter_call_inc(s.counter, &two, &n, &reply),
                         ZKT_OK);
        assert_int_equal(n, 2 * i);
    }
    wait_for_n(&s, 6);
    assert_int_equal(zkt_client_post(s.client, look_inside, &s), ZKT_OK);
    pthread_mutex_lock(&s.mutex);
    while (!s.over) {
        pthread_cond_wait(&s.changed, &s.mutex);
    }
    pthread_mutex_unlock(&s.mutex);
    program_kill(&server);
    wait_for_status(&s, ZKT_RECONNECTING);
    restart();
    assert_int_equal(demo_counter_call_inc(s.counter, &two, &n, &reply),
                     ZKT_OK);
    assert_int_equal(n, 2);
    wait_for_n(&s, 2);
    assert_int_equal(zkt_client_status(s.client), ZKT_CONNECTED);
    assert_int_equal(zkt_client_poll(s.client, 0), ZKT_FAILED_PRECONDITION);
    const struct demo_counter_inc_input bad = { .by = 99 };
    assert_int_equal(demo_counter_call_inc(s.counter, &bad, &n, &reply),
                     ZKT_INVALID_ARGUMENT);
    assert_non_null(strstr(reply.error, "Validation failed for inc"));
    zkt_reply_clear(&reply);
    demo_counter_close(s.counter);
    zkt_client_close(s.client);
    assert_int_equal(s.status, ZKT_DISCONNECTED); /* the thread has ended */
    finish_shared(&s);
}

static void shared_on_inc(const struct zkt_reply *reply, int32_t n, void *user)
{
    struct shared *s = user;
    shared_begin(s);
    s->over = reply->status == ZKT_OK && n == 9;
    shared_end(s);
}

/* Calls begin here and end on the client's thread; listeners are added and
 * removed from here, too. */
static void test_beginning_on_another_thread(void **state)
{
    struct shared s;
    const struct demo_counter_inc_input nine = { .by = 9 };
    (void)state;
    open_shared(&s);
    demo_counter_begin_inc(s.counter, &nine, shared_on_inc, &s);
    pthread_mutex_lock(&s.mutex);
    while (!s.over) {
        pthread_cond_wait(&s.changed, &s.mutex);
    }
    pthread_mutex_unlock(&s.mutex);
    wait_for_n(&s, 9);
    const uint64_t id = demo_counter_watch_n(s.counter, shared_on_n, &s);
    assert_int_not_equal(id, 0);
    zkt_client_off(s.client, id);
    demo_counter_close(s.counter);
    demo_counter_close(s.counter); /* harmless */
    zkt_client_close(s.client);
    finish_shared(&s);
}

enum {
    CALLERS = 4,
    CALLS = 25
};

static void *call_often(void *user)
{
    struct shared *s = user;
    const struct demo_counter_inc_input one = { .by = 1 };
    struct zkt_reply reply = { 0 };
    int32_t n;
    struct demo_counter *mine = demo_counter_open(s->client, "x");
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(demo_counter_call_inc(mine, &one, &n, &reply), ZKT_OK);
    }
    zkt_reply_clear(&reply);
    demo_counter_close(mine);
    return NULL;
}

static void test_many_threads_call(void **state)
{
    struct shared s;
    pthread_t threads[CALLERS];
    (void)state;
    open_shared(&s);
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, &s), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(threads[i], NULL);
    }
    wait_for_n(&s, CALLERS * CALLS);
    demo_counter_close(s.counter);
    zkt_client_close(s.client);
    finish_shared(&s);
}

static void *call_until_closed(void *user)
{
    struct shared *s = user;
    struct zkt_reply reply = { 0 };
    const enum zkt_status status = demo_counter_call_reset(s->counter, &reply);
    assert_int_equal(status, ZKT_CANCELLED);
    assert_string_equal(reply.error, "WebSocket client closed");
    zkt_reply_clear(&reply);
    return NULL;
}

struct look {
    struct shared *shared;
    uint64_t calls;
    bool over;
};

static void count_calls(struct zkt_client *client, void *user)
{
    struct look *look = user;
    struct zkt_client_stats stats;
    zkt_client_stats(client, &stats);
    shared_begin(look->shared);
    look->calls = stats.calls;
    look->over = true;
    shared_end(look->shared);
}

/* A thread waits for a reply that never comes, until another thread closes the
 * client. */
static void test_closing_ends_the_waits_of_other_threads(void **state)
{
    struct shared s;
    struct look look = { .shared = &s };
    pthread_t caller;
    (void)state;
    open_shared(&s);
    be_connected(&s);
    (void)kill(server.pid, SIGSTOP);
    assert_int_equal(pthread_create(&caller, NULL, call_until_closed, &s), 0);
    while (look.calls < 2) { /* until the call is under way */
        look.over = false;
        assert_int_equal(zkt_client_post(s.client, count_calls, &look), ZKT_OK);
        pthread_mutex_lock(&s.mutex);
        while (!look.over) {
            pthread_cond_wait(&s.changed, &s.mutex);
        }
        pthread_mutex_unlock(&s.mutex);
    }
    zkt_client_close(s.client);
    pthread_join(caller, NULL);
    demo_counter_close(s.counter);
    finish_shared(&s);
}

static void close_inside(struct zkt_client *client, void *user)
{
    struct shared *s = user;
    demo_counter_close(s->counter);
    zkt_client_close(client);
}

static void test_closing_on_its_own_thread(void **state)
{
    static struct shared s; /* its thread may outlive this function */
    (void)state;
    open_shared(&s);
    be_connected(&s);
    assert_int_equal(zkt_client_post(s.client, close_inside, &s), ZKT_OK);
    wait_for_status(&s, ZKT_DISCONNECTED);
}

/* ---- closing in every callback, for each kind of client ---- */

enum where {
    AT_STATUS,
    AT_STATE,
    AT_REPLY,
    AT_POST,
    PLACES
};

/* A client that closes its handle and itself in the callback @where, and then
 * goes on using them. */
struct closer {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct zkt_client *client;
    struct demo_counter *counter;
    enum where where;
    bool acted, over;
    int begun, told;
};

static void after_the_end(const struct zkt_reply *reply, int32_t n, void *user)
{
    struct closer *c = user;
    (void)n;
    assert_int_not_equal(reply->status, ZKT_OK);
    c->told++;
}

static void act(struct closer *c, enum where where)
{
    const struct demo_counter_inc_input one = { .by = 1 };
    struct zkt_reply reply = { 0 };
    int32_t n;
    if (c->acted || c->where != where) {
        return;
    }
    c->acted = true;
    c->begun++;
    demo_counter_begin_inc(c->counter, &one, after_the_end, c);
    zkt_client_close(c->client);
    zkt_client_close(c->client);
    c->begun++;
    demo_counter_begin_inc(c->counter, &one, after_the_end, c);
    assert_int_equal(demo_counter_call_inc(c->counter, &one, &n, &reply),
                     ZKT_FAILED_PRECONDITION);
    zkt_reply_clear(&reply);
    assert_int_equal(zkt_client_poll(c->client, 0), ZKT_FAILED_PRECONDITION);
    struct demo_counter *another = demo_counter_open(c->client, "y");
    demo_counter_watch_n(another, on_n, NULL);
    demo_counter_close(another);
    demo_counter_close(c->counter);
    demo_counter_close(c->counter);
    assert_null(demo_counter_snapshot(c->counter));
    zkt_client_off(c->client, 1);
}

static void closer_on_status(enum zkt_connection status, void *user)
{
    struct closer *c = user;
    if (status == ZKT_CONNECTED) {
        act(c, AT_STATUS);
    } else if (status == ZKT_DISCONNECTED) {
        pthread_mutex_lock(&c->mutex);
        c->over = true;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->mutex);
    }
}

static void closer_on_n(int32_t n, void *user)
{
    (void)n;
    act(user, AT_STATE);
}

static void closer_on_inc(const struct zkt_reply *reply, int32_t n, void *user)
{
    struct closer *c = user;
    (void)reply;
    (void)n;
    c->told++;
    act(c, AT_REPLY);
}

static void closer_on_post(struct zkt_client *client, void *user)
{
    struct closer *c = user;
    const struct demo_counter_inc_input one = { .by = 1 };
    zkt_client_on_status(client, closer_on_status, c);
    demo_counter_watch_n(c->counter, closer_on_n, c);
    c->begun++;
    demo_counter_begin_inc(c->counter, &one, closer_on_inc, c);
    act(c, AT_POST);
    if (zkt_client_status(client) == ZKT_CONNECTED) {
        /* the connection on the thread was faster than this listener */
        act(c, AT_STATUS);
    }
}

static void open_closer(struct closer *c, enum where where,
                        struct zkt_client_options options)
{
    *c = (struct closer){ .where = where };
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->changed, NULL);
    options.reconnect_min_ms = 5;
    c->client = zkt_client_open(server.url, &options);
    assert_non_null(c->client);
    c->counter = demo_counter_open(c->client, "x");
    assert_int_equal(zkt_client_post(c->client, closer_on_post, c), ZKT_OK);
}

static void finish_closer(struct closer *c)
{
    assert_true(c->acted);
    assert_int_equal(c->told, c->begun);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->mutex);
}

static void test_closing_in_any_callback(void **state)
{
    const struct zkt_client_options none = { 0 };
    struct closer c;
    uv_loop_t loop;
    (void)state;
    for (int where = 0; where < PLACES; where++) {
        open_closer(&c, (enum where)where, none);
        while (zkt_client_poll(c.client, -1) != ZKT_CLOSED) {
        }
        finish_closer(&c);
        assert_int_equal(uv_loop_init(&loop), 0);
        open_closer(&c, (enum where)where,
                    (struct zkt_client_options){ .loop = &loop });
        assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(uv_loop_close(&loop), 0);
        finish_closer(&c);
    }
}

/* No thread waits for the clients' thread: it may outlive this function. */
static void test_closing_in_any_callback_of_a_thread(void **state)
{
    static struct closer closers[PLACES];
    (void)state;
    for (int where = 0; where < PLACES; where++) {
        struct closer *c = &closers[where];
        open_closer(c, (enum where)where,
                    (struct zkt_client_options){ .thread = true });
        pthread_mutex_lock(&c->mutex);
        while (!c->over) {
            pthread_cond_wait(&c->changed, &c->mutex);
        }
        pthread_mutex_unlock(&c->mutex);
        assert_true(c->acted);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_polled),
        T(test_closing_while_a_name_is_looked_up),
        T(test_posting_to_a_polled_client),
        T(test_on_a_loop_of_ours),
        T(test_a_quiet_loop),
        T(test_a_loop_that_ends_early),
        T(test_on_its_own_thread),
        T(test_beginning_on_another_thread),
        T(test_many_threads_call),
        T(test_closing_ends_the_waits_of_other_threads),
        T(test_closing_on_its_own_thread),
        T(test_closing_in_any_callback),
        T(test_closing_in_any_callback_of_a_thread),
    };
#undef T
    server_arguments[0] = getenv("COUNTER_SERVER");
    if (server_arguments[0] == NULL) {
        fprintf(stderr, "COUNTER_SERVER is not set\n");
        return 2;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
