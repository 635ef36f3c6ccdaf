/* The instance's half of contacts: see contacts.h. */
#include "instance/contacts.h"

#include "instance/catch_up.h"
#include "instance/mailbox.h"
#include "instance/report.h"
#include "instance/task.h"
#include "protocol/envelope.h"
#include "shard/metrics.h"

/* ---- attaching ---- */

static struct zkt_contact_group *add_group(const struct zkt_host *host,
                                           struct zkt_instance *instance,
                                           const struct zkt_contact *contact)
{
    struct zkt_contact_group *a = zkt__alloc_zero(host->allocator, 1,
                                                  sizeof(*a));
    if (a != NULL) {
        a->shard = contact->peer->shard;
        a->location = contact->location;
        a->next = instance->local.next;
        instance->local.next = a;
    }
    return a;
}

/* Returns the group of the contact's shard, created with its first contact,
 * or NULL if there is no memory. */
static struct zkt_contact_group *find_group(const struct zkt_host *host,
                                            struct zkt_instance *instance,
                                            const struct zkt_contact *contact)
{
    const uint32_t shard = contact->peer->shard;
    struct zkt_contact_group *a = &instance->local;
    while (a != NULL && a->shard != shard) {
        a = a->next;
    }
    return a != NULL ? a : add_group(host, instance, contact);
}

static void drop_group(const struct zkt_host *host,
                       struct zkt_instance *instance,
                       struct zkt_contact_group *group)
{
    struct zkt_contact_group **at = &instance->local.next;
    if (group == &instance->local || group->contacts > 0) {
        return;
    }
    while (*at != group) {
        at = &(*at)->next;
    }
    *at = group->next;
    zkt__release(host->allocator, group);
}

/* Starts the timers that run while clients are in contact, if @contact is the
 * first. Returns false if there is no memory. */
static bool resume_timers(struct zkt_host *host,
                          const struct zkt_contact *contact,
                          struct zkt_instance *instance)
{
    return instance->actor->timer_count == 0 || instance->contact_count > 0 ||
           contact->peer->is_program || zkt__timers_resume(host, instance);
}

/* Returns false if there is no memory. */
static bool attach_to(struct zkt_host *host, struct zkt_contact *contact,
                      struct zkt_instance *instance)
{
    struct zkt_attachment *attachment = &contact->attachment;
    struct zkt_contact_group *group = find_group(host, instance, contact);
    if (group == NULL) {
        return false;
    }
    if (!resume_timers(host, contact, instance)) {
        drop_group(host, instance, group);
        return false;
    }
    attachment->instance = instance;
    attachment->group = group;
    group->contacts++;
    if (!contact->peer->is_program) {
        instance->contact_count++;
        ZKT_METRICS_ADD(host, instance->actor, contacts, 1);
    }
    attachment->connected = contact->peer->is_program;
    instance->established = instance->established || contact->peer->is_program;
    zkt__ring_append(&instance->attachments, &attachment->of_instance);
    zkt__timeout_cancel(&instance->idle);
    return true;
}

bool zkt__attach(struct zkt_host *host, const struct zkt_msg *m,
                 struct zkt_str *reason, struct zkt_instance **failed)
{
    struct zkt_contact *contact = m->contact;
    *reason = ZKT_STR("out of memory");
    struct zkt_location *location = zkt__contact_location(host, contact);
    if (location == NULL) {
        return false;
    }
    struct zkt_instance *instance = location->instance;
    if (instance == NULL) {
        instance = zkt__instance_create(host, location, m, reason);
    }
    if (instance != NULL && instance->failed) {
        *reason = (struct zkt_str){ NULL, 0 };
        *failed = instance;
        zkt__location_release(host, location);
        return false;
    }
    const bool good = instance != NULL && attach_to(host, contact, instance);
    if (instance != NULL && !good) {
        zkt__instance_release_if_unused(host, instance);
    }
    zkt__location_release(host, location);
    return good;
}

/* Adds @by, 1 or -1, to the counts of subscribers. */
static void count_subscriber(const struct zkt_host *host,
                             struct zkt_attachment *attachment,
                             enum zkt_topic topic, int by)
{
    ZKT_METRICS_ADD(host, attachment->instance->actor, subscribers[topic], by);
    attachment->subscribed[topic] = by > 0;
    attachment->group->subscribed[topic] += (uint32_t)by;
    if (topic == ZKT_TOPIC_STATE) {
        attachment->instance->subscribers += (uint32_t)by;
    }
    if (topic == ZKT_TOPIC_STATE && attachment->view != NULL) {
        zkt__view_count(attachment->view, by);
    }
}

