/*
 * The formatter against random layouts: schemas are split into tokens and
 * written again with random blanks, line ends and comments between, or with a
 * changed byte. A text that still parses must keep its tokens and comments, and
 * a second run must change nothing.
 *
 *   format_property ROUNDS SEED FILE...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/format.h"
#include "syntax/diag.h"
#include "syntax/parse.h"

static unsigned long long state;

static size_t random_below(size_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % n;
}

/* Returns a text as the compiler reads it, with any kind of line ends. */
static struct source as_read(struct arena *arena, const char *text, size_t len)
{
    struct source source;
    source_set(&source, arena, "x.zkt", text, len);
    return source;
}

static bool parses(const char *text, size_t len)
{
    struct arena arena = { 0 };
    struct source source = as_read(&arena, text, len);
    struct diag diag = { .out = NULL };
    (void)sources_add(&diag.sources, &source);
    diag.levels[DIAG_UNSUPPORTED] = DIAG_LEVEL_OFF;
    (void)parse_file(&arena, &diag, &source);
    arena_finish(&arena);
    return diag.errors == 0;
}

/* ---- invariants ---- */

static bool is_closing(const struct token *t)
{
    return token_is(t, ")") || token_is(t, "]") || token_is(t, "}");
}

static bool is_last_comma(const struct tokens *tokens, size_t i)
{
    if (!token_is(&tokens->items[i], ",")) {
        return false;
    }
    for (i++; token_is_comment(&tokens->items[i]); i++) {
    }
    return is_closing(&tokens->items[i]);
}

static void add_solid(struct text_buffer *out, const struct token *t)
{
    for (size_t i = 0; i < t->len; i++) {
        const bool blank = strchr(" \t\r\n", t->text[i]) != NULL;
        if (!blank || t->kind == TOKEN_LITERAL) {
            emit_bytes(out, t->text + i, 1);
        }
    }
    emit_text(out, "\n");
}

/* Writes all tokens with their documentation, except for trailing commas; then
 * all comments. */
static struct text_buffer essence(const char *text, size_t len)
{
    struct arena arena = { 0 };
    const struct source source = as_read(&arena, text, len);
    const struct tokens tokens = tokens_read(&arena, &source);
    struct text_buffer out = { 0 };
    for (size_t i = 0; i < tokens.count; i++) {
        const enum token_kind kind = tokens.items[i].kind;
        if (kind != TOKEN_LINE && kind != TOKEN_BLOCK &&
            !is_last_comma(&tokens, i)) {
            add_solid(&out, &tokens.items[i]);
        }
    }
    for (size_t i = 0; i < tokens.count; i++) {
        const enum token_kind kind = tokens.items[i].kind;
        if (kind == TOKEN_LINE || kind == TOKEN_BLOCK) {
            add_solid(&out, &tokens.items[i]);
        }
    }
    arena_finish(&arena);
    return out;
}

/* Returns true if two texts differ only in blanks and separators. This
 * comparison is independent of the tokens. */
static bool same_ink(const char *a, const char *b)
{
    static const char skipped[] = " \t\r\n,;";
    for (;;) {
        a += strspn(a, skipped);
        b += strspn(b, skipped);
        if (*a != *b || *a == '\0') {
            return *a == *b;
        }
        a++;
        b++;
    }
}

static struct text_buffer format(const char *text, size_t len)
{
    struct arena arena = { 0 };
    const struct source source = as_read(&arena, text, len);
    struct text_buffer out = format_source(&arena, &source);
    emit_text(&out, ""); /* writes a NUL, even to an empty buffer */
    arena_finish(&arena);
    return out;
}

static void fail(const char *what, const char *text,
                 const struct text_buffer *once)
{
    printf("%s\n==== input\n%s\n==== output\n%s\n", what, text, once->text);
    exit(1);
}

/* Returns true if no line ends with a blank, except within a comment that is
 * kept as it is. */
static bool is_clean(const char *text)
{
    return strstr(text, "\n\n\n") == NULL &&
           (text[0] == '\0' || text[strlen(text) - 1] == '\n');
}

