/* Open calls: see open_calls.h. */
#include "instance/open_calls.h"

#include <string.h>

#include "instance/deferred.h"
#include "instance/mailbox.h"
#include "instance/task.h"

/* Allocates the open calls of an instance, if it has none. Returns false if
 * there is no memory. */
static bool make_open_calls(const struct zkt_host *host,
                            struct zkt_instance *instance)
{
    struct zkt_open_calls *calls = instance->open_calls;
    if (calls == NULL) {
        calls = zkt__alloc_zero(host->allocator, 1, sizeof(*calls));
        if (calls == NULL) {
            return false;
        }
        zkt__list_init(&calls->all);
        zkt__list_init(&calls->resumed);
        instance->open_calls = calls;
    }
    return true;
}

/* Returns ZKT_OK if a call of a method that interleaves may begin; otherwise
 * the status and *@text of its refusal. */
static enum zkt_status admit_open(struct zkt_host *host,
                                  const struct zkt_msg *m, struct zkt_str *text)
{
    struct zkt_instance *instance = m->contact->attachment.instance;
    if (m->of.call.method->chunk != NULL && m->of.call.ask != NULL) {
        *text = ZKT_STR("a stream is for clients");
        return ZKT_FAILED_PRECONDITION;
    }
    if (zkt__open_calls_count(instance->open_calls) >=
        host->limits->open_calls) {
        host->stats.limit_hits.open_calls++;
        *text = ZKT_STR("too many calls of the instance are open");
        return ZKT_RESOURCE_EXHAUSTED;
    }
    if (!make_open_calls(host, instance)) {
        *text = ZKT_STR("out of memory");
        return ZKT_RESOURCE_EXHAUSTED;
    }
    return ZKT_OK;
}

/* Returns ZKT_OK if a call may be run; otherwise the status and *@text of its
 * refusal. */
static enum zkt_status admit(struct zkt_host *host, const struct zkt_msg *m,
                             struct zkt_str *text)
{
    if (zkt__call_is_late(host, &m->of.call)) {
        host->stats.expired++;
        *text = ZKT_STR("the time of the call is over");
        return ZKT_DEADLINE_EXCEEDED;
    }
    return m->of.call.method->interleaves ? admit_open(host, m, text) : ZKT_OK;
}

void zkt__open_calls_take(struct zkt_host *host, struct zkt_msg *m,
                          struct zkt_msg *carrier)
{
    struct zkt_str text;
    const enum zkt_status status = admit(host, m, &text);
    if (status == ZKT_OK) {
        zkt__task_call(host, m, carrier);
    } else {
        zkt__instance_refuse(host, m, carrier, status, text);
    }
}

/* ---- opening ---- */

/* Makes the call ready for its second half, which takes no memory. Whatever
 * the handler knows of its memory, its asks and its connection stays. */
static void restart(struct zkt_host *host, struct zkt_task *task)
{
    struct zkt_call *call = &task->call;
    struct zkt_connection_view *view = call->view;
    struct zkt_outgoing *outgoing = call->outgoing;
    const bool has_allocated = call->has_allocated;
    zkt__call_init(call, host, &task->arena);
    call->outgoing = outgoing;
    call->has_allocated = has_allocated;
    call->view = view;
    call->has_effects = view != NULL || task->is_optimistic;
    if (view != NULL) {
        view->first = view->last = NULL; /* committed */
    }
    zkt__journal_restart(&call->journal);
    if (call->private_state != NULL) {
        zkt__journal_restart(&call->private_journal);
    }
    if (task->result != NULL) {
        memset(task->result, 0, task->request.method->result->size);
    }
}

static void link(struct zkt_instance *instance, struct zkt_task *task)
{
    struct zkt_open_calls *calls = instance->open_calls;
    zkt__list_append(&calls->all, &task->open.of_instance);
    zkt__ring_append(&task->contact->attachment.open_calls,
                     &task->open.of_contact);
    calls->count++;
}

/* Tells the program that an open stream should end. */
static void stop_stream(struct zkt_task *task)
{
    if (zkt__open_call_is(task) && task->request.method->chunk != NULL &&
        zkt__deferred_is_outstanding(&task->deferred)) {
        zkt__deferred_stop(&task->deferred);
    }
}

