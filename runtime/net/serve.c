/*
 * zkt_serve: runs a server on its own loop until a signal stops it; returns the
 * exit status.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "net/server_tls.h"
#include "net/systemd.h"
#include "net/uv_server.h"

/* ---- signals ---- */

/* SIGHUP is the last, and not always watched. */
static const int signal_numbers[] = { SIGTERM, SIGINT, SIGHUP };

enum {
    SIGNALS = sizeof(signal_numbers) / sizeof(signal_numbers[0])
};

struct runner {
    uv_loop_t uv;
    struct zkt_server *server;
    struct zkt_uv_server *uv_server; /* NULL: not open yet, or closed */
    uv_signal_t signals[SIGNALS];
    struct sigaction before[SIGNALS]; /* the program's actions */
    bool signalled;
};

/* Connections go on with the certificate that they began with. */
static void reload(struct runner *r)
{
    struct zkt_tls *tls;
    if (zkt__server_load_tls(r->server, &tls)) {
        zkt__server_log(r->server, ZKT_LOG_INFO, "%s",
                        tls != NULL ? "the certificates were read again"
                                    : "SIGHUP: there is no certificate to read "
                                      "again");
    }
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct runner *r = handle->data;
    if (number == SIGHUP) {
        reload(r);
        return;
    }
    if (r->signalled && r->uv_server != NULL) {
        zkt__uv_server_stop(r->uv_server); /* drops open connections */
        return;
    }
    r->signalled = true;
    zkt_server_shutdown(r->server);
}

/* Returns true if SIGHUP tells the server to read its certificates again.
 * Without TLS a service manager may send it nevertheless, which must not end
 * the server; but a handler of the program keeps it, and a terminal that is
 * closed ends the programs that were begun there. */
static bool watches_hangup(const struct runner *r)
{
    struct sigaction now;
    return zkt__server_options(r->server)->tls != NULL ||
           (sigaction(SIGHUP, NULL, &now) == 0 && now.sa_handler == SIG_DFL &&
            isatty(STDIN_FILENO) == 0);
}

/* Returns 0 or a libuv error. Call unwatch_signals in both cases. */
static int watch_signals(struct runner *r)
{
    const int count = watches_hangup(r) ? SIGNALS : SIGNALS - 1;
    int error = 0;
    for (int i = 0; i < count && error == 0; i++) {
        (void)sigaction(signal_numbers[i], NULL, &r->before[i]);
        error = uv_signal_init(&r->uv, &r->signals[i]);
        if (error == 0) {
            r->signals[i].data = r;
            error = uv_signal_start(&r->signals[i], on_signal,
                                    signal_numbers[i]);
        }
    }
    return error;
}

/* The handles keep the loop running no longer, but still catch the signals
 * until the server is freed: hooks that save state run during that, and must
 * not be killed. */
static void unref_signals(struct runner *r)
{
    for (int i = 0; i < SIGNALS; i++) {
        if (r->signals[i].data != NULL) {
            uv_unref((uv_handle_t *)&r->signals[i]);
        }
    }
}

/* Restores the program's handlers; libuv would have set the default action. */
static void unwatch_signals(struct runner *r)
{
    for (int i = 0; i < SIGNALS && r->signals[i].data != NULL; i++) {
        uv_close((uv_handle_t *)&r->signals[i], NULL);
        (void)sigaction(signal_numbers[i], &r->before[i], NULL);
    }
}

/* ---- from start to end ---- */

static void on_gone(void *user)
{
    struct runner *r = user;
    r->uv_server = NULL;
    unref_signals(r);
}

/* Tells the service manager, if there is one. */
static void notify(struct runner *r, const char *state)
{
    const int error = zkt__systemd_notify(state);
    if (error != 0) {
        zkt__server_log(r->server, ZKT_LOG_WARNING,
                        "cannot send %s to NOTIFY_SOCKET: %s", state,
                        uv_strerror(error));
    }
}

static void on_stopping(void *user)
{
    notify(user, "STOPPING=1");
}

/* Unless on_start or on_listening has stopped the server. */
static void notify_ready(struct runner *r)
{
    if (zkt__server_is_ready(r->server)) {
        notify(r, "READY=1");
        zkt__uv_server_on_stopping(r->uv_server, on_stopping);
    }
}

/* Runs until everything is closed. Returns 0 or an error. */
static int run(struct runner *r)
{
    int error = watch_signals(r);
    if (error != 0) {
        zkt__server_log(r->server, ZKT_LOG_ERROR, "cannot watch signals: %s",
                        uv_strerror(error));
        on_gone(r);
    } else {
        r->uv_server = zkt__uv_server_open(r->server, &r->uv, on_gone, r,
                                           &error);
    }
    if (r->uv_server != NULL) {
        notify_ready(r);
        error = zkt__uv_server_run(r->uv_server);
    }
    /* A handle that is never closed is a defect, and hangs a test. */
    (void)uv_run(&r->uv, UV_RUN_DEFAULT);
    return error;
}

static void start(struct runner *r, const struct zkt_serve_options *options)
{
    if (options->on_start != NULL) {
        zkt__server_begin_callback(r->server);
        options->on_start(options->user, r->server);
        zkt__server_end_callback(r->server);
    }
}

/* Opens standard descriptors that were closed at the program's start on
 * /dev/null: otherwise a descriptor that libuv or the program opens takes their
 * number, and the log is written into it. */
static void open_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDWR) < 0) {
            return; /* open returns the lowest free number: fd */
        }
    }
}

int zkt_serve(struct zkt_app app, const struct zkt_serve_options *given)
{
    struct zkt_serve_options options = { 0 };
    if (given != NULL) {
        options = *given;
    }
    if (options.log == NULL && options.log_record == NULL) {
        options.log = zkt_log_to_stderr;
    }
    open_standard_descriptors();
    struct runner r = { 0 };
    if (zkt_server_new(app, &options, &r.server) != ZKT_OK) {
        return 1; /* the reason is logged */
    }
    int error = uv_loop_init(&r.uv);
    const bool has_loop = error == 0;
    if (!has_loop) {
        zkt__server_log(r.server, ZKT_LOG_ERROR, "cannot make a loop: %s",
                        uv_strerror(error));
    } else {
        start(&r, &options);
        error = run(&r);
    }
    zkt_server_free(r.server);
    if (has_loop) {
        unwatch_signals(&r);
        (void)uv_run(&r.uv, UV_RUN_DEFAULT);
        (void)uv_loop_close(&r.uv);
    }
    if (error == 0 && options.on_stopped != NULL) {
        options.on_stopped(options.user);
    }
    return error == 0 ? 0 : 1;
}
