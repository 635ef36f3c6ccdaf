/*
 * Every identifier that the templates put together from several names of a
 * schema, taken in a table for functions and in another for struct tags, so
 * that two equal identifiers are reported here and not by a C compiler. Names
 * of types, constants and bounds were taken before.
 */
#include "output_c/lower.h"

static void take_identifier(struct lower *l, struct names *names,
                            struct source_range at, const char *text)
{
    const struct ast_name *first = table_find(&names->taken, text);
    if (first != NULL) {
        diag_report(l->diag, at, DIAG_IDENTIFIER_COLLISION, text);
        diag_report(l->diag, first->at, DIAG_FIRST_HERE);
        return;
    }
    (void)names_take(names, l->arena, l->diag, text,
                     (struct ast_name){ text, at });
}

static void take_function(struct lower *l, struct source_range at,
                          const char *text)
{
    take_identifier(l, &l->functions, at, text);
}

static void take_tag(struct lower *l, struct source_range at, const char *text)
{
    take_identifier(l, &l->names, at, text);
}

/* prefix_verb_name, or prefix_verb where there is no name. */
static void take_verb(struct lower *l, struct source_range at,
                      const char *c_prefix, const char *verb, const char *name)
{
    take_function(l, at,
                  name[0] != '\0'
                      ? arena_printf(l->arena, "%s_%s_%s", c_prefix, verb, name)
                      : arena_printf(l->arena, "%s_%s", c_prefix, verb));
}

static void take_verbs(struct lower *l, struct source_range at,
                       const char *c_prefix, const char *const *verbs,
                       const char *name)
{
    for (; *verbs != NULL; verbs++) {
        take_verb(l, at, c_prefix, *verbs, name);
    }
}

/* The functions that write a field, or a container itself; as write.ct. */
static void take_writers(struct lower *l, struct source_range at,
                         const char *c_prefix, const char *name,
                         const struct model_type *type)
{
    static const char *const of_list[] = { "append",  "append_all", "insert",
                                           "replace", "remove",     "clear",
                                           NULL };
    static const char *const of_map[] = { "put", "remove", "clear", NULL };
    const bool absent = schema_may_lack(type->kind);
    if (name[0] != '\0') {
        take_verb(l, at, c_prefix, "set", name);
    }
    if (absent) {
        take_verb(l, at, c_prefix, "unset", name);
        type = type->inner;
    }
    if (type->kind == SCHEMA_LIST) {
        take_verbs(l, at, c_prefix, of_list, name);
    } else if (type->kind == SCHEMA_MAP) {
        take_verbs(l, at, c_prefix, of_map, name);
    }
    if (type->kind == SCHEMA_STRUCT ||
        (type->inner != NULL && type->inner->has_ref)) {
        take_verb(l, at, c_prefix, "edit", name);
    }
}

static void take_field_writers(struct lower *l, const char *c_prefix,
                               const struct model_struct *s)
{
    for (size_t i = 0; s != NULL && i < s->field_count; i++) {
        const struct model_field *f = &s->fields[i];
        if (f->type->kind != SCHEMA_LITERAL) {
            take_writers(l, f->at, c_prefix, f->c_part, f->type);
        }
    }
}

static void take_ref(struct lower *l, const struct model_type *type)
{
    const struct source_range at = type->structure != NULL
                                       ? type->structure->at
                                       : (struct source_range){ 0, 0 };
    take_tag(l, at, arena_printf(l->arena, "%s_ref", type->c_prefix));
    if (type->kind == SCHEMA_STRUCT) {
        take_field_writers(l, type->c_prefix, type->structure);
    } else {
        take_writers(l, at, type->c_prefix, "", type);
    }
}

static const char *const of_json[] = { "encode", "decode", NULL };

static void take_declaration(struct lower *l, const struct model_declaration *d)
{
    const struct model_struct *s = d->type->structure;
    const struct source_range nowhere = { 0, 0 };
    static const char *const of_value[] = { "dup", "free", "encode", "decode",
                                            NULL };
    if (d->kind == MODEL_DECLARE_ENTRY) {
        take_tag(l, nowhere, d->type->entry);
        take_verb(l, nowhere, d->type->c_prefix, "find", "");
    } else if (d->kind == MODEL_DECLARE_STRUCT) {
        if (s->has_defaults && !s->is_state) {
            take_verb(l, s->at, s->c_prefix, "defaults", "");
        }
        if (s->is_value) {
            take_verbs(l, s->at, s->c_prefix, of_value, "");
        }
    } else if (d->kind == MODEL_DECLARE_UNION) {
        const struct model_union *u = d->type->alternatives;
        take_verbs(l, u->at, u->c_prefix, of_json, "");
    }
}

/* The functions for the worker of a deferred call. */
static void take_deferral(struct lower *l, struct source_range at,
                          const struct model_handler *h)
{
    static const char *const verbs[] = { "defer", "resume", "cancelled",
                                         "notify", NULL };
    take_verbs(l, at, h->c_prefix, verbs, h->c_part);
    if (h->progress != NULL) {
        take_verb(l, at, h->c_prefix, "progress", h->c_part);
    }
    if (h->chunk != NULL) {
        take_verb(l, at, h->c_prefix, "send", h->c_part);
    }
    take_tag(l, at,
             arena_printf(l->arena, "%s_%s_later", h->c_prefix, h->c_part));
}

