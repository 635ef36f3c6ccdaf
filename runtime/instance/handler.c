/* The functions of zocket/call.h, which handlers call. */
#include "zocket/call.h"

#include <stdarg.h>
#include <stdio.h>

#include "instance/commit.h"
#include "protocol/envelope.h"

/* Formats a text in the call's memory. Data is NULL if there is no memory. */
static struct zkt_str format_text(struct zkt_call *call, const char *format,
                                  va_list arguments)
{
    va_list copy;
    va_copy(copy, arguments);
    const int len = vsnprintf(NULL, 0, format, copy);
    va_end(copy);
    if (len < 0) {
        return (struct zkt_str){ NULL, 0 };
    }
    char *text = zkt__arena_alloc(call->arena, (size_t)len + 1);
    if (text == NULL) {
        return (struct zkt_str){ NULL, 0 };
    }
    (void)vsnprintf(text, (size_t)len + 1, format, arguments);
    return (struct zkt_str){ text, (size_t)len };
}

static bool is_protocol_code(enum zkt_status status)
{
    return status > 0 && status != ZKT_PENDING &&
           (status == ZKT_INTERNAL ||
            zkt__status_parse(zkt_cstr(zkt_status_name(status))) == status);
}

enum zkt_status zkt_fail(struct zkt_call *call, enum zkt_status status,
                         const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    call->error = format_text(call, format, arguments);
    va_end(arguments);
    call->failure = is_protocol_code(status) ? status : ZKT_INTERNAL;
    return call->failure;
}

struct zkt_str zkt_format(struct zkt_call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const struct zkt_str text = format_text(call, format, arguments);
    va_end(arguments);
    if (text.data == NULL) {
        zkt__journal_fail(&call->journal, ZKT_NO_MEMORY,
                          "no memory for a text");
        return ZKT_STR("");
    }
    call->has_allocated = true;
    return text;
}

void *zkt_alloc(struct zkt_call *call, size_t count, size_t size)
{
    void *memory = zkt__arena_zero(call->arena, count, size);
    call->has_allocated = true;
    if (memory == NULL) {
        zkt__journal_fail(&call->journal, ZKT_NO_MEMORY,
                          "no memory for the handler");
    }
    return memory;
}

struct zkt_str zkt_random_id(struct zkt_call *call, size_t bytes)
{
    enum {
        BYTES_MAX = 64
    };
    bytes = bytes < 1 ? 1 : bytes > BYTES_MAX ? BYTES_MAX : bytes;
    char *text = call->host != NULL ? zkt_alloc(call, 2 * bytes + 1, 1) : NULL;
    if (text == NULL) {
        return ZKT_STR("");
    }
    zkt__random_hex(&call->host->random, text, bytes);
    return (struct zkt_str){ text, 2 * bytes };
}

uint32_t zkt_random(struct zkt_call *call, uint32_t below)
{
    if (below == 0 || call->host == NULL) {
        return 0;
    }
    /* Values past the last whole multiple would favour small results. */
    const uint64_t last = UINT64_MAX - UINT64_MAX % below;
    uint64_t value;
    do {
        value = zkt__random_next(&call->host->random);
    } while (value >= last);
    return (uint32_t)(value % below);
}

int64_t zkt_now_ms(const struct zkt_call *call)
{
    return call->now_ms;
}

struct zkt_str zkt_client_id(const struct zkt_call *call)
{
    return call->client_id;
}

struct zkt_str zkt_instance_id(const struct zkt_call *call)
{
    return call->instance_id;
}

struct zkt_str_list zkt_clients(struct zkt_call *call)
{
    const struct zkt_instance *instance = call->instance;
    struct zkt_str *ids = NULL;
    size_t len = 0;
    if (instance != NULL) {
        ids = zkt_alloc(call, instance->contact_count, sizeof(struct zkt_str));
    }
    if (ids == NULL) {
        return (struct zkt_str_list){ NULL, 0 };
    }
    for (struct zkt_node *n = zkt__list_first(&instance->attachments);
         n != NULL; n = zkt__list_after(&instance->attachments, n)) {
        const struct zkt_contact *contact = zkt__contact_of(
            ZKT_CONTAINER(n, struct zkt_attachment, of_instance));
        ids[len++] = zkt__peer_client_id(contact->peer);
    }
    return (struct zkt_str_list){ ids, len };
}

void *zkt_user(const struct zkt_call *call)
{
    return call->user;
}

