/* A small SHA-1: the handshake is not worth a dependency. */
#include <string.h>

#include "websocket/handshake.h"

/* Reads a big-endian word. */
static uint32_t load(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
           (uint32_t)at[2] << 8 | at[3];
}

static void store(uint8_t *at, uint32_t word)
{
    at[0] = (uint8_t)(word >> 24);
    at[1] = (uint8_t)(word >> 16);
    at[2] = (uint8_t)(word >> 8);
    at[3] = (uint8_t)word;
}

static uint32_t rotate(uint32_t x, unsigned by)
{
    return x << by | x >> (32 - by);
}

/* The three functions of FIPS 180-4, section 4.1.1. */
static inline uint32_t choose(uint32_t x, uint32_t y, uint32_t z)
{
    return z ^ (x & (y ^ z));
}

static inline uint32_t parity(uint32_t x, uint32_t y, uint32_t z)
{
    return x ^ y ^ z;
}

static inline uint32_t majority(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) | (z & (x | y));
}

typedef uint32_t mixer(uint32_t x, uint32_t y, uint32_t z);

/* A step. The five words stay in place; the callers rotate their roles. */
static inline void step(uint32_t a, uint32_t *b, uint32_t c, uint32_t d,
                        uint32_t *e, mixer *mix, uint32_t add)
{
    *e += rotate(a, 5) + mix(*b, c, d) + add;
    *b = rotate(*b, 30);
}

/* Twenty steps with a common function and constant. */
static inline void run(uint32_t h[5], const uint32_t *w, mixer *mix, uint32_t k)
{
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (const uint32_t *end = w + 20; w < end; w += 5) {
        step(a, &b, c, d, &e, mix, k + w[0]);
        step(e, &a, b, c, &d, mix, k + w[1]);
        step(d, &e, a, b, &c, mix, k + w[2]);
        step(c, &d, e, a, &b, mix, k + w[3]);
        step(b, &c, d, e, &a, mix, k + w[4]);
    }
    h[0] = a;
    h[1] = b;
    h[2] = c;
    h[3] = d;
    h[4] = e;
}

/* FIPS 180-4, section 6.1.2, for a block of 64 bytes. */
static void add_block(uint32_t hash[5], const uint8_t *block)
{
    uint32_t w[80], h[5];
    for (size_t t = 0; t < 16; t++) {
        w[t] = load(block + 4 * t);
    }
    for (size_t t = 16; t < 80; t++) {
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    }
    memcpy(h, hash, sizeof(h));
    run(h, w, choose, 0x5a827999);
    run(h, w + 20, parity, 0x6ed9eba1);
    run(h, w + 40, majority, 0x8f1bbcdc);
    run(h, w + 60, parity, 0xca62c1d6);
    for (size_t i = 0; i < 5; i++) {
        hash[i] += h[i];
    }
}

void zkt__sha1(const void *data, size_t len, uint8_t digest[ZKT_SHA1_SIZE])
{
    uint32_t hash[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                         0xc3d2e1f0 };
    const uint8_t *at = data;
    size_t left = len;
    for (; left >= 64; left -= 64, at += 64) {
        add_block(hash, at);
    }
    /* The remaining bytes, a 1 bit, zeros, and the length in bits. */
    uint8_t tail[128] = { 0 };
    const size_t size = left < 56 ? 64 : 128;
    if (left > 0) {
        memcpy(tail, at, left);
    }
    tail[left] = 0x80;
    const uint64_t bits = (uint64_t)len * 8;
    store(tail + size - 8, (uint32_t)(bits >> 32));
    store(tail + size - 4, (uint32_t)bits);
    for (size_t i = 0; i < size; i += 64) {
        add_block(hash, tail + i);
    }
    for (size_t i = 0; i < 5; i++) {
        store(digest + 4 * i, hash[i]);
    }
}
