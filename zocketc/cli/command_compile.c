/*
 * zocketc FILE: checks a schema and writes what the options ask for, all of it
 * or nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "output_c/generate.h"
#include "syntax/parse.h"
#include "util/depfile.h"
#include "util/output.h"

/* What a schema's files are called after. */
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
    generate_names(stem_of(arena, path), cli->c_server, cli->c_client, &output);
    if (cli->model != NULL && strcmp(cli->model, "-") != 0) {
        struct text_buffer none = { 0 };
        output_add_path(&output, cli->model, &none);
    }
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

/* The model as JSON; printed, or added to what is written. */
static void add_model(struct arena *arena, const struct checked *checked,
                      const char *path, struct output *output)
{
    struct text_buffer text = { 0 };
    json_value_print(&text, command_describe(arena, checked));
    if (strcmp(path, "-") == 0) {
        (void)fwrite(text.text, 1, text.len, stdout);
        text_buffer_finish(&text);
    } else {
        output_add_path(output, path, &text);
    }
}

static int write_files(struct arena *arena, const struct checked *checked,
                       const struct cli *cli, const struct sources *sources)
{
    const struct model *m = checked->model;
    struct output output = { 0 };
    const char *path = NULL;
    if (cli->c_server != NULL) {
        generate_server(m, cli->c_server, &output);
    }
    if (cli->c_client != NULL) {
        generate_client(m, cli->c_client, &output);
    }
    if (cli->model != NULL) {
        add_model(arena, checked, cli->model, &output);
    }
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
