/* What the files of this folder share: a client and what hangs off it. */
#ifndef ZKT_CLIENT_INTERNAL_H
#define ZKT_CLIENT_INTERNAL_H

#include "actor/send_queue.h"
#include "base/random.h"
#include "base/slots.h"
#include "base/timeouts.h"
#include "client/client.h"
#include "protocol/envelope.h"
#include "state/journal.h"
#include "websocket/websocket.h"
#include "json/pattern.h"

/* A call whose answer is not there yet. */
struct zkt_pending {
    struct zkt_timeout timeout; /* in client->calls, or in client->failed */
    struct zkt_str method;
    const struct zkt_type *result; /* NULL: none */
    uint64_t number;               /* of its id */
    struct zkt_str unsent;         /* its text, until the socket is open */
    enum zkt_status status;        /* of one that has failed */
    struct zkt_handle *spare_of;   /* it is that handle's spare */
    /* Asynchronous calls: */
    void (*thunk)(zkt_any_function *, const struct zkt_reply *, const void *,
                  void *);
    zkt_any_function *done;
    void *user;
    /* Blocking ones: */
    struct zkt_reply *reply;
    void *out;
    bool *over;
};

enum zkt_listener_kind {
    ZKT_LISTEN_EVENT,
    ZKT_LISTEN_STATE,
    ZKT_LISTEN_FIELD
};

struct zkt_listener {
    struct zkt_node node; /* in entry->listeners, in order of arrival */
    zkt_handle_id id;
    enum zkt_listener_kind kind;
    uint32_t index; /* event or field */
    struct zkt_handle *handle;
    zkt_listener_thunk *thunk;
    zkt_any_function *fn;
    void *user;
    bool dead;  /* freed at the end of the turn */
    bool fresh; /* has not been told the state that is known */
};

/* One instance that the client knows: what its handles share. */
struct zkt_entry {
    struct zkt_node node; /* in client->entries */
    const struct zkt_remote_actor *actor;
    struct zkt_str id;
    struct zkt_list listeners;
    uint32_t handles;
    bool state_sent, events_sent; /* subscriptions that the server has */
    bool known;                   /* state holds a snapshot */
    bool misfit;                  /* a fresh snapshot was asked for */
    void *state;                  /* owned; zeroed until known */
};

struct zkt_handle {
    struct zkt_node node;      /* in client->handles */
    struct zkt_client *client; /* NULL: the client is closed */
    const struct zkt_allocator *allocator;
    struct zkt_entry *entry;
    struct zkt_pending spare; /* for a call that finds no memory */
    bool spare_used, closed;
};

struct zkt_client {
    struct zkt_core core;
    struct zkt_endpoint endpoint;
    struct zkt_client_options options;
    const struct zkt_allocator *allocator;
    const struct zkt_client_driver_ops *ops;
    void *driver;
    struct zkt_ws ws;
    struct zkt_ws_limits ws_limits;
    struct zkt_send_queue queue;
    struct zkt_store store;
    struct zkt_pattern_cache patterns;
    struct zkt_rule_context rules; /* what is sent is checked before */
    struct zkt_random random;
    struct zkt_str host, path, own_id;
    enum zkt_connection status;
    enum zkt_dialect dialect;
    struct zkt_list calls;  /* pending, by deadline */
    struct zkt_list failed; /* to be told at the next tick */
    struct zkt_list entries, handles;
    struct zkt_slots listeners;
    struct zkt_arena arena; /* of the message that is being read */
    struct zkt_writer writer;
    struct zkt_timeout connecting;
    struct zkt_list connect_timeouts;
    uint64_t next_call;
    uint32_t depth;    /* callbacks that are running */
    uint32_t blocking; /* calls that block */
    bool started, attached, close_wanted;
    bool changed; /* entries or listeners are to be looked at */
};

/* client.c */
bool zkt__client_is_open(const struct zkt_client *client);
/** Empties the writer, with room for a frame's head. */
struct zkt_writer *zkt__client_write(struct zkt_client *client);
/** Queues what was written; without memory the connection ends. */
void zkt__client_send(struct zkt_client *client);
/** Ends the connection: everything pending fails with "WebSocket closed". */
void zkt__client_lost(struct zkt_client *client, const char *reason);
/** Something is to be done at the next tick: wakes the driver. */
void zkt__client_touch(struct zkt_client *client);

/* calls.c */
void zkt__calls_flush(struct zkt_client *client);
void zkt__calls_fail(struct zkt_client *client, enum zkt_status status);
void zkt__calls_expire(struct zkt_client *client);
void zkt__calls_answer(struct zkt_client *client,
                       const struct zkt_envelope *message);

/* store.c */
void zkt__store_resubscribe(struct zkt_client *client);
void zkt__store_receive(struct zkt_client *client,
                        const struct zkt_envelope *message);
/** Tells fresh listeners, subscribes and unsubscribes, frees what is dead. */
void zkt__store_settle(struct zkt_client *client);
void zkt__store_free(struct zkt_client *client);

#endif
