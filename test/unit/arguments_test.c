/*
 * zkt_serve_main: options, environment and arguments, in ascending precedence;
 * every limit can be set in each of the three ways.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "counter_server.h"
#include "server/server.h"
#include "websocket/deflate.h"

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

static const struct demo_counter_handlers counter = { .inc = inc,
                                                      .reset = reset };
static const struct demo_handlers handlers = { .counter = &counter };

/* The settings of the started server. */
struct started {
    int count;
    struct zkt_limits limits;
    char host[32];
    void (*log)(void *user, enum zkt_log_level level, const char *text);
    void (*log_record)(void *user, const struct zkt_log_record *record);
    enum zkt_log_level log_level;
    const char *origins; /* NULL, or origins_text */
    char origins_text[64], names[64], proxies[64];
    enum zkt_forwarded_by by;
    char metrics_listen[32], metrics_token[32];
    char listen[256]; /* a blank follows each listener */
    uint16_t port;
    uint32_t threads, socket_mode;
    bool no_healthz, no_readyz, no_client_js, deflate;
};

static void copy_listeners(struct started *started, const char *const *listen)
{
    started->listen[0] = '\0';
    for (; listen != NULL && *listen != NULL; listen++) {
        const size_t len = strlen(started->listen);
        snprintf(started->listen + len, sizeof(started->listen) - len, "%s ",
                 *listen);
    }
}

static void on_start(void *user, struct zkt_server *server)
{
    struct started *started = user;
    const char *host = zkt__server_options(server)->host;
    started->count++;
    started->limits = *zkt__server_limits(server);
    started->port = zkt__server_options(server)->port;
    started->threads = zkt__server_options(server)->threads;
    started->socket_mode = zkt__server_options(server)->socket_mode;
    started->no_healthz = zkt__server_options(server)->no_healthz;
    started->no_readyz = zkt__server_options(server)->no_readyz;
    started->no_client_js = zkt__server_options(server)->no_client_js;
    started->log = zkt__server_options(server)->log;
    started->log_record = zkt__server_options(server)->log_record;
    started->log_level = zkt__server_options(server)->log_level;
    started->deflate = zkt__server_options(server)->deflate;
    copy_listeners(started, zkt__server_options(server)->listen);
    const char *origins = zkt__server_options(server)->allow_origins;
    started->origins = NULL;
    if (origins != NULL) {
        snprintf(started->origins_text, sizeof(started->origins_text), "%s",
                 origins);
        started->origins = started->origins_text;
    }
    const char *names = zkt__server_options(server)->server_names;
    snprintf(started->names, sizeof(started->names), "%s",
             names != NULL ? names : "any");
    const char *proxies = zkt__server_options(server)->trusted_proxies;
    snprintf(started->proxies, sizeof(started->proxies), "%s",
             proxies != NULL ? proxies : "none");
    started->by = zkt__server_options(server)->forwarded_by;
    const char *metrics = zkt__server_options(server)->metrics_listen;
    snprintf(started->metrics_listen, sizeof(started->metrics_listen), "%s",
             metrics != NULL ? metrics : "");
    const char *token = zkt__server_options(server)->metrics_token;
    snprintf(started->metrics_token, sizeof(started->metrics_token), "%s",
             token != NULL ? token : "");
    snprintf(started->host, sizeof(started->host), "%s",
             host != NULL ? host : "");
    zkt_server_shutdown(server);
}

static void ignore_log(void *user, enum zkt_log_level level, const char *text)
{
    (void)user;
    (void)level;
    (void)text;
}

static const char *const *own_listeners; /* of the program */

static int serve(struct started *started, struct zkt_limits limits, int argc,
                 const char *const *arguments)
{
    char *argv[9] = { NULL };
    const struct zkt_serve_options options = {
        .listen = own_listeners,
        .on_start = on_start,
        .user = started,
        .log = ignore_log,
        .limits = limits,
    };
    *started = (struct started){ 0 };
    assert_true(argc < 9);
    for (int i = 0; i < argc; i++) {
        argv[i] = strdup(arguments[i]);
    }
    const int status = zkt_serve_main(demo_app(&handlers), &options, argc,
                                      argv);
    for (int i = 0; i < argc; i++) {
        free(argv[i]);
    }
    return status;
}

