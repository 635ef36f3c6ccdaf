/*
 * See actor_request.h. A request goes through two phases. In the first it waits
 * for the first message that decides about the answer, and is an exchange. A
 * result or a state is answered at once. A stream becomes the source of a body
 * in the second phase, which is pulled from the inner connection when the
 * reader has taken what came before: so the messages wait in the queue of that
 * connection, under its limits.
 */
#include "server/actor_request.h"

#include <stdlib.h>

#include "protocol/envelope.h"
#include "server/actor_answer.h"
#include "server/answer.h"
#include "server/connection.h"
#include "server/core.h"
#include "server/inner.h"

enum {
    HEARTBEAT_MS = 15000,
    TOO_BIG = 1009 /* RFC 6455, section 7.4.1 */
};

struct actor_request {
    struct zkt_exchange exchange;
    struct zkt_http_source source;
    struct zkt_inner inner;
    struct zkt_timeout heartbeat;
    struct zkt_http_request request; /* of the connection, while it waits */
    struct zkt_server *server;
    struct zkt_str message; /* the one that is being sent, and its rest */
    bool calls;             /* a method; else it follows a state */
    bool streams;           /* its answer is a stream of events */
    bool stops;             /* the stream ends with the server */
    bool ended;             /* no more messages are to come */
    bool silent;            /* a comment is due */
    bool begun;             /* a part of the message was sent */
};

static struct actor_request *of_exchange(struct zkt_exchange *exchange)
{
    return ZKT_CONTAINER(exchange, struct actor_request, exchange);
}

static struct actor_request *of_source(struct zkt_http_source *source)
{
    return ZKT_CONTAINER(source, struct actor_request, source);
}

static struct actor_request *of_inner(struct zkt_inner *inner)
{
    return ZKT_CONTAINER(inner, struct actor_request, inner);
}

static struct zkt_server *server_of(struct zkt_connection *c)
{
    return (struct zkt_server *)(void *)c->endpoint.core;
}

static void free_request(struct actor_request *r)
{
    zkt__timeout_cancel(&r->heartbeat);
    zkt__inner_close(&r->inner);
    zkt__release(r->server->allocator, r);
}

/* ---- answers ---- */

static bool begins_with(struct zkt_str text, struct zkt_str prefix)
{
    return text.len >= prefix.len &&
           memcmp(text.data, prefix.data, prefix.len) == 0;
}

/* Ends the first phase: the connection is answered next. */
static struct zkt_connection *leave(struct actor_request *r)
{
    struct zkt_connection *c = r->exchange.connection;
    zkt__exchange_leave(&r->exchange);
    return c;
}

/* Returns the members from `"error"` on, with braces; @from is at the comma in
 * front of them, which changes. */
static struct zkt_str as_object(char *from, size_t len)
{
    from[0] = '{';
    return (struct zkt_str){ from, len };
}

/* Returns the text behind the prefix of a message, which belongs to the inner
 * connection and may be changed. */
static char *behind(const struct actor_request *r, struct zkt_str message,
                    size_t prefix, size_t *len)
{
    *len = message.len - prefix;
    return (char *)r->inner.bytes +
           ((const uint8_t *)message.data - r->inner.bytes) + prefix;
}

/* Answers with the value of a message, `"KEY":VALUE}`, or with its error. */
static void answer_message(struct actor_request *r, struct zkt_str message,
                           size_t prefix, struct zkt_str key)
{
    const struct zkt_http_request request = r->request;
    size_t len;
    char *rest = behind(r, message, prefix, &len);
    struct zkt_connection *c = leave(r);
    if (len == 1) { /* only the brace */
        zkt__actor_answer_json(c, &request, 204, ZKT_STR(""));
    } else if (begins_with((struct zkt_str){ rest, len }, key)) {
        zkt__actor_answer_json(
            c, &request, 200,
            (struct zkt_str){ rest + key.len, len - key.len - 1 });
    } else {
        zkt__actor_answer_json(c, &request, zkt__actor_status(message),
                               as_object(rest, len));
    }
    free_request(r);
    zkt__connection_answered(c);
}

static void answer_and_free(struct actor_request *r, int http,
                            enum zkt_status status, const char *text)
{
    const struct zkt_http_request request = r->request;
    struct zkt_connection *c = leave(r);
    free_request(r);
    zkt__actor_answer_error(c, &request, http, status, text);
    zkt__connection_answered(c);
}

