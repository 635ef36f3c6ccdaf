/*
 * The log: lines as records. A server gives each line to the member log_record
 * of its options, or as text to the member log. zkt_log_logfmt and zkt_log_json
 * are made for log_record, zkt_log_to_stderr for log; all three print to
 * standard error.
 *
 * A log_record that prints what went wrong, and to whose request:
 *
 *     #include <stdio.h>
 *
 *     #include "zocket/log.h"
 *
 *     void print_problem(void *user, const struct zkt_log_record *record)
 *     {
 *         char line[ZKT_LOG_LINE_MAX];
 *         if (record->level >= ZKT_LOG_WARNING) {
 *             zkt_log_print_json(record, line);
 *             fprintf(user, "%s\n", line);
 *         }
 *     }
 *
 * A line of the runtime holds no token, no cookie, no parameter of a
 * connection, no query and no input, since they may be secrets.
 */
#ifndef ZOCKET_LOG_H
#define ZOCKET_LOG_H

#include "zocket/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How much a line of the log matters, from least to most. */
enum zkt_log_level {
    ZKT_LOG_DEBUG = -1, /* each call */
    ZKT_LOG_INFO,       /* the course of things: "listening on ws://…" */
    ZKT_LOG_WARNING, /* a peer or a handler misbehaves; the runtime goes on */
    ZKT_LOG_ERROR    /* something cannot be done, or the program is wrong */
};

/**
 * A line. Its strings are borrowed for the call that gets it. They may be text
 * of a peer, and then have any bytes, line ends and controls among them: the
 * functions below escape them. A field that the line does not have has the
 * length 0.
 */
struct zkt_log_record {
    /* How much it matters. */
    enum zkt_log_level level;
    /* Milliseconds since the epoch, as of the turn; 0: not known. */
    int64_t time_ms;
    /* What happened; at most 1 KiB. It repeats no field but an
     * address. */
    struct zkt_str text;
    /* The id of the request (zkt_request_id), of the connection that it came
     * from (zkt_client_id), and the address of that (zkt_remote_address); or an
     * address that the line is about. */
    struct zkt_str request, connection, address;
    /* The actor, the actorId, and the method, hook or timer; at most 256 bytes
     * of each. */
    struct zkt_str actor, id, method;
    /* The code that a call ended with, "OK" or "NOT_FOUND". */
    struct zkt_str code;
    /* Milliseconds that it took, if has_ms. */
    int64_t ms;
    bool has_ms;
};

/** A line is printed to fewer bytes than that, whatever its fields. */
#define ZKT_LOG_LINE_MAX 4096

/**
 * Prints a record to @out, with a NUL and without a line end, and returns its
 * length: in logfmt, or as a JSON object (RFC 8259). The fields have the names
 * of the members, but text is `msg`, and the time is `time` in RFC 3339, in
 * UTC. A string that has to be escaped is a JSON string in both formats, whose
 * value is the field; bytes that are no UTF-8 become U+FFFD. The line is valid
 * UTF-8 and has no control characters, no line ends of Unicode and none of its
 * characters that change the direction of text. From any thread.
 */
size_t zkt_log_print_logfmt(const struct zkt_log_record *record,
                            char out[ZKT_LOG_LINE_MAX]);
size_t zkt_log_print_json(const struct zkt_log_record *record,
                          char out[ZKT_LOG_LINE_MAX]);

/*
 * ---- standard error ----
 *
 * These write a line and never wait for its reader, nor raise SIGPIPE: if the
 * reader of a pipe or terminal is slow or gone, the line is dropped, and the
 * next line that is taken follows a line with the number of those dropped.
 * errno keeps its value. @user is ignored. From any thread.
 *
 * If standard error is the journal of systemd (JOURNAL_STREAM), each line
 * begins with its priority (sd-daemon(3)). On a terminal the level has a
 * colour, unless NO_COLOR is set or TERM is `dumb`.
 */

/** Writes a record in logfmt. */
void zkt_log_logfmt(void *user, const struct zkt_log_record *record);
/** Writes a record as a JSON object. */
void zkt_log_json(void *user, const struct zkt_log_record *record);
/** Writes a line as it is, with the level in front unless it is INFO: "warning:
 * the text". A line is cut after 1 KiB. */
void zkt_log_to_stderr(void *user, enum zkt_log_level level, const char *text);

#ifdef __cplusplus
}
#endif
#endif
