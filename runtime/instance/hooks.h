/*
 * Hooks and their continuations. A hook runs at once; it may be deferred. When
 * it is over, at once or later, the work that waits for it goes on: a message
 * behind `connect` or `subscribe` is handled or refused, an instance is started
 * or ended. A hook that is not declared is over at once.
 */
#ifndef ZKT_INSTANCE_HOOKS_H
#define ZKT_INSTANCE_HOOKS_H

#include "instance/registry.h"

struct zkt_task;

/* A hook, and the work that waits for it. */
struct zkt_hook_run {
    enum zkt_hook hook;
    struct zkt_instance *instance;
    struct zkt_contact *contact; /* NULL: activate or deactivate */
    /* Of connect and subscribe: the message that waits, and the block that
     * holds it; NULL: it is borrowed. Both NULL: a call that has waited has
     * ended. */
    struct zkt_msg *message, *carrier;
    /* The message is a subscribe to events, which the commit of the hook
     * grants: so the client receives the events of the hook. */
    bool grants;
    struct zkt_request request; /* that causes the hook; zero: none does */
};

/** Runs `activate` of a new instance. */
void zkt__hook_activate(struct zkt_host *host, struct zkt_instance *instance,
                        const struct zkt_msg *m);
/** Runs `connect` before the first message @m of a contact, which is handled
 * when it has succeeded, or else refused with all that wait behind it. */
void zkt__hook_connect(struct zkt_host *host, struct zkt_msg *m,
                       struct zkt_msg *carrier);
/** Runs `subscribe` before the subscribe @m is granted, or else refused. */
void zkt__hook_subscribe(struct zkt_host *host, struct zkt_msg *m,
                         struct zkt_msg *carrier);
/** Runs `disconnect` of a contact that is detached. It may be freed as soon as
 * this returns. */
void zkt__hook_disconnect(struct zkt_host *host, struct zkt_instance *instance,
                          struct zkt_contact *contact);
/** Runs `deactivate` of an instance that ends. */
void zkt__hook_deactivate(struct zkt_host *host, struct zkt_instance *instance);

/** Continues after a hook. @failure is NULL if it has succeeded. */
void zkt__hook_over(struct zkt_host *host, const struct zkt_hook_run *run,
                    const struct zkt_failure *failure);

/** Disconnects the contacts that are marked as expelled. Stops if a hook is
 * deferred. */
void zkt__instance_expel(struct zkt_host *host, struct zkt_instance *instance);

#endif
