/* Output of sessions, and messages of instances to sessions: see session.h. */
#include "session/session.h"

#include "session/asks.h"
#include "session/broadcasts.h"
#include "session/compression.h"
#include "session/contact.h"
#include "session/data.h"
#include "session/streams.h"
#include "session/subscription.h"
#include "session/task.h"
#include "shard/group.h"
#include "shard/metrics.h"

void zkt__sessions_init(struct zkt_sessions *sessions,
                        const struct zkt_session_events *events,
                        const struct zkt_allocator *allocator)
{
    sessions->events = *events;
    zkt__slots_init(&sessions->contacts, allocator);
    zkt__slots_init(&sessions->addressable, allocator);
    zkt__slots_init(&sessions->topics, allocator);
    zkt__list_init(&sessions->awaiting_credit);
    zkt__list_init(&sessions->awaiting_memory);
    zkt__list_init(&sessions->gated);
    zkt__list_init(&sessions->unindexed);
    zkt__list_init(&sessions->hearing);
}

void zkt__sessions_finish(struct zkt_sessions *sessions,
                          const struct zkt_allocator *allocator)
{
    zkt__sessions_finish_tasks(sessions);
    zkt__index_finish(&sessions->by_pair, allocator);
    zkt__index_finish(&sessions->by_client, allocator);
    zkt__index_finish(&sessions->by_topic, allocator);
    zkt__slots_finish(&sessions->contacts);
    zkt__slots_finish(&sessions->addressable);
    zkt__slots_finish(&sessions->topics);
    zkt__buffer_unref(sessions->spare_buffer);
}

/* ---- memory ---- */

struct zkt_session_extras *zkt__session_extras(struct zkt_host *host,
                                               struct zkt_session *session)
{
    if (session->extras == NULL) {
        session->extras = zkt__alloc_zero(host->allocator, 1,
                                          sizeof(*session->extras));
    }
    return session->extras;
}

void zkt__session_free(struct zkt_host *host, struct zkt_session *session)
{
    if (session->extras != NULL) {
        zkt__release(host->allocator, session->extras->buckets);
        zkt__release(host->allocator, session->extras);
    }
    zkt__release(host->allocator, session->peer.close_reason);
}

/* ---- output ---- */

/* Reports to the server that a frame was queued, or (@good is false) that there
 * was no memory for it. */
static void note_queued(struct zkt_host *host, struct zkt_session *session,
                        bool good)
{
    host->stats.messages_out++;
    if (good) {
        host->sessions->events.changed(session);
    } else {
        host->sessions->events.failed(session);
    }
}

void zkt__session_send_shared(struct zkt_host *host,
                              struct zkt_session *session,
                              struct zkt_buffer *frame)
{
    if (session->open) {
        if (session->queue.compressed) {
            frame = zkt__session_compress(host, frame);
        }
        zkt__host_spend(host, ZKT_COST_FRAME);
        note_queued(host, session,
                    zkt__queue_shared(&session->queue, host->allocator, frame));
    }
}

void zkt__session_send_copy(struct zkt_host *host, struct zkt_session *session,
                            struct zkt_buffer *frame)
{
    if (zkt__session_compresses(session, frame->len)) {
        zkt__session_send_shared(host, session, frame);
    } else if (session->open) {
        zkt__host_spend(host, ZKT_COST_FRAME + frame->len);
        note_queued(host, session,
                    zkt__queue_copy(&session->queue, host->allocator,
                                    &host->sessions->spare_buffer, frame->data,
                                    frame->len));
    }
}

static void send_as_buffer(struct zkt_host *host, struct zkt_session *session,
                           struct zkt_writer *w)
{
    struct zkt_buffer *frame = zkt__frame_share(w);
    if (frame == NULL) {
        host->sessions->events.failed(session);
        return;
    }
    zkt__session_send_shared(host, session, frame);
    zkt__buffer_unref(frame);
}

void zkt__session_send(struct zkt_host *host, struct zkt_session *session,
                       struct zkt_writer *w)
{
    if (!session->open) {
        return;
    }
    if (w->failed) {
        host->sessions->events.failed(session);
        return;
    }
    if (zkt__frame_is_large(w) ||
        zkt__session_compresses(session, zkt__frame_payload(w))) {
        send_as_buffer(host, session, w);
        return;
    }
    size_t len;
    const uint8_t *frame = zkt__frame_close(w, &len);
    zkt__host_spend(host, ZKT_COST_FRAME + len);
    note_queued(host, session,
                zkt__queue_copy(&session->queue, host->allocator,
                                &host->sessions->spare_buffer, frame, len));
}

