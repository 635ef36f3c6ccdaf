/*
 * A subscription of a client to the state or to the events of an instance, as a
 * state machine. `owed` counts outstanding replies: the instance replies to
 * each subscribe exactly once. An unsubscribe begins a new generation, and
 * replies to subscribes of earlier generations are ignored: the client could
 * not tell such a reply from the reply to its next subscribe, and would miss
 * the patches between.
 *
 *            | ask      | drop   | replied  | refused | ended | over   | head
 *  off       | asked +s | -      | -        | -       | -     | -      | skip
 *  asked     | asked +s | off +u | live     | off x   | asked | -      | skip
 *  live      | live +s  | off +u | live     | off x   | off x | confl. | skip
 *  conflated | -        | off +u | -        | off x   | off x | -      | +f
 *  fetching  | -        | off +u | live     | off x   | off x | -      | wait
 *
 * +s, +u, +f: subscribe, unsubscribe or snapshot is sent to the instance; +f
 * makes conflated fetching. x: the client receives sub:error. "replied" in
 * fetching is the reply to +f. "refused": if another reply is owed, all but off
 * become asked. "ended": the instance has ended; if a reply is owed, a new
 * instance was asked already, so live becomes asked without sub:error. "over":
 * a patch or a snapshot does not fit into the queue. "head": the placeholder
 * has reached the head of the queue. Events are never conflated. When a
 * connection closes its contacts leave, and with them the subscriptions.
 */
#include "session/subscription.h"

#include "session/conflated_calls.h"
#include "session/receive.h"

static struct zkt_ring *live_ring(struct zkt_contact *contact,
                                  enum zkt_topic topic)
{
    struct zkt_location *location = contact->location;
    return topic == ZKT_TOPIC_STATE ? &location->watchers
                                    : &location->listeners;
}

static bool is_conflated(enum zkt_subscription_state state)
{
    return state == ZKT_SUB_CONFLATED || state == ZKT_SUB_FETCHING;
}

/* Changes the state of a subscription; no other function does. */
static void enter(struct zkt_host *host, struct zkt_contact *contact,
                  enum zkt_topic topic, enum zkt_subscription_state state)
{
    struct zkt_sub *sub = &contact->subs[topic];
    struct zkt_session *session = zkt__session_of(contact);
    session->subscriptions += (sub->state == ZKT_SUB_OFF) -
                              (uint32_t)(state == ZKT_SUB_OFF);
    if (is_conflated(sub->state) && !is_conflated(state)) {
        zkt__conflated_calls_free(host, sub->calls);
        sub->live = (struct zkt_node){ NULL, NULL };
    }
    if (state == ZKT_SUB_LIVE && sub->state != ZKT_SUB_LIVE) {
        zkt__ring_append(live_ring(contact, topic), &sub->live);
    } else if (state != ZKT_SUB_LIVE && sub->state == ZKT_SUB_LIVE) {
        zkt__ring_remove(live_ring(contact, topic), &sub->live);
        sub->live = (struct zkt_node){ NULL, NULL };
    }
    /* A snapshot that is being fetched counts as much as the last. */
    if (sub->state == ZKT_SUB_FETCHING) {
        host->sessions->snapshot_bytes -= contact->snapshot_size;
    }
    if (state == ZKT_SUB_FETCHING) {
        host->sessions->snapshot_bytes += contact->snapshot_size;
    }
    if (is_conflated(sub->state)) {
        /* The placeholder is stale, unless a snapshot has replaced it. */
        contact->stale_placeholders += state == ZKT_SUB_OFF;
    }
    sub->state = state;
}

void zkt__session_sub_conflate(struct zkt_host *host,
                               struct zkt_contact *contact)
{
    struct zkt_session *session = zkt__session_of(contact);
    host->stats.limit_hits.output_high++;
    if (!zkt__queue_placeholder(&session->queue, host->allocator,
                                contact->id)) {
        host->sessions->events.failed(session);
        return;
    }
    enter(host, contact, ZKT_TOPIC_STATE, ZKT_SUB_CONFLATED);
    host->sessions->events.changed(session);
}

