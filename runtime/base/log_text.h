/*
 * The text of log records. What is of a peer is escaped, so that a line stays a
 * single line of valid UTF-8 without terminal control. zkt_log_print_logfmt and
 * zkt_log_print_json (zocket/log.h) are made of the same parts.
 */
#ifndef ZKT_BASE_LOG_TEXT_H
#define ZKT_BASE_LOG_TEXT_H

#include "zocket/log.h"

#define ZKT_LOG_LINE  1024 /* bytes of a line of text, including the NUL */
#define ZKT_LOG_FIELD 256  /* bytes of a field of a record */

/**
 * Copies @len bytes of @text, which need not be UTF-8, and adds a NUL. Control
 * characters, characters that change text direction, and bytes of invalid UTF-8
 * become \xNN, byte by byte. A result that does not fit @size bytes (at least
 * 4) is truncated and ends in "…". Returns the length of the copy.
 */
size_t zkt__log_escape(char *out, size_t size, const char *text, size_t len);

/** Prints a record as a line of text for people, escaped and truncated as
 * above: `room "a": add: the text (NOT_FOUND, 3 ms)`. In an id a quote and a
 * backslash have a backslash before them. */
void zkt__log_print_line(const struct zkt_log_record *record,
                         char out[ZKT_LOG_LINE]);

/** Returns the first @max bytes of a text, or fewer: characters stay whole. */
struct zkt_str zkt__log_cut(struct zkt_str text, size_t max);

/** Returns the name of a level, as in a record. */
const char *zkt__log_level_name(enum zkt_log_level level);

#endif
