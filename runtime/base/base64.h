/* Base64 (RFC 4648, section 4): padded, and read only in its one canonical
 * form, so that equal bytes have equal text. */
#ifndef ZKT_BASE_BASE64_H
#define ZKT_BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Characters that @len bytes become. */
#define ZKT_BASE64_LEN(len) (((len) + 2) / 3 * 4)

/** Writes ZKT_BASE64_LEN(@len) characters and no NUL; returns how many. */
size_t zkt__base64(const uint8_t *data, size_t len, char *out);

/**
 * Reads @len characters into @out, which may be where they stand. False: they
 * are not base64, or not canonical (section 3.5).
 */
bool zkt__base64_read(const char *text, size_t len, uint8_t *out,
                      size_t *out_len);

#endif
