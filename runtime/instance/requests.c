/* Messages of sessions to instances: see requests.h. */
#include "instance/requests.h"

#include "instance/asking.h"
#include "instance/catch_up.h"
#include "instance/mailbox.h"
#include "instance/task.h"

/* Handles a subscribe of a contact that is connected. */
static void take_subscribe(struct zkt_host *host, struct zkt_msg *m,
                           struct zkt_msg *carrier)
{
    const struct zkt_actor *actor = m->contact->location->actor;
    if (actor->hooks[ZKT_HOOK_SUBSCRIBE].declared &&
        !m->of.subscribe.cancelled) {
        zkt__hook_subscribe(host, m, carrier);
    } else {
        zkt__contact_subscribe(host, m, carrier);
    }
}

static inline void take_call(struct zkt_host *host, struct zkt_msg *m,
                             struct zkt_msg *carrier)
{
    if (m->of.call.deadline != 0 || m->of.call.method->interleaves) {
        zkt__open_calls_take(host, m, carrier);
    } else {
        zkt__task_call(host, m, carrier);
    }
}

static void take_leave(struct zkt_host *host, struct zkt_contact *contact)
{
    const struct zkt_instance *instance = contact->attachment.instance;
    if (zkt__contact_leave_carrier(contact)->lost) {
        zkt__attachment_end_streams(host, contact);
    }
    if (instance == NULL) {
        zkt__contact_send_left(host, contact);
    } else if (zkt__mailbox_is_free(host, instance)) {
        zkt__attachment_leave(host, contact);
    } else {
        contact->attachment.leaving = true;
        zkt__mailbox_append(host, contact, zkt__contact_leave_carrier(contact));
    }
}

void zkt__instance_handle(struct zkt_host *host, struct zkt_msg *m,
                          struct zkt_msg *carrier)
{
    zkt__host_spend(host, ZKT_COST_CALL);
    if (m->kind == ZKT_MSG_LEAVE) {
        zkt__attachment_leave(host, m->contact);
    } else if (m->after_destroy) {
        zkt__instance_refuse(host, m, carrier, ZKT_ABORTED,
                             ZKT_STR("the instance was destroyed"));
    } else if (!m->contact->attachment.connected) {
        zkt__hook_connect(host, m, carrier);
    } else if (m->kind == ZKT_MSG_CALL) {
        take_call(host, m, carrier);
    } else {
        take_subscribe(host, m, carrier);
    }
}

void zkt__instance_proceed(struct zkt_host *host, struct zkt_msg *m,
                           struct zkt_msg *carrier)
{
    const struct zkt_instance *instance = m->contact->attachment.instance;
    if (instance->destroyed) {
        zkt__instance_refuse(host, m, carrier, ZKT_ABORTED,
                             ZKT_STR("the instance was destroyed"));
    } else if (instance->parked != NULL ||
               (instance->local.next != NULL &&
                zkt__mailbox_lacks_credit(host, instance))) {
        zkt__mailbox_put_first(host, m, carrier);
    } else {
        zkt__instance_handle(host, m, carrier);
    }
}

/* Returns true if a subscribe can be handled although the instance is busy: not
 * before `connect`, and not before earlier messages of the client. */
static bool may_reply_at_once(const struct zkt_msg *m)
{
    const struct zkt_attachment *attachment = &m->contact->attachment;
    const struct zkt_instance *instance = attachment->instance;
    const struct zkt_hook_entry *hooks = instance->actor->hooks;
    return m->kind == ZKT_MSG_SUBSCRIBE && m->topic == ZKT_TOPIC_STATE &&
           zkt__list_empty(&attachment->mailbox) && !instance->starting &&
           !instance->closing && !hooks[ZKT_HOOK_SUBSCRIBE].declared &&
           (attachment->connected || !hooks[ZKT_HOOK_CONNECT].declared) &&
           zkt__instance_has_committed(instance,
                                       attachment->subscribed[ZKT_TOPIC_STATE]);
}

/* Ends the instance if a call has destroyed it. */
static void end_if_due(struct zkt_host *host, struct zkt_instance *instance)
{
    if (instance->destroyed && instance->parked == NULL) {
        zkt__instance_end(host, instance, ZKT_END_DESTROYED);
    }
}

/* Handles or queues a call or a subscribe of an attached contact. */
static void dispatch(struct zkt_host *host, struct zkt_msg *m,
                     struct zkt_msg *carrier)
{
    struct zkt_instance *instance = m->contact->attachment.instance;
    if (zkt__mailbox_is_free(host, instance)) {
        zkt__instance_handle(host, m, carrier);
        end_if_due(host, instance);
    } else if (may_reply_at_once(m)) {
        m->contact->attachment.connected = true;
        zkt__instance_handle(host, m, carrier);
    } else if (zkt__ask_is_circular(instance, m)) {
        zkt__ask_refuse_circle(host, m, carrier);
    } else {
        zkt__mailbox_put(host, m, carrier);
    }
}

/* Returns true if the instance of the name, attached to @contact or not, is
 * ending. */
static bool is_ending(const struct zkt_host *host,
                      const struct zkt_contact *contact)
{
    const struct zkt_instance *instance = contact->attachment.instance;
    if (instance == NULL) {
        instance = zkt__contact_named(host, contact);
    }
    return instance != NULL && instance->ending && !instance->closing;
}

