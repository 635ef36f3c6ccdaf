/*
 * The messages between sessions (connections, as actors see them) and
 * instances, and the contact that a message is about. Only zkt__deliver knows
 * whether a message is delivered by a call, because the receiver is on the same
 * shard, or through a channel.
 *
 * Up, from a session to an instance:
 *   call, subscribe, unsubscribe, snapshot (for a slow reader), leave,
 *   record (the data of the connection have changed), cancel (a call)
 * Down, from an instance to a session or to all sessions of a shard:
 *   result, catch-up, subscribed, closed (a subscription was refused or has
 *   ended), commit (patches and events, to all subscribers of the shard), left,
 *   ended (the contact has no instance any more, and may leave), change (of the
 *   connection's data), chunk (of a stream), progress (of a call)
 *
 * The replies: to a call, a result; to a subscribe, a catch-up (state),
 * subscribed (events) or closed, with the generation of the subscribe; to a
 * snapshot, a catch-up; to a leave, left. Messages between two shards keep
 * their order, which keeps a caller's patch before its result.
 *
 * A message that is delivered by a call borrows everything that it points to. A
 * message in flight or in a mailbox is a block of memory, the *carrier*, with
 * copies after it. The carriers of messages that must not fail are
 * preallocated: a reply reuses the carrier of its request; leave, snapshot and
 * ended are part of the contact; a subscribe brings a second block, for the
 * message that closes the subscription.
 *
 * A message points to its contact. A contact lives from its first message until
 * its `left` has arrived, so no pointer dangles. Each side accesses only its
 * own half of the contact.
 */
#ifndef ZKT_SHARD_MESSAGE_H
#define ZKT_SHARD_MESSAGE_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/heap.h"
#include "base/tree.h"
#include "protocol/failure.h"
#include "protocol/frame.h"
#include "protocol/send_queue.h"
#include "shard/connection_record.h"
#include "shard/location.h"

enum zkt_msg_kind {
    /* up */
    ZKT_MSG_CALL,
    ZKT_MSG_SUBSCRIBE,
    ZKT_MSG_UNSUBSCRIBE,
    ZKT_MSG_SNAPSHOT,
    ZKT_MSG_LEAVE,
    ZKT_MSG_RECORD,
    ZKT_MSG_CANCEL,
    ZKT_MSG_DESTROY, /* ends an instance; from the program */
    /* down */
    ZKT_MSG_RESULT,
    ZKT_MSG_CATCH_UP,
    ZKT_MSG_SUBSCRIBED,
    ZKT_MSG_CLOSED,
    ZKT_MSG_COMMIT,
    ZKT_MSG_LEFT,
    ZKT_MSG_ENDED,
    ZKT_MSG_CHANGE,
    ZKT_MSG_CHUNK,    /* its content is a part: shard/stream.h */
    ZKT_MSG_PROGRESS, /* likewise */
    ZKT_MSG_BROADCAST /* to all sessions of a shard; its content is a commit */
};

/* The topics of subscriptions. */
enum zkt_topic {
    ZKT_TOPIC_STATE,
    ZKT_TOPIC_EVENTS,
    ZKT_TOPIC_COUNT
};

/* The output of a middleware; both NULL: it has none. */
struct zkt_output {
    const struct zkt_type *type;
    const void *value;
};

struct zkt_ask;
struct zkt_part;
struct zkt_stream;
struct zkt_task;

