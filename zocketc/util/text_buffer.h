/*
 * Where templates write: a text that grows, and holes for values of a few
 * types. Nothing is written to a file here; out of memory ends the program,
 * as everywhere in the compiler.
 *
 * Text of the schema never reaches the output raw: it goes through a
 * wrapper below, which name its form. In a template:
 *   ${f->c_field}           an identifier or C text that the model made
 *   ${c_string(f->name)}    a C string literal, with its quotes
 */
#ifndef TEXT_BUFFER_H
#define TEXT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** Zero is an empty text. The text has a NUL behind it unless it is NULL. */
struct text_buffer {
    char *text;
    size_t len, capacity;
};

/** Releases the text, and makes it empty. */
void text_buffer_finish(struct text_buffer *out);

/** Makes room for @more characters and a NUL. */
void text_buffer_reserve(struct text_buffer *out, size_t more);

static inline void emit_bytes(struct text_buffer *out, const char *bytes,
                              size_t len)
{
    if (out->capacity - out->len <= len) {
        text_buffer_reserve(out, len);
    }
    if (len > 0) {
        memcpy(out->text + out->len, bytes, len);
    }
    out->len += len;
    out->text[out->len] = '\0';
}

static inline void emit_text(struct text_buffer *out, const char *text)
{
    emit_bytes(out, text, strlen(text));
}

void emit_blanks(struct text_buffer *out, size_t count);
void emit_bool(struct text_buffer *out, bool value);
void emit_signed(struct text_buffer *out, long long value);
void emit_unsigned(struct text_buffer *out, unsigned long long value);
/** The shortest decimal that reads back to this value; @single: as a float. */
void emit_real(struct text_buffer *out, double value, bool single);
/** The same as a C constant of its type. */
void emit_double(struct text_buffer *out, double value);
void emit_float(struct text_buffer *out, float value);

/* Text that is to become a string literal; made by the functions below. */
struct emit_c_literal {
    const char *text;
    size_t len;
};
struct emit_json_literal {
    const char *text;
    size_t len;
};

/**
 * A C string literal with its quotes, for any UTF-8. Invisible characters and
 * trigraphs are escaped.
 */
struct emit_c_literal c_string(const char *text);
/** The same for text that may hold a NUL. */
struct emit_c_literal c_string_of(const char *text, size_t len);
/** A JSON string with its quotes (RFC 8259, section 7). */
struct emit_json_literal json_string(const char *text);
struct emit_json_literal json_string_of(const char *text, size_t len);

void emit_c_string(struct text_buffer *out, struct emit_c_literal literal);
void emit_json_string(struct text_buffer *out,
                      struct emit_json_literal literal);

/** Text for people; a character that cannot be seen is named: "<U+200B>". */
void emit_visible(struct text_buffer *out, const char *text);

/**
 * @doc, lines of text, as a comment that is indented by @indent blanks:
 * nothing at all when it is NULL or empty. No text can end the comment.
 */
void emit_comment(struct text_buffer *out, unsigned indent, const char *doc);

#define emit_value(out, value)                                                 \
    _Generic((value),                                                          \
        const char *: emit_text,                                               \
        char *: emit_text,                                                     \
        bool: emit_bool,                                                       \
        int: emit_signed,                                                      \
        long: emit_signed,                                                     \
        long long: emit_signed,                                                \
        unsigned: emit_unsigned,                                               \
        unsigned long: emit_unsigned,                                          \
        unsigned long long: emit_unsigned,                                     \
        double: emit_double,                                                   \
        struct emit_c_literal: emit_c_string,                                  \
        struct emit_json_literal: emit_json_string)(out, value)

#endif
