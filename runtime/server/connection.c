/*
 * A connection between its WebSocket and its session. It ends in two steps: the
 * code that finds the end marks the connection, and the end of the turn reaps
 * it. So no callback frees an object that its caller still uses.
 */
#include "server/connection.h"

#include "server/core.h"
#include "server/deadlines.h"
#include "server/filter.h"
#include "server/inner.h"
#include "server/metrics_route.h"
#include "server/output.h"
#include "server/receive.h"
#include "server/redirect.h"
#include "server/routes.h"
#include "session/contact.h"
#include "session/opening.h"
#include "session/request.h"
#include "session/streams.h"
#include "session/task.h"

static struct zkt_server *server_of(struct zkt_connection *c)
{
    return (struct zkt_server *)(void *)c->endpoint.core;
}

static struct zkt_connection *from_endpoint(struct zkt_endpoint *e)
{
    return ZKT_CONTAINER(e, struct zkt_connection, endpoint);
}

static struct zkt_connection *from_session(struct zkt_session *session)
{
    return ZKT_CONTAINER(session, struct zkt_connection, session);
}

static void advance_stage(struct zkt_connection *c, enum zkt_stage stage)
{
    const enum zkt_stage before = c->stage;
    if (stage <= before) {
        return;
    }
    c->stage = stage;
    if (before == ZKT_STAGE_HANDSHAKE && zkt__connection_is_counted(c)) {
        zkt__admission_end_handshake(&server_of(c)->shards->admission,
                                     &c->handshake, c->session.peer.address);
        zkt__shards_reopen(server_of(c));
    }
    if (before < ZKT_STAGE_OVER && stage >= ZKT_STAGE_OVER) {
        zkt__deadline_excess_over(c);
        c->ending = (struct zkt_node){ 0 };
    }
}

/* Lets the end of the turn reap it, as far as possible by then. */
static void mark_for_reaping(struct zkt_connection *c)
{
    if (!zkt__node_linked(&c->ending)) {
        zkt__list_append(&server_of(c)->ending, &c->ending);
    }
}

static void drop_streams(struct zkt_connection *c)
{
    if (zkt__session_waiting_bytes(&c->session) > 0) {
        zkt__streams_drop(&server_of(c)->host, &c->session);
        zkt__output_follow(c);
    }
}

/* Ends the connection: no frame is queued from now on, and the end of the turn
 * does the rest. */
static void mark_ending(struct zkt_connection *c)
{
    zkt__exchange_drop(c);
    if (c->stage < ZKT_STAGE_OVER) {
        advance_stage(c, ZKT_STAGE_OVER);
        zkt__deadline_begin(c, ZKT_DEADLINE_CLOSING);
        if (c->deadlines.arrival != NULL) {
            zkt__timeout_cancel(&c->deadlines.arrival->timeout);
        }
    }
    c->session.open = false;
    drop_streams(c);
    zkt__session_cancel(&server_of(c)->host, &c->session);
    c->endpoint.closing = c->endpoint.closing || c->ws.state == ZKT_WS_CLOSED;
    if (c->session.contact_count > 0) {
        mark_for_reaping(c);
    }
    zkt__endpoint_mark_dirty(&c->endpoint);
}

void zkt__connection_drop(struct zkt_connection *c)
{
    c->endpoint.aborted = true;
    mark_ending(c);
}

void zkt__connections_drop_evicted(struct zkt_server *server)
{
    struct zkt_admission *admission = &server->shards->admission;
    struct zkt_handshake *handshake;
    while ((handshake = zkt__admission_take_evicted(admission, server->self)) !=
           NULL) {
        zkt__connection_drop(
            ZKT_CONTAINER(handshake, struct zkt_connection, handshake));
    }
}

/* Returns true if a connection that is read from has only a little output, so
 * that its period needs no update. */
static inline bool output_is_low(const struct zkt_connection *c)
{
    const struct zkt_server *server =
        (const struct zkt_server *)(const void *)c->endpoint.core;
    return c->endpoint.reading && c->unhandled == NULL && c->unsent == 0 &&
           zkt__queue_backlog(&c->session.queue) <= server->output_little;
}

