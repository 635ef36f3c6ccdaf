/* See parse.h. */
#include "syntax/parse.h"

#include <stdlib.h>
#include <string.h>

#include "util/unicode.h"
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

/* The offset of the first byte behind @offset that is neither white space nor
 * comment. */
static uint32_t next_token(const struct source *source, uint32_t offset)
{
    const char *text = source->text;
    offset -= source->base;
    for (;;) {
        offset += (uint32_t)strspn(text + offset, " \t\n");
        if (text[offset] != '/' ||
            (text[offset + 1] != '/' && text[offset + 1] != '*')) {
            return source->base + offset;
        }
        if (text[offset + 1] == '/') {
            offset += (uint32_t)strcspn(text + offset, "\n");
            continue;
        }
        const char *end = strstr(text + offset + 2, "*/");
        if (end == NULL) {
            return source->base + offset;
        }
        offset = (uint32_t)(end + 2 - text);
    }
}

char parse_next_character(const struct parse *p)
{
    const uint32_t offset = next_token(p->source, p->offset);
    return p->source->text[offset - p->source->base];
}

static struct parse_doc *new_doc(struct parse *p)
{
    if (p->doc_count == p->doc_capacity) {
        const size_t capacity = p->doc_capacity > 0 ? 2 * p->doc_capacity : 16;
        struct parse_doc *docs = arena_alloc(p->arena,
                                             capacity * sizeof(*docs));
        if (p->doc_count > 0) {
            memcpy(docs, p->docs, p->doc_count * sizeof(*docs));
        }
        p->docs = docs;
        p->doc_capacity = capacity;
    }
    return &p->docs[p->doc_count++];
}

/* The next line of a comment, or its first. */
static void append_line(struct parse *p, struct parse_doc *doc,
                        const char *text, size_t len)
{
    const bool first = doc->text == NULL;
    if (doc->capacity < doc->len + len + 2) {
        doc->capacity = 2 * doc->capacity + len + 2;
        char *grown = arena_alloc(p->arena, doc->capacity);
        if (!first) {
            memcpy(grown, doc->text, doc->len);
        }
        doc->text = grown;
    }
    if (!first) {
        doc->text[doc->len++] = '\n';
    }
    memcpy(doc->text + doc->len, text, len);
    doc->len += len;
    doc->text[doc->len] = '\0';
}

/* Lines with nothing but other comments between them are a single comment. */
void parse_add_doc(struct parse *p, const char *text, size_t len)
{
    if (len > 0 && text[0] == ' ') {
        text++;
        len--;
    }
    while (len > 0 && text[len - 1] == ' ') {
        len--;
    }
    const uint32_t end = p->offset;
    struct parse_doc *last = p->doc_count > 0 ? &p->docs[p->doc_count - 1]
                                              : NULL;
    /* Nothing but comments stands between the last comment and its token. */
    if (last != NULL && last->token >= end) {
        append_line(p, last, text, len);
        last->at.end = end;
        return;
    }
    struct parse_doc *doc = new_doc(p);
    *doc = (struct parse_doc){
        .at = { end - (uint32_t)len, end },
        .token = next_token(p->source, end),
    };
    append_line(p, doc, text, len);
}

const char *parse_doc(struct parse *p, struct source_range at)
{
    size_t low = 0, high = p->doc_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (p->docs[middle].token < at.start) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == p->doc_count || p->docs[low].token != at.start ||
        p->docs[low].used) {
        return NULL;
    }
    p->docs[low].used = true;
    return p->docs[low].text;
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

/* The character whose escape has its `u` at *@i, which is left at its last
 * digit; two escapes for a character past U+FFFF. UINT32_MAX: there is none. */
static unsigned read_code_point(const char *text, size_t *i)
{
    const unsigned first = read_hex(text + *i + 1);
    *i += 4;
    if (first == UINT32_MAX || first < 0xd800 || first >= 0xe000) {
        return first;
    }
    if (first >= 0xdc00 || text[*i + 1] != '\\' || text[*i + 2] != 'u') {
        return UINT32_MAX;
    }
    const unsigned second = read_hex(text + *i + 3);
    *i += 6;
    return second >= 0xdc00 && second < 0xe000
               ? 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
               : UINT32_MAX;
}

static char *put_code_point(char *to, unsigned c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 63));
        *to++ = (char)(0x80 | (c >> 6 & 63));
        *to++ = (char)(0x80 | (c & 63));
    }
    return to;
}

/* The escapes of JSON; other characters stand for themselves. */
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
            const unsigned code = read_code_point(text, &i);
            if (code == UINT32_MAX) {
                diag_report(p->diag, at, DIAG_SYNTAX,
                            "'\\u' needs four hex digits of a character");
                break;
            }
            to = put_code_point(to, code);
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

void parse_key(struct parse *p, const struct ast_value *key)
{
    if (strlen(key->text) != key->len) {
        diag_report(p->diag, key->at, DIAG_SYNTAX,
                    "the key of a member cannot hold '\\u0000'");
    }
}

struct ast_value *parse_number(struct parse *p, struct source_range at,
                               const struct ast_number *number)
{
    struct ast_value *value = ARENA_NEW(p->arena, struct ast_value);
    value->kind = AST_VALUE_NUMBER;
    value->at = at;
    value->text = strcmp(number->text, "-0") == 0 ? "0" : number->text;
    value->whole = number->whole;
    return value;
}

