/*
 * See model_json.h. One function for each thing that a schema has. Types are
 * as resolved: an alias is what it stands for. A rule that does not narrow its
 * type is left out, and so is whatever is false or absent.
 */
#include "output_json/model_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "syntax/ast.h"

static struct json_value *describe_type(struct arena *arena,
                                        const struct model_type *type);

/* ---- types ---- */

static const char *const kind_names[] = {
    [MODEL_BOOL] = "bool",           [MODEL_INT32] = "int32",
    [MODEL_INT64] = "int64",         [MODEL_FLOAT64] = "float64",
    [MODEL_TIMESTAMP] = "timestamp", [MODEL_STRING] = "string",
    [MODEL_ENUM] = "enum",           [MODEL_STRUCT] = "struct",
    [MODEL_LIST] = "list",           [MODEL_MAP] = "map",
    [MODEL_OPTIONAL] = "optional",   [MODEL_BOXED] = "optional",
    [MODEL_NULLABLE] = "nullable",   [MODEL_BOXED_NULLABLE] = "nullable",
    [MODEL_UINT32] = "uint32",       [MODEL_UINT64] = "uint64",
    [MODEL_BYTES] = "bytes",         [MODEL_JSON] = "json",
    [MODEL_UNION] = "union",         [MODEL_TUPLE] = "tuple",
};

static void add_integer(struct arena *arena, struct json_value *to,
                        const char *key, long long value)
{
    json_value_add(
        to, key, json_value_number(arena, arena_printf(arena, "%lld", value)));
}

static void add_double(struct arena *arena, struct json_value *to,
                       const char *key, double value)
{
    struct text_buffer text = { 0 };
    emit_double(&text, value);
    json_value_add(
        to, key,
        json_value_number(arena, arena_text(arena, text.text, text.len)));
    text_buffer_finish(&text);
}

static void add_flag(struct arena *arena, struct json_value *to,
                     const char *key, bool flag)
{
    if (flag) {
        json_value_add(to, key, json_value_bool(arena, true));
    }
}

/* The least and most that a kind of integer holds: no rules. */
static void natural_range(enum model_kind kind, int64_t *min, int64_t *max)
{
    const bool is_unsigned = kind == MODEL_UINT32 || kind == MODEL_UINT64;
    *max = kind == MODEL_INT32       ? INT32_MAX
           : kind == MODEL_UINT32    ? UINT32_MAX
           : kind == MODEL_TIMESTAMP ? 8640000000000000
                                     : 9007199254740991;
    *min = is_unsigned ? 0 : kind == MODEL_INT32 ? INT32_MIN : -*max;
}

static void add_integer_rules(struct arena *arena, struct json_value *to,
                              const struct model_type *type)
{
    int64_t min, max;
    natural_range(type->kind, &min, &max);
    if (type->int_min != min) {
        add_integer(arena, to, "min", type->int_min);
    }
    if (type->int_max != max) {
        add_integer(arena, to, "max", type->int_max);
    }
    if (type->int_step > 1) {
        add_integer(arena, to, "multipleOf", type->int_step);
    }
}

static void add_float_rules(struct arena *arena, struct json_value *to,
                            const struct model_type *type)
{
    if (isfinite(type->float_min)) {
        add_double(arena, to, type->above ? "above" : "min", type->float_min);
    }
    if (isfinite(type->float_max)) {
        add_double(arena, to, type->below ? "below" : "max", type->float_max);
    }
}

/* Of a length or a count. */
static void add_count_rules(struct arena *arena, struct json_value *to,
                            const struct model_type *type)
{
    if (type->min > 0) {
        add_integer(arena, to, "min", type->min);
    }
    if (type->max != UINT32_MAX) {
        add_integer(arena, to, "max", type->max);
    }
}

static void add_string_rules(struct arena *arena, struct json_value *to,
                             const struct model_type *type)
{
    add_count_rules(arena, to, type);
    add_flag(arena, to, "trim", type->trim);
    add_flag(arena, to, "lower", type->lower);
    struct json_value *patterns =
        type->pattern_count > 0
            ? json_value_add(to, "patterns", json_value_new(arena, JSON_LIST))
            : NULL;
    for (size_t i = 0; i < type->pattern_count; i++) {
        const struct model_pattern *p = &type->patterns[i];
        struct json_value *pattern = json_value_new(arena, JSON_OBJECT);
        json_value_add_text(arena, pattern, p->is_format ? "format" : "pattern",
                            p->shown);
        json_value_add_text(arena, pattern, "pcre2", p->source);
        json_value_add(patterns, NULL, pattern);
    }
}

