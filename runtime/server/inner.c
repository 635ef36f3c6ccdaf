/*
 * See inner.h. The handshake of the client is no bytes, but its response and
 * all that follows is. The frames of the client are masked with zeros (RFC
 * 6455, section 5.3), which changes nothing; those of the server are whole,
 * since it sends no fragments.
 */
#include "server/inner.h"

#include <string.h>

#include "server/connection.h"
#include "server/core.h"

/* ---- to the server ---- */

/* Asks the server for a WebSocket, with the parameters of @request: its query
 * and its fields, which the limits of heads have passed. The strings are those
 * of @request, which waits for its answer longer than this one. */
static void ask(struct zkt_connection *c,
                const struct zkt_http_request *request)
{
    zkt__ws_ask(&c->ws, &(const struct zkt_ws_request){
                            .target = ZKT_STR("/"),
                            .path = ZKT_STR("/"),
                            .query = request->query,
                            .host = request->host,
                            .fields = request->fields,
                            .protocols = ZKT_STR(""),
                            .key = ZKT_STR("AAAAAAAAAAAAAAAAAAAAAA=="),
                        });
}

static void write_frame(struct zkt_writer *w, struct zkt_str text)
{
    enum {
        MASKED = 0x80
    };
    uint8_t head[ZKT_WS_HEAD_MAX];
    uint8_t *end = head + sizeof(head);
    const size_t len = zkt__ws_frame_head(end, text.len);
    end[1 - (ptrdiff_t)len] |= MASKED;
    zkt_write_raw(w, (const char *)end - len, len);
    ZKT_WRITE(w, "\0\0\0\0"); /* the mask */
    zkt_write_raw(w, text.data, text.len);
}

static void feed(struct zkt_inner *inner, void *bytes, size_t len)
{
    inner->endpoint->ops->feed(inner->endpoint, bytes, len);
}

/* Counts a session for its client. A connection of a proxy, which counts for no
 * address, has the requests of many clients: there the request counts. Returns
 * NULL if there is no memory, or the client has too many. */
static struct zkt_address *count(struct zkt_server *server, const char *client,
                                 bool has_proxy)
{
    struct zkt_admission *admission = &server->shards->admission;
    struct zkt_limit_counts *hits = &server->host.stats.limit_hits;
    const int64_t most = server->limits.per_address;
    struct zkt_address *address = NULL;
    const int64_t have = zkt__admission_add_request(
        admission, &server->limits, client, has_proxy, &address);
    if (most > 0 && has_proxy && have > most) {
        hits->per_address++;
        zkt__admission_remove_request(admission, address, has_proxy, false);
        address = NULL;
    }
    return address;
}

/* Adds a connection of the same client. Returns NULL if the server takes none,
 * or there is no memory. */
static struct zkt_connection *add_connection(
    struct zkt_inner *inner, struct zkt_connection *outer,
    const struct zkt_http_request *request)
{
    struct zkt_server *server =
        (struct zkt_server *)(void *)outer->endpoint.core;
    const bool has_proxy = outer->session.peer.has_proxy;
    inner->allocator = server->allocator;
    inner->outer = &outer->endpoint;
    struct zkt_address *address =
        server->life == ZKT_LIFE_SERVING
            ? count(server, zkt__connection_client(outer), has_proxy)
            : NULL;
    if (address == NULL) {
        return NULL;
    }
    struct zkt_connection *c = zkt__connection_new_inner(server, outer,
                                                         request);
    if (c == NULL) {
        zkt__admission_remove_request(&server->shards->admission, address,
                                      has_proxy, false);
        return NULL;
    }
    c->session.peer.address = address;
    c->session.peer.creates_none = inner->creates_none;
    c->endpoint.transport = inner;
    inner->endpoint = &c->endpoint;
    return c;
}

bool zkt__inner_open(struct zkt_inner *inner, struct zkt_connection *outer,
                     const struct zkt_http_request *request,
                     const struct zkt_str *messages, size_t count)
{
    struct zkt_writer w;
    struct zkt_connection *c = add_connection(inner, outer, request);
    if (c == NULL) {
        return false;
    }
    zkt__writer_init(&w, inner->allocator);
    for (size_t i = 0; i < count; i++) {
        write_frame(&w, messages[i]);
    }
    const bool good = !w.failed;
    if (good) {
        ask(c, request);
        feed(inner, w.data, w.len);
        zkt__endpoint_mark_dirty(inner->endpoint);
    }
    zkt__writer_finish(&w);
    if (!good) {
        zkt__inner_close(inner);
    }
    return good;
}

void zkt__inner_close(struct zkt_inner *inner)
{
    if (inner->endpoint != NULL) {
        inner->endpoint->ops->detach(inner->endpoint);
        inner->endpoint->transport = NULL; /* its session may stay */
        inner->endpoint = NULL;
    }
    zkt__release(inner->allocator, inner->bytes);
    inner->bytes = NULL;
    inner->at = inner->len = inner->capacity = inner->message = 0;
}

/* ---- from the server ---- */

/* Drops what was read, and makes room for @more bytes. Returns false if there
 * is no memory. */
static bool make_room(struct zkt_inner *inner, size_t more)
{
    if (inner->at > 0) {
        inner->len -= inner->at;
        memmove(inner->bytes, inner->bytes + inner->at, inner->len);
        inner->at = 0;
    }
    if (inner->capacity - inner->len >= more) {
        return true;
    }
    const size_t twice = 2 * inner->capacity, least = inner->len + more;
    const size_t capacity = twice > least ? twice : least;
    uint8_t *grown = zkt__resize(inner->allocator, inner->bytes, capacity);
    if (grown != NULL) {
        inner->bytes = grown;
        inner->capacity = capacity;
    }
    return grown != NULL;
}

