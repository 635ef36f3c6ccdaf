/* See routes.h. */
#include "server/routes.h"

#include <stdio.h>

#include "http/conditions.h"
#include "server/answer.h"
#include "server/connection.h"
#include "server/core.h"
#include "server/metrics_route.h"
#include "server/page_client.h"

static struct zkt_server *server_of(struct zkt_connection *c)
{
    return (struct zkt_server *)(void *)c->endpoint.core;
}

/* Returns true for the methods that read. */
static bool reads(const struct zkt_http_request *request)
{
    return request->method == ZKT_HTTP_GET || request->method == ZKT_HTTP_HEAD;
}

/* ---- health ---- */

static const struct zkt_str health_path = ZKT_STR_INIT("/healthz");
static const struct zkt_str readiness_path = ZKT_STR_INIT("/readyz");

/* Returns true if @request is for @path, which an option may have left out. */
static int judge_path(const struct zkt_http_request *request,
                      struct zkt_str path, bool left_out)
{
    if (left_out || !zkt_str_eq(request->path, path)) {
        return ZKT_ROUTE_PASSES;
    }
    return reads(request) ? 0 : 405;
}

static int judge_health(const struct zkt_route *route, struct zkt_connection *c,
                        const struct zkt_http_request *request)
{
    (void)route;
    return judge_path(request, health_path, server_of(c)->options.no_healthz);
}

/* The loop turns, also while it drains. */
static void answer_health(const struct zkt_route *route,
                          struct zkt_connection *c,
                          const struct zkt_http_request *request)
{
    (void)route;
    zkt__answer_text(c, request, 200, ZKT_STR("ok\n"));
}

static int judge_readiness(const struct zkt_route *route,
                           struct zkt_connection *c,
                           const struct zkt_http_request *request)
{
    (void)route;
    return judge_path(request, readiness_path, server_of(c)->options.no_readyz);
}

static void answer_readiness(const struct zkt_route *route,
                             struct zkt_connection *c,
                             const struct zkt_http_request *request)
{
    (void)route;
    if (zkt__server_is_ready(server_of(c))) {
        zkt__answer_text(c, request, 200, ZKT_STR("ok\n"));
    } else {
        zkt__answer_text(c, request, 503, ZKT_STR("the server stops\n"));
    }
}

/* ---- the client for pages ---- */

static const struct zkt_str script_path = ZKT_STR_INIT("/_zocket/client.js");

static int judge_script(const struct zkt_route *route, struct zkt_connection *c,
                        const struct zkt_http_request *request)
{
    (void)route;
    return judge_path(request, script_path,
                      server_of(c)->options.no_client_js ||
                          zkt__page_client.script.len == 0);
}

/* A browser keeps the script, and asks each time whether it is that of the
 * server: a page and its server never differ. */
static void answer_script(const struct zkt_route *route,
                          struct zkt_connection *c,
                          const struct zkt_http_request *request)
{
    const struct zkt_http_validators current = {
        .etag = zkt__page_client.etag,
        .modified_s = ZKT_HTTP_NO_DATE,
        .size = zkt__page_client.script.len,
    };
    struct zkt_http_range all;
    const int status = zkt__http_judge_conditions(request->fields, &current,
                                                  false, &all);
    char fields[192];
    const int len = snprintf(fields, sizeof(fields),
                             "Content-Type: text/javascript; charset=utf-8\r\n"
                             "ETag: %.*s\r\n"
                             "Cache-Control: no-cache\r\n"
                             "X-Content-Type-Options: nosniff\r\n",
                             ZKT_ARG(current.etag));
    (void)route;
    zkt__answer(
        c, request,
        (struct zkt_http_response){
            .status = status,
            .fields = { fields, (size_t)len },
            .body = status == 200 ? zkt__page_client.script : ZKT_STR(""),
        });
}

/* In front of those that are added. */
static const struct zkt_route script = { .judge = judge_script,
                                         .answer = answer_script };
