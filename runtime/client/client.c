/*
 * The client as a core: its connection, its turns, and its end. Reconnecting
 * is not part of it yet: a connection that is lost stays lost.
 */
#include "client/client.h"

#include <stdarg.h>
#include <stdio.h>

#include "client/internal.h"

enum {
    LOG_MAX = 1024,
    DEFAULT_TIMEOUT_MS = 10000,
    DEFAULT_MESSAGE_BYTES = 64 * 1024 * 1024,
    HEAD_BYTES = 16 * 1024,
    FRAGMENTS = 1024
};

static struct zkt_client *from_core(const struct zkt_core *core)
{
    return (struct zkt_client *)(uintptr_t)core;
}

static struct zkt_client *from_endpoint(struct zkt_endpoint *e)
{
    return ZKT_CONTAINER(e, struct zkt_client, endpoint);
}

void zkt__client_log(const struct zkt_client *client, enum zkt_log_level level,
                     const char *format, ...)
{
    char text[LOG_MAX];
    va_list arguments;
    if (client->options.log == NULL) {
        return;
    }
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    client->options.log(client->options.log_user, level, text);
}

struct zkt_core *zkt__client_core(struct zkt_client *client)
{
    return &client->core;
}

bool zkt__client_is_open(const struct zkt_client *client)
{
    return client->attached && client->ws.state == ZKT_WS_OPEN;
}

void zkt__client_touch(struct zkt_client *client)
{
    if (client->core.wake != NULL) {
        client->core.wake(&client->core);
    }
}

/* ---- sending ---- */

struct zkt_writer *zkt__client_write(struct zkt_client *client)
{
    struct zkt_writer *w = &client->writer;
    w->len = 0;
    w->failed = false;
    if (zkt_write_reserve(w, ZKT_WS_HEAD_MAX)) {
        w->len = ZKT_WS_HEAD_MAX;
    }
    return w;
}

static void send_bytes(void *user, const void *data, size_t len)
{
    struct zkt_client *client = user;
    if (!zkt__queue_copy(&client->queue, client->allocator, data, len)) {
        zkt__client_lost(client, "out of memory");
        return;
    }
    zkt__endpoint_touch(&client->endpoint);
}

void zkt__client_send(struct zkt_client *client)
{
    struct zkt_writer *w = &client->writer;
    if (w->failed) {
        zkt__client_lost(client, "out of memory");
        return;
    }
    uint8_t *payload = (uint8_t *)w->data + ZKT_WS_HEAD_MAX;
    const size_t len = w->len - ZKT_WS_HEAD_MAX;
    const uint64_t bits = zkt__random_next(&client->random);
    uint8_t mask[4];
    memcpy(mask, &bits, sizeof(mask));
    const size_t head = zkt__ws_frame_masked(payload, len, mask);
    send_bytes(client, payload - head, head + len);
}

/* ---- the connection's end ---- */

void zkt__client_lost(struct zkt_client *client, const char *reason)
{
    if (client->status == ZKT_DISCONNECTED) {
        return;
    }
    zkt__client_log(client, ZKT_LOG_WARNING, "the connection is lost: %s",
                    reason);
    client->status = ZKT_DISCONNECTED;
    zkt__timeout_cancel(&client->connecting);
    zkt__calls_fail(client, ZKT_UNAVAILABLE);
    if (client->attached) {
        client->endpoint.closing = true;
        zkt__endpoint_touch(&client->endpoint);
    }
}

static void on_close(void *user, unsigned code, const char *reason)
{
    struct zkt_client *client = user;
    (void)code;
    zkt__client_lost(client, reason);
}

/* ---- receiving ---- */

static void on_open(void *user, const char *protocol)
{
    struct zkt_client *client = user;
    client->status = ZKT_CONNECTED;
    client->dialect = protocol[0] != '\0' ? ZKT_DIALECT_RFC6902
                                          : ZKT_DIALECT_PLAIN;
    zkt__timeout_cancel(&client->connecting);
    zkt__store_resubscribe(client);
    zkt__calls_flush(client);
}

static uint8_t *message_memory(void *user, size_t len)
{
    struct zkt_client *client = user;
    return zkt__arena_alloc(&client->arena, len + ZKT_PADDING);
}

