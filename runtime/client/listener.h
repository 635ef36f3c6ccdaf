/*
 * The listeners of a program: callbacks for the state, a field, the events and
 * the errors of an instance, and for the status of the client. Listeners may be
 * added and removed in each other's callbacks: a removed listener is freed at
 * the end of the turn, and a new listener is first called in the next turn.
 */
#ifndef ZKT_CLIENT_LISTENER_H
#define ZKT_CLIENT_LISTENER_H

#include "base/list.h"
#include "base/slots.h"
#include "zocket/client.h"

struct zkt_client_instance;
struct zkt_delta;

enum zkt_listener_kind {
    ZKT_LISTEN_EVENT,
    ZKT_LISTEN_STATE,
    ZKT_LISTEN_FIELD,
    ZKT_LISTEN_CHANGES,  /* of a field that is a list or a map */
    ZKT_LISTEN_ERROR,    /* of an instance */
    ZKT_LISTEN_STATUS,   /* of the client */
    ZKT_LISTEN_BROADCAST /* of the client */
};

struct zkt_listener {
    struct zkt_node node; /* in the listeners of an instance or of the client,
                             in order of arrival */
    struct zkt_node of_handle; /* in the handle's list, until it is removed */
    struct zkt_node
        unnotified; /* in client->unnotified, until it has got a known state */
    struct zkt_node removal; /* in client->removed, which is freed at the
                                end of the turn */
    zkt_handle_id id;
    enum zkt_listener_kind kind;
    uint32_t index;              /* event or field */
    const void *observer;        /* ZKT_LISTEN_CHANGES: behind the listener */
    zkt_observer_thunk *observe; /* likewise */
    const struct zkt_event *broadcast; /* or NULL */
    struct zkt_handle *handle;         /* NULL: the client's */
    zkt_listener_thunk *thunk;
    zkt_any_function *fn;
    void *user;
    bool removed;
};

/* A notification, and the listeners that it is for. */
struct zkt_notification {
    enum zkt_listener_kind kind;
    uint32_t event;
    const struct zkt_event *broadcast;
    const uint64_t *fields;        /* changed ones, a bit each; NULL: all */
    const struct zkt_delta *patch; /* for observers; NULL: unknown */
    const void *payload;
};

/** Calls the listeners of @list that @notification is for, except listeners
 * that are added or removed meanwhile. @instance is NULL for the listeners of
 * the client. */
void zkt__listeners_notify(struct zkt_client *client, struct zkt_list *list,
                           const struct zkt_client_instance *instance,
                           const struct zkt_notification *notification);
/** Gives new listeners the state that is known. */
void zkt__listeners_notify_new(struct zkt_client *client);
/** Removes all listeners of @handle, a cell. */
void zkt__listeners_remove(struct zkt_client *client,
                           struct zkt_handle *handle);
/** Frees the removed listeners. */
void zkt__listeners_sweep(struct zkt_client *client);
/** Frees all listeners of @list. */
void zkt__listeners_free(struct zkt_client *client, struct zkt_list *list);

#endif
