/* See broadcast.h; the functions of zocket/call.h that need it. */
#include "call/broadcast.h"

#include <string.h>

#include "base/utf8.h"
#include "protocol/envelope.h"

bool zkt__call_copy_target(struct zkt_call *call, struct zkt_target *target)
{
    const struct zkt_str *from = target->ids != NULL ? target->ids
                                                     : &target->one;
    struct zkt_str *ids = zkt__arena_zero(call->arena, target->len,
                                          sizeof(struct zkt_str));
    if (ids == NULL) {
        return false;
    }
    for (size_t i = 0; i < target->len; i++) {
        ids[i] = zkt__arena_str(call->arena, from[i]);
        if (ids[i].data == NULL) {
            return false;
        }
    }
    target->ids = ids;
    return true;
}

static void append(struct zkt_call *call, struct zkt_emitted *emitted)
{
    if (call->last_broadcast != NULL) {
        call->last_broadcast->next = emitted;
    } else {
        call->first_broadcast = emitted;
        call->has_effects = true;
    }
    call->last_broadcast = emitted;
}

/* Returns what the call sends next, to @target, without its frame; NULL, with
 * the call poisoned, if there is too much or no memory. */
static struct zkt_emitted *begin(struct zkt_call *call,
                                 struct zkt_target target)
{
    if (call->event_count++ == call->host->limits->events) {
        call->host->stats.limit_hits.events++;
        zkt__call_poison(call, ZKT_INTERNAL, "too many events in one call");
        return NULL;
    }
    struct zkt_emitted *emitted = zkt__arena_zero(call->arena, 1,
                                                  sizeof(*emitted));
    if (emitted == NULL || !zkt__call_copy_target(call, &target)) {
        zkt__call_poison(call, ZKT_NO_MEMORY, "no memory for a broadcast");
        return NULL;
    }
    emitted->target = target;
    return emitted;
}

/* Adds @emitted to what the call sends, unless it has no frame. */
static void end(struct zkt_call *call, struct zkt_emitted *emitted)
{
    if (emitted->frame == NULL) {
        zkt__call_poison(call, ZKT_NO_MEMORY, "no memory for a broadcast");
    } else {
        append(call, emitted);
    }
}

/* ---- broadcasts ---- */

void zkt__write_broadcast(struct zkt_writer *w, const struct zkt_event *event,
                          const void *payload)
{
    zkt__frame_begin(w);
    ZKT_WRITE(w, "{\"type\":\"broadcast\",\"event\":");
    zkt_write_string(w, event->name);
    if (event->payload != NULL) {
        ZKT_WRITE(w, ",\"payload\":");
        event->payload->encode(w, event->payload, payload);
    }
    ZKT_WRITE(w, "}");
}

void zkt_call_broadcast(struct zkt_call *call, uint32_t broadcast,
                        const void *payload, struct zkt_target target)
{
    if (call->journal.failure != ZKT_OK) {
        return;
    }
    const struct zkt_event *event =
        &call->host->app.info->broadcasts[broadcast];
    struct zkt_writer *w = &call->host->plain;
    if (event->payload != NULL &&
        !zkt__check_value(event->payload, payload, NULL, 0, &call->issues)) {
        zkt__call_poison(call, ZKT_INTERNAL,
                         "the payload of %.*s breaks its rules",
                         ZKT_ARG(event->name));
        return;
    }
    struct zkt_emitted *emitted = begin(call, target);
    if (emitted == NULL) {
        return;
    }
    zkt__write_broadcast(w, event, payload);
    if (zkt__call_fits(call, "a broadcast", zkt__frame_payload(w))) {
        emitted->frame = zkt__frame_share(w);
        end(call, emitted);
    }
}

/* ---- ends of connections ---- */

struct zkt_buffer *zkt__close_reason(const struct zkt_allocator *allocator,
                                     const char *reason)
{
    enum {
        REASON_MAX = 123 /* RFC 6455, section 5.5 */
    };
    size_t len = reason != NULL ? strlen(reason) : 0;
    if (len > REASON_MAX) {
        len = REASON_MAX;
        while (len > 0 && ((unsigned char)reason[len] & 0xc0) == 0x80) {
            len--; /* not within a character */
        }
    }
    if (!zkt__utf8_valid(reason, len)) {
        len = 0;
    }
    struct zkt_buffer *buffer = zkt__buffer_new(allocator, len + 1);
    if (buffer != NULL) {
        memcpy(buffer->data, len > 0 ? reason : "", len);
        buffer->data[len] = '\0';
    }
    return buffer;
}

void zkt_kick(struct zkt_call *call, struct zkt_str client_id, unsigned code,
              const char *reason)
{
    if (call->journal.failure != ZKT_OK) {
        return;
    }
    if (!zkt__may_close_with(code)) {
        zkt__call_poison(call, ZKT_INTERNAL,
                         "a client cannot be closed with %u", code);
        return;
    }
    struct zkt_emitted *emitted = begin(call, zkt_to(client_id));
    if (emitted != NULL) {
        emitted->close_code = code;
        emitted->frame = zkt__close_reason(call->host->allocator, reason);
        end(call, emitted);
    }
}
