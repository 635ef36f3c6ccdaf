/* What the files of this folder share: a client and what hangs off it. */
#ifndef ZKT_CLIENT_INTERNAL_H
#define ZKT_CLIENT_INTERNAL_H

#include "base/affinity.h"
#include "base/index.h"
#include "base/random.h"
#include "base/slots.h"
#include "base/timeouts.h"
#include "client/client.h"
#include "client/handle_table.h"
#include "client/subscription.h"
#include "protocol/envelope.h"
#include "protocol/send_queue.h"
#include "state/journal.h"
#include "websocket/websocket.h"
#include "json/pattern.h"

/* A call whose answer is not there yet. */
struct zkt_pending {
    struct zkt_timeout timeout; /* in client->calls, or in client->failed */
    struct zkt_unsent order;    /* until it is sent */
    struct zkt_str method;
    const struct zkt_type *result; /* NULL: none */
    uint64_t number, stamp;        /* of its id; no two have one number */
    zkt_handle_id slot;            /* in client->sent; 0: none */
    struct zkt_str unsent;         /* its text, until the socket is open; of
                                      one with a bad input what is wrong */
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
    ZKT_LISTEN_FIELD,
    ZKT_LISTEN_ERROR, /* of an instance */
    ZKT_LISTEN_STATUS /* of the client */
};

struct zkt_listener {
    struct zkt_node node; /* in the listeners of an instance or of the client,
                             in order of arrival */
    struct zkt_node of_handle;  /* in the handle's, until it is removed */
    struct zkt_node unnotified; /* in client->unnotified, until it has been
                                   given the state that is known */
    struct zkt_node removal;    /* in client->removed, which is freed at the
                                   end of the turn */
    zkt_handle_id id;
    enum zkt_listener_kind kind;
    uint32_t index;            /* event or field */
    struct zkt_handle *handle; /* NULL: the client's */
    zkt_listener_thunk *thunk;
    zkt_any_function *fn;
    void *user;
    bool removed;
};

/* One instance that the client knows: what its handles share. */
struct zkt_client_instance {
    struct zkt_node node;  /* in client->instances */
    struct zkt_node dirty; /* in client->dirty: its listeners or handles have
                              changed in this turn */
    const struct zkt_remote_actor *actor;
    struct zkt_str id;
    struct zkt_list listeners;
    uint32_t position; /* in client->table */
    uint32_t handles;
    struct zkt_subscription of_state, of_events;
    bool known;  /* state holds a snapshot, if perhaps an old one */
    void *state; /* owned; zeroed until known */
};

/* A cell of the handle table. */
struct zkt_handle {
    struct zkt_handle_table *table;
    struct zkt_client_instance *instance; /* NULL: it is closed */
    struct zkt_list listeners;
    struct zkt_node rest;     /* among those closed, in the table */
    struct zkt_pending spare; /* for a call that finds no memory */
    bool spare_used, open;
    uint8_t generation; /* of the handle that is open, or opened next */
};

/* How far the connection is. */
enum zkt_phase {
    ZKT_PHASE_WAITING, /* for dial_at; a former transport may linger */
    ZKT_PHASE_DIALING, /* the driver looks for a transport */
    ZKT_PHASE_HANDSHAKE,
    ZKT_PHASE_OPEN
};

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
    struct zkt_send_queue queue;
    size_t unsent_control; /* bytes of control frames, since it was empty */
    struct zkt_buffer *spare_buffer; /* of the queue, or NULL */
    struct zkt_store store;
    struct zkt_pattern_cache patterns;
    struct zkt_rule_context rules; /* what is sent is checked before */
    struct zkt_random random;
    struct zkt_str host, path, own_id;
    enum zkt_connection status, notified_status;
    enum zkt_phase phase;
    enum zkt_dialect dialect;
    int64_t dial_at;          /* while waiting; ZKT_NEVER: not again */
    int64_t connect_due;      /* when an attempt has taken too long */
    int64_t stable_at;        /* when an open connection has proved stable */
    int64_t quiet_at;         /* when silence asks for a ping, or is the end */
    size_t heard_partial;     /* bytes of a message, when that began */
    uint32_t heard_completed; /* messages, as of then */
    uint32_t attempts;        /* since a connection was stable */
    struct zkt_refusal verdict; /* on the connection that is, so far */
    struct zkt_refusal refusal; /* why there is none */
    bool welcomed;              /* own_id is this connection's */
    struct zkt_list calls;      /* pending, by deadline */
    struct zkt_slots sent;      /* the same, for the index */
    struct zkt_index by_number;
    struct zkt_list failed;  /* to be told at the next tick */
    struct zkt_list unsent;  /* struct zkt_unsent, in the program's order */
    struct zkt_list settled; /* subscriptions that have nothing to send */
    struct zkt_list retries[ZKT_SUB_DELAYS]; /* those WAITING, by delay */
    uint32_t waiting;                        /* that many */
    struct zkt_list instances;
    struct zkt_handle_table *handles;
    struct zkt_list dirty;               /* instances */
    struct zkt_list unnotified, removed; /* listeners */
    struct zkt_client_instance **table;  /* the instances, for the index */
    struct zkt_index by_name;
    uint32_t count, capacity; /* of the table */
    struct zkt_list status_listeners;
    struct zkt_list waiters; /* those who wait until it is ready */
    struct zkt_slots listeners;
    struct zkt_arena arena; /* of the message that is being read */
    struct zkt_writer writer;
    struct zkt_client_stats stats;
    uint64_t next_call;
    int64_t pending;   /* calls that are under way or to be told */
    uint32_t depth;    /* callbacks that are running */
    uint32_t blocking; /* calls that block */
    bool dialing;      /* the driver owes an answer */
    bool attached;     /* the driver has our endpoint */
    bool pinged;       /* and nothing was heard since */
    bool close_wanted;
    bool ending; /* the last callbacks run: nothing is begun in them */
};

