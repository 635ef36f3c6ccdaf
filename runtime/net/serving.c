/* See serving.h. */
#include "net/serving.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "net/listener.h"
#include "net/loop.h"

struct zkt_serving {
    struct zkt_server *server; /* NULL: freed */
    const struct zkt_allocator *allocator;
    struct zkt_loop loop;
    struct zkt_listener listener;
    uv_async_t async;
    bool stopped;
    void (*on_gone)(void *user);
    void *user;
};

/* ---- connections ---- */

static bool is_open(void *user)
{
    const struct zkt_serving *s = user;
    return zkt__server_is_open(s->server);
}

/* Sockets that are about to close count, too: descriptors do not run out. */
static bool has_room(const struct zkt_serving *s)
{
    const int64_t most = zkt__server_limits(s->server)->connections;
    return most == 0 ||
           (uint64_t)s->loop.sockets < (uint64_t)most + ZKT_REFUSED_MAX;
}

/* What @peer is called, if that matters. */
static const char *name_peer(const struct zkt_serving *s,
                             const struct sockaddr *peer,
                             char text[ZKT_ADDRESS_TEXT])
{
    if (zkt__server_limits(s->server)->per_address == 0) {
        return "";
    }
    zkt__socket_spell(peer, text);
    return text;
}

static void on_accept(void *user, int fd, const struct sockaddr *peer)
{
    struct zkt_serving *s = user;
    char text[ZKT_ADDRESS_TEXT];
    if (!has_room(s)) {
        zkt__server_reached(s->server)->connections++;
        zkt__socket_close(fd);
        return;
    }
    struct zkt_endpoint *endpoint = zkt__server_accept(
        s->server, name_peer(s, peer, text));
    if (endpoint == NULL) {
        zkt__socket_close(fd);
        return;
    }
    const int error = zkt__loop_attach(&s->loop, fd, endpoint);
    if (error == 0) {
        zkt__loop_read_early(&s->loop, endpoint);
        return;
    }
    zkt__socket_spell(peer, text);
    zkt__server_log(s->server, ZKT_LOG_WARNING,
                    "a connection from %s was dropped: %s", text,
                    uv_strerror(error));
}

static void on_accept_error(void *user, int error)
{
    struct zkt_serving *s = user;
    zkt__server_log(s->server, ZKT_LOG_WARNING, "cannot accept for now: %s",
                    uv_strerror(error));
}

/* What makes accepting wait may have passed. */
static void resume_accepting(struct zkt_serving *s)
{
    if (s->listener.resting && zkt__server_is_open(s->server)) {
        zkt__listener_resume(&s->listener);
    }
}

static void on_link_closed(struct zkt_loop *loop)
{
    resume_accepting(loop->user);
}

/* ---- waking ---- */

static void on_async(uv_async_t *async)
{
    struct zkt_serving *s = async->data;
    zkt__loop_end_turn(&s->loop);
}

/* From any thread. */
static void wake(void *user)
{
    struct zkt_serving *s = user;
    (void)uv_async_send(&s->async);
}

static void wake_core(struct zkt_core *core)
{
    wake(core->driver);
}

/* ---- stopping ---- */

/* Frees it, when the last of its handles has been closed. */
static void free_if_gone(struct zkt_serving *s)
{
    if (s->loop.handles > 0 || s->listener.handles > 0) {
        return;
    }
    void (*on_gone)(void *user) = s->on_gone;
    void *user = s->user;
    zkt__loop_finish(&s->loop);
    zkt__release(s->allocator, s);
    on_gone(user);
}

static void on_loop_stopped(struct zkt_loop *loop)
{
    free_if_gone(loop->user);
}

static void on_listener_closed(void *user)
{
    struct zkt_serving *s = user;
    if (s->loop.stopping) {
        free_if_gone(s);
    }
}

static void on_async_gone(uv_handle_t *handle)
{
    struct zkt_serving *s = handle->data;
    zkt__loop_handle_gone(&s->loop);
}

static void leave_core(struct zkt_serving *s)
{
    struct zkt_core *core = zkt__server_core(s->server);
    zkt__post_box_on_wake(zkt__server_box(s->server), NULL, NULL);
    core->driver = NULL;
    core->wake = NULL;
    core->abandon = NULL;
}

void zkt__serving_stop(struct zkt_serving *s)
{
    if (s->stopped) {
        return;
    }
    s->stopped = true;
    leave_core(s);
    zkt__server_change_thread(s->server);
    zkt__listener_close(&s->listener);
    zkt__loop_stop(&s->loop);
    uv_close((uv_handle_t *)&s->async, on_async_gone);
    s->server = NULL;
}

static void abandon(struct zkt_core *core)
{
    zkt__serving_stop(core->driver);
}

static void on_turn(struct zkt_loop *loop)
{
    struct zkt_serving *s = loop->user;
    if (zkt__server_is_stopping(s->server)) {
        zkt__listener_close(&s->listener);
    } else if (s->listener.resting &&
               !uv_is_active((const uv_handle_t *)&s->listener.retry)) {
        resume_accepting(s); /* otherwise it waits for a descriptor */
    }
    if (zkt_server_is_down(s->server) && zkt__list_empty(&loop->links)) {
        zkt__serving_stop(s);
    }
}

/* ---- starting ---- */

