/*
 * UTF-8 (RFC 3629) checked as it arrives, in any cut: no overlong forms, no
 * surrogates, nothing past U+10FFFF. ASCII goes by eight bytes at a time.
 */
#ifndef ZKT_BASE_UTF8_H
#define ZKT_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed: at the start of a character. */
struct zkt_utf8 {
    uint8_t need;   /* continuation bytes that are still to come */
    uint8_t lo, hi; /* bounds of the next one */
};

/** Takes more bytes; false: this cannot become valid any more. */
bool zkt__utf8_feed(struct zkt_utf8 *state, const void *bytes, size_t len);

/** Whether all of it is valid, and complete. */
bool zkt__utf8_valid(const void *bytes, size_t len);

/** Code points in valid UTF-8. */
size_t zkt__utf8_count(const void *bytes, size_t len);

#endif
