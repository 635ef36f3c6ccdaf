/*
 * Open calls: deferred calls of methods that interleave. Their instance goes on
 * with other messages until they are resumed.
 *
 *   runs:    the first half, as any call; at ZKT_PENDING it is committed
 *   open:    in the lists of its instance and of its contact
 *   resumed: also in the mailbox of its instance, unless it can run at once
 *   runs:    the second half, a call with a journal of its own
 *
 * The second half cannot be refused: its message is the task itself. Second
 * halves have a node of their own in the round of the mailbox. While several
 * wait, that node stands behind the next message of the round: second halves
 * and other messages take turns.
 *
 * A contact lives while calls of it are open. If it leaves before, it is
 * detached at once, and the last of its open calls sends `left`.
 */
#ifndef ZKT_INSTANCE_OPEN_CALLS_H
#define ZKT_INSTANCE_OPEN_CALLS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "zocket/call.h"

struct zkt_contact;
struct zkt_failure;
struct zkt_host;
struct zkt_instance;
struct zkt_msg;
struct zkt_task;

/* The open calls of an instance: a block of its own, since the methods of few
 * actors interleave. */
struct zkt_open_calls {
    struct zkt_list all;
    struct zkt_list resumed;  /* of them, in the order of resuming */
    struct zkt_node in_round; /* in instance->round, if any is resumed */
    uint32_t count;
};

/* The place of a task among open calls. */
struct zkt_open_call {
    struct zkt_node of_instance; /* linked: the call is open */
    struct zkt_node of_contact;
    struct zkt_node resumed; /* linked: the second half waits */
};

/** Returns the number of open calls. Takes NULL. */
static inline uint32_t zkt__open_calls_count(const struct zkt_open_calls *calls)
{
    return calls != NULL ? calls->count : 0;
}
/** Runs a call that interleaves or has a deadline, unless too many calls are
 * open or its time is over: then it is refused. Takes the carrier. */
void zkt__open_calls_take(struct zkt_host *host, struct zkt_msg *m,
                          struct zkt_msg *carrier);
/** Opens a call after the commit of its first half, or leaves it open if it has
 * been deferred again. */
void zkt__open_call_begin(struct zkt_host *host, struct zkt_task *task);
/** Runs the second half of a call that is resumed, or lets it wait for the
 * instance. */
void zkt__open_call_resume(struct zkt_host *host, struct zkt_task *task);
/** Runs the first of the second halves that wait. */
void zkt__open_calls_serve(struct zkt_host *host,
                           struct zkt_instance *instance);
/** Ends an open call after its result has been sent. The instance may be gone
 * afterwards. */
void zkt__open_call_end(struct zkt_host *host, struct zkt_task *task);
/** Fails all open calls of an instance that ends. */
void zkt__open_calls_abort(struct zkt_host *host, struct zkt_instance *instance,
                           const struct zkt_failure *failure);
/** Tells the program that all open streams should end: the server stops. */
void zkt__open_calls_stop(struct zkt_host *host);
/** Fails the open streams of a contact after the end of its connection, but for
 * those that are resumed. */
void zkt__open_calls_end_streams(struct zkt_host *host,
                                 struct zkt_contact *contact);

#endif
