/*
 * Which template gives which file. Types are needed by both sides; where both
 * go to one folder, the output keeps one of them.
 */
#include "generate.h"

#include "layout.h"
#include "templates.h"

struct file {
    const char *ending; /* behind the name of the schema file */
    void (*emit)(struct emit *out, const struct model *model);
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

/* Takes @code. */
static void add_file(const char *stem, const char *directory,
                     const char *ending, struct emit *code,
                     struct output *output)
{
    struct emit name = { 0 };
    emit_text(&name, stem);
    emit_text(&name, ending);
    output_add(output, directory, name.text, code);
    emit_finish(&name);
}

static void generate_files(const struct model *model, const char *directory,
                           const struct file *files, struct output *output)
{
    for (size_t i = 0; i < FILES; i++) {
        struct emit raw = { 0 };
        files[i].emit(&raw, model);
        struct emit code = layout_code(&raw);
        add_file(model->file_stem, directory, files[i].ending, &code, output);
        emit_finish(&raw);
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
        struct emit none = { 0 };
        add_file(stem, c_server, server_files[i].ending, &none, output);
    }
    for (size_t i = 0; c_client != NULL && i < FILES; i++) {
        struct emit none = { 0 };
        add_file(stem, c_client, client_files[i].ending, &none, output);
    }
}
