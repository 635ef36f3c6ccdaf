/* The opening handshake (RFC 6455, section 4), and its parts. */
#ifndef ZKT_WEBSOCKET_HANDSHAKE_H
#define ZKT_WEBSOCKET_HANDSHAKE_H

#include "base/base64.h"
#include "websocket/websocket.h"

#define ZKT_SHA1_SIZE     20
#define ZKT_WS_KEY_LEN    24 /* 16 bytes in base64 */
#define ZKT_WS_ACCEPT_LEN 28

/** SHA-1 (FIPS 180-4) of a key of ZKT_WS_KEY_LEN characters and the GUID of RFC
 * 6455; required by the handshake, and not used for security. */
void zkt__sha1_of_key(const char *key, uint8_t digest[ZKT_SHA1_SIZE]);

/** Computes the Sec-WebSocket-Accept for a key of ZKT_WS_KEY_LEN characters. */
void zkt__ws_accept_key(const char *key, char accept[ZKT_WS_ACCEPT_LEN + 1]);

/**
 * Consumes bytes of the handshake, at most up to the end of its request or
 * response, and returns their number. When that is complete it is checked,
 * which changes ws->state.
 */
size_t zkt__ws_handshake_feed(struct zkt_ws *ws, const uint8_t *bytes,
                              size_t len);
/** As zkt__ws_handshake_feed, for the server role. */
size_t zkt__ws_request_feed(struct zkt_ws *ws, const uint8_t *bytes,
                            size_t len);
/** Server: drops the request of the handshake, if there is one. */
void zkt__ws_drop_request(struct zkt_ws *ws);

#endif
