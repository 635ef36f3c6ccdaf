/*
 * See metrics.h. Each family of metrics.def is written in pieces: its head with
 * the first; for each method one, or for each actor one, or all in one. A piece
 * sums up the counters of all threads.
 */
#include "server/metrics.h"

#include <string.h>

#include "server/core.h"
#include "server/exposition.h"
#include "json/json.h"

enum family_kind {
    FAMILY_STAT,
    FAMILY_ACTOR,
    FAMILY_CALLS,
    FAMILY_ANSWERS,
    FAMILY_HANDLERS,
    FAMILY_TIMERS,
    FAMILY_REFUSALS,
    FAMILY_LIMITS,
    FAMILY_TURNS,
    FAMILY_BUSY,
    FAMILY_CPU,
    FAMILY_START,
    FAMILY_RESIDENT,
    FAMILY_VIRTUAL,
    FAMILY_OPEN_FDS,
    FAMILY_MAX_FDS
};

struct family {
    struct zkt_str name;
    const char *type, *help;
    enum family_kind kind;
    size_t offset; /* of the counter, in its struct */
};

static const struct family families[] = {
#define STAT(name, type, member, help)                                         \
    { ZKT_STR_INIT(name), type, help, FAMILY_STAT,                             \
      offsetof(struct zkt_server_stats, member) },
#define ACTOR(name, type, member, help)                                        \
    { ZKT_STR_INIT(name), type, help, FAMILY_ACTOR,                            \
      offsetof(struct zkt_actor_metrics, member) },
#define OTHER(name, type, kind, help)                                          \
    { ZKT_STR_INIT(name), type, help, FAMILY_##kind, 0 },
#include "server/metrics.def"
};

enum {
    FAMILIES = sizeof(families) / sizeof(families[0])
};

/* The reasons of refusals, and their statistics. */
#define REFUSALS(X)                                                            \
    X("host", refused_hosts)                                                   \
    X("origin", refused_origins)                                               \
    X("parameters", refused_parameters)                                        \
    X("open", refused_opens)                                                   \
    X("stopping", refused_late)                                                \
    X("connections", limit_hits.connections)                                   \
    X("per_address", limit_hits.per_address)                                   \
    X("head_bytes", limit_hits.head_bytes)

/*
 * Every statistic is in the table: by a row of its own, by actor (instances,
 * snapshots, patches, events and their bytes), by reason (refused_…), or by
 * thread (turns, busy_ns). A new one needs a row in metrics.def.
 */
#define STAT(name, type, member, help)  +1
#define ACTOR(name, type, member, help) +0
#define OTHER(name, type, kind, help)   +0
_Static_assert(sizeof(struct zkt_server_stats) -
                       sizeof(struct zkt_limit_counts) ==
                   sizeof(uint64_t) * (7 + 5 + 2
#include "server/metrics.def"
                                       ),
               "a statistic is no metric");

/* ---- sums over the threads ---- */

static uint32_t shard_count(const struct zkt_metrics_text *text)
{
    return text->server->shards->count;
}

static const struct zkt_metrics *metrics_of(const struct zkt_metrics_text *text,
                                            uint32_t shard)
{
    return text->server->shards->all[shard]->host.metrics;
}

static void add_durations(struct zkt_duration_sums *to,
                          const struct zkt_durations *durations)
{
    for (size_t i = 0; i <= ZKT_DURATIONS; i++) {
        to->buckets[i] += zkt__counter_get(&durations->buckets[i]);
    }
    to->sum_ns += zkt__counter_get(&durations->sum_ns);
}

static uint64_t count_of(const struct zkt_duration_sums *durations)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= ZKT_DURATIONS; i++) {
        count += durations->buckets[i];
    }
    return count;
}

/* The calls of a method, of all threads. */
struct sums {
    struct zkt_duration_sums answer, handler;
    uint64_t codes[ZKT_CODES];
};

/* Returns the metrics on a shard of the method that is next. */
static const struct zkt_method_metrics *method_of(
    const struct zkt_metrics_text *text, uint32_t shard)
{
    const struct zkt_metrics *metrics = metrics_of(text, shard);
    return text->actor < metrics->actor_count
               ? &metrics->actors[text->actor].methods[text->method]
               : metrics->other;
}

static void sum_method(const struct zkt_metrics_text *text, struct sums *sums)
{
    memset(sums, 0, sizeof(*sums));
    for (uint32_t i = 0; i < shard_count(text); i++) {
        const struct zkt_method_metrics *of = method_of(text, i);
        add_durations(&sums->answer, &of->prompt);
        add_durations(&sums->answer, &of->answer);
        add_durations(&sums->handler, &of->prompt);
        add_durations(&sums->handler, &of->handler);
        for (size_t k = 0; k < ZKT_CODES; k++) {
            sums->codes[k] += zkt__counter_get(&of->failed[k]);
        }
    }
    const uint64_t all = count_of(&sums->answer);
    uint64_t failed = 0;
    for (size_t k = 0; k < ZKT_CODES; k++) {
        failed += sums->codes[k];
    }
    /* Another thread may have counted a failure, and not its duration yet. */
    sums->codes[ZKT_OK] = all > failed ? all - failed : 0;
}

