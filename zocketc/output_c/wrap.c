/*
 * Breaking long lines: the last pair of parentheses at the outer level is the
 * list of arguments (`void (*done)(int a, int b)`); its parts go on lines of
 * their own where they must, under the first part, or, where even that is too
 * wide, four columns in. A part that is too long itself is broken the same
 * way. The parts of a long initialiser go on lines of their own. This knows
 * strings, parentheses and braces, and nothing else of C.
 */
#include "output_c/wrap.h"

#include <limits.h>
#include <string.h>

enum {
    WIDTH = 80,
    INDENT = 4
};

/* Text that will stand in a line or more, and where it begins. */
struct piece {
    const char *text;
    size_t len;
    size_t column; /* of its first character */
    size_t indent; /* of the line that it belongs to */
    size_t tail;   /* characters that must follow it on its last line */
};

/* The place behind the string that begins at @at. */
static size_t skip_string(const char *text, size_t len, size_t at)
{
    const char quote = text[at++];
    while (at < len && text[at] != quote) {
        at += text[at] == '\\' ? 2 : 1;
    }
    return at + 1;
}

/* The next character from @at on that this knows; @len: there is none. Most
 * are part of names, and many lines are looked through. */
static size_t next_mark(const char *text, size_t len, size_t at)
{
    static const bool marks[UCHAR_MAX + 1] = {
        ['"'] = true, ['('] = true, [')'] = true,
        ['{'] = true, ['}'] = true, [','] = true,
    };
    while (at < len && !marks[(unsigned char)text[at]]) {
        at++;
    }
    return at;
}

/* Where the last outer pair of parentheses opens and closes. */
static bool find_arguments(const struct piece *piece, size_t *open,
                           size_t *close)
{
    size_t depth = 0, at = 0, start = 0;
    bool found = false;
    while ((at = next_mark(piece->text, piece->len, at)) < piece->len) {
        const char c = piece->text[at];
        if (c == '"') {
            at = skip_string(piece->text, piece->len, at);
            continue;
        }
        if (c == '(' && depth++ == 0) {
            start = at;
        }
        if (c == ')' && depth > 0 && --depth == 0) {
            *open = start;
            *close = at;
            found = true;
        }
        at++;
    }
    return found;
}

/* The length of the argument at @text, up to its comma or to @len. */
static size_t argument_len(const char *text, size_t len)
{
    size_t depth = 0, at = 0;
    while ((at = next_mark(text, len, at)) < len &&
           !(text[at] == ',' && depth == 0)) {
        if (text[at] == '"') {
            at = skip_string(text, len, at);
            continue;
        }
        depth += text[at] == '(' || text[at] == '{';
        depth -= text[at] == ')' || text[at] == '}';
        at++;
    }
    return at < len ? at : len;
}

/* The columns that must follow an argument: its comma, or the end of the list.
 */
static size_t argument_tail(size_t rest, size_t after)
{
    return rest > 0 ? 1 : after;
}

/* Behind an argument of @n characters: its comma and the blank. */
static size_t skip_comma(const char *text, size_t len, size_t n)
{
    n += n < len;
    n += n < len && text[n] == ' ';
    return n;
}

/* Whether every argument fits when all of them begin at @column. */
static bool fits(const char *text, size_t len, size_t column, size_t after)
{
    while (len > 0) {
        const size_t n = argument_len(text, len);
        const size_t next = skip_comma(text, len, n);
        if (column + n + argument_tail(len - next, after) > WIDTH) {
            return false;
        }
        text += next;
        len -= next;
    }
    return true;
}

static void emit_line_start(struct text_buffer *out, size_t indent)
{
    emit_text(out, "\n");
    emit_blanks(out, indent);
}

static void emit_piece(struct text_buffer *out, const struct piece *piece);

static void emit_arguments(struct text_buffer *out, const char *text,
                           size_t len, size_t column, size_t indent,
                           size_t after)
{
    bool is_first = true;
    while (len > 0) {
        const size_t n = argument_len(text, len);
        const size_t next = skip_comma(text, len, n);
        const size_t tail = argument_tail(len - next, after);
        if (!is_first && column + 1 + n + tail > WIDTH) {
            emit_line_start(out, indent);
            column = indent;
        } else if (!is_first) {
            emit_text(out, " ");
            column++;
        }
        const struct piece argument = { text, n, column, column, tail };
        emit_piece(out, &argument);
        column += n;
        if (len > next) {
            emit_text(out, ",");
            column++;
        }
        is_first = false;
        text += next;
        len -= next;
    }
}

