/* See base64.h. */
#include "base/base64.h"

/* Writes 24 bits as four digits. */
static inline void write_group(uint32_t bits, char out[4])
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out[0] = digits[bits >> 18];
    out[1] = digits[bits >> 12 & 63];
    out[2] = digits[bits >> 6 & 63];
    out[3] = digits[bits & 63];
}

/* Reads a big-endian word. */
static inline uint32_t load(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
           (uint32_t)at[2] << 8 | at[3];
}

size_t zkt__base64(const uint8_t *data, size_t len, char *out)
{
    char *to = out;
    /* A word is loaded at once, of which the last byte is another group's. */
    for (; len > 3; len -= 3) {
        write_group(load(data) >> 8, to);
        data += 3;
        to += 4;
    }
    if (len > 0) {
        const uint8_t rest[4] = { data[0], len > 1 ? data[1] : 0,
                                  len > 2 ? data[2] : 0, 0 };
        write_group(load(rest) >> 8, to);
        to[2] = len > 1 ? to[2] : '=';
        to[3] = len > 2 ? to[3] : '=';
        to += 4;
    }
    return (size_t)(to - out);
}

#define N ZKT_BASE64_NO_DIGIT
const uint8_t zkt__base64_digits[256] = {
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* 0x00 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* 0x10 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  62, N,  N,  N,  63, /* 0x20 */
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, N,  N,  N,  N,  N,  N,  /* 0x30 */
    N,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, /* 0x40 */
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, N,  N,  N,  N,  N,  /* 0x50 */
    N,  26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, /* 0x60 */
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, N,  N,  N,  N,  N,  /* 0x70 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* 0x80 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* 0x90 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* 0xa0 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* 0xb0 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* 0xc0 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* 0xd0 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* 0xe0 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* 0xf0 */
};
#undef N

/* Reads @count digits into the high bits of 24. Returns false if a character is
 * no digit. */
static bool read_group(const char *text, size_t count, uint32_t *bits)
{
    *bits = 0;
    for (size_t i = 0; i < 4; i++) {
        const uint32_t digit = i < count
                                   ? zkt__base64_digits[(unsigned char)text[i]]
                                   : 0;
        if (digit == ZKT_BASE64_NO_DIGIT) {
            return false;
        }
        *bits = *bits << 6 | digit;
    }
    return true;
}

bool zkt__base64_read(const char *text, size_t len, uint8_t *out,
                      size_t *out_len)
{
    *out_len = 0;
    if (len % 4 != 0) {
        return false;
    }
    for (size_t i = 0; i < len; i += 4) {
        const bool last = i + 4 == len;
        const size_t digits = !last || text[i + 3] != '=' ? 4
                              : text[i + 2] != '='        ? 3
                                                          : 2;
        uint32_t bits;
        if (!read_group(text + i, digits, &bits)) {
            return false;
        }
        const size_t bytes = digits - 1;
        /* Padding bits must be zero. */
        if ((bits & (0xffffffu >> 8 * bytes)) != 0) {
            return false;
        }
        for (size_t b = 0; b < bytes; b++) {
            out[(*out_len)++] = (uint8_t)(bits >> (16 - 8 * b));
        }
    }
    return true;
}
