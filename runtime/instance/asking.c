/* zkt_call_tell and zkt_call_ask: see asking.h. */
#include "instance/asking.h"

#include "instance/contacts.h"
#include "protocol/reply.h"
#include "shard/chain.h"

enum {
    ASKS_MAX = 64 /* of a call */
};

/* ---- both ---- */

/* Returns the tells and asks of a call, or NULL if there is no memory. */
static struct zkt_outgoing *outgoing_of(struct zkt_call *call)
{
    if (call->outgoing == NULL) {
        struct zkt_outgoing *made = zkt__arena_zero(call->arena, 1,
                                                    sizeof(*made));
        if (made == NULL) {
            return NULL;
        }
        zkt__list_init(&made->tells);
        zkt__list_init(&made->asks);
        call->outgoing = made;
    }
    return call->outgoing;
}

static bool is_name(struct zkt_str id)
{
    return id.len > 0 && id.len <= ZKT_ASK_NAME_MAX;
}

/* Counts the bytes of a new ask. Returns false, uncounted, if asks of this
 * shard hold too many. */
static bool count_bytes(struct zkt_host *host, const struct zkt_ask *ask)
{
    struct zkt_instances *instances = host->instances;
    if (instances->asking_bytes + ask->bytes >
        zkt__host_share(host, host->limits->asking_bytes)) {
        host->stats.limit_hits.asking_bytes++;
        return false;
    }
    instances->asking_bytes += ask->bytes;
    return true;
}

static void uncount_bytes(const struct zkt_host *host,
                          const struct zkt_ask *ask)
{
    host->instances->asking_bytes -= ask->bytes;
}

/* ---- telling ---- */

/* Logs and counts a tell that has failed. */
static void finish_tell(struct zkt_host *host, struct zkt_ask *ask)
{
    const struct zkt_failure *failure = &ask->failure;
    if (failure->status != ZKT_OK) {
        const struct zkt_str text =
            failure->text.len > 0 ? failure->text
                                  : zkt_cstr(zkt_status_text(failure->status));
        host->stats.tell_failures++;
        char request[ZKT_REQUEST_SIZE];
        const struct zkt_log_record fields = {
            .level = ZKT_LOG_WARNING,
            .request = zkt__request_print(&host->requests, &ask->request,
                                          request),
            .actor = ask->actor->name,
            .id = ask->name,
            .method = ask->method->name,
            .code = zkt_cstr(zkt_status_name(failure->status)),
        };
        zkt__host_log(host, &fields, "the tell failed: %.*s", ZKT_ARG(text));
    }
    uncount_bytes(host, ask);
    zkt__ask_free(ask);
}

/* Returns true if the call may tell, or poisons it. */
static bool may_tell(struct zkt_call *call, const struct zkt_asked *asked)
{
    const struct zkt_method *method = asked->method;
    struct zkt_host *host = call->host;
    if (call->instance == NULL) {
        zkt__call_poison(call, ZKT_INTERNAL, "only an instance can tell");
    } else if (!is_name(asked->name)) {
        zkt__call_poison(call, ZKT_INTERNAL,
                         "it tells an actorId of %zu bytes, not of 1 to %d",
                         asked->name.len, ZKT_ASK_NAME_MAX);
    } else if (method->input != NULL &&
               !zkt__check_value(method->input, asked->input, NULL, 0,
                                 &call->issues)) {
        zkt__call_poison(call, ZKT_INTERNAL, "the input of %s breaks a rule",
                         method->name.data);
    } else if (call->outgoing != NULL &&
               call->outgoing->tell_count >= host->limits->tells) {
        host->stats.limit_hits.tells++;
        zkt__call_poison(call, ZKT_INTERNAL,
                         "it tells more than the limit "
                         "tells");
    }
    return call->journal.failure == ZKT_OK;
}

/* Returns true if a tell that has been made is within the limits of bytes, and
 * counts it; or poisons the call. */
static bool fits(struct zkt_call *call, const struct zkt_ask *ask)
{
    const struct zkt_outgoing *outgoing = call->outgoing;
    struct zkt_host *host = call->host;
    if (outgoing->tell_bytes + (int64_t)ask->bytes > host->limits->tell_bytes) {
        host->stats.limit_hits.tell_bytes++;
        zkt__call_poison(call, ZKT_INTERNAL,
                         "it tells more than the limit tell_bytes");
        return false;
    }
    if (!count_bytes(host, ask)) {
        zkt__call_poison(call, ZKT_NO_MEMORY,
                         "too many calls of instances by instances: the limit "
                         "asking_bytes is reached");
        return false;
    }
    return true;
}

/* Makes a tell that is held. Returns NULL with the call poisoned if there is no
 * room for it. */