struct zkt_server *zkt_call_server(const struct zkt_call *call)
{
    return call->host != NULL ? call->host->server : NULL;
}

void zkt_destroy(struct zkt_call *call)
{
    call->destroys = true;
}

const void *zkt_call_state(const struct zkt_call *call)
{
    return call->state;
}

const void *zkt_call_private_state(const struct zkt_call *call)
{
    return call->private_state;
}

struct zkt_cursor *zkt_call_cursor(struct zkt_call *call)
{
    return call->journal.root;
}

struct zkt_cursor *zkt_call_private_cursor(struct zkt_call *call)
{
    return call->private_state != NULL ? call->private_journal.root : NULL;
}

/* ---- events ---- */

struct zkt_target zkt_to_all(void)
{
    return (struct zkt_target){ .kind = ZKT_TARGET_ALL };
}

struct zkt_target zkt_to(struct zkt_str id)
{
    return (struct zkt_target){ .kind = ZKT_TARGET_ONLY, .len = 1, .one = id };
}

struct zkt_target zkt_to_each(const struct zkt_str *ids, size_t len)
{
    return (
        struct zkt_target){ .kind = ZKT_TARGET_ONLY, .ids = ids, .len = len };
}

struct zkt_target zkt_except(struct zkt_str id)
{
    return (
        struct zkt_target){ .kind = ZKT_TARGET_EXCEPT, .len = 1, .one = id };
}

struct zkt_target zkt_except_each(const struct zkt_str *ids, size_t len)
{
    return (
        struct zkt_target){ .kind = ZKT_TARGET_EXCEPT, .ids = ids, .len = len };
}

/* Copies the ids of a target into the call's memory. Returns false if there is
 * no memory. */
static bool copy_target(struct zkt_call *call, struct zkt_target *target)
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

/* Returns NULL, and poisons the call, if there is no memory or the event is too
 * large. */
static struct zkt_buffer *frame_event(struct zkt_call *call,
                                      const struct zkt_event *event,
                                      const void *payload)
{
    struct zkt_writer *w = &call->host->plain;
    const struct zkt_instance *instance = call->instance;
    zkt__frame_begin(w);
    zkt__write_address(w, ZKT_MESSAGE_EVENT, instance->actor->name,
                       instance->location->name);
    ZKT_WRITE(w, ",\"event\":");
    zkt_write_string(w, event->name);
    if (event->payload != NULL) {
        ZKT_WRITE(w, ",\"payload\":");
        event->payload->encode(w, event->payload, payload);
    }
    ZKT_WRITE(w, "}");
    if (!zkt__call_fits(call, "an event", zkt__frame_payload(w))) {
        return NULL;
    }
    struct zkt_buffer *frame = zkt__frame_share(w);
    if (frame == NULL) {
        zkt__journal_fail(&call->journal, ZKT_NO_MEMORY,
                          "no memory for an event");
    }
    return frame;
}

static void append_event(struct zkt_call *call, struct zkt_emitted *emitted)
{
    if (call->last_event != NULL) {
        call->last_event->next = emitted;
    } else {
        call->first_event = emitted;
    }
    call->last_event = emitted;
}

void zkt_call_emit(struct zkt_call *call, uint32_t index, const void *payload,
                   struct zkt_target target)
{
    if (call->journal.failure != ZKT_OK) {
        return;
    }
    const struct zkt_event *event = &call->instance->actor->events[index];
    if (call->event_count++ == call->host->limits->events) {
        call->host->stats.limit_hits.events++;
        zkt__journal_fail(&call->journal, ZKT_INTERNAL,
                          "too many events in one call");
        return;
    }
    if (event->payload != NULL &&
        !zkt__check_value(event->payload, payload, NULL, 0, &call->issues)) {
        zkt__journal_fail(&call->journal, ZKT_INTERNAL,
                          "the payload of %.*s breaks its rules",
                          ZKT_ARG(event->name));
        return;
    }
    struct zkt_emitted *emitted = zkt__arena_zero(call->arena, 1,
                                                  sizeof(*emitted));
    if (emitted == NULL || !copy_target(call, &target)) {
        zkt__journal_fail(&call->journal, ZKT_NO_MEMORY,
                          "no memory for an event");
        return;
    }
    emitted->target = target;
    emitted->frame = frame_event(call, event, payload);
    if (emitted->frame != NULL) {
        append_event(call, emitted);
    }
}
