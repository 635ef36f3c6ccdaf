/* The server as a core: making it, its turns, and freeing it. */
#include "server/server.h"

#include <stdarg.h>

#include "base/limits.h"
#include "server/connection.h"

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

/* A server is never const: what only looks at it may have it so. */
static struct zkt_server *writable(const struct zkt_server *server)
{
    return (struct zkt_server *)(uintptr_t)server;
}

/* Returns false if the line was left out; whichever thread it is. */
static bool log_line(struct zkt_shards *shards, int64_t now_ms,
                     enum zkt_log_level level, const char *format,
                     va_list arguments)
{
    pthread_mutex_lock(&shards->log_lock);
    const bool written = zkt__log_line(&shards->log, now_ms, level, format,
                                       arguments);
    pthread_mutex_unlock(&shards->log_lock);
    return written;
}

/* A line of @server's own thread. */
static void log_own(struct zkt_server *server, enum zkt_log_level level,
                    const char *format, va_list arguments)
{
    zkt__server_begin_callback(server);
    const bool written = log_line(server->shards, server->core.now_ms, level,
                                  format, arguments);
    zkt__server_end_callback(server);
    server->host.stats.reached.log_per_second += !written;
}

void zkt__server_log(const struct zkt_server *server, enum zkt_log_level level,
                     const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    log_own(writable(server), level, format, arguments);
    va_end(arguments);
}

static void log_elsewhere(const struct zkt_server *server, const char *format,
                          ...) ZKT_PRINTF(2, 3);

/* A mistake, on a thread that may look at nothing else of the server. */
static void log_elsewhere(const struct zkt_server *server, const char *format,
                          ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)log_line(server->shards, INT64_MIN, ZKT_LOG_ERROR, format, arguments);
    va_end(arguments);
}

static void log_early(const struct zkt_serve_options *options,
                      const char *format, ...) ZKT_PRINTF(2, 3);

/* Before there is a server. */
static void log_early(const struct zkt_serve_options *options,
                      const char *format, ...)
{
    struct zkt_log log = { .write = options->log, .user = options->log_user };
    va_list arguments;
    va_start(arguments, format);
    (void)zkt__log_line(&log, 0, ZKT_LOG_ERROR, format, arguments);
    va_end(arguments);
}

/* ---- threads ---- */

bool zkt__server_may_call(const struct zkt_server *server, const char *what)
{
    if (zkt__affinity_allows(&server->owner)) {
        return true;
    }
    log_elsewhere(server,
                  "%s was called on another thread than the server's; "
                  "zkt_server_post is for that",
                  what);
    return false;
}

uint32_t zkt__server_shard_count(const struct zkt_server *server)
{
    return server->shards->count;
}

struct zkt_server *zkt__server_shard(const struct zkt_server *server,
                                     uint32_t shard)
{
    return server->shards->all[shard];
}

void zkt__server_run_shards(struct zkt_server *server, uint32_t count)
{
    server->shards->lives.running = count;
}

void zkt__server_change_thread(struct zkt_server *server)
{
    zkt__affinity_unbind(&server->owner);
}

/* ---- turns ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t deadline(const struct zkt_core *core)
{
    const struct zkt_server *s = (const struct zkt_server *)(const void *)core;
    int64_t next = zkt__deadlines_next(s);
    next = earlier(next, zkt__instances_due(&s->instances));
    next = earlier(next, zkt__life_due(s));
    if (s->self == 0) {
        next = earlier(next,
                       zkt__admission_due(&s->shards->admission, &s->limits));
    }
    return !zkt__list_empty(&s->ending) ||
                   zkt__admission_waits(&s->shards->admission, s->self) ||
                   zkt__group_has_messages(&s->host) ||
                   zkt__sessions_may_wake(&s->host) ||
                   !zkt__list_empty(&s->instances.ready) ||
                   !zkt__list_empty(&s->backlog) ||
                   !zkt__list_empty(&s->bloated) ||
                   zkt__work_is_pending(s->host.work)
               ? s->core.now_ms
               : next;
}

/* What others have posted has its share of a turn. When all have ended, it is
 * the last of them, and has to be taken before this one closes. */
