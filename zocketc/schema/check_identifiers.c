/*
 * Every identifier that the templates put together from several names of a
 * schema, taken in one table each for functions and for struct tags, so that
 * two that become one are said here and not by a C compiler. What is a name
 * by itself (a type, a constant, a bound) was taken where it was made.
 */
#include "schema/check.h"

static void take_identifier(struct check *c, struct names *names,
                            struct source_range at, const char *text)
{
    const struct ast_name *first = table_find(&names->taken, text);
    if (first != NULL) {
        diag_report(c->diag, at, DIAG_IDENTIFIER_COLLISION, text);
        diag_report(c->diag, first->at, DIAG_FIRST_HERE);
        return;
    }
    (void)names_take(names, c->arena, c->diag, text,
                     (struct ast_name){ text, at });
}

static void take_function(struct check *c, struct source_range at,
                          const char *text)
{
    take_identifier(c, &c->functions, at, text);
}

static void take_tag(struct check *c, struct source_range at, const char *text)
{
    take_identifier(c, &c->names, at, text);
}

/* stem_verb_name, or stem_verb where there is no name. */
static void take_verb(struct check *c, struct source_range at, const char *stem,
                      const char *verb, const char *name)
{
    take_function(c, at,
                  name[0] != '\0'
                      ? arena_printf(c->arena, "%s_%s_%s", stem, verb, name)
                      : arena_printf(c->arena, "%s_%s", stem, verb));
}

static void take_verbs(struct check *c, struct source_range at,
                       const char *stem, const char *const *verbs,
                       const char *name)
{
    for (; *verbs != NULL; verbs++) {
        take_verb(c, at, stem, *verbs, name);
    }
}

/* The functions that write one field, or a container itself; as write.ct. */
static void take_writers(struct check *c, struct source_range at,
                         const char *stem, const char *name,
                         const struct model_type *type)
{
    static const char *const of_list[] = { "append", "insert", "replace",
                                           "remove", "clear",  NULL };
    static const char *const of_map[] = { "put", "remove", "clear", NULL };
    const bool absent = type->kind >= MODEL_OPTIONAL;
    if ((absent || type->kind != MODEL_MAP) && name[0] != '\0') {
        take_verb(c, at, stem, "set", name);
    }
    if (absent) {
        take_verb(c, at, stem, "unset", name);
        type = type->inner;
    }
    if (type->kind == MODEL_LIST) {
        take_verbs(c, at, stem, of_list, name);
    } else if (type->kind == MODEL_MAP) {
        take_verbs(c, at, stem, of_map, name);
    }
    if (type->kind == MODEL_STRUCT ||
        (type->inner != NULL && type->inner->has_ref)) {
        take_verb(c, at, stem, "edit", name);
    }
}

static void take_field_writers(struct check *c, const char *stem,
                               const struct model_struct *s)
{
    for (size_t i = 0; s != NULL && i < s->field_count; i++) {
        const struct model_field *f = &s->fields[i];
        take_writers(c, f->at, stem, f->stem, f->type);
    }
}

static void take_ref(struct check *c, const struct model_type *type)
{
    const struct source_range at = type->structure != NULL
                                       ? type->structure->at
                                       : (struct source_range){ 0, 0 };
    take_tag(c, at, arena_printf(c->arena, "%s_ref", type->stem));
    if (type->kind == MODEL_STRUCT) {
        take_field_writers(c, type->stem, type->structure);
    } else {
        take_writers(c, at, type->stem, "", type);
    }
}

static void take_declaration(struct check *c, const struct model_declaration *d)
{
    const struct model_struct *s = d->type->structure;
    const struct source_range nowhere = { 0, 0 };
    if (d->kind == MODEL_DECLARE_ENTRY) {
        take_tag(c, nowhere, d->type->entry);
        take_verb(c, nowhere, d->type->stem, "find", "");
    } else if (d->kind == MODEL_DECLARE_STRUCT) {
        if (s->has_defaults && !s->is_state) {
            take_verb(c, s->at, s->stem, "defaults", "");
        }
        if (s->is_declared) {
            take_verb(c, s->at, s->stem, "dup", "");
            take_verb(c, s->at, s->stem, "free", "");
        }
    }
}

static void take_actor(struct check *c, const struct model_actor *a)
{
    static const char *const of_method[] = { "call", "begin", "defer", "resume",
                                             NULL };
    static const char *const of_event[] = { "on", "emit", NULL };
    static const char *const own[] = {
        "open",      "open_str",         "close", "id", "ready", "snapshot",
        "subscribe", "subscribe_errors", NULL
    };
    take_verbs(c, a->at, a->stem, own, "");
    take_tag(c, a->at, arena_printf(c->arena, "%s_call", a->stem));
    take_tag(c, a->at, arena_printf(c->arena, "%s_handlers", a->stem));
    for (size_t i = 0; i < a->method_count; i++) {
        const struct model_method *m = &a->methods[i];
        take_verbs(c, m->at, a->stem, of_method, m->stem);
        take_tag(c, m->at,
                 arena_printf(c->arena, "%s_%s_later", a->stem, m->stem));
    }
    for (size_t i = 0; i < a->event_count; i++) {
        take_verbs(c, a->events[i].at, a->stem, of_event, a->events[i].stem);
    }
    for (size_t i = 0; i < a->state->field_count; i++) {
        const struct model_field *f = &a->state->fields[i];
        take_verb(c, f->at, a->stem, "watch", f->stem);
    }
    take_field_writers(c, a->stem, a->state);
    take_field_writers(c, a->stem, a->hidden);
}

void check_identifiers(struct check *c)
{
    const struct model *m = c->model;
    take_tag(c, m->at, arena_printf(c->arena, "%s_handlers", m->app));
    take_verb(c, m->at, m->app, "app", "");
    for (size_t i = 0; i < m->enum_count; i++) {
        take_verb(c, m->enums[i].at, m->enums[i].stem, "name", "");
    }
    for (size_t i = 0; i < c->declarations.count; i++) {
        take_declaration(c, &m->declarations[i]);
    }
    for (size_t i = 0; i < m->ref_count; i++) {
        take_ref(c, m->refs[i]);
    }
    for (size_t i = 0; i < m->actor_count; i++) {
        take_actor(c, &m->actors[i]);
    }
}
