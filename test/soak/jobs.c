/* The jobs of server.h: a list and a thread. */
#include <pthread.h>
#include <stdlib.h>

#include "server.h"

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t news;
    pthread_t thread;
    struct job *newest, *oldest;
    bool stops;
} jobs = { .mutex = PTHREAD_MUTEX_INITIALIZER,
           .news = PTHREAD_COND_INITIALIZER };

struct job *job_make(bool (*work)(struct job *job))
{
    struct job *job = calloc(1, sizeof(*job));
    if (job != NULL) {
        job->work = work;
    }
    return job;
}

enum zkt_status job_defer(struct job *job)
{
    if (job->later == NULL) {
        free(job);
        return ZKT_OK; /* the call fails */
    }
    atomic_fetch_add(&counted.deferrals, 1);
    return ZKT_PENDING;
}

/* Under the mutex. */
static void enqueue(struct job *job)
{
    job->queued = true;
    job->next = NULL;
    job->before = jobs.newest;
    *(jobs.newest != NULL ? &jobs.newest->next : &jobs.oldest) = job;
    jobs.newest = job;
    pthread_cond_signal(&jobs.news);
}

void job_wake(struct job *job)
{
    pthread_mutex_lock(&jobs.mutex);
    if (job->working) {
        job->again = true;
    } else if (!job->queued) {
        enqueue(job);
    }
    pthread_mutex_unlock(&jobs.mutex);
}

enum zkt_status job_begin(struct job *job)
{
    const enum zkt_status status = job_defer(job);
    if (status == ZKT_PENDING) {
        job_wake(job);
    }
    return status;
}

void job_end(struct zkt_call *call, struct job *job)
{
    atomic_fetch_add(&counted.halves, 1);
    if (zkt_cancelled(call)) {
        atomic_fetch_add(&counted.cancelled, 1);
    }
    free(job);
}

/* ---- the thread ---- */

/* Returns the oldest or the newest job, or NULL if all is over and none is
 * left. */
static struct job *wait_for_job(bool oldest)
{
    pthread_mutex_lock(&jobs.mutex);
    while (jobs.oldest == NULL && !jobs.stops) {
        pthread_cond_wait(&jobs.news, &jobs.mutex);
    }
    struct job *job = oldest ? jobs.oldest : jobs.newest;
    if (job != NULL) {
        *(job->next != NULL ? &job->next->before : &jobs.newest) = job->before;
        *(job->before != NULL ? &job->before->next : &jobs.oldest) = job->next;
        job->queued = false;
        job->working = true;
    }
    pthread_mutex_unlock(&jobs.mutex);
    return job;
}

/* The job is not finished. */
static void put_down(struct job *job)
{
    pthread_mutex_lock(&jobs.mutex);
    job->working = false;
    if (job->again) {
        job->again = false;
        enqueue(job);
    }
    pthread_mutex_unlock(&jobs.mutex);
}

static void *run(void *user)
{
    struct job *job;
    (void)user;
    for (bool oldest = true; (job = wait_for_job(oldest)) != NULL;
         oldest = !oldest) {
        if (!job->work(job)) {
            put_down(job);
        }
    }
    return NULL;
}

bool jobs_start(void)
{
    return pthread_create(&jobs.thread, NULL, run, NULL) == 0;
}

void jobs_stop(void)
{
    pthread_mutex_lock(&jobs.mutex);
    jobs.stops = true;
    pthread_cond_signal(&jobs.news);
    pthread_mutex_unlock(&jobs.mutex);
    pthread_join(jobs.thread, NULL);
}
