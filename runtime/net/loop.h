/*
 * A core (a server or a client) on a libuv loop: a poller for its sockets, one
 * timer for all deadlines, one check handle that ends each turn. It knows the
 * core by base/endpoint.h alone.
 *
 * A turn: sockets that are readable are read once each and fed; what a
 * connection has to send at the end of its read goes out at once, in one
 * vectored write; then, when every socket has had its share, the core's tick
 * runs and whatever else became dirty is flushed.
 */
#ifndef ZKT_NET_LOOP_H
#define ZKT_NET_LOOP_H

#include <uv.h>

#include "base/endpoint.h"
#include "base/memory.h"
#include "net/poller.h"

#define ZKT_READ_SIZE (64 * 1024) /* read per connection and turn, usually */

struct zkt_loop {
    uv_loop_t *uv;
    struct zkt_core *core; /* NULL: gone, and the last ones linger */
    const struct zkt_allocator *allocator;
    struct zkt_poller poller;
    uv_timer_t timer;
    uv_check_t check;
    struct zkt_list transports; /* every socket that is open */
    struct zkt_list dropped;    /* closed, and freed when the turn ends */
    struct zkt_list linger;     /* sent all, waiting for the peer, by age */
    int64_t linger_ms;          /* how long at most */
    bool is_client;             /* the peer is to close first */
    bool in_timer;              /* the timer goes off right now */
    int64_t armed;              /* what the timer is set to: never too late */
    int64_t round_at;           /* a time before the polls of this round */
    uint64_t round_dispatched;  /* poller->dispatched when the round began */
    uint64_t turns;    /* in which a socket was ready, or something due */
    bool counts_turns; /* somebody looks at turns */
    uint32_t handles;  /* of ours that are not closed yet */
    bool stopping;
    int error; /* by which it has failed, or 0 */
    /* The end of a turn, after the flush; may be NULL. */
    void (*on_turn)(struct zkt_loop *loop);
    /* A socket was closed and its descriptor is free; may be NULL. */
    void (*on_transport_closed)(struct zkt_loop *loop);
    /* It cannot wait for its sockets any more: whoever it belongs to stops it,
     * or loses each as its time passes; may be NULL. */
    void (*on_failed)(struct zkt_loop *loop, int error);
    /* It was stopped and handles is 0: it may be freed; may be NULL. */
    void (*on_stopped)(struct zkt_loop *loop);
    void *user;
    uint32_t sockets; /* that are open */
    uint8_t *read_buffer;
    size_t read_size; /* of it: read per connection and turn */
};

/** 0 or a libuv error. @loop stays where it is until it is closed. */
int zkt__loop_init(struct zkt_loop *loop, uv_loop_t *uv, struct zkt_core *core,
                   const struct zkt_allocator *allocator, int64_t linger_ms,
                   size_t read_size);

/** Tells the core what time it is. */
void zkt__loop_clock(struct zkt_loop *loop);

/**
 * Joins socket @fd to @endpoint. On an error the socket is closed and the
 * endpoint detached. 0 or a libuv error.
 */
int zkt__loop_attach(struct zkt_loop *loop, int fd,
                     struct zkt_endpoint *endpoint);

/**
 * What whoever has connected to @endpoint's socket has written already, it
 * reads now rather than in another turn.
 */
void zkt__loop_read_early(struct zkt_loop *loop, struct zkt_endpoint *endpoint);

/**
 * The uv loop has no other owner, and nobody else runs it: zkt__loop_run does,
 * for less than uv_run, and nothing else may. 0 or a libuv error: then it can
 * only be stopped.
 */
int zkt__loop_take_over(struct zkt_loop *loop);

/** Runs it until it is stopped. Handles may still be closing then. 0, or the
 * libuv error by which it has failed. */
int zkt__loop_run(struct zkt_loop *loop);

/** A handle that is counted in handles was closed. */
void zkt__loop_handle_gone(struct zkt_loop *loop);

/** Ticks, flushes what is dirty, and sets the timer. */
void zkt__loop_end_turn(struct zkt_loop *loop);

/**
 * The core is about to be freed: stops, when those who have said goodbye and
 * wait for their peer have had their time.
 */
void zkt__loop_retire(struct zkt_loop *loop);

/**
 * Drops every socket and closes the handles; when the uv loop has run until
 * handles is 0, zkt__loop_finish frees the rest.
 */
void zkt__loop_stop(struct zkt_loop *loop);
void zkt__loop_finish(struct zkt_loop *loop);

#endif
