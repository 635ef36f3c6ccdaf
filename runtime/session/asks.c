/* See asks.h. */
#include "session/asks.h"

#include "call/report.h"
#include "session/contact.h"
#include "shard/group.h"

void zkt__asks_init(struct zkt_asks *asks, uint32_t shard)
{
    asks->session.peer.shard = (uint8_t)shard;
    asks->session.peer.is_program = true;
    zkt__list_init(&asks->finished);
    for (size_t i = 0; i < ZKT_THREADS_MAX; i++) {
        zkt__list_init(&asks->waiting[i]);
    }
}

static struct zkt_ask *take_first(const struct zkt_list *list)
{
    struct zkt_node *node = zkt__list_first(list);
    if (node == NULL) {
        return NULL;
    }
    zkt__node_unlink(node);
    return ZKT_CONTAINER(node, struct zkt_ask, node);
}

/* ---- contacts ---- */

/* The contacts without asks come first in the list. */
static void sort_in(struct zkt_session *session, struct zkt_contact *contact)
{
    zkt__ring_remove(&session->contacts, &contact->of_session);
    if (contact->calls == 0) {
        zkt__ring_prepend(&session->contacts, &contact->of_session);
    } else {
        zkt__ring_append(&session->contacts, &contact->of_session);
    }
}

static struct zkt_contact *first_unused(const struct zkt_session *session)
{
    struct zkt_node *first = session->contacts.first;
    struct zkt_contact *contact = first != NULL
                                      ? ZKT_CONTAINER(first, struct zkt_contact,
                                                      of_session)
                                      : NULL;
    return contact != NULL && contact->calls == 0 ? contact : NULL;
}

/* ---- asking ---- */

bool zkt__asks_hold(struct zkt_host *host, struct zkt_ask *ask,
                    struct zkt_str *reason)
{
    struct zkt_asks *asks = host->asks;
    struct zkt_contact *contact = zkt__contact_make(
        host, &asks->session, ask->actor, ask->name, reason);
    if (contact == NULL) {
        return false;
    }
    ask->carrier->contact = contact;
    if (contact->calls++ == 0) {
        sort_in(&asks->session, contact);
    }
    asks->under_way++;
    return true;
}

/* The call arrives: the method's own time counts from now. */
static void set_times(struct zkt_host *host, struct zkt_msg_call *call)
{
    call->arrived = host->reports ? zkt__report_now(host) : 0;
    const int64_t end = host->clock->now_ms + call->method->timeout_ms;
    if (call->method->timeout_ms > 0 &&
        (call->deadline == 0 || end < call->deadline)) {
        call->deadline = end;
    }
}

void zkt__asks_send(struct zkt_host *host, struct zkt_ask *ask)
{
    struct zkt_asks *asks = host->asks;
    set_times(host, &ask->carrier->of.call);
    const uint32_t home = ask->carrier->contact->location->home;
    host->sessions->outstanding++;
    asks->unsent++;
    asks->untried = true;
    zkt__list_append(&asks->waiting[home], &ask->node);
}

static void finish_dropped(struct zkt_host *host, struct zkt_ask *ask)
{
    (void)host;
    zkt__ask_free(ask);
}

/* Its contact may be that of the instance that runs, so it leaves later. */
void zkt__asks_drop(struct zkt_host *host, struct zkt_ask *ask)
{
    struct zkt_asks *asks = host->asks;
    struct zkt_contact *contact = ask->carrier->contact;
    if (--contact->calls == 0) {
        sort_in(&asks->session, contact);
    }
    ask->finish = finish_dropped;
    zkt__list_append(&asks->finished, &ask->node);
}

static void report_refusal(struct zkt_host *host, const struct zkt_ask *ask)
{
    const enum zkt_status status = ask->failure.status;
    if (zkt__call_ended(host, ask->actor, ask->method, status, 0, -1)) {
        host->describe(host, &(const struct zkt_ended_call){
                                 .actor = ask->actor,
                                 .method = ask->method,
                                 .instance = ask->name,
                                 .peer = &host->asks->session.peer,
                                 .ask = ask,
                                 .request = ask->request,
                                 .failure = &ask->failure,
                                 .handler_ns = -1,
                             });
    }
}

/* Finishes an ask that is not sent. */
static void refuse(struct zkt_host *host, struct zkt_ask *ask,
                   const struct zkt_failure *failure)
{
    zkt__ask_fail(ask, failure);
    if (host->reports) {
        report_refusal(host, ask);
    }
    host->asks->under_way++;
    zkt__list_append(&host->asks->finished, &ask->node);
}

void zkt__asks_refuse(struct zkt_host *host, struct zkt_ask *ask,
                      enum zkt_status status, struct zkt_str text)
{
    refuse(host, ask,
           &(const struct zkt_failure){ .status = status, .text = text });
}

