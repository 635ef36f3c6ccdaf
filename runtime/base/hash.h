/*
 * SipHash-1-3 with a random key, for maps whose keys clients choose: without
 * the key nobody can make keys collide. (Aumasson and Bernstein, "SipHash: a
 * fast short-input PRF"; 1-3 is the variant that hash tables use.)
 */
#ifndef ZKT_BASE_HASH_H
#define ZKT_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct zkt_hash_key {
    uint64_t k0, k1;
};

uint64_t zkt__hash(const struct zkt_hash_key *key, const void *data,
                   size_t len);

/**
 * SipHash-2-4: a pseudo-random function, used with a secret key and a counter
 * to make ids that nobody can guess.
 */
uint64_t zkt__prf(const struct zkt_hash_key *key, const void *data, size_t len);

#endif
