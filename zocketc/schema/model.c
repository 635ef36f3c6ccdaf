/*
 * The last step to the model: the order in which C wants things declared, and
 * what follows from the whole, such as which structs stand in a state.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "schema/check.h"

/* ---- lookups ---- */

static int compare_names(const void *left, const void *right)
{
    const struct model_name *a = left, *b = right;
    if (a->len != b->len) {
        return a->len < b->len ? -1 : 1;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

struct model_lookup model_lookup_make(struct arena *arena,
                                      const struct model_name *names,
                                      size_t count)
{
    struct model_name *sorted = arena_alloc(arena,
                                            (count + 1) * sizeof(*sorted));
    struct model_group *groups = arena_alloc(arena,
                                             (count + 1) * sizeof(*groups));
    struct model_lookup lookup = { groups, 0 };
    for (size_t i = 0; i < count; i++) {
        sorted[i] = names[i];
    }
    qsort(sorted, count, sizeof(*sorted), compare_names);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || sorted[i].len != sorted[i - 1].len) {
            groups[lookup.group_count++] =
                (struct model_group){ sorted[i].len, &sorted[i], 0 };
        }
        groups[lookup.group_count - 1].count++;
    }
    return lookup;
}

/* ---- declarations ---- */

struct arrange {
    struct check *c;
    struct table done; /* stems of what is declared, and of entries */
    struct table refs; /* stems of what has a ref */
    struct list later; /* types that pointers mention */
};

static void declare_type(struct arrange *a, const struct model_type *type);

static bool is_runtime(const char *stem)
{
    return strncmp(stem, "zkt_", 4) == 0;
}

/* Notes that @stem is declared; false: it was before. */
static bool first_time(struct arrange *a, const char *stem)
{
    if (table_find(&a->done, stem) != NULL) {
        return false;
    }
    table_put(&a->done, a->c->arena, stem, (void *)(uintptr_t)stem);
    return true;
}

static void add(struct arrange *a, enum model_declaration_kind kind,
                const struct model_type *type)
{
    const struct model_declaration d = { kind, type };
    list_add(a->c, &a->c->declarations, &d, sizeof(d));
}

static void declare_struct(struct arrange *a, const struct model_type *type)
{
    const struct model_struct *s = type->structure;
    if (!first_time(a, type->stem)) {
        return;
    }
    for (size_t i = 0; i < s->field_count; i++) {
        declare_type(a, s->fields[i].type);
    }
    add(a,
        type->kind == MODEL_TUPLE ? MODEL_DECLARE_TUPLE : MODEL_DECLARE_STRUCT,
        type);
}

static void declare_union(struct arrange *a, const struct model_type *type)
{
    const struct model_union *u = type->alternatives;
    if (!first_time(a, type->stem)) {
        return;
    }
    for (size_t i = 0; i < u->variant_count; i++) {
        declare_type(a, u->variants[i].type);
    }
    add(a, MODEL_DECLARE_UNION, type);
}

/* Declares what must be complete where @type stands by value. */
static void declare_type(struct arrange *a, const struct model_type *type)
{
    switch (type->kind) {
    case MODEL_STRUCT:
    case MODEL_TUPLE:
        declare_struct(a, type);
        break;
    case MODEL_UNION:
        declare_union(a, type);
        break;
    case MODEL_LIST:
    case MODEL_MAP:
        if (!is_runtime(type->stem) && first_time(a, type->stem)) {
            add(a,
                type->kind == MODEL_LIST ? MODEL_DECLARE_LIST
                                         : MODEL_DECLARE_MAP,
                type);
        }
        list_add(a->c, &a->later, &type, sizeof(type));
        break;
    case MODEL_OPTIONAL:
    case MODEL_NULLABLE:
        declare_type(a, type->inner);
        if (!is_runtime(type->stem) && first_time(a, type->stem)) {
            add(a, MODEL_DECLARE_OPTIONAL, type);
        }
        break;
    case MODEL_BOXED:
    case MODEL_BOXED_NULLABLE:
        list_add(a->c, &a->later, &type, sizeof(type));
        break;
    default:
        break;
    }
}

/* What pointers mention must be complete in the end, too. */
static void declare_later(struct arrange *a)
{
    for (size_t i = 0; i < a->later.count; i++) {
        const struct model_type *type =
            ((const struct model_type *const *)a->later.items)[i];
        declare_type(a, type->inner);
        if (type->kind == MODEL_MAP && !is_runtime(type->entry) &&
            first_time(a, type->entry)) {
            add(a, MODEL_DECLARE_ENTRY, type);
        }
    }
    a->later.count = 0;
}

/* ---- places ---- */

static bool has_ref_kind(const struct model_type *type)
{
    return type->kind == MODEL_STRUCT || type->kind == MODEL_LIST ||
           type->kind == MODEL_MAP;
}

