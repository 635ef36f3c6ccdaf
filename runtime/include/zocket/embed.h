/*
 * A server without a loop, for a loop of the program's own. The core has no
 * sockets and no clock: the program gives it the time and the bytes that
 * arrive, and takes the bytes to send and the time of the next turn. Tests,
 * fuzzers, other event loops and other transports (TLS, pipes, shared memory)
 * are made in this way. On libuv, zkt_server_listen (server.h) does all of it.
 *
 * A turn of the loop:
 * 1. zkt_server_clock, after waiting.
 * 2. zkt_endpoint_feed for each connection that bytes have arrived on, at most
 *    64 KiB at once: calls run in it, one after the other.
 * 3. zkt_server_tick: things that are due, and those that the turn put off.
 * 4. For each connection that zkt_server_changed gives, or that could not take
 *    all before: send the pending bytes, then ask for its fate and for whether
 *    to read from it.
 * 5. Sleep until a socket is ready, zkt_server_timeout has passed, or another
 *    thread wakes the loop (zkt_server_on_wake).
 *
 * Over sockets, the last part of this header does step 1 with
 * zkt_server_read_clock, step 2 with zkt_endpoint_receive and step 4 with
 * zkt_endpoint_send:
 *
 *     #include <poll.h>
 *     #include <unistd.h>
 *
 *     #include "zocket/embed.h"
 *
 *     int turn(struct zkt_server *server, struct pollfd *fds,
 *              struct zkt_endpoint **peers, int count)
 *     {
 *         (void)poll(fds, (nfds_t)count, zkt_server_timeout(server));
 *         zkt_server_read_clock(server);
 *         for (int i = 0; i < count; i++) {
 *             if (fds[i].revents != 0) {
 *                 zkt_endpoint_receive(peers[i], fds[i].fd);
 *             }
 *         }
 *         zkt_server_tick(server);
 *         for (int i = count - 1; i >= 0; i--) {
 *             fds[i].events = (short)zkt_endpoint_send(peers[i], fds[i].fd);
 *             if (fds[i].events < 0) {
 *                 close(fds[i].fd);
 *                 fds[i] = fds[--count];
 *                 peers[i] = peers[count];
 *             }
 *         }
 *         return count;
 *     }
 *
 * examples/embed is a whole server, which also accepts.
 *
 * Threads: everything here belongs to the server's thread, unless its comment
 * says otherwise. Builds without NDEBUG check that: a call on another thread
 * logs an error, does nothing, and returns 0, false or NULL, or -1 for "never".
 * Nothing here is for callbacks: in a handler or hook a tick does nothing, no
 * bytes are pending, and an endpoint that is fed is dropped.
 */
#ifndef ZOCKET_EMBED_H
#define ZOCKET_EMBED_H

#include "zocket/server.h"
#include "zocket/slice.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A connection. It belongs to the server, which frees it after
 * zkt_endpoint_detach.
 */
struct zkt_endpoint;

/* ---- the server ---- */

/**
 * Sets the clock. @now_ms is monotonic and begins at 0 or later; a value that
 * is earlier than the last counts as no time passing. The first call sets the
 * origin: no time has passed before it. @wall_ms counts from the epoch, and is
 * 0 before the first call.
 *
 * Call it once in each turn, after waiting. Limits on the silence of a peer
 * count up to the time that was set before: bytes that had arrived by then are
 * fed by the turn's tick, and a program that was held up drops no peer with
 * unread bytes in a socket. So such a limit takes one turn more.
 */
void zkt_server_clock(struct zkt_server *server, int64_t now_ms,
                      int64_t wall_ms);

/**
 * Ends a turn: runs everything that is due, messages in mailboxes and functions
 * that were posted, and frees connections that were detached.
 */
void zkt_server_tick(struct zkt_server *server);

/**
 * Returns the milliseconds until zkt_server_tick is due, as poll(2) takes them:
 * 0 for now, -1 for no limit.
 */
int zkt_server_timeout(const struct zkt_server *server);

/**
 * Returns a connection that may have changed since it was returned here last
 * (its pending bytes, its fate, whether to read from it), or NULL if there is
 * none.
 */
struct zkt_endpoint *zkt_server_changed(struct zkt_server *server);

/**
 * Sets the function that wakes the loop when another thread has posted
 * something (zkt_server_post, or a call that is resumed). It runs on that
 * thread with a lock held, so it can do no more than to write to a pipe, an
 * eventfd or the like, and must not call the server. If something was posted
 * before, it runs at once. NULL: posted functions wait for the next tick.
 */
void zkt_server_on_wake(struct zkt_server *server, void (*wake)(void *user),
                        void *user);

/* ---- connections ---- */

/**
 * Returns true if a connection may be accepted now: false while the limit
 * accepts_per_second is reached, for 100 ms after the system was out of
 * descriptors or memory (zkt_server_accept_socket), and once the server stops.
 * Ask before each accept, and, after false, after each zkt_server_tick. When
 * half_open connections are in their handshake, accepting another drops the
 * oldest of the address that has most of them.
 */
bool zkt_server_accepting(struct zkt_server *server);

