/*
 * A connection between its WebSocket and the edge. It ends in two steps: what
 * finds out that it is over marks it, and the end of the turn takes it apart,
 * so that no callback ever pulls something away from under its caller.
 */
#include "server/connection.h"

static struct zkt_server *server_of(struct zkt_connection *c)
{
    return (struct zkt_server *)(void *)c->endpoint.core;
}

static struct zkt_connection *from_endpoint(struct zkt_endpoint *e)
{
    return ZKT_CONTAINER(e, struct zkt_connection, endpoint);
}

static struct zkt_connection *from_port(struct zkt_port *port)
{
    return ZKT_CONTAINER(port, struct zkt_connection, port);
}

static void reach(struct zkt_connection *c, enum zkt_stage stage)
{
    const enum zkt_stage before = c->stage;
    if (stage <= before) {
        return;
    }
    c->stage = stage;
    if (before == ZKT_STAGE_HANDSHAKE) {
        zkt__admission_shake_hands(&server_of(c)->shards->admission, &c->knock);
        zkt__shards_reopen(server_of(c));
    }
}

/* The end of the turn takes apart what can be by then. */
static void take_apart(struct zkt_connection *c)
{
    if (!zkt__node_linked(&c->ending)) {
        zkt__list_append(&server_of(c)->ending, &c->ending);
    }
}

/* No frame is queued from now on; the rest happens at the end of the turn. */
static void mark_ending(struct zkt_connection *c)
{
    if (c->stage < ZKT_STAGE_OVER) {
        reach(c, ZKT_STAGE_OVER);
        zkt__deadline_begin(c, ZKT_DEADLINE_CLOSING);
        zkt__timeout_cancel(&c->deadlines.message.timeout);
    }
    c->port.open = false;
    c->endpoint.closing = c->endpoint.closing || c->ws.state == ZKT_WS_CLOSED;
    if (c->port.link_count > 0) {
        take_apart(c);
    }
    zkt__endpoint_touch(&c->endpoint);
}

void zkt__connection_drop(struct zkt_connection *c)
{
    c->endpoint.aborted = true;
    mark_ending(c);
}

void zkt__connections_make_room(struct zkt_server *server)
{
    struct zkt_admission *admission = &server->shards->admission;
    struct zkt_knock *knock;
    while ((knock = zkt__admission_take_given_up(admission, server->self)) !=
           NULL) {
        zkt__connection_drop(
            ZKT_CONTAINER(knock, struct zkt_connection, knock));
    }
}

/* Output waits, or does not wait any more. */
static void note_output(struct zkt_connection *c, size_t taken)
{
    struct zkt_server *server = server_of(c);
    const size_t bytes = c->port.queue.bytes - c->port.queue.exempt;
    const bool high = bytes > (size_t)server->limits.output_high;
    server->actors.stats.reached.output_high += high && c->endpoint.reading;
    c->endpoint.reading = !high;
    zkt__deadline_output(c, taken);
}

/* ---- the port ---- */

static void on_emptied(struct zkt_port *port)
{
    struct zkt_connection *c = from_port(port);
    if (c->stage == ZKT_STAGE_DETACHED) {
        take_apart(c);
    }
}

static void on_touched(struct zkt_port *port, bool lost)
{
    struct zkt_connection *c = from_port(port);
    if (c->stage == ZKT_STAGE_DETACHED) {
        return;
    }
    if (lost) {
        zkt__connection_close(c, 1013, "too slow");
        return;
    }
    note_output(c, 0);
    zkt__endpoint_touch(&c->endpoint);
}

void zkt__connection_close(struct zkt_connection *c, unsigned code,
                           const char *reason)
{
    if (c->stage >= ZKT_STAGE_OVER || c->ws.state == ZKT_WS_CLOSED) {
        return;
    }
    if (code == 1013) {
        /* What it did not take is in the way of the close frame. */
        zkt__queue_cut(&c->port.queue);
        c->endpoint.closing = true;
    }
    zkt__ws_close(&c->ws, code, reason);
    mark_ending(c);
}

/* ---- the WebSocket ---- */

static void send_bytes(void *user, const void *data, size_t len)
{
    struct zkt_connection *c = user;
    struct zkt_server *server = server_of(c);
    if (!zkt__queue_copy(&c->port.queue, server->allocator,
                         &server->actors.spare_buffer, data, len)) {
        zkt__connection_drop(c);
    }
    note_output(c, 0); /* pings are read no faster than pongs are taken */
    zkt__endpoint_touch(&c->endpoint);
}

static int on_request(void *user, const struct zkt_ws_request *request,
                      const char **protocol)
{
    struct zkt_connection *c = user;
    if (server_of(c)->life != ZKT_LIFE_SERVING) {
        return 503;
    }
    if (request->rfc6902) {
        *protocol = ZKT_WS_PROTOCOL_RFC6902;
        c->port.dialect = ZKT_DIALECT_RFC6902;
    }
    return 101;
}

