/*
 * A channel carries messages from one shard to another, in order. The sender
 * gathers them during a turn and hands them over at its end; the receiver
 * takes a bounded part of each channel in a turn.
 *
 * Credit, in messages and in bytes, bounds what is on its way: messages that
 * were sent and not yet taken. Nobody waits for it in the middle of a message;
 * a session or an instance that finds none left stops taking new messages of
 * its own until some comes back. Replies and other messages that must not fail
 * are sent without asking, and count.
 */
#ifndef ZKT_SHARD_CHANNEL_H
#define ZKT_SHARD_CHANNEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "shard/message.h"

struct zkt_channel {
    /* The sender's. */
    struct zkt_list outbox; /* of this turn */
    uint64_t sent_messages, sent_bytes;
    /* Shared. */
    _Atomic(uint64_t) taken_messages, taken_bytes;
    atomic_bool wanted; /* the sender waits for credit */
    atomic_bool filled; /* the queue is; changes under the lock */
    pthread_mutex_t lock;
    struct zkt_list queue; /* under the lock */
    /* The receiver's. */
    struct zkt_list inbox; /* taken out of the queue; to be handled */
};

/** Returns false if the system has no lock for it. */
bool zkt__channel_init(struct zkt_channel *channel);
/** Frees it; what is still in it is released. */
void zkt__channel_finish(struct zkt_channel *channel,
                         const struct zkt_allocator *allocator);

/** Sender: adds a message to those of this turn. */
void zkt__channel_send(struct zkt_channel *channel, struct zkt_msg *m);
/** Sender: whether the limits allow for more. If not, @reached counts which,
 * and the receiver will wake the sender when it has taken some. */
bool zkt__channel_has_credit(struct zkt_channel *channel,
                             const struct zkt_limits *limits,
                             struct zkt_limit_counts *reached);
/** Sender: hands over what this turn has gathered. Returns whether there was
 * any: the receiver is to be woken. */
bool zkt__channel_flush(struct zkt_channel *channel);
/** Receiver: the next message, or NULL. *@wake is set if the sender waits for
 * credit. */
struct zkt_msg *zkt__channel_take(struct zkt_channel *channel, bool *wake);
/** Receiver: whether something is there. */
bool zkt__channel_has_messages(const struct zkt_channel *channel);

#endif
