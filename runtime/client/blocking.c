/*
 * Calls that block, and their replies. A call on the client's own thread runs
 * turns until the reply has come; a call on another thread is handed over, and
 * the thread waits.
 */
#include "client/blocking.h"

#include "client/calls.h"
#include "client/core.h"
#include "client/handle_table.h"
#include "client/instance.h"

/* ---- replies ---- */

struct zkt_arena *zkt__reply_arena(const struct zkt_client *client,
                                   struct zkt_reply *reply)
{
    struct zkt_reply_memory *memory = zkt__reply_memory(
        reply, client->allocator, &client->store.key);
    return memory != NULL ? &memory->arena : NULL;
}

/* Copies a text into the memory of a reply. Without memory it is @missing. */
static struct zkt_str keep(struct zkt_arena *arena, struct zkt_str text,
                           struct zkt_str missing)
{
    const struct zkt_str copy = text.data != NULL && arena != NULL
                                    ? zkt__arena_str(arena, text)
                                    : missing;
    return copy.data != NULL ? copy : missing;
}

void zkt__reply_keep(const struct zkt_client *client, struct zkt_reply *reply,
                     const struct zkt_envelope *message)
{
    const struct zkt_str none = { NULL, 0 };
    struct zkt_arena *arena = zkt__reply_arena(client, reply);
    zkt__reply_read(reply, message);
    reply->reason = keep(arena, message->reason, ZKT_STR("")).data;
    reply->details_ = keep(arena, message->details, none);
    reply->issues_ = keep(arena, message->issues, none);
}

void zkt__reply_set(const struct zkt_client *client, struct zkt_reply *reply,
                    enum zkt_status status, struct zkt_str error)
{
    zkt__reply_reset(reply, status);
    if (status == ZKT_OK) {
        return;
    }
    struct zkt_arena *arena = zkt__reply_arena(client, reply);
    if (arena != NULL && error.len > 0) {
        const struct zkt_str copy = zkt__arena_str(arena, error);
        reply->error = copy.data != NULL ? copy.data : reply->error;
    }
}

/* ---- calls ---- */

/* A blocking call; lives in the stack frame of the caller. */
struct call {
    struct zkt_handle *handle;
    struct zkt_client *client;
    uint32_t method;
    const void *input;
    void *result;
    zkt_part_thunk *part; /* of progress and chunks; NULL: nobody is told */
    zkt_any_function *on_part;
    void *user;
    const char *trace; /* NULL: none is sent */
    struct zkt_reply *reply;
    bool reply_is_ours; /* the caller gave none to own the result */
    bool over;
};

static void refuse(struct call *call, enum zkt_status status, const char *text)
{
    zkt__reply_set(call->client, call->reply, status, zkt_cstr(text));
    if (call->client->ops->end_wait != NULL) {
        call->client->ops->end_wait(call->client->driver, &call->over);
    } else {
        call->over = true;
    }
}

bool zkt__call_input_is_valid(struct zkt_client *client,
                              const struct zkt_remote_method *method,
                              const void *input, struct zkt_writer *text)
{
    struct zkt_issues issues;
    zkt__issues_init(&issues, &client->arena, &client->rules);
    const bool good = method->input == NULL ||
                      zkt__check_input(method->input, input, &issues);
    if (!good) {
        ZKT_WRITE(text, "Validation failed for ");
        zkt_write_raw(text, method->name.data, method->name.len);
        ZKT_WRITE(text, ": ");
        zkt__issues_write(&issues, text);
        zkt_write_raw(text, "", 1);
    }
    return good;
}

/* On the client's thread: checks the input and submits the call. */
static void begin(void *user)
{
    struct call *call = user;
    struct zkt_client *client = call->client;
    struct zkt_pending *p;
    struct zkt_writer text;
    const struct zkt_handle *handle = zkt__handle_find(call->handle);
    if (handle == NULL) {
        refuse(call, ZKT_FAILED_PRECONDITION, "the handle is closed");
        return;
    }
    const struct zkt_remote_method *method =
        &handle->instance->actor->methods[call->method];
    zkt__writer_init(&text, client->allocator);
    if (call->reply_is_ours && method->result != NULL && method->result->owns) {
        refuse(call, ZKT_INVALID_ARGUMENT, "");
    } else if (!zkt__call_input_is_valid(client, method, call->input, &text)) {
        refuse(call, ZKT_INVALID_ARGUMENT, text.failed ? "" : text.data);
    } else if ((p = zkt__alloc_zero(client->allocator, 1, sizeof(*p))) ==
               NULL) {
        refuse(call, ZKT_RESOURCE_EXHAUSTED, "out of memory");
    } else {
        p->part = call->part;
        p->on_part = call->on_part;
        p->user = call->user;
        p->reply = call->reply;
        p->out = call->result;
        p->over = &call->over;
        p->trace = call->trace;
        zkt__call_submit(client, handle->instance, call->method, call->input,
                         p);
    }
    zkt__writer_finish(&text);
    zkt__arena_reset(&client->arena);
}

