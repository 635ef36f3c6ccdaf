/* The functions of zocket/call.h for the state and the events of an instance.
 */
#include "zocket/call.h"

#include "call/broadcast.h"
#include "instance/commit.h"
#include "protocol/envelope.h"

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
    for (struct zkt_node *n = instance->attachments.first; n != NULL;
         n = zkt__ring_after(&instance->attachments, n)) {
        const struct zkt_contact *contact = zkt__contact_of(
            ZKT_CONTAINER(n, struct zkt_attachment, of_instance));
        if (!contact->peer->is_program) {
            ids[len++] = zkt__peer_client_id(contact->peer);
        }
    }
    return (struct zkt_str_list){ ids, len };
}

bool zkt_in_contact(const struct zkt_call *call)
{
    if (call->instance == NULL || call->peer == NULL) {
        return false; /* without a client */
    }
    const struct zkt_task *task = ZKT_CONTAINER(call, const struct zkt_task,
                                                call);
    const struct zkt_attachment *attachment = &task->contact->attachment;
    return attachment->instance == call->instance && !attachment->leaving;
}

const void *zkt_call_connection_of(struct zkt_call *call,
                                   struct zkt_str client_id)
{
    const struct zkt_instance *instance = call->instance;
    if (instance == NULL) {
        return NULL;
    }
    for (struct zkt_node *n = instance->attachments.first; n != NULL;
         n = zkt__ring_after(&instance->attachments, n)) {
        struct zkt_attachment *a = ZKT_CONTAINER(n, struct zkt_attachment,
                                                 of_instance);
        const struct zkt_peer *peer = zkt__contact_of(a)->peer;
        if (!zkt_str_eq(zkt__peer_client_id(peer), client_id)) {
            continue;
        }
        if (peer == call->peer) {
            return zkt_call_connection(call);
        }
        return a->record != NULL && zkt__call_hold_record(call, a->record)
                   ? a->record->data
                   : NULL;
    }
    return NULL;
}

void zkt_destroy(struct zkt_call *call)
{
    call->destroys = zkt__call_runs(call) || call->destroys;
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
    return zkt__call_runs(call) ? call->journal.root : NULL;
}

struct zkt_cursor *zkt_call_private_cursor(struct zkt_call *call)
{
    return call->private_state != NULL && zkt__call_runs(call)
               ? call->private_journal.root
               : NULL;
}

void zkt_expel(struct zkt_call *call, struct zkt_str client_id,
               enum zkt_status code, const char *text)
{
    if (!zkt__call_runs(call) || call->journal.failure != ZKT_OK) {
        return;
    }
    if (call->instance == NULL) {
        zkt__call_poison(call, ZKT_INTERNAL, "there is nothing to expel from");
        return;
    }
    const struct zkt_failure failure = { .status = code,
                                         .text = zkt_cstr(text) };
    const uint64_t hash = zkt__hash(&call->host->store.key, client_id.data,
                                    client_id.len);
    struct zkt_expulsion **at = zkt__expulsion_find(call, client_id, hash);
    if (*at != NULL) {
        return; /* the first reason counts */
    }
    struct zkt_expulsion *e = zkt__arena_zero(call->arena, 1, sizeof(*e));
    if (e != NULL) {
        e->client = zkt__arena_str(call->arena, client_id);
        e->failure = e->client.data != NULL
                         ? zkt__failure_share(&failure, &call->host->plain)
                         : NULL;
    }
    if (e == NULL || e->failure == NULL) {
        zkt__call_poison(call, ZKT_NO_MEMORY, "no memory to expel a client");
        return;
    }
    e->status = code;
    e->hash = hash;
    e->next = call->first_expelled;
    call->first_expelled = *at = e;
    call->has_effects = true;
}

/* ---- events ---- */

/* Writes the message of an event into host->plain, as a frame. */
static void write_event(const struct zkt_call *call,
                        const struct zkt_event *event, const void *payload)
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
}

void zkt_call_emit(struct zkt_call *call, uint32_t index, const void *payload,
                   struct zkt_target target)
{
    if (!zkt__call_runs(call) || call->journal.failure != ZKT_OK) {
        return;
    }
    const struct zkt_event *event = &call->instance->actor->events[index];
    struct zkt_writer *w = &call->host->plain;
    if (target.kind == ZKT_TARGET_TOPICS) {
        zkt__journal_fail(&call->journal, ZKT_INTERNAL,
                          "an event of an actor goes to clients, not to "
                          "topics");
        return;
    }
    if (target.kind == ZKT_TARGET_AUDIENCE &&
        target.audience >= call->actor->audience_count) {
        zkt__journal_fail(&call->journal, ZKT_INTERNAL,
                          "the audience of an event is of another actor");
        return;
    }
    if (target.kind == ZKT_TARGET_AUDIENCE && call->host->instances->ended) {
        return; /* nobody judges the listeners any more: see commit.c */
    }
    struct zkt_emitted *emitted = zkt__emitted_begin(call, event, payload,
                                                     &target);
    if (emitted == NULL) {
        return;
    }
    write_event(call, event, payload);
    if (zkt__call_fits(call, "an event", zkt__frame_payload(w))) {
        emitted->frame = zkt__frame_share(w);
        zkt__emitted_end(call, &call->events, emitted);
    }
}