/* client.c */
/** Runs @fn now, or on the client's thread and waits, if that is another. */
void zkt__client_run(struct zkt_client *client, void (*fn)(void *user),
                     void *user);
/** As zkt__client_may_call, for what is for callbacks alone if the client has
 * a thread. */
bool zkt__client_may_look(const struct zkt_client *client);
/** The thread that drives a client on a loop of others is its own. */
void zkt__client_note_thread(struct zkt_client *client);
/** Whether its turns are the caller's to run, and this is no callback. */
bool zkt__client_may_poll(const struct zkt_client *client);
/** Something is to be done at the next tick: wakes the driver. */
void zkt__client_touch(struct zkt_client *client);
/** Brings the clock up to date, for what begins outside of a turn. */
void zkt__client_clock(struct zkt_client *client);

/* connection.c */
void zkt__connection_init(struct zkt_client *client);
bool zkt__client_is_open(const struct zkt_client *client);
/** Empties the writer, with room for a frame's head. */
struct zkt_writer *zkt__client_write(struct zkt_client *client);
/** Queues what was written; without memory the connection ends. */
void zkt__client_send(struct zkt_client *client);
/** Ends the connection: what was sent fails with "WebSocket closed". */
void zkt__client_lost(struct zkt_client *client, const char *reason);
/** Says goodbye; there will be no other connection. */
void zkt__connection_end(struct zkt_client *client);
/** When the connection wants a tick. */
int64_t zkt__connection_deadline(const struct zkt_client *client);
void zkt__connection_tick(struct zkt_client *client);
/** @ms from now. */
int64_t zkt__later(const struct zkt_client *client, int64_t ms);
/** A delay that doubles with @attempts, of which a random part is taken off. */
int64_t zkt__backoff(struct zkt_client *client, uint32_t attempts);
/** Tells a change of status, if there is one and it is legal now. */
void zkt__status_notify(struct zkt_client *client);

/* refusal.c */
#define ZKT_REFUSAL_LINE (ZKT_REFUSAL_TEXT + 96)
/** Notes why the connection ends; the first reason counts. */
void zkt__refusal_note(struct zkt_client *client, enum zkt_status status,
                       unsigned code, struct zkt_str text);
/** The same, in words of the peer: an HTTP status or a close code. */
void zkt__refusal_note_peer(struct zkt_client *client, unsigned code,
                            struct zkt_str text);
/** @reason and what was noted, for the log. */
void zkt__refusal_print(const struct zkt_client *client, const char *reason,
                        char text[ZKT_REFUSAL_LINE]);
/** The connection has ended; where nothing was noted, for @reason. */
void zkt__refusal_settle(struct zkt_client *client, bool was_open,
                         const char *reason);

/* receive.c */
/** A message of the server; changed in place. */
void zkt__client_receive(struct zkt_client *client, bool binary, char *text,
                         size_t len);
/** The status that an error of the server stands for. */
enum zkt_status zkt__error_code(const struct zkt_envelope *message);
/** @reader will read what the server says: as far as it is understood. */
void zkt__client_tolerate(const struct zkt_client *client,
                          struct zkt_reader *reader);
/** Adds what @reader passed over, or would not read, to the statistics. */
void zkt__count_ignored(struct zkt_client *client,
                        const struct zkt_reader *reader);
