/*
 * The decision whether a socket becomes a connection, by the number of
 * handshakes, of connections in a second, of all connections, and of
 * connections of an address. When too many have come in a second, accepting
 * waits, and the system's queue holds the others. When too many handshakes have
 * begun, the oldest handshake of the address with most of them is evicted for
 * the next. All other refusals are answered.
 *
 * A connection over the limit of all is surplus: it is read as far as the head
 * of its request, since those that watch a server have to reach one that is
 * full. There are few places for that; when they are taken, the oldest surplus
 * handshake is evicted. The connections of the listener of metrics have places
 * of their own, and count for nothing else.
 *
 * An address has a record while it has connections or instances that it has
 * made: the instances are charged to it, so that a single address cannot use up
 * all of them. Connections without an address, those of Unix sockets and of the
 * program itself, share a record that limits nothing: it only makes room for
 * handshakes. All threads of a server share one of these, under its lock.
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
#include "server/server.h"
#include "zocket/limits.h"
#include "zocket/server.h"

struct zkt_address;

/* A handshake, embedded in a connection; under the lock. */
struct zkt_handshake {
    struct zkt_node node; /* in the list of its address, in surplus, or in
                             evicted */
    uint32_t shard;
    bool evicted; /* to be dropped; no longer counted */
    bool surplus; /* counted among those, and not in half_open; constant */
};

/* Surplus handshakes; when there is another, the oldest of them goes. */
#define ZKT_SURPLUS_MAX 16

struct zkt_admission {
    atomic_bool closed;        /* accepting waits */
    _Atomic(uint64_t) waiting; /* shards with evicted handshakes, by bit */
    int64_t instances_most;    /* of an address */
    pthread_mutex_t lock;
    bool is_alone; /* the server has one shard: there is nobody to lock out */
    /* All of the following change under the lock; connections is read without
     * it. */
    _Atomic(int64_t) connections;
    int64_t requests;        /* sessions of requests of HTTP */
    int64_t metrics;         /* connections of the listener of metrics */
    int64_t half_open;       /* connections in their handshake */
    int64_t second_ends;     /* end of the current second */
    int64_t in_second;       /* connections accepted in it */
    int64_t paused_until;    /* the process was out of descriptors or memory */
    struct zkt_ranking busy; /* addresses, by their handshakes under way */
    struct zkt_list evicted[ZKT_THREADS_MAX]; /* by the shard that drops them */
    struct zkt_list surplus;        /* such handshakes, oldest first */
    _Atomic(int64_t) surplus_count; /* read without the lock as well */
    struct zkt_slots slots;         /* addresses */
    struct zkt_index index;
    struct zkt_hash_key key;
};

/** @key hashes addresses. Returns false if the system has no lock. */
bool zkt__admission_init(struct zkt_admission *admission,
                         const struct zkt_allocator *allocator,
                         const struct zkt_limits *limits,
                         const struct zkt_hash_key *key);
void zkt__admission_finish(struct zkt_admission *admission);

/** Returns true if another connection may be accepted. Counts in @hits when
 * that ends. */
bool zkt__admission_is_open(struct zkt_admission *admission,
                            const struct zkt_limits *limits, int64_t now_ms,
                            struct zkt_limit_counts *hits);
/** Accepts no connection before @until_ms. */
void zkt__admission_pause(struct zkt_admission *admission, int64_t until_ms);
/** The time when accepting opens again, if it waits for a time; else
 * INT64_MAX. */
int64_t zkt__admission_due(struct zkt_admission *admission,
                           const struct zkt_limits *limits);
/**
 * Counts a connection and its handshake, if accepting is open. Returns the
 * number of connections, or 0 if it is not; sets *@full if more handshakes than
 * half_open have begun.
 */
int64_t zkt__admission_add(struct zkt_admission *admission,
                           const struct zkt_limits *limits, int64_t now_ms,
                           struct zkt_limit_counts *hits, bool *full);
/** The number of connections. */
static inline int64_t zkt__admission_count(
    const struct zkt_admission *admission)
{
    return atomic_load(&admission->connections);
}
/**
 * Removes a connection, and its address if it was counted. @stays: messages of
 * it are in flight that may make instances, and zkt__admission_release will
 * follow.
 */
