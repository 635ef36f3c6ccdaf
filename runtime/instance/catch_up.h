/*
 * Snapshots of the committed state, for new subscribers and slow readers.
 */
#ifndef ZKT_INSTANCE_CATCH_UP_H
#define ZKT_INSTANCE_CATCH_UP_H

#include "instance/registry.h"

/** Whether the committed state can be had: no call that has yet to finish has
 * changed it, or it is kept. @fresh: in a snapshot of this moment, for one that
 * knows a state already, and must not be told an older one. */
bool zkt__instance_has_committed(const struct zkt_instance *instance,
                                 bool fresh);
/** Brings a new subscriber to the committed state. Returns false if there is
 * no memory. The snapshot is a reference of the caller's. */
bool zkt__instance_catch_up(struct zkt_host *host,
                            struct zkt_instance *instance,
                            enum zkt_dialect dialect, struct zkt_catch_up *out);

#endif
