/*
 * Running a call or a hook of an instance.
 */
#ifndef ZKT_INSTANCE_TASK_H
#define ZKT_INSTANCE_TASK_H

#include "instance/deferred.h"
#include "state/record.h"

struct zkt_call {
    struct zkt_host *host;         /* NULL: cancelled */
    struct zkt_instance *instance; /* NULL: cancelled */
    const void *state, *private_state;
    void *user; /* of the app */
    int64_t now_ms;
    struct zkt_str client_id, instance_id;
    const char *name; /* of the method or hook that runs, for the log */
    struct zkt_arena *arena;
    struct zkt_journal journal;
    struct zkt_journal private_journal; /* where there is private state */
    struct zkt_issues issues;
    enum zkt_status failure; /* by zkt_fail */
    struct zkt_str error;
    struct zkt_emitted *first_event, *last_event;
    int64_t event_count;
    bool destroys;      /* the instance ends with it */
    bool has_allocated; /* the handler has taken memory that it may still use */
};

/*
 * A call and its memory. There is one into which each message is read; when
 * its handler is to finish later it is parked at the instance, and another
 * takes its place. So nothing that the first half has seen ever moves.
 */
struct zkt_task {
    struct zkt_arena arena;
    struct zkt_call call;
    struct zkt_contact *contact; /* NULL: a hook of the instance's own */
    struct zkt_msg_call request; /* unless it is a hook */
    bool is_hook;
    enum zkt_hook hook;
    struct zkt_msg *carrier; /* for the result; NULL: none is needed */
    void *body;              /* holds id and input, or NULL */
    void *result;
    size_t parked_bytes; /* towards instances->deferred_bytes */
    struct zkt_timeout deadline;
    struct zkt_deferred deferred;
};

/** Another task, or NULL: no memory. */
struct zkt_task *zkt__task_new(struct zkt_host *host);
/** Frees it, on any thread. Takes NULL. */
void zkt__task_free(struct zkt_task *task);
/** Runs a call in the task of the message. Takes the carrier. */
void zkt__task_call(struct zkt_host *host, const struct zkt_msg *m,
                    struct zkt_msg *carrier);
/** Runs the second half of a parked call. */
void zkt__task_resume(struct zkt_host *host, struct zkt_task *task);
/** Gives a parked call up, and tells its caller why. */
void zkt__task_cancel(struct zkt_host *host, struct zkt_task *task,
                      enum zkt_status status, struct zkt_str text);

/** Runs a hook that is declared; of @contact, or NULL: the instance's own. */
void zkt__instance_run_hook(struct zkt_host *host,
                            struct zkt_instance *instance,
                            struct zkt_contact *contact, enum zkt_hook hook);

/** Sends the result that stands in host->result to the caller. */
void zkt__task_reply(struct zkt_host *host, struct zkt_task *task);

/** Tells the log why a call failed on our side: reason, and issues if any. */
void zkt__call_log(const struct zkt_call *call, const char *reason);

/** A limit as a counter of 32 bits. */
static inline uint32_t zkt__bounded(int64_t limit)
{
    return limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
}

#endif
