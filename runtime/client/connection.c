/*
 * The connection of a client: attempts to connect, received and sent bytes, and
 * backoff; silence.c finds dead connections. The next attempt is due at a time
 * of the core's clock, `dial_at`: then the tick asks the driver to connect,
 * once the former transport is gone. Sockets are the driver's.
 *
 * A server of our dialect admits a client after the handshake: a connection to
 * it is open when `welcome` has come. A plain server may send that only after
 * the first message: a connection to it is open at once.
 *
 * A connection resets the backoff only when it has been open for a while, not
 * when it opens: otherwise all clients of a server that accepts and then fails
 * would hit it at full speed.
 */
#include "client/connection.h"

#include <inttypes.h>
#include <stdio.h>

#include "client/broadcast.h"
#include "client/calls.h"
#include "client/core.h"
#include "client/listener.h"
#include "client/receive.h"
#include "client/refusal.h"
#include "client/silence.h"

enum {
    CONTROL_MAX = 256 * 1024, /* bytes of control frames that wait */
    DOUBLINGS = 30,           /* of a delay, at most: far past any cap */
    REASON_MAX = 128,
    JITTER_STEPS = 1 << 20,
    FLUSH_MS = 250 /* for a close frame, before the next attempt */
};

static struct zkt_client *from_endpoint(struct zkt_endpoint *e)
{
    return ZKT_CONTAINER(e, struct zkt_client, endpoint);
}

bool zkt__client_is_open(const struct zkt_client *client)
{
    return client->phase == ZKT_PHASE_OPEN && client->attached;
}

int64_t zkt__client_time_after(const struct zkt_client *client, int64_t ms)
{
    return client->core.now_ms > ZKT_NEVER - ms ? ZKT_NEVER
                                                : client->core.now_ms + ms;
}

/* ---- status ---- */

void zkt__status_notify(struct zkt_client *client)
{
    while (client->depth == 0 && client->notified_status != client->status) {
        const enum zkt_connection status = client->status;
        const struct zkt_notification notification = {
            .kind = ZKT_LISTEN_STATUS, .payload = &status
        };
        client->notified_status = status;
        zkt__listeners_notify(client, &client->status_listeners, NULL,
                              &notification);
    }
}

/* A listener gets every change, also of several changes in a turn. */
static void set_status(struct zkt_client *client, enum zkt_connection status)
{
    if (client->status != status) {
        zkt__status_notify(client);
        client->status = client->close_wanted ? ZKT_DISCONNECTED : status;
    }
}

/* ---- the next attempt ---- */

/* The random part spreads the clients of a server that has failed. */
int64_t zkt__backoff(struct zkt_client *client, uint32_t attempts)
{
    const struct zkt_client_options *options = &client->options;
    int64_t delay = options->reconnect_min_ms;
    for (uint32_t i = 0; i < attempts; i++) {
        delay = delay > options->reconnect_max_ms / 2
                    ? options->reconnect_max_ms
                    : delay * 2;
    }
    if (options->reconnect_jitter <= 0) {
        return delay;
    }
    const double random = (double)(zkt__random_next(&client->random) %
                                   JITTER_STEPS) /
                          JITTER_STEPS;
    const double most = (double)delay * (double)options->reconnect_jitter / 100;
    return delay - (int64_t)(most * random);
}

static int64_t next_delay(struct zkt_client *client)
{
    const int64_t delay = zkt__backoff(client, client->attempts);
    if (client->attempts < DOUBLINGS) {
        client->attempts++;
    }
    return delay;
}

static void go_waiting(struct zkt_client *client, int64_t dial_at)
{
    client->phase = ZKT_PHASE_WAITING;
    client->connect_due = ZKT_NEVER;
    client->quiet_at = ZKT_NEVER;
    zkt__connect_clear(&client->connect);
    client->dial_at = dial_at;
    client->flushed_by = zkt__client_time_after(client, FLUSH_MS);
}

/* A server that wants another token gets one, if the program can make one; a
 * second time only after a stable connection. */
static bool refusal_is_final(const struct zkt_client *client)
{
    switch (zkt__refusal_effect(&client->refusal)) {
    case ZKT_REFUSAL_ENDS:
        return true;
    case ZKT_REFUSAL_RENEWS:
        return client->options.prepare == NULL || client->renewed;
    default:
        return false;
    }
}

/* Returns the time of the next attempt: not before the server's time. All
 * clients of a server read the same time, so the backoff, with its random part,
 * is added to it. */
