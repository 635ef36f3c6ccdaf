/*
 * The registry of instances: their states, creating and ending them. Nothing
 * in this folder knows on which thread a session is: messages come in by
 * zkt__instances_take (requests.h); results, patches and events leave as
 * messages (shard/message.h).
 */
#ifndef ZKT_INSTANCE_REGISTRY_H
#define ZKT_INSTANCE_REGISTRY_H

#include <stdalign.h>
#include <stddef.h>

#include "base/timeouts.h"
#include "instance/contacts.h"
#include "instance/snapshot_cache.h"

struct zkt_task;

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
    struct zkt_audience local;    /* contacts of its own shard */
    struct zkt_audience *remote;  /* of other shards */
    struct zkt_snapshot_log *log; /* for new subscribers; NULL: nothing yet */
    /* The mailbox: attachments with messages, in rounds. */
    struct zkt_list round;
    size_t queued_bytes;
    uint32_t queued_count;
    bool ending;    /* it ends when the mailbox is empty */
    bool destroyed; /* … before that: a call has ended it */
    struct zkt_list awaiting_snapshot; /* attachments */
    struct zkt_node ready;             /* in instances->ready or ->starved */
    struct zkt_task *parked; /* the call whose handler finishes later */
    struct zkt_timeout idle; /* until it is evicted */
    void *address;           /* to whom it is charged, or NULL */
    uint64_t calls;
    alignas(max_align_t) char states[];
};

struct zkt_instances {
    struct zkt_slots all;
    struct zkt_task *task;  /* the call that runs, or the next */
    struct zkt_task *spare; /* takes its place when it is parked, or NULL */
    struct zkt_list ready;  /* instances that have mail and are free */
    struct zkt_list awaiting_credit; /* … that have no credit to answer it */
    struct zkt_list parked;          /* tasks by the time at which they fail */
    struct zkt_list idle; /* instances by the time of their eviction */
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

/** Ends every instance: what waits is refused, `disconnect`, `deactivate`. */
void zkt__instances_end(struct zkt_host *host);
/** Ends one when what waits for it has been handled. */
void zkt__instance_destroy(struct zkt_host *host,
                           struct zkt_instance *instance);

/** Creates an instance and activates it. NULL: *@reason says why not. */
struct zkt_instance *zkt__instance_create(struct zkt_host *host,
                                          struct zkt_location *location,
                                          void *address,
                                          struct zkt_str *reason);
/** Without contacts it may be dropped, or evicted in time. */
void zkt__instance_release_if_unused(struct zkt_host *host,
                                     struct zkt_instance *instance);
/** Ends an instance that is free: `deactivate`; what waits is refused, and
 * subscriptions are closed. */
void zkt__instance_end(struct zkt_host *host, struct zkt_instance *instance,
                       enum zkt_status status, struct zkt_str text);

#endif
