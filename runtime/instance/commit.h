/*
 * The commit of a call, in two parts. The first can fail: rules are checked,
 * frames of the result and the patches are written, and carriers for other
 * shards are allocated. The second cannot: the journals are committed, the
 * commit is delivered to each shard with subscribers, and then the result to
 * the caller.
 */
#ifndef ZKT_INSTANCE_COMMIT_H
#define ZKT_INSTANCE_COMMIT_H

#include "instance/task.h"

/* A client that a call expels, in the call's memory. Expulsions are in a list,
 * and in a binary tree in the order of keyed hashes, so that no ids make it
 * deep. */
struct zkt_expulsion {
    struct zkt_expulsion *next, *child[2];
    uint64_t hash; /* of the client */
    struct zkt_str client;
    struct zkt_buffer *failure; /* encoded */
    enum zkt_status status;     /* of the failure */
};

/** Returns where the expulsion of @client is, or belongs, in the tree of
 * @call. */
struct zkt_expulsion **zkt__expulsion_find(struct zkt_call *call,
                                           struct zkt_str client,
                                           uint64_t hash);

/** Returns ZKT_OK if the changes of the call keep the rules. Otherwise logs the
 * reason and returns the status of the reply. */
enum zkt_status zkt__call_check(struct zkt_call *call);
/** Commits and publishes the changes of the call, and sends its result if it
 * @ends; a call that goes on has none yet. Changes nothing unless it returns
 * ZKT_OK; call->failure is the reason. */
enum zkt_status zkt__task_commit(struct zkt_task *task, bool ends);
/** Undoes the changes of the call and drops its events. */
void zkt__call_undo(struct zkt_call *call);

#endif