struct zkt_msg {
    struct zkt_node node; /* in a mailbox or a channel */
    /* Not of cancel, destroy, commit, broadcast. */
    struct zkt_contact *contact;
    /* Of call, subscribe, record: of the connection at that time; or NULL. */
    struct zkt_connection_record *record;
    size_t bytes; /* that the carrier holds, for the limits */
    union {
        uint32_t generation; /* of a subscribe, and of its answer; see below */
        uint32_t size;       /* of a call: bytes of the client's message */
    };
    enum zkt_msg_kind kind : 8;
    enum zkt_topic topic : 8; /* subscribe, unsubscribe, closed */
    bool after_destroy;       /* its instance was ending: refused */
    union {
        bool lost; /* of leave: the connection has closed, with a close code */
        bool is_optimistic; /* of call: its patch for the caller names it */
    };
    union {
        struct zkt_msg_call {
            const struct zkt_method *method;
            struct zkt_str id; /* the JSON token */
            const void *input; /* decoded; NULL: none */
            /* Of the method's middleware, in its order; NULL: it has none. */
            const struct zkt_output *outputs;
            void *body;          /* in a carrier: memory of what it points to */
            struct zkt_ask *ask; /* NULL: a client's call */
            int64_t deadline;    /* monotonic ms; 0: none */
            int64_t arrived;     /* see call/report.h */
            struct zkt_request request; /* its trace is in the body, too */
        } call;
        struct {
            struct zkt_msg *closing; /* the second block, or NULL */
            bool omit_snapshot;      /* the reader is slow: fetches it later */
            bool cancelled; /* unsubscribed while queued: reply is ignored */
        } subscribe;
        struct zkt_msg_result {
            struct zkt_writer *text;  /* a frame in a writer, or */
            struct zkt_buffer *frame; /* a shared frame; both NULL: no memory */
            struct zkt_ask *ask;      /* has the result; NULL: a client's */
            struct zkt_stream *stream; /* its parts come first; or NULL */
        } result;
        struct zkt_part *part; /* of chunk, progress; m is a part of it */
        struct {
            struct zkt_catch_up content; /* without snapshot: no memory */
            bool refreshes;              /* reply to a snapshot message */
            bool snapshot_omitted; /* empty: the snapshot is fetched later */
            uint8_t audiences;     /* of the contact */
        } catch_up;
        struct {
            uint8_t audiences; /* of the contact */
        } subscribed;
        struct {
            enum zkt_status status;
            struct zkt_str text;        /* of static storage */
            struct zkt_buffer *failure; /* replaces both, encoded; or NULL */
            bool refused; /* reply to a subscribe; else: has ended */
        } closed;
        struct zkt_msg_commit {
            /* On the receiving shard; NULL: a broadcast. */
            struct zkt_location *location;
            const struct zkt_commit *content;
            const struct zkt_private *privates; /* for the shard */
            /* Of the receiving shard: its chunks come first; or NULL. */
            struct zkt_stream *stream;
        } commit;
        struct zkt_msg_change {
            const struct zkt_type *type; /* of the connection's data */
            const struct zkt_connection_change *changes;
        } change;
        struct zkt_msg_cancel {
            struct zkt_str client_id, id; /* of the caller and the call */
        } cancel;
        struct {
            const struct zkt_actor *actor;
            struct zkt_str name;
        } destroy;
    } of;
};

/* A call that waits at its instance: in the carrier of a call, behind the
 * message, or in the memory of a deferred call (instance/waiting.h). Zeroed: it
 * does not wait. */
struct zkt_waiting {
    struct zkt_tree_node by_id;
    struct zkt_heap_node due;
    struct zkt_task *task; /* of a deferred call; NULL: in a carrier */
    bool has_seat;         /* in the heap */
    bool is_found;         /* by its id: it is in the tree */
    bool by_limit;         /* its time is that of the limit handler_ms */
};

/** Returns the second part of the carrier of a call. */
static inline struct zkt_waiting *zkt__msg_waiting(struct zkt_msg *carrier)
{
    return (struct zkt_waiting *)(void *)(carrier + 1);
}

/* The size of a carrier for a kind that has nothing in `of`. */
#define ZKT_MSG_BARE offsetof(struct zkt_msg, of)

/* An event or a broadcast, framed, with its target; or the end of a
 * connection. */
