/*
 * The formatter's blocks: a declaration with a semicolon or braces has lines
 * of its own, and fields that stand below each other are aligned, up to the
 * next blank line: names, types, the parts behind them, comments. The inside of
 * a declaration is in format_line.c.
 */
#include "format/format.h"

#include <string.h>

enum {
    NAME_MAX = 60, /* a wider name does not move the others' types, */
    TYPE_MAX = 40  /* nor a wider type the others' defaults */
};

/* A declaration, or a comment that stands alone. */
struct item {
    size_t first, end;
    size_t trailing; /* the end of the comments behind it, on its line */
    size_t rest;     /* of a field: where its type ends; 0: it is no field */
    bool comment, blank, block;
};

struct items {
    struct item *items;
    size_t count, capacity;
};

/* How wide the columns of a run of fields are. */
struct columns {
    size_t type, rest, comment;
};

static void put_members(struct format *f, size_t from, size_t to, bool top);

static bool is(const struct format *f, size_t i, const char *text)
{
    return i < f->count && token_is(&f->tokens[i], text);
}

static size_t skip_comments(const struct format *f, size_t i)
{
    while (i < f->count && token_is_comment(&f->tokens[i])) {
        i++;
    }
    return i;
}

/* ---- which items there are ---- */

static void add_item(struct format *f, struct items *list, struct item item)
{
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity > 0 ? list->capacity * 2 : 16;
        struct item *grown = arena_alloc(f->arena, capacity * sizeof(*grown));
        if (list->count > 0) {
            memcpy(grown, list->items, list->count * sizeof(*grown));
        }
        list->items = grown;
        list->capacity = capacity;
    }
    list->items[list->count++] = item;
}

/* The braces of an enum or a union hold a list. */
static bool has_list(const struct format *f, size_t first)
{
    return is(f, first, "enum") || is(f, first, "union");
}

/* The end of a declaration; *@block: it has members. */
static size_t find_end(const struct format *f, size_t first, size_t to,
                       bool *block)
{
    bool value = false;
    size_t i = first;
    while (i < to) {
        if (is(f, i, ";")) {
            return i + 1;
        }
        if (is(f, i, "{") && !value) {
            *block = !has_list(f, first);
            i = f->match[i] + 1;
            if (!is(f, skip_comments(f, i), "->")) {
                return i;
            }
            continue;
        }
        value = value || is(f, i, "=");
        const bool opens = is(f, i, "(") || is(f, i, "[") || is(f, i, "{");
        i = opens ? f->match[i] + 1 : i + 1;
    }
    return to;
}

/* Comments behind an item on its line, if nothing else stands there. */
static size_t find_trailing(const struct format *f, size_t end, size_t to)
{
    size_t i = end;
    while (i < to && token_is_comment(&f->tokens[i]) &&
           f->tokens[i].newlines == 0) {
        i++;
        if (format_is_forced(f, i - 1, i)) {
            return i;
        }
    }
    return i == to || f->tokens[i].newlines > 0 ? i : end;
}

/* A modifier of a field, and no type of that name. */
static bool is_modifier(const struct format *f, size_t i)
{
    const bool is_word = is(f, i, "to") || is(f, i, "from") ||
                         is(f, i, "transient");
    return is_word && !is(f, i - 1, "|") && !is(f, i - 1, "<") &&
           !is(f, i - 1, ".");
}

/* Where the type of a field ends; 0: this is none. */
static size_t find_rest(const struct format *f, size_t first, size_t end)
{
    const struct token *name = &f->tokens[first];
    if ((name->kind != TOKEN_WORD && name->text[0] != '"') ||
        !is(f, first + 1, ":")) {
        return 0;
    }
    size_t i = first + 2;
    while (i < end && !is(f, i, ";") && !is(f, i, "=")) {
        if (i > first + 2 && is_modifier(f, i)) {
            break;
        }
        i = is(f, i, "(") || is(f, i, "[") ? f->match[i] + 1 : i + 1;
    }
    return format_is_forced(f, first, i) ? 0 : i;
}

