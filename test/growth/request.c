/*
 * The parameters of a connection: requests with n keys, cookies, fields,
 * offered subprotocols and escapes.
 */
#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "server/actor_address.h"
#include "server/core.h"
#include "session/parameters.h"
#include "session/request.h"

#include "../unit/gate.h"

struct work {
    struct zkt_server *server;
    struct zkt_arena arena;
    char *query, *fields;
};

/* Texts of a request: a piece that is repeated, between two ends. */
struct shape {
    const char *query, *first, *piece, *last;
    bool in_query; /* the pieces stand in the query */
};

/* ---- parameters ---- */

static char *repeat(const struct shape *shape, size_t n)
{
    const size_t each = strlen(shape->piece);
    char *text = malloc(strlen(shape->first) + n * each + strlen(shape->last) +
                        1);
    char *at = stpcpy(text, shape->first);
    for (size_t i = 0; i < n; i++) {
        at = stpcpy(at, shape->piece);
    }
    stpcpy(at, shape->last);
    return text;
}

static void finish(void *work)
{
    struct work *w = work;
    zkt__arena_finish(&w->arena);
    zkt_server_free(w->server);
    free(w->query);
    free(w->fields);
    free(w);
}

static void *prepare(const void *with, size_t n)
{
    static const char tenant[] = "x-tenant: t\r\n";
    const struct shape *shape = with;
    const struct zkt_serve_options options = { .allocator = &growth_allocator };
    struct work *w = calloc(1, sizeof(*w));
    char *text = repeat(shape, n);
    w->query = shape->in_query ? text : strdup("");
    w->fields = shape->in_query ? strdup(tenant) : text;
    if (zkt_server_new(gate_app(NULL), &options, &w->server) != ZKT_OK) {
        free(w);
        return NULL;
    }
    zkt__arena_init(&w->arena, &growth_allocator);
    return w;
}

static bool read_all(void *work)
{
    struct work *w = work;
    struct zkt_host *host = &w->server->host;
    struct gate_input in;
    struct zkt_issues issues;
    const struct zkt_ws_request request = {
        .query = zkt_cstr(w->query),
        .fields = zkt_cstr(w->fields),
        .protocols = ZKT_STR("any"),
        .more_protocols = true,
    };
    zkt__issues_init(&issues, &w->arena, &host->rules);
    (void)zkt__parameters_read(host, NULL, host->app.info->connection, &request,
                               &issues, &in);
    (void)zkt__request_protocol(&request);
    return !issues.no_memory;
}

/* ---- the path of an actor ---- */

static void *prepare_path(const void *with, size_t n)
{
    return repeat(with, n);
}

/* An id is not longer than an id may be. */
static bool read_path(void *work)
{
    struct zkt_actor_address address;
    const struct zkt_str path = zkt_cstr(work);
    const int status = zkt__actor_address_parse(path, &address);
    return path.len < 100 ? status == 0 : status != 0;
}

static void growth_path(void)
{
    static const struct shape bytes = { .first = "/actors/job/x",
                                        .piece = "y",
                                        .last = "/add" };
    static const struct shape escapes = { .first = "/actors/job/x",
                                          .piece = "%79",
                                          .last = "/add" };
    static const struct shape parts = { .first = "/actors/job/x",
                                        .piece = "/y",
                                        .last = "/add" };
    static const struct growth_row rows[] = {
        { "request: bytes of an id", 1024, &bytes, prepare_path, read_path,
          free },
        { "request: escapes of an id", 1024, &escapes, prepare_path, read_path,
          free },
        { "request: parts of a path", 1024, &parts, prepare_path, read_path,
          free },
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        growth_measure(&rows[i]);
    }
}

void growth_request(void)
{
    static const struct shape keys = {
        .first = "", .piece = "a=1&", .last = "n=5", .in_query = true
    };
    static const struct shape same = {
        .first = "", .piece = "n=5&", .last = "", .in_query = true
    };
    static const struct shape escapes = {
        .first = "locale=", .piece = "%64+", .last = "", .in_query = true
    };
    static const struct shape cookies = { .first = "x-tenant: t\r\nCookie: ",
                                          .piece = "a=1; ",
                                          .last = "sid=s\r\n" };
    static const struct shape fields = { .first = "",
                                         .piece = "x-tenant: t\r\n",
                                         .last = "" };
    static const struct shape offers = {
        .first = "x-tenant: t\r\nSec-WebSocket-Protocol: ",
        .piece = "bearer64.YWJj, ",
        .last = "zocket\r\n",
    };
    static const struct growth_row rows[] = {
        { "request: keys of a query", 0, &keys, prepare, read_all, finish },
        { "request: a key many times", 0, &same, prepare, read_all, finish },
        { "request: escapes", 0, &escapes, prepare, read_all, finish },
        { "request: cookies", 0, &cookies, prepare, read_all, finish },
        { "request: fields", 0, &fields, prepare, read_all, finish },
        { "request: subprotocols", 0, &offers, prepare, read_all, finish },
    };
    growth_path();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        growth_measure(&rows[i]);
    }
}
