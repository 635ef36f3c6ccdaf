/*
 * The commit of a call: its rules, its frames, and publishing it.
 */
#ifndef ZKT_INSTANCE_COMMIT_H
#define ZKT_INSTANCE_COMMIT_H

#include "instance/task.h"

/** Returns ZKT_OK if what the call wrote may be committed. If not, the log
 * says why. */
enum zkt_status zkt__call_check(struct zkt_call *call);
/** Commits what the call did, and publishes it with its result. Other than
 * ZKT_OK: nothing is done, and call->error is the reason. */
enum zkt_status zkt__task_commit(struct zkt_task *task);
/** Whether a message of @size bytes may be sent. If not, the call is poisoned,
 * and the log will say so. @what names it. */
bool zkt__call_fits(struct zkt_call *call, const char *what, size_t size);
/** Takes back what the call did. */
void zkt__call_undo(struct zkt_call *call);

#endif
