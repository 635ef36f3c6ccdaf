/*
 * See describe.h. Each thing that a schema has is a function's. Types are as
 * resolved: an alias is replaced by its type. A rule that does not narrow its
 * type is left out, and so are members that would be false or absent.
 */
#include "output_json/describe.h"

#include <math.h>
#include <string.h>

static struct json_value *new_object(const struct describe *d)
{
    return json_value_new(d->arena, JSON_OBJECT);
}

struct json_value *describe_add_list(const struct describe *d,
                                     struct json_value *to, const char *key)
{
    return json_value_add(to, key, json_value_new(d->arena, JSON_LIST));
}

/* Adds a name to a list of names. */
void describe_add_name(const struct describe *d, struct json_value *list,
                       const struct ast_name *name)
{
    struct json_value *text = json_value_string(d->arena, name->text,
                                                strlen(name->text));
    json_value_add(list, NULL, text)->at = name->at;
}

/* ---- types ---- */

void describe_add_integer(const struct describe *d, struct json_value *to,
                          const char *key, long long value)
{
    json_value_add(
        to, key,
        json_value_number(d->arena, arena_printf(d->arena, "%lld", value)));
}

void describe_add_flag(const struct describe *d, struct json_value *to,
                       const char *key, bool flag)
{
    if (flag) {
        json_value_add(to, key, json_value_bool(d->arena, true));
    }
}

static void add_integer_rules(const struct describe *d, struct json_value *to,
                              const struct schema_type *type)
{
    const struct schema_kind_info *info = &schema_kinds[type->kind];
    if (type->int_min != (int64_t)info->min) {
        describe_add_integer(d, to, "min", type->int_min);
    }
    if (type->int_max != (int64_t)info->max) {
        describe_add_integer(d, to, "max", type->int_max);
    }
    if (type->int_step > 1) {
        describe_add_integer(d, to, "multipleOf", type->int_step);
    }
}

static void add_float_rules(const struct describe *d, struct json_value *to,
                            const struct schema_type *type)
{
    const struct schema_kind_info *info = &schema_kinds[type->kind];
    if (type->float_min > info->min) {
        json_value_add(to, type->above ? "above" : "min",
                       describe_real(d->arena, type, type->float_min));
    }
    if (type->float_max < info->max) {
        json_value_add(to, type->below ? "below" : "max",
                       describe_real(d->arena, type, type->float_max));
    }
}

/* Of a length or a count. */
static void add_count_rules(const struct describe *d, struct json_value *to,
                            const struct schema_type *type)
{
    if (type->min > 0) {
        describe_add_integer(d, to, "min", type->min);
    }
    if (type->max != UINT32_MAX) {
        describe_add_integer(d, to, "max", type->max);
    }
}

static void add_modifiers(const struct describe *d, struct json_value *to,
                          const struct schema_type *type)
{
    for (enum schema_modifier i = 0; i < SCHEMA_MODIFIER_COUNT; i++) {
        describe_add_flag(d, to, schema_modifiers[i].word, schema_has(type, i));
    }
}

static void add_string_rules(const struct describe *d, struct json_value *to,
                             const struct schema_type *type)
{
    add_count_rules(d, to, type);
    add_modifiers(d, to, type);
    struct json_value *patterns = type->pattern_count > 0
                                      ? json_value_add(
                                            to, "patterns",
                                            json_value_new(d->arena, JSON_LIST))
                                      : NULL;
    for (size_t i = 0; i < type->pattern_count; i++) {
        const struct schema_pattern *p = &type->patterns[i];
        struct json_value *pattern = new_object(d);
        json_value_add_text(d->arena, pattern,
                            p->is_format ? "format" : "pattern", p->display);
        json_value_add_text(d->arena, pattern, "pcre2", p->source);
        json_value_add(patterns, NULL, pattern);
    }
}

static void add_scalar_rules(const struct describe *d, struct json_value *to,
                             const struct schema_type *type)
{
    switch (schema_kinds[type->kind].class) {
    case SCHEMA_CLASS_INTEGER:
    case SCHEMA_CLASS_TIME:
        add_integer_rules(d, to, type);
        break;
    case SCHEMA_CLASS_REAL:
        add_float_rules(d, to, type);
        break;
    case SCHEMA_CLASS_TEXT:
        add_string_rules(d, to, type);
        break;
    case SCHEMA_CLASS_BYTES:
        add_count_rules(d, to, type);
        break;
    case SCHEMA_CLASS_TRUTH:
    case SCHEMA_CLASS_ANY:
    case SCHEMA_CLASS_NONE:
        break;
    }
}