void zkt__session_sub_name_call(struct zkt_host *host,
                                struct zkt_contact *contact, struct zkt_str id)
{
    struct zkt_sub *sub = &contact->subs[ZKT_TOPIC_STATE];
    if (is_conflated(sub->state)) {
        zkt__conflated_calls_keep(host, &sub->calls, id);
    }
}

/* ---- from the client ---- */

/* Returns true if the client reads too slowly to be sent a snapshot: it is
 * encoded when the client has read the queue. Snapshots never queue behind a
 * placeholder, which may have to wait for memory of snapshots. */
static bool is_behind(const struct zkt_host *host,
                      const struct zkt_session *session)
{
    return session->queue.placeholders > 0 ||
           session->queue.bytes > (size_t)host->limits->output_high;
}

/* Sends a subscribe; the instance owes a reply. */
static void subscribe(struct zkt_host *host, struct zkt_contact *contact,
                      enum zkt_topic topic)
{
    struct zkt_sub *sub = &contact->subs[topic];
    struct zkt_msg m = { .kind = ZKT_MSG_SUBSCRIBE,
                         .topic = topic,
                         .contact = contact,
                         .record = zkt__session_of(contact)->record,
                         .generation = sub->generation,
                         .of.subscribe.omit_snapshot =
                             topic == ZKT_TOPIC_STATE &&
                             is_behind(host, zkt__session_of(contact)) };
    struct zkt_session *session = zkt__session_of(contact);
    const uint32_t home = contact->location->home;
    sub->owed++;
    session->outstanding++;
    host->sessions->outstanding++;
    if (!zkt__deliver(host, home, &m, NULL)) {
        sub->owed--;
        session->outstanding--;
        host->sessions->outstanding--;
        host->sessions->events.failed(session);
    }
    /* The instance may have ended at once, and the contact with it. */
    zkt__session_await_credit(host, session, home);
}

void zkt__session_sub_ask(struct zkt_host *host, struct zkt_contact *contact,
                          enum zkt_topic topic)
{
    switch (contact->subs[topic].state) {
    case ZKT_SUB_OFF:
        enter(host, contact, topic, ZKT_SUB_ASKED);
        subscribe(host, contact, topic);
        break;
    case ZKT_SUB_LIVE:
        if (topic == ZKT_TOPIC_STATE &&
            is_behind(host, zkt__session_of(contact))) {
            zkt__session_sub_conflate(host, contact);
            break;
        }
        subscribe(host, contact, topic);
        break;
    case ZKT_SUB_ASKED:
        subscribe(host, contact, topic);
        break;
    case ZKT_SUB_CONFLATED:
    case ZKT_SUB_FETCHING:
    case ZKT_SUB_STATES:
        break; /* a newer snapshot will be sent */
    }
}

void zkt__session_sub_drop(struct zkt_host *host, struct zkt_contact *contact,
                           enum zkt_topic topic)
{
    struct zkt_msg m = { .kind = ZKT_MSG_UNSUBSCRIBE,
                         .topic = topic,
                         .contact = contact };
    if (contact->subs[topic].state == ZKT_SUB_OFF) {
        return;
    }
    enter(host, contact, topic, ZKT_SUB_OFF);
    contact->subs[topic].generation++;
    contact->subs[topic].owed = 0;
    /* Without memory the instance goes on sending; the session ignores it. */
    (void)zkt__deliver(host, contact->location->home, &m, NULL);
    host->sessions->events.changed(zkt__session_of(contact));
}

void zkt__session_sub_clear(struct zkt_host *host, struct zkt_contact *contact,
                            enum zkt_topic topic)
{
    enter(host, contact, topic, ZKT_SUB_OFF);
}

/* ---- from the instance ---- */

/* Counts a reply. Returns false for a reply of an earlier generation. */
static bool take_reply(struct zkt_host *host, const struct zkt_msg *m,
                       enum zkt_topic topic)
{
    struct zkt_sub *sub = &m->contact->subs[topic];
    struct zkt_session *session = zkt__session_of(m->contact);
    session->outstanding--;
    host->sessions->outstanding--;
    if (m->generation != sub->generation) {
        host->sessions->events.changed(session); /* more may be received */
        return false;
    }
    sub->owed--;
    return true;
}

