/* Defaults as JSON: as they would be on the wire, with all that they take from
 * the defaults of fields. */
#include <stdlib.h>
#include <string.h>

#include "output_json/describe.h"

struct json_value *describe_real(struct arena *arena,
                                 const struct schema_type *type, double value)
{
    struct text_buffer text = { 0 };
    if (schema_is_single(type->kind)) {
        emit_real(&text, value, true);
    } else {
        emit_double(&text, value);
    }
    struct json_value *number = json_value_number(
        arena, arena_text(arena, text.text, text.len));
    text_buffer_finish(&text);
    return number;
}

static struct json_value *describe_word(struct arena *arena, const char *word,
                                        const struct schema_type *type)
{
    const struct schema_enum *e = type->enumeration;
    for (size_t i = 0; e != NULL && i < e->value_count; i++) {
        if (strcmp(e->values[i].name.text, word) == 0) {
            return json_value_string(arena, e->values[i].wire.text,
                                     e->values[i].wire.len);
        }
    }
    return strcmp(word, "null") == 0
               ? json_value_new(arena, JSON_NULL)
               : json_value_bool(arena, strcmp(word, "true") == 0);
}

/* All members of an object, with the defaults of fields that it leaves out. */
static struct json_value *describe_struct_value(struct arena *arena,
                                                const struct ast_value *value,
                                                const struct schema_struct *s)
{
    struct json_value *to = json_value_new(arena, JSON_OBJECT);
    for (size_t i = 0; i < s->field_count; i++) {
        const struct schema_field *f = &s->fields[i];
        const struct ast_value *v = ast_find_member(value, f->name.text);
        v = v != NULL                         ? v
            : f->type->kind == SCHEMA_LITERAL ? f->type->literal
                                              : f->value;
        if (v != NULL) {
            json_value_add(to, f->name.text, describe_value(arena, v, f->type));
        }
    }
    return to;
}

static struct json_value *describe_items(struct arena *arena,
                                         const struct ast_value *value,
                                         const struct schema_type *type)
{
    const bool list = value->kind == AST_VALUE_LIST;
    struct json_value *to = json_value_new(arena,
                                           list ? JSON_LIST : JSON_OBJECT);
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        json_value_add(to, list ? NULL : v->key.text,
                       describe_value(arena, v, type->inner));
    }
    return to;
}

/* A number as it is on the wire. */
static struct json_value *describe_number(struct arena *arena,
                                          const struct ast_value *value,
                                          const struct schema_type *type)
{
    if (!schema_is_real(type->kind)) {
        return json_value_number(arena, value->text);
    }
    return describe_real(arena, type, strtod(value->text, NULL));
}

static struct json_value *describe_union_value(struct arena *arena,
                                               const struct ast_value *value,
                                               const struct schema_union *u)
{
    const char *kind = ast_find_member(value, u->discriminator)->text;
    size_t i = 0;
    while (strcmp(u->variants[i].name.text, kind) != 0) {
        i++; /* the checker found it */
    }
    struct json_value *to = describe_struct_value(
        arena, value, u->variants[i].type->structure);
    json_value_add_text(arena, to, u->discriminator, kind);
    return to;
}

static struct json_value *describe_tuple_value(struct arena *arena,
                                               const struct ast_value *value,
                                               const struct schema_type *type)
{
    struct json_value *to = json_value_new(arena, JSON_LIST);
    size_t i = 0;
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        json_value_add(to, NULL, describe_value(arena, v, type->items[i++]));
    }
    return to;
}

/* A literal of `json` stands for itself. */
static struct json_value *describe_json(struct arena *arena,
                                        const struct ast_value *value)
{
    const bool list = value->kind == AST_VALUE_LIST;
    if (value->kind == AST_VALUE_NUMBER) {
        return json_value_number(arena, value->text);
    }
    if (value->kind == AST_VALUE_STRING) {
        return json_value_string(arena, value->text, value->len);
    }
    if (value->kind == AST_VALUE_NAME) {
        return strcmp(value->text, "null") == 0
                   ? json_value_new(arena, JSON_NULL)
                   : json_value_bool(arena, strcmp(value->text, "true") == 0);
    }
    struct json_value *to = json_value_new(arena,
                                           list ? JSON_LIST : JSON_OBJECT);
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        json_value_add(to, list ? NULL : v->key.text, describe_json(arena, v));
    }
    return to;
}

struct json_value *describe_value(struct arena *arena,
                                  const struct ast_value *value,
                                  const struct schema_type *type)
{
    if (schema_may_lack(type->kind)) {
        type = type->inner;
    }
    if (schema_kinds[type->kind].class == SCHEMA_CLASS_ANY ||
        type->kind == SCHEMA_LITERAL) {
        return describe_json(arena, value);
    }
    switch (value->kind) {
    case AST_VALUE_NUMBER:
        return describe_number(arena, value, type);
    case AST_VALUE_STRING:
        return json_value_string(arena, value->text, value->len);
    case AST_VALUE_NAME:
        return describe_word(arena, value->text, type);
    case AST_VALUE_LIST:
    case AST_VALUE_OBJECT:
        break;
    }
    if (type->kind == SCHEMA_STRUCT) {
        return describe_struct_value(arena, value, type->structure);
    }
    if (type->kind == SCHEMA_UNION) {
        return describe_union_value(arena, value, type->alternatives);
    }
    return type->kind == SCHEMA_TUPLE ? describe_tuple_value(arena, value, type)
                                      : describe_items(arena, value, type);
}
