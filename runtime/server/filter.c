/* See filter.h. */
#include "server/filter.h"

#include "http/forwarded.h"
#include "http/head.h"
#include "protocol/failure.h"
#include "server/answer.h"
#include "server/connection.h"
#include "server/core.h"
#include "server/log.h"
#include "server/routes.h"
#include "session/opening.h"

/* Checks the options of proxies, which go together. */
static bool check_proxies(const struct zkt_serve_options *options)
{
    const struct zkt_str bad = zkt__proxies_find_bad(options->trusted_proxies);
    struct zkt_str list = zkt_cstr(
        options->trusted_proxies != NULL ? options->trusted_proxies : "");
    struct zkt_str first;
    const bool trusts = zkt__http_next_item(&list, &first);
    const bool reads = options->forwarded_by != ZKT_FORWARDED_BY_NOTHING;
    if (bad.len > 0) {
        zkt__server_log_early(
            options, "trusted_proxies: '%.*s' is no address and no network",
            ZKT_ARG(bad));
    } else if (options->forwarded_by > ZKT_FORWARDED_BY_PROXY_PROTOCOL) {
        zkt__server_log_early(options, "forwarded_by is none of its values");
    } else if (trusts && !reads) {
        zkt__server_log_early(options, "trusted_proxies without forwarded_by: "
                                       "say how they tell their clients");
    } else if (reads && !trusts) {
        zkt__server_log_early(options, "forwarded_by without trusted_proxies: "
                                       "say which peers are proxies");
    }
    return bad.len == 0 && trusts == reads &&
           options->forwarded_by <= ZKT_FORWARDED_BY_PROXY_PROTOCOL;
}

bool zkt__filter_check_options(const struct zkt_serve_options *options)
{
    const struct zkt_str origin = zkt__origin_find_bad(options->allow_origins);
    const struct zkt_str name = zkt__origin_find_bad_name(
        options->server_names);
    if (origin.len > 0) {
        zkt__server_log_early(options, "allow_origins: '%.*s' is no origin",
                              ZKT_ARG(origin));
    }
    if (name.len > 0) {
        zkt__server_log_early(options, "server_names: '%.*s' is no name",
                              ZKT_ARG(name));
    }
    return origin.len == 0 && name.len == 0 && check_proxies(options);
}

static struct zkt_server *server_of(const struct zkt_connection *c)
{
    return (struct zkt_server *)(void *)c->endpoint.core;
}

/* ---- refusals ---- */

/* The peer of a request, for the log. */
static const char *peer_of(const struct zkt_connection *c)
{
    return c->session.peer.remote[0] != '\0' ? c->session.peer.remote
                                             : "a Unix socket";
}

/* Returns true if a proxy that is not trusted seems to have passed a request
 * on. */
static bool is_of_stranger(const struct zkt_connection *c,
                           const struct zkt_http_request *request)
{
    return !c->session.peer.has_proxy &&
           (zkt__http_find(request->fields, "x-forwarded-for").data != NULL ||
            zkt__http_find(request->fields, "forwarded").data != NULL);
}

/* @host is that of @request, or that of its trusted proxy. */
static void refuse_host(struct zkt_connection *c,
                        const struct zkt_http_request *request,
                        struct zkt_str host)
{
    struct zkt_server *server = server_of(c);
    server->host.stats.refused_hosts++;
    zkt__server_log_address(
        server, ZKT_LOG_WARNING, peer_of(c),
        "a request of %s for the host '%.*s' was refused: "
        "%s",
        peer_of(c), ZKT_ARG(host),
        !zkt__origin_is_host(host)   ? "it is no host with a port up to 65535"
        : is_of_stranger(c, request) ? "server_names does not name it, nor "
                                       "trusted_proxies its proxy"
                                     : "server_names does not name it");
    zkt__session_refuse_request(
        &server->host, &c->session, 421,
        &(const struct zkt_failure){
            .status = ZKT_FAILED_PRECONDITION,
            .text = ZKT_STR("The server has another name") });
}

