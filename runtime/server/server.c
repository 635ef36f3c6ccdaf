/* The server as a core: making it, its turns, and freeing it. */
#include "server/server.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/limits.h"
#include "server/connection.h"

enum {
    LOG_MAX = 1024
};

struct zkt_core *zkt__server_core(struct zkt_server *server)
{
    return &server->core;
}

const struct zkt_limits *zkt__server_limits(const struct zkt_server *server)
{
    return &server->limits;
}

const struct zkt_serve_options *zkt__server_options(
    const struct zkt_server *server)
{
    return &server->options;
}

const struct zkt_allocator *zkt__server_allocator(
    const struct zkt_server *server)
{
    return server->allocator;
}

static void log_text(const struct zkt_serve_options *options,
                     enum zkt_log_level level, const char *format,
                     va_list arguments)
{
    char text[LOG_MAX];
    if (options->log != NULL) {
        (void)vsnprintf(text, sizeof(text), format, arguments);
        options->log(options->log_user, level, text);
    }
}

void zkt__server_log(const struct zkt_server *server, enum zkt_log_level level,
                     const char *format, ...)
{
    va_list arguments;
    zkt__server_begin_callback(server);
    va_start(arguments, format);
    log_text(&server->options, level, format, arguments);
    va_end(arguments);
    zkt__server_end_callback(server);
}

static void log_early(const struct zkt_serve_options *options,
                      const char *format, ...) ZKT_PRINTF(2, 3);

static void log_early(const struct zkt_serve_options *options,
                      const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_text(options, ZKT_LOG_ERROR, format, arguments);
    va_end(arguments);
}

/* ---- threads ---- */

bool zkt__server_may_call(const struct zkt_server *server, const char *what)
{
    if (zkt__owner_may_call(&server->owner)) {
        return true;
    }
    log_early(&server->options,
              "%s was called on another thread than the server's; "
              "zkt_server_post is for that",
              what);
    return false;
}

void zkt__server_change_thread(struct zkt_server *server)
{
    zkt__owner_leave(&server->owner);
}

/* ---- turns ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t deadline(const struct zkt_core *core)
{
    const struct zkt_server *s = (const struct zkt_server *)(const void *)core;
    int64_t next = zkt__timeouts_next(&s->handshakes);
    next = earlier(next, zkt__timeouts_next(&s->silent));
    next = earlier(next, zkt__timeouts_next(&s->pinged));
    next = earlier(next, zkt__timeouts_next(&s->closing));
    next = earlier(next, zkt__timeouts_next(&s->stuck));
    next = earlier(next, zkt__actors_deadline(&s->actors));
    next = earlier(next, zkt__server_stop_due(s));
    next = earlier(next, zkt__admission_due(&s->admission, &s->limits));
    return s->left || zkt__post_waits(s->actors.box) ? s->core.now_ms : next;
}

static void tick(struct zkt_core *core)
{
    struct zkt_server *server = (struct zkt_server *)(void *)core;
    if (zkt__server_is_running(server)) {
        return;
    }
    zkt__owner_claim_free(&server->owner);
    server->ticking = true;
    zkt__post_run(server->actors.box, server);
    zkt__connections_expire(server);
    zkt__actors_expire(&server->actors);
    zkt__mailbox_drain(&server->actors);
    zkt__connections_reap(server, server->limits.leaves_per_turn);
    zkt__server_stop(server);
    if (server->admission.held) {
        (void)zkt__server_is_open(server);
    }
    server->ticking = false;
}

static const struct zkt_core_ops core_ops = {
    .deadline = deadline,
    .tick = tick,
};

/* ---- accepting ---- */

bool zkt__server_is_open(struct zkt_server *server)
{
    return server->phase == ZKT_SERVING &&
           zkt__admission_is_open(&server->admission, &server->limits,
                                  server->core.now_ms,
                                  &server->actors.stats.reached);
}

/* Counts a connection for its address. False: no memory. */
static bool take_address(struct zkt_server *server, struct zkt_connection *c,
                         const char *address)
{
    return server->limits.per_address == 0 ||
           zkt__address_take(&server->admission, server->allocator, address,
                             &c->address);
}

/* The HTTP status that a new connection is refused with, or 0. */
static int judge(struct zkt_server *server, const struct zkt_connection *c)
{
    const struct zkt_limits *limits = &server->limits;
    struct zkt_limit_counts *reached = &server->actors.stats.reached;
    if (limits->connections > 0 &&
        server->actors.stats.connections > (uint64_t)limits->connections) {
        reached->connections++;
        return 503;
    }
    if (c->address != NULL &&
        zkt__address_count(c->address) > limits->per_address) {
        reached->per_address++;
        return 503;
    }
    return 0;
}