/* Output may have been queued. */
static inline void output_queued(struct zkt_connection *c)
{
    if (!output_is_low(c)) {
        zkt__output_follow(c);
        zkt__deadline_output(c, 0);
    } else if (!zkt__deadline_output_runs(&c->deadlines) &&
               c->session.queue.count > 0) {
        zkt__deadline_output_begin(c);
    }
}

/* @taken bytes of output were sent. */
static inline void output_taken(struct zkt_connection *c, size_t taken)
{
    if (!output_is_low(c)) {
        zkt__output_follow(c);
    }
    if (c->session.queue.count > 0) {
        zkt__deadline_output(c, taken);
    } else {
        zkt__deadline_output_over(c);
    }
}

/* ---- the session ---- */

static void on_accept(struct zkt_session *session,
                      const struct zkt_ws_request *request,
                      struct zkt_str protocol)
{
    struct zkt_connection *c = from_session(session);
    zkt__ws_accept(&c->ws, request, protocol);
    session->queue.compressed = c->ws.deflates;
}

static void on_refuse(struct zkt_session *session, int status,
                      struct zkt_str fields, struct zkt_str body)
{
    zkt__ws_refuse(&from_session(session)->ws, status, fields, body);
}

static void on_session_close(struct zkt_session *session, unsigned code,
                             const char *reason)
{
    zkt__connection_close(from_session(session), code, reason);
}

static void on_all_left(struct zkt_session *session)
{
    struct zkt_connection *c = from_session(session);
    if (c->stage == ZKT_STAGE_DETACHED) {
        mark_for_reaping(c);
    }
}

static void on_changed(struct zkt_session *session)
{
    struct zkt_connection *c = from_session(session);
    if (c->stage != ZKT_STAGE_DETACHED) {
        output_queued(c);
        zkt__endpoint_mark_dirty(&c->endpoint);
    }
}

static void on_failed(struct zkt_session *session)
{
    zkt__connection_close(from_session(session), 1011, "out of memory");
}

static void on_held(struct zkt_session *session)
{
    zkt__output_follow(from_session(session));
}

static struct zkt_str certificate_of(struct zkt_session *session,
                                     enum zkt_certificate_part part)
{
    struct zkt_endpoint *e = &from_session(session)->endpoint;
    struct zkt_endpoint *of = e->inner ? zkt__inner_outer(e) : e;
    return of != NULL && e->core->certificate != NULL
               ? e->core->certificate(of, part)
               : (struct zkt_str){ NULL, 0 };
}

const struct zkt_session_events zkt__connection_events = {
    .certificate = certificate_of,
    .accept = on_accept,
    .refuse = on_refuse,
    .close = on_session_close,
    .changed = on_changed,
    .failed = on_failed,
    .all_left = on_all_left,
    .held = on_held,
};

/* Keeps the code and the reason of the first close frame, for the handlers that
 * run when the connection has ended. Without memory there is no reason. */
static void note_close(struct zkt_connection *c, unsigned code,
                       struct zkt_str reason)
{
    struct zkt_peer *peer = &c->session.peer;
    if (peer->close_code != 0) {
        return;
    }
    peer->close_code = (uint16_t)code;
    if (reason.len > 0) {
        peer->close_reason = zkt__alloc(server_of(c)->allocator,
                                        reason.len + 1);
    }
    if (peer->close_reason != NULL) {
        memcpy(peer->close_reason, reason.data, reason.len);
        peer->close_reason[reason.len] = '\0';
    }
}

bool zkt__connection_is_idle(const struct zkt_connection *c)
{
    size_t memory;
    return c->stage < ZKT_STAGE_OPEN && zkt__connection_exchange(c) == NULL &&
           c->unhandled == NULL && zkt__ws_partial(&c->ws, &memory) == 0;
}

