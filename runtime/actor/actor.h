/*
 * Instances of actors and those who are in contact with them.
 *
 * The *owner* half keeps the instances: their state, and running what is sent
 * to them, one message at a time (owner.c, mailbox.c, run.c, call.c, later.c).
 * The *edge* half keeps what belongs to connections: links, subscriptions,
 * send queues (edge.c). A message from the edge reaches an instance through
 * one function, zkt__owner_deliver; what the owner decides comes back as one
 * record of a commit, which zkt__edge_publish sends on.
 *
 * An idle instance handles a message at once. While one of its handlers has
 * yet to finish, messages wait in its mailbox, which the end of each turn
 * empties as far as it may.
 *
 * A server with several threads has one of these for each; remote.h says how
 * they reach each other's instances. What newcomers are sent is in history.h.
 */
#ifndef ZKT_ACTOR_ACTOR_H
#define ZKT_ACTOR_ACTOR_H

#include <stdalign.h>
#include <stddef.h>

#include "actor/history.h"
#include "actor/send_queue.h"
#include "base/endpoint.h"
#include "base/index.h"
#include "base/list.h"
#include "base/post.h"
#include "base/random.h"
#include "base/slots.h"
#include "base/timeouts.h"
#include "protocol/envelope.h"
#include "state/journal.h"
#include "zocket/server.h"
#include "json/pattern.h"

/* One connection as the edge sees it; embedded in the connection. */
struct zkt_port {
    const char *client_id;
    uint32_t client_id_len;
    enum zkt_dialect dialect;
    struct zkt_list links;
    struct zkt_link *recent; /* found last; it is most often the next, too */
    uint32_t link_count;
    uint32_t waiting; /* calls that are queued or deferred */
    uint32_t subscriptions;
    struct zkt_send_queue queue;
    uint32_t shard; /* that it is on */
    bool open;      /* frames may be queued */
    /* Something was queued, or nothing more can be: @lost says that memory
     * or the hard limit was reached and the connection must end. */
    void (*touched)(struct zkt_port *port, bool lost);
    /* The last link of a port that was left is gone. */
    void (*emptied)(struct zkt_port *port);
};

static inline struct zkt_str zkt__port_client(const struct zkt_port *port)
{
    return (struct zkt_str){ port->client_id, port->client_id_len };
}

/* Something that waits in a mailbox; embedded, where it must not fail. */
enum zkt_mail_kind {
    ZKT_MAIL_LETTER,  /* a struct zkt_letter */
    ZKT_MAIL_CONNECT, /* a link's arrival */
    ZKT_MAIL_LEAVE,   /* a link's departure */
    ZKT_MAIL_END      /* an instance's end */
};

struct zkt_mail {
    struct zkt_node node; /* in the instance's mailbox */
    enum zkt_mail_kind kind;
};

/* A connection in contact with an instance. */
struct zkt_link {
    struct zkt_node of_port, of_instance;
    struct zkt_port *port;
    struct zkt_instance *instance;
    struct zkt_mail arrival, departure;
    bool state, events; /* subscribed to */
    bool collapsed;     /* a token stands for its patches */
    bool waits;         /* a snapshot is under way: patches before it are old */
    bool connected;     /* `connect` has had its turn: so will `disconnect` */
    bool leaving;
};

struct zkt_instance {
    zkt_handle_id id;
    const struct zkt_actor *actor;
    struct zkt_str name; /* the actorId; owned */
    uint64_t hash;
    void *state;         /* owned by the store */
    void *hidden;        /* the private state, likewise; NULL: none */
    uint64_t epoch, seq; /* seq counts commits that changed something */
    struct zkt_list links;
    uint32_t link_count;
    uint32_t subscribers;        /* links with state */
    uint32_t guests;             /* links that are guests (actor/remote.h) */
    uint32_t home;               /* the shard it lives on; another's: a stub */
    struct zkt_history *history; /* kept for newcomers; NULL: nothing yet */
    struct zkt_list mailbox;
    uint32_t mail_count; /* messages in it, and their bytes */
    size_t mail_bytes;
    struct zkt_node ready;   /* in actors->ready: mail can be handled */
    struct zkt_task *parked; /* the call whose handler finishes later */
    struct zkt_timeout idle; /* until it is evicted */
    struct zkt_mail end;
    uint64_t calls;
};

