/*
 * Reports mistakes in a schema: place, source line, carets; or each message as
 * a JSON object on a line of its own, for editors. Messages are kept until
 * the end, since the stages find them in another order than that of the source;
 * the count of errors decides whether anything is written.
 */
#ifndef DIAG_H
#define DIAG_H

#include <stdio.h>

#include "syntax/source.h"
#include "util/text_buffer.h"

enum diag_id {
#define D(symbol, id, severity, text) DIAG_##symbol,
#include "syntax/diag.def"
#undef D
    DIAG_COUNT
};

#define DIAG_ERRORS_MAX 100

enum diag_severity {
    DIAG_ERROR,
    DIAG_WARNING,
    DIAG_NOTE,
    DIAG_EXTRA /* a warning that is shown only if it is asked for */
};

/* The level of a message; zero is the severity of diag.def. */
enum diag_level {
    DIAG_LEVEL_USUAL,
    DIAG_LEVEL_OFF,
    DIAG_LEVEL_WARNING,
    DIAG_LEVEL_ERROR
};

/* A message; a note belongs to the message before it. */
struct diag_message {
    struct source_range at;
    enum diag_id id;
    enum diag_severity severity;
    const char *text;
    struct diag_message *notes, *last_note;
    struct diag_message *next;
};

struct diag {
    struct sources sources;
    FILE *out; /* NULL: only counts */
    unsigned errors, warnings;
    bool json;
    bool hides_notes; /* the last message was not shown */
    struct arena arena;
    struct diag_message *first, *last; /* as they were reported */
    unsigned char levels[DIAG_COUNT];  /* enum diag_level */
};

/** Reports at @range; the arguments are those of the message's text. */
void diag_report(struct diag *diag, struct source_range range, enum diag_id id,
                 ...);

/**
 * Prints all messages in the order of the source: the root's messages first,
 * then those of each import. Releases them.
 */
void diag_finish(struct diag *diag);

/** "unknown-type" */
const char *diag_id_text(enum diag_id id);

/**
 * Sets the levels of warnings from words with commas between, of which the
 * last wins: "all" (or nothing), "none", "error", ID, "no-ID", "error=ID".
 * Returns NULL, or a text that names the mistake.
 */
const char *diag_set_warnings(struct arena *arena, struct diag *diag,
                              const char *words);

/**
 * The name among @count names that is nearest to @name by edit distance, or
 * NULL when none is near; @names gives the i-th, or NULL where that would be
 * refused as well.
 */
const char *diag_nearest(const char *name, size_t count,
                         const char *(*names)(const void *user, size_t i),
                         const void *user);
/** Adds a note with the nearest name, if one is near. */
void diag_suggest(struct diag *diag, struct source_range range,
                  const char *name, size_t count,
                  const char *(*names)(const void *user, size_t i),
                  const void *user);

#endif
