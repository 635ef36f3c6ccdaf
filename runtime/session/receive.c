/* Turns messages of the protocol into messages to instances: see receive.h. */
#include "session/receive.h"

#include <string.h>

#include "call/report.h"
#include "protocol/reply.h"
#include "session/contact.h"
#include "session/rates.h"
#include "session/subscription.h"

static const struct zkt_actor *find_actor(const struct zkt_host *host,
                                          struct zkt_str name)
{
    const int index = host->app.info->find_actor(name);
    return index >= 0 ? host->app.info->actors[index] : NULL;
}

/* ---- refusing ---- */

void zkt__session_report(struct zkt_host *host,
                         const struct zkt_session *session,
                         const struct zkt_envelope *message,
                         const struct zkt_failure *failure, bool answered)
{
    if (!host->reports) {
        return;
    }
    const struct zkt_actor *actor = message->actor.data != NULL
                                        ? find_actor(host, message->actor)
                                        : NULL;
    const int index = actor != NULL && message->method.data != NULL
                          ? actor->find_method(message->method)
                          : -1;
    const struct zkt_method *method = index >= 0 ? &actor->methods[index]
                                                 : NULL;
    const int64_t answer_ns = zkt__report_ns(host, message->arrived,
                                             zkt__report_now(host));
    if (zkt__call_ended(host, actor, method, failure->status, answer_ns, -1)) {
        host->describe(host, &(const struct zkt_ended_call){
                                 .actor = actor,
                                 .method = method,
                                 .instance = message->actor_id,
                                 .peer = &session->peer,
                                 .record = session->record,
                                 .request = message->request,
                                 .size = message->size,
                                 .answer = answered ? &host->result : NULL,
                                 .failure = failure,
                                 .answer_ns = answer_ns,
                                 .handler_ns = -1,
                             });
    }
}

/* Refuses a call: sends its result. */
static void fail_call(struct zkt_host *host, struct zkt_session *session,
                      const struct zkt_envelope *message,
                      const struct zkt_failure *failure)
{
    zkt__frame_begin(&host->result);
    zkt__write_result_error(&host->result, message->id, failure);
    zkt__session_report(host, session, message, failure, true);
    zkt__session_send(host, session, &host->result);
}

static void refuse_call(struct zkt_host *host, struct zkt_session *session,
                        const struct zkt_envelope *message,
                        enum zkt_status status, struct zkt_str text)
{
    fail_call(host, session, message,
              &(const struct zkt_failure){ .status = status, .text = text });
}

void zkt__session_begin_sub_error(struct zkt_host *host,
                                  const struct zkt_session *session,
                                  struct zkt_str actor, struct zkt_str name,
                                  enum zkt_topic topic)
{
    zkt__frame_begin(&host->result);
    zkt__write_address(&host->result, ZKT_MESSAGE_SUB_ERROR, actor, name);
    zkt__session_write_of(session, topic, &host->result);
}

void zkt__session_write_of(const struct zkt_session *session,
                           enum zkt_topic topic, struct zkt_writer *w)
{
    if (session->peer.dialect == ZKT_DIALECT_RFC6902) {
        zkt__write_of(w, topic == ZKT_TOPIC_STATE ? ZKT_STR("state")
                                                  : ZKT_STR("events"));
    }
}

/* Returns the topic that a message subscribes to or unsubscribes from. */
static enum zkt_topic topic_of(const struct zkt_envelope *message)
{
    return message->type == ZKT_MESSAGE_STATE_SUB ||
                   message->type == ZKT_MESSAGE_STATE_UNSUB
               ? ZKT_TOPIC_STATE
               : ZKT_TOPIC_EVENTS;
}

/* Ends the subscription that a message is about, if there is one. Creates
 * neither an instance nor a contact. */
static void end_subscription(struct zkt_host *host, struct zkt_session *session,
                             const struct zkt_envelope *message,
                             const struct zkt_actor *actor)
{
    struct zkt_contact *contact = actor != NULL
                                      ? zkt__contact_find(host, session, actor,
                                                          message->actor_id)
                                      : NULL;
    if (contact != NULL) {
        zkt__session_sub_drop(host, contact, topic_of(message));
    }
}

