/*
 * Four threads run functions in instances of a server with two threads and
 * invoke their methods, or list its clients, while the server serves, stops and
 * is about to be freed. All that was begun is finished once; calls of a thread
 * to an instance keep their order. The thread sanitizer reports unguarded data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>

#include "crew.h"

enum {
    CALLERS = 4,
    FEW = 2000 /* calls after which the server stops */
};

struct caller {
    pthread_t thread;
    struct zkt_server *server;
    struct zkt_str id; /* of its own instance */
    int begun_runs, begun_calls;
    atomic_int ran, cancelled, done;
    atomic_int out_of_order;
    int last; /* number of the last run, which the instance's thread has */
};

struct run {
    struct caller *caller;
    int number;
};

static struct caller callers[CALLERS];
static atomic_int begun, closed;

static enum zkt_status run_counter(struct zkt_call *call, void (*fn)(void),
                                   void *user)
{
    struct run *run = user;
    struct caller *caller = run->caller;
    (void)fn;
    if (zkt_cancelled(call)) {
        atomic_fetch_add(&caller->cancelled, 1);
    } else {
        atomic_fetch_add(&caller->ran, 1);
        atomic_fetch_add(&caller->out_of_order, run->number <= caller->last);
        caller->last = run->number;
    }
    free(run);
    return ZKT_OK;
}

static void inc_done(void (*done)(void), const struct zkt_reply *reply,
                     const void *result, void *user)
{
    struct caller *caller = user;
    (void)done;
    assert_true((reply->status == ZKT_OK) == (result != NULL));
    atomic_fetch_add(&caller->done, 1);
}

static void nothing(void)
{
}

static enum zkt_status begin_run(struct caller *caller, int number)
{
    struct run *run = malloc(sizeof(*run));
    *run = (struct run){ caller, number };
    const enum zkt_status status = zkt_server_run(caller->server, 0, caller->id,
                                                  run_counter, nothing, run);
    if (status != ZKT_OK) {
        free(run);
    }
    return status;
}

static enum zkt_status begin_one(struct caller *caller, int number)
{
    const struct demo_counter_inc_input input = { .by = 1 };
    return number % 2 == 0
               ? begin_run(caller, number)
               : zkt_server_invoke(caller->server, 0, 0, caller->id, NULL,
                                   &input, inc_done, nothing, caller);
}

static void *call_until_closed(void *user)
{
    struct caller *caller = user;
    for (int i = 0;; i++) {
        const enum zkt_status status = begin_one(caller, i);
        if (status == ZKT_CLOSED) {
            break;
        }
        if (status == ZKT_OK) {
            caller->begun_runs += i % 2 == 0;
            caller->begun_calls += i % 2;
            atomic_fetch_add(&begun, 1);
        } else {
            assert_int_equal(status, ZKT_RESOURCE_EXHAUSTED);
            (void)sched_yield();
        }
    }
    atomic_fetch_add(&closed, 1);
    return NULL;
}

static void test_threads_against_a_stopping_server(void **state)
{
    const struct zkt_limits limits = { .outside_messages = 1000 };
    static const char *const ids[CALLERS] = { "a", "b", "c", "d" };
    struct site site;
    (void)state;
    open_site(&site, 2, limits);
    for (int i = 0; i < CALLERS; i++) {
        callers[i].server = site.server;
        callers[i].id = zkt_cstr(ids[i]);
        callers[i].last = -1;
        assert_int_equal(pthread_create(&callers[i].thread, NULL,
                                        call_until_closed, &callers[i]),
                         0);
    }
    while (atomic_load(&begun) < FEW) {
        step(&site);
    }
    zkt_server_shutdown(site.server);
    while (atomic_load(&closed) < CALLERS) {
        step(&site);
    }
    for (int i = 0; i < CALLERS; i++) {
        pthread_join(callers[i].thread, NULL);
    }
    close_site(&site);
    for (int i = 0; i < CALLERS; i++) {
        struct caller *c = &callers[i];
        assert_int_equal(c->ran + c->cancelled, c->begun_runs);
        assert_int_equal(c->done, c->begun_calls);
        assert_int_equal(c->out_of_order, 0);
    }
}

/* ---- lists of clients ---- */

/* A list: its calls, on several threads, share it without a lock. */
struct listing {
    int clients;
    bool over;
};

static atomic_int lists_begun, lists_over, most_clients;
static atomic_bool told;

static void count_client(const struct zkt_client_info *info, void *user)
{
    struct listing *listing = user;
    assert_false(listing->over);
    assert_int_equal(info->id.len, 32);
    listing->clients++;
}

static void end_listing(void *user)
{
    struct listing *listing = user;
    assert_false(listing->over);
    listing->over = true;
    if (listing->clients > atomic_load(&most_clients)) {
        atomic_store(&most_clients, listing->clients);
    }
    free(listing);
    atomic_fetch_add(&lists_over, 1);
}

static void *list_until_told(void *user)
{
    struct zkt_server *server = user;
    while (!atomic_load(&told)) {
        struct listing *listing = calloc(1, sizeof(*listing));
        if (zkt_server_connections(server, count_client, end_listing,
                                   listing) == ZKT_OK) {
            atomic_fetch_add(&lists_begun, 1);
        } else {
            free(listing);
            (void)sched_yield();
        }
    }
    return NULL;
}

static void test_lists_while_clients_come_and_go(void **state)
{
    const struct zkt_limits limits = { .outside_messages = 100 };
    pthread_t threads[2];
    struct peer peers[4];
    struct site site;
    (void)state;
    open_site(&site, 2, limits);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, list_until_told, site.server), 0);
    }
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < 4; i++) {
            peers[i] = visit(&site);
        }
        while (atomic_load(&most_clients) < 4) { /* of both threads */
            step(&site);
        }
        for (int i = 0; i < 4; i++) {
            close(peers[i].fd);
        }
        wait_for_connections(&site, 0);
        atomic_store(&most_clients, 0);
    }
    zkt_server_shutdown(site.server);
    step(&site);
    atomic_store(&told, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    close_site(&site);
    assert_int_equal(atomic_load(&lists_over), atomic_load(&lists_begun));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_against_a_stopping_server),
        cmocka_unit_test(test_lists_while_clients_come_and_go),
    };
    return cmocka_run_group_tests_name("outside_threads", tests, open_libuv,
                                       NULL);
}
