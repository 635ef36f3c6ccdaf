/* The opening handshake (RFC 6455, section 4), and what it is made of. */
#ifndef ZKT_WEBSOCKET_HANDSHAKE_H
#define ZKT_WEBSOCKET_HANDSHAKE_H

#include "base/base64.h"
#include "websocket/websocket.h"

#define ZKT_SHA1_SIZE     20
#define ZKT_WS_KEY_LEN    24 /* 16 bytes in base64 */
#define ZKT_WS_ACCEPT_LEN 28

/** SHA-1 (FIPS 180-4); the handshake needs it, security does not. */
void zkt__sha1(const void *data, size_t len, uint8_t digest[ZKT_SHA1_SIZE]);

/** The Sec-WebSocket-Accept for a key of ZKT_WS_KEY_LEN characters. */
void zkt__ws_accept_key(const char *key, char accept[ZKT_WS_ACCEPT_LEN + 1]);

/**
 * Takes handshake bytes, at most up to the head's end, and returns how many.
 * When the head is complete it is judged: then ws->state has changed.
 */
size_t zkt__ws_handshake_feed(struct zkt_ws *ws, const uint8_t *bytes,
                              size_t len);

#endif