/** Tells the listeners for errors of @e, and the log. */
void zkt__client_report(struct zkt_client *client,
                        struct zkt_client_instance *e, enum zkt_status status,
                        const char *format, ...) ZKT_PRINTF(4, 5);

/* call_index.c */
#define ZKT_CALL_ID_MAX 48 /* of an id, with its quotes */
/** `"rpc_<number>_<milliseconds in base 36>"`; a view of @memory. */
struct zkt_str zkt__call_id(char memory[ZKT_CALL_ID_MAX],
                            const struct zkt_pending *p);
/** Makes it found by its number. Returns false if there is no memory. */
bool zkt__call_enter(struct zkt_client *client, struct zkt_pending *p);
/** A late answer finds nothing from now on. */
void zkt__call_leave(struct zkt_client *client, struct zkt_pending *p);
/** The call that was sent with this id token, or NULL. */
struct zkt_pending *zkt__call_find(const struct zkt_client *client,
                                   struct zkt_str id);

/* calls.c */
/** Begins a call; the outcome goes where @p says. Input was checked. */
void zkt__call_submit(struct zkt_client *client,
                      const struct zkt_client_instance *instance,
                      uint32_t method, const void *input,
                      struct zkt_pending *p);
/** Sends one that was kept until the socket is open. */
void zkt__call_send(struct zkt_client *client, struct zkt_pending *p);
/** Fails those that were sent, or @all of them; they are told later. */
void zkt__calls_fail(struct zkt_client *client, enum zkt_status status,
                     bool all);
void zkt__calls_expire(struct zkt_client *client);
void zkt__calls_answer(struct zkt_client *client,
                       const struct zkt_envelope *message);

/* blocking.c */
/** Whether the input keeps its rules; what is wrong goes into @text. */
bool zkt__call_input_good(struct zkt_client *client,
                          const struct zkt_remote_method *method,
                          const void *input, struct zkt_writer *text);
/** The arena of a blocking call's reply, made when it is needed; NULL. */
struct zkt_arena *zkt__reply_arena(const struct zkt_client *client,
                                   struct zkt_reply *reply);
/** Gives a blocking call's reply its outcome; the text is copied. */
void zkt__reply_set(const struct zkt_client *client, struct zkt_reply *reply,
                    enum zkt_status status, struct zkt_str error);

/** Runs turns until @over is set. Returns false if no turn can be run. */
bool zkt__block(struct zkt_client *client, const bool *over);
/** The end of what blocked, which client->blocking counts. */
void zkt__unblock(struct zkt_client *client);

/* ready.c */
void zkt__waiters_tick(struct zkt_client *client);
int64_t zkt__waiters_deadline(const struct zkt_client *client);

/* instance.c */
struct zkt_client_instance *zkt__client_instance_find(
    const struct zkt_client *client, struct zkt_str actor, struct zkt_str id);
/** One that is not there yet; NULL: no memory. */
struct zkt_client_instance *zkt__client_instance_new(
    struct zkt_client *client, const struct zkt_remote_actor *actor,
    struct zkt_str id);
void zkt__client_instance_free(struct zkt_client *client,
                               struct zkt_client_instance *e);
/** When all of them have been freed. */
void zkt__client_instances_finish(struct zkt_client *client);

/* handle.c */
/** Frees the listeners that are gone. */
void zkt__listeners_sweep(struct zkt_client *client);
/** Tells those that have joined what is known. */
void zkt__listeners_notify_new(struct zkt_client *client);
/** Frees all listeners of @list. */
void zkt__listeners_free(struct zkt_client *client, struct zkt_list *list);

/* What listeners are told, and which ones. */
struct zkt_notification {
    enum zkt_listener_kind kind;
    uint32_t event;
    const uint64_t *fields; /* changed ones, a bit each; NULL: all */
    const void *payload;
};
/** @e is NULL for the client's own listeners. Those who join meanwhile are
 * not called, those who leave neither. */
void zkt__listeners_notify(struct zkt_client *client, struct zkt_list *list,
                           const struct zkt_client_instance *e,
                           const struct zkt_notification *notification);

/* store.c */
void zkt__store_receive(struct zkt_client *client,
                        const struct zkt_envelope *message);
/** Whether zkt__store_settle has something to do. */
bool zkt__store_is_unsettled(const struct zkt_client *client);
/** Notifies new listeners, sends what is queued, frees what is unused. */
void zkt__store_settle(struct zkt_client *client);
void zkt__store_free(struct zkt_client *client);

#endif