static void run_posted(struct zkt_server *server)
{
    const int64_t most = server->limits.posted_per_turn;
    const bool all = server->life >= ZKT_LIFE_ENDED || most >= ZKT_WORK_ALL;
    zkt__work_run(server->host.work, server,
                  all ? ZKT_WORK_ALL : (uint32_t)most);
    server->host.stats.reached.posted_per_turn +=
        !all && zkt__work_is_pending(server->host.work);
}

/* Runs one kind of work with its part of what is left of the budget. */
static void share(struct zkt_host *host, int64_t parts,
                  void (*run)(struct zkt_host *host))
{
    const int64_t kept = host->budget > 0 ? host->budget - host->budget / parts
                                          : 0;
    host->budget -= kept;
    run(host);
    host->budget += kept;
}

/* The rest of the turn's budget: for messages from other shards, mailboxes,
 * and bytes that have arrived, none of which takes all of it while others
 * wait. What is left over has the next turn. */
static void work(struct zkt_server *server)
{
    struct zkt_host *host = &server->host;
    if (server->life >= ZKT_LIFE_ENDED) {
        host->budget = INT64_MAX; /* it is the last that others have sent */
    }
    if (host->group != NULL) {
        share(host, 3, zkt__group_receive);
    }
    if (zkt__sessions_wait(&server->sessions)) {
        zkt__sessions_wake(host);
    }
    if (zkt__instances_wait(&server->instances)) {
        share(host, 2, zkt__instances_drain);
    }
    if (!zkt__list_empty(&server->backlog)) {
        zkt__connections_go_on(server);
    }
    if (host->group != NULL) {
        zkt__group_receive(host);
    }
    host->stats.reached.turn_work += host->budget <= 0;
    host->budget = server->limits.turn_work;
    server->turn++;
}

static void tick(struct zkt_core *core)
{
    struct zkt_server *server = (struct zkt_server *)(void *)core;
    if (zkt__server_is_busy(server)) {
        return;
    }
    zkt__affinity_bind_free(&server->owner);
    server->busy++;
    if (server->life == ZKT_LIFE_ENDED) {
        zkt__life_begin_turn(server);
    }
    if (zkt__work_is_pending(server->host.work)) {
        run_posted(server); /* what comes now wakes us */
    }
    if (zkt__admission_waits(&server->shards->admission, server->self)) {
        zkt__connections_make_room(server);
    }
    if (server->core.now_ms >= server->next_deadline) {
        zkt__deadlines_expire(server);
    }
    if (!zkt__list_empty(&server->bloated)) {
        zkt__connections_relieve(server);
    }
    if (server->core.now_ms >= zkt__instances_due(&server->instances)) {
        zkt__instances_expire(&server->host);
    }
    work(server);
    if (!zkt__list_empty(&server->ending)) {
        zkt__connections_reap(server, server->limits.leaves_per_turn);
    }
    if (server->life != ZKT_LIFE_SERVING || zkt__server_is_stopping(server)) {
        zkt__life_end_turn(server);
    }
    if (server->self == 0 && atomic_load(&server->shards->admission.held)) {
        (void)zkt__server_is_open(server);
    }
    if (server->shards->count > 1) {
        zkt__shards_end_turn(server);
    }
    server->busy--;
}

static const struct zkt_core_ops core_ops = {
    .deadline = deadline,
    .tick = tick,
};

/* ---- accepting ---- */

bool zkt__server_is_open(struct zkt_server *server)
{
    return server->life == ZKT_LIFE_SERVING &&
           zkt__admission_is_open(&server->shards->admission, &server->limits,
                                  server->core.now_ms,
                                  &server->host.stats.reached);
}

/* Whoever is told drops it at the end of its next turn. */
static void make_room(struct zkt_server *server)
{
    struct zkt_shards *shards = server->shards;
    uint32_t shard;
    if (zkt__admission_make_room(&shards->admission, &server->limits, &shard)) {
        server->host.stats.reached.half_open++;
        zkt__work_wake(shards->all[shard]->host.work);
    }
}

void zkt__server_rest(struct zkt_server *server)
{
    enum {
        REST_MS = 100
    };
    zkt__admission_rest(&server->shards->admission,
                        server->core.now_ms + REST_MS);
}

