/* Chunks and progress of calls: see parts.h. */
#include "instance/parts.h"

#include "instance/task.h"
#include "protocol/envelope.h"

/* Writes a part to host->plain. Returns false if its value breaks a rule;
 * @issues has the reason. */
static bool write_part(struct zkt_host *host, const struct zkt_task *task,
                       const struct zkt_part *part, struct zkt_str kind,
                       const struct zkt_type *type, struct zkt_issues *issues)
{
    struct zkt_writer *w = &host->plain;
    if (!zkt__check_value(type, part->value, NULL, 0, issues)) {
        return false;
    }
    zkt__frame_begin(w);
    zkt__write_part_begin(w, kind, task->request.id);
    type->encode(w, type, part->value);
    ZKT_WRITE(w, "}");
    return true;
}

static void deliver(struct zkt_host *host, struct zkt_task *task,
                    struct zkt_part *part, enum zkt_msg_kind kind,
                    struct zkt_buffer *frame)
{
    struct zkt_msg *m = &part->message;
    zkt__host_spend(host, frame->len);
    part->frame = frame;
    zkt__msg_init(m, kind, task->contact);
    m->of.part = part;
    (void)zkt__deliver(host, task->contact->peer->shard, m, m);
}

/* ---- chunks ---- */

/* Sends a chunk. Otherwise returns the status with which the call ends, and
 * *@text; the caller keeps the chunk. */
static enum zkt_status send_chunk(struct zkt_host *host, struct zkt_task *task,
                                  struct zkt_part *part, struct zkt_str *text)
{
    struct zkt_call *call = &task->call;
    struct zkt_writer *w = &host->plain;
    *text = ZKT_STR("");
    if (!write_part(host, task, part, ZKT_STR("chunk"),
                    part->stream->method->chunk, &call->issues)) {
        zkt__call_log_failure(call, "a chunk breaks its rules");
        return ZKT_INTERNAL;
    }
    if (zkt__frame_payload(w) > (size_t)host->limits->output_bytes) {
        host->stats.limit_hits.output_bytes++;
        *text = ZKT_STR("too large to be delivered");
        return ZKT_RESOURCE_EXHAUSTED;
    }
    struct zkt_buffer *frame = zkt__frame_share(w);
    if (frame == NULL) {
        *text = ZKT_STR("out of memory");
        return ZKT_RESOURCE_EXHAUSTED;
    }
    zkt__part_count(part,
                    zkt__part_size(part->stream->method->chunk, part->value) +
                        sizeof(*frame) + frame->len);
    deliver(host, task, part, ZKT_MSG_CHUNK, frame);
    return ZKT_OK;
}

/* Sends all chunks, or frees those behind the first that cannot be sent, and
 * ends the call. */
static void send_chunks(struct zkt_host *host, struct zkt_task *task)
{
    struct zkt_part *part = zkt__stream_take_chunks(task->deferred.stream);
    struct zkt_str text = ZKT_STR("");
    enum zkt_status status = ZKT_OK;
    while (part != NULL) {
        struct zkt_part *next = part->next;
        if (status == ZKT_OK) {
            status = send_chunk(host, task, part, &text);
        }
        if (status != ZKT_OK) {
            zkt__part_free(part);
        }
        part = next;
    }
    if (status != ZKT_OK) {
        zkt__task_cancel(host, task, status, text);
    }
}

/* ---- progress ---- */

/* Sends a report, or drops it. */
static void send_report(struct zkt_host *host, struct zkt_task *task,
                        struct zkt_part *part)
{
    struct zkt_issues issues;
    struct zkt_buffer *frame = NULL;
    zkt__issues_init(&issues, host->arena, &host->rules);
    if (!write_part(host, task, part, ZKT_STR("progress"),
                    part->stream->method->progress, &issues)) {
        zkt__call_log(&task->call, ZKT_LOG_ERROR,
                      "a report of progress breaks its rules");
    } else if (zkt__frame_payload(&host->plain) <=
               (size_t)host->limits->output_bytes) {
        frame = zkt__frame_share(&host->plain);
    }
    zkt__arena_reset(host->arena);
    if (frame != NULL) {
        deliver(host, task, part, ZKT_MSG_PROGRESS, frame);
    } else {
        zkt__part_free(part);
    }
}

static void send_progress(struct zkt_host *host, struct zkt_task *task,
                          bool last)
{
    struct zkt_stream *stream = task->deferred.stream;
    if (atomic_exchange(&stream->lost, false)) {
        zkt__call_log(&task->call, ZKT_LOG_WARNING,
                      "a report of progress found no memory");
    }
    struct zkt_part *part = zkt__stream_take_report(stream, last);
    if (part != NULL) {
        send_report(host, task, part);
    }
}

void zkt__task_send_parts(struct zkt_call *call, bool last)
{
    struct zkt_task *task = zkt__task_of(call);
    if (task->request.ask != NULL) {
        zkt__stream_drop(task->deferred.stream); /* the program reads none */
    } else if (task->request.method->chunk != NULL) {
        send_chunks(call->host, task);
    } else {
        send_progress(call->host, task, last);
    }
}
