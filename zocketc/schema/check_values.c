/* Defaults: whether they fit their type and its rules. */
#include <stdlib.h>
#include <string.h>

#include "schema/check.h"
#include "schema/text.h"
#include "syntax/parse.h"
#include "util/text_buffer.h"

static bool check_value(const struct check_site *at,
                        const struct ast_value *value,
                        const struct schema_type *type, size_t *size);

/* A default is written out with the defaults in it, which can double with each
 * level; a limit refuses those that are too large. */
enum {
    SIZE_MAX_OF_DEFAULT = 64 * 1024,
    SIZE_OF_VALUE = 24, /* the text around it */
    SIZE_OF_MEMBER = 8,
    MAP_KEY_MAX = 256 /* bytes */
};

static bool check_size(const struct check_site *at,
                       const struct ast_value *value, size_t size)
{
    if (size > SIZE_MAX_OF_DEFAULT) {
        diag_report(at->c->diag, value->at, DIAG_LARGE_DEFAULT, at->name->text);
    }
    return size <= SIZE_MAX_OF_DEFAULT;
}

static size_t size_of_json(const struct ast_value *value)
{
    size_t size = SIZE_OF_MEMBER;
    if (value->text != NULL) {
        size += value->kind == AST_VALUE_STRING ? value->len
                                                : strlen(value->text);
    }
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        size += size_of_json(v);
    }
    return size;
}

/* ---- enums ---- */

static const char *value_name_at(const void *user, size_t i)
{
    const struct schema_enum *e = user;
    return e->values[i].name.text;
}

static bool check_enum(const struct check_site *at,
                       const struct ast_value *value,
                       const struct schema_enum *e)
{
    if (value->kind != AST_VALUE_NAME) {
        return check_mismatch(at, value, "enum value");
    }
    for (size_t i = 0; i < e->value_count; i++) {
        if (strcmp(e->values[i].name.text, value->text) == 0) {
            return true;
        }
    }
    diag_report(at->c->diag, value->at, DIAG_UNKNOWN_VALUE, e->name.text,
                value->text);
    diag_suggest(at->c->diag, value->at, value->text, e->value_count,
                 value_name_at, e);
    return false;
}

/* ---- lists and maps ---- */

/* The keys of a literal: a duplicate is reported. */
static bool keys_are_good(const struct check_site *at,
                          const struct ast_value *value)
{
    struct table seen = { 0 };
    bool good = true;
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        good = check_take(at->c, &seen, &v->key, "member") && good;
    }
    return good;
}

/* Whether two literals of a type that `unique` allows are the same value. */
static bool same_value(const struct ast_value *a, const struct ast_value *b)
{
    if (a->kind == AST_VALUE_NUMBER && b->kind == AST_VALUE_NUMBER) {
        const double x = strtod(a->text, NULL), y = strtod(b->text, NULL);
        return !(x < y) && !(x > y);
    }
    if (a->kind == AST_VALUE_STRING && b->kind == AST_VALUE_STRING) {
        return a->len == b->len && memcmp(a->text, b->text, a->len) == 0;
    }
    return a->kind == b->kind && a->kind == AST_VALUE_NAME &&
           strcmp(a->text, b->text) == 0;
}

static bool is_unique(const struct ast_value *list)
{
    for (const struct ast_value *a = list->first; a != NULL; a = a->next) {
        for (const struct ast_value *b = a->next; b != NULL; b = b->next) {
            if (same_value(a, b)) {
                return false;
            }
        }
    }
    return true;
}

static bool check_list(const struct check_site *at,
                       const struct ast_value *value,
                       const struct schema_type *type, size_t *size)
{
    size_t count = 0;
    bool good = true;
    if (value->kind != AST_VALUE_LIST) {
        return check_mismatch(at, value, "list");
    }
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        good = check_value(at, v, type->inner, size) && good;
        count++;
    }
    if (!good || !check_size(at, value, *size)) {
        return false;
    }
    if (schema_has(type, SCHEMA_UNIQUE) && !is_unique(value)) {
        return check_broken(at, value, schema_modifiers[SCHEMA_UNIQUE].word);
    }
    return check_count(at, value, type, count, "items");
}