bool zkt__server_admit(struct zkt_server *server)
{
    struct zkt_admission *admission = &server->shards->admission;
    const int64_t most = server->limits.connections;
    bool full;
    if (server->life != ZKT_LIFE_SERVING) {
        return false;
    }
    const int64_t count = zkt__admission_enter(
        admission, &server->limits, server->core.now_ms,
        &server->host.stats.reached, &full);
    if (count == 0) {
        return false;
    }
    if (most > 0 && count > most + ZKT_REFUSED_MAX) {
        zkt__admission_shake_hands(admission, NULL);
        zkt__admission_leave(admission, NULL, false);
        server->host.stats.reached.connections++;
        return false;
    }
    if (full) {
        make_room(server);
    }
    return true;
}

static bool are_too_many(struct zkt_server *server)
{
    const int64_t most = server->limits.connections;
    return most > 0 && zkt__admission_count(&server->shards->admission) > most;
}

/* Counts a connection for its address, and refuses it if there are too many.
 * False: no memory. */
static bool judge(struct zkt_server *server, struct zkt_connection *c,
                  const char *address)
{
    struct zkt_limit_counts *reached = &server->host.stats.reached;
    struct zkt_admission *admission = &server->shards->admission;
    const int64_t most = server->limits.per_address;
    const int64_t count = zkt__admission_knock(admission, address, &c->knock,
                                               server->self);
    if (count == 0) {
        return false;
    }
    c->session.peer.payer = c->knock.address;
    if (are_too_many(server)) {
        reached->connections++;
        zkt__connection_refuse(c, 503);
    } else if (most > 0 && count > most) {
        reached->per_address++;
        zkt__connection_refuse(c, 503);
    }
    return true;
}

void zkt__server_turn_away(struct zkt_server *server)
{
    zkt__admission_shake_hands(&server->shards->admission, NULL);
    zkt__admission_leave(&server->shards->admission, NULL, false);
    zkt__shards_reopen(server);
}

struct zkt_endpoint *zkt__server_receive(struct zkt_server *server,
                                         const char *address)
{
    struct zkt_connection *c = zkt__connection_new(server);
    if (c == NULL) {
        zkt__server_turn_away(server);
        return NULL;
    }
    if (!judge(server, c, address != NULL ? address : "")) {
        c->endpoint.ops->detach(&c->endpoint);
        return NULL;
    }
    return &c->endpoint;
}

struct zkt_endpoint *zkt__server_accept(struct zkt_server *server,
                                        const char *address)
{
    return zkt__server_admit(server) ? zkt__server_receive(server, address)
                                     : NULL;
}

void zkt__server_limit_connections(struct zkt_server *server, int64_t most)
{
    for (uint32_t i = 0; i < server->shards->count; i++) {
        struct zkt_limits *limits = &server->shards->all[i]->limits;
        limits->connections = limits->connections > 0 ? limits->connections
                                                      : most;
    }
}

struct zkt_limit_counts *zkt__server_reached(struct zkt_server *server)
{
    return &server->host.stats.reached;
}

bool zkt__server_is_running(const struct zkt_server *server)
{
    return zkt__server_is_busy(server);
}

void zkt__server_begin_callback(const struct zkt_server *server)
{
    writable(server)->busy++;
}

void zkt__server_end_callback(const struct zkt_server *server)
{
    writable(server)->busy--;
}