struct zkt_emitted {
    struct zkt_emitted *next;
    struct zkt_buffer *frame; /* of the end: the reason, with a NUL */
    unsigned close_code;      /* of the end; else 0 */
    struct zkt_target target; /* ids in the call's memory */
};

/* Sets of audiences, as bits. */
#define ZKT_AUDIENCE_SETS (1 << ZKT_AUDIENCES_MAX)

/* A commit for a subscriber that joins or leaves an audience, or sees an entry
 * of its own change, or that has made the call and is to know which patch has
 * its changes. */
struct zkt_private {
    const struct zkt_private *next;
    struct zkt_contact *contact;
    struct zkt_buffer *patch; /* in place of the shared patch; NULL: none */
    struct zkt_str call;      /* the id that the patch names; data NULL: none */
    uint8_t audiences;        /* from now on */
};

/*
 * The effects of a successful call: immutable, in the order of publication.
 * Frames are whole WebSocket frames.
 */
struct zkt_commit {
    uint64_t epoch, seq;
    struct zkt_buffer *patch[ZKT_DIALECT_COUNT]; /* NULL: nothing changed */
    /* Of a state with readers, in place of patch: by set of audiences; NULL:
     * nothing that is shared has changed. */
    struct zkt_buffer *(*patches)[ZKT_DIALECT_COUNT];
    const struct zkt_emitted *events;
    struct zkt_stream *stream; /* its chunks come first; or NULL */
};

/* The states of a subscription; session/subscription.c has the transitions. */
enum zkt_subscription_state {
    ZKT_SUB_OFF,
    ZKT_SUB_ASKED,     /* waits for the reply of the instance */
    ZKT_SUB_LIVE,      /* patches or events are sent to the client */
    ZKT_SUB_CONFLATED, /* a placeholder replaces patches not sent */
    ZKT_SUB_FETCHING,  /* the placeholder is next; waits for the snapshot */
    ZKT_SUB_STATES
};

struct zkt_sub {
    uint32_t generation; /* grows with each unsubscribe */
    uint32_t owed : 29;  /* outstanding replies of this generation */
    enum zkt_subscription_state state : 3;
    union {
        struct zkt_node live; /* in location->watchers or ->listeners */
        /* Of a state, while conflated or fetching: calls whose changes will be
         * in the snapshot; or NULL. */
        struct zkt_conflated_calls *calls;
    };
};

/* The instance's half of a contact. */
struct zkt_attachment {
    struct zkt_instance *instance;   /* NULL: not attached */
    struct zkt_contact_group *group; /* the contacts of its shard */
    struct zkt_node of_instance;
    struct zkt_node in_round; /* in instance->round: the mailbox is not empty */
    struct zkt_node snapshot_wait; /* in instance->awaiting_snapshot */
    struct zkt_list mailbox;
    struct zkt_ring open_calls; /* tasks, also when it is detached */
    size_t queued_bytes;
    uint32_t queued_count;
    bool subscribed[ZKT_TOPIC_COUNT];
    bool connected : 1; /* `connect` has succeeded: `disconnect` will run */
    bool leaving : 1;   /* its leave message is in the mailbox */
    bool lost : 1;      /* the contact has left, as its connection has closed */
    bool left : 1;      /* the end of the last open call sends `left` */
    enum zkt_status expelled_status : 8;
    struct zkt_buffer *expelled; /* the failure of an expulsion; NULL: none */
    /* The newest record of the connection that has arrived, or NULL. */
    struct zkt_connection_record *record;
    /* Of a subscriber to a state with readers; or NULL. */
    struct zkt_view *view;
};

#define ZKT_CLOSE_LOST 1006 /* no close frame: RFC 6455, section 7.1.5 */

#define ZKT_CLIENT_ID_LEN 32 /* 128 random bits in hexadecimal */

/* A client as instances know it; nothing of it changes while it has contacts,
 * so that any thread may read it. */
