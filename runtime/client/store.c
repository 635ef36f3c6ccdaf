/*
 * The states of instances: snapshots replace them, and patches change them in
 * place. A patch that does not fit leaves the state as it was, and
 * subscription.h decides about the subscription.
 */
#include "client/store.h"

#include "client/core.h"
#include "client/instance.h"
#include "client/listener.h"
#include "client/receive.h"
#include "state/delta.h"

const void *zkt_handle_snapshot(const struct zkt_handle *handle)
{
    const struct zkt_client *client = zkt__handle_client(handle);
    if (client == NULL || !zkt__client_may_read(client)) {
        return NULL;
    }
    const struct zkt_handle *cell = zkt__handle_find(handle);
    return cell != NULL && cell->instance->known ? cell->instance->state : NULL;
}

/* ---- state ---- */

/* A snapshot or patch does not fit. */
static void on_mismatch(struct zkt_client *client,
                        struct zkt_client_instance *instance)
{
    client->stats.mismatches++;
    zkt__subscription_step(client, &instance->of_state, ZKT_SUB_ON_MISMATCH);
}

static void mark_changed_fields(const struct zkt_type *type, const char *before,
                                const char *after, uint64_t *fields)
{
    const struct zkt_struct_info *info = type->of.structs;
    for (uint32_t i = 0; i < info->count; i++) {
        if (!zkt__value_equal(info->fields[i].type,
                              before + info->fields[i].offset,
                              after + info->fields[i].offset)) {
            fields[i / 64] |= (uint64_t)1 << i % 64;
        }
    }
}

static void receive_snapshot(struct zkt_client *client,
                             struct zkt_client_instance *instance,
                             struct zkt_str json)
{
    const struct zkt_type *type = instance->actor->state;
    uint64_t fields[ZKT_FIELDS_MAX / 64] = { 0 };
    struct zkt_issues issues;
    zkt__issues_init(&issues, &client->arena, NULL);
    struct zkt_reader reader;
    void *decoded = zkt__arena_zero(&client->arena, 1, type->size);
    void *owned = zkt__arena_zero(&client->arena, 1, type->size);
    if (decoded == NULL || owned == NULL) {
        zkt__client_lost(client, "out of memory");
        return;
    }
    zkt__reader_init(&reader, (char *)(uintptr_t)json.data, json.len,
                     &client->arena, &issues, &client->store.key);
    zkt__client_tolerate(client, &reader);
    const bool good = type->decode(&reader, type, decoded);
    zkt__count_ignored(client, &reader);
    if (!good) {
        on_mismatch(client, instance);
        return;
    }
    if (!zkt__value_copy(&client->store, type, owned, decoded)) {
        zkt__client_lost(client, "out of memory");
        return;
    }
    mark_changed_fields(type, instance->state, owned, fields);
    zkt__value_release(&client->store, type, instance->state);
    memcpy(instance->state, owned, type->size);
    const struct zkt_notification notification = {
        .kind = ZKT_LISTEN_STATE, .fields = instance->known ? fields : NULL
    };
    instance->known = true;
    zkt__subscription_step(client, &instance->of_state, ZKT_SUB_ON_SNAPSHOT);
    client->stats.snapshots++;
    zkt__listeners_notify(client, &instance->listeners, instance,
                          &notification);
}

static void mark_field(void *user, uint32_t field)
{
    uint64_t *fields = user;
    fields[field / 64] |= (uint64_t)1 << field % 64;
}

static void receive_patch(struct zkt_client *client,
                          struct zkt_client_instance *instance,
                          struct zkt_str json)
{
    uint64_t fields[ZKT_FIELDS_MAX / 64] = { 0 };
    struct zkt_issues issues;
    zkt__issues_init(&issues, &client->arena, NULL);
    struct zkt_journal journal;
    struct zkt_reader reader;
    if (!instance->known || !zkt__subscription_is_live(&instance->of_state)) {
        return; /* a snapshot is on its way */
    }
    if (!zkt__journal_begin(&journal, &client->store, &client->arena, &issues,
                            instance->actor->state, instance->state,
                            UINT32_MAX)) {
        zkt__client_lost(client, "out of memory");
        return;
    }
    journal.checks = false;
    zkt__reader_init(&reader, (char *)(uintptr_t)json.data, json.len,
                     &client->arena, &issues, &client->store.key);
    zkt__client_tolerate(client, &reader);
    const enum zkt_patch_result result = zkt__patch_apply(&journal, &reader,
                                                          client->dialect);
    reader.unknown_fields = journal.unknown_fields;
    reader.unknown_values = journal.unknown_values;
    zkt__count_ignored(client, &reader);
    switch (result) {
    case ZKT_PATCH_APPLIED:
        break;
    case ZKT_PATCH_MISMATCH:
        on_mismatch(client, instance);
        return;
    case ZKT_PATCH_NO_MEMORY:
        zkt__client_lost(client, "out of memory");
        return;
    }
    zkt__subscription_step(client, &instance->of_state, ZKT_SUB_ON_PATCHED);
    client->stats.patches++;
    zkt__journal_changed_fields(&journal, mark_field, fields);
    /* Without memory for the delta, observers are told of whole fields. */
    const struct zkt_notification notification = {
        .kind = ZKT_LISTEN_STATE,
        .fields = fields,
        .patch = instance->observers > 0 ? zkt__delta_build(&journal) : NULL,
    };
    zkt__journal_commit(&journal);
    zkt__listeners_notify(client, &instance->listeners, instance,
                          &notification);
}

