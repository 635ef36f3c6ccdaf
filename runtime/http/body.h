/*
 * The body of an answer that is made while it is sent. A *source* gives its
 * bytes: a file, a text that is written in parts, events. A *body* frames them
 * by a length, in chunks, or by the end of the connection (RFC 9112, section
 * 6). The connection pulls when its output is empty, so a source is never
 * further ahead of its reader than ZKT_HTTP_STEP bytes.
 *
 * A source is embedded in an object of its owner:
 *
 *     static enum zkt_http_progress read_file(struct zkt_http_source *source,
 *                                             uint8_t *to, size_t room,
 *                                             size_t *len)
 *     {
 *         struct file *file = ZKT_CONTAINER(source, struct file, source);
 *         const ssize_t got = pread(file->fd, to, room, file->at);
 *         ...
 *         *len = (size_t)got;
 *         return ZKT_HTTP_MORE;
 *     }
 */
#ifndef ZKT_HTTP_BODY_H
#define ZKT_HTTP_BODY_H

#include "base/buffer.h"
#include "http/response.h"

/* The bytes of a body that are read at once, at most. */
#define ZKT_HTTP_STEP ((size_t)64 * 1024)

/* The length of a body that is not known beforehand. */
#define ZKT_HTTP_NO_LENGTH UINT64_MAX

enum zkt_http_progress {
    ZKT_HTTP_MORE,  /* at least a byte was written, and others may follow */
    ZKT_HTTP_WAITS, /* others follow after zkt__http_source_wake */
    ZKT_HTTP_END,   /* none follow */
    ZKT_HTTP_FAILED /* the body cannot go on: the connection ends */
};

struct zkt_http_source;

/* Everything is called on the thread of the connection. */
struct zkt_http_source_ops {
    /*
     * Writes at most @room bytes, at least one, to @to, and stores their number
     * in *@len, which is 0 before. A body of known length is asked for no more
     * than is left of it, and fails if it ends before.
     */
    enum zkt_http_progress (*read)(struct zkt_http_source *source, uint8_t *to,
                                   size_t room, size_t *len);
    /*
     * The source is needed no more: its owner may free it. Called exactly once.
     * @sent: all of the body was handed to the connection, or it was not wanted
     * (HEAD). Otherwise the client has gone, or the body has failed.
     */
    void (*close)(struct zkt_http_source *source, bool sent);
    /*
     * The server stops, and its connections close: read writes the last bytes
     * soon, and returns ZKT_HTTP_END. NULL: the body ends by itself, and a
     * draining server waits for that.
     */
    void (*stop)(struct zkt_http_source *source);
    /* The body ends when the client has ended its stream, which may be half of
     * the connection: nobody waits for its end. */
    bool ends_with_input;
};

struct zkt_http_source {
    const struct zkt_http_source_ops *ops;
    /* Set by the connection; NULL: it does not read yet, or not any more. */
    void (*wake)(struct zkt_http_source *source, void *user);
    void *user;
};

/** Reports that a source that has returned ZKT_HTTP_WAITS has more, or has
 * ended. May be called at any time until its close, also in vain. */
static inline void zkt__http_source_wake(struct zkt_http_source *source)
{
    if (source->wake != NULL) {
        source->wake(source, source->user);
    }
}

/* A body; its source is borrowed. */
struct zkt_http_body {
    struct zkt_http_source *source;
    enum zkt_http_framing framing;
    uint64_t left; /* bytes, if a length frames it */
};

/**
 * Reads the next step of a body, framed, into a new buffer, which the caller
 * owns; *@out is NULL if there are no bytes. Returns the progress; after
 * ZKT_HTTP_END and ZKT_HTTP_FAILED, which is also for a lack of memory, the
 * body is not read again.
 */
enum zkt_http_progress zkt__http_body_read(struct zkt_http_body *body,
                                           const struct zkt_allocator *a,
                                           struct zkt_buffer **out);

#endif
