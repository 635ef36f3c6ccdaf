/* See data.h. */
#include "session/data.h"

#include "session/topics.h"

static const struct zkt_type *data_type(const struct zkt_host *host)
{
    const struct zkt_connection_info *info = host->app.info->connection;
    return info != NULL ? info->data : NULL;
}

static uint32_t topics_max(const struct zkt_host *host)
{
    const int64_t most = host->limits->topics;
    return most < UINT32_MAX ? (uint32_t)most : UINT32_MAX - 1;
}

/* Replaces the record by @record, which it takes. Returns false, with nothing
 * changed, if there is no memory. */
static bool replace(struct zkt_host *host, struct zkt_session *session,
                    struct zkt_connection_record *record)
{
    if (record == NULL || !zkt__session_follow_topics(host, session, record)) {
        zkt__connection_record_unref(record);
        return false;
    }
    zkt__connection_record_unref(session->record);
    session->record = record;
    return true;
}

bool zkt__session_begin_record(struct zkt_host *host,
                               struct zkt_session *session, const void *data,
                               const struct zkt_connection_change *changes)
{
    const struct zkt_type *type = data_type(host);
    if (type != NULL &&
        !replace(host, session,
                 zkt__connection_record_new(host->allocator, type, data))) {
        return false;
    }
    return changes == NULL ||
           replace(host, session,
                   zkt__connection_record_change(host->allocator, type,
                                                 session->record, changes,
                                                 topics_max(host)));
}

/* Returns false if there is no memory. */
static bool tell_contacts(struct zkt_host *host, struct zkt_session *session)
{
    for (struct zkt_node *n = session->contacts.first; n != NULL;
         n = zkt__ring_after(&session->contacts, n)) {
        struct zkt_contact *contact = ZKT_CONTAINER(n, struct zkt_contact,
                                                    of_session);
        struct zkt_msg m;
        zkt__msg_init(&m, ZKT_MSG_RECORD, contact);
        m.record = session->record;
        if (!zkt__deliver(host, contact->location->home, &m, NULL)) {
            return false;
        }
    }
    return true;
}

void zkt__session_change(struct zkt_host *host, struct zkt_session *session,
                         const struct zkt_connection_change *changes)
{
    struct zkt_connection_record *record = zkt__connection_record_change(
        host->allocator, data_type(host), session->record, changes,
        topics_max(host));
    if (!replace(host, session, record) || !tell_contacts(host, session)) {
        host->sessions->events.failed(session);
    }
}

void zkt__session_drop_record(struct zkt_host *host,
                              struct zkt_session *session)
{
    if (session->record == NULL) {
        return;
    }
    (void)zkt__session_follow_topics(host, session, NULL);
    zkt__connection_record_unref(session->record);
    session->record = NULL;
}
