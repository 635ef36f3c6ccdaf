/*
 * The layer between the runtime and a log callback. Peers may cause lines: each
 * kind of line (a format) is limited to a number per second; suppressed lines
 * are counted, and a later line reports the count. Lines of the level DEBUG are
 * not limited.
 *
 * No lock and no clock: the owner serializes calls and passes the time.
 */
#ifndef ZKT_BASE_LOG_H
#define ZKT_BASE_LOG_H

#include <stdarg.h>

#include "base/log_text.h"

#define ZKT_LOG_KINDS 64 /* kinds; all others share the last */

/* The lines of a kind in its current second. */
struct zkt_log_kind {
    const char *format;
    int64_t since_ms;
    int64_t written;
    uint64_t suppressed; /* not yet reported */
    char sample[96];     /* begin of the last suppressed line */
};

struct zkt_log {
    /* NULL: logging is off. */
    void (*write)(void *user, const struct zkt_log_record *record);
    void *user;
    enum zkt_log_level level; /* lines of lower levels are left out */
    int64_t per_second;       /* lines per kind; 0: unlimited */
    int64_t now_ms;           /* the latest time passed in */
    struct zkt_log_kind kinds[ZKT_LOG_KINDS];
};

/**
 * Makes a record with a text and the level, the time and the fields of @fields,
 * and writes it. Fields longer than ZKT_LOG_FIELD are cut.
 */
void zkt__log_write(void (*write)(void *user,
                                  const struct zkt_log_record *record),
                    void *user, const struct zkt_log_record *fields,
                    const char *format, va_list arguments);

/**
 * Writes a line at @now_ms, a monotonic time of any origin; an earlier time
 * than before counts as the latest. Returns false if the line was suppressed.
 * The callback may log.
 */
bool zkt__log_line(struct zkt_log *log, int64_t now_ms,
                   const struct zkt_log_record *fields, const char *format,
                   va_list arguments);

/** Reports suppressed lines that are not yet reported. */
void zkt__log_flush(struct zkt_log *log);

#endif
