/* Contacts of sessions, and the index of clients: see contact.h. */
#include "session/contact.h"

#include "session/subscription.h"

/* ---- finding ---- */

struct pair_key {
    const struct zkt_session *session;
    const struct zkt_actor *actor;
    struct zkt_str name;
};

/*
 * Derives the hash of a pair from the hash of its name, which is computed once
 * for the location and all of its contacts. That hash is keyed, so no client
 * can make pairs collide. The factor (2^64 divided by the golden ratio) carries
 * all bits of an address into the high half, which the index uses.
 */
static uint64_t hash_pair(const struct zkt_session *session, uint64_t name)
{
    return name + (uint64_t)(uintptr_t)session * 0x9e3779b97f4a7c15;
}

static bool same_pair(const void *owner, uint32_t slot, const void *key,
                      size_t len)
{
    const struct zkt_sessions *sessions = owner;
    const struct zkt_contact *contact = sessions->contacts.objects[slot];
    const struct pair_key *pair = key;
    (void)len;
    return zkt__session_of(contact) == pair->session &&
           contact->location->actor == pair->actor &&
           zkt_str_eq(contact->location->name, pair->name);
}

static struct zkt_contact *find(const struct zkt_sessions *sessions,
                                const struct pair_key *pair, uint64_t hash)
{
    const uint32_t slot = zkt__index_find(&sessions->by_pair, hash, same_pair,
                                          sessions, pair, sizeof(*pair));
    return slot != ZKT_INDEX_NONE ? sessions->contacts.objects[slot] : NULL;
}

/* Returns the contact that was found last, if it has that name. */
static struct zkt_contact *find_recent(const struct zkt_session *session,
                                       const struct zkt_actor *actor,
                                       struct zkt_str name)
{
    struct zkt_contact *contact = session->recent;
    return contact != NULL && contact->location->actor == actor &&
                   zkt_str_eq(contact->location->name, name)
               ? contact
               : NULL;
}

struct zkt_contact *zkt__contact_find(const struct zkt_host *host,
                                      struct zkt_session *session,
                                      const struct zkt_actor *actor,
                                      struct zkt_str name)
{
    const struct pair_key pair = { session, actor, name };
    struct zkt_contact *contact = find_recent(session, actor, name);
    if (contact == NULL) {
        const uint64_t hash = zkt__location_hash(host, actor, name);
        contact = find(host->sessions, &pair, hash_pair(session, hash));
    }
    return contact;
}

/* ---- creating ---- */

/* Creates a contact; @hash is the hash of the name. Returns NULL if there is no
 * memory. */
static struct zkt_contact *add(struct zkt_host *host,
                               const struct pair_key *pair,
                               struct zkt_session *session, uint64_t hash)
{
    struct zkt_sessions *sessions = host->sessions;
    if (!zkt__index_reserve(&sessions->by_pair, host->allocator, 1)) {
        return NULL;
    }
    struct zkt_location *location = zkt__location_take(host, pair->actor,
                                                       pair->name, hash);
    if (location == NULL) {
        return NULL;
    }
    struct zkt_contact *contact = zkt__contact_new(host, &session->peer,
                                                   location);
    if (contact == NULL) {
        goto fail_contact;
    }
    contact->id = zkt__slots_add(&sessions->contacts, contact);
    if (contact->id == 0) {
        goto fail_slot;
    }
    zkt__index_add(&sessions->by_pair, hash_pair(session, hash),
                   (uint32_t)contact->id);
    zkt__ring_append(&session->contacts, &contact->of_session);
    session->contact_count++;
    return contact;

fail_slot:
    zkt__release(host->allocator, contact);
fail_contact:
    zkt__location_release(host, location);
    return NULL;
}

struct zkt_contact *zkt__contact_make(struct zkt_host *host,
                                      struct zkt_session *session,
                                      const struct zkt_actor *actor,
                                      struct zkt_str name,
                                      struct zkt_str *reason)
{
    const struct pair_key pair = { session, actor, name };
    struct zkt_contact *contact = find_recent(session, actor, name);
    if (contact != NULL) {
        return contact;
    }
    const uint64_t hash = zkt__location_hash(host, actor, name);
    contact = session->contact_count > 0
                  ? find(host->sessions, &pair, hash_pair(session, hash))
                  : NULL;
    if (contact != NULL) {
        session->recent = contact;
        return contact;
    }
    if (session->contact_count >= host->limits->links &&
        !session->peer.is_program) {
        host->stats.limit_hits.links++;
        *reason = ZKT_STR("the connection is in contact with too many "
                          "instances");
        return NULL;
    }
    contact = add(host, &pair, session, hash);
    if (contact == NULL) {
        *reason = ZKT_STR("out of memory");
    }
    session->recent = contact;
    return contact;
}

/* ---- leaving ---- */

/* The next message to the same name creates another contact. */
static void remove_from_index(struct zkt_host *host,
                              struct zkt_contact *contact)
{
    struct zkt_sessions *sessions = host->sessions;
    struct zkt_session *session = zkt__session_of(contact);
    zkt__index_remove(&sessions->by_pair,
                      hash_pair(session, contact->location->hash),
                      (uint32_t)contact->id);
    if (session->recent == contact) {
        session->recent = NULL;
    }
}

