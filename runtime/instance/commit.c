/* The commit of a call: see commit.h. make_final is the point of no return. */
#include "instance/commit.h"

#include <stdio.h>

#include "call/broadcast.h"
#include "instance/asking.h"
#include "instance/own_patch.h"
#include "instance/patch_frame.h"
#include "instance/report.h"
#include "instance/timers.h"
#include "instance/view_commit.h"
#include "protocol/envelope.h"
#include "shard/broadcast.h"
#include "shard/stream.h"

/* ---- both journals: the state's, and the private state's ---- */

/* Returns NULL, or the reason why the changes cannot be committed. */
static const char *check_journals(struct zkt_call *call)
{
    if (!zkt__journal_check(&call->journal)) {
        return call->journal.reason;
    }
    if (call->private_state != NULL &&
        !zkt__journal_check(&call->private_journal)) {
        return call->private_journal.reason;
    }
    return NULL;
}

/* Returns the failure of the first poisoned journal, or ZKT_OK. */
static enum zkt_status failure_of(const struct zkt_call *call)
{
    return call->journal.failure != ZKT_OK || call->private_state == NULL
               ? call->journal.failure
               : call->private_journal.failure;
}

static bool has_written(const struct zkt_call *call)
{
    return call->journal.count > 0 ||
           (call->private_state != NULL && call->private_journal.count > 0);
}

static void commit_journals(struct zkt_call *call)
{
    zkt__journal_commit(&call->journal);
    if (call->private_state != NULL) {
        zkt__journal_commit(&call->private_journal);
    }
}

/* Releases the events, broadcasts and expulsions of a call, changes of timers
 * that are not applied, and tells that are not sent. */
static void drop_effects(struct zkt_call *call)
{
    zkt__emitted_drop(&call->events);
    zkt__emitted_drop(&call->broadcasts);
    for (struct zkt_expulsion *e = call->first_expelled; e != NULL;
         e = e->next) {
        zkt__buffer_unref(e->failure);
    }
    call->first_expelled = call->expelled = NULL;
    if (call->changes_timers) {
        zkt__timers_drop(call);
    }
    if (call->outgoing != NULL) {
        zkt__tells_drop(call);
    }
}

void zkt__call_undo(struct zkt_call *call)
{
    zkt__journal_undo(&call->journal);
    if (call->private_state != NULL) {
        zkt__journal_undo(&call->private_journal);
    }
    drop_effects(call);
}

static enum zkt_status no_memory(struct zkt_call *call)
{
    zkt__call_set_failure(call, ZKT_RESOURCE_EXHAUSTED,
                          ZKT_STR("out of memory"));
    return ZKT_RESOURCE_EXHAUSTED;
}

/* Writes the reason of a failure to the log; names the limit if memory ran out
 * because of one. */
static void log_failure(const struct zkt_call *call, const char *reason)
{
    char text[256];
    if (failure_of(call) == ZKT_NO_MEMORY && call->arena->limit_reached) {
        snprintf(text, sizeof(text), "%s: the limit call_bytes is reached",
                 reason);
        reason = text;
    }
    zkt__call_log_failure(call, reason);
}

enum zkt_status zkt__call_check(struct zkt_call *call)
{
    const char *reason = check_journals(call);
    if (reason == NULL) {
        return ZKT_OK;
    }
    call->host->stats.limit_hits.mutations += call->journal.over ||
                                              (call->private_state != NULL &&
                                               call->private_journal.over);
    log_failure(call, reason);
    switch (failure_of(call)) {
    case ZKT_NO_MEMORY:
        return no_memory(call);
    case ZKT_RESOURCE_EXHAUSTED:
        zkt__call_set_failure(call, ZKT_RESOURCE_EXHAUSTED,
                              ZKT_STR("too large to be delivered"));
        return ZKT_RESOURCE_EXHAUSTED;
    default:
        return ZKT_INTERNAL;
    }
}

/* ---- frames ---- */

/* Writes the result message to host->result. */
static enum zkt_status write_result(struct zkt_task *task)
{
    struct zkt_call *call = &task->call;
    struct zkt_host *host = call->host;
    struct zkt_writer *w = &host->result;
    const struct zkt_type *type = task->request.method->result;
    if (type != NULL &&
        !zkt__check_value(type, task->result, NULL, 0, &call->issues)) {
        zkt__call_log_failure(call, "the result breaks its rules");
        return ZKT_INTERNAL;
    }
    if (task->request.ask != NULL) {
        return zkt__ask_succeed(task->request.ask, type, task->result)
                   ? ZKT_OK
                   : no_memory(call);
    }
    zkt__frame_begin(w);
    zkt__write_result_begin(w, task->request.id);
    if (type != NULL) {
        ZKT_WRITE(w, ",\"result\":");
        type->encode(w, type, task->result);
    }
    ZKT_WRITE(w, "}");
    if (w->failed) {
        return no_memory(call);
    }
    return zkt__call_fits(call, "the result", zkt__frame_payload(w))
               ? ZKT_OK
               : zkt__call_check(call);
}

