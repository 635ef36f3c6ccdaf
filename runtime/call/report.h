/*
 * The end of a call, and of each handler of a timer, is reported here, once:
 * whether it was answered, refused before it ran (by middleware, a rate, the
 * rules of its input, a mailbox that is full), cancelled, or late. So this is
 * the place for all that counts or writes down calls. If nothing does, a report
 * costs a branch.
 *
 * Durations. The core has no clock of its own; its driver lends it one for
 * durations (base/ticks.h), and reading that is most of the
 * price of measuring. It is read once when the driver wakes, for all bytes
 * that have arrived by then, and once at the end of each run of a handler. A
 * run begins with a reading of its own only if the shard has done more since
 * the last than receiving a small message. So
 *
 * - a call arrives when the driver has woken for its bytes: the wait for other
 *   messages of that turn counts, and the time in the buffers of the system
 *   does not;
 * - it is answered when the answer goes to its connection, on the thread of the
 *   instance: writing to the socket and the way back between threads do not
 *   count;
 * - the time in the handler counts its commit with all patches, and, of a call
 *   that does not wait, the receiving of its message: 1 or 2 microseconds of a
 *   small one. The time between the halves of a deferred call does not count.
 *
 * Without such a clock, as in a program that feeds a server by embed.h, all
 * durations are those of zkt_server_clock.
 */
#ifndef ZKT_CALL_REPORT_H
#define ZKT_CALL_REPORT_H

#include "protocol/failure.h"
#include "shard/metrics.h"

/* How a call has ended. All of it is borrowed. */
struct zkt_ended_call {
    const struct zkt_actor *actor;   /* NULL: the app has none of its name */
    const struct zkt_method *method; /* NULL: likewise the actor; a timer */
    const struct zkt_timer *timer;   /* NULL: it is a call */
    struct zkt_str instance;         /* the actorId; "": it names none */
    const struct zkt_peer *peer;     /* of the caller; NULL: a timer's */
    const struct zkt_connection_record *record; /* of the caller, or NULL */
    const struct zkt_ask *ask; /* of an instance or the program, or NULL */
    struct zkt_request request;
    uint32_t size;                     /* bytes of its message, or 0 */
    const struct zkt_writer *answer;   /* has the frame; NULL: there is none */
    const struct zkt_failure *failure; /* NULL: it has succeeded */
    int64_t answer_ns;                 /* from its arrival to its answer */
    int64_t handler_ns;                /* in its handler; -1: it did not run */
};

/* ---- measuring; only if host->reports is true ---- */

/** Returns the time, in ticks (base/ticks.h). */
static inline int64_t zkt__report_now(const struct zkt_host *host)
{
    return zkt__ticks_read(&host->clock->ticks, host->clock);
}

/** Returns the nanoseconds from @since to @now, in ticks. */
static inline int64_t zkt__report_ns(const struct zkt_host *host, int64_t since,
                                     int64_t now)
{
    return zkt__ticks_ns(&host->clock->ticks, (uint64_t)(now - since));
}

/** Returns the time, and keeps it as the newest reading: between handlers. */
static inline int64_t zkt__report_lap(struct zkt_host *host)
{
    host->clock->measured = zkt__report_now(host);
    host->measured_budget = host->budget;
    return host->clock->measured;
}

/** A handler is about to run. */
static inline void zkt__report_begin(struct zkt_host *host)
{
    /* In units of the budget: queueing an answer, and receiving another small
     * message. Work of a share that was given back looks negative. */
    const uint64_t little = 4 * ZKT_COST_MESSAGE;
    if ((uint64_t)(host->measured_budget - host->budget) > little) {
        (void)zkt__report_lap(host);
    }
}

/* ---- reporting; only if host->reports is true ---- */

/**
 * Counts the end of a call; see struct zkt_ended_call. Returns true if it is
 * to be described as well, by host->describe.
 */
static inline bool zkt__call_ended(const struct zkt_host *host,
                                   const struct zkt_actor *actor,
                                   const struct zkt_method *method,
                                   enum zkt_status status, int64_t answer_ns,
                                   int64_t handler_ns)
{
    if (host->metrics != NULL) {
        zkt__metrics_count_call(host->metrics, actor, method, status, answer_ns,
                                handler_ns);
    }
    return host->describe != NULL;
}

#endif