#define SERVE(started, limits, ...)                                            \
    serve(started, limits,                                                     \
          (int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)),     \
          (const char *[]){ __VA_ARGS__ })

static const struct zkt_limits none;

static void test_precedence(void **state)
{
    struct started s;
    const struct zkt_limits given = { .links = 11,
                                      .events = 12,
                                      .fragments = 13 };
    (void)state;
    assert_int_equal(setenv("ZOCKET_EVENTS", "22", 1), 0);
    assert_int_equal(setenv("ZOCKET_FRAGMENTS", "23", 1), 0);
    assert_int_equal(setenv("ZOCKET_HOST", "127.0.0.2", 1), 0);
    assert_int_equal(setenv("ZOCKET_PORT", "0", 1), 0);
    assert_int_equal(SERVE(&s, given, "x", "--fragments", "33"), 0);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.limits.links, 11);
    assert_int_equal(s.limits.events, 22);
    assert_int_equal(s.limits.fragments, 33);
    assert_int_equal(s.limits.mutations, 65536);
    assert_string_equal(s.host, "127.0.0.2");
    assert_null(s.origins);
    assert_int_equal(setenv("ZOCKET_ALLOW_ORIGINS", "*.a.org", 1), 0);
    assert_int_equal(SERVE(&s, given, "x"), 0);
    assert_string_equal(s.origins, "*.a.org");
    assert_int_equal(SERVE(&s, given, "x", "--allow-origins=*"), 0);
    assert_string_equal(s.origins, "*");
    assert_string_equal(s.names, "any");
    assert_int_equal(SERVE(&s, given, "x", "--allow-origins", "a.org"), 1);
    assert_int_equal(unsetenv("ZOCKET_ALLOW_ORIGINS"), 0);
    assert_int_equal(setenv("ZOCKET_SERVER_NAMES", "a.org", 1), 0);
    assert_int_equal(SERVE(&s, given, "x"), 0);
    assert_string_equal(s.names, "a.org");
    assert_int_equal(SERVE(&s, given, "x", "--server-names", "b.org, ::1"), 0);
    assert_string_equal(s.names, "b.org, ::1");
    assert_int_equal(SERVE(&s, given, "x", "--server-names=b.org:80"), 1);
    assert_int_equal(unsetenv("ZOCKET_SERVER_NAMES"), 0);
    assert_int_equal(SERVE(&s, given, "x", "--host", "127.0.0.3"), 0);
    assert_string_equal(s.host, "127.0.0.3");
    assert_int_equal(unsetenv("ZOCKET_EVENTS"), 0);
    assert_int_equal(unsetenv("ZOCKET_FRAGMENTS"), 0);
    assert_int_equal(unsetenv("ZOCKET_HOST"), 0);
    assert_int_equal(unsetenv("ZOCKET_PORT"), 0);
}

static void test_proxies(void **state)
{
    struct started s;
    (void)state;
    assert_int_equal(SERVE(&s, none, "x", "--port", "0"), 0);
    assert_string_equal(s.proxies, "none");
    assert_int_equal(s.by, ZKT_FORWARDED_BY_NOTHING);
    assert_int_equal(SERVE(&s, none, "x", "--port", "0", "--trusted-proxies",
                           "unix, ::1", "--forwarded-by", "x-forwarded-for"),
                     0);
    assert_string_equal(s.proxies, "unix, ::1");
    assert_int_equal(s.by, ZKT_FORWARDED_BY_X_FORWARDED_FOR);
    assert_int_equal(setenv("ZOCKET_TRUSTED_PROXIES", "10.0.0.0/8", 1), 0);
    assert_int_equal(SERVE(&s, none, "x", "--port", "0"), 1);
    assert_int_equal(setenv("ZOCKET_FORWARDED_BY", "forwarded", 1), 0);
    assert_int_equal(SERVE(&s, none, "x", "--port", "0"), 0);
    assert_string_equal(s.proxies, "10.0.0.0/8");
    assert_int_equal(s.by, ZKT_FORWARDED_BY_FORWARDED);
    assert_int_equal(
        SERVE(&s, none, "x", "--port", "0", "--forwarded-by", "header"), 2);
    assert_int_equal(s.count, 0);
    assert_int_equal(unsetenv("ZOCKET_TRUSTED_PROXIES"), 0);
    assert_int_equal(unsetenv("ZOCKET_FORWARDED_BY"), 0);
}

