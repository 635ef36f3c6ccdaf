/*
 * Calls of instances by calls of instances. A *tell* is copied when it is made,
 * with its contact and all memory that it needs; it is sent after the commit,
 * which cannot fail for it, or dropped. An *ask* is sent at once, and its reply
 * is kept until the asking call ends. Both are asks of the shard
 * (shard/ask.h), and keep their order there.
 */
#ifndef ZKT_INSTANCE_ASKING_H
#define ZKT_INSTANCE_ASKING_H

#include "instance/task.h"

/* The tells and asks of a call, in its memory. */
struct zkt_outgoing {
    struct zkt_list tells; /* to be sent with the commit, in order */
    int64_t tell_count, tell_bytes;
    struct zkt_list asks; /* whose replies are kept for the call */
    uint32_t ask_count;
    struct zkt_chain *chain; /* the link of this call; NULL: it has not asked */
};

/** Sends the tells of a call, after its commit. */
void zkt__tells_send(struct zkt_call *call);
/** Drops the tells of a call that are not sent. */
void zkt__tells_drop(struct zkt_call *call);

/** Continues zkt__outgoing_end and zkt__outgoing_detach if there is anything to
 * release. */
void zkt__outgoing_release(struct zkt_call *call);
void zkt__outgoing_release_asks(struct zkt_call *call);
/** Frees the replies that are kept for a call that ends; further replies live
 * until they are delivered. On any thread if the call is detached. */
static inline void zkt__outgoing_end(struct zkt_call *call)
{
    if (call->outgoing != NULL) {
        zkt__outgoing_release(call);
    }
}
/** Parts the asks without a reply from a call that ends, but is still held by
 * the program; the replies that it may have seen are kept. */
static inline void zkt__outgoing_detach(struct zkt_call *call)
{
    if (call->outgoing != NULL) {
        zkt__outgoing_release_asks(call);
    }
}

/** Returns true if the instance is held by a call that waits, directly or not,
 * for @m. */
bool zkt__ask_is_circular(const struct zkt_instance *instance,
                          const struct zkt_msg *m);
/** Refuses @m because of that. Takes the carrier. */
void zkt__ask_refuse_circle(struct zkt_host *host, struct zkt_msg *m,
                            struct zkt_msg *carrier);

#endif
