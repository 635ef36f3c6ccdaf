/*
 * A crowd on threads of its own before a server with one thread, with two and
 * with three, over sockets, and with limits that are drawn, most of them so
 * tight that they are reached all the time: what waits must not be lost,
 * overtaken or done twice. The answers that somebody gets about a counter of
 * their own follow from the seed alone, so they are the same each time; a
 * counter that all of them share has in the end what all have added, for each
 * who watches it. Some calls are finished by other threads. For the thread
 * sanitizer, too.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "counter_client.h"
#include "counter_server.h"

enum {
    SEEDS = 8,
    THREADS_MAX = 3,
    CALLERS = 4,
    STEPS = 40,
    WORKERS = 2,
    QUEUE = 4096,
    AN_HOUR = 3600 * 1000
};

/* libuv closes descriptors by system calls of its own, which the thread
 * sanitizer does not see: one that another thread is given next looks to it as
 * if two had opened it at once. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:^socket$\nrace:^__interceptor_socket$\nrace:accept4\n"
           "race:pipe2\nrace:eventfd\nrace:epoll_create1\n";
}

static uint32_t below(uint64_t *random, uint32_t n)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*random >> 33) % n;
}

/* ---- calls that workers finish ---- */

struct crowd {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct demo_counter_inc_later *waiting[QUEUE];
    size_t count;
    bool over;
    pthread_t workers[WORKERS];
    struct demo_handlers handlers;
    struct zkt_serve_options options;
    struct zkt_server *server;
    uint16_t port;
    pthread_t thread;
    enum zkt_status status;
    int finished;  /* callers that add no more */
    int32_t total; /* that they have added to the shared counter */
};

static enum zkt_status add(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    demo_counter_set_n(call, call->state->n + in->by);
    *out = call->state->n;
    return ZKT_OK;
}

static enum zkt_status finish_inc(struct demo_counter_call *call,
                                  const struct demo_counter_inc_input *in,
                                  int32_t *out, void *user)
{
    (void)user;
    return add(call, in, out);
}

/* By 7 and more: by a worker. */
static enum zkt_status inc(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    struct crowd *crowd = zkt_user(call->zkt);
    struct demo_counter_inc_later *later = in->by < 7
                                               ? NULL
                                               : demo_counter_defer_inc(call);
    if (later == NULL) {
        return add(call, in, out);
    }
    pthread_mutex_lock(&crowd->lock);
    crowd->waiting[crowd->count++] = later;
    pthread_cond_broadcast(&crowd->changed);
    pthread_mutex_unlock(&crowd->lock);
    return ZKT_PENDING;
}

static enum zkt_status reset(struct demo_counter_call *call)
{
    demo_counter_set_n(call, 0);
    return ZKT_OK;
}

static const struct demo_counter_handlers counter = { .inc = inc,
                                                      .reset = reset };

static struct demo_counter_inc_later *take(struct crowd *crowd)
{
    struct demo_counter_inc_later *later = NULL;
    pthread_mutex_lock(&crowd->lock);
    while (crowd->count == 0 && !crowd->over) {
        pthread_cond_wait(&crowd->changed, &crowd->lock);
    }
    if (crowd->count > 0) {
        later = crowd->waiting[--crowd->count];
    }
    pthread_mutex_unlock(&crowd->lock);
    return later;
}

static void *work(void *user)
{
    struct demo_counter_inc_later *later;
    while ((later = take(user)) != NULL) {
        demo_counter_resume_inc(later, finish_inc, NULL);
    }
    return NULL;
}

/* ---- the server ---- */

static void on_start(void *user, struct zkt_server *server)
{
    ((struct crowd *)user)->server = server;
}

static void on_listening(void *user, uint16_t port)
{
    struct crowd *crowd = user;
    pthread_mutex_lock(&crowd->lock);
    crowd->port = port;
    pthread_cond_broadcast(&crowd->changed);
    pthread_mutex_unlock(&crowd->lock);
}

static void *serve(void *user)
{
    struct crowd *crowd = user;
    crowd->status = zkt_serve(demo_app(&crowd->handlers), &crowd->options);
    return NULL;
}