static void check(const char *text, size_t len)
{
    struct text_buffer once = format(text, len);
    struct text_buffer twice = format(once.text, once.len);
    struct text_buffer before = essence(text, len);
    struct text_buffer after = essence(once.text, once.len);
    if (strcmp(before.text, after.text) != 0) {
        fail("the tokens differ", text, &once);
    }
    if (!same_ink(text, once.text)) {
        fail("something is lost", text, &once);
    }
    if (strcmp(once.text, twice.text) != 0) {
        printf("==== again\n%s\n", twice.text);
        fail("a second run changes something", text, &once);
    }
    if (!parses(once.text, once.len)) {
        fail("the output does not parse", text, &once);
    }
    if (!is_clean(once.text) && strstr(text, "/*") == NULL) {
        fail("the output has too many blank lines", text, &once);
    }
    text_buffer_finish(&once);
    text_buffer_finish(&twice);
    text_buffer_finish(&before);
    text_buffer_finish(&after);
}

/* ---- random layouts ---- */

static void add_gap(struct text_buffer *out, unsigned comments)
{
    static const char *const blanks[] = { " ",      " ",  " ",  "\n",  "\r",
                                          "\n\n\n", "\t", "  ", "\r\n" };
    static const char *const others[] = {
        " /* block */ ",      " // line\n",          "\n// alone \n",
        "\n\n/// doc\n",      " /// behind\n",       "\n/* two\n   lines */\n",
        " /*\n * stars\n*/ ", "\n/* a */ /* b */\n",
    };
    if (random_below(100) < comments) {
        emit_text(out, others[random_below(sizeof(others) / sizeof(*others))]);
    }
    emit_text(out, blanks[random_below(sizeof(blanks) / sizeof(*blanks))]);
}

static void check_layout(const char *text, size_t len)
{
    struct arena arena = { 0 };
    const struct source source = as_read(&arena, text, len);
    const struct tokens tokens = tokens_read(&arena, &source);
    struct text_buffer out = { 0 };
    const unsigned comments = (unsigned)random_below(3) * 4;
    for (size_t i = 0; i < tokens.count; i++) {
        const struct token *t = &tokens.items[i];
        if (!token_is_comment(t)) {
            add_gap(&out, comments);
            emit_bytes(&out, t->text, t->len);
        }
    }
    emit_text(&out, "");
    if (parses(out.text, out.len)) {
        check(out.text, out.len);
    } else {
        fail("a layout does not parse", text, &out);
    }
    text_buffer_finish(&out);
    arena_finish(&arena);
}

/* Changes a few bytes; most results do not parse. */
static bool check_bytes(const char *text, size_t len)
{
    static const char bytes[] = "{}()[];:,=?/*\"\n 0a.<>|";
    char *copy = malloc(len + 1);
    memcpy(copy, text, len + 1);
    for (size_t n = random_below(3) + 1; n > 0 && len > 0; n--) {
        copy[random_below(len)] = bytes[random_below(sizeof(bytes) - 1)];
    }
    const bool good = parses(copy, len);
    if (good) {
        check(copy, len);
    }
    free(copy);
    return good;
}

int main(int argc, char **argv)
{
    struct arena arena = { 0 };
    struct source sources[256];
    size_t count = 0, changed = 0;
    const unsigned long rounds = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
    state = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    for (int i = 3; i < argc && count < 256; i++) {
        struct source *s = &sources[count];
        if (source_read(&arena, argv[i], s) && parses(s->text, s->len)) {
            check(s->text, s->len);
            count++;
        }
    }
    if (count == 0) {
        printf("no schemas\n");
        return 1;
    }
    for (unsigned long i = 0; i < rounds; i++) {
        const struct source *s = &sources[random_below(count)];
        check_layout(s->text, s->len);
        changed += check_bytes(s->text, s->len);
    }
    printf("%zu schemas, %lu layouts, %zu changed ones\n", count, rounds,
           changed);
    arena_finish(&arena);
    return 0;
}
