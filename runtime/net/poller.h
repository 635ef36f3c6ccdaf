/*
 * Which of many sockets are ready: an epoll instance of our own. A uv_poll_t
 * for each socket would take 160 bytes, and seven system calls for a connection
 * that comes and goes, where epoll itself takes two.
 *
 * It is driven in one of two ways. On a loop of the user's, libuv waits for it
 * as for one descriptor. Where nobody else uses the loop, it waits itself, for
 * its sockets and for whatever libuv waits for, and lets libuv run when there
 * is something for it: then a turn costs one wait. That wait has no timeout: a
 * timer that is set anew for every turn costs more than one that lies ready
 * and goes off early.
 */
#ifndef ZKT_NET_POLLER_H
#define ZKT_NET_POLLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <uv.h>

/* A descriptor that is watched. It may be freed once it is forgotten. */
struct zkt_source {
    void (*on_ready)(struct zkt_source *source, uint32_t events);
    int fd;
    uint32_t events; /* of epoll's that are watched */
    bool watched;
};

struct zkt_poller {
    uv_loop_t *uv;
    uv_poll_t nested; /* epoll, within libuv's */
    int epoll;
    bool nested_active;  /* libuv waits for it */
    bool standalone;     /* it waits itself; until the first source, neither */
    uint64_t batches;    /* of sources that were ready, so far */
    uint64_t dispatched; /* turns that sources have had, so far */
    uint32_t watched;    /* sources */
    bool is_full;        /* the last batch was, and there may be more */
    /* What is ready and has not had its turn yet. */
    struct epoll_event *next, *end;
    struct zkt_source backend; /* what libuv waits for */
    struct zkt_source alarm;   /* a timerfd, for libuv's timers */
    int64_t alarm_at;          /* it goes off then, or INT64_MAX */
    bool uv_ready;             /* libuv has something to do */
    int error;                 /* by which it has failed, or 0 */
    /* Some are ready and will have their turn now. */
    void (*on_wake)(struct zkt_poller *poller);
    /* It has waited itself, and what was ready has had its turn. */
    void (*on_polled)(struct zkt_poller *poller);
    /* It cannot wait for its sources any more, and can only be closed; once,
     * with a libuv error. */
    void (*on_failed)(struct zkt_poller *poller, int error);
};

/** 0 or a libuv error: then there is no handle. It has one otherwise. */
int zkt__poller_init(struct zkt_poller *poller, uv_loop_t *uv);
/** No source has a turn from now on; @on_closed: the handle is closed, its
 * data is the poller. */
void zkt__poller_close(struct zkt_poller *poller, uv_close_cb on_closed);

/** Watches @source for epoll's @events, which may be 0: it reports errors
 * alone. 0 or a libuv error: then it is watched as before. */
int zkt__poller_watch(struct zkt_poller *poller, struct zkt_source *source,
                      uint32_t events);
/** No longer watches @source, which may be ready. Before its fd is closed. */
void zkt__poller_forget(struct zkt_poller *poller, struct zkt_source *source);

/** Waits itself from now on, by zkt__poller_turn. 0 or a libuv error: then
 * it is good for nothing but to be closed. */
int zkt__poller_take_over(struct zkt_poller *poller);
/** Waits for something, and gives everything that is ready its turn. Whether
 * libuv ran: if so, its check handles did, too. */
bool zkt__poller_turn(struct zkt_poller *poller);

#endif
