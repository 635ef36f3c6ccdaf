/*
 * Other threads: they post to a server and resume its calls, while it serves,
 * while it stops and after it was freed. The thread sanitizer reports unguarded
 * data.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "base/endpoint.h"
#include "counter_client.h"
#include "counter_server.h"
#include "zocket/embed.h"

enum {
    WORKERS = 3,
    CALLS = 300,
    QUEUE = 512
};

/* ---- calls that workers finish ---- */

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct demo_counter_inc_later *waiting[QUEUE];
    size_t count;
    bool over;
    int taken, finished, cancelled; /* the last two by `then` */
    pthread_t threads[WORKERS];
};

static struct pool *pool_of(struct demo_counter_call *call)
{
    return zkt_user(call->zkt);
}

/* Runs on the server's thread, or on a worker's if there is no server. */
static enum zkt_status finish_inc(struct demo_counter_call *call,
                                  const struct demo_counter_inc_input *in,
                                  int32_t *out, void *user)
{
    struct pool *pool = user;
    pthread_mutex_lock(&pool->lock);
    pool->finished++;
    pool->cancelled += zkt_cancelled(call->zkt);
    pthread_mutex_unlock(&pool->lock);
    demo_counter_set_n(call, call->state->n + in->by);
    *out = call->state->n;
    return ZKT_OK;
}

static enum zkt_status inc(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    struct pool *pool = pool_of(call);
    struct demo_counter_inc_later *later = demo_counter_defer_inc(call);
    (void)in;
    (void)out;
    pthread_mutex_lock(&pool->lock);
    pool->waiting[pool->count++] = later;
    pthread_cond_signal(&pool->filled);
    pthread_mutex_unlock(&pool->lock);
    return ZKT_PENDING;
}

static enum zkt_status reset(struct demo_counter_call *call)
{
    demo_counter_set_n(call, 0);
    return ZKT_OK;
}

static const struct demo_counter_handlers counter = { .inc = inc,
                                                      .reset = reset };

static struct demo_counter_inc_later *take(struct pool *pool)
{
    struct demo_counter_inc_later *later = NULL;
    pthread_mutex_lock(&pool->lock);
    while (pool->count == 0 && !pool->over) {
        pthread_cond_wait(&pool->filled, &pool->lock);
    }
    if (pool->count > 0) {
        later = pool->waiting[--pool->count];
        pool->taken++;
    }
    pthread_mutex_unlock(&pool->lock);
    return later;
}

static void *work(void *user)
{
    struct pool *pool = user;
    struct demo_counter_inc_later *later;
    while ((later = take(pool)) != NULL) {
        demo_counter_resume_inc(later, finish_inc, pool);
    }
    return NULL;
}

static void start_pool(struct pool *pool)
{
    *pool = (struct pool){ 0 };
    assert_int_equal(pthread_mutex_init(&pool->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&pool->filled, NULL), 0);
}

static void start_workers(struct pool *pool)
{
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&pool->threads[i], NULL, work, pool),
                         0);
    }
}

/* Waits until every call was resumed. */
static void end_pool(struct pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->over = true;
    pthread_cond_broadcast(&pool->filled);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(pool->threads[i], NULL), 0);
    }
    pthread_cond_destroy(&pool->filled);
    pthread_mutex_destroy(&pool->lock);
}

/* ---- a server on its own thread ---- */

struct host {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ready;
    struct demo_handlers handlers;
    struct zkt_server *server;
    uint16_t port;
    int status;
    int complaints; /* log lines about calls on other threads */
    char last[128]; /* the last of them */
};

static void on_start(void *user, struct zkt_server *server)
{
    struct host *host = user;
    pthread_mutex_lock(&host->lock);
    host->server = server;
    pthread_mutex_unlock(&host->lock);
}

static void on_listening(void *user, uint16_t port)
{
    struct host *host = user;
    pthread_mutex_lock(&host->lock);
    host->port = port;
    pthread_cond_signal(&host->ready);
    pthread_mutex_unlock(&host->lock);
}

