/* Base64 (RFC 4648, section 4): padded; only the canonical form is accepted, so
 * that equal bytes have equal text. */
#ifndef ZKT_BASE_BASE64_H
#define ZKT_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Length of the text for @len bytes. */
#define ZKT_BASE64_LEN(len) (((len) + 2) / 3 * 4)

/** Writes ZKT_BASE64_LEN(@len) characters without a NUL; returns their
 * number. */
size_t zkt__base64(const uint8_t *data, size_t len, char *out);

/**
 * Decodes @len characters into @out, which may overlap @text at its begin.
 * Returns false if the text is not base64, or not canonical (section 3.5).
 */
bool zkt__base64_read(const char *text, size_t len, uint8_t *out,
                      size_t *out_len);

/* The value of a character that is no digit: no digit has this bit. */
#define ZKT_BASE64_NO_DIGIT 64

/** The values of the digits. */
extern const uint8_t zkt__base64_digits[256];

#endif
