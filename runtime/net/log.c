/*
 * The logs that programs can name in their options: zkt_log_logfmt,
 * zkt_log_json and zkt_log_to_stderr. Nothing else in the runtime prints,
 * except zkt_serve_main.
 *
 * The reader of standard error may be slow or gone, and must neither delay nor
 * end the program. So a line that cannot be written at once is dropped and
 * counted. The descriptor is shared with other processes, so O_NONBLOCK is not
 * set on it. The signal actions are the program's, so SIGPIPE is blocked during
 * the write rather than ignored.
 */
#define _GNU_SOURCE /* pwritev2 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/log_text.h"

enum {
    /* With priority or colours, and newline. A line is at most PIPE_BUF bytes
     * long, so that a pipe takes it whole. */
    LINE_BYTES = ZKT_LOG_LINE_MAX
};

/* Dropped lines that no line of the log has reported yet; one counter for the
 * process, as there is one standard error. */
static atomic_ulong dropped;

/* ---- writing without waiting ---- */

static bool takes_more(void)
{
    struct pollfd one = { .fd = STDERR_FILENO, .events = POLLOUT };
    return poll(&one, 1, 0) == 1 && one.revents == POLLOUT;
}

/* Writes to a pipe or terminal. On a kernel without a non-blocking write, polls
 * first. */
static ssize_t write_if_ready(const char *bytes, size_t len)
{
#ifdef RWF_NOWAIT
    const struct iovec all = { .iov_base = (void *)(uintptr_t)bytes,
                               .iov_len = len };
    const ssize_t put = pwritev2(STDERR_FILENO, &all, 1, -1, RWF_NOWAIT);
    if (put >= 0 || errno == EAGAIN || errno == EPIPE) {
        return put;
    }
#endif
    return takes_more() ? write(STDERR_FILENO, bytes, len) : -1;
}

