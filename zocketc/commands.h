/*
 * What zocketc does: one function for each command, which gives the exit
 * status. Messages about schemas go through diag.h, others to standard error.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "cli.h"
#include "diag.h"
#include "model.h"

enum {
    STATUS_OK,
    STATUS_SCHEMA, /* mistakes, or what a command looks for */
    STATUS_USAGE   /* the command line, or files */
};

int command_compile(struct arena *arena, const struct cli *cli);
int command_fmt(struct arena *arena, const struct cli *cli);
int command_breaking(struct arena *arena, const struct cli *cli);

/* ---- for the commands ---- */

/**
 * Reads @path, "-" being standard input, and prepares @diag for it. False: it
 * cannot be read, or --warn has an unknown word; this was said.
 */
bool command_read(struct arena *arena, const struct cli *cli, const char *path,
                  struct source *source, struct diag *diag);

#endif
