/* See metrics.h. The metrics of a shard are one block of memory. */
#include "shard/metrics.h"

/* ---- histograms ---- */

static const uint64_t bounds[] = {
#define X(ns, seconds) ns,
    ZKT_DURATIONS_TABLE(X)
#undef X
        UINT64_MAX
};

/* The number of bounds below 2^k, by k. */
static const uint8_t below[64] = {
    0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  1,  2,
    3,  4,  5,  6,  7,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 16,
    17, 18, 19, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20,
    20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20,
};

/* There is at most one bound from a power of two to the next, so the first that
 * is not below the power of two is the right one, or the next is. */
static inline unsigned find_bucket(uint64_t ns)
{
    const unsigned first = below[63 ^ (unsigned)__builtin_clzll(ns | 1)];
    return first + (unsigned)(bounds[first] < ns);
}

unsigned zkt__duration_bucket(int64_t ns)
{
    return find_bucket((uint64_t)ns);
}

static inline void add(struct zkt_durations *durations, int64_t ns)
{
    zkt__counter_add(&durations->buckets[find_bucket((uint64_t)ns)], 1);
    zkt__counter_add(&durations->sum_ns, (uint64_t)ns);
}

/* ---- construction ---- */

/* Returns the number of the metrics of methods: of those that there are, of the
 * others of each actor, and of those of no actor. */
static size_t count_methods(const struct zkt_app_info *info)
{
    size_t count = 1;
    for (uint32_t i = 0; i < info->actor_count; i++) {
        count += info->actors[i]->method_count + 1;
    }
    return count;
}

static struct zkt_metrics_place *first_place(const struct zkt_metrics *metrics,
                                             const void *key)
{
    const uint64_t hash = (uint64_t)(uintptr_t)key *
                          UINT64_C(0x9e3779b97f4a7c15);
    return &metrics->places[hash >> 32 & metrics->mask];
}

static struct zkt_metrics_place *next_place(const struct zkt_metrics *metrics,
                                            struct zkt_metrics_place *place)
{
    return place == &metrics->places[metrics->mask] ? metrics->places
                                                    : place + 1;
}

static void enter(const struct zkt_metrics *metrics, const void *key,
                  struct zkt_method_metrics *of)
{
    struct zkt_metrics_place *place = first_place(metrics, key);
    while (place->key != NULL) {
        place = next_place(metrics, place);
    }
    *place = (struct zkt_metrics_place){ key, of };
}

/* Enters the methods of an actor, and the actor itself, for names that it
 * does not have. Returns the metrics behind theirs. */
static struct zkt_method_metrics *enter_actor(const struct zkt_metrics *metrics,
                                              struct zkt_actor_metrics *of)
{
    struct zkt_method_metrics *next = of->methods;
    for (uint32_t i = 0; i < of->actor->method_count; i++) {
        next->actor = of;
        enter(metrics, &of->actor->methods[i], next++);
    }
    next->actor = of;
    enter(metrics, of->actor, next++);
    return next;
}

struct zkt_metrics *zkt__metrics_new(const struct zkt_allocator *allocator,
                                     const struct zkt_app_info *info)
{
    const uint32_t actors = info->actor_count;
    const size_t methods = count_methods(info);
    size_t places = 2;
    while (places < 2 * methods) {
        places *= 2;
    }
    struct zkt_metrics *metrics = zkt__alloc_zero(
        allocator, 1,
        sizeof(*metrics) + actors * sizeof(*metrics->actors) +
            methods * sizeof(*metrics->other) +
            places * sizeof(*metrics->places));
    if (metrics == NULL) {
        return NULL;
    }
    metrics->actor_count = actors;
    metrics->mask = places - 1;
    metrics->actors = (struct zkt_actor_metrics *)(metrics + 1);
    metrics->other = (struct zkt_method_metrics *)(metrics->actors + actors);
    metrics->places = (struct zkt_metrics_place *)(metrics->other + methods);
    struct zkt_method_metrics *next = metrics->other + 1;
    for (uint32_t i = 0; i < actors; i++) {
        struct zkt_actor_metrics *of = &metrics->actors[i];
        of->actor = info->actors[i];
        of->methods = next;
        next = enter_actor(metrics, of);
    }
    return metrics;
}

void zkt__metrics_free(struct zkt_metrics *metrics,
                       const struct zkt_allocator *allocator)
{
    zkt__release(allocator, metrics);
}

/* ---- counting ---- */

/* Returns the metrics of a key, or NULL. */
static struct zkt_method_metrics *find(const struct zkt_metrics *metrics,
                                       const void *key)
{
    struct zkt_metrics_place *place = first_place(metrics, key);
    while (place->key != key && place->key != NULL) {
        place = next_place(metrics, place);
    }
    return place->metrics;
}

struct zkt_actor_metrics *zkt__metrics_of(const struct zkt_metrics *metrics,
                                          const struct zkt_actor *actor)
{
    return find(metrics, actor)->actor;
}

/* Returns the metrics of calls that name no method of @actor, or NULL. */
static struct zkt_method_metrics *find_other(const struct zkt_metrics *metrics,
                                             const struct zkt_actor *actor)
{
    return actor != NULL ? find(metrics, actor) : metrics->other;
}

static unsigned number_of(enum zkt_status status)
{
    return (unsigned)status < ZKT_CODES ? (unsigned)status : ZKT_INTERNAL;
}

static inline void add_durations(struct zkt_method_metrics *of,
                                 int64_t answer_ns, int64_t handler_ns)
{
    if (answer_ns == handler_ns) {
        add(&of->prompt, answer_ns);
        return;
    }
    add(&of->answer, answer_ns);
    if (handler_ns >= 0) {
        add(&of->handler, handler_ns);
    }
}

void zkt__metrics_count_call(const struct zkt_metrics *metrics,
                             const struct zkt_actor *actor,
                             const struct zkt_method *method,
                             enum zkt_status status, int64_t answer_ns,
                             int64_t handler_ns)
{
    struct zkt_method_metrics *of = find(metrics, method);
    if (of == NULL) {
        of = find_other(metrics, actor);
    }
    if (status != ZKT_OK) {
        zkt__counter_add(&of->failed[number_of(status)], 1);
    }
    add_durations(of, answer_ns, handler_ns);
}

void zkt__metrics_count_success(const struct zkt_metrics *metrics,
                                const struct zkt_actor *actor,
                                const struct zkt_method *method,
                                int64_t answer_ns, int64_t handler_ns)
{
    const struct zkt_metrics_place *place = first_place(metrics, method);
    if (place->key == method) {
        add_durations(place->metrics, answer_ns, handler_ns);
    } else {
        zkt__metrics_count_call(metrics, actor, method, ZKT_OK, answer_ns,
                                handler_ns);
    }
}

void zkt__metrics_count_timer(const struct zkt_metrics *metrics,
                              const struct zkt_actor *actor,
                              enum zkt_status status)
{
    zkt__counter_add(
        &zkt__metrics_of(metrics, actor)->timers[number_of(status)], 1);
}

void zkt__metrics_count_sent(const struct zkt_metrics *metrics,
                             const struct zkt_actor *actor,
                             const struct zkt_sent_counts *before,
                             const struct zkt_server_stats *now)
{
    struct zkt_actor_metrics *of = zkt__metrics_of(metrics, actor);
#define ADD(member) zkt__counter_add(&of->member, now->member - before->member)
    ADD(snapshots);
    ADD(patches);
    ADD(events);
    ADD(bytes_of_snapshots);
    ADD(bytes_of_patches);
    ADD(bytes_of_events);
#undef ADD
}
