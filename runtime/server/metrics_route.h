/*
 * GET /metrics: on the listener of metrics, which serves nothing else but
 * health, and on the others to those who have the token, if the options have
 * one.
 */
#ifndef ZKT_SERVER_METRICS_ROUTE_H
#define ZKT_SERVER_METRICS_ROUTE_H

#include "http/request.h"
#include "server/routes.h"
#include "server/server.h"

struct zkt_process_stats;

/* In the state that all shards share. */
struct zkt_metrics_route {
    struct zkt_route route;
    /* Asks the system about the process; NULL: nobody can. */
    void (*read_process)(struct zkt_process_stats *out);
};

/** Returns false if the token of the options is malformed; the log says so. */
bool zkt__metrics_check_options(const struct zkt_serve_options *options);
/** Returns true if the options ask for metrics, in whichever way. */
bool zkt__metrics_are_wanted(const struct zkt_serve_options *options);
/** Adds the route, if the options ask for it. */
void zkt__metrics_route_init(struct zkt_server *first);

/** Judges the head of a request on the listener of metrics, for a WebSocket or
 * not: 0 if it is for the metrics or for a probe, or the status that refuses
 * it. */
int zkt__metrics_judge_own(const struct zkt_connection *c,
                           const struct zkt_http_request *request);
/** Returns true if @request is for the metrics, and may read them. */
bool zkt__metrics_is_scrape(struct zkt_connection *c,
                            const struct zkt_http_request *request);

#endif