static struct zkt_ask *make_tell(struct zkt_call *call,
                                 const struct zkt_asked *asked)
{
    struct zkt_host *host = call->host;
    struct zkt_str reason;
    struct zkt_ask *ask = outgoing_of(call) != NULL
                              ? zkt__ask_new(host->allocator, host->app.info,
                                             asked, sizeof(*ask))
                              : NULL;
    if (ask == NULL) {
        zkt__call_poison(call, ZKT_NO_MEMORY, "no memory to tell");
        return NULL;
    }
    ask->finish = finish_tell;
    ask->without_result = true;
    if (!fits(call, ask)) {
        zkt__ask_free(ask);
        return NULL;
    }
    if (!host->receivers->hold_ask(host, ask, &reason)) {
        zkt__call_poison(call, ZKT_NO_MEMORY, "no memory to tell");
        uncount_bytes(host, ask);
        zkt__ask_free(ask);
        return NULL;
    }
    return ask;
}

void zkt_call_tell(struct zkt_call *call, uint32_t actor, uint32_t method,
                   struct zkt_str id, const void *const *outputs,
                   const void *input)
{
    if (call->host == NULL || !zkt__call_runs(call) ||
        call->journal.failure != ZKT_OK) {
        return;
    }
    const struct zkt_actor *of = call->host->app.info->actors[actor];
    const struct zkt_asked asked = {
        .actor = of,
        .name = id,
        .method = &of->methods[method],
        .outputs = outputs,
        .input = input,
        .request = zkt__call_request(call),
    };
    if (!may_tell(call, &asked) || call->host->instances->ended) {
        return;
    }
    struct zkt_ask *ask = make_tell(call, &asked);
    if (ask != NULL) {
        struct zkt_outgoing *outgoing = call->outgoing;
        outgoing->tell_count++;
        outgoing->tell_bytes += (int64_t)ask->bytes;
        zkt__list_append(&outgoing->tells, &ask->node);
        call->has_effects = true;
    }
}

/* Takes the next tell of a call; NULL: there is none. */
static struct zkt_ask *take_tell(const struct zkt_call *call)
{
    struct zkt_node *node = zkt__list_first(&call->outgoing->tells);
    if (node == NULL) {
        call->outgoing->tell_count = call->outgoing->tell_bytes = 0;
        return NULL;
    }
    zkt__node_unlink(node);
    return ZKT_CONTAINER(node, struct zkt_ask, node);
}

void zkt__tells_send(struct zkt_call *call)
{
    struct zkt_host *host = call->host;
    struct zkt_ask *ask;
    while ((ask = take_tell(call)) != NULL) {
        host->stats.tells++;
        host->receivers->send_ask(host, ask);
    }
}

void zkt__tells_drop(struct zkt_call *call)
{
    struct zkt_host *host = call->host;
    struct zkt_ask *ask;
    while ((ask = take_tell(call)) != NULL) {
        uncount_bytes(host, ask);
        host->receivers->drop_ask(host, ask);
    }
}

/* ---- asking ---- */

/* The function of the program that gets a reply. */
struct receiver {
    zkt_done_thunk *thunk;
    void (*done)(void);
    void *user;
};

/* An ask of a call. */
struct asking {
    struct zkt_ask ask;
    struct zkt_node of_call; /* unlinked: the call has ended */
    bool delivered;          /* and kept for the call */
    struct zkt_reply reply;
    struct zkt_reply_memory memory;
    struct receiver receiver;
};

static struct asking *asking_of(struct zkt_ask *ask)
{
    return ZKT_CONTAINER(ask, struct asking, ask);
}

static void free_delivered(struct asking *asking)
{
    zkt__arena_finish(&asking->memory.arena);
    zkt__ask_free(&asking->ask);
}

static void finish_asking(struct zkt_host *host, struct zkt_ask *ask)
{
    struct asking *asking = asking_of(ask);
    uncount_bytes(host, ask);
    asking->reply = zkt__ask_reply(ask, &host->store.key, &asking->memory);
    const struct receiver *to = &asking->receiver;
    to->thunk(to->done, &asking->reply, ask->result, to->user);
    asking->delivered = zkt__node_linked(&asking->of_call);
    if (!asking->delivered) {
        free_delivered(asking);
    }
}

/* Replies to an ask before it returns: there is no other way. */
static void reply_at_once(const struct receiver *to, enum zkt_status status)
{
    struct zkt_reply reply = { .status = ZKT_OK };
    zkt__reply_reset(&reply, status);
    to->thunk(to->done, &reply, NULL, to->user);
}

/* Returns the link of the call by which the running call was asked, or that
 * waits for the instance to start; NULL: there is none. */
