/*
 * Functions that other threads post to the thread of a client: a work queue, in
 * the order of the posts, of which a turn runs at most ZKT_INBOX_TURN; and
 * waiting until one of them says that it is over. It knows nothing of loops: a
 * post wakes the thread by `wake`, and the thread runs the queue again as long
 * as something waits.
 */
#ifndef ZKT_NET_INBOX_H
#define ZKT_NET_INBOX_H

#include <pthread.h>

#include "base/work_queue.h"
#include "client/client.h"

struct zkt_inbox {
    struct zkt_work_queue *queue;
    pthread_mutex_t mutex; /* of waiting threads */
    pthread_cond_t over;   /* a wait has ended */
    uint32_t waiting;      /* threads in zkt__inbox_wait */
};

/** Returns 0 or an error number. @wake may be NULL, and may be called during
 * the call. */
int zkt__inbox_init(struct zkt_inbox *inbox,
                    const struct zkt_allocator *allocator,
                    void (*wake)(void *user), void *user);

/** Returns ZKT_OK, ZKT_NO_MEMORY or ZKT_CLOSED. This and the next two functions
 * may be called from any thread. */
enum zkt_status zkt__inbox_post(struct zkt_inbox *inbox,
                                zkt_posted_function *fn, void *user);
/** Runs @work with the functions that were posted; allocates nothing. Returns
 * false if the inbox is closed. From any thread. */
bool zkt__inbox_post_work(struct zkt_inbox *inbox, struct zkt_work *work);
/** Posts @fn and waits for zkt__inbox_end_wait(@over). Returns at once if the
 * inbox is closed. */
void zkt__inbox_wait(struct zkt_inbox *inbox, zkt_posted_function *fn,
                     void *user, const bool *over);
void zkt__inbox_end_wait(struct zkt_inbox *inbox, bool *over);

/* Functions that one turn runs; the rest waits for the next one, so that
 * messages of the server have their turn as well. */
#define ZKT_INBOX_TURN 256

/** Runs a turn's part of what is in it, for @client. Returns false if there was
 * nothing. */
bool zkt__inbox_run(struct zkt_inbox *inbox, struct zkt_client *client);
/** Returns true if something is to be run. */
bool zkt__inbox_waits(const struct zkt_inbox *inbox);

/** Takes nothing more, and runs all that is in it, for @client. */
void zkt__inbox_close(struct zkt_inbox *inbox, struct zkt_client *client);
/** Closed: waits for those who waited. */
void zkt__inbox_finish(struct zkt_inbox *inbox);

#endif