/* @lost: the connection has closed. */
static void leave(struct zkt_host *host, struct zkt_contact *contact, bool lost)
{
    contact->leaving = true;
    zkt__ring_remove(&zkt__session_of(contact)->contacts, &contact->of_session);
    remove_from_index(host, contact);
    struct zkt_msg *m = zkt__contact_leave_carrier(contact);
    m->kind = ZKT_MSG_LEAVE; /* the rest is zero */
    m->contact = contact;
    m->lost = lost;
    (void)zkt__deliver(host, contact->location->home, m, m);
}

void zkt__contact_leave(struct zkt_host *host, struct zkt_contact *contact)
{
    if (!contact->leaving) {
        leave(host, contact, false);
    }
}

void zkt__contact_leave_if_unused(struct zkt_host *host,
                                  struct zkt_contact *contact)
{
    bool used = contact->calls > 0;
    for (size_t i = 0; i < ZKT_TOPIC_COUNT; i++) {
        used = used || contact->subs[i].state != ZKT_SUB_OFF ||
               contact->subs[i].owed > 0;
    }
    if (!used) {
        zkt__contact_leave(host, contact);
    }
}

void zkt__contact_free(struct zkt_host *host, struct zkt_contact *contact)
{
    struct zkt_sessions *sessions = host->sessions;
    struct zkt_session *session = zkt__session_of(contact);
    for (size_t i = 0; i < ZKT_TOPIC_COUNT; i++) {
        if (contact->subs[i].state != ZKT_SUB_OFF) {
            zkt__session_sub_clear(host, contact, (enum zkt_topic)i);
        }
    }
    zkt__ring_remove(&session->contacts, &contact->of_session);
    session->contact_count--;
    zkt__slots_remove(&sessions->contacts, contact->id);
    zkt__release(host->allocator, zkt__contact_take_closing(contact));
    zkt__location_release(host, contact->location);
    zkt__buffer_unref(contact->attachment.expelled);
    zkt__connection_record_unref(contact->attachment.record);
    zkt__release(host->allocator, contact);
    if (session->contact_count == 0 && !session->peer.is_program) {
        host->sessions->events.all_left(session);
    }
}

bool zkt__session_leave(struct zkt_host *host, struct zkt_session *session,
                        int64_t *left)
{
    struct zkt_node *node;
    if (session->peer.close_code == 0) {
        session->peer.close_code = ZKT_CLOSE_LOST;
    }
    while ((node = session->contacts.first) != NULL) {
        if ((*left)-- <= 0) {
            return false;
        }
        struct zkt_contact *contact = ZKT_CONTAINER(node, struct zkt_contact,
                                                    of_session);
        leave(host, contact, true);
        zkt__arena_reset(host->arena);
    }
    return true;
}

/* ---- clients ---- */

static bool same_client(const void *owner, uint32_t slot, const void *key,
                        size_t len)
{
    const struct zkt_sessions *sessions = owner;
    const struct zkt_session *session = sessions->addressable.objects[slot];
    return zkt_str_eq(zkt__peer_client_id(&session->peer),
                      (struct zkt_str){ key, len });
}

static uint64_t hash_client(const struct zkt_host *host, struct zkt_str client)
{
    return zkt__hash(&host->store.key, client.data, client.len);
}

bool zkt__session_make_addressable(struct zkt_host *host,
                                   struct zkt_session *session)
{
    struct zkt_sessions *sessions = host->sessions;
    if (session->id != 0) {
        return true;
    }
    if (!zkt__index_reserve(&sessions->by_client, host->allocator, 1)) {
        return false;
    }
    session->id = zkt__slots_add(&sessions->addressable, session);
    if (session->id == 0) {
        return false;
    }
    zkt__node_unlink(&session->listed);
    zkt__index_add(&sessions->by_client,
                   hash_client(host, zkt__peer_client_id(&session->peer)),
                   (uint32_t)session->id);
    return true;
}

void zkt__session_finish(struct zkt_host *host, struct zkt_session *session)
{
    struct zkt_sessions *sessions = host->sessions;
    if (session->queue.count > 0 || session->queue.capacity > 0) {
        zkt__session_drop_output(host, session);
    }
    zkt__node_unlink(&session->wait_node);
    zkt__node_unlink(&session->listed);
    if (session->id != 0) {
        zkt__index_remove(
            &sessions->by_client,
            hash_client(host, zkt__peer_client_id(&session->peer)),
            (uint32_t)session->id);
        zkt__slots_remove(&sessions->addressable, session->id);
        session->id = 0;
    }
}

struct zkt_session *zkt__session_of_client(const struct zkt_host *host,
                                           struct zkt_str client)
{
    const struct zkt_sessions *sessions = host->sessions;
    const uint32_t slot = zkt__index_find(
        &sessions->by_client, hash_client(host, client), same_client, sessions,
        client.data, client.len);
    return slot != ZKT_INDEX_NONE ? sessions->addressable.objects[slot] : NULL;
}

struct zkt_contact *zkt__contact_of_client(const struct zkt_host *host,
                                           const struct zkt_location *location,
                                           struct zkt_str client)
{
    const struct zkt_session *session = zkt__session_of_client(host, client);
    if (session == NULL) {
        return NULL;
    }
    const struct pair_key pair = { session, location->actor, location->name };
    return find(host->sessions, &pair, hash_pair(session, location->hash));
}