void zkt__session_fail(struct zkt_host *host, struct zkt_session *session,
                       const struct zkt_envelope *message,
                       const struct zkt_failure *failure)
{
    if (message->type == ZKT_MESSAGE_RPC) {
        fail_call(host, session, message, failure);
        return;
    }
    /* The client reads that it has none, also if this one is not the first. */
    end_subscription(host, session, message, find_actor(host, message->actor));
    zkt__session_begin_sub_error(host, session, message->actor,
                                 message->actor_id, topic_of(message));
    zkt__write_failure(&host->result, failure);
    ZKT_WRITE(&host->result, "}");
    zkt__session_send(host, session, &host->result);
}

void zkt__session_refuse(struct zkt_host *host, struct zkt_session *session,
                         const struct zkt_envelope *message,
                         enum zkt_status status, struct zkt_str text)
{
    zkt__session_fail(
        host, session, message,
        &(const struct zkt_failure){ .status = status, .text = text });
}

/* Returns the error text `PREFIX: NAME`, in the call's memory. */
static struct zkt_str concatenate(const struct zkt_host *host,
                                  const char *prefix, struct zkt_str name)
{
    struct zkt_str text = { NULL, 0 };
    const size_t len = strlen(prefix);
    char *to = zkt__arena_alloc(host->arena, len + name.len + 1);
    if (to != NULL) {
        memcpy(to, prefix, len);
        memcpy(to + len, name.data, name.len);
        text = (struct zkt_str){ to, len + name.len };
    }
    return text;
}

/* ---- calls ---- */

/* Refuses a call with `Validation failed for METHOD: [issues]`, and with the
 * issues by themselves. */
static void refuse_input(struct zkt_host *host, struct zkt_session *session,
                         const struct zkt_envelope *message,
                         const struct zkt_method *method,
                         const struct zkt_issues *issues)
{
    struct zkt_writer *w = &host->plain;
    w->len = 0;
    w->failed = false;
    ZKT_WRITE(w, "Validation failed for ");
    zkt_write_raw(w, method->name.data, method->name.len);
    ZKT_WRITE(w, ": ");
    const size_t prefix = w->len;
    zkt__issues_write(issues, w);
    if (w->failed) {
        host->sessions->events.failed(session);
        return;
    }
    fail_call(host, session, message,
              &(const struct zkt_failure){
                  .status = ZKT_INVALID_ARGUMENT,
                  .text = { w->data, w->len },
                  .issues = { w->data + prefix, w->len - prefix },
              });
}

/* Reads a call's input into the call's memory. Returns false if the call was
 * refused. */
static bool read_input(struct zkt_host *host, struct zkt_session *session,
                       const struct zkt_envelope *message,
                       const struct zkt_method *method, void **input)
{
    /* Replaces a missing input: a struct of defaults, or null, which is of the
     * wrong type. */
    char missing[4 + ZKT_PADDING] = "{}";
    struct zkt_reader reader;
    struct zkt_issues issues;
    if (method->input == NULL) {
        *input = NULL;
        return true;
    }
    zkt__issues_init(&issues, host->arena, &host->rules);
    if (method->input->kind != ZKT_KIND_STRUCT) {
        memcpy(missing, "null", 4);
    }
    const struct zkt_str text = message->input.data != NULL ? message->input
                                                            : zkt_cstr(missing);
    zkt__reader_init(&reader, (char *)(uintptr_t)text.data, text.len,
                     host->arena, &issues, &host->store.key);
    reader.plain = message->plain;
    reader.depth_max = (uint32_t)host->limits->json_depth;
    *input = zkt__arena_alloc(host->arena, method->input->size);
    if (*input != NULL &&
        method->input->decode(&reader, method->input, *input)) {
        return true;
    }
    host->stats.limit_hits.json_depth += reader.too_deep;
    host->stats.limit_hits.issues += issues.total > issues.count;
    if (*input == NULL || reader.no_memory || issues.no_memory) {
        refuse_call(host, session, message, ZKT_RESOURCE_EXHAUSTED,
                    ZKT_STR("out of memory"));
    } else {
        refuse_input(host, session, message, method, &issues);
    }
    return false;
}

