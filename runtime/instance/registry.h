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
#include "instance/open_calls.h"
#include "instance/snapshot_cache.h"
#include "instance/timers.h"
#include "instance/views.h"
#include "instance/waiting.h"

struct zkt_task;

/* Why an instance ends, as its clients are told. */
enum zkt_instance_end {
    ZKT_END_DESTROYED,
    ZKT_END_EVICTED,
    ZKT_END_ABANDONED,
    ZKT_END_STOPPED
};

struct zkt_instance {
    zkt_handle_id id;
    struct zkt_location *location; /* on this shard; has the name */
    const struct zkt_actor *actor;
    void *state;                    /* in states; NULL: not yet initialised */
    void *private_state;            /* likewise; NULL: the actor has none */
    uint64_t epoch, seq;            /* seq: commits that wrote something */
    struct zkt_ring attachments;    /* in order of arrival */
    uint32_t contact_count;         /* of clients */
    uint32_t subscribers;           /* to the state */
    struct zkt_contact_group local; /* contacts of this shard; others follow */
    struct zkt_snapshot_log *log;   /* of the snapshot cache, or NULL */
    struct zkt_views *views;        /* NULL: all see all of the state */
    /* The mailbox: attachments with messages, in the order of the round. */
    struct zkt_list round;
    size_t queued_bytes;
    uint32_t queued_count;
    bool starting;        /* `activate` has yet to finish */
    bool expels;          /* an attachment is marked as expelled */
    bool ending;          /* ends when the mailbox is empty */
    bool failed : 1;      /* `activate` has failed: refuses until removed */
    bool established : 1; /* a contact has been connected */
    bool abandoned : 1;   /* its last contact was refused */
    bool destroyed : 1;   /* by a call: ends without serving the mailbox */
    bool closing : 1; /* `deactivate` runs, and messages wait for the next */
    enum zkt_instance_end end : 3;
    enum zkt_status failure_status;
    union {
        /* While it starts: of the ask that waits for `activate`, or NULL. */
        struct zkt_chain *cause;
        /* If it has failed: of `activate`, encoded; NULL: no memory. */
        struct zkt_buffer *failure;
    };
    struct zkt_ring awaiting_snapshot; /* attachments that requested one */
    struct zkt_node ready;   /* in instances->ready or ->awaiting_credit */
    struct zkt_task *parked; /* the deferred call, or NULL */
    struct zkt_open_calls *open_calls; /* NULL: there has been none */
    struct zkt_timers *timers;         /* NULL: it has none */
    struct zkt_timeout idle;           /* until it is evicted, or forgotten */
    void *address;                     /* that it is charged to, or NULL */
    uint64_t calls;
    alignas(max_align_t) char states[];
};

struct zkt_instances {
    struct zkt_slots all;
    struct zkt_task *task;  /* of the call that runs, or of the next */
    struct zkt_task *spare; /* replaces task when that is parked, or NULL */
    struct zkt_list ready;  /* instances that are free and have work */
    struct zkt_list awaiting_credit; /* … and lack credit of a channel */
    struct zkt_list parked;          /* deferred tasks */
    struct zkt_list idle;            /* instances by time of eviction */
    struct zkt_list failed;          /* likewise: `activate` has failed */
    struct zkt_timer_heap timers;
    struct zkt_waiting_calls waiting;
    int64_t next_due; /* nothing of these is due before */
    struct zkt_snapshot_cache snapshots;
    size_t deferred_bytes; /* memory of parked calls */
    size_t queued_bytes;   /* of messages in all mailboxes */
    size_t asking_bytes;   /* of tells and asks that are not finished */
    bool ended;            /* the server stops: no instance is created */
};

/** Initialises the registry and sets @host->arena. Returns false if there is no
 * memory; finish is called in both cases. */
bool zkt__instances_init(struct zkt_instances *instances,
                         struct zkt_host *host);
/** Frees the registry, after every instance has ended. */
void zkt__instances_finish(struct zkt_instances *instances);

/** Ends every instance: refuses queued messages, runs `disconnect` of each
 * contact and `deactivate`. Returns false if hooks have yet to finish: it is to
 * be called again. */
bool zkt__instances_end(struct zkt_host *host);
/** Ends an instance when its queued messages have been handled. */
void zkt__instance_destroy(struct zkt_host *host,
                           struct zkt_instance *instance);

/** Creates an instance, charged to the address of the session of @m, for which
 * it is made, and runs `activate`, which may fail it or be deferred. Returns
 * NULL with *@reason if it cannot be created. */
struct zkt_instance *zkt__instance_create(struct zkt_host *host,
                                          struct zkt_location *location,
                                          const struct zkt_msg *m,
                                          struct zkt_str *reason);
/** Without contacts, drops an instance in its first state, and starts the time
 * of eviction of another. */
void zkt__instance_release_if_unused(struct zkt_host *host,
                                     struct zkt_instance *instance);
/** Removes an instance after a failed `activate`. */
void zkt__instance_forget(struct zkt_host *host, struct zkt_instance *instance);
/** Ends an instance without contacts that no contact has established; an other
 * as zkt__instance_release_if_unused. */
void zkt__instance_abandon(struct zkt_host *host,
                           struct zkt_instance *instance);
/** Ends an instance that is free: refuses queued messages, runs `deactivate`,
 * and closes subscriptions. */
void zkt__instance_end(struct zkt_host *host, struct zkt_instance *instance,
                       enum zkt_instance_end reason);

/** Continues when `activate` has failed, and when `deactivate` has run. */
void zkt__instance_start_failed(struct zkt_host *host,
                                struct zkt_instance *instance,
                                const struct zkt_failure *failure);
void zkt__instance_complete_end(struct zkt_host *host,
                                struct zkt_instance *instance);

#endif
