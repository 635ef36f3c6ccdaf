/*
 * Streams whose chunks come from other threads: producers that outrun the
 * reader, an instance on a thread of its own, and a session on another. Every
 * chunk arrives once and in order. The thread sanitizer reports unguarded data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define DOOR_ALLOCATOR NULL /* failing_alloc is for a single thread */
#include "streaming.h"

enum {
    PRODUCERS = 4,
    CHUNKS = 1000
};

struct producer {
    pthread_t thread;
    struct zkt_deferred *later;
    atomic_int ready, ended, refused;
    int sent;
};

static struct producer producers[PRODUCERS];
static int producer_count;
static atomic_int resumed;
static atomic_bool stops;

static enum zkt_status defer_talk(struct zkt_call *call)
{
    return defer(call, TALK);
}

static enum zkt_status defer_build(struct zkt_call *call)
{
    return defer(call, BUILD);
}

static void take_notice(enum zkt_notice notice, void *user)
{
    struct producer *p = user;
    atomic_fetch_add(notice == ZKT_NOTICE_READY ? &p->ready : &p->ended, 1);
}

static enum zkt_status end_stream(struct zkt_call *call, void (*then)(void),
                                  const void *input, void *result, void *user)
{
    (void)call;
    (void)then;
    (void)input;
    (void)user;
    if (result != NULL) {
        *(struct zkt_str *)result = ZKT_STR("");
    }
    atomic_fetch_add(&resumed, 1);
    return ZKT_OK;
}

static enum zkt_status send_number(struct producer *p, int n)
{
    char text[400];
    const int len = snprintf(text, sizeof(text), "%d:%*d", n, n % 300, 0);
    const struct zkt_str chunk = { text, (size_t)len };
    return zkt_deferred_send(p->later, &chunk);
}

static void *produce(void *user)
{
    struct producer *p = user;
    zkt_deferred_notify(p->later, take_notice, p);
    while (p->sent < CHUNKS) {
        const enum zkt_status status = send_number(p, p->sent);
        if (status == ZKT_CANCELLED) {
            break;
        }
        p->sent += status == ZKT_OK;
        if (status == ZKT_RESOURCE_EXHAUSTED) {
            atomic_fetch_add(&p->refused, 1);
            while (atomic_load(&p->ready) == 0 &&
                   !zkt_deferred_cancelled(p->later)) {
                (void)sched_yield();
            }
            atomic_store(&p->ready, 0);
        }
    }
    zkt_deferred_resume(p->later, end_stream, NULL, NULL);
    return NULL;
}

static void *report(void *user)
{
    struct producer *p = user;
    for (int32_t i = 0; i < CHUNKS; i++) {
        const int32_t n = i % 10; /* the last is 9 */
        zkt_deferred_progress(p->later, &n);
        if (i % 16 == 0) {
            (void)sched_yield();
        }
    }
    zkt_deferred_resume(p->later, end_stream, NULL, NULL);
    return NULL;
}

static void tick(uint32_t shard)
{
    struct zkt_core *core = zkt__server_core(zkt__server_shard(server, shard));
    core->ops->tick(core);
}

static void *run_first_shard(void *user)
{
    (void)user;
    while (!atomic_load(&stops)) {
        tick(0);
        (void)sched_yield();
    }
    zkt__server_unbind_thread(server);
    return NULL;
}

/* Begins @count calls of @method, and a thread for each. */
static void begin_producers(struct wire *w, const char *method, int count,
                            void *(*run)(void *))
{
    char text[256];
    handle_count = 0;
    producer_count = count;
    atomic_store(&resumed, 0);
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof(text), RPC("%d", "room", "%s", INPUT("x")), i,
                 method);
        (void)ask(w, text);
        producers[i] = (struct producer){ .later = handles[i] };
    }
    assert_int_equal(handle_count, count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(
            pthread_create(&producers[i].thread, NULL, run, &producers[i]), 0);
    }
}

/* Returns true if each producer has outrun the reader, or cannot. */
static bool have_outrun(void)
{
    bool all = true;
    for (int i = 0; i < producer_count; i++) {
        all = all && atomic_load(&producers[i].refused) > 0;
    }
    return all || producer_count == 1;
}

/* Runs the session's thread until all calls are resumed. It begins to read when
 * all producers have outrun it, and reads in few of its turns. */
static void run_until_resumed(struct wire *w)
{
    for (int turn = 0; atomic_load(&resumed) < producer_count; turn++) {
        tick(shards - 1);
        if (turn % 8 == 0 && have_outrun()) {
            drain(w);
        }
        (void)sched_yield();
    }
    for (int i = 0; i < producer_count; i++) {
        pthread_join(producers[i].thread, NULL);
    }
}

/* Runs calls of @method whose parts come from other threads. With several
 * shards the instance has a thread of its own meanwhile. */
static void run_threads(struct wire *w, const char *method, int count,
                        void *(*run)(void *))
{
    pthread_t first;
    begin_producers(w, method, count, run);
    atomic_store(&stops, shards == 1);
    zkt__server_unbind_thread(server);
    assert_int_equal(pthread_create(&first, NULL, run_first_shard, NULL), 0);
    if (shards == 1) {
        pthread_join(first, NULL);
        run_until_resumed(w);
    } else {
        run_until_resumed(w);
        atomic_store(&stops, true);
        pthread_join(first, NULL);
    }
    for (int i = 0; i < 100; i++) {
        pass(0);
        drain(w);
    }
}

/* Returns the numbers of the chunks of a stream that were received, which must
 * be in order. */
static int check_chunks(const struct wire *w, int stream)
{
    char head[64];
    int next = 0;
    const int len = snprintf(head, sizeof(head), "\"id\":\"%d\",\"chunk\":\"",
                             stream);
    for (size_t i = 0; i + (size_t)len < w->len; i++) {
        if (w->text[i] == '"' && memcmp(w->text + i, head, (size_t)len) == 0) {
            assert_int_equal(atoi(w->text + i + len), next);
            next++;
        }
    }
    return next;
}

static void test_outrun(void **state)
{
    (void)state;
    set_up_with((struct zkt_limits){ .stream_bytes = 20000 });
    plays.play[TALK] = defer_talk;
    struct wire w = enter();
    run_threads(&w, "talk", PRODUCERS, produce);
    for (int i = 0; i < PRODUCERS; i++) {
        assert_int_equal(producers[i].sent, CHUNKS);
        assert_int_equal(check_chunks(&w, i), CHUNKS);
    }
    assert_int_equal(count_text(&w, "rpc:result"), PRODUCERS);
    leave(&w);
    tear_down();
}

/* Reports come in order, the last of them before the result. */
static void test_progress(void **state)
{
    (void)state;
    set_up();
    plays.play[BUILD] = defer_build;
    struct wire w = enter();
    run_threads(&w, "build", 1, report);
    const int reports = count_text(&w, "rpc:progress");
    assert_in_range(reports, 1, CHUNKS);
    assert_int_equal(count_text(&w, "rpc:result"), 1);
    const size_t some = w.len < 120 ? w.len : 120;
    const char *tail = w.text + w.len - some;
    assert_true(holds(tail, some, "\"progress\":9}"));
    assert_true(holds(tail, some, "rpc:result"));
    leave(&w);
    tear_down();
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outrun),
        cmocka_unit_test(test_progress),
    };
    shards = count > 1 ? (uint32_t)strtoul(arguments[1], NULL, 10) : 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