static void add_elements(const struct describe *d, struct json_value *to,
                         const struct schema_type *type)
{
    struct json_value *items = describe_add_list(d, to, "items");
    for (size_t i = 0; i < type->item_count; i++) {
        json_value_add(items, NULL, describe_type(d, type->items[i]));
    }
    struct json_value *labels = type->labels != NULL
                                    ? describe_add_list(d, to, "names")
                                    : NULL;
    for (size_t i = 0; labels != NULL && i < type->item_count; i++) {
        describe_add_name(d, labels, &type->labels[i]);
    }
}

struct json_value *describe_type(const struct describe *d,
                                 const struct schema_type *type)
{
    struct json_value *to = new_object(d);
    if (type->kind == SCHEMA_STRUCT && type->structure->role == SCHEMA_STATE) {
        json_value_add_text(d->arena, to, "kind", "state");
        json_value_add_text(d->arena, to, "name", type->structure->actor);
        return to;
    }
    json_value_add_text(d->arena, to, "kind", schema_kinds[type->kind].word);
    switch (type->kind) {
    case SCHEMA_UNION:
        json_value_add_text(d->arena, to, "name",
                            type->alternatives->name.text);
        break;
    case SCHEMA_TUPLE:
        json_value_add_text(d->arena, to, "c",
                            d->names->tuple(d->names->user, type));
        add_elements(d, to, type);
        break;
    case SCHEMA_ENUM:
        json_value_add_text(d->arena, to, "name", type->enumeration->name.text);
        break;
    case SCHEMA_STRUCT:
        json_value_add_text(d->arena, to, "name", type->structure->name.text);
        break;
    case SCHEMA_LIST:
    case SCHEMA_MAP:
        add_count_rules(d, to, type);
        add_modifiers(d, to, type);
        json_value_add(to, "of", describe_type(d, type->inner));
        break;
    case SCHEMA_OPTIONAL:
    case SCHEMA_NULLABLE:
        json_value_add(to, "of", describe_type(d, type->inner));
        break;
    case SCHEMA_LITERAL:
        json_value_add(to, "value",
                       describe_value(d->arena, type->literal, type));
        break;
#define ZKT_SCALAR(symbol, ...) case SCHEMA_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
        add_scalar_rules(d, to, type);
        break;
    case SCHEMA_KIND_COUNT:
        break;
    }
    return to;
}

/* ---- declarations ---- */

/* A thing with a name, and with its name in C if there is such. */
struct json_value *describe_named(const struct describe *d,
                                  const struct ast_name *name, const char *c,
                                  const char *doc)
{
    struct json_value *to = new_object(d);
    to->at = name->at;
    json_value_add_text(d->arena, to, "name", name->text);
    json_value_add_text(d->arena, to, "c", c);
    json_value_add_text(d->arena, to, "doc", doc);
    return to;
}

struct json_value *describe_declared(const struct describe *d,
                                     const struct ast_name *name,
                                     const char *doc)
{
    return describe_named(d, name,
                          d->names->declared(d->names->user, name->text), doc);
}

static struct json_value *describe_enum(const struct describe *d,
                                        const struct schema_enum *e)
{
    struct json_value *to = describe_declared(d, &e->name, e->doc);
    struct json_value *values = describe_add_list(d, to, "values");
    for (size_t i = 0; i < e->value_count; i++) {
        const struct schema_enum_value *v = &e->values[i];
        struct json_value *value = describe_named(
            d, &v->name,
            d->names->constant(d->names->user, e->name.text, v->name.text),
            v->doc);
        json_value_add(value, "wire",
                       json_value_string(d->arena, v->wire.text, v->wire.len));
        json_value_add(values, NULL, value);
    }
    describe_add_flag(d, to, "private", e->is_private);
    return to;
}

/* The subscribers that see a field, if it is not for all of them. */
static void add_reader(const struct describe *d, struct json_value *to,
                       const struct schema_reader *reader)
{
    if (reader->kind != SCHEMA_READER_ALL) {
        json_value_add_text(d->arena, to,
                            reader->kind == SCHEMA_READER_AUDIENCE ? "audience"
                                                                   : "identity",
                            reader->name.text);
    }
}

