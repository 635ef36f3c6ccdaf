/* Defaults: whether they fit their type and its rules, and as C. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/check.h"
#include "util/text_buffer.h"

/* The default that is being looked at, for messages. */
struct look {
    struct check *c;
    const struct ast_name *name;
};

static const char *initialiser(const struct look *l,
                               const struct ast_value *value,
                               const struct model_type *type);

/* What stands in front of the app's own types: too much of it is refused,
 * since defaults in defaults double with each level. */
enum {
    INITIALISER_MAX = 64 * 1024,
    DEFAULT_DEPTH_MAX = 64,
    MAP_KEY_MAX = 256 /* bytes */
};

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
    struct text_buffer out = { 0 };
    emit_c_string(&out, c_string_of(text, len));
    const char *kept = arena_text(c->arena, out.text, out.len);
    text_buffer_finish(&out);
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
    if (type->int_step > 1 && number % type->int_step != 0) {
        return broken(l, value,
                      arena_printf(l->c->arena, "a multiple of %lld",
                                   (long long)type->int_step));
    }
    return arena_printf(l->c->arena, "%lld", number);
}

static const char *of_float(const struct look *l, const struct ast_value *value,
                            const struct model_type *type)
{
    if (value->kind != AST_VALUE_NUMBER) {
        return mismatch(l, value, "number");
    }
    const double number = strtod(value->text, NULL) + 0.0; /* -0 is 0 */
    const bool outside = number < type->float_min || number > type->float_max ||
                         (type->above && !(number > type->float_min)) ||
                         (type->below && !(number < type->float_max));
    if (!isfinite(number) || outside) {
        return broken(l, value, "its range");
    }
    struct text_buffer out = { 0 };
    emit_double(&out, number);
    const char *text = arena_text(l->c->arena, out.text, out.len);
    text_buffer_finish(&out);
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
    for (size_t i = 0; i < type->pattern_count; i++) {
        if (!pattern_matches(type->patterns[i].source, value->text,
                             value->len)) {
            return broken(l, value, type->patterns[i].shown);
        }
    }
    const char *text = arena_printf(l->c->arena, "ZKT_STR_INIT(%s)",
                                    literal(l->c, value->text, value->len));
    return counted(l, value, type, count_characters(value->text, value->len),
                   "characters", text);
}

/* ---- bytes ---- */

static int base64_digit(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *digit = c != '\0' ? strchr(digits, c) : NULL;
    return digit != NULL ? (int)(digit - digits) : -1;
}

/* Base64 (RFC 4648, section 4), padded and canonical; false: it is none. */
static bool read_base64(const char *text, size_t len, unsigned char *out,
                        size_t *count)
{
    unsigned bits = 0;
    size_t digits = len;
    *count = 0;
    while (digits > 0 && len - digits < 2 && text[digits - 1] == '=') {
        digits--;
    }
    for (size_t i = 0; i < digits; i++) {
        const int digit = base64_digit(text[i]);
        if (digit < 0) {
            return false;
        }
        bits = (bits << 6 | (unsigned)digit) & 0xffffff;
        if (i % 4 != 0) {
            out[(*count)++] = (unsigned char)(bits >> (6 - 2 * (i % 4)));
        }
    }
    const unsigned rest = digits % 4 == 2   ? bits & 15
                          : digits % 4 == 3 ? bits & 3
                                            : 0;
    return len % 4 == 0 && rest == 0;
}

static const char *of_bytes(const struct look *l, const struct ast_value *value,
                            const struct model_type *type)
{
    struct arena *arena = l->c->arena;
    if (value->kind != AST_VALUE_STRING) {
        return mismatch(l, value, "string of base64");
    }
    unsigned char *bytes = arena_alloc(arena, value->len + 1);
    size_t count;
    if (!read_base64(value->text, value->len, bytes, &count)) {
        return mismatch(l, value, "string of base64");
    }
    struct text_buffer out = { 0 };
    emit_text(&out, count > 0 ? "{ (const uint8_t[]){ " : "{ 0 }");
    for (size_t i = 0; i < count; i++) {
        emit_text(&out, i > 0 ? ", " : "");
        emit_unsigned(&out, bytes[i]);
    }
    const char *items = arena_text(arena, out.text, out.len);
    text_buffer_finish(&out);
    return counted(l, value, type, count, "bytes",
                   count > 0 ? arena_printf(arena, "%s }, %zu }", items, count)
                             : items);
}

