/*
 * The parts of a file that are no types of the schema: errors, broadcasts, the
 * connection, actors with their methods and events, and the value that is the
 * same at run time.
 */
#include "output_ts/lower.h"
#include "output_ts/ts.h"

struct app {
    struct ts_lower l;
    const char **errors; /* names of their interfaces, by number */
};

/* ---- members ---- */

static struct ts_member member_of(struct arena *arena,
                                  const struct ast_name *name,
                                  struct ts_comment comment, const char *type)
{
    return (struct ts_member){
        .comment = comment,
        .key = ts_key(arena, name->text),
        .literal_key = ts_literal_key(arena, name->text),
        .type = type,
    };
}

static struct ts_members members_of(const struct list *list)
{
    return (struct ts_members){ list->items, list->count };
}

static struct ts_members lower_events(struct ts_lower *l,
                                      const struct schema_event *events,
                                      size_t count, const char *actor,
                                      const char *ending)
{
    struct list list = { 0 };
    for (size_t i = 0; i < count; i++) {
        const struct schema_event *e = &events[i];
        const char *name = arena_printf(l->arena, "%s%s%s", actor,
                                        ts_pascal(l->arena, e->name.text),
                                        ending);
        const struct ts_member member = member_of(
            l->arena, &e->name, ts_comment(l->arena, e->doc),
            ts_lower_payload(l, e->payload, name, TS_IN, "undefined"));
        list_add(l->arena, &list, &member, sizeof(member));
    }
    return members_of(&list);
}

/* ---- errors ---- */

static const char *schema_of(struct arena *arena, const char *type)
{
    return arena_printf(arena, "Schema<%s>", type);
}

static void lower_error(struct app *app, size_t number)
{
    struct ts_lower *l = &app->l;
    const struct schema_error *e = &l->schema->errors[number];
    const char *name = ts_pascal(l->arena, e->name.text);
    const char *type = ts_take(&l->names, l->arena,
                               arena_printf(l->arena, "%sError", name));
    const char *details = ts_lower_payload(
        l, e->details, arena_printf(l->arena, "%sDetails", name), TS_IN,
        "undefined");
    struct ts_property *properties = arena_alloc(l->arena,
                                                 3 * sizeof(*properties));
    properties[0].key = "readonly code";
    properties[0].type = arena_printf(l->arena, "\"%s\"", e->code);
    properties[1].key = "readonly reason";
    properties[1].type = arena_printf(l->arena, "\"%s\"", e->name.text);
    properties[2].key = "readonly details";
    properties[2].type = details;
    ts_add_interface(l, &(struct ts_interface){
                            .comment = ts_comment(l->arena, e->doc),
                            .name = type,
                            .properties = properties,
                            .property_count = 3,
                        });
    app->errors[number] = type;
}

static void lower_errors(struct app *app)
{
    const size_t count = app->l.schema->error_count;
    app->errors = arena_alloc(app->l.arena, (count + 1) * sizeof(*app->errors));
    for (size_t i = 0; i < count; i++) {
        lower_error(app, i);
    }
}

/* A union of errors; NULL: there are none. */
static const char *errors_type(const struct app *app,
                               const struct schema_numbers *numbers)
{
    struct arena *arena = app->l.arena;
    const char **names = arena_alloc(arena,
                                     (numbers->count + 1) * sizeof(*names));
    for (size_t i = 0; i < numbers->count; i++) {
        names[i] = app->errors[numbers->items[i]];
    }
    return numbers->count > 0 ? ts_union(arena, names, numbers->count) : NULL;
}

/* ---- methods ---- */

/* A definition on its way: its properties, and the same as a value. */
struct definition {
    struct arena *arena;
    struct list properties; /* struct ts_property */
    const char *value;
};

static void define(struct definition *d, const char *key, const char *type,
                   const char *value)
{
    const struct ts_property property = {
        .key = arena_printf(d->arena, "readonly %s", key),
        .type = type,
    };
    list_add(d->arena, &d->properties, &property, sizeof(property));
    d->value = arena_printf(d->arena, "%s%s%s: %s", d->value,
                            d->value[0] != '\0' ? ", " : "", key, value);
}