static struct json_value *describe_field(const struct describe *d,
                                         const struct schema_struct *s,
                                         const struct schema_field *f)
{
    const struct schema_type *type = f->type;
    const char *c = type->kind == SCHEMA_LITERAL
                        ? d->names->literal(d->names->user, s, f->name.text)
                        : d->names->field(d->names->user, f->name.text);
    struct json_value *to = describe_named(d, &f->name, c, f->doc);
    const bool optional = type->kind == SCHEMA_OPTIONAL;
    describe_add_flag(d, to, "optional", optional);
    json_value_add(to, "type", describe_type(d, optional ? type->inner : type));
    if (f->value != NULL) {
        json_value_add(to, "default", describe_value(d->arena, f->value, type));
    }
    add_reader(d, to, &f->reader);
    return to;
}

static void add_fields(const struct describe *d, struct json_value *to,
                       const struct schema_struct *s)
{
    struct json_value *fields = describe_add_list(d, to, "fields");
    for (size_t i = 0; i < s->field_count; i++) {
        json_value_add(fields, NULL, describe_field(d, s, &s->fields[i]));
    }
}

static struct json_value *describe_struct(const struct describe *d,
                                          const struct schema_struct *s)
{
    struct json_value *to = describe_named(
        d, &s->name, d->names->structure(d->names->user, s), s->doc);
    add_fields(d, to, s);
    describe_add_flag(d, to, "strict", s->is_strict);
    describe_add_flag(d, to, "check", s->has_check);
    describe_add_flag(d, to, "private", s->is_private);
    return to;
}

/* A struct that is not declared: parameters, or a state. */
struct json_value *describe_object(const struct describe *d,
                                   const struct schema_struct *s)
{
    struct json_value *to = new_object(d);
    to->at = s->name.at;
    json_value_add_text(d->arena, to, "kind", "object");
    json_value_add_text(d->arena, to, "c",
                        d->names->structure(d->names->user, s));
    add_fields(d, to, s);
    return to;
}

static struct json_value *describe_union(const struct describe *d,
                                         const struct schema_union *u)
{
    struct json_value *to = describe_declared(d, &u->name, u->doc);
    json_value_add_text(d->arena, to, "discriminator", u->discriminator);
    struct json_value *variants = describe_add_list(d, to, "variants");
    for (size_t i = 0; i < u->variant_count; i++) {
        const struct schema_variant *v = &u->variants[i];
        struct json_value *variant = describe_named(
            d, &v->name, d->names->field(d->names->user, v->name.text), v->doc);
        json_value_add(variant, "type", describe_type(d, v->type));
        json_value_add(variants, NULL, variant);
    }
    describe_add_flag(d, to, "private", u->is_private);
    return to;
}

/* ---- all of it ---- */

static void add_declarations(const struct describe *d, struct json_value *to,
                             const struct schema *schema)
{
    struct json_value *enums = describe_add_list(d, to, "enums");
    struct json_value *structs = describe_add_list(d, to, "structs");
    struct json_value *unions = describe_add_list(d, to, "unions");
    for (size_t i = 0; i < schema->decl_count; i++) {
        const struct schema_decl *decl = &schema->decls[i];
        if (decl->enumeration != NULL) {
            json_value_add(enums, NULL, describe_enum(d, decl->enumeration));
        } else if (decl->structure != NULL) {
            json_value_add(structs, NULL, describe_struct(d, decl->structure));
        } else if (decl->alternatives != NULL) {
            json_value_add(unions, NULL, describe_union(d, decl->alternatives));
        }
    }
}

struct json_value *describe_schema(struct arena *arena,
                                   const struct schema *schema,
                                   const struct describe_names *names)
{
    const struct describe d = { arena, schema, names };
    struct json_value *to = new_object(&d);
    to->at = schema->app.at;
    json_value_add(
        to, "version",
        json_value_number(arena, arena_printf(arena, "%d", DESCRIBE_VERSION)));
    json_value_add_text(arena, to, "zocketc", ZOCKETC_VERSION);
    json_value_add_text(arena, to, "file", schema->file_name);
    json_value_add_text(arena, to, "app", schema->app.text);
    json_value_add_text(arena, to, "c", names->app(names->user));
    json_value_add_text(arena, to, "doc", schema->doc);
    add_declarations(&d, to, schema);
    describe_app(&d, to);
    return to;
}
