/*
 * Certificates that a program issues to itself, for tests that run no openssl,
 * and random numbers that are the same in each run. The program defines
 * OPENSSL_SUPPRESS_DEPRECATED before its first header, for
 * RAND_set_rand_method.
 */
#ifndef ISSUE_H
#define ISSUE_H

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct issued {
    X509 *certificate;
    EVP_PKEY *key;
};

static uint64_t issue_counter;

static int issue_count(unsigned char *out, int len)
{
    for (int i = 0; i < len; i++) {
        issue_counter = issue_counter * 6364136223846793005u +
                        1442695040888963407u;
        out[i] = (unsigned char)(issue_counter >> 56);
    }
    return 1;
}

static int issue_is_ready(void)
{
    return 1;
}

/* Lets OpenSSL take its random numbers from a counter; issue_counter sets it.
 */
static inline bool issue_fixed_random(void)
{
    static const RAND_METHOD method = { .bytes = issue_count,
                                        .pseudorand = issue_count,
                                        .status = issue_is_ready };
    return RAND_set_rand_method(&method) == 1;
}

static inline bool issue_extension(X509 *to, X509V3_CTX *context, int nid,
                                   const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, context, nid, value);
    const bool good = extension != NULL && X509_add_ext(to, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

/* Issues a certificate of an authority, for a host as well, to @name; signed by
 * @by, or NULL: by itself. Returns false if that fails. */
static inline bool issue(struct issued *out, const char *name,
                         const struct issued *by)
{
    X509V3_CTX context;
    *out = (struct issued){ X509_new(), EVP_EC_gen("P-256") };
    by = by != NULL ? by : out;
    X509V3_set_ctx(&context, by->certificate, out->certificate, NULL, NULL, 0);
    X509_NAME *subject = X509_get_subject_name(out->certificate);
    char names[80];
    snprintf(names, sizeof(names), "DNS:%s", name);
    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                      (const unsigned char *)name, -1, -1,
                                      0) == 1 &&
           X509_set_version(out->certificate, X509_VERSION_3) == 1 &&
           X509_set_issuer_name(out->certificate,
                                X509_get_subject_name(by->certificate)) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(out->certificate), -86400) !=
               NULL &&
           X509_gmtime_adj(X509_getm_notAfter(out->certificate), 31536000) !=
               NULL &&
           X509_set_pubkey(out->certificate, out->key) == 1 &&
           issue_extension(out->certificate, &context, NID_basic_constraints,
                           "critical,CA:TRUE") &&
           issue_extension(out->certificate, &context, NID_subject_alt_name,
                           names) &&
           X509_sign(out->certificate, by->key, EVP_sha256()) > 0;
}

static inline void issue_free(struct issued *issued)
{
    X509_free(issued->certificate);
    EVP_PKEY_free(issued->key);
}

/* Writes certificate and key into a new file; @path ends in XXXXXX. */
static inline bool issue_write(const struct issued *issued, char *path)
{
    const int fd = mkstemp(path);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    const bool good = file != NULL &&
                      PEM_write_X509(file, issued->certificate) == 1 &&
                      PEM_write_PrivateKey(file, issued->key, NULL, NULL, 0,
                                           NULL, NULL) == 1;
    return file != NULL && fclose(file) == 0 && good;
}

#endif
