/*
 * Calls in progress and their ends: a reply, a timeout, cancelling, or the end
 * of the connection. The callback of a call runs exactly once; call_begin.c
 * begins calls.
 */
#include "client/calls.h"

#include <inttypes.h>
#include <stdio.h>

#include "client/blocking.h"
#include "client/call_index.h"
#include "client/core.h"
#include "client/instance.h"
#include "client/receive.h"
#include "client/refusal.h"

enum {
    ERROR_MAX = 512,
    /* More time for the answer of a server that has the same limit. */
    GRACE_MS = 500
};

static struct zkt_pending *from_node(struct zkt_node *node)
{
    return ZKT_CONTAINER(ZKT_CONTAINER(node, struct zkt_timeout, node),
                         struct zkt_pending, timeout);
}

/* ---- the end of a call ---- */

static void free_pending(struct zkt_client *client, struct zkt_pending *p)
{
    zkt__call_index_remove(client, p);
    zkt__node_unlink(&p->queued.node);
    zkt__timeout_cancel(&p->timeout);
    client->pending--;
    zkt__client_instance_end_call(client, p->instance);
    zkt__release(client->allocator, (char *)(uintptr_t)p->text.data);
    if (p->embedded_in != NULL) {
        p->embedded_in->preallocated_used = false;
    } else {
        zkt__release(client->allocator, p);
    }
}

static void end_wait(const struct zkt_client *client, bool *over)
{
    if (client->ops->end_wait != NULL) {
        client->ops->end_wait(client->driver, over);
    } else {
        *over = true;
    }
}

/* Ends a call: runs its callback, or fills its reply and ends its wait. The
 * message of a failure, or NULL, says more of it. @result, or NULL, is in
 * memory that outlives the callback. The callback may close the handle that the
 * call is embedded in. */
static void finish_call(struct zkt_client *client, struct zkt_pending *p,
                        enum zkt_status status, struct zkt_str error,
                        const void *result, const struct zkt_envelope *message)
{
    const struct zkt_pending call = *p;
    free_pending(client, p);
    if (call.reply != NULL) {
        zkt__reply_set(client, call.reply, status, error);
        if (status != ZKT_OK && message != NULL) {
            zkt__reply_keep(client, call.reply, message);
        }
        if (result != NULL) {
            memcpy(call.out, result, call.method->result->size);
        }
        end_wait(client, call.over);
        return;
    }
    struct zkt_reply_memory memory = { .key = client->store.key };
    struct zkt_reply reply = {
        .status = status,
        .error = error.len > 0      ? error.data
                 : status == ZKT_OK ? ""
                                    : zkt_status_text(status),
        .reason = "",
        .retryable = zkt__status_is_retryable(status),
        .memory_ = &memory,
    };
    zkt__arena_init(&memory.arena, client->allocator);
    if (status != ZKT_OK && message != NULL) {
        zkt__reply_read(&reply, message);
    }
    client->depth++;
    call.thunk(call.done, &reply, result, call.user);
    client->depth--;
    zkt__arena_finish(&memory.arena);
}

/* Says why the connection was lost, or why there is none. */
static void explain_loss(const struct zkt_client *client,
                         const struct zkt_pending *p, char *text, size_t size)
{
    char reason[ZKT_REFUSAL_LINE];
    zkt__refusal_explain(client, reason);
    snprintf(text, size, "%s%s%s",
             p->was_sent ? "WebSocket closed" : "not connected",
             reason[0] != '\0' ? ": " : "", reason);
}

/* Says how long the call has waited and, if it was for a connection, why there
 * is none. */
static void explain_timeout(const struct zkt_client *client,
                            const struct zkt_pending *p, char text[ERROR_MAX])
{
    const int len = snprintf(
        text, ERROR_MAX, "RPC \"%.*s\" timed out after %" PRId64 "ms%s",
        ZKT_ARG(p->method->name), client->options.rpc_timeout_ms,
        p->was_sent ? "" : ": ");
    if (!p->was_sent && len > 0 && len < ERROR_MAX) {
        explain_loss(client, p, text + len, ERROR_MAX - (size_t)len);
    }
}

