/* The opening handshake (RFC 6455, section 4), and its parts. */
#ifndef ZKT_WEBSOCKET_HANDSHAKE_H
#define ZKT_WEBSOCKET_HANDSHAKE_H

#include "base/base64.h"
#include "websocket/websocket.h"

#define ZKT_SHA1_SIZE     20
#define ZKT_WS_KEY_LEN    24 /* 16 bytes in base64 */
#define ZKT_WS_ACCEPT_LEN 28

/** SHA-1 (FIPS 180-4); required by the handshake, and not used for security. */
void zkt__sha1(const void *data, size_t len, uint8_t digest[ZKT_SHA1_SIZE]);

/** Computes the Sec-WebSocket-Accept for a key of ZKT_WS_KEY_LEN characters. */
void zkt__ws_accept_key(const char *key, char accept[ZKT_WS_ACCEPT_LEN + 1]);

/**
 * Consumes handshake bytes, at most up to the end of the head, and returns
 * their number. A complete head is checked, which changes ws->state.
 */
size_t zkt__ws_handshake_feed(struct zkt_ws *ws, const uint8_t *bytes,
                              size_t len);

/** Checks the gathered head of @end bytes, and asks the server to answer the
 * request. */
void zkt__ws_check_request(struct zkt_ws *ws, size_t end);
/** Refuses a request with an HTTP status alone. */
void zkt__ws_refuse_plainly(struct zkt_ws *ws, int status);

#endif
