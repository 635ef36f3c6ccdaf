/*
 * The style of schemas. The formatter moves white space, and adds or drops
 * the comma behind the last thing of a list; every other token and every
 * comment stays, in its order, so that documentation stays with its
 * declaration.
 */
#ifndef FORMAT_H
#define FORMAT_H

#include "syntax/source.h"
#include "syntax/tokens.h"
#include "util/text_buffer.h"

enum {
    FORMAT_COLUMNS = 100,
    FORMAT_INDENT = 4
};

/** @source, which must parse, as it ought to be laid out; taken by the caller.
 */
struct text_buffer format_source(struct arena *arena,
                                 const struct source *source);

/* ---- for the files of the formatter ---- */

/* Where a declaration is being written. */
struct format {
    struct arena *arena;
    const struct token *tokens;
    size_t count;  /* without the end */
    size_t *match; /* of a bracket: its counterpart */
    struct text_buffer *out;
    size_t column; /* 0: nothing stands on this line */
    size_t indent;
    bool pending; /* the next token stands on a line of its own */
};

/* The meaning of brackets in a part of a declaration. */
enum format_context {
    FORMAT_TYPE,
    FORMAT_VALUE, /* brackets are literals */
    FORMAT_ALIAS  /* of a type: no value comes behind '=' */
};

void format_newline(struct format *f);
void format_pad(struct format *f, size_t column);
void format_text(struct format *f, const char *text, size_t len);
/** Begins a line if the token before asks for it; otherwise adds a blank if
 * @blank. */
void format_join(struct format *f, bool blank);
/** A comment on a line of its own, or behind the text on the line. */
void format_comment(struct format *f, const struct token *comment);
/** Whether a line must end between these tokens. */
bool format_is_forced(const struct format *f, size_t from, size_t to);
/** The width of tokens on a line. */
size_t format_width(const struct format *f, size_t from, size_t to);
/** Writes tokens, broken into lines where they must be. */
void format_range(struct format *f, size_t from, size_t to,
                  enum format_context context);

#endif