static int64_t next_attempt(struct zkt_client *client)
{
    int64_t delay = client->retry_after_ms;
    if (zkt__refusal_effect(&client->refusal) == ZKT_REFUSAL_RENEWS) {
        client->renewed = true;
    } else {
        delay += next_delay(client);
    }
    return zkt__client_time_after(client, delay);
}

/* Ends the transport: waits for the server's close if a close frame was sent,
 * and aborts otherwise. */
static void end_transport(struct zkt_client *client, bool was_upgraded)
{
    const bool good = was_upgraded && client->ws.state != ZKT_WS_OPEN;
    client->endpoint.closing = true;
    client->endpoint.aborted = client->endpoint.aborted || !good;
    zkt__endpoint_mark_dirty(&client->endpoint);
}

void zkt__client_lost(struct zkt_client *client, const char *reason)
{
    if (client->phase == ZKT_PHASE_WAITING) {
        return;
    }
    const bool was_open = client->phase == ZKT_PHASE_OPEN;
    const bool was_upgraded = client->phase >= ZKT_PHASE_GREETING;
    char text[ZKT_REFUSAL_LINE];
    zkt__refusal_print(client, reason, text);
    zkt__refusal_finish(client, was_upgraded, reason);
    if (was_open) {
        client->stats.drops++;
        if (client->core.now_ms >= client->stable_at) {
            client->attempts = 0;
            client->renewed = false;
        }
    }
    const bool is_final = refusal_is_final(client);
    const bool again = !is_final && !client->options.no_reconnect &&
                       !client->close_wanted;
    go_waiting(client, again ? next_attempt(client) : ZKT_NEVER);
    if (was_open || !again) {
        zkt__calls_fail(client, ZKT_UNAVAILABLE, !again);
    }
    zkt__subscriptions_lost(client);
    if (client->attached) {
        end_transport(client, was_upgraded);
    }
    zkt__client_log(client, ZKT_LOG_WARNING, "%s: %s%s",
                    was_open ? "the connection is lost" : "cannot connect",
                    text, is_final ? "; the client gives up" : "");
    if (!again) {
        set_status(client, ZKT_DISCONNECTED);
    } else if (was_open) {
        set_status(client, ZKT_RECONNECTING);
    }
}

void zkt__connection_end(struct zkt_client *client)
{
    const bool was_upgraded = client->phase >= ZKT_PHASE_GREETING;
    go_waiting(client, ZKT_NEVER);
    zkt__subscriptions_lost(client);
    if (client->attached) {
        zkt__ws_close(&client->ws, 1000, "");
        end_transport(client, was_upgraded);
    }
    client->status = ZKT_DISCONNECTED;
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
    if (!zkt__queue_copy(&client->queue, client->allocator,
                         &client->spare_buffer, data, len)) {
        zkt__client_lost(client, "out of memory");
        return;
    }
    zkt__endpoint_mark_dirty(&client->endpoint);
}

/* Queues control frames, mostly pongs. A server that sends pings and does not
 * read the pongs is cut off at CONTROL_MAX. */
static void send_control(void *user, const void *data, size_t len)
{
    struct zkt_client *client = user;
    client->unsent_control += len;
    if (client->unsent_control > CONTROL_MAX) {
        zkt__client_lost(client, "the server does not take what it asks for");
        return;
    }
    send_bytes(client, data, len);
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
    client->stats.messages_out++;
    send_bytes(client, payload - head, head + len);
}

/* ---- receiving ---- */

static void on_close(void *user, unsigned code, const char *reason)
{
    struct zkt_client *client = user;
    (void)code;
    zkt__client_lost(client, reason);
}

static void on_peer_status(void *user, unsigned code, struct zkt_str text)
{
    zkt__refusal_set_close(user, code, text);
}

static void on_refused(void *user, const struct zkt_ws_refusal *refusal)
{
    zkt__refusal_set_http(user, refusal);
}

static void on_refusal_body(void *user, uint8_t *body, size_t len)
{
    struct zkt_client *client = user;
    zkt__client_receive_refusal(client, (char *)body, len);
    zkt__arena_reset(&client->arena);
}

/* Opens the connection, and sends the messages that wait for it. */
static void open_connection(struct zkt_client *client)
{
    client->phase = ZKT_PHASE_OPEN;
    client->end_reason = (struct zkt_refusal){ .status = ZKT_OK };
    client->retry_after_ms = 0;
    client->connect_due = ZKT_NEVER;
    client->stable_at = zkt__client_time_after(client,
                                               client->options.stable_after_ms);
    client->stats.connections++;
    zkt__silence_restart(client);
    zkt__unsent_flush(client);
    if (client->phase == ZKT_PHASE_OPEN) {
        client->refusal = (struct zkt_refusal){ .status = ZKT_OK };
        set_status(client, ZKT_CONNECTED);
    }
}