/* ---- json ---- */

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

/* Whether a literal is JSON: its only names are those that JSON has. */
static bool is_json(const struct ast_value *value)
{
    if (value->kind == AST_VALUE_NAME) {
        return strcmp(value->text, "null") == 0 ||
               strcmp(value->text, "true") == 0 ||
               strcmp(value->text, "false") == 0;
    }
    if (value->kind != AST_VALUE_LIST && value->kind != AST_VALUE_OBJECT) {
        return true;
    }
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        if (!is_json(v)) {
            return false;
        }
    }
    return true;
}

static const char *of_json(const struct look *l, const struct ast_value *value)
{
    if (!is_json(value)) {
        return mismatch(l, value, "JSON");
    }
    struct text_buffer text = { 0 };
    write_json(&text, value);
    const char *kept = arena_printf(l->c->arena, "ZKT_STR_INIT(%s)",
                                    literal(l->c, text.text, text.len));
    text_buffer_finish(&text);
    return kept;
}

/* ---- enums ---- */

static const char *value_name_at(const void *user, size_t i)
{
    const struct model_enum *e = user;
    return e->values[i].name;
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
    diag_suggest(l->c->diag, value->at, value->text, e->value_count,
                 value_name_at, e);
    return NULL;
}

/* Parts of an initialiser, with commas between them. */
struct joined {
    struct text_buffer text;
    size_t count;
    bool bad; /* a part was NULL: reported */
};

static void join(struct joined *j, const char *before, const char *part,
                 const char *after)
{
    if (part == NULL) {
        j->bad = true;
        return;
    }
    emit_text(&j->text, j->count++ > 0 ? ", " : "");
    emit_text(&j->text, before);
    emit_text(&j->text, part);
    emit_text(&j->text, after);
}

/* All of it, kept; NULL: reported. Releases @j. */
static const char *take_joined(const struct look *l,
                               const struct ast_value *value, struct joined *j)
{
    const char *text = NULL;
    if (j->text.len > INITIALISER_MAX) {
        diag_report(l->c->diag, value->at, DIAG_LARGE_DEFAULT, l->name->text);
    } else if (!j->bad) {
        text = arena_text(l->c->arena, j->count > 0 ? j->text.text : "",
                          j->text.len);
    }
    text_buffer_finish(&j->text);
    return text;
}

/* The keys of a literal: one that comes twice is reported. */
static bool keys_are_good(const struct look *l, const struct ast_value *value)
{
    struct table seen = { 0 };
    bool good = true;
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        const struct ast_name *first = table_find(&seen, v->key.text);
        if (first != NULL) {
            diag_report(l->c->diag, v->key.at, DIAG_DUPLICATE_NAME, "member",
                        v->key.text);
            diag_report(l->c->diag, first->at, DIAG_FIRST_HERE);
            good = false;
            continue;
        }
        table_put(&seen, l->c->arena, v->key.text, (void *)(uintptr_t)&v->key);
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

static const char *of_list(const struct look *l, const struct ast_value *value,
                           const struct model_type *type)
{
    struct arena *arena = l->c->arena;
    struct joined items = { 0 };
    if (value->kind != AST_VALUE_LIST) {
        return mismatch(l, value, "list");
    }
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        join(&items, "", initialiser(l, v, type->inner), "");
    }
    const size_t count = items.count;
    const char *inside = take_joined(l, value, &items);
    if (inside == NULL) {
        return NULL;
    }
    if (type->unique && !is_unique(value)) {
        return broken(l, value, "unique");
    }
    const char *text = "{ 0 }";
    if (count > 0) {
        const bool boxed = type->inner->kind == MODEL_BOXED_NULLABLE;
        text = arena_printf(arena, "{ (%s%s%s[]){ %s }, %zu }",
                            boxed ? "" : "const ", type->inner->c_type,
                            boxed ? "const " : "", inside, count);
    }
    return counted(l, value, type, count, "items", text);
}

