/*
 * SHA-1 of a handshake's key and GUID, 60 bytes that are mostly constant: two
 * functions of it are not worth a dependency.
 */
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

/* Adds a block to the hash: its words @w, with the constants @k. */
static inline void mix(uint32_t hash[5], const uint32_t w[80],
                       const uint32_t k[4])
{
    uint32_t h[5];
    memcpy(h, hash, sizeof(h));
    run(h, w, choose, k[0]);
    run(h, w + 20, parity, k[1]);
    run(h, w + 40, majority, k[2]);
    run(h, w + 60, parity, k[3]);
    for (size_t i = 0; i < 5; i++) {
        hash[i] += h[i];
    }
}

/* Fills the words from the sixteenth on (FIPS 180-4, section 6.1.2). */
static inline void extend(uint32_t w[80])
{
    for (size_t t = 16; t < 32; t++) {
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    }
    /* The same by earlier words, so that four at a time are independent. */
    for (size_t t = 32; t < 80; t++) {
        w[t] = rotate(w[t - 6] ^ w[t - 16] ^ w[t - 28] ^ w[t - 32], 2);
    }
}

/* Adds the key and the GUID of RFC 6455, section 1.3, and a 1 bit. */
static void add_key(uint32_t hash[5], const char *key)
{
    enum {
        KEY_WORDS = ZKT_WS_KEY_LEN / 4
    };
    static const uint32_t k[4] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc,
                                   0xca62c1d6 };
#define WORD(a, b, c, d)                                                       \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))
    static const uint32_t guid[16 - KEY_WORDS] = {
        WORD('2', '5', '8', 'E'), WORD('A', 'F', 'A', '5'),
        WORD('-', 'E', '9', '1'), WORD('4', '-', '4', '7'),
        WORD('D', 'A', '-', '9'), WORD('5', 'C', 'A', '-'),
        WORD('C', '5', 'A', 'B'), WORD('0', 'D', 'C', '8'),
        WORD('5', 'B', '1', '1'), WORD(0x80, 0, 0, 0),
    };
#undef WORD
    uint32_t w[80];
    for (size_t t = 0; t < KEY_WORDS; t++) {
        w[t] = load((const uint8_t *)key + 4 * t);
    }
    memcpy(w + KEY_WORDS, guid, sizeof(guid));
    extend(w);
    mix(hash, w, k);
}

/* Adds the block that ends the padding of 60 bytes. */
static void add_padding(uint32_t hash[5])
{
    /* Its words are always the same; each is here with its constant. */
    static const uint32_t padding[80] = {
        0x5a827999, 0x5a827999, 0x5a827999, 0x5a827999, 0x5a827999, 0x5a827999,
        0x5a827999, 0x5a827999, 0x5a827999, 0x5a827999, 0x5a827999, 0x5a827999,
        0x5a827999, 0x5a827999, 0x5a827999, 0x5a827b79, 0x5a827999, 0x5a827999,
        0x5a827d59, 0x5a827999, 0x6ed9eba1, 0x6ed9f321, 0x6ed9eba1, 0x6ed9ef61,
        0x6ed9faa1, 0x6ed9eba1, 0x6ed9eba1, 0x6eda09a1, 0x6ed9eba1, 0x6ed9f861,
        0x6eda27a1, 0x6ed9efe1, 0x6ed9eba1, 0x6eda63a1, 0x6ed9faa1, 0x6eda1ea1,
        0x6edadba1, 0x6ed9faa1, 0x6ed9eba1, 0x6edbdaa1, 0x8f1bbcdc, 0x8f1c88dc,
        0x8f1f7cdc, 0x8f1c005c, 0x8f1bbcdc, 0x8f234bdc, 0x8f1cbbdc, 0x8f1ee35c,
        0x8f2abcdc, 0x8f1cacdc, 0x8f1befdc, 0x8f3abbdc, 0x8f1bbcdc, 0x8f2874dc,
        0x8f57bcdc, 0x8f1fc7dc, 0x8f1cacdc, 0x8f94bbdc, 0x8f2bacdc, 0x8f4f43dc,
        0xcb52c1d6, 0xca7284d6, 0xca63b1d6, 0xcc527cd6, 0xca62c1d6, 0xcb2ec1d6,
        0xce23b1d6, 0xcaa641d6, 0xca62c1d6, 0xd1f1c1d6, 0xcb61c1d6, 0xcd895fd6,
        0xd962c1d6, 0xcb53b1d6, 0xca95fdd6, 0xe96249d6, 0xca62c1d6, 0xd71b49d6,
        0x0663b1d6, 0xce6d0bd6,
    };
    static const uint32_t k[4] = { 0 };
    mix(hash, padding, k);
}

void zkt__sha1_of_key(const char *key, uint8_t digest[ZKT_SHA1_SIZE])
{
    uint32_t hash[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
                         0xc3d2e1f0 };
    add_key(hash, key);
    add_padding(hash);
    for (size_t i = 0; i < 5; i++) {
        store(digest + 4 * i, hash[i]);
    }
}
