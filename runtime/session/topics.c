/* See topics.h. */
#include "session/topics.h"

#include <string.h>

/* ---- groups ---- */

static bool same_topic(const void *owner, uint32_t slot, const void *key,
                       size_t len)
{
    const struct zkt_sessions *sessions = owner;
    const struct zkt_topic_group *group = sessions->topics.objects[slot];
    return group->len == len && memcmp(group->name, key, len) == 0;
}

static struct zkt_topic_group *find(const struct zkt_host *host,
                                    struct zkt_str name, uint64_t hash)
{
    const struct zkt_sessions *sessions = host->sessions;
    const uint32_t slot = zkt__index_find(&sessions->by_topic, hash, same_topic,
                                          sessions, name.data, name.len);
    return slot != ZKT_INDEX_NONE ? sessions->topics.objects[slot] : NULL;
}

struct zkt_topic_group *zkt__topic_find(const struct zkt_host *host,
                                        struct zkt_str name)
{
    return find(host, name, zkt__hash(&host->store.key, name.data, name.len));
}

/* Returns NULL if there is no memory. */
static struct zkt_topic_group *add(struct zkt_host *host, struct zkt_str name,
                                   uint64_t hash)
{
    struct zkt_sessions *sessions = host->sessions;
    if (!zkt__index_reserve(&sessions->by_topic, host->allocator, 1)) {
        return NULL;
    }
    struct zkt_topic_group *group = zkt__alloc(host->allocator,
                                               sizeof(*group) + name.len);
    if (group == NULL) {
        return NULL;
    }
    group->id = zkt__slots_add(&sessions->topics, group);
    if (group->id == 0) {
        zkt__release(host->allocator, group);
        return NULL;
    }
    zkt__list_init(&group->members);
    group->count = 0;
    group->hash = hash;
    group->len = name.len;
    memcpy(group->name, name.data, name.len);
    zkt__index_add(&sessions->by_topic, hash, (uint32_t)group->id);
    return group;
}

static void remove_empty(struct zkt_host *host, struct zkt_topic_group *group)
{
    struct zkt_sessions *sessions = host->sessions;
    zkt__index_remove(&sessions->by_topic, group->hash, (uint32_t)group->id);
    zkt__slots_remove(&sessions->topics, group->id);
    zkt__release(host->allocator, group);
}

/* ---- members ---- */

/* Returns false if there is no memory. */
static bool join(struct zkt_host *host, struct zkt_session *session,
                 struct zkt_str name, struct zkt_membership *membership)
{
    const uint64_t hash = zkt__hash(&host->store.key, name.data, name.len);
    struct zkt_topic_group *group = find(host, name, hash);
    if (group == NULL) {
        group = add(host, name, hash);
    }
    if (group == NULL) {
        return false;
    }
    membership->session = session;
    membership->group = group;
    group->count++;
    zkt__list_append(&group->members, &membership->node);
    return true;
}

/* Leaves all groups, and frees the memberships. Takes NULL. */
static void leave_all(struct zkt_host *host,
                      struct zkt_memberships *memberships)
{
    for (uint32_t i = 0; memberships != NULL && i < memberships->count; i++) {
        struct zkt_topic_group *group = memberships->all[i].group;
        zkt__node_unlink(&memberships->all[i].node);
        if (--group->count == 0) {
            remove_empty(host, group);
        }
    }
    zkt__release(host->allocator, memberships);
}

/* Joins the groups of @count topics. Returns NULL if there is no memory. */
static struct zkt_memberships *join_all(struct zkt_host *host,
                                        struct zkt_session *session,
                                        const struct zkt_str *topics,
                                        uint32_t count)
{
    struct zkt_memberships *memberships = zkt__alloc_zero(
        host->allocator, 1,
        sizeof(*memberships) + count * sizeof(memberships->all[0]));
    for (uint32_t i = 0; memberships != NULL && i < count; i++) {
        if (!join(host, session, topics[i], &memberships->all[i])) {
            leave_all(host, memberships);
            return NULL;
        }
        memberships->count++;
    }
    return memberships;
}

/* Returns true if the session is a member of the topics of @record already. */
static bool has_same(const struct zkt_session *session,
                     const struct zkt_connection_record *record, uint32_t count)
{
    const struct zkt_memberships *memberships =
        session->extras != NULL ? session->extras->memberships : NULL;
    bool same = count == (memberships != NULL ? memberships->count : 0);
    for (uint32_t i = 0; i < count && same; i++) {
        const struct zkt_topic_group *group = memberships->all[i].group;
        same = zkt_str_eq(record->topics[i],
                          (struct zkt_str){ group->name, group->len });
    }
    return same;
}

bool zkt__session_follow_topics(struct zkt_host *host,
                                struct zkt_session *session,
                                const struct zkt_connection_record *record)
{
    const uint32_t count = record != NULL ? record->topic_count : 0;
    struct zkt_memberships *memberships = NULL;
    if (has_same(session, record, count)) {
        return true;
    }
    if (zkt__session_extras(host, session) == NULL) {
        return false;
    }
    if (count > 0) {
        memberships = join_all(host, session, record->topics, count);
        if (memberships == NULL) {
            return false;
        }
    }
    leave_all(host, session->extras->memberships);
    session->extras->memberships = memberships;
    return true;
}
