/* See middleware.h. */
#include "session/middleware.h"

#include <string.h>

#include "session/data.h"
#include "session/receive.h"
#include "session/task.h"

/* The part of a task that is a chain of middleware for a message. */
struct passage {
    struct zkt_incoming incoming;
    struct zkt_envelope message; /* incoming.message, once it is kept */
    bool kept;
    uint32_t at; /* in the chain */
};

static struct passage *passage_of(const struct zkt_session_task *task)
{
    return task->of;
}

static const struct zkt_middleware *current(const struct zkt_session_task *task)
{
    return &task->call.host->app.info->middleware[task->number];
}

/* ---- the message ---- */

/* Copies a text with zeros behind it. Returns false if there is no memory. */
static bool copy_text(struct zkt_arena *arena, struct zkt_str *text)
{
    if (text->data == NULL) {
        return true;
    }
    char *copy = zkt__arena_alloc(arena, text->len + ZKT_PADDING);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, text->data, text->len);
    memset(copy + text->len, 0, ZKT_PADDING);
    text->data = copy;
    return true;
}

/* Copies the parts of a message that calls and subscriptions have. Returns
 * false if there is no memory. */
static bool copy_message(struct zkt_arena *arena,
                         const struct zkt_envelope *from,
                         struct zkt_envelope *to)
{
    *to = (struct zkt_envelope){
        .type = from->type,
        .id = from->id,
        .actor = from->actor,
        .actor_id = from->actor_id,
        .method = from->method,
        .input = from->input,
        .is_optimistic = from->is_optimistic,
        .arrived = from->arrived,
        .request = from->request,
        .size = from->size,
    };
    to->request.trace = zkt__trace_keep(arena, from->request.trace);
    return copy_text(arena, &to->id) && copy_text(arena, &to->actor) &&
           copy_text(arena, &to->actor_id) && copy_text(arena, &to->method) &&
           copy_text(arena, &to->input);
}

static void set_called(struct zkt_session_task *task)
{
    const struct zkt_incoming *incoming = &passage_of(task)->incoming;
    const struct zkt_envelope *message = incoming->message;
    task->called = (struct zkt_called){
        .kind = incoming->method != NULL                 ? ZKT_CALLED_METHOD
                : message->type == ZKT_MESSAGE_STATE_SUB ? ZKT_CALLED_STATE
                                                         : ZKT_CALLED_EVENTS,
        .actor = incoming->actor->name,
        .id = message->actor_id,
        .method = incoming->method != NULL ? incoming->method->name
                                           : ZKT_STR(""),
    };
}

/* Keeps the message for a task that is parked. */
static bool keep(struct zkt_session_task *task)
{
    struct passage *passage = passage_of(task);
    if (passage->kept) {
        return true;
    }
    if (!copy_message(&task->arena, passage->incoming.message,
                      &passage->message)) {
        return false;
    }
    passage->kept = true;
    passage->incoming.message = &passage->message;
    task->call.request = passage->message.request;
    set_called(task);
    return true;
}

/* ---- outputs ---- */

/* Copies outputs into the memory of the message's call, which may outlast the
 * task. Returns NULL if there is no memory. */
static const struct zkt_output *copy_outputs(
    struct zkt_host *host, const struct zkt_session_task *task)
{
    struct zkt_output *copies = zkt__arena_zero(host->arena, task->chain->count,
                                                sizeof(*copies));
    for (uint32_t i = 0; copies != NULL && i < task->chain->count; i++) {
        const struct zkt_output output = task->outputs[i];
        if (output.type != NULL) {
            void *block = zkt__arena_alloc(
                host->arena, zkt__value_measure(output.type, output.value));
            if (block == NULL) {
                return NULL;
            }
            copies[i] = (struct zkt_output){
                output.type,
                zkt__value_dup_into(output.type, output.value, block),
            };
        }
    }
    return copies;
}

/* Begins the call or the subscription. */
static void proceed(struct zkt_host *host, const struct zkt_session_task *task)
{
    const struct passage *passage = passage_of(task);
    struct zkt_incoming incoming = passage->incoming;
    struct zkt_envelope message;
    const struct zkt_output *outputs = copy_outputs(host, task);
    if (outputs == NULL ||
        (passage->kept &&
         !copy_message(host->arena, passage->incoming.message, &message))) {
        zkt__session_refuse(host, task->session, passage->incoming.message,
                            ZKT_RESOURCE_EXHAUSTED, ZKT_STR("out of memory"));
        return;
    }
    incoming.message = passage->kept ? &message : incoming.message;
    zkt__session_proceed(host, task->session, &incoming, outputs);
    if (passage->kept) {
        zkt__arena_reset(host->arena);
    }
}

/* ---- the chain ---- */

static enum zkt_status invoke(struct zkt_session_task *task)
{
    return current(task)->invoke(&task->call, task->call.host->app.handlers,
                                 task->result);
}

