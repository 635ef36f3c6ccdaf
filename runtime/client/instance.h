/*
 * The instances that a client has handles to, by actor and id. All handles to
 * an instance share its state, its subscriptions and its list of listeners. An
 * instance outlives its handles until its calls have ended: then the client
 * leaves it.
 */
#ifndef ZKT_CLIENT_INSTANCE_H
#define ZKT_CLIENT_INSTANCE_H

#include "base/list.h"
#include "client/subscription.h"
#include "zocket/client.h"

/* An instance that the client knows. */
struct zkt_client_instance {
    struct zkt_node node;  /* in client->instances */
    struct zkt_node dirty; /* in client->dirty: its listeners or handles have
                              changed in this turn */
    const struct zkt_remote_actor *actor;
    struct zkt_str id;
    struct zkt_list listeners;
    uint32_t position;       /* in client->table */
    uint32_t handles, calls; /* that are open; that are under way */
    uint32_t observers;      /* of listeners, those that are told of changes */
    uint64_t contact; /* the last connection on which it was sent something */
    struct zkt_subscription of_state, of_events;
    bool known;  /* state holds a snapshot, which may be old */
    void *state; /* owned; zeroed until known */
};

/** Returns NULL if the client has no such instance. */
struct zkt_client_instance *zkt__client_instance_find(
    const struct zkt_client *client, struct zkt_str actor, struct zkt_str id);
/** Adds an instance. Returns NULL if there is no memory. */
struct zkt_client_instance *zkt__client_instance_new(
    struct zkt_client *client, const struct zkt_remote_actor *actor,
    struct zkt_str id);
void zkt__client_instance_free(struct zkt_client *client,
                               struct zkt_client_instance *instance);
/** A call to the instance has ended. */
void zkt__client_instance_end_call(struct zkt_client *client,
                                   struct zkt_client_instance *instance);
/** Frees an instance without handles and calls, and tells the server. */
void zkt__client_instance_leave(struct zkt_client *client,
                                struct zkt_client_instance *instance);
/** Marks an instance with changed listeners or handles: the end of the turn
 * frees it if it is unused. */
void zkt__client_instance_mark(struct zkt_client *client,
                               struct zkt_client_instance *instance);
/** Frees the index, after all instances have been freed. */
void zkt__client_instances_finish(struct zkt_client *client);

#endif