void zkt__connection_close(struct zkt_connection *c, unsigned code,
                           const char *reason)
{
    if (c->stage >= ZKT_STAGE_OVER || c->ws.state == ZKT_WS_CLOSED) {
        return;
    }
    c->endpoint.idle = zkt__connection_is_idle(c);
    if (code == 1013 || code == 1011) {
        /* Unsent output is in the way of the close frame. */
        zkt__session_drop_unsent(&server_of(c)->host, &c->session);
        zkt__output_follow(c);
        c->endpoint.closing = true;
    } else {
        zkt__streams_flush_all(&server_of(c)->host, &c->session);
        if (c->stage >= ZKT_STAGE_OVER) {
            return; /* there was no memory */
        }
    }
    note_close(c, code, zkt_cstr(reason));
    zkt__ws_close(&c->ws, code, reason);
    mark_ending(c);
}

/* ---- the WebSocket ---- */

/* Stops handling received bytes if the session takes no more, or if the round
 * is over. */
static void pause_if_due(struct zkt_connection *c)
{
    struct zkt_server *server = server_of(c);
    if (server->host.budget <= server->round_ends ||
        !zkt__connection_may_receive(c)) {
        server->host.stats.limit_hits.pending_calls +=
            c->session.outstanding >= server->limits.pending_calls;
        zkt__ws_pause(&c->ws);
        zkt__output_follow_reading(c);
    }
}

static void send_bytes(void *user, const void *data, size_t len)
{
    struct zkt_connection *c = user;
    struct zkt_server *server = server_of(c);
    zkt__host_spend(&server->host, ZKT_COST_FRAME);
    if (!zkt__queue_copy(&c->session.queue, server->allocator,
                         &server->sessions.spare_buffer, data, len)) {
        zkt__connection_drop(c);
    }
    output_queued(c);
    pause_if_due(c); /* pings are read no faster than pongs are taken */
    zkt__endpoint_mark_dirty(&c->endpoint);
}

static void on_request(void *user, const struct zkt_ws_request *request)
{
    struct zkt_connection *c = user;
    if (server_of(c)->life != ZKT_LIFE_SERVING) {
        server_of(c)->host.stats.refused_late++;
        zkt__connection_refuse(c, 503);
        return;
    }
    zkt__session_begin(&server_of(c)->host, &c->session, request);
}

static int on_head(void *user, const struct zkt_http_request *request)
{
    struct zkt_connection *c = user;
    if (c->endpoint.inner) {
        return 0; /* the request that it is for was let in */
    }
    if (c->surplus && !zkt__routes_is_watching(c, request)) {
        server_of(c)->host.stats.limit_hits.connections++;
        zkt__connection_refuse(c, 503);
        return -1;
    }
    if ((c->listener & ZKT_LISTENER_REDIRECT) != 0) {
        zkt__redirect_answer(server_of(c), &c->ws, request->host,
                             request->target);
        return -1;
    }
    if (!zkt__filter_head(c, request)) {
        return -1;
    }
    if ((c->listener & ZKT_LISTENER_METRICS) != 0) {
        return zkt__metrics_judge_own(c, request);
    }
    return request->asks_websocket || zkt__origin_is_preflight(request)
               ? 0
               : zkt__routes_check(user, request);
}

static void on_plain(void *user, const struct zkt_http_request *request)
{
    struct zkt_connection *c = user;
    struct zkt_server *server = server_of(c);
    server->host.stats.http_requests++;
    zkt__host_spend(&server->host, ZKT_COST_MESSAGE + request->body.len);
    advance_stage(c, ZKT_STAGE_HTTP);
    if (zkt__origin_is_preflight(request)) {
        zkt__filter_answer_preflight(c, request);
    } else {
        zkt__routes_answer(NULL, c, request);
    }
}

static void on_open(void *user, const char *protocol)
{
    struct zkt_connection *c = user;
    (void)protocol;
    c->session.open = true;
    advance_stage(c, ZKT_STAGE_OPEN);
    zkt__deadline_begin(c, ZKT_DEADLINE_SILENCE);
    if (c->deadlines.arrival != NULL) {
        zkt__deadline_heard(c); /* the head is gone */
    }
}