static void send_call(struct zkt_host *host, struct zkt_contact *contact,
                      const struct zkt_envelope *message, struct zkt_msg *m)
{
    struct zkt_session *session = zkt__session_of(contact);
    const uint32_t home = contact->location->home;
    contact->calls++;
    session->outstanding++;
    host->sessions->outstanding++;
    if (!zkt__deliver(host, home, m, NULL)) {
        contact->calls--;
        session->outstanding--;
        host->sessions->outstanding--;
        refuse_call(host, session, message, ZKT_RESOURCE_EXHAUSTED,
                    ZKT_STR("out of memory"));
    }
    if (host->group != NULL) {
        session->called = (session->outstanding > 1 ? session->called : 0) |
                          UINT64_C(1) << home;
        zkt__session_check_credit(host, session, home);
    }
}

/* Takes a token of the method's rate, and runs its middleware. Returns false if
 * the call was refused, or is received again with the outputs. */
static bool pass(struct zkt_host *host, struct zkt_session *session,
                 const struct zkt_incoming *incoming)
{
    const struct zkt_method *method = incoming->method;
    if (method->rate != NULL &&
        !zkt__session_take_token(host, session, incoming->message, method)) {
        return false;
    }
    if (method->middleware.count > 0) {
        zkt__middleware_run(host, session, incoming, &method->middleware);
        return false;
    }
    return true;
}

/* Returns the monotonic time at which a call ends that arrives now, the earlier
 * of the caller's and the method's; 0: none. */
static int64_t find_deadline(const struct zkt_host *host,
                             const struct zkt_envelope *message,
                             const struct zkt_method *method)
{
    int64_t ms = message->timeout.data != NULL ? zkt__reply_ms(message->timeout)
                                               : 0;
    if (method->timeout_ms > 0 && (ms == 0 || method->timeout_ms < ms)) {
        ms = method->timeout_ms;
    }
    return ms > 0 ? host->clock->now_ms + ms : 0;
}

/* Handles a call. @outputs are those of its middleware, which has run, and
 * @deadline is the call's; NULL and 0: it arrives now. */
static void receive_call(struct zkt_host *host, struct zkt_session *session,
                         const struct zkt_envelope *message,
                         const struct zkt_actor *actor,
                         const struct zkt_output *outputs, int64_t deadline)
{
    const int index = actor->find_method(message->method);
    if (index < 0) {
        refuse_call(host, session, message, ZKT_UNIMPLEMENTED,
                    concatenate(host, "Unknown method: ", message->method));
        return;
    }
    const struct zkt_method *method = &actor->methods[index];
    if (outputs == NULL &&
        (message->timeout.data != NULL || method->timeout_ms > 0)) {
        deadline = find_deadline(host, message, method);
    }
    if ((method->rate != NULL || method->middleware.count > 0) &&
        outputs == NULL &&
        !pass(
            host, session,
            &(const struct zkt_incoming){ message, actor, method, deadline })) {
        return;
    }
    void *input;
    if (!read_input(host, session, message, method, &input)) {
        return;
    }
    struct zkt_str reason;
    struct zkt_contact *contact = zkt__contact_make(host, session, actor,
                                                    message->actor_id, &reason);
    if (contact == NULL) {
        refuse_call(host, session, message, ZKT_RESOURCE_EXHAUSTED, reason);
        return;
    }
    struct zkt_msg m;
    zkt__msg_init(&m, ZKT_MSG_CALL, contact);
    m.record = session->record;
    m.of.call.method = method;
    m.of.call.id = message->id;
    m.of.call.input = input;
    m.of.call.outputs = outputs;
    m.of.call.body = NULL;
    m.of.call.ask = NULL;
    m.of.call.deadline = deadline;
    m.of.call.arrived = message->arrived;
    m.is_optimistic = message->is_optimistic;
    m.of.call.request = message->request;
    m.size = message->size;
    send_call(host, contact, message, &m);
}

void zkt__session_cancel_call(struct zkt_host *host,
                              struct zkt_session *session, struct zkt_str id)
{
    struct zkt_msg m;
    if (session->outstanding == 0) {
        return;
    }
    zkt__msg_init(&m, ZKT_MSG_CANCEL, NULL);
    m.of.cancel = (struct zkt_msg_cancel){ zkt__peer_client_id(&session->peer),
                                           id };
    if (host->group == NULL) {
        (void)zkt__deliver(host, host->shard, &m, NULL);
        return;
    }
    uint64_t called = session->called;
    for (uint32_t shard = 0; called != 0; shard++, called >>= 1) {
        if ((called & 1) != 0) {
            zkt__host_spend(host, ZKT_COST_CALL);
            (void)zkt__deliver(host, shard, &m, NULL); /* or it is lost */
            zkt__session_check_credit(host, session, shard);
        }
    }
}

