/* Catch-ups of new subscribers and slow readers: see catch_up.h. */
#include "instance/catch_up.h"

#include "instance/task.h"
#include "protocol/envelope.h"

/* Returns true if a deferred call has changed the state. */
static bool is_dirty(const struct zkt_instance *instance)
{
    return instance->parked != NULL && instance->parked->call.journal.count > 0;
}

bool zkt__instance_has_committed(const struct zkt_instance *instance,
                                 bool fresh)
{
    const struct zkt_snapshot_log *log = instance->log;
    return !is_dirty(instance) || (fresh ? zkt__snapshot_log_is_fresh(log)
                                         : zkt__snapshot_log_is_kept(log));
}

/* Encodes a snapshot of the state as it is. Returns NULL if there is no memory.
 */
static struct zkt_buffer *encode_snapshot(struct zkt_host *host,
                                          const struct zkt_instance *instance)
{
    const struct zkt_type *type = instance->actor->state;
    struct zkt_writer *w = &host->plain;
    zkt__frame_begin(w);
    if (!zkt_write_reserve(w, zkt__snapshot_log_estimate(instance->log))) {
        zkt__frame_begin(w); /* less may be enough */
    }
    zkt__write_address(w, ZKT_MESSAGE_STATE_SNAPSHOT, instance->actor->name,
                       instance->location->name);
    ZKT_WRITE(w, ",\"state\":");
    type->encode(w, type, instance->state);
    ZKT_WRITE(w, "}");
    zkt__host_spend(host, zkt__frame_payload(w));
    return zkt__frame_share(w);
}

bool zkt__instance_catch_up(struct zkt_host *host,
                            struct zkt_instance *instance,
                            enum zkt_dialect dialect, struct zkt_catch_up *out)
{
    struct zkt_snapshot_cache *cache = &host->instances->snapshots;
    if (zkt__snapshot_log_catch_up(cache, instance->log, dialect, out)) {
        host->stats.snapshots_cached++;
        return true;
    }
    struct zkt_buffer *snapshot = encode_snapshot(host, instance);
    if (snapshot == NULL) {
        return false;
    }
    zkt__snapshot_log_keep(cache, &instance->log, snapshot);
    *out = (struct zkt_catch_up){ .snapshot = snapshot };
    return true;
}