static void keep_complaint(void *user, enum zkt_log_level level,
                           const char *text)
{
    struct host *host = user;
    if (level == ZKT_LOG_ERROR && strstr(text, "another thread") != NULL) {
        pthread_mutex_lock(&host->lock);
        host->complaints++;
        snprintf(host->last, sizeof(host->last), "%s", text);
        pthread_mutex_unlock(&host->lock);
    }
}

static void *serve(void *user)
{
    struct host *host = user;
    const struct zkt_serve_options options = {
        .on_start = on_start,
        .on_listening = on_listening,
        .user = host,
        .log = keep_complaint,
        .log_user = host,
    };
    host->status = zkt_serve(demo_app(&host->handlers), &options);
    return NULL;
}

static void start_host(struct host *host, struct pool *pool)
{
    *host = (struct host){ .handlers = { .user = pool, .counter = &counter } };
    assert_int_equal(pthread_mutex_init(&host->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&host->ready, NULL), 0);
    assert_int_equal(pthread_create(&host->thread, NULL, serve, host), 0);
    pthread_mutex_lock(&host->lock);
    while (host->port == 0) {
        pthread_cond_wait(&host->ready, &host->lock);
    }
    pthread_mutex_unlock(&host->lock);
}

static void stop(struct zkt_server *server, void *user)
{
    (void)user;
    zkt_server_shutdown(server);
}

static void end_host(struct host *host)
{
    assert_int_equal(zkt_server_post(host->server, stop, NULL), ZKT_OK);
    assert_int_equal(pthread_join(host->thread, NULL), 0);
    assert_int_equal(host->status, 0);
    pthread_cond_destroy(&host->ready);
    pthread_mutex_destroy(&host->lock);
}

/* ---- tests ---- */

static void on_inc(const struct zkt_reply *reply, int32_t result, void *user)
{
    int *done = user;
    (void)result;
    assert_int_equal(reply->status, ZKT_OK);
    (*done)++;
}

static void test_workers_finish_calls(void **state)
{
    struct pool pool;
    struct host host;
    struct zkt_reply reply = { 0 };
    char url[64];
    int done = 0, begun = 0;
    int32_t sum = 0;
    (void)state;
    start_pool(&pool);
    start_workers(&pool);
    start_host(&host, &pool);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", (unsigned)host.port);
    struct zkt_client *client = zkt_client_open(url, NULL);
    struct demo_counter *x = demo_counter_open(client, "x");
    struct demo_counter *y = demo_counter_open(client, "y");
    const struct demo_counter_inc_input one = { .by = 1 };
    while (done < CALLS) {
        for (; begun < CALLS && begun - done < 100; begun++) {
            demo_counter_begin_inc(begun % 3 == 0 ? y : x, &one, on_inc, &done);
        }
        (void)zkt_client_poll(client, 0);
    }
    assert_int_equal(demo_counter_call_inc(x, &one, &sum, &reply), ZKT_OK);
    assert_int_equal(sum, 2 * CALLS / 3 + 1);
    zkt_reply_clear(&reply);
    demo_counter_close(x);
    demo_counter_close(y);
    zkt_client_close(client);
    end_host(&host);
    end_pool(&pool);
    assert_int_equal(pool.finished, CALLS + 1);
    assert_int_equal(pool.cancelled, 0);
}

static void count(struct zkt_server *server, void *user)
{
    (void)server;
    (*(int *)user)++; /* on a single thread */
}

struct poster {
    struct zkt_server *server;
    int *counter;
    pthread_t thread;
};

static void *post_many(void *user)
{
    struct poster *poster = user;
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(
            zkt_server_post(poster->server, count, poster->counter), ZKT_OK);
    }
    return NULL;
}

static void test_posting_from_many_threads(void **state)
{
    struct pool pool;
    struct host host;
    struct poster posters[WORKERS];
    int counter_ = 0;
    (void)state;
    start_pool(&pool);
    start_workers(&pool);
    start_host(&host, &pool);
    for (int i = 0; i < WORKERS; i++) {
        posters[i] = (struct poster){ host.server, &counter_, 0 };
        assert_int_equal(
            pthread_create(&posters[i].thread, NULL, post_many, &posters[i]),
            0);
    }
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(posters[i].thread, NULL), 0);
    }
    end_host(&host);
    end_pool(&pool);
    assert_int_equal(counter_, WORKERS * CALLS);
}