/* Refuses a message. Without an instance, the contact may leave. */
static void reject(struct zkt_host *host, struct zkt_msg *m,
                   struct zkt_msg *carrier, enum zkt_status status,
                   struct zkt_str text)
{
    struct zkt_contact *contact = m->contact;
    const bool attached = contact->attachment.instance != NULL;
    zkt__instance_refuse(host, m, carrier, status, text);
    if (!attached) {
        zkt__contact_send_ended(host, contact);
    }
}

/* Replies keep the order of requests: behind queued messages, the refusal is
 * queued. */
static void take_after_destroy(struct zkt_host *host, struct zkt_msg *m,
                               struct zkt_msg *carrier)
{
    const struct zkt_attachment *attachment = &m->contact->attachment;
    if (attachment->instance == NULL || zkt__list_empty(&attachment->mailbox)) {
        reject(host, m, carrier, ZKT_ABORTED,
               ZKT_STR("the instance was destroyed"));
    } else {
        m->after_destroy = true;
        zkt__mailbox_put(host, m, carrier);
    }
}

/* Refuses a message to an instance that has failed to start. */
static void reject_failed(struct zkt_host *host, struct zkt_msg *m,
                          struct zkt_msg *carrier,
                          const struct zkt_instance *instance)
{
    struct zkt_contact *contact = m->contact;
    zkt__instance_refuse_encoded(host, m, carrier, instance->failure_status,
                                 instance->failure);
    zkt__contact_send_ended(host, contact);
}

/* Returns true if there is no instance of the name, and none may be created for
 * the peer. */
static bool is_missing(const struct zkt_host *host,
                       const struct zkt_contact *contact)
{
    return contact->peer->creates_none &&
           contact->attachment.instance == NULL &&
           zkt__contact_named(host, contact) == NULL;
}

/* Keeps the record of the connection, which is newer than the one before. */
static void take_record(struct zkt_host *host, const struct zkt_msg *m)
{
    struct zkt_attachment *attachment = &m->contact->attachment;
    if (attachment->record == m->record) {
        return;
    }
    zkt__connection_record_unref(attachment->record);
    attachment->record = zkt__connection_record_ref(m->record);
    if (attachment->view != NULL) {
        zkt__view_record_changed(host, attachment->view);
    }
}

static void take_request(struct zkt_host *host, struct zkt_msg *m,
                         struct zkt_msg *carrier)
{
    struct zkt_str reason;
    struct zkt_instance *failed = NULL;
    if (host->instances->ended) {
        reject(host, m, carrier, ZKT_UNAVAILABLE, ZKT_STR("the server stops"));
    } else if (is_ending(host, m->contact)) {
        take_after_destroy(host, m, carrier);
    } else if (is_missing(host, m->contact)) {
        reject(host, m, carrier, ZKT_NOT_FOUND,
               ZKT_STR("there is no such instance"));
    } else if (m->contact->attachment.instance == NULL &&
               !zkt__attach(host, m, &reason, &failed)) {
        if (failed != NULL) {
            reject_failed(host, m, carrier, failed);
        } else {
            reject(host, m, carrier, ZKT_RESOURCE_EXHAUSTED, reason);
        }
    } else {
        dispatch(host, m, carrier);
    }
}

static void take_destroy(struct zkt_host *host, const struct zkt_msg *m,
                         struct zkt_msg *carrier)
{
    const struct zkt_location *location = zkt__location_find(
        host, m->of.destroy.actor, m->of.destroy.name);
    if (location != NULL && location->instance != NULL &&
        !location->instance->failed) {
        zkt__instance_destroy(host, location->instance);
    }
    zkt__msg_free(host->allocator, carrier);
}

void zkt__instances_take(struct zkt_host *host, struct zkt_msg *m,
                         struct zkt_msg *carrier)
{
    switch (m->kind) {
    case ZKT_MSG_CALL:
    case ZKT_MSG_SUBSCRIBE:
        take_record(host, m);
        take_request(host, m, carrier);
        break;
    case ZKT_MSG_UNSUBSCRIBE:
        zkt__contact_unsubscribe(host, m, carrier);
        break;
    case ZKT_MSG_SNAPSHOT:
        zkt__contact_take_snapshot(host, m->contact);
        break;
    case ZKT_MSG_LEAVE:
        take_leave(host, m->contact);
        break;
    case ZKT_MSG_RECORD:
        take_record(host, m);
        zkt__msg_free(host->allocator, carrier);
        break;
    case ZKT_MSG_CANCEL:
        zkt__waiting_cancel(host, &m->of.cancel);
        zkt__msg_free(host->allocator, carrier);
        break;
    case ZKT_MSG_DESTROY:
        take_destroy(host, m, carrier);
        break;
    case ZKT_MSG_RESULT:
    case ZKT_MSG_CATCH_UP:
    case ZKT_MSG_SUBSCRIBED:
    case ZKT_MSG_CLOSED:
    case ZKT_MSG_COMMIT:
    case ZKT_MSG_LEFT:
    case ZKT_MSG_ENDED:
    case ZKT_MSG_CHANGE:
    case ZKT_MSG_CHUNK:
    case ZKT_MSG_PROGRESS:
    case ZKT_MSG_BROADCAST:
        break; /* for sessions */
    }
}