static inline void drop_subscription(const struct zkt_host *host,
                                     struct zkt_contact *contact,
                                     enum zkt_topic topic)
{
    struct zkt_attachment *attachment = &contact->attachment;
    if (attachment->subscribed[topic]) {
        count_subscriber(host, attachment, topic, -1);
    }
    if (attachment->view != NULL && !attachment->subscribed[ZKT_TOPIC_STATE] &&
        !attachment->subscribed[ZKT_TOPIC_EVENTS]) {
        zkt__view_close(host, attachment);
    }
    if (topic == ZKT_TOPIC_STATE) {
        zkt__ring_remove(&attachment->instance->awaiting_snapshot,
                         &attachment->snapshot_wait);
    }
}

void zkt__detach(struct zkt_host *host, struct zkt_contact *contact)
{
    struct zkt_attachment *attachment = &contact->attachment;
    struct zkt_instance *instance = attachment->instance;
    for (size_t i = 0; i < ZKT_TOPIC_COUNT; i++) {
        drop_subscription(host, contact, (enum zkt_topic)i);
    }
    zkt__ring_remove(&instance->attachments, &attachment->of_instance);
    zkt__node_unlink(&attachment->in_round);
    if (!contact->peer->is_program) {
        instance->contact_count--;
        ZKT_METRICS_ADD(host, instance->actor, contacts, -1);
    }
    if (instance->timers != NULL && instance->contact_count == 0) {
        zkt__timers_pause(host, instance);
    }
    attachment->group->contacts--;
    drop_group(host, instance, attachment->group);
    zkt__buffer_unref(attachment->expelled);
    attachment->expelled = NULL;
    attachment->group = NULL;
    attachment->instance = NULL;
    attachment->connected = false;
}

void zkt__attachment_disconnect(struct zkt_host *host,
                                struct zkt_contact *contact)
{
    struct zkt_instance *instance = contact->attachment.instance;
    const bool connected = contact->attachment.connected &&
                           !contact->peer->is_program;
    zkt__detach(host, contact);
    if (connected) {
        zkt__hook_disconnect(host, instance, contact);
    }
}

void zkt__attachment_end_streams(struct zkt_host *host,
                                 struct zkt_contact *contact)
{
    if (contact->attachment.open_calls.first != NULL) {
        zkt__open_calls_end_streams(host, contact);
    }
}

void zkt__attachment_leave(struct zkt_host *host, struct zkt_contact *contact)
{
    struct zkt_instance *instance = contact->attachment.instance;
    contact->attachment.lost = zkt__contact_leave_carrier(contact)->lost;
    if (contact->attachment.lost) {
        zkt__attachment_end_streams(host, contact);
    }
    zkt__attachment_disconnect(host, contact);
    zkt__instance_release_if_unused(host, instance);
    zkt__contact_send_left(host, contact);
}

void zkt__contact_send_left(struct zkt_host *host, struct zkt_contact *contact)
{
    if (contact->attachment.open_calls.first != NULL) {
        contact->attachment.left = true;
        return;
    }
    /* Reuses the carrier of leave. */
    struct zkt_msg *left = zkt__contact_leave_carrier(contact);
    left->kind = ZKT_MSG_LEFT;
    (void)zkt__deliver(host, contact->peer->shard, left, left);
}

void zkt__contact_send_end(struct zkt_host *host, struct zkt_contact *contact,
                           bool leaves)
{
    if (leaves) {
        zkt__contact_send_left(host, contact);
    } else {
        zkt__contact_send_ended(host, contact);
    }
}

void zkt__contact_call_closed(struct zkt_host *host,
                              struct zkt_contact *contact)
{
    const struct zkt_attachment *attachment = &contact->attachment;
    if (attachment->open_calls.first != NULL) {
        return;
    }
    if (attachment->left) {
        zkt__contact_send_left(host, contact);
    } else if (attachment->instance == NULL) {
        zkt__contact_send_ended(host, contact);
    }
}

/* ---- subscriptions ---- */

/* Replies to a subscribe of a generation, or to a snapshot message
 * (@refreshes). */
