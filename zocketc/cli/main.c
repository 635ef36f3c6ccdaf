/*
 * zocketc: reads a schema, reports its mistakes, and writes its outputs. Exit
 * status 0 is success, 1 mistakes in the schema, 2 usage or files.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "syntax/load.h"

bool command_begin(struct arena *arena, const struct cli *cli,
                   struct diag *diag)
{
    *diag = (struct diag){ .out = stderr };
    diag->json = cli->diagnostics != NULL &&
                 strcmp(cli->diagnostics, "json") == 0;
    const char *bad = cli->warn != NULL
                          ? diag_set_warnings(arena, diag, cli->warn)
                          : NULL;
    if (bad != NULL) {
        fprintf(stderr, "zocketc: --warn: %s\n", bad);
    }
    return bad == NULL;
}

const struct ast_file *command_load(struct arena *arena, const struct cli *cli,
                                    const char *path, struct diag *diag)
{
    const struct load_options options = {
        .folders = cli->include.items,
        .folder_count = cli->include.count,
        .name = cli->name != NULL ? cli->name : "<stdin>",
    };
    const struct ast_file *file = load_schema(arena, diag, path, &options);
    if (file == NULL) {
        fprintf(stderr, "zocketc: cannot read %s: %s\n", path, strerror(errno));
    }
    return file;
}

static int run(struct arena *arena, const struct cli *cli)
{
    static int (*const commands[])(struct arena *, const struct cli *) = {
        [CLI_COMPILE] = command_compile,
        [CLI_FMT] = command_fmt,
        [CLI_BREAKING] = command_breaking,
    };
    if (cli->help) {
        cli_print_help();
    } else if (cli->version) {
        printf("zocketc %s\n", ZOCKETC_VERSION);
    } else if (cli->man) {
        cli_print_man();
    } else if (cli->completion != NULL) {
        cli_print_completion(cli->completion);
    } else {
        return commands[cli->command](arena, cli);
    }
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    struct arena arena = { 0 };
    struct cli cli;
    int status = STATUS_USAGE;
    if (cli_parse(&arena, &cli, argc, argv)) {
        status = run(&arena, &cli);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "zocketc: cannot write to standard output\n");
        status = STATUS_USAGE;
    }
    arena_finish(&arena);
    return status;
}