/* Updates the bytes of snapshots in queues; @before is the count of this queue
 * before the change. */
static void note_exempt(struct zkt_host *host, struct zkt_session *session,
                        size_t before)
{
    struct zkt_sessions *sessions = host->sessions;
    sessions->snapshot_bytes += session->queue.exempt - before;
}

static void count_catch_up(struct zkt_host *host,
                           const struct zkt_catch_up *catch_up)
{
    host->stats.snapshots++;
    host->stats.bytes_of_snapshots += catch_up->snapshot->len;
    host->stats.patches += catch_up->patch_count;
    for (uint32_t i = 0; i < catch_up->patch_count; i++) {
        host->stats.bytes_of_patches += catch_up->patches[i]->len;
    }
}

bool zkt__session_queue_catch_up(struct zkt_host *host,
                                 struct zkt_session *session,
                                 const struct zkt_catch_up *catch_up,
                                 bool replaces_placeholder)
{
    struct zkt_send_queue *queue = &session->queue;
    const size_t before = queue->exempt;
    if (queue->compressed) {
        zkt__session_compress_catch_up(host, catch_up);
    }
    const bool good = replaces_placeholder
                          ? zkt__queue_fill(queue, host->allocator, catch_up)
                          : zkt__queue_catch_up(queue, host->allocator,
                                                catch_up);
    note_exempt(host, session, before);
    count_catch_up(host, catch_up);
    host->stats.messages_out += catch_up->patch_count;
    note_queued(host, session, good);
    return good;
}

void zkt__session_sent_exempt(struct zkt_host *host,
                              struct zkt_session *session, size_t len)
{
    const size_t before = session->queue.exempt;
    zkt__queue_sent(&session->queue, host->allocator,
                    &host->sessions->spare_buffer, len);
    note_exempt(host, session, before);
}

void zkt__session_drop_unsent(struct zkt_host *host,
                              struct zkt_session *session)
{
    const size_t before = session->queue.exempt;
    zkt__queue_drop_unsent(&session->queue);
    note_exempt(host, session, before);
}

void zkt__session_drop_output(struct zkt_host *host,
                              struct zkt_session *session)
{
    const size_t before = session->queue.exempt;
    zkt__queue_finish(&session->queue, host->allocator);
    note_exempt(host, session, before);
}

/* ---- placeholders at the head ---- */

/* Returns the contact of the placeholder at the head, or NULL if the
 * placeholder is stale. *@any: there is a placeholder. */
static struct zkt_contact *find_head(const struct zkt_host *host,
                                     struct zkt_session *session, bool *any)
{
    zkt_handle_id id;
    *any = zkt__queue_head_placeholder(&session->queue, &id);
    struct zkt_contact *contact =
        *any ? zkt__slots_find(&host->sessions->contacts, id) : NULL;
    return contact != NULL && contact->stale_placeholders == 0 && session->open
               ? contact
               : NULL;
}

/* Removes a stale placeholder. */
static void skip_head(const struct zkt_host *host, struct zkt_session *session)
{
    zkt_handle_id id = 0;
    (void)zkt__queue_head_placeholder(&session->queue, &id);
    struct zkt_contact *contact = zkt__slots_find(&host->sessions->contacts,
                                                  id);
    if (contact != NULL && contact->stale_placeholders > 0) {
        contact->stale_placeholders--;
    }
    zkt__queue_skip(&session->queue, host->allocator);
}

/* Returns true if another snapshot may be held for a slow reader. */
static bool has_room(const struct zkt_host *host)
{
    return host->sessions->snapshot_bytes <=
           zkt__host_share(host, host->limits->snapshot_bytes);
}