static void ignore_inc(const struct zkt_reply *reply, int32_t result,
                       void *user)
{
    (void)reply;
    (void)result;
    (void)user;
}

/* Workers resume while the server is freed: each `then` runs once. */
static void test_freeing_under_workers(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct pool pool;
        struct zkt_server *server = NULL;
        char id[] = "a";
        start_pool(&pool);
        const struct demo_handlers handlers = { .user = &pool,
                                                .counter = &counter };
        assert_int_equal(zkt_server_new(demo_app(&handlers), NULL, &server),
                         ZKT_OK);
        struct zkt_client *client = zkt_client_open_local(server);
        const struct demo_counter_inc_input one = { .by = 1 };
        struct demo_counter *rooms[26];
        for (int i = 0; i < 26; i++, id[0]++) {
            rooms[i] = demo_counter_open(client, id);
            demo_counter_begin_inc(rooms[i], &one, ignore_inc, NULL);
        }
        while (pool.count < 26) {
            (void)zkt_client_poll(client, 0);
        }
        for (int i = 0; i < 26; i++) {
            demo_counter_close(rooms[i]);
        }
        zkt_client_close(client);
        start_workers(&pool);
        zkt_server_free(server);
        end_pool(&pool);
        assert_int_equal(pool.taken, 26);
        assert_int_equal(pool.finished, 26);
        assert_true(pool.cancelled <= 26);
    }
}

static void raise_it(struct zkt_server *server, void *user)
{
    (void)server;
    (void)user;
    raise(SIGTERM);
}

static void raise_both(struct zkt_server *server, void *user)
{
    raise_it(server, user);
    assert_int_equal(zkt_server_post(server, raise_it, NULL), ZKT_OK);
}

/* A server waits for its calls at the first signal, not at the second. */
static void test_two_signals(void **state)
{
    struct pool pool;
    struct host host;
    char url[64];
    (void)state;
    start_pool(&pool);
    start_host(&host, &pool);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", (unsigned)host.port);
    struct zkt_client *client = zkt_client_open(url, NULL);
    struct demo_counter *x = demo_counter_open(client, "x");
    const struct demo_counter_inc_input one = { .by = 1 };
    demo_counter_begin_inc(x, &one, ignore_inc, NULL);
    for (size_t count = 0; count == 0;) {
        (void)zkt_client_poll(client, 0);
        pthread_mutex_lock(&pool.lock);
        count = pool.count;
        pthread_mutex_unlock(&pool.lock);
    }
    assert_int_equal(zkt_server_post(host.server, raise_both, NULL), ZKT_OK);
    assert_int_equal(pthread_join(host.thread, NULL), 0);
    assert_int_equal(host.status, 0);
    pthread_cond_destroy(&host.ready);
    pthread_mutex_destroy(&host.lock);
    demo_counter_close(x);
    zkt_client_close(client);
    start_workers(&pool); /* they finish it without a server */
    end_pool(&pool);
    assert_int_equal(pool.cancelled, 1);
}

/* A call of one thread, which a function on the client's thread cancels. */
struct cancelling {
    uint64_t call;
    enum zkt_status status;
    _Atomic(bool) over;
};

static void cancel_it(struct zkt_client *client, void *user)
{
    const struct cancelling *c = user;
    zkt_client_cancel(client, c->call);
}

static void on_cancelled(const struct zkt_reply *reply, int32_t result,
                         void *user)
{
    struct cancelling *c = user;
    (void)result;
    c->status = reply->status;
    c->over = true;
}

static void test_cancelling_by_posting(void **state)
{
    const struct zkt_client_options options = { .thread = true };
    const struct demo_counter_inc_input one = { .by = 1 };
    struct cancelling c = { .status = ZKT_OK };
    (void)state;
    struct zkt_client *client = zkt_client_open("ws://127.0.0.1:1", &options);
    struct demo_counter *x = demo_counter_open(client, "x");
    c.call = demo_counter_begin_inc(x, &one, on_cancelled, &c);
    assert_int_not_equal(c.call, 0);
    assert_int_equal(zkt_client_post(client, cancel_it, &c), ZKT_OK);
    while (!c.over) {
        (void)zkt_client_status(client); /* waits for the client's thread */
    }
    assert_int_equal(c.status, ZKT_CANCELLED);
    assert_int_equal(zkt_client_status(client), ZKT_CONNECTING);
    demo_counter_close(x);
    zkt_client_close(client);
}

