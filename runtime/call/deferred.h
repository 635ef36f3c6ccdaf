/*
 * The handle of a deferred call, by which any thread resumes it and asks for
 * notices. The handle is a part of the call's task, so resuming, which posts it
 * to the shard's work queue, cannot fail. When the call ends first, its task is
 * detached: it refers to neither server nor instance, and the resuming thread
 * frees it.
 *
 * A thread that wants something of the handle sets a bit of `wants`. The thread
 * that sets the first bit posts the handle, and the thread that then runs it
 * serves every bit. So the handle is in the queue once, and runs on a single
 * thread at a time, also when the server is gone.
 */
#ifndef ZKT_CALL_DEFERRED_H
#define ZKT_CALL_DEFERRED_H

#include <stdatomic.h>

#include "base/work_queue.h"
#include "zocket/call.h"

enum zkt_deferred_want {
    ZKT_WANT_RUNNING = 1, /* nothing: the handle runs */
    ZKT_WANT_READY = 2,   /* the notice that a stream takes chunks again */
    ZKT_WANT_END = 4,     /* the notice that the call has ended */
    ZKT_WANT_RESUME = 8,  /* the second half, after which nothing is wanted */
    ZKT_WANT_PARTS = 16,  /* chunks or progress are to be sent */
    ZKT_WANT_STOP = 32    /* the notice that the server stops */
};

struct zkt_stream;

/* The handle of a deferred call; zocket/call.h. */
struct zkt_deferred {
    struct zkt_work work;
    struct zkt_work_queue *queue; /* with a reference until it is resumed */
    struct zkt_call *call;
    struct zkt_stream *stream; /* call/stream.h; NULL: no parts are sent */
    atomic_uint wants;
    /* An enum zkt_notice: why the call has ended; READY: it has not. Written
     * under the lock of the queue. */
    atomic_int end;
    /* Under the lock of the queue. */
    bool stranded; /* wanted after the queue was closed, before the end */
    bool ready;    /* READY has come, and there was no function */
    bool stops;    /* the stream should end, as the server stops */
    bool told;     /* the function knows that */
    /* Set by any thread: resumed, and resumed again before the call ran. */
    atomic_bool resumed, resumed_twice;
    enum zkt_notice reason : 8;  /* of the end, once the server ends the call */
    zkt_notice_function *notify; /* NULL: none, or it has been told the end */
    void *notify_user;
    zkt_then_invoke *invoke;
    void (*then)(void);
    void *user;
};

/** Returns true if the program holds the handle and has not resumed it. */
static inline bool zkt__deferred_is_outstanding(
    const struct zkt_deferred *deferred)
{
    return deferred->queue != NULL;
}

/** Runs the second half of a call, the function given to resume. */
static inline enum zkt_status zkt__deferred_invoke(
    const struct zkt_deferred *deferred, const void *input, void *result)
{
    return deferred->invoke(deferred->call, deferred->then, input, result,
                            deferred->user);
}

/** Sets bits of `wants`, on any thread. If the server is gone, the calling
 * thread serves them, and the task may be free afterwards. */
void zkt__deferred_want(struct zkt_deferred *deferred, unsigned wants);

/**
 * Gives a notice to the program, on the thread of the call's shard: that a
 * stream takes chunks again, or why the call has ended. The end is for a call
 * that is detached and outstanding: its task belongs to the thread that resumes
 * it, and may be free afterwards.
 */
void zkt__deferred_notice(struct zkt_deferred *deferred,
                          enum zkt_notice notice);

/** Tells the program that a stream should end, since the server stops. The call
 * goes on until it is resumed or cancelled. */
void zkt__deferred_stop(struct zkt_deferred *deferred);

/** Returns the notice for a call that is ended with @status. */
enum zkt_notice zkt__notice_of(enum zkt_status status);

#endif
