/*
 * Calls: blocking and asynchronous, and the replies to them. A call that is
 * begun before the socket is open waits as text; `done` is told exactly once.
 */
#include <inttypes.h>
#include <stdio.h>

#include "client/internal.h"

enum {
    ERROR_MAX = 256
};

static struct zkt_pending *from_node(struct zkt_node *node)
{
    return ZKT_CONTAINER(ZKT_CONTAINER(node, struct zkt_timeout, node),
                         struct zkt_pending, timeout);
}

/* ---- replies ---- */

/* The arena of a blocking call's reply, made when it is needed. */
static struct zkt_arena *reply_arena(const struct zkt_client *client,
                                     struct zkt_reply *reply)
{
    if (reply->memory_ == NULL) {
        struct zkt_arena *arena = zkt__alloc(client->allocator, sizeof(*arena));
        if (arena != NULL) {
            zkt__arena_init(arena, client->allocator);
        }
        reply->memory_ = arena;
    }
    return reply->memory_;
}

void zkt_reply_clear(struct zkt_reply *reply)
{
    if (reply == NULL) {
        return;
    }
    struct zkt_arena *arena = reply->memory_;
    if (arena != NULL) {
        const struct zkt_allocator *allocator = arena->allocator;
        zkt__arena_finish(arena);
        zkt__release(allocator, arena);
    }
    *reply = (struct zkt_reply){ .status = ZKT_OK, .error = "" };
}

/* Gives a blocking call's reply its outcome; the text is copied. */
static void set_reply(const struct zkt_client *client, struct zkt_reply *reply,
                      enum zkt_status status, struct zkt_str error)
{
    reply->status = status;
    reply->error = "";
    if (status == ZKT_OK) {
        return;
    }
    reply->error = zkt_status_text(status);
    struct zkt_arena *arena = reply_arena(client, reply);
    if (arena != NULL && error.len > 0) {
        const struct zkt_str copy = zkt__arena_str(arena, error);
        reply->error = copy.data != NULL ? copy.data : reply->error;
    }
}

/* ---- the end of a call ---- */

static void free_pending(struct zkt_client *client, struct zkt_pending *p)
{
    zkt__timeout_cancel(&p->timeout);
    zkt__release(client->allocator, (char *)(uintptr_t)p->unsent.data);
    if (p->spare_of != NULL) {
        struct zkt_handle *handle = p->spare_of;
        handle->spare_used = false;
        if (handle->closed) {
            zkt__release(client->allocator, handle);
        }
    } else {
        zkt__release(client->allocator, p);
    }
}

/* Tells the one who called; @result is in memory that outlives the callback,
 * or NULL. */
static void finish_call(struct zkt_client *client, struct zkt_pending *p,
                        enum zkt_status status, struct zkt_str error,
                        const void *result)
{
    zkt__timeout_cancel(&p->timeout);
    if (p->reply != NULL) {
        set_reply(client, p->reply, status, error);
        if (result != NULL) {
            memcpy(p->out, result, p->result->size);
        }
        *p->over = true;
    } else {
        const struct zkt_reply reply = {
            .status = status,
            .error = error.len > 0      ? error.data
                     : status == ZKT_OK ? ""
                                        : zkt_status_text(status),
        };
        client->depth++;
        p->thunk(p->done, &reply, result, p->user);
        client->depth--;
    }
    free_pending(client, p);
}

static void finish_failed(struct zkt_client *client, struct zkt_pending *p)
{
    char text[ERROR_MAX];
    struct zkt_str error = ZKT_STR("out of memory");
    if (p->status == ZKT_DEADLINE_EXCEEDED) {
        snprintf(text, sizeof(text),
                 "RPC \"%.*s\" timed out after %" PRId64 "ms",
                 ZKT_ARG(p->method), client->options.rpc_timeout_ms);
        error = zkt_cstr(text);
    } else if (p->status == ZKT_UNAVAILABLE) {
        error = ZKT_STR("WebSocket closed");
    } else if (p->status == ZKT_CANCELLED) {
        error = ZKT_STR("WebSocket client closed");
    }
    finish_call(client, p, p->status, error, NULL);
}

