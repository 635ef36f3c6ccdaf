/* A schema's text, and finding lines in it. */
#ifndef SOURCE_H
#define SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

#define SOURCE_SIZE_MAX (16u * 1024 * 1024)

struct source {
    const char *path; /* as given, for messages */
    const char *text; /* NUL behind it */
    size_t len;
};

/* Bytes from start up to end, of the one file. */
struct source_range {
    uint32_t start, end;
};

/* A place as people count: from 1; columns are code points. */
struct source_place {
    unsigned line, column;
};

/** Reads a file; false: it cannot be read or is too large, errno says why. */
bool source_read(struct arena *arena, const char *path, struct source *out);

struct source_place source_find(const struct source *source, uint32_t offset);
/** The line that holds @offset, without its end. */
const char *source_line(const struct source *source, uint32_t offset,
                        size_t *len);
/** The offset of the first byte that is no valid UTF-8, or len. */
size_t source_find_invalid(const struct source *source);

#endif