static void on_open(void *user, const char *protocol)
{
    struct zkt_connection *c = user;
    struct zkt_server *server = server_of(c);
    struct zkt_writer *w = &server->actors.result;
    (void)protocol;
    zkt__random_hex(&server->actors.random, c->client_id, ZKT_CLIENT_ID_BYTES);
    c->port.open = true;
    reach(c, ZKT_STAGE_OPEN);
    zkt__deadline_begin(c, ZKT_DEADLINE_SILENCE);
    zkt__frame_begin(w);
    zkt__write_welcome(w, zkt__port_client(&c->port));
    zkt__frame_send(&server->actors, &c->port, w);
}

static uint8_t *message_memory(void *user, size_t len)
{
    struct zkt_server *server = server_of(user);
    server->lent = zkt__arena_alloc(&server->actors.task->arena,
                                    len + ZKT_PADDING);
    return server->lent;
}

/*
 * The message in the call's memory: a call may outlast its connection's. One
 * that was gathered from pieces is moved there. NULL: no memory.
 */
static uint8_t *own_message(struct zkt_server *server, uint8_t *data,
                            size_t len)
{
    const bool lent = data == server->lent;
    server->lent = NULL;
    if (lent) {
        return data;
    }
    uint8_t *copy = zkt__arena_alloc(&server->actors.task->arena,
                                     len + ZKT_PADDING);
    if (copy != NULL) {
        memcpy(copy, data, len + ZKT_PADDING);
    }
    return copy;
}

/* A message that belongs to no call. */
static void refuse(struct zkt_connection *c, const char *text)
{
    struct zkt_server *server = server_of(c);
    struct zkt_writer *w = &server->actors.result;
    server->actors.stats.protocol_errors++;
    if (++c->protocol_errors >= server->limits.protocol_errors) {
        server->actors.stats.reached.protocol_errors++;
        zkt__connection_close(c, 1008, "too many bad messages");
        return;
    }
    zkt__frame_begin(w);
    zkt__write_error(w, zkt_cstr(text), ZKT_INVALID_ARGUMENT);
    zkt__frame_send(&server->actors, &c->port, w);
}

enum {
    ID_MAX = 128,
    ACTOR_ID_MAX = 256
};

static bool is_id(struct zkt_str id)
{
    if (id.data == NULL) {
        return false;
    }
    const bool string = id.data[0] == '"';
    const bool number = id.data[0] == '-' ||
                        (id.data[0] >= '0' && id.data[0] <= '9');
    return (string && id.len > 2 && id.len <= ID_MAX + 2) ||
           (number && id.len <= ID_MAX);
}

/* What is wrong with a message, or NULL. */
static const char *find_fault(const struct zkt_envelope *m)
{
    const bool call = m->type == ZKT_MESSAGE_RPC;
    if (m->type == ZKT_MESSAGE_NONE) {
        return "the message has no type";
    }
    if (m->type > ZKT_MESSAGE_STATE_UNSUB) {
        return "the message has an unknown type";
    }
    if (call && !is_id(m->id)) {
        return "the call has no id of 1 to 128 bytes";
    }
    if (m->actor.data == NULL) {
        return "the message has no actor";
    }
    if (m->actor_id.data == NULL || m->actor_id.len == 0 ||
        m->actor_id.len > ACTOR_ID_MAX) {
        return "the message has no actorId of 1 to 256 bytes";
    }
    if (call && m->method.data == NULL) {
        return "the call has no method";
    }
    return NULL;
}

static void receive(struct zkt_connection *c, uint8_t *data, size_t len)
{
    struct zkt_server *server = server_of(c);
    struct zkt_envelope message;
    struct zkt_reader reader;
    data = own_message(server, data, len);
    if (data == NULL) {
        zkt__connection_close(c, 1011, "out of memory");
        return;
    }
    zkt__reader_init(&reader, (char *)data, len, &server->actors.task->arena,
                     NULL, &server->actors.store.key);
    if (!zkt__envelope_read(&message, &reader)) {
        if (reader.no_memory) {
            zkt__connection_close(c, 1011, "out of memory");
        } else {
            refuse(c, "the message is not a JSON object");
        }
        return;
    }
    const char *fault = find_fault(&message);
    if (fault != NULL) {
        refuse(c, fault);
    } else {
        zkt__edge_receive(&server->actors, &c->port, &message);
    }
}

static void on_message(void *user, bool binary, uint8_t *data, size_t len)
{
    struct zkt_connection *c = user;
    struct zkt_server *server = server_of(c);
    if (!c->port.open) {
        return;
    }
    server->actors.stats.messages_in++;
    if (binary) {
        zkt__connection_close(c, 1003, "text only");
    } else {
        receive(c, data, len);
    }
    zkt__arena_reset(&server->actors.task->arena);
}

static void on_close(void *user, unsigned code, const char *reason)
{
    struct zkt_connection *c = user;
    (void)code;
    (void)reason;
    mark_ending(c);
}

