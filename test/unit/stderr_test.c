/*
 * The log on standard error, of any kind and with or without a reader: a line
 * neither blocks nor ends the program, and no other file is written. Tested
 * with and without the kernel's non-blocking write.
 */
#define _GNU_SOURCE /* pipe2, posix_openpt */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "counter_server.h"
#include "zocket/embed.h"
#include "zocket/zocket.h"

enum {
    MANY = 5000 /* lines, more than any buffer holds */
};

/* ---- the kernel ---- */

static bool old_kernel;

ssize_t __real_pwritev64v2(int fd, const struct iovec *all, int count, off_t at,
                           int flags);
ssize_t __wrap_pwritev64v2(int fd, const struct iovec *all, int count, off_t at,
                           int flags);
ssize_t __wrap_pwritev64v2(int fd, const struct iovec *all, int count, off_t at,
                           int flags)
{
    if (old_kernel) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return __real_pwritev64v2(fd, all, count, at, flags);
}

/* ---- standard error ---- */

static int kept = -1; /* the original standard error */

/* Makes @fd the standard error and closes @fd. */
static void become(int fd)
{
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    close(fd);
}

static int set_up(void **state)
{
    (void)state;
    kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    return kept < 0;
}

/* Reports the dropped lines, so that no test counts lines of another. */
static int tear_down(void **state)
{
    (void)state;
    (void)dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
    zkt_log_to_stderr(NULL, ZKT_LOG_INFO, "");
    (void)dup2(kept, STDERR_FILENO);
    close(kept);
    return 0;
}

static void log_number(long number)
{
    char text[128];
    snprintf(text, sizeof(text),
             "%ld: a line that is somewhat long, so that "
             "few of them are many bytes",
             number);
    zkt_log_to_stderr(NULL, ZKT_LOG_WARNING, text);
}

/* Reads everything that @fd holds now. */
static char *read_all(int fd)
{
    static char text[4 << 20];
    size_t len = 0;
    ssize_t got;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    while ((got = read(fd, text + len, sizeof(text) - 1 - len)) > 0) {
        len += (size_t)got;
    }
    text[len] = '\0';
    return text;
}

static long count_lines(const char *text)
{
    long count = 0;
    for (; *text != '\0'; text++) {
        count += *text == '\n';
    }
    return count;
}

/* ---- no reader ---- */

/* Fills standard error, which is @to, and reads it through @from. */
static void fill(int from, int to)
{
    char expected[200];
    become(to);
    const int flags = fcntl(STDERR_FILENO, F_GETFL);
    for (long i = 0; i < MANY; i++) {
        log_number(i);
    }
    const long taken = count_lines(read_all(from));
    assert_true(taken > 0 && taken < MANY);
    log_number(MANY);
    snprintf(expected, sizeof(expected),
             "warning: %ld lines of the log were dropped\n"
             "warning: %d: a line",
             MANY - taken, MANY);
    assert_memory_equal(read_all(from), expected, strlen(expected));
    log_number(1);
    assert_memory_equal(read_all(from), "warning: 1: ", 12);
    assert_int_equal(fcntl(STDERR_FILENO, F_GETFL), flags);
    close(from);
}

static void test_a_pipe_that_is_not_read(void **state)
{
    int ends[2];
    (void)state;
    for (int old = 0; old < 2; old++) {
        old_kernel = old == 1;
        assert_int_equal(pipe(ends), 0);
        fill(ends[0], ends[1]);
    }
    old_kernel = false;
}

static void test_a_socket_that_is_not_read(void **state)
{
    int ends[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    fill(ends[0], ends[1]);
}

/* ---- a closed reader ---- */

static bool waits(void)
{
    sigset_t pending;
    assert_int_equal(sigpending(&pending), 0);
    return sigismember(&pending, SIGPIPE) == 1;
}

static bool is_blocked(void)
{
    sigset_t blocked;
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &blocked), 0);
    return sigismember(&blocked, SIGPIPE) == 1;
}

/* SIGPIPE has its default action, which would end the test. */
static void lose_reader(int from, int to)
{
    become(to);
    close(from);
    log_number(1);
    log_number(2);
    assert_false(waits());
    assert_false(is_blocked());
}

static void test_a_reader_that_has_gone(void **state)
{
    int ends[2];
    (void)state;
    for (int old = 0; old < 2; old++) {
        old_kernel = old == 1;
        assert_int_equal(pipe(ends), 0);
        lose_reader(ends[0], ends[1]);
    }
    old_kernel = false;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    lose_reader(ends[0], ends[1]);
    assert_int_equal(pipe(ends), 0);
    become(ends[1]);
    log_number(7);
    assert_memory_equal(read_all(ends[0]),
                        "warning: 6 lines of the log were dropped\n", 41);
    close(ends[0]);
}

