/*
 * Reporting what is wrong with a schema: place, source line, carets. Messages
 * go to a stream; the count of errors decides whether anything is written.
 */
#ifndef DIAG_H
#define DIAG_H

#include <stdio.h>

#include "source.h"

enum diag_id {
#define D(symbol, id, severity, text) DIAG_##symbol,
#include "diag.def"
#undef D
    DIAG_COUNT
};

#define DIAG_ERRORS_MAX 100

struct diag {
    struct sources sources;
    FILE *out; /* NULL: only counts */
    unsigned errors, warnings;
};

/** Reports at @range; the arguments are those of the message's text. */
void diag_report(struct diag *diag, struct source_range range, enum diag_id id,
                 ...);

/**
 * The one of @count names that is nearest to @name by edit distance, or NULL
 * when none is near; @names gives the i-th.
 */
const char *diag_nearest(const char *name, size_t count,
                         const char *(*names)(const void *user, size_t i),
                         const void *user);

#endif