void zkt__calls_fail(struct zkt_client *client, enum zkt_status status)
{
    struct zkt_node *node;
    while ((node = zkt__list_first(&client->calls)) != NULL) {
        from_node(node)->status = status;
        zkt__node_unlink(node);
        zkt__list_append(&client->failed, node);
    }
}

void zkt__calls_expire(struct zkt_client *client)
{
    struct zkt_timeout *due;
    while ((due = zkt__timeouts_take(&client->calls, client->core.now_ms)) !=
           NULL) {
        struct zkt_pending *p = ZKT_CONTAINER(due, struct zkt_pending, timeout);
        p->status = ZKT_DEADLINE_EXCEEDED;
        zkt__list_append(&client->failed, &p->timeout.node);
    }
    struct zkt_node *node;
    while ((node = zkt__list_first(&client->failed)) != NULL) {
        finish_failed(client, from_node(node));
    }
}

/* ---- answers ---- */

/* The pending call with this id token, oldest first, or NULL. */
static struct zkt_pending *find_call(const struct zkt_client *client,
                                     struct zkt_str id)
{
    uint64_t number = 0;
    if (id.len < 7 || memcmp(id.data, "\"rpc_", 5) != 0) {
        return NULL;
    }
    for (size_t i = 5; i < id.len && id.data[i] != '_'; i++) {
        if (id.data[i] < '0' || id.data[i] > '9') {
            return NULL;
        }
        number = number * 10 + (uint64_t)(id.data[i] - '0');
    }
    for (struct zkt_node *n = zkt__list_first(&client->calls); n != NULL;
         n = zkt__list_after(&client->calls, n)) {
        if (from_node(n)->number == number && from_node(n)->unsent.len == 0) {
            return from_node(n);
        }
    }
    return NULL;
}

/* Decodes a result in @arena, which keeps its text; NULL: it does not fit. */
static void *decode_result(struct zkt_client *client, struct zkt_arena *arena,
                           const struct zkt_type *type, struct zkt_str json)
{
    struct zkt_reader reader;
    struct zkt_issues issues = { .arena = arena };
    if (arena == NULL || json.data == NULL) {
        return NULL;
    }
    char *text = zkt__arena_zero(arena, json.len + ZKT_PADDING, 1);
    void *value = zkt__arena_zero(arena, 1, type->size);
    if (text == NULL || value == NULL) {
        return NULL;
    }
    memcpy(text, json.data, json.len);
    zkt__reader_init(&reader, text, json.len, arena, &issues,
                     &client->store.key);
    reader.lenient = true;
    return type->decode(&reader, type, value) ? value : NULL;
}

void zkt__calls_answer(struct zkt_client *client,
                       const struct zkt_envelope *message)
{
    struct zkt_pending *p = message->id.data != NULL
                                ? find_call(client, message->id)
                                : NULL;
    if (p == NULL) {
        return; /* timed out before, or never ours */
    }
    if (message->error.data != NULL) {
        /* A plain server sends no code: then INTERNAL is all we know. */
        finish_call(client, p,
                    message->code.data != NULL
                        ? zkt__status_parse(message->code)
                        : ZKT_INTERNAL,
                    message->error, NULL);
        return;
    }
    if (p->result == NULL) {
        finish_call(client, p, ZKT_OK, ZKT_STR(""), NULL);
        return;
    }
    struct zkt_arena *arena = p->reply != NULL ? reply_arena(client, p->reply)
                                               : &client->arena;
    const void *result = decode_result(client, arena, p->result,
                                       message->result);
    if (result != NULL) {
        finish_call(client, p, ZKT_OK, ZKT_STR(""), result);
    } else {
        finish_call(client, p, ZKT_INTERNAL,
                    ZKT_STR("the result does not fit the schema"), NULL);
    }
}

/* ---- beginning ---- */

/* Milliseconds in base 36 behind `rpc_N_`. */
static void write_id(struct zkt_client *client, struct zkt_writer *w,
                     uint64_t number)
{
    char text[16];
    size_t len = sizeof(text);
    uint64_t ms = (uint64_t)client->core.wall_ms;
    do {
        const unsigned digit = (unsigned)(ms % 36);
        text[--len] = (char)(digit < 10 ? '0' + digit : 'a' + digit - 10);
        ms /= 36;
    } while (ms != 0);
    ZKT_WRITE(w, "\"rpc_");
    zkt_write_int64(w, (int64_t)number);
    ZKT_WRITE(w, "_");
    zkt_write_raw(w, text + len, sizeof(text) - len);
    ZKT_WRITE(w, "\"");
}

