/*
 * The only interface between the core and its drivers. The core has no sockets
 * and no clock: a driver (the libuv adapter of net, a test, a fuzzer, the loop
 * of a user) feeds bytes and the time, and takes bytes to send and the next
 * deadline. net depends on no other header of the runtime.
 *
 * A *core* is a server or a client; an *endpoint* is a connection of it. The
 * core makes and owns endpoints. A driver detaches when its transport is gone;
 * only then, at the end of the turn, is an endpoint freed. So neither side
 * holds a pointer that the other has freed.
 */
#ifndef ZKT_BASE_ENDPOINT_H
#define ZKT_BASE_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/certificate.h"
#include "base/list.h"
#include "base/ticks.h"
#include "zocket/types.h"

#define ZKT_NEVER INT64_MAX

struct zkt_endpoint;

/* Calls of a driver to an endpoint. All of these may be called at any time. */
struct zkt_endpoint_ops {
    /* Passes received bytes, which the core may change during the call. */
    void (*feed)(struct zkt_endpoint *e, uint8_t *bytes, size_t len);
    /*
     * Gets the bytes to send now, at most @max slices; returns their number.
     * They are valid until the next call of sent, feed or tick.
     */
    size_t (*pending)(struct zkt_endpoint *e, struct zkt_slice *out,
                      size_t max);
    /* Reports that the first @len bytes of pending have been sent. */
    void (*sent)(struct zkt_endpoint *e, size_t len);
    /* Reports end of file: the peer sends no more bytes. */
    void (*ended)(struct zkt_endpoint *e);
    /* Reports that the transport is gone; the driver must not use the endpoint
     * any more. */
    void (*detach)(struct zkt_endpoint *e);
};

struct zkt_endpoint {
    const struct zkt_endpoint_ops *ops;
    struct zkt_core *core;
    void *transport;       /* for the driver */
    struct zkt_node dirty; /* in core->dirty, or in core->inner */
    bool reading;          /* false: do not read from the socket for now */
    bool closing;          /* send pending bytes, then close the transport */
    bool aborted;          /* close the transport now, dropping pending bytes */
    bool idle;             /* it closes, and its peer waits for nothing */
    bool ended;            /* embed.h over sockets: end of file from the peer */
    bool half_closed;      /* embed.h over sockets: end of file sent */
    bool inner;            /* its driver is the core itself */
};

struct zkt_core_ops {
    /* Returns the monotonic ms at which tick is due, or ZKT_NEVER. */
    int64_t (*deadline)(const struct zkt_core *core);
    /*
     * Ends a turn: runs due timers and postponed work, and frees closed
     * endpoints. To be called after feeding, and at the deadline.
     */
    void (*tick)(struct zkt_core *core);
};

/* The common begin of servers and clients. */
struct zkt_core {
    const struct zkt_core_ops *ops;
    int64_t now_ms;  /* monotonic; set by the driver before calls */
    int64_t wall_ms; /* since the epoch; set by the driver before calls */
    /* True: durations are measured. Then a driver that has a better clock than
     * now_ms sets this one, calls zkt__core_woken whenever it sets the clocks,
     * and adds up the ticks of its turns. */
    bool measures;
    struct zkt_ticks ticks;
    int64_t woken;    /* when the driver woke, in ticks */
    int64_t measured; /* that, or a later reading of the core's */
    int64_t busy;     /* ticks of all turns */
    /*
     * All bytes that peers sent before this time have been fed. A driver that
     * polls sockets sets it to a time before its last poll, so that a process
     * that was suspended does not mistake unread bytes for silence. ZKT_NEVER:
     * there are no unread bytes.
     */
    int64_t heard_ms;
    /*
     * Endpoints with changed output or flags since the driver's last pass. The
     * driver unlinks an endpoint after handling it.
     */
    struct zkt_list dirty;
    struct zkt_list inner; /* the same of inner endpoints; of a server */
    void *driver;          /* for the driver */
    /* Wakes the driver if an endpoint became dirty outside its calls; may be
     * NULL. */
    void (*wake)(struct zkt_core *core);
    /* Returns a part of the certificate of the peer of @e, which is verified;
     * data NULL: it has none. Borrowed until the next call. May be NULL. */
    struct zkt_str (*certificate)(struct zkt_endpoint *e,
                                  enum zkt_certificate_part part);
    /* Announces that the core is about to be freed: the driver detaches its
     * endpoints and drops the core. May be NULL. */
    void (*abandon)(struct zkt_core *core);
};

/** Returns the clock for timeouts that received bytes extend. */
static inline int64_t zkt__core_idle_clock(const struct zkt_core *core)
{
    return core->heard_ms < core->now_ms ? core->heard_ms : core->now_ms;
}

/** Reads the clock for durations: bytes that are fed have arrived by now.
 * Returns the time. */
static inline int64_t zkt__core_woken(struct zkt_core *core)
{
    core->woken = core->measured = zkt__ticks_read(&core->ticks, core);
    return core->woken;
}

/** Puts @e on its core's dirty list, once. */
static inline void zkt__endpoint_mark_dirty(struct zkt_endpoint *e)
{
    if (!zkt__node_linked(&e->dirty)) {
        zkt__list_append(e->inner ? &e->core->inner : &e->core->dirty,
                         &e->dirty);
    }
}

#endif
