/*
 * Names are escaped as gcc does it, which make and ninja read alike: a blank,
 * a '#' and a ':' get a backslash, and those before a blank are doubled; a '$'
 * is doubled. Neither reads a name that holds a line end; it is written as is.
 */
#include "util/depfile.h"

#include <string.h>

static void emit_name(struct text_buffer *out, const char *name)
{
    size_t backslashes = 0;
    for (const char *c = name; *c != '\0'; c++) {
        if (*c == ' ' || *c == '\t') {
            for (; backslashes > 0; backslashes--) {
                emit_text(out, "\\");
            }
        }
        if (strchr(" \t#:", *c) != NULL) {
            emit_text(out, "\\");
        } else if (*c == '$') {
            emit_text(out, "$");
        }
        emit_bytes(out, c, 1);
        backslashes = *c == '\\' ? backslashes + 1 : 0;
    }
}

void depfile_emit(struct text_buffer *out, const struct output *output,
                  const char *const *sources, size_t source_count)
{
    for (size_t i = 0; i < output->count; i++) {
        emit_text(out, i > 0 ? " \\\n  " : "");
        emit_name(out, output->files[i].path);
    }
    emit_text(out, ":");
    for (size_t i = 0; i < source_count; i++) {
        emit_text(out, " \\\n  ");
        emit_name(out, sources[i]);
    }
    emit_text(out, "\n");
}