static int listen_on(struct zkt_serving *s, const char *host, uint16_t *port)
{
    const int error = zkt__listener_open(&s->listener, &s->loop.poller, host,
                                         port);
    if (error != 0) {
        zkt__server_log(
            s->server, ZKT_LOG_ERROR, "cannot listen on %s port %u: %s", host,
            (unsigned)*port,
            error == -EINVAL ? "not a numeric address" : uv_strerror(error));
        return error;
    }
    const bool v6 = strchr(host, ':') != NULL;
    zkt__server_log(s->server, ZKT_LOG_INFO, "listening on ws://%s%s%s:%u",
                    v6 ? "[" : "", host, v6 ? "]" : "", (unsigned)*port);
    return 0;
}

/* Some descriptors are left for what else a process opens. */
static void limit_connections(struct zkt_server *server)
{
    enum {
        SPARE = 64
    };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 &&
        files.rlim_cur != RLIM_INFINITY && files.rlim_cur <= INT32_MAX) {
        const int64_t most = (int64_t)files.rlim_cur;
        zkt__server_limit_connections(server, most > 2 * SPARE ? most - SPARE
                                              : most > 1       ? most / 2
                                                               : 1);
    }
}

static int start(struct zkt_serving *s)
{
    const struct zkt_serve_options *options = zkt__server_options(s->server);
    struct zkt_core *core = zkt__server_core(s->server);
    uint16_t port = options->port;
    limit_connections(s->server);
    const int error = listen_on(
        s, options->host != NULL ? options->host : "127.0.0.1", &port);
    if (error != 0) {
        return error;
    }
    core->driver = s;
    core->wake = wake_core;
    core->abandon = abandon;
    zkt__post_box_on_wake(zkt__server_box(s->server), wake, s);
    if (options->on_listening != NULL) {
        zkt__server_begin_callback(s->server);
        options->on_listening(options->user, port);
        zkt__server_end_callback(s->server);
    }
    zkt__loop_end_turn(&s->loop);
    return 0;
}

/* The loop's part of it: what can fail before there is a handle. */
static struct zkt_serving *new_serving(struct zkt_server *server, uv_loop_t *uv,
                                       int *error)
{
    const struct zkt_allocator *allocator = zkt__server_allocator(server);
    const struct zkt_limits *limits = zkt__server_limits(server);
    struct zkt_serving *s = zkt__alloc_zero(allocator, 1, sizeof(*s));
    *error = UV_ENOMEM;
    if (s == NULL) {
        return NULL;
    }
    s->server = server;
    s->allocator = allocator;
    *error = zkt__loop_init(&s->loop, uv, zkt__server_core(server), allocator,
                            limits->close_ms, (size_t)limits->read_per_turn);
    if (*error != 0) {
        zkt__release(allocator, s);
        return NULL;
    }
    s->listener.source.fd = -1;
    s->listener.per_turn = limits->accepts_per_turn;
    s->listener.turns_full = &zkt__server_reached(server)->accepts_per_turn;
    s->listener.is_open = is_open;
    s->listener.on_accept = on_accept;
    s->listener.on_error = on_accept_error;
    s->listener.on_closed = on_listener_closed;
    s->listener.user = s;
    s->loop.on_turn = on_turn;
    s->loop.on_link_closed = on_link_closed;
    s->loop.on_stopped = on_loop_stopped;
    s->loop.user = s;
    return s;
}

struct zkt_serving *zkt__serving_open(struct zkt_server *server, uv_loop_t *uv,
                                      void (*on_gone)(void *user), void *user,
                                      int *error)
{
    struct zkt_serving *s = new_serving(server, uv, error);
    if (s == NULL) {
        zkt__server_log(server, ZKT_LOG_ERROR, "cannot serve on the loop: %s",
                        uv_strerror(*error));
        on_gone(user);
        return NULL;
    }
    s->on_gone = on_gone;
    s->user = user;
    *error = uv_async_init(uv, &s->async, on_async);
    if (*error != 0) {
        zkt__server_log(server, ZKT_LOG_ERROR, "cannot serve on the loop: %s",
                        uv_strerror(*error));
        zkt__loop_stop(&s->loop);
        return NULL;
    }
    s->async.data = s;
    s->loop.handles++;
    *error = start(s);
    if (*error != 0) {
        zkt__serving_stop(s);
        return NULL;
    }
    return s;
}

int zkt__serving_run(struct zkt_serving *s)
{
    const int error = zkt__loop_run(&s->loop);
    if (error != 0) {
        zkt__server_log(s->server, ZKT_LOG_ERROR,
                        "cannot serve on the loop: %s", uv_strerror(error));
        zkt__serving_stop(s);
    }
    return error;
}

/* ---- a loop of the user's ---- */

static void ignore(void *user)
{
    (void)user;
}

enum zkt_status zkt_server_listen(struct zkt_server *server,
                                  struct uv_loop_s *loop)
{
    const struct zkt_serve_options *options = zkt__server_options(server);
    int error;
    if (!zkt__server_may_call(server, "zkt_server_listen") ||
        zkt__server_core(server)->driver != NULL ||
        zkt__server_is_running(server) || zkt__server_is_stopping(server)) {
        return ZKT_FAILED_PRECONDITION;
    }
    if (zkt__serving_open(server, loop,
                          options->on_stopped != NULL ? options->on_stopped
                                                      : ignore,
                          options->user, &error) != NULL) {
        zkt__server_change_thread(server); /* the loop's */
        return ZKT_OK;
    }
    return error == UV_ENOMEM ? ZKT_NO_MEMORY : ZKT_SYSTEM;
}
