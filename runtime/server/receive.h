/*
 * Messages of a peer: the envelope is read and checked here, and the session
 * handles its contents. Messages that no client of this protocol sends count as
 * protocol errors; too many of them end the connection.
 */
#ifndef ZKT_SERVER_RECEIVE_H
#define ZKT_SERVER_RECEIVE_H

#include <stddef.h>
#include <stdint.h>

struct zkt_connection;

/** Handles a message; @data is the memory that was lent for it, or other
 * memory. */
void zkt__connection_receive(struct zkt_connection *c, uint8_t *data,
                             size_t len);

/* The most bytes that wait unread in which a cancel is looked for. */
#define ZKT_LOOK_AHEAD 4096

/** Looks among the bytes that wait for a deferred middleware for the message
 * that cancels its call. */
void zkt__connection_look_ahead(struct zkt_connection *c);

#endif