static struct items find_items(struct format *f, size_t from, size_t to)
{
    struct items list = { 0 };
    for (size_t i = from; i < to;) {
        struct item item = { .first = i, .blank = f->tokens[i].newlines > 1 };
        if (token_is_comment(&f->tokens[i])) {
            item.comment = true;
            item.end = item.trailing = i + 1;
        } else {
            item.end = find_end(f, i, to, &item.block);
            item.trailing = find_trailing(f, item.end, to);
            item.rest = find_rest(f, i, item.end);
        }
        add_item(f, &list, item);
        i = item.trailing;
    }
    return list;
}

static bool has_lines(const struct format *f, const struct item *item)
{
    return !item->comment &&
           (item->block || format_is_forced(f, item->first, item->end) ||
            format_width(f, item->first, item->end) > FORMAT_COLUMNS);
}

/* Declarations of the file that take several lines stand apart. */
static void part_declarations(const struct format *f, struct items *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!has_lines(f, &list->items[i])) {
            continue;
        }
        size_t first = i;
        while (first > 0 && list->items[first - 1].comment &&
               !list->items[first].blank) {
            first--;
        }
        list->items[first].blank = true;
        if (i + 1 < list->count) {
            list->items[i + 1].blank = true;
        }
    }
}

/* ---- writing an item ---- */

static enum format_context context_of(const struct format *f, size_t first)
{
    return is(f, first, "type") && !is(f, first + 1, ":") ? FORMAT_ALIAS
                                                          : FORMAT_TYPE;
}

static void put_comments(struct format *f, size_t from, size_t to,
                         size_t column)
{
    if (from < to) {
        format_pad(f, f->column + 2 > column ? f->column + 2 : column);
    }
    for (size_t i = from; i < to; i++) {
        format_join(f, i > from);
        format_comment(f, &f->tokens[i]);
    }
}

static void put_field(struct format *f, const struct item *item,
                      const struct columns *columns)
{
    const size_t rest = item->rest;
    format_range(f, item->first, item->first + 2, FORMAT_TYPE);
    format_pad(f,
               f->column + 1 > columns->type ? f->column + 1 : columns->type);
    format_range(f, item->first + 2, rest, FORMAT_TYPE);
    if (is(f, rest, ";")) {
        format_text(f, ";", 1);
        return;
    }
    format_pad(f,
               f->column + 1 > columns->rest ? f->column + 1 : columns->rest);
    format_range(f, rest, item->end, FORMAT_TYPE);
}

/* Braces with members, and the text before them; several may follow each other.
 */
static void put_blocks(struct format *f, const struct item *item)
{
    for (size_t i = item->first; i < item->end;) {
        size_t open = i;
        while (open < item->end && !is(f, open, "{")) {
            open = is(f, open, "(") ? f->match[open] + 1 : open + 1;
        }
        const size_t close = open < item->end ? f->match[open] : open;
        format_join(f, i > item->first);
        format_range(f, i, open, FORMAT_TYPE);
        if (open == item->end) {
            return;
        }
        format_join(f, true);
        format_text(f, "{", 1);
        const size_t next = find_trailing(f, open + 1, close);
        const bool behind = next > open + 1 &&
                            (next < close || f->tokens[close].newlines > 0 ||
                             format_is_forced(f, open + 1, next));
        put_comments(f, open + 1, behind ? next : open + 1, 0);
        if (open + 1 < close) {
            format_newline(f);
            f->indent += FORMAT_INDENT;
            put_members(f, behind ? next : open + 1, close, false);
            f->indent -= FORMAT_INDENT;
        }
        format_text(f, "}", 1);
        i = close + 1;
    }
}

static void put_item(struct format *f, const struct item *item,
                     const struct columns *columns)
{
    if (item->comment) {
        format_comment(f, &f->tokens[item->first]);
    } else if (item->block) {
        put_blocks(f, item);
    } else if (item->rest > 0) {
        put_field(f, item, columns);
    } else {
        format_range(f, item->first, item->end, context_of(f, item->first));
    }
}

/* ---- aligning ---- */

/* The width of an item on its line; 0: it takes several. */
static size_t measure(struct format *f, const struct item *item,
                      const struct columns *columns)
{
    if (item->comment || item->block) {
        return 0;
    }
    struct text_buffer scratch = { 0 };
    struct format dry = *f;
    dry.out = &scratch;
    put_item(&dry, item, columns);
    const bool single = scratch.text != NULL &&
                        strchr(scratch.text, '\n') == NULL;
    text_buffer_finish(&scratch);
    return single ? dry.column : 0;
}