static uint8_t *message_memory(void *user, size_t len)
{
    struct zkt_server *server = server_of(user);
    server->lent = zkt__arena_alloc(server->host.arena, len + ZKT_PADDING);
    return server->lent;
}

static void on_message(void *user, bool binary, uint8_t *data, size_t len)
{
    struct zkt_connection *c = user;
    struct zkt_server *server = server_of(c);
    if (!c->session.open) {
        return;
    }
    server->host.stats.messages_in++;
    zkt__host_spend(&server->host, ZKT_COST_MESSAGE + len);
    if (binary) {
        zkt__connection_close(c, 1003, "text only");
    } else {
        zkt__connection_receive(c, data, len);
    }
    zkt__arena_reset(server->host.arena);
    pause_if_due(c);
}

static void on_close(void *user, unsigned code, const char *reason)
{
    struct zkt_connection *c = user;
    note_close(c, code, zkt_cstr(reason));
    mark_ending(c);
}

static void on_peer_status(void *user, unsigned code, struct zkt_str text)
{
    note_close(user, code, text);
}

static void on_limit(void *user, enum zkt_ws_limit limit)
{
    struct zkt_limit_counts *hits = &server_of(user)->host.stats.limit_hits;
    hits->message_bytes += limit == ZKT_WS_LIMIT_MESSAGE;
    hits->fragments += limit == ZKT_WS_LIMIT_FRAGMENTS;
    hits->head_bytes += limit == ZKT_WS_LIMIT_HEAD;
    hits->body_bytes += limit == ZKT_WS_LIMIT_BODY;
}

/* The fields of every answer. */
static struct zkt_str common_fields(void *user)
{
    struct zkt_connection *c = user;
    return (c->listener & ZKT_LISTENER_TLS) != 0 ? zkt_cstr(server_of(c)->hsts)
                                                 : ZKT_STR("");
}

static int64_t wall_ms(void *user)
{
    return server_of(user)->core.wall_ms;
}

const struct zkt_ws_callbacks zkt__connection_ws_callbacks = {
    .common_fields = common_fields,
    .wall_ms = wall_ms,
    .on_request = on_request,
    .on_head = on_head,
    .on_plain = on_plain,
    .on_open = on_open,
    .memory = message_memory,
    .on_message = on_message,
    .send = send_bytes,
    .on_close = on_close,
    .on_peer_status = on_peer_status,
    .on_limit = on_limit,
};

/* ---- the endpoint ---- */

static void free_unhandled(struct zkt_connection *c)
{
    if (c->unhandled != NULL) {
        zkt__node_unlink(&c->unhandled->node);
        zkt__release(server_of(c)->allocator, c->unhandled);
        c->unhandled = NULL;
    }
}

/* Keeps received bytes for another round. A driver that reads on nevertheless
 * is closed. */
static void keep_unhandled(struct zkt_connection *c, const uint8_t *bytes,
                           size_t len)
{
    const struct zkt_server *server = server_of(c);
    const size_t have = c->unhandled != NULL
                            ? c->unhandled->len - c->unhandled->at
                            : 0;
    if (have / ZKT_UNHANDLED_READS > (size_t)server->limits.read_per_turn) {
        zkt__connection_close(c, 1013, "too much at once");
        return;
    }
    struct zkt_unhandled *unhandled = zkt__alloc(
        server->allocator, sizeof(*unhandled) + have + len);
    if (unhandled == NULL) {
        zkt__connection_close(c, 1011, "out of memory");
        return;
    }
    *unhandled = (struct zkt_unhandled){ .connection = c, .len = have + len };
    if (have > 0) {
        memcpy(unhandled->bytes, c->unhandled->bytes + c->unhandled->at, have);
    }
    memcpy(unhandled->bytes + have, bytes, len);
    free_unhandled(c);
    c->unhandled = unhandled;
}

/* Updates the deadlines after received bytes. The common case has no incomplete
 * message, before or now. */