/* Begins the next middleware. Returns false if there is no memory. */
static bool begin_next(struct zkt_host *host, struct zkt_session_task *task)
{
    task->number = task->chain->numbers[passage_of(task)->at];
    const struct zkt_middleware *m = &host->app.info->middleware[task->number];
    zkt__session_task_begin(host, task, m->name.data);
    task->call.request = passage_of(task)->incoming.message->request;
    task->errors = m->errors;
    task->error_count = m->error_count;
    task->result_type = m->output;
    task->result = m->output != NULL
                       ? zkt__arena_zero(&task->arena, 1, m->output->size)
                       : NULL;
    return m->output == NULL || task->result != NULL;
}

static void refuse(struct zkt_session_task *task, enum zkt_status status)
{
    const struct zkt_failure failure = zkt__call_failure(&task->call, status);
    zkt__session_fail(task->call.host, task->session,
                      passage_of(task)->incoming.message, &failure);
}

static bool fail_for_memory(struct zkt_session_task *task)
{
    zkt__call_set_failure(&task->call, ZKT_RESOURCE_EXHAUSTED,
                          ZKT_STR("out of memory"));
    refuse(task, ZKT_RESOURCE_EXHAUSTED);
    return false;
}

static bool finish(struct zkt_session_task *task, enum zkt_status status)
{
    struct zkt_call *call = &task->call;
    struct zkt_host *host = call->host;
    struct passage *passage = passage_of(task);
    if (status == ZKT_OK && zkt__deferred_is_outstanding(&task->deferred)) {
        zkt__call_log_failure(call, "it has deferred, but is not pending");
        status = ZKT_INTERNAL;
    }
    if (status != ZKT_OK) {
        refuse(task, status);
        return false;
    }
    if (zkt__call_connection_changes(call) != NULL) {
        zkt__session_change(host, task->session,
                            zkt__call_connection_changes(call));
    }
    zkt__call_release_connection(call);
    task->outputs[passage->at++] = (struct zkt_output){ task->result_type,
                                                        task->result };
    if (passage->at == task->chain->count) {
        proceed(host, task);
        return false;
    }
    return begin_next(host, task) || fail_for_memory(task);
}

/* The caller has gone. */
static void abandon(const struct zkt_session_task *task)
{
    const struct zkt_incoming *incoming = &passage_of(task)->incoming;
    if (incoming->method != NULL) {
        zkt__session_report(
            task->call.host, task->session, incoming->message,
            &(const struct zkt_failure){ .status = ZKT_CANCELLED }, false);
    }
}

static const struct zkt_session_task_ops ops = {
    .invoke = invoke,
    .finish = finish,
    .abandon = abandon,
    .keep = keep,
};

/* Prepares a task for a chain. Returns false if there is no memory. */
static bool begin(struct zkt_host *host, struct zkt_session_task *task,
                  const struct zkt_incoming *incoming,
                  const struct zkt_middleware_chain *chain)
{
    struct passage *passage = zkt__arena_zero(&task->arena, 1,
                                              sizeof(*passage));
    task->outputs = zkt__arena_zero(&task->arena, chain->count,
                                    sizeof(*task->outputs));
    if (passage == NULL || task->outputs == NULL) {
        return false;
    }
    passage->incoming = *incoming;
    task->of = passage;
    task->chain = chain;
    task->member = ZKT_MEMBER_MIDDLEWARE;
    task->may_defer = true;
    task->ends_at = incoming->deadline;
    set_called(task);
    return begin_next(host, task);
}

void zkt__middleware_run(struct zkt_host *host, struct zkt_session *session,
                         const struct zkt_incoming *incoming,
                         const struct zkt_middleware_chain *chain)
{
    struct zkt_session_task *task = zkt__session_task_new(host, session, &ops);
    if (task != NULL && begin(host, task, incoming, chain)) {
        zkt__session_task_run(host, task);
        return;
    }
    zkt__session_refuse(host, session, incoming->message,
                        ZKT_RESOURCE_EXHAUSTED, ZKT_STR("out of memory"));
    if (task != NULL) {
        zkt__session_task_free(host, task);
    }
}

void zkt__middleware_cancel(struct zkt_host *host, struct zkt_session *session,
                            struct zkt_str id)
{
    const struct zkt_session_task *task = session->task;
    if (task == NULL || task->member != ZKT_MEMBER_MIDDLEWARE) {
        return;
    }
    const struct zkt_incoming *incoming = &passage_of(task)->incoming;
    if (incoming->method != NULL && zkt_str_eq(incoming->message->id, id)) {
        host->stats.cancelled++;
        zkt__session_fail_task(host, session, ZKT_CANCELLED,
                               ZKT_STR("the caller has cancelled it"));
    }
}
