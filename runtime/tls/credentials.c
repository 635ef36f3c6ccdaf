/*
 * See credentials.h. Protocol: TLS 1.2 with ephemeral keys and authenticated
 * ciphers, and TLS 1.3; no renegotiation, no compression, no early data, which
 * an attacker could send again. Sessions are resumed by tickets, so that the
 * server keeps none. Both sides agree on http/1.1 if the client names protocols
 * (RFC 7301).
 */
#include "tls/credentials.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "tls/files.h"

enum {
    CERTIFICATES_SIZE = 32 * 1024, /* of a peer, at most */
    GROUPS_SIZE = 2 + 2 * 128,     /* of a greeting's list of groups, at most */
    TEXT_SIZE = 512
};

static const unsigned char http11[] = "\x08http/1.1";

/* Reports "cannot read the WHAT FILE: REASON". Without @reason it is the oldest
 * error of OpenSSL, which is the most specific. */
static void report_file(const struct zkt_tls_report *report, const char *what,
                        const char *file, const char *reason)
{
    char text[TEXT_SIZE];
    if (reason == NULL) {
        reason = ERR_reason_error_string(ERR_peek_error());
    }
    snprintf(text, sizeof(text), "cannot read the %s %s: %s", what, file,
             reason != NULL ? reason : "it is damaged");
    if (report->call != NULL) {
        report->call(report->user, text);
    }
    ERR_clear_error();
}

static void report_memory(const struct zkt_tls_report *report)
{
    if (report->call != NULL) {
        report->call(report->user, "cannot begin TLS: out of memory");
    }
    ERR_clear_error();
}

/* ---- files ---- */

/* Takes the first certificate as the own one, and the others as its chain. */
static bool use_chain(SSL_CTX *context, STACK_OF(X509) * certificates)
{
    if (SSL_CTX_use_certificate(context, sk_X509_value(certificates, 0)) != 1) {
        return false;
    }
    for (int i = 1; i < sk_X509_num(certificates); i++) {
        if (SSL_CTX_add1_chain_cert(context, sk_X509_value(certificates, i)) !=
            1) {
            return false;
        }
    }
    return true;
}

static bool read_certificate(SSL_CTX *context,
                             const struct zkt_tls_certificate *from,
                             const struct zkt_tls_report *report)
{
    const char *key_file = from->key != NULL ? from->key : from->chain;
    const char *reason;
    STACK_OF(X509) *certificates = zkt__tls_file_certificates(from->chain,
                                                              &reason);
    bool good = certificates != NULL && use_chain(context, certificates);
    sk_X509_pop_free(certificates, X509_free);
    if (!good) {
        report_file(report, "certificate", from->chain, reason);
        return false;
    }
    EVP_PKEY *key = zkt__tls_file_key(key_file, &reason);
    good = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1;
    EVP_PKEY_free(key);
    if (!good) {
        report_file(report, "key", key_file, reason);
    }
    return good;
}

/* Trusts the authorities of a file. */
static bool trust(SSL_CTX *context, STACK_OF(X509) * authorities)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    for (int i = 0; i < sk_X509_num(authorities); i++) {
        if (X509_STORE_add_cert(store, sk_X509_value(authorities, i)) != 1) {
            return false;
        }
    }
    return true;
}

/* Tells clients the names of the authorities (RFC 8446, section 4.2.4). */
static bool name_authorities(SSL_CTX *context, STACK_OF(X509) * authorities)
{
    for (int i = 0; i < sk_X509_num(authorities); i++) {
        if (SSL_CTX_add_client_CA(context, sk_X509_value(authorities, i)) !=
            1) {
            return false;
        }
    }
    return true;
}

/* Sessions of other authorities are not resumed: the context of a session is a
 * digest of the certificates. Their names would not do, since an authority
 * that changes its key keeps its name. */
