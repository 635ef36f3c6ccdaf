/* Chunks and progress: see stream.h. */
#include "call/stream.h"

#include "call/call.h"

/* ---- the stream of a handle ---- */

/* Runs on the thread of the instance, for a stream that was posted. */
static void run_posted(struct zkt_work *work, void *owner)
{
    struct zkt_stream *stream = ZKT_CONTAINER(work, struct zkt_stream, work);
    struct zkt_deferred *handle = stream->handle;
    (void)owner;
    atomic_store(&stream->posted, false);
    if (handle != NULL && zkt__deferred_is_outstanding(handle)) {
        struct zkt_host *host = handle->call->host;
        if (atomic_exchange(&stream->ready, false)) {
            host->stats.limit_hits.stream_bytes++;
            zkt__deferred_notice(handle, ZKT_NOTICE_READY);
        }
        if (atomic_load(&stream->report) != NULL) {
            zkt__deferred_want(handle, ZKT_WANT_PARTS);
        }
    }
    zkt__stream_unref(stream);
}

bool zkt__deferred_open_stream(struct zkt_host *host,
                               struct zkt_deferred *deferred,
                               const struct zkt_method *method, uint32_t shard)
{
    if (deferred->stream != NULL) {
        return true;
    }
    struct zkt_stream *stream = zkt__alloc_zero(host->allocator, 1,
                                                sizeof(*stream));
    if (stream == NULL) {
        return false;
    }
    stream->work.run = run_posted;
    stream->queue = host->work;
    stream->allocator = host->allocator;
    stream->method = method;
    stream->limit = (size_t)host->limits->stream_bytes;
    stream->shard = shard;
    stream->handle = deferred;
    zkt__list_init(&stream->parts);
    zkt__work_queue_ref(stream->queue);
    deferred->stream = zkt__stream_ref(stream);
    return true;
}

void zkt__deferred_send_parts(struct zkt_deferred *deferred, bool last)
{
    if (deferred->stream == NULL) {
        return;
    }
    if (deferred->call->host == NULL) {
        zkt__stream_drop(deferred->stream);
    } else {
        deferred->call->ops->send_parts(deferred->call, last);
    }
}

void zkt__deferred_end_stream(struct zkt_deferred *deferred)
{
    if (deferred->stream != NULL) {
        deferred->stream->handle = NULL;
    }
}

void zkt__deferred_release_stream(struct zkt_deferred *deferred)
{
    struct zkt_stream *stream = deferred->stream;
    if (stream != NULL) {
        deferred->stream = NULL;
        zkt__stream_drop(stream);
        zkt__stream_unref(stream);
    }
}

/* ---- for programs ---- */

/* Returns the bytes that a chunk will take: the part, and a guess of the frame,
 * which corrects it. */
static size_t measure(const struct zkt_stream *stream, const void *chunk)
{
    enum {
        ENVELOPE = 64
    };
    const size_t size = zkt__part_size(stream->method->chunk, chunk);
    return 2 * size - sizeof(struct zkt_part) + sizeof(struct zkt_buffer) +
           ENVELOPE;
}

/* Makes the part of a chunk, counted in its stream. Returns NULL if there is no
 * room or no memory. */
static struct zkt_part *take_chunk(struct zkt_stream *stream, const void *chunk,
                                   size_t size)
{
    if (!zkt__stream_reserve(stream, size)) {
        return NULL;
    }
    struct zkt_part *part = zkt__part_new(stream, stream->method->chunk, chunk);
    if (part == NULL) {
        zkt__stream_give_back(stream, size);
        return NULL;
    }
    part->bytes = size;
    return part;
}

static void push(struct zkt_stream *stream, struct zkt_part *part)
{
    part->next = atomic_load(&stream->chunks);
    while (!atomic_compare_exchange_weak(&stream->chunks, &part->next, part)) {
    }
}

enum zkt_status zkt_deferred_send(struct zkt_deferred *deferred,
                                  const void *chunk)
{
    if (zkt_deferred_cancelled(deferred)) {
        return ZKT_CANCELLED;
    }
    struct zkt_stream *stream = deferred->stream;
    const size_t size = measure(stream, chunk);
    struct zkt_part *part = take_chunk(stream, chunk, size);
    if (part == NULL) {
        zkt__stream_want(stream, size);
        return ZKT_RESOURCE_EXHAUSTED;
    }
    push(stream, part);
    zkt__deferred_want(deferred, ZKT_WANT_PARTS);
    return ZKT_OK;
}

void zkt_deferred_progress(struct zkt_deferred *deferred, const void *value)
{
    if (zkt_deferred_cancelled(deferred)) {
        return;
    }
    struct zkt_stream *stream = deferred->stream;
    struct zkt_part *part = zkt__part_new(stream, stream->method->progress,
                                          value);
    if (part == NULL) {
        atomic_store(&stream->lost, true);
    } else {
        struct zkt_part *before = atomic_exchange(&stream->report, part);
        if (before != NULL) {
            zkt__part_free(before);
        }
    }
    zkt__deferred_want(deferred, ZKT_WANT_PARTS);
}
