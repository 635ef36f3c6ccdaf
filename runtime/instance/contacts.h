/*
 * The instance's half of contacts: attaching, subscriptions, and refusals. The
 * contacts of a shard with an instance are its audience: a commit is published
 * once for each audience that has subscribers.
 */
#ifndef ZKT_INSTANCE_CONTACTS_H
#define ZKT_INSTANCE_CONTACTS_H

#include "shard/message.h"

/* The contacts of one shard with an instance. */
struct zkt_audience {
    struct zkt_audience *next;
    struct zkt_location *location; /* of that shard */
    uint32_t shard;
    uint32_t contacts;
    uint32_t subscribed[ZKT_TOPIC_COUNT];
};

static inline struct zkt_contact *zkt__contact_of(
    struct zkt_attachment *attachment)
{
    return ZKT_CONTAINER(attachment, struct zkt_contact, attachment);
}

/* ---- attaching ---- */

/** Attaches @contact, which is not, to its instance, which is created if there
 * is none; `connect` has yet to run. Returns false and says why not. */
bool zkt__attach(struct zkt_host *host, struct zkt_contact *contact,
                 struct zkt_str *reason);
/** Parts contact and instance, and runs `disconnect` if `connect` has run. */
void zkt__attachment_disconnect(struct zkt_host *host,
                                struct zkt_contact *contact);
/** The last message about a contact. */
void zkt__contact_send_left(struct zkt_host *host, struct zkt_contact *contact);
/** Parts contact and instance, without a word. */
void zkt__detach(struct zkt_host *host, struct zkt_contact *contact);

/* ---- messages ---- */

/** Handles a subscribe, an unsubscribe or a snapshot message. */
void zkt__contact_subscribe(struct zkt_host *host, struct zkt_msg *m,
                            struct zkt_msg *carrier);
void zkt__contact_unsubscribe(const struct zkt_host *host, struct zkt_msg *m,
                              struct zkt_msg *carrier);
void zkt__contact_take_snapshot(struct zkt_host *host,
                                struct zkt_contact *contact);
/** Answers a call or a subscription with a refusal. Takes the carrier. */
void zkt__instance_refuse(struct zkt_host *host, struct zkt_msg *m,
                          struct zkt_msg *carrier, enum zkt_status status,
                          struct zkt_str text);
/** Answers contacts that have waited for a snapshot. */
void zkt__instance_send_snapshots(struct zkt_host *host,
                                  struct zkt_instance *instance);

#endif
