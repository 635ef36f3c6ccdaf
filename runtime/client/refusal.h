/*
 * The reason why a client has no connection: a code and a text of the peer, or
 * a local error; and whether the client connects again, and when. The first
 * code of a connection or an attempt stands. When that has ended,
 * zkt_client_refusal returns it.
 */
#ifndef ZKT_CLIENT_REFUSAL_H
#define ZKT_CLIENT_REFUSAL_H

#include "protocol/envelope.h"
#include "websocket/websocket.h"
#include "zocket/client.h"

#define ZKT_REFUSAL_LINE (ZKT_REFUSAL_TEXT + 96)

/** Sets the reason for the end of the connection, unless it is set. */
void zkt__refusal_set(struct zkt_client *client, enum zkt_status status,
                      unsigned code, struct zkt_str text);
/** The same with a close code of the peer. */
void zkt__refusal_set_close(struct zkt_client *client, unsigned code,
                            struct zkt_str text);
/** The same with the response to a handshake. */
void zkt__refusal_set_http(struct zkt_client *client,
                           const struct zkt_ws_refusal *response);
/** Takes the text and the time of a refusal from @message: the body of a
 * response, or an `error` before `welcome`. The code comes separately. */
void zkt__refusal_describe(struct zkt_client *client,
                           const struct zkt_envelope *message);
/** Writes a line for the log: @reason, and the code and text of the peer. */
void zkt__refusal_print(const struct zkt_client *client, const char *reason,
                        char text[ZKT_REFUSAL_LINE]);
/** The connection has ended: makes its reason, or else @reason, the client's
 * refusal. */
void zkt__refusal_finish(struct zkt_client *client, bool was_upgraded,
                         const char *reason);
/** Writes why there is no connection: code and text, or an empty text. */
void zkt__refusal_explain(const struct zkt_client *client,
                          char text[ZKT_REFUSAL_LINE]);

/* The effects of a refusal. */
enum zkt_refusal_effect {
    ZKT_REFUSAL_RETRIES, /* another attempt, after the backoff */
    ZKT_REFUSAL_RENEWS,  /* another attempt at once, with another token */
    ZKT_REFUSAL_ENDS     /* no more attempts */
};

enum zkt_refusal_effect zkt__refusal_effect(const struct zkt_refusal *refusal);

#endif
