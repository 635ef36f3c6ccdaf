/*
 * The index of a shard from topics to the sessions that have joined them, for
 * broadcasts. It follows the records of the sessions.
 */
#ifndef ZKT_SESSION_TOPICS_H
#define ZKT_SESSION_TOPICS_H

#include "session/session.h"

/* A topic that sessions of the shard have joined; it lives while any has. */
struct zkt_topic_group {
    struct zkt_list members; /* struct zkt_membership */
    zkt_handle_id id;
    uint64_t hash;
    uint32_t count; /* of members */
    size_t len;
    char name[];
};

/* A session in a group. */
struct zkt_membership {
    struct zkt_node node;
    struct zkt_session *session;
    struct zkt_topic_group *group;
};

/* The memberships of a session, in the order of its record's topics. */
struct zkt_memberships {
    uint32_t count;
    struct zkt_membership all[];
};

/** Returns the group of a topic, or NULL if no session has joined it. */
struct zkt_topic_group *zkt__topic_find(const struct zkt_host *host,
                                        struct zkt_str name);
/** Returns the session of a node in the members of a group. */
static inline struct zkt_session *zkt__topic_member(struct zkt_node *node)
{
    return ZKT_CONTAINER(node, struct zkt_membership, node)->session;
}

/** Makes the groups of a session those of @record; NULL: none. Returns false,
 * with nothing changed, if there is no memory. */
bool zkt__session_follow_topics(struct zkt_host *host,
                                struct zkt_session *session,
                                const struct zkt_connection_record *record);

#endif
