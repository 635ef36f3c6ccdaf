/*
 * zocketc FILE: checks a schema and writes the outputs of the options, all of
 * them or none.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/outputs.h"
#include "syntax/parse.h"
#include "util/depfile.h"
#include "util/output.h"

/* The name of a schema's file without its folder and ending. */
static const char *stem_of(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    return arena_text(arena, base,
                      dot != NULL && dot != base ? (size_t)(dot - base)
                                                 : strlen(base));
}

static int print_outputs(struct arena *arena, const struct cli *cli)
{
    struct output output = { 0 };
    const bool input = strcmp(cli->files.items[0], "-") == 0;
    const char *path = input && cli->name != NULL ? cli->name
                                                  : cli->files.items[0];
    outputs_name(cli, stem_of(arena, path), &output);
    for (size_t i = 0; i < output.count; i++) {
        printf("%s\n", output.files[i].path);
    }
    output_finish(&output);
    return STATUS_OK;
}

/* Every file that was read, in the order in which it was. */
static void add_depfile(struct arena *arena, const struct cli *cli,
                        const struct sources *sources, struct output *output)
{
    size_t count = 0;
    for (const struct source *s = sources->first; s != NULL; s = s->next) {
        count++;
    }
    const char **paths = arena_alloc(arena, count * sizeof(*paths));
    count = 0;
    for (const struct source *s = sources->first; s != NULL; s = s->next) {
        paths[count++] = s->path;
    }
    struct text_buffer text = { 0 };
    depfile_emit(&text, output, paths, count);
    output_add_path(output, cli->depfile, &text);
}

static int write_files(struct arena *arena, const struct checked *checked,
                       const struct cli *cli, const struct sources *sources)
{
    struct output output = { 0 };
    const char *path = NULL;
    outputs_render(arena, cli, checked, &output);
    if (cli->depfile != NULL) {
        add_depfile(arena, cli, sources, &output);
    }
    const bool good = output_write(&output, &path);
    if (!good) {
        fprintf(stderr, "zocketc: cannot write %s: %s\n", path,
                strerror(errno));
    }
    output_finish(&output);
    return good ? STATUS_OK : STATUS_USAGE;
}

int command_compile(struct arena *arena, const struct cli *cli)
{
    struct diag diag;
    if (cli->print_outputs) {
        return print_outputs(arena, cli);
    }
    const struct ast_file *file = command_begin(arena, cli, &diag)
                                      ? command_load(arena, cli,
                                                     cli->files.items[0], &diag)
                                      : NULL;
    if (file == NULL) {
        return STATUS_USAGE;
    }
    struct checked checked;
    if (!command_check(arena, &diag, file, &checked)) {
        return STATUS_SCHEMA;
    }
    return cli->check ? STATUS_OK
                      : write_files(arena, &checked, cli, &diag.sources);
}
