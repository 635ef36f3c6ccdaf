/*
 * One WebSocket connection (RFC 6455) without I/O, in either role: bytes in,
 * whole messages out. It knows nothing of JSON or of what messages mean.
 *
 * wslay judges the connection; the common frame does not pay for it. Whole
 * data frames are unmasked straight into the memory of their receiver, partial
 * ones are gathered here with size and UTF-8 judged as the bytes arrive, and
 * control frames, fragments and every violation go to a wslay context that
 * exists only while it is needed.
 *
 * What is sent: data frames are made by the layers above with
 * zkt__ws_frame_head (a server's frames are not masked, so one frame serves
 * all) ; control frames, handshakes and refusals come out through `send`.
 */
#ifndef ZKT_WEBSOCKET_WEBSOCKET_H
#define ZKT_WEBSOCKET_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/utf8.h"
#include "zocket/types.h"

/* The subprotocol whose patches have true inserts; see protocol.md. */
#define ZKT_WS_PROTOCOL_RFC6902 "zocket.rfc6902"

enum zkt_ws_role {
    ZKT_WS_SERVER,
    ZKT_WS_CLIENT
};

enum zkt_ws_state {
    ZKT_WS_HANDSHAKE, /* until the head is complete and accepted */
    ZKT_WS_OPEN,
    ZKT_WS_CLOSING, /* a close frame was sent; waiting for the peer's */
    ZKT_WS_CLOSED   /* flush what was sent, then drop the transport */
};

/* What a server's handshake was asked for; views, good during on_request. */
struct zkt_ws_request {
    struct zkt_str target; /* the request target, path and query as sent */
    struct zkt_str path, query;
    struct zkt_str host, origin, authorization;
    bool rfc6902; /* the subprotocol "zocket.rfc6902" was offered */
};

/* A limit of struct zkt_ws_limits that the peer went over. */
enum zkt_ws_limit {
    ZKT_WS_LIMIT_MESSAGE,
    ZKT_WS_LIMIT_FRAGMENTS,
    ZKT_WS_LIMIT_HEAD
};

struct zkt_ws;

struct zkt_ws_callbacks {
    /*
     * Server: the request is a correct WebSocket handshake. Answer 101 to
     * accept, or an HTTP status from 400 to 599 to refuse. With 101, @protocol
     * may be set to a static string, one of those offered. NULL: accept all.
     */
    int (*on_request)(void *user, const struct zkt_ws_request *request,
                      const char **protocol);
    /*
     * The handshake is done (both roles); the first message may be sent.
     * @protocol is the subprotocol agreed on, or "".
     */
    void (*on_open)(void *user, const char *protocol);
    /*
     * @len + ZKT_PADDING bytes for a message that is about to be delivered,
     * or NULL when there is no memory (the connection is closed with 1011).
     * Asked for only when a message is complete in the bytes at hand; a
     * message that comes in pieces is gathered in the connection's memory.
     */
    uint8_t *(*memory)(void *user, size_t len);
    /*
     * A whole message; text is valid UTF-8. @data has ZKT_PADDING zero bytes
     * behind it, may be changed in place, and is good until the callback
     * returns (or as long as what `memory` gave, if it came from there).
     */
    void (*on_message)(void *user, bool binary, uint8_t *data, size_t len);
    /* Bytes to send, in order, before anything sent later. Copied by it. */
    void (*send)(void *user, const void *data, size_t len);
    /*
     * The WebSocket is over, once: the peer's close frame (its code, or 1005
     * for none), a violation (the code we sent), a handshake that failed
     * (1002; @reason says why, static text), or zkt__ws_close's own code.
     * No message is delivered after this.
     */
    void (*on_close)(void *user, unsigned code, const char *reason);
    /*
     * What the peer says for the end, before on_close: the status of a refused
     * handshake and its reason phrase, which may be anything (client), or the
     * code of its close frame, 1005 for none, and the reason. May be NULL.
     */
    void (*on_verdict)(void *user, unsigned code, struct zkt_str text);
    /* Before on_close, when that is because of a limit; may be NULL. */
    void (*on_limit)(void *user, enum zkt_ws_limit limit);
};

struct zkt_ws_limits {
    size_t message;   /* bytes; over it: 1009 */
    size_t head;      /* bytes of a request or response head; over it: 431 */
    size_t fragments; /* frames of one message; over it: 1009 */
};

