/*
 * The formatter within a declaration: blanks between tokens, and lists.
 * A list of parameters, of values, or of the items of an enum or a union
 * stays on its line if that ends before column 100, and is broken into a
 * line for each item otherwise; so is any bracket that holds a comment
 * which ends its line. Nothing else is ever broken.
 */
#include <string.h>

#include "format/format.h"

/* ---- writing ---- */

void format_newline(struct format *f)
{
    emit_text(f->out, "\n");
    f->column = 0;
    f->pending = false;
}

void format_pad(struct format *f, size_t column)
{
    if (f->column < column) {
        emit_blanks(f->out, column - f->column);
        f->column = column;
    }
}

/* Code points, which are about the columns of an editor. */
static size_t text_width(const char *text, size_t len)
{
    size_t width = 0;
    for (size_t i = 0; i < len; i++) {
        width += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return width;
}

void format_text(struct format *f, const char *text, size_t len)
{
    if (f->column == 0) {
        format_pad(f, f->indent);
    }
    emit_bytes(f->out, text, len);
    f->column += text_width(text, len);
}

/* Whether each line but the first of a comment begins with a star: then the
 * stars stand below each other. */
static bool has_stars(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n') {
            i += strspn(text + i, " \t\n");
            if (i >= len || text[i] != '*') {
                return false;
            }
        }
    }
    return true;
}

static void put_block(struct format *f, const struct token *comment)
{
    const char *text = comment->text, *end = text + comment->len;
    const bool stars = has_stars(text, comment->len);
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        size_t len = (size_t)((newline != NULL ? newline : end) - text);
        const size_t whole = len;
        while (newline != NULL && len > 0 &&
               strchr(" \t", text[len - 1]) != NULL) {
            len--;
        }
        if (text > comment->text) {
            const size_t strip = stars ? strspn(text, " \t") : 0;
            const size_t blanks = strip < len ? strip : len;
            emit_text(f->out, "\n");
            f->column = 0;
            if (stars && len > blanks) {
                format_pad(f, f->indent + 1);
            }
            emit_bytes(f->out, text + blanks, len - blanks);
            f->column += text_width(text + blanks, len - blanks);
        } else {
            format_text(f, text, len);
        }
        text += whole + (newline != NULL);
    }
}

void format_comment(struct format *f, const struct token *comment)
{
    if (comment->kind == TOKEN_BLOCK) {
        put_block(f, comment);
    } else {
        format_text(f, comment->text, comment->len);
    }
}

void format_join(struct format *f, bool blank)
{
    if (f->pending) {
        format_newline(f);
        format_pad(f, f->indent + FORMAT_INDENT);
    } else if (blank) {
        emit_text(f->out, " ");
        f->column++;
    }
}

/* ---- tokens ---- */

static bool is(const struct format *f, size_t i, const char *text)
{
    return i < f->count && token_is(&f->tokens[i], text);
}

static bool is_comment(const struct format *f, size_t i)
{
    return i < f->count && token_is_comment(&f->tokens[i]);
}

/* A comment that the rest of its line cannot stand behind. */
static bool ends_line(const struct format *f, size_t i)
{
    const struct token *t = &f->tokens[i];
    return t->kind == TOKEN_LINE || t->kind == TOKEN_DOC ||
           (t->kind == TOKEN_BLOCK && memchr(t->text, '\n', t->len) != NULL);
}

bool format_is_forced(const struct format *f, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (ends_line(f, i)) {
            return true;
        }
    }
    return false;
}

static size_t skip_comments(const struct format *f, size_t i)
{
    while (is_comment(f, i)) {
        i++;
    }
    return i;
}

static bool is_closing(const struct format *f, size_t i)
{
    return is(f, i, ")") || is(f, i, "]") || is(f, i, "}");
}

static bool is_opening(const struct format *f, size_t i)
{
    return is(f, i, "(") || is(f, i, "[") || is(f, i, "{");
}

static bool is_last_comma(const struct format *f, size_t i)
{
    return is(f, i, ",") && is_closing(f, skip_comments(f, i + 1));
}

/* Whether '<' or '>' at @i is a bound: a number comes behind it. */
static bool is_bound(const struct format *f, size_t i)
{
    return i + 1 < f->count && f->tokens[i + 1].kind == TOKEN_LITERAL &&
           (is(f, i, "<") || is(f, i, ">"));
}

