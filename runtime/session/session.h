/*
 * A session is a connection as instances see it: contacts, subscriptions and a
 * send queue. A message of the protocol enters by zkt__session_receive
 * (receive.h) and goes to an instance as a message between the layers
 * (shard/message.h); zkt__sessions_take handles the messages of instances.
 * Nothing here knows on which thread an instance lives.
 */
#ifndef ZKT_SESSION_SESSION_H
#define ZKT_SESSION_SESSION_H

#include "base/timeouts.h"
#include "protocol/send_queue.h"
#include "shard/message.h"

struct zkt_exchange;
struct zkt_session;
struct zkt_ws_request;

struct zkt_session_events {
    /* Accepts the handshake with a subprotocol, or "". Frames may be queued. */
    void (*accept)(struct zkt_session *session,
                   const struct zkt_ws_request *request,
                   struct zkt_str protocol);
    /* Refuses the handshake with an HTTP status, header fields and a body. */
    void (*refuse)(struct zkt_session *session, int status,
                   struct zkt_str fields, struct zkt_str body);
    /* Ends the connection with a close frame. */
    void (*close)(struct zkt_session *session, unsigned code,
                  const char *reason);
    /* Frames were queued, or receiving may go on. */
    void (*changed)(struct zkt_session *session);
    /* There is no memory to queue more: the connection ends. */
    void (*failed)(struct zkt_session *session);
    /* The session has no contact any more. */
    void (*all_left)(struct zkt_session *session);
    /* Parts of streams wait: zkt__session_waiting_bytes. */
    void (*held)(struct zkt_session *session);
    /* Returns a part of the client's certificate, as zkt_core.certificate. */
    struct zkt_str (*certificate)(struct zkt_session *session,
                                  enum zkt_certificate_part part);
};

/* The members that most sessions do not need; made with the first of them. */
struct zkt_session_extras {
    struct zkt_memberships *memberships; /* topics.h; NULL: no topics */
    struct zkt_bucket *buckets; /* by number of the rate; NULL: all full */
    struct zkt_ring streams;    /* with parts that wait (streams.h) */
    size_t waiting_bytes;       /* of those parts */
};

/* The session layer's half of a connection; embedded in the server's half. */
struct zkt_session {
    struct zkt_peer peer; /* set before the session is open */
    zkt_handle_id id;     /* in sessions->addressable; 0: not added */
    uint32_t contact_count;
    uint32_t outstanding; /* calls and subscribes without a reply */
    uint32_t subscriptions;
    uint8_t awaited_shard; /* the shard of the channel without credit */
    bool open;             /* frames may be queued */
    bool marked;           /* for the time of one broadcast */
    bool closes;           /* it was admitted, and `close` will run */
    uint64_t called; /* shards with calls among them; without a group: none */
    struct zkt_ring contacts; /* that have not left */
    union {
        struct zkt_contact *recent; /* found last; most likely the next */
        /* The server's, in ZKT_STAGE_HTTP: the answer that is not complete, or
         * NULL. */
        struct zkt_exchange *exchange;
    };
    struct zkt_node wait_node;     /* in sessions->awaiting_…, or gated */
    struct zkt_session_task *task; /* parked (task.h), or NULL */
    struct zkt_connection_record *record; /* or NULL */
    struct zkt_session_extras *extras;    /* NULL: none yet */
    /* In sessions->unindexed while id is 0; then in sessions->hearing, if the
     * session gets broadcasts. */
    struct zkt_node listed;
    struct zkt_send_queue queue;
};

/* Returns the bytes of the parts of streams that wait. */
static inline size_t zkt__session_waiting_bytes(
    const struct zkt_session *session)
{
    return session->extras != NULL ? session->extras->waiting_bytes : 0;
}

/** Returns the session of a contact. */
static inline struct zkt_session *zkt__session_of(
    const struct zkt_contact *contact)
{
    return ZKT_CONTAINER(contact->peer, struct zkt_session, peer);
}

/* The sessions of a shard. */
struct zkt_sessions {
    struct zkt_session_events events;
    struct zkt_slots contacts;    /* placeholders hold their handles */
    struct zkt_index by_pair;     /* contacts by session and name */
    struct zkt_slots addressable; /* sessions that events may name */
    struct zkt_index by_client;
    struct zkt_slots topics; /* struct zkt_topic_group */
    struct zkt_index by_topic;
    struct zkt_list unindexed; /* sessions that are not addressable */
    struct zkt_list hearing;   /* sessions that get broadcasts */
    /* Sessions that wait for credit of a channel or memory of snapshots.
     */
    struct zkt_list awaiting_credit, awaiting_memory;
    struct zkt_list gated;               /* sessions with a parked task */
    struct zkt_heap parked;              /* the times of parked middleware */
    size_t deferred_bytes;               /* of parked tasks */
    struct zkt_session_task *spare_task; /* or NULL */
    /* Bytes of snapshots in queues and of snapshots that are being fetched;
     * these count as much as the last snapshot of their contact.
     */
    size_t snapshot_bytes;
    uint32_t snapshot_largest;       /* of all that were received */
    uint64_t outstanding;            /* of all sessions */
    struct zkt_buffer *spare_buffer; /* for send queues, or NULL */
};

