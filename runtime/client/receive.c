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

enum {
    REPORT_MAX = 512
};

void zkt__client_report(struct zkt_client *client,
                        struct zkt_client_instance *instance,
                        enum zkt_status status, const char *format, ...)
{
    char text[REPORT_MAX];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    const struct zkt_reply reply = { .status = status,
                                     .error = text,
                                     .reason = "" };
    const struct zkt_notification notification = { .kind = ZKT_LISTEN_ERROR,
                                                   .payload = &reply };
    client->stats.errors++;
    zkt__client_log(client, ZKT_LOG_ERROR, "%.*s \"%.*s\": %s",
                    ZKT_ARG(instance->actor->name), ZKT_ARG(instance->id),
                    text);
    zkt__listeners_notify(client, &instance->listeners, instance,
                          &notification);
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

static void receive_sub_error(struct zkt_client *client,
                              const struct zkt_envelope *message)
{
    struct zkt_client_instance *instance = NULL;
    if (message->actor.data != NULL && message->actor_id.data != NULL) {
        instance = zkt__client_instance_find(client, message->actor,
                                             message->actor_id);
    }
    if (instance != NULL) {
        const bool live = zkt__subscription_is_live(&instance->of_state) ||
                          zkt__subscription_is_live(&instance->of_events);
        zkt__subscriptions_refused(client, instance, zkt__error_code(message));
        zkt__client_report(client, instance, zkt__error_code(message),
                           "the subscription %s: %.*s",
                           live ? "has ended" : "was refused",
                           ZKT_ARG(or_empty(message->error)));
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
    case ZKT_MESSAGE_EVENT:
    case ZKT_MESSAGE_STATE_SNAPSHOT:
    case ZKT_MESSAGE_STATE_PATCH:
        zkt__store_receive(client, message);
        break;
    case ZKT_MESSAGE_SUB_ERROR:
        receive_sub_error(client, message);
        break;
    case ZKT_MESSAGE_SUB_OK:
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
