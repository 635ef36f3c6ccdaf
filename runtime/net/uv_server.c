/* See uv_server.h. */
#include "net/uv_server.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "net/listener.h"
#include "net/shard_driver.h"
#include "net/worker_threads.h"

struct zkt_uv_server {
    struct zkt_shard_driver driver; /* of the first shard */
    const struct zkt_allocator *allocator;
    struct zkt_listener listener;
    struct zkt_worker_threads *workers; /* NULL: only one thread */
    bool stopped;
    void (*on_gone)(void *user);
    void *user;
};

/* ---- connections ---- */

static bool is_open(void *user)
{
    const struct zkt_uv_server *s = user;
    return zkt__server_is_open(s->driver.server);
}

/* Also counts sockets that are about to close: descriptors do not run out. */
static bool has_room(const struct zkt_uv_server *s)
{
    const int64_t most = zkt__server_limits(s->driver.server)->connections;
    const uint64_t sockets = (uint64_t)s->driver.loop.sockets +
                             zkt__worker_threads_sockets(s->workers);
    return most == 0 || sockets < (uint64_t)most + ZKT_REFUSED_MAX;
}

static void on_accept(void *user, int fd, const struct sockaddr *peer)
{
    struct zkt_uv_server *s = user;
    if (!has_room(s)) {
        zkt__server_limit_hits(s->driver.server)->connections++;
        zkt__socket_close(fd);
        return;
    }
    if (!zkt__server_admit(s->driver.server)) {
        zkt__socket_close(fd);
        return;
    }
    if (!zkt__worker_threads_offer(s->workers, s->driver.loop.sockets, fd,
                                   peer)) {
        (void)zkt__shard_driver_take(&s->driver, fd, peer);
    }
}

static void on_accept_error(void *user, int error)
{
    struct zkt_uv_server *s = user;
    zkt__server_log(s->driver.server, ZKT_LOG_WARNING,
                    "cannot accept for now: %s", uv_strerror(error));
}

/* Ends a pause if the server accepts connections. */
static void resume_accepting(struct zkt_uv_server *s)
{
    if (s->listener.paused && zkt__server_is_open(s->driver.server)) {
        zkt__listener_resume(&s->listener);
    }
}

static void on_transport_closed(struct zkt_loop *loop)
{
    resume_accepting(loop->user);
}

/* ---- stopping ---- */

/* Frees it if its last handle has been closed. */
static void free_if_gone(struct zkt_uv_server *s)
{
    if (s->driver.loop.handles > 0 || s->listener.handles > 0) {
        return;
    }
    void (*on_gone)(void *user) = s->on_gone;
    void *user = s->user;
    zkt__loop_finish(&s->driver.loop);
    zkt__release(s->allocator, s);
    on_gone(user);
}

static void on_loop_stopped(struct zkt_loop *loop)
{
    free_if_gone(loop->user);
}

static void on_listener_closed(void *user)
{
    struct zkt_uv_server *s = user;
    if (s->driver.loop.stopping) {
        free_if_gone(s);
    }
}

void zkt__uv_server_stop(struct zkt_uv_server *s)
{
    if (s->stopped) {
        return;
    }
    s->stopped = true;
    zkt__worker_threads_stop(s->workers); /* first: they wake the driver */
    s->workers = NULL;
    zkt__listener_close(&s->listener);
    zkt__shard_driver_stop(&s->driver);
}

/* Stops after an error that cannot be mended. */
static void give_up(struct zkt_uv_server *s, int error)
{
    zkt__server_log(s->driver.server, ZKT_LOG_ERROR,
                    "cannot wait for sockets: %s", uv_strerror(error));
    s->driver.loop.error = error;
    zkt__uv_server_stop(s);
}

static void on_failed(struct zkt_loop *loop, int error)
{
    give_up(loop->user, error);
}

static void abandon(struct zkt_core *core)
{
    zkt__uv_server_stop(
        ZKT_CONTAINER(core->driver, struct zkt_uv_server, driver));
}

static void on_turn(struct zkt_loop *loop)
{
    struct zkt_uv_server *s = loop->user;
    const int error = zkt__worker_threads_error(s->workers);
    if (error != 0) {
        give_up(s, error);
        return;
    }
    if (zkt__server_is_stopping(s->driver.server)) {
        zkt__listener_close(&s->listener);
    } else if (s->listener.paused &&
               !uv_is_active((const uv_handle_t *)&s->listener.retry)) {
        resume_accepting(s); /* an active timer waits for a descriptor */
    }
    if (zkt_server_is_down(s->driver.server) && loop->sockets == 0 &&
        zkt__worker_threads_are_finished(s->workers)) {
        zkt__uv_server_stop(s);
    }
}

/* ---- starting ---- */