/* Refuses an ask with an input that breaks a rule. */
static void refuse_input(struct zkt_host *host, struct zkt_ask *ask,
                         const struct zkt_issues *issues)
{
    const struct zkt_method *method = ask->carrier->of.call.method;
    struct zkt_writer *w = &host->plain;
    w->len = 0;
    w->failed = false;
    ZKT_WRITE(w, "Validation failed for ");
    zkt_write_raw(w, method->name.data, method->name.len);
    ZKT_WRITE(w, ": ");
    const size_t prefix = w->len;
    zkt__issues_write(issues, w);
    const struct zkt_str text = { w->data, w->failed ? 0 : w->len };
    refuse(host, ask,
           &(const struct zkt_failure){
               .status = ZKT_INVALID_ARGUMENT,
               .text = text,
               .issues = { text.len > 0 ? text.data + prefix : "",
                           text.len > 0 ? text.len - prefix : 0 },
           });
}

/* Returns false if the input of an ask breaks a rule: the ask is finished. */
static bool check_input(struct zkt_host *host, struct zkt_ask *ask)
{
    const struct zkt_msg_call *call = &ask->carrier->of.call;
    struct zkt_issues issues;
    zkt__issues_init(&issues, host->arena, &host->rules);
    if (call->input == NULL ||
        zkt__check_value(call->method->input, call->input, NULL, 0, &issues)) {
        return true;
    }
    refuse_input(host, ask, &issues);
    return false;
}

void zkt__asks_begin(struct zkt_host *host, struct zkt_ask *ask)
{
    struct zkt_str reason;
    if (ask->request.number == 0) { /* of the program */
        ask->request.number = zkt__request_next(&host->requests);
        ask->carrier->of.call.request.number = ask->request.number;
    }
    if (!check_input(host, ask)) {
        return;
    }
    if (zkt__asks_hold(host, ask, &reason)) {
        zkt__asks_send(host, ask);
    } else {
        zkt__asks_refuse(host, ask, ZKT_RESOURCE_EXHAUSTED, reason);
    }
}

/* ---- delivering ---- */

/* Returns true if a message may be sent to @shard. While the server stops there
 * is no other work that would wait. */
static bool has_credit(struct zkt_host *host, uint32_t shard)
{
    return host->group == NULL || host->stopping ||
           zkt__group_has_credit(host, shard);
}

static void deliver(struct zkt_host *host, uint32_t shard, struct zkt_ask *ask)
{
    struct zkt_msg *m = ask->carrier;
    ask->carrier = NULL;
    host->asks->unsent--;
    zkt__host_spend(host, ZKT_COST_MESSAGE);
    (void)zkt__deliver(host, shard, m, m);
    zkt__arena_reset(host->arena);
}

/* Delivers the asks that wait for a shard; those that their handlers send to it
 * wait for the next turn. Returns true if some are left for want of a budget.
 */
static bool deliver_to(struct zkt_host *host, uint32_t shard)
{
    struct zkt_list *waiting = &host->asks->waiting[shard];
    struct zkt_list batch;
    struct zkt_ask *ask;
    bool credit = true;
    zkt__list_init(&batch);
    zkt__list_move(&batch, waiting);
    while (!zkt__list_empty(&batch) && host->budget > 0 &&
           (credit = has_credit(host, shard)) &&
           (ask = take_first(&batch)) != NULL) {
        deliver(host, shard, ask);
    }
    zkt__list_move(&batch, waiting);
    zkt__list_move(waiting, &batch);
    return credit && !zkt__list_empty(waiting);
}

/* This shard comes first, since its handlers send to all. */
void zkt__asks_deliver(struct zkt_host *host)
{
    const uint32_t count = host->group != NULL ? host->group->count : 1;
    bool untried = deliver_to(host, host->shard);
    for (uint32_t i = 0; i < count; i++) {
        if (i != host->shard && !zkt__list_empty(&host->asks->waiting[i])) {
            untried = deliver_to(host, i) || untried;
        }
    }
    host->asks->untried = untried;
}

/* ---- replies ---- */

void zkt__asks_take(struct zkt_host *host, struct zkt_ask *ask,
                    struct zkt_contact *contact)
{
    zkt__list_append(&host->asks->finished, &ask->node);
    if (contact->calls == 0 && !contact->leaving) {
        sort_in(&host->asks->session, contact);
    }
}

bool zkt__asks_are_due(const struct zkt_asks *asks)
{
    return asks->untried || !zkt__list_empty(&asks->finished) ||
           first_unused(&asks->session) != NULL;
}

void zkt__asks_settle(struct zkt_host *host)
{
    struct zkt_asks *asks = host->asks;
    struct zkt_contact *contact;
    struct zkt_ask *ask;
    while ((ask = take_first(&asks->finished)) != NULL) {
        asks->under_way--;
        ask->finish(host, ask);
    }
    while ((contact = first_unused(&asks->session)) != NULL) {
        zkt__contact_leave(host, contact);
        zkt__arena_reset(host->arena);
    }
}
