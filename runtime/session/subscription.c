/*
 * A subscription of a client, to the state or to the events of an instance,
 * as a state machine. `owed` counts answers that are on their way: the instance
 * answers each subscribe exactly once. One that was given up is of an earlier
 * generation: its answer is for nobody. The client could not tell it from the
 * answer to what it has asked since, and would miss patches after it.
 *
 *            | ask      | drop   | answered | refused | ended | over   | head
 *  off       | asked +s | -      | -        | -       | -     | -      | skip
 *  asked     | asked +s | off +u | live     | off x   | asked | -      | skip
 *  live      | live +s  | off +u | live     | off x   | off x | confl. | skip
 *  conflated | -        | off +u | -        | off x   | off x | -      | +f
 *  fetching  | -        | off +u | live     | off x   | off x | -      | wait
 *
 * +s subscribe, +u unsubscribe, +f snapshot go up, and that makes conflated
 * fetching; x: the client is told by sub:error. "answered" in fetching is the
 * answer to +f. "refused": with another answer owed all but off become asked.
 * "ended": the instance has; with an answer owed a new instance has been asked
 * already, so that live becomes asked, and nobody is told. "over": a patch, or
 * the answer, does not fit into the queue. "head": the placeholder has reached
 * the head of the queue. Events are never conflated. When a connection closes
 * its contacts leave, and the subscriptions with them.
 */
#include "session/subscription.h"

#include "session/receive.h"

static struct zkt_list *live_list(struct zkt_contact *contact,
                                  enum zkt_topic topic)
{
    struct zkt_location *location = contact->location;
    return topic == ZKT_TOPIC_STATE ? &location->watchers
                                    : &location->listeners;
}

/* Every change of state goes through here. */
static void enter(struct zkt_host *host, struct zkt_contact *contact,
                  enum zkt_topic topic, enum zkt_subscription_state state)
{
    struct zkt_subscription *sub = &contact->subs[topic];
    struct zkt_session *session = zkt__session_of(contact);
    session->subscriptions += (sub->state == ZKT_SUB_OFF) -
                              (uint32_t)(state == ZKT_SUB_OFF);
    if (state == ZKT_SUB_LIVE && sub->state != ZKT_SUB_LIVE) {
        zkt__list_append(live_list(contact, topic), &sub->live);
    } else if (state != ZKT_SUB_LIVE) {
        zkt__node_unlink(&sub->live);
    }
    /* A snapshot that is on its way takes as much as the last one. */
    if (sub->state == ZKT_SUB_FETCHING) {
        host->sessions->snapshot_bytes -= contact->snapshot_size;
    }
    if (state == ZKT_SUB_FETCHING) {
        host->sessions->snapshot_bytes += contact->snapshot_size;
    }
    if (sub->state == ZKT_SUB_CONFLATED || sub->state == ZKT_SUB_FETCHING) {
        /* Its placeholder counts no longer, unless that has been filled. */
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

/* ---- from the client ---- */

/* Whether one more snapshot would be one too many in memory: it is better
 * encoded when the reader has taken what is queued. None stands behind a
 * placeholder, which may have to wait for the memory of snapshots. */
static bool is_behind(const struct zkt_host *host,
                      const struct zkt_session *session)
{
    return session->queue.placeholders > 0 ||
           session->queue.bytes > (size_t)host->limits->output_high;
}

/* Sends a subscribe, which has to be answered. */
static void subscribe(struct zkt_host *host, struct zkt_contact *contact,
                      enum zkt_topic topic)
{
    struct zkt_subscription *sub = &contact->subs[topic];
    struct zkt_msg m = { .kind = ZKT_MSG_SUBSCRIBE,
                         .topic = topic,
                         .contact = contact,
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
    /* The contact may be gone, with an instance that ended at once. */
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
        break; /* a newer snapshot is to come anyway */
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
    /* Without memory the instance goes on to send, and nobody listens. */
    (void)zkt__deliver(host, contact->location->home, &m, NULL);
    host->sessions->events.changed(zkt__session_of(contact));
}

void zkt__session_sub_clear(struct zkt_host *host, struct zkt_contact *contact,
                            enum zkt_topic topic)
{
    enter(host, contact, topic, ZKT_SUB_OFF);
}

/* ---- from the instance ---- */

/* One answer less is on its way; false: to what was given up. */
static bool take_reply(struct zkt_host *host, const struct zkt_msg *m,
                       enum zkt_topic topic)
{
    struct zkt_subscription *sub = &m->contact->subs[topic];
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

/* The next one will be about as large. */
static void note_size(struct zkt_host *host, struct zkt_contact *contact,
                      const struct zkt_buffer *snapshot)
{
    contact->snapshot_size = snapshot->len;
    if (snapshot->len > host->sessions->snapshot_largest) {
        host->sessions->snapshot_largest = snapshot->len;
    }
}

/* Passes on the answer to a subscribe of one that is live. A snapshot too many
 * in memory becomes a placeholder. */
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
    const struct zkt_subscription *sub = &contact->subs[ZKT_TOPIC_STATE];
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

/* The snapshot that stands for patches which were not passed on. */
static void take_refresh(struct zkt_host *host, struct zkt_contact *contact,
                         const struct zkt_catch_up *what)
{
    struct zkt_session *session = zkt__session_of(contact);
    if (contact->subs[ZKT_TOPIC_STATE].state != ZKT_SUB_FETCHING ||
        !session->open) {
        return;
    }
    if (what->snapshot == NULL) {
        host->sessions->events.failed(session);
    } else if (zkt__session_queue_catch_up(host, session, what, true)) {
        enter(host, contact, ZKT_TOPIC_STATE, ZKT_SUB_LIVE);
        note_size(host, contact, what->snapshot);
        host->sessions->events.changed(session);
    }
}

void zkt__session_sub_catch_up(struct zkt_host *host, struct zkt_msg *m)
{
    if (m->of.catch_up.refreshes) {
        take_refresh(host, m->contact, &m->of.catch_up.content);
    } else {
        take_snapshot(host, m);
    }
}

void zkt__session_sub_confirm(struct zkt_host *host, const struct zkt_msg *m)
{
    struct zkt_contact *contact = m->contact;
    if (take_reply(host, m, ZKT_TOPIC_EVENTS) &&
        contact->subs[ZKT_TOPIC_EVENTS].state == ZKT_SUB_ASKED) {
        enter(host, contact, ZKT_TOPIC_EVENTS, ZKT_SUB_LIVE);
    }
    host->sessions->events.changed(zkt__session_of(contact));
}

static void send_sub_error(struct zkt_host *host, const struct zkt_msg *m)
{
    const struct zkt_contact *contact = m->contact;
    const struct zkt_location *location = contact->location;
    zkt__session_refuse_subscription(host, zkt__session_of(contact),
                                     location->actor->name, location->name,
                                     m->of.closed.status, m->of.closed.text);
}

/* Over, as far as the instance is concerned; with an answer owed it may begin
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
        send_sub_error(host, m);
    }
}

/* Takes the end of one subscription; whether the client is to be told. */
static bool take_end(struct zkt_host *host, struct zkt_contact *contact,
                     enum zkt_topic topic)
{
    const struct zkt_subscription *sub = &contact->subs[topic];
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
    if (state || events) {
        send_sub_error(host, m);
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
