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

static void generate_file(const struct model *model, const char *directory,
                          const struct file *file, struct output *output)
{
    struct emit name = { 0 }, raw = { 0 };
    emit_text(&name, model->file_stem);
    emit_text(&name, file->ending);
    file->emit(&raw, model);
    struct emit code = layout_code(&raw);
    output_add(output, directory, name.text, &code);
    emit_finish(&raw);
    emit_finish(&name);
}

void generate_server(const struct model *model, const char *directory,
                     struct output *output)
{
    static const struct file files[] = {
        { "_types.h", emit_types_h },
        { "_types.c", emit_types_c },
        { "_server.h", emit_server_h },
        { "_server.c", emit_server_c },
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        generate_file(model, directory, &files[i], output);
    }
}

void generate_client(const struct model *model, const char *directory,
                     struct output *output)
{
    static const struct file files[] = {
        { "_types.h", emit_types_h },
        { "_types.c", emit_types_c },
        { "_client.h", emit_client_h },
        { "_client.c", emit_client_c },
    };
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        generate_file(model, directory, &files[i], output);
    }
}
