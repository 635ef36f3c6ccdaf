/*
 * The object that all sources of this folder share: a server, or one shard of a
 * server with several threads. A shard belongs to one thread; the state that
 * shards share is in shards.h.
 */
#ifndef ZKT_SERVER_CORE_H
#define ZKT_SERVER_CORE_H

#include "base/affinity.h"
#include "base/endpoint.h"
#include "instance/registry.h"
#include "server/deadline_types.h"
#include "server/server.h"
#include "server/shards.h"
#include "session/session.h"
#include "websocket/websocket.h"

/*
 * A server, or one shard of it: all that one thread has for itself. What its
 * shards share stands behind @shards.
 */
struct zkt_server {
    struct zkt_core core;
    struct zkt_shards *shards;
    uint32_t self; /* which of them it is; 0: the one that the user has */
    struct zkt_affinity owner;
    bool clock_is_set;
    int64_t clock_start; /* the program's time at 0 of core.now_ms */
    struct zkt_serve_options options;
    const struct zkt_allocator *allocator;
    struct zkt_limits limits;
    struct zkt_ws_limits ws_limits;
    struct zkt_host host;
    struct zkt_sessions sessions;
    struct zkt_instances instances;
    struct zkt_list connections; /* all that have a transport */
    struct zkt_list ending;      /* over: the end of a turn takes them apart */
    struct zkt_list deadlines[ZKT_DEADLINE_COUNT];
    int64_t next_deadline;      /* none of them is due before */
    struct zkt_list gathering;  /* that have gathered a part of something */
    struct zkt_list backlog;    /* that have bytes to go on with */
    struct zkt_list oversized;  /* whose output is far over its limit */
    size_t output_little;       /* bytes that reach no limit of output */
    bool unsent_over_limit;     /* the output of all is over its limit */
    uint64_t unsent_over_since; /* the turn in which that began */
    uint64_t turn;              /* number of this one */
    int64_t round_ends;         /* budget at which a connection's round ends */
    enum zkt_life life;
    int64_t drain_due; /* while draining: when the rest is cancelled */
    uint8_t *lent;     /* memory of the message, from the arena */
    /* Of any thread: functions that wait to be run, and how many have not been
     * taken. */
    _Atomic(int64_t) posted;
    _Atomic(uint64_t) posts_refused;
    uint32_t busy; /* turns and callbacks under way: nothing is freed */
};

/** zkt__server_is_running; inline for what asks once a frame. */
static inline bool zkt__server_is_busy(const struct zkt_server *server)
{
    return server->host.running || server->busy > 0 ||
           server->life == ZKT_LIFE_FREED;
}

/** A server is never const: what only looks at it may have it so. */
static inline struct zkt_server *zkt__server_writable(
    const struct zkt_server *server)
{
    return (struct zkt_server *)(uintptr_t)server;
}

#endif