void zkt__open_call_begin(struct zkt_host *host, struct zkt_task *task)
{
    struct zkt_instance *instance = task->call.instance;
    const bool first = !zkt__open_call_is(task);
    restart(host, task);
    if (first) {
        link(instance, task);
        zkt__task_hold(host, task);
    }
    if (instance->expels) {
        zkt__instance_expel(host, instance);
    }
    if (host->stopping) {
        stop_stream(task);
    }
    zkt__task_keep_budget(host, task);
}

/* ---- the second half ---- */

static void run(struct zkt_host *host, struct zkt_task *task)
{
    zkt__host_spend(host, ZKT_COST_CALL);
    zkt__task_run_open(host, task);
}

void zkt__open_call_resume(struct zkt_host *host, struct zkt_task *task)
{
    struct zkt_instance *instance = task->call.instance;
    struct zkt_open_calls *calls = instance->open_calls;
    if (zkt__mailbox_is_free(host, instance)) {
        run(host, task);
        return;
    }
    zkt__list_append(&calls->resumed, &task->open.resumed);
    if (!zkt__node_linked(&calls->in_round)) {
        zkt__list_append(&instance->round, &calls->in_round);
    }
    zkt__mailbox_make_ready(host, instance);
}

void zkt__open_calls_serve(struct zkt_host *host, struct zkt_instance *instance)
{
    struct zkt_open_calls *calls = instance->open_calls;
    struct zkt_node *first = zkt__list_first(&calls->resumed);
    zkt__node_unlink(first);
    if (!zkt__list_empty(&calls->resumed)) {
        /* In front of the second message, or at the end of a short round. */
        zkt__node_insert(instance->round.head.next->next, &calls->in_round);
    }
    run(host, ZKT_CONTAINER(first, struct zkt_task, open.resumed));
}

/* ---- the end ---- */

static void unlink(struct zkt_task *task)
{
    struct zkt_open_calls *calls = task->call.instance->open_calls;
    zkt__node_unlink(&task->open.of_instance);
    zkt__ring_remove(&task->contact->attachment.open_calls,
                     &task->open.of_contact);
    zkt__node_unlink(&task->open.resumed);
    if (zkt__list_empty(&calls->resumed)) {
        zkt__node_unlink(&calls->in_round);
    }
    calls->count--;
}

void zkt__open_call_end(struct zkt_host *host, struct zkt_task *task)
{
    struct zkt_instance *instance = task->call.instance;
    struct zkt_contact *contact = task->contact;
    const bool waits = zkt__node_linked(&task->open.resumed);
    unlink(task);
    zkt__task_release(host, task);
    if (zkt__deferred_is_outstanding(&task->deferred)) {
        zkt__task_detach(task);
    } else if (waits) {
        zkt__task_detach(task);
        task->call.ops->run_cancelled(&task->call);
    } else {
        zkt__task_reuse(host, task);
    }
    zkt__contact_call_closed(host, contact);
    if (instance->expels) {
        zkt__instance_expel(host, instance);
    }
    zkt__instance_release_if_unused(host, instance);
}

void zkt__open_calls_abort(struct zkt_host *host, struct zkt_instance *instance,
                           const struct zkt_failure *failure)
{
    struct zkt_open_calls *calls = instance->open_calls;
    while (zkt__open_calls_count(calls) > 0) {
        struct zkt_node *node = zkt__list_first(&calls->all);
        zkt__task_cancel(host,
                         ZKT_CONTAINER(node, struct zkt_task, open.of_instance),
                         failure->status, failure->text);
    }
}

void zkt__open_calls_stop(struct zkt_host *host)
{
    const struct zkt_list *all = &host->instances->parked;
    for (struct zkt_node *n = zkt__list_first(all); n != NULL;
         n = zkt__list_after(all, n)) {
        stop_stream(ZKT_CONTAINER(n, struct zkt_task, parked));
    }
}

void zkt__open_calls_end_streams(struct zkt_host *host,
                                 struct zkt_contact *contact)
{
    const struct zkt_ring *all = &contact->attachment.open_calls;
    struct zkt_node *node = all->first;
    while (node != NULL) {
        struct zkt_task *task = ZKT_CONTAINER(node, struct zkt_task,
                                              open.of_contact);
        node = zkt__ring_after(all, node);
        if (task->request.method->chunk != NULL &&
            !zkt__node_linked(&task->open.resumed)) {
            zkt__task_cancel(host, task, ZKT_ABORTED,
                             ZKT_STR("the connection has ended"));
        }
    }
}
