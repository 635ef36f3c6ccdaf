/*
 * The listening socket of a server: accepts a bounded number of connections in
 * a turn and hands each to a function. It pauses while its owner accepts no
 * more, or the process is out of descriptors or memory.
 */
#ifndef ZKT_NET_LISTENER_H
#define ZKT_NET_LISTENER_H

#include "net/poller.h"
#include "net/socket.h"
#include "net/unix_socket.h"

/* A connection that was accepted. */
struct zkt_accepted {
    int fd;
    uint8_t listener; /* a set of enum zkt_listener_trait */
    struct sockaddr_storage peer;
};

/* A listening socket, before and while connections are accepted from it. */
struct zkt_listening_socket {
    int fd;
    union zkt_socket_address address;
    struct zkt_socket_file file; /* removed when the socket is closed */
    uint8_t traits;              /* a set of enum zkt_listener_trait */
};

struct zkt_listener {
    struct zkt_poller *poller;
    struct zkt_source source; /* its fd is -1 while the listener is closed */
    struct zkt_socket_file file;
    uv_timer_t retry;
    int64_t per_turn; /* most connections to accept in a turn */
    int64_t allowed;  /* connections to accept in this turn */
    uint64_t batch;   /* the poller's batch in which it was last ready */
    uint32_t handles; /* handles that are not closed yet */
    uint8_t traits;   /* a set of enum zkt_listener_trait */
    bool paused;
    bool failing;         /* accepting has failed and not succeeded since */
    uint64_t *turns_full; /* counts turns that accept per_turn connections */
    /* Returns true if another connection may be accepted. If not, the owner
     * calls resume later. */
    bool (*is_open)(void *user);
    /* Takes ownership of the descriptor. */
    void (*on_accept)(void *user, const struct zkt_accepted *accepted);
    /* Reports the first of a series of failures, a libuv error; the listener
     * tries again. */
    void (*on_error)(void *user, int error);
    /* Called when the listener was closed and handles is 0. */
    void (*on_closed)(void *user);
    void *user;
};

/** Begins to accept from @socket, which the listener owns from now on. Returns
 * 0 or a libuv error, after which the listener is closing. */
int zkt__listener_open(struct zkt_listener *listener, struct zkt_poller *poller,
                       const struct zkt_listening_socket *socket);
/** Ends a pause: a descriptor has become free, or the owner accepts again. */
void zkt__listener_resume(struct zkt_listener *listener);
/** Closes the listener, also if its fd is -1; on_closed is called later. May be
 * repeated. */
void zkt__listener_close(struct zkt_listener *listener);

#endif