/* Takes the next bytes of the endpoint. Returns false if there are none; a lack
 * of memory closes the connection. */
static bool take_more(struct zkt_inner *inner)
{
    struct zkt_endpoint *e = inner->endpoint;
    struct zkt_slice slice;
    if (e == NULL || e->aborted || e->ops->pending(e, &slice, 1) == 0) {
        return false;
    }
    if (!make_room(inner, slice.len)) {
        zkt__inner_close(inner);
        return false;
    }
    memcpy(inner->bytes + inner->len, slice.data, slice.len);
    inner->len += slice.len;
    e->ops->sent(e, slice.len);
    return true;
}

static bool is_closed(const struct zkt_inner *inner)
{
    return inner->endpoint == NULL || inner->code != 0 ||
           inner->endpoint->closing || inner->endpoint->aborted;
}

/* Returns the end of the response of the handshake, or NULL. */
static const uint8_t *find_end(const struct zkt_inner *inner)
{
    for (size_t at = inner->at; at + 4 <= inner->len; at++) {
        if (memcmp(inner->bytes + at, "\r\n\r\n", 4) == 0) {
            return inner->bytes + at + 4;
        }
    }
    return NULL;
}

/* Reads the response of the handshake. */
static enum zkt_inner_event read_response(struct zkt_inner *inner,
                                          struct zkt_str *text)
{
    static const char accepted[] = "HTTP/1.1 101 ";
    while (take_more(inner)) {
    }
    const uint8_t *end = find_end(inner);
    if (end == NULL) {
        return is_closed(inner) ? ZKT_INNER_CLOSED : ZKT_INNER_WAITS;
    }
    const char *begin = (const char *)inner->bytes + inner->at;
    if (memcmp(begin, accepted, sizeof(accepted) - 1) != 0) {
        *text = (struct zkt_str){ begin, inner->len - inner->at };
        return ZKT_INNER_REFUSED;
    }
    inner->open = true;
    inner->at = (size_t)(end - inner->bytes);
    return ZKT_INNER_MESSAGE;
}

/* The head of a frame of the server, which masks none. */
struct frame {
    unsigned opcode;
    size_t head, len;
};

/* Returns false if the head is not complete. */
static bool read_head(const struct zkt_inner *inner, struct frame *frame)
{
    const uint8_t *at = inner->bytes + inner->at;
    const size_t have = inner->len - inner->at;
    const unsigned kind = have >= 2 ? at[1] : 0;
    const size_t more = kind == 126 ? 2 : kind == 127 ? 8 : 0;
    if (have < 2 + more) {
        return false;
    }
    *frame = (struct frame){ .opcode = at[0] & 15, .head = 2 + more };
    frame->len = more == 0 ? kind : 0;
    for (size_t i = 0; i < more; i++) {
        frame->len = frame->len << 8 | at[2 + i];
    }
    return true;
}

/* Returns true if a whole frame is there. */
static bool find_frame(struct zkt_inner *inner, struct frame *frame)
{
    for (;;) {
        const bool known = inner->len > inner->at && read_head(inner, frame);
        if (known && inner->len - inner->at - frame->head >= frame->len) {
            return true;
        }
        if (!take_more(inner)) {
            return false;
        }
    }
}

static void answer_ping(struct zkt_inner *inner)
{
    uint8_t pong[] = { 0x8a, 0x80, 0, 0, 0, 0 };
    feed(inner, pong, sizeof(pong));
}

enum zkt_inner_event zkt__inner_read(struct zkt_inner *inner,
                                     struct zkt_str *text)
{
    enum {
        TEXT = 1,
        CLOSE = 8,
        PING = 9
    };
    struct frame frame;
    if (!inner->open) {
        const enum zkt_inner_event event = read_response(inner, text);
        if (event != ZKT_INNER_MESSAGE) {
            return event;
        }
    }
    inner->at += inner->message;
    inner->message = 0;
    while (find_frame(inner, &frame)) {
        const uint8_t *begin = inner->bytes + inner->at + frame.head;
        if (frame.opcode == TEXT) {
            *text = (struct zkt_str){ (const char *)begin, frame.len };
            inner->message = frame.head + frame.len;
            return ZKT_INNER_MESSAGE;
        }
        inner->at += frame.head + frame.len;
        if (frame.opcode == PING) {
            answer_ping(inner);
        } else if (frame.opcode == CLOSE) {
            inner->code = frame.len >= 2 ? (unsigned)(begin[0] << 8 | begin[1])
                                         : 1005;
        }
    }
    return is_closed(inner) ? ZKT_INNER_CLOSED : ZKT_INNER_WAITS;
}

void zkt__inner_serve(struct zkt_server *server)
{
    struct zkt_list now; /* those that are marked meanwhile have a turn later */
    struct zkt_node *node;
    zkt__list_init(&now);
    while ((node = zkt__list_first(&server->core.inner)) != NULL) {
        zkt__node_unlink(node);
        zkt__list_append(&now, node);
    }
    while ((node = zkt__list_first(&now)) != NULL) {
        struct zkt_inner *inner =
            ZKT_CONTAINER(node, struct zkt_endpoint, dirty)->transport;
        zkt__node_unlink(node);
        inner->wake(inner);
    }
}
