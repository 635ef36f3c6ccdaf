/*
 * Defaults as TypeScript, as far as the schema writes them: fields that a
 * default leaves out are left out. Words are values of enums, variants, or
 * null, true and false; which of them, the type says.
 */
#include <string.h>

#include "output_ts/lower.h"

struct writer {
    struct arena *arena;
    struct text_buffer out;
};

static void write_value(struct writer *w, const struct ast_value *value,
                        const struct schema_type *type);

static void write_string(struct writer *w, const char *text, size_t len)
{
    emit_text(&w->out, ts_string(w->arena, text, len));
}

static void write_word(struct writer *w, const char *word,
                       const struct schema_type *type)
{
    const struct schema_enum *e = type != NULL ? type->enumeration : NULL;
    for (size_t i = 0; e != NULL && i < e->value_count; i++) {
        if (strcmp(e->values[i].name.text, word) == 0) {
            write_string(w, e->values[i].wire.text, e->values[i].wire.len);
            return;
        }
    }
    emit_text(&w->out, word);
}

/* ---- objects and lists ---- */

/* The struct that an object is a value of; NULL: of none. */
static const struct schema_struct *struct_of(const struct ast_value *object,
                                             const struct schema_type *type)
{
    const struct schema_union *u = type->alternatives;
    if (u == NULL) {
        return type->structure;
    }
    const char *kind = ast_find_member(object, u->discriminator)->text;
    size_t i = 0;
    while (strcmp(u->variants[i].name.text, kind) != 0) {
        i++; /* the checker found it */
    }
    return u->variants[i].type->structure;
}

/* The type of a member; NULL: that of a discriminator, or in json. */
static const struct schema_type *member_type(const struct schema_type *type,
                                             const struct schema_struct *s,
                                             const char *key)
{
    for (size_t i = 0; s != NULL && i < s->field_count; i++) {
        if (strcmp(s->fields[i].name.text, key) == 0) {
            return s->fields[i].type;
        }
    }
    return type->kind == SCHEMA_MAP ? type->inner : NULL;
}

static void write_member(struct writer *w, const struct ast_value *value,
                         const struct schema_type *type,
                         const struct schema_struct *s)
{
    const struct schema_union *u = type != NULL ? type->alternatives : NULL;
    emit_text(&w->out, ts_key(w->arena, value->key.text));
    emit_text(&w->out, ": ");
    if (u != NULL && strcmp(value->key.text, u->discriminator) == 0) {
        write_string(w, value->text, strlen(value->text));
    } else {
        write_value(w, value,
                    type != NULL ? member_type(type, s, value->key.text)
                                 : NULL);
    }
}

static void write_object(struct writer *w, const struct ast_value *value,
                         const struct schema_type *type)
{
    const struct schema_struct *s = type != NULL ? struct_of(value, type)
                                                 : NULL;
    emit_text(&w->out, value->first != NULL ? "{ " : "{");
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        emit_text(&w->out, v != value->first ? ", " : "");
        write_member(w, v, type, s);
    }
    emit_text(&w->out, value->first != NULL ? " }" : "}");
}

static void write_list(struct writer *w, const struct ast_value *value,
                       const struct schema_type *type)
{
    size_t i = 0;
    emit_text(&w->out, "[");
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        emit_text(&w->out, i > 0 ? ", " : "");
        write_value(w, v,
                    type == NULL                 ? NULL
                    : type->kind == SCHEMA_TUPLE ? type->items[i]
                                                 : type->inner);
        i++;
    }
    emit_text(&w->out, "]");
}

/* @type: NULL within json. */
static void write_value(struct writer *w, const struct ast_value *value,
                        const struct schema_type *type)
{
    if (type != NULL && schema_may_lack(type->kind)) {
        type = type->inner;
    }
    if (type != NULL && schema_kinds[type->kind].class == SCHEMA_CLASS_ANY) {
        type = NULL;
    }
    switch (value->kind) {
    case AST_VALUE_NUMBER:
        emit_text(&w->out, value->text);
        break;
    case AST_VALUE_STRING:
        write_string(w, value->text, value->len);
        break;
    case AST_VALUE_NAME:
        write_word(w, value->text, type);
        break;
    case AST_VALUE_LIST:
        write_list(w, value, type);
        break;
    case AST_VALUE_OBJECT:
        write_object(w, value, type);
        break;
    }
}

const char *ts_value(struct arena *arena, const struct ast_value *value,
                     const struct schema_type *type)
{
    struct writer w = { .arena = arena };
    write_value(&w, value, type);
    const char *text = arena_text(arena, w.out.text, w.out.len);
    text_buffer_finish(&w.out);
    return text;
}