static void add_elements(struct arena *arena, struct json_value *to,
                         const struct model_struct *s)
{
    struct json_value *items = json_value_add(to, "items",
                                              json_value_new(arena, JSON_LIST));
    for (size_t i = 0; i < s->field_count; i++) {
        json_value_add(items, NULL, describe_type(arena, s->fields[i].type));
    }
}

static struct json_value *describe_type(struct arena *arena,
                                        const struct model_type *type)
{
    struct json_value *to = json_value_new(arena, JSON_OBJECT);
    json_value_add_text(arena, to, "kind", kind_names[type->kind]);
    switch (type->kind) {
    case MODEL_BOOL:
        break;
    case MODEL_JSON:
        break;
    case MODEL_INT32:
    case MODEL_UINT32:
    case MODEL_INT64:
    case MODEL_UINT64:
    case MODEL_TIMESTAMP:
        add_integer_rules(arena, to, type);
        break;
    case MODEL_FLOAT64:
        add_float_rules(arena, to, type);
        break;
    case MODEL_STRING:
        add_string_rules(arena, to, type);
        break;
    case MODEL_BYTES:
        add_count_rules(arena, to, type);
        break;
    case MODEL_UNION:
        json_value_add_text(arena, to, "name", type->alternatives->name);
        break;
    case MODEL_TUPLE:
        json_value_add_text(arena, to, "c", type->stem);
        add_elements(arena, to, type->structure);
        break;
    case MODEL_ENUM:
        json_value_add_text(arena, to, "name", type->enumeration->name);
        break;
    case MODEL_STRUCT:
        json_value_add_text(arena, to, "name", type->structure->name);
        break;
    case MODEL_LIST:
    case MODEL_MAP:
        add_count_rules(arena, to, type);
        add_flag(arena, to, "unique", type->unique);
        json_value_add(to, "of", describe_type(arena, type->inner));
        break;
    case MODEL_OPTIONAL:
    case MODEL_NULLABLE:
    case MODEL_BOXED:
    case MODEL_BOXED_NULLABLE:
        json_value_add(to, "of", describe_type(arena, type->inner));
        break;
    }
    return to;
}

/* ---- defaults ---- */

static struct json_value *describe_value(struct arena *arena,
                                         const struct ast_value *value,
                                         const struct model_type *type);

static struct json_value *describe_word(struct arena *arena, const char *word,
                                        const struct model_type *type)
{
    const struct model_enum *e = type->enumeration;
    for (size_t i = 0; e != NULL && i < e->value_count; i++) {
        if (strcmp(e->values[i].name, word) == 0) {
            return json_value_string(arena, e->values[i].wire.text,
                                     e->values[i].wire.len);
        }
    }
    return strcmp(word, "null") == 0
               ? json_value_new(arena, JSON_NULL)
               : json_value_bool(arena, strcmp(word, "true") == 0);
}

static const struct ast_value *find_member(const struct ast_value *value,
                                           const char *name)
{
    const struct ast_value *v = value->first;
    while (v != NULL && strcmp(v->key.text, name) != 0) {
        v = v->next;
    }
    return v;
}

/* All of an object, also what it takes from its fields' own defaults. */
static struct json_value *describe_struct_value(struct arena *arena,
                                                const struct ast_value *value,
                                                const struct model_struct *s)
{
    struct json_value *to = json_value_new(arena, JSON_OBJECT);
    for (size_t i = 0; i < s->field_count; i++) {
        const struct model_field *f = &s->fields[i];
        const struct ast_value *v = find_member(value, f->name);
        v = v != NULL ? v : f->value;
        if (v != NULL) {
            json_value_add(to, f->name, describe_value(arena, v, f->type));
        }
    }
    return to;
}

static struct json_value *describe_items(struct arena *arena,
                                         const struct ast_value *value,
                                         const struct model_type *type)
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

/* A number as it is on the wire, whatever its digits were. */
static struct json_value *describe_number(struct arena *arena,
                                          const struct ast_value *value,
                                          const struct model_type *type)
{
    if (type->kind != MODEL_FLOAT64) {
        return json_value_number(arena, value->text);
    }
    struct json_value *holder = json_value_new(arena, JSON_OBJECT);
    add_double(arena, holder, "", strtod(value->text, NULL));
    return holder->first;
}

