/*
 * What stands between the runtime and a log callback. A line may hold text that
 * came from a peer: it is escaped, so that it stays one line of valid UTF-8
 * that does nothing to a terminal. And a peer may cause lines: of each kind,
 * which is a format, only so many are written in a second; those that are left
 * out are counted, and a later line says how many there were.
 *
 * It has no lock and no clock: its owner serializes the calls, and brings the
 * time.
 */
#ifndef ZKT_BASE_LOG_H
#define ZKT_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zocket/allocator.h"

#define ZKT_LOG_LINE  1024 /* bytes of a line, with the 0 at its end */
#define ZKT_LOG_KINDS 32   /* that are told apart; all others are one kind */

/* What was written of one kind since a second began. */
struct zkt_log_kind {
    const char *format;
    int64_t since_ms;
    int64_t written;
    uint64_t suppressed; /* not said yet */
    char sample[96];     /* how the last of them began */
};

struct zkt_log {
    /* NULL: nothing is written. */
    void (*write)(void *user, enum zkt_log_level level, const char *text);
    void *user;
    int64_t per_second; /* lines of one kind; 0: as many as there are */
    int64_t now_ms;     /* the latest time it has been told */
    struct zkt_log_kind kinds[ZKT_LOG_KINDS];
};

/**
 * Copies @len bytes of @text, which need not be UTF-8, and ends them with a 0.
 * A control character, a character that changes the direction of others, and a
 * byte that belongs to no character become \xNN, byte by byte. A text that
 * does not fit into @size bytes, at least 4, is cut and ends in "…". Returns
 * the length of the copy.
 */
size_t zkt__log_escape(char *out, size_t size, const char *text, size_t len);

/**
 * Writes a line at the time @now_ms, which counts from any point, as long as it
 * is always the same; a time that is earlier than the one before is that one.
 * Returns false if it was one too many and left out. The callback may log.
 */
bool zkt__log_line(struct zkt_log *log, int64_t now_ms,
                   enum zkt_log_level level, const char *format,
                   va_list arguments);

/** Says now what was left out and has not been said. */
void zkt__log_flush(struct zkt_log *log);

#endif