static void define_schema(struct definition *d, const char *key,
                          const char *type)
{
    if (type != NULL) {
        define(d, key, schema_of(d->arena, type), "schema");
    }
}

static struct definition define_method(struct app *app,
                                       const struct schema_method *m,
                                       const char *name)
{
    struct ts_lower *l = &app->l;
    struct definition d = { .arena = l->arena, .value = "" };
    define_schema(&d, "input",
                  ts_lower_payload(l, m->input,
                                   arena_printf(l->arena, "%sInput", name),
                                   TS_OUT, NULL));
    define(
        &d, "handler",
        arena_printf(l->arena, "() => %s",
                     m->result != NULL ? ts_type(l, m->result, TS_IN) : "void"),
        "remote");
    define_schema(&d, "stream",
                  m->chunk != NULL ? ts_type(l, m->chunk, TS_IN) : NULL);
    define_schema(&d, "progress",
                  m->progress != NULL ? ts_type(l, m->progress, TS_IN) : NULL);
    define_schema(&d, "errors", errors_type(app, &m->errors));
    if (m->timeout_ms > 0) {
        define(&d, "timeoutMs", "number",
               arena_printf(l->arena, "%u", m->timeout_ms));
    }
    return d;
}

static struct ts_member lower_method(struct app *app,
                                     const struct schema_method *m,
                                     const char *actor)
{
    struct ts_lower *l = &app->l;
    const char *name = arena_printf(l->arena, "%s%s", actor,
                                    ts_pascal(l->arena, m->name.text));
    const struct definition d = define_method(app, m, name);
    const char *type = ts_take(&l->names, l->arena,
                               arena_printf(l->arena, "%sMethod", name));
    ts_add_interface(l, &(struct ts_interface){
                            .name = type,
                            .properties = d.properties.items,
                            .property_count = d.properties.count,
                        });
    struct ts_member member = member_of(
        l->arena, &m->name, ts_method_comment(l->arena, l->schema, m), type);
    member.value = d.value;
    return member;
}

/* ---- actors ---- */

static struct ts_actor lower_actor(struct app *app,
                                   const struct schema_actor *a)
{
    struct ts_lower *l = &app->l;
    struct list methods = { 0 };
    const char *name = ts_pascal(l->arena, a->name.text);
    l->decls = (struct list){ 0 };
    ts_lower_state(l, a->state);
    for (size_t i = 0; i < a->method_count; i++) {
        if (!a->methods[i].is_internal) {
            const struct ts_member member = lower_method(app, &a->methods[i],
                                                         name);
            list_add(l->arena, &methods, &member, sizeof(member));
        }
    }
    const struct ts_members events = lower_events(l, a->events, a->event_count,
                                                  name, "Event");
    return (struct ts_actor){
        .comment = ts_comment(l->arena, a->doc),
        .key = ts_key(l->arena, a->name.text),
        .name = ts_take(&l->names, l->arena,
                        arena_printf(l->arena, "%sActor", name)),
        .state = ts_type(l, a->state->type, TS_IN),
        .decls = l->decls.items,
        .decl_count = l->decls.count,
        .methods = members_of(&methods),
        .events = events,
    };
}

static void lower_actors(struct app *app, struct ts_file *file)
{
    const size_t count = app->l.schema->actor_count;
    struct ts_actor *actors = arena_alloc(app->l.arena,
                                          (count + 1) * sizeof(*actors));
    for (size_t i = 0; i < count; i++) {
        actors[i] = lower_actor(app, &app->l.schema->actors[i]);
        file->has_methods |= actors[i].methods.count > 0;
    }
    file->actors = actors;
    file->actor_count = count;
}

/* ---- the connection ---- */

