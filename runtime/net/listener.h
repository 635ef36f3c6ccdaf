/*
 * The socket that a server listens on: accepts so many connections a turn,
 * hands each to a function, and rests while its owner wants no more, or the
 * process is out of descriptors or memory.
 */
#ifndef ZKT_NET_LISTENER_H
#define ZKT_NET_LISTENER_H

#include "net/poller.h"
#include "net/socket.h"

struct zkt_listener {
    struct zkt_poller *poller;
    struct zkt_source source; /* its fd is -1 when it is not open */
    uv_timer_t retry;
    int64_t per_turn; /* accepts at most */
    int64_t allowed;  /* of these, this time */
    uint64_t batch;   /* the poller's, in which it was ready last */
    uint32_t handles; /* of ours that are not closed yet */
    bool paused;
    bool failing;         /* accepting has not succeeded since it failed */
    uint64_t *turns_full; /* counts turns in which per_turn was reached */
    /* Whether to accept one more; when not, resume is called in time. */
    bool (*is_open)(void *user);
    /* Owns @fd from now on. */
    void (*on_accept)(void *user, int fd, const struct sockaddr *peer);
    /* Accepting has failed with a libuv error and will be tried again; not
     * called again until it has succeeded. */
    void (*on_error)(void *user, int error);
    /* It was closed, and handles is 0. */
    void (*on_closed)(void *user);
    void *user;
};

/** Listens and begins to accept. @port as in zkt__socket_listen; 0 or error. */
int zkt__listener_open(struct zkt_listener *listener, struct zkt_poller *poller,
                       const char *host, uint16_t *port);
/** Tries again at once, after a pause: a descriptor has become free, or the
 * owner wants more. */
void zkt__listener_resume(struct zkt_listener *listener);
/** Stops listening, in time; takes one whose fd is -1. May be repeated. */
void zkt__listener_close(struct zkt_listener *listener);

#endif
