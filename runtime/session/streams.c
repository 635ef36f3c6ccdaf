/* Streams of sessions: see streams.h. */
#include "session/streams.h"

/* Bytes that wait to be sent, above which parts wait in their streams: about
 * as much as a socket takes at once. */
#define LITTLE_OUTPUT 16384

/* ---- waiting ---- */

static void begin_waiting(struct zkt_session *session,
                          struct zkt_stream *stream)
{
    if (!zkt__node_linked(&stream->waiting)) {
        stream->session = session;
        zkt__stream_ref(stream);
        zkt__ring_append(&session->extras->streams, &stream->waiting);
    }
}

static void end_waiting(struct zkt_stream *stream)
{
    zkt__ring_remove(&stream->session->extras->streams, &stream->waiting);
    stream->session = NULL;
    zkt__stream_unref(stream);
}

/* Takes the first part of a stream, or returns NULL. */
static struct zkt_part *take_part(struct zkt_stream *stream)
{
    struct zkt_node *first = zkt__list_first(&stream->parts);
    if (first == NULL) {
        return NULL;
    }
    struct zkt_part *part = ZKT_CONTAINER(first, struct zkt_part, message.node);
    zkt__node_unlink(first);
    stream->session->extras->waiting_bytes -= part->frame->len;
    return part;
}

/* ---- sending ---- */

static void send_frame(struct zkt_host *host, struct zkt_session *session,
                       struct zkt_buffer *frame)
{
    enum {
        SMALL = 512 /* cheaper to copy than to refer to */
    };
    if (frame->len <= SMALL) {
        zkt__session_send_copy(host, session, frame);
    } else {
        zkt__session_send_shared(host, session, frame);
    }
}

/* Queues the result that waits, if there is one. */
static void send_result(struct zkt_host *host, struct zkt_session *session,
                        struct zkt_stream *stream)
{
    struct zkt_buffer *result = stream->result;
    if (result != NULL) {
        stream->result = NULL;
        session->outstanding--;
        host->sessions->outstanding--;
        zkt__session_send_shared(host, session, result);
        zkt__buffer_unref(result);
    }
}

/* Queues the first part of a stream, and with the last part the result. The
 * stream is at the end of the list then, or not in it any more. */
static void send_next(struct zkt_host *host, struct zkt_session *session,
                      struct zkt_stream *stream)
{
    struct zkt_part *part = take_part(stream);
    zkt__stream_ref(stream);
    if (zkt__list_empty(&stream->parts)) {
        end_waiting(stream);
    } else {
        zkt__ring_remove(&session->extras->streams, &stream->waiting);
        zkt__ring_append(&session->extras->streams, &stream->waiting);
    }
    send_frame(host, session, part->frame);
    zkt__part_free(part);
    if (!zkt__node_linked(&stream->waiting)) {
        send_result(host, session, stream);
    }
    zkt__stream_unref(stream);
}

static struct zkt_stream *first_of(const struct zkt_session *session)
{
    struct zkt_node *first = session->extras != NULL
                                 ? session->extras->streams.first
                                 : NULL;
    return first != NULL ? ZKT_CONTAINER(first, struct zkt_stream, waiting)
                         : NULL;
}

void zkt__streams_send(struct zkt_host *host, struct zkt_session *session)
{
    struct zkt_stream *stream;
    while (zkt__queue_backlog(&session->queue) < LITTLE_OUTPUT &&
           (stream = first_of(session)) != NULL) {
        send_next(host, session, stream);
    }
}

void zkt__streams_flush(struct zkt_host *host, struct zkt_stream *stream)
{
    zkt__stream_ref(stream);
    while (zkt__node_linked(&stream->waiting)) {
        send_next(host, stream->session, stream);
    }
    zkt__stream_unref(stream);
}

void zkt__streams_flush_all(struct zkt_host *host, struct zkt_session *session)
{
    struct zkt_stream *stream;
    while ((stream = first_of(session)) != NULL) {
        zkt__streams_flush(host, stream);
    }
}

/* ---- messages from instances ---- */

void zkt__streams_take(struct zkt_host *host, struct zkt_msg *m)
{
    struct zkt_part *part = m->of.part;
    struct zkt_session *session = zkt__session_of(m->contact);
    if (!session->open) {
        zkt__part_free(part);
        return;
    }
    struct zkt_session_extras *extras = zkt__session_extras(host, session);
    if (extras == NULL) {
        zkt__part_free(part);
        host->sessions->events.failed(session);
        return;
    }
    zkt__list_append(&part->stream->parts, &m->node);
    extras->waiting_bytes += part->frame->len;
    begin_waiting(session, part->stream);
    zkt__streams_send(host, session);
    if (extras->waiting_bytes > 0) {
        host->sessions->events.held(session);
    }
}

bool zkt__streams_keep_result(struct zkt_host *host,
                              struct zkt_session *session,
                              const struct zkt_msg_result *result)
{
    struct zkt_stream *stream = result->stream;
    if (!zkt__node_linked(&stream->waiting)) {
        return false;
    }
    stream->result = result->text != NULL    ? zkt__frame_share(result->text)
                     : result->frame != NULL ? zkt__buffer_ref(result->frame)
                                             : NULL;
    if (stream->result == NULL) {
        session->outstanding--;
        host->sessions->outstanding--;
        host->sessions->events.failed(session);
    }
    return true;
}

void zkt__streams_drop(struct zkt_host *host, struct zkt_session *session)
{
    struct zkt_stream *stream;
    struct zkt_part *part;
    while ((stream = first_of(session)) != NULL) {
        while ((part = take_part(stream)) != NULL) {
            zkt__part_free(part);
        }
        if (stream->result != NULL) {
            session->outstanding--;
            host->sessions->outstanding--;
            zkt__buffer_unref(stream->result);
            stream->result = NULL;
        }
        end_waiting(stream);
    }
}
