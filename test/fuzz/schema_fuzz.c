/* The front end of the compiler on any bytes: reports, never crashes. */
#include <stdint.h>

#include "check.h"
#include "parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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
    const struct model *m = check_file(&arena, &diag, file, source.path);
    if ((m == NULL) != (diag.errors > 0)) {
        __builtin_trap();
    }
    arena_finish(&arena);
    return 0;
}