/**
 * Makes an endpoint for a new connection, which begins with the request of a
 * WebSocket handshake (RFC 6455, section 4.2.1). @address is the peer's address
 * as text, for the limits per address; it is copied. NULL or "" is no address,
 * and these limits do not hold for it. Requests are judged as those of a
 * listener that everybody may reach (server.h, allow_origins and server_names),
 * and a peer that trusted_proxies names tells its clients. @user is for
 * zkt_endpoint_user.
 *
 * Returns NULL if there is no memory, a limit is reached or the server stops;
 * close the transport then. A connection that is refused with an HTTP status
 * has an endpoint: its fate says when to close.
 */
struct zkt_endpoint *zkt_server_accept(struct zkt_server *server,
                                       const char *address, void *user);

/** Returns the @user that the endpoint was made with. */
void *zkt_endpoint_user(const struct zkt_endpoint *endpoint);

/**
 * Gives the server @len bytes that have arrived. Handlers may run in it. The
 * bytes are changed in place and not used after the return. If they cannot be
 * handled yet they are copied; a driver that goes on to feed a connection that
 * is not to be read (zkt_endpoint_reading) has it closed with 1013.
 */
void zkt_endpoint_feed(struct zkt_endpoint *endpoint, void *bytes, size_t len);

/**
 * Fills @out with at most @max slices of the bytes to send, in order, and
 * returns their number; 0 if none are pending. They are good until the next
 * zkt_endpoint_sent, zkt_endpoint_feed or zkt_server_tick.
 */
size_t zkt_endpoint_pending(struct zkt_endpoint *endpoint,
                            struct zkt_slice *out, size_t max);

/**
 * Says that the first @len pending bytes were sent. A number that is too large
 * counts as all of them.
 */
void zkt_endpoint_sent(struct zkt_endpoint *endpoint, size_t len);

/**
 * Says that the peer will send nothing more (end of file). A second call does
 * nothing.
 */
void zkt_endpoint_ended(struct zkt_endpoint *endpoint);

/**
 * Says that the transport is gone, for any reason, and gives the endpoint back.
 * It must not be used from now on; no build can check that. The server frees it
 * in the next tick, or when its calls have finished. zkt_server_free detaches
 * all endpoints itself.
 */
void zkt_endpoint_detach(struct zkt_endpoint *endpoint);

/**
 * Returns true if the connection is to be read from: false while too many of
 * its calls, or too many bytes for it, are waiting. A connection that closes is
 * read from, for its close frame.
 */
bool zkt_endpoint_reading(const struct zkt_endpoint *endpoint);

/** What is to become of a connection. */
enum zkt_fate {
    /* It goes on. */
    ZKT_FATE_OPEN,
    /* Send the pending bytes, then close and detach. Over TCP: shut down the
     * writing half, then read and discard until the peer has closed its own,
     * but not for longer than close_ms; otherwise a reset may overtake the
     * close frame (RFC 6455, section 7.1.1). */
    ZKT_FATE_CLOSE,
    /* Close and detach now, with bytes pending or not. */
    ZKT_FATE_DROP
};

/** Returns the fate of a connection, as of now. Ask after sending. */
enum zkt_fate zkt_endpoint_fate(const struct zkt_endpoint *endpoint);

/* ---- the same over sockets ---- */

/**
 * Sets the clock (zkt_server_clock) by the system's clocks, CLOCK_MONOTONIC and
 * CLOCK_REALTIME.
 */
void zkt_server_read_clock(struct zkt_server *server);

/**
 * Listens on the numeric address @host, IPv4 or IPv6. *@port is 0 for any free
 * port, and the real port afterwards. Returns a non-blocking socket that the
 * caller closes, or -1 with the reason in errno (EINVAL: @host is not numeric).
 * From any thread; it needs no server.
 */
int zkt_socket_listen(const char *host, uint16_t *port);

/**
 * Accepts the next connection of @listener, a non-blocking socket, as
 * zkt_server_accept does with the peer's address. Its socket is put into *@fd:
 * non-blocking, and for the caller to close once the endpoint is detached.
 * Returns NULL, and leaves *@fd alone, if there is no connection, or it was
 * refused and closed.
 */
struct zkt_endpoint *zkt_server_accept_socket(struct zkt_server *server,
                                              int listener, void *user,
                                              int *fd);

/**
 * Reads the bytes that have arrived on the non-blocking socket @fd, and feeds
 * them: at most 64 KiB, so that other connections have their turn. On a
 * connection that is half-closed (zkt_endpoint_send) they are discarded. An end
 * of file or an error is noted, and zkt_endpoint_send acts on it.
 */
void zkt_endpoint_receive(struct zkt_endpoint *endpoint, int fd);

/**
 * Sends pending bytes as far as the non-blocking socket @fd takes them, and
 * returns the events to wait for, as in poll(2): POLLIN, POLLOUT, both or 0.
 * Returns -1 if the connection is over; then @endpoint is detached, and the
 * caller closes @fd. A connection that closes is half-closed first, and over
 * when the peer has closed its half or close_ms have passed, so that the peer
 * can read everything that was sent.
 */
int zkt_endpoint_send(struct zkt_endpoint *endpoint, int fd);

#ifdef __cplusplus
}
#endif
#endif
