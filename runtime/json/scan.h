/*
 * The innermost loops of the reader: finding the end of a string, and skipping
 * white space. They read past the end of the text, which must be followed by
 * zeros.
 */
#ifndef ZKT_JSON_SCAN_H
#define ZKT_JSON_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool zkt__is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

#ifdef __SSE2__
/*
 * Gives zero for each byte that is not plain: a quote differs from 0x20 in a
 * single bit, so with that bit flipped it is at most 0x20, as control
 * characters are.
 */
static inline __m128i zkt__mark_plain(const char *at)
{
    const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)at);
    const __m128i low = _mm_subs_epu8(_mm_xor_si128(x, _mm_set1_epi8(2)),
                                      _mm_set1_epi8(0x20));
    return _mm_min_epu8(low, _mm_xor_si128(x, _mm_set1_epi8('\\')));
}

static inline unsigned zkt__zero_bytes(__m128i x)
{
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_setzero_si128()));
}
#endif

/* Returns the first byte that is not plain: a quote, a backslash, a control
 * character, or the zero behind the text. Reads at most ZKT_PADDING bytes past
 * it. */
static inline char *zkt__scan_plain(char *at)
{
#ifdef __SSE2__
    unsigned stop = zkt__zero_bytes(zkt__mark_plain(at));
    if (stop != 0) {
        return at + __builtin_ctz(stop);
    }
    for (at += 16;; at += 32) {
        const __m128i first = zkt__mark_plain(at);
        const __m128i second = zkt__mark_plain(at + 16);
        if (zkt__zero_bytes(_mm_min_epu8(first, second)) != 0) {
            stop = zkt__zero_bytes(first) | zkt__zero_bytes(second) << 16;
            return at + __builtin_ctz(stop);
        }
    }
#else
    while (zkt__is_plain((unsigned char)*at)) {
        at++;
    }
    return at;
#endif
}

static inline char *zkt__skip_space(char *at)
{
    while ((unsigned char)*at <= ' ' &&
           (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) {
        at++;
    }
    return at;
}

#endif
