/*
 * The environment of the sessions and instances of one shard: memory, limits,
 * clock, log, statistics, random numbers, the app. A server with several
 * threads has a shard for each. A host knows nothing of sockets, and nothing in
 * session/ or instance/ knows of the server.
 */
#ifndef ZKT_SHARD_HOST_H
#define ZKT_SHARD_HOST_H

#include <stdarg.h>

#include "base/endpoint.h"
#include "base/index.h"
#include "base/random.h"
#include "base/slots.h"
#include "base/work_queue.h"
#include "protocol/request.h"
#include "state/journal.h"
#include "zocket/server.h"
#include "json/json.h"
#include "json/pattern.h"

struct zkt_ask;
struct zkt_asks;
struct zkt_ended_call;
struct zkt_group;
struct zkt_host;
struct zkt_instances;
struct zkt_metrics;
struct zkt_msg;
struct zkt_rates;
struct zkt_sessions;

/* The work of a turn, in units of about a nanosecond. Work that is done at once
 * costs as much as work that waits in a mailbox or a channel. */
enum {
    ZKT_COST_MESSAGE = 1000, /* a received message */
    ZKT_COST_CALL = 1000,    /* a call, hook or subscription of an instance */
    ZKT_COST_FRAME = 100     /* a queued frame, besides its bytes */
};

/* The receivers of messages on this shard. */
struct zkt_receivers {
    /* @carrier is the block that holds @m, owned by the receiver; or NULL: @m
     * and all that it points to are borrowed for the call. */
    void (*to_instance)(struct zkt_host *host, struct zkt_msg *m,
                        struct zkt_msg *carrier);
    void (*to_session)(struct zkt_host *host, struct zkt_msg *m);
    /* Calls of instances by instances of this shard: session/asks.h. */
    bool (*hold_ask)(struct zkt_host *host, struct zkt_ask *ask,
                     struct zkt_str *reason);
    void (*send_ask)(struct zkt_host *host, struct zkt_ask *ask);
    void (*drop_ask)(struct zkt_host *host, struct zkt_ask *ask);
    void (*begin_ask)(struct zkt_host *host, struct zkt_ask *ask);
    void (*refuse_ask)(struct zkt_host *host, struct zkt_ask *ask,
                       enum zkt_status status, struct zkt_str text);
};

struct zkt_host {
    struct zkt_app app;
    uint32_t shard;   /* number of this one */
    uint32_t sharing; /* shards whose turns are taken */
    const struct zkt_allocator *allocator;
    const struct zkt_limits *limits;
    struct zkt_deflate *deflate; /* NULL: nothing is compressed */
    struct zkt_core *clock;
    struct zkt_store store;
    struct zkt_pattern_cache patterns;
    struct zkt_rule_context rules;
    struct zkt_random random;
    struct zkt_server_stats stats;
    struct zkt_request_numbers requests;
    /* The end of each call is counted or described: see call/report.h. The
     * budget was so much when the clock was read last. */
    bool reports;
    int64_t measured_budget;
    /* Describes the end of a call; NULL: it is counted at most. */
    void (*describe)(struct zkt_host *host,
                     const struct zkt_ended_call *report);
    struct zkt_metrics *metrics; /* NULL: the options ask for none */
    struct zkt_work_queue *work; /* work from other threads */
    struct zkt_arena *arena;     /* memory for handling the current message */
    struct zkt_writer result, plain, rfc6902; /* scratch for frames */
    int64_t budget;                           /* work left in this turn */
    const struct zkt_call *running;           /* in its handler, or NULL */
    bool stopping;                            /* nothing new is begun */
    struct zkt_server *server;                /* for zkt_call_server only */
    /* Writes a line to the log. */
    void (*log)(struct zkt_server *server, const struct zkt_log_record *fields,
                const char *format, va_list arguments);
    /* Charges a new instance to the address of a session; NULL: to nobody.
     * Returns false if the address has too many. */
    bool (*charge)(struct zkt_host *host, void *address);
    void (*refund)(struct zkt_host *host, void *address);
    /* The sessions and instances, and how messages reach them. */
    struct zkt_sessions *sessions;
    struct zkt_asks *asks;
    struct zkt_instances *instances;
    const struct zkt_receivers *receivers;
    struct zkt_slots locations;
    struct zkt_index by_name;
    struct zkt_rates *rates; /* buckets of values, of all shards */
    struct zkt_group *group; /* NULL: the server has only this shard */
};

/** Returns false if there is no memory; call finish in both cases. The seed of
 * @host->random and the key of @host->store must be set before. */
bool zkt__host_init(struct zkt_host *host, struct zkt_app app,
                    const struct zkt_allocator *allocator,
                    const struct zkt_limits *limits, struct zkt_core *clock);
void zkt__host_finish(struct zkt_host *host);

/** Writes a line to the server's log, with the level and the fields of @fields.
 */
void zkt__host_log(const struct zkt_host *host,
                   const struct zkt_log_record *fields, const char *format, ...)
    ZKT_PRINTF(3, 4);

/** This shard's share of a limit of all that run, in bytes. */
static inline size_t zkt__host_share(const struct zkt_host *host, int64_t limit)
{
    return (size_t)limit / host->sharing;
}

/** Takes @cost off the budget of the turn. */
static inline void zkt__host_spend(struct zkt_host *host, size_t cost)
{
    host->budget -= (int64_t)cost;
}

#endif
