/*
 * The commands of zocketc: a function for each, which returns the exit status.
 * Messages about schemas go through diag.h, others to standard error.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "cli/cli.h"
#include "output_c/model.h"
#include "syntax/ast.h"
#include "syntax/diag.h"
#include "util/json_value.h"

enum {
    STATUS_OK,
    STATUS_SCHEMA, /* mistakes, or findings of a command */
    STATUS_USAGE   /* the command line, or files */
};

int command_compile(struct arena *arena, const struct cli *cli);
int command_fmt(struct arena *arena, const struct cli *cli);
int command_breaking(struct arena *arena, const struct cli *cli);

/* ---- for the commands ---- */

/** Prepares @diag as the options say. False: --warn has an unknown word,
 * which was said. */
bool command_begin(struct arena *arena, const struct cli *cli,
                   struct diag *diag);

/** The schema at @path, "-" being standard input, with its imports; NULL: it
 * cannot be read, and this was said. */
const struct ast_file *command_load(struct arena *arena, const struct cli *cli,
                                    const char *path, struct diag *diag);

/* A schema without mistakes, and the same in C. */
struct checked {
    const struct schema *schema;
    const struct model *model;
};

/** Checks a loaded schema, and prints its mistakes. Returns false if there are
 * any. */
bool command_check(struct arena *arena, struct diag *diag,
                   const struct ast_file *file, struct checked *out);

/** The schema as JSON, with the names in C. */
struct json_value *command_describe(struct arena *arena,
                                    const struct checked *checked);

#endif