static void finish_failed(struct zkt_client *client, struct zkt_pending *p)
{
    char text[ERROR_MAX];
    const struct zkt_str kept = p->text; /* may be the error, below */
    struct zkt_str error = kept;
    p->text = (struct zkt_str){ NULL, 0 };
    if (p->status == ZKT_DEADLINE_EXCEEDED) {
        explain_timeout(client, p, text);
        error = zkt_cstr(text);
    } else if (p->status == ZKT_UNAVAILABLE) {
        explain_loss(client, p, text, sizeof(text));
        error = zkt_cstr(text);
    } else if (p->status == ZKT_CANCELLED) {
        error = client->close_wanted ? ZKT_STR("WebSocket client closed")
                                     : ZKT_STR("the call was cancelled");
    } else if (p->status == ZKT_INTERNAL) {
        error = ZKT_STR("a chunk does not fit the schema");
    } else if (p->status == ZKT_RESOURCE_EXHAUSTED) {
        error = client->options.pending_calls >= 0 &&
                        client->pending > client->options.pending_calls
                    ? ZKT_STR("too many calls at once")
                    : ZKT_STR("out of memory");
    }
    finish_call(client, p, p->status, error, NULL, NULL);
    zkt__release(client->allocator, (char *)(uintptr_t)kept.data);
}

void zkt__call_fail(struct zkt_client *client, struct zkt_pending *p,
                    enum zkt_status status)
{
    p->was_sent = p->slot != 0 && p->text.len == 0;
    zkt__call_index_remove(client, p);
    p->status = status;
    zkt__node_unlink(&p->queued.node);
    zkt__node_unlink(&p->timeout.node);
    zkt__list_append(&client->failed, &p->timeout.node);
}

static void fail_calls(struct zkt_client *client, const struct zkt_list *list,
                       enum zkt_status status, bool all)
{
    struct zkt_node *node = zkt__list_first(list);
    while (node != NULL) {
        struct zkt_pending *p = from_node(node);
        node = zkt__list_after(list, node);
        if (all || p->text.len == 0) {
            zkt__call_fail(client, p, status);
        }
    }
}

void zkt__calls_fail(struct zkt_client *client, enum zkt_status status,
                     bool all)
{
    fail_calls(client, &client->overdue, status, all);
    fail_calls(client, &client->calls, status, all);
    fail_calls(client, &client->streams, status, all);
}

/* ---- calls that the server is told to end ---- */

/* Older servers do not know the message. */
static void send_cancel(struct zkt_client *client, const struct zkt_pending *p)
{
    char memory[ZKT_CALL_ID_MAX];
    if (!p->was_sent || client->level == 0 || !zkt__client_is_open(client)) {
        return;
    }
    const struct zkt_str id = zkt__call_id(memory, p);
    struct zkt_writer *w = zkt__client_write(client);
    ZKT_WRITE(w, "{\"type\":\"rpc:cancel\",\"id\":");
    zkt_write_raw(w, id.data, id.len);
    ZKT_WRITE(w, "}");
    zkt__client_send(client);
}

/* Fails a call, and cancels it at the server, which may have it. */
static void abandon(struct zkt_client *client, struct zkt_pending *p,
                    enum zkt_status status)
{
    zkt__call_fail(client, p, status);
    send_cancel(client, p);
}

void zkt_client_cancel(struct zkt_client *client, uint64_t call)
{
    struct zkt_pending *p = client != NULL && zkt__client_may_read(client)
                                ? zkt__call_index_get(client, call)
                                : NULL;
    if (p != NULL) {
        abandon(client, p, ZKT_CANCELLED);
        zkt__client_wake(client);
    }
}

/* ---- timeouts ---- */

int64_t zkt__calls_deadline(const struct zkt_client *client)
{
    const int64_t calls = zkt__timeouts_next(&client->calls);
    const int64_t overdue = zkt__timeouts_next(&client->overdue);
    return calls < overdue ? calls : overdue;
}

static struct zkt_pending *take_due(struct zkt_client *client,
                                    struct zkt_list *list)
{
    struct zkt_timeout *due = zkt__timeouts_take(list, client->core.now_ms);
    return due != NULL ? ZKT_CONTAINER(due, struct zkt_pending, timeout) : NULL;
}

void zkt__calls_expire(struct zkt_client *client)
{
    struct zkt_pending *p;
    while ((p = take_due(client, &client->calls)) != NULL) {
        if (p->text.len > 0) { /* it waits for the connection */
            zkt__call_fail(client, p, ZKT_DEADLINE_EXCEEDED);
        } else {
            zkt__timeout_arm(&client->overdue, &p->timeout, p->timeout.due,
                             GRACE_MS);
        }
    }
    while ((p = take_due(client, &client->overdue)) != NULL) {
        abandon(client, p, ZKT_DEADLINE_EXCEEDED);
    }
    /* Calls that are begun meanwhile and fail have their callbacks in the next
     * turn. */
    const struct zkt_node *last = client->failed.head.prev;
    struct zkt_node *node;
    while ((node = zkt__list_first(&client->failed)) != NULL) {
        finish_failed(client, from_node(node));
        if (node == last) {
            break;
        }
    }
}

/* ---- replies ---- */

