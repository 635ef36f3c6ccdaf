/*
 * The one interface between the core and whatever moves bytes for it. The
 * core has no sockets and no clock: a driver (net's libuv adapter, a test, a
 * fuzzer, a user's own loop) gives it bytes and the time, and takes bytes to
 * send and the next deadline. net knows nothing of the runtime but this page.
 *
 * A *core* is a server or a client; an *endpoint* is one connection of it.
 * The core makes endpoints and owns them; a driver says when its transport is
 * gone (detach), and only then is an endpoint freed, at the end of the turn:
 * so neither side ever holds a pointer that the other one freed.
 */
#ifndef ZKT_BASE_ENDPOINT_H
#define ZKT_BASE_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/list.h"

#define ZKT_NEVER INT64_MAX

struct zkt_endpoint;

/* What a driver may ask of an endpoint. None of these fails to be legal. */
struct zkt_endpoint_ops {
    /* Bytes have arrived. They are the core's to change until it returns. */
    void (*feed)(struct zkt_endpoint *e, uint8_t *bytes, size_t len);
    /*
     * What is to be sent now, at most @max slices; the number of them is
     * returned. They stay good until the next call of sent, feed or tick.
     */
    size_t (*pending)(struct zkt_endpoint *e, struct zkt_slice *out,
                      size_t max);
    /* The first @len bytes of what pending gave have been sent. */
    void (*sent)(struct zkt_endpoint *e, size_t len);
    /* The peer will send nothing more (end of file). */
    void (*ended)(struct zkt_endpoint *e);
    /* The transport is gone; the endpoint is not to be touched again. */
    void (*detach)(struct zkt_endpoint *e);
};

struct zkt_endpoint {
    const struct zkt_endpoint_ops *ops;
    struct zkt_core *core;
    void *transport;       /* the driver's */
    struct zkt_node dirty; /* in core->dirty */
    bool reading;          /* false: do not read from the socket for now */
    bool closing;          /* send what is pending, then close the transport */
    bool aborted;          /* close the transport now, whatever is pending */
    bool ended;            /* embed.h over sockets: the peer sends no more */
    bool half_closed;      /* embed.h over sockets: nor do we */
};

struct zkt_core_ops {
    /* When tick wants to be called, in the core's monotonic ms; ZKT_NEVER. */
    int64_t (*deadline)(const struct zkt_core *core);
    /*
     * Ends a turn: runs what is due and what was put off, and destroys what
     * was closed. Call it after feeding, and when the deadline is reached.
     */
    void (*tick)(struct zkt_core *core);
};

/* The head of every server and client. */
struct zkt_core {
    const struct zkt_core_ops *ops;
    int64_t now_ms;  /* monotonic; set by the driver before it calls in */
    int64_t wall_ms; /* since the epoch; set by the driver likewise */
    /*
     * What peers had sent by then was fed. A driver that polls sockets sets it,
     * to a time before its last poll: a process that was held up must not take
     * for silence what lies unread in its sockets. ZKT_NEVER: there is nothing
     * that could lie unread.
     */
    int64_t heard_ms;
    /*
     * Endpoints whose pending output or flags changed since the driver last
     * looked. The driver unlinks an endpoint when it has dealt with it.
     */
    struct zkt_list dirty;
    void *driver; /* the driver's */
    /* Wakes the driver when something became dirty outside its calls; may
     * be NULL. */
    void (*wake)(struct zkt_core *core);
    /* The core is about to be freed: the driver detaches what it has, and
     * forgets the core. May be NULL. */
    void (*abandon)(struct zkt_core *core);
};

/** The time by which limits are judged that what a peer sends can extend. */
static inline int64_t zkt__core_idle_clock(const struct zkt_core *core)
{
    return core->heard_ms < core->now_ms ? core->heard_ms : core->now_ms;
}

/** Puts @e on its core's dirty list, once. */
static inline void zkt__endpoint_mark_dirty(struct zkt_endpoint *e)
{
    if (!zkt__node_linked(&e->dirty)) {
        zkt__list_append(&e->core->dirty, &e->dirty);
    }
}

#endif