struct zkt_endpoint *zkt__server_accept(struct zkt_server *server,
                                        const char *address)
{
    const int64_t most = server->limits.connections;
    if (!zkt__server_is_open(server)) {
        return NULL;
    }
    zkt__admission_count(&server->admission, &server->limits,
                         server->core.now_ms);
    if (most > 0 &&
        server->actors.stats.connections >= (uint64_t)most + ZKT_REFUSED_MAX) {
        server->actors.stats.reached.connections++;
        return NULL;
    }
    struct zkt_connection *c = zkt__connection_new(server);
    if (c == NULL) {
        return NULL;
    }
    if (!take_address(server, c, address)) {
        c->endpoint.ops->detach(&c->endpoint);
        return NULL;
    }
    const int status = judge(server, c);
    if (status != 0) {
        zkt__connection_refuse(c, status);
    }
    return &c->endpoint;
}

void zkt__server_limit_connections(struct zkt_server *server, int64_t most)
{
    if (server->limits.connections == 0) {
        server->limits.connections = most;
    }
}

struct zkt_limit_counts *zkt__server_reached(struct zkt_server *server)
{
    return &server->actors.stats.reached;
}

bool zkt__server_is_running(const struct zkt_server *server)
{
    return server->actors.running || server->ticking || server->callbacks > 0;
}

/* A server is never const: what only looks at it may have it so. */
static struct zkt_server *writable(const struct zkt_server *server)
{
    return (struct zkt_server *)(uintptr_t)server;
}

void zkt__server_begin_callback(const struct zkt_server *server)
{
    writable(server)->callbacks++;
}

void zkt__server_end_callback(const struct zkt_server *server)
{
    writable(server)->callbacks--;
}

struct zkt_post_box *zkt__server_box(struct zkt_server *server)
{
    return server->actors.box;
}

void zkt__server_wake(struct zkt_server *server)
{
    if (!zkt__server_is_running(server) && server->core.wake != NULL) {
        server->core.wake(&server->core);
    }
}

void zkt_server_advance(struct zkt_server *server, int64_t ms)
{
    if (server == NULL || ms < 0 ||
        !zkt__server_may_call(server, "zkt_server_advance") ||
        zkt__server_is_running(server)) {
        return;
    }
    server->core.now_ms += ms;
    server->core.wall_ms += ms;
    tick(&server->core);
    zkt__server_wake(server);
}

void zkt_server_stats(const struct zkt_server *server,
                      struct zkt_server_stats *out)
{
    *out = (struct zkt_server_stats){ 0 };
    if (!zkt__server_may_call(server, "zkt_server_stats")) {
        return;
    }
    *out = server->actors.stats;
    out->instances = server->actors.instances.live;
}

/* ---- making one ---- */

static bool has_handler(const void *handlers, uint32_t offset)
{
    void (*handler)(void);
    memcpy(&handler, (const char *)handlers + offset, sizeof(handler));
    return handler != NULL;
}

/* Names every handler of @actor that is missing; how many. */
static int find_missing(const struct zkt_app *app,
                        const struct zkt_actor *actor,
                        const struct zkt_serve_options *options)
{
    static const char *const hooks[] = { "on_connect", "on_disconnect",
                                         "on_activate", "on_deactivate" };
    const void *handlers;
    int missing = 0;
    memcpy(&handlers, (const char *)app->handlers + actor->handlers_offset,
           sizeof(handlers));
    if (handlers == NULL) {
        log_early(options, "app %s: the handlers of actor %s are missing",
                  app->info->name, actor->name.data);
        return 1;
    }
    for (uint32_t i = 0; i < actor->method_count; i++) {
        if (!has_handler(handlers, actor->methods[i].handler_offset)) {
            log_early(options,
                      "app %s: actor %s: the handler of method %s "
                      "is missing",
                      app->info->name, actor->name.data,
                      actor->methods[i].name.data);
            missing++;
        }
    }
    for (size_t i = 0; i < ZKT_HOOK_COUNT; i++) {
        if (actor->hooks[i].declared &&
            !has_handler(handlers, actor->hooks[i].handler_offset)) {
            log_early(options, "app %s: actor %s: the handler %s is missing",
                      app->info->name, actor->name.data, hooks[i]);
            missing++;
        }
    }
    return missing;
}

