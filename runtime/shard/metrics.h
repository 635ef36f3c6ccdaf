/*
 * The counters of a shard for its metrics, beside the statistics that every
 * server has: by actor and method. They exist if the options ask for metrics.
 *
 * The thread of the shard adds to them, by plain loads and stores; any thread
 * may read them. So counting takes neither a lock nor an atomic addition, and a
 * reader sees a counter as of a moment ago, and two counters as of two moments.
 */
#ifndef ZKT_SHARD_METRICS_H
#define ZKT_SHARD_METRICS_H

#include <stdatomic.h>

#include "shard/message.h"

/* ---- counters ---- */

/* A number that one thread changes. */
struct zkt_counter {
    _Atomic(uint64_t) value;
};

static inline uint64_t zkt__counter_get(const struct zkt_counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

/** Adds @by, on the counter's thread; a gauge goes down by -1. */
static inline void zkt__counter_add(struct zkt_counter *counter, uint64_t by)
{
    atomic_store_explicit(&counter->value, zkt__counter_get(counter) + by,
                          memory_order_relaxed);
}

static inline void zkt__counter_set(struct zkt_counter *counter, uint64_t value)
{
    atomic_store_explicit(&counter->value, value, memory_order_relaxed);
}

/* ---- histograms of durations ---- */

/*
 * X(nanoseconds, seconds as Prometheus writes them): the upper bounds, which
 * belong to their buckets. Each is at least twice the one before.
 */
#define ZKT_DURATIONS_TABLE(X)                                                 \
    X(10000, "1e-05")                                                          \
    X(25000, "2.5e-05")                                                        \
    X(50000, "5e-05")                                                          \
    X(100000, "0.0001")                                                        \
    X(250000, "0.00025")                                                       \
    X(500000, "0.0005")                                                        \
    X(1000000, "0.001")                                                        \
    X(2500000, "0.0025")                                                       \
    X(5000000, "0.005")                                                        \
    X(10000000, "0.01")                                                        \
    X(25000000, "0.025")                                                       \
    X(50000000, "0.05")                                                        \
    X(100000000, "0.1")                                                        \
    X(250000000, "0.25")                                                       \
    X(500000000, "0.5")                                                        \
    X(1000000000, "1")                                                         \
    X(2500000000, "2.5")                                                       \
    X(5000000000, "5")                                                         \
    X(10000000000, "10")                                                       \
    X(30000000000, "30")

#define X(ns, seconds) +1
enum {
    ZKT_DURATIONS = ZKT_DURATIONS_TABLE(X) /* bounds */
};
#undef X

struct zkt_durations {
    struct zkt_counter buckets[ZKT_DURATIONS + 1]; /* the last is over all */
    struct zkt_counter sum_ns;
};

/** Returns the bucket of a duration, which is not negative. */
unsigned zkt__duration_bucket(int64_t ns);

/* ---- by method and actor ---- */

#define ZKT_CODES                                                              \
    17 /* statuses that travel: from ZKT_OK to UNAUTHENTICATED                 \
        */

/*
 * The calls of a method that have ended. Each is in one histogram of durations
 * from its arrival to its answer: in `prompt` if that was the time in its
 * handler as well, which began when the call arrived; otherwise in `answer`,
 * and its time in the handler, if it ran, is in `handler`.
 */
struct zkt_method_metrics {
    struct zkt_durations prompt, answer, handler;
    /* By status; those of ZKT_OK are the rest of all in the histograms. */
    struct zkt_counter failed[ZKT_CODES];
    struct zkt_actor_metrics *actor; /* NULL: there is none of that name */
};

struct zkt_actor_metrics {
    const struct zkt_actor *actor;
    /* By number; behind the last, of all that the actor does not name. */
    struct zkt_method_metrics *methods;
    struct zkt_counter timers[ZKT_CODES]; /* handlers of timers, by status */
    /* Now, on this shard: instances, clients in contact with them, and
     * subscribers by topic. */
    struct zkt_counter instances, contacts, subscribers[ZKT_TOPIC_COUNT];
    /* Queued for sessions of this shard. */
    struct zkt_counter snapshots, patches, events;
    struct zkt_counter bytes_of_snapshots, bytes_of_patches, bytes_of_events;
};

/* Statistics that are also counted by actor. */
struct zkt_sent_counts {
    uint64_t snapshots, patches, events;
    uint64_t bytes_of_snapshots, bytes_of_patches, bytes_of_events;
};

/* A place in the table of methods by their address, and of actors, each of
 * which stands for the calls of names that it does not have. */
struct zkt_metrics_place {
    const void *key; /* NULL: none */
    struct zkt_method_metrics *metrics;
};

struct zkt_metrics {
    unsigned char before[64]; /* no cache line is another shard's, too */
    uint32_t actor_count;
    uint64_t mask; /* of the hash of a key, for its place */
    struct zkt_metrics_place *places;
    struct zkt_method_metrics *other; /* of actors that do not exist */
    struct zkt_actor_metrics *actors; /* by number */
    unsigned char after[64];
};

/** Returns NULL if there is no memory. */
struct zkt_metrics *zkt__metrics_new(const struct zkt_allocator *allocator,
                                     const struct zkt_app_info *info);
/** Takes NULL. */
void zkt__metrics_free(struct zkt_metrics *metrics,
                       const struct zkt_allocator *allocator);

/** Returns the metrics of an actor of the app. */
struct zkt_actor_metrics *zkt__metrics_of(const struct zkt_metrics *metrics,
                                          const struct zkt_actor *actor);

/** Adds to a gauge of an actor. */
#define ZKT_METRICS_ADD(host, of, gauge, by)                                   \
    do {                                                                       \
        if ((host)->metrics != NULL) {                                         \
            zkt__counter_add(&zkt__metrics_of((host)->metrics, of)->gauge,     \
                             (uint64_t)(int64_t)(by));                         \
        }                                                                      \
    } while (0)

static inline struct zkt_sent_counts zkt__sent_counts(
    const struct zkt_server_stats *stats)
{
    return (struct zkt_sent_counts){
        .snapshots = stats->snapshots,
        .patches = stats->patches,
        .events = stats->events,
        .bytes_of_snapshots = stats->bytes_of_snapshots,
        .bytes_of_patches = stats->bytes_of_patches,
        .bytes_of_events = stats->bytes_of_events,
    };
}

/** Counts for an actor by how much the statistics have grown. */
void zkt__metrics_count_sent(const struct zkt_metrics *metrics,
                             const struct zkt_actor *actor,
                             const struct zkt_sent_counts *before,
                             const struct zkt_server_stats *now);

/** Counts the end of a call, and its durations; -1 @handler_ns: it did not run.
 * NULL @actor: the app has none of that name; a @method that is not the
 * actor's, or NULL: nor has the actor. */
void zkt__metrics_count_call(const struct zkt_metrics *metrics,
                             const struct zkt_actor *actor,
                             const struct zkt_method *method,
                             enum zkt_status status, int64_t answer_ns,
                             int64_t handler_ns);
/** The same for a call that has succeeded. */
void zkt__metrics_count_success(const struct zkt_metrics *metrics,
                                const struct zkt_actor *actor,
                                const struct zkt_method *method,
                                int64_t answer_ns, int64_t handler_ns);
/** Counts the end of the handler of a timer. */
void zkt__metrics_count_timer(const struct zkt_metrics *metrics,
                              const struct zkt_actor *actor,
                              enum zkt_status status);

#endif
