/* See actor_route.h. */
#include "server/actor_route.h"

#include "base/utf8.h"
#include "http/accept.h"
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

/* Returns the weight of JSON by its name, or by the narrowest range that it is
 * in (RFC 9110, section 12.5.1). */
static int weigh_json(const struct zkt_http_request *request)
{
    static const char *const names[] = { "application/json", "application/*",
                                         "*/*" };
    int weight = -1;
    for (size_t i = 0; i < 3 && weight < 0; i++) {
        weight = zkt__http_accepted_type(request->fields, names[i]);
    }
    return weight;
}

/* Events are acceptable by their name alone: a range, which clients send
 * without a thought, names no events. */
static int weigh_events(const struct zkt_http_request *request)
{
    return zkt__http_accepted_type(request->fields, ZKT_EVENT_STREAM);
}

/* Returns true if events are acceptable, and JSON is not preferred. */
static bool prefers_events(const struct zkt_http_request *request)
{
    const int events = weigh_events(request);
    return events > 0 && events >= weigh_json(request);
}

static const struct zkt_actor *find_actor(const struct zkt_server *server,
                                          struct zkt_str name)
{
    const struct zkt_app_info *info = server->host.app.info;
    const int index = info->find_actor(name);
    return index >= 0 ? info->actors[index] : NULL;
}

/* Returns the method that a request calls, or NULL. */
static const struct zkt_method *find_method(
    const struct zkt_server *server, const struct zkt_actor_address *address)
{
    const struct zkt_actor *actor = find_actor(server, address->actor);
    const int method = actor != NULL ? actor->find_method(address->method) : -1;
    return method >= 0 ? &actor->methods[method] : NULL;
}

/* Returns true if a method is a stream: its answer is events. */
static bool is_stream(const struct zkt_method *method)
{
    return method != NULL && method->chunk != NULL;
}

/* Returns true if the answer is events: that of a stream always is, that of a
 * method without progress never. HEAD has nothing to stream. */
static bool answers_events(const struct zkt_server *server,
                           const struct zkt_http_request *request,
                           const struct zkt_actor_address *address)
{
    if (address->method.data == NULL) {
        return request->method != ZKT_HTTP_HEAD && prefers_events(request);
    }
    const struct zkt_method *method = find_method(server, address);
    return is_stream(method) || (method != NULL && method->progress != NULL &&
                                 prefers_events(request));
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

/* ---- refusals by the head ---- */

/* Returns true if the body is to be JSON, by a single Content-Type. */
static bool has_json(const struct zkt_http_request *request)
{
    struct zkt_str fields = request->fields, name, value;
    int types = 0;
    bool json = false;
    while (zkt__http_next_field(&fields, &name, &value)) {
        if (zkt__head_same(name, "Content-Type")) {
            types++;
            json = is_type(value, "application/json");
        }
    }
    return types == 1 && json;
}

/* Returns true if the body comes in a coding. */
static bool is_coded(const struct zkt_http_request *request)
{
    struct zkt_str fields = request->fields, name, value, coding;
    while (zkt__http_next_field(&fields, &name, &value)) {
        while (zkt__head_same(name, "Content-Encoding") &&
               zkt__http_next_item(&value, &coding)) {
            if (!zkt__head_same(coding, "identity")) {
                return true;
            }
        }
    }
    return false;
}

static const struct zkt_actor_refusal no_refusal = { 0, "", "" };

static struct zkt_actor_refusal judge_state(
    const struct zkt_http_request *request)
{
    if (request->method != ZKT_HTTP_GET && request->method != ZKT_HTTP_HEAD) {
        return (struct zkt_actor_refusal){ 405, "a state is read by GET", "" };
    }
    return no_refusal;
}

static struct zkt_actor_refusal judge_call(
    const struct zkt_server *server, const struct zkt_http_request *request,
    const struct zkt_actor_address *address)
{
    if (request->method != ZKT_HTTP_POST) {
        return (struct zkt_actor_refusal){ 405, "a method is called by POST",
                                           "" };
    }
    if (!has_json(request)) {
        return (struct zkt_actor_refusal){ 415,
                                           "the body is to be application/json",
                                           "Accept: application/json\r\n" };
    }
    if (is_coded(request)) {
        return (struct zkt_actor_refusal){ 415, "the body is not to be encoded",
                                           "Accept-Encoding: identity\r\n" };
    }
    if (is_stream(find_method(server, address)) && weigh_events(request) <= 0) {
        return (struct zkt_actor_refusal){
            406, "the method answers with " ZKT_EVENT_STREAM, ""
        };
    }
    return no_refusal;
}

/* Judges all of a request but its body, and parses its path. */
static struct zkt_actor_refusal judge_head(
    const struct zkt_server *server, const struct zkt_http_request *request,
    struct zkt_actor_address *address)
{
    switch (zkt__actor_address_parse(request->path, address)) {
    case 0:
        return address->method.data == NULL
                   ? judge_state(request)
                   : judge_call(server, request, address);
    case 404:
        return (struct zkt_actor_refusal){ 404, "there is no such path", "" };
    default:
        return (struct zkt_actor_refusal){
            400, "the id is not percent-encoded UTF-8 of at most 256 bytes", ""
        };
    }
}

/* ---- the route ---- */

/* A request with a body is refused before that is read. One without is answered
 * by take_request, since its connection goes on. */
static int judge(const struct zkt_route *route, struct zkt_connection *c,
                 const struct zkt_http_request *request)
{
    static const char prefix[] = "/actors/";
    const size_t len = sizeof(prefix) - 1;
    struct zkt_actor_address address;
    (void)route;
    if (request->path.len < len ||
        memcmp(request->path.data, prefix, len) != 0) {
        return ZKT_ROUTE_PASSES;
    }
    return zkt__ws_reads_body(&c->ws)
               ? judge_head(server_of(c), request, &address).status
               : 0;
}

static void refuse(const struct zkt_route *route, struct zkt_connection *c,
                   const struct zkt_http_request *request)
{
    struct zkt_actor_address address;
    const struct zkt_actor_refusal refusal = judge_head(server_of(c), request,
                                                        &address);
    (void)route;
    zkt__actor_answer_refusal(c, request, &refusal);
}

static void take_request(const struct zkt_route *route,
                         struct zkt_connection *c,
                         const struct zkt_http_request *request)
{
    struct zkt_actor_address address;
    struct zkt_actor_refusal refusal = judge_head(server_of(c), request,
                                                  &address);
    (void)route;
    if (refusal.status == 0 && address.method.data != NULL &&
        !is_good_input(server_of(c), request->body)) {
        refusal = (struct zkt_actor_refusal){ 400,
                                              "the body is not one JSON value",
                                              "" };
    }
    if (refusal.status == 0) {
        zkt__actor_request_begin(
            c, request, &address,
            answers_events(server_of(c), request, &address));
    } else {
        zkt__actor_answer_refusal(c, request, &refusal);
    }
}

void zkt__actor_route_init(struct zkt_server *first)
{
    struct zkt_route *route = &first->shards->actors;
    *route = (struct zkt_route){ .order = ZKT_ROUTE_BUILT_IN,
                                 .judge = judge,
                                 .refuse = refuse,
                                 .answer = take_request };
    if (first->options.http_calls) {
        zkt__routes_add(first, route);
    }
}