static void test_threads(void **state)
{
    struct started s;
    (void)state;
    assert_int_equal(SERVE(&s, none, "x"), 0);
    assert_int_equal(s.threads, 0); /* 0 means a single thread */
    assert_int_equal(setenv("ZOCKET_THREADS", "2", 1), 0);
    assert_int_equal(SERVE(&s, none, "x"), 0);
    assert_int_equal(s.threads, 2);
    assert_int_equal(SERVE(&s, none, "x", "--threads", "3"), 0);
    assert_int_equal(s.threads, 3);
    assert_int_equal(unsetenv("ZOCKET_THREADS"), 0);
    assert_int_equal(SERVE(&s, none, "x", "--threads", "64"), 0);
    assert_int_equal(s.threads, 64);
    assert_int_equal(s.count, 1);
}

static void test_logs(void **state)
{
    struct started s;
    (void)state;
    assert_int_equal(SERVE(&s, none, "x"), 0);
    assert_true(s.log == ignore_log && s.log_record == NULL);
    assert_int_equal(s.log_level, ZKT_LOG_INFO);
    assert_int_equal(SERVE(&s, none, "x", "--log-format", "json"), 0);
    assert_true(s.log == NULL && s.log_record == zkt_log_json);
    assert_int_equal(setenv("ZOCKET_LOG_FORMAT", "logfmt", 1), 0);
    assert_int_equal(setenv("ZOCKET_LOG_LEVEL", "error", 1), 0);
    assert_int_equal(SERVE(&s, none, "x"), 0);
    assert_true(s.log == NULL && s.log_record == zkt_log_logfmt);
    assert_int_equal(s.log_level, ZKT_LOG_ERROR);
    assert_int_equal(
        SERVE(&s, none, "x", "--log-format=text", "--log-level=debug"), 0);
    assert_true(s.log == zkt_log_to_stderr && s.log_record == NULL);
    assert_int_equal(s.log_level, ZKT_LOG_DEBUG);
    assert_int_equal(unsetenv("ZOCKET_LOG_FORMAT"), 0);
    assert_int_equal(unsetenv("ZOCKET_LOG_LEVEL"), 0);
}

static void test_metrics(void **state)
{
    struct started s;
    (void)state;
    assert_int_equal(SERVE(&s, none, "x"), 0);
    assert_string_equal(s.metrics_listen, "");
    assert_string_equal(s.metrics_token, "");
    assert_int_equal(SERVE(&s, none, "x", "--metrics-port", "0"), 0);
    assert_string_equal(s.metrics_listen, "127.0.0.1:0");
    assert_int_equal(setenv("ZOCKET_METRICS_TOKEN", "0123456789abcdef", 1), 0);
    assert_int_equal(SERVE(&s, none, "x", "--metrics-listen=localhost:0"), 0);
    assert_string_equal(s.metrics_listen, "localhost:0");
    assert_string_equal(s.metrics_token, "0123456789abcdef");
    assert_int_equal(unsetenv("ZOCKET_METRICS_TOKEN"), 0);
}

/* An option and its value may be one argument; mixed forms work as well. */
static void test_joined(void **state)
{
    struct started s;
    (void)state;
    assert_int_equal(SERVE(&s, none, "x", "--threads=3", "--host=127.0.0.2",
                           "--events", "7", "--fragments=8", "--port=0"),
                     0);
    assert_int_equal(s.threads, 3);
    assert_string_equal(s.host, "127.0.0.2");
    assert_int_equal(s.limits.events, 7);
    assert_int_equal(s.limits.fragments, 8);
}

/* Listeners of the arguments replace those of the environment, and these those
 * of the program; a host or a port replaces earlier listeners, too. */
