/*
 * Tokens: "USER.ROLE.EXPIRES.SIGNATURE". The signature is HMAC-SHA256 (RFC
 * 2104) of the part before it, in hex. A client can read its token, but neither
 * make nor change one, since it does not know the key.
 */
#ifndef AUTH_TOKEN_H
#define AUTH_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TOKEN_KEY_BYTES 32
#define TOKEN_MAX       160 /* bytes of a token, with its NUL */

struct token_key {
    unsigned char bytes[TOKEN_KEY_BYTES];
};

/** The content of a token. */
struct token {
    char user[33];
    char role[16];
    int64_t expires; /* milliseconds since the epoch */
};

enum token_result {
    TOKEN_GOOD,
    TOKEN_BAD,
    TOKEN_EXPIRED
};

/** Reads a key from the file that the environment variable AUTH_KEY_FILE names.
 * Returns false, after a line on standard error, if there is none. */
bool token_read_key(struct token_key *out);

/** Writes a signed token to @text. Returns false if OpenSSL fails, or if user
 * or role have other characters than letters, digits, '-' and '_'. */
bool token_sign(const struct token_key *key, const struct token *token,
                char text[TOKEN_MAX]);

/** Checks the signature of a token and its time, and stores its content. */
enum token_result token_check(const struct token_key *key, const char *text,
                              size_t len, int64_t now_ms, struct token *out);

#endif
