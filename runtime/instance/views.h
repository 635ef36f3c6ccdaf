/*
 * The views of a state with readers: the part of the state that each
 * subscriber sees. A view has the audiences that the subscriber belongs
 * to, and for each map `to` an identity the identity of the subscriber. Other
 * instances have none of this.
 *
 * Audiences are judged when a view is opened, by each commit that has written
 * (view_commit.h), and when the data of the connection change. A change of data
 * acts as a commit for its subscriber alone, before the next message of the
 * contact, or when the round of the mailbox serves it. Changes that come faster
 * act at once, so that none needs memory while it waits.
 *
 * An identity has an index by its key, so that the write of an entry costs by
 * the subscribers that see it.
 */
#ifndef ZKT_INSTANCE_VIEWS_H
#define ZKT_INSTANCE_VIEWS_H

#include "base/list.h"
#include "base/slots.h"
#include "instance/snapshot_cache.h"
#include "shard/message.h"

struct zkt_change;
struct zkt_transition;
struct zkt_view_commit;

/* Subscribers with the same identity. */
struct zkt_identity {
    struct zkt_identity_map *map;
    zkt_handle_id id;
    uint64_t hash;
    struct zkt_list members; /* struct zkt_view_identity */
    bool present;            /* the map has the entry since the last commit */
    /* Of the commit that runs: in its list, and the change of the entry; NULL:
     * the whole map has changed. */
    struct zkt_node touched;
    const struct zkt_change *change;
    struct zkt_transition *transitions;
    size_t len;
    char key[];
};

/* A map `to` an identity. */
struct zkt_identity_map {
    uint32_t field; /* of the state */
    struct zkt_slots identities;
    struct zkt_index by_key;
};

/* A subscriber as a member of an identity. */
struct zkt_view_identity {
    struct zkt_node node;
    struct zkt_view *view;
    struct zkt_identity *identity; /* NULL: it has none */
    struct zkt_identity *next;     /* while the identity is replaced */
};

/* The view of a subscriber. It exists while the contact subscribes. */
struct zkt_view {
    struct zkt_attachment *attachment;
    struct zkt_node node;                 /* in views->all */
    struct zkt_node due;                  /* in views->due: its data change */
    struct zkt_connection_record *record; /* that it was judged by, or NULL */
    uint8_t audiences;                    /* bits, by number */
    /* Of the commit that runs: in its list of changed views. */
    struct zkt_node changed;
    struct zkt_private private;
    struct zkt_view_identity identities[]; /* by map */
};

struct zkt_views {
    const struct zkt_actor *actor;
    struct zkt_list all;
    struct zkt_list due;
    struct zkt_node in_round; /* in instance->round, if any view is due */
    struct zkt_view_commit *running; /* of the call that commits, or NULL */
    /* By set of audiences: subscribers to the state, and snapshots. */
    uint32_t watching[ZKT_AUDIENCE_SETS];
    struct zkt_snapshot_log *logs[ZKT_AUDIENCE_SETS];
    uint32_t map_count;
    struct zkt_identity_map maps[];
};

/** Creates the views of a new instance if its state has readers. Returns false
 * if there is no memory. */
bool zkt__views_create(struct zkt_host *host, struct zkt_instance *instance);
/** Frees the views of an instance without subscribers. */
void zkt__views_free(struct zkt_host *host, struct zkt_instance *instance);

/** Returns true if members of the audiences see the field, other than by their
 * identity. */
bool zkt__audiences_see(const struct zkt_actor *actor, uint8_t audiences,
                        uint32_t field);

/** Opens the view of a contact that is about to subscribe, unless it is open.
 * Returns false if there is no memory. */
bool zkt__view_open(struct zkt_host *host, struct zkt_attachment *attachment);
/** Closes the view of a contact. */
void zkt__view_close(const struct zkt_host *host,
                     struct zkt_attachment *attachment);
/** Counts a subscriber to the state (@by is 1) or uncounts it (-1). */
void zkt__view_count(struct zkt_view *view, int by);
/** Changes the audiences of a view. */
void zkt__view_move(struct zkt_view *view, uint8_t audiences);
/** Returns the audiences of a contact; none if it has no view. */
static inline uint8_t zkt__view_audiences(
    const struct zkt_attachment *attachment)
{
    return attachment->view != NULL ? attachment->view->audiences : 0;
}

/** Lets the newest data of the connection act, if they have changed. Without
 * memory the subscriptions of the contact end. */
void zkt__view_update(struct zkt_host *host, struct zkt_view *view);
/** The same at once if the instance is free, or else in its round. */
void zkt__view_record_changed(struct zkt_host *host, struct zkt_view *view);
/** Serves the first view that is due in the round of the mailbox. */
void zkt__views_serve(struct zkt_host *host, struct zkt_instance *instance);

/* ---- for a commit ---- */

/** Returns the audiences of a subscriber by @record of its connection. */
uint8_t zkt__view_judge(const struct zkt_host *host,
                        const struct zkt_view *view,
                        const struct zkt_connection_record *record);
/** Returns the subscribers with the identity @key, or NULL. */
struct zkt_identity *zkt__identity_find(const struct zkt_host *host,
                                        const struct zkt_identity_map *map,
                                        struct zkt_str key);
/** Returns the entry of an identity in the state, or NULL. */
const void *zkt__identity_entry(const struct zkt_instance *instance,
                                const struct zkt_identity_map *map,
                                struct zkt_str key);
static inline struct zkt_str zkt__identity_key(const struct zkt_identity *of)
{
    return (struct zkt_str){ of->key, of->len };
}

#endif