/* Makes the frames of both dialects; @same: a single frame for both. */
static enum zkt_status frame_patches(struct zkt_call *call,
                                     struct zkt_commit *commit, bool same)
{
    struct zkt_host *host = call->host;
    struct zkt_buffer **patch = commit->patch;
    if (!zkt__call_fits(call, "the patch", zkt__frame_payload(&host->plain))) {
        return zkt__call_check(call);
    }
    patch[ZKT_DIALECT_PLAIN] = zkt__patch_frame_end(host, &host->plain);
    patch[ZKT_DIALECT_RFC6902] = same ? patch[ZKT_DIALECT_PLAIN]
                                      : zkt__patch_frame_end(host,
                                                             &host->rfc6902);
    if (patch[ZKT_DIALECT_PLAIN] == NULL ||
        patch[ZKT_DIALECT_RFC6902] == NULL) {
        return no_memory(call);
    }
    if (same) {
        zkt__buffer_ref(patch[ZKT_DIALECT_PLAIN]);
    }
    return ZKT_OK;
}

static enum zkt_status make_patches(struct zkt_call *call,
                                    struct zkt_commit *commit)
{
    struct zkt_host *host = call->host;
    bool same;
    const size_t empty = zkt__patch_frame_begin(call->instance, &host->plain);
    (void)zkt__patch_frame_begin(call->instance, &host->rfc6902);
    call->journal.pieces_max = zkt__bounded(host->limits->pieces);
    if (!zkt__journal_patch(&call->journal, &host->plain, &host->rfc6902,
                            &same)) {
        return no_memory(call);
    }
    host->stats.limit_hits.pieces += call->journal.whole_lists;
    if (host->plain.len == empty && !host->plain.failed && same) {
        return ZKT_OK; /* no net change */
    }
    return frame_patches(call, commit, same);
}

/* If memory ran out, either patch may be missing. */
static void release_patches(const struct zkt_commit *commit)
{
    for (size_t i = 0; i < ZKT_DIALECT_COUNT; i++) {
        if (commit->patch[i] != NULL) {
            zkt__buffer_unref(commit->patch[i]);
        }
    }
}

/* Makes the patches of a state with readers, which depend on the subscriber. */
static enum zkt_status make_view_patches(struct zkt_call *call,
                                         struct zkt_commit *commit)
{
    if (!has_written(call) || zkt__view_commit_begin(call, commit)) {
        return ZKT_OK;
    }
    return call->journal.failure != ZKT_OK ? zkt__call_check(call)
                                           : no_memory(call);
}

/* Makes the patches if anybody is to receive them. While the server ends its
 * instances, sessions still watch an instance that their contacts have left,
 * and nobody judges them any more: states with readers have no patches then. */
static enum zkt_status make_all_patches(struct zkt_call *call,
                                        struct zkt_commit *commit)
{
    if (call->instance->views != NULL) {
        return call->host->instances->ended ? ZKT_OK
                                            : make_view_patches(call, commit);
    }
    return call->instance->subscribers > 0 ? make_patches(call, commit)
                                           : ZKT_OK;
}

/* ---- publishing ---- */

/* Returns true if subscribers of the shard receive a part of the commit. */
static bool concerns(const struct zkt_commit *commit,
                     const struct zkt_contact_group *group)
{
    return (group->subscribed[ZKT_TOPIC_STATE] > 0 &&
            (commit->patch[ZKT_DIALECT_PLAIN] != NULL ||
             commit->patches != NULL)) ||
           group->privates != NULL ||
           (group->subscribed[ZKT_TOPIC_EVENTS] > 0 && commit->events != NULL);
}

static void init_message(struct zkt_msg *m, const struct zkt_commit *commit,
                         const struct zkt_contact_group *group)
{
    zkt__msg_init(m, ZKT_MSG_COMMIT, NULL);
    m->of.commit = (struct zkt_msg_commit){
        .location = group->location,
        .content = commit,
        .privates = group->privates,
    };
    if (commit->stream != NULL && commit->stream->shard == group->shard) {
        m->of.commit.stream = commit->stream;
    }
}

/* Allocates the carriers of the messages to other shards and appends them to
 * @carriers. Returns false if there is no memory. */