static void test_listeners(void **state)
{
    static const char *const own[] = { "127.0.0.1:0", "127.0.0.2:0", NULL };
    struct started s;
    (void)state;
    assert_int_equal(SERVE(&s, none, "x", "--listen", "127.0.0.1:0",
                           "--listen=localhost:0", "--socket-mode=660"),
                     0);
    assert_string_equal(s.listen, "127.0.0.1:0 localhost:0 ");
    assert_int_equal(s.socket_mode, 0660);
    own_listeners = own;
    assert_int_equal(SERVE(&s, none, "x"), 0);
    assert_string_equal(s.listen, "127.0.0.1:0 127.0.0.2:0 ");
    assert_int_equal(s.socket_mode, 0);
    assert_int_equal(SERVE(&s, none, "x", "--port", "0"), 0);
    assert_string_equal(s.listen, "");
    assert_int_equal(SERVE(&s, none, "x", "--listen", "127.0.0.3:0"), 0);
    assert_string_equal(s.listen, "127.0.0.3:0 ");
    assert_int_equal(setenv("ZOCKET_LISTEN", " 127.0.0.4:0  127.0.0.5:0", 1),
                     0);
    assert_int_equal(setenv("ZOCKET_SOCKET_MODE", "0777", 1), 0);
    assert_int_equal(SERVE(&s, none, "x"), 0);
    assert_string_equal(s.listen, "127.0.0.4:0 127.0.0.5:0 ");
    assert_int_equal(s.socket_mode, 0777);
    assert_int_equal(SERVE(&s, none, "x", "--listen", "127.0.0.6:0"), 0);
    assert_string_equal(s.listen, "127.0.0.6:0 ");
    assert_int_equal(SERVE(&s, none, "x", "--host", "127.0.0.7"), 0);
    assert_string_equal(s.listen, "");
    assert_string_equal(s.host, "127.0.0.7");
    assert_int_equal(unsetenv("ZOCKET_LISTEN"), 0);
    assert_int_equal(unsetenv("ZOCKET_SOCKET_MODE"), 0);
    own_listeners = NULL;
}

/* Sockets that systemd has passed replace those of the program only. */
static void test_activation(void **state)
{
    static const char *const own[] = { "127.0.0.1:0", NULL };
    char pid[16];
    struct started s;
    (void)state;
    own_listeners = own;
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    assert_int_equal(setenv("LISTEN_FDS", "many", 1), 0);
    assert_int_equal(setenv("LISTEN_PID", "1", 1), 0); /* not this process */
    assert_int_equal(SERVE(&s, none, "x"), 0);
    assert_string_equal(s.listen, "127.0.0.1:0 ");
    assert_int_equal(setenv("LISTEN_PID", pid, 1), 0);
    assert_int_equal(SERVE(&s, none, "x"), 1);
    assert_string_equal(s.listen, "systemd ");
    assert_int_equal(SERVE(&s, none, "x", "--port", "0"), 0);
    assert_string_equal(s.listen, "");
    assert_int_equal(SERVE(&s, none, "x", "--listen", "127.0.0.2:0"), 0);
    assert_string_equal(s.listen, "127.0.0.2:0 ");
    assert_int_equal(unsetenv("LISTEN_FDS"), 0);
    assert_int_equal(unsetenv("LISTEN_PID"), 0);
    own_listeners = NULL;
}

/* `some_name` as a variable of the environment, and as an argument. */
static void spell(const char *name, char variable[64], char argument[64])
{
    size_t i = 0;
    snprintf(variable, 64, "ZOCKET_%s", name);
    snprintf(argument, 64, "--%s", name);
    for (i = 0; variable[i] != '\0'; i++) {
        if (variable[i] >= 'a' && variable[i] <= 'z') {
            variable[i] = (char)(variable[i] - 'a' + 'A');
        }
    }
    for (i = 0; argument[i] != '\0'; i++) {
        argument[i] = argument[i] == '_' ? '-' : argument[i];
    }
}

