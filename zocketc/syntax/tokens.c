/* See tokens.h. */
#include "syntax/tokens.h"

#include <string.h>

#include "syntax/parse.h"
#include "zkt.tab.h"

int zkt_lex_init_extra(struct parse *extra, void **scanner);
int zkt_lex_destroy(void *scanner);
void *zkt__scan_bytes(const char *bytes, int len, void *scanner);
int zkt_lex(ZKT_STYPE *value, ZKT_LTYPE *at, void *scanner);

struct reader {
    struct arena *arena;
    const struct source *source;
    struct tokens tokens;
    size_t capacity;
    unsigned newlines;
};

bool token_is_comment(const struct token *token)
{
    return token->kind == TOKEN_LINE || token->kind == TOKEN_DOC ||
           token->kind == TOKEN_BLOCK;
}

static void add(struct reader *r, enum token_kind kind, size_t start,
                size_t end)
{
    if (r->tokens.count == r->capacity) {
        const size_t capacity = r->capacity > 0 ? r->capacity * 2 : 256;
        struct token *grown = arena_alloc(r->arena, capacity * sizeof(*grown));
        if (r->tokens.count > 0) {
            memcpy(grown, r->tokens.items, r->tokens.count * sizeof(*grown));
        }
        r->tokens.items = grown;
        r->capacity = capacity;
    }
    r->tokens.items[r->tokens.count++] = (struct token){
        .text = r->source->text + start,
        .len = end - start,
        .kind = kind,
        .newlines = r->newlines,
    };
    r->newlines = 0;
}

/* Where the comment with stars at @start ends. */
static size_t find_close(const struct source *source, size_t start)
{
    const char *text = source->text;
    for (size_t at = start + 2; at + 1 < source->len; at++) {
        if (text[at] == '*' && text[at + 1] == '/') {
            return at + 2;
        }
    }
    return source->len;
}

/* A comment at @start; gives its end. */
static size_t add_comment(struct reader *r, size_t start)
{
    const char *text = r->source->text + start;
    if (text[1] == '*') {
        const size_t end = find_close(r->source, start);
        add(r, TOKEN_BLOCK, start, end);
        return end;
    }
    const size_t len = strcspn(text, "\n");
    size_t shown = len;
    while (shown > 0 && strchr(" \t", text[shown - 1]) != NULL) {
        shown--;
    }
    add(r, text[2] == '/' ? TOKEN_DOC : TOKEN_LINE, start, start + shown);
    return start + len;
}

/* Between tokens there are blanks, line ends and comments. */
static void read_gap(struct reader *r, size_t at, size_t end)
{
    while (at < end) {
        if (r->source->text[at] == '/') {
            at = add_comment(r, at);
            continue;
        }
        r->newlines += r->source->text[at] == '\n';
        at++;
    }
}

static enum token_kind kind_of(char first, size_t len)
{
    const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                          "_";
    if (strchr(letters, first) != NULL) {
        return TOKEN_WORD;
    }
    const bool number = strchr("0123456789", first) != NULL ||
                        (first == '-' && len > 1);
    return number || first == '"' || first == '/' ? TOKEN_LITERAL : TOKEN_SIGN;
}

struct tokens tokens_read(struct arena *arena, const struct source *source)
{
    struct diag diag = { .out = NULL };
    struct parse p = { .arena = arena, .diag = &diag, .source = source };
    struct reader r = { .arena = arena, .source = source };
    void *scanner = NULL;
    p.file = ARENA_NEW(arena, struct ast_file);
    if (zkt_lex_init_extra(&p, &scanner) == 0) {
        ZKT_STYPE value;
        ZKT_LTYPE at = { 0 };
        size_t end = 0;
        (void)zkt__scan_bytes(source->text, (int)source->len, scanner);
        while (zkt_lex(&value, &at, scanner) != 0) {
            read_gap(&r, end, at.start);
            end = at.end;
            const char *text = source->text + at.start;
            const size_t len = end - at.start;
            /* An arrow is a sign, although it begins like a number. */
            const bool arrow = len == 2 && memcmp(text, "->", 2) == 0;
            add(&r, arrow ? TOKEN_SIGN : kind_of(text[0], len), at.start, end);
        }
        read_gap(&r, end, source->len);
        zkt_lex_destroy(scanner);
    }
    add(&r, TOKEN_END, source->len, source->len);
    return r.tokens;
}
