/*
 * Reporting what is wrong with a schema: place, source line, carets; or each
 * message as one JSON object on a line of its own, for editors. Messages go to
 * a stream; the count of errors decides whether anything is written.
 */
#ifndef DIAG_H
#define DIAG_H

#include <stdio.h>

#include "emit.h"
#include "source.h"

enum diag_id {
#define D(symbol, id, severity, text) DIAG_##symbol,
#include "diag.def"
#undef D
    DIAG_COUNT
};

#define DIAG_ERRORS_MAX 100

/* What becomes of a message; zero is what diag.def says. */
enum diag_level {
    DIAG_LEVEL_USUAL,
    DIAG_LEVEL_OFF,
    DIAG_LEVEL_WARNING,
    DIAG_LEVEL_ERROR
};

struct diag {
    struct sources sources;
    FILE *out; /* NULL: only counts */
    unsigned errors, warnings;
    bool json;
    bool hides_notes;    /* the last message was not shown */
    struct emit pending; /* JSON: the last message, which may get notes */
    size_t notes;        /* that it has */
    unsigned char levels[DIAG_COUNT]; /* enum diag_level */
};

/** Reports at @range; the arguments are those of the message's text. */
void diag_report(struct diag *diag, struct source_range range, enum diag_id id,
                 ...);

/**
 * Ends what was reported: in JSON the last message is written only now, or by
 * the one behind it.
 */
void diag_finish(struct diag *diag);

/**
 * Sets the levels of warnings from words with commas between, of which later
 * ones win: "all" (or nothing), "none", "error", ID, "no-ID", "error=ID". NULL,
 * or what is wrong with them.
 */
const char *diag_set_warnings(struct arena *arena, struct diag *diag,
                              const char *words);

/**
 * The one of @count names that is nearest to @name by edit distance, or NULL
 * when none is near; @names gives the i-th.
 */
const char *diag_nearest(const char *name, size_t count,
                         const char *(*names)(const void *user, size_t i),
                         const void *user);

#endif
