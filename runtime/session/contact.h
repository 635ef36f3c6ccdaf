/*
 * Contacts of sessions with names of instances. A contact is found by session
 * and name in one index of the shard, and by its handle. It lives until its
 * instance has answered its leave message, also after its session has closed.
 */
#ifndef ZKT_SESSION_CONTACT_H
#define ZKT_SESSION_CONTACT_H

#include "session/session.h"

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
bool zkt__session_make_addressable(struct zkt_host *host,
                                   struct zkt_session *session);
/**
 * Contacts of a session that has closed leave; each takes one off *@left.
 * Returns false if there was no more to take and some have yet to leave.
 */
bool zkt__session_leave(struct zkt_host *host, struct zkt_session *session,
                        int64_t *left);
/** Nothing can be sent any more; its contacts may still leave. */
void zkt__session_finish(struct zkt_host *host, struct zkt_session *session);

#endif
