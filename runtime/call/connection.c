/* See connection.h; and the functions of zocket/call.h about connections. */
#include "call/connection.h"

#include <string.h>

#include "call/call.h"
#include "http/head.h"

/* The bytes of a topic's name. */
#define TOPIC_BYTES_MAX 128

void zkt__call_drop_connection(struct zkt_call *call)
{
    if (call->view != NULL) {
        for (const struct zkt_held_record *h = call->view->held; h != NULL;
             h = h->next) {
            zkt__connection_record_unref(h->record);
        }
        call->view = NULL;
    }
    zkt__connection_record_unref(call->record);
    call->record = NULL;
}

/* ---- the view ---- */

static void fail_memory(struct zkt_call *call)
{
    zkt__call_poison(call, ZKT_NO_MEMORY,
                     "no memory for the connection's data");
}

/* Returns the view of the call, or NULL with the call poisoned. */
static struct zkt_connection_view *view_of(struct zkt_call *call)
{
    if (call->view == NULL) {
        call->view = zkt__arena_zero(call->arena, 1, sizeof(*call->view));
        call->has_allocated = call->has_effects = true;
        if (call->view == NULL) {
            fail_memory(call);
        }
    }
    return call->view;
}

static const struct zkt_type *data_type(const struct zkt_call *call)
{
    const struct zkt_connection_info *info = call->host->app.info->connection;
    return info != NULL ? info->data : NULL;
}

/* Returns the call's copy of the data, or NULL with the call poisoned. */
static void *copy_data(struct zkt_call *call)
{
    struct zkt_connection_view *view = view_of(call);
    if (view != NULL && view->data == NULL) {
        const struct zkt_type *type = data_type(call);
        view->data = zkt__arena_alloc(call->arena, type->size);
        if (view->data == NULL) {
            fail_memory(call);
            return NULL;
        }
        memcpy(view->data, call->record->data, type->size);
        view->bytes = zkt__value_measure(type, view->data);
    }
    return view != NULL ? view->data : NULL;
}

const void *zkt_call_connection(struct zkt_call *call)
{
    if (call->record == NULL || call->record->data == NULL) {
        return NULL;
    }
    const void *data = call->host != NULL ? copy_data(call) : NULL;
    return data != NULL ? data : call->record->data;
}

bool zkt__call_hold_record(struct zkt_call *call,
                           struct zkt_connection_record *record)
{
    struct zkt_connection_view *view = view_of(call);
    struct zkt_held_record *held =
        view != NULL ? zkt__arena_alloc(call->arena, sizeof(*held)) : NULL;
    if (held == NULL) {
        fail_memory(call);
        return false;
    }
    held->record = zkt__connection_record_ref(record);
    held->next = view->held;
    view->held = held;
    return true;
}

/* ---- changes ---- */

/* Returns false if the call cannot change the connection; without one it is
 * poisoned. */
static bool may_change(struct zkt_call *call)
{
    if (call->host == NULL || !zkt__call_runs(call) ||
        call->journal.failure != ZKT_OK) {
        return false;
    }
    if (call->peer == NULL) {
        zkt__call_poison(call, ZKT_INTERNAL, "the call has no connection");
        return false;
    }
    return true;
}

/* Appends a change; returns NULL with the call poisoned if there is no memory.
 */
static struct zkt_connection_change *append(
    struct zkt_call *call, enum zkt_connection_change_kind kind)
{
    struct zkt_connection_view *view = view_of(call);
    struct zkt_connection_change *change =
        view != NULL ? zkt__arena_zero(call->arena, 1, sizeof(*change)) : NULL;
    if (change == NULL) {
        fail_memory(call);
        return NULL;
    }
    change->kind = kind;
    if (view->last != NULL) {
        view->last->next = change;
    } else {
        view->first = change;
    }
    view->last = change;
    return change;
}

/* Checks a value for a field as a value of a state. Returns false with the call
 * poisoned if it breaks a rule. */
static bool check(struct zkt_call *call, const struct zkt_field *field,
                  uint32_t number, const void *value)
{
    const struct zkt_step step = { field->name.data, (uint32_t)field->name.len,
                                   number };
    if (zkt__check_value(field->type, value, &step, 1, &call->issues)) {
        return true;
    }
    zkt__call_poison(call, ZKT_INTERNAL,
                     "a value for %.*s of the connection breaks its rules",
                     ZKT_ARG(field->name));
    return false;
}

