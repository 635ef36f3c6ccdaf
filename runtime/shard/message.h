/*
 * The seam: the messages by which sessions (connections as the actors see
 * them) and instances know each other, and the contact that they are about.
 * zkt__deliver alone knows whether a message is delivered by a call, because
 * the receiver is on the same thread, or through a channel.
 *
 * Up, from a session to an instance:
 *   call, subscribe, unsubscribe, snapshot (for a slow reader), leave
 * Down, from an instance to a session or to all sessions of a shard:
 *   result, catch-up, subscribed, closed (a subscription was refused or has
 *   ended), commit (patch and events, to everybody who watches there), left,
 *   ended (the instance has, and nobody needs to be told)
 *
 * Each call is answered by one result, each subscribe by one catch-up (state),
 * subscribed (events) or closed, of the generation of the subscribe, each
 * snapshot by one catch-up, each leave by one left. Messages between two shards
 * keep their order, which keeps a caller's patch before its result.
 *
 * A message that is delivered by a call borrows everything that it points to.
 * One that travels or waits is a block of its own, the *carrier*, with copies
 * behind it. Messages that must not fail have their carrier beforehand: a
 * reply travels in the block of its request, leave, snapshot and ended are
 * part of the contact, and a subscribe brings a second block for the day on
 * which the subscription is closed.
 *
 * A message names its contact by pointer. A contact lives from its first
 * message until its `left` has arrived, so none is ever stale; each side
 * touches its own half alone.
 */
#ifndef ZKT_SHARD_MESSAGE_H
#define ZKT_SHARD_MESSAGE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>

#include "protocol/frame.h"
#include "protocol/send_queue.h"
#include "shard/location.h"

enum zkt_msg_kind {
    /* up */
    ZKT_MSG_CALL,
    ZKT_MSG_SUBSCRIBE,
    ZKT_MSG_UNSUBSCRIBE,
    ZKT_MSG_SNAPSHOT,
    ZKT_MSG_LEAVE,
    ZKT_MSG_DESTROY, /* asks for the end of an instance; from the program */
    /* down */
    ZKT_MSG_RESULT,
    ZKT_MSG_CATCH_UP,
    ZKT_MSG_SUBSCRIBED,
    ZKT_MSG_CLOSED,
    ZKT_MSG_COMMIT,
    ZKT_MSG_LEFT,
    ZKT_MSG_ENDED
};

/* What a subscription is to. */
enum zkt_topic {
    ZKT_TOPIC_STATE,
    ZKT_TOPIC_EVENTS,
    ZKT_TOPIC_COUNT
};

struct zkt_msg {
    struct zkt_node node;        /* in a mailbox or a channel */
    struct zkt_contact *contact; /* not of commit, destroy */
    size_t bytes;                /* that the carrier holds, for the limits */
    enum zkt_msg_kind kind;
    enum zkt_topic topic : 8; /* subscribe, unsubscribe, closed */
    bool is_late; /* came when the end of its instance was due: refused */
    uint32_t generation; /* of a subscribe, and of its answer; see below */
    union {
        struct zkt_msg_call {
            const struct zkt_method *method;
            struct zkt_str id; /* the JSON token */
            const void *input; /* decoded; NULL: none */
            void *body;        /* holds id and input of a carrier */
        } call;
        struct {
            struct zkt_msg *closing; /* the second block, or NULL */
            bool defers; /* the snapshot is fetched later: the reader is slow */
            bool is_void; /* given up while it waited: answered, but for naught
                           */
        } subscribe;
        struct zkt_msg_result {
            struct zkt_writer *text;  /* a frame that was written, or */
            struct zkt_buffer *frame; /* a shared one; both NULL: no memory */
        } result;
        struct {
            struct zkt_catch_up content; /* no snapshot: no memory */
            bool refreshes;              /* answers a snapshot message */
            bool deferred; /* nothing to send: it is fetched later */
        } catch_up;
        struct {
            enum zkt_status status;
            struct zkt_str text; /* of static storage */
            bool refused;        /* answers a subscribe; else: has ended */
        } closed;
        struct zkt_msg_commit {
            struct zkt_location *location; /* of the receiving shard */
            const struct zkt_commit *content;
        } commit;
        struct {
            const struct zkt_actor *actor;
            struct zkt_str name;
        } destroy;
    } of;
};

/* An event that a call emitted, framed, with its target. */
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
    uint64_t epoch, seq;
    struct zkt_buffer *patch[ZKT_DIALECT_COUNT]; /* NULL: nothing changed */
    const struct zkt_emitted *events;
};

/* How far a subscription has come; session/subscription.c has the table. */
enum zkt_subscription_state {
    ZKT_SUB_OFF,
    ZKT_SUB_ASKED,     /* the instance has yet to answer */
    ZKT_SUB_LIVE,      /* patches or events are passed on */
    ZKT_SUB_CONFLATED, /* a placeholder stands for what was not passed on */
    ZKT_SUB_FETCHING,  /* it has reached the head; the snapshot is asked for */
    ZKT_SUB_STATES
};

struct zkt_subscription {
    enum zkt_subscription_state state;
    uint32_t generation;  /* grows when it is given up */
    uint32_t owed;        /* answers of this generation, yet to be given */
    struct zkt_node live; /* in location->watchers or ->listeners */
};

/* The instance's half of a contact. */
struct zkt_attachment {
    struct zkt_instance *instance; /* NULL: not attached */
    struct zkt_audience *audience; /* contacts of its shard */
    struct zkt_node of_instance;
    struct zkt_node turn;  /* in instance->turns: something waits */
    struct zkt_node wants; /* in instance->wanting: a snapshot to be had */
    struct zkt_list mailbox;
    size_t mail_bytes;
    uint32_t mail_count;
    bool subscribed[ZKT_TOPIC_COUNT];
    bool connected; /* `connect` has had its turn: so will `disconnect` */
    struct zkt_msg *closing; /* a block to tell that a subscription is over */
};