static void write_call(struct zkt_client *client, struct zkt_writer *w,
                       const struct zkt_entry *entry,
                       const struct zkt_remote_method *method,
                       const void *input, uint64_t number)
{
    ZKT_WRITE(w, "{\"type\":\"rpc\",\"id\":");
    write_id(client, w, number);
    ZKT_WRITE(w, ",\"actor\":");
    zkt_write_string(w, entry->actor->name);
    ZKT_WRITE(w, ",\"actorId\":");
    zkt_write_string(w, entry->id);
    ZKT_WRITE(w, ",\"method\":");
    zkt_write_string(w, method->name);
    if (method->input != NULL) {
        ZKT_WRITE(w, ",\"input\":");
        method->input->encode(w, method->input, input);
    }
    ZKT_WRITE(w, "}");
}

/* Keeps the text that was written until the socket is open. */
static bool keep_text(struct zkt_client *client, struct zkt_pending *p)
{
    const struct zkt_writer *w = &client->writer;
    const size_t len = w->len - ZKT_WS_HEAD_MAX;
    char *text = zkt__alloc(client->allocator, len);
    if (text == NULL) {
        return false;
    }
    memcpy(text, w->data + ZKT_WS_HEAD_MAX, len);
    p->unsent = (struct zkt_str){ text, len };
    return true;
}

/* Sends the call or keeps it for later. One that cannot be is failed at the
 * next tick. */
static void submit(struct zkt_client *client, struct zkt_handle *handle,
                   const struct zkt_remote_method *method, const void *input,
                   struct zkt_pending *p)
{
    const int64_t limit = client->options.rpc_timeout_ms;
    p->method = method->name;
    p->result = method->result;
    p->number = ++client->next_call;
    zkt__timeout_arm(&client->calls, &p->timeout, client->core.now_ms,
                     limit > 0 ? limit : INT64_MAX);
    if (p->status == ZKT_OK) {
        struct zkt_writer *w = zkt__client_write(client);
        write_call(client, w, handle->entry, method, input, p->number);
        if (w->failed ||
            (!zkt__client_is_open(client) && !keep_text(client, p))) {
            p->status = ZKT_RESOURCE_EXHAUSTED;
        } else if (client->status == ZKT_DISCONNECTED) {
            p->status = ZKT_UNAVAILABLE;
        } else if (zkt__client_is_open(client)) {
            zkt__client_send(client);
        }
    }
    if (p->status != ZKT_OK) {
        zkt__node_unlink(&p->timeout.node);
        zkt__list_append(&client->failed, &p->timeout.node);
    }
    zkt__client_touch(client);
}

void zkt__calls_flush(struct zkt_client *client)
{
    for (struct zkt_node *n = zkt__list_first(&client->calls); n != NULL;
         n = zkt__list_after(&client->calls, n)) {
        struct zkt_pending *p = from_node(n);
        if (p->unsent.len > 0) {
            struct zkt_writer *w = zkt__client_write(client);
            zkt_write_raw(w, p->unsent.data, p->unsent.len);
            zkt__client_send(client);
            zkt__release(client->allocator, (char *)(uintptr_t)p->unsent.data);
            p->unsent = (struct zkt_str){ NULL, 0 };
        }
    }
}

/* Whether the input keeps its rules; what is wrong goes into @text. */
static bool input_is_good(struct zkt_client *client,
                          const struct zkt_remote_method *method,
                          const void *input, struct zkt_writer *text)
{
    struct zkt_issues issues = { .arena = &client->arena,
                                 .context = &client->rules };
    if (method->input == NULL ||
        zkt__check_value(method->input, input, NULL, 0, &issues)) {
        return true;
    }
    ZKT_WRITE(text, "Validation failed for ");
    zkt_write_raw(text, method->name.data, method->name.len);
    ZKT_WRITE(text, ": ");
    zkt__issues_write(&issues, text);
    zkt_write_raw(text, "", 1);
    return false;
}

