/* Parts of answers: see stream.h. */
#include "shard/stream.h"

void zkt__stream_unref(struct zkt_stream *stream)
{
    if (stream == NULL || atomic_fetch_sub(&stream->refs, 1) > 1) {
        return;
    }
    zkt__work_queue_unref(stream->queue);
    zkt__release(stream->allocator, stream);
}

static bool has_room(size_t held, size_t bytes, size_t limit)
{
    return held == 0 || (held <= limit && bytes <= limit - held);
}

/* Lets the instance's thread look at the stream, unless the server is gone. */
static void post(struct zkt_stream *stream)
{
    if (atomic_exchange(&stream->posted, true)) {
        return;
    }
    zkt__stream_ref(stream);
    if (!zkt__work_post(stream->queue, &stream->work)) {
        zkt__stream_unref(stream);
    }
}

/* ---- parts ---- */

size_t zkt__part_size(const struct zkt_type *type, const void *value)
{
    return sizeof(struct zkt_part) + zkt__value_measure(type, value);
}

struct zkt_part *zkt__part_new(struct zkt_stream *stream,
                               const struct zkt_type *type, const void *value)
{
    struct zkt_part *part = zkt__alloc(stream->allocator,
                                       zkt__part_size(type, value));
    if (part != NULL) {
        part->stream = zkt__stream_ref(stream);
        part->frame = NULL;
        part->bytes = 0;
        part->reports = false;
        (void)zkt__value_dup_into(type, value, part->value);
    }
    return part;
}

void zkt__part_count(struct zkt_part *part, size_t bytes)
{
    const size_t before = part->bytes;
    part->bytes = bytes;
    if (bytes > before) {
        atomic_fetch_add(&part->stream->bytes, bytes - before);
    } else {
        zkt__stream_give_back(part->stream, before - bytes);
    }
}

/* A report has arrived, or was dropped: the next may follow. */
static void end_report(struct zkt_stream *stream)
{
    atomic_store(&stream->reporting, false);
    if (atomic_load(&stream->report) != NULL) {
        post(stream);
    }
}

void zkt__part_free(struct zkt_part *part)
{
    struct zkt_stream *stream = part->stream;
    const size_t bytes = part->bytes;
    const bool reports = part->reports;
    zkt__buffer_unref(part->frame);
    zkt__release(stream->allocator, part);
    zkt__stream_give_back(stream, bytes);
    if (reports) {
        end_report(stream);
    }
    zkt__stream_unref(stream);
}

/* ---- room ---- */

bool zkt__stream_reserve(struct zkt_stream *stream, size_t bytes)
{
    size_t held = atomic_load(&stream->bytes);
    do {
        if (!has_room(held, bytes, stream->limit)) {
            return false;
        }
    } while (
        !atomic_compare_exchange_weak(&stream->bytes, &held, held + bytes));
    return true;
}

/* Says that the stream is ready, once, if there is the room that is wanted. */
static void check_wanted(struct zkt_stream *stream)
{
    const size_t wanted = atomic_load(&stream->wanted);
    if (wanted > 0 &&
        has_room(atomic_load(&stream->bytes), wanted, stream->limit) &&
        atomic_exchange(&stream->wanted, 0) > 0) {
        atomic_store(&stream->ready, true);
        post(stream);
    }
}

void zkt__stream_give_back(struct zkt_stream *stream, size_t bytes)
{
    if (bytes > 0) {
        atomic_fetch_sub(&stream->bytes, bytes);
        check_wanted(stream);
    }
}

void zkt__stream_want(struct zkt_stream *stream, size_t bytes)
{
    /* Half of the limit at least, so that a sender is not woken for each chunk.
     */
    const size_t half = stream->limit / 2 + 1;
    atomic_store(&stream->wanted, bytes > half ? bytes : half);
    check_wanted(stream);
}

/* ---- taking ---- */

struct zkt_part *zkt__stream_take_chunks(struct zkt_stream *stream)
{
    struct zkt_part *last = atomic_exchange(&stream->chunks, NULL);
    struct zkt_part *first = NULL;
    while (last != NULL) {
        struct zkt_part *before = last->next;
        last->next = first;
        first = last;
        last = before;
    }
    return first;
}

struct zkt_part *zkt__stream_take_report(struct zkt_stream *stream, bool last)
{
    if (atomic_load(&stream->report) == NULL ||
        (atomic_exchange(&stream->reporting, true) && !last)) {
        return NULL; /* its arrival posts the stream */
    }
    struct zkt_part *part = atomic_exchange(&stream->report, NULL);
    if (part == NULL) {
        atomic_store(&stream->reporting, false);
    } else {
        part->reports = true;
    }
    return part;
}

void zkt__stream_drop(struct zkt_stream *stream)
{
    struct zkt_part *part = zkt__stream_take_chunks(stream);
    while (part != NULL) {
        struct zkt_part *next = part->next;
        zkt__part_free(part);
        part = next;
    }
    part = atomic_exchange(&stream->report, NULL);
    if (part != NULL) {
        zkt__part_free(part);
    }
}
