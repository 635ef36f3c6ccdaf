/*
 * Calls that end while other threads resume them, ask whether they have ended,
 * and ask for notices: their callers cancel them, their time is over, the
 * server stops or is freed. Each second half runs once; it is cancelled if its
 * thread knew that the call had ended; no notice begins after it, and none
 * comes twice. The thread sanitizer reports unguarded data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "server/core.h"
#include "slow.h"
#include "zocket/embed.h"

enum {
    ROUNDS = 90,
    WORKERS = 3,
    CALLS = 24
};

/* A deferred call; a worker has the handle. */
struct job {
    struct slow_job_add_later *later;
    uint32_t random; /* of the worker */
    bool known;      /* to have ended, before it was resumed */
    /* Of the thread that runs the handle. */
    bool over; /* the second half has begun */
    bool was_cancelled;
    int notices, runs;
};

struct worker {
    pthread_t thread;
    struct job *jobs;
};

static struct job jobs[CALLS];
static atomic_int resumed;

/* ---- workers ---- */

static uint32_t draw(uint32_t *random, uint32_t below)
{
    *random = *random * 1664525u + 1013904223u;
    return (*random >> 16) % below;
}

static void take_notice(enum zkt_notice notice, void *user)
{
    struct job *job = user;
    assert_false(job->over);
    assert_int_not_equal(notice, ZKT_NOTICE_READY);
    job->notices++;
}

static void ignore_notice(enum zkt_notice notice, void *user)
{
    (void)notice;
    (void)user;
}

static enum zkt_status finish(struct slow_job_call *call,
                              const struct slow_job_add_input *in, int32_t *out,
                              void *user)
{
    struct job *job = user;
    (void)in;
    *out = 0;
    job->over = true;
    job->was_cancelled = zkt_cancelled(call->zkt);
    job->runs++;
    atomic_fetch_add(&resumed, 1);
    return ZKT_OK;
}

static void work_on(struct job *job)
{
    if (draw(&job->random, 3) == 0) {
        slow_job_notify_add(job->later, ignore_notice, NULL);
    }
    if (draw(&job->random, 3) > 0) {
        slow_job_notify_add(job->later, take_notice, job);
    }
    for (uint32_t i = draw(&job->random, 3000); i > 0 && !job->known; i--) {
        job->known = slow_job_cancelled_add(job->later);
    }
    slow_job_resume_add(job->later, finish, job);
}

static void *run_worker(void *user)
{
    struct worker *worker = user;
    for (int i = 0; i < CALLS; i += WORKERS) {
        work_on(&worker->jobs[i]);
    }
    return NULL;
}

/* ---- the server ---- */

static void pass(struct zkt_server *server, int64_t ms)
{
    for (uint32_t i = 0; i < server->shards->count; i++) {
        zkt_server_advance(server->shards->all[i], ms);
    }
}

/* Begins the calls; each is deferred by an instance of its own. */
static void begin_calls(struct zkt_server *server, struct wire *w,
                        uint32_t *random)
{
    for (int i = 0; i < CALLS; i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 "{\"type\":\"rpc\",\"id\":\"%d\",\"actor\":\"job\","
                 "\"actorId\":\"%d\",\"method\":\"add\",\"input\":{\"by\":1,"
                 "\"note\":\"later\"},\"timeoutMs\":%d}",
                 i, i, 1 + (int)draw(random, 40));
        send_text(w, text, true);
    }
    for (int i = 0; i < 4; i++) {
        pass(server, 0);
    }
    assert_int_equal(held_count, CALLS);
    for (int i = 0; i < CALLS; i++) {
        jobs[i] = (struct job){ .later = held[i], .random = *random + 7u * i };
    }
}

/* Cancels calls, and lets time pass, for some turns. */
static void end_calls(struct zkt_server *server, struct wire *w,
                      uint32_t *random)
{
    const bool stops = draw(random, 3) == 0;
    for (uint32_t turns = draw(random, 60); turns > 0; turns--) {
        char text[64];
        snprintf(text, sizeof(text), "{\"type\":\"rpc:cancel\",\"id\":\"%d\"}",
                 (int)draw(random, CALLS));
        send_text(w, text, true);
        pass(server, draw(random, 2));
        if (stops && turns == 20) {
            zkt_server_shutdown(server);
        }
    }
}

static void check_jobs(void)
{
    for (int i = 0; i < CALLS; i++) {
        const struct job *job = &jobs[i];
        assert_int_equal(job->runs, 1);
        assert_true(job->was_cancelled || !job->known);
        assert_in_range(job->notices, 0, job->was_cancelled ? 1 : 0);
    }
}

/* Frees the server while the workers go on, or after the last of them. */
static void run_round(uint32_t shards, uint32_t random)
{
    const struct zkt_limits limits = { .drain_ms = 5 };
    struct zkt_server *server = new_slow_shards(&limits, NULL, shards);
    struct worker workers[WORKERS];
    zkt__server_run_shards(server, shards);
    struct wire w = open_slow(server);
    begin_calls(server, &w, &random);
    atomic_store(&resumed, 0);
    for (int i = 0; i < WORKERS; i++) {
        workers[i].jobs = &jobs[i];
        assert_int_equal(
            pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]),
            0);
    }
    end_calls(server, &w, &random);
    while (draw(&random, 2) == 0 && atomic_load(&resumed) < CALLS) {
        pass(server, 0);
        (void)sched_yield();
    }
    close_wire(&w);
    zkt_server_free(server);
    for (int i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
    }
    check_jobs();
}

static void test_ends_and_workers(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        run_round(1 + i % 3, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends_and_workers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
