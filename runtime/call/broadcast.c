/* See broadcast.h; the functions of zocket/call.h that need it. */
#include "call/broadcast.h"

#include <string.h>

#include "base/utf8.h"
#include "protocol/envelope.h"

/* ---- emitting ---- */

/* Copies a target into the call's memory. Returns false if there is none. */
static bool copy_target(const struct zkt_call *call,
                        const struct zkt_target *from, struct zkt_target *to)
{
    const struct zkt_str *ids = from->ids != NULL ? from->ids : &from->one;
    struct zkt_str *copies = zkt__arena_zero(call->arena, from->len,
                                             sizeof(struct zkt_str));
    *to = *from;
    to->ids = copies;
    for (size_t i = 0; copies != NULL && i < from->len; i++) {
        copies[i] = zkt__arena_str(call->arena, ids[i]);
        if (copies[i].data == NULL) {
            return false;
        }
    }
    return copies != NULL;
}

static bool is_valid(struct zkt_call *call, const struct zkt_event *event,
                     const void *payload)
{
    if (event == NULL || event->payload == NULL ||
        zkt__check_value(event->payload, payload, NULL, 0, &call->issues)) {
        return true;
    }
    zkt__call_poison(call, ZKT_INTERNAL, "the payload of %.*s breaks its rules",
                     ZKT_ARG(event->name));
    return false;
}

struct zkt_emitted *zkt__emitted_begin(struct zkt_call *call,
                                       const struct zkt_event *event,
                                       const void *payload,
                                       const struct zkt_target *target)
{
    if (!is_valid(call, event, payload)) {
        return NULL;
    }
    if (call->event_count++ == call->host->limits->events) {
        call->host->stats.limit_hits.events++;
        zkt__call_poison(call, ZKT_INTERNAL, "too many events in one call");
        return NULL;
    }
    struct zkt_emitted *emitted = zkt__arena_zero(call->arena, 1,
                                                  sizeof(*emitted));
    if (emitted == NULL || !copy_target(call, target, &emitted->target)) {
        zkt__call_poison(call, ZKT_NO_MEMORY, "no memory for an event");
        return NULL;
    }
    return emitted;
}

void zkt__emitted_end(struct zkt_call *call, struct zkt_emitted_list *list,
                      struct zkt_emitted *emitted)
{
    if (emitted->frame == NULL) {
        zkt__call_poison(call, ZKT_NO_MEMORY, "no memory for an event");
        return;
    }
    if (list->last != NULL) {
        list->last->next = emitted;
    } else {
        list->first = emitted;
        call->has_effects = true;
    }
    list->last = emitted;
}

void zkt__emitted_drop(struct zkt_emitted_list *list)
{
    for (const struct zkt_emitted *e = list->first; e != NULL; e = e->next) {
        zkt__buffer_unref(e->frame);
    }
    *list = (struct zkt_emitted_list){ NULL, NULL };
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
    if (!zkt__call_runs(call) || call->journal.failure != ZKT_OK) {
        return;
    }
    const struct zkt_event *event =
        &call->host->app.info->broadcasts[broadcast];
    struct zkt_writer *w = &call->host->plain;
    if (target.kind == ZKT_TARGET_AUDIENCE) {
        zkt__call_poison(call, ZKT_INTERNAL,
                         "a broadcast goes to clients or topics, not to an "
                         "audience");
        return;
    }
    struct zkt_emitted *emitted = zkt__emitted_begin(call, event, payload,
                                                     &target);
    if (emitted == NULL) {
        return;
    }
    zkt__write_broadcast(w, event, payload);
    if (zkt__call_fits(call, "a broadcast", zkt__frame_payload(w))) {
        emitted->frame = zkt__frame_share(w);
        zkt__emitted_end(call, &call->broadcasts, emitted);
    }
}

/* ---- ends of connections ---- */

struct zkt_buffer *zkt__close_reason(const struct zkt_allocator *allocator,
                                     const char *reason)
{
    const struct zkt_str text = zkt_cstr(reason);
    const size_t len = zkt__utf8_cut(text.data, text.len, ZKT_WS_REASON_MAX);
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
    if (!zkt__call_runs(call) || call->journal.failure != ZKT_OK) {
        return;
    }
    if (!zkt__may_close_with(code)) {
        zkt__call_poison(call, ZKT_INTERNAL,
                         "a client cannot be closed with %u", code);
        return;
    }
    const struct zkt_target target = zkt_to(client_id);
    struct zkt_emitted *emitted = zkt__emitted_begin(call, NULL, NULL, &target);
    if (emitted != NULL) {
        emitted->close_code = code;
        emitted->frame = zkt__close_reason(call->host->allocator, reason);
        zkt__emitted_end(call, &call->broadcasts, emitted);
    }
}
