/*
 * Schemas that are right and rarely meant: types that no actor uses, inputs
 * and states without an upper bound, patterns that search such an input, and
 * states with hidden fields that are sent whole. All are found on a checked
 * schema; the structs of inputs and of states are in a work list, since a chain
 * of types may be long.
 */
#include "schema/check.h"

/* ---- unused types ---- */

/* Only of the schema itself: imported types are for several schemas, and a
 * schema without actors is for others. */
static void warn_unused(struct check *c)
{
    const struct source *root = c->diag->sources.first;
    if (c->schema->actor_count == 0) {
        return;
    }
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        const struct ast_name *name = &s->decl->name;
        if (!s->is_reached && !s->is_included &&
            name->at.start < root->base + root->len) {
            diag_report(c->diag, name->at, DIAG_UNUSED_TYPE, name->text);
        }
    }
}

/* ---- values without bounds ---- */

/* The findings in a type, down to the structs in it: their fields have messages
 * of their own. */
struct findings {
    bool has_unbounded; /* text, bytes, a list or a map */
    bool has_unbounded_container;
    bool has_json;
    const struct schema_struct
        *hiding;         /* a state with hidden fields; or NULL */
    const char *pattern; /* that searches a string without a bound; or NULL */
};

struct walk {
    struct check *c;
    bool *seen;       /* structs, by number */
    struct list open; /* const struct schema_struct * */
};

static void open_struct(struct walk *w, const struct schema_struct *s)
{
    if (!w->seen[s->number]) {
        w->seen[s->number] = true;
        list_add(w->c->arena, &w->open, &s, sizeof(s));
    }
}

static bool is_container(const struct schema_type *type)
{
    return type->kind == SCHEMA_LIST || type->kind == SCHEMA_MAP;
}

static bool is_text(const struct schema_type *type)
{
    const enum schema_class class = schema_kinds[type->kind].class;
    return class == SCHEMA_CLASS_TEXT || class == SCHEMA_CLASS_BYTES;
}

/* A text without an upper bound, which a pattern may give it all the same. */
static void find_in_text(const struct schema_type *type, struct findings *found)
{
    bool is_bounded = false;
    for (size_t i = 0; i < type->pattern_count; i++) {
        is_bounded = is_bounded || type->patterns[i].is_bounded;
        if (type->patterns[i].searches) {
            found->pattern = type->patterns[i].display;
        }
    }
    found->has_unbounded = found->has_unbounded || !is_bounded;
}

static void find_in_type(struct walk *w, const struct schema_type *type,
                         struct findings *found)
{
    const struct schema_union *u = type->alternatives;
    if (is_text(type) && type->max == UINT32_MAX) {
        find_in_text(type, found);
    }
    if (is_container(type) && type->max == UINT32_MAX) {
        found->has_unbounded = found->has_unbounded_container = true;
    }
    if (schema_kinds[type->kind].class == SCHEMA_CLASS_ANY) {
        found->has_json = true;
    }
    if (type->kind == SCHEMA_STRUCT) {
        open_struct(w, type->structure);
        if (schema_has_readers(type->structure)) {
            found->hiding = type->structure;
        }
    }
    for (size_t i = 0; i < type->item_count; i++) {
        find_in_type(w, type->items[i], found);
    }
    for (size_t i = 0; u != NULL && i < u->variant_count; i++) {
        open_struct(w, u->variants[i].type->structure);
    }
    if (type->inner != NULL) {
        find_in_type(w, type->inner, found);
    }
}

typedef void warn(struct walk *w, const struct ast_name *name,
                  const struct schema_type *type);

static void warn_of_input(struct walk *w, const struct ast_name *name,
                          const struct schema_type *type)
{
    struct findings found = { .pattern = NULL };
    struct diag *diag = w->c->diag;
    find_in_type(w, type, &found);
    if (found.has_unbounded) {
        diag_report(diag, name->at, DIAG_UNBOUNDED_INPUT, name->text);
    }
    if (found.has_json) {
        diag_report(diag, name->at, DIAG_JSON_INPUT, name->text);
    }
    if (found.pattern != NULL) {
        diag_report(diag, name->at, DIAG_UNBOUNDED_PATTERN, found.pattern,
                    name->text);
    }
}

