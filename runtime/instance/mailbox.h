/*
 * The mailbox of an instance. An idle instance handles a message at once. While
 * one of its handlers has yet to finish, messages wait in its mailbox, by
 * contact; turns of the loop take them in rounds, one of each contact.
 */
#ifndef ZKT_INSTANCE_MAILBOX_H
#define ZKT_INSTANCE_MAILBOX_H

#include "instance/registry.h"

/** Whether some have messages in their mailboxes and are free. */
static inline bool zkt__instances_wait(const struct zkt_instances *instances)
{
    return !zkt__list_empty(&instances->ready) ||
           !zkt__list_empty(&instances->awaiting_credit);
}
/** Handles what waits in mailboxes, in rounds, while the budget lasts. */
void zkt__instances_drain(struct zkt_host *host);
/** Whether they have nothing under way. */
bool zkt__instances_all_free(const struct zkt_host *host);

/** Whether a shard that would be told of a commit takes no more for now. */
bool zkt__mailbox_lacks_credit(struct zkt_host *host,
                               const struct zkt_instance *instance);
/** Whether a message is to be handled at once. */
static inline bool zkt__mailbox_is_free(struct zkt_host *host,
                                        const struct zkt_instance *instance)
{
    return instance->parked == NULL && !host->running &&
           zkt__list_empty(&instance->round) && !instance->destroyed &&
           (instance->remote == NULL ||
            !zkt__mailbox_lacks_credit(host, instance));
}
/** Queues a message that must not fail: its block is there. */
void zkt__mailbox_append(struct zkt_host *host, struct zkt_contact *contact,
                         struct zkt_msg *m);
/** Queues a message, copying it unless @carrier is its block, or refuses it. */
void zkt__mailbox_put(struct zkt_host *host, struct zkt_msg *m,
                      struct zkt_msg *carrier);
/** Takes the first message of @contact out, or NULL. */
struct zkt_msg *zkt__mailbox_take(struct zkt_host *host,
                                  struct zkt_contact *contact);
/** There is something to do for a free instance. */
void zkt__mailbox_make_ready(struct zkt_host *host,
                             struct zkt_instance *instance);

#endif
