/*
 * The findings of zocketc breaking that a project has accepted, in a file: each
 * line is a finding as it is printed, without its place and levels,
 *
 *   'text' in struct 'Message' is gone [field-removed]
 *
 * or only an id in brackets, which stands for all findings of that id. Blank
 * lines, and lines that begin with '#', are comments.
 */
#ifndef ZOCKETC_CLI_IGNORE_H
#define ZOCKETC_CLI_IGNORE_H

#include <stdbool.h>

#include "syntax/source.h"

/** The lines of a file. */
struct ignore {
    struct source source;
};

/** Reads the file at @path; NULL for none, which ignores nothing. Returns false
 * if it cannot be read, after saying so on standard error. */
bool ignore_read(struct ignore *ignore, struct arena *arena, const char *path);
/** Returns true if a line has the finding @text with @id, or all of @id. */
bool ignore_has(const struct ignore *ignore, const char *text, const char *id);

#endif
