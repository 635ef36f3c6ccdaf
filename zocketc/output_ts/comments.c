/*
 * Comments in the style of TSDoc: documentation of the schema, then a
 * paragraph of the things that the type cannot say. A '@' would begin a tag,
 * so it gets a backslash, by which Markdown shows it as it is; so does the end
 * of a comment. Characters that cannot be seen are named.
 */
#include <ctype.h>
#include <string.h>

#include "output_ts/lower.h"

enum {
    LONGEST_DEFAULT = 60 /* bytes; others are not said */
};

/* ---- lines ---- */

static const char *escape(struct arena *arena, const char *text)
{
    struct text_buffer visible = { 0 }, out = { 0 };
    for (size_t len; *text != '\0'; text += len) {
        len = strcspn(text, "\t");
        emit_visible(&visible, arena_text(arena, text, len));
        if (text[len] == '\t') {
            emit_text(&visible, " ");
            len++;
        }
    }
    char last = '\0';
    for (const char *c = visible.text; c != NULL && *c != '\0'; c++) {
        if (*c == '@' || (*c == '/' && last == '*')) {
            emit_text(&out, "\\");
        }
        emit_bytes(&out, c, 1);
        last = *c;
    }
    const char *line = arena_text(arena, out.len > 0 ? out.text : "", out.len);
    text_buffer_finish(&visible);
    text_buffer_finish(&out);
    return line;
}

static void add_lines(struct arena *arena, struct list *lines, const char *text)
{
    for (;;) {
        const size_t len = strcspn(text, "\n");
        const char *line = escape(arena, arena_text(arena, text, len));
        list_add(arena, lines, &line, sizeof(line));
        if (text[len] == '\0') {
            return;
        }
        text += len + 1;
    }
}

/* Documentation with a paragraph of words behind it, if there are some. */
static struct ts_comment comment_with(struct arena *arena, const char *doc,
                                      const char *words)
{
    struct list lines = { 0 };
    if (doc != NULL) {
        add_lines(arena, &lines, doc);
    }
    if (words[0] != '\0') {
        if (doc != NULL) {
            add_lines(arena, &lines, "");
        }
        add_lines(arena, &lines, words);
    }
    return (struct ts_comment){ lines.items, lines.count };
}

struct ts_comment ts_comment(struct arena *arena, const char *doc)
{
    return comment_with(arena, doc, "");
}

/* ---- words ---- */

/* Adds a sentence to others. */
static const char *sentence(struct arena *arena, const char *text,
                            const char *words)
{
    char *first = arena_text(arena, words, strlen(words));
    first[0] = (char)toupper((unsigned char)first[0]);
    return words[0] != '\0' ? arena_printf(arena, "%s%s%s.", text,
                                           text[0] != '\0' ? " " : "", first)
                            : text;
}

static const char *reader_words(struct arena *arena,
                                const struct schema_reader *reader)
{
    switch (reader->kind) {
    case SCHEMA_READER_AUDIENCE:
        return arena_printf(arena, "only the audience `%s` sees it",
                            reader->name.text);
    case SCHEMA_READER_DATA:
        return arena_printf(arena, "only your own entry is there, by `%s`",
                            reader->name.text);
    case SCHEMA_READER_CLIENT:
        return "only your own entry is there, by the id of the client";
    case SCHEMA_READER_ALL:
        break;
    }
    return "";
}

/* A state begins with its defaults; of other things only a sender knows them.
 */
static const char *default_words(struct arena *arena,
                                 const struct schema_struct *s,
                                 const struct schema_field *field,
                                 enum ts_way way)
{
    const bool begins = s->role == SCHEMA_STATE && way == TS_IN;
    if (field->value == NULL || (way == TS_IN && !begins)) {
        return "";
    }
    const char *text = ts_value(arena, field->value, field->type);
    if (strlen(text) > LONGEST_DEFAULT || strchr(text, '`') != NULL) {
        return "";
    }
    return arena_printf(arena, begins ? "begins as `%s`" : "default: `%s`",
                        text);
}

struct ts_comment ts_field_comment(struct arena *arena,
                                   const struct schema_struct *s,
                                   const struct schema_field *field,
                                   enum ts_way way)
{
    const char *rules = s->role == SCHEMA_CONNECTION_INPUT
                            ? ts_parameter_rules(arena, field->type)
                            : ts_rules(arena, field->type);
    const char *words = sentence(arena, "", rules);
    words = sentence(arena, words, default_words(arena, s, field, way));
    words = sentence(arena, words, reader_words(arena, &field->reader));
    return comment_with(arena, field->doc, words);
}

/* ---- enums and unions ---- */

static const char growth[] = "Newer servers may send other values.";

/* "- `"red"`: documentation" */
static void emit_documented(struct arena *arena, struct text_buffer *out,
                            const struct schema_enum_value *v)
{
    const char *literal = ts_string(arena, v->wire.text, v->wire.len);
    emit_text(out, "- `");
    emit_text(out, strchr(literal, '`') == NULL ? literal : v->name.text);
    emit_text(out, "`: ");
    emit_text(out, v->doc);
}

/* Documented values are a list behind the documentation of the enum. */
struct ts_comment ts_enum_comment(struct arena *arena,
                                  const struct schema_enum *e, bool comes_in)
{
    struct text_buffer doc = { 0 };
    const char *between = e->doc != NULL ? "\n\n" : "";
    emit_text(&doc, e->doc != NULL ? e->doc : "");
    for (size_t i = 0; i < e->value_count; i++) {
        if (e->values[i].doc != NULL) {
            emit_text(&doc, between);
            emit_documented(arena, &doc, &e->values[i]);
            between = "\n";
        }
    }
    const struct ts_comment comment = comment_with(
        arena, doc.len > 0 ? doc.text : NULL, comes_in ? growth : "");
    text_buffer_finish(&doc);
    return comment;
}

struct ts_comment ts_union_comment(struct arena *arena,
                                   const struct schema_union *u, bool comes_in)
{
    return comment_with(arena, u->doc, comes_in ? growth : "");
}

struct ts_comment ts_tuple_comment(struct arena *arena,
                                   const struct schema_type *type)
{
    return comment_with(arena, NULL,
                        sentence(arena, "", ts_tuple_rules(arena, type)));
}

/* ---- methods ---- */

struct ts_comment ts_method_comment(struct arena *arena,
                                    const struct schema *schema,
                                    const struct schema_method *method)
{
    struct text_buffer words = { 0 };
    for (size_t i = 0; i < method->errors.count; i++) {
        const uint16_t number = method->errors.items[i];
        emit_text(&words, i == 0 ? "Throws `" : ", `");
        emit_text(&words, schema->errors[number].name.text);
        emit_text(&words, "`");
    }
    emit_text(&words, method->errors.count > 0 ? "." : "");
    const struct ts_comment comment = comment_with(arena, method->doc,
                                                   words.text);
    text_buffer_finish(&words);
    return comment;
}