static void warn_of_state(struct walk *w, const struct ast_name *name,
                          const struct schema_type *type)
{
    struct findings found = { .pattern = NULL };
    find_in_type(w, type, &found);
    if (found.has_unbounded_container) {
        diag_report(w->c->diag, name->at, DIAG_UNBOUNDED_STATE, name->text);
    }
}

/* A state as the type of something else is sent as it is. */
static void warn_of_output(struct walk *w, const struct ast_name *name,
                           const struct schema_type *type)
{
    struct findings found = { .pattern = NULL };
    if (type == NULL) {
        return;
    }
    find_in_type(w, type, &found);
    if (found.hiding != NULL) {
        diag_report(w->c->diag, name->at, DIAG_HIDDEN_STATE, name->text,
                    found.hiding->name.text);
    }
}

static struct walk begin_walk(struct check *c)
{
    return (struct walk){
        .c = c,
        .seen = arena_alloc(c->arena, c->structs.count + 1),
    };
}

/* Warns of the fields of all structs in the work list, which grows. */
static void walk_structs(struct walk *w, warn *warn_of_field)
{
    for (size_t i = 0; i < w->open.count; i++) {
        const struct schema_struct *s =
            ((const struct schema_struct **)w->open.items)[i];
        for (size_t f = 0; f < s->field_count; f++) {
            warn_of_field(w, &s->fields[f].name, s->fields[f].type);
        }
    }
}

static void warn_inputs(struct check *c)
{
    struct walk w = begin_walk(c);
    for (size_t i = 0; i < c->schema->actor_count; i++) {
        const struct schema_actor *a = &c->schema->actors[i];
        for (size_t k = 0; k < a->method_count; k++) {
            const struct schema_method *m = &a->methods[k];
            if (m->input != NULL) {
                warn_of_input(&w, &m->name, m->input);
            }
        }
    }
    walk_structs(&w, warn_of_input);
}

static void warn_states(struct check *c)
{
    struct walk w = begin_walk(c);
    for (size_t i = 0; i < c->schema->actor_count; i++) {
        const struct schema_actor *a = &c->schema->actors[i];
        open_struct(&w, a->state);
        if (a->private_state != NULL) {
            open_struct(&w, a->private_state);
        }
    }
    walk_structs(&w, warn_of_state);
}

static void warn_actor_outputs(struct walk *w, const struct schema_actor *a)
{
    open_struct(w, a->state);
    for (size_t i = 0; i < a->method_count; i++) {
        const struct schema_method *m = &a->methods[i];
        if (!m->is_internal) {
            warn_of_output(w, &m->name, m->result);
            warn_of_output(w, &m->name, m->chunk);
            warn_of_output(w, &m->name, m->progress);
        }
    }
    for (size_t i = 0; i < a->event_count; i++) {
        warn_of_output(w, &a->events[i].name, a->events[i].payload);
    }
}

static void warn_outputs(struct check *c)
{
    const struct schema *s = c->schema;
    struct walk w = begin_walk(c);
    for (size_t i = 0; i < s->actor_count; i++) {
        warn_actor_outputs(&w, &s->actors[i]);
    }
    for (size_t i = 0; i < s->error_count; i++) {
        warn_of_output(&w, &s->errors[i].name, s->errors[i].details);
    }
    for (size_t i = 0; i < s->broadcast_count; i++) {
        warn_of_output(&w, &s->broadcasts[i].name, s->broadcasts[i].payload);
    }
    walk_structs(&w, warn_of_output);
}

void check_warnings(struct check *c)
{
    warn_unused(c);
    check_unused_access(c);
    warn_inputs(c);
    warn_states(c);
    warn_outputs(c);
}
