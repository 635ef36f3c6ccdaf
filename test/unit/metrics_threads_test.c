/*
 * Metrics of a server with three threads, read while all of them count: no
 * counter goes back, the text is complete, and at the end every call is in it.
 * The thread sanitizer reports unguarded data.
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
    CLIENTS = 3,
    CALLS = 200,
    INSTANCES = 5
};

/* ---- the server ---- */

static enum zkt_status inc(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    demo_counter_set_n(call, call->state->n + in->by);
    *out = call->state->n;
    return ZKT_OK;
}

static enum zkt_status reset(struct demo_counter_call *call)
{
    demo_counter_set_n(call, 0);
    return ZKT_OK;
}

static const struct demo_counter_handlers counter = { .inc = inc,
                                                      .reset = reset };
static const struct demo_handlers handlers = { .counter = &counter };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct zkt_server *server;
    uint16_t port;
    bool scraping; /* a scrape was posted */
    int scrapes;
    /* Only the server's thread uses these. */
    char *text;
    size_t len;
    uint64_t calls, turns;
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER,
             .changed = PTHREAD_COND_INITIALIZER };

static void on_start(void *user, struct zkt_server *server)
{
    (void)user;
    shared.server = server;
}

static void on_listening(void *user, uint16_t port)
{
    (void)user;
    pthread_mutex_lock(&shared.lock);
    shared.port = port;
    pthread_cond_broadcast(&shared.changed);
    pthread_mutex_unlock(&shared.lock);
}

static void ignore_log(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    (void)text;
}

static void *serve(void *user)
{
    const struct zkt_serve_options options = { .on_start = on_start,
                                               .on_listening = on_listening,
                                               .threads = 3,
                                               .metrics = true,
                                               .log = ignore_log };
    int *status = user;
    *status = zkt_serve(demo_app(&handlers), &options);
    return NULL;
}

/* ---- reading ---- */

static void keep(void *user, const char *text, size_t len)
{
    (void)user;
    shared.text = realloc(shared.text, shared.len + len + 1);
    memcpy(shared.text + shared.len, text, len);
    shared.len += len;
    shared.text[shared.len] = '\0';
}

/* Returns the sum of all series that begin with @name. */
static uint64_t sum_of(const char *name)
{
    uint64_t sum = 0;
    for (const char *at = strstr(shared.text, name); at != NULL;
         at = strstr(at + 1, name)) {
        if (at == shared.text || at[-1] == '\n') {
            sum += strtoull(strchr(at, ' ') + 1, NULL, 10);
        }
    }
    return sum;
}

/* Runs on the server's thread. */
static void scrape(struct zkt_server *server, void *user)
{
    (void)user;
    shared.len = 0;
    assert_int_equal(zkt_server_metrics(server, keep, NULL), ZKT_OK);
    const uint64_t calls = sum_of("zocket_calls_total{actor=\"counter\"");
    const uint64_t turns = sum_of("zocket_loop_turns_total{");
    assert_non_null(strstr(shared.text, "process_max_fds "));
    assert_true(calls >= shared.calls && turns >= shared.turns);
    shared.calls = calls;
    shared.turns = turns;
    pthread_mutex_lock(&shared.lock);
    shared.scrapes++;
    shared.scraping = false;
    pthread_cond_broadcast(&shared.changed);
    pthread_mutex_unlock(&shared.lock);
}

static void post_scrape(void)
{
    pthread_mutex_lock(&shared.lock);
    while (shared.scraping) {
        pthread_cond_wait(&shared.changed, &shared.lock);
    }
    shared.scraping = true;
    pthread_mutex_unlock(&shared.lock);
    assert_int_equal(zkt_server_post(shared.server, scrape, NULL), ZKT_OK);
}

/* ---- clients ---- */

static void *call_often(void *user)
{
    const int *number = user;
    const struct zkt_client_options options = { .log = ignore_log };
    struct demo_counter *counters[INSTANCES];
    struct zkt_reply reply = { 0 };
    char url[64], id[16];
    int32_t result;
    snprintf(url, sizeof(url), "ws://127.0.0.1:%u", (unsigned)shared.port);
    struct zkt_client *client = zkt_client_open(url, &options);
    for (int i = 0; i < INSTANCES; i++) {
        snprintf(id, sizeof(id), "%d", (i + *number) % INSTANCES);
        counters[i] = demo_counter_open(client, id);
    }
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(
            demo_counter_call_inc(counters[i % INSTANCES],
                                  &(const struct demo_counter_inc_input){ 1 },
                                  &result, &reply),
            ZKT_OK);
    }
    for (int i = 0; i < INSTANCES; i++) {
        demo_counter_close(counters[i]);
    }
    zkt_reply_clear(&reply);
    zkt_client_close(client);
    return NULL;
}

static void stop(struct zkt_server *server, void *user)
{
    (void)user;
    zkt_server_shutdown(server);
}

static void test_scrapes_of_threads(void **state)
{
    pthread_t server, clients[CLIENTS];
    int numbers[CLIENTS], status = -1;
    (void)state;
    assert_int_equal(pthread_create(&server, NULL, serve, &status), 0);
    pthread_mutex_lock(&shared.lock);
    while (shared.port == 0) {
        pthread_cond_wait(&shared.changed, &shared.lock);
    }
    pthread_mutex_unlock(&shared.lock);
    for (int i = 0; i < CLIENTS; i++) {
        numbers[i] = i;
        assert_int_equal(
            pthread_create(&clients[i], NULL, call_often, &numbers[i]), 0);
    }
    for (int i = 0; i < 50; i++) {
        post_scrape();
    }
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(pthread_join(clients[i], NULL), 0);
    }
    post_scrape();
    assert_int_equal(zkt_server_post(shared.server, stop, NULL), ZKT_OK);
    assert_int_equal(pthread_join(server, NULL), 0);
    assert_int_equal(status, 0);
    assert_int_equal(shared.scrapes, 51);
    assert_int_equal(shared.calls, CLIENTS * CALLS);
    free(shared.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scrapes_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
