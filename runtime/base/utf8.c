/* See utf8.h. The bounds of second bytes are from RFC 3629, section 4. */
#include "base/utf8.h"

#include <string.h>

#define HIGH_BITS 0x8080808080808080u

/* Returns the number of leading ASCII bytes, in steps of eight. */
static size_t skip_ascii(const uint8_t *at, size_t len)
{
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, at + i, sizeof(word));
        if ((word & HIGH_BITS) != 0) {
            break;
        }
    }
    return i;
}

/* Reads the first byte of a character. Returns false if it is invalid. */
static bool begin(struct zkt_utf8 *s, uint8_t byte)
{
    if (byte < 0x80) {
        return true;
    }
    if (byte < 0xc2 || byte > 0xf4) {
        return false;
    }
    s->need = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    s->lo = byte == 0xe0 ? 0xa0 : byte == 0xf0 ? 0x90 : 0x80;
    s->hi = byte == 0xed ? 0x9f : byte == 0xf4 ? 0x8f : 0xbf;
    return true;
}

bool zkt__utf8_feed(struct zkt_utf8 *s, const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    size_t i = 0;
    while (i < len) {
        if (s->need == 0) {
            i += skip_ascii(at + i, len - i);
            if (i < len && !begin(s, at[i++])) {
                return false;
            }
        } else {
            const uint8_t byte = at[i++];
            if (byte < s->lo || byte > s->hi) {
                return false;
            }
            s->lo = 0x80;
            s->hi = 0xbf;
            s->need--;
        }
    }
    return true;
}

bool zkt__utf8_valid(const void *bytes, size_t len)
{
    struct zkt_utf8 state = { 0 };
    return zkt__utf8_feed(&state, bytes, len) && state.need == 0;
}

size_t zkt__utf8_count(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    size_t continuations = 0;
    size_t i = 0;
    for (; i + 8 <= len; i += 8) {
        uint64_t word;
        memcpy(&word, at + i, sizeof(word));
        /* The high bit of each continuation byte (10xxxxxx). */
        const uint64_t marks = word & ~(word << 1) & HIGH_BITS;
        continuations += (size_t)(((marks >> 7) * 0x0101010101010101u) >> 56);
    }
    for (; i < len; i++) {
        continuations += (at[i] & 0xc0) == 0x80;
    }
    return len - continuations;
}

size_t zkt__utf8_cut(const char *text, size_t len, size_t max)
{
    if (len > max) {
        len = max;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    return zkt__utf8_valid(text, len) ? len : 0;
}
