/*
 * zkt_log_to_stderr, a log that programs can name in their options; nothing
 * else in the runtime prints, except zkt_serve_main.
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
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum {
    LINE_BYTES = ZKT_LOG_LINE + 16 /* with prefix and newline */
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
 * first. A line is shorter than PIPE_BUF, so it is written whole. */
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

/* ---- lines ---- */

static bool put_line(const char *prefix, const char *text)
{
    char line[LINE_BYTES];
    const int len = snprintf(line, sizeof(line), "%s%s", prefix, text);
    size_t n = len < 0                       ? 0
               : len < (int)sizeof(line) - 1 ? (size_t)len
                                             : sizeof(line) - 1;
    line[n++] = '\n';
    return write_quietly(line, n) == (ssize_t)n;
}

/* Reports the number of dropped lines before the next line. */
static bool put_dropped(void)
{
    char text[64];
    const unsigned long count = atomic_exchange(&dropped, 0);
    if (count == 0) {
        return true;
    }
    (void)snprintf(text, sizeof(text), "%lu lines of the log were dropped",
                   count);
    const bool put = put_line("warning: ", text);
    if (!put) {
        atomic_fetch_add(&dropped, count);
    }
    return put;
}

void zkt_log_to_stderr(void *user, enum zkt_log_level level, const char *text)
{
    const int kept = errno;
    char prefix[16] = "";
    (void)user;
    if (level != ZKT_LOG_INFO) {
        (void)snprintf(prefix, sizeof(prefix), "%s: ",
                       zkt__log_level_name(level));
    }
    if (!put_dropped() || !put_line(prefix, text)) {
        atomic_fetch_add(&dropped, 1);
    }
    errno = kept;
}
