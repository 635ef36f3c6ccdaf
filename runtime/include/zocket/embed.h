/*
 * A server without any loop, for a loop of yours: the core has no sockets and
 * no clock. You give it bytes as they arrive and the time, and it gives you
 * bytes to send and the time at which it wants to be called. Tests, fuzzers,
 * other event loops and transports (TLS, pipes, shared memory) are made in this
 * way. For loops over plain sockets the last part of this header does the
 * reading and writing; examples/embed is a whole server over poll(2). On libuv,
 * zkt_server_listen (server.h) does all of it.
 *
 * A turn of your loop:
 * 1. zkt_server_clock, once something has happened.
 * 2. zkt_endpoint_feed for each connection that bytes have arrived on, not too
 *    much at once (64 KiB): calls run in it, one after the other.
 * 3. zkt_server_tick: what is due, and what was put off to the end of a turn.
 * 4. For each connection that zkt_server_changed gives: send what is pending,
 *    then look at its fate, and at whether it is to be read from.
 * 5. Sleep until a socket is ready, zkt_server_timeout has passed, or another
 *    thread wakes you (zkt_server_on_wake).
 * Over sockets, zkt_server_read_clock is step 1, zkt_endpoint_receive step 2,
 * and zkt_endpoint_send step 4.
 *
 * All of it belongs to the server's thread, which builds without NDEBUG check,
 * and outside of callbacks. In one, a tick does nothing, nothing is pending,
 * and an endpoint that is fed is dropped.
 */
#ifndef ZOCKET_EMBED_H
#define ZOCKET_EMBED_H

#include "zocket/server.h"
#include "zocket/slice.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One connection. It belongs to the server; see zkt_endpoint_detach. */
struct zkt_endpoint;

/* ---- the server ---- */

/**
 * Sets the clock: @now_ms is monotonic and begins at 0 or later, @wall_ms
 * counts from the epoch. Before the first of these both are 0. A @now_ms that
 * is earlier than the one before counts as no time passing.
 *
 * Once in each turn, after polling. Limits on the silence of a peer count up to
 * the time that was set before: what a peer had sent by then was fed by the
 * turn's tick, and a program that was held up drops nobody whose answer lies
 * unread in a socket. So such a limit takes one turn more.
 */
void zkt_server_clock(struct zkt_server *server, int64_t now_ms,
                      int64_t wall_ms);

/**
 * Ends a turn: runs what is due, what waits in mailboxes and what was posted,
 * and frees connections that were detached.
 */
void zkt_server_tick(struct zkt_server *server);

/** Milliseconds until zkt_server_tick is due, for poll(2); -1: never. */
int zkt_server_timeout(const struct zkt_server *server);

/**
 * The next connection whose pending bytes, fate or wish to be read may have
 * changed since it was given here last, or NULL.
 */
struct zkt_endpoint *zkt_server_changed(struct zkt_server *server);

/**
 * @wake is called when another thread has posted something (zkt_server_post,
 * or a call that is resumed): on that thread, with a lock held, so that it can
 * do no more than to wake you, such as to write to a pipe. NULL: nobody is
 * woken, and what was posted waits for the next tick.
 */
void zkt_server_on_wake(struct zkt_server *server, void (*wake)(void *user),
                        void *user);

/* ---- connections ---- */

/**
 * Whether to accept connections: not while too many have come in this second,
 * or the system was just out of descriptors or memory for one
 * (zkt_server_accept_socket), and not when the server stops. Ask before each,
 * and, when the answer was no, after each zkt_server_tick. When too many are in
 * their handshake, accepting one more drops the oldest of the address that has
 * most of them.
 */
bool zkt_server_accepting(struct zkt_server *server);

/**
 * A new connection, whose first bytes are a WebSocket handshake. @address is
 * the peer's, as text, borrowed for the call, and what limits per address look
 * at; NULL or "": none, and nothing is charged to it. @user is for
 * zkt_endpoint_user. NULL: no memory, a limit is reached, or the server stops;
 * drop the socket. One that is refused with an HTTP status is an endpoint whose
 * fate is to be closed.
 */
struct zkt_endpoint *zkt_server_accept(struct zkt_server *server,
                                       const char *address, void *user);
void *zkt_endpoint_user(const struct zkt_endpoint *endpoint);

/** Bytes have arrived; they are changed in place. */
void zkt_endpoint_feed(struct zkt_endpoint *endpoint, void *bytes, size_t len);

/**
 * What is to be sent, in order: at most @max slices, whose number is returned.
 * They are good until the next zkt_endpoint_sent, _feed or zkt_server_tick.
 */
size_t zkt_endpoint_pending(struct zkt_endpoint *endpoint,
                            struct zkt_slice *out, size_t max);
/** The first @len bytes of what is pending have been sent; no more than that
 * can have been, and more are not counted. */
void zkt_endpoint_sent(struct zkt_endpoint *endpoint, size_t len);

/** The peer will send nothing more (end of file). Again: nothing. */
void zkt_endpoint_ended(struct zkt_endpoint *endpoint);

/**
 * The transport is gone, for whatever reason. The endpoint is not to be
 * touched from now on; it is freed by the next tick, or when the calls that
 * it waits for have finished. zkt_server_free detaches all of its own.
 * Once: no build can check an endpoint that is used afterwards.
 */
void zkt_endpoint_detach(struct zkt_endpoint *endpoint);

/** Whether to read: not while it takes too little of what is sent to it. */
bool zkt_endpoint_reading(const struct zkt_endpoint *endpoint);

enum zkt_fate {
    ZKT_FATE_OPEN,
    /* Send what is pending, then close and detach. Over TCP: shut down the
     * writing half, then read and discard until the peer has closed, too, but
     * not for longer than close_ms; otherwise a reset may overtake the close
     * frame. */
    ZKT_FATE_CLOSE,
    ZKT_FATE_DROP /* close and detach now */
};
enum zkt_fate zkt_endpoint_fate(const struct zkt_endpoint *endpoint);

/* ---- the same over sockets ---- */

/** zkt_server_clock with the system's clocks. */
void zkt_server_read_clock(struct zkt_server *server);

/**
 * Listens on the numeric address @host, IPv4 or IPv6. *@port is 0 for any free
 * one, and the real one afterwards. Returns a non-blocking socket, which is
 * yours to close, or -1 with the reason in errno. On any thread.
 */
int zkt_socket_listen(const char *host, uint16_t *port);

/**
 * zkt_server_accept of the next connection of @listener, which is a
 * non-blocking socket. Its own is put into *@fd: non-blocking as well, and
 * yours to close once the endpoint is detached. NULL: there is none, or it was
 * refused and closed; *@fd is as before.
 */
struct zkt_endpoint *zkt_server_accept_socket(struct zkt_server *server,
                                              int listener, void *user,
                                              int *fd);

/** Reads what has arrived on the non-blocking socket @fd, and feeds it: some
 * 64 KiB at most, for others want their turn, too. What arrives on a
 * connection that is half-closed (see below) is discarded. */
void zkt_endpoint_receive(struct zkt_endpoint *endpoint, int fd);

/**
 * Sends what is pending, as far as the non-blocking socket @fd takes it, and
 * says what to wait for now: POLLIN, POLLOUT, both or 0, as in poll(2). -1:
 * the connection is over and @endpoint is detached; close @fd. A connection
 * that closes is half-closed first, and over when the peer has closed its
 * half, or after close_ms: so the peer can read all that was sent.
 */
int zkt_endpoint_send(struct zkt_endpoint *endpoint, int fd);

#ifdef __cplusplus
}
#endif
#endif