static struct columns measure_run(struct format *f, const struct item *items,
                                  size_t count)
{
    struct columns columns = { 0 };
    for (size_t i = 0; i < count; i++) {
        if (items[i].rest > 0) {
            const size_t width = format_width(f, items[i].first,
                                              items[i].first + 2);
            const size_t column = f->indent + 1 + width;
            columns.type = width <= NAME_MAX && column > columns.type
                               ? column
                               : columns.type;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (items[i].rest > 0 && !is(f, items[i].rest, ";")) {
            const size_t width = format_width(f, items[i].first + 2,
                                              items[i].rest);
            const size_t column = columns.type + width + 1;
            columns.rest = width <= TYPE_MAX && column > columns.rest
                               ? column
                               : columns.rest;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (items[i].trailing > items[i].end) {
            const size_t width = measure(f, &items[i], &columns);
            columns.comment = width > 0 && width + 2 > columns.comment &&
                                      width <=
                                          FORMAT_COLUMNS - FORMAT_COLUMNS / 4
                                  ? width + 2
                                  : columns.comment;
        }
    }
    return columns;
}

static void put_run(struct format *f, const struct item *items, size_t count)
{
    const struct columns columns = measure_run(f, items, count);
    for (size_t i = 0; i < count; i++) {
        put_item(f, &items[i], &columns);
        const size_t column = items[i].block ? 0 : columns.comment;
        put_comments(f, items[i].end, items[i].trailing, column);
        format_newline(f);
    }
}

static void put_members(struct format *f, size_t from, size_t to, bool top)
{
    struct items list = find_items(f, from, to);
    if (top) {
        part_declarations(f, &list);
    }
    for (size_t i = 0; i < list.count;) {
        size_t end = i + 1;
        while (end < list.count && !list.items[end].blank) {
            end++;
        }
        if (i > 0) {
            format_newline(f);
        }
        put_run(f, &list.items[i], end - i);
        i = end;
    }
}

/* ---- the file ---- */

/* A separator that stands below a comment goes in front of it; a documented
 * separator stays, for a comment of that kind belongs to it. */
static void hoist(struct token *tokens, size_t i)
{
    size_t to = i;
    bool line = false;
    while (to > 0 && (tokens[to - 1].kind == TOKEN_LINE ||
                      tokens[to - 1].kind == TOKEN_BLOCK)) {
        to--;
        line = line || tokens[to].kind == TOKEN_LINE;
    }
    if (!line) {
        return;
    }
    struct token separator = tokens[i];
    if (tokens[i + 1].newlines < separator.newlines) {
        tokens[i + 1].newlines = separator.newlines;
    }
    separator.newlines = 0;
    memmove(&tokens[to + 1], &tokens[to], (i - to) * sizeof(*tokens));
    tokens[to] = separator;
}

static void match_brackets(struct format *f)
{
    size_t *stack = arena_alloc(f->arena, (f->count + 1) * sizeof(*stack));
    size_t depth = 0;
    for (size_t i = 0; i < f->count; i++) {
        f->match[i] = i;
        if (is(f, i, "(") || is(f, i, "[") || is(f, i, "{")) {
            stack[depth++] = i;
        } else if (depth > 0 &&
                   (is(f, i, ")") || is(f, i, "]") || is(f, i, "}"))) {
            f->match[i] = stack[--depth];
            f->match[stack[depth]] = i;
        }
    }
}

struct text_buffer format_source(struct arena *arena,
                                 const struct source *source)
{
    struct tokens tokens = tokens_read(arena, source);
    struct text_buffer out = { 0 };
    for (size_t i = 0; i + 1 < tokens.count; i++) {
        if (token_is(&tokens.items[i], ",") ||
            token_is(&tokens.items[i], ";")) {
            hoist(tokens.items, i);
        }
    }
    struct format f = {
        .arena = arena,
        .tokens = tokens.items,
        .count = tokens.count - 1,
        .out = &out,
    };
    f.match = arena_alloc(arena, tokens.count * sizeof(*f.match));
    match_brackets(&f);
    put_members(&f, 0, f.count, true);
    return out;
}