static uint64_t sum_actor(const struct zkt_metrics_text *text, size_t offset)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < shard_count(text); i++) {
        const struct zkt_actor_metrics *of =
            &metrics_of(text, i)->actors[text->actor];
        sum += zkt__counter_get(
            (const struct zkt_counter *)(const void *)((const char *)of +
                                                       offset));
    }
    return sum;
}

/* ---- pieces ---- */

static const struct zkt_app_info *info_of(const struct zkt_metrics_text *text)
{
    return text->server->host.app.info;
}

/* Goes on to the next method, or to the next actor. Returns false if that was
 * the last, for names that the schema does not have. */
static bool next_method(struct zkt_metrics_text *text)
{
    const struct zkt_app_info *info = info_of(text);
    if (text->actor == info->actor_count) {
        return false;
    }
    if (text->method++ == info->actors[text->actor]->method_count) {
        text->method = 0;
        text->actor++;
    }
    return true;
}

/* Writes a family of methods, of the next one. */
static bool write_method(struct zkt_metrics_text *text, struct zkt_writer *w,
                         const struct family *family)
{
    const struct zkt_app_info *info = info_of(text);
    const struct zkt_actor *actor = text->actor < info->actor_count
                                        ? info->actors[text->actor]
                                        : NULL;
    const bool exists = actor != NULL && text->method < actor->method_count;
    const struct zkt_labels labels = {
        .actor = actor != NULL ? &actor->name : &zkt__exposition_other,
        .method = exists ? &actor->methods[text->method].name
                         : &zkt__exposition_other,
        .other_tail = text->other_tail,
    };
    struct sums sums;
    sum_method(text, &sums);
    if (family->kind == FAMILY_CALLS) {
        zkt__exposition_codes(w, family->name, &labels, sums.codes, exists);
    } else {
        const struct zkt_duration_sums *durations =
            family->kind == FAMILY_ANSWERS ? &sums.answer : &sums.handler;
        if (count_of(durations) > 0) {
            zkt__exposition_histogram(w, family->name, &labels, durations);
        }
    }
    return next_method(text);
}

static void write_timers(const struct zkt_metrics_text *text,
                         struct zkt_writer *w, const struct family *family)
{
    const struct zkt_actor *actor = info_of(text)->actors[text->actor];
    const struct zkt_labels labels = { .actor = &actor->name };
    uint64_t codes[ZKT_CODES];
    for (size_t i = 0; i < ZKT_CODES; i++) {
        codes[i] = sum_actor(text, offsetof(struct zkt_actor_metrics, timers) +
                                       i * sizeof(struct zkt_counter));
    }
    zkt__exposition_codes(w, family->name, &labels, codes,
                          actor->timer_count > 0);
}

/* Writes a family of actors, of the next one. */
static bool write_actor(struct zkt_metrics_text *text, struct zkt_writer *w,
                        const struct family *family)
{
    const struct zkt_app_info *info = info_of(text);
    if (text->actor == info->actor_count) {
        return false; /* there is no actor */
    }
    const struct zkt_actor *actor = info->actors[text->actor];
    if (family->kind == FAMILY_TIMERS) {
        write_timers(text, w, family);
    } else {
        zkt__exposition_series(w, family->name, "actor", actor->name,
                               sum_actor(text, family->offset));
    }
    return ++text->actor < info->actor_count;
}

static void write_refusals(const struct zkt_metrics_text *text,
                           struct zkt_writer *w, const struct family *family)
{
#define X(reason, member)                                                      \
    zkt__exposition_series(w, family->name, "reason", ZKT_STR(reason),         \
                           text->stats.member);
    REFUSALS(X)
#undef X
}

