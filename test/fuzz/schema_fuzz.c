/*
 * The front end of the compiler on any bytes: reports, never crashes. What
 * parses is laid out twice, what is right is described and compared to itself.
 */
#include <stdint.h>
#include <string.h>

#include "breaking.h"
#include "check.h"
#include "format.h"
#include "model_json.h"
#include "parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_format(struct arena *arena, const struct source *source)
{
    struct emit once = format_source(arena, source);
    emit_text(&once, ""); /* a NUL, also behind nothing */
    const struct source again = {
        .path = source->path,
        .text = once.text,
        .len = once.len,
    };
    struct emit twice = format_source(arena, &again);
    emit_text(&twice, "");
    if (strcmp(once.text, twice.text) != 0) {
        __builtin_trap();
    }
    emit_finish(&once);
    emit_finish(&twice);
}

static void check_model(struct arena *arena, const struct model *model)
{
    struct emit text = { 0 };
    const struct tree *tree = model_describe(arena, model);
    tree_print(&text, tree);
    if (breaking_compare(arena, tree, tree) != NULL) {
        __builtin_trap();
    }
    emit_finish(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = { 0 };
    struct source source = {
        .path = "fuzz.zkt",
        .text = arena_text(&arena, (const char *)data, size),
        .len = size,
    };
    struct diag diag = { .out = NULL };
    (void)sources_add(&diag.sources, &source);
    const struct ast_file *file = parse_file(&arena, &diag, &source);
    if (diag.errors == 0) {
        check_format(&arena, &source);
    }
    const struct model *m = check_file(&arena, &diag, file, source.path);
    if ((m == NULL) != (diag.errors > 0)) {
        __builtin_trap();
    }
    if (m != NULL) {
        check_model(&arena, m);
    }
    arena_finish(&arena);
    return 0;
}