static const struct zkt_route readiness = { .judge = judge_readiness,
                                            .answer = answer_readiness };
static const struct zkt_route health = { .judge = judge_health,
                                         .answer = answer_health };

/* ---- the table ---- */

void zkt__routes_add(struct zkt_server *server, struct zkt_route *route)
{
    struct zkt_route **at = &server->shards->routes;
    while (*at != NULL && (*at)->order <= route->order) {
        at = &(*at)->next;
    }
    route->next = *at;
    *at = route;
}

void zkt__routes_remove(struct zkt_server *server, struct zkt_route *route)
{
    struct zkt_route **at = &server->shards->routes;
    while (*at != NULL && *at != route) {
        at = &(*at)->next;
    }
    if (*at != NULL) {
        *at = route->next;
    }
}

/* Returns the route behind @route, or NULL. */
static const struct zkt_route *route_after(const struct zkt_server *server,
                                           const struct zkt_route *route)
{
    return route == NULL         ? &health
           : route == &health    ? &readiness
           : route == &readiness ? &script
           : route == &script    ? server->shards->routes
                                 : route->next;
}

/* Returns the first route behind @after that does not pass, and its verdict in
 * *@status; or NULL. */
static const struct zkt_route *find_route(
    const struct zkt_route *after, struct zkt_connection *c,
    const struct zkt_http_request *request, int *status)
{
    const struct zkt_server *server = server_of(c);
    const struct zkt_route *route = route_after(server, after);
    while (route != NULL) {
        *status = route->judge(route, c, request);
        if (*status != ZKT_ROUTE_PASSES) {
            return route;
        }
        route = route_after(server, route);
    }
    return NULL;
}

bool zkt__routes_has_probe(const struct zkt_connection *c, struct zkt_str path)
{
    const struct zkt_server *server =
        (const struct zkt_server *)(const void *)c->endpoint.core;
    return (zkt_str_eq(path, health_path) && !server->options.no_healthz) ||
           (zkt_str_eq(path, readiness_path) && !server->options.no_readyz);
}

bool zkt__routes_is_watching(struct zkt_connection *c,
                             const struct zkt_http_request *request)
{
    return !request->asks_websocket && reads(request) &&
           (zkt__routes_has_probe(c, request->path) ||
            zkt__metrics_is_scrape(c, request));
}

bool zkt__routes_is_probe(struct zkt_str path)
{
    return zkt_str_eq(path, health_path) || zkt_str_eq(path, readiness_path);
}

/* Returns the status for a request that no route takes. A server that has only
 * its own routes expects WebSockets. */
static int status_of_none(struct zkt_connection *c,
                          const struct zkt_http_request *request)
{
    const struct zkt_route *route = server_of(c)->shards->routes;
    while (route != NULL && route->order == ZKT_ROUTE_BUILT_IN) {
        route = route->next;
    }
    return route != NULL ? 404 : reads(request) ? 426 : 405;
}

int zkt__routes_check(struct zkt_connection *c,
                      const struct zkt_http_request *request)
{
    int status;
    const struct zkt_route *route = find_route(NULL, c, request, &status);
    if (route == NULL) {
        return status_of_none(c, request);
    }
    if (status > 0 && route->refuse != NULL) {
        route->refuse(route, c, request);
        return -1;
    }
    return status;
}

void zkt__routes_answer(const struct zkt_route *after, struct zkt_connection *c,
                        const struct zkt_http_request *request)
{
    int status = 0;
    const struct zkt_route *route = find_route(after, c, request, &status);
    if (route != NULL && status == 0) {
        route->answer(route, c, request);
    } else {
        zkt__answer(
            c, request,
            (struct zkt_http_response){
                .status = route != NULL ? status : status_of_none(c, request),
                .fields = ZKT_STR(""),
                .body = ZKT_STR(""),
            });
    }
}