static void write_limits(const struct zkt_metrics_text *text,
                         struct zkt_writer *w, const struct family *family)
{
#define X(limit, value, help)                                                  \
    zkt__exposition_series(w, family->name, "reason", ZKT_STR(#limit),         \
                           text->stats.limit_hits.limit);
    ZKT_LIMITS_TABLE(X)
#undef X
}

static void write_threads(const struct zkt_metrics_text *text,
                          struct zkt_writer *w, const struct family *family)
{
    for (uint32_t i = 0; i < shard_count(text); i++) {
        struct zkt_server_stats stats;
        zkt__shards_stats_of(text->server, i, &stats);
        zkt_write_raw(w, family->name.data, family->name.len);
        ZKT_WRITE(w, "{thread=\"");
        zkt__exposition_count(w, i);
        ZKT_WRITE(w, "\"} ");
        if (family->kind == FAMILY_TURNS) {
            zkt__exposition_count(w, stats.turns);
        } else {
            zkt__exposition_seconds(w, stats.busy_ns);
        }
        ZKT_WRITE(w, "\n");
    }
}

static void write_process(const struct zkt_metrics_text *text,
                          struct zkt_writer *w, const struct family *family)
{
    const struct zkt_process_stats *process = &text->process;
    if (family->kind == FAMILY_OPEN_FDS && process->open_fds == 0) {
        return; /* too many to count */
    }
    zkt_write_raw(w, family->name.data, family->name.len);
    ZKT_WRITE(w, " ");
    if (family->kind == FAMILY_CPU) {
        zkt__exposition_seconds(w, process->cpu_ns);
    } else if (family->kind == FAMILY_START) {
        zkt_write_float64(w, process->start_seconds);
    } else {
        zkt__exposition_count(
            w, family->kind == FAMILY_RESIDENT   ? process->resident_bytes
               : family->kind == FAMILY_VIRTUAL  ? process->virtual_bytes
               : family->kind == FAMILY_OPEN_FDS ? process->open_fds
                                                 : process->max_fds);
    }
    ZKT_WRITE(w, "\n");
}

/* Writes the next piece of a family. Returns false if it was the last. */
static bool write_piece(struct zkt_metrics_text *text, struct zkt_writer *w,
                        const struct family *family)
{
    switch (family->kind) {
    case FAMILY_STAT:
        zkt__exposition_series(
            w, family->name, NULL, ZKT_STR(""),
            *(const uint64_t *)(const void *)((const char *)&text->stats +
                                              family->offset));
        return false;
    case FAMILY_ACTOR:
    case FAMILY_TIMERS:
        return write_actor(text, w, family);
    case FAMILY_CALLS:
    case FAMILY_ANSWERS:
    case FAMILY_HANDLERS:
        return write_method(text, w, family);
    case FAMILY_REFUSALS:
        write_refusals(text, w, family);
        return false;
    case FAMILY_LIMITS:
        write_limits(text, w, family);
        return false;
    case FAMILY_TURNS:
    case FAMILY_BUSY:
        write_threads(text, w, family);
        return false;
    default:
        write_process(text, w, family);
        return false;
    }
}

/* ---- the text ---- */

static bool is_other(struct zkt_str name, uint32_t tail)
{
    const struct zkt_str other = zkt__exposition_other;
    bool same = name.len == other.len + tail &&
                memcmp(name.data, other.data, other.len) == 0;
    for (size_t i = other.len; same && i < name.len; i++) {
        same = name.data[i] == '_';
    }
    return same;
}

/* Returns true if the schema has a name that is "other" with @tail
 * underscores. */
static bool is_taken(const struct zkt_app_info *info, uint32_t tail)
{
    bool taken = false;
    for (uint32_t i = 0; i < info->actor_count && !taken; i++) {
        const struct zkt_actor *actor = info->actors[i];
        taken = is_other(actor->name, tail);
        for (uint32_t k = 0; k < actor->method_count && !taken; k++) {
            taken = is_other(actor->methods[k].name, tail);
        }
    }
    return taken;
}

void zkt__metrics_begin(struct zkt_metrics_text *text,
                        const struct zkt_server *server,
                        const struct zkt_process_stats *process)
{
    *text = (struct zkt_metrics_text){ .server = server, .process = *process };
    zkt__shards_sum_stats(server, &text->stats);
    while (is_taken(info_of(text), text->other_tail)) {
        text->other_tail++;
    }
}

static bool is_process(const struct family *family)
{
    return family->kind >= FAMILY_CPU;
}

bool zkt__metrics_next(struct zkt_metrics_text *text, struct zkt_writer *w)
{
    if (text->family == FAMILIES) {
        return false;
    }
    const struct family *family = &families[text->family];
    if (is_process(family) && !text->process.is_known) {
        text->family = FAMILIES; /* they are the last */
        return false;
    }
    if (text->actor == 0 && text->method == 0) {
        zkt__exposition_head(w, family->name, family->type, family->help);
    }
    if (!write_piece(text, w, family)) {
        text->family++;
        text->actor = text->method = 0;
    }
    return true;
}

enum zkt_status zkt__metrics_write(
    struct zkt_server *server, const struct zkt_process_stats *process,
    void (*write)(void *user, const char *text, size_t len), void *user)
{
    struct zkt_metrics_text text;
    struct zkt_writer w;
    if (server->host.metrics == NULL) {
        return ZKT_FAILED_PRECONDITION;
    }
    zkt__writer_init(&w, server->allocator);
    zkt__metrics_begin(&text, server, process);
    zkt__server_begin_callback(server);
    while (!w.failed && zkt__metrics_next(&text, &w)) {
        if (!w.failed && w.len > 0) {
            write(user, w.data, w.len);
        }
        w.len = 0;
    }
    zkt__server_end_callback(server);
    const bool failed = w.failed;
    zkt__writer_finish(&w);
    return failed ? ZKT_NO_MEMORY : ZKT_OK;
}
