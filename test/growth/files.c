/*
 * Requests for files: paths of n names, bytes and percent signs; heads of n
 * fields, entity tags, codings, ranges and dates.
 */
#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "http/accept.h"
#include "http/coding.h"
#include "http/conditions.h"
#include "http/file_path.h"
#include "http/media_type.h"
#include "http/navigation.h"

/* A text: a piece that is repeated, between two ends. */
struct shape {
    const char *first, *piece, *last;
    int status; /* for it, with a piece */
};

struct work {
    const struct shape *shape;
    char *text;
    size_t n;
    struct zkt_http_file_path path;
};

static void finish(void *work)
{
    struct work *w = work;
    free(w->text);
    free(w);
}

static void *prepare(const void *with, size_t n)
{
    const struct shape *shape = with;
    struct work *w = calloc(1, sizeof(*w));
    w->shape = shape;
    w->n = n;
    w->text = malloc(strlen(shape->first) + n * strlen(shape->piece) +
                     strlen(shape->last) + 1);
    char *at = stpcpy(w->text, shape->first);
    for (size_t i = 0; i < n; i++) {
        at = stpcpy(at, shape->piece);
    }
    strcpy(at, shape->last);
    return w;
}

static bool is_right(const struct work *w, int status)
{
    return w->n == 0 || status == w->shape->status;
}

static bool read_path(void *work)
{
    struct work *w = work;
    const struct zkt_str text = zkt_cstr(w->text);
    return is_right(w, zkt__http_file_path(text, &w->path)) &&
           zkt__http_media_type(text) != NULL;
}

static bool read_fields(void *work)
{
    static const struct zkt_http_validators current = { .etag = { "\"1\"", 3 },
                                                        .modified_s = 784111777,
                                                        .size = 1000 };
    const struct zkt_str fields = zkt_cstr(((struct work *)work)->text);
    struct zkt_http_range range;
    const int status = zkt__http_judge_conditions(fields, &current, true,
                                                  &range);
    return is_right(work, status) &&
           zkt__http_accepted(fields).weights[ZKT_HTTP_CODING_IDENTITY] == 1;
}

static bool read_accept(void *work)
{
    const struct zkt_str fields = zkt_cstr(((struct work *)work)->text);
    return !zkt__http_is_navigation(fields) &&
           zkt__http_accepted_type(fields, "b/d") < 0;
}

void growth_files(void)
{
#define RANGE "Range: bytes=0-0\r\n"
    static const struct shape names = { "/", "a/", "", 404 };
    static const struct shape parents = { "/", "../", "", 400 };
    static const struct shape empty = { "/", "/", "", 404 };
    static const struct shape bytes = { "/", "a", "", 404 };
    static const struct shape encoded = { "/", "%61", "", 404 };
    static const struct shape dots = { "/a", ".b", "", 404 };
    static const struct shape fields = { RANGE, "X: y\r\n", "", 206 };
    static const struct shape tags = { "If-None-Match: \"2\"", ",\"2\"", "\r\n",
                                       200 };
    static const struct shape opened = { "If-None-Match: ", "\"", "\r\n", 200 };
    static const struct shape lines = { RANGE, "If-Match: \"1\"\r\n", "", 206 };
    static const struct shape codings = { "Accept-Encoding: gzip", ",br;q=0.5",
                                          "\r\n", 200 };
    static const struct shape parameters = { "Accept-Encoding: gzip", ";a=b",
                                             "\r\n", 200 };
    static const struct shape ranges = { "Range: bytes=0-0", ",1-2", "\r\n",
                                         200 };
    static const struct shape commas = { "Range: bytes=", ",", "0-0\r\n", 206 };
    static const struct shape digits = { "Range: bytes=0-", "1", "\r\n", 206 };
    static const struct shape dates = { "If-Modified-Since: ", "Sun, ", "\r\n",
                                        200 };
    static const struct shape types = { "Accept: a", ",b/c;q=0", "\r\n", 0 };
    static const struct shape accepts = { "", "Accept: b/c;q=0\r\n", "", 0 };
    static const struct growth_row rows[] = {
        { "files: names", 0, &names, prepare, read_path, finish },
        { "files: parents", 0, &parents, prepare, read_path, finish },
        { "files: empty names", 0, &empty, prepare, read_path, finish },
        { "files: bytes of a name", 1024, &bytes, prepare, read_path, finish },
        { "files: encoded bytes", 1024, &encoded, prepare, read_path, finish },
        { "files: endings", 0, &dots, prepare, read_path, finish },
        { "files: fields", 0, &fields, prepare, read_fields, finish },
        { "files: entity tags", 0, &tags, prepare, read_fields, finish },
        { "files: quotation marks", 0, &opened, prepare, read_fields, finish },
        { "files: lines of tags", 0, &lines, prepare, read_fields, finish },
        { "files: codings", 0, &codings, prepare, read_fields, finish },
        { "files: parameters", 0, &parameters, prepare, read_fields, finish },
        { "files: ranges", 0, &ranges, prepare, read_fields, finish },
        { "files: commas", 0, &commas, prepare, read_fields, finish },
        { "files: digits", 0, &digits, prepare, read_fields, finish },
        { "files: bytes of a date", 0, &dates, prepare, read_fields, finish },
        { "files: accepted types", 0, &types, prepare, read_accept, finish },
        { "files: lines of accepted types", 0, &accepts, prepare, read_accept,
          finish },
    };
#undef RANGE
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        growth_measure(&rows[i]);
    }
}
