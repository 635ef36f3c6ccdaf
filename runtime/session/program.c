/* See program.h. */
#include "session/program.h"

#include "session/contact.h"
#include "shard/group.h"

void zkt__program_init(struct zkt_program *program, struct zkt_host *host)
{
    program->host = host;
    program->session.peer.shard = host->shard;
    program->session.peer.is_program = true;
    zkt__list_init(&program->session.contacts);
    zkt__list_init(&program->waiting);
    zkt__list_init(&program->finished);
}

/* ---- contacts ---- */

/* The contacts without calls come first in the list. */
static void sort_in(struct zkt_session *session, struct zkt_contact *contact)
{
    zkt__node_unlink(&contact->of_session);
    if (contact->calls == 0) {
        zkt__list_prepend(&session->contacts, &contact->of_session);
    } else {
        zkt__list_append(&session->contacts, &contact->of_session);
    }
}

static struct zkt_contact *first_unused(const struct zkt_session *session)
{
    struct zkt_node *first = zkt__list_first(&session->contacts);
    struct zkt_contact *contact = first != NULL
                                      ? ZKT_CONTAINER(first, struct zkt_contact,
                                                      of_session)
                                      : NULL;
    return contact != NULL && contact->calls == 0 ? contact : NULL;
}

/* ---- asking ---- */

static struct zkt_ask *first_of(const struct zkt_list *list)
{
    struct zkt_node *node = zkt__list_first(list);
    return node != NULL ? ZKT_CONTAINER(node, struct zkt_ask, node) : NULL;
}

/* Ends an ask that no instance has seen. */
static void refuse(struct zkt_ask *ask, enum zkt_status status,
                   struct zkt_str text)
{
    zkt__ask_fail(
        ask, &(const struct zkt_failure){ .status = status, .text = text });
    zkt__list_append(&ask->program->finished, &ask->node);
}

/* Returns false with a failure if the input of a call breaks a rule. */
static bool check_input(struct zkt_host *host, struct zkt_ask *ask)
{
    const struct zkt_msg_call *call = &ask->carrier->of.call;
    struct zkt_issues issues;
    zkt__issues_init(&issues, host->arena, &host->rules);
    if (call->input == NULL ||
        zkt__check_value(call->method->input, call->input, NULL, 0, &issues)) {
        return true;
    }
    struct zkt_writer *w = &host->plain;
    w->len = 0;
    w->failed = false;
    ZKT_WRITE(w, "Validation failed for ");
    zkt_write_raw(w, call->method->name.data, call->method->name.len);
    ZKT_WRITE(w, ": ");
    const size_t prefix = w->len;
    zkt__issues_write(&issues, w);
    const struct zkt_str text = { w->data, w->failed ? 0 : w->len };
    zkt__ask_fail(ask, &(const struct zkt_failure){
                           .status = ZKT_INVALID_ARGUMENT,
                           .text = text,
                           .issues = { text.len > 0 ? text.data + prefix : "",
                                       text.len > 0 ? text.len - prefix : 0 },
                       });
    zkt__list_append(&ask->program->finished, &ask->node);
    return false;
}

/* Returns true if a message may be sent to @shard. While the server stops there
 * is no other work that would wait. */
static bool has_credit(struct zkt_host *host, uint32_t shard)
{
    return host->group == NULL || host->stopping ||
           zkt__group_has_credit(host, shard);
}

/* Sends the call of an ask to its instance, or finishes the ask. Returns false
 * if it has to wait. */
static bool send(struct zkt_program *program, struct zkt_ask *ask)
{
    struct zkt_host *host = program->host;
    struct zkt_session *session = &program->session;
    struct zkt_str reason;
    struct zkt_contact *contact = zkt__contact_make(host, session, ask->actor,
                                                    ask->name, &reason);
    if (contact == NULL) {
        refuse(ask, ZKT_RESOURCE_EXHAUSTED, reason);
        return true;
    }
    const uint32_t home = contact->location->home;
    if (!has_credit(host, home)) {
        sort_in(session, contact);
        return false;
    }
    struct zkt_msg *m = ask->carrier;
    ask->carrier = NULL;
    m->contact = contact;
    host->sessions->outstanding++;
    if (contact->calls++ == 0) {
        sort_in(session, contact);
    }
    (void)zkt__deliver(host, home, m, m);
    return true;
}

/* Runs on the first shard. */
static void take_posted(struct zkt_work *work, void *owner)
{
    struct zkt_ask *ask = ZKT_CONTAINER(work, struct zkt_ask, work);
    struct zkt_program *program = ask->program;
    (void)owner;
    program->under_way++;
    if (check_input(program->host, ask) &&
        (!zkt__list_empty(&program->waiting) || !send(program, ask))) {
        zkt__list_append(&program->waiting, &ask->node);
    }
    zkt__arena_reset(program->host->arena);
}

bool zkt__program_reserve(struct zkt_program *program, size_t size)
{
    const struct zkt_limits *limits = program->host->limits;
    const int64_t bytes = (int64_t)size;
    const bool many = atomic_fetch_add(&program->messages, 1) >=
                      limits->outside_messages;
    const bool much = atomic_fetch_add(&program->bytes, bytes) + bytes >
                      limits->outside_bytes;
    if (many || much) {
        atomic_fetch_add(&program->over_messages, many);
        atomic_fetch_add(&program->over_bytes, !many);
    }
    return !many && !much;
}

void zkt__program_release(struct zkt_program *program, size_t bytes)
{
    atomic_fetch_sub(&program->messages, 1);
    atomic_fetch_sub(&program->bytes, (int64_t)bytes);
}

static void release(struct zkt_program *program, struct zkt_ask *ask)
{
    zkt__program_release(program, ask->bytes);
    zkt__ask_free(ask);
}

enum zkt_status zkt__program_begin(struct zkt_program *program,
                                   struct zkt_ask *ask)
{
    ask->program = program;
    ask->work.run = take_posted;
    if (!zkt__program_reserve(program, ask->bytes)) {
        release(program, ask);
        return ZKT_RESOURCE_EXHAUSTED;
    }
    if (!zkt__work_post(program->host->work, &ask->work)) {
        release(program, ask);
        return ZKT_CLOSED;
    }
    return ZKT_OK;
}

/* ---- replies ---- */

void zkt__program_take(struct zkt_ask *ask, struct zkt_contact *contact)
{
    struct zkt_program *program = ask->program;
    zkt__list_append(&program->finished, &ask->node);
    if (contact->calls == 0 && !contact->leaving) {
        sort_in(&program->session, contact);
    }
}

bool zkt__program_is_due(const struct zkt_program *program)
{
    return !zkt__list_empty(&program->finished) ||
           first_unused(&program->session) != NULL;
}

void zkt__program_settle(struct zkt_program *program)
{
    struct zkt_host *host = program->host;
    struct zkt_contact *contact;
    struct zkt_ask *ask;
    while ((ask = first_of(&program->waiting)) != NULL) {
        zkt__node_unlink(&ask->node);
        if (!send(program, ask)) {
            zkt__list_prepend(&program->waiting, &ask->node);
            break;
        }
        zkt__arena_reset(host->arena);
    }
    while ((ask = first_of(&program->finished)) != NULL) {
        zkt__node_unlink(&ask->node);
        ask->finish(ask);
        program->under_way--;
        release(program, ask);
    }
    while ((contact = first_unused(&program->session)) != NULL) {
        zkt__contact_leave(host, contact);
        zkt__arena_reset(host->arena);
    }
}
