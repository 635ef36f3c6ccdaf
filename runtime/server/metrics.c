/*
 * See metrics.h. Each family of metrics.def is written in pieces: its head with
 * the first; for each method one, or for each actor one, or all in one. A piece
 * sums up the counters of all threads.
 */
#include "server/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "server/core.h"
#include "shard/metrics.h"
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

/* ---- numbers ---- */

static void write_count(struct zkt_writer *w, uint64_t value)
{
    zkt_write_int64(w, (int64_t)value);
}

/* Writes nanoseconds as seconds. */
static void write_seconds(struct zkt_writer *w, uint64_t ns)
{
    char text[32];
    const int len = snprintf(text, sizeof(text), "%" PRIu64 ".%09u",
                             ns / 1000000000, (unsigned)(ns % 1000000000));
    zkt_write_raw(w, text, (size_t)len);
}

static void write_str(struct zkt_writer *w, struct zkt_str text)
{
    zkt_write_raw(w, text.data, text.len);
}

static void write_cstr(struct zkt_writer *w, const char *text)
{
    zkt_write_raw(w, text, strlen(text));
}

/* ---- labels ---- */

/* Writes the value of a label, escaped. */
static void write_value(struct zkt_writer *w, struct zkt_str value)
{
    for (size_t i = 0; i < value.len; i++) {
        const char c = value.data[i];
        if (c == '\n') {
            ZKT_WRITE(w, "\\n");
            continue;
        }
        if (c == '\\' || c == '"') {
            ZKT_WRITE(w, "\\");
        }
        zkt_write_raw(w, &c, 1);
    }
}

/* The labels of a series that are in front of others. */
struct labels {
    const struct zkt_metrics_text *text;
    const struct zkt_str *actor;  /* NULL: none */
    const struct zkt_str *method; /* NULL: none */
};

static const struct zkt_str other = ZKT_STR_INIT("other");

static void write_name(struct zkt_writer *w,
                       const struct zkt_metrics_text *text,
                       const struct zkt_str *name)
{
    write_value(w, *name);
    for (uint32_t i = 0; name == &other && i < text->other_tail; i++) {
        ZKT_WRITE(w, "_");
    }
}

/* Writes `name suffix {actor="…",method="…"`, open for another label, which
 * begins with a comma if any is in front of it. */
static void begin_series(struct zkt_writer *w, const struct family *family,
                         const char *suffix, const struct labels *labels)
{
    write_str(w, family->name);
    write_cstr(w, suffix);
    ZKT_WRITE(w, "{actor=\"");
    write_name(w, labels->text, labels->actor);
    if (labels->method != NULL) {
        ZKT_WRITE(w, "\",method=\"");
        write_name(w, labels->text, labels->method);
    }
    ZKT_WRITE(w, "\"");
}

/* Writes a series with one label, or without. */
static void write_series(struct zkt_writer *w, const struct family *family,
                         const char *label, struct zkt_str value,
                         uint64_t count)
{
    write_str(w, family->name);
    if (label != NULL) {
        ZKT_WRITE(w, "{");
        write_cstr(w, label);
        ZKT_WRITE(w, "=\"");
        write_value(w, value);
        ZKT_WRITE(w, "\"}");
    }
    ZKT_WRITE(w, " ");
    write_count(w, count);
    ZKT_WRITE(w, "\n");
}

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

static void add_durations(uint64_t to[ZKT_DURATIONS + 2],
                          const struct zkt_durations *durations)
{
    for (size_t i = 0; i <= ZKT_DURATIONS; i++) {
        to[i] += zkt__counter_get(&durations->buckets[i]);
    }
    to[ZKT_DURATIONS + 1] += zkt__counter_get(&durations->sum_ns);
}

/* A histogram of all threads: the buckets, and behind them the sum. */
struct sums {
    uint64_t answer[ZKT_DURATIONS + 2], handler[ZKT_DURATIONS + 2];
    uint64_t codes[ZKT_CODES];
};

static uint64_t count_of(const uint64_t durations[ZKT_DURATIONS + 2])
{
    uint64_t count = 0;
    for (size_t i = 0; i <= ZKT_DURATIONS; i++) {
        count += durations[i];
    }
    return count;
}

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
        add_durations(sums->answer, &of->prompt);
        add_durations(sums->answer, &of->answer);
        add_durations(sums->handler, &of->prompt);
        add_durations(sums->handler, &of->handler);
        for (size_t k = 0; k < ZKT_CODES; k++) {
            sums->codes[k] += zkt__counter_get(&of->failed[k]);
        }
    }
    const uint64_t all = count_of(sums->answer);
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

static void write_codes(struct zkt_writer *w, const struct family *family,
                        const struct labels *labels,
                        const uint64_t codes[ZKT_CODES], bool begins)
{
    for (size_t i = 0; i < ZKT_CODES; i++) {
        if (codes[i] > 0 || (i == ZKT_OK && begins)) {
            begin_series(w, family, "", labels);
            ZKT_WRITE(w, ",code=\"");
            write_cstr(w, zkt_status_name((enum zkt_status)i));
            ZKT_WRITE(w, "\"} ");
            write_count(w, codes[i]);
            ZKT_WRITE(w, "\n");
        }
    }
}