/* Returns a copy of a value in the call's memory, or NULL with the call
 * poisoned. */
static void *copy_value(struct zkt_call *call, const struct zkt_type *type,
                        const void *value)
{
    void *copy = zkt__arena_alloc(call->arena, zkt__value_measure(type, value));
    if (copy == NULL) {
        fail_memory(call);
        return NULL;
    }
    return zkt__value_dup_into(type, value, copy);
}

/* Writes a copied value into the view, unless the data then exceed their limit:
 * false, with the call poisoned. */
static bool write(struct zkt_call *call, const struct zkt_field *field,
                  const void *value)
{
    struct zkt_connection_view *view = call->view;
    char *member = (char *)view->data + field->offset;
    const size_t bytes = view->bytes - zkt__value_measure(field->type, member) +
                         zkt__value_measure(field->type, value);
    if (bytes > (size_t)call->host->limits->connection_bytes) {
        call->host->stats.limit_hits.connection_bytes++;
        zkt__call_poison(call, ZKT_INTERNAL,
                         "the connection's data exceed connection_bytes");
        return false;
    }
    view->bytes = bytes;
    memcpy(member, value, field->type->size);
    return true;
}

void zkt_call_set_connection(struct zkt_call *call, uint32_t number,
                             const void *value)
{
    if (!may_change(call)) {
        return;
    }
    if (call->record == NULL || call->record->data == NULL) {
        zkt__call_poison(call, ZKT_INTERNAL, "the connection has no data yet");
        return;
    }
    const struct zkt_field *field =
        &data_type(call)->of.structs->fields[number];
    void *unset = value == NULL
                      ? zkt__arena_zero(call->arena, 1, field->type->size)
                      : NULL;
    if (value == NULL && unset == NULL) {
        fail_memory(call);
        return;
    }
    value = value != NULL ? value : unset;
    if (copy_data(call) == NULL || !check(call, field, number, value)) {
        return;
    }
    const void *copy = copy_value(call, field->type, value);
    if (copy == NULL || !write(call, field, copy)) {
        return;
    }
    struct zkt_connection_change *change = append(call, ZKT_CONNECTION_SET);
    if (change != NULL) {
        change->field = number;
        change->value = copy;
    }
}

/* ---- topics ---- */

/* Copies the topics of the connection for the call. Returns NULL, with the call
 * poisoned if there is no memory. */
static struct zkt_connection_view *copy_topics(struct zkt_call *call)
{
    struct zkt_connection_view *view = view_of(call);
    if (view == NULL || view->topics != NULL) {
        return view;
    }
    const struct zkt_connection_record *record = call->record;
    const uint32_t count = record != NULL ? record->topic_count : 0;
    const size_t most = (size_t)call->host->limits->topics;
    view->topics = zkt__arena_zero(
        call->arena, (most > count ? most : count) + 1, sizeof(*view->topics));
    if (view->topics == NULL) {
        fail_memory(call);
        return NULL;
    }
    if (count > 0) {
        memcpy(view->topics, record->topics, count * sizeof(*view->topics));
    }
    view->topic_count = count;
    return view;
}

/* Appends the change of a topic, and copies its name. */
static bool append_topic(struct zkt_call *call,
                         enum zkt_connection_change_kind kind,
                         struct zkt_str name, struct zkt_str *copy)
{
    *copy = zkt__arena_str(call->arena, name);
    struct zkt_connection_change *change = copy->data != NULL
                                               ? append(call, kind)
                                               : NULL;
    if (change == NULL) {
        fail_memory(call);
        return false;
    }
    change->topic = *copy;
    return true;
}

/* Returns false with the call poisoned if @name is no name of a topic. */
static bool check_topic(struct zkt_call *call, struct zkt_str name)
{
    if (name.len >= 1 && name.len <= TOPIC_BYTES_MAX) {
        return true;
    }
    zkt__call_poison(call, ZKT_INTERNAL, "a topic has 1 to %d bytes",
                     TOPIC_BYTES_MAX);
    return false;
}

