/*
 * Incremental UTF-8 validation (RFC 3629), for any split of the input: no
 * overlong forms, no surrogates, nothing past U+10FFFF. ASCII is skipped eight
 * bytes at a time.
 */
#ifndef ZKT_BASE_UTF8_H
#define ZKT_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: at the start of a character. */
struct zkt_utf8 {
    uint8_t need;   /* missing continuation bytes */
    uint8_t lo, hi; /* bounds of the next byte */
};

/** Feeds more bytes. Returns false if the text is invalid. */
bool zkt__utf8_feed(struct zkt_utf8 *state, const void *bytes, size_t len);

/** Returns true if the text is valid and complete. */
bool zkt__utf8_valid(const void *bytes, size_t len);

/** Returns the length of as much of a text as fits into @max bytes and ends
 * behind a whole character; 0 if that is not UTF-8. */
size_t zkt__utf8_cut(const char *text, size_t len, size_t max);

/** Returns the number of code points in valid UTF-8. */
size_t zkt__utf8_count(const void *bytes, size_t len);

#endif
