/* See uv_server.h. */
#include "net/uv_server.h"

#include <sys/resource.h>

#include "net/listening.h"
#include "net/process.h"
#include "net/proxied.h"
#include "net/server_tls.h"
#include "net/shard_driver.h"
#include "net/static_files.h"
#include "net/worker_threads.h"

struct zkt_uv_server {
    struct zkt_shard_driver driver; /* of the first shard */
    const struct zkt_allocator *allocator;
    struct zkt_listener *listeners;
    uint32_t listener_count;
    struct zkt_tls *tls;                /* NULL: no certificate */
    struct zkt_redirect redirect;       /* used if there is one */
    struct zkt_worker_threads *workers; /* NULL: only one thread */
    struct zkt_static_files *files;     /* NULL: none are served */
    bool stopped;
    void (*on_stopping)(void *user); /* NULL: not set, or called */
    void (*on_gone)(void *user);
    void *user;
};

/* ---- connections ---- */

static bool is_open(void *user)
{
    const struct zkt_uv_server *s = user;
    return zkt__server_is_open(s->driver.server);
}

/* Metrics do not wait for clients. */
static bool is_open_for_metrics(void *user)
{
    (void)user;
    return true;
}

/* Also counts sockets that are about to close: descriptors do not run out. */
static bool has_room(const struct zkt_uv_server *s, bool metrics)
{
    const int64_t most = zkt__server_limits(s->driver.server)->connections;
    const uint64_t sockets = (uint64_t)s->driver.loop.sockets +
                             zkt__worker_threads_sockets(s->workers);
    const uint64_t spare = ZKT_REFUSED_MAX + (metrics ? ZKT_METRICS_ROOM : 0);
    return most == 0 || sockets < (uint64_t)most + spare;
}

/* Makes room by dropping the socket that has waited longest for its peer to
 * close, of this thread: it was answered. */
static bool make_room(struct zkt_uv_server *s, bool metrics)
{
    return has_room(s, metrics) || zkt__loop_drop_lingering(&s->driver.loop);
}

/* Connections for metrics, and those that a full server refuses, stay on this
 * thread. */
static bool stays_here(const struct zkt_uv_server *s, bool metrics)
{
    return metrics || zkt__server_is_full(s->driver.server);
}

/* Returns true if a connection may speak for others, where each has to. */
static bool may_speak(const struct zkt_uv_server *s,
                      const struct zkt_accepted *accepted)
{
    const struct sockaddr *peer = (const struct sockaddr *)&accepted->peer;
    char text[ZKT_ADDRESS_TEXT];
    zkt__socket_format_address(peer, text);
    if ((accepted->listener & ZKT_LISTENER_PROXY) == 0 ||
        zkt__server_trusts(s->driver.server, text, accepted->listener)) {
        return true;
    }
    zkt__socket_format_peer(peer, text);
    zkt__server_log_address(s->driver.server, ZKT_LOG_WARNING, text,
                            "a connection from %s was dropped: trusted_proxies "
                            "does not name it",
                            text);
    return false;
}

static void on_accept(void *user, const struct zkt_accepted *accepted)
{
    struct zkt_uv_server *s = user;
    const bool metrics = (accepted->listener & ZKT_LISTENER_METRICS) != 0;
    if (!may_speak(s, accepted)) {
        zkt__socket_close(accepted->fd);
        return;
    }
    if (!make_room(s, metrics)) {
        zkt__server_limit_hits(s->driver.server)->connections++;
        zkt__socket_close(accepted->fd);
        return;
    }
    if (!zkt__server_admit(s->driver.server, accepted->listener)) {
        zkt__socket_close(accepted->fd);
        return;
    }
    if (stays_here(s, metrics) ||
        !zkt__worker_threads_offer(s->workers, s->driver.loop.sockets,
                                   accepted)) {
        (void)zkt__shard_driver_take(&s->driver, accepted);
    }
}

static void on_accept_error(void *user, int error)
{
    struct zkt_uv_server *s = user;
    zkt__server_log(s->driver.server, ZKT_LOG_WARNING,
                    "cannot accept for now: %s", uv_strerror(error));
}

/* Ends the pauses if the server accepts connections. A listener that waits for
 * a free descriptor goes on when a connection has @freed one, or later by
 * itself. */