/* Decodes a value of @type to *@out, in @arena. Returns ZKT_OK; ZKT_INTERNAL:
 * it does not fit the type, and is counted; ZKT_RESOURCE_EXHAUSTED: there is no
 * memory. Without a copy it borrows from the message. */
static enum zkt_status decode_value(struct zkt_client *client,
                                    struct zkt_arena *arena,
                                    const struct zkt_type *type,
                                    struct zkt_str json, const void **out)
{
    struct zkt_reader reader;
    struct zkt_issues issues;
    if (json.data == NULL) {
        client->stats.mismatches++;
        return ZKT_INTERNAL;
    }
    char *text = (char *)(uintptr_t)json.data;
    if (arena != NULL && arena != &client->arena) {
        text = zkt__arena_zero(arena, json.len + ZKT_PADDING, 1);
    }
    void *value = arena != NULL ? zkt__arena_zero(arena, 1, type->size) : NULL;
    if (text == NULL || value == NULL) {
        return ZKT_RESOURCE_EXHAUSTED;
    }
    if (text != json.data) {
        memcpy(text, json.data, json.len);
    }
    zkt__issues_init(&issues, arena, NULL);
    zkt__reader_init(&reader, text, json.len, arena, &issues,
                     &client->store.key);
    zkt__client_tolerate(client, &reader);
    const bool good = type->decode(&reader, type, value);
    zkt__count_ignored(client, &reader);
    if (good) {
        *out = value;
        return ZKT_OK;
    }
    client->stats.mismatches += !reader.no_memory;
    return reader.no_memory ? ZKT_RESOURCE_EXHAUSTED : ZKT_INTERNAL;
}

static void finish_with_result(struct zkt_client *client, struct zkt_pending *p,
                               struct zkt_str json)
{
    struct zkt_arena *arena = p->reply != NULL
                                  ? zkt__reply_arena(client, p->reply)
                                  : &client->arena;
    const void *result = NULL;
    const enum zkt_status status = decode_value(
        client, arena, p->method->result, json, &result);
    const struct zkt_str error =
        status == ZKT_OK         ? ZKT_STR("")
        : status == ZKT_INTERNAL ? ZKT_STR("the result does not fit the schema")
                                 : ZKT_STR("out of memory");
    finish_call(client, p, status, error, result, NULL);
}

void zkt__calls_receive(struct zkt_client *client,
                        const struct zkt_envelope *message)
{
    struct zkt_pending *p = message->id.data != NULL
                                ? zkt__call_index_find(client, message->id)
                                : NULL;
    if (p == NULL) {
        return; /* it has timed out, was cancelled, or was never sent */
    }
    if (message->error.data != NULL) {
        finish_call(client, p, zkt__error_code(message), message->error, NULL,
                    message);
    } else if (p->method->result == NULL) {
        finish_call(client, p, ZKT_OK, ZKT_STR(""), NULL, NULL);
    } else {
        finish_with_result(client, p, message->result);
    }
}

/* ---- progress and chunks ---- */

/* Decodes a part, and calls the callback of its call, which may end the call
 * and all others. */
static enum zkt_status give_part(struct zkt_client *client,
                                 const struct zkt_pending *p,
                                 const struct zkt_type *type,
                                 struct zkt_str json)
{
    const void *value = NULL;
    const enum zkt_status status = decode_value(client, &client->arena, type,
                                                json, &value);
    if (status == ZKT_OK && p->part != NULL) {
        client->depth++;
        p->part(p->on_part, value, p->user);
        client->depth--;
    }
    return status;
}

/* A stream has begun: it may last as long as it has chunks to come. */
static void lift_limit(struct zkt_client *client, struct zkt_pending *p)
{
    if (p->timeout.due != ZKT_NEVER) {
        zkt__timeout_arm(&client->streams, &p->timeout, 0, ZKT_NEVER);
    }
}

void zkt__calls_receive_part(struct zkt_client *client,
                             const struct zkt_envelope *message)
{
    struct zkt_pending *p = message->id.data != NULL
                                ? zkt__call_index_find(client, message->id)
                                : NULL;
    if (p == NULL) {
        return; /* as in zkt__calls_receive */
    }
    if (message->type == ZKT_MESSAGE_RPC_PROGRESS &&
        p->method->progress != NULL) {
        (void)give_part(client, p, p->method->progress, message->progress);
    } else if (message->type == ZKT_MESSAGE_RPC_CHUNK &&
               p->method->chunk != NULL) {
        lift_limit(client, p);
        const enum zkt_status status = give_part(client, p, p->method->chunk,
                                                 message->chunk);
        if (status != ZKT_OK) {
            abandon(client, p, status);
        }
    } else {
        client->stats.unknown_messages++; /* of a newer server */
    }
}