static void on_limit(void *user, enum zkt_ws_limit limit)
{
    struct zkt_limit_counts *reached = &server_of(user)->actors.stats.reached;
    reached->message_bytes += limit == ZKT_WS_LIMIT_MESSAGE;
    reached->fragments += limit == ZKT_WS_LIMIT_FRAGMENTS;
    reached->head_bytes += limit == ZKT_WS_LIMIT_HEAD;
}

static const struct zkt_ws_callbacks ws_callbacks = {
    .on_request = on_request,
    .on_open = on_open,
    .memory = message_memory,
    .on_message = on_message,
    .send = send_bytes,
    .on_close = on_close,
    .on_limit = on_limit,
};

/* ---- the endpoint ---- */

static void feed(struct zkt_endpoint *e, uint8_t *bytes, size_t len)
{
    struct zkt_connection *c = from_endpoint(e);
    struct zkt_server *server = server_of(c);
    server->actors.stats.reached.read_per_turn +=
        len >= (size_t)server->limits.read_per_turn;
    (void)zkt__ws_feed(&c->ws, bytes, len);
    zkt__deadline_heard(c);
    if (c->ws.state == ZKT_WS_CLOSED) {
        mark_ending(c);
    }
}

static size_t pending(struct zkt_endpoint *e, struct zkt_slice *out, size_t max)
{
    struct zkt_connection *c = from_endpoint(e);
    if (zkt__queue_head_token(&c->port.queue) != NULL) {
        zkt__edge_settle_queue(&server_of(c)->actors, &c->port);
    }
    return zkt__queue_peek(&c->port.queue, out, max);
}

static void sent(struct zkt_endpoint *e, size_t len)
{
    struct zkt_connection *c = from_endpoint(e);
    struct zkt_server *server = server_of(c);
    zkt__queue_sent(&c->port.queue, server->allocator,
                    &server->actors.spare_buffer, len);
    note_output(c, len);
}

static void ended(struct zkt_endpoint *e)
{
    struct zkt_connection *c = from_endpoint(e);
    e->closing = true;
    mark_ending(c);
}

static void detach(struct zkt_endpoint *e)
{
    struct zkt_connection *c = from_endpoint(e);
    reach(c, ZKT_STAGE_DETACHED);
    zkt__node_unlink(&e->dirty);
    c->port.open = false;
    take_apart(c);
}

static const struct zkt_endpoint_ops endpoint_ops = {
    .feed = feed,
    .pending = pending,
    .sent = sent,
    .ended = ended,
    .detach = detach,
};

struct zkt_connection *zkt__connection_new(struct zkt_server *server)
{
    struct zkt_connection *c = zkt__alloc_zero(server->allocator, 1,
                                               sizeof(*c));
    if (c == NULL) {
        return NULL;
    }
    c->endpoint.ops = &endpoint_ops;
    c->endpoint.core = &server->core;
    c->endpoint.reading = true;
    c->port.client_id = c->client_id;
    c->port.shard = server->self;
    c->port.client_id_len = 2 * ZKT_CLIENT_ID_BYTES;
    c->port.touched = on_touched;
    c->port.emptied = on_emptied;
    zkt__list_init(&c->port.links);
    zkt__ws_init_server(&c->ws, &ws_callbacks, c, server->allocator,
                        &server->ws_limits);
    zkt__list_append(&server->connections, &c->all);
    zkt__deadline_begin(c, ZKT_DEADLINE_HANDSHAKE);
    return c;
}

void zkt__connection_refuse(struct zkt_connection *c, int status)
{
    zkt__ws_refuse(&c->ws, status);
    c->endpoint.closing = true;
}

/* ---- the end ---- */

/* The transport is gone. What is left serves those who still name the port. */
static void retire(struct zkt_server *server, struct zkt_connection *c)
{
    if (zkt__node_linked(&c->all)) {
        zkt__node_unlink(&c->all);
        zkt__node_unlink(&c->endpoint.dirty);
        zkt__deadlines_cancel(c);
        zkt__ws_finish(&c->ws);
        zkt__queue_finish(&c->port.queue, server->allocator);
        zkt__admission_leave(&server->shards->admission, c->address);
    }
}

/* What is left when its contacts have ended. */
static void finish(struct zkt_server *server, struct zkt_connection *c)
{
    zkt__node_unlink(&c->ending);
    if (c->stage == ZKT_STAGE_DETACHED) {
        retire(server, c);
        if (c->port.link_count == 0) {
            zkt__release(server->allocator, c);
        }
    }
}

void zkt__connections_reap(struct zkt_server *server, int64_t links)
{
    struct zkt_node *node;
    int64_t ends = links;
    /* Leaving may end others: they stand behind in the list. */
    while ((node = zkt__list_first(&server->ending)) != NULL) {
        struct zkt_connection *c = ZKT_CONTAINER(node, struct zkt_connection,
                                                 ending);
        ends -= c->stage == ZKT_STAGE_DETACHED;
        if (ends < 0 ||
            !zkt__edge_leave_all(&server->actors, &c->port, &links)) {
            server->actors.stats.reached.leaves_per_turn++;
            return;
        }
        finish(server, c);
    }
}
