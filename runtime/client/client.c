/*
 * The client as an object: options, turns, construction and destruction, and
 * functions that ask for a member. connection.c has the connection.
 */
#include "client/client.h"

#include <stdarg.h>

#include "base/log.h"
#include "client/calls.h"
#include "client/core.h"
#include "client/ready.h"
#include "client/store.h"

enum {
    HEAD_BYTES = 16 * 1024
};

static struct zkt_client *from_core(const struct zkt_core *core)
{
    return (struct zkt_client *)(uintptr_t)core;
}

static void write_line(void *user, const struct zkt_log_record *record)
{
    const struct zkt_client_options *options =
        &((const struct zkt_client *)user)->options;
    char line[ZKT_LOG_LINE];
    zkt__log_print_line(record, line);
    options->log(options->log_user, record->level, line);
}

void zkt__client_log(struct zkt_client *client, enum zkt_log_level level,
                     const char *format, ...)
{
    const struct zkt_client_options *options = &client->options;
    va_list arguments;
    if (options->log == NULL) {
        return;
    }
    client->depth++;
    va_start(arguments, format);
    zkt__log_write(write_line, client,
                   &(const struct zkt_log_record){ .level = level }, format,
                   arguments);
    va_end(arguments);
    client->depth--;
}

struct zkt_core *zkt__client_core(struct zkt_client *client)
{
    return &client->core;
}

int64_t zkt__client_close_ms(const struct zkt_client *client)
{
    const int64_t ms = client->options.close_ms;
    return ms > 0 ? ms : 0;
}

bool zkt__client_close_wanted(const struct zkt_client *client)
{
    return client->close_wanted;
}

bool zkt__client_is_in_callback(const struct zkt_client *client)
{
    return client->depth > 0;
}

bool zkt__client_may_poll(const struct zkt_client *client)
{
    return client->ops->poll != NULL && client->depth == 0 &&
           (client->ops->may_poll == NULL ||
            client->ops->may_poll(client->driver));
}

bool zkt__client_is_busy(const struct zkt_client *client)
{
    return client->depth > 0 || client->blocking > 0;
}

void zkt__client_wake(struct zkt_client *client)
{
    if (client->core.wake != NULL) {
        client->core.wake(&client->core);
    }
}

void zkt__client_clock(struct zkt_client *client)
{
    if (client->ops->clock != NULL) {
        client->ops->clock(client->driver);
    }
}

/* ---- other threads ---- */

static bool is_other_thread(const struct zkt_client *client)
{
    return client->ops->is_other_thread != NULL &&
           client->ops->is_other_thread(client->driver);
}

static void log_wrong_thread(const struct zkt_client *client)
{
    if (client->options.log != NULL) {
        client->options.log(client->options.log_user, ZKT_LOG_ERROR,
                            "the client was called on another thread than "
                            "its own; zkt_client_post is for that");
    }
}

bool zkt__client_may_call(const struct zkt_client *client)
{
    if (client->ops->is_other_thread != NULL ||
        zkt__affinity_allows(&client->owner)) {
        return true;
    }
    log_wrong_thread(client);
    return false;
}

bool zkt__client_may_read(const struct zkt_client *client)
{
#ifndef NDEBUG
    if (is_other_thread(client)) {
        log_wrong_thread(client);
        return false;
    }
#endif
    return zkt__client_may_call(client);
}

/* A program that runs the turns may do so on any thread, one at a time. */
void zkt__client_bind_thread(struct zkt_client *client)
{
    if (client->ops->poll == NULL) {
        zkt__affinity_bind(&client->owner);
    }
}

struct handover {
    struct zkt_client *client;
    void (*fn)(void *user);
    void *user;
    bool over;
};

static void run_handover(void *user)
{
    struct handover *handover = user;
    handover->fn(handover->user);
    handover->client->ops->end_wait(handover->client->driver, &handover->over);
}

void zkt__client_run(struct zkt_client *client, void (*fn)(void *user),
                     void *user)
{
    if (!zkt__client_may_call(client)) {
        return;
    }
    if (!is_other_thread(client)) {
        fn(user);
        return;
    }
    struct handover handover = { client, fn, user, false };
    client->ops->wait(client->driver, run_handover, &handover, &handover.over);
}

enum zkt_status zkt_client_post(struct zkt_client *client,
                                zkt_posted_function *fn, void *user)
{
    return client != NULL ? client->ops->post(client->driver, fn, user)
                          : ZKT_CLOSED;
}

void zkt__client_run_posted(struct zkt_client *client, zkt_posted_function *fn,
                            void *user)
{
    zkt__client_bind_thread(client);
    client->depth++;
    fn(client, user);
    client->depth--;
}

/* ---- turns ---- */