struct zkt_actors {
    struct zkt_app app;
    uint32_t self;             /* the shard that this is */
    struct zkt_remote *remote; /* contact with others; NULL: there are none */
    const struct zkt_allocator *allocator;
    const struct zkt_limits *limits;
    struct zkt_server *server;   /* for its log, and for zkt_call_server */
    const struct zkt_core *core; /* for its clock only */
    struct zkt_store store;
    struct zkt_pattern_cache patterns;
    struct zkt_rule_context rules;
    struct zkt_random random;
    struct zkt_slots instances;
    uint32_t stubs; /* among them */
    struct zkt_index index;
    struct zkt_task *task;  /* what arrives is read into; for one message */
    struct zkt_task *spare; /* takes its place when it is parked, or NULL */
    struct zkt_post_box *box;
    struct zkt_list ready;  /* instances that have mail and are free */
    struct zkt_list parked; /* tasks by the time at which they fail */
    struct zkt_list idle;   /* instances by the time of their eviction */
    struct zkt_writer result, plain, rfc6902;
    struct zkt_history_cache histories;
    struct zkt_buffer *spare_buffer; /* of the send queues, or NULL */
    bool running;                    /* a handler runs */
    bool stopping;                   /* nothing new is begun */
    bool ended;                      /* nor is what has begun elsewhere */
    struct zkt_server_stats stats;
};

/* What the edge sends to an instance. */
enum zkt_request_kind {
    ZKT_REQUEST_CALL,
    ZKT_REQUEST_SUBSCRIBE_STATE,
    ZKT_REQUEST_SUBSCRIBE_EVENTS,
    ZKT_REQUEST_UNSUBSCRIBE_STATE,
    ZKT_REQUEST_UNSUBSCRIBE_EVENTS,
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
    /* From another shard: what its answer goes in, and which one of a link's
     * subscriptions it is. */
    struct zkt_answer *answer;
    uint32_t serial;
    bool token; /* it is not the client who asks, but a token for a snapshot */
};

/* A request that waits, with copies of its id and input behind it. */
struct zkt_letter {
    struct zkt_mail mail;
    struct zkt_request request;
    size_t bytes;
    /* While it travels between shards. */
    struct zkt_posted posted;
    struct zkt_route *route;
    alignas(max_align_t) char memory[];
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
    const struct zkt_request *call; /* NULL: nobody waits for a result */
    struct zkt_writer *result;      /* text, with room for a head in front */
    struct zkt_bulletin *bulletins; /* the same, for other shards */
};

/** Whether @instance stands for one that lives on another shard. */
static inline bool zkt__is_stub(const struct zkt_actors *actors,
                                const struct zkt_instance *instance)
{
    return instance->home != actors->self;
}

/** Whether @port stands for a connection of another shard. */
static inline bool zkt__is_guest(const struct zkt_actors *actors,
                                 const struct zkt_port *port)
{
    return port->shard != actors->self;
}

/** False: no memory; finish takes what there is. */
bool zkt__actors_init(struct zkt_actors *actors, struct zkt_app app,
                      const struct zkt_allocator *allocator,
                      const struct zkt_limits *limits,
                      struct zkt_server *server, const struct zkt_core *core);
/** Frees what is left when every instance has ended. */
void zkt__actors_finish(struct zkt_actors *actors);
/** Ends every instance: what waits is refused, `disconnect`, `deactivate`. */
void zkt__actors_end(struct zkt_actors *actors);
/** Cancels every deferred call; its caller is told @status and @text. */
void zkt__actors_cancel(struct zkt_actors *actors, enum zkt_status status,
                        struct zkt_str text);
/** Runs every time limit of calls and instances that has passed. */
void zkt__actors_expire(struct zkt_actors *actors);
/** When the next of these is due; ZKT_NEVER. */
int64_t zkt__actors_deadline(const struct zkt_actors *actors);

/* ---- owner ---- */

/** The instance of this name, or NULL. */
struct zkt_instance *zkt__owner_find(const struct zkt_actors *actors,
                                     const struct zkt_actor *actor,
                                     struct zkt_str name);
/**
 * Makes one, and activates it; or a stub, if another shard has it or will. Of
 * what there is none here. NULL: *@reason is why not.
 */
struct zkt_instance *zkt__owner_create(struct zkt_actors *actors,
                                       const struct zkt_actor *actor,
                                       struct zkt_str name,
                                       struct zkt_str *reason);
/** Nobody is in contact any more: it may be dropped, or evicted in time. */
void zkt__owner_settle(struct zkt_actors *actors,
                       struct zkt_instance *instance);
