/*
 * zocketc: reads a schema, reports what is wrong with it, and writes C. Exit
 * status 0 is success, 1 mistakes in the schema, 2 usage or files.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "cli.h"
#include "depfile.h"
#include "generate.h"
#include "load.h"
#include "output.h"

enum {
    STATUS_OK,
    STATUS_SCHEMA,
    STATUS_USAGE
};

static void add_depfile(const struct cli *cli, struct output *output)
{
    struct emit text = { 0 }, folder = { 0 };
    depfile_emit(&text, output, &cli->schema, 1);
    const char *slash = strrchr(cli->depfile, '/');
    if (slash == NULL) {
        output_add(output, ".", cli->depfile, &text);
        return;
    }
    emit_bytes(&folder, cli->depfile, (size_t)(slash - cli->depfile));
    output_add(output, folder.text, slash + 1, &text);
    emit_finish(&folder);
}

static int write_files(const struct model *m, const struct cli *cli)
{
    struct output output = { 0 };
    const char *path = NULL;
    if (cli->c_server != NULL) {
        generate_server(m, cli->c_server, &output);
    }
    if (cli->c_client != NULL) {
        generate_client(m, cli->c_client, &output);
    }
    if (cli->depfile != NULL) {
        add_depfile(cli, &output);
    }
    const bool good = output_write(&output, &path);
    if (!good) {
        fprintf(stderr, "zocketc: cannot write %s: %s\n", path,
                strerror(errno));
    }
    output_finish(&output);
    return good ? STATUS_OK : STATUS_USAGE;
}

static int compile(struct arena *arena, const struct cli *cli)
{
    const struct load_options load = { cli->folders, cli->folder_count };
    struct diag diag = { .out = stderr };
    const struct ast_file *file = load_schema(arena, &diag, cli->schema, &load);
    if (file == NULL) {
        fprintf(stderr, "zocketc: cannot read %s: %s\n", cli->schema,
                strerror(errno));
        return STATUS_USAGE;
    }
    const struct model *m = check_file(arena, &diag, file, cli->schema);
    if (m == NULL) {
        return STATUS_SCHEMA;
    }
    return cli->check ? STATUS_OK : write_files(m, cli);
}

int main(int argc, char **argv)
{
    struct cli cli;
    if (!cli_parse(&cli, argc, argv)) {
        return STATUS_USAGE;
    }
    if (cli.help) {
        cli_print_help();
        return STATUS_OK;
    }
    if (cli.version) {
        printf("zocketc %s\n", ZOCKETC_VERSION);
        return STATUS_OK;
    }
    struct arena arena = { 0 };
    const int status = compile(&arena, &cli);
    arena_finish(&arena);
    return status;
}
