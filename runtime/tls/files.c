/*
 * See files.h. A file is opened without waiting, and its type is that of the
 * open descriptor, so that nobody can put another file in its place in between.
 */
#include "tls/files.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Returns a descriptor that the caller closes, or -1. */
static int open_regular(const char *file, const char **reason)
{
    struct stat status;
    const int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) != 0) {
        *reason = strerror(errno);
    } else if (!S_ISREG(status.st_mode)) {
        *reason = "it is no regular file";
    } else {
        return fd;
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return -1;
}

static BIO *open_file(const char *file, const char **reason)
{
    *reason = NULL;
    const int fd = open_regular(file, reason);
    FILE *stream = fd >= 0 ? fdopen(fd, "r") : NULL;
    BIO *bio = stream != NULL ? BIO_new_fp(stream, BIO_CLOSE) : NULL;
    if (bio == NULL && stream != NULL) {
        (void)fclose(stream);
    } else if (stream == NULL && fd >= 0) {
        *reason = strerror(errno);
        (void)close(fd);
    }
    return bio;
}

/* A server does not ask for passwords on its terminal. */
static int no_password(char *buffer, int size, int writes, void *user)
{
    (void)buffer;
    (void)size;
    (void)writes;
    (void)user;
    return 0;
}

/* Returns true if the last attempt to read has found the end of the file. */
static bool is_at_end(void)
{
    return ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_PEM &&
           ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

/* Appends the certificates of @bio. Returns false if one is damaged, if there
 * is none, or no memory. */
static bool read_all(BIO *bio, STACK_OF(X509) * to)
{
    X509 *certificate;
    while ((certificate = PEM_read_bio_X509_AUX(bio, NULL, no_password,
                                                NULL)) != NULL) {
        if (sk_X509_push(to, certificate) <= 0) {
            X509_free(certificate);
            return false;
        }
    }
    if (sk_X509_num(to) == 0 || !is_at_end()) {
        return false;
    }
    ERR_clear_error();
    return true;
}

STACK_OF(X509) *
    zkt__tls_file_certificates(const char *file, const char **reason)
{
    BIO *bio = open_file(file, reason);
    STACK_OF(X509) *certificates = bio != NULL ? sk_X509_new_null() : NULL;
    if (certificates != NULL && !read_all(bio, certificates)) {
        sk_X509_pop_free(certificates, X509_free);
        certificates = NULL;
    }
    BIO_free(bio);
    return certificates;
}

EVP_PKEY *zkt__tls_file_key(const char *file, const char **reason)
{
    BIO *bio = open_file(file, reason);
    EVP_PKEY *key = bio != NULL
                        ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)
                        : NULL;
    BIO_free(bio);
    return key;
}