#ifndef NDEBUG
static void count_instances(const struct zkt_instance_info *info, void *user)
{
    int *count = user;
    (void)info;
    (*count)++;
}

static void assert_complaint(struct host *host, int number, const char *what)
{
    char expected[128];
    snprintf(expected, sizeof(expected),
             "%s was called on another thread than the server's; "
             "zkt_server_post is for that",
             what);
    pthread_mutex_lock(&host->lock);
    assert_int_equal(host->complaints, number);
    assert_string_equal(host->last, expected);
    pthread_mutex_unlock(&host->lock);
}

/* All calls fail and say so; the server is not affected. */
static void test_calls_of_other_threads(void **state)
{
    struct pool pool;
    struct host host;
    struct zkt_server_stats stats = { .calls = 1 };
    char url[64];
    int count = 0;
    (void)state;
    start_pool(&pool);
    start_workers(&pool);
    start_host(&host, &pool);
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", (unsigned)host.port);
    struct zkt_client *client = zkt_client_open(url, NULL);
    struct demo_counter *x = demo_counter_open(client, "x");
    struct zkt_reply reply = { 0 };
    const struct demo_counter_inc_input one = { .by = 1 };
    int32_t n = 0;
    assert_int_equal(demo_counter_call_inc(x, &one, &n, &reply), ZKT_OK);
    zkt_server_shutdown(host.server);
    assert_complaint(&host, 1, "zkt_server_shutdown");
    zkt_server_free(host.server);
    assert_complaint(&host, 2, "zkt_server_free");
    assert_int_equal(
        zkt_server_destroy(host.server, ZKT_STR("counter"), ZKT_STR("x")),
        ZKT_FAILED_PRECONDITION);
    assert_complaint(&host, 3, "zkt_server_destroy");
    zkt_server_instances(host.server, count_instances, &count);
    assert_int_equal(count, 0);
    assert_complaint(&host, 4, "zkt_server_instances");
    zkt_server_stats(host.server, &stats);
    assert_int_equal(stats.calls, 0);
    assert_complaint(&host, 5, "zkt_server_stats");
    zkt_server_advance(host.server, 1000000);
    assert_complaint(&host, 6, "zkt_server_advance");
    zkt_server_clock(host.server, 1, 1);
    assert_complaint(&host, 7, "zkt_server_clock");
    zkt_server_tick(host.server);
    assert_complaint(&host, 8, "zkt_server_tick");
    assert_false(zkt_server_accepting(host.server));
    assert_complaint(&host, 9, "zkt_server_accepting");
    assert_null(zkt_server_accept(host.server, "here", NULL));
    assert_complaint(&host, 10, "zkt_server_accept");
    assert_null(zkt_client_open_local(host.server));
    assert_complaint(&host, 11, "zkt_client_open_local");
    uv_loop_t loop;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(zkt_server_listen(host.server, &loop),
                     ZKT_FAILED_PRECONDITION);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_complaint(&host, 12, "zkt_server_listen");
    assert_int_equal(demo_counter_call_inc(x, &one, &n, &reply), ZKT_OK);
    assert_int_equal(n, 2);
    zkt_reply_clear(&reply);
    demo_counter_close(x);
    zkt_client_close(client);
    end_host(&host);
    end_pool(&pool);
    assert_int_equal(host.complaints, 12);
}

/* The calls of zocket/embed.h; each is logged. */
static void *embed_strangely(void *user)
{
    struct zkt_endpoint *e = user;
    struct zkt_server *server = (struct zkt_server *)(void *)e->core;
    struct zkt_slice slice;
    char byte[] = "x";
    assert_int_equal(zkt_server_timeout(server), -1);
    assert_null(zkt_server_changed(server));
    zkt_server_on_wake(server, NULL, NULL);
    assert_null(zkt_endpoint_user(e));
    assert_int_equal(zkt_endpoint_pending(e, &slice, 1), 0);
    assert_false(zkt_endpoint_reading(e));
    assert_int_equal(zkt_endpoint_fate(e), ZKT_FATE_OPEN);
    zkt_endpoint_feed(e, byte, 1);
    zkt_endpoint_sent(e, 1);
    zkt_endpoint_ended(e);
    zkt_endpoint_detach(e);
    return NULL;
}