static void bytes_received(struct zkt_connection *c)
{
    struct zkt_deadlines *d = &c->deadlines;
    if (zkt__ws_has_partial(&c->ws) || d->arrival != NULL ||
        c->stage != ZKT_STAGE_OPEN) {
        zkt__deadline_heard(c);
        return;
    }
    d->completed = c->ws.completed;
    zkt__deadline_begin(c, ZKT_DEADLINE_SILENCE);
}

bool zkt__connection_queue(struct zkt_connection *c, struct zkt_buffer *buffer)
{
    if (!zkt__queue_shared(&c->session.queue, server_of(c)->allocator,
                           buffer)) {
        return false;
    }
    output_queued(c);
    zkt__endpoint_mark_dirty(&c->endpoint);
    return true;
}

/* Gives the WebSocket a round of the budget. Returns the number of bytes that
 * it took. */
static size_t handle_bytes(struct zkt_connection *c, uint8_t *bytes, size_t len)
{
    struct zkt_server *server = server_of(c);
    const int64_t ends = server->host.budget - ZKT_ROUND_WORK;
    server->round_ends = ends > 0 ? ends : 0;
    zkt__ws_resume(&c->ws);
    const size_t used = zkt__ws_feed(&c->ws, bytes, len);
    bytes_received(c);
    if (c->ws.state == ZKT_WS_CLOSED) {
        mark_ending(c);
        return len;
    }
    return used;
}

/* Ends the connection if the peer has ended its stream, and everything that it
 * has sent is handled, and answered if it still reads the answer. */
static void finish_input_if_over(struct zkt_connection *c)
{
    const struct zkt_exchange *exchange = zkt__connection_exchange(c);
    if (c->input_ended && c->unhandled == NULL &&
        (exchange == NULL || exchange->ends_with_input)) {
        c->endpoint.closing = true;
        mark_ending(c);
    }
}

void zkt__connection_answered(struct zkt_connection *c)
{
    zkt__deadline_heard(c);
    finish_input_if_over(c);
    zkt__output_follow_reading(c);
    zkt__endpoint_mark_dirty(&c->endpoint);
}

static void look_ahead(struct zkt_connection *c)
{
    if (c->session.task != NULL && c->unhandled != NULL) {
        zkt__connection_look_ahead(c);
    }
}

static void resume(struct zkt_connection *c)
{
    struct zkt_unhandled *unhandled = c->unhandled;
    const size_t left = unhandled->len - unhandled->at;
    unhandled->at += c->endpoint.aborted
                         ? left
                         : handle_bytes(c, unhandled->bytes + unhandled->at,
                                        left);
    if (unhandled->at >= unhandled->len) {
        free_unhandled(c);
        finish_input_if_over(c);
    }
    look_ahead(c);
    zkt__output_follow_reading(c);
    zkt__endpoint_mark_dirty(&c->endpoint);
}

void zkt__connections_resume(struct zkt_server *server)
{
    struct zkt_node *node;
    while (server->host.budget > 0 &&
           (node = zkt__list_first(&server->backlog)) != NULL) {
        struct zkt_connection *c =
            ZKT_CONTAINER(node, struct zkt_unhandled, node)->connection;
        zkt__node_unlink(node);
        if (zkt__connection_may_receive(c)) {
            resume(c);
        }
    }
}

/* Returns true if bytes are handled as soon as they are received: no other
 * connection is waiting, and half of the turn's budget is left, which is for
 * other threads and mailboxes. */
static bool may_handle_now(const struct zkt_server *server)
{
    return zkt__list_empty(&server->backlog) &&
           server->host.budget > server->limits.turn_work / 2;
}

static void feed(struct zkt_endpoint *e, uint8_t *bytes, size_t len)
{
    struct zkt_connection *c = from_endpoint(e);
    struct zkt_server *server = server_of(c);
    size_t used = 0;
    server->host.stats.bytes_in += len;
    server->host.stats.limit_hits.read_per_turn +=
        len >= (size_t)server->limits.read_per_turn;
    if (c->unhandled == NULL && zkt__connection_may_receive(c) &&
        may_handle_now(server)) {
        used = handle_bytes(c, bytes, len);
    }
    if (used < len) {
        keep_unhandled(c, bytes + used, len - used);
        look_ahead(c);
        zkt__output_follow_reading(c);
    }
}

