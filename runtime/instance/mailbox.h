/*
 * The mailbox of an instance. An idle instance handles a message at once. While
 * a call of it is deferred, messages are queued in its mailbox, in a queue for
 * each contact. Turns of the loop serve the contacts in rounds, one message of
 * each, so no contact waits for all messages of another.
 */
#ifndef ZKT_INSTANCE_MAILBOX_H
#define ZKT_INSTANCE_MAILBOX_H

#include "instance/registry.h"

/** Returns true if free instances have messages in their mailboxes. */
static inline bool zkt__instances_wait(const struct zkt_instances *instances)
{
    return !zkt__list_empty(&instances->ready) ||
           !zkt__list_empty(&instances->awaiting_credit);
}
/** Serves mailboxes in rounds, while the budget lasts. */
void zkt__instances_drain(struct zkt_host *host);
/** Returns true if no call is deferred and no mailbox has messages to serve. */
bool zkt__instances_all_free(const struct zkt_host *host);

/** Returns true if the channel to a shard with contacts lacks credit, so that a
 * commit could not be sent there. */
bool zkt__mailbox_lacks_credit(struct zkt_host *host,
                               const struct zkt_instance *instance);
/** Returns true if the instance can handle a message at once. */
static inline bool zkt__mailbox_is_free(struct zkt_host *host,
                                        const struct zkt_instance *instance)
{
    return instance->parked == NULL && host->running == NULL &&
           zkt__list_empty(&instance->round) && !instance->destroyed &&
           (instance->local.next == NULL ||
            !zkt__mailbox_lacks_credit(host, instance));
}
/** Queues a message that has its carrier, without a limit. */
void zkt__mailbox_append(struct zkt_host *host, struct zkt_contact *contact,
                         struct zkt_msg *m);
/** Queues a message in @carrier (NULL: in a copy), or refuses it. */
void zkt__mailbox_put(struct zkt_host *host, struct zkt_msg *m,
                      struct zkt_msg *carrier);
/** Queues a message, in @carrier or in a copy, in front of all others of its
 * contact, and its contact in front of all others. Without memory it is
 * refused. */
void zkt__mailbox_put_first(struct zkt_host *host, struct zkt_msg *m,
                            struct zkt_msg *carrier);
/** Removes a message that is queued. */
void zkt__mailbox_remove(struct zkt_host *host, struct zkt_msg *m);
/** Removes and returns the first message of @contact, or returns NULL. */
struct zkt_msg *zkt__mailbox_take(struct zkt_host *host,
                                  struct zkt_contact *contact);
/** The same for messages that can be refused: a leave message is removed, and
 * *@leaves is set. */
struct zkt_msg *zkt__mailbox_take_request(struct zkt_host *host,
                                          struct zkt_contact *contact,
                                          bool *leaves);
/** Lets the next turn serve the instance, unless a call of it is deferred. */
void zkt__mailbox_make_ready(struct zkt_host *host,
                             struct zkt_instance *instance);

#endif