static struct zkt_chain *cause_of(const struct zkt_call *call)
{
    const struct zkt_task *task = ZKT_CONTAINER(call, const struct zkt_task,
                                                call);
    if (task->kind == ZKT_TASK_CALL) {
        return task->request.ask != NULL ? task->request.ask->chain : NULL;
    }
    return task->kind == ZKT_TASK_HOOK && task->hook.hook == ZKT_HOOK_ACTIVATE
               ? call->instance->cause
               : NULL;
}

/* Returns the link of a call that asks. Returns NULL if there is no memory. */
static struct zkt_chain *link_of(struct zkt_call *call)
{
    struct zkt_outgoing *outgoing = outgoing_of(call);
    if (outgoing != NULL && outgoing->chain == NULL) {
        outgoing->chain = zkt__chain_new(call->host, cause_of(call),
                                         call->actor, call->instance_id);
    }
    return outgoing != NULL ? outgoing->chain : NULL;
}

/* Returns true if the call does not hold its instance while it waits, or is a
 * hook. */
static bool may_wait(const struct zkt_call *call)
{
    const struct zkt_task *task = ZKT_CONTAINER(call, const struct zkt_task,
                                                call);
    return task->kind == ZKT_TASK_HOOK ||
           (task->kind == ZKT_TASK_CALL && task->request.method->interleaves);
}

static struct zkt_failure failure(enum zkt_status status, struct zkt_str text)
{
    return (struct zkt_failure){ .status = status, .text = text };
}

/* Returns the reason why a call cannot ask an instance with that id; its status
 * is ZKT_OK if it can. */
static struct zkt_failure find_obstacle(struct zkt_call *call,
                                        struct zkt_str id)
{
    if (call->instance == NULL) {
        zkt__call_poison(call, ZKT_INTERNAL, "only an instance can ask");
    }
    if (call->journal.failure != ZKT_OK) {
        return failure(ZKT_FAILED_PRECONDITION,
                       ZKT_STR("the asking call has failed"));
    }
    const struct zkt_outgoing *outgoing = call->outgoing;
    const struct zkt_chain *cause = cause_of(call);
    if (!may_wait(call)) {
        zkt__call_log(call, ZKT_LOG_ERROR,
                      "it asks, which only hooks, streams and methods that "
                      "interleave may do");
        return failure(ZKT_FAILED_PRECONDITION,
                       ZKT_STR("only hooks, streams and methods that "
                               "interleave may ask"));
    }
    if (call->host->instances->ended) {
        return failure(ZKT_UNAVAILABLE, ZKT_STR("the server stops"));
    }
    if (!is_name(id)) {
        return failure(ZKT_INVALID_ARGUMENT,
                       ZKT_STR("an actorId has 1 to 256 bytes"));
    }
    if (outgoing != NULL && outgoing->ask_count >= ASKS_MAX) {
        return failure(ZKT_RESOURCE_EXHAUSTED,
                       ZKT_STR("a call asks at most 64 times"));
    }
    return cause != NULL && cause->length >= ZKT_CHAIN_MAX
               ? failure(ZKT_RESOURCE_EXHAUSTED,
                         ZKT_STR("more than 16 calls ask each other"))
               : failure(ZKT_OK, ZKT_STR(""));
}

/* Initialises an ask of a call, and keeps its reply for the call if there is
 * memory for that. */
static void begin_asking(struct zkt_call *call, struct asking *asking,
                         const struct receiver *receiver)
{
    struct zkt_outgoing *outgoing = call->instance != NULL ? outgoing_of(call)
                                                           : NULL;
    asking->ask.finish = finish_asking;
    asking->of_call = (struct zkt_node){ NULL, NULL };
    asking->delivered = false;
    asking->receiver = *receiver;
    if (outgoing != NULL) {
        zkt__list_append(&outgoing->asks, &asking->of_call);
    }
}

/* Replies with a failure in a later turn; if there is no room for that, at
 * once. */
static void refuse(struct zkt_call *call, const struct zkt_asked *asked,
                   const struct zkt_failure *reason,
                   const struct receiver *receiver)
{
    struct zkt_host *host = call->host;
    struct asking *asking = zkt__alloc_zero(host->allocator, 1,
                                            sizeof(*asking));
    if (asking != NULL) {
        asking->ask.allocator = host->allocator;
        asking->ask.actor = asked->actor;
        asking->ask.method = asked->method;
        asking->ask.bytes = sizeof(*asking);
        if (count_bytes(host, &asking->ask)) {
            begin_asking(call, asking, receiver);
            host->receivers->refuse_ask(host, &asking->ask, reason->status,
                                        reason->text);
            return;
        }
        zkt__release(host->allocator, asking);
    }
    reply_at_once(receiver, reason->status);
}