static size_t pending(struct zkt_endpoint *e, struct zkt_slice *out, size_t max)
{
    struct zkt_connection *c = from_endpoint(e);
    if (c->session.queue.count == 0) {
        return c->stage == ZKT_STAGE_HTTP ? zkt__exchange_pending(c, out, max)
                                          : 0;
    }
    if (zkt__session_awaits_snapshot(&c->session)) {
        zkt__session_prepare_head(&server_of(c)->host, &c->session);
    }
    return zkt__queue_peek(&c->session.queue, out, max);
}

static void sent(struct zkt_endpoint *e, size_t len)
{
    struct zkt_connection *c = from_endpoint(e);
    const size_t most = c->session.queue.bytes;
    len = len < most ? len : most;
    server_of(c)->host.stats.bytes_out += len;
    zkt__session_sent(&server_of(c)->host, &c->session, len);
    if (zkt__session_waiting_bytes(&c->session) > 0) {
        zkt__streams_send(&server_of(c)->host, &c->session);
    }
    output_taken(c, len);
}

static void ended(struct zkt_endpoint *e)
{
    struct zkt_connection *c = from_endpoint(e);
    c->input_ended = true;
    zkt__exchange_input_ended(c);
    finish_input_if_over(c);
    zkt__output_follow_reading(c);
}

static void detach(struct zkt_endpoint *e)
{
    struct zkt_connection *c = from_endpoint(e);
    zkt__exchange_drop(c);
    advance_stage(c, ZKT_STAGE_DETACHED);
    zkt__node_unlink(&e->dirty);
    free_unhandled(c);
    c->session.open = false;
    drop_streams(c);
    zkt__session_cancel(&server_of(c)->host, &c->session);
    mark_for_reaping(c);
}

static const struct zkt_endpoint_ops endpoint_ops = {
    .feed = feed,
    .pending = pending,
    .sent = sent,
    .ended = ended,
    .detach = detach,
};

/* Makes a connection without an address, with @room bytes behind it. Returns
 * NULL if there is no memory. */
static struct zkt_connection *make(struct zkt_server *server, size_t room)
{
    struct zkt_connection *c = zkt__alloc_zero(server->allocator, 1,
                                               sizeof(*c) + room);
    if (c == NULL) {
        return NULL;
    }
    c->endpoint.ops = &endpoint_ops;
    c->endpoint.core = &server->core;
    c->endpoint.reading = true;
    c->session.peer.shard = (uint8_t)server->self;
    zkt__list_append(&server->sessions.unindexed, &c->session.listed);
    zkt__ws_init_server(&c->ws, &server->ws, c);
    zkt__list_append(&server->connections, &c->all);
    zkt__deadline_begin(c, ZKT_DEADLINE_HANDSHAKE);
    return c;
}

struct zkt_connection *zkt__connection_new(struct zkt_server *server,
                                           const char *address, bool has_proxy)
{
    const size_t len = strlen(address) + 1;
    const size_t room = has_proxy ? ZKT_IP_TEXT : 0;
    struct zkt_connection *c = make(server, room + len);
    if (c != NULL) {
        c->session.peer.has_proxy = has_proxy;
        c->session.peer.remote = memcpy((char *)(c + 1) + room, address, len);
    }
    return c;
}

struct zkt_connection *zkt__connection_new_inner(
    struct zkt_server *server, const struct zkt_connection *outer,
    const struct zkt_http_request *request)
{
    const struct zkt_peer *client = &outer->session.peer;
    const struct zkt_str id = zkt__request_id(client, request->fields);
    const size_t len = strlen(client->remote) + 1;
    struct zkt_peer_request *of;
    struct zkt_connection *c = make(server, sizeof(*of) + len + id.len + 1);
    if (c == NULL) {
        return NULL;
    }
    of = (struct zkt_peer_request *)(void *)(c + 1);
    c->session.peer.remote = memcpy(of->remote, client->remote, len);
    c->session.peer.has_proxy = client->has_proxy;
    c->session.peer.is_request = true;
    of->request.number = zkt__request_next(&server->host.requests);
    if (id.len > 0) {
        of->request.trace = memcpy(of->remote + len, id.data, id.len);
    }
    c->listener = outer->listener;
    c->endpoint.inner = true;
    return c;
}

