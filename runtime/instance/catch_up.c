/* Catch-ups of new subscribers and slow readers: see catch_up.h. */
#include "instance/catch_up.h"

#include "instance/task.h"
#include "instance/view_frames.h"
#include "protocol/envelope.h"

/* Returns true if a deferred call has changed the state, or for a state with
 * readers the private state, by which audiences are judged. */
static bool is_dirty(const struct zkt_instance *instance)
{
    const struct zkt_task *parked = instance->parked;
    return parked != NULL &&
           (parked->call.journal.count > 0 ||
            (instance->views != NULL && parked->call.private_state != NULL &&
             parked->call.private_journal.count > 0));
}

bool zkt__instance_has_committed(const struct zkt_instance *instance,
                                 bool fresh)
{
    const struct zkt_snapshot_log *log = instance->log;
    return !is_dirty(instance) || (fresh ? zkt__snapshot_log_is_fresh(log)
                                         : zkt__snapshot_log_is_kept(log));
}

/* Encodes a snapshot of the state as it is; @estimate is its size, or 0.
 * Returns NULL if there is no memory. */
static struct zkt_buffer *encode_snapshot(struct zkt_host *host,
                                          const struct zkt_instance *instance,
                                          const struct zkt_view *view,
                                          size_t estimate)
{
    const struct zkt_type *type = instance->actor->state;
    struct zkt_writer *w = &host->plain;
    zkt__frame_begin(w);
    if (!zkt_write_reserve(w, estimate)) {
        zkt__frame_begin(w); /* less may be enough */
    }
    zkt__write_address(w, ZKT_MESSAGE_STATE_SNAPSHOT, instance->actor->name,
                       instance->location->name);
    ZKT_WRITE(w, ",\"state\":");
    if (view != NULL) {
        zkt__view_write_state(instance, view, w);
    } else {
        type->encode(w, type, instance->state);
    }
    ZKT_WRITE(w, "}");
    zkt__host_spend(host, zkt__frame_payload(w));
    return zkt__frame_share(w);
}

/* The catch-up of all subscribers in the same audiences. */
static inline bool get_shared(struct zkt_host *host,
                              struct zkt_contact *contact,
                              struct zkt_catch_up *out)
{
    struct zkt_snapshot_cache *cache = &host->instances->snapshots;
    struct zkt_attachment *attachment = &contact->attachment;
    struct zkt_snapshot_log **log = zkt__snapshot_slot(attachment);
    if (zkt__snapshot_log_catch_up(cache, *log, contact->peer->dialect, out)) {
        host->stats.snapshots_cached++;
        return true;
    }
    struct zkt_buffer *snapshot = encode_snapshot(
        host, attachment->instance, attachment->view,
        zkt__snapshot_log_estimate(*log));
    if (snapshot == NULL) {
        return false;
    }
    zkt__snapshot_log_keep(cache, log, snapshot);
    *out = (struct zkt_catch_up){ .snapshot = snapshot };
    return true;
}

/* Puts the entries of the subscriber into its snapshot. */
static bool complete(struct zkt_host *host, const struct zkt_view *view,
                     struct zkt_catch_up *out)
{
    struct zkt_buffer *shared = out->snapshot;
    out->snapshot = zkt__view_complete(host, view, shared);
    zkt__buffer_unref(shared);
    return out->snapshot != NULL;
}

bool zkt__instance_catch_up(struct zkt_host *host, struct zkt_contact *contact,
                            struct zkt_catch_up *out)
{
    const struct zkt_view *view = contact->attachment.view;
    if (contact->attachment.instance->views == NULL) {
        return get_shared(host, contact, out);
    }
    return view != NULL && get_shared(host, contact, out) &&
           complete(host, view, out);
}
