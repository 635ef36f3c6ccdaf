/* What the files of this folder share. */
#ifndef ZKT_INSTANCE_INTERNAL_H
#define ZKT_INSTANCE_INTERNAL_H

#include "instance/instance.h"
#include "state/record.h"

/* ---- registry ---- */

/** Creates an instance and activates it. NULL: *@reason says why not. */
struct zkt_instance *zkt__instance_create(struct zkt_host *host,
                                          struct zkt_location *location,
                                          void *payer, struct zkt_str *reason);
/** Without contacts it may be dropped, or evicted in time. */
void zkt__instance_release_if_unused(struct zkt_host *host,
                                     struct zkt_instance *instance);
/** Ends an instance that is free: `deactivate`; what waits is refused, and
 * subscriptions are closed. */
void zkt__instance_end(struct zkt_host *host, struct zkt_instance *instance,
                       enum zkt_status status, struct zkt_str text);
/** Runs a hook that is declared; of @contact, or NULL: the instance's own. */
void zkt__instance_run_hook(struct zkt_host *host,
                            struct zkt_instance *instance,
                            struct zkt_contact *contact, enum zkt_hook hook);
/** Whether the committed state can be had: no call that has yet to finish has
 * changed it, or it is kept. @fresh: in a snapshot of this moment, for one that
 * knows a state already, and must not be told an older one. */
bool zkt__instance_has_committed(const struct zkt_instance *instance,
                                 bool fresh);
/** Brings a new subscriber to the committed state. Returns false if there is
 * no memory. The snapshot is a reference of the caller's. */
bool zkt__instance_catch_up(struct zkt_host *host,
                            struct zkt_instance *instance,
                            enum zkt_dialect dialect, struct zkt_catch_up *out);

/* ---- contacts ---- */

/** Attaches @contact, which is not, to its instance, which is created if there
 * is none; `connect` has yet to run. Returns false and says why not. */
bool zkt__attach(struct zkt_host *host, struct zkt_contact *contact,
                 struct zkt_str *reason);
/**
 * Runs `connect` of a contact whose first message is @m. Returns true if @m is
 * handled with it: who subscribes to events gets those of its own `connect`.
 */
bool zkt__attachment_connect(struct zkt_host *host, struct zkt_msg *m,
                             struct zkt_msg *carrier);
/** Parts contact and instance, and runs `disconnect` if `connect` has run. */
void zkt__attachment_disconnect(struct zkt_host *host,
                                struct zkt_contact *contact);
/** The last message about a contact. */
void zkt__contact_say_left(struct zkt_host *host, struct zkt_contact *contact);
/** Handles a subscribe, an unsubscribe or a snapshot message. */
void zkt__contact_subscribe(struct zkt_host *host, struct zkt_msg *m,
                            struct zkt_msg *carrier);
void zkt__contact_unsubscribe(const struct zkt_host *host, struct zkt_msg *m,
                              struct zkt_msg *carrier);
void zkt__contact_take_snapshot(struct zkt_host *host,
                                struct zkt_contact *contact);
/** Parts contact and instance, without a word. */
void zkt__detach(struct zkt_host *host, struct zkt_contact *contact);
/** Handles one message now; its instance is free. Takes the carrier. */
void zkt__instance_handle(struct zkt_host *host, struct zkt_msg *m,
                          struct zkt_msg *carrier);
/** Answers a call or a subscription with a refusal. Takes the carrier. */
void zkt__instance_refuse(struct zkt_host *host, struct zkt_msg *m,
                          struct zkt_msg *carrier, enum zkt_status status,
                          struct zkt_str text);
/** Answers contacts that have waited for a snapshot. */
void zkt__instance_serve_wanting(struct zkt_host *host,
                                 struct zkt_instance *instance);

static inline struct zkt_contact *zkt__contact_of(
    struct zkt_attachment *attachment)
{
    return ZKT_CONTAINER(attachment, struct zkt_contact, attachment);
}

/* ---- mailbox ---- */

/** Whether a shard that would be told of a commit takes no more for now. */
bool zkt__mailbox_is_starved(struct zkt_host *host,
                             const struct zkt_instance *instance);
/** Whether a message is to be handled at once. */
static inline bool zkt__mailbox_is_free(struct zkt_host *host,
                                        const struct zkt_instance *instance)
{
    return instance->parked == NULL && !host->running &&
           zkt__list_empty(&instance->turns) && !instance->ends_now &&
           (instance->others == NULL ||
            !zkt__mailbox_is_starved(host, instance));
}
/** Queues a message that must not fail: its block is there. */
void zkt__mailbox_append(struct zkt_host *host, struct zkt_contact *contact,
                         struct zkt_msg *m);
/** Queues a message, copying it unless @carrier is its block, or refuses it. */
void zkt__mailbox_put(struct zkt_host *host, struct zkt_msg *m,
                      struct zkt_msg *carrier);
/** Takes the first message of @contact out, or NULL. */
struct zkt_msg *zkt__mailbox_take(struct zkt_host *host,
                                  struct zkt_contact *contact);
/** There is something to do for a free instance. */
void zkt__mailbox_make_ready(struct zkt_host *host,
                             struct zkt_instance *instance);

/* ---- a call ---- */

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
    bool ends;  /* the instance ends with it */
    bool keeps; /* the handler has taken memory that it may still use */
};

/* Stands for a call whose handler finishes later. */
struct zkt_deferred {
    struct zkt_work posted;
    struct zkt_work_queue *queue; /* a reference, while it is outstanding */
    /* Of any thread: it was resumed, and once more before that had run. */
    atomic_bool resumed, again;
    void *empty, *empty_private; /* the states that a cancelled call sees */
    zkt_then_invoke *invoke;
    void (*then)(void);
    void *user;
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
    struct zkt_deferred later;
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
/** Its `later` may be kept for long: it knows nothing of us any more. */
void zkt__task_detach(struct zkt_task *task);

/** Sends the result that stands in host->result to the caller. */
void zkt__task_reply(struct zkt_host *host, struct zkt_task *task);
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
/** Tells the log why a call failed on our side: reason, and issues if any. */
void zkt__call_log(const struct zkt_call *call, const char *reason);

/** A limit as a counter of 32 bits. */
static inline uint32_t zkt__bounded(int64_t limit)
{
    return limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX;
}

#endif
