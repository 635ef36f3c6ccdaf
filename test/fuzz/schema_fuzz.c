/*
 * The compiler on any bytes: it reports and never crashes. A schema that parses
 * is formatted twice; a schema without errors is described, compared with
 * itself, and goes through the templates. A form feed separates two schemas,
 * which are compared.
 */
#include <stdint.h>
#include <string.h>

#include "breaking/breaking.h"
#include "c/templates.h"
#include "cli/commands.h"
#include "format/format.h"
#include "output_c/wrap.h"
#include "output_markdown/markdown.h"
#include "output_ts/ts.h"
#include "syntax/parse.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static FILE *nowhere; /* receives messages */

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    nowhere = fopen("/dev/null", "w");
    return nowhere != NULL ? 0 : 1;
}

static void check_format(struct arena *arena, const struct source *source)
{
    struct text_buffer once = format_source(arena, source);
    emit_text(&once, ""); /* writes a NUL, even to an empty buffer */
    const struct source again = {
        .path = source->path,
        .text = once.text,
        .len = once.len,
    };
    struct text_buffer twice = format_source(arena, &again);
    emit_text(&twice, "");
    if (strcmp(once.text, twice.text) != 0) {
        __builtin_trap();
    }
    text_buffer_finish(&once);
    text_buffer_finish(&twice);
}

/* Writes all outputs of a model. */
static void check_templates(const struct model *model)
{
    static void (*const emitters[])(struct text_buffer *,
                                    const struct model *) = {
        emit_types_h,  emit_types_c,  emit_server_h,
        emit_server_c, emit_client_h, emit_client_c,
    };
    for (size_t i = 0; i < sizeof(emitters) / sizeof(emitters[0]); i++) {
        struct text_buffer raw = { 0 };
        emitters[i](&raw, model);
        struct text_buffer code = wrap_code(&raw);
        text_buffer_finish(&raw);
        text_buffer_finish(&code);
    }
}

/* Parses, formats, checks; returns the description of a schema without errors,
 * or NULL. */
static const struct json_value *run(struct arena *arena, const char *path,
                                    const uint8_t *data, size_t size)
{
    struct source source;
    struct diag diag = { .out = nowhere, .json = size % 2 != 0 };
    struct text_buffer text = { 0 };
    source_set(&source, arena, path, (const char *)data, size);
    (void)sources_add(&diag.sources, &source);
    const struct ast_file *file = parse_file(arena, &diag, &source);
    if (diag.errors == 0) {
        check_format(arena, &source);
    }
    struct checked checked;
    const bool ok = command_check(arena, &diag, file, &checked);
    if (ok != (diag.errors == 0)) {
        __builtin_trap();
    }
    if (!ok) {
        return NULL;
    }
    const struct json_value *value = command_describe(arena, &checked);
    json_value_print(&text, value);
    text_buffer_finish(&text);
    if (breaking_compare(arena, value, value) != NULL) {
        __builtin_trap();
    }
    check_templates(checked.model);
    struct text_buffer other = { 0 };
    markdown_render(arena, checked.schema, &other);
    ts_render(arena, checked.schema, &other);
    text_buffer_finish(&other);
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = { 0 };
    const uint8_t *cut = size > 0 ? memchr(data, '\f', size) : NULL;
    const size_t len = cut != NULL ? (size_t)(cut - data) : size;
    const struct json_value *old = run(&arena, "fuzz.zkt", data, len);
    if (cut != NULL) {
        const struct json_value *new = run(&arena, "new.zkt", cut + 1,
                                           size - len - 1);
        if (old != NULL && new != NULL) {
            (void)breaking_compare(&arena, old, new);
        }
    }
    arena_finish(&arena);
    return 0;
}
