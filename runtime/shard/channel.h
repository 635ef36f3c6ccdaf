/*
 * A channel carries messages from one shard to another, in order. The sender
 * gathers messages during a turn and hands them over at the end of the turn;
 * the receiver takes a bounded number of messages of each channel in a turn.
 *
 * Credit, in messages and in bytes, bounds the messages in flight: sent and not
 * yet taken. Nobody waits for credit in the middle of a message; a session or
 * an instance without credit takes no new messages of its own until there is
 * some again. Replies and other messages that must not fail are sent without
 * credit, and count.
 */
#ifndef ZKT_SHARD_CHANNEL_H
#define ZKT_SHARD_CHANNEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "shard/message.h"

struct zkt_channel {
    /* Used by the sender only. */
    struct zkt_list outbox; /* messages of this turn */
    uint64_t sent_messages, sent_bytes;
    /* Shared. */
    _Atomic(uint64_t) taken_messages, taken_bytes;
    atomic_bool wanted; /* the sender waits for credit */
    atomic_bool filled; /* the queue is not empty; changes under the lock */
    pthread_mutex_t lock;
    struct zkt_list queue; /* under the lock: messages of earlier turns */
    /* Used by the receiver only. */
    struct zkt_list inbox; /* moved from the queue; not handled yet */
};

/** Returns false if the mutex cannot be created. */
bool zkt__channel_init(struct zkt_channel *channel);
/** Frees the channel and the messages in it. */
void zkt__channel_finish(struct zkt_channel *channel,
                         const struct zkt_allocator *allocator);

/** Sender: adds a message to the messages of this turn. */
void zkt__channel_send(struct zkt_channel *channel, struct zkt_msg *m);
/** Sender: returns true if the limits allow another message. If not, @reached
 * counts the limit, and the receiver wakes the sender after taking messages. */
bool zkt__channel_has_credit(struct zkt_channel *channel,
                             const struct zkt_limits *limits,
                             struct zkt_limit_counts *reached);
/** Sender: hands over the messages of this turn. Returns true if there were
 * any: the receiver is to be woken. */
bool zkt__channel_flush(struct zkt_channel *channel);
/** Receiver: takes the next message, or returns NULL. Sets *@wake if the sender
 * waits for credit. */
struct zkt_msg *zkt__channel_take(struct zkt_channel *channel, bool *wake);
/** Receiver: returns true if there are messages. */
bool zkt__channel_has_messages(const struct zkt_channel *channel);

#endif
