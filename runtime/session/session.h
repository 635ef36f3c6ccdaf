/*
 * Connections as the actors see them: contacts, subscriptions, and the queue
 * of what is to be sent. A message of the protocol comes in by
 * zkt__session_receive (receive.h) and goes on to an instance as a message of
 * the seam (shard/message.h); those that come down are handled by
 * zkt__sessions_take. Nothing here knows on which thread an instance lives.
 */
#ifndef ZKT_SESSION_SESSION_H
#define ZKT_SESSION_SESSION_H

#include "protocol/send_queue.h"
#include "shard/message.h"

struct zkt_session;

struct zkt_session_events {
    /* Frames were queued, or more may be received again. */
    void (*changed)(struct zkt_session *session);
    /* Nothing more can be queued, there is no memory: the connection ends. */
    void (*failed)(struct zkt_session *session);
    /* The last contact of a session that was left is gone. */
    void (*all_left)(struct zkt_session *session);
};

/* One connection; embedded in the server's. */
struct zkt_session {
    struct zkt_peer peer; /* set before it is open */
    zkt_handle_id id;     /* in sessions->addressable; 0: no events yet */
    uint32_t contact_count;
    uint32_t outstanding; /* calls and subscriptions without an answer */
    uint32_t subscriptions;
    uint8_t awaited_shard;      /* the shard to which it has no credit */
    bool open;                  /* frames may be queued */
    struct zkt_list contacts;   /* that do not leave yet */
    struct zkt_contact *recent; /* found last; most often the next, too */
    struct zkt_node wait_node;  /* in sessions->awaiting_… */
    struct zkt_send_queue queue;
};

/** The session that a contact is of. */
static inline struct zkt_session *zkt__session_of(
    const struct zkt_contact *contact)
{
    return ZKT_CONTAINER(contact->peer, struct zkt_session, peer);
}

/* All of a shard. */
struct zkt_sessions {
    struct zkt_session_events events;
    struct zkt_slots contacts;    /* their handles stand in placeholders */
    struct zkt_index by_pair;     /* contacts by session and name */
    struct zkt_slots addressable; /* sessions that events may be sent to */
    struct zkt_index by_client;
    /* Sessions that wait: for credit of a channel, and for the memory of a
     * snapshot. */
    struct zkt_list awaiting_credit, awaiting_memory;
    /* Of snapshots in queues, and of those that are fetched for slow readers:
     * nobody knows how large these are, but what they took before. */
    size_t snapshot_bytes;
    uint32_t snapshot_largest;       /* of those that have come */
    uint64_t outstanding;            /* of all sessions */
    struct zkt_buffer *spare_buffer; /* of the send queues, or NULL */
};

void zkt__sessions_init(struct zkt_sessions *sessions,
                        const struct zkt_session_events *events,
                        const struct zkt_allocator *allocator);
void zkt__sessions_finish(struct zkt_sessions *sessions,
                          const struct zkt_allocator *allocator);

/** Handles a message from an instance (struct zkt_receivers). */
void zkt__sessions_take(struct zkt_host *host, struct zkt_msg *m);
/** Whether some wait. */
static inline bool zkt__sessions_wait(const struct zkt_sessions *sessions)
{
    return !zkt__list_empty(&sessions->awaiting_credit) ||
           !zkt__list_empty(&sessions->awaiting_memory);
}
/** Whether some wait for memory, and there is some: output that was sent since
 * has left it behind. */
bool zkt__sessions_may_wake(const struct zkt_host *host);
/** Sessions that have waited for credit, or for memory, go on if they can;
 * once a turn. */
void zkt__sessions_wake(struct zkt_host *host);

/* ---- one session ---- */

/**
 * Whether the next message may be received: not while too many calls are under
 * way, while output waits, or while a channel has no credit.
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
/** Drops what is queued, but for a frame that is sent in part already. */
void zkt__session_drop_unsent(struct zkt_host *host,
                              struct zkt_session *session);
/** Brings the head of the queue into a state to be sent: a placeholder becomes
 * a snapshot, or asks for one. */
void zkt__session_prepare_head(struct zkt_host *host,
                               struct zkt_session *session);
/** The first @len bytes of the queue, in which a snapshot stands, are sent. */
void zkt__session_sent_exempt(struct zkt_host *host,
                              struct zkt_session *session, size_t len);
/** The first @len bytes of the queue are sent. */
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
/** Whether a placeholder is at the head of the queue. */
static inline bool zkt__session_awaits_snapshot(struct zkt_session *session)
{
    uint64_t subscriber;
    return zkt__queue_head_placeholder(&session->queue, &subscriber);
}

/* ---- output ---- */

/** Queues the frame that was written to @w. */
void zkt__session_send(struct zkt_host *host, struct zkt_session *session,
                       struct zkt_writer *w);
/** Queues a shared frame. */
void zkt__session_send_shared(struct zkt_host *host,
                              struct zkt_session *session,
                              struct zkt_buffer *frame);
/** Drops everything that is queued. */
void zkt__session_drop_output(struct zkt_host *host,
                              struct zkt_session *session);
/** Queues a catch-up, or fills the placeholder at the head with it. */
bool zkt__session_queue_catch_up(struct zkt_host *host,
                                 struct zkt_session *session,
                                 const struct zkt_catch_up *what,
                                 bool replaces_placeholder);

/* ---- credit ---- */

/** Stops receiving until the channel to @shard has credit, if it has none;
 * the server has several shards. */
void zkt__session_check_credit(struct zkt_host *host,
                               struct zkt_session *session, uint32_t shard);
/** The same, whether it has several or one. */
static inline void zkt__session_await_credit(struct zkt_host *host,
                                             struct zkt_session *session,
                                             uint32_t shard)
{
    if (host->group != NULL) {
        zkt__session_check_credit(host, session, shard);
    }
}

#endif
