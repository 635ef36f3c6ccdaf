/*
 * Stream sockets, as far as net needs them: non-blocking, closed on exec, and
 * without SIGPIPE. Errors are negative errno values, as in libuv (uv_strerror
 * names them).
 */
#ifndef ZKT_NET_SOCKET_H
#define ZKT_NET_SOCKET_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buffer.h"

#define ZKT_ADDRESS_TEXT 64  /* enough for any numeric address */
#define ZKT_SOCKET_URL   128 /* enough for the URL of any socket */

/* The address of a listening socket. */
union zkt_socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

/** Returns a new socket of the address family, or an error. */
int zkt__socket_new(int family);

/**
 * Listens on the numeric address @host. If *@port is 0, the system chooses a
 * free port; *@port is the actual port afterwards. Returns the socket or an
 * error.
 */
int zkt__socket_listen(const char *host, uint16_t *port);

/** Listens on an IPv4 or IPv6 address; on IPv6 for IPv6 peers only. Returns the
 * socket or an error. */
int zkt__socket_listen_at(const struct sockaddr *address, socklen_t len);

/** Makes a bound socket a listening one. Returns 0 or an error. */
int zkt__socket_start_listening(int fd);

/**
 * Prepares an inherited listening socket: it does not block, and is closed on
 * exec. Returns 0 or an error: -EINVAL if it is no listening stream socket.
 */
int zkt__socket_adopt(int fd);

/** Stores the address that @fd is bound to. Returns 0 or an error. */
int zkt__socket_address(int fd, union zkt_socket_address *out);

/** Returns the port of an address, or 0 for a Unix socket. */
uint16_t zkt__socket_port(const union zkt_socket_address *address);

/** Returns true if an address is one of loopback, of IPv4 or IPv6. */
bool zkt__socket_is_loopback(const union zkt_socket_address *address);

/** Writes the URL of a listening socket, for the log: `ws://[::1]:3000`,
 * `ws+unix:///run/chat.sock`; @scheme is "ws" in these. */
void zkt__socket_format_url(const union zkt_socket_address *address,
                            const char *scheme, char text[ZKT_SOCKET_URL]);

/** Returns the socket of the next connection, or an error (-EAGAIN: none). */
int zkt__socket_accept(int listener, struct sockaddr_storage *peer);

/**
 * Returns true if an error of zkt__socket_accept concerns only the connection
 * that was to be accepted, and not the listener or the process: the next
 * connection may be accepted at once.
 */
bool zkt__socket_error_is_transient(int error);

/** Writes the numeric address of @peer, or an empty text for a Unix socket's.
 */
void zkt__socket_format_address(const struct sockaddr *peer,
                                char text[ZKT_ADDRESS_TEXT]);

/** Writes the name of @peer for the log: its numeric address, or "a Unix
 * socket". */
void zkt__socket_format_peer(const struct sockaddr *peer,
                             char text[ZKT_ADDRESS_TEXT]);

/** Begins to connect; the socket becomes writable when that has ended. Returns
 * the socket or an error. */
int zkt__socket_connect(const struct sockaddr *address, socklen_t len);

/** Returns the result of a connect that has ended: 0 or an error. */
int zkt__socket_connected(int fd);

/** Returns the number of bytes read, 0 at the end of file, or an error. */
ptrdiff_t zkt__socket_read(int fd, void *buffer, size_t size);

#define ZKT_SOCKET_SLICES 64

/** Writes at most ZKT_SOCKET_SLICES slices. Returns the number of bytes
 * written, or an error. */
ptrdiff_t zkt__socket_write(int fd, const struct zkt_slice *slices,
                            size_t count);

/**
 * Returns a new descriptor @fd, or, if @fd is a standard descriptor, a copy of
 * it that is not, and closes @fd: a program that was started without standard
 * descriptors would otherwise read from the socket or print into it. Returns an
 * error if the copy fails; passes on an error in errno if @fd is negative.
 */
int zkt__socket_above_stdio(int fd);

/**
 * Returns true if the peer has acknowledged everything that was sent, or, of a
 * Unix socket, has read it, and nothing that it has sent is unread: closing the
 * socket takes nothing from it (RFC 9112, section 9.6).
 */
bool zkt__socket_is_settled(int fd);

/** Sends the end of file. */
void zkt__socket_finish_writing(int fd);
void zkt__socket_close(int fd);

#endif
