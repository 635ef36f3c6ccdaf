/* See hash.h. Written from the paper's description of SipHash-c-d. */
#include "base/hash.h"

#include <string.h>

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word, unsigned rounds)
{
    s->v3 ^= word;
    for (unsigned i = 0; i < rounds; i++) {
        sip_round(s);
    }
    s->v0 ^= word;
}

/* Reads words in little-endian order on any machine. */
static inline uint64_t load(const unsigned char *at, size_t len)
{
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++) {
        word |= (uint64_t)at[i] << (8 * i);
    }
    return word;
}

enum {
    NARROW = 0,  /* 64 bits */
    WIDE = 0xee, /* 128 bits */
    WIDE_SECOND = 0xdd
};

/* Takes in the whole input. */
static inline struct sip absorb(const struct zkt_hash_key *key,
                                const void *data, size_t len, unsigned rounds,
                                uint64_t width)
{
    const unsigned char *at = data;
    struct sip s = {
        key->k0 ^ 0x736f6d6570736575u,
        key->k1 ^ 0x646f72616e646f6du ^ width,
        key->k0 ^ 0x6c7967656e657261u,
        key->k1 ^ 0x7465646279746573u,
    };
    size_t left = len;
    for (; left >= 8; left -= 8, at += 8) {
        sip_word(&s, load(at, 8), rounds);
    }
    sip_word(&s, load(at, left) | (uint64_t)len << 56, rounds);
    return s;
}

static inline uint64_t squeeze(struct sip *s, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        sip_round(s);
    }
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

static inline uint64_t siphash(const struct zkt_hash_key *key, const void *data,
                               size_t len, unsigned rounds,
                               unsigned final_rounds)
{
    struct sip s = absorb(key, data, len, rounds, NARROW);
    s.v2 ^= 0xff;
    return squeeze(&s, final_rounds);
}

uint64_t zkt__hash(const struct zkt_hash_key *key, const void *data, size_t len)
{
    return siphash(key, data, len, 1, 3);
}

uint64_t zkt__prf(const struct zkt_hash_key *key, const void *data, size_t len)
{
    return siphash(key, data, len, 2, 4);
}

void zkt__prf_128(const struct zkt_hash_key *key, const void *data, size_t len,
                  uint64_t out[2])
{
    struct sip s = absorb(key, data, len, 2, WIDE);
    s.v2 ^= WIDE;
    out[0] = squeeze(&s, 4);
    s.v1 ^= WIDE_SECOND;
    out[1] = squeeze(&s, 4);
}
