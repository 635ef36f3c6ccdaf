/* Types as text: `(string | null)[]`. The text of a named type is its name. */
#include <string.h>

#include "output_ts/lower.h"

const char *ts_union(struct arena *arena, const char *const *alternatives,
                     size_t count)
{
    struct text_buffer out = { 0 };
    for (size_t i = 0; i < count; i++) {
        emit_text(&out, i > 0 ? " | " : "");
        emit_text(&out, alternatives[i]);
    }
    const char *text = arena_text(arena, out.text, out.len);
    text_buffer_finish(&out);
    return text;
}

const char *ts_tuple(const struct ts_lower *l, const struct schema_type *type,
                     enum ts_way way)
{
    struct text_buffer out = { 0 };
    emit_text(&out, "[");
    for (size_t i = 0; i < type->item_count; i++) {
        emit_text(&out, i > 0 ? ", " : "");
        if (type->labels != NULL) {
            emit_text(&out, ts_label(l->arena, type->labels[i].text));
            emit_text(&out, ": ");
        }
        emit_text(&out, ts_type(l, type->items[i], way));
    }
    emit_text(&out, "]");
    const char *text = arena_text(l->arena, out.text, out.len);
    text_buffer_finish(&out);
    return text;
}

/* `unknown` holds null already. */
static const char *nullable_type(const struct ts_lower *l,
                                 const struct schema_type *type,
                                 enum ts_way way)
{
    const char *inner = ts_type(l, type->inner, way);
    return schema_kinds[type->inner->kind].class == SCHEMA_CLASS_ANY
               ? inner
               : arena_printf(l->arena, "%s | null", inner);
}

static const char *list_type(const struct ts_lower *l,
                             const struct schema_type *type, enum ts_way way)
{
    const char *inner = ts_type(l, type->inner, way);
    return arena_printf(
        l->arena, type->inner->kind == SCHEMA_NULLABLE ? "(%s)[]" : "%s[]",
        inner);
}

static const char *scalar_type(enum schema_kind kind)
{
    switch (schema_kinds[kind].class) {
    case SCHEMA_CLASS_TRUTH:
        return "boolean";
    case SCHEMA_CLASS_INTEGER:
    case SCHEMA_CLASS_TIME:
    case SCHEMA_CLASS_REAL:
        return "number";
    case SCHEMA_CLASS_TEXT:
    case SCHEMA_CLASS_BYTES:
        return "string";
    case SCHEMA_CLASS_ANY:
    case SCHEMA_CLASS_NONE:
        break;
    }
    return "unknown";
}

static const char *literal_type(const struct ts_lower *l,
                                const struct ast_value *literal)
{
    return literal->kind == AST_VALUE_STRING
               ? ts_string(l->arena, literal->text, literal->len)
               : literal->text;
}

const char *ts_type(const struct ts_lower *l, const struct schema_type *type,
                    enum ts_way way)
{
    const struct ts_node *node = ts_find_node(l, type);
    if (node != NULL) {
        return node->names[way];
    }
    switch (type->kind) {
    case SCHEMA_TUPLE:
        return ts_tuple(l, type, way);
    case SCHEMA_LIST:
        return list_type(l, type, way);
    case SCHEMA_MAP:
        return arena_printf(l->arena, "{ [key: string]: %s }",
                            ts_type(l, type->inner, way));
    case SCHEMA_OPTIONAL:
        return ts_type(l, type->inner, way);
    case SCHEMA_NULLABLE:
        return nullable_type(l, type, way);
    case SCHEMA_LITERAL:
        return literal_type(l, type->literal);
#define ZKT_SCALAR(symbol, ...) case SCHEMA_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case SCHEMA_ENUM:
    case SCHEMA_STRUCT:
    case SCHEMA_UNION:
    case SCHEMA_KIND_COUNT:
        break;
    }
    return scalar_type(type->kind);
}