/* A limit of 1 to @most, or, one time in three, the default. */
static int64_t draw(uint64_t *random, uint32_t most)
{
    return below(random, 3) == 0 ? 0 : 1 + below(random, most);
}

/* Those at which something waits; what they refuse is not their matter, nor is
 * how fast anybody is. */
static struct zkt_limits draw_limits(uint64_t *random)
{
    return (struct zkt_limits){
        .turn_work = draw(random, 12000),
        .channel_messages = draw(random, 6),
        .channel_bytes = draw(random, 2000),
        .pending_calls = draw(random, 6),
        .mailbox_per_turn = draw(random, 3),
        .output_high = draw(random, 1000),
        .snapshot_bytes = draw(random, 200),
        .cache_bytes = draw(random, 1000),
        .leaves_per_turn = draw(random, 2),
        .posted_per_turn = draw(random, 3),
        .accepts_per_turn = draw(random, 2),
        .read_per_turn = draw(random, 200),
        .mailbox_messages = 1 << 20,
        .message_ms = AN_HOUR,
        .handshake_ms = AN_HOUR,
        .pong_within_ms = AN_HOUR,
        .handler_ms = AN_HOUR,
        .drain_ms = AN_HOUR,
        .output_hard_ms = AN_HOUR,
        .output_stuck_ms = AN_HOUR,
    };
}

static void say_nothing(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    (void)text;
}

static void open_crowd(struct crowd *crowd, uint64_t seed, uint32_t threads)
{
    uint64_t random = seed;
    *crowd = (struct crowd){
        .handlers = { .user = crowd, .counter = &counter },
        .options = { .limits = draw_limits(&random),
                     .on_start = on_start,
                     .on_listening = on_listening,
                     .log = say_nothing,
                     .user = crowd,
                     .threads = threads },
    };
    assert_int_equal(pthread_mutex_init(&crowd->lock, NULL), 0);
    assert_int_equal(pthread_cond_init(&crowd->changed, NULL), 0);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&crowd->workers[i], NULL, work, crowd),
                         0);
    }
    assert_int_equal(pthread_create(&crowd->thread, NULL, serve, crowd), 0);
    pthread_mutex_lock(&crowd->lock);
    while (crowd->port == 0) {
        pthread_cond_wait(&crowd->changed, &crowd->lock);
    }
    pthread_mutex_unlock(&crowd->lock);
}

static void stop(struct zkt_server *server, void *user)
{
    (void)user;
    zkt_server_shutdown(server);
}

static void close_crowd(struct crowd *crowd)
{
    assert_int_equal(zkt_server_post(crowd->server, stop, NULL), ZKT_OK);
    assert_int_equal(pthread_join(crowd->thread, NULL), 0);
    assert_int_equal(crowd->status, ZKT_OK);
    pthread_mutex_lock(&crowd->lock);
    crowd->over = true;
    pthread_cond_broadcast(&crowd->changed);
    pthread_mutex_unlock(&crowd->lock);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(crowd->workers[i], NULL), 0);
    }
    pthread_cond_destroy(&crowd->changed);
    pthread_mutex_destroy(&crowd->lock);
}

/* ---- one of them, on a thread ---- */

struct caller {
    pthread_t thread;
    struct crowd *crowd;
    int number;
    uint64_t random;
    struct zkt_client *client;
    struct demo_counter *own, *shared;
    int32_t answers[STEPS]; /* about its own */
    int32_t begun, done;    /* calls of the shared one */
    int32_t added;          /* to the shared one */
    int32_t seen;           /* of the shared one; never less than before */
    int mistakes;
};

static void on_added(const struct zkt_reply *reply, int32_t n, void *user)
{
    struct caller *c = user;
    c->done++;
    c->mistakes += reply->status != ZKT_OK || n <= 0;
}

static void on_seen(int32_t n, void *user)
{
    struct caller *c = user;
    c->mistakes += n < c->seen;
    c->seen = n;
}