static void emit_piece(struct text_buffer *out, const struct piece *piece)
{
    size_t open, close;
    if (piece->column + piece->len + piece->tail <= WIDTH ||
        !find_arguments(piece, &open, &close)) {
        emit_bytes(out, piece->text, piece->len);
        return;
    }
    const char *arguments = piece->text + open + 1;
    const size_t len = close - open - 1;
    const size_t after = piece->len - close + piece->tail;
    size_t column = piece->column + open + 1;
    emit_bytes(out, piece->text, open + 1);
    if (!fits(arguments, len, column, after)) {
        column = piece->indent + INDENT;
        emit_line_start(out, column);
    }
    emit_arguments(out, arguments, len, column, column, after);
    emit_bytes(out, piece->text + close, piece->len - close);
}

/* ---- initialisers ---- */

/* Where the first brace outside of parentheses and strings is; @len: none. */
static size_t find_brace(const char *text, size_t len)
{
    size_t depth = 0, at = 0;
    while ((at = next_mark(text, len, at)) < len &&
           !(text[at] == '{' && depth == 0)) {
        if (text[at] == '"') {
            at = skip_string(text, len, at);
            continue;
        }
        depth += text[at] == '(';
        depth -= text[at] == ')';
        at++;
    }
    return at < len ? at : len;
}

/* Whether @text is `… { … }`, with at most a comma or semicolon behind. */
static bool is_initialiser(const char *text, size_t len)
{
    const bool ends = len > 0 && (text[len - 1] == ',' || text[len - 1] == ';');
    len -= ends;
    return len > 0 && text[len - 1] == '}' && find_brace(text, len) < len;
}

/* Puts the parts between the braces of @text on lines of their own. The text
 * stands @indent columns in, and @tail characters follow it. */
static void emit_initialiser(struct text_buffer *out, const char *text,
                             size_t len, size_t indent, size_t tail)
{
    if (indent + len + tail <= WIDTH || !is_initialiser(text, len)) {
        const struct piece piece = { text, len, indent, indent, tail };
        emit_piece(out, &piece);
        return;
    }
    size_t at = find_brace(text, len) + 1;
    size_t end = len;
    while (text[end - 1] != '}') {
        end--;
    }
    const size_t close = end - 1;
    emit_bytes(out, text, at);
    while (at < close) {
        at += text[at] == ' ';
        size_t n = argument_len(text + at, close - at);
        const size_t next = skip_comma(text + at, close - at, n);
        n -= n > 0 && text[at + n - 1] == ' ';
        if (n > 0) {
            emit_line_start(out, indent + INDENT);
            emit_initialiser(out, text + at, n, indent + INDENT, 1);
            emit_text(out, ",");
        }
        at += next;
    }
    emit_line_start(out, indent);
    emit_bytes(out, text + close, len - close);
}

/* ---- lines ---- */

/* The blank in front of the name that is defined in `TYPE NAME = {`, or 0. */
static size_t find_definition(const char *line, size_t len)
{
    static const char end[] = " = {";
    const size_t tail = sizeof(end) - 1;
    if (len <= tail || memcmp(line + len - tail, end, tail) != 0) {
        return 0;
    }
    size_t at = len - tail;
    while (at > 0 && line[at - 1] != ' ') {
        at--;
    }
    return at > 0 ? at - 1 : 0;
}

static void emit_line(struct text_buffer *out, const char *line, size_t len)
{
    const size_t indent = strspn(line, " ");
    const char first = line[indent];
    if (len <= WIDTH || first == '#' || first == '/' || first == '*') {
        emit_bytes(out, line, len);
        return;
    }
    const size_t name = find_definition(line, len);
    if (name > indent) {
        emit_bytes(out, line, name);
        emit_line_start(out, indent + INDENT);
        emit_bytes(out, line + name + 1, len - name - 1);
        return;
    }
    emit_bytes(out, line, indent);
    if (is_initialiser(line + indent, len - indent)) {
        emit_initialiser(out, line + indent, len - indent, indent, 0);
        return;
    }
    const struct piece whole = { line + indent, len - indent, indent, indent,
                                 0 };
    emit_piece(out, &whole);
}

/* Whether a line begins a documentation comment. */
static bool is_doc(const char *line)
{
    return strncmp(line + strspn(line, " "), "/**", 3) == 0;
}

struct text_buffer wrap_code(const struct text_buffer *text)
{
    struct text_buffer out = { 0 };
    const char *line = text->text != NULL ? text->text : "";
    bool blank_is_due = false;
    char last = '{'; /* character of the line before */
    for (; *line != '\0'; line += *line == '\n') {
        const size_t len = strcspn(line, "\n");
        if (len == 0) {
            blank_is_due = true;
            continue;
        }
        blank_is_due = blank_is_due || (is_doc(line) && last != '{');
        if (blank_is_due && out.len > 0) {
            emit_text(&out, "\n");
        }
        blank_is_due = false;
        emit_line(&out, line, len);
        emit_text(&out, "\n");
        line += len;
        last = line[-1];
    }
    return out;
}