static int64_t deadline(const struct zkt_core *core)
{
    const struct zkt_client *client = from_core(core);
    const int64_t calls = zkt__calls_deadline(client);
    const int64_t connection = zkt__connection_deadline(client);
    if (client->depth > 0) {
        return ZKT_NEVER;
    }
    if (zkt__store_has_work(client) ||
        client->notified_status != client->status ||
        !zkt__list_empty(&client->failed)) {
        return core->now_ms;
    }
    const int64_t next = calls < connection ? calls : connection;
    const int64_t retry = zkt__subscriptions_deadline(client);
    const int64_t wait = zkt__ready_deadline(client);
    const int64_t other = retry < wait ? retry : wait;
    return other < next ? other : next;
}

static void tick(struct zkt_core *core)
{
    struct zkt_client *client = from_core(core);
    if (client->depth > 0) {
        return; /* a callback moves the clock; its turn has not ended */
    }
    zkt__client_bind_thread(client);
    zkt__connection_tick(client);
    zkt__status_notify(client);
    zkt__calls_expire(client);
    zkt__store_end_turn(client);
    zkt__subscriptions_tick(
        client); /* after unused subscriptions were dropped */
    zkt__ready_tick(client);
}

static const struct zkt_core_ops core_ops = {
    .deadline = deadline,
    .tick = tick,
};

enum zkt_status zkt_client_poll(struct zkt_client *client, int timeout_ms)
{
    if (client == NULL) {
        return ZKT_CLOSED;
    }
    if (client->ops->poll == NULL || !zkt__client_may_call(client) ||
        zkt__client_is_busy(client) || !zkt__client_may_poll(client)) {
        return ZKT_FAILED_PRECONDITION;
    }
    const enum zkt_status status = client->ops->poll(
        client->driver, client->status == ZKT_DISCONNECTED ? 0 : timeout_ms);
    if (client->close_wanted) {
        client->ops->finish(client->driver, client);
        return ZKT_CLOSED;
    }
    /* Callbacks of failed calls run before the end is reported. */
    const bool over = client->status == ZKT_DISCONNECTED &&
                      client->notified_status == ZKT_DISCONNECTED &&
                      zkt__list_empty(&client->failed);
    return over ? ZKT_CLOSED : status;
}

/* ---- questions ---- */

struct status_question {
    const struct zkt_client *client;
    enum zkt_connection answer;
};

static void answer_status(void *user)
{
    struct status_question *question = user;
    question->answer = question->client->status;
}

enum zkt_connection zkt_client_status(const struct zkt_client *client)
{
    struct status_question question = { client, ZKT_DISCONNECTED };
    if (client != NULL) {
        zkt__client_run((struct zkt_client *)(uintptr_t)client, answer_status,
                        &question);
    }
    return question.answer;
}

const char *zkt_connection_name(enum zkt_connection status)
{
    static const char *const names[] = {
        [ZKT_CONNECTING] = "connecting",
        [ZKT_CONNECTED] = "connected",
        [ZKT_RECONNECTING] = "reconnecting",
        [ZKT_DISCONNECTED] = "disconnected",
    };
    return status <= ZKT_DISCONNECTED ? names[status] : "unknown";
}

struct zkt_str zkt_client_own_id(const struct zkt_client *client)
{
    return client != NULL && zkt__client_may_read(client) &&
                   zkt__client_is_open(client) && client->welcomed
               ? client->own_id
               : ZKT_STR("");
}

void zkt_client_stats(const struct zkt_client *client,
                      struct zkt_client_stats *out)
{
    *out = client != NULL && zkt__client_may_read(client)
               ? client->stats
               : (struct zkt_client_stats){ 0 };
}

/* ---- construction and destruction ---- */

static void set_default(int64_t *option, int64_t value)
{
    if (*option == 0) {
        *option = value;
    }
}

static void set_options(struct zkt_client *client,
                        const struct zkt_client_options *given)
{
    struct zkt_client_options *options = &client->options;
    if (given != NULL) {
        *options = *given;
    }
#define X(name, value, text) set_default(&options->name, value);
    ZKT_CLIENT_LIMITS_TABLE(X)
#undef X
    if (options->reconnect_min_ms < 0) {
        options->reconnect_min_ms = 0;
    }
    if (options->reconnect_max_ms < options->reconnect_min_ms) {
        options->reconnect_max_ms = options->reconnect_min_ms;
    }
    if (options->reconnect_jitter > 100) {
        options->reconnect_jitter = 100;
    }
    if (options->stable_after_ms < 0) {
        options->stable_after_ms = 0;
    }
    if (options->json_depth < 0 || options->json_depth > ZKT_DEPTH_MAX) {
        options->json_depth = ZKT_DEPTH_MAX; /* the reader has no more levels */
    }
    if (options->pong_within_ms < 0) {
        options->ping_after_ms = -1;
    }
    client->ws_limits = (struct zkt_ws_limits){
        .message = options->message_bytes > 0 ? (size_t)options->message_bytes
                                              : SIZE_MAX,
        .head = HEAD_BYTES,
        .fragments = options->fragments > 0 ? (size_t)options->fragments
                                            : SIZE_MAX,
    };
}

