/*
 * The routes of plain requests, those for no WebSocket. They are asked in their
 * order: those of the server, the program's, and files; the first that takes a
 * request answers it. Every path takes a WebSocket.
 *
 * A route runs on the thread of the connection, and answers by the functions of
 * answer.h, at once, or later by an exchange (exchange.h).
 */
#ifndef ZKT_SERVER_ROUTES_H
#define ZKT_SERVER_ROUTES_H

#include "http/request.h"

struct zkt_connection;
struct zkt_server;

enum zkt_route_order {
    ZKT_ROUTE_BUILT_IN,
    ZKT_ROUTE_PROGRAM,
    ZKT_ROUTE_FILES
};

#define ZKT_ROUTE_PASSES (-1)

/* A route; embedded in the object of its owner, or static. */
struct zkt_route {
    enum zkt_route_order order;
    /*
     * Judges the head of a request. Returns 0 if the route takes it: its body
     * is read then; ZKT_ROUTE_PASSES if the next route is to be asked; or the
     * status of a refusal. Called again when the request is complete.
     */
    int (*judge)(const struct zkt_route *route, struct zkt_connection *c,
                 const struct zkt_http_request *request);
    /* Answers a request that @judge refuses, of which the head has come. NULL:
     * with the status alone. */
    void (*refuse)(const struct zkt_route *route, struct zkt_connection *c,
                   const struct zkt_http_request *request);
    /* Answers a complete request that it takes. */
    void (*answer)(const struct zkt_route *route, struct zkt_connection *c,
                   const struct zkt_http_request *request);
    struct zkt_route *next; /* private */
};

/** Adds a route for all threads, behind others of its order, before connections
 * are accepted. Borrows it until it is removed, or the server is freed. */
void zkt__routes_add(struct zkt_server *server, struct zkt_route *route);
/** Removes a route, when no connection is left. */
void zkt__routes_remove(struct zkt_server *server, struct zkt_route *route);

/** Returns true for the routes of probes: a load balancer names an address as
 * their host, or nothing. */
bool zkt__routes_is_probe(struct zkt_str path);
/** Returns true if @path is that of a probe which the options have not left
 * out. */
bool zkt__routes_has_probe(const struct zkt_connection *c, struct zkt_str path);
/** Returns true for a request that watches the server: a probe, or a scrape of
 * metrics by who may read them. A server without room answers it as well. */
bool zkt__routes_is_watching(struct zkt_connection *c,
                             const struct zkt_http_request *request);
/** Judges the head of a request. Returns 0 if a route takes it, the status that
 * refuses it, or -1 if it was answered. */
int zkt__routes_check(struct zkt_connection *c,
                      const struct zkt_http_request *request);
/** Answers a complete request by the first route behind @after that takes it;
 * NULL: by the first of all. */
void zkt__routes_answer(const struct zkt_route *after, struct zkt_connection *c,
                        const struct zkt_http_request *request);

#endif
