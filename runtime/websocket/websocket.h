/*
 * A WebSocket connection (RFC 6455) without I/O, in either role: bytes in,
 * complete messages out. Independent of JSON and of the content of messages.
 *
 * wslay enforces the protocol, but common frames do not pay for it. Complete
 * data frames are unmasked straight into the memory of their receiver. Partial
 * data frames are gathered here, with size and UTF-8 checked as the bytes
 * arrive. Control frames, fragments and all violations go to a wslay context
 * that exists only while it is needed.
 *
 * Sending: the layers above make data frames with zkt__ws_frame_head (a
 * server's frames are unmasked, so a frame serves all connections); control
 * frames, handshakes and refusals come from here through `send`.
 */
#ifndef ZKT_WEBSOCKET_WEBSOCKET_H
#define ZKT_WEBSOCKET_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/random.h"
#include "http/request.h"
#include "http/response.h"
#include "websocket/deflate.h"
#include "zocket/types.h"

/* The subprotocols: with true inserts in patches, and without; protocol.md. */
#define ZKT_WS_PROTOCOL_RFC6902 "zocket.rfc6902"
#define ZKT_WS_PROTOCOL_PLAIN   "zocket"

/* The bytes of a close frame's reason, at most (RFC 6455, section 5.5). */
#define ZKT_WS_REASON_MAX 123

enum zkt_ws_role {
    ZKT_WS_SERVER,
    ZKT_WS_CLIENT
};

enum zkt_ws_state {
    ZKT_WS_HANDSHAKE, /* until a request for a WebSocket is accepted */
    ZKT_WS_OPEN,
    ZKT_WS_CLOSING, /* close frame sent; waiting for the peer's */
    ZKT_WS_ASKED,   /* a request waits for an answer; no byte is consumed */
    ZKT_WS_CLOSED   /* flush output, then drop the transport */
};

/* The request of a server's handshake; the strings are views, valid until the
 * request is answered. */
struct zkt_ws_request {
    struct zkt_str target; /* the request target, path and query as sent */
    struct zkt_str path, query;
    struct zkt_str host, origin; /* data NULL: absent */
    struct zkt_str fields;       /* for zkt__http_next_field */
    struct zkt_str protocols; /* of the first field that offers some, or "" */
    struct zkt_deflate_offer deflate;
    struct zkt_str key;
    bool more_protocols; /* other fields offer some, too */
    bool expects_continue;
};

/* A limit of struct zkt_ws_limits that the peer exceeded. */
enum zkt_ws_limit {
    ZKT_WS_LIMIT_MESSAGE,
    ZKT_WS_LIMIT_FRAGMENTS,
    ZKT_WS_LIMIT_HEAD,
    ZKT_WS_LIMIT_BODY
};

struct zkt_ws;

/* A response that refuses a client's handshake; the strings are views. */
struct zkt_ws_refusal {
    unsigned status;       /* 100 to 999, but not 101 */
    struct zkt_str reason; /* the reason phrase, an arbitrary text */
    struct zkt_str
        retry_after; /* that field (RFC 9110, section 10.2.3), or "" */
};

struct zkt_ws_callbacks {
    /*
     * Server: receives a valid WebSocket handshake, and answers it by
     * zkt__ws_accept or zkt__ws_refuse, at once or later. NULL: accepts all.
     */
    void (*on_request)(void *user, const struct zkt_ws_request *request);
    /*
     * Server: receives the head of a request. Returns 0 to have its body read,
     * the status that refuses it, or -1 if it was answered. NULL: one that
     * asks for no WebSocket is refused with 426 for GET and HEAD, else 405.
     */
    int (*on_head)(void *user, const struct zkt_http_request *request);
    /* Server: receives a request that asks for none, complete, and answers it
     * by zkt__ws_reply or zkt__ws_begin_reply, at once or later. May be NULL if
     * on_head is. */
    void (*on_plain)(void *user, const struct zkt_http_request *request);
    /*
     * The handshake is done (both roles); messages may be sent. @protocol is
     * the subprotocol that the server selected, or ""; "" for a server.
     */
    void (*on_open)(void *user, const char *protocol);
    /*
     * Returns @len + ZKT_PADDING bytes for a message that is about to be
     * delivered, or NULL if there is no memory (the connection is then closed
     * with 1011). Called only if a message is complete in the bytes at hand; a
     * message in pieces is gathered in the connection's memory.
     */
    uint8_t *(*memory)(void *user, size_t len);
    /*
     * Receives a complete message; text is valid UTF-8. @data is followed by
     * ZKT_PADDING zero bytes, may be changed in place, and is valid during the
     * call, or as long as the block from `memory`, if it is that block.
     */
    void (*on_message)(void *user, bool binary, uint8_t *data, size_t len);
    /* Server: returns lines of header fields for each answer, each with its CR
     * LF, or "". May be NULL. */
    struct zkt_str (*common_fields)(void *user);
    /* Server: returns the time for the field Date of an answer, in ms since the
     * epoch, or 0. May be NULL. */
    int64_t (*wall_ms)(void *user);
    /* Sends bytes, in order. Must copy them. */
    void (*send)(void *user, const void *data, size_t len);
    /*
     * The WebSocket has ended; called once. @code is from the peer's close
     * frame (1005 if it has none), a violation (the code that was sent), a
     * failed handshake (1002; @reason says why, static text), or zkt__ws_close.
     * No message is delivered afterwards.
     */
    void (*on_close)(void *user, unsigned code, const char *reason);
    /* Called before on_close with the code of the peer's close frame (1005 if
     * it has none) and its reason. May be NULL. */
    void (*on_peer_status)(void *user, unsigned code, struct zkt_str text);
    /* Client: the server has refused the handshake; called before on_close. May
     * be NULL. */
    void (*on_refused)(void *user, const struct zkt_ws_refusal *refusal);
    /*
     * Client: the body of that response, if it has a length of at most
     * ZKT_WS_BODY_MAX and is complete; called between the two. @body is as the
     * message of on_message, but any bytes. May be NULL.
     */
    void (*on_refusal_body)(void *user, uint8_t *body, size_t len);
    /* Called before on_close if a limit was exceeded; may be NULL. */
    void (*on_limit)(void *user, enum zkt_ws_limit limit);
};

