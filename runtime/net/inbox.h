/*
 * What other threads want done on a client's: functions in a work queue, in the
 * order in which they were posted, taken all at once; and waiting until one of
 * them says that it is over. It knows nothing of loops: who puts something in
 * wakes the thread by what `wake` does.
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
/** Posts @fn and waits for zkt__inbox_end_wait(@over). Returns at once if the
 * inbox is closed. */
void zkt__inbox_wait(struct zkt_inbox *inbox, zkt_posted_function *fn,
                     void *user, const bool *over);
void zkt__inbox_end_wait(struct zkt_inbox *inbox, bool *over);

/** Runs what is in it, for @client; whether there was anything. */
bool zkt__inbox_run(struct zkt_inbox *inbox, struct zkt_client *client);

/** Takes nothing more. What is in it can still be run. */
void zkt__inbox_close(struct zkt_inbox *inbox);
/** Closed, and everything in it run: waits for those who waited. */
void zkt__inbox_finish(struct zkt_inbox *inbox);

#endif
