/* See broadcasts.h. */
#include "session/broadcasts.h"

#include "session/contact.h"
#include "session/topics.h"

/* Returns true if the session gets broadcasts. */
static bool is_hearing(const struct zkt_session *session)
{
    return session->id != 0 && zkt__node_linked(&session->listed);
}

void zkt__session_hear(struct zkt_host *host, struct zkt_session *session,
                       bool hears)
{
    if (!hears) {
        if (is_hearing(session)) {
            zkt__node_unlink(&session->listed);
        }
    } else if (!zkt__session_make_addressable(host, session)) {
        host->sessions->events.failed(session);
    } else if (!is_hearing(session)) {
        zkt__list_append(&host->sessions->hearing, &session->listed);
    }
}

/* ---- targets ---- */

static struct zkt_session *find_hearing(const struct zkt_host *host,
                                        struct zkt_str client)
{
    struct zkt_session *session = zkt__session_of_client(host, client);
    return session != NULL && is_hearing(session) ? session : NULL;
}

static void send(struct zkt_host *host, struct zkt_session *session,
                 const struct zkt_emitted *broadcast)
{
    zkt__session_send_shared(host, session, broadcast->frame);
    host->stats.events++;
    host->stats.broadcasts++;
    host->stats.bytes_of_events += broadcast->frame->len;
}

static void mark_named(const struct zkt_host *host,
                       const struct zkt_target *target, bool marked)
{
    for (size_t i = 0; i < target->len; i++) {
        struct zkt_session *session = find_hearing(host, target->ids[i]);
        if (session != NULL) {
            session->marked = marked;
        }
    }
}

static void send_to_unmarked(struct zkt_host *host,
                             const struct zkt_emitted *broadcast)
{
    const struct zkt_list *hearing = &host->sessions->hearing;
    for (struct zkt_node *n = zkt__list_first(hearing); n != NULL;
         n = zkt__list_after(hearing, n)) {
        struct zkt_session *session = ZKT_CONTAINER(n, struct zkt_session,
                                                    listed);
        if (!session->marked) {
            send(host, session, broadcast);
        }
    }
}

/* Sends a broadcast to each session that it names, once. */
static void send_to_named(struct zkt_host *host,
                          const struct zkt_emitted *broadcast)
{
    const struct zkt_target *target = &broadcast->target;
    for (size_t i = 0; i < target->len; i++) {
        struct zkt_session *session = find_hearing(host, target->ids[i]);
        if (session != NULL && !session->marked) {
            session->marked = true;
            send(host, session, broadcast);
        }
    }
    mark_named(host, target, false);
}

/* Sends a broadcast to the members of a topic that have not received it. */
static void send_to_topic(struct zkt_host *host, struct zkt_str name,
                          const struct zkt_emitted *broadcast)
{
    const struct zkt_topic_group *group = zkt__topic_find(host, name);
    struct zkt_node *n = group != NULL ? zkt__list_first(&group->members)
                                       : NULL;
    for (; n != NULL; n = zkt__list_after(&group->members, n)) {
        struct zkt_session *session = zkt__topic_member(n);
        if (is_hearing(session) && !session->marked) {
            session->marked = true;
            send(host, session, broadcast);
        }
    }
}

static void unmark_topic(const struct zkt_host *host, struct zkt_str name)
{
    const struct zkt_topic_group *group = zkt__topic_find(host, name);
    struct zkt_node *n = group != NULL ? zkt__list_first(&group->members)
                                       : NULL;
    for (; n != NULL; n = zkt__list_after(&group->members, n)) {
        zkt__topic_member(n)->marked = false;
    }
}

/* Sends a broadcast to each session that has joined a topic, once. */
static void send_to_topics(struct zkt_host *host,
                           const struct zkt_emitted *broadcast)
{
    const struct zkt_target *target = &broadcast->target;
    for (size_t i = 0; i < target->len; i++) {
        send_to_topic(host, target->ids[i], broadcast);
    }
    for (size_t i = 0; i < target->len; i++) {
        unmark_topic(host, target->ids[i]);
    }
}

static void take_broadcast(struct zkt_host *host,
                           const struct zkt_emitted *broadcast)
{
    const struct zkt_target *target = &broadcast->target;
    switch (target->kind) {
    case ZKT_TARGET_ALL:
        send_to_unmarked(host, broadcast);
        break;
    case ZKT_TARGET_EXCEPT:
        mark_named(host, target, true);
        send_to_unmarked(host, broadcast);
        mark_named(host, target, false);
        break;
    case ZKT_TARGET_ONLY:
        send_to_named(host, broadcast);
        break;
    case ZKT_TARGET_TOPICS:
        send_to_topics(host, broadcast);
        break;
    case ZKT_TARGET_AUDIENCE: /* of events only */
    case ZKT_TARGET_NONE:
        break;
    }
}

/* ---- ends of connections ---- */

/* Finds a client, also one that nothing has addressed yet. Those on the way to
 * it become addressable, so that no connection is passed twice. */
static struct zkt_session *find_client(struct zkt_host *host,
                                       struct zkt_str client)
{
    const struct zkt_list *unindexed = &host->sessions->unindexed;
    struct zkt_session *found = zkt__session_of_client(host, client);
    struct zkt_node *n = zkt__list_first(unindexed);
    while (found == NULL && n != NULL) {
        struct zkt_session *session = ZKT_CONTAINER(n, struct zkt_session,
                                                    listed);
        n = zkt__list_after(unindexed, n);
        if (session->open) {
            found = zkt_str_eq(zkt__peer_client_id(&session->peer), client)
                        ? session
                        : NULL;
            (void)zkt__session_make_addressable(host, session);
        }
    }
    return found;
}

static void kick(struct zkt_host *host, const struct zkt_emitted *order)
{
    struct zkt_session *session = find_client(host, order->target.ids[0]);
    if (session != NULL) {
        host->sessions->events.close(session, order->close_code,
                                     (const char *)order->frame->data);
    }
}

void zkt__sessions_take_broadcasts(struct zkt_host *host,
                                   const struct zkt_emitted *first)
{
    for (const struct zkt_emitted *e = first; e != NULL; e = e->next) {
        if (e->close_code != 0) {
            kick(host, e);
        } else {
            take_broadcast(host, e);
        }
    }
}
