/*
 * The files that a run writes: all of them or none. A file that would not
 * change is left alone, so that nothing is rebuilt because of it.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "util/text_buffer.h"

struct output_file {
    char *path;
    char *temporary; /* written beside it, not renamed yet; or NULL */
    struct text_buffer text;
};

/** Zero is an empty set. */
struct output {
    struct output_file *files;
    size_t count, capacity;
    char **made; /* folders that did not exist before */
    size_t made_count;
    bool keep_mode; /* a file that is replaced hands on its permissions */
};

/**
 * Adds DIRECTORY/NAME with the content @text, which is taken. A path that is
 * in the set already is added once: both contents are the same.
 */
void output_add(struct output *output, const char *directory, const char *name,
                struct text_buffer *text);

/** The same with the path as a whole. */
void output_add_path(struct output *output, const char *path,
                     struct text_buffer *text);

/** Whether DIRECTORY/NAME is in it already, and need not be made again. */
bool output_has(const struct output *output, const char *directory,
                const char *name);

/**
 * Writes the files that changed. Makes a missing folder if its parent exists.
 * Returns false if a file or folder could not be written: *@path names it
 * (valid until output_finish), errno is set, and everything is as before.
 */
bool output_write(struct output *output, const char **path);

/** Releases everything. */
void output_finish(struct output *output);

#endif