static bool reserve_carriers(struct zkt_call *call,
                             const struct zkt_commit *commit,
                             struct zkt_list *carriers)
{
    const struct zkt_contact_group *a = call->instance->local.next;
    for (; a != NULL; a = a->next) {
        struct zkt_msg *carrier = NULL;
        struct zkt_msg m;
        if (!concerns(commit, a)) {
            continue;
        }
        init_message(&m, commit, a);
        if (!zkt__deliver_reserve(call->host, a->shard, &m, &carrier)) {
            return false;
        }
        zkt__list_append(carriers, &carrier->node);
    }
    return true;
}

static void publish(struct zkt_call *call, const struct zkt_commit *commit,
                    struct zkt_list *carriers)
{
    struct zkt_instance *instance = call->instance;
    struct zkt_msg m;
    for (const struct zkt_contact_group *a = instance->local.next; a != NULL;
         a = a->next) {
        if (concerns(commit, a)) {
            init_message(&m, commit, a);
            (void)zkt__deliver(call->host, a->shard, &m,
                               zkt__carriers_take(carriers));
        }
    }
    if (concerns(commit, &instance->local)) {
        init_message(&m, commit, &instance->local);
        (void)zkt__deliver(call->host, instance->local.shard, &m, NULL);
    }
}

/* Updates the snapshot log. A change without subscribers has no patch and makes
 * the log stale; with subscribers, no patch means no net change. */
static void update_log(struct zkt_call *call, const struct zkt_commit *commit)
{
    struct zkt_snapshot_cache *cache = &call->host->instances->snapshots;
    struct zkt_snapshot_log *log = call->instance->log;
    if (log == NULL) {
        return;
    }
    if (commit->patch[ZKT_DIALECT_PLAIN] != NULL) {
        zkt__snapshot_log_add(cache, log, commit->patch);
    } else if (call->journal.count > 0 && call->instance->subscribers == 0) {
        zkt__snapshot_log_drop(cache, log);
    }
}

struct zkt_expulsion **zkt__expulsion_find(struct zkt_call *call,
                                           struct zkt_str client, uint64_t hash)
{
    struct zkt_expulsion **at = &call->expelled;
    while (*at != NULL && !zkt_str_eq((*at)->client, client)) {
        at = &(*at)->child[hash > (*at)->hash];
    }
    return at;
}

/* Marks the attachments that the call expels. */
static void mark_expelled(struct zkt_call *call)
{
    struct zkt_instance *instance = call->instance;
    const struct zkt_ring *all = &instance->attachments;
    for (struct zkt_node *n = all->first; n != NULL;
         n = zkt__ring_after(all, n)) {
        struct zkt_attachment *attachment = ZKT_CONTAINER(
            n, struct zkt_attachment, of_instance);
        const struct zkt_str client = zkt__peer_client_id(
            zkt__contact_of(attachment)->peer);
        const struct zkt_expulsion *e = *zkt__expulsion_find(
            call, client,
            zkt__hash(&call->host->store.key, client.data, client.len));
        if (attachment->expelled == NULL && e != NULL) {
            attachment->expelled = zkt__buffer_ref(e->failure);
            attachment->expelled_status = e->status;
            instance->expels = true;
        }
    }
}

/* The point of no return: nothing below can fail. */
static void make_final(struct zkt_call *call, const struct zkt_commit *commit,
                       struct zkt_list *carriers)
{
    struct zkt_task *task = zkt__task_of(call);
    struct zkt_instance *instance = call->instance;
    call->host->stats.commits += commit->seq - instance->seq;
    instance->seq = commit->seq;
    if (instance->views != NULL) {
        zkt__view_commit_apply(call);
    } else {
        update_log(call, commit);
    }
    commit_journals(call);
    if (task->kind == ZKT_TASK_HOOK && task->hook.grants) {
        zkt__contact_confirm(call->host, task->hook.message,
                             task->hook.carrier);
        task->hook.message = task->hook.carrier = NULL; /* answered */
    }
    publish(call, commit, carriers);
}

/* Commits without messages to other shards. */
static enum zkt_status commit_here(struct zkt_call *call,
                                   const struct zkt_commit *commit)
{
    struct zkt_list none;
    zkt__list_init(&none);
    make_final(call, commit, &none);
    return ZKT_OK;
}

static enum zkt_status commit_everywhere(struct zkt_call *call,
                                         const struct zkt_commit *commit)
{
    struct zkt_list carriers;
    enum zkt_status status = ZKT_OK;
    zkt__list_init(&carriers);
    if (reserve_carriers(call, commit, &carriers)) {
        make_final(call, commit, &carriers);
    } else {
        status = no_memory(call);
    }
    zkt__carriers_drop(call->host, &carriers);
    return status;
}

