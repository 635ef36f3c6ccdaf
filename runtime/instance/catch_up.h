/*
 * Catch-ups: a snapshot of the committed state, with the patches since, for new
 * subscribers and for slow readers. While a deferred call has changed the
 * state, only the snapshot cache still has the committed state; without it
 * subscribers wait until the call has finished.
 */
#ifndef ZKT_INSTANCE_CATCH_UP_H
#define ZKT_INSTANCE_CATCH_UP_H

#include "instance/registry.h"

/** Returns true if the committed state is available: no deferred call has
 * changed the state, or the cache has it. @fresh: only as a snapshot without
 * patches, for a subscriber that has received a state before and must not
 * receive an older snapshot. */
bool zkt__instance_has_committed(const struct zkt_instance *instance,
                                 bool fresh);
/** Returns the slot of the log with the snapshot for an attached contact. */
static inline struct zkt_snapshot_log **zkt__snapshot_slot(
    struct zkt_attachment *attachment)
{
    struct zkt_instance *instance = attachment->instance;
    return instance->views != NULL
               ? &instance->views->logs[zkt__view_audiences(attachment)]
               : &instance->log;
}
/** Fills *@out with a catch-up for an attached contact, from the cache or newly
 * encoded. Returns false if there is no memory, or if the state has readers and
 * the contact does not subscribe. The caller owns a reference to the snapshot.
 */
bool zkt__instance_catch_up(struct zkt_host *host, struct zkt_contact *contact,
                            struct zkt_catch_up *out);

#endif
