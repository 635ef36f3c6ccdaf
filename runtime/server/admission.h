/*
 * Who may become a connection: how many are in their handshake, how many have
 * come in this second, how many there are, and how many of one address. When
 * too many have come in a second, accepting waits, so that the system's queue
 * holds what comes. When too many are in their handshake, the oldest of those
 * of the address that has most of them makes room for the next. The rest are
 * answered.
 *
 * An address has a record as long as it has connections, or instances that it
 * has made: these are charged to it, so that nobody alone can use up all of
 * them. All threads of a server count in one of these, under its lock.
 */
#ifndef ZKT_SERVER_ADMISSION_H
#define ZKT_SERVER_ADMISSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/index.h"
#include "base/list.h"
#include "base/ranking.h"
#include "base/slots.h"
#include "zocket/limits.h"
#include "zocket/server.h"

struct zkt_address;

/* A handshake; embedded in the connection. All of it under the lock. */
struct zkt_handshake {
    struct zkt_node node; /* among its address's, or those to be dropped */
    struct zkt_address *address; /* NULL: none; never changes */
    uint32_t shard;
    bool evicted; /* to be dropped, and not counted any more */
};

struct zkt_admission {
    atomic_bool closed;        /* accepting waits */
    _Atomic(uint64_t) waiting; /* a bit for each shard that is to drop some */
    int64_t instances_most;    /* of one address */
    pthread_mutex_t lock;
    /* All of these change under the lock; the first is looked at without. */
    _Atomic(int64_t) connections;
    int64_t half_open;       /* of them, in their handshake */
    int64_t second_ends;     /* of the second that is counted in */
    int64_t in_second;       /* accepted in it */
    int64_t paused_until;    /* the process was out of something */
    struct zkt_ranking busy; /* addresses, by their handshakes under way */
    struct zkt_list evicted[ZKT_THREADS_MAX]; /* handshakes that each shard is
                                                  to drop */
    struct zkt_slots slots;                   /* addresses */
    struct zkt_index index;
    struct zkt_hash_key key;
};

/** @key hashes addresses. False: the system has no lock for it. */
bool zkt__admission_init(struct zkt_admission *admission,
                         const struct zkt_allocator *allocator,
                         const struct zkt_limits *limits,
                         const struct zkt_hash_key *key);
void zkt__admission_finish(struct zkt_admission *admission);

/** Whether one more may come now; counts in @hits when that ends. */
bool zkt__admission_is_open(struct zkt_admission *admission,
                            const struct zkt_limits *limits, int64_t now_ms,
                            struct zkt_limit_counts *hits);
/** None may come before @until_ms. */
void zkt__admission_pause(struct zkt_admission *admission, int64_t until_ms);
/** When it may again, if it is time that it waits for; INT64_MAX. */
int64_t zkt__admission_due(struct zkt_admission *admission,
                           const struct zkt_limits *limits);
/**
 * One has come, and begins its handshake if it is open. Returns how many there
 * are now, or 0 if it is not; in *@full, whether more are in their handshake
 * than half_open.
 */
int64_t zkt__admission_add(struct zkt_admission *admission,
                           const struct zkt_limits *limits, int64_t now_ms,
                           struct zkt_limit_counts *hits, bool *full);
/** How many there are. */
static inline int64_t zkt__admission_count(
    const struct zkt_admission *admission)
{
    return atomic_load(&admission->connections);
}
/**
 * One is gone, and its address, if it was counted for one. @stays: messages of
 * it are on their way that may still make instances, and forget will follow.
 */
void zkt__admission_remove(struct zkt_admission *admission,
                           struct zkt_address *address, bool stays);
/** Nothing of a connection that was gone is left. Takes NULL. */
void zkt__admission_release(struct zkt_admission *admission,
                            struct zkt_address *address);

/* ---- handshakes ---- */

/** A handshake is over, in whatever way; NULL: it had not got to handshake. */
void zkt__admission_end_handshake(struct zkt_admission *admission,
                                  struct zkt_handshake *handshake);
/**
 * Gives up a handshake if there are more than half_open of them. True: *@shard
 * has to be told.
 */
bool zkt__admission_evict(struct zkt_admission *admission,
                          const struct zkt_limits *limits, uint32_t *shard);
/** Whether a handshake of @shard was given up. */
static inline bool zkt__admission_has_evicted(
    const struct zkt_admission *admission, uint32_t shard)
{
    return (atomic_load(&admission->waiting) >> shard & 1) != 0;
}
/** The next of these, or NULL. Between this and zkt__admission_end_handshake it
 * is the shard's.
 */
struct zkt_handshake *zkt__admission_take_evicted(
    struct zkt_admission *admission, uint32_t shard);

/* ---- addresses ---- */

/**
 * Counts one more of the numeric @address, or of its network if it is of IPv6:
 * @handshake, on @shard, which may be given up for another one until
 * the handshake ends, and whose address is counted until it leaves. Returns how
 * many there are of it, or 0 if there is no memory. "" is no address: nothing
 * is counted, and 1 returned.
 */
int64_t zkt__admission_count_address(struct zkt_admission *admission,
                                     const char *address,
                                     struct zkt_handshake *handshake,
                                     uint32_t shard);

/**
 * Charges an instance to the address of the connection that makes it. False:
 * there are as many of it as there may be. NULL is charged nothing.
 */
bool zkt__admission_charge_instance(struct zkt_admission *admission,
                                    struct zkt_address *address);
/** The instance has ended. Takes NULL. */
void zkt__admission_refund_instance(struct zkt_admission *admission,
                                    struct zkt_address *address);

#endif
