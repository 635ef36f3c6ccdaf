/*
 * Defaults as initialisers of C, which are constant: structs are written out
 * with the defaults of their fields, and pointers lead to compound literals.
 * The checker has seen that each default fits its type.
 */
#include <stdlib.h>
#include <string.h>

#include "output_c/lower.h"
#include "util/text_buffer.h"

/* Parts of an initialiser, with commas between them. */
struct joined {
    struct text_buffer text;
    size_t count;
};

static void join(struct joined *j, const char *before, const char *part,
                 const char *after)
{
    emit_text(&j->text, j->count++ > 0 ? ", " : "");
    emit_text(&j->text, before);
    emit_text(&j->text, part);
    emit_text(&j->text, after);
}

/* All of it; releases @j. */
static const char *take_joined(struct lower *l, struct joined *j)
{
    const char *text = arena_text(l->arena, j->count > 0 ? j->text.text : "",
                                  j->text.len);
    text_buffer_finish(&j->text);
    return text;
}

static const char *string_literal(struct lower *l, const char *text, size_t len)
{
    struct text_buffer out = { 0 };
    emit_c_string(&out, c_string_of(text, len));
    const char *literal = arena_printf(l->arena, "ZKT_STR_INIT(%s)", out.text);
    text_buffer_finish(&out);
    return literal;
}

const char *lower_constant(struct lower *l, const struct ast_value *value)
{
    struct text_buffer out = { 0 };
    if (value->kind == AST_VALUE_STRING) {
        emit_c_string(&out, c_string_of(value->text, value->len));
    } else {
        emit_text(&out, value->text);
    }
    const char *text = arena_text(l->arena, out.text, out.len);
    text_buffer_finish(&out);
    return text;
}

/* ---- scalars ---- */

static const char *of_real(struct lower *l, const struct ast_value *value,
                           enum schema_kind kind)
{
    struct text_buffer out = { 0 };
    const double number = strtod(value->text, NULL) + 0.0; /* -0 is 0 */
    if (schema_is_single(kind)) {
        emit_float(&out, (float)number);
    } else {
        emit_double(&out, number);
    }
    const char *text = arena_text(l->arena, out.text, out.len);
    text_buffer_finish(&out);
    return text;
}

static unsigned base64_digit(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *digit = strchr(digits, c);
    return digit != NULL ? (unsigned)(digit - digits) : 0;
}

/* Bytes are written as base64 (RFC 4648, section 4). */
static const char *of_bytes(struct lower *l, const struct ast_value *value)
{
    struct text_buffer out = { 0 };
    unsigned bits = 0;
    size_t count = 0;
    emit_text(&out, "{ (const uint8_t[]){ ");
    for (size_t i = 0; i < value->len && value->text[i] != '='; i++) {
        bits = (bits << 6 | base64_digit(value->text[i])) & 0xffffff;
        if (i % 4 != 0) {
            emit_text(&out, count++ > 0 ? ", " : "");
            emit_unsigned(&out, bits >> (6 - 2 * (i % 4)) & 0xff);
        }
    }
    const char *text = count > 0 ? arena_printf(l->arena, "%s }, %zu }",
                                                out.text, count)
                                 : "{ 0 }";
    text_buffer_finish(&out);
    return text;
}

static void write_json(struct text_buffer *out, const struct ast_value *value);

static void write_json_members(struct text_buffer *out,
                               const struct ast_value *value)
{
    const bool object = value->kind == AST_VALUE_OBJECT;
    emit_text(out, object ? "{" : "[");
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        if (v != value->first) {
            emit_text(out, ",");
        }
        if (object) {
            emit_json_string(out, json_string(v->key.text));
            emit_text(out, ":");
        }
        write_json(out, v);
    }
    emit_text(out, object ? "}" : "]");
}

static void write_json(struct text_buffer *out, const struct ast_value *value)
{
    switch (value->kind) {
    case AST_VALUE_NUMBER:
    case AST_VALUE_NAME:
        emit_text(out, value->text);
        return;
    case AST_VALUE_STRING:
        emit_json_string(out, json_string_of(value->text, value->len));
        return;
    case AST_VALUE_LIST:
    case AST_VALUE_OBJECT:
        write_json_members(out, value);
        return;
    }
}

static const char *of_json(struct lower *l, const struct ast_value *value)
{
    struct text_buffer text = { 0 };
    write_json(&text, value);
    const char *literal = string_literal(l, text.text, text.len);
    text_buffer_finish(&text);
    return literal;
}

static const char *of_scalar(struct lower *l, const struct ast_value *value,
                             enum schema_kind kind)
{
    switch (schema_kinds[kind].class) {
    case SCHEMA_CLASS_INTEGER:
    case SCHEMA_CLASS_TIME:
        return arena_printf(l->arena, "%lld", strtoll(value->text, NULL, 10));
    case SCHEMA_CLASS_REAL:
        return of_real(l, value, kind);
    case SCHEMA_CLASS_TEXT:
        return string_literal(l, value->text, value->len);
    case SCHEMA_CLASS_BYTES:
        return of_bytes(l, value);
    case SCHEMA_CLASS_ANY:
        return of_json(l, value);
    case SCHEMA_CLASS_TRUTH:
    case SCHEMA_CLASS_NONE:
        break;
    }
    return value->text;
}

