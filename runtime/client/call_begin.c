/*
 * Beginning calls: checking the input, writing the message, and sending it. A
 * call that is begun before the socket is open waits as text. A call that was
 * sent is never sent again, since a method may not be idempotent.
 */
#include "client/blocking.h"
#include "client/call_index.h"
#include "client/calls.h"
#include "client/core.h"
#include "client/instance.h"

const char *zkt__call_trace(const struct zkt_client *client,
                            char memory[ZKT_TRACE_SIZE])
{
    memory[0] = memory[ZKT_TRACE_SIZE - 1] = '\0';
    if (client->options.trace != NULL) {
        client->options.trace(client->options.trace_user, memory);
    }
    const bool good = memory[ZKT_TRACE_SIZE - 1] == '\0' &&
                      zkt__trace_is_good(zkt_cstr(memory));
    return good ? memory : NULL;
}

/* Writes a call without its end. */
static void write_call(struct zkt_writer *w,
                       const struct zkt_client_instance *instance,
                       const struct zkt_remote_method *method,
                       const void *input, const struct zkt_pending *p)
{
    char memory[ZKT_CALL_ID_MAX];
    const struct zkt_str id = zkt__call_id(memory, p);
    ZKT_WRITE(w, "{\"type\":\"rpc\",\"id\":");
    zkt_write_raw(w, id.data, id.len);
    ZKT_WRITE(w, ",\"actor\":");
    zkt_write_string(w, instance->actor->name);
    ZKT_WRITE(w, ",\"actorId\":");
    zkt_write_string(w, instance->id);
    ZKT_WRITE(w, ",\"method\":");
    zkt_write_string(w, method->name);
    if (p->trace != NULL) {
        ZKT_WRITE(w, ",\"trace\":");
        zkt_write_string(w, zkt_cstr(p->trace));
    }
    if (method->input != NULL) {
        ZKT_WRITE(w, ",\"input\":");
        method->input->encode(w, method->input, input);
    }
}

/* Writes the end of a call that leaves now: the time that the server has to
 * answer. A stream has none, since its time ends with its first chunk. */
static void write_end(struct zkt_client *client, const struct zkt_pending *p)
{
    struct zkt_writer *w = &client->writer;
    if (p->timeout.due != ZKT_NEVER && p->method->chunk == NULL) {
        ZKT_WRITE(w, ",\"timeoutMs\":");
        zkt_write_int64(w, p->timeout.due - client->core.now_ms);
    }
    ZKT_WRITE(w, "}");
}

/* Keeps the text in the writer until the socket is open. */
static bool keep_text(struct zkt_client *client, struct zkt_pending *p)
{
    const struct zkt_writer *w = &client->writer;
    const size_t len = w->len - ZKT_WS_HEAD_MAX;
    char *text = zkt__alloc(client->allocator, len);
    if (text == NULL) {
        return false;
    }
    memcpy(text, w->data + ZKT_WS_HEAD_MAX, len);
    p->text = (struct zkt_str){ text, len };
    p->queued.is_call = true;
    zkt__list_append(&client->unsent, &p->queued.node);
    return true;
}

/* Sends a call, behind all subscriptions that were made before, or keeps its
 * text until the socket is open. */
static enum zkt_status dispatch(struct zkt_client *client,
                                const struct zkt_client_instance *instance,
                                const struct zkt_remote_method *method,
                                const void *input, struct zkt_pending *p)
{
    if (client->close_wanted) {
        return ZKT_CANCELLED;
    }
    if (client->status == ZKT_DISCONNECTED) {
        return ZKT_UNAVAILABLE;
    }
    if (client->options.pending_calls >= 0 &&
        client->pending > client->options.pending_calls) {
        return ZKT_RESOURCE_EXHAUSTED;
    }
    zkt__unsent_flush(client);
    struct zkt_writer *w = zkt__client_write(client);
    write_call(w, instance, method, input, p);
    if (zkt__client_is_open(client)) {
        write_end(client, p);
    }
    if (w->failed || !zkt__call_index_add(client, p) ||
        (!zkt__client_is_open(client) && !keep_text(client, p))) {
        return ZKT_RESOURCE_EXHAUSTED;
    }
    if (zkt__client_is_open(client)) {
        p->instance->contact = client->stats.connections;
        zkt__client_send(
            client); /* which may end the connection, and fail the call */
    }
    return p->status;
}

void zkt__call_submit(struct zkt_client *client,
                      struct zkt_client_instance *instance, uint32_t index,
                      const void *input, struct zkt_pending *p)
{
    const struct zkt_remote_method *method = &instance->actor->methods[index];
    const int64_t limit = client->options.rpc_timeout_ms;
    zkt__client_clock(client);
    client->stats.calls++;
    client->pending++;
    instance->calls++;
    p->instance = instance;
    p->method = method;
    p->number = ++client->next_call;
    p->stamp = (uint64_t)client->core.wall_ms;
    zkt__timeout_arm(&client->calls, &p->timeout, client->core.now_ms,
                     limit > 0 ? limit : INT64_MAX);
    if (p->status == ZKT_OK) {
        p->status = dispatch(client, instance, method, input, p);
    }
    if (p->status != ZKT_OK) {
        zkt__call_fail(client, p, p->status);
    }
    zkt__client_wake(client);
}

