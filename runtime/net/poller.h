/*
 * Waits for many sockets with an epoll instance. A uv_poll_t for each socket
 * would take 160 bytes, and seven system calls for a short connection, where
 * epoll itself takes two.
 *
 * It is driven in two ways. In the user's loop, libuv waits for the epoll
 * descriptor (nested). On a loop without other users, the poller waits itself,
 * for its sockets and for libuv's descriptor, and lets libuv run when there
 * is something for it: then a turn costs one wait. That wait has no timeout: a
 * timer that is set anew for every turn costs more than one that lies ready
 * and goes off early.
 *
 * A turn takes one batch of sources that are ready, and no more. None starves:
 * epoll gives them in order, and puts one that is ready still, of sockets or of
 * libuv's, behind all others; so each has its turn once in as many batches as
 * those that are ready fill, while the core and libuv have theirs in between.
 */
#ifndef ZKT_NET_POLLER_H
#define ZKT_NET_POLLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <uv.h>

/* A watched descriptor. It may be freed after zkt__poller_forget. */
struct zkt_source {
    void (*on_ready)(struct zkt_source *source, uint32_t events);
    int fd;
    uint32_t events; /* epoll events that are watched */
    bool watched;
};

struct zkt_poller {
    uv_loop_t *uv;
    uv_poll_t nested; /* the epoll descriptor in the user's loop */
    int epoll;
    bool nested_active;  /* libuv waits for the epoll descriptor */
    bool standalone;     /* after zkt__poller_take_over */
    uint64_t batches;    /* batches of ready sources so far */
    uint64_t dispatched; /* ready sources so far */
    uint32_t watched;    /* sources */
    bool is_full; /* the last batch was full: more sources may be ready */
    /* Ready sources of the batch that are not dispatched yet. */
    struct epoll_event *next, *end;
    struct zkt_source backend; /* libuv's own epoll descriptor */
    struct zkt_source alarm;   /* a timerfd for libuv's timers */
    int64_t alarm_at;          /* time of the alarm, or INT64_MAX */
    bool uv_ready;             /* libuv has callbacks to run */
    int error;                 /* of the failure, or 0 */
    /* Called before a batch of ready sources is dispatched. */
    void (*on_wake)(struct zkt_poller *poller);
    /* Called after a batch was dispatched; standalone only. */
    void (*on_polled)(struct zkt_poller *poller);
    /* Called once, with a libuv error, when the poller cannot wait for its
     * sources any more: it can only be closed. */
    void (*on_failed)(struct zkt_poller *poller, int error);
};

/** Opens the poller, with one handle. Returns 0, or a libuv error: then there
 * is no handle. */
int zkt__poller_init(struct zkt_poller *poller, uv_loop_t *uv);
/** Closes the poller: no source is dispatched any more. @on_closed is called
 * with the closed handle; its data is the poller. */
void zkt__poller_close(struct zkt_poller *poller, uv_close_cb on_closed);

/** Watches @source for epoll's @events; 0: for errors only. Returns 0 or a
 * libuv error; after an error, the source is watched as before. */
int zkt__poller_watch(struct zkt_poller *poller, struct zkt_source *source,
                      uint32_t events);
/** Stops watching @source, which may be ready. To be called before its fd is
 * closed. */
void zkt__poller_forget(struct zkt_poller *poller, struct zkt_source *source);

/** Becomes standalone: zkt__poller_turn waits. Returns 0 or a libuv error;
 * after an error, the poller can only be closed. */
int zkt__poller_take_over(struct zkt_poller *poller);
/** Waits for sources and dispatches one batch. Returns true if libuv has run,
 * and with it its check handles. */
bool zkt__poller_turn(struct zkt_poller *poller);

#endif