/* A SIGPIPE that the program itself waits for stays pending. */
static void test_a_signal_of_the_program(void **state)
{
    int ends[2];
    sigset_t pipes, before;
    (void)state;
    sigemptyset(&pipes);
    sigaddset(&pipes, SIGPIPE);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &pipes, &before), 0);
    assert_int_equal(raise(SIGPIPE), 0);
    assert_int_equal(pipe(ends), 0);
    become(ends[1]);
    close(ends[0]);
    log_number(1);
    assert_true(waits());
    const struct timespec now = { 0 };
    assert_int_equal(sigtimedwait(&pipes, NULL, &now), SIGPIPE);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
}

/* ---- other kinds of standard error ---- */

static void test_a_file(void **state)
{
    char name[] = "stderr_test_XXXXXX", text[64] = "";
    (void)state;
    const int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(unlink(name), 0);
    const int again = dup(fd);
    assert_int_equal(write(fd, "before\n", 7), 7);
    become(fd);
    zkt_log_to_stderr(NULL, ZKT_LOG_INFO, "one");
    zkt_log_to_stderr(NULL, ZKT_LOG_ERROR, "two");
    assert_int_equal(pread(again, text, sizeof(text) - 1, 0), 22);
    assert_string_equal(text, "before\none\nerror: two\n");
    close(again);
}

static void test_a_line_that_is_too_long(void **state)
{
    static char text[5000];
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    become(ends[1]);
    memset(text, 'x', sizeof(text) - 1);
    zkt_log_to_stderr(NULL, ZKT_LOG_DEBUG, text);
    const char *line = read_all(ends[0]);
    assert_memory_equal(line, "debug: xxx", 10);
    assert_true(strlen(line) >= 1024 && strlen(line) < 1100);
    assert_int_equal(count_lines(line), 1);
    close(ends[0]);
}

/* ---- records ---- */

static const struct zkt_log_record sample = {
    .level = ZKT_LOG_WARNING,
    .time_ms = 1796000000123,
    .text = ZKT_STR_INIT("no"),
    .id = ZKT_STR_INIT("a\nb"),
};

#define LOGFMT                                                                 \
    "time=2026-11-30T00:53:20.123Z level=warning msg=no id=\"a\\nb\"\n"

static void test_records(void **state)
{
    struct zkt_log_record record = sample;
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    become(ends[1]);
    zkt_log_logfmt(NULL, &record);
    assert_string_equal(read_all(ends[0]), LOGFMT);
    zkt_log_json(NULL, &record);
    assert_string_equal(read_all(ends[0]),
                        "{\"time\":\"2026-11-30T00:53:20.123Z\",\"level\":"
                        "\"warning\",\"msg\":\"no\",\"id\":\"a\\nb\"}\n");
    record.time_ms = 0; /* the clock's */
    zkt_log_logfmt(NULL, &record);
    assert_memory_equal(read_all(ends[0]), "time=20", 7);
    close(ends[0]);
}

/* A record that is dropped is counted in its format. */
static void test_records_that_are_not_read(void **state)
{
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    become(ends[1]);
    for (long i = 0; i < MANY; i++) {
        zkt_log_json(NULL, &sample);
    }
    const long taken = count_lines(read_all(ends[0]));
    assert_true(taken > 0 && taken < MANY);
    zkt_log_json(NULL, &sample);
    const char *text = read_all(ends[0]);
    assert_int_equal(count_lines(text), 2);
    assert_non_null(strstr(text, "\"msg\":\""));
    assert_int_equal(strtol(strstr(text, "\"msg\":\"") + 7, NULL, 10),
                     MANY - taken);
    close(ends[0]);
}

/* The priority stands in front of a line if standard error is the journal. */
static void test_the_journal(void **state)
{
    char stream[64];
    struct stat is;
    int ends[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    become(ends[1]);
    assert_int_equal(fstat(STDERR_FILENO, &is), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)is.st_dev,
             (uintmax_t)is.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    zkt_log_to_stderr(NULL, ZKT_LOG_DEBUG, "a");
    zkt_log_to_stderr(NULL, ZKT_LOG_INFO, "b");
    zkt_log_to_stderr(NULL, ZKT_LOG_ERROR, "c");
    zkt_log_logfmt(NULL, &sample);
    assert_string_equal(read_all(ends[0]),
                        "<7>debug: a\n<6>b\n<3>error: c\n<4>" LOGFMT);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)is.st_dev,
             (uintmax_t)is.st_ino + 1);
    setenv("JOURNAL_STREAM", stream, 1); /* of another process's */
    zkt_log_to_stderr(NULL, ZKT_LOG_INFO, "b");
    setenv("JOURNAL_STREAM", "nonsense", 1);
    zkt_log_to_stderr(NULL, ZKT_LOG_INFO, "c");
    assert_string_equal(read_all(ends[0]), "b\nc\n");
    unsetenv("JOURNAL_STREAM");
    close(ends[0]);
}