static inline void reply_catch_up(struct zkt_host *host,
                                  struct zkt_contact *contact,
                                  struct zkt_msg *carrier, uint32_t generation,
                                  bool refreshes)
{
    struct zkt_msg m = { .kind = ZKT_MSG_CATCH_UP,
                         .contact = contact,
                         .generation = generation,
                         .of.catch_up = {
                             .refreshes = refreshes,
                             .audiences = zkt__view_audiences(
                                 &contact->attachment),
                         } };
    if (!zkt__instance_catch_up(host, contact, &m.of.catch_up.content)) {
        m.of.catch_up.content = (struct zkt_catch_up){ NULL, NULL, 0 };
    }
    struct zkt_buffer *snapshot = m.of.catch_up.content.snapshot;
    (void)zkt__deliver(host, contact->peer->shard, &m, carrier);
    zkt__buffer_unref(snapshot);
}

/* Counts the subscriber. A client that subscribes again may have failed to
 * apply a patch: it gets a snapshot without patches. */
static void grant(struct zkt_host *host, struct zkt_contact *contact,
                  enum zkt_topic topic)
{
    struct zkt_attachment *attachment = &contact->attachment;
    if (!attachment->subscribed[topic]) {
        count_subscriber(host, attachment, topic, 1);
    } else if (topic == ZKT_TOPIC_STATE) {
        zkt__snapshot_log_refresh(&host->instances->snapshots,
                                  *zkt__snapshot_slot(attachment));
    }
}

bool zkt__contact_admit(struct zkt_host *host, struct zkt_msg *m,
                        struct zkt_msg *carrier)
{
    struct zkt_attachment *attachment = &m->contact->attachment;
    const bool counts = !m->of.subscribe.cancelled;
    if (counts && attachment->instance->views != NULL &&
        !zkt__view_open(host, attachment)) {
        zkt__instance_refuse(host, m, carrier, ZKT_RESOURCE_EXHAUSTED,
                             ZKT_STR("out of memory"));
        return false;
    }
    zkt__contact_keep_closing(host, m->contact, m->of.subscribe.closing);
    m->of.subscribe.closing = NULL;
    if (counts) {
        grant(host, m->contact, m->topic);
    }
    return true;
}

void zkt__contact_confirm(struct zkt_host *host, const struct zkt_msg *m,
                          struct zkt_msg *carrier)
{
    struct zkt_contact *contact = m->contact;
    if (m->topic == ZKT_TOPIC_STATE && m->of.subscribe.omit_snapshot) {
        struct zkt_msg reply = { .kind = ZKT_MSG_CATCH_UP,
                                 .contact = contact,
                                 .generation = m->generation,
                                 .of.catch_up = {
                                     .snapshot_omitted = true,
                                     .audiences = zkt__view_audiences(
                                         &contact->attachment),
                                 } };
        (void)zkt__deliver(host, contact->peer->shard, &reply, carrier);
    } else if (m->topic == ZKT_TOPIC_STATE) {
        reply_catch_up(host, contact, carrier, m->generation, false);
    } else {
        struct zkt_msg reply = { .kind = ZKT_MSG_SUBSCRIBED,
                                 .contact = contact,
                                 .generation = m->generation,
                                 .of.subscribed.audiences = zkt__view_audiences(
                                     &contact->attachment) };
        (void)zkt__deliver(host, contact->peer->shard, &reply, carrier);
    }
}

void zkt__contact_subscribe(struct zkt_host *host, struct zkt_msg *m,
                            struct zkt_msg *carrier)
{
    if (zkt__contact_admit(host, m, carrier)) {
        zkt__contact_confirm(host, m, carrier);
    }
}

/* Replies to a slow reader, which has received a state before and must not
 * receive an older snapshot. */
static void reply_refresh(struct zkt_host *host, struct zkt_contact *contact)
{
    zkt__snapshot_log_refresh(&host->instances->snapshots,
                              *zkt__snapshot_slot(&contact->attachment));
    reply_catch_up(host, contact, zkt__contact_snapshot_carrier(contact), 0,
                   true);
}

void zkt__instance_send_snapshots(struct zkt_host *host,
                                  struct zkt_instance *instance)
{
    struct zkt_node *node;
    while ((node = instance->awaiting_snapshot.first) != NULL) {
        struct zkt_contact *contact = zkt__contact_of(
            ZKT_CONTAINER(node, struct zkt_attachment, snapshot_wait));
        zkt__ring_remove(&instance->awaiting_snapshot, node);
        reply_refresh(host, contact);
    }
}