static void init_lists(struct zkt_client *client)
{
    struct zkt_list *lists[] = {
        &client->core.dirty,       &client->calls,
        &client->overdue,          &client->streams,
        &client->failed,           &client->instances,
        &client->status_listeners, &client->broadcast_listeners,
        &client->ready_waits,      &client->unsent,
        &client->synced,           &client->dirty,
        &client->unnotified,       &client->removed,
    };
    for (size_t i = 0; i < ZKT_SUB_DELAYS; i++) {
        zkt__list_init(&client->retries[i]);
    }
    for (size_t i = 0; i < ZKT_SUB_TIMES; i++) {
        zkt__list_init(&client->retry_times[i]);
    }
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        zkt__list_init(lists[i]);
    }
}

struct zkt_client *zkt__client_new(const struct zkt_client_options *options,
                                   struct zkt_str host, struct zkt_str path,
                                   const struct zkt_client_driver_ops *ops,
                                   void *driver)
{
    const struct zkt_allocator *allocator = options != NULL &&
                                                    options->allocator != NULL
                                                ? options->allocator
                                                : &zkt__allocator_default;
    struct zkt_client *client = zkt__alloc_zero(allocator, 1, sizeof(*client));
    if (client == NULL) {
        return NULL;
    }
    client->core.ops = &core_ops;
    client->allocator = allocator;
    client->store.allocator = allocator;
    client->patterns.allocator = allocator;
    client->rules.patterns = &client->patterns;
    client->ops = ops;
    client->driver = driver;
    init_lists(client);
    zkt__slots_init(&client->listeners, allocator);
    zkt__slots_init(&client->sent, allocator);
    zkt__arena_init(&client->arena, allocator);
    zkt__arena_init(&client->connect.arena, allocator);
    zkt__writer_init(&client->writer, allocator);
    set_options(client, options);
    if (ops->poll != NULL) { /* others: the thread that runs the loop */
        zkt__affinity_bind(&client->owner);
    }
    zkt__connection_init(client);
    client->handles = zkt__handle_table_new(client, allocator);
    if (client->handles == NULL ||
        !zkt__random_init(&client->random, &client->store.key,
                          client->options.random_seed) ||
        !zkt__value_copy(&client->store, &zkt_type_string, &client->host,
                         &host) ||
        !zkt__value_copy(&client->store, &zkt_type_string, &client->path,
                         &path)) {
        zkt__client_free(client);
        return NULL;
    }
    return client;
}

void zkt__client_free(struct zkt_client *client)
{
    client->close_wanted = true;
    client->status = ZKT_DISCONNECTED;
    client->ending = true;
    zkt__status_notify(client);
    zkt__calls_fail(client, ZKT_CANCELLED, true);
    while (!zkt__list_empty(&client->failed)) {
        zkt__calls_expire(client);
    }
    zkt__ready_tick(client);
    zkt__handle_table_detach(client->handles);
    zkt__store_free(client);
    zkt__ws_finish(&client->ws);
    zkt__queue_finish(&client->queue, client->allocator);
    zkt__buffer_unref(client->spare_buffer);
    zkt__slots_finish(&client->listeners);
    zkt__slots_finish(&client->sent);
    zkt__index_finish(&client->by_number, client->allocator);
    zkt__arena_finish(&client->arena);
    zkt__connect_clear(&client->connect);
    zkt__patterns_finish(&client->patterns);
    zkt__writer_finish(&client->writer);
    zkt__value_release(&client->store, &zkt_type_string, &client->host);
    zkt__value_release(&client->store, &zkt_type_string, &client->path);
    zkt__value_release(&client->store, &zkt_type_string, &client->own_id);
    zkt__release(client->allocator, client);
}

void zkt_client_close(struct zkt_client *client)
{
    if (client == NULL || !zkt__client_may_call(client)) {
        return;
    }
    if (is_other_thread(client)) {
        client->ops->close(client->driver, client);
        return;
    }
    if (client->close_wanted) {
        return;
    }
    client->close_wanted = true;
    zkt__calls_fail(client, ZKT_CANCELLED, true);
    zkt__connection_end(client);
    if (!zkt__client_is_busy(client)) {
        client->ops->finish(client->driver, client);
    } else {
        zkt__client_wake(client);
    }
}
