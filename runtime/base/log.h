/*
 * The layer between the runtime and a log callback. Lines may contain text of a
 * peer: it is escaped, so that a line stays a single line of valid UTF-8
 * without terminal control. Peers may also cause lines: each kind of line (a
 * format) is limited to a number per second; suppressed lines are counted, and
 * a later line reports the count.
 *
 * No lock and no clock: the owner serializes calls and passes the time.
 */
#ifndef ZKT_BASE_LOG_H
#define ZKT_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zocket/allocator.h"

#define ZKT_LOG_LINE  1024 /* bytes of a line, including the NUL */
#define ZKT_LOG_KINDS 32   /* kinds; all others share the last */

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
    void (*write)(void *user, enum zkt_log_level level, const char *text);
    void *user;
    int64_t per_second; /* lines per kind; 0: unlimited */
    int64_t now_ms;     /* the latest time passed in */
    struct zkt_log_kind kinds[ZKT_LOG_KINDS];
};

/**
 * Copies @len bytes of @text, which need not be UTF-8, and adds a NUL. Control
 * characters, characters that change text direction, and bytes of invalid UTF-8
 * become \xNN, byte by byte. A result that does not fit @size bytes (at least
 * 4) is truncated and ends in "…". Returns the length of the copy.
 */
size_t zkt__log_escape(char *out, size_t size, const char *text, size_t len);

/**
 * Makes a line, escaped and cut as above, and writes it. All lines with text of
 * other parties, a client's and a server's, are made here.
 */
void zkt__log_write(void (*write)(void *user, enum zkt_log_level level,
                                  const char *text),
                    void *user, enum zkt_log_level level, const char *format,
                    va_list arguments);

/**
 * Writes a line at @now_ms, a monotonic time of any origin; an earlier time
 * than before counts as the latest. Returns false if the line was suppressed.
 * The callback may log.
 */
bool zkt__log_line(struct zkt_log *log, int64_t now_ms,
                   enum zkt_log_level level, const char *format,
                   va_list arguments);

/** Reports suppressed lines that are not yet reported. */
void zkt__log_flush(struct zkt_log *log);

#endif
