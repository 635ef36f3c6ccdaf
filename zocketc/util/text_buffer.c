/*
 * The text buffer that templates write to, and the forms in which text of the
 * schema gets there: C strings, JSON strings, comments. All of them take any
 * valid UTF-8, NUL included where a length is given. Characters that would be
 * invisible or change the direction of a line are spelled out, since compilers
 * warn about them and readers are misled.
 */
#include "util/text_buffer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/unicode.h"

void text_buffer_finish(struct text_buffer *out)
{
    free(out->text);
    *out = (struct text_buffer){ 0 };
}

void text_buffer_reserve(struct text_buffer *out, size_t more)
{
    if (out->capacity - out->len > more) {
        return;
    }
    size_t capacity = out->capacity > 0 ? out->capacity : 4096;
    while (capacity - out->len <= more && capacity <= SIZE_MAX / 2) {
        capacity *= 2;
    }
    char *text = realloc(out->text, capacity);
    if (text == NULL || capacity - out->len <= more) {
        fputs("zocketc: out of memory\n", stderr);
        exit(2);
    }
    out->text = text;
    out->capacity = capacity;
}

void emit_blanks(struct text_buffer *out, size_t count)
{
    text_buffer_reserve(out, count);
    memset(out->text + out->len, ' ', count);
    out->len += count;
    out->text[out->len] = '\0';
}

void emit_bool(struct text_buffer *out, bool value)
{
    emit_text(out, value ? "true" : "false");
}

void emit_signed(struct text_buffer *out, long long value)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", value);
    emit_text(out, text);
}

void emit_unsigned(struct text_buffer *out, unsigned long long value)
{
    char text[32];
    snprintf(text, sizeof(text), "%llu", value);
    emit_text(out, text);
}

void emit_real(struct text_buffer *out, double value, bool single)
{
    char text[40];
    value = single ? (double)(float)value : value;
    for (int digits = single ? 6 : 15; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, value);
        const double back = strtod(text, NULL);
        if (single ? (float)back == (float)value : back == value) {
            break;
        }
    }
    emit_text(out, text);
}

/* The constant has a point, or it would be an integer. */
static void emit_constant(struct text_buffer *out, double value, bool single)
{
    const size_t start = out->len;
    emit_real(out, value, single);
    if (out->text != NULL && strpbrk(out->text + start, ".e") == NULL) {
        emit_text(out, ".0");
    }
}

void emit_double(struct text_buffer *out, double value)
{
    if (isinf(value)) {
        emit_text(out, value < 0 ? "-INFINITY" : "INFINITY");
    } else {
        emit_constant(out, value, false);
    }
}

void emit_float(struct text_buffer *out, float value)
{
    emit_constant(out, (double)value, true);
    emit_text(out, "f");
}

/* ---- string literals ---- */

struct emit_c_literal c_string(const char *text)
{
    return (struct emit_c_literal){ text, strlen(text) };
}

struct emit_c_literal c_string_of(const char *text, size_t len)
{
    return (struct emit_c_literal){ text, len };
}

struct emit_json_literal json_string_of(const char *text, size_t len)
{
    return (struct emit_json_literal){ text, len };
}

struct emit_json_literal json_string(const char *text)
{
    return (struct emit_json_literal){ text, strlen(text) };
}

/* Three octal digits each: unlike \x, they end by themselves. */
static void emit_octal(struct text_buffer *out, const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char text[8];
        snprintf(text, sizeof(text), "\\%03o", (unsigned char)bytes[i]);
        emit_text(out, text);
    }
}

void emit_c_string(struct text_buffer *out, struct emit_c_literal literal)
{
    emit_text(out, "\"");
    for (size_t at = 0, size; at < literal.len; at += size) {
        const char *c = literal.text + at;
        const unsigned code = unicode_read(c, literal.len - at, &size);
        if (code == '\n') {
            emit_text(out, "\\n");
        } else if (code == '\t') {
            emit_text(out, "\\t");
        } else if (unicode_is_unseen(code)) {
            emit_octal(out, c, size);
        } else {
            const bool trigraph = code == '?' && at > 0 && c[-1] == '?';
            if (code == '"' || code == '\\' || trigraph) {
                emit_text(out, "\\");
            }
            emit_bytes(out, c, size);
        }
    }
    emit_text(out, "\"");
}

void emit_json_string(struct text_buffer *out, struct emit_json_literal literal)
{
    emit_text(out, "\"");
    for (size_t i = 0; i < literal.len; i++) {
        const unsigned char c = (unsigned char)literal.text[i];
        char escape[8];
        if (c < 0x20) {
            snprintf(escape, sizeof(escape), "\\u%04x", c);
            emit_text(out, escape);
            continue;
        }
        if (c == '"' || c == '\\') {
            emit_text(out, "\\");
        }
        emit_bytes(out, literal.text + i, 1);
    }
    emit_text(out, "\"");
}

/* ---- comments ---- */

static void emit_unseen(struct text_buffer *out, unsigned code)
{
    char name[16];
    snprintf(name, sizeof(name), "<U+%04X>", code);
    emit_text(out, name);
}

void emit_visible(struct text_buffer *out, const char *text)
{
    const size_t len = strlen(text);
    for (size_t at = 0, size; at < len; at += size) {
        const unsigned code = unicode_read(text + at, len - at, &size);
        if (unicode_is_unseen(code)) {
            emit_unseen(out, code);
        } else {
            emit_bytes(out, text + at, size);
        }
    }
}

/* Whether a blank must stand between two characters of a comment: comments
 * neither end nor nest, and hold no trigraph. */
static bool must_part(char a, char b)
{
    return (a == '*' && b == '/') || (a == '/' && b == '*') ||
           (a == '?' && b == '?');
}

/* A line of a comment; *@last is the character before it. */
static void emit_comment_line(struct text_buffer *out, const char *line,
                              size_t len)
{
    char last = ' ';
    for (size_t at = 0, size; at < len; at += size) {
        const char *c = line + at;
        const unsigned code = unicode_read(c, len - at, &size);
        if (unicode_is_unseen(code) && code != '\t') {
            emit_unseen(out, code);
            last = '>';
            continue;
        }
        if (must_part(last, *c)) {
            emit_text(out, " ");
        }
        emit_bytes(out, c, size);
        last = *c;
    }
}

enum {
    COLUMNS = 80,
    COMMENT_MARKS = 7 /* of a comment on a single line */
};

void emit_comment(struct text_buffer *out, unsigned indent, const char *doc)
{
    if (doc == NULL || doc[0] == '\0') {
        return;
    }
    size_t len = strcspn(doc, "\n");
    emit_blanks(out, indent);
    if (doc[len] == '\0' && indent + len + COMMENT_MARKS <= COLUMNS) {
        emit_text(out, "/** ");
        emit_comment_line(out, doc, len);
        emit_text(out, " */\n");
        return;
    }
    emit_text(out, "/**\n");
    for (;;) {
        emit_blanks(out, indent);
        emit_text(out, len > 0 ? " * " : " *");
        emit_comment_line(out, doc, len);
        emit_text(out, "\n");
        if (doc[len] == '\0') {
            break;
        }
        doc += len + 1;
        len = strcspn(doc, "\n");
    }
    emit_blanks(out, indent);
    emit_text(out, " */\n");
}