void zkt__session_prepare_head(struct zkt_host *host,
                               struct zkt_session *session)
{
    struct zkt_sessions *sessions = host->sessions;
    bool any;
    struct zkt_contact *contact;
    while ((contact = find_head(host, session, &any)) != NULL || any) {
        if (contact == NULL) {
            skip_head(host, session);
            continue;
        }
        if (contact->subs[ZKT_TOPIC_STATE].state == ZKT_SUB_FETCHING) {
            return;
        }
        if (!has_room(host)) {
            host->stats.limit_hits.snapshot_bytes++;
            if (!zkt__node_linked(&session->wait_node)) {
                zkt__list_append(&sessions->awaiting_memory,
                                 &session->wait_node);
            }
            return;
        }
        zkt__session_sub_fetch(host, contact);
    }
}

/* ---- messages from instances ---- */

static void take_result(struct zkt_host *host, struct zkt_msg *m)
{
    struct zkt_contact *contact = m->contact;
    struct zkt_session *session = zkt__session_of(contact);
    contact->calls--;
    if (m->of.result.stream != NULL &&
        zkt__streams_keep_result(host, session, &m->of.result)) {
        return;
    }
    host->sessions->outstanding--;
    if (m->of.result.ask != NULL) {
        zkt__asks_take(host, m->of.result.ask, contact);
        return;
    }
    session->outstanding--;
    if (m->of.result.text != NULL) {
        zkt__session_send(host, session, m->of.result.text);
    } else if (m->of.result.frame != NULL) {
        zkt__session_send_shared(host, session, m->of.result.frame);
    } else if (session->open) {
        host->sessions->events.failed(session);
    }
}

static void send_patch(struct zkt_host *host, struct zkt_contact *contact,
                       struct zkt_buffer *frame)
{
    struct zkt_session *session = zkt__session_of(contact);
    if (!session->open) {
        return;
    }
    if (zkt__queue_backlog(&session->queue) + frame->len >
        (size_t)host->limits->output_high) {
        zkt__session_sub_conflate(host, contact);
        return;
    }
    zkt__session_send_shared(host, session, frame);
    host->stats.patches++;
    host->stats.bytes_of_patches += frame->len;
}

/* Sends each watcher the patch of its audiences, but not the marked. */
static void publish_patches(struct zkt_host *host,
                            struct zkt_location *location,
                            const struct zkt_commit *commit)
{
    struct zkt_node *n = location->watchers.first;
    while (n != NULL) {
        struct zkt_contact *contact = ZKT_CONTAINER(n, struct zkt_contact,
                                                    subs[ZKT_TOPIC_STATE].live);
        struct zkt_buffer *const *patch = commit->patches[contact->audiences];
        n = zkt__ring_after(&location->watchers, n);
        if (!contact->marked && patch[ZKT_DIALECT_PLAIN] != NULL) {
            send_patch(host, contact, patch[contact->peer->dialect]);
        }
    }
}

/* Sends all watchers the patch; with @marks not the marked. */
static inline void publish_patch(struct zkt_host *host,
                                 struct zkt_location *location,
                                 const struct zkt_commit *commit, bool marks)
{
    struct zkt_node *n = location->watchers.first;
    while (n != NULL && commit->patch[ZKT_DIALECT_PLAIN] != NULL) {
        struct zkt_contact *contact = ZKT_CONTAINER(n, struct zkt_contact,
                                                    subs[ZKT_TOPIC_STATE].live);
        /* Conflating takes the contact out of the list. */
        n = zkt__ring_after(&location->watchers, n);
        if (!marks || !contact->marked) {
            send_patch(host, contact, commit->patch[contact->peer->dialect]);
        }
    }
}

static void send_private(struct zkt_host *host, const struct zkt_private *p)
{
    if (p->patch != NULL &&
        p->contact->subs[ZKT_TOPIC_STATE].state == ZKT_SUB_LIVE) {
        send_patch(host, p->contact, p->patch);
    }
    if (p->call.data != NULL) {
        zkt__session_sub_name_call(host, p->contact, p->call);
    }
}

/* Publishes patches of which some are for one subscriber each. */
static void publish_privates(struct zkt_host *host,
                             const struct zkt_msg_commit *m)
{
    for (const struct zkt_private *p = m->privates; p != NULL; p = p->next) {
        p->contact->audiences = p->audiences;
        p->contact->marked = true;
    }
    if (m->content->patches != NULL) {
        publish_patches(host, m->location, m->content);
    } else {
        publish_patch(host, m->location, m->content, true);
    }
    for (const struct zkt_private *p = m->privates; p != NULL; p = p->next) {
        p->contact->marked = false;
        send_private(host, p);
    }
}

