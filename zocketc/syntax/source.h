/*
 * The texts of a schema and of its imports, and finding lines in them. Every
 * line of a text ends with \n, also if the file has \r\n or \r alone, and a
 * byte order mark is left out: no other module has to know of either. All of
 * them share a space of offsets, in which each has a base, so that a range
 * says by itself which file it is in.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/arena.h"
#include "util/source_range.h"

#define SOURCE_SIZE_MAX  (16u * 1024 * 1024)
#define SOURCES_SIZE_MAX (64u * 1024 * 1024) /* all files of a schema */

struct source {
    const char *path; /* as given, for messages */
    const char *text; /* NUL behind it */
    size_t len;
    uint32_t base; /* the offset of its first byte */
    bool has_crlf; /* the first line of the file ends with \r\n */
    bool is_mixed; /* others end otherwise, or there is a byte order mark */
    struct source *next;
};

/* Zeroed: none. */
struct sources {
    struct source *first, *last;
};

/* A place as people count: from 1; columns are code points. */
struct source_place {
    unsigned line, column;
    uint32_t offset;
    uint32_t start; /* the offset of the line */
};

/** Makes a source of the @len bytes of a file. */
void source_set(struct source *out, struct arena *arena, const char *path,
                const char *bytes, size_t len);
/** Reads a file; false: it cannot be read or is too large, errno says why. */
bool source_read(struct arena *arena, const char *path, struct source *out);

/** Adds @source behind the others, which gives it its base; it is borrowed.
 * Returns false if together they are too large. */
bool sources_add(struct sources *sources, struct source *source);
/** The source that holds @offset. */
const struct source *sources_at(const struct sources *sources, uint32_t offset);

struct source_place source_find(const struct source *source, uint32_t offset);
/** The same from @known on, a place in this source that is not behind @offset.
 */
struct source_place source_find_from(const struct source *source,
                                     struct source_place known,
                                     uint32_t offset);
/** The bytes before the first that is no valid UTF-8, or len. */
size_t source_find_invalid(const struct source *source);

#endif
