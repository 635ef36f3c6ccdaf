/*
 * The interface between net and the library zocket-tls (runtime/tls). Net has
 * the sockets, the endpoints and the limits; the library turns bytes of a
 * socket into bytes of an endpoint and back. Net calls the library by the
 * functions of a struct, and the library calls nothing of net: so a program
 * without TLS neither links nor loads any of it.
 *
 * A *stream* is the TLS of one socket. Between calls it holds no bytes but
 * those of an incomplete record: all that it has to send is given to the
 * caller.
 */
#ifndef ZKT_NET_TLS_H
#define ZKT_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/certificate.h"
#include "zocket/allocator.h"
#include "zocket/types.h"

/* Changes with this header; both libraries have to be of the same. */
#define ZKT_TLS_INTERFACE 1

/* The bytes of a record, at most (RFC 8446, section 5.1). */
#define ZKT_TLS_RECORD (16 * 1024)

struct zkt_tls_ops;

/* The beginning of the library's object for a server or a client. */
struct zkt_tls {
    const struct zkt_tls_ops *ops;
};

/* The beginning of the library's object for a socket. */
struct zkt_tls_stream {
    const struct zkt_tls_ops *ops;
    bool is_open;    /* the handshake is over; set by the library */
    bool has_read;   /* the peer has sent something; net's, as the rest */
    uint8_t *unsent; /* bytes that the socket has not taken, or NULL */
    uint32_t unsent_at, unsent_len;
};

/* The bytes that a call takes from a socket and gives to it. */
struct zkt_tls_bytes {
    const uint8_t *in; /* received; the stream takes them from the front */
    size_t in_len;
    uint8_t *out; /* to send; a block that grows, or NULL */
    size_t out_len, out_capacity;
    const struct zkt_allocator *allocator; /* of out */
};

/* Results of read that are no number of bytes. */
enum {
    ZKT_TLS_MORE = 0,    /* needs more of the peer */
    ZKT_TLS_ENDED = -1,  /* the peer sends nothing more, and has said so */
    ZKT_TLS_FAILED = -2, /* the stream can only be closed */
};

struct zkt_tls_ops {
    unsigned interface; /* ZKT_TLS_INTERFACE; the first member for ever */

    /* ---- a server's or client's object; on the thread that listens ---- */

    /*
     * Takes an option of the command line, "tls_cert", with its value, which is
     * borrowed. Returns NULL, or a short text that names the defect.
     */
    const char *(*configure)(struct zkt_tls *tls, const char *option,
                             const char *value);
    /*
     * Reads the files. Returns 1, or 0 if no certificate is configured, or -1
     * after a failure, which is reported: what was read before stays in use.
     */
    int (*load)(struct zkt_tls *tls,
                void (*report)(void *user, const char *text), void *user);
    /* Returns true if a certificate of the server names @host, a name or a
     * numeric address without its port. */
    bool (*names)(struct zkt_tls *tls, struct zkt_str host);

    /* ---- streams; on any thread, a stream on one at a time ---- */

    /* Returns a stream, or NULL if there is no memory. @host is the name or
     * address that a client connects to; NULL for a server. */
    struct zkt_tls_stream *(*open)(struct zkt_tls *tls,
                                   const struct zkt_allocator *allocator,
                                   const char *host);
    /* Frees the stream, but not its bytes that are unsent. */
    void (*close)(struct zkt_tls_stream *stream);
    /*
     * Takes bytes->in, and stores at most @size decrypted bytes in @plain.
     * Returns their number, or ZKT_TLS_…. A client's first call sends its
     * greeting. While there are bytes, it is called again.
     */
    ptrdiff_t (*read)(struct zkt_tls_stream *stream,
                      struct zkt_tls_bytes *bytes, void *plain, size_t size);
    /* Encrypts @len bytes, at most ZKT_TLS_RECORD, as a record. Returns false
     * if that fails: the stream can only be closed. */
    bool (*write)(struct zkt_tls_stream *stream, struct zkt_tls_bytes *bytes,
                  const void *plain, size_t len);
    /* Says that no more will be sent (close_notify). */
    void (*end)(struct zkt_tls_stream *stream, struct zkt_tls_bytes *bytes);
    /* Returns the reason of a failure, a short text; borrowed until the next
     * call. */
    const char *(*explain)(const struct zkt_tls_stream *stream);
    /* Returns a part of the peer's certificate, verified; data NULL: there is
     * none. Borrowed until the stream is closed. */
    struct zkt_str (*certificate)(struct zkt_tls_stream *stream,
                                  enum zkt_certificate_part part);
};

/** Returns true if the library is made for this interface. */
static inline bool zkt__tls_is_usable(const struct zkt_tls *tls)
{
    return tls->ops->interface == ZKT_TLS_INTERFACE;
}

#define ZKT_TLS_UNUSABLE "zocket-tls is not of the same version as zocket"

#endif
