/*
 * TLS 1.2 and 1.3 for servers and clients, in a library of its own,
 * `zocket-tls`, over OpenSSL 3. A program that does not link it has nothing of
 * OpenSSL.
 *
 * A server whose certificate is named on its command line (`--tls-cert FILE
 * --tls-key FILE`), and which reads it again on SIGHUP:
 *
 *     #include "counter_server.h"
 *     #include "zocket/server.h"
 *     #include "zocket/tls.h"
 *
 *     extern const struct demo_counter_handlers counter;
 *
 *     int main(int argc, char **argv)
 *     {
 *         const struct demo_handlers handlers = { .counter = &counter };
 *         struct zkt_tls *tls = zkt_tls_server(NULL);
 *         const struct zkt_serve_options options = {
 *             .port = 3000,
 *             .tls = tls,
 *         };
 *         const int status =
 *             zkt_serve_main(demo_app(&handlers), &options, argc, argv);
 *         zkt_tls_free(tls);
 *         return status;
 *     }
 *
 * Threads: every function may be called on any thread. An object may serve
 * several servers, or several clients.
 *
 * Memory: OpenSSL takes its own from the C library, or from the functions that
 * the program gave to CRYPTO_set_mem_functions.
 */
#ifndef ZOCKET_TLS_H
#define ZOCKET_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "zocket/allocator.h"
#include "zocket/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The certificates and rules of servers, or of clients. */
struct zkt_tls;

/** A certificate. The strings are names of PEM files, which have to be regular
 * files. */
struct zkt_tls_certificate {
    /* The certificate, and behind it those between it and its root. */
    const char *chain;
    /* The private key, without a password; NULL: it is in the same file. */
    const char *key;
};

/** The most certificates of a server. */
#define ZKT_TLS_CERTIFICATES_MAX 64

/** The options of servers. The structs are copied; strings and allocator are
 * borrowed until zkt_tls_free. */
struct zkt_tls_server_options {
    /* A client gets the first certificate for the name that it asks for (SNI),
     * or else the first of all. */
    const struct zkt_tls_certificate *certificates;
    size_t certificate_count;
    /* A PEM file of authorities: clients need a certificate of one of these.
     * The schema reads it with `from certificate(…)`. NULL: clients are not
     * asked for one. */
    const char *client_ca;
    /* True: clients without a certificate may connect, too. */
    bool client_optional;
    /* NULL: malloc and its family. */
    const struct zkt_allocator *allocator;
};

/**
 * Returns an object for the member tls of zkt_serve_options; never NULL. The
 * files are read when a server begins to listen. One that cannot be read, and a
 * lack of memory here, are reported in the server's log, and the server does
 * not start.
 *
 * NULL @options: the command line names the certificates (zkt_serve_main), and
 * without these the server has no TLS.
 */
struct zkt_tls *zkt_tls_server(const struct zkt_tls_server_options *options);

/** The options of clients; all zero is a good set. Strings and allocator are
 * borrowed until zkt_tls_free. */
struct zkt_tls_client_options {
    /* A PEM file of the authorities to trust; NULL: those of the system. */
    const char *ca;
    /* The client's own certificate; chain NULL: none. */
    struct zkt_tls_certificate certificate;
    /* True: any certificate of the server is accepted, of anybody and for any
     * name, so that who is on the way can read and change everything. For
     * experiments. */
    bool insecure_accept_any_certificate;
    /* NULL: malloc and its family. */
    const struct zkt_allocator *allocator;
};

/**
 * Returns an object for the member tls of zkt_client_options; never NULL. The
 * files are read when the first client is opened with it. One that cannot be
 * read, and a lack of memory here, are reported in the client's log, and no
 * client is opened. NULL @options are the defaults.
 *
 * A server has to prove the host of the URL, a name or an address, by its
 * certificate (RFC 9525). An attempt to connect to one that does not fails, is
 * logged with the reason, and is made again after the usual delay.
 */
struct zkt_tls *zkt_tls_client(const struct zkt_tls_client_options *options);

/**
 * Reads the files again: later connections use them. Connections that are open
 * go on, and clients can resume sessions that began before. Returns false after
 * a failure: then nothing changes, and @report, or NULL, is called with @user
 * and a text for people. zkt_serve does this on SIGHUP.
 */
bool zkt_tls_reload(struct zkt_tls *tls,
                    void (*report)(void *user, const char *text), void *user);

/** Frees the object, after the servers and clients that use it. Takes NULL. */
void zkt_tls_free(struct zkt_tls *tls);

#ifdef __cplusplus
}
#endif
#endif
