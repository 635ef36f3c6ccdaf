/*
 * Contact between the shards of a server with several threads. An instance
 * lives on one of them. On another that has connections in contact with it a
 * *stub* stands for it, a struct zkt_instance without state, whose links are
 * those connections: so the edge's half (who subscribes, what collapses, who
 * gets an event) is the same code for both. Each such link is one half of a
 * *route*; the other half is the *guest*, the link by which the owner knows
 * the connection.
 *
 * What crosses is messages in the other shard's post box, in the order of
 * sending, which keeps a caller's patch before its result:
 * - up: letters (a call or a subscription message), leave;
 * - down: answers, bulletins (a commit for all who watch on that shard),
 *   notices (a subscription ended with its instance), left.
 *
 * A route lives from its first letter until `left` has come back, and its
 * stub as long as it has routes; each side touches its own half alone. So a
 * message may point to a route, and none is ever stale. What must not fail
 * brings its own memory: leaving is embedded in the route, and whoever asks
 * brings the answer's.
 */
#ifndef ZKT_ACTOR_REMOTE_H
#define ZKT_ACTOR_REMOTE_H

#include "actor/actor.h"
#include "actor/directory.h"

/* What the shards of a server share, immutable but for the directory. */
struct zkt_peers {
    const struct zkt_allocator *allocator;
    uint32_t count;
    struct zkt_actors **actors; /* by shard */
    struct zkt_directory directory;
    _Atomic(uint64_t) instances; /* alive on all of them */
};

/* What waits for the end of the turn, for one shard. */
struct zkt_outbox {
    struct zkt_posted *first, *last;
};

/* A shard's part in it; actors->remote, NULL with one thread. */
struct zkt_remote {
    struct zkt_peers *peers;
    uint64_t away; /* calls that others have yet to answer */
    bool unsent;   /* an outbox has something */
    struct zkt_outbox outboxes[];
};

/* A contact of a connection here with an instance there. */
struct zkt_route {
    struct zkt_actors *edge, *owner; /* never change */
    struct zkt_link link; /* the edge's half; its instance is the stub */
    uint32_t state_serial, event_serial; /* of the last subscriptions */
    uint32_t awaited; /* from which state's on patches are for the link */
    /* The owner's half. */
    struct zkt_link guest; /* its instance is NULL before there is one */
    struct zkt_port port;  /* that the guest is of */
    uint32_t state_taken, event_taken; /* serials of what it subscribes to */
    struct zkt_notice *notice; /* to tell that these have ended, or NULL */
    bool leaves;               /* `left` is awaited */
    /* Leave on its way up, left on its way down. */
    struct zkt_posted passage;
};

/* That what a guest subscribed to has ended with the instance. */
struct zkt_notice {
    struct zkt_posted posted;
    struct zkt_route *route;
    uint32_t state_serial, event_serial;
    enum zkt_status status;
    struct zkt_str text; /* of static storage */
};

/* What comes back for a call or a subscription. */
struct zkt_answer {
    struct zkt_posted posted;
    struct zkt_route *route;
    struct zkt_notice *notice; /* for the guest, if it has none; or NULL */
    enum zkt_request_kind of;
    uint32_t serial;
    bool token;   /* it was asked for by one */
    bool refused; /* a subscription was */
    /* NULL: there was no memory for it. A snapshot's patches come with it. */
    struct zkt_buffer *frame;
    struct zkt_buffer **patches;
    uint32_t patch_count;
};

/* What one commit says to those on one shard. */
struct zkt_bulletin {
    struct zkt_posted posted;
    struct zkt_bulletin *next;
    struct zkt_actors *edge;
    struct zkt_commit commit; /* of the stub */
};

/* ---- all shards ---- */

/** NULL: no memory. */
struct zkt_peers *zkt__peers_new(const struct zkt_allocator *allocator,
                                 uint32_t count,
                                 const struct zkt_hash_key *key);
