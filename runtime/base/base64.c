/* See base64.h. */
#include "base/base64.h"

/* Writes three bytes as four digits. */
static inline void write_group(const uint8_t data[3], char out[4])
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    out[0] = digits[data[0] >> 2];
    out[1] = digits[(data[0] << 4 | data[1] >> 4) & 63];
    out[2] = digits[(data[1] << 2 | data[2] >> 6) & 63];
    out[3] = digits[data[2] & 63];
}

size_t zkt__base64(const uint8_t *data, size_t len, char *out)
{
    char *to = out;
    for (; len >= 3; len -= 3) {
        write_group(data, to);
        data += 3;
        to += 4;
    }
    if (len > 0) {
        const uint8_t rest[3] = { data[0], len > 1 ? data[1] : 0, 0 };
        write_group(rest, to);
        to[2] = len > 1 ? to[2] : '=';
        to[3] = '=';
        to += 4;
    }
    return (size_t)(to - out);
}

enum {
    NO_DIGIT = 64
};

static uint32_t digit_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return (uint32_t)(c - 'A');
    }
    if (c >= 'a' && c <= 'z') {
        return (uint32_t)(c - 'a') + 26;
    }
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0') + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : NO_DIGIT;
}

/* Reads @count digits into the high bits of 24. Returns false if a character is
 * no digit. */
static bool read_group(const char *text, size_t count, uint32_t *bits)
{
    *bits = 0;
    for (size_t i = 0; i < 4; i++) {
        const uint32_t digit = i < count ? digit_of(text[i]) : 0;
        if (digit == NO_DIGIT) {
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