static bool check_map(const struct check_site *at,
                      const struct ast_value *value,
                      const struct schema_type *type, size_t *size)
{
    size_t count = 0;
    bool good = true;
    if (value->kind != AST_VALUE_OBJECT) {
        return check_mismatch(at, value, "map");
    }
    if (!keys_are_good(at, value)) {
        return false;
    }
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        if (strlen(v->key.text) > MAP_KEY_MAX) {
            good = check_broken(at, v, "keys of at most 256 bytes");
        }
        *size += strlen(v->key.text) + SIZE_OF_VALUE;
        good = check_value(at, v, type->inner, size) && good;
        count++;
    }
    return good && check_size(at, value, *size) &&
           check_count(at, value, type, count, "entries");
}

/* ---- structs, tuples and unions ---- */

/* A literal of a struct. */
struct members {
    const struct schema_struct *structure;
    const struct ast_value *value;
};

/* A field that the literal does not have. */
static const char *field_at(const void *user, size_t i)
{
    const struct members *m = user;
    const char *name = m->structure->fields[i].name.text;
    return ast_find_member(m->value, name) == NULL ? name : NULL;
}

/* @also: a member beside the fields, or NULL. */
static bool members_are_known(const struct check_site *at,
                              const struct ast_value *value,
                              const struct schema_struct *s, const char *also)
{
    const struct members members = { s, value };
    bool good = true;
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        size_t i = 0;
        while (i < s->field_count &&
               strcmp(s->fields[i].name.text, v->key.text) != 0) {
            i++;
        }
        if (i < s->field_count ||
            (also != NULL && strcmp(also, v->key.text) == 0)) {
            continue;
        }
        diag_report(at->c->diag, v->key.at, DIAG_UNKNOWN_MEMBER, s->name.text,
                    v->key.text);
        diag_suggest(at->c->diag, v->key.at, v->key.text, s->field_count,
                     field_at, &members);
        good = false;
    }
    return good;
}

/* A field of a literal: as written, or its default, or nothing. */
static bool check_member(const struct check_site *at,
                         const struct ast_value *value,
                         const struct schema_struct *s,
                         const struct schema_field *f, size_t *size)
{
    const struct ast_value *v = ast_find_member(value, f->name.text);
    if (f->type == NULL) {
        return false;
    }
    *size += SIZE_OF_MEMBER;
    if (v != NULL) {
        return check_value(at, v, f->type, size);
    }
    if (f->value == NULL && !schema_is_given(f->type)) {
        diag_report(at->c->diag, value->at, DIAG_MISSING_MEMBER, s->name.text,
                    f->name.text);
        return false;
    }
    *size += f->size;
    return true;
}

/* Missing fields have their own defaults, or are absent. */
static bool check_fields(const struct check_site *at,
                         const struct ast_value *value,
                         const struct schema_struct *s, const char *also,
                         size_t *size)
{
    if (value->kind != AST_VALUE_OBJECT) {
        return check_mismatch(at, value, "object");
    }
    if (at->c->default_depth == PARSE_DEPTH_MAX) {
        diag_report(at->c->diag, value->at, DIAG_LARGE_DEFAULT, at->name->text);
        return false;
    }
    at->c->default_depth++;
    check_struct_defaults(at->c, s);
    bool good = keys_are_good(at, value);
    good = members_are_known(at, value, s, also) && good;
    for (size_t i = 0; i < s->field_count; i++) {
        good = check_member(at, value, s, &s->fields[i], size) && good;
    }
    at->c->default_depth--;
    return good && check_size(at, value, *size);
}

