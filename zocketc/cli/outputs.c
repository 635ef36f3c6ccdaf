/*
 * See outputs.h. Both sides in C need the types; where both go to the same
 * folder, the output keeps one of them.
 */
#include "cli/outputs.h"

#include <stdio.h>
#include <string.h>

#include "c/templates.h"
#include "output_c/wrap.h"
#include "output_markdown/markdown.h"
#include "output_ts/ts.h"

/* A file: of a template, or of a renderer. */
struct file {
    enum cli_output output;
    const char *ending; /* NULL: the option is its path */
    void (*emit)(struct text_buffer *out, const struct model *model);
    /* Makes it where there is no template. */
    void (*render)(struct arena *arena, const struct checked *checked,
                   struct text_buffer *out);
};

static void render_model(struct arena *arena, const struct checked *checked,
                         struct text_buffer *out)
{
    json_value_print(out, command_describe(arena, checked));
}

static void render_markdown(struct arena *arena, const struct checked *checked,
                            struct text_buffer *out)
{
    markdown_render(arena, checked->schema, out);
}

static void render_ts(struct arena *arena, const struct checked *checked,
                      struct text_buffer *out)
{
    ts_render(arena, checked->schema, out);
}

static const struct file files[] = {
#define OUTPUT(symbol, option, argument, help, text)
#define C_FILE(symbol, ending, template)                                       \
    { CLI_OUTPUT_##symbol, ending, template, NULL },
#define FOLDER_FILE(symbol, ending, renderer)                                  \
    { CLI_OUTPUT_##symbol, ending, NULL, renderer },
#define PATH_FILE(symbol, renderer)                                            \
    { CLI_OUTPUT_##symbol, NULL, NULL, renderer },
#include "cli/outputs.def"
#undef OUTPUT
#undef C_FILE
#undef FOLDER_FILE
#undef PATH_FILE
};

enum {
    FILES = sizeof(files) / sizeof(files[0])
};

static bool is_printed(const char *path)
{
    return strcmp(path, "-") == 0;
}

static struct text_buffer render(struct arena *arena, const struct file *file,
                                 const struct checked *checked)
{
    struct text_buffer raw = { 0 };
    if (file->emit == NULL) {
        file->render(arena, checked, &raw);
        return raw;
    }
    file->emit(&raw, checked->model);
    struct text_buffer code = wrap_code(&raw);
    text_buffer_finish(&raw);
    return code;
}

/* Adds a file of a folder; @checked: NULL for its name only. */
static void add_to_folder(struct arena *arena, const struct file *file,
                          const char *folder, const char *stem,
                          const struct checked *checked, struct output *output)
{
    const char *name = arena_printf(arena, "%s%s", stem, file->ending);
    struct text_buffer text = { 0 };
    if (output_has(output, folder, name)) {
        return;
    }
    if (checked != NULL) {
        text = render(arena, file, checked);
    }
    output_add(output, folder, name, &text);
}

static void add_path(struct arena *arena, const struct file *file,
                     const char *path, const struct checked *checked,
                     struct output *output)
{
    struct text_buffer text = { 0 };
    if (checked != NULL) {
        text = render(arena, file, checked);
    }
    if (!is_printed(path)) {
        output_add_path(output, path, &text);
        return;
    }
    if (text.len > 0) {
        (void)fwrite(text.text, 1, text.len, stdout);
    }
    text_buffer_finish(&text);
}

static void add_all(struct arena *arena, const struct cli *cli,
                    const char *stem, const struct checked *checked,
                    struct output *output)
{
    for (size_t i = 0; i < FILES; i++) {
        const struct file *file = &files[i];
        const char *place = cli->outputs[file->output];
        if (place != NULL && file->ending != NULL) {
            add_to_folder(arena, file, place, stem, checked, output);
        } else if (place != NULL) {
            add_path(arena, file, place, checked, output);
        }
    }
}

void outputs_name(const struct cli *cli, const char *stem,
                  struct output *output)
{
    struct arena arena = { 0 };
    add_all(&arena, cli, stem, NULL, output);
    arena_finish(&arena);
}

void outputs_render(struct arena *arena, const struct cli *cli,
                    const struct checked *checked, struct output *output)
{
    add_all(arena, cli, checked->schema->file_stem, checked, output);
}