/** Handles a message, now or when the instance is free. */
void zkt__owner_deliver(struct zkt_actors *actors,
                        const struct zkt_request *request);
/** The same for one that came in a letter, which is taken. */
void zkt__owner_deliver_letter(struct zkt_actors *actors,
                               struct zkt_letter *letter);
/** Runs a hook that is declared; of @port, or NULL: the instance's own. */
void zkt__owner_run_hook(struct zkt_actors *actors,
                         struct zkt_instance *instance, struct zkt_port *port,
                         enum zkt_hook hook);
/** Ends an instance that is free: deactivate; what waits for it is refused. */
void zkt__owner_end(struct zkt_actors *actors, struct zkt_instance *instance,
                    enum zkt_status status, struct zkt_str text);
/** Whether the committed state can be had: kept, or no call has changed it and
 * has yet to finish. */
bool zkt__owner_can_recap(const struct zkt_instance *instance);
/** The next recap is to be a snapshot of the committed state alone. */
void zkt__owner_refresh(struct zkt_actors *actors,
                        struct zkt_instance *instance);
/** What brings a newcomer to the committed state. False: no memory. */
bool zkt__owner_recap(struct zkt_actors *actors, struct zkt_instance *instance,
                      enum zkt_dialect dialect, struct zkt_recap *out);

/* ---- mailbox ---- */

/** Whether the actors have nothing under way. */
static inline bool zkt__mailbox_all_free(const struct zkt_actors *actors)
{
    return zkt__list_empty(&actors->parked) && zkt__list_empty(&actors->ready);
}
/** Whether a message is to be handled at once. */
static inline bool zkt__mailbox_is_free(const struct zkt_actors *actors,
                                        const struct zkt_instance *instance)
{
    return instance->parked == NULL && !actors->running &&
           zkt__list_empty(&instance->mailbox);
}
/** What a letter with @request takes. */
size_t zkt__letter_measure(const struct zkt_request *request);
/** A copy that owns what @request borrows; NULL: no memory. */
struct zkt_letter *zkt__letter_new(const struct zkt_allocator *allocator,
                                   const struct zkt_request *request,
                                   size_t bytes);
/** Queues a copy of @request, or refuses it. */
void zkt__mailbox_put(struct zkt_actors *actors, struct zkt_instance *instance,
                      const struct zkt_request *request);
/** Queues @letter itself, or refuses it; it is taken. */
void zkt__mailbox_put_letter(struct zkt_actors *actors,
                             struct zkt_instance *instance,
                             struct zkt_letter *letter);
/** Handles @letter now, and frees it when that is over. */
void zkt__mailbox_open(struct zkt_actors *actors, struct zkt_instance *instance,
                       struct zkt_letter *letter);
/** Queues what embeds its mail, behind everything or (@first) before it. */
void zkt__mailbox_put_own(struct zkt_actors *actors,
                          struct zkt_instance *instance, struct zkt_mail *mail,
                          bool first);
/** Takes the first one out, or NULL. */
struct zkt_mail *zkt__mailbox_take(struct zkt_actors *actors,
                                   struct zkt_instance *instance);
/** The call of the instance is over: what waits is its turn. */
void zkt__mailbox_resume(struct zkt_actors *actors,
                         struct zkt_instance *instance);
/** Handles what waits and can be; so much of it as one turn allows. */
void zkt__mailbox_drain(struct zkt_actors *actors);

/* ---- edge ---- */

/** Tells who sent @request that it is refused. */
void zkt__edge_refuse(struct zkt_actors *actors,
                      const struct zkt_request *request, enum zkt_status status,
                      struct zkt_str text);
/** Carries out a subscription message. */
void zkt__edge_subscribe(struct zkt_actors *actors,
                         const struct zkt_request *request);
/** Sends who made @request, a call, its result, which is in @w. */
void zkt__edge_answer(struct zkt_actors *actors,
                      const struct zkt_request *request, struct zkt_writer *w);
/** What @link's owner has answered a subscription with; if it has no snapshot
 * there was no memory. */
void zkt__edge_take_snapshot(struct zkt_actors *actors, struct zkt_link *link,
                             const struct zkt_recap *recap);
/** The same for @link's token, which is at the head of its queue. */
void zkt__edge_take_token(struct zkt_actors *actors, struct zkt_link *link,
                          const struct zkt_recap *recap);
