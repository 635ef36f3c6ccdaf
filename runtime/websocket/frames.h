/* Shared by the files of this folder, beyond websocket.h. */
#ifndef ZKT_WEBSOCKET_FRAMES_H
#define ZKT_WEBSOCKET_FRAMES_H

#include "base/utf8.h"
#include "websocket/websocket.h"

/** XORs @len bytes with the key, starting @offset bytes into it (RFC 6455,
 * section 5.3). @to and @from may be equal. Returns true if all output is
 * ASCII. */
bool zkt__ws_mask(uint8_t *to, const uint8_t *from, size_t len,
                  const uint8_t key[4], size_t offset);

#define ZKT_WS_CLOSE_FRAME 8 /* opcode (RFC 6455, section 11.8) */

/** Sends a control frame with a close code as its payload, or empty if @code is
 * 0. */
void zkt__ws_control(struct zkt_ws *ws, unsigned opcode, unsigned code);

/* The bytes of a frame, or of a response, that are there. */
struct zkt_ws_gathered {
    size_t have, capacity;
    struct zkt_utf8 utf8; /* of a text frame */
    uint8_t bytes[];
};

/** Appends to the gathered bytes. Returns false if there is no memory. */
bool zkt__ws_gather(struct zkt_ws *ws, const uint8_t *bytes, size_t len);

/**
 * Decompresses a message. Returns 0, and delivers it; or returns the close code
 * of its violation, or 1011 without memory.
 */
unsigned zkt__ws_inflate(struct zkt_ws *ws, bool text, const uint8_t *bytes,
                         size_t len);

/** Returns the limit of a message's payload as it arrives: an incompressible
 * message grows a little when it is compressed. */
static inline uint64_t zkt__ws_payload_limit(const struct zkt_ws *ws,
                                             bool compressed)
{
    const uint64_t most = ws->setup->limits->message;
    const uint64_t more = most / 1024 + 64;
    return compressed && most < UINT64_MAX - more ? most + more : most;
}

/** Returns the number of gathered bytes. */
static inline size_t zkt__ws_have(const struct zkt_ws *ws)
{
    return ws->gathered != NULL ? ws->gathered->have : 0;
}

/** Returns the gathered bytes, for the caller to release, or NULL: a callback
 * may end the WebSocket. */
struct zkt_ws_gathered *zkt__ws_take_gathered(struct zkt_ws *ws);

/** Drops the gathered bytes. */
void zkt__ws_drop_gathered(struct zkt_ws *ws);

/** Ends the WebSocket: sets CLOSED, and calls on_close if it was not called
 * before. */
void zkt__ws_end(struct zkt_ws *ws, unsigned code, const char *reason);
/** Sends a close frame with @code, and ends the WebSocket. */
void zkt__ws_fail(struct zkt_ws *ws, unsigned code, const char *reason);
/** Calls on_limit, if it is set. */
void zkt__ws_notify_limit(struct zkt_ws *ws, enum zkt_ws_limit limit);
/** Calls on_close, once. */
void zkt__ws_notify_close(struct zkt_ws *ws, unsigned code, const char *reason);

/**
 * Feeds wslay, from the start of a frame or continuing it, until it is between
 * two messages. Returns the number of consumed bytes.
 */
size_t zkt__ws_wslay_feed(struct zkt_ws *ws, const uint8_t *bytes, size_t len);
/** Returns true if wslay is between two messages and has nothing to send. */
bool zkt__ws_wslay_idle(const struct zkt_ws *ws);
/** Makes the wslay context if it does not exist. If there is no memory, ends
 * the connection and returns false. */
bool zkt__ws_wslay_begin(struct zkt_ws *ws);
/** Sends a close frame through wslay, and waits for the peer's. */
void zkt__ws_wslay_close(struct zkt_ws *ws, unsigned code, const char *reason);
void zkt__ws_wslay_end(struct zkt_ws *ws);
/** Returns the payload that wslay has of an incomplete message; *@memory is the
 * memory for it. */
size_t zkt__ws_wslay_partial(const struct zkt_ws *ws, size_t *memory);

#endif
