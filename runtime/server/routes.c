/* See routes.h. */
#include "server/routes.h"

#include <stdio.h>

#include "http/date.h"
#include "server/core.h"

/* A route for GET and HEAD. */
struct route {
    struct zkt_str path;
    bool is_probe; /* for any host, and tells nobody anything */
    /* Returns the status, and the text of the body. */
    int (*answer)(const struct zkt_server *server, struct zkt_str *text);
};

/* The loop turns, also while it drains. */
static int answer_health(const struct zkt_server *server, struct zkt_str *text)
{
    (void)server;
    *text = ZKT_STR("ok\n");
    return 200;
}

static int answer_readiness(const struct zkt_server *server,
                            struct zkt_str *text)
{
    const bool stopping = zkt__server_is_stopping(server);
    *text = stopping ? ZKT_STR("the server stops\n") : ZKT_STR("ok\n");
    return stopping ? 503 : 200;
}

static const struct route routes[] = {
    { { "/healthz", 8 }, true, answer_health },
    { { "/readyz", 7 }, true, answer_readiness },
};

/* Returns the route of a path, or NULL. */
static const struct route *find_route(struct zkt_str path)
{
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (zkt_str_eq(path, routes[i].path)) {
            return &routes[i];
        }
    }
    return NULL;
}

bool zkt__routes_is_probe(struct zkt_str path)
{
    const struct route *route = find_route(path);
    return route != NULL && route->is_probe;
}

int zkt__routes_check(const struct zkt_http_request *request)
{
    if (request->method != ZKT_HTTP_GET && request->method != ZKT_HTTP_HEAD) {
        return 405;
    }
    /* Every path takes a WebSocket. */
    return find_route(request->path) != NULL ? 0 : 426;
}

void zkt__routes_answer(struct zkt_server *server, struct zkt_ws *ws,
                        const struct zkt_http_request *request)
{
    char fields[128], date[ZKT_HTTP_DATE_SIZE];
    struct zkt_str text;
    const struct route *route = find_route(request->path);
    const int status = route->answer(server, &text);
    zkt__http_date(server->core.wall_ms, date);
    const int len = snprintf(fields, sizeof(fields),
                             "Content-Type: text/plain\r\n"
                             "Cache-Control: no-store\r\n%s%s%s",
                             date[0] != '\0' ? "Date: " : "", date,
                             date[0] != '\0' ? "\r\n" : "");
    zkt__ws_reply(ws, (struct zkt_http_response){
                          .status = status,
                          .fields = { fields, (size_t)len },
                          .body = text,
                          .closes = zkt__server_is_stopping(server),
                      });
}