static void resume_accepting(struct zkt_uv_server *s, bool freed)
{
    for (uint32_t i = 0; i < s->listener_count; i++) {
        struct zkt_listener *listener = &s->listeners[i];
        const bool waits = !freed &&
                           uv_is_active((const uv_handle_t *)&listener->retry);
        if (listener->paused && !waits && listener->is_open(s)) {
            zkt__listener_resume(listener);
        }
    }
}

static void on_transport_closed(struct zkt_loop *loop)
{
    resume_accepting(loop->user, true);
}

/* ---- stopping ---- */

static void close_listeners(struct zkt_uv_server *s)
{
    for (uint32_t i = 0; i < s->listener_count; i++) {
        zkt__listener_close(&s->listeners[i]);
    }
}

static bool has_handles(const struct zkt_uv_server *s)
{
    uint32_t handles = s->driver.loop.handles;
    for (uint32_t i = 0; i < s->listener_count; i++) {
        handles += s->listeners[i].handles;
    }
    return handles > 0;
}

/* Frees it if its last handle has been closed. */
static void free_if_gone(struct zkt_uv_server *s)
{
    if (has_handles(s)) {
        return;
    }
    void (*on_gone)(void *user) = s->on_gone;
    void *user = s->user;
    zkt__loop_finish(&s->driver.loop);
    zkt__release(s->allocator, s->listeners);
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
    close_listeners(s);
    zkt__shard_driver_stop(&s->driver);
    zkt__static_files_close(s->files); /* last: answers read them */
    s->files = NULL;
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

/* The server is not ready any more; called in each of its last turns. */
static void notify_stopping(struct zkt_uv_server *s)
{
    void (*on_stopping)(void *user) = s->on_stopping;
    s->on_stopping = NULL;
    if (on_stopping != NULL) {
        on_stopping(s->user);
    }
}

static void on_turn(struct zkt_loop *loop)
{
    struct zkt_uv_server *s = loop->user;
    const int error = zkt__worker_threads_error(s->workers);
    if (error != 0) {
        give_up(s, error);
        return;
    }
    if (!zkt__server_is_ready(s->driver.server)) {
        notify_stopping(s);
    }
    if (zkt__server_is_stopping(s->driver.server)) {
        close_listeners(s);
        zkt__proxied_drop_all(&s->driver);
    } else {
        resume_accepting(s, false);
    }
    if (zkt_server_is_down(s->driver.server) && loop->sockets == 0 &&
        zkt__worker_threads_are_finished(s->workers)) {
        zkt__uv_server_stop(s);
    }
}

/* ---- starting ---- */

/* All listeners share the connections of a turn, so that none of them can keep
 * the others waiting. */
static int64_t share_of_turn(const struct zkt_server *server, uint32_t count)
{
    const int64_t most = zkt__server_limits(server)->accepts_per_turn;
    return most / count > 0 ? most / count : 1;
}

static void log_listening(struct zkt_server *server,
                          const struct zkt_listening *listening)
{
    char url[ZKT_SOCKET_URL];
    for (uint32_t i = 0; i < listening->count; i++) {
        const struct zkt_listening_socket *socket = &listening->all[i];
        const bool tls = (socket->traits & ZKT_LISTENER_TLS) != 0;
        const bool redirects = (socket->traits & ZKT_LISTENER_REDIRECT) != 0;
        const bool metrics = (socket->traits & ZKT_LISTENER_METRICS) != 0;
        zkt__socket_format_url(&socket->address,
                               redirects || metrics ? "http"
                               : tls                ? "wss"
                                                    : "ws",
                               url);
        zkt__server_log_address(server, ZKT_LOG_INFO, url, "%s %s",
                                redirects ? "redirecting from"
                                : metrics ? "metrics on"
                                          : "listening on",
                                url);
    }
}

/* Moves the sockets into listeners, or closes the rest of them after an error.
 */
static int accept_from(struct zkt_uv_server *s, struct zkt_listening *listening)
{
    struct zkt_server *server = s->driver.server;
    const uint32_t count = listening->count;
    int error = 0;
    s->listeners = zkt__alloc_zero(s->allocator, count, sizeof(*s->listeners));
    if (s->listeners == NULL) {
        error = UV_ENOMEM;
    }
    for (uint32_t i = 0; i < count && error == 0; i++) {
        s->listeners[i] = (struct zkt_listener){
            .per_turn = share_of_turn(server, count),
            .turns_full = &zkt__server_limit_hits(server)->accepts_per_turn,
            .is_open = (listening->all[i].traits & ZKT_LISTENER_METRICS) != 0
                           ? is_open_for_metrics
                           : is_open,
            .on_accept = on_accept,
            .on_error = on_accept_error,
            .on_closed = on_listener_closed,
            .user = s,
        };
        s->listener_count++;
        error = zkt__listener_open(&s->listeners[i], &s->driver.loop.poller,
                                   &listening->all[i]);
    }
    if (error != 0) {
        zkt__listening_close(listening, s->listener_count);
        zkt__server_log(server, ZKT_LOG_ERROR,
                        "cannot wait for connections: %s", uv_strerror(error));
        return error;
    }
    log_listening(server, listening);
    return 0;
}

/* Leaves descriptors for other files of the process: @others, and those for the
 * loops of the worker threads. */
static void limit_connections(struct zkt_server *server, int64_t others)
{
    enum {
        SPARE = 63,
        OF_A_LOOP = 4
    };
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 &&
        files.rlim_cur != RLIM_INFINITY && files.rlim_cur <= INT32_MAX) {
        const int64_t most = (int64_t)files.rlim_cur;
        const int64_t loops = (int64_t)zkt__server_shard_count(server) - 1;
        const int64_t spare = SPARE + OF_A_LOOP * loops + others;
        zkt__server_limit_connections(server, most > 2 * spare ? most - spare
                                              : most > 1       ? most / 2
                                                               : 1);
    }
}

