/*
 * The registry of instances: an instance with its states, creating and ending
 * it. Nothing in this folder knows on which thread a session is: messages enter
 * by zkt__instances_take (requests.h), and results, patches and events leave as
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
    struct zkt_location *location; /* on this shard; has the name */
    const struct zkt_actor *actor;
    void *state;                 /* in states; NULL: not yet initialised */
    void *private_state;         /* likewise; NULL: the actor has none */
    uint64_t epoch, seq;         /* seq: commits that wrote something */
    struct zkt_list attachments; /* in order of arrival */
    uint32_t contact_count;
    uint32_t subscribers;         /* to the state */
    struct zkt_audience local;    /* contacts of this shard */
    struct zkt_audience *remote;  /* of other shards */
    struct zkt_snapshot_log *log; /* of the snapshot cache, or NULL */
    /* The mailbox: attachments with messages, in the order of the round. */
    struct zkt_list round;
    size_t queued_bytes;
    uint32_t queued_count;
    bool ending;    /* ends when the mailbox is empty */
    bool destroyed; /* by a call: ends without serving the mailbox */
    struct zkt_list awaiting_snapshot; /* attachments that requested one */
    struct zkt_node ready;   /* in instances->ready or ->awaiting_credit */
    struct zkt_task *parked; /* the deferred call, or NULL */
    struct zkt_timeout idle; /* until it is evicted */
    void *address;           /* that it is charged to, or NULL */
    uint64_t calls;
    alignas(max_align_t) char states[];
};

struct zkt_instances {
    struct zkt_slots all;
    struct zkt_task *task;  /* of the call that runs, or of the next */
    struct zkt_task *spare; /* replaces task when that is parked, or NULL */
    struct zkt_list ready;  /* instances that are free and have work */
    struct zkt_list awaiting_credit; /* … and lack credit of a channel */
    struct zkt_list parked;          /* tasks by deadline */
    struct zkt_list idle;            /* instances by time of eviction */
    struct zkt_snapshot_cache snapshots;
    size_t deferred_bytes; /* memory of parked calls */
    size_t queued_bytes;   /* of messages in all mailboxes */
    bool ended;            /* the server stops: no instance is created */
};

/** Initialises the registry and sets @host->arena. Returns false if there is no
 * memory; finish is called in both cases. */
bool zkt__instances_init(struct zkt_instances *instances,
                         struct zkt_host *host);
/** Frees the registry, after every instance has ended. */
void zkt__instances_finish(struct zkt_instances *instances);

/** Ends every instance: refuses queued messages, runs `disconnect` of each
 * contact and `deactivate`. */
void zkt__instances_end(struct zkt_host *host);
/** Ends an instance when its queued messages have been handled. */
void zkt__instance_destroy(struct zkt_host *host,
                           struct zkt_instance *instance);

/** Creates an instance, charged to @address, and runs `activate`. Returns NULL
 * with *@reason if it cannot be created. */
struct zkt_instance *zkt__instance_create(struct zkt_host *host,
                                          struct zkt_location *location,
                                          void *address,
                                          struct zkt_str *reason);
/** Without contacts, drops an instance in its first state, and starts the time
 * of eviction of another. */
void zkt__instance_release_if_unused(struct zkt_host *host,
                                     struct zkt_instance *instance);
/** Ends an instance that is free: runs `deactivate`, refuses queued messages
 * with @status and @text, and closes subscriptions. */
void zkt__instance_end(struct zkt_host *host, struct zkt_instance *instance,
                       enum zkt_status status, struct zkt_str text);

#endif
