/*
 * The object that all sources of this folder share: a client with its
 * connection, its calls, its instances and its listeners. A client belongs to a
 * thread; the functions here check the calling thread.
 */
#ifndef ZKT_CLIENT_CORE_H
#define ZKT_CLIENT_CORE_H

#include "base/affinity.h"
#include "base/index.h"
#include "base/random.h"
#include "base/slots.h"
#include "client/client.h"
#include "client/connect.h"
#include "client/connection.h"
#include "client/handle_table.h"
#include "client/subscription.h"
#include "protocol/reply.h"
#include "protocol/send_queue.h"
#include "state/journal.h"
#include "websocket/websocket.h"
#include "json/pattern.h"

struct zkt_client {
    struct zkt_core core;
    struct zkt_affinity owner;
    struct zkt_endpoint endpoint;
    struct zkt_client_options options;
    const struct zkt_allocator *allocator;
    const struct zkt_client_driver_ops *ops;
    void *driver;
    struct zkt_ws ws;
    struct zkt_ws_client ws_client;
    struct zkt_ws_limits ws_limits;
    struct zkt_ws_setup ws_setup;
    struct zkt_send_queue queue;
    size_t unsent_control; /* control bytes since the queue was empty */
    struct zkt_buffer *spare_buffer; /* of the queue, or NULL */
    struct zkt_store store;
    struct zkt_pattern_cache patterns;
    struct zkt_rule_context rules; /* for checking inputs */
    struct zkt_random random;
    struct zkt_str host, path, own_id;
    enum zkt_connection status, notified_status;
    enum zkt_phase phase;
    enum zkt_dialect dialect;
    int64_t dial_at;            /* while waiting; ZKT_NEVER: not again */
    int64_t flushed_by;         /* then an attempt drops the former transport */
    int64_t connect_due;        /* end of the time for an attempt */
    int64_t stable_at;          /* when an open connection has proved stable */
    int64_t quiet_at;           /* silence until then: a ping, or the end */
    size_t heard_partial;       /* message bytes when the silence began */
    uint32_t heard_completed;   /* messages that were complete then */
    uint32_t attempts;          /* since a connection was stable */
    struct zkt_connect connect; /* of the attempt */
    struct zkt_work prepared;   /* posted by zkt_client_prepared */
    enum zkt_status prepare_status; /* its argument */
    _Atomic(bool) preparing;        /* zkt_client_prepared may be called */
    struct zkt_refusal end_reason;  /* of the current connection or attempt */
    struct zkt_refusal refusal;     /* of the last that has ended */
    int64_t retry_after_ms;         /* that it asks for; 0: none */
    bool renewed;  /* it was refused by 401 since a connection was stable */
    bool welcomed; /* own_id belongs to this connection */
    struct zkt_list calls; /* pending, by deadline */
    struct zkt_list
        overdue; /* the same, for which the server has a little more time */
    struct zkt_list streams; /* the same, with a chunk received: they have no
                                limit of time */
    struct zkt_slots sent;   /* the same, for the index */
    struct zkt_index by_number;
    struct zkt_list failed; /* their callbacks run at the next tick */
    struct zkt_list unsent; /* struct zkt_unsent, in the program's order */
    struct zkt_list synced; /* subscriptions with nothing to send */
    struct zkt_list retries[ZKT_SUB_DELAYS];    /* in state WAITING, by delay */
    struct zkt_list retry_times[ZKT_SUB_TIMES]; /* the same, by time */
    uint32_t waiting; /* subscriptions in those lists */
    struct zkt_list instances;
    struct zkt_handle_table *handles;
    struct zkt_list dirty;               /* instances */
    struct zkt_list unnotified, removed; /* listeners */
    struct zkt_client_instance **table;  /* the instances, for the index */
    struct zkt_index by_name;
    uint32_t count, capacity; /* of the table */
    struct zkt_list status_listeners, broadcast_listeners;
    bool hears;     /* broadcasts were asked for on this connection */
    uint32_t level; /* of the server, as its welcome says */
    struct zkt_list ready_waits; /* blocking waits (ready.c) */
    struct zkt_slots listeners;
    struct zkt_arena arena; /* of the current message */
    struct zkt_writer writer;
    struct zkt_client_stats stats;
    uint64_t next_call;
    int64_t pending;   /* calls that have not ended, or whose callbacks have yet
                          to run */
    uint32_t depth;    /* callbacks that are running */
    uint32_t blocking; /* calls that block */
    bool dialing;      /* the driver has not answered connect */
    bool attached;     /* the driver has our endpoint */
    bool pinged;       /* a ping was sent, and nothing received since */
    bool close_wanted;
    bool ending; /* the last callbacks run; they can begin nothing */
};

/** Calls @fn on the client's thread: directly, or by handing it over and
 * waiting for its end. */
void zkt__client_run(struct zkt_client *client, void (*fn)(void *user),
                     void *user);
/** As zkt__client_may_call; also returns false on other threads if the client
 * has a thread of its own. */
bool zkt__client_may_read(const struct zkt_client *client);
/** Binds a client on the loop of a program to the calling thread. */
void zkt__client_bind_thread(struct zkt_client *client);
/** Returns true if the caller may run turns: the loop is the client's, and no
 * callback is running. */
bool zkt__client_may_poll(const struct zkt_client *client);
/** Wakes the driver, for work in the next tick. */
void zkt__client_wake(struct zkt_client *client);
/** Updates the clock, for a time that begins outside of a turn. */
void zkt__client_clock(struct zkt_client *client);

#endif
