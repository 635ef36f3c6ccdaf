/*
 * The OpenSSL contexts of a server or a client: certificates, keys, authorities
 * and the rules of the protocol. They never change; reading the files again
 * makes others, and streams keep those that they began with.
 */
#ifndef ZKT_TLS_CREDENTIALS_H
#define ZKT_TLS_CREDENTIALS_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "tls/tickets.h"
#include "zocket/tls.h"

/* The files and rules, as options or a command line name them. */
struct zkt_tls_settings {
    bool is_client;
    struct zkt_tls_certificate certificates[ZKT_TLS_CERTIFICATES_MAX];
    size_t count;
    const char *ca; /* of the other side, or NULL */
    bool optional;  /* server: no certificate is needed */
    bool insecure;  /* client: any certificate is accepted */
};

struct zkt_tls_credentials {
    _Atomic(uint32_t) refs;
    const struct zkt_allocator *allocator;
    size_t count;
    SSL_CTX *all[]; /* one for each certificate; a client has one */
};

/* Takes a text for people. */
struct zkt_tls_report {
    void (*call)(void *user, const char *text); /* or NULL */
    void *user;
};

/** Reads the files. Returns credentials with one reference, or NULL after a
 * report. */
struct zkt_tls_credentials *zkt__tls_credentials_read(
    const struct zkt_tls_settings *settings, struct zkt_tickets *tickets,
    const struct zkt_allocator *allocator, const struct zkt_tls_report *report);
void zkt__tls_credentials_unref(struct zkt_tls_credentials *credentials);

/** Returns the context of the first certificate for @host, a name or a numeric
 * address, or NULL. */
SSL_CTX *zkt__tls_credentials_find(
    const struct zkt_tls_credentials *credentials, const char *host);

#endif
