/*
 * See describe.h. Each thing that a schema has is a function's. Types are as
 * resolved: an alias is replaced by its type. A rule that does not narrow its
 * type is left out, and so are members that would be false or absent.
 */
#include "output_json/describe.h"

#include <math.h>
#include <string.h>

/* The context of all functions here. */
struct describe {
    struct arena *arena;
    const struct describe_names *names;
};

static struct json_value *describe_type(const struct describe *d,
                                        const struct schema_type *type);

static struct json_value *new_object(const struct describe *d)
{
    return json_value_new(d->arena, JSON_OBJECT);
}

/* ---- types ---- */

static void add_integer(const struct describe *d, struct json_value *to,
                        const char *key, long long value)
{
    json_value_add(
        to, key,
        json_value_number(d->arena, arena_printf(d->arena, "%lld", value)));
}

static void add_flag(const struct describe *d, struct json_value *to,
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
        add_integer(d, to, "min", type->int_min);
    }
    if (type->int_max != (int64_t)info->max) {
        add_integer(d, to, "max", type->int_max);
    }
    if (type->int_step > 1) {
        add_integer(d, to, "multipleOf", type->int_step);
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
        add_integer(d, to, "min", type->min);
    }
    if (type->max != UINT32_MAX) {
        add_integer(d, to, "max", type->max);
    }
}

static void add_modifiers(const struct describe *d, struct json_value *to,
                          const struct schema_type *type)
{
    for (enum schema_modifier i = 0; i < SCHEMA_MODIFIER_COUNT; i++) {
        add_flag(d, to, schema_modifiers[i].word, schema_has(type, i));
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
    struct json_value *items = json_value_add(
        to, "items", json_value_new(d->arena, JSON_LIST));
    for (size_t i = 0; i < type->item_count; i++) {
        json_value_add(items, NULL, describe_type(d, type->items[i]));
    }
}

static struct json_value *describe_type(const struct describe *d,
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
static struct json_value *describe_named(const struct describe *d,
                                         const struct ast_name *name,
                                         const char *c, const char *doc)
{
    struct json_value *to = new_object(d);
    to->at = name->at;
    json_value_add_text(d->arena, to, "name", name->text);
    json_value_add_text(d->arena, to, "c", c);
    json_value_add_text(d->arena, to, "doc", doc);
    return to;
}

static struct json_value *describe_declared(const struct describe *d,
                                            const struct ast_name *name,
                                            const char *doc)
{
    return describe_named(d, name,
                          d->names->declared(d->names->user, name->text), doc);
}

static struct json_value *add_list(const struct describe *d,
                                   struct json_value *to, const char *key)
{
    return json_value_add(to, key, json_value_new(d->arena, JSON_LIST));
}

static struct json_value *describe_enum(const struct describe *d,
                                        const struct schema_enum *e)
{
    struct json_value *to = describe_declared(d, &e->name, e->doc);
    struct json_value *values = add_list(d, to, "values");
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
    add_flag(d, to, "private", e->is_private);
    return to;
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
    add_flag(d, to, "optional", optional);
    json_value_add(to, "type", describe_type(d, optional ? type->inner : type));
    if (f->value != NULL) {
        json_value_add(to, "default", describe_value(d->arena, f->value, type));
    }
    return to;
}

static void add_fields(const struct describe *d, struct json_value *to,
                       const struct schema_struct *s)
{
    struct json_value *fields = add_list(d, to, "fields");
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
    add_flag(d, to, "strict", s->is_strict);
    add_flag(d, to, "check", s->has_check);
    add_flag(d, to, "private", s->is_private);
    return to;
}

/* A struct that is not declared: parameters, or a state. */
static struct json_value *describe_object(const struct describe *d,
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
    struct json_value *variants = add_list(d, to, "variants");
    for (size_t i = 0; i < u->variant_count; i++) {
        const struct schema_variant *v = &u->variants[i];
        struct json_value *variant = describe_named(
            d, &v->name, d->names->field(d->names->user, v->name.text), v->doc);
        json_value_add(variant, "type", describe_type(d, v->type));
        json_value_add(variants, NULL, variant);
    }
    add_flag(d, to, "private", u->is_private);
    return to;
}

/* ---- actors ---- */

static void add_payload(const struct describe *d, struct json_value *to,
                        const char *key, const struct schema_type *type)
{
    if (type == NULL) {
        return;
    }
    json_value_add(to, key,
                   schema_is_made(type) ? describe_object(d, type->structure)
                                        : describe_type(d, type));
}

static struct json_value *describe_part(const struct describe *d,
                                        const struct ast_name *name,
                                        const char *doc)
{
    return describe_named(d, name, d->names->part(d->names->user, name->text),
                          doc);
}

static void add_methods(const struct describe *d, struct json_value *to,
                        const struct schema_actor *actor)
{
    struct json_value *methods = add_list(d, to, "methods");
    for (size_t i = 0; i < actor->method_count; i++) {
        const struct schema_method *m = &actor->methods[i];
        struct json_value *method = describe_part(d, &m->name, m->doc);
        add_payload(d, method, "input", m->input);
        add_payload(d, method, "result", m->result);
        json_value_add(methods, NULL, method);
    }
}

static void add_events(const struct describe *d, struct json_value *to,
                       const struct schema_actor *actor)
{
    struct json_value *events = add_list(d, to, "events");
    for (size_t i = 0; i < actor->event_count; i++) {
        const struct schema_event *e = &actor->events[i];
        struct json_value *event = describe_part(d, &e->name, e->doc);
        add_payload(d, event, "payload", e->payload);
        json_value_add(events, NULL, event);
    }
}

static struct json_value *describe_actor(const struct describe *d,
                                         const struct schema_actor *actor)
{
    struct json_value *to = describe_declared(d, &actor->name, actor->doc);
    if (actor->state->field_count > 0) {
        json_value_add(to, "state", describe_object(d, actor->state));
    }
    if (actor->private_state != NULL) {
        json_value_add(to, "private", describe_object(d, actor->private_state));
    }
    add_methods(d, to, actor);
    add_events(d, to, actor);
    struct json_value *hooks = add_list(d, to, "hooks");
    for (size_t i = 0; i < actor->hook_count; i++) {
        const char *name = actor->hooks[i].text;
        struct json_value *hook = json_value_string(d->arena, name,
                                                    strlen(name));
        json_value_add(hooks, NULL, hook)->at = actor->name.at;
    }
    return to;
}

/* ---- all of it ---- */

static void add_declarations(const struct describe *d, struct json_value *to,
                             const struct schema *schema)
{
    struct json_value *enums = add_list(d, to, "enums");
    struct json_value *structs = add_list(d, to, "structs");
    struct json_value *unions = add_list(d, to, "unions");
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
    const struct describe d = { arena, names };
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
    struct json_value *actors = add_list(&d, to, "actors");
    for (size_t i = 0; i < schema->actor_count; i++) {
        json_value_add(actors, NULL, describe_actor(&d, &schema->actors[i]));
    }
    return to;
}
