/*
 * An ask: a call that no client makes, but the program, from any thread. It
 * crosses the shards as the messages of clients do; its reply is a C value
 * instead of a frame. An ask exists from its begin until its reply has been
 * delivered, and has all memory that it needs for that, except for the result.
 *
 * The thread that begins an ask posts it to the first shard (base/work_queue.h)
 * and lets go of it. From then on it belongs to the first shard, and while its
 * message is with the instance, to the instance's shard.
 */
#ifndef ZKT_SHARD_ASK_H
#define ZKT_SHARD_ASK_H

#include "base/work_queue.h"
#include "shard/message.h"

struct zkt_program;

struct zkt_ask {
    struct zkt_work work;        /* posted to the first shard */
    struct zkt_node node;        /* in a list of the program */
    struct zkt_program *program; /* session/program.h */
    const struct zkt_allocator *allocator;
    const struct zkt_actor *actor;
    struct zkt_str name;     /* the actorId; stored after the struct */
    struct zkt_msg *carrier; /* the call; NULL: it is under way, or was */
    size_t bytes;            /* of the ask and its call, for the limits */
    bool ran;                /* a function of the program ran in the call */
    /* The reply. */
    struct zkt_failure failure; /* its status is ZKT_OK after a success */
    void *result;               /* a copy; NULL: there is none */
    void *texts;                /* memory of the failure's texts, or NULL */
    /* Delivers the reply, on the first shard. */
    void (*finish)(struct zkt_ask *ask);
    /* The function of the program: runs in the call, or gets the reply. */
    union {
        zkt_run_thunk *run;
        zkt_done_thunk *done;
    } thunk;
    void (*fn)(void); /* or NULL */
    void *user;
};

/**
 * Makes an ask to an instance, with copies of @input and of @outputs, which are
 * NULL or one for each middleware of @method: a call of @method. Any
 * thread. The caller sets finish, and the members after it. Returns NULL if
 * there is no memory.
 */
struct zkt_ask *zkt__ask_new(const struct zkt_allocator *allocator,
                             const struct zkt_actor *actor, struct zkt_str name,
                             const struct zkt_method *method,
                             const struct zkt_output *outputs,
                             const void *input);
void zkt__ask_free(struct zkt_ask *ask);

/** Keeps a copy of the result, of @type; NULL: there is none. Returns false if
 * there is no memory. */
bool zkt__ask_succeed(struct zkt_ask *ask, const struct zkt_type *type,
                      const void *result);
/** Keeps a copy of the failure; without memory, its status and its time. */
void zkt__ask_fail(struct zkt_ask *ask, const struct zkt_failure *failure);

#endif