/* Nobody receives the chunks of a stream that no client has called. */
static void take_method(struct lower *l, const struct model_actor *a,
                        const struct model_method *m)
{
    static const char *const by_clients[] = { "call", "begin", NULL };
    static const char *const by_servers[] = { "invoke", "tell", "ask", NULL };
    take_verbs(l, m->at, a->c_prefix, by_clients, m->c_part);
    if (m->chunk == NULL) {
        take_verbs(l, m->at, a->c_prefix, by_servers, m->c_part);
    }
    take_deferral(l, m->at, &m->handler);
}

static void take_actor(struct lower *l, const struct model_actor *a)
{
    static const char *const of_event[] = { "on", "emit", NULL };
    static const char *const of_timer[] = { "start", "stop", "due", NULL };
    static const char *const own[] = {
        "open",      "open_str",         "close", "id", "ready", "snapshot",
        "subscribe", "subscribe_errors", "run",   NULL
    };
    take_verbs(l, a->at, a->c_prefix, own, "");
    take_tag(l, a->at, arena_printf(l->arena, "%s_call", a->c_prefix));
    take_tag(l, a->at, arena_printf(l->arena, "%s_handlers", a->c_prefix));
    for (size_t i = 0; i < a->method_count; i++) {
        take_method(l, a, &a->methods[i]);
    }
    for (size_t i = 0; i < a->hook_count; i++) {
        take_deferral(l, a->at, &a->hooks[i].handler);
    }
    for (size_t i = 0; i < a->event_count; i++) {
        take_verbs(l, a->events[i].at, a->c_prefix, of_event,
                   a->events[i].c_part);
    }
    for (size_t i = 0; i < a->timer_count; i++) {
        take_verbs(l, a->timers[i].at, a->c_prefix, of_timer,
                   a->timers[i].c_part);
    }
    for (size_t i = 0; i < a->audience_count; i++) {
        take_verb(l, a->audiences[i].at, a->c_prefix, "to",
                  a->audiences[i].c_part);
    }
    for (size_t i = 0; i < a->state->field_count; i++) {
        const struct model_field *f = &a->state->fields[i];
        if (f->type->kind != SCHEMA_LITERAL) {
            take_verb(l, f->at, a->c_prefix, "watch", f->c_part);
        }
        if (f->type->kind == SCHEMA_LIST || f->type->kind == SCHEMA_MAP) {
            take_verb(l, f->at, a->c_prefix, "observe", f->c_part);
            take_tag(l, f->at,
                     arena_printf(l->arena, "%s_%s_observer", a->c_prefix,
                                  f->c_part));
        }
    }
    take_field_writers(l, a->c_prefix, a->state);
    take_field_writers(l, a->c_prefix, a->private_state);
}

/* ---- the app's own ---- */

static void take_connection(struct lower *l, const struct model_connection *c)
{
    static const char *const verbs[] = { "set", "unset", NULL };
    const struct model_struct *data = c->data;
    take_tag(l, c->input->at, arena_printf(l->arena, "%s_call", c->c_prefix));
    if (c->has_open) {
        take_deferral(l, c->input->at, &c->open);
    }
    if (data != NULL) {
        take_verb(l, data->at, c->c_prefix, "of", "");
    }
    for (size_t i = 0; data != NULL && i < data->field_count; i++) {
        take_verbs(l, data->fields[i].at, c->c_prefix, verbs,
                   data->fields[i].c_part);
    }
}

static void take_app(struct lower *l)
{
    static const char *const of_error[] = { "fail", "is", "details", NULL };
    static const char *const of_broadcast[] = { "emit", "broadcast", "on",
                                                NULL };
    const struct model *m = l->model;
    const struct schema *s = l->schema;
    take_tag(l, m->at, arena_printf(l->arena, "%s_handlers", m->app));
    take_verb(l, m->at, m->app, "app", "");
    if (m->connection != NULL) {
        take_connection(l, m->connection);
    }
    if (m->middleware_count > 0) {
        take_tag(l, s->middleware[0].name.at,
                 arena_printf(l->arena, "%s_middleware_call", m->app));
    }
    for (size_t i = 0; i < m->middleware_count; i++) {
        take_deferral(l, s->middleware[i].name.at, &m->middleware[i].handler);
    }
    for (size_t i = 0; i < m->error_count; i++) {
        take_verbs(l, s->errors[i].name.at, m->app, of_error,
                   m->errors[i].c_part);
    }
    for (size_t i = 0; i < m->broadcast_count; i++) {
        take_verbs(l, s->broadcasts[i].name.at, m->app, of_broadcast,
                   m->broadcasts[i].c_part);
    }
}

void lower_identifiers(struct lower *l)
{
    const struct model *m = l->model;
    take_app(l);
    for (size_t i = 0; i < m->enum_count; i++) {
        take_verb(l, m->enums[i].at, m->enums[i].c_prefix, "name", "");
    }
    for (size_t i = 0; i < l->schema->decl_count; i++) {
        const struct model_enum *e = l->decls[i].enumeration;
        if (e != NULL) {
            take_verbs(l, e->at, e->c_prefix, of_json, "");
        }
    }
    for (size_t i = 0; i < l->declarations.count; i++) {
        take_declaration(l, &m->declarations[i]);
    }
    for (size_t i = 0; i < m->ref_count; i++) {
        take_ref(l, m->refs[i]);
    }
    for (size_t i = 0; i < m->actor_count; i++) {
        take_actor(l, &m->actors[i]);
    }
}