static void test_routes(void **state)
{
    struct started s;
    (void)state;
    assert_int_equal(SERVE(&s, none, "x"), 0);
    assert_false(s.no_healthz || s.no_readyz || s.no_client_js);
    assert_int_equal(setenv("ZOCKET_READYZ", "off", 1), 0);
    assert_int_equal(SERVE(&s, none, "x", "--healthz", "off"), 0);
    assert_true(s.no_healthz && s.no_readyz && !s.no_client_js);
    assert_int_equal(SERVE(&s, none, "x", "--client-js", "off"), 0);
    assert_true(s.no_client_js);
    assert_int_equal(SERVE(&s, none, "x", "--readyz=on"), 0);
    assert_false(s.no_healthz || s.no_readyz);
    unsetenv("ZOCKET_READYZ");
    assert_int_equal(SERVE(&s, none, "x", "--healthz", "no"), 2);
}

/* A library without zlib refuses to start a server that compresses. */
static void test_compression(void **state)
{
    struct started s;
    (void)state;
    assert_int_equal(SERVE(&s, none, "x"), 0);
    assert_false(s.deflate);
    assert_int_equal(SERVE(&s, none, "x", "--deflate=on"),
                     zkt__deflate_is_built() ? 0 : 1);
    assert_true(s.deflate == zkt__deflate_is_built());
    assert_int_equal(SERVE(&s, none, "x", "--deflate", "1"), 2);
}

static void test_every_limit(void **state)
{
    struct started s;
    char variable[64], argument[64];
    (void)state;
#define X(name, value, text)                                                   \
    spell(#name, variable, argument);                                          \
    assert_int_equal(setenv(variable, "41", 1), 0);                            \
    assert_int_equal(SERVE(&s, none, "x"), 0);                                 \
    assert_int_equal(s.limits.name, 41);                                       \
    assert_int_equal(SERVE(&s, none, "x", argument, "42"), 0);                 \
    assert_int_equal(s.limits.name, 42);                                       \
    assert_int_equal(unsetenv(variable), 0);                                   \
    assert_int_equal(SERVE(&s, none, "x", argument, "0"), 0);                  \
    assert_int_equal(s.limits.name, (value));
    ZKT_LIMITS_TABLE(X)
#undef X
}

/* Expects this text on standard error and exit status 2. */
static void assert_complaint(const char *expected, int argc,
                             const char *const *arguments)
{
    int ends[2], status = 0;
    char text[256] = "";
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct started s;
        dup2(ends[1], STDERR_FILENO);
        _exit(serve(&s, none, argc, arguments) + s.count);
    }
    close(ends[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(ends[0], text + len, sizeof(text) - len)) > 0;) {
        len += (size_t)n;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 2);
    assert_string_equal(text, expected);
}

#define COMPLAINS(expected, ...)                                               \
    assert_complaint(                                                          \
        expected,                                                              \
        (int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)),       \
        (const char *[]){ __VA_ARGS__ })

static void test_too_many_listeners(void **state)
{
    char words[65 * 12 + 1] = "";
    (void)state;
    for (int i = 0; i < 65; i++) {
        memcpy(words + i * 12, "127.0.0.1:0 ", 13);
    }
    assert_int_equal(setenv("ZOCKET_LISTEN", words, 1), 0);
    COMPLAINS("ZOCKET_LISTEN: there are more than 64 listeners\n", "x");
    assert_int_equal(unsetenv("ZOCKET_LISTEN"), 0);
}

static void test_suggestions(void **state)
{
    char longest[300] = "--";
    (void)state;
    COMPLAINS("unknown option '--prot'; did you mean '--port'?\n", "x",
              "--prot", "1");
    COMPLAINS("unknown option '--prot'; did you mean '--port'?\n", "x",
              "--prot=1");
    COMPLAINS("unknown option '--event'; did you mean '--events'?\n", "x",
              "--event");
    COMPLAINS("unknown option '--message_bytes'; did you mean "
              "'--message-bytes'?\n",
              "x", "--message_bytes", "1");
    COMPLAINS("unknown option 'port'; did you mean '--port'?\n", "x", "port",
              "1");
    COMPLAINS("unknown option '--hlep'; did you mean '--help'?\n", "x",
              "--hlep");
    COMPLAINS("unknown option '--colour'; --help lists all options\n", "x",
              "--colour", "red");
    COMPLAINS("unknown option '-'; --help lists all options\n", "x", "-");
    COMPLAINS("unknown option ''; --help lists all options\n", "x", "");
    memset(longest + 2, 'a', sizeof(longest) - 3);
    const char expected[] = "unknown option '--"
                            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                            "aaaaaaaaaaaa'; --help lists all options\n";
    COMPLAINS(expected, "x", longest, "1");
}