/* The fault of a string as the name of a field; NULL: none. */
static const char *name_fault(const struct ast_value *name)
{
    if (name->len == 0) {
        return "is empty";
    }
    if (name->len > PARSE_NAME_MAX) {
        return "has more than 256 bytes";
    }
    if (name->text[0] == ' ' || name->text[name->len - 1] == ' ') {
        return "begins or ends with a blank";
    }
    for (size_t i = 0, size; i < name->len; i += size) {
        const unsigned code = unicode_read(name->text + i, name->len - i,
                                           &size);
        if (code == 0 || unicode_name(code) != NULL) {
            return "has a character that cannot be seen";
        }
    }
    return NULL;
}

struct ast_name parse_field_name(struct parse *p, struct source_range at,
                                 const char *text, size_t len)
{
    const struct ast_value *name = parse_string(p, at, text, len);
    const char *fault = name_fault(name), *name_text = name->text;
    if (fault != NULL) {
        const bool is_reported = name->len == 0 && len > 2; /* an escape */
        if (!is_reported) {
            diag_report(p->diag, at, DIAG_BAD_FIELD_NAME, fault);
        }
        name_text = arena_printf(p->arena, "bad_name_%u", at.start);
    }
    return (struct ast_name){ name_text, at };
}

/* The depth of the deepest of @types. */
static int depth_of(const struct ast_type *types)
{
    int depth = 0;
    for (const struct ast_type *t = types; t != NULL; t = t->next) {
        depth = t->depth > depth ? t->depth : depth;
    }
    return depth;
}

struct ast_type *parse_type(struct parse *p, struct source_range at,
                            enum ast_type_kind kind, struct ast_type *inner,
                            struct ast_rule *rules)
{
    const int depth = depth_of(inner) + 1;
    if (depth > PARSE_DEPTH_MAX) {
        if (depth == PARSE_DEPTH_MAX + 1) {
            diag_report(p->diag, at, DIAG_TOO_DEEP, PARSE_DEPTH_MAX);
            inner->depth = depth;
        }
        return inner;
    }
    struct ast_type *type = ARENA_NEW(p->arena, struct ast_type);
    *type = (struct ast_type){
        .kind = kind, .at = at, .inner = inner, .rules = rules, .depth = depth
    };
    return type;
}

/* A number, with its unit if any. */
static double value_of(const char *number)
{
    char *end;
    const double value = strtod(number, &end);
    return value * (end[0] == 'K' ? 1024 : end[0] == 'M' ? 1 << 20 : 1);
}

const char *parse_range(struct parse *p, const char *low, const char *high)
{
    high += high[0] == '-';
    return value_of(low) <= value_of(high)
               ? arena_printf(p->arena, "%s..%s", low, high)
               : arena_printf(p->arena, "%s..%s", high, low);
}

const char *parse_stray(struct parse *p, struct source_range at,
                        const char *found)
{
    const char *text = p->source->text + (at.start - p->source->base);
    size_t size;
    const unsigned code = unicode_read(text, at.end - at.start, &size);
    const char *name = unicode_name(code);
    if (text[0] == '\'') {
        return arena_printf(p->arena, "%s; text stands in double quotes",
                            found);
    }
    return name != NULL ? arena_printf(p->arena, "U+%04X (%s)", code, name)
                        : found;
}

void parse_stray_word(struct parse *p, struct source_range at, const char *word)
{
    const char *text =
        !p->has_stray_word
            ? arena_printf(p->arena, "'%s' is a field without a type", word)
        : parse_is_absence(word)
            ? arena_printf(p->arena,
                           "'?' stands behind the type, in place of '%s'", word)
            : arena_printf(p->arena, "'%s' stands where ';' is expected", word);
    p->has_stray_word = false;
    diag_report(p->diag, at, DIAG_SYNTAX, text);
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
    struct parse p = {
        .arena = arena,
        .diag = diag,
        .source = source,
        .offset = source->base,
    };
    p.file = ARENA_NEW(arena, struct ast_file);
    const size_t invalid = source_find_invalid(source);
    if (invalid < source->len) {
        const uint32_t at = source->base + (uint32_t)invalid;
        diag_report(diag, (struct source_range){ at, at + 1 }, DIAG_NOT_UTF8);
        return p.file;
    }
    void *scanner;
    if (zkt_lex_init_extra(&p, &scanner) != 0) {
        diag_report(diag, (struct source_range){ p.offset, p.offset },
                    DIAG_SYNTAX, "out of memory");
        return p.file;
    }
    (void)zkt__scan_bytes(source->text, (int)source->len, scanner);
    (void)zkt_parse(scanner, &p);
    zkt_lex_destroy(scanner);
    for (struct ast_unsupported *u = p.file->unsupported; u != NULL;
         u = u->next) {
        diag_report(diag, u->at, DIAG_UNSUPPORTED, u->what);
    }
    for (size_t i = 0; i < p.doc_count; i++) {
        if (!p.docs[i].used) {
            diag_report(diag, p.docs[i].at, DIAG_UNUSED_DOC);
        }
    }
    return p.file;
}
