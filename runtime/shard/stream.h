/*
 * The parts of a call's answer that precede its result: the chunks of a stream,
 * and reports of progress. A part is a block that the sending thread allocates
 * with a copy of the value; it is also the carrier of its message. The stream
 * of a call is counted by reference: by the handle of the call, and by each
 * part.
 *
 *   sender:   pushes the part on a stack, and lets the handle run
 *   instance: checks the value, writes its frame, sends the message
 *   session:  lets the part wait until the connection has little to send
 *
 * A stream holds at most `limit` bytes of chunks, from `send` until they enter
 * the send queue, which gives the bytes back. A sender that was refused leaves
 * in `wanted` the room that it needs. Who gives bytes back and finds that room
 * posts the stream to the instance's thread, which says that it is ready.
 *
 * Of progress there is one report in `report`, the latest, and one on its way
 * from the instance to the send queue. When the call is resumed the latest
 * follows it.
 */
#ifndef ZKT_SHARD_STREAM_H
#define ZKT_SHARD_STREAM_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stddef.h>

#include "base/work_queue.h"
#include "shard/message.h"

struct zkt_deferred;
struct zkt_session;

struct zkt_part {
    struct zkt_msg message;    /* a chunk or progress */
    struct zkt_part *next;     /* on the stack of the stream */
    struct zkt_stream *stream; /* a reference */
    struct zkt_buffer *frame;  /* NULL: not encoded yet */
    size_t bytes;              /* counted in the stream */
    bool reports;              /* progress, and is on its way */
    alignas(max_align_t) char value[];
};

struct zkt_stream {
    struct zkt_work work; /* of the instance's shard; with a reference */
    struct zkt_work_queue *queue; /* a reference */
    const struct zkt_allocator *allocator;
    const struct zkt_method *method;
    size_t limit;
    uint32_t shard; /* of the session */
    atomic_uint refs;
    /* Of all threads. */
    _Atomic(struct zkt_part *) chunks; /* a stack: the last comes first */
    _Atomic(struct zkt_part *) report; /* of progress, or NULL */
    atomic_size_t bytes;
    atomic_size_t wanted;  /* the room that a refused sender needs; 0: none */
    atomic_bool ready;     /* that room is there */
    atomic_bool lost;      /* a report found no memory */
    atomic_bool reporting; /* a report is between instance and send queue */
    atomic_bool posted;
    /* Of the instance's thread. */
    struct zkt_deferred *handle; /* NULL: the call has ended */
    /* Of the session's thread. */
    struct zkt_node waiting;     /* in the session's extras; with a reference */
    struct zkt_session *session; /* while it is linked */
    struct zkt_list parts;       /* that wait */
    struct zkt_buffer *result;   /* behind them, or NULL */
};

static inline struct zkt_stream *zkt__stream_ref(struct zkt_stream *stream)
{
    atomic_fetch_add(&stream->refs, 1);
    return stream;
}
/** Takes NULL. */
void zkt__stream_unref(struct zkt_stream *stream);

/** Returns a part of a copy of @value, or NULL if there is no memory. Any
 * thread. */
struct zkt_part *zkt__part_new(struct zkt_stream *stream,
                               const struct zkt_type *type, const void *value);
/** Sets the bytes that are counted for a part. */
void zkt__part_count(struct zkt_part *part, size_t bytes);
/** Frees a part and gives its bytes back. Any thread. */
void zkt__part_free(struct zkt_part *part);
/** Returns the size of a part with @value, in bytes. */
size_t zkt__part_size(const struct zkt_type *type, const void *value);

/** Counts @bytes of a chunk, or returns false if there is no room. A chunk that
 * is larger than the limit has room when there is no other. */
bool zkt__stream_reserve(struct zkt_stream *stream, size_t bytes);
/** Gives bytes back that were counted. */
void zkt__stream_give_back(struct zkt_stream *stream, size_t bytes);
/** Lets the stream say that it is ready as soon as there is room for @bytes. */
void zkt__stream_want(struct zkt_stream *stream, size_t bytes);
/** Frees the parts that the instance has not taken. */
void zkt__stream_drop(struct zkt_stream *stream);

/** Takes all chunks that were sent, in order, linked by next. */
struct zkt_part *zkt__stream_take_chunks(struct zkt_stream *stream);
/** Takes the latest report of progress, unless one is on its way and this is
 * not the @last, which the result follows. */
struct zkt_part *zkt__stream_take_report(struct zkt_stream *stream, bool last);

#endif
