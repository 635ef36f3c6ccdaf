/*
 * The connection of a peer: a socket, and by TLS a stream of zocket-tls
 * (net/tls.h) between the socket and the peer. No function blocks.
 */
#ifndef SOAK_LINE_H
#define SOAK_LINE_H

#include <sys/types.h>

#include "soak.h"

struct line;

/** Connects, by TLS if the clients do so. @on_ready gets events of libuv. */
struct line *line_open(void (*on_ready)(void *user, int events), void *user);
/** Closes the connection, and frees the line. */
void line_close(struct line *line, bool reset);
/** Watches for bytes that arrive if @reads, and for room if @writes or records
 * are unsent. */
void line_watch(struct line *line, bool reads, bool writes);
/** Sends some of @len bytes. Returns their number, 0 if there is no room. A
 * broken connection takes all; receiving shows that it is broken. */
size_t line_send(struct line *line, const char *bytes, size_t len);
/** Sends bytes that are no record of TLS; the server is expected to end the
 * connection. Returns false without TLS. */
bool line_break(struct line *line, const char *bytes, size_t len);
/** Returns true if everything that line_send has taken is with the system. */
bool line_is_sent(const struct line *line);
/** Stores at most @size received bytes. Returns their number, 0 at the end of
 * the connection, -1 if there is nothing for now. */
ssize_t line_receive(struct line *line, char *to, size_t size);

#endif