static int listen_on(struct zkt_uv_server *s, const char *host, uint16_t *port)
{
    struct zkt_server *server = s->driver.server;
    const int error = zkt__listener_open(&s->listener, &s->driver.loop.poller,
                                         host, port);
    if (error != 0) {
        zkt__server_log(
            server, ZKT_LOG_ERROR, "cannot listen on %s port %u: %s", host,
            (unsigned)*port,
            error == -EINVAL ? "not a numeric address" : uv_strerror(error));
        return error;
    }
    const bool v6 = strchr(host, ':') != NULL;
    zkt__server_log(server, ZKT_LOG_INFO, "listening on ws://%s%s%s:%u",
                    v6 ? "[" : "", host, v6 ? "]" : "", (unsigned)*port);
    return 0;
}

/* Leaves descriptors for other files of the process, and for the loops of the
 * worker threads. */
static void limit_connections(struct zkt_server *server)
{
    enum {
        SPARE = 64,
        OF_A_LOOP = 4
    };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 &&
        files.rlim_cur != RLIM_INFINITY && files.rlim_cur <= INT32_MAX) {
        const int64_t most = (int64_t)files.rlim_cur;
        const int64_t loops = (int64_t)zkt__server_shard_count(server) - 1;
        const int64_t spare = SPARE + OF_A_LOOP * loops;
        zkt__server_limit_connections(server, most > 2 * spare ? most - spare
                                              : most > 1       ? most / 2
                                                               : 1);
    }
}

/* A worker thread has finished; called on that thread. */
static void wake(void *user)
{
    struct zkt_uv_server *s = user;
    zkt__shard_driver_wake(&s->driver);
}

static int start(struct zkt_uv_server *s)
{
    struct zkt_server *server = s->driver.server;
    const struct zkt_serve_options *options = zkt__server_options(server);
    uint16_t port = options->port;
    limit_connections(server);
    int error = zkt__worker_threads_open(server, wake, s, &s->workers);
    if (error != 0) {
        return error;
    }
    error = listen_on(s, options->host != NULL ? options->host : "127.0.0.1",
                      &port);
    if (error != 0) {
        return error;
    }
    zkt__shard_driver_join(&s->driver, abandon);
    if (options->on_listening != NULL) {
        zkt__server_begin_callback(server);
        options->on_listening(options->user, port);
        zkt__server_end_callback(server);
    }
    zkt__loop_end_turn(&s->driver.loop);
    return 0;
}

/* Returns 0 or a libuv error. */
static int init(struct zkt_uv_server *s, struct zkt_server *server,
                uv_loop_t *uv)
{
    const int error = zkt__shard_driver_init(&s->driver, server, uv);
    s->driver.loop.on_turn = on_turn;
    s->driver.loop.on_transport_closed = on_transport_closed;
    s->driver.loop.on_failed = on_failed;
    s->driver.loop.on_stopped = on_loop_stopped;
    s->driver.loop.user = s;
    s->listener.source.fd = -1;
    s->listener.per_turn = zkt__server_limits(server)->accepts_per_turn;
    s->listener.turns_full = &zkt__server_limit_hits(server)->accepts_per_turn;
    s->listener.is_open = is_open;
    s->listener.on_accept = on_accept;
    s->listener.on_error = on_accept_error;
    s->listener.on_closed = on_listener_closed;
    s->listener.user = s;
    return error;
}

/* Logs the error. @s is NULL if there was no memory for it. */
static void fail(struct zkt_uv_server *s, struct zkt_server *server, int error)
{
    zkt__server_log(server, ZKT_LOG_ERROR, "cannot serve on the loop: %s",
                    uv_strerror(error));
    if (s != NULL) {
        free_if_gone(s); /* otherwise its last handle frees it */
    }
}

struct zkt_uv_server *zkt__uv_server_open(struct zkt_server *server,
                                          uv_loop_t *uv,
                                          void (*on_gone)(void *user),
                                          void *user, int *error)
{
    const struct zkt_allocator *allocator = zkt__server_allocator(server);
    struct zkt_uv_server *s = zkt__alloc_zero(allocator, 1, sizeof(*s));
    *error = UV_ENOMEM;
    if (s == NULL) {
        fail(NULL, server, *error);
        on_gone(user);
        return NULL;
    }
    s->allocator = allocator;
    s->on_gone = on_gone;
    s->user = user;
    *error = init(s, server, uv);
    if (*error != 0) {
        fail(s, server, *error);
        return NULL;
    }
    *error = start(s);
    if (*error != 0) {
        zkt__uv_server_stop(s);
        return NULL;
    }
    return s;
}

int zkt__uv_server_run(struct zkt_uv_server *s)
{
    int error = zkt__loop_take_over(&s->driver.loop);
    if (error == 0) {
        error = zkt__loop_run(&s->driver.loop); /* frees @s */
    } else {
        zkt__server_log(s->driver.server, ZKT_LOG_ERROR,
                        "cannot serve on the loop: %s", uv_strerror(error));
        zkt__uv_server_stop(s);
    }
    return error;
}

/* ---- the user's loop ---- */

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
    if (zkt__uv_server_open(server, loop,
                            options->on_stopped != NULL ? options->on_stopped
                                                        : ignore,
                            options->user, &error) != NULL) {
        zkt__server_unbind_thread(server); /* to the loop's thread */
        return ZKT_OK;
    }
    return error == UV_ENOMEM ? ZKT_NO_MEMORY : ZKT_SYSTEM;
}
