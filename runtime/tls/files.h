/*
 * The PEM files of certificates and keys. Only regular files are read: one that
 * waits for somebody, such as a FIFO, would stop the loop that reads it.
 */
#ifndef ZKT_TLS_FILES_H
#define ZKT_TLS_FILES_H

#include <openssl/evp.h>
#include <openssl/x509.h>

/*
 * Both return NULL after a failure, which *@reason tells: a static text, or
 * NULL if OpenSSL's queue of errors has it.
 */

/** Reads all certificates of a file, of which there is at least one, in their
 * order. The caller frees them. */
STACK_OF(X509) *
    zkt__tls_file_certificates(const char *file, const char **reason);
/** Reads the first private key of a file; it may not have a password. */
EVP_PKEY *zkt__tls_file_key(const char *file, const char **reason);

#endif