static bool note_authorities(SSL_CTX *context, STACK_OF(X509) * authorities)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool good = md != NULL && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;
    for (int i = 0; good && i < sk_X509_num(authorities); i++) {
        unsigned char *der = NULL;
        const int size = i2d_X509(sk_X509_value(authorities, i), &der);
        good = size > 0 && EVP_DigestUpdate(md, der, (size_t)size) == 1;
        OPENSSL_free(der);
    }
    good = good && EVP_DigestFinal_ex(md, digest, &len) == 1 &&
           SSL_CTX_set_session_id_context(context, digest, len) == 1;
    EVP_MD_CTX_free(md);
    return good;
}

/* Trusts the authorities of a file: a server those of its clients. */
static bool read_authorities(SSL_CTX *context, const char *file, bool is_client,
                             const struct zkt_tls_report *report)
{
    const char *reason;
    STACK_OF(X509) *authorities = zkt__tls_file_certificates(file, &reason);
    const bool good = authorities != NULL && trust(context, authorities) &&
                      (is_client || (name_authorities(context, authorities) &&
                                     note_authorities(context, authorities)));
    sk_X509_pop_free(authorities, X509_free);
    if (!good) {
        report_file(report, "authorities", file, reason);
    }
    return good;
}

static bool read_client_authorities(SSL_CTX *context,
                                    const struct zkt_tls_settings *settings,
                                    const struct zkt_tls_report *report)
{
    static const unsigned char none[] = "zocket";
    if (settings->ca == NULL) {
        return SSL_CTX_set_session_id_context(context, none,
                                              sizeof(none) - 1) == 1;
    }
    SSL_CTX_set_verify(
        context,
        SSL_VERIFY_PEER |
            (settings->optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
        NULL);
    return read_authorities(context, settings->ca, false, report);
}

static bool read_server_authorities(SSL_CTX *context,
                                    const struct zkt_tls_settings *settings,
                                    const struct zkt_tls_report *report)
{
    SSL_CTX_set_verify(
        context, settings->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    return settings->ca == NULL
               ? SSL_CTX_set_default_verify_paths(context) == 1
               : read_authorities(context, settings->ca, true, report);
}

/* ---- names ---- */

static bool is_for(X509 *certificate, const char *host)
{
    struct in6_addr address;
    const bool numeric = inet_pton(AF_INET, host, &address) == 1 ||
                         inet_pton(AF_INET6, host, &address) == 1;
    return certificate != NULL &&
           (numeric ? X509_check_ip_asc(certificate, host, 0)
                    : X509_check_host(certificate, host, strlen(host),
                                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                                      NULL)) == 1;
}

SSL_CTX *zkt__tls_credentials_find(
    const struct zkt_tls_credentials *credentials, const char *host)
{
    for (size_t i = 0; i < credentials->count; i++) {
        if (is_for(SSL_CTX_get0_certificate(credentials->all[i]), host)) {
            return credentials->all[i];
        }
    }
    return NULL;
}

/* Chooses the certificate. A name that none has gets the first: the client says
 * whether that will do. */
static int on_server_name(SSL *ssl, int *alert, void *user)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *found = name != NULL ? zkt__tls_credentials_find(user, name)
                                  : NULL;
    (void)alert;
    if (found != NULL && found != SSL_get_SSL_CTX(ssl)) {
        SSL_set_SSL_CTX(ssl, found);
    }
    return SSL_TLSEXT_ERR_OK;
}

/* ---- rules ---- */

static int select_protocol(SSL *ssl, const unsigned char **out,
                           unsigned char *out_len, const unsigned char *offers,
                           unsigned offers_len, void *user)
{
    unsigned char *selected;
    (void)ssl;
    (void)user;
    if (SSL_select_next_proto(&selected, out_len, http11, sizeof(http11) - 1,
                              offers, offers_len) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = selected;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_rules(SSL_CTX *context)
{
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE |
                                     SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(context, CERTIFICATES_SIZE);
    return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
}

/* Refuses a greeting with more groups for the exchange of keys than there can
 * be. OpenSSL searches the list for each key of a greeting: lists as long as an
 * extension may be take it a thousand times as long as a handshake. */
static int on_greeting(SSL *ssl, int *alert, void *user)
{
    const unsigned char *groups;
    size_t size;
    (void)user;
    if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_supported_groups, &groups,
                                  &size) != 1 ||
        size <= GROUPS_SIZE) {
        return SSL_CLIENT_HELLO_SUCCESS;
    }
    *alert = SSL_AD_ILLEGAL_PARAMETER;
    ERR_raise(ERR_LIB_SSL, SSL_R_BAD_EXTENSION);
    return SSL_CLIENT_HELLO_ERROR;
}

static bool set_server_rules(SSL_CTX *context, struct zkt_tickets *tickets)
{
    SSL_CTX_set_client_hello_cb(context, on_greeting, NULL);
    SSL_CTX_set_alpn_select_cb(context, select_protocol, NULL);
    return SSL_CTX_set_max_early_data(context, 0) == 1 &&
           SSL_CTX_set_num_tickets(context, 1) == 1 &&
           zkt__tickets_use(tickets, context);
}

static SSL_CTX *new_context(bool is_client)
{
    SSL_CTX *context = SSL_CTX_new(is_client ? TLS_client_method()
                                             : TLS_server_method());
    if (context != NULL && !set_rules(context)) {
        SSL_CTX_free(context);
        context = NULL;
    }
    return context;
}

/* ---- reading ---- */

static SSL_CTX *read_server(const struct zkt_tls_settings *settings, size_t i,
                            struct zkt_tls_credentials *credentials,
                            struct zkt_tickets *tickets,
                            const struct zkt_tls_report *report)
{
    SSL_CTX *context = new_context(false);
    if (context == NULL || !set_server_rules(context, tickets)) {
        report_memory(report);
    } else if (read_certificate(context, &settings->certificates[i], report) &&
               read_client_authorities(context, settings, report)) {
        SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
        SSL_CTX_set_tlsext_servername_arg(context, credentials);
        return context;
    }
    SSL_CTX_free(context);
    return NULL;
}

static SSL_CTX *read_client(const struct zkt_tls_settings *settings,
                            const struct zkt_tls_report *report)
{
    SSL_CTX *context = new_context(true);
    if (context == NULL ||
        SSL_CTX_set_alpn_protos(context, http11, sizeof(http11) - 1) != 0) {
        report_memory(report);
    } else if ((settings->count == 0 ||
                read_certificate(context, &settings->certificates[0],
                                 report)) &&
               read_server_authorities(context, settings, report)) {
        return context;
    }
    SSL_CTX_free(context);
    return NULL;
}

struct zkt_tls_credentials *zkt__tls_credentials_read(
    const struct zkt_tls_settings *settings, struct zkt_tickets *tickets,
    const struct zkt_allocator *allocator, const struct zkt_tls_report *report)
{
    const size_t count = settings->is_client ? 1 : settings->count;
    struct zkt_tls_credentials *credentials = allocator->alloc(
        allocator->user, sizeof(*credentials) + count * sizeof(SSL_CTX *));
    ERR_clear_error();
    if (credentials == NULL) {
        report_memory(report);
        return NULL;
    }
    credentials->refs = 1;
    credentials->allocator = allocator;
    for (credentials->count = 0; credentials->count < count;
         credentials->count++) {
        const size_t i = credentials->count;
        SSL_CTX *context = settings->is_client
                               ? read_client(settings, report)
                               : read_server(settings, i, credentials, tickets,
                                             report);
        if (context == NULL) {
            zkt__tls_credentials_unref(credentials);
            return NULL;
        }
        credentials->all[i] = context;
    }
    return credentials;
}

void zkt__tls_credentials_unref(struct zkt_tls_credentials *credentials)
{
    if (credentials == NULL || atomic_fetch_sub(&credentials->refs, 1) > 1) {
        return;
    }
    for (size_t i = 0; i < credentials->count; i++) {
        SSL_CTX_free(credentials->all[i]);
    }
    credentials->allocator->release(credentials->allocator->user, credentials);
}
