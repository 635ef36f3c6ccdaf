/*
 * Which template gives which file. Types are needed by both sides; where both
 * go to one folder, the output keeps one of them.
 */
#include "output_c/generate.h"

#include "output_c/wrap.h"
#include "templates.h"

struct file {
    const char *ending; /* behind the name of the schema file */
    void (*emit)(struct text_buffer *out, const struct model *model);
};

static const struct file server_files[] = {
    { "_types.h", emit_types_h },
    { "_types.c", emit_types_c },
    { "_server.h", emit_server_h },
    { "_server.c", emit_server_c },
};

static const struct file client_files[] = {
    { "_types.h", emit_types_h },
    { "_types.c", emit_types_c },
    { "_client.h", emit_client_h },
    { "_client.c", emit_client_c },
};

enum {
    FILES = sizeof(server_files) / sizeof(server_files[0])
};

static struct text_buffer name_file(const char *stem, const char *ending)
{
    struct text_buffer name = { 0 };
    emit_text(&name, stem);
    emit_text(&name, ending);
    return name;
}

/* Takes @code. */
static void add_file(const char *stem, const char *directory,
                     const char *ending, struct text_buffer *code,
                     struct output *output)
{
    struct text_buffer name = name_file(stem, ending);
    output_add(output, directory, name.text, code);
    text_buffer_finish(&name);
}

static struct text_buffer generate(const struct file *file,
                                   const struct model *model)
{
    struct text_buffer raw = { 0 };
    file->emit(&raw, model);
    struct text_buffer code = wrap_code(&raw);
    text_buffer_finish(&raw);
    return code;
}

static void generate_files(const struct model *model, const char *directory,
                           const struct file *files, struct output *output)
{
    for (size_t i = 0; i < FILES; i++) {
        struct text_buffer name = name_file(model->file_stem, files[i].ending);
        if (!output_has(output, directory, name.text)) {
            struct text_buffer code = generate(&files[i], model);
            output_add(output, directory, name.text, &code);
        }
        text_buffer_finish(&name);
    }
}

void generate_server(const struct model *model, const char *directory,
                     struct output *output)
{
    generate_files(model, directory, server_files, output);
}

void generate_client(const struct model *model, const char *directory,
                     struct output *output)
{
    generate_files(model, directory, client_files, output);
}

void generate_names(const char *stem, const char *c_server,
                    const char *c_client, struct output *output)
{
    for (size_t i = 0; c_server != NULL && i < FILES; i++) {
        struct text_buffer none = { 0 };
        add_file(stem, c_server, server_files[i].ending, &none, output);
    }
    for (size_t i = 0; c_client != NULL && i < FILES; i++) {
        struct text_buffer none = { 0 };
        add_file(stem, c_client, client_files[i].ending, &none, output);
    }
}
