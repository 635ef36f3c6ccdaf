/*
 * Contacts of sessions with names of instances. A contact is found by session
 * and name in one index of the shard, and by its handle. It lives until its
 * instance has answered its leave message, also after its session has closed.
 */
#ifndef ZKT_SESSION_CONTACT_H
#define ZKT_SESSION_CONTACT_H

#include "session/session.h"

/** Returns the contact of @session with a name, or NULL. */
struct zkt_contact *zkt__contact_find(const struct zkt_host *host,
                                      struct zkt_session *session,
                                      const struct zkt_actor *actor,
                                      struct zkt_str name);
/** Finds or creates the contact. Returns NULL with *@reason if it cannot be
 * created. */
struct zkt_contact *zkt__contact_make(struct zkt_host *host,
                                      struct zkt_session *session,
                                      const struct zkt_actor *actor,
                                      struct zkt_str name,
                                      struct zkt_str *reason);
/** Sends the leave message, once. */
void zkt__contact_leave(struct zkt_host *host, struct zkt_contact *contact);
/** Leaves if the contact has neither calls nor subscriptions. */
void zkt__contact_leave_if_unused(struct zkt_host *host,
                                  struct zkt_contact *contact);
/** Frees the contact, after `left` of the instance. */
void zkt__contact_free(struct zkt_host *host, struct zkt_contact *contact);
/** Returns the contact of a client with @location, or NULL. Finds only clients
 * that are addressable. */
struct zkt_contact *zkt__contact_of_client(const struct zkt_host *host,
                                           const struct zkt_location *location,
                                           struct zkt_str client);

/** Returns the session of a client, or NULL. Finds only clients that are
 * addressable. */
struct zkt_session *zkt__session_of_client(const struct zkt_host *host,
                                           struct zkt_str client);
/** Adds the session to the index of client ids, so that events can name its
 * client. Returns false if there is no memory. */
bool zkt__session_make_addressable(struct zkt_host *host,
                                   struct zkt_session *session);
/**
 * Makes the contacts of a closed session leave, and decrements *@left for each.
 * Returns false if *@left is used up before all have left.
 */
bool zkt__session_leave(struct zkt_host *host, struct zkt_session *session,
                        int64_t *left);
/** Releases everything of a closed session except its contacts, which leave
 * later. */
void zkt__session_finish(struct zkt_host *host, struct zkt_session *session);

#endif