/* A place can be made for @type, and for what is inside of it. @itself: not
 * only for what it holds, because it is no field of a state. */
static void mark_refs(struct arrange *a, const struct model_type *type,
                      bool itself)
{
    struct check *c = a->c;
    while (type->kind >= MODEL_OPTIONAL) {
        type = type->inner;
        itself = itself || type->kind == MODEL_STRUCT;
    }
    if (!has_ref_kind(type)) {
        return;
    }
    struct model_type *mutable = (struct model_type *)(uintptr_t)type;
    const bool marks = itself && !type->has_ref;
    if (itself && !marks) {
        return;
    }
    if (marks) {
        mutable->has_ref = true;
        if (!is_runtime(type->stem) &&
            table_find(&a->refs, type->stem) == NULL) {
            table_put(&a->refs, c->arena, type->stem, mutable);
            list_add(c, &c->refs, &type, sizeof(type));
        }
    }
    if (type->kind != MODEL_STRUCT) {
        mark_refs(a, type->inner, true);
        return;
    }
    for (size_t i = 0; i < type->structure->field_count; i++) {
        const struct model_type *field = type->structure->fields[i].type;
        mark_refs(a, field, field->kind == MODEL_STRUCT);
    }
}

/* ---- bounds ---- */

const char *model_bound_name(struct check *c, const struct model_struct *state,
                             const struct model_field *field)
{
    const struct model_type *type = field->type;
    const size_t actor = strlen(state->stem) - strlen("_state");
    if ((type->kind != MODEL_LIST && type->kind != MODEL_MAP &&
         type->kind != MODEL_STRING) ||
        type->max == UINT32_MAX) {
        return NULL;
    }
    return names_upper(c->arena,
                       arena_printf(c->arena, "%.*s_%s_max", (int)actor,
                                    state->stem, field->stem));
}

static void add_bounds(struct check *c, const struct model_struct *state)
{
    for (size_t i = 0; i < state->field_count; i++) {
        const struct model_field *f = &state->fields[i];
        const struct model_bound bound = { model_bound_name(c, state, f),
                                           f->type->max };
        if (bound.name != NULL) {
            list_add(c, &c->bounds, &bound, sizeof(bound));
        }
    }
}

/* ---- tables ---- */

/*
 * What is made of others stands behind them; enums are used by all, and
 * structs and unions declared before. What only private state needs is the
 * server's alone.
 */
static void order_tables(struct check *c)
{
    struct list tables = { 0 }, hidden = { 0 }, forward = { 0 };
    struct model_type **types = c->types.items;
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        if (s->enumeration != NULL) {
            list_add(c, s->is_public ? &tables : &hidden, &s->type,
                     sizeof(s->type));
        }
    }
    for (size_t i = 0; i < c->types.count; i++) {
        list_add(c, i < c->public_types ? &tables : &hidden, &types[i],
                 sizeof(types[i]));
    }
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        if (s->alternatives != NULL) {
            list_add(c, s->is_public ? &tables : &hidden, &s->type,
                     sizeof(s->type));
        }
        if (!s->is_public &&
            (s->alternatives != NULL || s->structure != NULL)) {
            list_add(c, &forward, &s->type, sizeof(s->type));
        }
    }
    const struct struct_source *sources = c->structs.items;
    for (size_t i = 0; i < c->structs.count; i++) {
        const struct model_struct *s = sources[i].structure;
        list_add(c, s->is_hidden ? &hidden : &tables, &s->type,
                 sizeof(struct model_type *));
    }
    c->model->forward_types = forward.items;
    c->model->forward_count = forward.count;
    c->model->types = tables.items;
    c->model->type_count = tables.count;
    c->model->hidden_types = hidden.items;
    c->model->hidden_type_count = hidden.count;
}

static void share(const struct model_type *type)
{
    if (!is_runtime(type->table)) {
        ((struct model_type *)(uintptr_t)type)->is_shared = true;
    }
}

/* The tables that those of @type and its code name. */
static void share_parts(const struct model_type *type)
{
    const struct model_struct *s = type->structure;
    for (size_t i = 0; s != NULL && i < s->field_count; i++) {
        share(s->fields[i].type);
        if (s->fields[i].type->inner != NULL) {
            share(s->fields[i].type->inner);
        }
    }
    if (type->inner != NULL) {
        share(type->inner);
    }
}

/* What stands in the types' file and is named by private state in another. */
static void share_with_hidden(struct check *c)
{
    const struct struct_source *sources = c->structs.items;
    struct model_type **types = c->types.items;
    for (size_t i = c->public_types; i < c->types.count; i++) {
        share_parts(types[i]);
    }
    for (size_t i = 0; i < c->structs.count; i++) {
        if (sources[i].structure->is_hidden) {
            share_parts(sources[i].structure->type);
        }
    }
    struct model_type *const *hidden =
        (struct model_type *const *)(uintptr_t)c->model->hidden_types;
    for (size_t i = 0; i < c->model->hidden_type_count; i++) {
        hidden[i]->is_shared = false; /* they stand where they are named */
    }
}