static enum zkt_status commit(struct zkt_call *call,
                              const struct zkt_commit *content)
{
    return call->instance->local.next == NULL
               ? commit_here(call, content)
               : commit_everywhere(call, content);
}

/* Commits a call that broadcasts. */
static enum zkt_status commit_broadcasts(struct zkt_call *call,
                                         const struct zkt_commit *content)
{
    struct zkt_list carriers;
    enum zkt_status status;
    zkt__list_init(&carriers);
    status = zkt__broadcasts_reserve(call->host, call->broadcasts.first,
                                     &carriers)
                 ? commit(call, content)
                 : no_memory(call);
    if (status == ZKT_OK) {
        zkt__broadcasts_publish(call->host, call->broadcasts.first, &carriers);
    }
    zkt__carriers_drop(call->host, &carriers);
    return status;
}

static enum zkt_status commit_all(struct zkt_call *call,
                                  const struct zkt_commit *content)
{
    return call->broadcasts.first == NULL ? commit(call, content)
                                          : commit_broadcasts(call, content);
}

/* Commits a call that has changed the data of its connection: its session
 * learns of them before it sends the result. */
static enum zkt_status commit_change(struct zkt_task *task,
                                     const struct zkt_commit *content)
{
    struct zkt_call *call = &task->call;
    const uint32_t shard = call->peer->shard;
    const struct zkt_connection_info *info = call->host->app.info->connection;
    struct zkt_msg *carrier;
    struct zkt_msg m;
    zkt__msg_init(&m, ZKT_MSG_CHANGE, task->contact);
    m.of.change = (struct zkt_msg_change){
        .type = info != NULL ? info->data : NULL,
        .changes = zkt__call_connection_changes(call),
    };
    if (!zkt__deliver_reserve(call->host, shard, &m, &carrier)) {
        return no_memory(call);
    }
    const enum zkt_status status = commit_all(call, content);
    if (status == ZKT_OK) {
        (void)zkt__deliver(call->host, shard, &m, carrier);
    } else {
        zkt__msg_free(call->host->allocator, carrier);
    }
    return status;
}

static enum zkt_status commit_effects(struct zkt_task *task,
                                      const struct zkt_commit *content)
{
    struct zkt_call *call = &task->call;
    struct zkt_own_patch own;
    zkt__own_patch_begin(&own, task, content);
    const enum zkt_status status = zkt__call_connection_changes(call) == NULL
                                       ? commit_all(call, content)
                                       : commit_change(task, content);
    zkt__own_patch_end(&own);
    if (status == ZKT_OK && call->first_expelled != NULL) {
        mark_expelled(call);
    }
    if (status == ZKT_OK && call->changes_timers) {
        zkt__timers_apply(call);
    }
    if (status == ZKT_OK && call->outgoing != NULL) {
        zkt__tells_send(call);
    }
    return status;
}

/* Returns the stream of the call if its caller receives the chunks before the
 * patch and the events, or NULL. */
static struct zkt_stream *stream_before(const struct zkt_task *task)
{
    struct zkt_stream *stream = task->deferred.stream;
    if (stream == NULL) {
        return NULL;
    }
    const bool *subscribed = task->contact->attachment.subscribed;
    return subscribed[ZKT_TOPIC_STATE] || subscribed[ZKT_TOPIC_EVENTS] ? stream
                                                                       : NULL;
}

/* Commits and publishes the changes of a call. */
static inline enum zkt_status commit_changes(struct zkt_task *task)
{
    struct zkt_call *call = &task->call;
    struct zkt_commit content = {
        .epoch = call->instance->epoch,
        .seq = call->instance->seq + (uint64_t)has_written(call),
        .events = call->events.first,
        .stream = stream_before(task),
    };
    enum zkt_status status = make_all_patches(call, &content);
    if (status == ZKT_OK) {
        status = call->has_effects || call->instance->local.next != NULL
                     ? commit_effects(task, &content)
                     : commit_here(call, &content);
    }
    release_patches(&content);
    if (call->instance->views != NULL) {
        zkt__view_commit_end(call);
    }
    return status;
}

enum zkt_status zkt__task_commit(struct zkt_task *task, bool ends)
{
    struct zkt_call *call = &task->call;
    const bool replies = ends && task->kind == ZKT_TASK_CALL;
    enum zkt_status status = replies ? write_result(task) : ZKT_OK;
    if (status == ZKT_OK) {
        status = commit_changes(task);
    }
    if (status == ZKT_OK) {
        if (replies) {
            zkt__task_reply(call->host, task, NULL);
        } else if (task->kind == ZKT_TASK_TIMER) {
            zkt__timer_report(call->host, task, NULL);
        }
        if (call->has_effects) {
            drop_effects(call);
        }
    }
    return status;
}