/* Makes a terminal standard error; returns its other end. */
static int become_terminal(void)
{
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    assert_true(terminal >= 0);
    assert_int_equal(grantpt(terminal), 0);
    assert_int_equal(unlockpt(terminal), 0);
    const int end = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    assert_true(end >= 0);
    become(end);
    return terminal;
}

static void test_a_terminal(void **state)
{
    (void)state;
    const int terminal = become_terminal();
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    zkt_log_to_stderr(NULL, ZKT_LOG_INFO, "info");
    zkt_log_to_stderr(NULL, ZKT_LOG_ERROR, "error");
    zkt_log_logfmt(NULL, &sample);
    const char *text = read_all(terminal);
    assert_memory_equal(text, "info\r\n\x1b[31merror\x1b[0m: error\r\n", 29);
    assert_non_null(strstr(text, " level=\x1b[33mwarning\x1b[0m msg=no"));
    zkt_log_json(NULL, &sample);
    assert_null(strchr(read_all(terminal), '\x1b'));
    setenv("NO_COLOR", "1", 1);
    zkt_log_logfmt(NULL, &sample);
    assert_null(strchr(read_all(terminal), '\x1b'));
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    zkt_log_logfmt(NULL, &sample);
    assert_null(strchr(read_all(terminal), '\x1b'));
    close(terminal);
}

static void test_a_closed_descriptor(void **state)
{
    (void)state;
    close(STDERR_FILENO);
    errno = 0;
    log_number(1);
    assert_int_equal(errno, 0);
}

/* ---- started without standard descriptors ---- */

/* Returns the result of @run in a process without standard descriptors. */
static int without_descriptors(int (*run)(void))
{
    int status = -1;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(0);
        (void)close(1);
        (void)close(2);
        _exit(run());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int make_sockets(void)
{
    uint16_t port = 0;
    const int listener = zkt_socket_listen("127.0.0.1", &port);
    const bool lifted = listener > STDERR_FILENO &&
                        fcntl(STDIN_FILENO, F_GETFD) == -1;
    log_number(1); /* goes nowhere */
    return lifted ? 0 : 1;
}

static void test_no_socket_takes_their_place(void **state)
{
    (void)state;
    assert_int_equal(without_descriptors(make_sockets), 0);
}

static enum zkt_status inc(struct demo_counter_call *call,
                           const struct demo_counter_inc_input *in,
                           int32_t *out)
{
    (void)call;
    *out = in->by;
    return ZKT_OK;
}

static enum zkt_status reset(struct demo_counter_call *call)
{
    (void)call;
    return ZKT_OK;
}

static void look(void *user, struct zkt_server *server)
{
    int *opened = user;
    struct stat is;
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        *opened += fstat(fd, &is) == 0 && S_ISCHR(is.st_mode);
    }
    zkt_server_shutdown(server);
}

static int serve(void)
{
    const struct demo_counter_handlers counter = { .inc = inc, .reset = reset };
    const struct demo_handlers handlers = { .counter = &counter };
    int opened = 0;
    const struct zkt_serve_options options = { .on_start = look,
                                               .user = &opened };
    return zkt_serve(demo_app(&handlers), &options) == 0 && opened == 3 ? 0 : 1;
}

static void test_a_server_opens_them(void **state)
{
    (void)state;
    assert_int_equal(without_descriptors(serve), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_a_pipe_that_is_not_read),
        T(test_a_socket_that_is_not_read),
        T(test_a_reader_that_has_gone),
        T(test_a_signal_of_the_program),
        T(test_a_file),
        T(test_a_line_that_is_too_long),
        T(test_records),
        T(test_records_that_are_not_read),
        T(test_the_journal),
        T(test_a_terminal),
        T(test_a_closed_descriptor),
        T(test_no_socket_takes_their_place),
        T(test_a_server_opens_them),
    };
#undef T
    return cmocka_run_group_tests(tests, NULL, NULL);
}
