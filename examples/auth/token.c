#include "token.h"

#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE_BYTES 32
#define SIGNATURE_CHARS ((size_t)2 * SIGNATURE_BYTES)

bool token_read_key(struct token_key *out)
{
    const char *name = getenv("AUTH_KEY_FILE");
    FILE *file = name != NULL ? fopen(name, "rb") : NULL;
    const bool is_read = file != NULL && fread(out->bytes, 1, TOKEN_KEY_BYTES,
                                               file) == TOKEN_KEY_BYTES;
    if (file != NULL) {
        (void)fclose(file);
    }
    if (!is_read) {
        fprintf(stderr, "AUTH_KEY_FILE must name a file of %d random bytes\n",
                TOKEN_KEY_BYTES);
    }
    return is_read;
}

/* Writes the signature of a text in hex, with a NUL. Returns false if OpenSSL
 * fails. */
static bool sign(const struct token_key *key, const char *text, size_t len,
                 char out[SIGNATURE_CHARS + 1])
{
    unsigned char mac[SIGNATURE_BYTES];
    size_t written = 0;
    return EVP_Q_mac(NULL, "HMAC", NULL, "SHA256", NULL, key->bytes,
                     TOKEN_KEY_BYTES, (const unsigned char *)text, len, mac,
                     sizeof(mac), &written) != NULL &&
           OPENSSL_buf2hexstr_ex(out, SIGNATURE_CHARS + 1, NULL, mac, written,
                                 '\0') == 1;
}

static bool is_word(const char *text)
{
    return text[0] != '\0' && text[strspn(text, "abcdefghijklmnopqrstuvwxyz"
                                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                "0123456789-_")] == '\0';
}

bool token_sign(const struct token_key *key, const struct token *token,
                char text[TOKEN_MAX])
{
    if (!is_word(token->user) || !is_word(token->role)) {
        return false;
    }
    const int len = snprintf(text, TOKEN_MAX, "%s.%s.%" PRId64 ".", token->user,
                             token->role, token->expires);
    /* 32 + 15 + 20 characters, 3 dots and the signature fit. */
    return len > 0 && sign(key, text, (size_t)len - 1, text + len);
}

enum token_result token_check(const struct token_key *key, const char *text,
                              size_t len, int64_t now_ms, struct token *out)
{
    char content[TOKEN_MAX], signature[SIGNATURE_CHARS + 1];
    if (len <= SIGNATURE_CHARS || len >= TOKEN_MAX) {
        return TOKEN_BAD;
    }
    const size_t content_len = len - SIGNATURE_CHARS - 1;
    const char *given = text + content_len + 1;
    memcpy(content, text, content_len);
    content[content_len] = '\0';
    /* Only signed text is read, and no time tells how much of a wrong signature
     * is right. */
    if (text[content_len] != '.' ||
        !sign(key, content, content_len, signature) ||
        CRYPTO_memcmp(given, signature, SIGNATURE_CHARS) != 0 ||
        sscanf(content, "%32[^.].%15[^.].%" SCNd64, out->user, out->role,
               &out->expires) != 3) {
        return TOKEN_BAD;
    }
    return now_ms < out->expires ? TOKEN_GOOD : TOKEN_EXPIRED;
}
