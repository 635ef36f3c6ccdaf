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
/** Fills *@out with a catch-up, from the cache or newly encoded. Returns false
 * if there is no memory. The caller owns a reference to the snapshot. */
bool zkt__instance_catch_up(struct zkt_host *host,
                            struct zkt_instance *instance,
                            enum zkt_dialect dialect, struct zkt_catch_up *out);

#endif
