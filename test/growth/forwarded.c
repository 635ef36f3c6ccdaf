/* The words of proxies: items, lines, quotes and backslashes of their fields,
 * by n. */
#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "http/forwarded.h"

/* Fields: a piece that is repeated, between two ends. */
struct shape {
    const char *first, *piece, *last;
    bool told; /* they tell an address */
};

struct work {
    const struct shape *shape;
    struct zkt_proxies *proxies;
    char *fields;
};

static void finish(void *work)
{
    struct work *w = work;
    zkt__release(&zkt__allocator_default, w->proxies);
    free(w->fields);
    free(w);
}

static void *prepare(const void *with, size_t n)
{
    const struct shape *shape = with;
    struct work *w = calloc(1, sizeof(*w));
    w->shape = shape;
    w->proxies = zkt__proxies_new(&zkt__allocator_default, "10.0.0.0/8, ::1");
    w->fields = malloc(strlen(shape->first) + n * strlen(shape->piece) +
                       strlen(shape->last) + 1);
    char *at = stpcpy(w->fields, shape->first);
    for (size_t i = 0; i < n; i++) {
        at = stpcpy(at, shape->piece);
    }
    strcpy(at, shape->last);
    return w;
}

static bool read_as(void *work, enum zkt_forwarded_by by)
{
    const struct work *w = work;
    struct zkt_forwarded out;
    zkt__forwarded_read(by, w->proxies, zkt_cstr(w->fields), &out);
    return out.has_ip == w->shape->told;
}

static bool read_x(void *work)
{
    return read_as(work, ZKT_FORWARDED_BY_X_FORWARDED_FOR);
}

static bool read_forwarded(void *work)
{
    return read_as(work, ZKT_FORWARDED_BY_FORWARDED);
}

void growth_forwarded(void)
{
#define X "X-Forwarded-For: "
#define F "Forwarded: "
    static const struct shape hops = { X "::1", ",10.0.0.1", "\r\n", true };
    static const struct shape empty = { X, ",", "\r\n", false };
    static const struct shape lines = { X "::1\r\n", X "10.0.0.1\r\n", "",
                                        true };
    static const struct shape others = { "", "A: b\r\n", X "::1\r\n", true };
    static const struct shape digits = { X, "1", "\r\n", false };
    static const struct shape host = { X "::1\r\nX-Forwarded-Host: ", "a,",
                                       "\r\n", true };
    static const struct shape elements = { F "for=10.0.0.1", ",for=10.0.0.1",
                                           "\r\n", true };
    static const struct shape pairs = { F "for=10.0.0.1", ";a=b", "\r\n",
                                        true };
    static const struct shape quotes = { F, "\"", "\r\n", false };
    static const struct shape slashes = { F "for=\"", "\\", "\"\r\n", false };
    static const struct shape escapes = { F "for=\"", "\\\"", "\"\r\n", false };
    static const struct growth_row rows[] = {
        { "forwarded: hops", 0, &hops, prepare, read_x, finish },
        { "forwarded: empty items", 0, &empty, prepare, read_x, finish },
        { "forwarded: lines", 24, &lines, prepare, read_x, finish },
        { "forwarded: other fields", 24, &others, prepare, read_x, finish },
        { "forwarded: digits", 0, &digits, prepare, read_x, finish },
        { "forwarded: hosts", 0, &host, prepare, read_x, finish },
        { "forwarded: elements", 0, &elements, prepare, read_forwarded,
          finish },
        { "forwarded: parameters", 0, &pairs, prepare, read_forwarded, finish },
        { "forwarded: quotation marks", 0, &quotes, prepare, read_forwarded,
          finish },
        { "forwarded: backslashes", 0, &slashes, prepare, read_forwarded,
          finish },
        { "forwarded: escapes", 0, &escapes, prepare, read_forwarded, finish },
    };
#undef X
#undef F
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        growth_measure(&rows[i]);
    }
}