static const char *of_map(const struct look *l, const struct ast_value *value,
                          const struct model_type *type)
{
    struct arena *arena = l->c->arena;
    struct joined entries = { 0 };
    if (value->kind != AST_VALUE_OBJECT) {
        return mismatch(l, value, "map");
    }
    if (!keys_are_good(l, value)) {
        return NULL;
    }
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        const char *key = literal(l->c, v->key.text, strlen(v->key.text));
        if (strlen(v->key.text) > MAP_KEY_MAX) {
            (void)broken(l, v, "keys of at most 256 bytes");
            entries.bad = true;
        }
        join(&entries, arena_printf(arena, "{ ZKT_STR_INIT(%s), ", key),
             initialiser(l, v, type->inner), " }");
    }
    const size_t count = entries.count;
    const char *inside = take_joined(l, value, &entries);
    if (inside == NULL) {
        return NULL;
    }
    const char *text = "{ 0 }";
    if (count > 0) {
        text = arena_printf(arena, "{ (const struct %s[]){ %s }, %zu, NULL }",
                            type->entry, inside, count);
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

/* A literal of a struct. */
struct members {
    const struct model_struct *structure;
    const struct ast_value *value;
};

/* A field that the literal does not have. */
static const char *field_at(const void *user, size_t i)
{
    const struct members *m = user;
    const char *name = m->structure->fields[i].name;
    return find_member(m->value, name) == NULL ? name : NULL;
}

/* @also: a member beside the fields, or NULL. */
static bool members_are_known(const struct look *l,
                              const struct ast_value *value,
                              const struct model_struct *s, const char *also)
{
    const struct members members = { s, value };
    bool good = true;
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        size_t i = 0;
        while (i < s->field_count &&
               strcmp(s->fields[i].name, v->key.text) != 0) {
            i++;
        }
        if (i < s->field_count ||
            (also != NULL && strcmp(also, v->key.text) == 0)) {
            continue;
        }
        diag_report(l->c->diag, v->key.at, DIAG_UNKNOWN_MEMBER, s->name,
                    v->key.text);
        diag_suggest(l->c->diag, v->key.at, v->key.text, s->field_count,
                     field_at, &members);
        good = false;
    }
    return good;
}

/* One field of a literal: as given, or its default, or nothing. */
static void join_field(const struct look *l, const struct ast_value *value,
                       const struct model_struct *s,
                       const struct model_field *f, struct joined *out)
{
    const struct ast_value *v = find_member(value, f->name);
    const char *before = arena_printf(l->c->arena, ".%s = ", f->member);
    if (f->type == NULL) {
        out->bad = true;
    } else if (v != NULL) {
        join(out, before, initialiser(l, v, f->type), "");
    } else if (f->c_default != NULL) {
        join(out, before, f->c_default, "");
    } else if (f->type->kind != MODEL_OPTIONAL &&
               f->type->kind != MODEL_BOXED) {
        diag_report(l->c->diag, value->at, DIAG_MISSING_MEMBER, s->name,
                    f->name);
        out->bad = true;
    }
}

/* A struct whose fields are all absent. The first is named, since gcc wants
 * braces around the zero of one that is a struct. */
static const char *of_nothing(const struct look *l,
                              const struct model_struct *s)
{
    if (s->field_count == 0) {
        return "{ 0 }";
    }
    const struct model_field *first = &s->fields[0];
    return arena_printf(l->c->arena, "{ .%s = %s }", first->member,
                        first->type->kind == MODEL_BOXED ? "NULL"
                                                         : "{ .has = false }");
}

/* Fields that are not given have their own defaults, or are absent. */
static const char *of_fields(const struct look *l,
                             const struct ast_value *value,
                             const struct model_type *type, const char *also)
{
    const struct model_struct *s = type->structure;
    struct joined out = { 0 };
    if (value->kind != AST_VALUE_OBJECT) {
        return mismatch(l, value, "object");
    }
    if (l->c->default_depth == DEFAULT_DEPTH_MAX) {
        diag_report(l->c->diag, value->at, DIAG_LARGE_DEFAULT, l->name->text);
        return NULL;
    }
    l->c->default_depth++;
    check_struct_defaults(l->c, s);
    out.bad = !keys_are_good(l, value);
    out.bad = !members_are_known(l, value, s, also) || out.bad;
    for (size_t i = 0; i < s->field_count; i++) {
        join_field(l, value, s, &s->fields[i], &out);
    }
    l->c->default_depth--;
    const bool empty = out.count == 0;
    const char *text = take_joined(l, value, &out);
    if (text == NULL) {
        return NULL;
    }
    return empty ? of_nothing(l, s) : arena_printf(l->c->arena, "{ %s }", text);
}

