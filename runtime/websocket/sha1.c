/* SHA-1, small: nothing of the handshake is worth a dependency. */
#include <string.h>

#include "websocket/handshake.h"

static uint32_t rotate(uint32_t x, unsigned by)
{
    return x << by | x >> (32 - by);
}

/* FIPS 180-4, section 6.1.2, for one block of 64 bytes. */
static void add_block(uint32_t hash[5], const uint8_t *block)
{
    uint32_t w[80];
    for (size_t t = 0; t < 16; t++) {
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
               (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
    }
    for (size_t t = 16; t < 80; t++) {
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    }
    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];
    for (size_t t = 0; t < 80; t++) {
        uint32_t f, k;
        if (t < 20) {
            f = (b & c) | (~b & d);
            k = 0x5a827999;
        } else if (t < 40) {
            f = b ^ c ^ d;
            k = 0x6ed9eba1;
        } else if (t < 60) {
            f = (b & c) | (b & d) | (c & d);
            k = 0x8f1bbcdc;
        } else {
            f = b ^ c ^ d;
            k = 0xca62c1d6;
        }
        const uint32_t next = rotate(a, 5) + f + e + k + w[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    hash[0] += a;
    hash[1] += b;
    hash[2] += c;
    hash[3] += d;
    hash[4] += e;
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
    /* The rest, a one bit, zeros, and the length in bits. */
    uint8_t tail[128] = { 0 };
    const size_t size = left < 56 ? 64 : 128;
    if (left > 0) {
        memcpy(tail, at, left);
    }
    tail[left] = 0x80;
    const uint64_t bits = (uint64_t)len * 8;
    for (size_t i = 0; i < 8; i++) {
        tail[size - 1 - i] = (uint8_t)(bits >> 8 * i);
    }
    for (size_t i = 0; i < size; i += 64) {
        add_block(hash, tail + i);
    }
    for (size_t i = 0; i < ZKT_SHA1_SIZE; i++) {
        digest[i] = (uint8_t)(hash[i / 4] >> (24 - 8 * (i % 4)));
    }
}
