/*
 * What zocketc does: one function for each command, which gives the exit
 * status. Messages about schemas go through diag.h, others to standard error.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "cli/cli.h"
#include "schema/model.h"
#include "syntax/ast.h"
#include "syntax/diag.h"

enum {
    STATUS_OK,
    STATUS_SCHEMA, /* mistakes, or what a command looks for */
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

#endif