static void receive(struct zkt_client *client,
                    const struct zkt_envelope *message)
{
    switch (message->type) {
    case ZKT_MESSAGE_WELCOME:
        if (message->client_id.data != NULL) {
            zkt__value_release(&client->store, &zkt_type_string,
                               &client->own_id);
            (void)zkt__value_copy(&client->store, &zkt_type_string,
                                  &client->own_id, &message->client_id);
        }
        break;
    case ZKT_MESSAGE_RPC_RESULT:
        zkt__calls_answer(client, message);
        break;
    case ZKT_MESSAGE_ERROR:
        zkt__client_log(client, ZKT_LOG_ERROR, "the server says: %.*s",
                        message->error.data != NULL ? (int)message->error.len
                                                    : 0,
                        message->error.data != NULL ? message->error.data : "");
        break;
    default: /* what a newer server has beyond these is passed over */
        zkt__store_receive(client, message);
        break;
    }
}

static void on_message(void *user, bool binary, uint8_t *data, size_t len)
{
    struct zkt_client *client = user;
    struct zkt_envelope message;
    struct zkt_reader reader;
    zkt__reader_init(&reader, (char *)data, len, &client->arena, NULL,
                     &client->store.key);
    if (!binary && zkt__envelope_read(&message, &reader)) {
        receive(client, &message);
    } else {
        zkt__client_log(client, ZKT_LOG_WARNING,
                        "a message of the server is not a JSON object");
    }
    zkt__arena_reset(&client->arena);
}

static const struct zkt_ws_callbacks ws_callbacks = {
    .on_open = on_open,
    .memory = message_memory,
    .on_message = on_message,
    .send = send_bytes,
    .on_close = on_close,
};

/* ---- the endpoint ---- */

static void feed(struct zkt_endpoint *e, uint8_t *bytes, size_t len)
{
    struct zkt_client *client = from_endpoint(e);
    zkt__ws_feed(&client->ws, bytes, len);
    if (client->ws.state == ZKT_WS_CLOSED) {
        zkt__client_lost(client, "it was closed");
        e->closing = true;
    }
}

static size_t pending(struct zkt_endpoint *e, struct zkt_slice *out, size_t max)
{
    return zkt__queue_peek(&from_endpoint(e)->queue, out, max);
}

static void sent(struct zkt_endpoint *e, size_t len)
{
    struct zkt_client *client = from_endpoint(e);
    zkt__queue_sent(&client->queue, client->allocator, len);
}

static void ended(struct zkt_endpoint *e)
{
    zkt__client_lost(from_endpoint(e), "the server closed it");
    e->closing = true;
}

static void detach(struct zkt_endpoint *e)
{
    struct zkt_client *client = from_endpoint(e);
    zkt__node_unlink(&e->dirty);
    client->attached = false;
    zkt__client_lost(client, "the server is gone");
    zkt__queue_finish(&client->queue, client->allocator);
}

static const struct zkt_endpoint_ops endpoint_ops = {
    .feed = feed,
    .pending = pending,
    .sent = sent,
    .ended = ended,
    .detach = detach,
};

struct zkt_endpoint *zkt__client_connected(struct zkt_client *client)
{
    if (client->status == ZKT_DISCONNECTED) {
        return NULL;
    }
    client->endpoint = (struct zkt_endpoint){
        .ops = &endpoint_ops,
        .core = &client->core,
        .reading = true,
    };
    client->attached = true;
    if (!zkt__ws_init_client(&client->ws, &ws_callbacks, client,
                             client->allocator, &client->ws_limits,
                             &client->random, client->host, client->path,
                             ZKT_WS_PROTOCOL_RFC6902)) {
        client->attached = false;
        zkt__client_lost(client, "out of memory");
        return NULL;
    }
    return &client->endpoint;
}

void zkt__client_connect_failed(struct zkt_client *client, const char *reason)
{
    zkt__client_lost(client, reason);
}

/* ---- turns ---- */

static int64_t deadline(const struct zkt_core *core)
{
    const struct zkt_client *client = from_core(core);
    const int64_t calls = zkt__timeouts_next(&client->calls);
    const int64_t connecting = zkt__timeouts_next(&client->connect_timeouts);
    if (!client->started || client->changed ||
        !zkt__list_empty(&client->failed)) {
        return core->now_ms;
    }
    return calls < connecting ? calls : connecting;
}

