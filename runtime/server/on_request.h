/*
 * The route of the program: the option on_request (zocket/http.h). A request
 * goes to the first shard, where it is handed to the program, and comes back to
 * the shard of its connection with an answer, which may come from any thread.
 */
#ifndef ZKT_SERVER_ON_REQUEST_H
#define ZKT_SERVER_ON_REQUEST_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/list.h"
#include "server/routes.h"

struct zkt_server;

/* The requests that the program has not answered, of all shards. */
struct zkt_held_requests {
    struct zkt_route route;
    _Atomic(int64_t) count, bytes;
};

/* Requests of a shard that were answered. They are kept for a while, so that a
 * second answer is noticed. */
struct zkt_answered_requests {
    struct zkt_list list; /* oldest first */
    uint32_t count;
};

/** Adds the route, if the options have on_request. */
void zkt__on_request_init(struct zkt_server *first);
/** Frees the requests that were answered, at the end of a shard. */
void zkt__on_request_finish(struct zkt_server *server);

#endif
