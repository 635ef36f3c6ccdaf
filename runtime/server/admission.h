/*
 * Who may become a connection: how many are in their handshake, how many have
 * come in this second, how many there are, and how many of one address. The
 * first two make accepting wait, so that the system's queue holds what comes;
 * the last two are answered. Addresses are counted only if that limit is set.
 * All threads of a server count in one of these, under its lock.
 */
#ifndef ZKT_SERVER_ADMISSION_H
#define ZKT_SERVER_ADMISSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/index.h"
#include "base/slots.h"
#include "zocket/limits.h"

struct zkt_address;

struct zkt_admission {
    atomic_bool held; /* accepting waits */
    pthread_mutex_t lock;
    /* All of these under the lock. */
    int64_t connections;
    int64_t half_open;      /* of them, in their handshake */
    int64_t second_ends;    /* of the second that is counted in */
    int64_t in_second;      /* accepted in it */
    struct zkt_slots slots; /* addresses that have connections */
    struct zkt_index index;
    struct zkt_hash_key key;
};

/** @key hashes addresses. False: the system has no lock for it. */
bool zkt__admission_init(struct zkt_admission *admission,
                         const struct zkt_allocator *allocator,
                         const struct zkt_hash_key *key);
void zkt__admission_finish(struct zkt_admission *admission);

/** Whether one more may come now; counts in @reached when that ends. */
bool zkt__admission_is_open(struct zkt_admission *admission,
                            const struct zkt_limits *limits, int64_t now_ms,
                            struct zkt_limit_counts *reached);
/** When it may again, if it is time that it waits for; INT64_MAX. */
int64_t zkt__admission_due(struct zkt_admission *admission,
                           const struct zkt_limits *limits);
/** One has come, and begins its handshake. How many there are now. */
int64_t zkt__admission_enter(struct zkt_admission *admission,
                             const struct zkt_limits *limits, int64_t now_ms);
/** How many there are. */
int64_t zkt__admission_count(struct zkt_admission *admission);
/** A handshake is over, in whatever way. */
void zkt__admission_shake_hands(struct zkt_admission *admission);
/** One is gone, and its address, if it was counted for one. */
void zkt__admission_leave(struct zkt_admission *admission,
                          struct zkt_address *address);

/**
 * One more of the numeric @address, or of its network if it is of IPv6; *@out
 * is to be let go when it leaves. Returns how many there are of it, or 0: no
 * memory.
 */
int64_t zkt__admission_take_address(struct zkt_admission *admission,
                                    const char *address,
                                    struct zkt_address **out);

#endif
