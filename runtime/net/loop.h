/*
 * A core (a server or a client) on a libuv loop: a poller for its sockets, one
 * timer for all deadlines, one check handle that ends each turn. It knows the
 * core only by base/endpoint.h.
 *
 * A turn reads each readable socket once and feeds the bytes to its endpoint.
 * Bytes that the endpoint has to send at the end of this read leave at once, in
 * one vectored write. A TLS stream may stand between a socket and its endpoint.
 * When every socket has been read, the turn runs the core's tick and flushes
 * the endpoints that have become dirty meanwhile.
 */
#ifndef ZKT_NET_LOOP_H
#define ZKT_NET_LOOP_H

#include <uv.h>

#include "base/endpoint.h"
#include "base/memory.h"
#include "net/poller.h"
#include "net/secure.h"

/* Bytes to read per connection and turn, by default. */
#define ZKT_READ_SIZE (64 * 1024)

struct zkt_loop {
    uv_loop_t *uv;
    struct zkt_core *core; /* NULL: freed; sockets still linger */
    const struct zkt_allocator *allocator;
    struct zkt_poller poller;
    uv_timer_t timer;
    uv_check_t check;
    struct zkt_list transports; /* sockets with an endpoint */
    struct zkt_list dropped; /* closed sockets; freed at the end of the turn */
    struct zkt_list linger;  /* waiting for the peer to close, oldest first */
    int64_t linger_ms;       /* longest wait for the peer to close */
    bool is_client;          /* the peer closes first */
    bool in_timer;           /* the timer callback runs */
    int64_t armed;           /* time of the timer: never after a deadline */
    int64_t round_at;        /* a time before the polls of this round */
    uint64_t round_dispatched; /* poller->dispatched when the round began */
    /* If the core measures: a time since the epoch, and the ticks then. */
    int64_t wall_ns, wall_read;
    int64_t turn_began; /* likewise; 0: the turn has not begun */
    uint64_t turns;     /* in which a socket was ready or a deadline due */
    bool counts_turns;  /* turns with a due deadline are counted, too */
    uint32_t handles;   /* handles of the loop that are not closed yet */
    bool stopping;
    int error; /* of the failure, or 0 */
    /* Called at the end of a turn, after the flush; may be NULL. */
    void (*on_turn)(struct zkt_loop *loop);
    /* Called when a socket was closed; may be NULL. */
    void (*on_transport_closed)(struct zkt_loop *loop);
    /* Called when the loop cannot wait for its sockets any more: the owner
     * stops it, or else the connections time out; may be NULL. */
    void (*on_failed)(struct zkt_loop *loop, int error);
    /* Called when the loop was stopped and handles is 0: the loop may be freed;
     * may be NULL. */
    void (*on_stopped)(struct zkt_loop *loop);
    void *user;
    /* Called when a TLS stream has failed, before its socket is closed; may be
     * NULL. */
    void (*on_tls_failed)(struct zkt_loop *loop, int fd, const char *reason);
    uint32_t sockets; /* that are open */
    uint8_t *read_buffer;
    size_t read_size; /* bytes to read per connection and turn */
    struct zkt_secure_memory *secure; /* NULL: there was no TLS yet */
    uint32_t handshakes;              /* steps of TLS handshakes in this turn */
};

/** Returns 0 or a libuv error. @loop must not move until it is closed. */
int zkt__loop_init(struct zkt_loop *loop, uv_loop_t *uv, struct zkt_core *core,
                   const struct zkt_allocator *allocator, int64_t linger_ms,
                   size_t read_size);

/** Sets the core's clocks. */
void zkt__loop_clock(struct zkt_loop *loop);

/**
 * Makes socket @fd the transport of @endpoint. Returns 0 or a libuv error; on
 * an error, the socket is closed and the endpoint detached.
 */
int zkt__loop_attach(struct zkt_loop *loop, int fd,
                     struct zkt_endpoint *endpoint);

/** The same with a TLS stream between the two; @host is that of
 * zkt_tls_ops.open. */
int zkt__loop_attach_tls(struct zkt_loop *loop, int fd,
                         struct zkt_endpoint *endpoint, struct zkt_tls *tls,
                         const char *host);

/** Returns the TLS stream of @endpoint, or NULL. */
struct zkt_tls_stream *zkt__loop_tls_of(const struct zkt_endpoint *endpoint);

/** Reads bytes that the peer has already sent to @endpoint now, rather than in
 * the next turn. */
void zkt__loop_read_early(struct zkt_loop *loop, struct zkt_endpoint *endpoint);

/**
 * Prepares for zkt__loop_run, which costs less than uv_run; the uv loop must
 * have no other user, and must not be run by uv_run meanwhile. Returns 0 or a
 * libuv error; after an error, the loop can only be stopped.
 */
int zkt__loop_take_over(struct zkt_loop *loop);

/** Runs the loop until it is stopped; handles may still be closing then.
 * Returns 0, or the libuv error of a failure. */
int zkt__loop_run(struct zkt_loop *loop);

/** Reports that a handle that is counted in handles was closed. */
void zkt__loop_handle_gone(struct zkt_loop *loop);

/** Runs the tick, flushes dirty endpoints, and sets the timer. */
void zkt__loop_end_turn(struct zkt_loop *loop);

/** Drops the socket that has waited longest for its peer to close. Returns
 * false if none waits. */
bool zkt__loop_drop_lingering(struct zkt_loop *loop);

/**
 * Leaves the core, which is about to be freed. The loop stops when the
 * lingering sockets are closed by their peers or have timed out.
 */
void zkt__loop_retire(struct zkt_loop *loop);

/**
 * Drops every socket and closes the handles. When the uv loop has run until
 * handles is 0, zkt__loop_finish frees the memory.
 */
void zkt__loop_stop(struct zkt_loop *loop);
void zkt__loop_finish(struct zkt_loop *loop);

#endif
