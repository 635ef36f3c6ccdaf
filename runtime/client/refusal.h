/*
 * The reason why a client has no connection: a code and a text of the peer, or
 * a local error. The first reason of a connection or an attempt stands. When
 * that has ended, zkt_client_refusal returns it.
 */
#ifndef ZKT_CLIENT_REFUSAL_H
#define ZKT_CLIENT_REFUSAL_H

#include "zocket/client.h"

#define ZKT_REFUSAL_LINE (ZKT_REFUSAL_TEXT + 96)

/** Sets the reason for the end of the connection, unless it is set. */
void zkt__refusal_set(struct zkt_client *client, enum zkt_status status,
                      unsigned code, struct zkt_str text);
/** The same with an HTTP status or a close code of the peer. */
void zkt__refusal_set_peer(struct zkt_client *client, unsigned code,
                           struct zkt_str text);
/** Returns true if the client connects no more. */
bool zkt__refusal_is_final(const struct zkt_refusal *refusal);
/** Writes a line for the log: @reason, and the code and text of the peer. */
void zkt__refusal_print(const struct zkt_client *client, const char *reason,
                        char text[ZKT_REFUSAL_LINE]);
/** The connection has ended: makes its reason, or else @reason, the client's
 * refusal. */
void zkt__refusal_finish(struct zkt_client *client, bool was_open,
                         const char *reason);

#endif