/** Takes NULL. */
void zkt__peers_free(struct zkt_peers *peers);
/** @actors is @peers' shard @self from now on. False: no memory. */
bool zkt__remote_join(struct zkt_actors *actors, struct zkt_peers *peers,
                      uint32_t self);
/** Posts what was sent in this turn. */
void zkt__remote_flush(struct zkt_actors *actors);
/** Whether there is something to post: what is sent between turns waits for
 * the next one. */
static inline bool zkt__remote_is_due(const struct zkt_actors *actors)
{
    return actors->remote != NULL && actors->remote->unsent;
}
/**
 * A reference to a name; *@home, which is given as one's own, is its shard.
 * False: no memory. With one thread there is nothing to take.
 */
bool zkt__remote_take(struct zkt_actors *actors, const struct zkt_actor *actor,
                      struct zkt_str name, uint32_t *home);
void zkt__remote_release(struct zkt_actors *actors,
                         const struct zkt_actor *actor, struct zkt_str name);
/** Counts one more instance. False: there are as many as there may be. */
bool zkt__remote_count(struct zkt_actors *actors);
/** Counts one less. */
void zkt__remote_uncount(struct zkt_actors *actors);
/** Ends an instance that lives elsewhere, as zkt_server_destroy. */
enum zkt_status zkt__remote_destroy(struct zkt_actors *actors,
                                    const struct zkt_actor *actor,
                                    struct zkt_str name);

/* ---- the edge's half ---- */

/** The link of @port to a stub, or NULL: no memory. */
struct zkt_link *zkt__remote_link(struct zkt_actors *actors,
                                  struct zkt_port *port,
                                  struct zkt_instance *stub);
/** Sends a call, or an (un)subscription whose flags are set already. */
void zkt__remote_send(struct zkt_actors *actors,
                      const struct zkt_request *request);
/* Why a link wants a snapshot. */
enum zkt_fetch {
    ZKT_FETCH_FIRST, /* it has subscribed: patches are for it afterwards */
    ZKT_FETCH_AGAIN, /* it has subscribed once more */
    ZKT_FETCH_TOKEN  /* its token is at the head of the queue */
};

/** Asks for a snapshot. */
void zkt__remote_fetch(struct zkt_actors *actors, struct zkt_link *link,
                       enum zkt_fetch why);
/** Tells that @link leaves; it is gone when the owner has answered. */
void zkt__remote_leave(struct zkt_actors *actors, struct zkt_link *link);

/* ---- the owner's half ---- */

static inline struct zkt_route *zkt__route_of_guest(struct zkt_link *guest)
{
    return ZKT_CONTAINER(guest, struct zkt_route, guest);
}

/** Answers @request, which came from elsewhere, with @frame (or NULL). */
void zkt__remote_answer(struct zkt_actors *actors,
                        const struct zkt_request *request,
                        struct zkt_buffer *frame, bool refused);
/** Answers @request, a subscription, with a snapshot. */
void zkt__remote_recap(struct zkt_actors *actors,
                       const struct zkt_request *request);
/** The subscriptions of @guest end with the instance. */
void zkt__remote_notify(struct zkt_actors *actors, struct zkt_link *guest,
                        enum zkt_status status, struct zkt_str text);
/** Keeps what tells the end of the subscription that @request has made. */
void zkt__remote_note(const struct zkt_request *request);
/** @request needs no answer. Takes one that did not come from elsewhere. */
void zkt__remote_drop_answer(struct zkt_actors *actors,
                             const struct zkt_request *request);
/** Makes what a commit says to others. False: no memory; nothing is made. */
bool zkt__remote_prepare(struct zkt_actors *actors, struct zkt_commit *commit);
/** What was made is not to be sent after all. */
void zkt__remote_drop(struct zkt_actors *actors, struct zkt_commit *commit);
/** Sends it. */
void zkt__remote_publish(struct zkt_actors *actors, struct zkt_commit *commit);

#endif
