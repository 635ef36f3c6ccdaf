/*
 * The TLS of a socket (net/tls.h): an SSL object of OpenSSL between two buffers
 * of the caller.
 */
#ifndef ZKT_TLS_STREAM_H
#define ZKT_TLS_STREAM_H

#include <openssl/bio.h>

#include "net/tls.h"
#include "tls/credentials.h"

/** Returns the functions by which OpenSSL reads and writes, or NULL. */
BIO_METHOD *zkt__tls_new_method(void);

/**
 * Makes a stream; borrows @method until it is closed, and takes a reference of
 * @credentials over. @host is the server to connect to; NULL for a server.
 * Returns NULL if there is no memory.
 */
struct zkt_tls_stream *zkt__tls_stream_new(
    const struct zkt_tls_ops *ops, BIO_METHOD *method,
    struct zkt_tls_credentials *credentials,
    const struct zkt_allocator *allocator, const char *host);

/* The functions of struct zkt_tls_ops for streams. */
void zkt__tls_stream_close(struct zkt_tls_stream *stream);
ptrdiff_t zkt__tls_stream_read(struct zkt_tls_stream *stream,
                               struct zkt_tls_bytes *bytes, void *plain,
                               size_t size);
bool zkt__tls_stream_write(struct zkt_tls_stream *stream,
                           struct zkt_tls_bytes *bytes, const void *plain,
                           size_t len);
void zkt__tls_stream_end(struct zkt_tls_stream *stream,
                         struct zkt_tls_bytes *bytes);
const char *zkt__tls_stream_explain(const struct zkt_tls_stream *stream);
struct zkt_str zkt__tls_stream_certificate(struct zkt_tls_stream *stream,
                                           enum zkt_certificate_part part);

#endif
