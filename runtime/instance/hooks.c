/* Hooks and their continuations: see hooks.h. */
#include "instance/hooks.h"

#include "instance/mailbox.h"
#include "instance/requests.h"
#include "instance/task.h"
#include "shard/chain.h"

static bool declares(const struct zkt_instance *instance, enum zkt_hook hook)
{
    return instance->actor->hooks[hook].declared;
}

/* Returns the request of a message that causes a hook. */
static struct zkt_request request_of(const struct zkt_msg *m)
{
    return m->kind == ZKT_MSG_CALL ? m->of.call.request
                                   : zkt__peer_request(m->contact->peer);
}

/* ---- connect ---- */

static void let_in(struct zkt_contact *contact)
{
    contact->attachment.connected = true;
    contact->attachment.instance->established = true;
}

void zkt__hook_connect(struct zkt_host *host, struct zkt_msg *m,
                       struct zkt_msg *carrier)
{
    struct zkt_contact *contact = m->contact;
    struct zkt_instance *instance = contact->attachment.instance;
    if (!declares(instance, ZKT_HOOK_CONNECT)) {
        let_in(contact);
        zkt__instance_handle(host, m, carrier);
        return;
    }
    const struct zkt_hook_run run = {
        .hook = ZKT_HOOK_CONNECT,
        .instance = instance,
        .contact = contact,
        .message = m,
        .carrier = carrier,
        .request = request_of(m),
        .grants = m->kind == ZKT_MSG_SUBSCRIBE &&
                  m->topic == ZKT_TOPIC_EVENTS &&
                  !declares(instance, ZKT_HOOK_SUBSCRIBE),
    };
    if (!run.grants || zkt__contact_admit(host, m, carrier)) {
        zkt__task_hook(host, &run);
    }
}

/* Refuses the messages of a contact that was not let in, and detaches it. */
static void refuse_contact(struct zkt_host *host,
                           const struct zkt_hook_run *run,
                           const struct zkt_failure *failure)
{
    struct zkt_contact *contact = run->contact;
    bool leaves;
    if (run->message != NULL) {
        zkt__instance_refuse_with(host, run->message, run->carrier, failure);
    }
    zkt__contact_refuse_queued(host, contact, failure, &leaves);
    zkt__detach(host, contact);
    zkt__contact_send_end(host, contact, leaves);
    run->instance->abandoned = true;
    zkt__mailbox_make_ready(host, run->instance);
}

/* While clients are expelled, the message waits in the mailbox: it is refused
 * there if its client is one of them. */
static void after_connect(struct zkt_host *host, const struct zkt_hook_run *run,
                          const struct zkt_failure *failure)
{
    struct zkt_instance *instance = run->instance;
    if (failure != NULL) {
        refuse_contact(host, run, failure);
        return;
    }
    let_in(run->contact);
    if (run->message == NULL) {
        zkt__instance_expel(host, instance);
        return;
    }
    if (!run->grants && !instance->expels) {
        zkt__instance_proceed(host, run->message, run->carrier);
        return;
    }
    if (!run->grants) {
        zkt__mailbox_put_first(host, run->message, run->carrier);
    }
    zkt__instance_expel(host, instance);
}

/* ---- subscribe ---- */

void zkt__hook_subscribe(struct zkt_host *host, struct zkt_msg *m,
                         struct zkt_msg *carrier)
{
    struct zkt_contact *contact = m->contact;
    const struct zkt_hook_run run = {
        .hook = ZKT_HOOK_SUBSCRIBE,
        .instance = contact->attachment.instance,
        .contact = contact,
        .message = m,
        .carrier = carrier,
        .request = request_of(m),
        .grants = m->topic == ZKT_TOPIC_EVENTS,
    };
    if (!run.grants || zkt__contact_admit(host, m, carrier)) {
        zkt__task_hook(host, &run);
    }
}

/* A message that is not granted after all is refused from the mailbox. */
static void after_subscribe(struct zkt_host *host,
                            const struct zkt_hook_run *run,
                            const struct zkt_failure *failure)
{
    if (failure != NULL) {
        zkt__instance_refuse_with(host, run->message, run->carrier, failure);
    } else if (!run->grants && (run->instance->destroyed ||
                                run->contact->attachment.expelled != NULL)) {
        zkt__mailbox_put_first(host, run->message, run->carrier);
    } else if (!run->grants) {
        zkt__contact_subscribe(host, run->message, run->carrier);
    }
    zkt__instance_expel(host, run->instance);
}

/* ---- disconnect, and expulsions ---- */