static void test_endpoints_on_other_threads(void **state)
{
    struct host host = { .handlers = { .counter = &counter } };
    const struct zkt_serve_options options = { .log = keep_complaint,
                                               .log_user = &host };
    struct zkt_server *server = NULL;
    struct zkt_slice slice;
    char nonsense[] = "nonsense\r\n\r\n";
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_mutex_init(&host.lock, NULL), 0);
    assert_int_equal(
        zkt_server_new(demo_app(&host.handlers), &options, &server), ZKT_OK);
    struct zkt_endpoint *e = zkt_server_accept(server, "here", &host);
    zkt_endpoint_feed(e, nonsense, sizeof(nonsense) - 1);
    assert_int_equal(pthread_create(&thread, NULL, embed_strangely, e), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(host.complaints, 11);
    assert_ptr_equal(zkt_endpoint_user(e), &host); /* nothing has happened */
    assert_int_equal(zkt_endpoint_pending(e, &slice, 1), 1);
    assert_int_equal(zkt_endpoint_fate(e), ZKT_FATE_CLOSE);
    zkt_endpoint_detach(e);
    zkt_server_free(server);
    pthread_mutex_destroy(&host.lock);
}

/* Another thread's access to a client that is polled, or on a loop. */
struct stranger {
    struct zkt_client *client;
    struct demo_counter *x;
    int answers;
};

static void count_answer(const struct zkt_reply *reply, int32_t result,
                         void *user)
{
    int *answers = user;
    (void)result;
    assert_int_not_equal(reply->status, ZKT_OK);
    (*answers)++;
}

static void on_nothing(enum zkt_connection status, void *user)
{
    (void)status;
    (void)user;
}

/* Calls that other threads may not make even if the client has its own
 * thread. */
static void look_strangely(const struct stranger *s)
{
    struct zkt_client_stats stats = { .calls = 1 };
    zkt_client_stats(s->client, &stats);
    assert_int_equal(stats.calls, 0);
    assert_int_equal(zkt_client_own_id(s->client).len, 0);
    assert_null(demo_counter_snapshot(s->x));
    zkt_client_cancel(s->client, 1);
}

static void *be_strange(void *user)
{
    struct stranger *s = user;
    const struct demo_counter_inc_input one = { .by = 1 };
    struct zkt_reply reply = { 0 };
    int32_t n = 0;
    assert_int_equal(zkt_client_on_status(s->client, on_nothing, NULL), 0);
    assert_int_equal(zkt_client_status(s->client), ZKT_DISCONNECTED);
    assert_null(demo_counter_open(s->client, "y"));
    assert_int_equal(zkt_client_poll(s->client, 0), ZKT_FAILED_PRECONDITION);
    assert_int_equal(demo_counter_call_inc(s->x, &one, &n, &reply),
                     ZKT_FAILED_PRECONDITION);
    zkt_reply_clear(&reply);
    demo_counter_begin_inc(s->x, &one, count_answer, &s->answers);
    demo_counter_close(s->x);
    zkt_client_close(s->client);
    look_strangely(s);
    return NULL;
}

static void test_clients_on_other_threads(void **state)
{
    struct host host = { .handlers = { .counter = &counter } };
    const struct zkt_client_options options = { .log = keep_complaint,
                                                .log_user = &host };
    struct stranger s = { .client = zkt_client_open("ws://127.0.0.1:1",
                                                    &options) };
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_mutex_init(&host.lock, NULL), 0);
    s.x = demo_counter_open(s.client, "x");
    assert_non_null(s.x);
    assert_int_equal(pthread_create(&thread, NULL, be_strange, &s), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(host.complaints, 12);
    demo_counter_close(s.x);
    zkt_client_close(s.client);
    assert_int_equal(s.answers, 1);
    pthread_mutex_destroy(&host.lock);
}