void zkt__call_send(struct zkt_client *client, struct zkt_pending *p)
{
    const struct zkt_str text = p->text;
    if (p->timeout.due <= client->core.now_ms) {
        zkt__call_fail(client, p, ZKT_DEADLINE_EXCEEDED);
        return;
    }
    struct zkt_writer *w = zkt__client_write(client);
    zkt_write_raw(w, text.data, text.len);
    write_end(client, p);
    p->text = (struct zkt_str){ NULL, 0 };
    p->instance->contact = client->stats.connections;
    zkt__client_send(client);
    zkt__release(client->allocator, (char *)(uintptr_t)text.data);
}

/* Makes an asynchronous call. Without memory it uses the preallocated call of
 * the handle. Returns NULL if that is in use. */
static struct zkt_pending *new_pending(const struct zkt_client *client,
                                       struct zkt_handle *handle)
{
    struct zkt_pending *p = zkt__alloc_zero(client->allocator, 1, sizeof(*p));
    if (p == NULL && !handle->preallocated_used) {
        p = &handle->preallocated;
        memset(p, 0, sizeof(*p));
        p->embedded_in = handle;
        p->status = ZKT_RESOURCE_EXHAUSTED;
        handle->preallocated_used = true;
    }
    return p;
}

/* Checks the input. A bad input fails the call, and its callback runs later, as
 * that of any failed call. */
static void check_input(struct zkt_client *client,
                        const struct zkt_remote_method *method,
                        const void *input, struct zkt_pending *p)
{
    struct zkt_writer text;
    zkt__writer_init(&text, client->allocator);
    if (!zkt__call_input_is_valid(client, method, input, &text)) {
        p->status = ZKT_INVALID_ARGUMENT;
        if (!text.failed) {
            p->text = (struct zkt_str){ text.data, text.len - 1 };
            return;
        }
    }
    zkt__writer_finish(&text);
}

struct call_request {
    struct zkt_client *client;
    struct zkt_handle *handle;
    uint32_t method;
    const void *input;
    struct zkt_pending call; /* the callbacks and their argument */
    const char *refusal;     /* NULL: out of memory */
    uint64_t begun;          /* the number of the call; 0: none */
};

static void begin(void *user)
{
    struct call_request *b = user;
    struct zkt_client *client = b->client;
    struct zkt_handle *handle = zkt__handle_find(b->handle);
    struct zkt_pending *p = NULL;
    b->refusal = NULL;
    if (handle == NULL || client->ending) {
        b->refusal = handle == NULL ? "the handle is closed"
                                    : "the client is closed";
        return;
    }
    p = new_pending(client, handle);
    if (p == NULL) {
        return;
    }
    p->part = b->call.part;
    p->on_part = b->call.on_part;
    p->thunk = b->call.thunk;
    p->done = b->call.done;
    p->user = b->call.user;
    p->trace = b->call.trace;
    if (p->status == ZKT_OK) {
        check_input(client, &handle->instance->actor->methods[b->method],
                    b->input, p);
    }
    zkt__call_submit(client, handle->instance, b->method, b->input, p);
    b->begun = p->number;
}

/* For calls without a callback. */
static void ignore_reply(zkt_any_function *done, const struct zkt_reply *reply,
                         const void *result, void *user)
{
    (void)done;
    (void)reply;
    (void)result;
    (void)user;
}

uint64_t zkt_handle_begin_parts(struct zkt_handle *handle, uint32_t index,
                                const void *input, zkt_part_thunk *part,
                                zkt_any_function *on_part,
                                void (*thunk)(zkt_any_function *done,
                                              const struct zkt_reply *reply,
                                              const void *result, void *user),
                                zkt_any_function *done, void *user)
{
    struct call_request b = {
        .client = zkt__handle_client(handle),
        .handle = handle,
        .method = index,
        .input = input,
        .call = { .part = on_part != NULL ? part : NULL,
                  .on_part = on_part,
                  .thunk = thunk,
                  .done = done,
                  .user = user },
        .refusal = "called on another thread than the client's",
    };
    if (done == NULL) {
        b.call.thunk = thunk = ignore_reply;
    }
    struct zkt_reply refused = { .status = ZKT_FAILED_PRECONDITION,
                                 .error = "there is no client to call with" };
    if (b.client != NULL) {
        char trace[ZKT_TRACE_SIZE];
        b.call.trace = zkt__call_trace(b.client, trace);
        zkt__client_run(b.client, begin, &b);
        refused.status = b.refusal != NULL ? ZKT_FAILED_PRECONDITION
                                           : ZKT_RESOURCE_EXHAUSTED;
        refused.error = b.refusal != NULL ? b.refusal : "out of memory";
    }
    if (b.begun == 0) {
        /* Without memory the callback cannot be kept for later: it runs
         * here. */
        thunk(done, &refused, NULL, user);
    }
    return b.begun;
}

uint64_t zkt_handle_begin(struct zkt_handle *handle, uint32_t index,
                          const void *input,
                          void (*thunk)(zkt_any_function *done,
                                        const struct zkt_reply *reply,
                                        const void *result, void *user),
                          zkt_any_function *done, void *user)
{
    return zkt_handle_begin_parts(handle, index, input, NULL, NULL, thunk, done,
                                  user);
}
