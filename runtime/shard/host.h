/*
 * What sessions and instances of one thread stand on: memory, limits, clock,
 * log, statistics, random numbers, the app. One per shard; a server with
 * several threads has a shard for each. Nothing here knows of sockets, and
 * nothing in session/ or instance/ knows of the server.
 */
#ifndef ZKT_SHARD_HOST_H
#define ZKT_SHARD_HOST_H

#include <stdarg.h>

#include "base/endpoint.h"
#include "base/index.h"
#include "base/random.h"
#include "base/slots.h"
#include "base/work_queue.h"
#include "state/journal.h"
#include "zocket/server.h"
#include "json/json.h"
#include "json/pattern.h"

struct zkt_group;
struct zkt_host;
struct zkt_instances;
struct zkt_msg;
struct zkt_sessions;

/* Work of one turn, in units of about a nanosecond. What is done at once and
 * what waits in a mailbox or a channel cost the same. */
enum {
    ZKT_COST_MESSAGE = 1000, /* a message that arrives */
    ZKT_COST_CALL = 1000,    /* a call, hook or subscription of an instance */
    ZKT_COST_FRAME = 100     /* a frame that is queued, beside its bytes */
};

/* Both ends of the message seam; each handles messages on this thread. */
struct zkt_receivers {
    /* @carrier: the block that @m stands in, which the receiver owns, or NULL:
     * @m and all that it points to are borrowed for the call. */
    void (*to_instance)(struct zkt_host *host, struct zkt_msg *m,
                        struct zkt_msg *carrier);
    void (*to_session)(struct zkt_host *host, struct zkt_msg *m);
};

struct zkt_host {
    struct zkt_app app;
    uint32_t shard; /* number of this one */
    const struct zkt_allocator *allocator;
    const struct zkt_limits *limits;
    const struct zkt_core *clock;
    struct zkt_store store;
    struct zkt_pattern_cache patterns;
    struct zkt_rule_context rules;
    struct zkt_random random;
    struct zkt_server_stats stats;
    struct zkt_work_queue *work; /* work from other threads */
    struct zkt_arena *arena;     /* memory of the message that is handled */
    struct zkt_writer result, plain, rfc6902; /* scratch, for one frame each */
    int64_t budget;            /* what is left of this turn's work */
    bool running;              /* a handler runs */
    bool stopping;             /* nothing new is begun */
    struct zkt_server *server; /* for zkt_call_server only */
    /* Writes a line to the log. */
    void (*log)(struct zkt_server *server, enum zkt_log_level level,
                const char *format, va_list arguments);
    /* Charges one more instance to the peer of a session, NULL: to nobody.
     * False: it has too many. */
    bool (*charge)(struct zkt_host *host, void *payer);
    void (*refund)(struct zkt_host *host, void *payer);
    /* The two sides of the seam, and how messages reach them. */
    struct zkt_sessions *sessions;
    struct zkt_instances *instances;
    const struct zkt_receivers *receivers;
    struct zkt_slots locations;
    struct zkt_index by_name;
    struct zkt_group *group; /* shards of the server; NULL: just this one */
};

/** Returns false if there is no memory; finish takes what there is. The seed
 * of @host->random and the key of @host->store are set already. */
bool zkt__host_init(struct zkt_host *host, struct zkt_app app,
                    const struct zkt_allocator *allocator,
                    const struct zkt_limits *limits,
                    const struct zkt_core *clock);
void zkt__host_finish(struct zkt_host *host);

/** Writes a line to the server's log. */
void zkt__host_log(const struct zkt_host *host, enum zkt_log_level level,
                   const char *format, ...) ZKT_PRINTF(3, 4);

/** Takes @cost off the budget of the turn. */
static inline void zkt__host_spend(struct zkt_host *host, size_t cost)
{
    host->budget -= (int64_t)cost;
}

#endif