static void start(struct zkt_client *client)
{
    const int64_t limit = client->options.connect_timeout_ms;
    client->started = true;
    if (limit > 0) {
        zkt__timeout_arm(&client->connect_timeouts, &client->connecting,
                         client->core.now_ms, limit);
    }
    client->ops->connect(client->driver, client);
}

static void tick(struct zkt_core *core)
{
    struct zkt_client *client = from_core(core);
    if (!client->started) {
        start(client);
    }
    if (zkt__timeouts_take(&client->connect_timeouts, core->now_ms) != NULL) {
        client->ops->abort_connect(client->driver, client);
        zkt__client_lost(client, "connecting took too long");
    }
    zkt__calls_expire(client);
    zkt__store_settle(client);
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
    if (client->depth > 0) {
        return ZKT_FAILED_PRECONDITION;
    }
    const enum zkt_status status = client->ops->poll(
        client->driver, client->status == ZKT_DISCONNECTED ? 0 : timeout_ms);
    if (client->close_wanted) {
        client->ops->finish(client->driver, client);
        return ZKT_CLOSED;
    }
    /* What is pending is told before the end is. */
    const bool over = client->status == ZKT_DISCONNECTED &&
                      zkt__list_empty(&client->failed);
    return over ? ZKT_CLOSED : status;
}

enum zkt_connection zkt_client_status(const struct zkt_client *client)
{
    return client != NULL ? client->status : ZKT_DISCONNECTED;
}

struct zkt_str zkt_client_own_id(const struct zkt_client *client)
{
    return client != NULL && client->own_id.data != NULL ? client->own_id
                                                         : ZKT_STR("");
}

/* ---- making and ending ---- */

static void set_defaults(struct zkt_client *client,
                         const struct zkt_client_options *given)
{
    struct zkt_client_options *options = &client->options;
    if (given != NULL) {
        *options = *given;
    }
    if (options->rpc_timeout_ms == 0) {
        options->rpc_timeout_ms = DEFAULT_TIMEOUT_MS;
    }
    if (options->connect_timeout_ms == 0) {
        options->connect_timeout_ms = DEFAULT_TIMEOUT_MS;
    }
    if (options->message_bytes == 0) {
        options->message_bytes = DEFAULT_MESSAGE_BYTES;
    }
    client->ws_limits = (struct zkt_ws_limits){
        .message = options->message_bytes,
        .head = HEAD_BYTES,
        .fragments = FRAGMENTS,
    };
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
    struct zkt_list *lists[] = {
        &client->core.dirty, &client->calls,   &client->failed,
        &client->entries,    &client->handles, &client->connect_timeouts
    };
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        zkt__list_init(lists[i]);
    }
    zkt__slots_init(&client->listeners, allocator);
    zkt__arena_init(&client->arena, allocator);
    zkt__writer_init(&client->writer, allocator);
    set_defaults(client, options);
    if (!zkt__random_init(&client->random, &client->store.key,
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
    client->status = ZKT_DISCONNECTED;
    zkt__calls_fail(client, ZKT_CANCELLED);
    zkt__calls_expire(client);
    zkt__store_free(client);
    zkt__ws_finish(&client->ws);
    zkt__queue_finish(&client->queue, client->allocator);
    zkt__slots_finish(&client->listeners);
    zkt__arena_finish(&client->arena);
    zkt__patterns_finish(&client->patterns);
    zkt__writer_finish(&client->writer);
    zkt__value_release(&client->store, &zkt_type_string, &client->host);
    zkt__value_release(&client->store, &zkt_type_string, &client->path);
    zkt__value_release(&client->store, &zkt_type_string, &client->own_id);
    zkt__release(client->allocator, client);
}

void zkt_client_close(struct zkt_client *client)
{
    if (client == NULL || client->close_wanted) {
        return;
    }
    client->close_wanted = true;
    zkt__calls_fail(client, ZKT_CANCELLED);
    if (client->attached) {
        zkt__ws_close(&client->ws, 1000, "");
    }
    client->status = ZKT_DISCONNECTED;
    if (client->depth == 0 && client->blocking == 0) {
        client->ops->finish(client->driver, client);
    }
}
