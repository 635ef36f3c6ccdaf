/*
 * Random bits for ids and masks: SipHash-2-4 of a counter under a secret key,
 * so that ids reveal nothing about each other. Each server and client has its
 * own state.
 */
#ifndef ZKT_BASE_RANDOM_H
#define ZKT_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/hash.h"

#define ZKT_SEED_SIZE 32

struct zkt_random {
    struct zkt_hash_key key;
    uint64_t counter;
};

/**
 * Seeds from ZKT_SEED_SIZE bytes, or from the system if @seed is NULL; also
 * derives an independent key for hashing. Returns false if the system has no
 * randomness.
 */
bool zkt__random_init(struct zkt_random *random, struct zkt_hash_key *hash_key,
                      const uint8_t *seed);

uint64_t zkt__random_next(struct zkt_random *random);

/** Writes 2 * @bytes random hex digits, in lower case, and a NUL. */
void zkt__random_hex(struct zkt_random *random, char *out, size_t bytes);

#endif