void zkt__connection_welcomed(struct zkt_client *client)
{
    if (client->phase == ZKT_PHASE_GREETING) {
        open_connection(client);
    }
}

static void on_open(void *user, const char *protocol)
{
    struct zkt_client *client = user;
    if (client->phase != ZKT_PHASE_HANDSHAKE) {
        return;
    }
    client->phase = ZKT_PHASE_GREETING;
    client->welcomed = false;
    zkt__client_unhear(client);
    client->dialect = protocol[0] != '\0' ? ZKT_DIALECT_RFC6902
                                          : ZKT_DIALECT_PLAIN;
    if (client->dialect == ZKT_DIALECT_PLAIN) {
        open_connection(client);
    }
}

static uint8_t *message_memory(void *user, size_t len)
{
    struct zkt_client *client = user;
    return zkt__arena_alloc(&client->arena, len + ZKT_PADDING);
}

static void on_message(void *user, bool binary, uint8_t *data, size_t len)
{
    struct zkt_client *client = user;
    if (client->phase >= ZKT_PHASE_GREETING) {
        zkt__client_receive(client, binary, (char *)data, len);
    }
    zkt__arena_reset(&client->arena);
}

static void on_limit(void *user, enum zkt_ws_limit limit)
{
    struct zkt_client *client = user;
    client->stats.over_limit += limit != ZKT_WS_LIMIT_HEAD;
}

static const struct zkt_ws_callbacks ws_callbacks = {
    .on_open = on_open,
    .memory = message_memory,
    .on_message = on_message,
    .send = send_control,
    .on_close = on_close,
    .on_peer_status = on_peer_status,
    .on_refused = on_refused,
    .on_refusal_body = on_refusal_body,
    .on_limit = on_limit,
};

/* ---- the endpoint ---- */

static void feed(struct zkt_endpoint *e, uint8_t *bytes, size_t len)
{
    struct zkt_client *client = from_endpoint(e);
    zkt__client_bind_thread(client);
    if (client->phase == ZKT_PHASE_WAITING) {
        return; /* the connection has ended; its bytes are ignored */
    }
    (void)zkt__ws_feed(&client->ws, bytes, len);
    if (client->ws.state == ZKT_WS_CLOSED) {
        zkt__client_lost(client, "it was closed");
        e->closing = true;
    } else if (client->phase == ZKT_PHASE_OPEN) {
        zkt__silence_received(client);
    }
}

static size_t pending(struct zkt_endpoint *e, struct zkt_slice *out, size_t max)
{
    return zkt__queue_peek(&from_endpoint(e)->queue, out, max);
}

static void sent(struct zkt_endpoint *e, size_t len)
{
    struct zkt_client *client = from_endpoint(e);
    zkt__queue_sent(&client->queue, client->allocator, &client->spare_buffer,
                    len);
    if (client->queue.count == 0) {
        client->unsent_control = 0;
    }
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
    zkt__ws_finish(&client->ws);
}

static const struct zkt_endpoint_ops endpoint_ops = {
    .feed = feed,
    .pending = pending,
    .sent = sent,
    .ended = ended,
    .detach = detach,
};

/* ---- connecting ---- */

void zkt__connection_init(struct zkt_client *client)
{
    client->phase = ZKT_PHASE_WAITING;
    client->dial_at = 0; /* at the first tick */
    client->connect_due = ZKT_NEVER;
    client->quiet_at = ZKT_NEVER;
}

/* Looks for a transport. */
static void dial(struct zkt_client *client)
{
    const int64_t limit = client->options.connect_timeout_ms;
    client->phase = ZKT_PHASE_DIALING;
    client->connect_due = limit > 0 ? zkt__client_time_after(client, limit)
                                    : ZKT_NEVER;
    client->dialing = true;
    client->ops->connect(client->driver, client);
}

void zkt__connection_prepared(struct zkt_client *client, enum zkt_status status)
{
    char reason[REASON_MAX];
    if (client->phase != ZKT_PHASE_PREPARING) {
        return; /* closed meanwhile */
    }
    if (status == ZKT_OK) {
        dial(client);
        return;
    }
    snprintf(reason, sizeof(reason), "prepare has failed: %s",
             status == client->connect.status ? client->connect.text
                                              : zkt_status_text(status));
    zkt__refusal_set(client, status, 0, zkt_cstr(reason));
    zkt__client_lost(client, reason);
}