void zkt_topic_join(struct zkt_call *call, struct zkt_str name)
{
    struct zkt_connection_view *view;
    struct zkt_str copy;
    bool found;
    if (!may_change(call) || !check_topic(call, name) ||
        (view = copy_topics(call)) == NULL) {
        return;
    }
    const uint32_t at = zkt__topics_find(view->topics, view->topic_count, name,
                                         &found);
    if (found) {
        return;
    }
    if (view->topic_count >= call->host->limits->topics) {
        call->host->stats.limit_hits.topics++;
        zkt__call_poison(call, ZKT_INTERNAL,
                         "the connection has joined too many topics");
        return;
    }
    if (append_topic(call, ZKT_CONNECTION_JOIN, name, &copy)) {
        zkt__topics_insert(view->topics, &view->topic_count, at, copy);
    }
}

void zkt_topic_leave(struct zkt_call *call, struct zkt_str name)
{
    struct zkt_connection_view *view;
    struct zkt_str copy;
    bool found;
    if (!may_change(call) || (view = copy_topics(call)) == NULL) {
        return;
    }
    const uint32_t at = zkt__topics_find(view->topics, view->topic_count, name,
                                         &found);
    if (found && append_topic(call, ZKT_CONNECTION_LEAVE, name, &copy)) {
        zkt__topics_remove(view->topics, &view->topic_count, at);
    }
}

bool zkt_topic_has(const struct zkt_call *call, struct zkt_str name)
{
    const struct zkt_connection_view *view = call->view;
    const struct zkt_connection_record *record = call->record;
    bool found = false;
    if (call->host == NULL) {
        return false;
    }
    if (view != NULL && view->topics != NULL) {
        (void)zkt__topics_find(view->topics, view->topic_count, name, &found);
    } else if (record != NULL) {
        (void)zkt__topics_find(record->topics, record->topic_count, name,
                               &found);
    }
    return found;
}

struct zkt_str_list zkt_topics(struct zkt_call *call)
{
    const struct zkt_str_list none = { NULL, 0 };
    if (call->host == NULL || call->peer == NULL) {
        return none;
    }
    /* A copy: the call may join and leave while it walks the list. */
    const struct zkt_connection_view *view = copy_topics(call);
    struct zkt_str *topics = view != NULL && view->topic_count > 0
                                 ? zkt_alloc(call, view->topic_count,
                                             sizeof(*topics))
                                 : NULL;
    if (topics == NULL) {
        return none;
    }
    memcpy(topics, view->topics, view->topic_count * sizeof(*topics));
    return (struct zkt_str_list){ topics, view->topic_count };
}

/* ---- middleware ---- */

const void *zkt__outputs_find(const struct zkt_middleware_chain *chain,
                              const struct zkt_output *outputs, uint32_t number)
{
    for (uint32_t i = 0; outputs != NULL && i < chain->count; i++) {
        if (chain->numbers[i] == number) {
            return outputs[i].value;
        }
    }
    return NULL;
}

const void *zkt_call_middleware(const struct zkt_call *call, uint32_t number)
{
    return call->ops->find_output(call, number);
}

struct zkt_called zkt_called(const struct zkt_call *call)
{
    return call->ops->find_called(call);
}

/* ---- the peer ---- */

struct zkt_str zkt_remote_address(const struct zkt_call *call)
{
    return call->peer != NULL && call->host != NULL
               ? zkt_cstr(call->peer->remote)
               : ZKT_STR("");
}

/* Returns the request of a call that has not ended, or NULL. */
static const struct zkt_ws_request *request_of(const struct zkt_call *call)
{
    return call->host != NULL ? call->ops->find_request(call) : NULL;
}

struct zkt_str zkt_request_header(const struct zkt_call *call, const char *name)
{
    const struct zkt_str absent = { NULL, 0 };
    struct zkt_str found, value;
    const struct zkt_ws_request *request = request_of(call);
    if (request == NULL) {
        return absent;
    }
    struct zkt_str fields = request->fields;
    while (zkt__http_next_field(&fields, &found, &value)) {
        if (zkt__head_same(found, name)) {
            return value;
        }
    }
    return absent;
}

struct zkt_str zkt_request_path(const struct zkt_call *call)
{
    const struct zkt_ws_request *request = request_of(call);
    return request != NULL ? request->path : ZKT_STR("");
}
