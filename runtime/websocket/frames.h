/* What the files of this folder share beyond websocket.h. */
#ifndef ZKT_WEBSOCKET_FRAMES_H
#define ZKT_WEBSOCKET_FRAMES_H

#include "websocket/websocket.h"

/** XORs @len bytes with the key, @offset bytes into it (RFC 6455, section
 * 5.3). The two may be the same. True: all of the output is ASCII. */
bool zkt__ws_mask(uint8_t *to, const uint8_t *from, size_t len,
                  const uint8_t key[4], size_t offset);

#define ZKT_WS_CLOSE_FRAME 8 /* its opcode (RFC 6455, section 11.8) */

/** Sends a control frame with a close code in it, or, with 0, nothing. */
void zkt__ws_control(struct zkt_ws *ws, unsigned opcode, unsigned code);

/** Appends to what is gathered; false: no memory. */
bool zkt__ws_gather(struct zkt_ws *ws, const uint8_t *bytes, size_t len);

/** Drops what is gathered. */
void zkt__ws_drop_gathered(struct zkt_ws *ws);

/** The WebSocket is over: CLOSED, and on_close told, if it was not. */
void zkt__ws_over(struct zkt_ws *ws, unsigned code, const char *reason);
/** Tells on_limit, if there is one. */
void zkt__ws_reached(struct zkt_ws *ws, enum zkt_ws_limit limit);
/** Tells on_close, once. */
void zkt__ws_tell(struct zkt_ws *ws, unsigned code, const char *reason);

/**
 * Gives bytes to wslay, from the start of a frame or behind what it has, until
 * it stands between two messages; how many it took.
 */
size_t zkt__ws_slow_feed(struct zkt_ws *ws, const uint8_t *bytes, size_t len);
/** Whether wslay stands between two messages and has nothing to say. */
bool zkt__ws_slow_idle(const struct zkt_ws *ws);
/** Makes the context if there is none; false: no memory, connection over. */
bool zkt__ws_slow_begin(struct zkt_ws *ws);
/** Sends a close frame through wslay, and waits for the answer. */
void zkt__ws_slow_close(struct zkt_ws *ws, unsigned code, const char *reason);
void zkt__ws_slow_end(struct zkt_ws *ws);
/** Payload that wslay has of a message that has begun; *@memory is for it. */
size_t zkt__ws_slow_partial(const struct zkt_ws *ws, size_t *memory);

#endif