/* Begins an attempt. */
static void prepare(struct zkt_client *client)
{
    client->retry_after_ms = 0;
    client->phase = ZKT_PHASE_PREPARING;
    const enum zkt_status status = zkt__connect_prepare(client);
    if (status != ZKT_PENDING) {
        zkt__connection_prepared(client, status);
    }
}

/* Sends the request of the handshake. Returns false if there is no memory. */
static bool send_request(struct zkt_client *client)
{
    struct zkt_writer w;
    zkt__writer_init(&w, client->allocator);
    zkt__connect_write_target(&client->connect, client->path, &w);
    const size_t target = w.len;
    zkt__connect_write_fields(&client->connect, &w);
    bool sent = false;
    if (!w.failed) {
        const struct zkt_ws_opening opening = {
            .host = client->host,
            .target = { w.data, target },
            .fields = { w.data + target, w.len - target },
            .offered = ZKT_WS_PROTOCOL_RFC6902,
        };
        client->ws_setup = (struct zkt_ws_setup){
            .callbacks = &ws_callbacks,
            .allocator = client->allocator,
            .limits = &client->ws_limits,
        };
        sent = zkt__ws_init_client(&client->ws, &client->ws_client,
                                   &client->ws_setup, client, &client->random,
                                   &opening);
    }
    zkt__writer_finish(&w);
    zkt__connect_clear(&client->connect);
    return sent;
}

struct zkt_endpoint *zkt__client_connected(struct zkt_client *client)
{
    client->dialing = false;
    if (client->phase != ZKT_PHASE_DIALING) {
        return NULL; /* timed out, or the client is closed */
    }
    client->phase = ZKT_PHASE_HANDSHAKE;
    client->endpoint = (struct zkt_endpoint){
        .ops = &endpoint_ops,
        .core = &client->core,
        .reading = true,
    };
    client->attached = true;
    client->unsent_control = 0;
    if (!send_request(client)) {
        client->attached = false;
        zkt__node_unlink(&client->endpoint.dirty);
        zkt__client_lost(client, "out of memory");
        return NULL;
    }
    return &client->endpoint;
}

void zkt__client_connect_failed(struct zkt_client *client, const char *reason)
{
    client->dialing = false;
    zkt__client_lost(client, reason);
}

void zkt__client_transport_failed(struct zkt_client *client, const char *reason)
{
    zkt__client_lost(client, reason);
}

/* ---- turns ---- */

/* Returns the time of the next attempt. A transport that has not flushed its
 * close frame delays it a little. */
static int64_t attempt_due(const struct zkt_client *client)
{
    return client->attached && client->flushed_by > client->dial_at &&
                   client->dial_at != ZKT_NEVER
               ? client->flushed_by
               : client->dial_at;
}

int64_t zkt__connection_deadline(const struct zkt_client *client)
{
    int64_t next = client->connect_due < client->quiet_at ? client->connect_due
                                                          : client->quiet_at;
    const bool clearing = client->dialing ||
                          (client->attached && client->endpoint.aborted);
    if (client->phase == ZKT_PHASE_WAITING && !clearing) {
        const int64_t due = attempt_due(client);
        next = due < next ? due : next;
    }
    return next;
}

static void end_attempt(struct zkt_client *client)
{
    char reason[REASON_MAX];
    snprintf(reason, sizeof(reason),
             "WebSocket did not connect within %" PRId64 "ms",
             client->options.connect_timeout_ms);
    zkt__refusal_set(client, ZKT_DEADLINE_EXCEEDED, 0, zkt_cstr(reason));
    zkt__client_lost(client, reason);
    if (client->dialing) {
        client->ops->abort_connect(client->driver, client);
    }
}

void zkt__connection_tick(struct zkt_client *client)
{
    const int64_t now = client->core.now_ms;
    if (client->connect_due <= now) {
        end_attempt(client);
    }
    if (client->quiet_at <= now) {
        zkt__silence_end(client);
    }
    if (client->phase != ZKT_PHASE_WAITING || attempt_due(client) > now ||
        client->dialing) {
        return;
    }
    if (client->attached) {
        /* The former transport has not flushed its close frame in time. */
        client->endpoint.aborted = true;
        zkt__endpoint_mark_dirty(&client->endpoint);
    } else {
        prepare(client);
    }
}