struct zkt_work_queue *zkt__server_work(struct zkt_server *server)
{
    return server->host.work;
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
    server->core.heard_ms = ZKT_NEVER;
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
    zkt__shards_sum_stats(server, out);
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

/* No two shards draw the same, whatever the seed. */
static bool init_random(struct zkt_server *server, const uint8_t *given)
{
    uint8_t seed[ZKT_SEED_SIZE];
    if (given != NULL) {
        memcpy(seed, given, sizeof(seed));
        seed[0] ^= (uint8_t)server->self;
    }
    return zkt__random_init(&server->host.random, &server->host.store.key,
                            given != NULL ? seed : NULL);
}

static struct zkt_server *server_of(struct zkt_host *host)
{
    return ZKT_CONTAINER(host, struct zkt_server, host);
}

static bool charge(struct zkt_host *host, void *payer)
{
    struct zkt_server *server = server_of(host);
    const bool good = zkt__admission_take_instance(&server->shards->admission,
                                                   payer);
    host->stats.reached.instances_per_address += !good;
    return good;
}

static void refund(struct zkt_host *host, void *payer)
{
    zkt__admission_release_instance(&server_of(host)->shards->admission, payer);
}

/* Both sides of the seam, on what they stand on. Returns false if there is no
 * memory. */
static bool init_host(struct zkt_server *server, struct zkt_app app)
{
    static const struct zkt_receivers receivers = {
        .to_instance = zkt__instances_take,
        .to_session = zkt__sessions_take,
    };
    struct zkt_host *host = &server->host;
    host->shard = server->self;
    host->server = server;
    host->log = log_own;
    host->charge = charge;
    host->refund = refund;
    host->receivers = &receivers;
    host->sessions = &server->sessions;
    zkt__sessions_init(&server->sessions, server->allocator);
    return zkt__host_init(host, app, server->allocator, &server->limits,
                          &server->core) &&
           zkt__instances_init(&server->instances, host);
}

static void finish_host(struct zkt_server *server)
{
    zkt__instances_finish(&server->instances);
    zkt__sessions_finish(&server->sessions, server->allocator);
    zkt__host_finish(&server->host);
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
    if (!init_random(server, options->random_seed)) {
        log_early(options, "the system gives no random bytes");
        return ZKT_SYSTEM;
    }
    server->core.ops = &core_ops;
    server->core.heard_ms = ZKT_NEVER;
    server->ws_limits = (struct zkt_ws_limits){
        .message = (size_t)server->limits.message_bytes,
        .head = (size_t)server->limits.head_bytes,
        .fragments = (size_t)server->limits.fragments,
    };
    zkt__list_init(&server->core.dirty);
    zkt__list_init(&server->connections);
    zkt__list_init(&server->ending);
    server->output_little = (size_t)(server->limits.output_high <
                                             server->limits.output_hard
                                         ? server->limits.output_high
                                         : server->limits.output_hard);
    zkt__list_init(&server->backlog);
    zkt__list_init(&server->bloated);
    zkt__deadlines_init(server);
    if (!init_host(server, app)) {
        finish_host(server);
        log_early(options, "out of memory");
        return ZKT_NO_MEMORY;
    }
    return ZKT_OK;
}

/* A shard, but for what it shares with others. *@out only on success. */
static enum zkt_status new_shard(struct zkt_app app,
                                 const struct zkt_serve_options *options,
                                 const struct zkt_allocator *allocator,
                                 uint32_t self, struct zkt_server **out)
{
    struct zkt_server *server = zkt__alloc_zero(allocator, 1, sizeof(*server));
    if (server == NULL) {
        log_early(options, "out of memory");
        return ZKT_NO_MEMORY;
    }
    server->allocator = allocator;
    server->self = self;
    zkt__affinity_bind(&server->owner);
    const enum zkt_status status = init(server, app, options);
    if (status != ZKT_OK) {
        zkt__release(allocator, server);
        return status;
    }
    *out = server;
    return ZKT_OK;
}

static void free_shard(struct zkt_server *server)
{
    if (server != NULL) {
        finish_host(server);
        zkt__release(server->allocator, server);
    }
}

/* Frees every shard there is, and what they share. */
static void free_shards(struct zkt_shards *shards)
{
    for (uint32_t i = 0; i < shards->count; i++) {
        free_shard(shards->all[i]);
    }
    zkt__shards_free(shards);
}

/* All shards but the first, which brings what they share. */
static enum zkt_status add_shards(struct zkt_server *first, struct zkt_app app,
                                  const struct zkt_serve_options *options)
{
    struct zkt_shards *shards = first->shards;
    enum zkt_status status = ZKT_OK;
    for (uint32_t i = 1; i < shards->count && status == ZKT_OK; i++) {
        status = new_shard(app, options, shards->allocator, i, &shards->all[i]);
        if (status == ZKT_OK) {
            shards->all[i]->shards = shards;
        }
    }
    return status;
}

/* They can reach each other's instances. False: no memory. */
static bool join_shards(struct zkt_shards *shards)
{
    if (shards->count == 1) {
        return true;
    }
    shards->group = zkt__group_new(shards->allocator, shards->count,
                                   &shards->all[0]->host.store.key);
    for (uint32_t i = 0; i < shards->count && shards->group != NULL; i++) {
        zkt__group_add(shards->group, &shards->all[i]->host);
    }
    return shards->group != NULL;
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
    const uint32_t threads = options->threads > 0 ? options->threads : 1;
    struct zkt_server *first;
    enum zkt_status status = check_app(&app, options);
    if (status != ZKT_OK) {
        return status;
    }
    if (threads > ZKT_THREADS_MAX) {
        log_early(options, "more threads than %d", ZKT_THREADS_MAX);
        return ZKT_BAD_OPTION;
    }
    status = new_shard(app, options, allocator, 0, &first);
    if (status != ZKT_OK) {
        return status;
    }
    first->shards = zkt__shards_new(allocator, threads, &first->limits,
                                    &first->host.store.key);
    if (first->shards == NULL) {
        log_early(options, "out of memory");
        free_shard(first);
        return ZKT_NO_MEMORY;
    }
    first->shards->all[0] = first;
    first->shards->log = (struct zkt_log){
        .write = options->log,
        .user = options->log_user,
        .per_second = first->limits.log_per_second,
    };
    status = add_shards(first, app, options);
    if (status == ZKT_OK && !join_shards(first->shards)) {
        log_early(options, "out of memory");
        status = ZKT_NO_MEMORY;
    }
    if (status != ZKT_OK) {
        free_shards(first->shards);
        return status;
    }
    *out = first;
    return ZKT_OK;
}

/* ---- freeing one ---- */

/*
 * Nothing comes from outside any more, nothing begins, and nothing outlasts it.
 * A message that another shard has sent before is refused when it arrives: a
 * call that began now would be deferred behind the last time that such calls
 * are cancelled.
 */
static void cut_off(struct zkt_server *server)
{
    zkt__life_enter(server, ZKT_LIFE_FREED);
    zkt__server_change_thread(server);
    for (struct zkt_node *n = zkt__list_first(&server->connections); n != NULL;
         n = zkt__list_after(&server->connections, n)) {
        struct zkt_connection *c = ZKT_CONTAINER(n, struct zkt_connection, all);
        c->endpoint.ops->detach(&c->endpoint);
    }
    zkt__instances_cancel(&server->host, ZKT_UNAVAILABLE,
                          ZKT_STR("the server stops"));
    zkt__work_close(server->host.work);
}

/* Runs what shards have for each other, until none has anything. */
static void settle(struct zkt_shards *shards)
{
    bool again = true;
    while (again) {
        again = false;
        for (uint32_t i = 0; i < shards->count; i++) {
            struct zkt_server *server = shards->all[i];
            server->host.budget = INT64_MAX;
            zkt__work_run(server->host.work, server, ZKT_WORK_ALL);
            zkt__group_receive(&server->host);
            zkt__connections_reap(server, INT64_MAX);
            zkt__shards_end_turn(server);
        }
        for (uint32_t i = 0; i < shards->count; i++) {
            again = again || zkt__work_is_pending(shards->all[i]->host.work) ||
                    zkt__group_has_messages(&shards->all[i]->host);
        }
    }
}

void zkt_server_free(struct zkt_server *server)
{
    if (server == NULL || !zkt__server_may_call(server, "zkt_server_free") ||
        zkt__server_is_running(server)) {
        return;
    }
    struct zkt_shards *shards = server->shards;
    zkt__server_begin_callback(server); /* whoever is called may free nothing */
    if (server->core.abandon != NULL) {
        server->core.abandon(&server->core);
    }
    atomic_store(&shards->lives.goal, ZKT_LIFE_FREED);
    for (uint32_t i = 0; i < shards->count; i++) {
        cut_off(shards->all[i]);
    }
    settle(shards);
    for (uint32_t i = 0; i < shards->count; i++) {
        zkt__instances_end(&shards->all[i]->host);
    }
    settle(shards);
    zkt__log_flush(&shards->log);
    free_shards(shards);
}