static ssize_t write_by_kind(const char *bytes, size_t len)
{
    struct stat is;
    if (fstat(STDERR_FILENO, &is) != 0) {
        return -1;
    }
    if (S_ISSOCK(is.st_mode)) {
        return send(STDERR_FILENO, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    if (S_ISREG(is.st_mode)) {
        return write(STDERR_FILENO, bytes, len); /* a file never blocks */
    }
    return write_if_ready(bytes, len);
}

/* ---- without SIGPIPE ---- */

/* Returns true if a SIGPIPE of this thread or of the process is pending. */
static bool has_sigpipe(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

/* SIGPIPE is sent to the writing thread, where it is blocked: takes it back
 * before it is delivered. */
static ssize_t write_quietly(const char *bytes, size_t len)
{
    static const struct timespec now;
    sigset_t pipes, before;
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    const bool had = has_sigpipe();
    if (pthread_sigmask(SIG_BLOCK, &pipes, &before) != 0) {
        return -1;
    }
    const ssize_t put = write_by_kind(bytes, len);
    if (put < 0 && errno == EPIPE && !had) {
        (void)sigtimedwait(&pipes, NULL, &now);
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return put;
}

/* ---- what standard error is ---- */

struct output {
    bool is_journal; /* each line begins with its priority: sd-daemon(3) */
    bool is_coloured;
};

/* JOURNAL_STREAM is DEVICE:INODE of a stream of the journal: systemd.exec(5).
 */
static bool is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat is;
    uintmax_t device, inode;
    return stream != NULL && fstat(STDERR_FILENO, &is) == 0 &&
           sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
           device == (uintmax_t)is.st_dev && inode == (uintmax_t)is.st_ino;
}

static bool is_coloured(void)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) == 1 &&
           (no_color == NULL || no_color[0] == '\0') && term != NULL &&
           strcmp(term, "dumb") != 0;
}

static struct output find_output(void)
{
    return (struct output){ is_journal(), is_coloured() };
}

static const char *priority_of(enum zkt_log_level level)
{
    return level == ZKT_LOG_DEBUG     ? "<7>"
           : level == ZKT_LOG_INFO    ? "<6>"
           : level == ZKT_LOG_WARNING ? "<4>"
                                      : "<3>";
}

/* ECMA-48, select graphic rendition. */
static const char *colour_of(enum zkt_log_level level)
{
    return level == ZKT_LOG_DEBUG     ? "\x1b[2m"
           : level == ZKT_LOG_INFO    ? "\x1b[32m"
           : level == ZKT_LOG_WARNING ? "\x1b[33m"
                                      : "\x1b[31m";
}

/* ---- lines ---- */

/* Prints a record to a buffer as a line without its end; returns its length. */
typedef size_t print_function(const struct zkt_log_record *record,
                              char out[ZKT_LOG_LINE_MAX]);

/* The text of the record is the line. */
static size_t print_text(const struct zkt_log_record *record,
                         char out[ZKT_LOG_LINE_MAX])
{
    const char *level = record->level == ZKT_LOG_INFO
                            ? ""
                            : zkt__log_level_name(record->level);
    const int len = snprintf(out, ZKT_LOG_LINE + 16, "%s%s%.*s", level,
                             level[0] != '\0' ? ": " : "",
                             ZKT_ARG(record->text));
    return len < ZKT_LOG_LINE + 16 ? (size_t)len : ZKT_LOG_LINE + 15;
}

/* Copies a line with the name of its level, which it has, in colour. */
static size_t colour(char out[LINE_BYTES], const char *line,
                     enum zkt_log_level level)
{
    const char *name = zkt__log_level_name(level);
    const char *at = strstr(line, name);
    return (size_t)snprintf(out, LINE_BYTES, "%.*s%s%s\x1b[0m%s",
                            (int)(at - line), line, colour_of(level), name,
                            at + strlen(name));
}

/* Returns true if a line has colours on a terminal: JSON is for programs, and
 * text does not name the level INFO. */
static bool takes_colour(print_function *print, enum zkt_log_level level)
{
    return print == zkt_log_print_logfmt ||
           (print == print_text && level != ZKT_LOG_INFO);
}

static bool put_line(print_function *print, const struct zkt_log_record *record)
{
    char printed[ZKT_LOG_LINE_MAX], line[LINE_BYTES];
    const struct output output = find_output();
    const size_t len = print(record, printed);
    size_t n = 0;
    if (output.is_journal) {
        memcpy(line, priority_of(record->level), 3);
        n = 3;
    }
    if (output.is_coloured && takes_colour(print, record->level)) {
        n = colour(line, printed, record->level);
    } else {
        memcpy(line + n, printed, len);
        n += len;
    }
    line[n++] = '\n';
    return write_quietly(line, n) == (ssize_t)n;
}

/* Reports the number of dropped lines before the next line. */
static bool put_dropped(print_function *print, int64_t time_ms)
{
    char text[64];
    const unsigned long count = atomic_exchange(&dropped, 0);
    if (count == 0) {
        return true;
    }
    const int len = snprintf(text, sizeof(text),
                             "%lu lines of the log were dropped", count);
    const bool put = put_line(print, &(const struct zkt_log_record){
                                         .level = ZKT_LOG_WARNING,
                                         .time_ms = time_ms,
                                         .text = { text, (size_t)len },
                                     });
    if (!put) {
        atomic_fetch_add(&dropped, count);
    }
    return put;
}

static void put(print_function *print, const struct zkt_log_record *record)
{
    const int kept = errno;
    if (!put_dropped(print, record->time_ms) || !put_line(print, record)) {
        atomic_fetch_add(&dropped, 1);
    }
    errno = kept;
}

/* Lines that a server writes before its first turn, and those of other threads,
 * have no time. */
static void put_with_time(print_function *print,
                          const struct zkt_log_record *record)
{
    struct zkt_log_record timed = *record;
    struct timespec now;
    if (timed.time_ms == 0 && clock_gettime(CLOCK_REALTIME, &now) == 0) {
        timed.time_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
    }
    put(print, &timed);
}

void zkt_log_logfmt(void *user, const struct zkt_log_record *record)
{
    (void)user;
    put_with_time(zkt_log_print_logfmt, record);
}

void zkt_log_json(void *user, const struct zkt_log_record *record)
{
    (void)user;
    put_with_time(zkt_log_print_json, record);
}

void zkt_log_to_stderr(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    put(print_text, &(const struct zkt_log_record){ .level = level,
                                                    .text = zkt_cstr(text) });
}