static void send_event(struct zkt_host *host, const struct zkt_contact *contact,
                       const struct zkt_emitted *event)
{
    zkt__session_send_shared(host, zkt__session_of(contact), event->frame);
    host->stats.events++;
    host->stats.bytes_of_events += event->frame->len;
}

/* Returns the contact of a client that subscribes to events, or NULL. */
static struct zkt_contact *find_listener(const struct zkt_host *host,
                                         const struct zkt_location *location,
                                         struct zkt_str client)
{
    struct zkt_contact *contact = zkt__contact_of_client(host, location,
                                                         client);
    return contact != NULL &&
                   contact->subs[ZKT_TOPIC_EVENTS].state == ZKT_SUB_LIVE
               ? contact
               : NULL;
}

/* Marks or unmarks the listeners that @event names. */
static void mark_named(const struct zkt_host *host,
                       const struct zkt_location *location,
                       const struct zkt_emitted *event, bool marked)
{
    for (size_t i = 0; i < event->target.len; i++) {
        struct zkt_contact *contact = find_listener(host, location,
                                                    event->target.ids[i]);
        if (contact != NULL) {
            contact->marked = marked;
        }
    }
}

/* Sends an event to each client that it names, once. */
static void send_to_named(struct zkt_host *host,
                          const struct zkt_location *location,
                          const struct zkt_emitted *event)
{
    for (size_t i = 0; i < event->target.len; i++) {
        struct zkt_contact *contact = find_listener(host, location,
                                                    event->target.ids[i]);
        if (contact != NULL && !contact->marked) {
            contact->marked = true;
            send_event(host, contact, event);
        }
    }
    mark_named(host, location, event, false);
}

static void send_to_unmarked(struct zkt_host *host,
                             const struct zkt_location *location,
                             const struct zkt_emitted *event)
{
    const struct zkt_ring *listeners = &location->listeners;
    for (struct zkt_node *n = listeners->first; n != NULL;
         n = zkt__ring_after(listeners, n)) {
        const struct zkt_contact *contact = ZKT_CONTAINER(
            n, struct zkt_contact, subs[ZKT_TOPIC_EVENTS].live);
        if (!contact->marked) {
            send_event(host, contact, event);
        }
    }
}

/* Sends an event to the listeners that belong to its audience. */
static void send_to_audience(struct zkt_host *host,
                             const struct zkt_location *location,
                             const struct zkt_emitted *event)
{
    const struct zkt_ring *listeners = &location->listeners;
    for (struct zkt_node *n = listeners->first; n != NULL;
         n = zkt__ring_after(listeners, n)) {
        const struct zkt_contact *contact = ZKT_CONTAINER(
            n, struct zkt_contact, subs[ZKT_TOPIC_EVENTS].live);
        if ((contact->audiences >> event->target.audience & 1) != 0) {
            send_event(host, contact, event);
        }
    }
}

static void publish_event(struct zkt_host *host,
                          const struct zkt_location *location,
                          const struct zkt_emitted *event)
{
    switch (event->target.kind) {
    case ZKT_TARGET_ALL:
        send_to_unmarked(host, location, event);
        break;
    case ZKT_TARGET_EXCEPT:
        mark_named(host, location, event, true);
        send_to_unmarked(host, location, event);
        mark_named(host, location, event, false);
        break;
    case ZKT_TARGET_ONLY:
        send_to_named(host, location, event);
        break;
    case ZKT_TARGET_AUDIENCE:
        send_to_audience(host, location, event);
        break;
    case ZKT_TARGET_TOPICS: /* of broadcasts only */
    case ZKT_TARGET_NONE:
        break;
    }
}

static void publish(struct zkt_host *host, const struct zkt_msg *m)
{
    struct zkt_location *location = m->of.commit.location;
    const struct zkt_commit *commit = m->of.commit.content;
    if (m->of.commit.stream != NULL) {
        zkt__streams_flush(host, m->of.commit.stream);
    }
    if (commit->patches != NULL || m->of.commit.privates != NULL) {
        publish_privates(host, &m->of.commit);
    } else {
        publish_patch(host, location, commit, false);
    }
    for (const struct zkt_emitted *e = commit->events; e != NULL; e = e->next) {
        publish_event(host, location, e);
    }
}

