/*
 * The commit of a state with readers. Before it is final, each
 * subscriber is judged, the patch is written for each set of audiences that has
 * subscribers, and a private patch for each subscriber that joins or leaves an
 * audience, or sees an entry of its own change.
 *
 * A private patch has the operations that the sets before and after share, then
 * `add` and `remove` of fields, then the operations of entries. Subscribers
 * with the same changes share it.
 */
#ifndef ZKT_INSTANCE_VIEW_COMMIT_H
#define ZKT_INSTANCE_VIEW_COMMIT_H

#include "instance/task.h"

/** Prepares the views of a call that has written, for @content and for the
 * groups of contacts. Returns false if there is no memory or a patch is too
 * large: then the call is poisoned. zkt__view_commit_end follows. */
bool zkt__view_commit_begin(struct zkt_call *call, struct zkt_commit *content);
/** Makes the commit final for the views, before the journals are committed. */
void zkt__view_commit_apply(const struct zkt_call *call);
/** Releases the patches, after the commit has been published or has failed. */
void zkt__view_commit_end(const struct zkt_call *call);

#endif
