/*
 * SipHash-1-3 with a random key, for maps with keys from clients: without the
 * key, collisions cannot be constructed. (Aumasson and Bernstein, "SipHash: a
 * fast short-input PRF"; 1-3 is the variant for hash tables.)
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
 * SipHash-2-4: a pseudo-random function; with a secret key and a counter it
 * makes unpredictable ids.
 */
uint64_t zkt__prf(const struct zkt_hash_key *key, const void *data, size_t len);
/** The variant with 128 bits. */
void zkt__prf_128(const struct zkt_hash_key *key, const void *data, size_t len,
                  uint64_t out[2]);

#endif