static void take_commit(struct zkt_host *host, const struct zkt_msg *m)
{
    if (host->metrics == NULL) {
        publish(host, m);
        return;
    }
    const struct zkt_sent_counts before = zkt__sent_counts(&host->stats);
    publish(host, m);
    zkt__metrics_count_sent(host->metrics, m->of.commit.location->actor,
                            &before, &host->stats);
}

static void take_catch_up(struct zkt_host *host, struct zkt_msg *m)
{
    if (host->metrics == NULL) {
        zkt__session_sub_catch_up(host, m);
        return;
    }
    const struct zkt_actor *actor = m->contact->location->actor;
    const struct zkt_sent_counts before = zkt__sent_counts(&host->stats);
    zkt__session_sub_catch_up(host, m);
    zkt__metrics_count_sent(host->metrics, actor, &before, &host->stats);
}

void zkt__sessions_take(struct zkt_host *host, struct zkt_msg *m)
{
    switch (m->kind) {
    case ZKT_MSG_RESULT:
        take_result(host, m);
        break;
    case ZKT_MSG_CATCH_UP:
        take_catch_up(host, m);
        break;
    case ZKT_MSG_SUBSCRIBED:
        zkt__session_sub_confirm(host, m);
        break;
    case ZKT_MSG_CLOSED:
        zkt__session_sub_close(host, m);
        break;
    case ZKT_MSG_COMMIT:
        take_commit(host, m);
        break;
    case ZKT_MSG_BROADCAST:
        zkt__sessions_take_broadcasts(host, m->of.commit.content->events);
        break;
    case ZKT_MSG_LEFT:
        zkt__contact_free(host, m->contact);
        break;
    case ZKT_MSG_ENDED:
        zkt__contact_received_ended(m->contact);
        zkt__contact_leave_if_unused(host, m->contact);
        break;
    case ZKT_MSG_CHANGE:
        zkt__session_change(host, zkt__session_of(m->contact),
                            m->of.change.changes);
        break;
    case ZKT_MSG_CHUNK:
    case ZKT_MSG_PROGRESS:
        zkt__streams_take(host, m);
        break;
    case ZKT_MSG_CALL:
    case ZKT_MSG_SUBSCRIBE:
    case ZKT_MSG_UNSUBSCRIBE:
    case ZKT_MSG_SNAPSHOT:
    case ZKT_MSG_LEAVE:
    case ZKT_MSG_RECORD:
    case ZKT_MSG_CANCEL:
    case ZKT_MSG_DESTROY:
        break; /* for instances */
    }
}

/* ---- waiting ---- */

void zkt__session_check_credit(struct zkt_host *host,
                               struct zkt_session *session, uint32_t shard)
{
    if (!zkt__group_has_credit(host, shard) &&
        !zkt__node_linked(&session->wait_node)) {
        session->awaited_shard = (uint8_t)shard;
        zkt__list_append(&host->sessions->awaiting_credit, &session->wait_node);
    }
}

static struct zkt_session *first_of(const struct zkt_list *list)
{
    struct zkt_node *node = zkt__list_first(list);
    return node != NULL ? ZKT_CONTAINER(node, struct zkt_session, wait_node)
                        : NULL;
}

bool zkt__sessions_may_wake(const struct zkt_host *host)
{
    return !zkt__list_empty(&host->sessions->awaiting_memory) && has_room(host);
}

void zkt__sessions_wake(struct zkt_host *host)
{
    struct zkt_sessions *sessions = host->sessions;
    struct zkt_list batch;
    struct zkt_session *session;
    zkt__list_init(&batch);
    zkt__list_move(&batch, &sessions->awaiting_credit);
    while ((session = first_of(&batch)) != NULL) {
        zkt__node_unlink(&session->wait_node);
        if (zkt__group_has_credit(host, session->awaited_shard)) {
            host->sessions->events.changed(session);
        } else {
            zkt__list_append(&sessions->awaiting_credit, &session->wait_node);
        }
    }
    while (has_room(host) &&
           (session = first_of(&sessions->awaiting_memory)) != NULL) {
        zkt__node_unlink(&session->wait_node);
        host->sessions->events.changed(session);
    }
}