/* If the instance has ended, `closed` was sent already, and no reply is due. */
void zkt__contact_take_snapshot(struct zkt_host *host,
                                struct zkt_contact *contact)
{
    struct zkt_attachment *attachment = &contact->attachment;
    if (attachment->instance == NULL) {
        return;
    }
    if (zkt__instance_has_committed(attachment->instance, true)) {
        reply_refresh(host, contact);
    } else if (!zkt__node_linked(&attachment->snapshot_wait)) {
        zkt__ring_append(&attachment->instance->awaiting_snapshot,
                         &attachment->snapshot_wait);
    }
}

/* Cancels a subscribe to @topic that waits for a hook. */
static void cancel_held(const struct zkt_contact *contact, enum zkt_topic topic)
{
    const struct zkt_task *parked = contact->attachment.instance->parked;
    struct zkt_msg *m = parked != NULL && parked->kind == ZKT_TASK_HOOK &&
                                parked->hook.contact == contact
                            ? parked->hook.message
                            : NULL;
    if (m != NULL && m->kind == ZKT_MSG_SUBSCRIBE && m->topic == topic) {
        m->of.subscribe.cancelled = true;
    }
}

/* Cancels queued subscribes to @topic: they are replied to, but count no
 * subscriber. */
static void cancel_queued(struct zkt_contact *contact, enum zkt_topic topic)
{
    const struct zkt_list *mailbox = &contact->attachment.mailbox;
    for (struct zkt_node *n = zkt__list_first(mailbox); n != NULL;
         n = zkt__list_after(mailbox, n)) {
        struct zkt_msg *m = ZKT_CONTAINER(n, struct zkt_msg, node);
        if (m->kind == ZKT_MSG_SUBSCRIBE && m->topic == topic) {
            m->of.subscribe.cancelled = true;
        }
    }
    cancel_held(contact, topic);
}

/* An unsubscribe is never refused or queued: it cancels the subscribes that are
 * queued before it. */
void zkt__contact_unsubscribe(const struct zkt_host *host, struct zkt_msg *m,
                              struct zkt_msg *carrier)
{
    if (m->contact->attachment.instance != NULL) {
        cancel_queued(m->contact, m->topic);
        drop_subscription(host, m->contact, m->topic);
    }
    zkt__msg_free(host->allocator, carrier);
}

/* ---- closing ---- */

void zkt__contact_send_closed(struct zkt_host *host,
                              struct zkt_contact *contact,
                              const struct zkt_failure *failure)
{
    struct zkt_msg closed = { .kind = ZKT_MSG_CLOSED,
                              .contact = contact,
                              .of.closed = { .status = failure->status,
                                             .text = failure->text } };
    struct zkt_msg *carrier = zkt__contact_take_closing(contact);
    (void)zkt__deliver(host, contact->peer->shard, &closed, carrier);
}

void zkt__contact_close(struct zkt_host *host, struct zkt_contact *contact,
                        const struct zkt_failure *failure)
{
    for (size_t i = 0; i < ZKT_TOPIC_COUNT; i++) {
        drop_subscription(host, contact, (enum zkt_topic)i);
    }
    zkt__contact_send_closed(host, contact, failure);
}

/* ---- refusing ---- */

void zkt__instance_write_failure(struct zkt_host *host,
                                 const struct zkt_msg_call *call,
                                 const struct zkt_failure *failure)
{
    if (call->ask != NULL) {
        zkt__ask_fail(call->ask, failure);
        return;
    }
    zkt__frame_begin(&host->result);
    zkt__write_result_error(&host->result, call->id, failure);
}

/* Sends the result of a call that was not run, which was written before. */
static void reply_refusal(struct zkt_host *host, const struct zkt_msg *m,
                          struct zkt_msg *carrier)
{
    void *body = m->of.call.body;
    struct zkt_msg reply = { .kind = ZKT_MSG_RESULT,
                             .contact = m->contact,
                             .of.result = zkt__instance_result(host,
                                                               &m->of.call) };
    if (carrier != NULL) {
        carrier->of.call.body = NULL;
    }
    (void)zkt__deliver(host, m->contact->peer->shard, &reply, carrier);
    zkt__release(host->allocator, body);
}

static void refuse_call(struct zkt_host *host, const struct zkt_msg *m,
                        struct zkt_msg *carrier,
                        const struct zkt_failure *failure)
{
    zkt__instance_write_failure(host, &m->of.call, failure);
    zkt__request_report(host, m, failure);
    reply_refusal(host, m, carrier);
}