bool zkt__block(struct zkt_client *client, const bool *over)
{
    enum zkt_status status = ZKT_OK;
    while (!*over && (status == ZKT_OK || status == ZKT_DEADLINE_EXCEEDED)) {
        status = client->ops->poll(client->driver, -1);
    }
    return *over;
}

/* A client that was closed meanwhile finishes after the last blocking call. */
void zkt__unblock(struct zkt_client *client)
{
    client->blocking--;
    if (client->close_wanted && client->blocking == 0) {
        client->ops->finish(client->driver, client);
    }
}

/* Runs turns until the call is over. */
static void run_until_over(struct call *call)
{
    struct zkt_client *client = call->client;
    client->blocking++;
    begin(call);
    if (!zkt__block(client, &call->over)) {
        zkt__calls_fail(client, ZKT_UNAVAILABLE, true);
        while (!call->over) {
            zkt__calls_expire(client);
        }
    }
    zkt__unblock(client);
}

static enum zkt_status refuse_here(struct zkt_reply *reply,
                                   enum zkt_status status, const char *text)
{
    if (reply != NULL) {
        reply->status = status;
        reply->error = text;
    }
    return status;
}

/* Makes a call on the client's thread or hands it over. Returns the status of
 * the reply, or a refusal, which is stored in @given. */
static enum zkt_status make_call(struct call *call, struct zkt_reply *given)
{
    const struct zkt_client *client = call->client;
    if (client->ops->is_other_thread != NULL &&
        client->ops->is_other_thread(client->driver)) {
        client->ops->wait(client->driver, begin, call, &call->over);
        if (!call->over) { /* another thread closes it at this moment */
            return refuse_here(given, ZKT_CANCELLED, "WebSocket client closed");
        }
    } else if (!zkt__client_may_poll(client)) {
        return refuse_here(given, ZKT_FAILED_PRECONDITION,
                           client->ops->poll == NULL && client->depth == 0
                               ? "a blocking call on a loop of others"
                               : "a blocking call inside a callback");
    } else {
        run_until_over(call);
    }
    return call->reply->status;
}

enum zkt_status zkt_handle_call_parts(struct zkt_handle *handle, uint32_t index,
                                      const void *input, void *result,
                                      zkt_part_thunk *part,
                                      zkt_any_function *on_part, void *user,
                                      struct zkt_reply *given)
{
    struct zkt_reply own = { .status = ZKT_OK, .error = "" };
    struct zkt_client *client = zkt__handle_client(handle);
    if (client == NULL) {
        return refuse_here(given, ZKT_FAILED_PRECONDITION,
                           "there is no client to call with");
    }
    if (!zkt__client_may_call(client)) {
        return refuse_here(given, ZKT_FAILED_PRECONDITION,
                           "called on another thread than the client's");
    }
    char trace[ZKT_TRACE_SIZE];
    struct call call = {
        .trace = zkt__call_trace(client, trace),
        .handle = handle,
        .client = client,
        .method = index,
        .input = input,
        .result = result,
        .part = on_part != NULL ? part : NULL,
        .on_part = on_part,
        .user = user,
        .reply = given != NULL ? given : &own,
        .reply_is_ours = given == NULL,
    };
    const enum zkt_status status = make_call(&call, given);
    zkt_reply_clear(&own);
    return status;
}

enum zkt_status zkt_handle_call(struct zkt_handle *handle, uint32_t index,
                                const void *input, void *result,
                                struct zkt_reply *given)
{
    return zkt_handle_call_parts(handle, index, input, result, NULL, NULL, NULL,
                                 given);
}
