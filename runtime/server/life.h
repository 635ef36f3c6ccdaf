/*
 * The life of a server. Each of its shards goes through these states, one by
 * one and never back, each in turns of its own: nobody waits for anybody, and
 * a shard that takes a step that others depend on wakes them.
 *
 *            shutdown  calls over  all ended  next turn  all gone  free
 *   serving  draining                                              freed
 *   draining           ended                                       freed
 *   ended                          flushed                         freed
 *   flushed                                   closing              freed
 *   closing                                              down      freed
 *   down                                                           freed
 *
 * Calls are over when no shard has any left, or when drain_ms are over on one.
 * All have ended when each shard has left draining; all are gone when the shard
 * has no connection. An empty field means that the state stays.
 *
 * Serving, a shard takes connections and begins what they ask for. Draining, it
 * refuses both, and what has begun may finish. On the way to ended it cancels
 * the rest and runs every `disconnect` and `deactivate`; what others say may
 * still be under way to it. When all have ended, the next turn takes the last
 * of that: flushed. Closing, it says 1001 to everybody.
 *
 * A server whose shards do not run (one without sockets) lives with its first
 * alone. Freeing takes all of them out of any state.
 */
#ifndef ZKT_SERVER_LIFE_H
#define ZKT_SERVER_LIFE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct zkt_server;

enum zkt_life {
    ZKT_LIFE_SERVING,
    ZKT_LIFE_DRAINING,
    ZKT_LIFE_ENDED,
    ZKT_LIFE_FLUSHED,
    ZKT_LIFE_CLOSING,
    ZKT_LIFE_DOWN,
    ZKT_LIFE_FREED
};

/* What the shards of a server know of each other's lives. */
struct zkt_lives {
    uint32_t running; /* shards whose turns are taken: the first, or all */
    /* How far all are to go: serving, draining, ended or freed. */
    _Atomic(enum zkt_life) goal;
    _Atomic(uint64_t) drained; /* a bit for each shard that has no call left */
    atomic_uint ended, down;   /* shards that have come so far */
};

/** Starts @server's new state, and tells its instances. */
void zkt__life_enter(struct zkt_server *server, enum zkt_life life);

/** At the begin of a turn, before what others have sent is taken. */
void zkt__life_begin_turn(struct zkt_server *server);
/** At its end: takes every step that can be taken. */
void zkt__life_end_turn(struct zkt_server *server);
/** When the next step is due; ZKT_NEVER. */
int64_t zkt__life_due(const struct zkt_server *server);

#endif