static const char *of_enum(const struct ast_value *value,
                           const struct model_enum *e)
{
    size_t i = 0;
    while (strcmp(e->values[i].name, value->text) != 0) {
        i++;
    }
    return e->values[i].c_name;
}

/* ---- lists and maps ---- */

static const char *of_list(struct lower *l, const struct ast_value *value,
                           const struct model_type *type)
{
    struct joined items = { 0 };
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        join(&items, "", lower_initialiser(l, v, type->inner), "");
    }
    const size_t count = items.count;
    const char *inside = take_joined(l, &items);
    const bool boxed = type->inner->is_boxed;
    return count == 0 ? "{ 0 }"
                      : arena_printf(l->arena, "{ (%s%s%s[]){ %s }, %zu }",
                                     boxed ? "" : "const ", type->inner->c_type,
                                     boxed ? "const " : "", inside, count);
}

static const char *of_map(struct lower *l, const struct ast_value *value,
                          const struct model_type *type)
{
    struct joined entries = { 0 };
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        const char *key = string_literal(l, v->key.text, strlen(v->key.text));
        join(&entries, arena_printf(l->arena, "{ %s, ", key),
             lower_initialiser(l, v, type->inner), " }");
    }
    const size_t count = entries.count;
    const char *inside = take_joined(l, &entries);
    return count == 0 ? "{ 0 }"
                      : arena_printf(l->arena,
                                     "{ (const struct %s[]){ %s }, %zu, NULL }",
                                     type->entry, inside, count);
}

/* ---- structs, tuples and unions ---- */

/* A struct without any field set. The first field is named, since gcc wants
 * braces around the zero of a struct. */
static const char *of_nothing(struct lower *l, const struct model_struct *s)
{
    if (s->member_count == 0) {
        return "{ 0 }";
    }
    const struct model_field *first = s->fields;
    while (first->c_declaration == NULL) {
        first++;
    }
    return arena_printf(l->arena, "{ .%s = %s }", first->c_field,
                        first->type->is_boxed ? "NULL" : "{ .has = false }");
}

/* Missing fields have their own defaults, or are absent. */
static const char *of_fields(struct lower *l, const struct ast_value *value,
                             const struct model_type *type)
{
    const struct model_struct *s = type->structure;
    struct joined out = { 0 };
    for (size_t i = 0; i < s->field_count; i++) {
        const struct model_field *f = &s->fields[i];
        if (f->c_declaration == NULL) {
            continue;
        }
        const struct ast_value *v = ast_find_member(value, f->name);
        const char *given = v != NULL
                                ? lower_initialiser(l, v, f->type)
                                : lower_default(l, type->schema->structure, i);
        if (given != NULL) {
            join(&out, arena_printf(l->arena, ".%s = ", f->c_field), given, "");
        }
    }
    const bool empty = out.count == 0;
    const char *text = take_joined(l, &out);
    return empty ? of_nothing(l, s) : arena_printf(l->arena, "{ %s }", text);
}

static const char *of_tuple(struct lower *l, const struct ast_value *value,
                            const struct model_struct *s)
{
    struct joined out = { 0 };
    size_t i = 0;
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        join(&out, "", lower_initialiser(l, v, s->fields[i++].type), "");
    }
    return arena_printf(l->arena, "{ %s }", take_joined(l, &out));
}

static const char *of_union(struct lower *l, const struct ast_value *value,
                            const struct model_union *u)
{
    const struct ast_value *kind = ast_find_member(value, u->discriminator);
    size_t i = 0;
    while (strcmp(u->variants[i].name, kind->text) != 0) {
        i++;
    }
    return arena_printf(l->arena, "{ .kind = %s, .%s = %s }",
                        u->kinds->values[i].c_name, u->variants[i].c_field,
                        of_fields(l, value, u->variants[i].type));
}

/* ---- any ---- */

/* A value, or null; an optional value is never null in a literal. */
static const char *of_optional(struct lower *l, const struct ast_value *value,
                               const struct model_type *type)
{
    if (type->kind == SCHEMA_NULLABLE && value->kind == AST_VALUE_NAME &&
        strcmp(value->text, "null") == 0) {
        return type->is_boxed ? "NULL" : "{ .has = false }";
    }
    const char *inner = lower_initialiser(l, value, type->inner);
    return type->is_boxed ? arena_printf(l->arena, "&(%s const)%s",
                                         type->inner->c_type, inner)
                          : arena_printf(l->arena, "{ true, %s }", inner);
}

const char *lower_initialiser(struct lower *l, const struct ast_value *value,
                              const struct model_type *type)
{
    switch (type->kind) {
    case SCHEMA_ENUM:
        return of_enum(value, type->enumeration);
    case SCHEMA_STRUCT:
        return of_fields(l, value, type);
    case SCHEMA_UNION:
        return of_union(l, value, type->alternatives);
    case SCHEMA_TUPLE:
        return of_tuple(l, value, type->structure);
    case SCHEMA_LIST:
        return of_list(l, value, type);
    case SCHEMA_MAP:
        return of_map(l, value, type);
    case SCHEMA_OPTIONAL:
    case SCHEMA_NULLABLE:
        return of_optional(l, value, type);
#define ZKT_SCALAR(symbol, ...) case SCHEMA_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case SCHEMA_LITERAL: /* no member */
    case SCHEMA_KIND_COUNT:
        break;
    }
    return of_scalar(l, value, type->kind);
}