static void note_ran(struct zkt_client *client, void *user)
{
    bool *ran = user;
    assert_non_null(client);
    *ran = true;
}

/* A client of a loop belongs to the thread that last ran the loop; before the
 * first run any thread may use it. */
static void test_a_loops_client_on_other_threads(void **state)
{
    struct host host = { .handlers = { .counter = &counter } };
    uv_loop_t loop;
    const struct zkt_client_options options = { .log = keep_complaint,
                                                .log_user = &host,
                                                .loop = &loop };
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_mutex_init(&host.lock, NULL), 0);
    assert_int_equal(uv_loop_init(&loop), 0);
    struct stranger s = { .client = zkt_client_open("ws://127.0.0.1:1",
                                                    &options) };
    s.x = demo_counter_open(s.client, "x");
    bool ran = false;
    assert_int_equal(zkt_client_post(s.client, note_ran, &ran), ZKT_OK);
    while (!ran) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    assert_int_equal(pthread_create(&thread, NULL, be_strange, &s), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    /* polling is not allowed on a loop's client */
    assert_int_equal(host.complaints, 11);
    assert_int_equal(s.answers, 1);
    demo_counter_close(s.x);
    zkt_client_close(s.client);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    pthread_mutex_destroy(&host.lock);
}

static void test_looking_at_a_threads_client(void **state)
{
    struct host host = { .handlers = { .counter = &counter } };
    const struct zkt_client_options options = { .log = keep_complaint,
                                                .log_user = &host,
                                                .thread = true };
    (void)state;
    assert_int_equal(pthread_mutex_init(&host.lock, NULL), 0);
    struct stranger s = { .client = zkt_client_open("ws://127.0.0.1:1",
                                                    &options) };
    s.x = demo_counter_open(s.client, "x");
    assert_non_null(s.x);
    look_strangely(&s);
    assert_int_equal(zkt_client_status(s.client), ZKT_CONNECTING); /* legal */
    demo_counter_close(s.x);
    zkt_client_close(s.client);
    assert_int_equal(host.complaints, 4);
    pthread_mutex_destroy(&host.lock);
}

struct elsewhere {
    struct zkt_server *server;
    uv_loop_t loop;
};

static void *run_elsewhere(void *user)
{
    struct elsewhere *e = user;
    (void)uv_run(&e->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* A listening server belongs to the thread that runs the loop, and in the end
 * to none. */
static void test_a_server_changes_its_thread(void **state)
{
    struct host host = { .handlers = { .counter = &counter } };
    const struct zkt_serve_options options = { .log = keep_complaint,
                                               .log_user = &host };
    struct elsewhere e;
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_mutex_init(&host.lock, NULL), 0);
    assert_int_equal(
        zkt_server_new(demo_app(&host.handlers), &options, &e.server), ZKT_OK);
    assert_int_equal(uv_loop_init(&e.loop), 0);
    assert_int_equal(zkt_server_listen(e.server, &e.loop), ZKT_OK);
    assert_int_equal(zkt_server_post(e.server, stop, NULL), ZKT_OK);
    assert_int_equal(pthread_create(&thread, NULL, run_elsewhere, &e), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(zkt_server_is_down(e.server));
    zkt_server_free(e.server);
    assert_int_equal(uv_loop_close(&e.loop), 0);
    assert_int_equal(host.complaints, 0);
    pthread_mutex_destroy(&host.lock);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_workers_finish_calls),
        cmocka_unit_test(test_posting_from_many_threads),
        cmocka_unit_test(test_freeing_under_workers),
        cmocka_unit_test(test_two_signals),
        cmocka_unit_test(test_cancelling_by_posting),
#ifndef NDEBUG
        cmocka_unit_test(test_calls_of_other_threads),
        cmocka_unit_test(test_endpoints_on_other_threads),
        cmocka_unit_test(test_clients_on_other_threads),
        cmocka_unit_test(test_a_loops_client_on_other_threads),
        cmocka_unit_test(test_looking_at_a_threads_client),
        cmocka_unit_test(test_a_server_changes_its_thread),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