/* The fields of a connection that a URL has. */
static struct ts_members lower_query(struct ts_lower *l,
                                     const struct schema_connection *c,
                                     struct list *fields)
{
    struct list query = { 0 };
    for (size_t i = 0; i < c->input->field_count; i++) {
        const struct schema_field *f = &c->input->fields[i];
        const struct schema_parameter *p = &c->parameters[i];
        if (p->source != SCHEMA_FROM_QUERY) {
            continue;
        }
        const char *key = ts_string(l->arena, p->name.text, p->name.len);
        struct ts_member member = member_of(
            l->arena, &f->name, (struct ts_comment){ .count = 0 }, key);
        member.value = key;
        list_add(l->arena, &query, &member, sizeof(member));
        list_add(l->arena, fields, f, sizeof(*f));
    }
    return members_of(&query);
}

/* "required" or "optional"; NULL: the connection takes no token. */
static const char *token_of(const struct schema_connection *c)
{
    for (size_t i = 0; i < c->input->field_count; i++) {
        const struct schema_field *f = &c->input->fields[i];
        if (c->parameters[i].source == SCHEMA_FROM_BEARER) {
            return f->type->kind == SCHEMA_OPTIONAL || f->value != NULL
                       ? "\"optional\""
                       : "\"required\"";
        }
    }
    return NULL;
}

static const char *lower_params(struct ts_lower *l,
                                const struct schema_connection *c,
                                const struct list *fields)
{
    if (fields->count == 0) {
        return NULL;
    }
    struct schema_struct *params = ARENA_NEW(l->arena, struct schema_struct);
    *params = *c->input;
    params->fields = fields->items;
    params->field_count = fields->count;
    params->doc = c->doc;
    struct ts_node *node = ARENA_NEW(l->arena, struct ts_node);
    node->names[TS_OUT] = ts_take(&l->names, l->arena, "ConnectionParams");
    l->structs[params->number] = node;
    ts_lower_struct(l, params, TS_OUT);
    return node->names[TS_OUT];
}

static const struct ts_connection *lower_connection(struct app *app)
{
    struct ts_lower *l = &app->l;
    const struct schema_connection *c = l->schema->connection;
    struct list fields = { 0 };
    if (c == NULL) {
        return NULL;
    }
    struct ts_connection *to = ARENA_NEW(l->arena, struct ts_connection);
    to->query = lower_query(l, c, &fields);
    to->params = lower_params(l, c, &fields);
    to->token = token_of(c);
    to->errors = errors_type(app, &c->errors);
    const bool is_empty = to->params == NULL && to->token == NULL &&
                          to->errors == NULL;
    return is_empty ? NULL : to;
}

/* ---- the file ---- */

/* The union of all errors, which hooks may throw; NULL: there are none. */
static const char *lower_all_errors(struct app *app)
{
    const size_t count = app->l.schema->error_count;
    if (count == 0) {
        return NULL;
    }
    const char *name = ts_take(&app->l.names, app->l.arena, "AppError");
    ts_add_alias(&app->l, &(struct ts_alias){
                              .comment = ts_comment(
                                  app->l.arena, "Every error of the schema."),
                              .name = name,
                              .alternatives = app->errors,
                              .alternative_count = count,
                          });
    return name;
}

const struct ts_file *ts_lower(struct arena *arena, const struct schema *schema)
{
    struct app app = { .l = { .arena = arena, .schema = schema } };
    struct ts_lower *l = &app.l;
    struct ts_file *file = ARENA_NEW(arena, struct ts_file);
    ts_names_begin(&l->names, arena);
    ts_reach(l);
    ts_name_nodes(l);
    ts_lower_decls(l);
    lower_errors(&app);
    file->errors = lower_all_errors(&app);
    file->version = ZOCKETC_VERSION;
    file->source = schema->file_name;
    file->comment = ts_comment(arena, schema->doc);
    file->connection = lower_connection(&app);
    file->broadcasts = lower_events(l, schema->broadcasts,
                                    schema->broadcast_count, "", "Broadcast");
    file->decls = l->decls.items;
    file->decl_count = l->decls.count;
    lower_actors(&app, file);
    file->has_schemas = file->actor_count > 0 || file->errors != NULL ||
                        file->broadcasts.count > 0 ||
                        (file->connection != NULL &&
                         file->connection->params != NULL);
    return file;
}

void ts_render(struct arena *arena, const struct schema *schema,
               struct text_buffer *out)
{
    emit_ts_file(out, ts_lower(arena, schema));
}
