/*
 * Calls that wait at their instance: in a mailbox, behind a hook that is
 * deferred, or deferred themselves. The caller can cancel such a call, and it
 * ends by itself at its deadline. A call that is answered at once costs nothing
 * here.
 *
 * Waiting calls are in a tree of their shard, by the client and the id, and
 * those that have a time in a heap. Of two calls of a client with the same id
 * the first can be cancelled. The calls of a program have no id.
 */
#ifndef ZKT_INSTANCE_WAITING_H
#define ZKT_INSTANCE_WAITING_H

#include "shard/message.h"

struct zkt_host;
struct zkt_task;

/* The waiting calls of a shard. */
struct zkt_waiting_calls {
    struct zkt_tree_node *by_id;
    struct zkt_heap due;
};

/** Allocates the memory with which a task can wait. Returns false if there is
 * none. */
bool zkt__waiting_reserve_task(struct zkt_host *host, struct zkt_task *task);
/** Lets the call in a carrier wait; other messages are left alone. Returns
 * false if there is no memory. */
bool zkt__waiting_add_message(struct zkt_host *host, struct zkt_msg *carrier);
/** The call in a carrier waits no more. */
void zkt__waiting_remove_message(struct zkt_host *host,
                                 struct zkt_msg *carrier);
/** Lets a deferred task wait, which has the memory, from now on; and the call
 * that a deferred hook holds. */
void zkt__waiting_add_task(struct zkt_host *host, struct zkt_task *task);
/** A task, and the call that it holds, wait no more; gives back the memory. */
void zkt__waiting_remove_task(struct zkt_host *host, struct zkt_task *task);

/** Cancels the call of a client with an id, if it waits. */
void zkt__waiting_cancel(struct zkt_host *host,
                         const struct zkt_msg_cancel *cancel);
/** Ends the calls that are due, as far as half of the turn's budget allows. */
void zkt__waiting_expire(struct zkt_host *host);

/** Returns the time when the next call is due, or INT64_MAX. */
static inline int64_t zkt__waiting_next(const struct zkt_waiting_calls *calls)
{
    const struct zkt_heap_node *first = zkt__heap_first(&calls->due);
    return first != NULL ? first->due : INT64_MAX;
}
/** Returns true if the deadline of a call is over. */
bool zkt__call_is_late(const struct zkt_host *host,
                       const struct zkt_msg_call *call);

#endif
