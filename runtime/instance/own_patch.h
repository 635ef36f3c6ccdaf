/*
 * The patch of a call for the client that has made it, if the client shows the
 * changes that it expects of the call: it names the call, so that the client
 * replaces its guess by the truth in one step. All others share the patch of
 * the commit; this one is a copy with `"calls":["rpc_7"]` in it.
 */
#ifndef ZKT_INSTANCE_OWN_PATCH_H
#define ZKT_INSTANCE_OWN_PATCH_H

#include "instance/task.h"

/* Lives in the stack frame of the commit. */
struct zkt_own_patch {
    struct zkt_contact_group *group; /* NULL: there is none */
    struct zkt_private added;        /* to the group's, unless it has one of the
                                        caller: */
    struct zkt_private *changed;     /* whose patch was @replaced; or NULL */
    struct zkt_buffer *replaced, *frame;
};

/** Gives the caller its own patch of a commit, until zkt__own_patch_end.
 * Without memory it receives the shared one: then the result ends its guess. */
void zkt__own_patch_begin(struct zkt_own_patch *own, struct zkt_task *task,
                          const struct zkt_commit *content);
void zkt__own_patch_end(const struct zkt_own_patch *own);

#endif