static void test_bad_arguments(void **state)
{
    (void)state;
    COMPLAINS("--events: '-1' is no number\n", "x", "--events", "-1");
    COMPLAINS("--events: a value is missing\n", "x", "--events");
    COMPLAINS("--port: '65536' is no number from 0 to 65535\n", "x", "--port",
              "65536");
    COMPLAINS("--metrics-port: 'x' is no number from 0 to 65535\n", "x",
              "--metrics-port", "x");
    COMPLAINS("--metrics-listen: '9464': its port is missing\n", "x",
              "--metrics-listen", "9464");
    COMPLAINS("--log-format: 'xml' is not text, logfmt or json\n", "x",
              "--log-format", "xml");
    COMPLAINS("--log-level: 'warn' is not debug, info, warning or error\n", "x",
              "--log-level=warn");
    COMPLAINS("--threads: '65' is no number from 1 to 64\n", "x", "--threads",
              "65");
    COMPLAINS("--threads: '0' is no number from 1 to 64\n", "x", "--threads",
              "0");
    COMPLAINS("--port: a value is missing\n", "x", "--events", "1", "--port");
    COMPLAINS("--listen: 'unix:a': its path is not absolute\n", "x", "--listen",
              "unix:a");
    COMPLAINS("--socket-mode: '0' is no octal number from 1 to 777\n", "x",
              "--socket-mode", "0");
    COMPLAINS("--socket-mode: '1000' is no octal number from 1 to 777\n", "x",
              "--socket-mode", "1000");
    COMPLAINS("--socket-mode: '68' is no octal number from 1 to 777\n", "x",
              "--socket-mode", "68");
    COMPLAINS("--socket-mode: '-6' is no octal number from 1 to 777\n", "x",
              "--socket-mode", "-6");
    COMPLAINS("a listener excludes a host and a port beside it\n", "x",
              "--port", "0", "--listen", "127.0.0.1:0");
    COMPLAINS("--port: '' is no number from 0 to 65535\n", "x", "--port=");
    COMPLAINS("--events: '1=2' is no number\n", "x", "--events=1=2");
    assert_int_equal(setenv("ZOCKET_EVENTS", "many", 1), 0);
    COMPLAINS("ZOCKET_EVENTS: 'many' is no number\n", "x");
    assert_int_equal(unsetenv("ZOCKET_EVENTS"), 0);
    assert_int_equal(setenv("ZOCKET_PORT", "", 1), 0);
    COMPLAINS("ZOCKET_PORT: '' is no number from 0 to 65535\n", "x");
    assert_int_equal(unsetenv("ZOCKET_PORT"), 0);
    assert_int_equal(setenv("ZOCKET_THREADS", "two", 1), 0);
    COMPLAINS("ZOCKET_THREADS: 'two' is no number from 1 to 64\n", "x");
    assert_int_equal(unsetenv("ZOCKET_THREADS"), 0);
    assert_int_equal(setenv("ZOCKET_LISTEN", "127.0.0.1:0 x", 1), 0);
    COMPLAINS("ZOCKET_LISTEN: 'x': its port is missing\n", "x");
    assert_int_equal(unsetenv("ZOCKET_LISTEN"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_logs),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_compression),
        cmocka_unit_test(test_every_limit),
        cmocka_unit_test(test_bad_arguments),
        cmocka_unit_test(test_joined),
        cmocka_unit_test(test_suggestions),
        cmocka_unit_test(test_listeners),
        cmocka_unit_test(test_activation),
        cmocka_unit_test(test_too_many_listeners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
