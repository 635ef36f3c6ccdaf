/*
 * Instances of actors: the registry, their mailboxes, calls and hooks, the
 * commit, and the snapshots that new subscribers get. Messages come in by
 * zkt__instances_take; results, patches and events leave as messages of the
 * seam (shard/message.h). Nothing here knows on which thread a session is.
 *
 * An idle instance handles a message at once. While one of its handlers has
 * yet to finish, messages wait in its mailbox, by contact; turns of the loop
 * take them in rounds, one of each contact.
 */
#ifndef ZKT_INSTANCE_INSTANCE_H
#define ZKT_INSTANCE_INSTANCE_H

#include <stdalign.h>
#include <stddef.h>

#include "base/timeouts.h"
#include "instance/snapshot_cache.h"
#include "shard/group.h"

struct zkt_task;

/* The contacts of one shard with an instance. */
struct zkt_audience {
    struct zkt_audience *next;
    struct zkt_location *location; /* of that shard */
    uint32_t shard;
    uint32_t contacts;
    uint32_t subscribed[ZKT_TOPIC_COUNT];
};

struct zkt_instance {
    zkt_handle_id id;
    struct zkt_location *location; /* of its shard: actor and name */
    const struct zkt_actor *actor;
    void *state;                 /* in states; NULL: it is not made yet */
    void *private_state;         /* likewise; NULL also: the actor has none */
    uint64_t epoch, seq;         /* seq counts commits that changed something */
    struct zkt_list attachments; /* in order of arrival */
    uint32_t contact_count;
    uint32_t subscribers;         /* to the state */
    struct zkt_audience own;      /* contacts of its own shard */
    struct zkt_audience *others;  /* of other shards */
    struct zkt_snapshot_log *log; /* for new subscribers; NULL: nothing yet */
    /* The mailbox: attachments with messages, each a turn. */
    struct zkt_list turns;
    size_t mail_bytes;
    uint32_t mail_count;
    bool ending;             /* it ends when the mailbox is empty */
    bool ends_now;           /* … before that: a call has ended it */
    struct zkt_list wanting; /* attachments that wait for a snapshot */
    struct zkt_node ready;   /* in instances->ready or ->starved */
    struct zkt_task *parked; /* the call whose handler finishes later */
    struct zkt_timeout idle; /* until it is evicted */
    void *payer;             /* to whom it is charged, or NULL */
    uint64_t calls;
    alignas(max_align_t) char states[];
};

struct zkt_instances {
    struct zkt_slots all;
    struct zkt_task *task;   /* the call that runs, or the next */
    struct zkt_task *spare;  /* takes its place when it is parked, or NULL */
    struct zkt_list ready;   /* instances that have mail and are free */
    struct zkt_list starved; /* … that have no credit to answer it */
    struct zkt_list parked;  /* tasks by the time at which they fail */
    struct zkt_list idle;    /* instances by the time of their eviction */
    struct zkt_snapshot_cache snapshots;
    size_t deferred_bytes; /* memory of parked calls */
    size_t queued_bytes;   /* of messages in all mailboxes */
    bool ended;            /* all have; none is made any more */
};

/** Returns false if there is no memory; finish takes what there is. Sets
 * @host->arena. */
bool zkt__instances_init(struct zkt_instances *instances,
                         struct zkt_host *host);
/** Frees what is left when every instance has ended. */
void zkt__instances_finish(struct zkt_instances *instances);

/** Handles a message from a session (struct zkt_receivers). */
void zkt__instances_take(struct zkt_host *host, struct zkt_msg *m,
                         struct zkt_msg *carrier);
/** Whether some have messages in their mailboxes and are free. */
static inline bool zkt__instances_wait(const struct zkt_instances *instances)
{
    return !zkt__list_empty(&instances->ready) ||
           !zkt__list_empty(&instances->starved);
}
/** Handles what waits in mailboxes, in rounds, while the budget lasts. */
void zkt__instances_drain(struct zkt_host *host);
/** Whether they have nothing under way. */
bool zkt__instances_all_free(const struct zkt_host *host);
/** When a time limit of a call or an instance passes next; ZKT_NEVER. */
static inline int64_t zkt__instances_due(const struct zkt_instances *instances)
{
    const int64_t parked = zkt__timeouts_next(&instances->parked);
    const int64_t idle = zkt__timeouts_next(&instances->idle);
    return parked < idle ? parked : idle;
}
/** Runs every one that has passed. */
void zkt__instances_expire(struct zkt_host *host);

/** Cancels every deferred call; its caller is told @status and @text. */
void zkt__instances_cancel(struct zkt_host *host, enum zkt_status status,
                           struct zkt_str text);
/** Ends every instance: what waits is refused, `disconnect`, `deactivate`. */
void zkt__instances_end(struct zkt_host *host);
/** Ends one when what waits for it has been handled. */
void zkt__instance_destroy(struct zkt_host *host,
                           struct zkt_instance *instance);

#endif
