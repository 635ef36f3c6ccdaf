/*
 * Messages of the server: reads the envelope, and hands the contents to calls,
 * to the store or to subscriptions. Fields and messages of a newer server are
 * ignored and counted.
 */
#include "client/receive.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"
#include "client/broadcast.h"
#include "client/calls.h"
#include "client/core.h"
#include "client/instance.h"
#include "client/listener.h"
#include "client/refusal.h"
#include "client/store.h"
#include "protocol/reply.h"

enum {
    REPORT_MAX = 512
};

/* Gives a reply to the error listeners of @instance, and to the log. */
static void report(struct zkt_client *client,
                   struct zkt_client_instance *instance,
                   const struct zkt_reply *reply)
{
    const struct zkt_notification notification = { .kind = ZKT_LISTEN_ERROR,
                                                   .payload = reply };
    client->stats.errors++;
    zkt__client_log(client, ZKT_LOG_ERROR, "%.*s \"%.*s\": %s",
                    ZKT_ARG(instance->actor->name), ZKT_ARG(instance->id),
                    reply->error);
    zkt__listeners_notify(client, &instance->listeners, instance,
                          &notification);
}

void zkt__client_report(struct zkt_client *client,
                        struct zkt_client_instance *instance,
                        enum zkt_status status, const char *format, ...)
{
    char text[REPORT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    report(client, instance,
           &(const struct zkt_reply){
               .status = status, .error = text, .reason = "" });
}

void zkt__client_tolerate(const struct zkt_client *client,
                          struct zkt_reader *reader)
{
    reader->tolerant = true;
    reader->depth_max = (uint32_t)client->options.json_depth;
}

void zkt__count_ignored(struct zkt_client *client,
                        const struct zkt_reader *reader)
{
    client->stats.over_limit += reader->too_deep;
    client->stats.unknown_fields += reader->unknown_fields;
    client->stats.unknown_values += reader->unknown_values;
}

static struct zkt_str or_empty(struct zkt_str text)
{
    return text.data != NULL ? text : ZKT_STR("");
}

/* Servers of the plain dialect send no code; then it is INTERNAL. */
enum zkt_status zkt__error_code(const struct zkt_envelope *message)
{
    return message->code.data != NULL ? zkt__status_parse(message->code)
                                      : ZKT_INTERNAL;
}

int64_t zkt__client_retry_after(const struct zkt_envelope *message)
{
    const int64_t ms = message->retry_after.data != NULL
                           ? zkt__reply_ms(message->retry_after)
                           : 0;
    return ms < ZKT_RETRY_AFTER_MAX ? ms : ZKT_RETRY_AFTER_MAX;
}

/* Returns true if the message is about a subscription of that kind. */
static bool is_of(const struct zkt_envelope *message, const char *kind)
{
    return message->of.data != NULL && zkt_str_eq(message->of, zkt_cstr(kind));
}

static void receive_welcome(struct zkt_client *client,
                            const struct zkt_envelope *message)
{
    if (message->client_id.data != NULL) {
        zkt__value_release(&client->store, &zkt_type_string, &client->own_id);
        client->welcomed = zkt__value_copy(&client->store, &zkt_type_string,
                                           &client->own_id,
                                           &message->client_id);
    }
    client->level = message->level.data != NULL && message->level.len > 0 &&
                            message->level.data[0] >= '1' &&
                            message->level.data[0] <= '9'
                        ? 1
                        : 0;
    zkt__connection_welcomed(client);
    zkt__client_hear(client);
}

static struct zkt_client_instance *find_instance(
    const struct zkt_client *client, const struct zkt_envelope *message)
{
    return message->actor.data != NULL && message->actor_id.data != NULL
               ? zkt__client_instance_find(client, message->actor,
                                           message->actor_id)
               : NULL;
}

/* Tells the error listeners the content of the message, as a reply. */
static void report_refusal(struct zkt_client *client,
                           struct zkt_client_instance *instance, bool was_live,
                           const struct zkt_envelope *message)
{
    char text[REPORT_MAX];
    struct zkt_reply_memory memory = { .key = client->store.key };
    struct zkt_reply reply = { .status = zkt__error_code(message),
                               .error = text,
                               .memory_ = &memory };
    snprintf(text, sizeof(text), "the subscription %s: %.*s",
             was_live ? "has ended" : "was refused",
             ZKT_ARG(or_empty(message->error)));
    zkt__arena_init(&memory.arena, client->allocator);
    zkt__reply_read(&reply, message);
    report(client, instance, &reply);
    zkt__arena_finish(&memory.arena);
}

/* A server of the plain dialect does not say whether the message is about the
 * state or the events: then it is about both. Asking again for an unaffected
 * subscription does no harm. */
static void receive_sub_error(struct zkt_client *client,
                              const struct zkt_envelope *message)
{
    struct zkt_client_instance *instance = find_instance(client, message);
    const bool of_state = !is_of(message, "events");
    const bool of_events = !is_of(message, "state");
    bool was_live = false;
    if (instance == NULL) {
        return;
    }
    const enum zkt_status status = zkt__error_code(message);
    const int64_t ms = zkt__client_retry_after(message);
    if (of_state) {
        was_live = zkt__subscription_is_live(&instance->of_state);
        zkt__subscription_refused(client, &instance->of_state, status, ms);
    }
    if (of_events) {
        was_live = was_live || zkt__subscription_is_live(&instance->of_events);
        zkt__subscription_refused(client, &instance->of_events, status, ms);
    }
    report_refusal(client, instance, was_live, message);
}

/* The subscription to events is accepted: if it ends, it is asked for again at
 * once. A subscription to the state is accepted by its snapshot. */
static void receive_sub_ok(struct zkt_client *client,
                           const struct zkt_envelope *message)
{
    struct zkt_client_instance *instance = find_instance(client, message);
    if (instance != NULL && is_of(message, "events")) {
        zkt__subscription_step(client, &instance->of_events,
                               ZKT_SUB_ON_SNAPSHOT);
    }
}

/* Before `welcome` it refuses the connection, and a close frame follows. */
static void receive_error(struct zkt_client *client,
                          const struct zkt_envelope *message)
{
    client->stats.errors++;
    if (zkt__client_is_open(client)) {
        zkt__client_log(client, ZKT_LOG_ERROR, "the server says: %.*s",
                        ZKT_ARG(or_empty(message->error)));
    } else {
        zkt__refusal_describe(client, message);
    }
}

/* Before `welcome` nothing was asked for: all but a refusal is ignored. */
static bool is_early(const struct zkt_client *client,
                     const struct zkt_envelope *message)
{
    return !zkt__client_is_open(client) &&
           message->type != ZKT_MESSAGE_WELCOME &&
           message->type != ZKT_MESSAGE_ERROR;
}

static void receive(struct zkt_client *client,
                    const struct zkt_envelope *message)
{
    if (is_early(client, message)) {
        client->stats.unknown_messages++;
        return;
    }
    switch (message->type) {
    case ZKT_MESSAGE_WELCOME:
        receive_welcome(client, message);
        break;
    case ZKT_MESSAGE_RPC_RESULT:
        zkt__calls_receive(client, message);
        break;
    case ZKT_MESSAGE_RPC_PROGRESS:
    case ZKT_MESSAGE_RPC_CHUNK:
        zkt__calls_receive_part(client, message);
        break;
    case ZKT_MESSAGE_EVENT:
    case ZKT_MESSAGE_STATE_SNAPSHOT:
    case ZKT_MESSAGE_STATE_PATCH:
        zkt__store_receive(client, message);
        break;
    case ZKT_MESSAGE_SUB_ERROR:
        receive_sub_error(client, message);
        break;
    case ZKT_MESSAGE_SUB_OK:
        receive_sub_ok(client, message);
        break;
    case ZKT_MESSAGE_BROADCAST:
        zkt__client_receive_broadcast(client, message);
        break;
    case ZKT_MESSAGE_ERROR:
        receive_error(client, message);
        break;
    default:
        client->stats.unknown_messages++;
        break;
    }
}

void zkt__client_receive_refusal(struct zkt_client *client, char *text,
                                 size_t len)
{
    struct zkt_envelope message;
    struct zkt_reader reader;
    zkt__reader_init(&reader, text, len, &client->arena, NULL,
                     &client->store.key);
    if (zkt__utf8_valid(text, len) && zkt__envelope_read(&message, &reader)) {
        zkt__refusal_describe(client, &message);
    }
}

void zkt__client_receive(struct zkt_client *client, bool binary, char *text,
                         size_t len)
{
    struct zkt_envelope message;
    struct zkt_reader reader;
    client->stats.messages_in++;
    zkt__reader_init(&reader, text, len, &client->arena, NULL,
                     &client->store.key);
    if (!binary && zkt__envelope_read(&message, &reader)) {
        receive(client, &message);
        return;
    }
    client->stats.unknown_messages++;
    zkt__client_log(client, ZKT_LOG_WARNING,
                    "a message of the server is not a JSON object");
}