/* Remembers the size of a snapshot as an estimate of the next. */
static void note_size(struct zkt_host *host, struct zkt_contact *contact,
                      const struct zkt_buffer *snapshot)
{
    contact->snapshot_size = snapshot->len;
    if (snapshot->len > host->sessions->snapshot_largest) {
        host->sessions->snapshot_largest = snapshot->len;
    }
}

/* Queues the snapshot of a live subscription, or a placeholder if the client
 * reads too slowly. */
static void send_catch_up(struct zkt_host *host, struct zkt_contact *contact,
                          const struct zkt_msg *m)
{
    struct zkt_session *session = zkt__session_of(contact);
    if (!m->of.catch_up.snapshot_omitted && !is_behind(host, session)) {
        note_size(host, contact, m->of.catch_up.content.snapshot);
        (void)zkt__session_queue_catch_up(host, session,
                                          &m->of.catch_up.content, false);
    } else {
        zkt__session_sub_conflate(host, contact);
    }
}

static void take_snapshot(struct zkt_host *host, const struct zkt_msg *m)
{
    struct zkt_contact *contact = m->contact;
    const struct zkt_sub *sub = &contact->subs[ZKT_TOPIC_STATE];
    struct zkt_session *session = zkt__session_of(contact);
    if (!take_reply(host, m, ZKT_TOPIC_STATE)) {
        return;
    }
    if (m->of.catch_up.content.snapshot == NULL &&
        !m->of.catch_up.snapshot_omitted) {
        host->sessions->events.failed(session);
        return;
    }
    if (sub->state == ZKT_SUB_ASKED) {
        enter(host, contact, ZKT_TOPIC_STATE, ZKT_SUB_LIVE);
    }
    if (session->open && sub->state == ZKT_SUB_LIVE) {
        send_catch_up(host, contact, m);
    }
}

/* Queues the snapshot that replaces conflated patches. It is of the moment, and
 * names the calls whose changes it has. */
static bool queue_refresh(struct zkt_host *host, struct zkt_contact *contact,
                          const struct zkt_catch_up *catch_up)
{
    struct zkt_session *session = zkt__session_of(contact);
    const struct zkt_conflated_calls *calls =
        contact->subs[ZKT_TOPIC_STATE].calls;
    struct zkt_catch_up named = *catch_up;
    named.snapshot = calls != NULL ? zkt__conflated_calls_name(
                                         host, calls, catch_up->snapshot)
                                   : NULL;
    if (named.snapshot == NULL) {
        return zkt__session_queue_catch_up(host, session, catch_up, true);
    }
    const bool good = zkt__session_queue_catch_up(host, session, &named, true);
    zkt__buffer_unref(named.snapshot);
    return good;
}

/* Takes the snapshot that replaces conflated patches. */
static void take_refresh(struct zkt_host *host, struct zkt_contact *contact,
                         const struct zkt_catch_up *catch_up)
{
    struct zkt_session *session = zkt__session_of(contact);
    if (contact->subs[ZKT_TOPIC_STATE].state != ZKT_SUB_FETCHING ||
        !session->open) {
        return;
    }
    if (catch_up->snapshot == NULL) {
        host->sessions->events.failed(session);
    } else if (queue_refresh(host, contact, catch_up)) {
        enter(host, contact, ZKT_TOPIC_STATE, ZKT_SUB_LIVE);
        note_size(host, contact, catch_up->snapshot);
        host->sessions->events.changed(session);
    }
}

void zkt__session_sub_catch_up(struct zkt_host *host, struct zkt_msg *m)
{
    m->contact->audiences = m->of.catch_up.audiences;
    if (m->of.catch_up.refreshes) {
        take_refresh(host, m->contact, &m->of.catch_up.content);
    } else {
        take_snapshot(host, m);
    }
}

/* Confirms a subscription to events, for clients that know the message. */
static void send_sub_ok(struct zkt_host *host,
                        const struct zkt_contact *contact)
{
    struct zkt_session *session = zkt__session_of(contact);
    const struct zkt_location *location = contact->location;
    if (session->peer.dialect != ZKT_DIALECT_RFC6902) {
        return;
    }
    zkt__frame_begin(&host->result);
    zkt__write_address(&host->result, ZKT_MESSAGE_SUB_OK, location->actor->name,
                       location->name);
    zkt__session_write_of(session, ZKT_TOPIC_EVENTS, &host->result);
    ZKT_WRITE(&host->result, "}");
    zkt__session_send(host, session, &host->result);
}