static struct json_value *describe_union_value(struct arena *arena,
                                               const struct ast_value *value,
                                               const struct model_union *u)
{
    const char *kind = find_member(value, u->discriminator)->text;
    size_t i = 0;
    while (strcmp(u->variants[i].name, kind) != 0) {
        i++; /* the checker found it */
    }
    struct json_value *to = describe_struct_value(
        arena, value, u->variants[i].type->structure);
    json_value_add_text(arena, to, u->discriminator, kind);
    return to;
}

static struct json_value *describe_tuple_value(struct arena *arena,
                                               const struct ast_value *value,
                                               const struct model_struct *s)
{
    struct json_value *to = json_value_new(arena, JSON_LIST);
    size_t i = 0;
    for (const struct ast_value *v = value->first; v != NULL; v = v->next) {
        json_value_add(to, NULL, describe_value(arena, v, s->fields[i++].type));
    }
    return to;
}

/* A literal of `json` is what it says. */
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

static struct json_value *describe_value(struct arena *arena,
                                         const struct ast_value *value,
                                         const struct model_type *type)
{
    if (type->kind >= MODEL_OPTIONAL) {
        type = type->inner;
    }
    if (type->kind == MODEL_JSON) {
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
    switch (type->kind) {
    case MODEL_STRUCT:
        return describe_struct_value(arena, value, type->structure);
    case MODEL_UNION:
        return describe_union_value(arena, value, type->alternatives);
    case MODEL_TUPLE:
        return describe_tuple_value(arena, value, type->structure);
    default:
        return describe_items(arena, value, type);
    }
}

/* ---- what is declared ---- */

/* A thing with a name, and with one in C where it has one. */
static struct json_value *describe_named(struct arena *arena,
                                         struct source_range at,
                                         const char *name, const char *c,
                                         const char *doc)
{
    struct json_value *to = json_value_new(arena, JSON_OBJECT);
    to->at = at;
    json_value_add_text(arena, to, "name", name);
    json_value_add_text(arena, to, "c", c);
    json_value_add_text(arena, to, "doc", doc);
    return to;
}

static struct json_value *describe_enum(struct arena *arena,
                                        const struct model_enum *e)
{
    struct json_value *to = describe_named(arena, e->at, e->name, e->stem,
                                           e->doc);
    struct json_value *values = json_value_add(
        to, "values", json_value_new(arena, JSON_LIST));
    for (size_t i = 0; i < e->value_count; i++) {
        const struct model_enum_value *v = &e->values[i];
        struct json_value *value = describe_named(arena, v->at, v->name,
                                                  v->c_name, v->doc);
        json_value_add(value, "wire",
                       json_value_string(arena, v->wire.text, v->wire.len));
        json_value_add(values, NULL, value);
    }
    add_flag(arena, to, "private", e->is_hidden);
    return to;
}

static void add_fields(struct arena *arena, struct json_value *to,
                       const struct model_struct *s)
{
    struct json_value *fields = json_value_add(
        to, "fields", json_value_new(arena, JSON_LIST));
    for (size_t i = 0; i < s->field_count; i++) {
        const struct model_field *f = &s->fields[i];
        struct json_value *field = describe_named(arena, f->at, f->name,
                                                  f->member, f->doc);
        const struct model_type *type = f->type;
        const bool optional = type->kind == MODEL_OPTIONAL ||
                              type->kind == MODEL_BOXED;
        add_flag(arena, field, "optional", optional);
        json_value_add(field, "type",
                       describe_type(arena, optional ? type->inner : type));
        if (f->value != NULL) {
            json_value_add(field, "default",
                           describe_value(arena, f->value, type));
        }
        json_value_add(fields, NULL, field);
    }
}

/* What the checker made of parameters, or of a state. */
static struct json_value *describe_object(struct arena *arena,
                                          const struct model_struct *s)
{
    struct json_value *to = json_value_new(arena, JSON_OBJECT);
    to->at = s->at;
    json_value_add_text(arena, to, "kind", "object");
    json_value_add_text(arena, to, "c", s->stem);
    add_fields(arena, to, s);
    return to;
}

static void add_payload(struct arena *arena, struct json_value *to,
                        const char *key, const struct model_type *type)
{
    if (type != NULL) {
        const bool made = type->kind == MODEL_STRUCT &&
                          !type->structure->is_declared;
        json_value_add(to, key,
                       made ? describe_object(arena, type->structure)
                            : describe_type(arena, type));
    }
}

/* ---- actors ---- */

static void add_methods(struct arena *arena, struct json_value *to,
                        const struct model_actor *actor)
{
    struct json_value *methods = json_value_add(
        to, "methods", json_value_new(arena, JSON_LIST));
    for (size_t i = 0; i < actor->method_count; i++) {
        const struct model_method *m = &actor->methods[i];
        struct json_value *method = describe_named(arena, m->at, m->name,
                                                   m->stem, m->doc);
        add_payload(arena, method, "input", m->input);
        add_payload(arena, method, "result", m->result);
        json_value_add(methods, NULL, method);
    }
}

static void add_events(struct arena *arena, struct json_value *to,
                       const struct model_actor *actor)
{
    struct json_value *events = json_value_add(
        to, "events", json_value_new(arena, JSON_LIST));
    for (size_t i = 0; i < actor->event_count; i++) {
        const struct model_event *e = &actor->events[i];
        struct json_value *event = describe_named(arena, e->at, e->name,
                                                  e->stem, e->doc);
        add_payload(arena, event, "payload", e->payload);
        json_value_add(events, NULL, event);
    }
}

static struct json_value *describe_actor(struct arena *arena,
                                         const struct model_actor *actor)
{
    struct json_value *to = describe_named(arena, actor->at, actor->name,
                                           actor->stem, actor->doc);
    if (actor->state->field_count > 0) {
        json_value_add(to, "state", describe_object(arena, actor->state));
    }
    if (actor->hidden != NULL) {
        json_value_add(to, "private", describe_object(arena, actor->hidden));
    }
    add_methods(arena, to, actor);
    add_events(arena, to, actor);
    struct json_value *hooks = json_value_add(to, "hooks",
                                              json_value_new(arena, JSON_LIST));
    for (size_t i = 0; i < actor->hook_count; i++) {
        const char *name = actor->hooks[i].member + strlen("on_");
        struct json_value *hook = json_value_string(arena, name, strlen(name));
        json_value_add(hooks, NULL, hook)->at = actor->at;
    }
    return to;
}

static struct json_value *describe_union(struct arena *arena,
                                         const struct model_union *u)
{
    struct json_value *to = describe_named(arena, u->at, u->name, u->stem,
                                           u->doc);
    json_value_add_text(arena, to, "discriminator", u->discriminator);
    struct json_value *variants = json_value_add(
        to, "variants", json_value_new(arena, JSON_LIST));
    for (size_t i = 0; i < u->variant_count; i++) {
        const struct model_variant *v = &u->variants[i];
        struct json_value *variant = describe_named(arena, v->at, v->name,
                                                    v->member, v->doc);
        json_value_add(variant, "type", describe_type(arena, v->type));
        json_value_add(variants, NULL, variant);
    }
    add_flag(arena, to, "private", u->kinds->is_hidden);
    return to;
}

struct json_value *model_describe(struct arena *arena,
                                  const struct model *model)
{
    struct json_value *to = json_value_new(arena, JSON_OBJECT);
    to->at = model->at;
    json_value_add(to, "version", json_value_number(arena, MODEL_JSON_VERSION));
    json_value_add_text(arena, to, "zocketc", model->version);
    json_value_add_text(arena, to, "file", model->file_name);
    json_value_add_text(arena, to, "app", model->app_name);
    json_value_add_text(arena, to, "c", model->app);
    json_value_add_text(arena, to, "doc", model->doc);
    struct json_value *enums = json_value_add(to, "enums",
                                              json_value_new(arena, JSON_LIST));
    for (size_t i = 0; i < model->enum_count; i++) {
        if (model->enums[i].of_union) {
            continue; /* its values are the union's variants */
        }
        json_value_add(enums, NULL, describe_enum(arena, &model->enums[i]));
    }
    struct json_value *structs = json_value_add(
        to, "structs", json_value_new(arena, JSON_LIST));
    for (size_t i = 0; i < model->struct_count; i++) {
        const struct model_struct *s = model->structs[i];
        struct json_value *described = describe_named(arena, s->at, s->name,
                                                      s->stem, s->doc);
        add_fields(arena, described, s);
        add_flag(arena, described, "strict", s->is_strict);
        add_flag(arena, described, "check", s->check > 0);
        add_flag(arena, described, "private", s->is_hidden);
        json_value_add(structs, NULL, described);
    }
    struct json_value *unions = json_value_add(
        to, "unions", json_value_new(arena, JSON_LIST));
    for (size_t i = 0; i < model->union_count; i++) {
        json_value_add(unions, NULL, describe_union(arena, model->unions[i]));
    }
    struct json_value *actors = json_value_add(
        to, "actors", json_value_new(arena, JSON_LIST));
    for (size_t i = 0; i < model->actor_count; i++) {
        json_value_add(actors, NULL, describe_actor(arena, &model->actors[i]));
    }
    return to;
}