/* Passes the response of a handshake on: `open` has refused, or a limit. */
static void answer_refusal(struct actor_request *r, struct zkt_str response)
{
    const struct zkt_http_request request = r->request;
    const int status = atoi(response.data + sizeof("HTTP/1.1 ") - 1);
    const char *at = response.data, *end = at + response.len;
    while (end - at > 4 && memcmp(at, "\r\n\r\n", 4) != 0) {
        at++;
    }
    const struct zkt_str body = { at + 4, (size_t)(end - at) - 4 };
    if (body.len == 0) {
        answer_and_free(r, status, ZKT_UNAVAILABLE, "");
        return;
    }
    struct zkt_connection *c = leave(r);
    zkt__actor_answer_json(c, &request, status, body);
    free_request(r);
    zkt__connection_answered(c);
}

/* ---- streams of events ---- */

static const struct zkt_http_source_ops call_ops, state_ops;

static void arm_heartbeat(struct actor_request *r)
{
    zkt__timeout_arm(&r->server->heartbeats, &r->heartbeat,
                     r->server->core.now_ms, HEARTBEAT_MS);
}

void zkt__heartbeats_send(struct zkt_server *server)
{
    struct zkt_timeout *due;
    while ((due = zkt__timeouts_take(&server->heartbeats,
                                     server->core.now_ms)) != NULL) {
        struct actor_request *r = ZKT_CONTAINER(due, struct actor_request,
                                                heartbeat);
        r->silent = true;
        arm_heartbeat(r);
        zkt__http_source_wake(&r->source);
    }
}

/* Begins the second phase, with @message as the first. */
static void begin_stream(struct actor_request *r, struct zkt_str message)
{
    const struct zkt_http_request request = r->request;
    struct zkt_connection *c = leave(r);
    r->message = message;
    r->source.ops = r->calls ? &call_ops : &state_ops;
    arm_heartbeat(r);
    zkt__answer_stream(
        c, &request,
        (struct zkt_http_response){
            .status = 200,
            .fields = ZKT_STR("Content-Type: " ZKT_EVENT_STREAM "\r\n"
                              "Cache-Control: no-store\r\n"
                              "X-Content-Type-Options: nosniff\r\n"
                              "X-Accel-Buffering: no\r\n"),
        },
        ZKT_HTTP_NO_LENGTH, &r->source);
    zkt__connection_answered(c);
}

/* The output of a stream. */
struct output {
    uint8_t *to;
    size_t room, len;
};

static bool put(struct output *out, const char *text, size_t len)
{
    if (len > out->room - out->len) {
        return false;
    }
    memcpy(out->to + out->len, text, len);
    out->len += len;
    return true;
}

#define PUT(out, literal) put(out, "" literal, sizeof(literal) - 1)

static bool ends_call(const struct actor_request *r, struct zkt_str message)
{
    return r->calls &&
           begins_with(message, ZKT_STR("{\"type\":\"rpc:result\""));
}

/* Gets the next message of the stream. Returns false if there is none. */
static bool next_message(struct actor_request *r)
{
    struct zkt_str text;
    if (r->ended || r->stops) {
        return false;
    }
    const enum zkt_inner_event event = zkt__inner_read(&r->inner, &text);
    if (event != ZKT_INNER_MESSAGE) {
        r->ended = event != ZKT_INNER_WAITS;
        return false;
    }
    r->message = text;
    r->ended = ends_call(r, text);
    return true;
}

/* Writes as much of the message as there is room for. Returns false if there is
 * no more room. */
static bool put_message(struct actor_request *r, struct output *out)
{
    r->begun = r->begun || PUT(out, "data: ");
    if (!r->begun) {
        return false;
    }
    const size_t room = out->room - out->len;
    const size_t len = r->message.len < room ? r->message.len : room;
    (void)put(out, r->message.data, len);
    r->message.data += len;
    r->message.len -= len;
    if (r->message.len > 0 || !PUT(out, "\n\n")) {
        return false;
    }
    r->message.data = NULL;
    r->begun = false;
    arm_heartbeat(r);
    return true;
}

/* Writes the end of a stream: that of a call is over, other streams come
 * back. */
