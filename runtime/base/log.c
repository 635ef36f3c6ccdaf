/* See log.h. Texts are formatted on the stack: logging never allocates. */
#include "base/log.h"

#include <stdio.h>
#include <string.h>

enum {
    WINDOW_MS = 1000
};

/* Formats a text; one that is too long ends in "…". */
static struct zkt_str format_text(char out[ZKT_LOG_LINE + 1],
                                  const char *format, va_list arguments)
{
    static const char ellipsis[] = "\xe2\x80\xa6";
    const int wanted = vsnprintf(out, ZKT_LOG_LINE + 1, format, arguments);
    struct zkt_str text = { out, wanted < 0 ? 0 : (size_t)wanted };
    if (wanted > ZKT_LOG_LINE) {
        text = zkt__log_cut(text, ZKT_LOG_LINE + 1 - sizeof(ellipsis));
        memcpy(out + text.len, ellipsis, sizeof(ellipsis));
        text.len += sizeof(ellipsis) - 1;
    }
    return text;
}

void zkt__log_write(void (*write)(void *user,
                                  const struct zkt_log_record *record),
                    void *user, const struct zkt_log_record *fields,
                    const char *format, va_list arguments)
{
    char text[ZKT_LOG_LINE + 1];
    struct zkt_log_record record = *fields;
    record.text = format_text(text, format, arguments);
    record.actor = zkt__log_cut(record.actor, ZKT_LOG_FIELD);
    record.id = zkt__log_cut(record.id, ZKT_LOG_FIELD);
    record.method = zkt__log_cut(record.method, ZKT_LOG_FIELD);
    write(user, &record);
}

static void note_suppressed(struct zkt_log_kind *kind, const char *format,
                            va_list arguments)
{
    (void)vsnprintf(kind->sample, sizeof(kind->sample), format, arguments);
    kind->suppressed++;
}

/* Returns the kind of a format; adds it if there is room. */
static struct zkt_log_kind *find_kind(struct zkt_log *log, const char *format)
{
    struct zkt_log_kind *kind = log->kinds;
    const struct zkt_log_kind *last = &log->kinds[ZKT_LOG_KINDS - 1];
    while (kind < last && kind->format != NULL && kind->format != format) {
        kind++;
    }
    if (kind->format == NULL) {
        kind->format = format;
        kind->since_ms = log->now_ms;
    }
    return kind;
}

static void warn(const struct zkt_log *log, int64_t time_ms, const char *format,
                 ...) ZKT_PRINTF(3, 4);

static void warn(const struct zkt_log *log, int64_t time_ms, const char *format,
                 ...)
{
    const struct zkt_log_record fields = { .level = ZKT_LOG_WARNING,
                                           .time_ms = time_ms };
    va_list arguments;
    va_start(arguments, format);
    zkt__log_write(log->write, log->user, &fields, format, arguments);
    va_end(arguments);
}

/* @time_ms is the wall-clock time, or 0. */
static void report_suppressed(const struct zkt_log *log,
                              struct zkt_log_kind *kind, int64_t time_ms)
{
    const uint64_t count = kind->suppressed;
    kind->suppressed = 0; /* first: the callback may log */
    if (count > 0) {
        const struct zkt_str sample = zkt__log_cut(zkt_cstr(kind->sample),
                                                   sizeof(kind->sample) - 2);
        warn(log, time_ms, "%llu more lines were left out, such as: %.*s",
             (unsigned long long)count, ZKT_ARG(sample));
    }
}

/* Begins a new second for every kind with an expired window. */
static void begin_seconds(struct zkt_log *log, int64_t time_ms)
{
    for (size_t i = 0; i < ZKT_LOG_KINDS; i++) {
        struct zkt_log_kind *kind = &log->kinds[i];
        if (log->now_ms - kind->since_ms >= WINDOW_MS) {
            kind->since_ms = log->now_ms;
            kind->written = 0;
            report_suppressed(log, kind, time_ms);
        }
    }
}

/* Returns false if no more lines of the kind may be written in this second. */
static bool take_share(struct zkt_log *log, const struct zkt_log_record *fields,
                       const char *format, va_list arguments)
{
    if (fields->level == ZKT_LOG_DEBUG || log->per_second == 0) {
        return true;
    }
    struct zkt_log_kind *kind = find_kind(log, format);
    if (kind->written >= log->per_second) {
        note_suppressed(kind, format, arguments);
        return false;
    }
    kind->written++;
    return true;
}

bool zkt__log_line(struct zkt_log *log, int64_t now_ms,
                   const struct zkt_log_record *fields, const char *format,
                   va_list arguments)
{
    if (log->write == NULL || fields->level < log->level) {
        return true;
    }
    log->now_ms = now_ms > log->now_ms ? now_ms : log->now_ms;
    begin_seconds(log, fields->time_ms);
    if (!take_share(log, fields, format, arguments)) {
        return false;
    }
    zkt__log_write(log->write, log->user, fields, format, arguments);
    return true;
}

void zkt__log_flush(struct zkt_log *log)
{
    for (size_t i = 0; i < ZKT_LOG_KINDS && log->write != NULL; i++) {
        report_suppressed(log, &log->kinds[i], 0);
    }
}
