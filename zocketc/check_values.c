/* Defaults: whether they fit their type and its rules, and as C. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "emit.h"

/* The default that is being looked at, for messages. */
struct look {
    struct check *c;
    const struct ast_name *name;
};

static const char *initialiser(const struct look *l,
                               const struct ast_value *value,
                               const struct model_type *type);

static const char *mismatch(const struct look *l, const struct ast_value *value,
                            const char *noun)
{
    diag_report(l->c->diag, value->at, DIAG_BAD_DEFAULT, l->name->text, noun);
    return NULL;
}

static const char *broken(const struct look *l, const struct ast_value *value,
                          const char *rule)
{
    diag_report(l->c->diag, value->at, DIAG_BROKEN_DEFAULT, l->name->text,
                rule);
    return NULL;
}

static const char *literal(struct check *c, const char *text, size_t len)
{
    struct emit out = { 0 };
    emit_c_string(&out, c_string_of(text, len));
    const char *kept = arena_text(c->arena, out.text, out.len);
    emit_finish(&out);
    return kept;
}

static const char *of_bool(const struct look *l, const struct ast_value *value)
{
    if (value->kind != AST_VALUE_NAME || (strcmp(value->text, "true") != 0 &&
                                          strcmp(value->text, "false") != 0)) {
        return mismatch(l, value, "bool");
    }
    return value->text;
}

static const char *of_integer(const struct look *l,
                              const struct ast_value *value,
                              const struct model_type *type)
{
    if (value->kind != AST_VALUE_NUMBER || !value->whole) {
        return mismatch(l, value, "integer");
    }
    errno = 0;
    const long long number = strtoll(value->text, NULL, 10);
    if (errno != 0 || number < type->int_min) {
        return broken(l, value,
                      arena_printf(l->c->arena, "at least %lld",
                                   (long long)type->int_min));
    }
    if (number > type->int_max) {
        return broken(l, value,
                      arena_printf(l->c->arena, "at most %lld",
                                   (long long)type->int_max));
    }
    return arena_printf(l->c->arena, "%lld", number);
}

static const char *of_float(const struct look *l, const struct ast_value *value,
                            const struct model_type *type)
{
    if (value->kind != AST_VALUE_NUMBER) {
        return mismatch(l, value, "number");
    }
    const double number = strtod(value->text, NULL);
    if (!isfinite(number) || number < type->float_min ||
        number > type->float_max) {
        return broken(l, value, "its range");
    }
    struct emit out = { 0 };
    emit_double(&out, number);
    const char *text = arena_text(l->c->arena, out.text, out.len);
    emit_finish(&out);
    return text;
}

static size_t count_characters(const char *text, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++) {
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    }
    return count;
}

/* A length or a count against its rule; NULL: broken and reported. */
static const char *counted(const struct look *l, const struct ast_value *value,
                           const struct model_type *type, size_t count,
                           const char *what, const char *text)
{
    if (count < type->min) {
        return broken(
            l, value,
            arena_printf(l->c->arena, "at least %u %s", type->min, what));
    }
    if (type->max != UINT32_MAX && count > type->max) {
        return broken(
            l, value,
            arena_printf(l->c->arena, "at most %u %s", type->max, what));
    }
    return text;
}

static const char *of_string(const struct look *l,
                             const struct ast_value *value,
                             const struct model_type *type)
{
    if (value->kind != AST_VALUE_STRING) {
        return mismatch(l, value, "string");
    }
    const char *text = arena_printf(l->c->arena, "ZKT_STR_INIT(%s)",
                                    literal(l->c, value->text, value->len));
    return counted(l, value, type, count_characters(value->text, value->len),
                   "characters", text);
}

static const char *value_name_at(const void *user, size_t i)
{
    const struct model_enum *e = user;
    return e->values[i].wire.text;
}

static const char *of_enum(const struct look *l, const struct ast_value *value,
                           const struct model_type *type)
{
    const struct model_enum *e = type->enumeration;
    const struct symbol *symbol = check_find(l->c, e->name);
    if (value->kind != AST_VALUE_NAME) {
        return mismatch(l, value, "enum value");
    }
    size_t i = 0;
    for (const struct ast_enum_value *v = symbol->decl->values; v != NULL;
         v = v->next, i++) {
        if (strcmp(v->name.text, value->text) == 0 && i < e->value_count) {
            return e->values[i].c_name;
        }
    }
    diag_report(l->c->diag, value->at, DIAG_UNKNOWN_VALUE, e->name,
                value->text);
    const char *near = diag_nearest(value->text, e->value_count, value_name_at,
                                    e);
    if (near != NULL) {
        diag_report(l->c->diag, value->at, DIAG_DID_YOU_MEAN_WORD, near);
    }
    return NULL;
}

static const char *of_list(const struct look *l, const struct ast_value *value,
                           const struct model_type *type)
{
    struct arena *arena = l->c->arena;
    const char *items = "";
    size_t count = 0;
    bool good = true;
    if (value->kind != AST_VALUE_LIST) {
        return mismatch(l, value, "list");
    }
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        const char *item = initialiser(l, v, type->inner);
        good = good && item != NULL;
        items = arena_printf(arena, "%s%s%s", items, count > 0 ? ", " : "",
                             item != NULL ? item : "");
        count++;
    }
    if (!good) {
        return NULL;
    }
    const char *text = "{ 0 }";
    if (count > 0) {
        text = arena_printf(
            arena, "{ (%s[]){ %s }, %zu }",
            type->inner->kind == MODEL_BOXED
                ? type->inner->c_type
                : arena_printf(arena, "const %s", type->inner->c_type),
            items, count);
    }
    return counted(l, value, type, count, "items", text);
}

