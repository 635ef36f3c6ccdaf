/*
 * zkt_serve: a server core on a loop of its own, with a listening socket and
 * signals, from start to exit status.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "net/listener.h"
#include "net/loop.h"
#include "server/server.h"

struct serving {
    uv_loop_t uv;
    struct zkt_server *server;
    struct zkt_loop loop;
    struct zkt_listener listener;
    uv_signal_t terminate, interrupt;
    uint32_t signals; /* handles that are not closed yet */
    bool stopping;
};

static void log_to_stderr(void *user, enum zkt_log_level level,
                          const char *text)
{
    static const char *const prefix[] = {
        [ZKT_LOG_DEBUG] = "debug: ",
        [ZKT_LOG_INFO] = "",
        [ZKT_LOG_WARNING] = "warning: ",
        [ZKT_LOG_ERROR] = "error: ",
    };
    (void)user;
    fprintf(stderr, "%s%s\n", prefix[level], text);
}

/* ---- connections ---- */

static void on_accept(void *user, int fd, const char *peer)
{
    struct serving *s = user;
    zkt__loop_clock(&s->loop);
    struct zkt_endpoint *endpoint = zkt__server_accept(s->server, peer);
    if (endpoint == NULL) {
        zkt__socket_close(fd);
        return;
    }
    const int error = zkt__loop_attach(&s->loop, fd, endpoint);
    if (error != 0) {
        zkt__server_log(s->server, ZKT_LOG_WARNING,
                        "a connection from %s was dropped: %s", peer,
                        uv_strerror(error));
    }
}

static void on_accept_error(void *user, int error)
{
    struct serving *s = user;
    zkt__server_log(s->server, ZKT_LOG_WARNING, "cannot accept for now: %s",
                    uv_strerror(error));
}

static void on_link_closed(struct zkt_loop *loop)
{
    struct serving *s = loop->user;
    zkt__listener_resume(&s->listener);
}

/* ---- stopping ---- */

static void on_signal_gone(uv_handle_t *handle)
{
    struct serving *s = handle->data;
    s->signals--;
}

static void close_signals(struct serving *s)
{
    uv_handle_t *handles[] = { (uv_handle_t *)&s->terminate,
                               (uv_handle_t *)&s->interrupt };
    for (size_t i = 0; i < 2; i++) {
        if (handles[i]->data != NULL && !uv_is_closing(handles[i])) {
            uv_close(handles[i], on_signal_gone);
        }
    }
}

static void stop_now(struct serving *s)
{
    zkt__listener_close(&s->listener);
    zkt__loop_stop(&s->loop);
    close_signals(s);
}

static void on_turn(struct zkt_loop *loop)
{
    struct serving *s = loop->user;
    if (s->stopping && zkt_server_is_down(s->server) &&
        zkt__list_empty(&loop->links)) {
        stop_now(s);
    }
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct serving *s = handle->data;
    (void)number;
    if (s->stopping) { /* the second time: whatever is left is dropped */
        stop_now(s);
        return;
    }
    s->stopping = true;
    zkt__listener_close(&s->listener);
    zkt__loop_clock(&s->loop);
    zkt_server_shutdown(s->server);
    zkt__loop_end_turn(&s->loop);
}

static int watch_signal(struct serving *s, uv_signal_t *handle, int number)
{
    const int error = uv_signal_init(&s->uv, handle);
    if (error != 0) {
        return error;
    }
    handle->data = s;
    s->signals++;
    return uv_signal_start(handle, on_signal, number);
}

/* ---- starting ---- */

static int start(struct serving *s, const struct zkt_serve_options *options)
{
    const char *host = options->host != NULL ? options->host : "127.0.0.1";
    const struct zkt_limits *limits = zkt__server_limits(s->server);
    uint16_t port = options->port;
    s->loop.on_turn = on_turn;
    s->loop.on_link_closed = on_link_closed;
    s->loop.user = s;
    s->listener.per_turn = limits->accepts_per_turn;
    s->listener.on_accept = on_accept;
    s->listener.on_error = on_accept_error;
    s->listener.user = s;
    int error = zkt__listener_open(&s->listener, &s->uv, host, &port);
    if (error != 0) {
        zkt__server_log(s->server, ZKT_LOG_ERROR,
                        "cannot listen on %s port %u: %s", host, (unsigned)port,
                        error == -EINVAL ? "not a numeric address"
                                         : uv_strerror(error));
        return error;
    }
    error = watch_signal(s, &s->terminate, SIGTERM);
    if (error == 0) {
        error = watch_signal(s, &s->interrupt, SIGINT);
    }
    if (error != 0) {
        zkt__server_log(s->server, ZKT_LOG_ERROR, "cannot watch signals: %s",
                        uv_strerror(error));
        return error;
    }
    const bool v6 = strchr(host, ':') != NULL;
    zkt__server_log(s->server, ZKT_LOG_INFO, "listening on ws://%s%s%s:%u",
                    v6 ? "[" : "", host, v6 ? "]" : "", (unsigned)port);
    if (options->on_listening != NULL) {
        options->on_listening(options->user, port);
    }
    zkt__loop_end_turn(&s->loop);
    return 0;
}

/* Runs until everything is closed; the exit status. */
static int run(struct serving *s, const struct zkt_serve_options *options)
{
    const int error = start(s, options);
    if (error != 0) {
        stop_now(s);
    }
    /* What does not close is a defect of ours, and hangs a test. */
    (void)uv_run(&s->uv, UV_RUN_DEFAULT);
    zkt__loop_finish(&s->loop);
    return error == 0 ? 0 : 1;
}

int zkt_serve(struct zkt_app app, const struct zkt_serve_options *given)
{
    struct zkt_serve_options options = { 0 };
    if (given != NULL) {
        options = *given;
    }
    if (options.log == NULL) {
        options.log = log_to_stderr;
    }
    struct serving s = { 0 };
    if (zkt_server_new(app, &options, &s.server) != ZKT_OK) {
        return 1; /* the log has said why */
    }
    int status = 1;
    int error = uv_loop_init(&s.uv);
    if (error == 0) {
        error = zkt__loop_init(&s.loop, &s.uv, zkt__server_core(s.server),
                               zkt__server_allocator(s.server),
                               zkt__server_limits(s.server)->close_ms);
        if (error == 0) {
            status = run(&s, &options);
        }
        (void)uv_loop_close(&s.uv);
    }
    if (error != 0) {
        zkt__server_log(s.server, ZKT_LOG_ERROR, "cannot make a loop: %s",
                        uv_strerror(error));
    }
    zkt_server_free(s.server);
    return status;
}