/** @link is not subscribed any more, to state or to events. */
void zkt__edge_unsubscribe_state(struct zkt_link *link);
void zkt__edge_unsubscribe_events(struct zkt_link *link);
/** @port, whose link this becomes, and @instance are in contact. */
void zkt__edge_join(struct zkt_actors *actors, struct zkt_link *link,
                    struct zkt_port *port, struct zkt_instance *instance);
/** They are no longer; of a guest's link the memory stays. */
void zkt__edge_part(struct zkt_actors *actors, struct zkt_link *link);
/** The subscriptions that @link holds end with @status and @text. */
void zkt__edge_drop_link(struct zkt_actors *actors, struct zkt_link *link,
                         enum zkt_status status, struct zkt_str text);
/** @link arrives: `connect` runs. */
void zkt__edge_arrive(struct zkt_actors *actors, struct zkt_link *link);
/** @link leaves: `disconnect` runs. The instance may be gone afterwards. */
void zkt__edge_leave(struct zkt_actors *actors, struct zkt_link *link);
/** Snapshots that waited for a call of @instance can be sent. */
void zkt__edge_release(const struct zkt_instance *instance);
/** Handles a call or a subscription message of the protocol. */
void zkt__edge_receive(struct zkt_actors *actors, struct zkt_port *port,
                       const struct zkt_envelope *message);
/** Sends a commit to everybody whom it concerns. */
void zkt__edge_publish(struct zkt_actors *actors,
                       const struct zkt_commit *commit);
/**
 * Links of a port that closes leave, now or when their turn comes; each takes
 * one off *@left. False: there was no more to take, and some have yet to.
 */
bool zkt__edge_leave_all(struct zkt_actors *actors, struct zkt_port *port,
                         int64_t *left);
/** Encodes a snapshot whose token has reached the head of the queue. */
void zkt__edge_settle_queue(struct zkt_actors *actors, struct zkt_port *port);
/** Whether the head of the queue waits for a call that has yet to finish. */
bool zkt__edge_is_held(struct zkt_port *port);

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
    struct zkt_actors *actors;     /* NULL: cancelled */
    struct zkt_instance *instance; /* NULL: cancelled */
    const void *state, *hidden;
    void *user; /* of the app */
    int64_t now_ms;
    struct zkt_str client_id, instance_id;
    const char *what; /* the method or hook that runs, for the log */
    struct zkt_arena *arena;
    struct zkt_journal journal;
    struct zkt_journal hidden_journal; /* where there is private state */
    struct zkt_issues issues;
    enum zkt_status failure; /* by zkt_fail */
    struct zkt_str error;
    struct zkt_emitted *first_event, *last_event;
    int64_t event_count;
    bool ends; /* the instance ends with it */
};

/* What stands for a call whose handler finishes later. */
struct zkt_later {
    struct zkt_posted posted;
    struct zkt_post_box *box;   /* a reference, while it is outstanding */
    void *empty, *empty_hidden; /* the states that a cancelled call sees */
    zkt_then_invoke *invoke;
    void (*then)(void);
    void *user;
};

/*
 * A call and its memory. There is one into which what arrives is read; when
 * its handler is to finish later it is parked at the instance, and another
 * takes its place. So nothing that the first half has seen ever moves.
 */
struct zkt_task {
    struct zkt_arena arena;
    struct zkt_call call;
    struct zkt_request request;
    struct zkt_letter *letter; /* that it came from the mailbox in, or NULL */
    void *result;
    bool counted; /* in request.port->waiting */
    struct zkt_timeout deadline;
    struct zkt_later later;
};

/** Another task, or NULL: no memory. */
struct zkt_task *zkt__task_new(struct zkt_actors *actors);
/** Frees it, on any thread. Takes NULL. */
void zkt__task_free(struct zkt_task *task);
/** Runs a call or hook in actors->task; @letter: what it came in, or NULL. */
void zkt__task_run(struct zkt_actors *actors, const struct zkt_request *request,
                   struct zkt_instance *instance, struct zkt_letter *letter);
/** Runs the second half of a parked call. */
void zkt__task_resume(struct zkt_actors *actors, struct zkt_task *task);
/** Gives a parked call up, and tells its caller why. */
void zkt__task_cancel(struct zkt_actors *actors, struct zkt_task *task,
                      enum zkt_status status, struct zkt_str text);
/** Whoever has its `later` may keep it: it knows nothing of us any more. */
void zkt__task_detach(struct zkt_task *task);

#endif
