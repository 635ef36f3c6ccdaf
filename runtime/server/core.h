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
#include "server/on_request.h"
#include "server/outside.h"
#include "server/server.h"
#include "server/shards.h"
#include "session/asks.h"
#include "websocket/websocket.h"

/*
 * A server, or a shard of a server with threads: the state of a single thread.
 */
struct zkt_server {
    struct zkt_core core;
    struct zkt_shards *shards;
    uint32_t self; /* index of this shard; 0: the shard that the program has */
    struct zkt_affinity owner;
    bool clock_is_set;
    int64_t clock_start; /* the program's time at 0 of core.now_ms */
    struct zkt_serve_options options;
    const struct zkt_allocator *allocator;
    struct zkt_limits limits;
    struct zkt_proxies *proxies; /* that are trusted; NULL: none */
    struct zkt_ws_limits ws_limits;
    struct zkt_ws_setup ws; /* of all connections */
    struct zkt_host host;
    struct zkt_sessions sessions;
    struct zkt_asks asks;
    struct zkt_instances instances;
    struct zkt_outside outside;  /* of the first shard */
    struct zkt_list connections; /* with a transport */
    struct zkt_list ending;      /* ended: the end of a turn reaps them */
    struct zkt_list deadlines[ZKT_DEADLINE_COUNT];
    int64_t next_deadline;     /* no deadline is due before */
    struct zkt_list gathering; /* with a part of a message */
    struct zkt_list backlog;   /* unhandled bytes that may be handled */
    uint32_t answers;          /* exchanges that end by themselves */
    struct zkt_list exchanges; /* sessions whose connection is in one */
    struct zkt_answered_requests answered;
    struct zkt_list heartbeats; /* of event streams (actor_request.h) */
    struct zkt_list streams;    /* answers that have had their share */
    uint32_t oversized;         /* count of those with far too much output */
    size_t output_little;       /* bytes of output that are not counted */
    bool unsent_over_limit;     /* all output is over unsent_bytes */
    uint64_t unsent_over_since; /* the turn when that began */
    uint64_t turn;              /* number of the current turn */
    int64_t round_ends;         /* budget at the end of a round */
    enum zkt_life life;
    int64_t phase_ends; /* of leaving, draining, or the hooks; 0: none began */
    struct zkt_closing closing;
    bool instances_over; /* in ZKT_LIFE_ENDED: every instance has ended */
    uint8_t *lent;       /* memory of the current message, in the arena */
    const struct zkt_redirect *redirect; /* or NULL */
    char hsts[64];                       /* a line of answers by TLS, or "" */
    /* Used by all threads: posted functions that wait, and refused posts. */
    _Atomic(int64_t) posted;
    _Atomic(uint64_t) posts_refused;
    uint32_t busy;  /* running turns and callbacks: nothing is freed */
    bool advancing; /* by zkt_server_advance: likewise, between its turns */
};

/** As zkt__server_is_running, inline for functions that every frame calls. */
static inline bool zkt__server_is_busy(const struct zkt_server *server)
{
    return server->host.running != NULL || server->busy > 0 ||
           server->life == ZKT_LIFE_FREED;
}

/** Casts const away: no server is const, and functions that only read take it
 * as const. */
static inline struct zkt_server *zkt__server_writable(
    const struct zkt_server *server)
{
    return (struct zkt_server *)(uintptr_t)server;
}

#endif