static bool check_tuple(const struct check_site *at,
                        const struct ast_value *value,
                        const struct schema_type *type, size_t *size)
{
    bool good = true;
    size_t i = 0;
    if (value->kind != AST_VALUE_LIST) {
        return check_mismatch(at, value, "list");
    }
    for (const struct ast_value *v = value->first; v != NULL;
         v = v->next, i++) {
        if (i < type->item_count) {
            good = check_value(at, v, type->items[i], size) && good;
        }
    }
    if (i != type->item_count) {
        return check_broken(
            at, value,
            arena_printf(
                at->c->arena,
                "it is a tuple of just %zu %s; a list is written 'T[]'",
                type->item_count, type->item_count == 1 ? "item" : "items"));
    }
    return good && check_size(at, value, *size);
}

static const char *variant_at(const void *user, size_t i)
{
    const struct schema_union *u = user;
    return u->variants[i].name.text;
}

static bool check_union(const struct check_site *at,
                        const struct ast_value *value,
                        const struct schema_union *u, size_t *size)
{
    if (value->kind != AST_VALUE_OBJECT) {
        return check_mismatch(at, value, "object");
    }
    const struct ast_value *kind = ast_find_member(value, u->discriminator);
    if (kind == NULL ||
        (kind->kind != AST_VALUE_STRING && kind->kind != AST_VALUE_NAME)) {
        diag_report(at->c->diag, value->at, DIAG_MISSING_MEMBER, u->name.text,
                    u->discriminator);
        return false;
    }
    size_t i = 0;
    while (i < u->variant_count &&
           strcmp(u->variants[i].name.text, kind->text) != 0) {
        i++;
    }
    if (i == u->variant_count) {
        diag_report(at->c->diag, kind->at, DIAG_UNKNOWN_VALUE, u->name.text,
                    kind->text);
        diag_suggest(at->c->diag, kind->at, kind->text, u->variant_count,
                     variant_at, u);
        return false;
    }
    const struct schema_type *type = u->variants[i].type;
    return type != NULL &&
           check_fields(at, value, type->structure, u->discriminator, size);
}

/* ---- any ---- */

static bool check_value(const struct check_site *at,
                        const struct ast_value *value,
                        const struct schema_type *type, size_t *size)
{
    if (type == NULL) {
        return false;
    }
    switch (type->kind) {
    case SCHEMA_STRUCT:
        return check_fields(at, value, type->structure, NULL, size);
    case SCHEMA_TUPLE:
        return check_tuple(at, value, type, size);
    case SCHEMA_UNION:
        return check_union(at, value, type->alternatives, size);
    case SCHEMA_LIST:
        return check_list(at, value, type, size);
    case SCHEMA_MAP:
        return check_map(at, value, type, size);
    case SCHEMA_OPTIONAL:
        return check_value(at, value, type->inner, size);
    case SCHEMA_NULLABLE:
        return check_is_word(value, "null") ||
               check_value(at, value, type->inner, size);
    case SCHEMA_ENUM:
        *size += SIZE_OF_VALUE;
        return check_enum(at, value, type->enumeration);
    case SCHEMA_LITERAL:
        *size += SIZE_OF_VALUE + size_of_json(value);
        return same_value(value, type->literal) ||
               check_broken(at, value, schema_type_text(at->c->arena, type));
    case SCHEMA_KIND_COUNT:
        return false;
#define ZKT_SCALAR(symbol, ...) case SCHEMA_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
        break;
    }
    *size += SIZE_OF_VALUE + size_of_json(value);
    return check_scalar(at, value, type);
}

bool check_default(struct check *c, const struct ast_name *name,
                   const struct ast_value *value,
                   const struct schema_type *type, size_t *size)
{
    const struct check_site at = { c, name };
    if (schema_is_given(type)) {
        diag_report(c->diag, value->at,
                    type->kind == SCHEMA_OPTIONAL ? DIAG_OPTIONAL_DEFAULT
                                                  : DIAG_NEEDLESS_DEFAULT,
                    name->text);
        return false;
    }
    *size = 0;
    return check_value(&at, value, type, size);
}