void zkt__admission_remove(struct zkt_admission *admission,
                           struct zkt_address *address, bool stays);
/** No message of a removed connection is left. Takes NULL. */
void zkt__admission_release(struct zkt_admission *admission,
                            struct zkt_address *address);

/** Counts a connection of the listener of metrics. Returns false if there are
 * too many. */
bool zkt__admission_add_metrics(struct zkt_admission *admission);
void zkt__admission_remove_metrics(struct zkt_admission *admission);

/* ---- handshakes ---- */

/** Ends a handshake of @address, whether it succeeded or failed. Takes NULL and
 * NULL for a connection without a record, and NULL for an address that was not
 * counted. */
void zkt__admission_end_handshake(struct zkt_admission *admission,
                                  struct zkt_handshake *handshake,
                                  struct zkt_address *address);
/**
 * Evicts a handshake if there are more than half_open. Returns true if shard
 * *@shard has to drop its connection.
 */
bool zkt__admission_evict(struct zkt_admission *admission,
                          const struct zkt_limits *limits, uint32_t *shard);
/** Evicts the oldest surplus handshake if there are too many. Returns as
 * zkt__admission_evict. */
bool zkt__admission_evict_surplus(struct zkt_admission *admission,
                                  uint32_t *shard);
/** Returns true if a handshake of @shard was evicted. */
static inline bool zkt__admission_has_evicted(
    const struct zkt_admission *admission, uint32_t shard)
{
    return (atomic_load(&admission->waiting) >> shard & 1) != 0;
}
/** The next evicted handshake of @shard, or NULL. It is the shard's until
 * zkt__admission_end_handshake. */
struct zkt_handshake *zkt__admission_take_evicted(
    struct zkt_admission *admission, uint32_t shard);

/* ---- addresses ---- */

/**
 * Counts a connection of the numeric @address, or of its network if it is IPv6.
 * @handshake, on @shard, may be evicted until it ends, and may be surplus;
 * *@counted is counted until the connection is removed. Returns the count of
 * the address, or 0 if there is no memory. "" is no address: 1 is returned for
 * each of these.
 */
int64_t zkt__admission_count_address(struct zkt_admission *admission,
                                     const char *address,
                                     struct zkt_handshake *handshake,
                                     uint32_t shard,
                                     struct zkt_address **counted);

/**
 * Counts a connection, which counts for *@counted, for the numeric @address in
 * its place. @handshake is its handshake, or NULL if that is over. Returns as
 * zkt__admission_count_address; *@counted stays if there is no memory.
 */
int64_t zkt__admission_move(struct zkt_admission *admission,
                            const char *address,
                            struct zkt_handshake *handshake,
                            struct zkt_address **counted);

/**
 * Counts a session that lasts for a request of HTTP on a counted connection:
 * its instances are charged to the numeric @address, or to
 * that of its network, from now on. @counts: the session counts for the address
 * as well, since its connection counts for none. Returns the count of the
 * address, or 1 if it does not count for it; 0 if there is no memory, or there
 * are too many of these sessions: a connection has one of them, and others that
 * end.
 */
int64_t zkt__admission_add_request(struct zkt_admission *admission,
                                   const struct zkt_limits *limits,
                                   const char *address, bool counts,
                                   struct zkt_address **out);
/** Removes such a session. @stays as for zkt__admission_remove. */
void zkt__admission_remove_request(struct zkt_admission *admission,
                                   struct zkt_address *address, bool counts,
                                   bool stays);

/**
 * Charges an instance to the address of the connection that makes it. Returns
 * false if the address has as many as are allowed. NULL is not charged, and the
 * record of connections without an address may have any number.
 */
bool zkt__admission_charge_instance(struct zkt_admission *admission,
                                    struct zkt_address *address);
/** Refunds an instance that has ended. Takes NULL. */
void zkt__admission_refund_instance(struct zkt_admission *admission,
                                    struct zkt_address *address);

#endif