void zkt__session_sub_confirm(struct zkt_host *host, const struct zkt_msg *m)
{
    struct zkt_contact *contact = m->contact;
    contact->audiences = m->of.subscribed.audiences;
    if (take_reply(host, m, ZKT_TOPIC_EVENTS)) {
        enter(host, contact, ZKT_TOPIC_EVENTS, ZKT_SUB_LIVE);
        send_sub_ok(host, contact);
    }
    host->sessions->events.changed(zkt__session_of(contact));
}

static void send_sub_error(struct zkt_host *host, const struct zkt_msg *m,
                           enum zkt_topic topic)
{
    const struct zkt_contact *contact = m->contact;
    const struct zkt_location *location = contact->location;
    const struct zkt_buffer *encoded = m->of.closed.failure;
    struct zkt_session *session = zkt__session_of(contact);
    struct zkt_writer *w = &host->result;
    zkt__session_begin_sub_error(host, session, location->actor->name,
                                 location->name, topic);
    if (encoded != NULL) {
        zkt_write_raw(w, (const char *)encoded->data, encoded->len);
    } else {
        zkt__write_failure(
            w, &(const struct zkt_failure){ .status = m->of.closed.status,
                                            .text = m->of.closed.text });
    }
    ZKT_WRITE(w, "}");
    zkt__session_send(host, session, w);
}

/* The instance has ended the subscription; if a reply is owed, it may begin
 * again. */
static void close_subscription(struct zkt_host *host,
                               struct zkt_contact *contact,
                               enum zkt_topic topic)
{
    const bool asked = contact->subs[topic].owed > 0;
    enter(host, contact, topic, ZKT_SUB_OFF);
    if (asked) {
        enter(host, contact, topic, ZKT_SUB_ASKED);
    }
}

static void take_refusal(struct zkt_host *host, const struct zkt_msg *m)
{
    if (take_reply(host, m, m->topic)) {
        close_subscription(host, m->contact, m->topic);
        send_sub_error(host, m, m->topic);
    }
}

/* Ends a subscription with its instance. Returns true if the client is to
 * receive sub:error. */
static bool take_end(struct zkt_host *host, struct zkt_contact *contact,
                     enum zkt_topic topic)
{
    const struct zkt_sub *sub = &contact->subs[topic];
    if (sub->state == ZKT_SUB_OFF || sub->state == ZKT_SUB_ASKED) {
        return false;
    }
    close_subscription(host, contact, topic);
    return sub->state == ZKT_SUB_OFF;
}

void zkt__session_sub_close(struct zkt_host *host, const struct zkt_msg *m)
{
    struct zkt_contact *contact = m->contact;
    if (m->of.closed.refused) {
        take_refusal(host, m);
        return;
    }
    const bool state = take_end(host, contact, ZKT_TOPIC_STATE);
    const bool events = take_end(host, contact, ZKT_TOPIC_EVENTS);
    /* A client that does not read `of` is told once. */
    if (state) {
        send_sub_error(host, m, ZKT_TOPIC_STATE);
    }
    if (events && (!state || zkt__session_of(contact)->peer.dialect ==
                                 ZKT_DIALECT_RFC6902)) {
        send_sub_error(host, m, ZKT_TOPIC_EVENTS);
    }
    host->sessions->events.changed(zkt__session_of(contact));
}

/* ---- placeholders ---- */

void zkt__session_sub_fetch(struct zkt_host *host, struct zkt_contact *contact)
{
    struct zkt_msg m = { .kind = ZKT_MSG_SNAPSHOT, .contact = contact };
    if (contact->snapshot_size == 0) {
        contact->snapshot_size = host->sessions->snapshot_largest;
    }
    enter(host, contact, ZKT_TOPIC_STATE, ZKT_SUB_FETCHING);
    (void)zkt__deliver(host, contact->location->home, &m,
                       zkt__contact_snapshot_carrier(contact));
}
