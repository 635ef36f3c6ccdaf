/*
 * The reader of requests: heads of n fields, lines of a list and bytes, bodies
 * of n bytes and chunks, pipelines of n requests; in reads of a few bytes and
 * of many.
 */
#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "http/request.h"

/* A stream: a piece that is repeated, between two ends. */
struct shape {
    const char *first, *piece, *last;
    size_t read;    /* bytes that are fed at once */
    bool pipelined; /* each piece is a request */
};

struct work {
    const struct shape *shape;
    char *stream;
    size_t len, n;
};

static void finish(void *work)
{
    struct work *w = work;
    free(w->stream);
    free(w);
}

static void *prepare(const void *with, size_t n)
{
    const struct shape *shape = with;
    const size_t each = strlen(shape->piece);
    struct work *w = calloc(1, sizeof(*w));
    w->shape = shape;
    w->n = n;
    w->stream = malloc(strlen(shape->first) + n * each + strlen(shape->last) +
                       1);
    char *at = stpcpy(w->stream, shape->first);
    for (size_t i = 0; i < n; i++) {
        at = stpcpy(at, shape->piece);
    }
    w->len = (size_t)(stpcpy(at, shape->last) - w->stream);
    return w;
}

/* Feeds a read. Returns the number of requests that it completes, or -1. */
static int feed(struct zkt_http_reader **r, const char *bytes, size_t len)
{
    const struct zkt_http_limits limits = { 1024 * 1024, 1024 * 1024 };
    int completed = 0;
    for (size_t at = 0, used; at < len; at += used) {
        if (*r == NULL) {
            *r = zkt__http_reader_new(&growth_allocator, limits);
        }
        if (*r == NULL ||
            !zkt__http_read(&growth_allocator, r, (const uint8_t *)bytes + at,
                            len - at, &used) ||
            zkt__http_stage(*r) == ZKT_HTTP_REFUSED) {
            return -1;
        }
        if (zkt__http_stage(*r) == ZKT_HTTP_COMPLETE) {
            zkt__http_reader_free(&growth_allocator, *r);
            *r = NULL;
            completed++;
        }
    }
    return completed;
}

static bool read_all(void *work)
{
    const struct work *w = work;
    const size_t most = w->shape->read;
    struct zkt_http_reader *r = NULL;
    size_t completed = 0;
    for (size_t at = 0; at < w->len; at += most) {
        const int n = feed(&r, w->stream + at,
                           w->len - at < most ? w->len - at : most);
        if (n < 0) {
            return false;
        }
        completed += (size_t)n;
    }
    return completed == (w->shape->pipelined ? w->n : 1);
}

void growth_http(void)
{
#define GET   "GET / HTTP/1.1\r\nHost: x\r\n"
#define CHUNK GET "Transfer-Encoding: chunked\r\n\r\n"
    enum {
        FIELDS = 24, /* four times as many are fewer than the limit */
        READ = 65536 /* as much as a turn takes of a connection */
    };
    static const struct shape fields = { GET, "X: y\r\n", "\r\n", READ, false };
    static const struct shape list = { GET, "Connection: a\r\n", "\r\n", READ,
                                       false };
    static const struct shape items = { GET "Connection: a", ",b", "\r\n\r\n",
                                        READ, false };
    static const struct shape value = { GET "X: ", "y", "\r\n\r\n", READ,
                                        false };
    static const struct shape drips = { GET "X: ", "y", "\r\n\r\n", 1, false };
    static const struct shape blanks = { GET "X:", " ", "\r\n\r\n", 7, false };
    static const struct shape target = { "GET /", "y",
                                         " HTTP/1.1\r\nHost: x\r\n\r\n", READ,
                                         false };
    static const struct shape lines = { "", "\r\n", GET "\r\n", 7, false };
    static const struct shape chunks = { CHUNK, "1\r\nx\r\n", "0\r\n\r\n", READ,
                                         false };
    static const struct shape slow = { CHUNK, "1\r\nx\r\n", "0\r\n\r\n", 1,
                                       false };
    static const struct shape trailers = { CHUNK "0\r\n", "X: y\r\n", "\r\n", 7,
                                           false };
    static const struct shape pipeline = { "", GET "\r\n", "", READ, true };
    static const struct growth_row rows[] = {
        { "http: fields", FIELDS, &fields, prepare, read_all, finish },
        { "http: lines of a list", FIELDS, &list, prepare, read_all, finish },
        { "http: items of a list", 0, &items, prepare, read_all, finish },
        { "http: bytes of a field", 0, &value, prepare, read_all, finish },
        { "http: bytes of a field, slowly", 0, &drips, prepare, read_all,
          finish },
        { "http: blanks of a field", 0, &blanks, prepare, read_all, finish },
        { "http: bytes of a target", 0, &target, prepare, read_all, finish },
        { "http: empty lines before", 0, &lines, prepare, read_all, finish },
        { "http: chunks", 0, &chunks, prepare, read_all, finish },
        { "http: chunks, slowly", 0, &slow, prepare, read_all, finish },
        { "http: trailers", 0, &trailers, prepare, read_all, finish },
        { "http: pipelined requests", 0, &pipeline, prepare, read_all, finish },
    };
#undef GET
#undef CHUNK
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        growth_measure(&rows[i]);
    }
}
