/*
 * Stream sockets, as little of them as the driver needs: every one is
 * non-blocking, closed on exec, and never raises SIGPIPE. Errors are negative
 * errno values, as in libuv (uv_strerror names them).
 */
#ifndef ZKT_NET_SOCKET_H
#define ZKT_NET_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buffer.h"

#define ZKT_ADDRESS_TEXT 64 /* enough for any numeric address */

/**
 * Listens on the numeric address @host. *@port is 0 for any free one, and the
 * real one afterwards. Returns the socket or an error.
 */
int zkt__socket_listen(const char *host, uint16_t *port);

/** The next connection, or an error (-EAGAIN: none). */
int zkt__socket_accept(int listener, struct sockaddr_storage *peer);

/**
 * Whether an error of zkt__socket_accept is about the connection that would
 * have been accepted, and not about the listener or the process: the next one
 * may be accepted at once.
 */
bool zkt__socket_error_is_transient(int error);

/** The numeric address of @peer, or an empty text. */
void zkt__socket_format_address(const struct sockaddr *peer,
                                char text[ZKT_ADDRESS_TEXT]);

/** Begins to connect; writable means done. Returns the socket or an error. */
int zkt__socket_connect(const struct sockaddr *address, socklen_t len);

/** The outcome of a connect that has become writable: 0 or an error. */
int zkt__socket_connected(int fd);

/** Bytes read, 0 at the end of file, or an error. */
ptrdiff_t zkt__socket_read(int fd, void *buffer, size_t size);

#define ZKT_SOCKET_SLICES 64

/** Bytes written of at most ZKT_SOCKET_SLICES slices, or an error. */
ptrdiff_t zkt__socket_write(int fd, const struct zkt_slice *slices,
                            size_t count);

/**
 * @fd, which was just made, or, if that is one of the standard descriptors, a
 * copy of it that is none, and @fd is closed: a program may have been started
 * without them, and would read from it or print into it. Or an error.
 */
int zkt__socket_above_stdio(int fd);

/** Says that nothing more will be written. */
void zkt__socket_finish_writing(int fd);
void zkt__socket_close(int fd);

#endif
