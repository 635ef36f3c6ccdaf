/*
 * The instance's half of contacts: attaching, subscribing, and refusing. The
 * contacts of a shard with an instance are a group: a commit is published
 * once for each group with subscribers.
 */
#ifndef ZKT_INSTANCE_CONTACTS_H
#define ZKT_INSTANCE_CONTACTS_H

#include "shard/ask.h"

/* The contacts of a shard with an instance. */
struct zkt_contact_group {
    struct zkt_contact_group *next;
    struct zkt_location *location; /* on that shard */
    uint32_t shard;
    uint32_t contacts;
    uint32_t subscribed[ZKT_TOPIC_COUNT];
    /* Of the commit that runs, for the shard; or NULL. */
    const struct zkt_private *privates;
};

static inline struct zkt_contact *zkt__contact_of(
    struct zkt_attachment *attachment)
{
    return ZKT_CONTAINER(attachment, struct zkt_contact, attachment);
}

/* ---- attaching ---- */

/** Attaches the contact of @m to its instance, which is created if it does not
 * exist. Does not run `connect`. Returns false with *@reason if the instance
 * cannot be created. If it has failed to start (instance->failed), the contact
 * is not attached, *@reason has no data, and *@failed is the instance. */
bool zkt__attach(struct zkt_host *host, const struct zkt_msg *m,
                 struct zkt_str *reason, struct zkt_instance **failed);
/** Detaches the contact, and runs `disconnect` if `connect` has run. */
void zkt__attachment_disconnect(struct zkt_host *host,
                                struct zkt_contact *contact);
/** Handles a leave message: the last of a contact that is attached. */
void zkt__attachment_leave(struct zkt_host *host, struct zkt_contact *contact);
/** Ends the streams of a contact, as its connection has ended. */
void zkt__attachment_end_streams(struct zkt_host *host,
                                 struct zkt_contact *contact);
/** Sends `left`, the last message about a contact: at once, or with the end of
 * its last open call. */
void zkt__contact_send_left(struct zkt_host *host, struct zkt_contact *contact);
/** Sends the messages that wait for the last open call of a contact, if it has
 * none any more. The contact may be gone afterwards. */
void zkt__contact_call_closed(struct zkt_host *host,
                              struct zkt_contact *contact);
/** Sends `left` about a detached contact that @leaves, or else `ended`. */
void zkt__contact_send_end(struct zkt_host *host, struct zkt_contact *contact,
                           bool leaves);
/** Detaches the contact without a hook or a message. */
void zkt__detach(struct zkt_host *host, struct zkt_contact *contact);

/* ---- messages ---- */

/** The two parts of a subscribe that is granted: the contact is counted as a
 * subscriber, and the reply is sent. Without memory the first returns false,
 * and the subscribe is refused. */
bool zkt__contact_admit(struct zkt_host *host, struct zkt_msg *m,
                        struct zkt_msg *carrier);
void zkt__contact_confirm(struct zkt_host *host, const struct zkt_msg *m,
                          struct zkt_msg *carrier);
/** Handle a subscribe, an unsubscribe and a snapshot message. */
void zkt__contact_subscribe(struct zkt_host *host, struct zkt_msg *m,
                            struct zkt_msg *carrier);
void zkt__contact_unsubscribe(const struct zkt_host *host, struct zkt_msg *m,
                              struct zkt_msg *carrier);
void zkt__contact_take_snapshot(struct zkt_host *host,
                                struct zkt_contact *contact);
/** Sends `closed` for the subscriptions of a contact. */
void zkt__contact_send_closed(struct zkt_host *host,
                              struct zkt_contact *contact,
                              const struct zkt_failure *failure);
/** Ends the subscriptions of a contact, which stays attached. */
void zkt__contact_close(struct zkt_host *host, struct zkt_contact *contact,
                        const struct zkt_failure *failure);
/** Refuses a call or a subscribe. Takes the carrier. */
void zkt__instance_refuse(struct zkt_host *host, struct zkt_msg *m,
                          struct zkt_msg *carrier, enum zkt_status status,
                          struct zkt_str text);
/** Refuses a call or a subscribe with @failure. Takes the carrier. Without
 * memory a subscription reads the status alone. */
void zkt__instance_refuse_with(struct zkt_host *host, struct zkt_msg *m,
                               struct zkt_msg *carrier,
                               const struct zkt_failure *failure);
/** Refuses a call or a subscribe with a failure of @status that is encoded;
 * NULL: with UNAVAILABLE. Takes the carrier. */
void zkt__instance_refuse_encoded(struct zkt_host *host, struct zkt_msg *m,
                                  struct zkt_msg *carrier,
                                  enum zkt_status status,
                                  struct zkt_buffer *failure);
/** Refuse the messages of a contact that are queued. A leave message cannot be
 * refused: *@leaves is true if there was one. */
void zkt__contact_refuse_queued(struct zkt_host *host,
                                struct zkt_contact *contact,
                                const struct zkt_failure *failure,
                                bool *leaves);
void zkt__contact_refuse_encoded(struct zkt_host *host,
                                 struct zkt_contact *contact,
                                 enum zkt_status status,
                                 struct zkt_buffer *failure, bool *leaves);
/** Writes the failure of a call to host->result, or into its ask. */
void zkt__instance_write_failure(struct zkt_host *host,
                                 const struct zkt_msg_call *call,
                                 const struct zkt_failure *failure);
/** Returns the content of the result of a call, in host->result or in its
 * ask. */
static inline struct zkt_msg_result zkt__instance_result(
    struct zkt_host *host, const struct zkt_msg_call *call)
{
    return call->ask == NULL ? (struct zkt_msg_result){ .text = &host->result }
                             : (struct zkt_msg_result){ .ask = call->ask };
}
/** Sends snapshots to the contacts that await them. */
void zkt__instance_send_snapshots(struct zkt_host *host,
                                  struct zkt_instance *instance);

#endif
