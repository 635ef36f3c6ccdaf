/*
 * Contacts between shards: their carriers, and their locations on both shards.
 */
#include "shard/message.h"

static bool crosses_shards(const struct zkt_contact *contact)
{
    return contact->peer->shard != contact->location->home;
}

struct zkt_contact *zkt__contact_new(const struct zkt_host *host,
                                     struct zkt_peer *peer,
                                     struct zkt_location *location)
{
    const bool across = peer->shard != location->home;
    struct zkt_contact *contact = zkt__alloc_zero(
        host->allocator, 1,
        sizeof(*contact) + (across ? sizeof(contact->carriers[0]) : 0));
    if (contact != NULL) {
        contact->peer = peer;
        contact->location = location;
        zkt__list_init(&contact->attachment.mailbox);
    }
    return contact;
}

struct zkt_msg *zkt__contact_snapshot_carrier(struct zkt_contact *contact)
{
    return crosses_shards(contact) ? &contact->carriers[0].snapshot : NULL;
}

void zkt__contact_keep_closing(const struct zkt_host *host,
                               struct zkt_contact *contact,
                               struct zkt_msg *carrier)
{
    if (crosses_shards(contact) && contact->carriers[0].closing == NULL) {
        contact->carriers[0].closing = carrier;
    } else {
        zkt__release(host->allocator, carrier);
    }
}

struct zkt_msg *zkt__contact_take_closing(struct zkt_contact *contact)
{
    struct zkt_msg *carrier = NULL;
    if (crosses_shards(contact)) {
        carrier = contact->carriers[0].closing;
        contact->carriers[0].closing = NULL;
    }
    return carrier;
}

void zkt__contact_send_ended(struct zkt_host *host, struct zkt_contact *contact)
{
    struct zkt_msg ended = { .kind = ZKT_MSG_ENDED, .contact = contact };
    struct zkt_msg *carrier = NULL;
    if (crosses_shards(contact)) {
        if (atomic_exchange(&contact->carriers[0].ended_in_flight, true)) {
            return;
        }
        carrier = &contact->carriers[0].ended;
    }
    (void)zkt__deliver(host, contact->peer->shard, &ended, carrier);
}

void zkt__contact_received_ended(struct zkt_contact *contact)
{
    if (crosses_shards(contact)) {
        atomic_store(&contact->carriers[0].ended_in_flight, false);
    }
}

struct zkt_location *zkt__contact_location(struct zkt_host *host,
                                           const struct zkt_contact *contact)
{
    struct zkt_location *location = contact->location;
    if (crosses_shards(contact)) {
        return zkt__location_take(
            host, location->actor, location->name,
            zkt__location_hash(host, location->actor, location->name));
    }
    zkt__location_ref(location);
    return location;
}

struct zkt_instance *zkt__contact_named(const struct zkt_host *host,
                                        const struct zkt_contact *contact)
{
    const struct zkt_location *location = contact->location;
    if (crosses_shards(contact)) {
        location = zkt__location_find(host, location->actor, location->name);
    }
    return location != NULL ? location->instance : NULL;
}