static enum zkt_http_progress put_end(const struct actor_request *r,
                                      struct output *out)
{
    if (r->calls && r->ended) {
        return ZKT_HTTP_END;
    }
    return PUT(out, "retry: 1000\n\n") ? ZKT_HTTP_END : ZKT_HTTP_MORE;
}

static enum zkt_http_progress read_stream(struct zkt_http_source *source,
                                          uint8_t *to, size_t room, size_t *len)
{
    struct actor_request *r = of_source(source);
    struct output out = { to, room, 0 };
    bool more = true;
    while (more) {
        more = r->message.data != NULL ? put_message(r, &out) : next_message(r);
    }
    enum zkt_http_progress progress = ZKT_HTTP_WAITS;
    if (r->message.data != NULL || out.room - out.len < 16) {
        progress = ZKT_HTTP_MORE;
    } else if (r->ended || r->stops) {
        progress = put_end(r, &out);
    } else if (r->silent && out.len == 0) {
        (void)PUT(&out, ":\n\n");
    }
    r->silent = false;
    *len = out.len;
    return progress;
}

static void stop_stream(struct zkt_http_source *source)
{
    of_source(source)->stops = true;
}

static void close_stream(struct zkt_http_source *source, bool sent)
{
    (void)sent;
    free_request(of_source(source));
}

/* A client that ends its stream still reads the answer of its call. */
static const struct zkt_http_source_ops call_ops = {
    .read = read_stream,
    .close = close_stream,
    .stop = stop_stream,
};

/* A subscription has no end of its own: a reader that has gone would be missed
 * no sooner than at the next event. */
static const struct zkt_http_source_ops state_ops = {
    .read = read_stream,
    .close = close_stream,
    .stop = stop_stream,
    .ends_with_input = true,
};

/* ---- the first phase ---- */

static const struct zkt_str result_prefix = ZKT_STR_INIT(
    "{\"type\":\"rpc:result\",\"id\":\"1\"");

/* Returns the length of `{"type":…,"actor":…,"actorId":…` in a message about
 * the subscription: the text behind it begins with @key or an error. */
static size_t find_member(struct zkt_str message, struct zkt_str key)
{
    for (size_t i = 0; i + key.len < message.len; i++) {
        if (memcmp(message.data + i, key.data, key.len) == 0) {
            return i;
        }
    }
    return 0;
}

/* Answers by the first message that decides. Returns false if another is to
 * come. */
static bool decide_call(struct actor_request *r, struct zkt_str message)
{
    if (begins_with(message, result_prefix) &&
        (!r->streams ||
         find_member(message, ZKT_STR(",\"error\":")) == result_prefix.len)) {
        answer_message(r, message, result_prefix.len, ZKT_STR(",\"result\":"));
        return true;
    }
    if (r->streams && begins_with(message, ZKT_STR("{\"type\":\"rpc:"))) {
        r->ended = ends_call(r, message);
        begin_stream(r, message);
        return true;
    }
    return false;
}

static bool decide_state(struct actor_request *r, struct zkt_str message)
{
    const struct zkt_str key = ZKT_STR(",\"state\":");
    const bool snapshot = begins_with(message,
                                      ZKT_STR("{\"type\":\"state:snapshot\""));
    if (snapshot && r->streams) {
        begin_stream(r, message);
    } else if (snapshot) {
        answer_message(r, message, find_member(message, key), key);
    } else if (begins_with(message, ZKT_STR("{\"type\":\"sub:error\"")) ||
               begins_with(message, ZKT_STR("{\"type\":\"error\""))) {
        answer_message(r, message, find_member(message, ZKT_STR(",\"error\":")),
                       key);
    } else {
        return false;
    }
    return true;
}

/* Reads until a message decides. */
static void wait(struct actor_request *r)
{
    struct zkt_str text;
    bool decided = false;
    while (!decided) {
        switch (zkt__inner_read(&r->inner, &text)) {
        case ZKT_INNER_WAITS:
            return;
        case ZKT_INNER_MESSAGE:
            decided = r->calls ? decide_call(r, text) : decide_state(r, text);
            break;
        case ZKT_INNER_REFUSED:
            answer_refusal(r, text);
            return;
        case ZKT_INNER_CLOSED:
            if (r->inner.code == TOO_BIG) {
                answer_and_free(r, 413, ZKT_RESOURCE_EXHAUSTED,
                                "the input is larger than message_bytes");
            } else {
                answer_and_free(r, 503, ZKT_UNAVAILABLE, "");
            }
            return;
        }
    }
}