/* 'stream' and 'progress' before a type, which they are not a part of. */
static bool is_modifier(const struct format *f, size_t i)
{
    if (is(f, i, "stream")) {
        return i > 0 && is(f, i - 1, "->");
    }
    if (!is(f, i, "progress") || i < 2) {
        return false;
    }
    const struct token *before = &f->tokens[i - 1];
    const bool behind_type = before->kind == TOKEN_WORD || is(f, i - 1, ")") ||
                             is(f, i - 1, "]") || is(f, i - 1, ">") ||
                             is(f, i - 1, "?") || before->kind == TOKEN_LITERAL;
    const bool is_name = is(f, i - 2, ";") || is(f, i - 2, "{") ||
                         is(f, i - 2, "}") || is_comment(f, i - 2);
    return behind_type && !is_name;
}

/* ---- blanks ---- */

/* Whether a blank stands before a bracket that is no brace. */
static bool parts_bracket(const struct format *f, size_t i)
{
    const struct token *before = &f->tokens[i - 1];
    if (before->kind == TOKEN_WORD) {
        return is_modifier(f, i - 1);
    }
    return !is(f, i - 1, ")") && !is(f, i - 1, "]") && !is(f, i - 1, ">") &&
           !is(f, i - 1, "?");
}

static bool parts_comment(const struct format *f, size_t i)
{
    if (is_comment(f, i)) {
        return !is(f, i - 1, "(") && !is(f, i - 1, "[");
    }
    return !is(f, i, ",") && !is(f, i, ";") && !is(f, i, ")") && !is(f, i, "]");
}

/* Whether a blank stands in front of a token. */
static bool parts(const struct format *f, size_t i)
{
    if (is_comment(f, i) || is_comment(f, i - 1)) {
        return parts_comment(f, i);
    }
    if (is(f, i, "}") || is(f, i - 1, "{")) {
        return !(is(f, i, "}") && is(f, i - 1, "{"));
    }
    if (is(f, i - 1, "(") || is(f, i - 1, "[") || is(f, i - 1, "..") ||
        is(f, i - 1, "...") || is(f, i - 1, "%") || is_bound(f, i - 1) ||
        (is(f, i - 1, "<") && !is_bound(f, i - 1))) {
        return false;
    }
    if (is(f, i, ";") || is(f, i, ",") || is(f, i, ")") || is(f, i, "]") ||
        is(f, i, "?") || is(f, i, ":") || is(f, i, ".") || is(f, i - 1, ".")) {
        return false;
    }
    if (is(f, i, "..")) {
        return is(f, i - 1, ",");
    }
    if (is(f, i, "<") || is(f, i, ">")) {
        return is_bound(f, i);
    }
    return is(f, i, "(") || is(f, i, "[") ? parts_bracket(f, i) : true;
}

size_t format_width(const struct format *f, size_t from, size_t to)
{
    size_t width = 0;
    for (size_t i = from; i < to; i++) {
        if (is_last_comma(f, i)) {
            continue;
        }
        width += text_width(f->tokens[i].text, f->tokens[i].len);
        width += i > from && parts(f, i);
    }
    return width;
}

/* ---- lists ---- */

/* Whether a bracket may be broken, and takes a comma behind its last item. */
static bool is_list(const struct format *f, size_t open,
                    enum format_context context)
{
    const size_t first = skip_comments(f, open + 1);
    if (is(f, open, "(")) { /* parameters, not rules or a type */
        const struct token *name = &f->tokens[first];
        return (name->kind == TOKEN_WORD || name->text[0] == '"') &&
               is(f, skip_comments(f, first + 1), ":");
    }
    return first < f->match[open] &&
           (is(f, open, "{") || context == FORMAT_VALUE);
}

/* Whether a list fits, with the tokens that stay on its last line. */
static bool fits(const struct format *f, size_t open, size_t to)
{
    size_t end = f->match[open] + 1;
    while (end < to && !ends_line(f, end)) {
        end++;
        if (is_opening(f, end - 1) &&
            (is(f, end - 1, "{") || is_list(f, end - 1, FORMAT_TYPE))) {
            break;
        }
    }
    const bool comma = end == to && (is(f, to, ",") || is_closing(f, to));
    const size_t blank = open > 0 && f->column > 0 && parts(f, open);
    return f->column + blank + format_width(f, open, end) + comma <=
           FORMAT_COLUMNS;
}

