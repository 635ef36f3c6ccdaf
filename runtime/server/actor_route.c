/* See actor_route.h. */
#include "server/actor_route.h"

#include "base/utf8.h"
#include "http/head.h"
#include "server/actor_answer.h"
#include "server/actor_request.h"
#include "server/connection.h"
#include "server/core.h"
#include "json/json.h"

static struct zkt_server *server_of(struct zkt_connection *c)
{
    return (struct zkt_server *)(void *)c->endpoint.core;
}

/* Returns true if a media type, with parameters or without, is @type. */
static bool is_type(struct zkt_str text, const char *type)
{
    const char *end = memchr(text.data, ';', text.len);
    const size_t len = end != NULL ? (size_t)(end - text.data) : text.len;
    return zkt__head_same(zkt__head_strip((struct zkt_str){ text.data, len }),
                          type);
}

/* HEAD has nothing to stream. */
static bool accepts_stream(const struct zkt_http_request *request)
{
    struct zkt_str list = zkt__http_find(request->fields, "Accept"), item;
    while (list.data != NULL && zkt__http_next_item(&list, &item)) {
        if (is_type(item, ZKT_EVENT_STREAM)) {
            return request->method != ZKT_HTTP_HEAD;
        }
    }
    return false;
}

static const struct zkt_actor *find_actor(const struct zkt_server *server,
                                          struct zkt_str name)
{
    const struct zkt_app_info *info = server->host.app.info;
    const int index = info->find_actor(name);
    return index >= 0 ? info->actors[index] : NULL;
}

/* Returns true if a method of this name is a stream. */
static bool is_stream(const struct zkt_server *server,
                      const struct zkt_actor_address *address)
{
    const struct zkt_actor *actor = find_actor(server, address->actor);
    const int method = actor != NULL ? actor->find_method(address->method) : -1;
    return method >= 0 && actor->methods[method].chunk != NULL;
}

/* Returns true if the body of a call is one JSON value, or empty. */
static bool is_good_input(const struct zkt_server *server, struct zkt_str body)
{
    struct zkt_reader reader;
    struct zkt_str value;
    if (body.len == 0) {
        return true;
    }
    char *text = zkt__alloc_zero(server->allocator, 1, body.len + ZKT_PADDING);
    if (text == NULL) {
        return false;
    }
    memcpy(text, body.data, body.len);
    zkt__reader_init(&reader, text, body.len, server->host.arena, NULL,
                     &server->host.store.key);
    const bool good = zkt__utf8_valid(body.data, body.len) &&
                      zkt__reader_skip(&reader, &value) &&
                      zkt__reader_done(&reader);
    zkt__release(server->allocator, text);
    return good;
}

/* Returns 0, or the status of a refusal and the reason in *@text. */
static int check(struct zkt_server *server,
                 const struct zkt_http_request *request,
                 const struct zkt_actor_address *address, const char **text)
{
    const bool call = address->method.data != NULL;
    const bool reads = request->method == ZKT_HTTP_GET ||
                       request->method == ZKT_HTTP_HEAD;
    const struct zkt_str type = zkt__http_find(request->fields, "Content-Type");
    *text = "";
    if (call ? request->method != ZKT_HTTP_POST : !reads) {
        *text = call ? "a method is called by POST" : "a state is read by GET";
        return 405;
    }
    if (call && (type.data == NULL || !is_type(type, "application/json"))) {
        *text = "the body is to be application/json";
        return 415;
    }
    if (call && !is_good_input(server, request->body)) {
        *text = "the body is not one JSON value";
        return 400;
    }
    if (call && is_stream(server, address) && !accepts_stream(request)) {
        *text = "the method answers with " ZKT_EVENT_STREAM;
        return 406;
    }
    return 0;
}

/* ---- the route ---- */

static int judge(const struct zkt_route *route, struct zkt_connection *c,
                 const struct zkt_http_request *request)
{
    static const char prefix[] = "/actors/";
    const size_t len = sizeof(prefix) - 1;
    (void)route;
    (void)c;
    return request->path.len >= len &&
                   memcmp(request->path.data, prefix, len) == 0
               ? 0
               : ZKT_ROUTE_PASSES;
}

static void take_request(const struct zkt_route *route,
                         struct zkt_connection *c,
                         const struct zkt_http_request *request)
{
    struct zkt_actor_address address;
    const char *text = "there is no such path";
    (void)route;
    int status = zkt__actor_address_parse(request->path, &address);
    if (status == 0) {
        status = check(server_of(c), request, &address, &text);
    }
    if (status == 0) {
        zkt__actor_request_begin(c, request, &address, accepts_stream(request));
    } else {
        zkt__actor_answer_error(
            c, request, status,
            status == 404 ? ZKT_NOT_FOUND : ZKT_INVALID_ARGUMENT, text);
    }
}

void zkt__actor_route_init(struct zkt_server *first)
{
    struct zkt_route *route = &first->shards->actors;
    *route = (struct zkt_route){ .order = ZKT_ROUTE_BUILT_IN,
                                 .judge = judge,
                                 .answer = take_request };
    if (first->options.http_calls) {
        zkt__routes_add(first, route);
    }
}
