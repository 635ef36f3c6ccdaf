/*
 * Calls of instances by the program: zkt_server_run and zkt_server_invoke. The
 * thread that makes one posts it to the first shard (base/work_queue.h), where
 * it is an ask (session/asks.h). So those of one thread to one instance keep
 * their order.
 */
#ifndef ZKT_SERVER_OUTSIDE_H
#define ZKT_SERVER_OUTSIDE_H

#include "session/asks.h"

/* Memory for running a function of the program with a call that is cancelled,
 * which must not fail. */
struct zkt_cancelled_state {
    void *zeros; /* a state of any actor */
    struct zkt_arena arena;
};

/* Of the first shard. */
struct zkt_outside {
    /* Of all threads: messages that are not finished, their bytes; and messages
     * that were refused because of that. */
    _Atomic(int64_t) messages, bytes;
    _Atomic(uint64_t) over_messages, over_bytes;
    struct zkt_cancelled_state cancelled;
};

/** Returns false if there is no memory; call finish in both cases. */
bool zkt__outside_init(struct zkt_outside *outside, struct zkt_host *host);
void zkt__outside_finish(struct zkt_outside *outside,
                         const struct zkt_allocator *allocator);
/** Counts a message of @size bytes from outside, on any thread. Returns false
 * if there are too many; zkt__outside_release follows in both cases. */
bool zkt__outside_reserve(struct zkt_server *first, size_t size);
void zkt__outside_release(struct zkt_server *first, size_t size);
/** Adds the limits that were reached to @hits. */
void zkt__outside_count(const struct zkt_outside *outside,
                        struct zkt_limit_counts *hits);

#endif
