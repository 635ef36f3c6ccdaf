/* See text.h. Rules come in this order: modifiers, range, step, patterns. */
#include "schema/text.h"

#include <stdio.h>
#include <string.h>

/* ---- rules ---- */

/* Rules on their way, with commas between. */
struct rules {
    struct arena *arena;
    const char *text; /* "" */
};

static void add(struct rules *r, const char *rule)
{
    r->text = arena_printf(r->arena, "%s%s%s", r->text,
                           r->text[0] != '\0' ? ", " : "", rule);
}

/* A range; either bound may be NULL. */
static void add_range(struct rules *r, const char *low, const char *high)
{
    if (low != NULL && high != NULL && strcmp(low, high) == 0) {
        add(r, low);
    } else if (low != NULL || high != NULL) {
        add(r, arena_printf(r->arena, "%s..%s", low != NULL ? low : "",
                            high != NULL ? high : ""));
    }
}

static const char *integer_text(struct arena *arena, int64_t value)
{
    return arena_printf(arena, "%lld", (long long)value);
}

static void add_integer_rules(struct rules *r, const struct schema_type *t)
{
    const struct schema_kind_info *info = &schema_kinds[t->kind];
    const bool has_min = t->int_min != (int64_t)info->min;
    const bool has_max = t->int_max != (int64_t)info->max;
    add_range(r, has_min ? integer_text(r->arena, t->int_min) : NULL,
              has_max ? integer_text(r->arena, t->int_max) : NULL);
    if (t->int_step > 1) {
        add(r, arena_printf(r->arena, "%%%lld", (long long)t->int_step));
    }
}

static const char *real_text(struct arena *arena, const struct schema_type *t,
                             double value)
{
    struct text_buffer out = { 0 };
    emit_real(&out, value, schema_is_single(t->kind));
    const char *text = arena_text(arena, out.text, out.len);
    text_buffer_finish(&out);
    return text;
}

static void add_real_rules(struct rules *r, const struct schema_type *t)
{
    const struct schema_kind_info *info = &schema_kinds[t->kind];
    const char *low = t->float_min > info->min
                          ? real_text(r->arena, t, t->float_min)
                          : NULL;
    const char *high = t->float_max < info->max
                           ? real_text(r->arena, t, t->float_max)
                           : NULL;
    if (low != NULL && t->above) {
        add(r, arena_printf(r->arena, ">%s", low));
        low = NULL;
    }
    if (high != NULL && t->below) {
        add(r, arena_printf(r->arena, "<%s", high));
        high = NULL;
    }
    add_range(r, low, high);
}

static void add_count_rules(struct rules *r, const struct schema_type *t)
{
    add_range(r, t->min > 0 ? arena_printf(r->arena, "%u", t->min) : NULL,
              t->max != UINT32_MAX ? arena_printf(r->arena, "%u", t->max)
                                   : NULL);
}

/* All rules, without brackets; "": there are none. */
static const char *rules_text(struct arena *arena, const struct schema_type *t)
{
    struct rules r = { arena, "" };
    for (enum schema_modifier i = 0; i < SCHEMA_MODIFIER_COUNT; i++) {
        if (schema_has(t, i)) {
            add(&r, schema_modifiers[i].word);
        }
    }
    if (schema_is_integral(t->kind)) {
        add_integer_rules(&r, t);
    } else if (schema_is_real(t->kind)) {
        add_real_rules(&r, t);
    } else {
        add_count_rules(&r, t);
    }
    for (size_t i = 0; i < t->pattern_count; i++) {
        add(&r, t->patterns[i].display);
    }
    return r.text;
}

/* ---- types ---- */

/* @text with @rules in parentheses, if there are some. */
static const char *with_rules(struct arena *arena, const char *text,
                              const char *rules)
{
    return rules[0] != '\0' ? arena_printf(arena, "%s(%s)", text, rules) : text;
}

static const char *tuple_text(struct arena *arena, const struct schema_type *t)
{
    const char *text = "";
    for (size_t i = 0; i < t->item_count; i++) {
        text = arena_printf(arena, "%s%s%s%s%s", text, i > 0 ? ", " : "",
                            t->labels != NULL ? t->labels[i].text : "",
                            t->labels != NULL ? ": " : "",
                            schema_type_text(arena, t->items[i]));
    }
    return arena_printf(arena, "[%s]", text);
}

const char *schema_type_text(struct arena *arena, const struct schema_type *t)
{
    const char *rules = rules_text(arena, t);
    const char *inner = t->inner != NULL ? schema_type_text(arena, t->inner)
                                         : NULL;
    const bool parts = t->inner != NULL && t->inner->kind == SCHEMA_NULLABLE;
    switch (t->kind) {
    case SCHEMA_ENUM:
        return t->enumeration->name.text;
    case SCHEMA_STRUCT:
        return t->structure->name.text;
    case SCHEMA_UNION:
        return t->alternatives->name.text;
    case SCHEMA_TUPLE:
        return tuple_text(arena, t);
    case SCHEMA_LIST:
        return arena_printf(arena, parts ? "(%s)[%s]" : "%s[%s]", inner, rules);
    case SCHEMA_MAP:
        return with_rules(arena, arena_printf(arena, "map<%s>", inner), rules);
    case SCHEMA_OPTIONAL:
        return arena_printf(arena, "%s?", inner);
    case SCHEMA_NULLABLE:
        return arena_printf(arena, "%s | null", inner);
    case SCHEMA_LITERAL:
        return schema_value_text(arena, t->literal);
#define ZKT_SCALAR(symbol, ...) case SCHEMA_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case SCHEMA_KIND_COUNT:
        break;
    }
    return with_rules(arena, schema_kinds[t->kind].word, rules);
}

/* ---- values ---- */

static void emit_name(struct text_buffer *out, const char *key)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    const bool plain = key[0] != '\0' && strchr("0123456789", key[0]) == NULL &&
                       key[strspn(key, letters)] == '\0';
    if (plain) {
        emit_text(out, key);
    } else {
        emit_json_string(out, json_string(key));
    }
}

const char *schema_name_text(struct arena *arena, const char *name)
{
    struct text_buffer out = { 0 };
    emit_name(&out, name);
    const char *text = arena_text(arena, out.text, out.len);
    text_buffer_finish(&out);
    return text;
}

static void emit_literal(struct text_buffer *out,
                         const struct ast_value *value);

static void emit_parts(struct text_buffer *out, const struct ast_value *value)
{
    const bool object = value->kind == AST_VALUE_OBJECT;
    const bool blanks = object && value->first != NULL;
    emit_text(out, blanks ? "{ " : object ? "{" : "[");
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        emit_text(out, v != value->first ? ", " : "");
        if (object) {
            emit_name(out, v->key.text);
            emit_text(out, ": ");
        }
        emit_literal(out, v);
    }
    emit_text(out, blanks ? " }" : object ? "}" : "]");
}

static void emit_literal(struct text_buffer *out, const struct ast_value *value)
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
        emit_parts(out, value);
        return;
    }
}

const char *schema_value_text(struct arena *arena,
                              const struct ast_value *value)
{
    struct text_buffer out = { 0 };
    emit_literal(&out, value);
    const char *text = arena_text(arena, out.text, out.len);
    text_buffer_finish(&out);
    return text;
}
