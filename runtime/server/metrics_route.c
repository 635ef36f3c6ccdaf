/*
 * See metrics_route.h. The text is written while it is sent, a few KiB at a
 * time: a scrape holds no more of it, and takes a small share of a turn.
 */
#include "server/metrics_route.h"

#include <string.h>

#include "http/head.h"
#include "server/answer.h"
#include "server/connection.h"
#include "server/core.h"
#include "server/log.h"
#include "server/metrics.h"
#include "json/json.h"

enum {
    STEP = 8192, /* bytes that are written at once, and some more */
    TOKEN_MIN = 16,
    TOKEN_MAX = 256
};

static const struct zkt_str path = ZKT_STR_INIT("/metrics");

static struct zkt_server *server_of(struct zkt_connection *c)
{
    return (struct zkt_server *)(void *)c->endpoint.core;
}

/* ---- options ---- */

/* A token as RFC 6750 has it, of a length that nobody guesses. */
static bool is_token(const char *token)
{
    const size_t len = strlen(token);
    bool good = len >= TOKEN_MIN && len <= TOKEN_MAX;
    for (size_t i = 0; good && i < len; i++) {
        good = token[i] > ' ' && token[i] <= '~';
    }
    return good;
}

bool zkt__metrics_check_options(const struct zkt_serve_options *options)
{
    if (options->metrics_token == NULL || is_token(options->metrics_token)) {
        return true;
    }
    zkt__server_log_early(options,
                          "metrics_token: not %d to %d visible "
                          "characters of ASCII",
                          TOKEN_MIN, TOKEN_MAX);
    return false;
}

bool zkt__metrics_are_wanted(const struct zkt_serve_options *options)
{
    return options->metrics || options->metrics_listen != NULL ||
           options->metrics_token != NULL;
}

/* ---- who may read ---- */

static bool is_own(const struct zkt_connection *c)
{
    return (c->listener & ZKT_LISTENER_METRICS) != 0;
}

static bool reads(const struct zkt_http_request *request)
{
    return request->method == ZKT_HTTP_GET || request->method == ZKT_HTTP_HEAD;
}

int zkt__metrics_judge_own(const struct zkt_connection *c,
                           const struct zkt_http_request *request)
{
    const bool known = zkt_str_eq(request->path, path) ||
                       zkt__routes_has_probe(c, request->path);
    return !known                    ? 404
           : request->asks_websocket ? 426
           : reads(request)          ? 0
                                     : 405;
}

static int judge(const struct zkt_route *route, struct zkt_connection *c,
                 const struct zkt_http_request *request)
{
    const struct zkt_serve_options *options = &server_of(c)->options;
    (void)route;
    if (!zkt_str_eq(request->path, path) ||
        (!is_own(c) && options->metrics_token == NULL)) {
        return ZKT_ROUTE_PASSES;
    }
    return reads(request) ? 0 : 405;
}

/* Compares in a time that depends on the lengths alone. */
static bool is_equal(struct zkt_str given, struct zkt_str wanted)
{
    unsigned char differs = given.len != wanted.len;
    for (size_t i = 0; i < given.len; i++) {
        differs = (unsigned char)(differs | (given.data[i] ^
                                             wanted.data[i % wanted.len]));
    }
    return differs == 0;
}

/* Returns the token of a request; its data is NULL if there is none. */
static struct zkt_str find_token(const struct zkt_http_request *request)
{
    static const char scheme[] = "bearer ";
    struct zkt_str value = zkt__http_find(request->fields, "authorization");
    const size_t len = sizeof(scheme) - 1;
    bool is_bearer = value.data != NULL && value.len > len;
    for (size_t i = 0; is_bearer && i < len; i++) {
        is_bearer = (value.data[i] | 0x20) == scheme[i];
    }
    return is_bearer ? (struct zkt_str){ value.data + len, value.len - len }
                     : (struct zkt_str){ NULL, 0 };
}

static bool may_read(struct zkt_connection *c,
                     const struct zkt_http_request *request)
{
    const char *token = server_of(c)->options.metrics_token;
    const struct zkt_str given = find_token(request);
    return is_own(c) || (given.data != NULL && token != NULL &&
                         is_equal(given, zkt_cstr(token)));
}