static void come(struct caller *c)
{
    static const struct zkt_client_options patient = {
        .rpc_timeout_ms = AN_HOUR,
        .connect_timeout_ms = AN_HOUR,
        .pong_within_ms = AN_HOUR,
    };
    char url[64], name[16];
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", (unsigned)c->crowd->port);
    snprintf(name, sizeof(name), "own %d", c->number);
    c->client = zkt_client_open(url, &patient);
    c->own = demo_counter_open(c->client, name);
    c->shared = demo_counter_open(c->client, "shared");
}

static void await(struct caller *c, const int32_t *what, int32_t value)
{
    while (*what != value && c->mistakes == 0) {
        c->mistakes += zkt_client_poll(c->client, -1) != ZKT_OK;
    }
}

static void go(struct caller *c)
{
    await(c, &c->done, c->begun);
    demo_counter_close(c->own);
    demo_counter_close(c->shared);
    zkt_client_close(c->client);
}

/* Watches from now on; some do before the first change, some later. */
static void watch(struct caller *c)
{
    c->mistakes += demo_counter_watch_n(c->shared, on_seen, c) == 0;
}

static void add_to_shared(struct caller *c)
{
    for (uint32_t n = 1 + below(&c->random, 8); n > 0; n--) {
        const struct demo_counter_inc_input in = {
            .by = 1 + (int32_t)below(&c->random, 10)
        };
        c->begun++;
        c->added += in.by;
        demo_counter_begin_inc(c->shared, &in, on_added, c);
    }
}

static int32_t ask(struct caller *c)
{
    struct zkt_reply reply = { .status = ZKT_OK };
    const struct demo_counter_inc_input in = { .by = 1 + (int32_t)below(
                                                             &c->random, 10) };
    int32_t n = 0;
    const bool resets = below(&c->random, 5) == 0;
    const enum zkt_status status = resets
                                       ? demo_counter_call_reset(c->own, &reply)
                                       : demo_counter_call_inc(c->own, &in, &n,
                                                               &reply);
    c->mistakes += status != ZKT_OK;
    zkt_reply_clear(&reply);
    return n;
}

/* Waits until nobody adds any more; what all have added. */
static int32_t meet(struct crowd *crowd, int32_t added)
{
    pthread_mutex_lock(&crowd->lock);
    crowd->total += added;
    crowd->finished++;
    pthread_cond_broadcast(&crowd->changed);
    while (crowd->finished < CALLERS) {
        pthread_cond_wait(&crowd->changed, &crowd->lock);
    }
    const int32_t total = crowd->total;
    pthread_mutex_unlock(&crowd->lock);
    return total;
}

static void *act(void *user)
{
    struct caller *c = user;
    come(c);
    watch(c);
    for (int i = 0; i < STEPS; i++) {
        c->answers[i] = -1;
        switch (below(&c->random, 8)) {
        case 0:
            go(c);
            come(c);
            watch(c);
            break;
        case 1:
        case 2:
        case 3:
            add_to_shared(c);
            break;
        default:
            c->answers[i] = ask(c);
            break;
        }
    }
    await(c, &c->done, c->begun);
    await(c, &c->seen, meet(c->crowd, c->added));
    go(c);
    return NULL;
}

/* ---- a round ---- */

static void run(uint64_t seed, uint32_t threads, int32_t (*answers)[STEPS])
{
    static struct crowd crowd;
    struct caller callers[CALLERS];
    open_crowd(&crowd, seed, threads);
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){ .crowd = &crowd,
                                      .number = i,
                                      .random = seed * CALLERS + (uint64_t)i };
        assert_int_equal(
            pthread_create(&callers[i].thread, NULL, act, &callers[i]), 0);
    }
    for (int i = 0; i < CALLERS; i++) {
        assert_int_equal(pthread_join(callers[i].thread, NULL), 0);
        assert_int_equal(callers[i].mistakes, 0);
        memcpy(answers[i], callers[i].answers, sizeof(callers[i].answers));
    }
    close_crowd(&crowd);
}

static void test_the_same_answers(void **state)
{
    int32_t answers[THREADS_MAX][CALLERS][STEPS];
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        for (uint32_t threads = 1; threads <= THREADS_MAX; threads++) {
            run(seed, threads, answers[threads - 1]);
            assert_memory_equal(answers[threads - 1], answers[0],
                                sizeof(answers[0]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_same_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