void zkt__hook_disconnect(struct zkt_host *host, struct zkt_instance *instance,
                          struct zkt_contact *contact)
{
    if (!declares(instance, ZKT_HOOK_DISCONNECT)) {
        return;
    }
    zkt__task_hook(host, &(const struct zkt_hook_run){
                             .hook = ZKT_HOOK_DISCONNECT,
                             .instance = instance,
                             .contact = contact,
                             .request = zkt__peer_request(contact->peer),
                         });
    if (instance->parked != NULL) {
        instance->parked->contact = NULL;
        instance->parked->hook.contact = NULL;
        zkt__call_forget_peer(&instance->parked->call);
    }
}

/* Sends `closed` for the subscriptions of an expelled contact. */
static void close_expelled(struct zkt_host *host, struct zkt_contact *contact,
                           struct zkt_buffer *failure)
{
    struct zkt_msg *carrier = zkt__contact_take_closing(contact);
    struct zkt_msg closed = { .kind = ZKT_MSG_CLOSED,
                              .contact = contact,
                              .of.closed = { .status = ZKT_PERMISSION_DENIED,
                                             .failure = failure } };
    (void)zkt__deliver(host, contact->peer->shard, &closed, carrier);
}

static void expel(struct zkt_host *host, struct zkt_contact *contact)
{
    struct zkt_attachment *attachment = &contact->attachment;
    struct zkt_instance *instance = attachment->instance;
    struct zkt_buffer *failure = attachment->expelled;
    const bool connected = attachment->connected;
    const bool subscribed = attachment->subscribed[ZKT_TOPIC_STATE] ||
                            attachment->subscribed[ZKT_TOPIC_EVENTS];
    bool leaves;
    attachment->expelled = NULL;
    zkt__contact_refuse_encoded(host, contact, attachment->expelled_status,
                                failure, &leaves);
    zkt__detach(host, contact);
    if (connected) {
        zkt__hook_disconnect(host, instance, contact);
    }
    if (subscribed && !leaves) {
        close_expelled(host, contact, failure);
    }
    zkt__contact_send_end(host, contact, leaves);
    zkt__buffer_unref(failure);
}

/* Expelling a contact detaches no other. */
void zkt__instance_expel(struct zkt_host *host, struct zkt_instance *instance)
{
    const struct zkt_ring *all = &instance->attachments;
    struct zkt_node *n = instance->expels ? all->first : NULL;
    while (n != NULL && instance->parked == NULL) {
        struct zkt_attachment *attachment = ZKT_CONTAINER(
            n, struct zkt_attachment, of_instance);
        n = zkt__ring_after(all, n);
        if (attachment->expelled != NULL) {
            expel(host, zkt__contact_of(attachment));
        }
    }
    if (instance->expels && instance->parked == NULL) {
        instance->expels = false;
        instance->abandoned = true; /* nobody may be left */
        zkt__mailbox_make_ready(host, instance);
    }
}

/* ---- activate and deactivate ---- */

void zkt__hook_activate(struct zkt_host *host, struct zkt_instance *instance,
                        const struct zkt_msg *m)
{
    if (!declares(instance, ZKT_HOOK_ACTIVATE)) {
        return;
    }
    instance->starting = true;
    if (m->kind == ZKT_MSG_CALL && m->of.call.ask != NULL) {
        instance->cause = zkt__chain_ref(m->of.call.ask->chain);
    }
    zkt__task_hook(host,
                   &(const struct zkt_hook_run){ .hook = ZKT_HOOK_ACTIVATE,
                                                 .instance = instance,
                                                 .request = request_of(m) });
}

void zkt__hook_deactivate(struct zkt_host *host, struct zkt_instance *instance)
{
    instance->closing = true;
    if (!declares(instance, ZKT_HOOK_DEACTIVATE)) {
        zkt__instance_complete_end(host, instance);
        return;
    }
    zkt__task_hook(host,
                   &(const struct zkt_hook_run){ .hook = ZKT_HOOK_DEACTIVATE,
                                                 .instance = instance });
}

/* ---- continuing ---- */

void zkt__hook_over(struct zkt_host *host, const struct zkt_hook_run *run,
                    const struct zkt_failure *failure)
{
    struct zkt_instance *instance = run->instance;
    switch (run->hook) {
    case ZKT_HOOK_CONNECT:
        after_connect(host, run, failure);
        break;
    case ZKT_HOOK_SUBSCRIBE:
        after_subscribe(host, run, failure);
        break;
    case ZKT_HOOK_ACTIVATE:
        instance->starting = false;
        zkt__chain_unref(instance->cause);
        instance->cause = NULL;
        if (failure != NULL) {
            zkt__instance_start_failed(host, instance, failure);
        }
        break;
    case ZKT_HOOK_DEACTIVATE:
        zkt__instance_complete_end(host, instance);
        break;
    case ZKT_HOOK_DISCONNECT:
    case ZKT_HOOK_COUNT:
        break;
    }
}
