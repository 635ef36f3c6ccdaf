/* The request of a connection's handshake: the subprotocol that is selected
 * (RFC 6455, section 1.9), and comparing its texts. */
#ifndef ZKT_SESSION_REQUEST_H
#define ZKT_SESSION_REQUEST_H

#include "shard/message.h"
#include "websocket/websocket.h"

/**
 * Returns the subprotocol that the server selects: the first of those it knows
 * that was offered; else the first that begins with "bearer", since a browser
 * fails a connection that offered some and got none; else "". Names are
 * compared exactly.
 */
struct zkt_str zkt__request_protocol(const struct zkt_ws_request *request);

/** Returns true if a header field offers subprotocols. */
bool zkt__request_is_offer(struct zkt_str name);

/** Returns the id of a request that a trusted proxy has sent: X-Request-Id, or
 * else traceparent. Returns "" if there is none, or @peer is no such proxy. */
struct zkt_str zkt__request_id(const struct zkt_peer *peer,
                               struct zkt_str fields);

/** Returns true if two texts are equal but for the case of ASCII letters. */
bool zkt__request_same(struct zkt_str a, struct zkt_str b);

/** Returns true if @text begins with @prefix. */
bool zkt__request_begins(struct zkt_str text, struct zkt_str prefix);

#endif
