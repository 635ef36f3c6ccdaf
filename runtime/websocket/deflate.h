/*
 * Compression of messages (permessage-deflate, RFC 7692), each message by
 * itself: no context is taken over, so a connection has no memory for it, and a
 * compressed message serves all connections. zlib is a choice of the build;
 * without it there is no compressor, and nothing is negotiated.
 */
#ifndef ZKT_WEBSOCKET_DEFLATE_H
#define ZKT_WEBSOCKET_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

/* Shorter messages are sent as they are. */
#define ZKT_DEFLATE_MIN 1024

/* RSV1 in the first byte of a frame: its message is compressed (RFC 7692,
 * section 6). */
#define ZKT_WS_COMPRESSED 0x40

/* ---- negotiation ---- */

/* The offer of a client that a server accepts (RFC 7692, section 7.1). */
struct zkt_deflate_offer {
    bool accepted;
    bool window; /* it limits the server's window to the largest, which the
                    response has to confirm */
};

/** Reads a line of Sec-WebSocket-Extensions from a client. Takes the first
 * offer that fits, unless there is one: not an offer with a smaller window. */
void zkt__deflate_read_offers(struct zkt_str line,
                              struct zkt_deflate_offer *offer);
/** The extension that a client offers. */
extern const char zkt__deflate_offered[];
/** Returns true if the extensions of a response are that one, accepted. */
bool zkt__deflate_is_accepted(struct zkt_str line);

/* ---- messages ---- */

/* The compressor and the decompressor of a thread. zlib's memory, 300 KB, is
 * allocated when it is first needed, and kept. */
struct zkt_deflate;

/** Returns true if the library was built with zlib. */
bool zkt__deflate_is_built(void);
/** Returns NULL if there is no memory, or no zlib. */
struct zkt_deflate *zkt__deflate_new(const struct zkt_allocator *allocator);
/** Takes NULL. */
void zkt__deflate_free(struct zkt_deflate *deflate);

/** Compresses a message to at most @room bytes at @to. Returns their number, or
 * 0 if there are more, or if there is no memory. */
size_t zkt__deflate_message(struct zkt_deflate *deflate, const void *message,
                            size_t len, uint8_t *to, size_t room);

enum zkt_inflated {
    ZKT_INFLATED,
    ZKT_INFLATE_INVALID,  /* no compressed data */
    ZKT_INFLATE_TOO_LONG, /* the message is longer than the limit */
    ZKT_INFLATE_NO_MEMORY
};

/* A message, followed by ZKT_PADDING zero bytes. */
struct zkt_inflated_message {
    uint8_t *bytes; /* of the allocator */
    size_t len;
};

/**
 * Decompresses a message of at most @most bytes. After ZKT_INFLATED the caller
 * owns @out->bytes. Memory grows with the message, and not over the limit.
 */
enum zkt_inflated zkt__inflate_message(struct zkt_deflate *deflate,
                                       const uint8_t *bytes, size_t len,
                                       size_t most,
                                       struct zkt_inflated_message *out);

#endif
