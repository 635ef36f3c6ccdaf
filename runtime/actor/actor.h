/*
 * Instances of actors and those who are in contact with them.
 *
 * The *owner* half keeps the instances: their state, and running what is sent
 * to them, one message at a time (owner.c, run.c, call.c). The *edge* half
 * keeps what belongs to connections: links, subscriptions, send queues
 * (edge.c). A message from the edge reaches an instance through one function,
 * zkt__owner_deliver, and names everything by handle; what the owner decides
 * comes back as one record of a commit, which zkt__edge_publish sends on.
 */
#ifndef ZKT_ACTOR_ACTOR_H
#define ZKT_ACTOR_ACTOR_H

#include "actor/send_queue.h"
#include "base/index.h"
#include "base/list.h"
#include "base/random.h"
#include "base/slots.h"
#include "protocol/envelope.h"
#include "state/journal.h"
#include "zocket/server.h"
#include "json/pattern.h"

/* One connection as the edge sees it; embedded in the connection. */
struct zkt_port {
    const char *client_id;
    enum zkt_dialect dialect;
    struct zkt_list links;
    uint32_t link_count;
    struct zkt_send_queue queue;
    bool open; /* frames may be queued */
    /* Something was queued, or nothing more can be: @lost says that memory
     * or the hard limit was reached and the connection must end. */
    void (*touched)(struct zkt_port *port, bool lost);
};

/* A connection in contact with an instance. */
struct zkt_link {
    struct zkt_node of_port, of_instance;
    struct zkt_port *port;
    struct zkt_instance *instance;
    bool state, events; /* subscribed to */
    bool collapsed;     /* a token stands for its patches */
};

struct zkt_instance {
    zkt_handle_id id;
    const struct zkt_actor *actor;
    struct zkt_str name; /* the actorId; owned */
    uint64_t hash;
    void *state;         /* owned by the store */
    uint64_t epoch, seq; /* seq counts commits that changed something */
    struct zkt_list links;
    uint32_t link_count;
    uint32_t subscribers; /* links with state */
};

struct zkt_actors {
    struct zkt_app app;
    const struct zkt_allocator *allocator;
    const struct zkt_limits *limits;
    const struct zkt_server *server; /* for its log only */
    const int64_t *wall_ms;
    struct zkt_store store;
    struct zkt_pattern_cache patterns;
    struct zkt_rule_context rules;
    struct zkt_random random;
    struct zkt_slots instances;
    struct zkt_index index;
    struct zkt_arena arena; /* of the call that runs */
    struct zkt_writer result, plain, rfc6902;
    bool running;
    struct zkt_server_stats stats;
};

/* What the edge sends to an instance. */
enum zkt_request_kind {
    ZKT_REQUEST_CALL,
    ZKT_REQUEST_SUBSCRIBE_STATE,
    ZKT_REQUEST_SUBSCRIBE_EVENTS,
    ZKT_REQUEST_HOOK
};

struct zkt_request {
    enum zkt_request_kind kind;
    zkt_handle_id instance;
    struct zkt_port *port; /* from whom; NULL: a hook of the instance's own */
    struct zkt_link *link;
    const struct zkt_method *method; /* of a call */
    enum zkt_hook hook;
    struct zkt_str id; /* of a call, the JSON token */
    const void *input; /* decoded, in the call's memory */
};

/* An event that a call emitted, framed, with those it is for. */
struct zkt_emitted {
    struct zkt_emitted *next;
    struct zkt_buffer *frame;
    struct zkt_target target; /* ids in the call's memory */
};

/*
 * What a call did, once it is certain: immutable, in the order in which it is
 * published. Frames are whole WebSocket frames.
 */
struct zkt_commit {
    struct zkt_instance *instance;
    uint64_t epoch, seq;
    struct zkt_buffer *patch[ZKT_DIALECT_COUNT]; /* NULL: nothing changed */
    const struct zkt_emitted *events;
    struct zkt_port *caller;   /* NULL: nobody waits for a result */
    struct zkt_writer *result; /* text, with room for a head in front */
};

void zkt__actors_init(struct zkt_actors *actors, struct zkt_app app,
                      const struct zkt_allocator *allocator,
                      const struct zkt_limits *limits,
                      const struct zkt_server *server, const int64_t *wall_ms);
/** Deactivates and frees every instance. */
void zkt__actors_finish(struct zkt_actors *actors);
void zkt__actors_deactivate(struct zkt_actors *actors);

/* ---- owner ---- */

/** The instance of this name, or NULL. */
struct zkt_instance *zkt__owner_find(const struct zkt_actors *actors,
                                     const struct zkt_actor *actor,
                                     struct zkt_str name);
/** Makes one and activates it. NULL: no memory, or the limit is reached. */
struct zkt_instance *zkt__owner_create(struct zkt_actors *actors,
                                       const struct zkt_actor *actor,
                                       struct zkt_str name);
/** Drops the instance if nothing would be missed. */
void zkt__owner_drop_idle(struct zkt_actors *actors,
                          struct zkt_instance *instance);
/** Runs a message; its handler's changes are committed and published. */
void zkt__owner_deliver(struct zkt_actors *actors,
                        const struct zkt_request *request);
/** The frame of a snapshot of the committed state, or NULL: no memory. */
struct zkt_buffer *zkt__owner_snapshot(struct zkt_actors *actors,
                                       const struct zkt_instance *instance);

/* ---- edge ---- */

/** Handles a call or a subscription message of the protocol. */
void zkt__edge_receive(struct zkt_actors *actors, struct zkt_port *port,
                       const struct zkt_envelope *message);
/** Sends a commit to everybody whom it concerns. */
void zkt__edge_publish(struct zkt_actors *actors,
                       const struct zkt_commit *commit);
/** Ends one link of a port that closes, running `disconnect`; false: none. */
bool zkt__edge_leave_one(struct zkt_actors *actors, struct zkt_port *port);
/** Encodes a snapshot whose token has reached the head of the queue. */
void zkt__edge_settle_queue(struct zkt_actors *actors, struct zkt_port *port);

/* ---- frames ---- */

/** Empties a writer and leaves room for a frame's head. */
void zkt__frame_begin(struct zkt_writer *w);
/** Queues what was written, as a frame. */
void zkt__frame_send(struct zkt_actors *actors, struct zkt_port *port,
                     struct zkt_writer *w);
/** The same as a buffer to share, or NULL: no memory. */
struct zkt_buffer *zkt__frame_share(struct zkt_actors *actors,
                                    struct zkt_writer *w);
/** Queues a shared frame. */
void zkt__frame_queue(struct zkt_actors *actors, struct zkt_port *port,
                      struct zkt_buffer *frame);

/* ---- a call, as the files of this folder see it ---- */

struct zkt_call {
    struct zkt_actors *actors;
    struct zkt_instance *instance;
    struct zkt_str client_id;
    const char *what; /* the method or hook that runs, for the log */
    struct zkt_arena *arena;
    struct zkt_journal journal;
    struct zkt_issues issues;
    enum zkt_status failure; /* by zkt_fail */
    struct zkt_str error;
    struct zkt_emitted *first_event, *last_event;
    int64_t event_count;
};

#endif
