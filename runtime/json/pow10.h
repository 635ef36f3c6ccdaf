/*
 * Powers of ten to 128 bits, for numbers of which no shorter arithmetic is
 * exact: reading one, and finding the shortest text of one.
 */
#ifndef ZKT_JSON_POW10_H
#define ZKT_JSON_POW10_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ZKT_POW10_MIN = -297,
    ZKT_POW10_MAX = 324
};

/* 128 bits, of which the highest is set. */
struct zkt_pow10 {
    uint64_t high, low;
    bool exact; /* else it is rounded up */
};

/** 10^@power = (high, low) * 2^(zkt__pow10_log2(@power) - 127), from
 * ZKT_POW10_MIN to ZKT_POW10_MAX. */
struct zkt_pow10 zkt__pow10(int power);

/** x / 2^@by, rounded down: what compilers make of a shift to the right. */
static inline int zkt__shift_floor(int64_t x, unsigned by)
{
    return (int)(x >> by);
}

/** The exponent of the highest power of two that is at most 10^@power. */
static inline int zkt__pow10_log2(int power)
{
    return zkt__shift_floor((int64_t)power * 1741647, 19);
}

/** The product of two words, the upper half in *@high. */
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