/* ---- subscriptions ---- */

static bool is_over_limit(const struct zkt_host *host,
                          const struct zkt_contact *contact,
                          enum zkt_topic topic)
{
    return contact->subs[topic].state == ZKT_SUB_OFF &&
           zkt__session_of(contact)->subscriptions >=
               host->limits->subscriptions;
}

/* Returns NULL, or the reason why @contact may not subscribe. */
static const char *find_obstacle(struct zkt_host *host,
                                 struct zkt_contact *contact,
                                 enum zkt_topic topic)
{
    if (is_over_limit(host, contact, topic)) {
        host->stats.limit_hits.subscriptions++;
        return "too many subscriptions of the connection";
    }
    if (topic == ZKT_TOPIC_EVENTS &&
        !zkt__session_make_addressable(host, zkt__session_of(contact))) {
        return "out of memory";
    }
    return NULL;
}

/* Handles a subscription; @passed: its middleware has run. */
static void receive_subscription(struct zkt_host *host,
                                 struct zkt_session *session,
                                 const struct zkt_envelope *message,
                                 const struct zkt_actor *actor, bool passed)
{
    const enum zkt_topic topic = topic_of(message);
    if (actor->subscribe_middleware.count > 0 && !passed) {
        zkt__middleware_run(
            host, session,
            &(const struct zkt_incoming){ .message = message, .actor = actor },
            &actor->subscribe_middleware);
        return;
    }
    struct zkt_str reason = ZKT_STR("");
    struct zkt_contact *contact = zkt__contact_make(host, session, actor,
                                                    message->actor_id, &reason);
    const char *obstacle = contact != NULL ? find_obstacle(host, contact, topic)
                                           : reason.data;
    if (obstacle != NULL) {
        zkt__session_refuse(host, session, message, ZKT_RESOURCE_EXHAUSTED,
                            zkt_cstr(obstacle));
        return;
    }
    zkt__session_sub_ask(host, contact, topic);
}

void zkt__session_proceed(struct zkt_host *host, struct zkt_session *session,
                          const struct zkt_incoming *incoming,
                          const struct zkt_output *outputs)
{
    if (incoming->method != NULL) {
        receive_call(host, session, incoming->message, incoming->actor, outputs,
                     incoming->deadline);
    } else {
        receive_subscription(host, session, incoming->message, incoming->actor,
                             true);
    }
}

/* The client wants nothing more of an instance. Results that are outstanding
 * are sent all the same. */
static void receive_leave(struct zkt_host *host, struct zkt_session *session,
                          const struct zkt_envelope *message,
                          const struct zkt_actor *actor)
{
    struct zkt_contact *contact = zkt__contact_find(host, session, actor,
                                                    message->actor_id);
    if (contact != NULL) {
        zkt__session_sub_drop(host, contact, ZKT_TOPIC_STATE);
        zkt__session_sub_drop(host, contact, ZKT_TOPIC_EVENTS);
        zkt__contact_leave(host, contact);
    }
}

void zkt__session_receive(struct zkt_host *host, struct zkt_session *session,
                          const struct zkt_envelope *message)
{
    const struct zkt_actor *actor = find_actor(host, message->actor);
    if (message->type == ZKT_MESSAGE_RPC && actor != NULL && !host->stopping) {
        receive_call(host, session, message, actor, NULL, 0);
        return;
    }
    const bool leaves = message->type == ZKT_MESSAGE_LEAVE;
    const bool unsubscribes = message->type == ZKT_MESSAGE_STATE_UNSUB ||
                              message->type == ZKT_MESSAGE_EVENT_UNSUB ||
                              leaves;
    if (actor == NULL) {
        if (!unsubscribes) {
            zkt__session_refuse(
                host, session, message, ZKT_NOT_FOUND,
                concatenate(host, "Unknown actor: ", message->actor));
        }
    } else if (leaves) {
        receive_leave(host, session, message, actor);
    } else if (unsubscribes) {
        end_subscription(host, session, message, actor);
    } else if (host->stopping) {
        zkt__session_refuse(host, session, message, ZKT_UNAVAILABLE,
                            ZKT_STR("the server stops"));
    } else {
        receive_subscription(host, session, message, actor, false);
    }
}