/* The descriptors of listeners, of scrapes and of static files. */
static int64_t count_others(const struct zkt_uv_server *s,
                            const struct zkt_listening *listening)
{
    const struct zkt_server *server = s->driver.server;
    int64_t others = listening->count;
    others += zkt__server_options(server)->metrics_listen != NULL
                  ? ZKT_METRICS_ROOM
                  : 0;
    others += s->files != NULL ? zkt__server_limits(server)->static_files : 0;
    return others;
}

/* A worker thread has finished; called on that thread. */
static void wake(void *user)
{
    struct zkt_uv_server *s = user;
    zkt__shard_driver_wake(&s->driver);
}

static void set_redirect(struct zkt_uv_server *s,
                         const struct zkt_listening *listening)
{
    if (s->tls != NULL) {
        s->redirect = (struct zkt_redirect){
            .port = zkt__listening_port(listening, ZKT_LISTENER_TLS),
            .names = zkt__server_tls_names,
            .user = s->tls,
        };
        zkt__server_set_redirect(s->driver.server, &s->redirect);
    }
}

static int start(struct zkt_uv_server *s)
{
    struct zkt_server *server = s->driver.server;
    const struct zkt_serve_options *options = zkt__server_options(server);
    struct zkt_listening listening;
    if (!zkt__server_load_tls(server, &s->tls)) {
        return UV_EINVAL;
    }
    int error = zkt__listening_open(server, s->tls != NULL, &listening);
    if (error != 0) {
        return error;
    }
    zkt__server_on_process(server, zkt__process_read);
    set_redirect(s, &listening);
    error = zkt__static_files_open(server, &s->files);
    if (error != 0) {
        zkt__listening_close(&listening, 0);
        return error;
    }
    limit_connections(server, count_others(s, &listening));
    error = zkt__worker_threads_open(server, wake, s, &s->workers);
    if (error != 0) {
        zkt__listening_close(&listening, 0);
        return error;
    }
    error = accept_from(s, &listening);
    if (error != 0) {
        return error;
    }
    zkt__shard_driver_join(&s->driver, abandon);
    if (options->on_listening != NULL) {
        zkt__server_begin_callback(server);
        options->on_listening(options->user,
                              zkt__listening_port(&listening, 0));
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

void zkt__uv_server_on_stopping(struct zkt_uv_server *s,
                                void (*on_stopping)(void *user))
{
    s->on_stopping = on_stopping;
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
        zkt__server_is_running(server) || !zkt__server_is_ready(server)) {
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
