/*
 * zkt_serve: a server on a loop of its own that stops at signals, from start
 * to exit status.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "net/uv_server.h"

/* ---- signals ---- */

static const int numbers[] = { SIGTERM, SIGINT };

enum {
    SIGNALS = sizeof(numbers) / sizeof(numbers[0])
};

struct runner {
    uv_loop_t uv;
    struct zkt_server *server;
    struct zkt_uv_server *uv_server; /* NULL: gone, or not there yet */
    uv_signal_t signals[SIGNALS];
    struct sigaction before[SIGNALS]; /* what the program had for them */
    bool signalled;
};

static void on_signal(uv_signal_t *handle, int number)
{
    struct runner *r = handle->data;
    (void)number;
    if (r->signalled && r->uv_server != NULL) {
        zkt__uv_server_stop(r->uv_server); /* whatever is left is dropped */
        return;
    }
    r->signalled = true;
    zkt_server_shutdown(r->server);
}

/* 0 or a libuv error; what was begun by then is to be ended. */
static int watch_signals(struct runner *r)
{
    int error = 0;
    for (int i = 0; i < SIGNALS && error == 0; i++) {
        (void)sigaction(numbers[i], NULL, &r->before[i]);
        error = uv_signal_init(&r->uv, &r->signals[i]);
        if (error == 0) {
            r->signals[i].data = r;
            error = uv_signal_start(&r->signals[i], on_signal, numbers[i]);
        }
    }
    return error;
}

/* They do not keep the loop running, but until the server is freed none of them
 * ends the program: hooks run in that, which save state. */
static void unref_signals(struct runner *r)
{
    for (int i = 0; i < SIGNALS; i++) {
        if (r->signals[i].data != NULL) {
            uv_unref((uv_handle_t *)&r->signals[i]);
        }
    }
}

/* The program has its own handlers again; libuv would have left it none. */
static void unwatch_signals(struct runner *r)
{
    for (int i = 0; i < SIGNALS && r->signals[i].data != NULL; i++) {
        uv_close((uv_handle_t *)&r->signals[i], NULL);
        (void)sigaction(numbers[i], &r->before[i], NULL);
    }
}

/* ---- from start to end ---- */

static void on_gone(void *user)
{
    struct runner *r = user;
    r->uv_server = NULL;
    unref_signals(r);
}

/* Runs until everything is closed; 0 or an error. */
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
        error = zkt__uv_server_run(r->uv_server);
    }
    /* What does not close is a defect of ours, and hangs a test. */
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

/* What was closed when the program was started is opened on nothing: whatever
 * libuv or the program opens later would take its place, and the log go into
 * that. */
static void open_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) == -1 && open("/dev/null", O_RDWR) < 0) {
            return; /* it gives the lowest number that is free: fd */
        }
    }
}

int zkt_serve(struct zkt_app app, const struct zkt_serve_options *given)
{
    struct zkt_serve_options options = { 0 };
    if (given != NULL) {
        options = *given;
    }
    if (options.log == NULL) {
        options.log = zkt_log_to_stderr;
    }
    open_standard_descriptors();
    struct runner r = { 0 };
    if (zkt_server_new(app, &options, &r.server) != ZKT_OK) {
        return 1; /* the log has said why */
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
