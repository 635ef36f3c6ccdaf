/*
 * The life of a server. Each of its shards goes through these states in order,
 * in turns of its own. No shard waits for another; a shard that takes a step
 * that others depend on wakes them.
 *
 *            shutdown  calls over  all ended  next turn  all gone  free
 *   serving  draining                                              freed
 *   draining           ended                                       freed
 *   ended                          flushed                         freed
 *   flushed                                   closing              freed
 *   closing                                              down      freed
 *   down                                                           freed
 *
 * Calls are over when no shard has any left, or when a shard has drained for
 * drain_ms. All have ended when each shard has left draining; all are gone when
 * the shard has no connection. An empty field means that the state stays.
 *
 * A serving shard accepts connections and begins calls, also for
 * drain_delay_ms after the shutdown, while it says that it is not ready. A
 * draining shard refuses both, and calls and requests that have begun may
 * finish. On the way to ended it
 * cancels all others and runs every `disconnect` and `deactivate`; messages of
 * other shards may still be in flight to it. When all have ended, the next turn
 * handles the last of these messages: flushed. A closing shard sends 1001 to
 * every connection, a number of them at a time, so that their clients do not
 * come all at once to another server.
 *
 * A server without sockets runs only its first shard. Freeing ends all shards
 * in any state.
 */
#ifndef ZKT_SERVER_LIFE_H
#define ZKT_SERVER_LIFE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct zkt_server;

enum zkt_life {
    ZKT_LIFE_SERVING,
    ZKT_LIFE_LEAVING, /* only a goal: the shards still serve */
    ZKT_LIFE_DRAINING,
    ZKT_LIFE_ENDED,
    ZKT_LIFE_FLUSHED,
    ZKT_LIFE_CLOSING,
    ZKT_LIFE_DOWN,
    ZKT_LIFE_FREED
};

/* The progress of all shards, which each of them reads. */
struct zkt_lives {
    uint32_t running; /* running shards: the first, or all */
    /* The goal of all shards: serving, leaving, draining, ended or freed. */
    _Atomic(enum zkt_life) goal;
    _Atomic(uint64_t) drained; /* a bit for each shard without calls */
    atomic_uint ended, down;   /* shards that have reached the state */
};

/** Returns true from the begin of a stop on, for a shard in @life. */
static inline bool zkt__life_ends(const struct zkt_lives *lives,
                                  enum zkt_life life)
{
    return life != ZKT_LIFE_SERVING ||
           atomic_load(&lives->goal) != ZKT_LIFE_SERVING;
}

/* The connections that a closing shard has yet to close. */
struct zkt_closing {
    uint32_t left, per_step;
    int64_t next_ms; /* the time of the next step */
};

/** Sets the state of @server, and of its instances. */
void zkt__life_enter(struct zkt_server *server, enum zkt_life life);

/** At the begin of a turn, before messages of other shards are handled. */
void zkt__life_begin_turn(struct zkt_server *server);
/** At the end of a turn: takes every step that is possible. */
void zkt__life_end_turn(struct zkt_server *server);
/** The time of the next step, or ZKT_NEVER. */
int64_t zkt__life_due(const struct zkt_server *server);

#endif