static void write_histogram(struct zkt_writer *w, const struct family *family,
                            const struct labels *labels,
                            const uint64_t durations[ZKT_DURATIONS + 2])
{
    static const char *const bounds[] = {
#define X(ns, seconds) seconds,
        ZKT_DURATIONS_TABLE(X)
#undef X
            "+Inf"
    };
    uint64_t count = 0;
    for (size_t i = 0; i <= ZKT_DURATIONS; i++) {
        count += durations[i];
        begin_series(w, family, "_bucket", labels);
        ZKT_WRITE(w, ",le=\"");
        write_cstr(w, bounds[i]);
        ZKT_WRITE(w, "\"} ");
        write_count(w, count);
        ZKT_WRITE(w, "\n");
    }
    begin_series(w, family, "_sum", labels);
    ZKT_WRITE(w, "} ");
    write_seconds(w, durations[ZKT_DURATIONS + 1]);
    ZKT_WRITE(w, "\n");
    begin_series(w, family, "_count", labels);
    ZKT_WRITE(w, "} ");
    write_count(w, count);
    ZKT_WRITE(w, "\n");
}

/* Goes on to the next method, or to the next actor. Returns false if that was
 * the last, for what the schema does not have. */
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
    const struct labels labels = { text, actor != NULL ? &actor->name : &other,
                                   exists ? &actor->methods[text->method].name
                                          : &other };
    struct sums sums;
    sum_method(text, &sums);
    if (family->kind == FAMILY_CALLS) {
        write_codes(w, family, &labels, sums.codes, exists);
    } else {
        const uint64_t *durations = family->kind == FAMILY_ANSWERS
                                        ? sums.answer
                                        : sums.handler;
        if (count_of(durations) > 0) {
            write_histogram(w, family, &labels, durations);
        }
    }
    return next_method(text);
}

static void write_timers(const struct zkt_metrics_text *text,
                         struct zkt_writer *w, const struct family *family)
{
    const struct zkt_actor *actor = info_of(text)->actors[text->actor];
    const struct labels labels = { text, &actor->name, NULL };
    uint64_t codes[ZKT_CODES];
    for (size_t i = 0; i < ZKT_CODES; i++) {
        codes[i] = sum_actor(text, offsetof(struct zkt_actor_metrics, timers) +
                                       i * sizeof(struct zkt_counter));
    }
    write_codes(w, family, &labels, codes, actor->timer_count > 0);
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
        write_series(w, family, "actor", actor->name,
                     sum_actor(text, family->offset));
    }
    return ++text->actor < info->actor_count;
}

static void write_refusals(const struct zkt_metrics_text *text,
                           struct zkt_writer *w, const struct family *family)
{
#define X(reason, member)                                                      \
    write_series(w, family, "reason", ZKT_STR(reason), text->stats.member);
    REFUSALS(X)
#undef X
}

static void write_limits(const struct zkt_metrics_text *text,
                         struct zkt_writer *w, const struct family *family)
{
#define X(name, value, help)                                                   \
    write_series(w, family, "reason", ZKT_STR(#name),                          \
                 text->stats.limit_hits.name);
    ZKT_LIMITS_TABLE(X)
#undef X
}

static void write_threads(const struct zkt_metrics_text *text,
                          struct zkt_writer *w, const struct family *family)
{
    for (uint32_t i = 0; i < shard_count(text); i++) {
        struct zkt_server_stats stats;
        zkt__shards_stats_of(text->server, i, &stats);
        write_str(w, family->name);
        ZKT_WRITE(w, "{thread=\"");
        write_count(w, i);
        ZKT_WRITE(w, "\"} ");
        if (family->kind == FAMILY_TURNS) {
            write_count(w, stats.turns);
        } else {
            write_seconds(w, stats.busy_ns);
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
    write_str(w, family->name);
    ZKT_WRITE(w, " ");
    if (family->kind == FAMILY_CPU) {
        write_seconds(w, process->cpu_ns);
    } else if (family->kind == FAMILY_START) {
        zkt_write_float64(w, process->start_seconds);
    } else {
        write_count(w, family->kind == FAMILY_RESIDENT ? process->resident_bytes
                       : family->kind == FAMILY_VIRTUAL ? process->virtual_bytes
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
        write_series(
            w, family, NULL, ZKT_STR(""),
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

static void write_head(struct zkt_writer *w, const struct family *family)
{
    ZKT_WRITE(w, "# HELP ");
    write_str(w, family->name);
    ZKT_WRITE(w, " ");
    write_cstr(w, family->help);
    ZKT_WRITE(w, "\n# TYPE ");
    write_str(w, family->name);
    ZKT_WRITE(w, " ");
    write_cstr(w, family->type);
    ZKT_WRITE(w, "\n");
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
        write_head(w, family);
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
        if (!w.failed) {
            write(user, w.data, w.len);
        }
        w.len = 0;
    }
    zkt__server_end_callback(server);
    const bool failed = w.failed;
    zkt__writer_finish(&w);
    return failed ? ZKT_NO_MEMORY : ZKT_OK;
}