static void on_inner(struct zkt_inner *inner)
{
    struct actor_request *r = of_inner(inner);
    if (r->exchange.connection != NULL) {
        wait(r);
    } else {
        zkt__http_source_wake(&r->source);
    }
}

static void drop(struct zkt_exchange *exchange, struct zkt_connection *c)
{
    (void)c;
    free_request(of_exchange(exchange));
}

/* The client has ended its stream, and perhaps reads nothing, or the server
 * stops: no other request of it is answered. */
static void refuse(struct zkt_exchange *exchange, int status,
                   struct zkt_str text)
{
    enum {
        TOO_LATE = 504
    };
    struct actor_request *r = of_exchange(exchange);
    (void)text;
    r->request.keeps_alive = false;
    if (status == TOO_LATE) {
        answer_and_free(r, status, ZKT_DEADLINE_EXCEEDED,
                        "the answer takes too long");
    } else {
        answer_and_free(r, status, ZKT_UNAVAILABLE, "the server stops");
    }
}

static const struct zkt_exchange_ops exchange_ops = { .drop = drop,
                                                      .refuse = refuse };

/* ---- messages ---- */

/* The id of the request is not in the message: the session has it (struct
 * zkt_peer_request), since `open` and the hooks need it, too. */
static void write_call(struct zkt_writer *w,
                       const struct zkt_actor_address *address,
                       struct zkt_str input)
{
    ZKT_WRITE(w, "{\"type\":\"rpc\",\"id\":\"1\",\"actor\":");
    zkt_write_string(w, address->actor);
    ZKT_WRITE(w, ",\"actorId\":");
    zkt_write_string(w, address->id);
    ZKT_WRITE(w, ",\"method\":");
    zkt_write_string(w, address->method);
    if (input.len > 0) {
        ZKT_WRITE(w, ",\"input\":");
        zkt_write_raw(w, input.data, input.len);
    }
    ZKT_WRITE(w, "}");
}

static void write_subscribe(struct zkt_writer *w, enum zkt_message type,
                            const struct zkt_actor_address *address)
{
    zkt__write_address(w, type, address->actor, address->id);
    ZKT_WRITE(w, "}");
}

/* Opens the inner connection with its messages. */
static bool open_inner(struct actor_request *r, struct zkt_connection *c,
                       const struct zkt_actor_address *address)
{
    struct zkt_writer w;
    zkt__writer_init(&w, r->server->allocator);
    if (r->calls) {
        write_call(&w, address, r->request.body);
    } else {
        write_subscribe(&w, ZKT_MESSAGE_STATE_SUB, address);
    }
    const size_t first = w.len;
    if (r->streams && !r->calls) {
        write_subscribe(&w, ZKT_MESSAGE_EVENT_SUB, address);
    }
    const struct zkt_str messages[] = {
        { w.data, first }, { w.failed ? NULL : w.data + first, w.len - first }
    };
    const bool good = !w.failed &&
                      zkt__inner_open(&r->inner, c, &r->request, messages,
                                      w.len > first ? 2 : 1);
    zkt__writer_finish(&w);
    return good;
}

void zkt__actor_request_begin(struct zkt_connection *c,
                              const struct zkt_http_request *request,
                              const struct zkt_actor_address *address,
                              bool streams)
{
    struct zkt_server *server = server_of(c);
    struct actor_request *r = zkt__alloc_zero(server->allocator, 1, sizeof(*r));
    if (r == NULL) {
        zkt__actor_answer_error(c, request, 503, ZKT_UNAVAILABLE,
                                "out of memory");
        return;
    }
    r->calls = address->method.data != NULL;
    r->streams = streams;
    r->exchange.ops = &exchange_ops;
    r->exchange.ends_with_input = streams && !r->calls; /* as its source */
    r->inner.wake = on_inner;
    r->inner.allocator = server->allocator;
    r->inner.creates_none = !r->calls && !streams;
    r->request = *request;
    r->server = server;
    if (!open_inner(r, c, address)) {
        free_request(r);
        zkt__actor_answer_error(c, request, 503, ZKT_UNAVAILABLE, "");
        return;
    }
    zkt__exchange_begin(c, &r->exchange);
}
