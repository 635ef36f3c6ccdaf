/*
 * A TLS stream on a non-blocking socket (tls.h): its records go to the socket
 * at once, and bytes that the socket does not take are kept, at most a record,
 * or a flight of the handshake. While something is kept nothing is
 * encrypted, so that output waits in the endpoint, where its limits count.
 */
#ifndef ZKT_NET_SECURE_H
#define ZKT_NET_SECURE_H

#include "base/buffer.h"
#include "net/tls.h"

/* The steps of handshakes in a turn of a loop, since each may take a
 * millisecond. */
#define ZKT_HANDSHAKES_PER_TURN 8

/* The memory that the streams of a loop share; between calls, nothing of a
 * stream is in it. */
struct zkt_secure_memory {
    struct zkt_tls_bytes bytes;
    uint8_t plain[ZKT_TLS_RECORD];
};

/** Returns NULL if there is no memory. */
struct zkt_secure_memory *zkt__secure_memory_new(
    const struct zkt_allocator *allocator);
/** Takes NULL. */
void zkt__secure_memory_free(struct zkt_secure_memory *memory);

/** Closes the stream, and drops its unsent bytes. Takes NULL. */
void zkt__secure_close(struct zkt_tls_stream *stream,
                       struct zkt_secure_memory *memory);

/* A result of zkt__secure_read beside ZKT_TLS_…: the socket does not take the
 * answers, which is no failure of TLS, or there is no memory for them. */
#define ZKT_SECURE_LOST (-3)

/**
 * Decrypts received bytes, which memory->bytes has, into memory->plain, and
 * sends answers. Returns the number of decrypted bytes, ZKT_TLS_… or
 * ZKT_SECURE_LOST; to be called until there are none.
 */
ptrdiff_t zkt__secure_read(struct zkt_tls_stream *stream,
                           struct zkt_secure_memory *memory, int fd);

/** Sends unsent bytes. Returns false if the socket fails. */
bool zkt__secure_flush(struct zkt_tls_stream *stream,
                       struct zkt_secure_memory *memory, int fd);

/** Encrypts bytes of the slices, at most a record, and sends them. Returns
 * their number, or -1 after a failure. */
ptrdiff_t zkt__secure_write(struct zkt_tls_stream *stream,
                            struct zkt_secure_memory *memory, int fd,
                            const struct zkt_slice *slices, size_t count);

/** Says that no more will be sent, if the socket takes that. */
void zkt__secure_end(struct zkt_tls_stream *stream,
                     struct zkt_secure_memory *memory, int fd);

/** Returns true if bytes that the peer has sent first are no greeting of TLS,
 * but a request of HTTP: a method in capitals. */
bool zkt__secure_is_http(const uint8_t *bytes, size_t len);

/** Answers such a request: 400 (RFC 9110, section 15.5.1), in plain text.
 * @wall_ms is the time since the epoch. */
void zkt__secure_answer_http(int fd, const uint8_t *bytes, size_t len,
                             int64_t wall_ms);

#endif
