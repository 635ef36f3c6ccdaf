/*
 * See answer.h. A stream queues a step of its body when the output of its
 * connection is empty, and so holds at most one step for a slow reader. A
 * reader that is as fast as its source has a share of each turn.
 */
#include "server/answer.h"

#include "server/connection.h"
#include "server/core.h"

enum {
    STEPS_PER_TURN = 16
};

struct stream {
    struct zkt_exchange exchange;
    struct zkt_http_body body;
    const struct zkt_allocator *allocator;
    struct zkt_node again; /* in server->streams, if its share is used up */
    uint64_t turn;         /* of the last step */
    uint32_t steps;        /* in that turn */
    bool waits;            /* for the source to wake it */
    bool closes;
};

static struct zkt_server *server_of(struct zkt_connection *c)
{
    return (struct zkt_server *)(void *)c->endpoint.core;
}

static struct stream *stream_of(struct zkt_exchange *exchange)
{
    return ZKT_CONTAINER(exchange, struct stream, exchange);
}

struct zkt_server *zkt__answer_server(struct zkt_connection *c)
{
    return server_of(c);
}

void zkt__answer_spend(struct zkt_connection *c, size_t work)
{
    zkt__host_spend(&server_of(c)->host, work);
}

/* Completes a response by the members that depend on the request. */
static void complete(struct zkt_connection *c,
                     const struct zkt_http_request *request,
                     struct zkt_http_response *response)
{
    response->to = request->reader;
    response->closes = response->closes || !request->keeps_alive ||
                       c->surplus || zkt__server_is_stopping(server_of(c));
}

void zkt__answer(struct zkt_connection *c,
                 const struct zkt_http_request *request,
                 struct zkt_http_response response)
{
    complete(c, request, &response);
    if (zkt__ws_reads_body(&c->ws)) {
        zkt__ws_reply_early(&c->ws, &response);
    } else {
        zkt__ws_reply(&c->ws, &response);
    }
}

void zkt__answer_text(struct zkt_connection *c,
                      const struct zkt_http_request *request, int status,
                      struct zkt_str text)
{
    zkt__answer(c, request,
                (struct zkt_http_response){
                    .status = status,
                    .fields = ZKT_STR("Content-Type: text/plain\r\n"
                                      "Cache-Control: no-store\r\n"),
                    .body = text,
                });
}

/* ---- streams ---- */

/* Closes the source and frees the stream. */
static void free_stream(struct stream *stream, bool sent)
{
    struct zkt_http_source *source = stream->body.source;
    zkt__node_unlink(&stream->again);
    zkt__release(stream->allocator, stream);
    source->wake = NULL;
    source->ops->close(source, sent);
}

static void finish(struct stream *stream)
{
    struct zkt_connection *c = stream->exchange.connection;
    zkt__exchange_leave(&stream->exchange);
    zkt__ws_end_reply(&c->ws, stream->closes);
    zkt__connection_answered(c);
    free_stream(stream, true);
}

/* Returns true if the stream may have another step in this turn. */
static bool has_share(struct zkt_server *server, struct stream *stream)
{
    if (stream->turn != server->turn) {
        stream->turn = server->turn;
        stream->steps = 0;
    }
    if (stream->steps++ < STEPS_PER_TURN) {
        return true;
    }
    if (!zkt__node_linked(&stream->again)) {
        zkt__list_append(&server->streams, &stream->again);
    }
    return false;
}

static void pull(struct zkt_exchange *exchange)
{
    struct stream *stream = stream_of(exchange);
    struct zkt_connection *c = exchange->connection;
    struct zkt_server *server = server_of(c);
    struct zkt_buffer *buffer;
    if (stream->waits || !has_share(server, stream)) {
        return;
    }
    enum zkt_http_progress progress = zkt__http_body_read(
        &stream->body, server->allocator, &buffer);
    if (buffer != NULL) {
        zkt__host_spend(&server->host, buffer->len);
        if (!zkt__connection_queue(c, buffer)) {
            progress = ZKT_HTTP_FAILED;
        }
        zkt__buffer_unref(buffer);
    }
    stream->waits = progress == ZKT_HTTP_WAITS;
    if (progress == ZKT_HTTP_END) {
        finish(stream);
    } else if (progress == ZKT_HTTP_FAILED) {
        zkt__connection_drop(c);
    }
}

static void drop(struct zkt_exchange *exchange, struct zkt_connection *c)
{
    (void)c;
    free_stream(stream_of(exchange), false);
}

static const struct zkt_exchange_ops stream_ops = {
    .drop = drop,
    .pull = pull,
};

static void stop(struct zkt_exchange *exchange)
{
    struct stream *stream = stream_of(exchange);
    struct zkt_http_source *source = stream->body.source;
    stream->closes = true;
    source->ops->stop(source);
    zkt__http_source_wake(source);
}

/* Of a body without an end. */
static const struct zkt_exchange_ops endless_ops = {
    .drop = drop,
    .pull = pull,
    .stop = stop,
};

static void wake(struct zkt_http_source *source, void *user)
{
    struct stream *stream = user;
    struct zkt_connection *c = stream->exchange.connection;
    (void)source;
    stream->waits = false;
    zkt__endpoint_mark_dirty(&c->endpoint);
    zkt__server_wake(server_of(c));
}

/* A body whose end is not known beforehand is framed as the version allows. */
static enum zkt_http_framing framing_of(const struct zkt_http_request *request,
                                        uint64_t length)
{
    return length != ZKT_HTTP_NO_LENGTH ? ZKT_HTTP_LENGTH
           : request->minor > 0         ? ZKT_HTTP_CHUNKED
                                        : ZKT_HTTP_UNTIL_CLOSE;
}

void zkt__answer_stream(struct zkt_connection *c,
                        const struct zkt_http_request *request,
                        struct zkt_http_response response, uint64_t length,
                        struct zkt_http_source *source)
{
    struct zkt_server *server = server_of(c);
    const enum zkt_http_framing framing = framing_of(request, length);
    struct stream *stream = zkt__alloc_zero(server->allocator, 1,
                                            sizeof(*stream));
    if (stream == NULL) {
        source->ops->close(source, false);
        zkt__connection_drop(c);
        return;
    }
    *stream = (struct stream){
        .exchange = { .ops = source->ops->stop != NULL ? &endless_ops
                                                       : &stream_ops,
                      .ends_with_input = source->ops->ends_with_input },
        .body = { source, framing, length },
        .allocator = server->allocator,
    };
    complete(c, request, &response);
    stream->closes = response.closes;
    source->wake = wake;
    source->user = stream;
    zkt__exchange_begin(c, &stream->exchange);
    zkt__ws_begin_reply(&c->ws, &response, framing, length);
    if (zkt__connection_exchange(c) == NULL) {
        return; /* there was no memory for the head */
    }
    if (request->method == ZKT_HTTP_HEAD ||
        !zkt__http_has_body(response.status)) {
        finish(stream);
    } else {
        pull(&stream->exchange); /* head and begin leave together */
    }
}

void zkt__answers_resume(struct zkt_server *server)
{
    struct zkt_node *node;
    while ((node = zkt__list_first(&server->streams)) != NULL) {
        struct stream *stream = ZKT_CONTAINER(node, struct stream, again);
        zkt__node_unlink(node);
        zkt__endpoint_mark_dirty(&stream->exchange.connection->endpoint);
    }
}