struct zkt_peer {
    void *address;      /* that its instances are charged to, or NULL */
    const char *remote; /* the numeric address of the client, or "" */
    /* Set before the contacts of a closed connection leave. */
    char *close_reason; /* NULL: none */
    uint16_t close_code;
    uint8_t shard;
    enum zkt_dialect dialect : 8;
    bool is_program : 1; /* it is no client: session/asks.h */
    bool has_proxy : 1;  /* its requests come by a trusted proxy, which has seen
                            their fields */
    bool is_request : 1; /* it lasts for a request of HTTP, and @remote is in a
                            struct zkt_peer_request */
    bool creates_none : 1; /* it reaches instances that exist, and no others */
    char client_id[ZKT_CLIENT_ID_LEN + 1];
};

/* The request of HTTP that a session lasts for; constant. */
struct zkt_peer_request {
    struct zkt_request request;
    char remote[]; /* the address; behind it the trace, if there is one */
};

/** Returns the request of HTTP that the session of @peer lasts for. Returns one
 * without an id if there is none. Its trace lives as long as @peer. */
static inline struct zkt_request zkt__peer_request(const struct zkt_peer *peer)
{
    return peer->is_request
               ? ZKT_CONTAINER(peer->remote, const struct zkt_peer_request,
                               remote)
                     ->request
               : (struct zkt_request){ 0, NULL };
}

static inline struct zkt_str zkt__peer_client_id(const struct zkt_peer *peer)
{
    return (struct zkt_str){ peer->client_id,
                             peer->is_program ? 0 : ZKT_CLIENT_ID_LEN };
}

/* A connection in contact with an instance, or with its name. */
struct zkt_contact {
    /* Both sides read these, which never change. */
    struct zkt_peer *peer;         /* of a session */
    struct zkt_location *location; /* of the peer's shard */
    /* The session's half. */
    struct zkt_node of_session;
    zkt_handle_id id;
    struct zkt_sub subs[ZKT_TOPIC_COUNT];
    uint32_t calls;              /* outstanding results */
    uint32_t stale_placeholders; /* in the queue, before a valid one */
    uint32_t snapshot_size;      /* bytes of the last; 0: there was none */
    bool leaving;
    bool marked;       /* for the time of one event or patch */
    uint8_t audiences; /* of a subscriber, as of the last commit */
    /* The instance's half. */
    struct zkt_attachment attachment;
    /* Carriers. Only contacts with another shard have those behind it. */
    alignas(struct zkt_msg) unsigned char leave[ZKT_MSG_BARE];
    struct zkt_msg_carriers {
        struct zkt_msg snapshot, ended;
        struct zkt_msg *closing; /* of closed, of the instance; NULL: none */
        atomic_bool ended_in_flight;
    } carriers[];
};

/** A contact of @peer's session with @location; NULL: no memory. The instance's
 * half is attached to nothing. */
struct zkt_contact *zkt__contact_new(const struct zkt_host *host,
                                     struct zkt_peer *peer,
                                     struct zkt_location *location);
/** The carrier of leave and left; zeroed before. */
static inline struct zkt_msg *zkt__contact_leave_carrier(
    struct zkt_contact *contact)
{
    return (struct zkt_msg *)(void *)contact->leave;
}
/** The carrier of a snapshot message and of its answer; NULL: none is needed.
 */
struct zkt_msg *zkt__contact_snapshot_carrier(struct zkt_contact *contact);
/** Keeps the carrier of `closed` that a subscribe brings, if the contact needs
 * one and has none. Takes the carrier, or NULL. */
void zkt__contact_keep_closing(const struct zkt_host *host,
                               struct zkt_contact *contact,
                               struct zkt_msg *carrier);
/** Returns that carrier, which is the caller's from now on, or NULL. */
struct zkt_msg *zkt__contact_take_closing(struct zkt_contact *contact);
/** Sends `ended`, unless it is in flight: the session then still acts on it. */
void zkt__contact_send_ended(struct zkt_host *host,
                             struct zkt_contact *contact);
