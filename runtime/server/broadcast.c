/* Broadcasts and ends of connections from any thread: zkt_server_broadcast and
 * zkt_server_kick. */
#include "shard/broadcast.h"

#include <string.h>

#include "call/broadcast.h"
#include "server/core.h"

/* A broadcast or a kick on its way to the first shard, with copies of all that
 * it needs behind it. */
struct notice {
    struct zkt_work work;
    struct zkt_server *first; /* shard */
    size_t bytes;
    const struct zkt_event *event; /* NULL: a kick */
    const void *payload;
    struct zkt_emitted emitted; /* the frame of a kick is its reason */
};

static void drop(struct notice *notice)
{
    zkt__outside_release(notice->first, notice->bytes);
    zkt__buffer_unref(notice->emitted.frame);
    zkt__release(notice->first->allocator, notice);
}

/* ---- on the first shard ---- */

/* Returns NULL, or the reason why the broadcast cannot be framed. */
static const char *frame(struct notice *notice)
{
    struct zkt_host *host = &notice->first->host;
    const struct zkt_event *event = notice->event;
    struct zkt_issues issues;
    zkt__issues_init(&issues, host->arena, &host->rules);
    if (event->payload != NULL &&
        !zkt__check_value(event->payload, notice->payload, NULL, 0, &issues)) {
        return "its payload breaks its rules";
    }
    zkt__write_broadcast(&host->plain, event, notice->payload);
    if (!host->plain.failed &&
        zkt__frame_payload(&host->plain) > (size_t)host->limits->output_bytes) {
        host->stats.limit_hits.output_bytes++;
        return "it is too large";
    }
    notice->emitted.frame = zkt__frame_share(&host->plain);
    return notice->emitted.frame != NULL ? NULL : "out of memory";
}

static void publish(struct notice *notice)
{
    struct zkt_host *host = &notice->first->host;
    struct zkt_list carriers;
    const char *obstacle = notice->event != NULL ? frame(notice) : NULL;
    zkt__list_init(&carriers);
    if (obstacle == NULL &&
        !zkt__broadcasts_reserve(host, &notice->emitted, &carriers)) {
        obstacle = "out of memory";
    }
    if (obstacle == NULL) {
        zkt__broadcasts_publish(host, &notice->emitted, &carriers);
    } else {
        zkt__host_log(host,
                      &(const struct zkt_log_record){ .level = ZKT_LOG_ERROR },
                      "%s was not sent: %s",
                      notice->event != NULL ? notice->event->name.data
                                            : "the end of a connection",
                      obstacle);
    }
    zkt__carriers_drop(host, &carriers);
    zkt__arena_reset(host->arena);
}

static void run(struct zkt_work *work, void *owner)
{
    struct notice *notice = ZKT_CONTAINER(work, struct notice, work);
    (void)owner;
    publish(notice);
    drop(notice);
}

/* ---- on any thread ---- */

static size_t aligned(size_t size)
{
    const size_t alignment = alignof(max_align_t);
    return (size + alignment - 1) / alignment * alignment;
}

static const struct zkt_str *ids_of(const struct zkt_target *target)
{
    return target->ids != NULL ? target->ids : &target->one;
}

static size_t measure_target(const struct zkt_target *target)
{
    size_t size = target->len * sizeof(struct zkt_str);
    for (size_t i = 0; i < target->len; i++) {
        size += ids_of(target)[i].len;
    }
    return aligned(size);
}

/* Copies a target to @at, which has room: the ids, then their texts. */
static struct zkt_target copy_target(const struct zkt_target *target, void *at)
{
    struct zkt_str *ids = at;
    char *text = (char *)(ids + target->len);
    for (size_t i = 0; i < target->len; i++) {
        const struct zkt_str *id = &ids_of(target)[i];
        memcpy(text, id->data, id->len);
        ids[i] = (struct zkt_str){ text, id->len };
        text += id->len;
    }
    return (struct zkt_target){ .kind = target->kind,
                                .ids = ids,
                                .len = target->len };
}

/* Makes a notice. Returns NULL if there is no memory. */
static struct notice *new_notice(struct zkt_server *server,
                                 const struct zkt_event *event,
                                 const void *payload,
                                 const struct zkt_target *target)
{
    const struct zkt_type *type = event != NULL ? event->payload : NULL;
    const size_t ids = aligned(sizeof(struct notice));
    const size_t value = ids + measure_target(target);
    const size_t size = value +
                        (type != NULL ? zkt__value_measure(type, payload) : 0);
    char *block = zkt__alloc(server->allocator, size);
    if (block == NULL) {
        return NULL;
    }
    struct notice *notice = (void *)block;
    *notice = (struct notice){
        .work = { .run = run },
        .first = server->shards->all[0],
        .bytes = size,
        .event = event,
        .payload = type != NULL
                       ? zkt__value_dup_into(type, payload, block + value)
                       : NULL,
        .emitted = { .target = copy_target(target, block + ids) },
    };
    return notice;
}

/* Posts a notice to the first shard, or drops it. */
static enum zkt_status post(struct notice *notice)
{
    enum zkt_status status = ZKT_OK;
    if (!zkt__outside_reserve(notice->first, notice->bytes)) {
        status = ZKT_RESOURCE_EXHAUSTED;
    } else if (!zkt__work_post(notice->first->host.work, &notice->work)) {
        status = ZKT_CLOSED;
    }
    if (status != ZKT_OK) {
        drop(notice);
    }
    return status;
}

enum zkt_status zkt_server_broadcast(struct zkt_server *server,
                                     uint32_t broadcast, const void *payload,
                                     struct zkt_target target)
{
    if (target.kind == ZKT_TARGET_AUDIENCE) {
        return ZKT_INVALID_ARGUMENT;
    }
    if (zkt__server_is_stopping(server)) {
        return ZKT_CLOSED;
    }
    struct notice *notice = new_notice(
        server, &server->host.app.info->broadcasts[broadcast], payload,
        &target);
    return notice != NULL ? post(notice) : ZKT_NO_MEMORY;
}

enum zkt_status zkt_server_kick(struct zkt_server *server,
                                struct zkt_str client_id, unsigned code,
                                const char *reason)
{
    const struct zkt_target target = zkt_to(client_id);
    if (!zkt__may_close_with(code)) {
        return ZKT_INVALID_ARGUMENT;
    }
    if (zkt__server_is_stopping(server)) {
        return ZKT_CLOSED;
    }
    struct notice *notice = new_notice(server, NULL, NULL, &target);
    if (notice == NULL) {
        return ZKT_NO_MEMORY;
    }
    notice->emitted.close_code = code;
    notice->emitted.frame = zkt__close_reason(server->allocator, reason);
    if (notice->emitted.frame != NULL) {
        return post(notice);
    }
    zkt__release(server->allocator, notice);
    return ZKT_NO_MEMORY;
}
