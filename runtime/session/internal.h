/* What the files of this folder share. */
#ifndef ZKT_SESSION_INTERNAL_H
#define ZKT_SESSION_INTERNAL_H

#include "session/session.h"

/* ---- contacts ---- */

/** The contact of @session with a name, or NULL. */
struct zkt_contact *zkt__contact_find(const struct zkt_host *host,
                                      struct zkt_session *session,
                                      const struct zkt_actor *actor,
                                      struct zkt_str name);
/** Finds or makes it. NULL: *@reason says why not. */
struct zkt_contact *zkt__contact_make(struct zkt_host *host,
                                      struct zkt_session *session,
                                      const struct zkt_actor *actor,
                                      struct zkt_str name,
                                      struct zkt_str *reason);
/** Sends `leave`, unless it is sent. */
void zkt__contact_leave(struct zkt_host *host, struct zkt_contact *contact);
/** Leaves if the contact has no use: no call, no subscription. */
void zkt__contact_leave_if_unused(struct zkt_host *host,
                                  struct zkt_contact *contact);
/** The instance has nothing more to say about the contact: frees it. */
void zkt__contact_free(struct zkt_host *host, struct zkt_contact *contact);
/** The session's contact of a client that events are sent to, or NULL. */
struct zkt_contact *zkt__contact_of_client(const struct zkt_host *host,
                                           const struct zkt_location *location,
                                           struct zkt_str client);

/** Makes the session known by its client's id. Returns false if there is no
 * memory. */
bool zkt__session_name(struct zkt_host *host, struct zkt_session *session);

/* ---- subscriptions ---- */

/** The client subscribes, or unsubscribes. */
void zkt__session_sub_ask(struct zkt_host *host, struct zkt_contact *contact,
                          enum zkt_topic topic);
void zkt__session_sub_drop(struct zkt_host *host, struct zkt_contact *contact,
                           enum zkt_topic topic);
/** A snapshot, or that there is none, has come for a subscription. */
void zkt__session_sub_catch_up(struct zkt_host *host, struct zkt_msg *m);
/** Events have been subscribed to. */
void zkt__session_sub_confirm(struct zkt_host *host, const struct zkt_msg *m);
/** A subscription was refused, or has ended. */
void zkt__session_sub_close(struct zkt_host *host, const struct zkt_msg *m);
/** A patch of a live subscription does not fit into the queue: a placeholder
 * stands for what comes from here on, until that is sent. */
void zkt__session_sub_conflate(struct zkt_host *host,
                               struct zkt_contact *contact);
/** The placeholder of @contact has reached the head of the queue. */
void zkt__session_sub_fetch(struct zkt_host *host, struct zkt_contact *contact);
/** Forgets a subscription without a word, with its contact. */
void zkt__session_sub_clear(struct zkt_host *host, struct zkt_contact *contact,
                            enum zkt_topic topic);

/* ---- output ---- */

/** Stops receiving until the channel to @shard has credit, if it has none;
 * the server has several shards. */
void zkt__session_check_credit(struct zkt_host *host,
                               struct zkt_session *session, uint32_t shard);
/** The same, whether it has several or one. */
static inline void zkt__session_await_credit(struct zkt_host *host,
                                             struct zkt_session *session,
                                             uint32_t shard)
{
    if (host->group != NULL) {
        zkt__session_check_credit(host, session, shard);
    }
}
/** Drops everything that is queued. */
void zkt__session_drop_output(struct zkt_host *host,
                              struct zkt_session *session);
/** Queues a catch-up, or fills the placeholder at the head with it. */
bool zkt__session_queue_catch_up(struct zkt_host *host,
                                 struct zkt_session *session,
                                 const struct zkt_catch_up *what, bool fill);

/** Tells a client that its call, or its subscription, is refused. */
void zkt__session_refuse_call(struct zkt_host *host,
                              struct zkt_session *session, struct zkt_str id,
                              enum zkt_status status, struct zkt_str text);
void zkt__session_refuse_subscription(struct zkt_host *host,
                                      struct zkt_session *session,
                                      struct zkt_str actor, struct zkt_str name,
                                      enum zkt_status status,
                                      struct zkt_str text);

#endif