/* The end of an item: its comma, or the bracket that closes. */
static size_t find_comma(const struct format *f, size_t i, size_t close)
{
    while (i < close && !is(f, i, ",")) {
        i = is_opening(f, i) ? f->match[i] + 1 : i + 1;
    }
    return i;
}

/* The comments behind @i on its line, if nothing else stands there. */
static size_t find_trailing(const struct format *f, size_t i, size_t close)
{
    size_t end = i;
    while (end < close && is_comment(f, end) && f->tokens[end].newlines == 0) {
        end++;
        if (ends_line(f, end - 1)) {
            return end;
        }
    }
    return end == close || f->tokens[end].newlines > 0 ? end : i;
}

static void put_trailing(struct format *f, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        emit_text(f->out, i == from ? "  " : " ");
        f->column += i == from ? 2 : 1;
        format_comment(f, &f->tokens[i]);
    }
}

/* The end of the comments from @i on that stand on a line with nothing else;
 * @i: there are none. */
static size_t find_alone(const struct format *f, size_t i, size_t close)
{
    if (i == close || !is_comment(f, i)) {
        return i;
    }
    size_t last = i;
    while (!ends_line(f, last) && last + 1 < close && is_comment(f, last + 1) &&
           f->tokens[last + 1].newlines == 0) {
        last++;
    }
    const bool alone = ends_line(f, last) || last + 1 == close ||
                       f->tokens[last + 1].newlines > 0;
    return alone ? last + 1 : i;
}

/* Writes comments on lines of their own. Returns the token behind them. */
static size_t put_leading(struct format *f, size_t i, size_t close, bool first)
{
    for (;; first = false) {
        if (i < close && f->tokens[i].newlines > 1 && !first) {
            format_newline(f);
        }
        const size_t end = find_alone(f, i, close);
        if (end == i) {
            return i;
        }
        for (; i < end; i++) {
            format_comment(f, &f->tokens[i]);
            format_newline(f);
        }
    }
}

/* Writes an item of a broken list with its comments. Returns the token behind
 * it. */
static size_t put_item(struct format *f, size_t i, size_t close, bool comma,
                       enum format_context context)
{
    size_t end = find_comma(f, i, close);
    const bool separated = end < close;
    size_t last = end;
    while (!separated && last > i && is_comment(f, last - 1)) {
        last--;
    }
    format_range(f, i, last, context);
    if (comma || (separated && !is_last_comma(f, end))) {
        format_join(f, false);
        format_text(f, ",", 1);
    }
    const size_t behind = separated ? end + 1 : last;
    const size_t next = find_trailing(f, behind, close);
    put_trailing(f, behind, next);
    format_newline(f);
    return next;
}

static void put_broken(struct format *f, size_t open,
                       enum format_context context)
{
    const size_t close = f->match[open];
    const bool comma = is_list(f, open, context);
    const size_t next = find_trailing(f, open + 1, close);
    format_text(f, f->tokens[open].text, 1);
    put_trailing(f, open + 1, next);
    format_newline(f);
    f->indent += FORMAT_INDENT;
    for (size_t i = next; i < close;) {
        i = put_leading(f, i, close, i == next);
        if (i < close) {
            i = put_item(f, i, close, comma, context);
        }
    }
    f->indent -= FORMAT_INDENT;
    format_text(f, f->tokens[close].text, 1);
}

/* ---- a range ---- */

static void put_token(struct format *f, size_t i)
{
    format_comment(f, &f->tokens[i]);
    f->pending = ends_line(f, i);
}

void format_range(struct format *f, size_t from, size_t to,
                  enum format_context context)
{
    const enum format_context outer = context;
    for (size_t i = from; i < to; i++) {
        if (is(f, i, "=") && context == FORMAT_TYPE) {
            context = FORMAT_VALUE;
        } else if (is(f, i, ",")) {
            context = outer;
        }
        if (is_last_comma(f, i)) {
            continue;
        }
        const bool breaks = is_opening(f, i) &&
                            (format_is_forced(f, i, f->match[i]) ||
                             (is_list(f, i, context) && !fits(f, i, to)));
        format_join(f, i > from && parts(f, i));
        if (breaks) {
            put_broken(f, i, context);
            i = f->match[i];
        } else {
            put_token(f, i);
        }
    }
}
