/*
 * The innermost loops of reading: where text ends, and what is white space.
 * They look past the end of the text, which has zeros behind it.
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

/* The first byte that is no plain character of a string: a quote, a
 * backslash, a control character, or the zero behind the text. */
static inline char *zkt__scan_plain(char *at)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i escape = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    for (;;) {
        const __m128i x = _mm_loadu_si128((const __m128i *)(const void *)at);
        const __m128i stop = _mm_or_si128(
            _mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, escape)),
            _mm_cmpeq_epi8(_mm_min_epu8(x, control), x));
        const unsigned mask = (unsigned)_mm_movemask_epi8(stop);
        if (mask != 0) {
            return at + __builtin_ctz(mask);
        }
        at += 16;
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
    while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') {
        at++;
    }
    return at;
}

#endif