void *zkt__decode_payload(struct zkt_client *client,
                          const struct zkt_type *type, struct zkt_str json)
{
    struct zkt_issues issues;
    zkt__issues_init(&issues, &client->arena, NULL);
    struct zkt_reader reader;
    void *payload = zkt__arena_zero(&client->arena, 1, type->size);
    if (payload == NULL || json.data == NULL) {
        return NULL;
    }
    zkt__reader_init(&reader, (char *)(uintptr_t)json.data, json.len,
                     &client->arena, &issues, &client->store.key);
    zkt__client_tolerate(client, &reader);
    const bool good = type->decode(&reader, type, payload);
    zkt__count_ignored(client, &reader);
    return good ? payload : NULL;
}

static void receive_event(struct zkt_client *client,
                          struct zkt_client_instance *instance,
                          const struct zkt_envelope *message)
{
    uint32_t index = 0;
    while (index < instance->actor->event_count &&
           !zkt_str_eq(instance->actor->events[index].name, message->event)) {
        index++;
    }
    if (index == instance->actor->event_count) {
        client->stats.unknown_events++; /* of a newer server */
        return;
    }
    const struct zkt_type *type = instance->actor->events[index].payload;
    void *payload = NULL;
    if (type != NULL) {
        payload = zkt__decode_payload(client, type, message->payload);
        if (payload == NULL) {
            client->stats.mismatches++;
            zkt__client_report(client, instance, ZKT_INTERNAL,
                               "an event %.*s does not fit the schema",
                               ZKT_ARG(message->event));
            return;
        }
    }
    const struct zkt_notification notification = { .kind = ZKT_LISTEN_EVENT,
                                                   .event = index,
                                                   .payload = payload };
    zkt__subscription_step(client, &instance->of_events, ZKT_SUB_ON_SNAPSHOT);
    client->stats.events++;
    zkt__listeners_notify(client, &instance->listeners, instance,
                          &notification);
}

void zkt__store_receive(struct zkt_client *client,
                        const struct zkt_envelope *message)
{
    struct zkt_client_instance *instance = NULL;
    if (message->actor.data != NULL && message->actor_id.data != NULL) {
        instance = zkt__client_instance_find(client, message->actor,
                                             message->actor_id);
    }
    if (instance == NULL) {
        return; /* of an instance that was freed meanwhile */
    }
    if (message->type == ZKT_MESSAGE_STATE_SNAPSHOT &&
        instance->of_state.state != ZKT_SUB_OFF &&
        message->state.data != NULL) {
        receive_snapshot(client, instance, message->state);
    } else if (message->type == ZKT_MESSAGE_STATE_PATCH &&
               message->patches.data != NULL) {
        receive_patch(client, instance, message->patches);
    } else if (message->type == ZKT_MESSAGE_EVENT &&
               message->event.data != NULL) {
        receive_event(client, instance, message);
    }
}

/* ---- the end of a turn ---- */

/* Drops subscriptions without listeners and leaves an instance without handles
 * and calls; on an open connection the unsubscribe has just been sent. */
static void release_if_unused(struct zkt_client *client,
                              struct zkt_client_instance *instance)
{
    zkt__subscription_drop(client, &instance->of_state);
    zkt__subscription_drop(client, &instance->of_events);
    if (instance->handles == 0 && instance->calls == 0) {
        zkt__client_instance_leave(client, instance);
    }
}

bool zkt__store_has_work(const struct zkt_client *client)
{
    return !zkt__list_empty(&client->dirty) ||
           !zkt__list_empty(&client->removed) ||
           !zkt__list_empty(&client->unnotified) ||
           (zkt__client_is_open(client) && !zkt__list_empty(&client->unsent));
}

void zkt__store_end_turn(struct zkt_client *client)
{
    struct zkt_node *n;
    if (client->depth > 0) {
        return;
    }
    zkt__listeners_notify_new(client);
    zkt__listeners_sweep(client);
    zkt__unsent_flush(client);
    while ((n = zkt__list_first(&client->dirty)) != NULL) {
        zkt__node_unlink(n);
        release_if_unused(client,
                          ZKT_CONTAINER(n, struct zkt_client_instance, dirty));
    }
}

void zkt__store_free(struct zkt_client *client)
{
    struct zkt_node *n;
    while ((n = zkt__list_first(&client->instances)) != NULL) {
        struct zkt_client_instance *instance = ZKT_CONTAINER(
            n, struct zkt_client_instance, node);
        zkt__listeners_free(client, &instance->listeners);
        zkt__client_instance_free(client, instance);
    }
    zkt__client_instances_finish(client);
    zkt__listeners_free(client, &client->status_listeners);
    zkt__listeners_free(client, &client->broadcast_listeners);
}