static const char *of_tuple(const struct look *l, const struct ast_value *value,
                            const struct model_type *type)
{
    const struct model_struct *s = type->structure;
    struct joined out = { 0 };
    size_t i = 0;
    if (value->kind != AST_VALUE_LIST) {
        return mismatch(l, value, "list");
    }
    for (const struct ast_value *v = value->first; v != NULL;
         v = v->next, i++) {
        if (i < s->field_count) {
            join(&out, "", initialiser(l, v, s->fields[i].type), "");
        }
    }
    const char *text = take_joined(l, value, &out);
    if (i != s->field_count) {
        return broken(
            l, value,
            arena_printf(
                l->c->arena,
                "it is a tuple of just %zu %s; a list is written 'T[]'",
                s->field_count, s->field_count == 1 ? "item" : "items"));
    }
    return text != NULL ? arena_printf(l->c->arena, "{ %s }", text) : NULL;
}

static const char *variant_at(const void *user, size_t i)
{
    const struct model_union *u = user;
    return u->variants[i].name;
}

static const char *of_union(const struct look *l, const struct ast_value *value,
                            const struct model_type *type)
{
    const struct model_union *u = type->alternatives;
    if (value->kind != AST_VALUE_OBJECT) {
        return mismatch(l, value, "object");
    }
    const struct ast_value *kind = find_member(value, u->discriminator);
    if (kind == NULL ||
        (kind->kind != AST_VALUE_STRING && kind->kind != AST_VALUE_NAME)) {
        diag_report(l->c->diag, value->at, DIAG_MISSING_MEMBER, u->name,
                    u->discriminator);
        return NULL;
    }
    size_t i = 0;
    while (i < u->variant_count && strcmp(u->variants[i].name, kind->text)) {
        i++;
    }
    if (i == u->variant_count) {
        diag_report(l->c->diag, kind->at, DIAG_UNKNOWN_VALUE, u->name,
                    kind->text);
        diag_suggest(l->c->diag, kind->at, kind->text, u->variant_count,
                     variant_at, u);
        return NULL;
    }
    const struct model_variant *variant = &u->variants[i];
    const char *inner = variant->type != NULL
                            ? of_fields(l, value, variant->type,
                                        u->discriminator)
                            : NULL;
    return inner != NULL ? arena_printf(l->c->arena, "{ .kind = %s, .%s = %s }",
                                        u->kinds->values[i].c_name,
                                        variant->member, inner)
                         : NULL;
}

static bool is_null(const struct ast_value *value)
{
    return value->kind == AST_VALUE_NAME && strcmp(value->text, "null") == 0;
}

/* A value, or null; an optional one is never null in a literal. */
static const char *of_optional(const struct look *l,
                               const struct ast_value *value,
                               const struct model_type *type)
{
    const bool boxed = type->kind == MODEL_BOXED ||
                       type->kind == MODEL_BOXED_NULLABLE;
    const bool nullable = type->kind == MODEL_NULLABLE ||
                          type->kind == MODEL_BOXED_NULLABLE;
    if (nullable && is_null(value)) {
        return boxed ? "NULL" : "{ .has = false }";
    }
    const char *inner = initialiser(l, value, type->inner);
    if (inner == NULL) {
        return NULL;
    }
    return boxed ? arena_printf(l->c->arena, "&(%s const)%s",
                                type->inner->c_type, inner)
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
    case MODEL_UINT32:
    case MODEL_INT64:
    case MODEL_UINT64:
    case MODEL_TIMESTAMP:
        return of_integer(l, value, type);
    case MODEL_FLOAT64:
        return of_float(l, value, type);
    case MODEL_STRING:
        return of_string(l, value, type);
    case MODEL_ENUM:
        return of_enum(l, value, type);
    case MODEL_BYTES:
        return of_bytes(l, value, type);
    case MODEL_JSON:
        return of_json(l, value);
    case MODEL_STRUCT:
        return of_fields(l, value, type, NULL);
    case MODEL_TUPLE:
        return of_tuple(l, value, type);
    case MODEL_UNION:
        return of_union(l, value, type);
    case MODEL_LIST:
        return of_list(l, value, type);
    case MODEL_MAP:
        return of_map(l, value, type);
    case MODEL_OPTIONAL:
    case MODEL_NULLABLE:
    case MODEL_BOXED:
    case MODEL_BOXED_NULLABLE:
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