static void collect_enums(struct check *c)
{
    struct list enums = { 0 };
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        const struct model_enum *e = s->alternatives != NULL
                                         ? s->alternatives->kinds
                                         : s->enumeration;
        if (e != NULL) {
            list_add(c, &enums, e, sizeof(*e));
        }
    }
    c->model->enums = enums.items;
    c->model->enum_count = enums.count;
}

static void declare_used(struct arrange *a, const struct model_type *type)
{
    if (type != NULL) {
        declare_type(a, type);
        declare_later(a);
    }
}

static void declare_structs(struct arrange *a, bool hidden)
{
    const struct struct_source *sources = a->c->structs.items;
    for (size_t i = 0; i < a->c->structs.count; i++) {
        if (sources[i].structure->is_hidden == hidden) {
            declare_used(a, sources[i].structure->type);
        }
    }
}

static void declare_unions(struct arrange *a, bool hidden)
{
    for (const struct symbol *s = a->c->symbols; s != NULL; s = s->next) {
        if (s->alternatives != NULL && s->is_public != hidden) {
            declare_used(a, s->type);
        }
    }
}

static void declare_of_actor(struct arrange *a, const struct model_actor *actor)
{
    for (size_t i = 0; i < actor->method_count; i++) {
        declare_used(a, actor->methods[i].result);
        declare_used(a, actor->methods[i].input);
    }
    for (size_t i = 0; i < actor->event_count; i++) {
        declare_used(a, actor->events[i].payload);
    }
}

/* Everything, what the server alone sees last. */
static void declare_all(struct check *c)
{
    struct model *m = c->model;
    struct arrange a = { .c = c };
    struct model_type **types = c->types.items;
    declare_structs(&a, false);
    declare_unions(&a, false);
    for (size_t i = 0; i < m->actor_count; i++) {
        declare_of_actor(&a, &m->actors[i]);
    }
    for (size_t i = 0; i < c->public_types; i++) {
        declare_used(&a, types[i]); /* those of nobody's field */
    }
    m->declaration_count = c->declarations.count;
    declare_structs(&a, true);
    declare_unions(&a, true);
    for (size_t i = c->public_types; i < c->types.count; i++) {
        declare_used(&a, types[i]);
    }
    m->declarations = c->declarations.items;
    m->hidden_declarations = m->declarations != NULL
                                 ? m->declarations + m->declaration_count
                                 : NULL;
    m->hidden_declaration_count = c->declarations.count - m->declaration_count;
}

static void mark_state(struct arrange *a, const struct model_struct *state)
{
    for (size_t i = 0; state != NULL && i < state->field_count; i++) {
        const struct model_type *type = state->fields[i].type;
        mark_refs(a, type, type->kind == MODEL_STRUCT);
    }
}

static bool is_infinite(const struct model_type *type)
{
    return type->kind == MODEL_FLOAT64 &&
           (isinf(type->float_min) != 0 || isinf(type->float_max) != 0);
}

static void collect_structs(struct check *c)
{
    struct list structs = { 0 }, unions = { 0 };
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        if (s->structure != NULL) {
            list_add(c, &structs, &s->structure, sizeof(s->structure));
        } else if (s->alternatives != NULL) {
            list_add(c, &unions, &s->alternatives, sizeof(s->alternatives));
        }
    }
    c->model->structs = structs.items;
    c->model->struct_count = structs.count;
    c->model->unions = unions.items;
    c->model->union_count = unions.count;
}

void model_arrange(struct check *c)
{
    struct model *m = c->model;
    struct arrange a = { .c = c };
    struct model_type **types = c->types.items;
    const struct struct_source *sources = c->structs.items;
    declare_all(c);
    for (size_t i = 0; i < m->actor_count; i++) {
        add_bounds(c, m->actors[i].state);
        mark_state(&a, m->actors[i].state);
        mark_state(&a, m->actors[i].hidden);
    }
    for (size_t i = 0; i < c->structs.count; i++) {
        const struct model_struct *s = sources[i].structure;
        bool *has = s->is_hidden ? &m->hidden_copies : &m->has_copies;
        *has = *has || s->is_declared;
    }
    for (size_t i = 0; i < c->types.count; i++) {
        bool *has = i < c->public_types ? &m->has_infinity
                                        : &m->hidden_infinity;
        *has = *has || is_infinite(types[i]);
    }
    collect_enums(c);
    collect_structs(c);
    order_tables(c);
    share_with_hidden(c);
    m->refs = c->refs.items;
    m->ref_count = c->refs.count;
    m->bounds = c->bounds.items;
    m->bound_count = c->bounds.count;
    m->checks = c->checks.items;
    m->check_count = c->checks.count;
}