bool zkt__metrics_is_scrape(struct zkt_connection *c,
                            const struct zkt_http_request *request)
{
    return zkt_str_eq(request->path, path) && may_read(c, request);
}

/* ---- the body ---- */

struct scrape {
    struct zkt_http_source source;
    struct zkt_metrics_text text;
    struct zkt_writer writer;
    size_t at; /* bytes of the writer that were sent */
};

static struct scrape *scrape_of(struct zkt_http_source *source)
{
    return ZKT_CONTAINER(source, struct scrape, source);
}

/* Writes pieces until there is a step of them, or no more. */
static void write_step(struct scrape *scrape)
{
    scrape->at = scrape->writer.len = 0;
    while (scrape->writer.len < STEP &&
           zkt__metrics_next(&scrape->text, &scrape->writer)) {
    }
}

static enum zkt_http_progress read_text(struct zkt_http_source *source,
                                        uint8_t *to, size_t room, size_t *len)
{
    struct scrape *scrape = scrape_of(source);
    if (scrape->at == scrape->writer.len) {
        write_step(scrape);
    }
    const size_t left = scrape->writer.len - scrape->at;
    if (scrape->writer.failed) {
        return ZKT_HTTP_FAILED;
    }
    *len = left < room ? left : room;
    if (*len > 0) {
        memcpy(to, scrape->writer.data + scrape->at, *len);
        scrape->at += *len;
    }
    return left > 0 ? ZKT_HTTP_MORE : ZKT_HTTP_END;
}

static void close_text(struct zkt_http_source *source, bool sent)
{
    struct scrape *scrape = scrape_of(source);
    const struct zkt_allocator *allocator = scrape->writer.allocator;
    (void)sent;
    zkt__writer_finish(&scrape->writer);
    zkt__release(allocator, scrape);
}

static const struct zkt_http_source_ops scrape_ops = {
    .read = read_text,
    .close = close_text,
};

static void answer_text(struct zkt_connection *c,
                        const struct zkt_http_request *request)
{
    struct zkt_server *server = server_of(c);
    struct zkt_process_stats process = { .is_known = false };
    struct scrape *scrape = zkt__alloc_zero(server->allocator, 1,
                                            sizeof(*scrape));
    if (scrape == NULL) {
        zkt__answer_text(c, request, 503, ZKT_STR("out of memory\n"));
        return;
    }
    if (server->shards->metrics.read_process != NULL) {
        server->shards->metrics.read_process(&process);
    }
    scrape->source.ops = &scrape_ops;
    zkt__writer_init(&scrape->writer, server->allocator);
    zkt__metrics_begin(&scrape->text, server, &process);
    zkt__answer_stream(
        c, request,
        (struct zkt_http_response){
            .status = 200,
            .fields = ZKT_STR("Content-Type: text/plain; version=0.0.4; "
                              "charset=utf-8\r\n"
                              "Cache-Control: no-store\r\n"),
        },
        ZKT_HTTP_NO_LENGTH, &scrape->source);
}

static void answer(const struct zkt_route *route, struct zkt_connection *c,
                   const struct zkt_http_request *request)
{
    (void)route;
    if (may_read(c, request)) {
        answer_text(c, request);
        return;
    }
    zkt__answer(c, request,
                (struct zkt_http_response){
                    .status = 401,
                    .fields = ZKT_STR("Content-Type: text/plain\r\n"
                                      "Cache-Control: no-store\r\n"
                                      "WWW-Authenticate: Bearer\r\n"),
                    .body = ZKT_STR("the token of metrics is missing\n"),
                });
}

void zkt__metrics_route_init(struct zkt_server *first)
{
    struct zkt_route *route = &first->shards->metrics.route;
    *route = (struct zkt_route){ .order = ZKT_ROUTE_BUILT_IN,
                                 .judge = judge,
                                 .answer = answer };
    if (first->options.metrics_listen != NULL ||
        first->options.metrics_token != NULL) {
        zkt__routes_add(first, route);
    }
}
