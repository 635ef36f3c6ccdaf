/*
 * A task is a call, a hook or a timer of an instance, with its memory. A shard
 * has a task into which each message is read; if the call is deferred, the task
 * is parked at the instance and another replaces it, so nothing that the first
 * half of the call has seen moves.
 */
#ifndef ZKT_INSTANCE_TASK_H
#define ZKT_INSTANCE_TASK_H

#include "call/call.h"
#include "instance/deferred.h"
#include "instance/hooks.h"
#include "instance/open_calls.h"
#include "state/record.h"

enum zkt_task_kind {
    ZKT_TASK_CALL,
    ZKT_TASK_HOOK,
    ZKT_TASK_TIMER
};

/* The timer that runs; its input is NULL if it has none. */
struct zkt_timer_run {
    const struct zkt_timer *type;
    const void *input;
    struct zkt_request request; /* that has started it; zero: none */
};

struct zkt_task {
    struct zkt_arena arena;
    struct zkt_call call;
    struct zkt_contact *contact; /* NULL: activate, deactivate, or a timer */
    enum zkt_task_kind kind;
    bool is_optimistic; /* of a call: own_patch.h */
    union {
        struct zkt_msg_call request;
        struct zkt_hook_run hook;
        struct zkt_timer_run timer;
    };
    uint32_t size;           /* of a call: bytes of its message */
    struct zkt_msg *carrier; /* of the call, for its result; NULL: none */
    void *result;
    int64_t handler_ns;          /* time that its handler has run: report.h */
    size_t parked_bytes;         /* counted in instances->deferred_bytes */
    struct zkt_node parked;      /* in instances->parked */
    struct zkt_waiting *waiting; /* of a deferred call, in the arena; or NULL */
    struct zkt_deferred deferred;
    struct zkt_open_call open;
    /* The zeroed states that the call sees when it is cancelled. */
    void *cancelled_state, *cancelled_private_state;
};

/** Returns NULL if there is no memory. */
struct zkt_task *zkt__task_new(struct zkt_host *host);
/** Frees a task, on any thread. Takes NULL. */
void zkt__task_free(struct zkt_task *task);
/** Runs a call in the current task, into which its message was read. Takes the
 * carrier. */
void zkt__task_call(struct zkt_host *host, const struct zkt_msg *m,
                    struct zkt_msg *carrier);
/** Returns the task of a call of an instance. */
static inline struct zkt_task *zkt__task_of(struct zkt_call *call)
{
    return ZKT_CONTAINER(call, struct zkt_task, call);
}
/** Returns the input of the call, or NULL; a hook has none. */
static inline const void *zkt__task_input(const struct zkt_task *task)
{
    return task->kind == ZKT_TASK_CALL ? task->request.input : NULL;
}
/** Runs the second half of a deferred call, or lets that of an open call wait
 * for its instance. */
void zkt__task_resume(struct zkt_call *call);
/** Returns true if other messages of the instance run until the deferred call
 * is resumed. */
static inline bool zkt__open_call_is(const struct zkt_task *task)
{
    return zkt__node_linked(&task->open.of_instance);
}
/** Runs the second half of an open call. */
void zkt__task_run_open(struct zkt_host *host, struct zkt_task *task);
/** Fails a deferred call with @status and @text, and undoes its changes. */
void zkt__task_cancel(struct zkt_host *host, struct zkt_task *task,
                      enum zkt_status status, struct zkt_str text);

/** Counts the current task as one of a deferred call, and begins its time;
 * another task becomes the current one. */
void zkt__task_hold(struct zkt_host *host, struct zkt_task *task);
/** Ends the time of a deferred call, and counts it no more. */
void zkt__task_release(struct zkt_host *host, struct zkt_task *task);
/** Counts the memory of a deferred call anew, and cancels the call if it
 * exceeds the budget for all. */
void zkt__task_keep_budget(struct zkt_host *host, struct zkt_task *task);
/** Releases the content of the task of a call that has ended, for another
 * call. */
void zkt__task_reuse(struct zkt_host *host, struct zkt_task *task);

/** Runs a declared hook of an instance, and then zkt__hook_over, at once or
 * when the hook has finished. */
void zkt__task_hook(struct zkt_host *host, const struct zkt_hook_run *run);

/** Runs the handler of a timer of an instance. */
void zkt__task_timer(struct zkt_host *host, struct zkt_instance *instance,
                     const struct zkt_timer_run *run);

/** Sends the frame in host->result to the caller, and reports the end of the
 * call; NULL @failure: it has succeeded. */
void zkt__task_reply(struct zkt_host *host, struct zkt_task *task,
                     const struct zkt_failure *failure);

/** Converts a limit to 32 bits; a larger limit becomes UINT32_MAX. */
static inline uint32_t zkt__bounded(int64_t limit)
{
    return limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
}

#endif
