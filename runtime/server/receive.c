/*
 * Messages of a peer: the check of the envelope before the session handles the
 * contents. A fault of a call with an id, or of a subscription with a name, is
 * answered as such; others count towards a close with 1008.
 */
#include "server/receive.h"

#include <string.h>

#include "server/connection.h"
#include "server/core.h"

#include "session/broadcasts.h"
#include "session/middleware.h"
#include "session/receive.h"

static struct zkt_server *server_of(const struct zkt_connection *c)
{
    return (struct zkt_server *)(void *)c->endpoint.core;
}

/*
 * Returns the message in the memory of a call, since a call may outlast its
 * connection. A message that was gathered from frames is copied. Returns NULL
 * if there is no memory.
 */
static uint8_t *own_message(struct zkt_server *server, uint8_t *data,
                            size_t len)
{
    const bool lent = data == server->lent;
    server->lent = NULL;
    if (lent) {
        return data;
    }
    uint8_t *copy = zkt__arena_alloc(server->host.arena, len + ZKT_PADDING);
    if (copy != NULL) {
        memcpy(copy, data, len + ZKT_PADDING);
    }
    return copy;
}

/* Answers a message that belongs to no call. */
static void refuse(struct zkt_connection *c, const char *text)
{
    struct zkt_server *server = server_of(c);
    struct zkt_writer *w = &server->host.result;
    server->host.stats.protocol_errors++;
    if (++c->protocol_errors >= server->limits.protocol_errors) {
        server->host.stats.limit_hits.protocol_errors++;
        zkt__connection_close(c, 1008, "too many bad messages");
        return;
    }
    zkt__frame_begin(w);
    zkt__write_error(
        w, &(const struct zkt_failure){ .status = ZKT_INVALID_ARGUMENT,
                                        .text = zkt_cstr(text) });
    zkt__session_send(&server->host, &c->session, w);
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

/* The fault of a message to an actor, or NULL. */
static const char *find_fault(const struct zkt_envelope *m)
{
    const bool call = m->type == ZKT_MESSAGE_RPC;
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

/* Returns true if a refusal can say which message it is about. */
static bool has_answer(const struct zkt_envelope *m)
{
    switch (m->type) {
    case ZKT_MESSAGE_RPC:
        return is_id(m->id);
    case ZKT_MESSAGE_STATE_SUB:
    case ZKT_MESSAGE_EVENT_SUB:
        return m->actor.data != NULL && m->actor_id.data != NULL;
    default:
        return false;
    }
}

/* Handles a message that is for no actor. Messages of newer clients, and
 * messages that servers send, are ignored. */
static void handle_other(struct zkt_connection *c,
                         const struct zkt_envelope *message)
{
    struct zkt_host *host = &server_of(c)->host;
    switch (message->type) {
    case ZKT_MESSAGE_BROADCAST_SUB:
    case ZKT_MESSAGE_BROADCAST_UNSUB:
        zkt__session_hear(host, &c->session,
                          message->type == ZKT_MESSAGE_BROADCAST_SUB);
        break;
    case ZKT_MESSAGE_RPC_CANCEL:
        if (is_id(message->id)) {
            zkt__session_cancel_call(host, &c->session, message->id);
        } else {
            refuse(c, "the message has no id of 1 to 128 bytes");
        }
        break;
    case ZKT_MESSAGE_NONE:
        refuse(c, "the message has no type");
        break;
    default:
        host->stats.messages_ignored++;
        break;
    }
}

static void handle(struct zkt_connection *c, const struct zkt_envelope *message)
{
    struct zkt_server *server = server_of(c);
    if (message->type >= ZKT_MESSAGE_BROADCAST_SUB) {
        handle_other(c, message);
        return;
    }
    const char *fault = find_fault(message);
    if (fault == NULL) {
        zkt__session_receive(&server->host, &c->session, message);
    } else if (has_answer(message)) {
        zkt__session_refuse(&server->host, &c->session, message,
                            ZKT_INVALID_ARGUMENT, zkt_cstr(fault));
    } else {
        refuse(c, fault);
    }
}

/* Sets the request of a message. Without memory for it, the trace of a request
 * of HTTP is left out, and its number is the id. */
static void set_request(struct zkt_connection *c, struct zkt_request *request)
{
    struct zkt_host *host = &server_of(c)->host;
    if (c->session.peer.is_request) {
        *request = zkt__peer_request(&c->session.peer);
        request->trace = zkt__trace_keep(host->arena, request->trace);
    } else {
        request->number = zkt__request_next(&host->requests);
    }
}

void zkt__connection_receive(struct zkt_connection *c, uint8_t *data,
                             size_t len)
{
    struct zkt_server *server = server_of(c);
    struct zkt_envelope message;
    struct zkt_reader reader;
    data = own_message(server, data, len);
    if (data == NULL) {
        zkt__connection_close(c, 1011, "out of memory");
        return;
    }
    zkt__reader_init(&reader, (char *)data, len, server->host.arena, NULL,
                     &server->host.store.key);
    if (!zkt__envelope_read(&message, &reader)) {
        if (reader.no_memory) {
            zkt__connection_close(c, 1011, "out of memory");
        } else {
            refuse(c, "the message is not a JSON object");
        }
        return;
    }
    message.arrived = server->core.woken;
    set_request(c, &message.request);
    message.size = (uint32_t)len;
    handle(c, &message);
}

/* ---- looking ahead ---- */

/* Cancels the call that waits for its middleware, if that is the message. */
static void cancel_parked(struct zkt_connection *c, char *text, size_t len)
{
    struct zkt_host *host = &server_of(c)->host;
    struct zkt_envelope message;
    struct zkt_reader reader;
    memset(text + len, 0, ZKT_PADDING);
    zkt__reader_init(&reader, text, len, host->arena, NULL, &host->store.key);
    if (zkt__envelope_read(&message, &reader) &&
        message.type == ZKT_MESSAGE_RPC_CANCEL && is_id(message.id)) {
        zkt__middleware_cancel(host, &c->session, message.id);
    }
}

void zkt__connection_look_ahead(struct zkt_connection *c)
{
    enum {
        TEXT_MAX = 256 /* of a cancel */
    };
    const struct zkt_unhandled *unhandled = c->unhandled;
    char text[TEXT_MAX + ZKT_PADDING];
    size_t at = unhandled->at;
    size_t left = unhandled->len - at;
    size_t len, used;
    left = left < ZKT_LOOK_AHEAD ? left : ZKT_LOOK_AHEAD;
    while (c->session.task != NULL &&
           (used = zkt__ws_peek(&c->ws, unhandled->bytes + at, left,
                                (uint8_t *)text, TEXT_MAX, &len)) > 0) {
        cancel_parked(c, text, len);
        at += used;
        left -= used;
    }
    zkt__arena_reset(server_of(c)->host.arena);
}