/** Reports that `ended` has arrived: its carrier is free again. */
void zkt__contact_received_ended(struct zkt_contact *contact);
/** Takes a reference to the location, on this shard, of the name of a contact
 * of any shard. Returns NULL if there is no memory. */
struct zkt_location *zkt__contact_location(struct zkt_host *host,
                                           const struct zkt_contact *contact);
/** Returns the instance of that name on this shard, or NULL. */
struct zkt_instance *zkt__contact_named(const struct zkt_host *host,
                                        const struct zkt_contact *contact);

/**
 * Initialises a message about @contact (NULL: none), except `of`: the caller
 * sets the member of its kind. Zeroing the unused rest of `of` would cost more
 * than the initialisation of a result or a commit.
 */
static inline void zkt__msg_init(struct zkt_msg *m, enum zkt_msg_kind kind,
                                 struct zkt_contact *contact)
{
    m->node.prev = m->node.next = NULL;
    m->kind = kind;
    m->topic = ZKT_TOPIC_STATE;
    m->contact = contact;
    m->record = NULL;
    m->after_destroy = false;
    m->is_optimistic = false;
    m->bytes = 0;
}

/** Returns true if the message is for an instance. */
static inline bool zkt__msg_goes_up(const struct zkt_msg *m)
{
    return m->kind <= ZKT_MSG_DESTROY;
}

/**
 * Allocates the carrier in which zkt__deliver sends the commit or change @m, so
 * that the delivery cannot fail; *@carrier is NULL if it needs none. Returns
 * false if there is no memory.
 */
bool zkt__deliver_reserve(struct zkt_host *host, uint32_t to,
                          const struct zkt_msg *m, struct zkt_msg **carrier);

/** Takes the first of a list of reserved carriers; NULL: it is empty. */
struct zkt_msg *zkt__carriers_take(struct zkt_list *carriers);
/** Frees the carriers that are left in a list. */
void zkt__carriers_drop(const struct zkt_host *host, struct zkt_list *carriers);

/** Returns the size of an up message with its copies, for the limits. */
size_t zkt__msg_size(const struct zkt_msg *m);
/** Copies an up message into a new carrier; returns NULL if there is no
 * memory. */
struct zkt_msg *zkt__msg_pack(const struct zkt_allocator *allocator,
                              const struct zkt_msg *m);
/** The same for a commit or a change. */
struct zkt_msg *zkt__msg_pack_reserved(const struct zkt_allocator *allocator,
                                       const struct zkt_msg *m);
/** Copies @m into an existing carrier, which takes references of its own. */
void zkt__msg_carry(const struct zkt_allocator *allocator,
                    struct zkt_msg *carrier, const struct zkt_msg *m);
/** Returns true if the memory of @m is part of its contact. */
bool zkt__msg_is_embedded(const struct zkt_msg *m);
/** Releases the content of @m, and its memory unless it is part of a contact.
 * Takes NULL. */
void zkt__msg_free(const struct zkt_allocator *allocator, struct zkt_msg *m);

/** Sends @m to another shard; see zkt__deliver. */
bool zkt__deliver_there(struct zkt_host *host, uint32_t to, struct zkt_msg *m,
                        struct zkt_msg *carrier);

/**
 * Delivers @m to the shard @to, by a call or through a channel. If it goes
 * through a channel, @carrier becomes its memory; NULL: a carrier is allocated,
 * and false is returned if there is no memory. An unused carrier is freed.
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
    /* The call may free the contact, and with it an embedded carrier. */
    const bool waste = carrier != NULL && carrier != m &&
                       !zkt__msg_is_embedded(carrier);
    host->receivers->to_session(host, m);
    if (waste) {
        zkt__msg_free(host->allocator, carrier);
    }
    return true;
}

#endif