/* A handle that cannot call: closed, or none at all. */
static enum zkt_status refuse(struct zkt_reply *reply, enum zkt_status status,
                              const char *text)
{
    if (reply != NULL) {
        reply->status = status;
        reply->error = text;
    }
    return status;
}

static enum zkt_status wait_for(struct zkt_client *client, const bool *over)
{
    client->blocking++;
    while (!*over) {
        const enum zkt_status status = client->ops->poll(client->driver, -1);
        if (status != ZKT_OK && status != ZKT_DEADLINE_EXCEEDED) {
            zkt__calls_fail(client, ZKT_UNAVAILABLE);
            zkt__calls_expire(client);
        }
    }
    client->blocking--;
    return ZKT_OK;
}

enum zkt_status zkt_handle_call(struct zkt_handle *handle, uint32_t index,
                                const void *input, void *result,
                                struct zkt_reply *given)
{
    struct zkt_reply own = { .status = ZKT_OK, .error = "" };
    struct zkt_reply *reply = given != NULL ? given : &own;
    if (handle == NULL || handle->client == NULL) {
        return refuse(given, ZKT_FAILED_PRECONDITION,
                      "there is no client to call with");
    }
    struct zkt_client *client = handle->client;
    const struct zkt_remote_method *method =
        &handle->entry->actor->methods[index];
    if (client->depth > 0) {
        return refuse(given, ZKT_FAILED_PRECONDITION,
                      "a blocking call inside a callback");
    }
    if (given == NULL && method->result != NULL && method->result->owns) {
        return refuse(given, ZKT_INVALID_ARGUMENT, "");
    }
    struct zkt_writer text;
    zkt__writer_init(&text, client->allocator);
    if (!input_is_good(client, method, input, &text)) {
        set_reply(client, reply, ZKT_INVALID_ARGUMENT,
                  text.failed ? ZKT_STR("") : zkt_cstr(text.data));
    } else {
        bool over = false;
        struct zkt_pending *p = zkt__alloc_zero(client->allocator, 1,
                                                sizeof(*p));
        if (p == NULL) {
            set_reply(client, reply, ZKT_RESOURCE_EXHAUSTED,
                      ZKT_STR("out of memory"));
        } else {
            p->reply = reply;
            p->out = result;
            p->over = &over;
            submit(client, handle, method, input, p);
            (void)wait_for(client, &over);
        }
    }
    zkt__writer_finish(&text);
    zkt__arena_reset(&client->arena);
    const enum zkt_status status = reply->status;
    if (given == NULL) {
        zkt_reply_clear(&own);
    }
    if (client->close_wanted && client->blocking == 0) {
        client->ops->finish(client->driver, client);
    }
    return status;
}

/* A pending call for an asynchronous one: without memory the handle's spare;
 * NULL when that is taken, too. */
static struct zkt_pending *new_pending(struct zkt_handle *handle)
{
    struct zkt_pending *p = zkt__alloc_zero(handle->client->allocator, 1,
                                            sizeof(*p));
    if (p == NULL && !handle->spare_used) {
        p = &handle->spare;
        memset(p, 0, sizeof(*p));
        p->spare_of = handle;
        p->status = ZKT_RESOURCE_EXHAUSTED;
        handle->spare_used = true;
    }
    return p;
}

void zkt_handle_begin(struct zkt_handle *handle, uint32_t index,
                      const void *input,
                      void (*thunk)(zkt_any_function *done,
                                    const struct zkt_reply *reply,
                                    const void *result, void *user),
                      zkt_any_function *done, void *user)
{
    struct zkt_reply refused = { .status = ZKT_FAILED_PRECONDITION,
                                 .error = "there is no client to call with" };
    struct zkt_pending *p = NULL;
    if (handle != NULL && handle->client != NULL) {
        p = new_pending(handle);
        refused.status = ZKT_RESOURCE_EXHAUSTED;
        refused.error = "out of memory";
    }
    if (p == NULL) {
        /* Nothing can be kept for later: the one case of a call from here. */
        thunk(done, &refused, NULL, user);
        return;
    }
    struct zkt_client *client = handle->client;
    const struct zkt_remote_method *method =
        &handle->entry->actor->methods[index];
    p->thunk = thunk;
    p->done = done;
    p->user = user;
    submit(client, handle, method, input, p);
}
