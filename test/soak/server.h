/*
 * The shared parts of the tested server: the counters of its handlers, and a
 * separate thread that works on deferred calls, the oldest or the newest first.
 */
#ifndef SOAK_SERVER_H
#define SOAK_SERVER_H

#include <stdatomic.h>

#include "soak_server.h"

/* Counted by all threads. */
struct counted {
    atomic_ullong activations, deactivations, arrivals, departures, deferrals,
        halves, cancelled, told, heard, scheduled, fired, beats, waits,
        complaints, broken_tls, blocks, bytes, adds;
};

extern struct counted counted;

/* The fault that tests ask for; see server.c. */
enum fault {
    FAULT_NONE,
    FAULT_MEMORY,
    FAULT_BLOCK,
    FAULT_DESCRIPTOR,
    FAULT_ANSWER,
    FAULT_STATE,
    FAULT_WORD,
    FAULT_CHUNK
};

extern enum fault fault;

/* A deferred call. Its second half ends it. */
struct job {
    struct job *next, *before;
    bool queued, working;
    bool again; /* woken while the thread works on it */
    void *later;
    /* Works on the thread. Returns true if it has resumed the call: then the
     * job is gone. A job that is not finished waits until it is woken. */
    bool (*work)(struct job *job);
    uint32_t at, count, letters;
};

/** Allocates with malloc. Returns NULL if there is no memory. */
struct job *job_make(bool (*work)(struct job *job));
/** Begins to wait for job_wake, if the call could be deferred (`later`); if
 * not, frees the job. Returns the status of the handler. */
enum zkt_status job_defer(struct job *job);
/** The same; the thread works on the job at once. */
enum zkt_status job_begin(struct job *job);
/** Lets the thread work on the job; from any thread. */
void job_wake(struct job *job);
/** Ends the job, in the second half of its call. */
void job_end(struct zkt_call *call, struct job *job);

/** Starts the thread. Returns false if that fails. */
bool jobs_start(void);
/** Ends the thread when no job is queued. */
void jobs_stop(void);

extern const struct soak_studio_handlers studio_handlers;

#endif