/* @encoded is the failure, or NULL: the status and the text are all of it. */
static void refuse_subscription(struct zkt_host *host, struct zkt_msg *m,
                                struct zkt_msg *carrier, enum zkt_status status,
                                struct zkt_str text, struct zkt_buffer *encoded)
{
    struct zkt_msg reply = { .kind = ZKT_MSG_CLOSED,
                             .topic = m->topic,
                             .contact = m->contact,
                             .generation = m->generation,
                             .of.closed = { .status = status,
                                            .text = text,
                                            .failure = encoded,
                                            .refused = true } };
    zkt__release(host->allocator, m->of.subscribe.closing);
    m->of.subscribe.closing = NULL;
    if (m->contact->attachment.instance != NULL) {
        drop_subscription(host, m->contact, m->topic);
    }
    (void)zkt__deliver(host, m->contact->peer->shard, &reply, carrier);
}

void zkt__instance_refuse(struct zkt_host *host, struct zkt_msg *m,
                          struct zkt_msg *carrier, enum zkt_status status,
                          struct zkt_str text)
{
    if (m->kind == ZKT_MSG_CALL) {
        refuse_call(
            host, m, carrier,
            &(const struct zkt_failure){ .status = status, .text = text });
    } else if (m->kind == ZKT_MSG_SUBSCRIBE) {
        refuse_subscription(host, m, carrier, status, text, NULL);
    } else {
        zkt__msg_free(host->allocator, carrier);
    }
}

void zkt__instance_refuse_with(struct zkt_host *host, struct zkt_msg *m,
                               struct zkt_msg *carrier,
                               const struct zkt_failure *failure)
{
    if (m->kind == ZKT_MSG_CALL) {
        refuse_call(host, m, carrier, failure);
        return;
    }
    struct zkt_buffer *encoded = zkt__failure_share(failure, &host->plain);
    refuse_subscription(host, m, carrier, failure->status, ZKT_STR(""),
                        encoded);
    zkt__buffer_unref(encoded);
}

/* Refuses a call with an encoded failure. */
static void refuse_call_encoded(struct zkt_host *host, const struct zkt_msg *m,
                                struct zkt_msg *carrier, enum zkt_status status,
                                const struct zkt_buffer *failure)
{
    if (m->of.call.ask != NULL) {
        refuse_call(host, m, carrier,
                    &(const struct zkt_failure){ .status = ZKT_UNAVAILABLE });
        return;
    }
    zkt__frame_begin(&host->result);
    zkt__write_result_begin(&host->result, m->of.call.id);
    zkt_write_raw(&host->result, (const char *)failure->data, failure->len);
    ZKT_WRITE(&host->result, "}");
    zkt__request_report(host, m,
                        &(const struct zkt_failure){ .status = status });
    reply_refusal(host, m, carrier);
}

void zkt__instance_refuse_encoded(struct zkt_host *host, struct zkt_msg *m,
                                  struct zkt_msg *carrier,
                                  enum zkt_status status,
                                  struct zkt_buffer *failure)
{
    if (failure == NULL || m->kind == ZKT_MSG_LEAVE) {
        zkt__instance_refuse(host, m, carrier, ZKT_UNAVAILABLE, ZKT_STR(""));
    } else if (m->kind == ZKT_MSG_CALL) {
        refuse_call_encoded(host, m, carrier, status, failure);
    } else {
        refuse_subscription(host, m, carrier, ZKT_UNAVAILABLE, ZKT_STR(""),
                            failure);
    }
}

void zkt__contact_refuse_queued(struct zkt_host *host,
                                struct zkt_contact *contact,
                                const struct zkt_failure *failure, bool *leaves)
{
    struct zkt_msg *m;
    *leaves = false;
    while ((m = zkt__mailbox_take_request(host, contact, leaves)) != NULL) {
        zkt__instance_refuse_with(host, m, m, failure);
    }
}

void zkt__contact_refuse_encoded(struct zkt_host *host,
                                 struct zkt_contact *contact,
                                 enum zkt_status status,
                                 struct zkt_buffer *failure, bool *leaves)
{
    struct zkt_msg *m;
    *leaves = false;
    while ((m = zkt__mailbox_take_request(host, contact, leaves)) != NULL) {
        zkt__instance_refuse_encoded(host, m, m, status, failure);
    }
}