static void refuse_origin(struct zkt_connection *c,
                          const struct zkt_http_request *request,
                          enum zkt_origin_verdict verdict)
{
    struct zkt_server *server = server_of(c);
    server->host.stats.refused_origins++;
    if (verdict == ZKT_ORIGIN_FOREIGN) {
        zkt__server_log_address(
            server, ZKT_LOG_WARNING, peer_of(c),
            "a request of %s from a page of '%.*s' was refused: "
            "allow_origins does not name it",
            peer_of(c),
            ZKT_ARG(zkt__origin_shown(
                zkt__http_value(request, ZKT_HTTP_FIELD_ORIGIN))));
    } else {
        zkt__server_log_address(
            server, ZKT_LOG_WARNING, peer_of(c),
            "a request of %s from a page of another site was "
            "refused: allow_origins does not allow all",
            peer_of(c));
    }
    zkt__session_refuse_request(
        &server->host, &c->session, 403,
        &(const struct zkt_failure){
            .status = ZKT_PERMISSION_DENIED,
            .text = ZKT_STR("The origin is not allowed") });
}

/* ---- requests ---- */

/* Adds to the way of a request that a trusted proxy has sent, and takes the
 * address of its client from it: for the request, or for as long as the
 * connection lasts if it becomes a WebSocket. Returns false if the connection
 * was refused. */
static bool follow_proxy(struct zkt_connection *c,
                         const struct zkt_http_request *request,
                         struct zkt_origin_way *way)
{
    const struct zkt_server *server = server_of(c);
    struct zkt_forwarded forwarded;
    zkt__forwarded_read(server->options.forwarded_by, server->proxies,
                        request->fields, &forwarded);
    way->secure = way->secure || forwarded.secure;
    if (forwarded.host.data != NULL) {
        way->host = forwarded.host;
    }
    zkt__connection_set_address(c, forwarded.has_ip ? &forwarded.ip : NULL);
    return !request->asks_websocket || !forwarded.has_ip ||
           zkt__connection_count_client(c);
}

bool zkt__filter_head(struct zkt_connection *c,
                      const struct zkt_http_request *request)
{
    const struct zkt_serve_options *options = &server_of(c)->options;
    /* The listener of metrics has another name than the server. */
    const bool own = (c->listener & ZKT_LISTENER_METRICS) != 0;
    const struct zkt_origin_rules rules = {
        .allow_origins = own ? NULL : options->allow_origins,
        .server_names = own ? NULL : options->server_names,
    };
    struct zkt_origin_way way = {
        .host = request->host,
        .loopback = (c->listener & ZKT_LISTENER_LOOPBACK) != 0 &&
                    (c->listener & ZKT_LISTENER_PROXY) == 0 &&
                    !c->session.peer.has_proxy,
        .secure = (c->listener & ZKT_LISTENER_TLS) != 0,
    };
    enum zkt_http_cors cors;
    if (c->session.peer.has_proxy && !follow_proxy(c, request, &way)) {
        return false;
    }
    if (!request->asks_websocket && zkt__routes_is_probe(request->path)) {
        zkt__http_set_cors(c->ws.request, ZKT_HTTP_CORS_ABSENT);
        return true;
    }
    if (!zkt__origin_serves(&rules, &way)) {
        refuse_host(c, request, way.host);
        return false;
    }
    const enum zkt_origin_verdict verdict = zkt__origin_check(&rules, &way,
                                                              request, &cors);
    if (verdict != ZKT_ORIGIN_ALLOWED) {
        refuse_origin(c, request, verdict);
        return false;
    }
    if (!request->asks_websocket) { /* its answer is no page's to read */
        zkt__http_set_cors(c->ws.request, cors);
    }
    return true;
}

void zkt__filter_answer_preflight(struct zkt_connection *c,
                                  const struct zkt_http_request *request)
{
    zkt__answer(
        c, request,
        (struct zkt_http_response){
            .status = 204,
            .fields = ZKT_STR(
                "Access-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, "
                "DELETE\r\n"
                "Access-Control-Allow-Headers: authorization, content-type, "
                "x-request-id, traceparent\r\n"
                "Access-Control-Max-Age: 600\r\n"),
            .body = ZKT_STR(""),
        });
}