/* Makes an ask. Returns NULL with *@reason if there is no room for it. */
static struct zkt_ask *make_ask(struct zkt_call *call,
                                const struct zkt_asked *asked,
                                struct zkt_failure *reason)
{
    struct zkt_host *host = call->host;
    struct zkt_chain *link = link_of(call);
    struct zkt_ask *ask = link != NULL
                              ? zkt__ask_new(host->allocator, host->app.info,
                                             asked, sizeof(struct asking))
                              : NULL;
    *reason = failure(ZKT_RESOURCE_EXHAUSTED, ZKT_STR("out of memory"));
    if (ask == NULL) {
        return NULL;
    }
    ask->chain = zkt__chain_ref(link);
    const int64_t due = call->ops->find_due(call);
    ask->carrier->of.call.deadline = due < INT64_MAX ? due : 0;
    if (!count_bytes(host, ask)) {
        reason->text = ZKT_STR("too many calls of instances by instances");
        zkt__ask_free(ask);
        return NULL;
    }
    return ask;
}

void zkt_call_ask(struct zkt_call *call, uint32_t actor, uint32_t method,
                  struct zkt_str id, const void *const *outputs,
                  const void *input, zkt_done_thunk *thunk, void (*done)(void),
                  void *user)
{
    const struct receiver receiver = { thunk, done, user };
    if (call->host == NULL || !zkt__call_runs(call)) {
        reply_at_once(&receiver, ZKT_CANCELLED);
        return;
    }
    struct zkt_host *host = call->host;
    const struct zkt_actor *of = host->app.info->actors[actor];
    const struct zkt_asked asked = {
        .actor = of,
        .name = id,
        .method = &of->methods[method],
        .outputs = outputs,
        .input = input,
        .request = zkt__call_request(call),
    };
    struct zkt_failure reason = find_obstacle(call, id);
    struct zkt_ask *ask = reason.status == ZKT_OK
                              ? make_ask(call, &asked, &reason)
                              : NULL;
    if (ask == NULL) {
        refuse(call, &asked, &reason, &receiver);
        return;
    }
    begin_asking(call, asking_of(ask), &receiver);
    call->outgoing->ask_count++;
    host->stats.asks++;
    host->receivers->begin_ask(host, ask);
}

/* ---- the end of the call ---- */

void zkt__outgoing_release_asks(struct zkt_call *call)
{
    struct zkt_list *asks = &call->outgoing->asks;
    struct zkt_node *n = zkt__list_first(asks);
    while (n != NULL) {
        const struct asking *asking = ZKT_CONTAINER(n, struct asking, of_call);
        struct zkt_node *next = zkt__list_after(asks, n);
        if (!asking->delivered) {
            zkt__node_unlink(n);
        }
        n = next;
    }
}

void zkt__outgoing_release(struct zkt_call *call)
{
    struct zkt_outgoing *outgoing = call->outgoing;
    struct zkt_node *node;
    zkt__outgoing_release_asks(call);
    while ((node = zkt__list_first(&outgoing->asks)) != NULL) {
        zkt__node_unlink(node);
        free_delivered(ZKT_CONTAINER(node, struct asking, of_call));
    }
    zkt__chain_unref(outgoing->chain);
    call->outgoing = NULL;
}

/* ---- circles ---- */

bool zkt__ask_is_circular(const struct zkt_instance *instance,
                          const struct zkt_msg *m)
{
    const struct zkt_outgoing *holder = instance->parked != NULL
                                            ? instance->parked->call.outgoing
                                            : NULL;
    return holder != NULL && holder->chain != NULL && m->kind == ZKT_MSG_CALL &&
           m->of.call.ask != NULL &&
           zkt__chain_has(m->of.call.ask->chain, holder->chain->id);
}

void zkt__ask_refuse_circle(struct zkt_host *host, struct zkt_msg *m,
                            struct zkt_msg *carrier)
{
    const struct zkt_ask *ask = m->of.call.ask;
    struct zkt_writer *w = &host->plain;
    w->len = 0;
    w->failed = false;
    ZKT_WRITE(w, "a circle of asks: ");
    zkt__chain_write(ask->chain, w);
    zkt_write_raw(w, ask->actor->name.data, ask->actor->name.len);
    ZKT_WRITE(w, " \"");
    zkt_write_raw(w, ask->name.data, ask->name.len);
    ZKT_WRITE(w, "\"");
    zkt__instance_refuse(host, m, carrier, ZKT_FAILED_PRECONDITION,
                         w->failed ? ZKT_STR("a circle of asks")
                                   : (struct zkt_str){ w->data, w->len });
}