/* Behind a connection with a proxy is the address that it has told, and then
 * its own. */
const char *zkt__connection_client(const struct zkt_connection *c)
{
    const char *remote = c->session.peer.remote;
    const char *own = (const char *)(c + 1) + ZKT_IP_TEXT;
    return c->session.peer.has_proxy && remote == own ? "" : remote;
}

void zkt__connection_set_address(struct zkt_connection *c,
                                 const struct zkt_ip *ip)
{
    char *text = (char *)(c + 1);
    if (ip != NULL) {
        zkt__ip_format(ip, text);
    }
    c->session.peer.remote = ip != NULL ? text : text + ZKT_IP_TEXT;
}

void zkt__connection_refuse(struct zkt_connection *c, int status)
{
    zkt__ws_refuse(&c->ws, status, ZKT_STR(""), ZKT_STR(""));
    c->endpoint.closing = true;
}

void zkt__server_await_close(struct zkt_endpoint *endpoint)
{
    zkt__deadline_begin(from_endpoint(endpoint), ZKT_DEADLINE_CLOSING);
}

/* ---- the end ---- */

/* The session @stays until its contacts have left. */
static void uncount(struct zkt_server *server, struct zkt_connection *c,
                    bool stays)
{
    struct zkt_admission *admission = &server->shards->admission;
    struct zkt_address *address = c->session.peer.address;
    if (c->endpoint.inner) {
        zkt__admission_remove_request(admission, address,
                                      c->session.peer.has_proxy, stays);
    } else if (!zkt__connection_is_counted(c)) {
        zkt__admission_remove_metrics(admission);
    } else {
        zkt__admission_remove(admission, address, stays);
    }
}

/* Frees the transport. The session @stays until its contacts have left. */
static void release_transport(struct zkt_server *server,
                              struct zkt_connection *c, bool stays)
{
    zkt__node_unlink(&c->all);
    zkt__node_unlink(&c->endpoint.dirty);
    zkt__deadlines_cancel(c);
    zkt__ws_finish(&c->ws);
    zkt__session_finish(&server->host, &c->session);
    zkt__output_forget(c);
    uncount(server, c, stays);
}

/* Frees a connection without a transport, as far as its contacts have left. */
static void finish(struct zkt_server *server, struct zkt_connection *c)
{
    zkt__node_unlink(&c->ending);
    if (c->stage != ZKT_STAGE_DETACHED) {
        return;
    }
    const bool stays = c->session.contact_count > 0;
    if (!stays) {
        zkt__session_end(&server->host, &c->session);
    }
    if (zkt__node_linked(&c->all)) {
        release_transport(server, c, stays);
    } else if (!stays) {
        zkt__admission_release(&server->shards->admission,
                               c->session.peer.address);
    }
    if (!stays) {
        zkt__session_free(&server->host, &c->session);
        zkt__release(server->allocator, c);
    }
}

void zkt__connections_reap(struct zkt_server *server, int64_t leaves)
{
    struct zkt_node *node;
    int64_t ends = leaves;
    /* Leaving may end other connections: they are appended to the list. */
    while ((node = zkt__list_first(&server->ending)) != NULL) {
        struct zkt_connection *c = ZKT_CONTAINER(node, struct zkt_connection,
                                                 ending);
        ends -= c->stage == ZKT_STAGE_DETACHED;
        if (ends < 0 ||
            !zkt__session_leave(&server->host, &c->session, &leaves)) {
            server->host.stats.limit_hits.leaves_per_turn++;
            return;
        }
        finish(server, c);
    }
}
