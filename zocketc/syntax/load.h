/*
 * A schema with all that it imports: files are found, read and parsed, each
 * once, and their declarations are put into a list, the root's last.
 */
#ifndef LOAD_H
#define LOAD_H

#include "syntax/ast.h"
#include "syntax/diag.h"

struct load_options {
    const char *const *folders; /* for imports, behind the file's own */
    size_t folder_count;
    const char *name; /* of standard input, in messages and for imports */
};

/**
 * Loads the schema at @path ("-": standard input) into the diag's sources, the
 * root first. Mistakes in the files are reported. Returns NULL only if the root
 * cannot be read, and sets errno.
 */
const struct ast_file *load_schema(struct arena *arena, struct diag *diag,
                                   const char *path,
                                   const struct load_options *options);

#endif
