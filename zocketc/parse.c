/* See parse.h. */
#include "parse.h"

#include <string.h>

#include "zkt.tab.h"

int zkt_lex_init_extra(struct parse *extra, void **scanner);
int zkt_lex_destroy(void *scanner);
void *zkt__scan_bytes(const char *bytes, int len, void *scanner);

void *parse_append(struct parse *p, struct ast_list *list, void *node,
                   void **link_of_last)
{
    (void)p;
    if (link_of_last != NULL) {
        *link_of_last = node;
    } else {
        list->first = node;
    }
    list->last = node;
    return node;
}

/* ---- documentation ---- */

/* The first byte behind @offset that is neither white space nor comment. */
static uint32_t next_token(const struct source *source, uint32_t offset)
{
    const char *text = source->text;
    for (;;) {
        offset += (uint32_t)strspn(text + offset, " \t\r\n");
        if (text[offset] != '/' ||
            (text[offset + 1] != '/' && text[offset + 1] != '*')) {
            return offset;
        }
        if (text[offset + 1] == '/') {
            offset += (uint32_t)strcspn(text + offset, "\n");
            continue;
        }
        const char *end = strstr(text + offset + 2, "*/");
        if (end == NULL) {
            return offset;
        }
        offset = (uint32_t)(end + 2 - text);
    }
}

/* A comment documents the token behind it, and is complete when that comes. */
static void close_doc(struct parse *p)
{
    struct parse_doc *doc = p->last_doc;
    if (doc != NULL && doc->pending) {
        doc->pending = false;
        doc->token = next_token(p->source, doc->at.end);
    }
}

void parse_add_doc(struct parse *p, const char *text, size_t len)
{
    if (len > 0 && text[0] == ' ') {
        text++;
        len--;
    }
    while (len > 0 && (text[len - 1] == '\r' || text[len - 1] == ' ')) {
        len--;
    }
    struct parse_doc *last = p->last_doc;
    const uint32_t end = p->offset;
    if (last != NULL && last->pending &&
        next_token(p->source, last->at.end) >= end) {
        last->text = arena_printf(p->arena, "%s\n%.*s", last->text, (int)len,
                                  text);
        last->at.end = end;
        return;
    }
    close_doc(p);
    struct parse_doc *doc = ARENA_NEW(p->arena, struct parse_doc);
    doc->text = arena_text(p->arena, text, len);
    doc->at = (struct source_range){ end - (uint32_t)len, end };
    doc->pending = true;
    if (last != NULL) {
        last->next = doc;
    } else {
        p->first_doc = doc;
    }
    p->last_doc = doc;
}

const char *parse_doc(struct parse *p, struct source_range at)
{
    if (p->last_doc != NULL && p->last_doc->at.end <= at.start) {
        close_doc(p);
    }
    for (struct parse_doc *doc = p->first_doc; doc != NULL; doc = doc->next) {
        if (!doc->used && doc->token == at.start && !doc->pending) {
            doc->used = true;
            return doc->text;
        }
    }
    return NULL;
}

/* ---- nodes ---- */

void parse_unsupported(struct parse *p, struct source_range at,
                       const char *what)
{
    struct ast_unsupported *node = ARENA_NEW(p->arena, struct ast_unsupported);
    node->at = at;
    node->what = what;
    if (p->last_unsupported != NULL) {
        p->last_unsupported->next = node;
    } else {
        p->file->unsupported = node;
    }
    p->last_unsupported = node;
}

static unsigned read_hex(const char *text)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdef";
        const char c = (char)(text[i] >= 'A' && text[i] <= 'F' ? text[i] + 32
                                                               : text[i]);
        const char *digit = c != '\0' ? strchr(digits, c) : NULL;
        if (digit == NULL) {
            return UINT32_MAX;
        }
        value = value * 16 + (unsigned)(digit - digits);
    }
    return value;
}

static char *put_code_point(char *to, unsigned c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

/* The escapes of JSON; a surrogate is none, characters stand for themselves. */
struct ast_value *parse_string(struct parse *p, struct source_range at,
                               const char *text, size_t len)
{
    struct ast_value *value = ARENA_NEW(p->arena, struct ast_value);
    char *to = arena_alloc(p->arena, len + 1);
    static const char escapes[] = "\"\\/bfnrt", plain[] = "\"\\/\b\f\n\r\t";
    value->kind = AST_VALUE_STRING;
    value->at = at;
    value->text = to;
    for (size_t i = 1; i + 1 < len; i++) {
        if (text[i] != '\\') {
            *to++ = text[i];
            continue;
        }
        i++;
        const char *escape = strchr(escapes, text[i]);
        if (text[i] == 'u') {
            const unsigned code = read_hex(text + i + 1);
            if (code == UINT32_MAX || (code >= 0xd800 && code < 0xe000)) {
                diag_report(p->diag, at, DIAG_SYNTAX,
                            "'\\u' needs four hex digits of a character");
                break;
            }
            to = put_code_point(to, code);
            i += 4;
        } else if (escape != NULL) {
            *to++ = plain[escape - escapes];
        } else {
            diag_report(p->diag, at, DIAG_SYNTAX,
                        "a string has an unknown escape");
            break;
        }
    }
    value->len = (size_t)(to - value->text);
    return value;
}

bool parse_enter(struct parse *p, struct source_range at)
{
    if (++p->depth <= PARSE_DEPTH_MAX) {
        return true;
    }
    diag_report(p->diag, at, DIAG_TOO_DEEP, PARSE_DEPTH_MAX);
    return false;
}

/* ---- the file ---- */

struct ast_file *parse_file(struct arena *arena, struct diag *diag,
                            const struct source *source)
{
    struct parse p = { .arena = arena, .diag = diag, .source = source };
    p.file = ARENA_NEW(arena, struct ast_file);
    const size_t invalid = source_find_invalid(source);
    if (invalid < source->len) {
        const uint32_t at = (uint32_t)invalid;
        diag_report(diag, (struct source_range){ at, at + 1 }, DIAG_NOT_UTF8);
        return p.file;
    }
    void *scanner;
    if (zkt_lex_init_extra(&p, &scanner) != 0) {
        diag_report(diag, (struct source_range){ 0, 0 }, DIAG_SYNTAX,
                    "out of memory");
        return p.file;
    }
    (void)zkt__scan_bytes(source->text, (int)source->len, scanner);
    (void)zkt_parse(scanner, &p);
    zkt_lex_destroy(scanner);
    close_doc(&p);
    for (struct ast_unsupported *u = p.file->unsupported; u != NULL;
         u = u->next) {
        diag_report(diag, u->at, DIAG_UNSUPPORTED, u->what);
    }
    for (struct parse_doc *doc = p.first_doc; doc != NULL; doc = doc->next) {
        if (!doc->used) {
            diag_report(diag, doc->at, DIAG_UNUSED_DOC);
        }
    }
    return p.file;
}
