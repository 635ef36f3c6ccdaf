/*
 * Powers of ten to 128 bits, for reading numbers and for finding their shortest
 * text where no shorter arithmetic is exact.
 */
#ifndef ZKT_JSON_POW10_H
#define ZKT_JSON_POW10_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ZKT_POW10_MIN = -297,
    ZKT_POW10_MAX = 324
};

/* A 128-bit number with the highest bit set. */
struct zkt_pow10 {
    uint64_t high, low;
    bool exact; /* false: rounded up */
};

/** Returns (high, low) with 10^@power = (high, low) *
 * 2^(zkt__pow10_log2(@power) - 127), for powers from ZKT_POW10_MIN to
 * ZKT_POW10_MAX. */
struct zkt_pow10 zkt__pow10(int power);

/** x / 2^@by, rounded down; relies on arithmetic right shifts. */
static inline int zkt__shift_floor(int64_t x, unsigned by)
{
    return (int)(x >> by);
}

/** Returns the exponent of the highest power of two that is at most
 * 10^@power. */
static inline int zkt__pow10_log2(int power)
{
    return zkt__shift_floor((int64_t)power * 1741647, 19);
}

/** Multiplies two words; returns the lower half, and the upper half in
 * *@high. */
static inline uint64_t zkt__multiply_128(uint64_t a, uint64_t b, uint64_t *high)
{
    const uint64_t a0 = (uint32_t)a, a1 = a >> 32;
    const uint64_t b0 = (uint32_t)b, b1 = b >> 32;
    const uint64_t low = a0 * b0;
    const uint64_t one = a1 * b0 + (low >> 32);
    const uint64_t other = a0 * b1 + (uint32_t)one;
    *high = a1 * b1 + (one >> 32) + (other >> 32);
    return other << 32 | (uint32_t)low;
}

#endif