static enum zkt_status check_app(const struct zkt_app *app,
                                 const struct zkt_serve_options *options)
{
    int missing = 0;
    if (app->info == NULL || app->handlers == NULL) {
        log_early(options, "the app has no handlers");
        return ZKT_MISSING_HANDLER;
    }
    for (uint32_t i = 0; i < app->info->check_count; i++) {
        const struct zkt_check *check = &app->info->checks[i];
        if (!has_handler(app->handlers, check->handler_offset)) {
            log_early(options, "app %s: the handler %s is missing",
                      app->info->name, check->name);
            missing++;
        }
    }
    for (uint32_t i = 0; i < app->info->actor_count; i++) {
        missing += find_missing(app, app->info->actors[i], options);
    }
    return missing > 0 ? ZKT_MISSING_HANDLER : ZKT_OK;
}

static enum zkt_status init(struct zkt_server *server, struct zkt_app app,
                            const struct zkt_serve_options *options)
{
    const char *bad = NULL;
    server->options = *options;
    if (!zkt__limits_resolve(&options->limits, &server->limits, &bad)) {
        log_early(options, "the limit %s is out of its range", bad);
        return ZKT_BAD_OPTION;
    }
    if (!zkt__random_init(&server->actors.random, &server->actors.store.key,
                          options->random_seed)) {
        log_early(options, "the system gives no random bytes");
        return ZKT_SYSTEM;
    }
    server->core.ops = &core_ops;
    server->ws_limits = (struct zkt_ws_limits){
        .message = (size_t)server->limits.message_bytes,
        .head = (size_t)server->limits.head_bytes,
        .fragments = (size_t)server->limits.fragments,
    };
    struct zkt_list *lists[] = {
        &server->core.dirty, &server->connections, &server->ending,
        &server->handshakes, &server->silent,      &server->pinged,
        &server->closing,    &server->stuck,
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        zkt__list_init(lists[i]);
    }
    zkt__admission_init(&server->admission, server->allocator,
                        &server->actors.store.key);
    if (!zkt__actors_init(&server->actors, app, server->allocator,
                          &server->limits, server, &server->core)) {
        zkt__actors_finish(&server->actors);
        log_early(options, "out of memory");
        return ZKT_NO_MEMORY;
    }
    return ZKT_OK;
}

enum zkt_status zkt_server_new(struct zkt_app app,
                               const struct zkt_serve_options *given,
                               struct zkt_server **out)
{
    static const struct zkt_serve_options defaults;
    const struct zkt_serve_options *options = given != NULL ? given : &defaults;
    const struct zkt_allocator *allocator = options->allocator != NULL
                                                ? options->allocator
                                                : &zkt__allocator_default;
    enum zkt_status status = check_app(&app, options);
    if (status != ZKT_OK) {
        return status;
    }
    struct zkt_server *server = zkt__alloc_zero(allocator, 1, sizeof(*server));
    if (server == NULL) {
        log_early(options, "out of memory");
        return ZKT_NO_MEMORY;
    }
    server->allocator = allocator;
    zkt__owner_claim(&server->owner);
    status = init(server, app, options);
    if (status != ZKT_OK) {
        zkt__release(allocator, server);
        return status;
    }
    *out = server;
    return ZKT_OK;
}

void zkt_server_free(struct zkt_server *server)
{
    if (server == NULL || !zkt__server_may_call(server, "zkt_server_free") ||
        zkt__server_is_running(server)) {
        return;
    }
    server->ticking = true; /* whoever is called back now may free nothing */
    server->phase = ZKT_DOWN;
    if (server->core.abandon != NULL) {
        server->core.abandon(&server->core);
    }
    for (struct zkt_node *n = zkt__list_first(&server->connections); n != NULL;
         n = zkt__list_after(&server->connections, n)) {
        struct zkt_connection *c = ZKT_CONTAINER(n, struct zkt_connection, all);
        c->endpoint.ops->detach(&c->endpoint);
    }
    zkt__actors_cancel(&server->actors, ZKT_UNAVAILABLE,
                       ZKT_STR("the server stops"));
    zkt__post_close(server->actors.box);
    zkt__post_run(server->actors.box, server);
    zkt__connections_reap(server, INT64_MAX);
    zkt__actors_end(&server->actors);
    zkt__connections_reap(server, INT64_MAX);
    zkt__actors_finish(&server->actors);
    zkt__admission_finish(&server->admission);
    zkt__release(server->allocator, server);
}