/*
 * Kept small: an idle connection costs sizeof(struct zkt_ws) and nothing else.
 * The struct is visible so that it can be embedded; its members are private.
 */
struct zkt_ws {
    const struct zkt_ws_callbacks *callbacks;
    void *user;
    const struct zkt_allocator *allocator;
    const struct zkt_ws_limits *limits; /* outlives the connection */
    struct zkt_ws_slow *slow;           /* the wslay context, while needed */
    uint8_t *gathered;                  /* a partial frame, or a head */
    size_t have, want, capacity;        /* bytes of it */
    struct zkt_random *random;          /* client: for masks and the key */
    const char *offered;                /* client: subprotocols */
    struct zkt_utf8 utf8;               /* of a partial text frame */
    uint32_t completed; /* messages, and control frames between them */
    uint8_t role, state;
    bool told;    /* on_close was called */
    bool paused;  /* nothing is consumed until zkt__ws_resume */
    char key[25]; /* client: the Sec-WebSocket-Key that was sent */
    /* Client: responses that came before the final one. */
    uint8_t interim;
};

/** Server role; does not allocate. All pointers are borrowed. */
void zkt__ws_init_server(struct zkt_ws *ws,
                         const struct zkt_ws_callbacks *callbacks, void *user,
                         const struct zkt_allocator *allocator,
                         const struct zkt_ws_limits *limits);

/**
 * Client role. Sends the request at once through `send`. @host is "name:port"
 * as in the URL; @path begins with '/'; @offered is a comma-separated list of
 * subprotocols, or empty, and static. False: no memory for the request.
 */
bool zkt__ws_init_client(struct zkt_ws *ws,
                         const struct zkt_ws_callbacks *callbacks, void *user,
                         const struct zkt_allocator *allocator,
                         const struct zkt_ws_limits *limits,
                         struct zkt_random *random, struct zkt_str host,
                         struct zkt_str path, const char *offered);

/**
 * Takes bytes as they arrive, in any cut; changes them in place. Returns how
 * many it consumed: all of them, unless it was paused. The caller keeps the
 * rest, as it is, and feeds it again before anything that arrives later.
 */
size_t zkt__ws_feed(struct zkt_ws *ws, uint8_t *bytes, size_t len);

/**
 * From a callback: the feed that is under way returns behind the frame that it
 * is in, so at most the message at hand is delivered. Otherwise: the next feed
 * consumes nothing. Has no effect on a WebSocket that is closing or closed,
 * and ends when it is closed, since no message is delivered from then on.
 */
void zkt__ws_pause(struct zkt_ws *ws);

/** Ends a pause, if there is one; the caller then feeds what it has kept. */
static inline void zkt__ws_resume(struct zkt_ws *ws)
{
    ws->paused = false;
}

/** Returns true while the WebSocket is paused. */
bool zkt__ws_is_paused(const struct zkt_ws *ws);

/**
 * Bytes that have arrived of a message, a control frame or a head that has
 * begun and is not complete; 0: nothing has. @memory is what they are kept in.
 */
size_t zkt__ws_partial(const struct zkt_ws *ws, size_t *memory);

/** Whether it has begun anything that is not complete, or keeps memory. */
static inline bool zkt__ws_has_partial(const struct zkt_ws *ws)
{
    return ws->slow != NULL || ws->capacity > 0;
}

/** Starts the closing handshake with @code (RFC 6455, section 7.4); once. */
void zkt__ws_close(struct zkt_ws *ws, unsigned code, const char *reason);

/**
 * Server, before it has been fed: refuses the handshake with an HTTP status,
 * whatever would be asked for.
 */
void zkt__ws_refuse(struct zkt_ws *ws, int status);

/** A ping with an empty payload; ignored unless open. */
void zkt__ws_ping(struct zkt_ws *ws);

/** Frees what the connection holds; not from its callbacks. */
void zkt__ws_finish(struct zkt_ws *ws);

/** Largest head that zkt__ws_frame_head writes. */
#define ZKT_WS_HEAD_MAX 14

/**
 * Writes the head of a whole, unmasked text frame of @len bytes so that it
 * ends at @end (the payload begins there); returns the head's length.
 */
size_t zkt__ws_frame_head(uint8_t *end, size_t len);

/**
 * The same for a client: the head carries @mask, and the @len payload bytes
 * behind @end are masked in place (RFC 6455, section 5.3).
 */
size_t zkt__ws_frame_masked(uint8_t *end, size_t len, const uint8_t mask[4]);

#endif
