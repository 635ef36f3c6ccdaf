/*
 * The one place of the runtime that prints, for those who ask for it: a log
 * that programs can name in their options.
 *
 * Whoever reads standard error may be slow, or gone, and neither may stop or
 * end the program that serves. So a line that does not fit now is dropped and
 * counted. The descriptor is shared with other processes, so O_NONBLOCK is not
 * set on it; and the program's signals are its own, so SIGPIPE is held back
 * rather than ignored.
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
    LINE_BYTES = ZKT_LOG_LINE + 16 /* with what stands before it */
};

/* Standard error is the process's, and so is the number of lines that it did
 * not take and that nobody has been told of. */
static atomic_ulong dropped;

/* ---- writing without waiting ---- */

static bool takes_more(void)
{
    struct pollfd one = { .fd = STDERR_FILENO, .events = POLLOUT };
    return poll(&one, 1, 0) == 1 && one.revents == POLLOUT;
}

/* Pipes and terminals: where the kernel has no write that does not wait, it is
 * asked whether one would. A line is shorter than PIPE_BUF, so it is whole. */
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
        return write(STDERR_FILENO, bytes, len); /* it never waits for anyone */
    }
    return write_if_ready(bytes, len);
}

/* ---- without SIGPIPE ---- */

/* Whether a SIGPIPE waits that this thread, or another one, has got before. */
static bool has_sigpipe(void)
{
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, SIGPIPE) == 1;
}

/* SIGPIPE is sent to the thread that writes: what came of the write is taken
 * back before the thread can receive it. */
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

/* How many lines were dropped stands before the first that is taken again. */
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
    static const char *const prefix[] = {
        [ZKT_LOG_DEBUG] = "debug: ",
        [ZKT_LOG_INFO] = "",
        [ZKT_LOG_WARNING] = "warning: ",
        [ZKT_LOG_ERROR] = "error: ",
    };
    const int kept = errno;
    (void)user;
    if (!put_dropped() || !put_line(prefix[level], text)) {
        atomic_fetch_add(&dropped, 1);
    }
    errno = kept;
}