/* A client as instances know it; nothing of it changes while it has contacts,
 * so that any thread may read it. */
struct zkt_peer {
    struct zkt_str client_id;
    enum zkt_dialect dialect;
    uint32_t shard;
    void *payer; /* to whom its instances are charged; NULL: to nobody */
};

/* A connection in contact with an instance, or with its name. */
struct zkt_contact {
    /* Both sides read these, which never change. */
    const struct zkt_peer *peer;
    struct zkt_location *location; /* of the peer's shard */
    /* The session's half. */
    struct zkt_session *session;
    struct zkt_node of_session;
    zkt_handle_id id;
    struct zkt_subscription subs[ZKT_TOPIC_COUNT];
    uint32_t calls;             /* without a result so far */
    uint32_t void_placeholders; /* in the queue, before one that counts */
    bool leaving;
    bool marked; /* for the time of one event */
    /* The instance's half. */
    struct zkt_attachment attachment;
    /* Carriers. Only contacts with another shard have those behind it. */
    struct zkt_msg leave;
    struct zkt_msg_carriers {
        struct zkt_msg snapshot, ended;
        atomic_bool ended_in_flight;
    } carriers[];
};

/** A contact of @session with @location; NULL: no memory. The instance's half
 * is attached to nothing. */
struct zkt_contact *zkt__contact_new(const struct zkt_host *host,
                                     struct zkt_session *session,
                                     const struct zkt_peer *peer,
                                     struct zkt_location *location);
/** The carrier of a snapshot message and of its answer; NULL: none is needed.
 */
struct zkt_msg *zkt__contact_snapshot_carrier(struct zkt_contact *contact);
/** Sends `ended`, unless it is on its way: then it has yet to be acted on. */
void zkt__contact_send_ended(struct zkt_host *host,
                             struct zkt_contact *contact);
/** `ended` has arrived. */
void zkt__contact_received_ended(struct zkt_contact *contact);
/** The location, on this shard, of the name that a contact of any shard is
 * about, with a reference; NULL: no memory. */
struct zkt_location *zkt__contact_location(struct zkt_host *host,
                                           const struct zkt_contact *contact);
/** The instance of that name on this shard, or NULL. */
struct zkt_instance *zkt__contact_named(const struct zkt_host *host,
                                        const struct zkt_contact *contact);

/**
 * Begins a message about @contact (NULL: none); what its kind has in `of`
 * follows. The rest of `of`, which no one reads, is not zeroed: for a result or
 * a commit that would cost more than what is written.
 */
static inline void zkt__msg_init(struct zkt_msg *m, enum zkt_msg_kind kind,
                                 struct zkt_contact *contact)
{
    m->node.prev = m->node.next = NULL;
    m->kind = kind;
    m->topic = ZKT_TOPIC_STATE;
    m->contact = contact;
    m->is_late = false;
    m->bytes = 0;
}

/** Whether a message is for an instance. */
static inline bool zkt__msg_goes_up(const struct zkt_msg *m)
{
    return m->kind <= ZKT_MSG_DESTROY;
}

/**
 * Makes what zkt__deliver will need for @m, a commit, in *@carrier, so that it
 * cannot fail. Returns false if there is no memory.
 */
bool zkt__deliver_reserve(struct zkt_host *host, uint32_t to,
                          const struct zkt_msg *m, struct zkt_msg **carrier);

/** Bytes that an up message takes in a block of its own. */
size_t zkt__msg_size(const struct zkt_msg *m);
/** Copies an up message into such a block, to wait; NULL: no memory. */
struct zkt_msg *zkt__msg_pack(const struct zkt_allocator *allocator,
                              const struct zkt_msg *m);
/** The same for a commit. */
struct zkt_msg *zkt__msg_pack_commit(const struct zkt_allocator *allocator,
                                     const struct zkt_msg *m);
/** Puts @m into a block that there is, with references of its own. */
void zkt__msg_carry(const struct zkt_allocator *allocator,
                    struct zkt_msg *carrier, const struct zkt_msg *m);
/** Whether the block of @m is part of its contact. */
bool zkt__msg_is_embedded(const struct zkt_msg *m);
/** Releases what @m holds, and its block if it is one of its own. Takes
 * NULL. */
void zkt__msg_free(const struct zkt_allocator *allocator, struct zkt_msg *m);

/** Sends @m to another shard; see zkt__deliver. */
bool zkt__deliver_there(struct zkt_host *host, uint32_t to, struct zkt_msg *m,
                        struct zkt_msg *carrier);

/**
 * Delivers @m to the shard @to: the one place that knows whether that is a
 * call or takes a channel. @carrier is the block that it travels in if it has
 * to travel, or NULL: one is made. Returns false if there is no memory for
 * that. A carrier that is not needed is released.
 */
static inline bool zkt__deliver(struct zkt_host *host, uint32_t to,
                                struct zkt_msg *m, struct zkt_msg *carrier)
{
    if (to != host->shard) {
        return zkt__deliver_there(host, to, m, carrier);
    }
    if (zkt__msg_goes_up(m)) {
        host->receivers->to_instance(host, m, carrier);
        return true;
    }
    /* The contact may go with the message, and with it what is part of it. */
    const bool waste = carrier != NULL && carrier != m &&
                       !zkt__msg_is_embedded(carrier);
    host->receivers->to_session(host, m);
    if (waste) {
        zkt__msg_free(host->allocator, carrier);
    }
    return true;
}

#endif
