/*
 * Who may become a connection: how many are in their handshake, how many have
 * come in this second, how many there are, and how many of one address. The
 * first two make accepting wait, so that the system's queue holds what comes;
 * the last two are answered. Addresses are counted only if that limit is set.
 */
#ifndef ZKT_SERVER_ADMISSION_H
#define ZKT_SERVER_ADMISSION_H

#include <stdbool.h>

#include "base/index.h"
#include "base/slots.h"
#include "zocket/limits.h"

struct zkt_address;

struct zkt_admission {
    int64_t half_open;      /* connections in their handshake */
    int64_t second_ends;    /* of the second that is counted in */
    int64_t in_second;      /* accepted in it */
    bool held;              /* accepting waits */
    struct zkt_slots slots; /* addresses that have connections */
    struct zkt_index index;
    struct zkt_hash_key key;
};

/** @key hashes addresses. */
void zkt__admission_init(struct zkt_admission *admission,
                         const struct zkt_allocator *allocator,
                         const struct zkt_hash_key *key);
void zkt__admission_finish(struct zkt_admission *admission);

/** Whether one more may come now; counts in @reached when that ends. */
bool zkt__admission_is_open(struct zkt_admission *admission,
                            const struct zkt_limits *limits, int64_t now_ms,
                            struct zkt_limit_counts *reached);
/** When it may again, if it is time that it waits for; INT64_MAX. */
int64_t zkt__admission_due(const struct zkt_admission *admission,
                           const struct zkt_limits *limits);
/** One has come. */
void zkt__admission_count(struct zkt_admission *admission,
                          const struct zkt_limits *limits, int64_t now_ms);

/**
 * One more of the numeric @address, or of its network if it is of IPv6; *@out
 * is to be let go when it leaves. False: no memory.
 */
bool zkt__address_take(struct zkt_admission *admission,
                       const struct zkt_allocator *allocator,
                       const char *address, struct zkt_address **out);
/** How many there are of it. */
int64_t zkt__address_count(const struct zkt_address *address);
/** Takes NULL. */
void zkt__address_leave(struct zkt_admission *admission,
                        const struct zkt_allocator *allocator,
                        struct zkt_address *address);

#endif