struct zkt_ws_limits {
    size_t message; /* bytes; exceeding it: 1009 */
    size_t head;    /* bytes of a request or response head; exceeding it: 431 */
    size_t fragments; /* frames per message; exceeding it: 1009 */
    size_t body;      /* bytes of a request's body; exceeding it: 413 */
};

/* Of a response that refuses; a longer body is not read. */
#define ZKT_WS_BODY_MAX ((size_t)8 * 1024)

/* The part of a WebSocket that only the client role has; it outlives the
 * connection. */
struct zkt_ws_client {
    struct zkt_random *random; /* for masks and the key */
    const char *offered;       /* subprotocols */
    char key[25];              /* the Sec-WebSocket-Key that was sent */
    uint8_t interim;           /* number of responses before the final one */
    size_t body; /* length of a refusal's body that is being read; or 0 */
};

/* The things that many WebSockets share. */
struct zkt_ws_setup {
    const struct zkt_ws_callbacks *callbacks;
    const struct zkt_allocator *allocator;
    const struct zkt_ws_limits *limits;
    struct zkt_deflate *deflate; /* NULL: compression is not negotiated */
};

struct zkt_ws_gathered;

/*
 * Kept small: an idle connection costs sizeof(struct zkt_ws) and no other
 * memory. The struct is public so that it can be embedded; its members are
 * private.
 */
struct zkt_ws {
    const struct zkt_ws_setup *setup; /* outlives the connection */
    void *user;
    struct zkt_ws_wslay *wslay;       /* the wslay context, while needed */
    struct zkt_ws_gathered *gathered; /* a partial frame, or a response's head;
                                         or NULL */
    size_t want; /* bytes of the frame; those to skip, if nothing is gathered */
    union {
        struct zkt_ws_client *client;    /* of the client role */
        struct zkt_http_reader *request; /* of the server role: the request of
                                            the handshake, or NULL */
    };
    uint32_t completed; /* requests, messages, control frames between them */
    uint8_t role, state;
    bool notified : 1; /* on_close was called */
    bool paused : 1;   /* nothing is consumed until zkt__ws_resume */
    bool deflates : 1; /* both sides may send compressed messages */
};

/** Initialises the server role; does not allocate. Borrows @setup; @user is
 * given to its callbacks. */
void zkt__ws_init_server(struct zkt_ws *ws, const struct zkt_ws_setup *setup,
                         void *user);

/* The request of a client's handshake. */
struct zkt_ws_opening {
    struct zkt_str host;   /* "name:port" as in the URL */
    struct zkt_str target; /* path and query; begins with '/' */
    struct zkt_str fields; /* further header lines, each with its CR LF */
    const char *offered;   /* static, a comma-separated list of subprotocols, or
                              empty */
};

/**
 * Initialises the client role and sends the request through `send`; borrows
 * @opening for the call. Returns false if there is no memory for the request.
 */
bool zkt__ws_init_client(struct zkt_ws *ws, struct zkt_ws_client *client,
                         const struct zkt_ws_setup *setup, void *user,
                         struct zkt_random *random,
                         const struct zkt_ws_opening *opening);