static const char *of_map(const struct look *l, const struct ast_value *value,
                          const struct model_type *type)
{
    struct arena *arena = l->c->arena;
    const char *entries = "";
    size_t count = 0;
    bool good = true;
    if (value->kind != AST_VALUE_OBJECT) {
        return mismatch(l, value, "map");
    }
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        const char *item = initialiser(l, v, type->inner);
        good = good && item != NULL;
        entries = arena_printf(arena, "%s%s{ ZKT_STR_INIT(%s), %s }", entries,
                               count > 0 ? ", " : "",
                               literal(l->c, v->key.text, strlen(v->key.text)),
                               item != NULL ? item : "");
        count++;
    }
    if (!good) {
        return NULL;
    }
    const char *text = "{ 0 }";
    if (count > 0) {
        text = arena_printf(arena, "{ (const struct %s[]){ %s }, %zu, NULL }",
                            type->entry, entries, count);
    }
    return counted(l, value, type, count, "entries", text);
}

static const struct ast_value *find_member(const struct ast_value *value,
                                           const char *name)
{
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        if (strcmp(v->key.text, name) == 0) {
            return v;
        }
    }
    return NULL;
}

static bool members_are_known(const struct look *l,
                              const struct ast_value *value,
                              const struct model_struct *s,
                              const struct ast_decl *decl)
{
    bool good = true;
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        const struct ast_field *f = decl->fields;
        while (f != NULL && strcmp(f->name.text, v->key.text) != 0) {
            f = f->next;
        }
        if (f == NULL) {
            diag_report(l->c->diag, v->key.at, DIAG_UNKNOWN_MEMBER, s->name,
                        v->key.text);
            good = false;
        }
    }
    return good;
}

/* Fields that are not given have their own defaults, or are absent. */
static const char *of_struct(const struct look *l,
                             const struct ast_value *value,
                             const struct model_type *type)
{
    struct arena *arena = l->c->arena;
    const struct model_struct *s = type->structure;
    const struct symbol *symbol = check_find(l->c, s->name);
    const char *text = "{ ";
    size_t given = 0;
    if (value->kind != AST_VALUE_OBJECT) {
        return mismatch(l, value, "object");
    }
    check_struct_defaults(l->c, s);
    bool good = members_are_known(l, value, s, symbol->decl);
    for (size_t i = 0; i < s->field_count; i++) {
        const struct model_field *f = &s->fields[i];
        const struct ast_value *v = find_member(value, f->name);
        const char *item = f->c_default;
        if (f->type == NULL) {
            return NULL;
        }
        if (v != NULL) {
            item = initialiser(l, v, f->type);
            good = good && item != NULL;
        } else if (item == NULL) {
            if (f->type->kind != MODEL_OPTIONAL &&
                f->type->kind != MODEL_BOXED) {
                diag_report(l->c->diag, value->at, DIAG_MISSING_MEMBER, s->name,
                            f->name);
                good = false;
            }
            continue;
        }
        text = arena_printf(arena, "%s%s.%s = %s", text,
                            given++ > 0 ? ", " : "", f->member,
                            item != NULL ? item : "");
    }
    if (!good) {
        return NULL;
    }
    return given > 0 ? arena_printf(arena, "%s }", text) : "{ 0 }";
}

static const char *of_optional(const struct look *l,
                               const struct ast_value *value,
                               const struct model_type *type)
{
    const char *inner = initialiser(l, value, type->inner);
    if (inner == NULL) {
        return NULL;
    }
    return type->kind == MODEL_BOXED
               ? arena_printf(l->c->arena, "&(%s const)%s", type->inner->c_type,
                              inner)
               : arena_printf(l->c->arena, "{ true, %s }", inner);
}

static const char *initialiser(const struct look *l,
                               const struct ast_value *value,
                               const struct model_type *type)
{
    if (type == NULL) {
        return NULL;
    }
    switch (type->kind) {
    case MODEL_BOOL:
        return of_bool(l, value);
    case MODEL_INT32:
    case MODEL_INT64:
    case MODEL_TIMESTAMP:
        return of_integer(l, value, type);
    case MODEL_FLOAT64:
        return of_float(l, value, type);
    case MODEL_STRING:
        return of_string(l, value, type);
    case MODEL_ENUM:
        return of_enum(l, value, type);
    case MODEL_STRUCT:
        return of_struct(l, value, type);
    case MODEL_LIST:
        return of_list(l, value, type);
    case MODEL_MAP:
        return of_map(l, value, type);
    case MODEL_OPTIONAL:
    case MODEL_BOXED:
        return of_optional(l, value, type);
    }
    return NULL;
}

const char *check_default(struct check *c, const struct ast_name *name,
                          const struct ast_value *value,
                          const struct model_type *type)
{
    const struct look l = { c, name };
    if (type->kind == MODEL_OPTIONAL || type->kind == MODEL_BOXED) {
        diag_report(c->diag, value->at, DIAG_OPTIONAL_DEFAULT, name->text);
        return NULL;
    }
    return initialiser(&l, value, type);
}
