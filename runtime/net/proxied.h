/*
 * The connections of a listener `proxy:…` until their header is complete: then
 * they are connections of the client that it names, and begin with the bytes
 * behind it, TLS or HTTP. A header that is none, or that does not arrive within
 * handshake_ms, ends the connection.
 */
#ifndef ZKT_NET_PROXIED_H
#define ZKT_NET_PROXIED_H

#include "net/listener.h"

struct zkt_shard_driver;

/**
 * Begins to read the header of an admitted connection, on the thread of the
 * driver's shard. Returns 0 or a libuv error; after an error the socket is
 * still the caller's.
 */
int zkt__proxied_begin(struct zkt_shard_driver *driver,
                       const struct zkt_accepted *accepted);

/** Drops all connections of the driver without a complete header. */
void zkt__proxied_drop_all(struct zkt_shard_driver *driver);

#endif