/**
 * Feeds received bytes, in any split; changes them in place. Returns the number
 * of consumed bytes: all, unless it was paused. The caller keeps the rest
 * unchanged, and feeds it again before later bytes.
 */
size_t zkt__ws_feed(struct zkt_ws *ws, uint8_t *bytes, size_t len);

/**
 * Pauses. From a callback: the current feed returns behind the current frame,
 * so at most the message at hand is delivered. Otherwise the next feed consumes
 * nothing. No effect on a closing or closed WebSocket; closing ends a pause,
 * since no message is delivered afterwards.
 */
void zkt__ws_pause(struct zkt_ws *ws);

/** Ends a pause, if any; the caller then feeds the bytes that it kept. */
static inline void zkt__ws_resume(struct zkt_ws *ws)
{
    ws->paused = false;
}

/** Returns true while the WebSocket is paused. */
bool zkt__ws_is_paused(const struct zkt_ws *ws);

/**
 * Returns the received bytes of an incomplete message, control frame or head,
 * and of a request until its answer; 0 if there is none. *@memory is the memory
 * that holds them.
 */
size_t zkt__ws_partial(const struct zkt_ws *ws, size_t *memory);

/** Returns true if a message or control frame is incomplete, or holds memory;
 * for an open WebSocket. */
static inline bool zkt__ws_has_partial(const struct zkt_ws *ws)
{
    return ws->wslay != NULL || ws->gathered != NULL;
}

/**
 * Copies the first message of @bytes, which wait to be fed, to @text, if it is
 * a frame of at most @room bytes; otherwise *@text_len is 0. Returns the length
 * of the frame; 0 if it is not complete, or no frame of its own.
 */
size_t zkt__ws_peek(const struct zkt_ws *ws, const uint8_t *bytes, size_t len,
                    uint8_t *text, size_t room, size_t *text_len);

/** Starts the closing handshake with @code (RFC 6455, section 7.4); once. */
void zkt__ws_close(struct zkt_ws *ws, unsigned code, const char *reason);

/** Server, before the first feed: calls on_request with @request, which did not
 * come as bytes and is valid. */
void zkt__ws_ask(struct zkt_ws *ws, const struct zkt_ws_request *request);

/** Server: accepts @request, a copy of the one that on_request was given.
 * @protocol is "", or
 * one of the offered subprotocols, perhaps a view of the request. */
void zkt__ws_accept(struct zkt_ws *ws, const struct zkt_ws_request *request,
                    struct zkt_str protocol);
/**
 * Server, before the first feed or in answer to a request: refuses with an HTTP
 * status from 300 to 599. @fields are lines of header fields, each with its CR
 * LF, for @body; both may be "".
 */
void zkt__ws_refuse(struct zkt_ws *ws, int status, struct zkt_str fields,
                    struct zkt_str body);

/** Server: answers a request that asks for no WebSocket, in on_plain or later.
 * The connection ends if @response says so. */
void zkt__ws_reply(struct zkt_ws *ws, const struct zkt_http_response *response);
/** Server: answers such a request in on_head, while zkt__ws_reads_body: its
 * body is not read, and the connection ends. */
void zkt__ws_reply_early(struct zkt_ws *ws,
                         const struct zkt_http_response *response);
/** Server: begins such an answer by its head, and frees the request. The body
 * follows in parts, of which the WebSocket knows nothing. */
void zkt__ws_begin_reply(struct zkt_ws *ws,
                         const struct zkt_http_response *response,
                         enum zkt_http_framing framing, uint64_t length);
/** Server: ends such an answer; the next request may be fed, unless the
 * connection @closes. */
void zkt__ws_end_reply(struct zkt_ws *ws, bool closes);
/** Server: takes a request that waits for its answer; the caller frees it. */
struct zkt_http_reader *zkt__ws_take_request(struct zkt_ws *ws);
/** Server: returns true while the body of a request is read. */
bool zkt__ws_reads_body(const struct zkt_ws *ws);

/** Sends a ping with an empty payload; ignored unless open. */
void zkt__ws_ping(struct zkt_ws *ws);

/** Frees the memory of the connection; not to be called from its callbacks. */
void zkt__ws_finish(struct zkt_ws *ws);

/** Maximum length of a header by zkt__ws_frame_head. */
#define ZKT_WS_HEAD_MAX 14

/**
 * Writes the header of a complete, unmasked text frame of @len bytes so that it
 * ends at @end, where the payload begins; returns the header's length.
 */
size_t zkt__ws_frame_head(uint8_t *end, size_t len);

/**
 * As zkt__ws_frame_head for a client: the header carries @mask, and the @len
 * payload bytes at @end are masked in place (RFC 6455, section 5.3).
 */
size_t zkt__ws_frame_masked(uint8_t *end, size_t len, const uint8_t mask[4]);

#endif