void zkt__sessions_init(struct zkt_sessions *sessions,
                        const struct zkt_session_events *events,
                        const struct zkt_allocator *allocator);
void zkt__sessions_finish(struct zkt_sessions *sessions,
                          const struct zkt_allocator *allocator);

/** Handles a message from an instance (struct zkt_receivers). */
void zkt__sessions_take(struct zkt_host *host, struct zkt_msg *m);
/** Returns true if sessions wait for credit or memory. */
static inline bool zkt__sessions_wait(const struct zkt_sessions *sessions)
{
    return !zkt__list_empty(&sessions->awaiting_credit) ||
           !zkt__list_empty(&sessions->awaiting_memory);
}
/** Returns true if sessions wait for memory of snapshots that is free by now,
 * because output was sent. */
bool zkt__sessions_may_wake(const struct zkt_host *host);
/** Resumes waiting sessions that have credit or memory; once a turn. */
void zkt__sessions_wake(struct zkt_host *host);

/* ---- one session ---- */

/** Returns the extras, or NULL if there is no memory. */
struct zkt_session_extras *zkt__session_extras(struct zkt_host *host,
                                               struct zkt_session *session);
/** Frees the memory of a session that has ended, except the session. */
void zkt__session_free(struct zkt_host *host, struct zkt_session *session);

/**
 * Returns true if the next message may be received: not while too many calls
 * are outstanding, too much output is queued, or a channel has no credit.
 */
static inline bool zkt__session_may_receive(const struct zkt_host *host,
                                            const struct zkt_session *session)
{
    enum {
        ITEMS_MAX = 512 /* placeholders have no bytes, but take memory */
    };
    return session->outstanding < host->limits->pending_calls &&
           session->queue.count <= ITEMS_MAX &&
           zkt__queue_backlog(&session->queue) <=
               (size_t)host->limits->output_high &&
           !zkt__node_linked(&session->wait_node);
}
/** Drops queued frames, except a frame that is partly sent. */
void zkt__session_drop_unsent(struct zkt_host *host,
                              struct zkt_session *session);
/** Prepares the head of the queue to be sent: removes stale placeholders, and
 * requests the snapshot for a valid placeholder. */
void zkt__session_prepare_head(struct zkt_host *host,
                               struct zkt_session *session);
/** Removes the first @len bytes, which are sent, of a queue with snapshots. */
void zkt__session_sent_exempt(struct zkt_host *host,
                              struct zkt_session *session, size_t len);
/** Removes the first @len bytes of the queue, which are sent. */
static inline void zkt__session_sent(struct zkt_host *host,
                                     struct zkt_session *session, size_t len)
{
    if (session->queue.exempt > 0) {
        zkt__session_sent_exempt(host, session, len);
    } else {
        zkt__queue_sent(&session->queue, host->allocator,
                        &host->sessions->spare_buffer, len);
    }
}
/** Returns true if a placeholder is at the head of the queue. */
static inline bool zkt__session_awaits_snapshot(struct zkt_session *session)
{
    uint64_t subscriber;
    return zkt__queue_head_placeholder(&session->queue, &subscriber);
}

/* ---- output ---- */

/** Queues the frame in @w. */
void zkt__session_send(struct zkt_host *host, struct zkt_session *session,
                       struct zkt_writer *w);
/** Queues a copy of a frame, or a reference if it is compressed. */
void zkt__session_send_copy(struct zkt_host *host, struct zkt_session *session,
                            struct zkt_buffer *frame);
/** Queues a reference to a frame. */
void zkt__session_send_shared(struct zkt_host *host,
                              struct zkt_session *session,
                              struct zkt_buffer *frame);
/** Drops all of the queue. */
void zkt__session_drop_output(struct zkt_host *host,
                              struct zkt_session *session);
/** Queues a catch-up, or replaces the placeholder at the head by it. */
bool zkt__session_queue_catch_up(struct zkt_host *host,
                                 struct zkt_session *session,
                                 const struct zkt_catch_up *catch_up,
                                 bool replaces_placeholder);

/* ---- credit ---- */

/** Stops receiving while the channel to @shard has no credit. The server has
 * several shards. */
void zkt__session_check_credit(struct zkt_host *host,
                               struct zkt_session *session, uint32_t shard);
/** The same for a server with any number of shards. */
static inline void zkt__session_await_credit(struct zkt_host *host,
                                             struct zkt_session *session,
                                             uint32_t shard)
{
    if (host->group != NULL) {
        zkt__session_check_credit(host, session, shard);
    }
}

#endif
