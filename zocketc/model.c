/*
 * The last step to the model: the order in which C wants things declared, and
 * what follows from the whole, such as which structs stand in a state.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

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
    struct list done;  /* stems of what is declared, and of entries */
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
    const char *const *done = a->done.items;
    for (size_t i = 0; i < a->done.count; i++) {
        if (strcmp(done[i], stem) == 0) {
            return false;
        }
    }
    list_add(a->c, &a->done, &stem, sizeof(stem));
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
    add(a, MODEL_DECLARE_STRUCT, type);
}

/* Declares what must be complete where @type stands by value. */
static void declare_type(struct arrange *a, const struct model_type *type)
{
    switch (type->kind) {
    case MODEL_STRUCT:
        declare_struct(a, type);
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
        declare_type(a, type->inner);
        if (!is_runtime(type->stem) && first_time(a, type->stem)) {
            add(a, MODEL_DECLARE_OPTIONAL, type);
        }
        break;
    case MODEL_BOXED:
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
    while (type->kind == MODEL_OPTIONAL || type->kind == MODEL_BOXED) {
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
        if (!is_runtime(type->stem)) {
            const struct model_type *const *refs = c->refs.items;
            bool known = false;
            for (size_t i = 0; i < c->refs.count && !known; i++) {
                known = strcmp(refs[i]->stem, type->stem) == 0;
            }
            if (!known) {
                list_add(c, &c->refs, &type, sizeof(type));
            }
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

/* What is made of others stands behind them; structs are declared before. */
static void order_tables(struct check *c)
{
    struct list ordered = { 0 };
    struct model_type **types = c->types.items;
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        if (s->enumeration != NULL) {
            s->type->is_shared = true; /* also one that nothing uses */
            list_add(c, &ordered, &s->type, sizeof(s->type));
        }
    }
    for (size_t i = 0; i < c->types.count; i++) {
        list_add(c, &ordered, &types[i], sizeof(types[i]));
    }
    const struct struct_source *sources = c->structs.items;
    for (size_t i = 0; i < c->structs.count; i++) {
        list_add(c, &ordered, &sources[i].structure->type,
                 sizeof(struct model_type *));
    }
    c->types = ordered;
}

static void collect_enums(struct check *c)
{
    size_t count = 0;
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        count += s->enumeration != NULL;
    }
    struct model_enum *enums = arena_alloc(c->arena,
                                           (count + 1) * sizeof(*enums));
    count = 0;
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        if (s->enumeration != NULL) {
            enums[count++] = *s->enumeration;
        }
    }
    c->model->enums = enums;
    c->model->enum_count = count;
}

static void collect_structs(struct check *c)
{
    struct list structs = { 0 };
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        if (s->structure != NULL) {
            list_add(c, &structs, &s->structure, sizeof(s->structure));
        }
    }
    c->model->structs = structs.items;
    c->model->struct_count = structs.count;
}

void model_arrange(struct check *c)
{
    struct model *m = c->model;
    struct arrange a = { .c = c };
    const struct struct_source *sources = c->structs.items;
    for (size_t i = 0; i < c->structs.count; i++) {
        declare_type(&a, sources[i].structure->type);
        declare_later(&a);
        m->has_copies = m->has_copies || sources[i].structure->is_declared;
    }
    for (size_t i = 0; i < m->actor_count; i++) {
        const struct model_actor *actor = &m->actors[i];
        add_bounds(c, actor->state);
        for (size_t f = 0; f < actor->state->field_count; f++) {
            const struct model_type *type = actor->state->fields[f].type;
            mark_refs(&a, type, type->kind == MODEL_STRUCT);
        }
        for (size_t k = 0; k < actor->method_count; k++) {
            if (actor->methods[k].result != NULL) {
                declare_type(&a, actor->methods[k].result);
            }
            if (actor->methods[k].input != NULL) {
                declare_type(&a, actor->methods[k].input);
            }
        }
        for (size_t k = 0; k < actor->event_count; k++) {
            if (actor->events[k].payload != NULL) {
                declare_type(&a, actor->events[k].payload);
            }
        }
        declare_later(&a);
    }
    struct model_type **types = c->types.items;
    for (size_t i = 0; i < c->types.count; i++) {
        declare_type(&a, types[i]); /* those of nobody's field */
        declare_later(&a);
        m->has_infinity = m->has_infinity ||
                          (types[i]->kind == MODEL_FLOAT64 &&
                           (isinf(types[i]->float_min) != 0 ||
                            isinf(types[i]->float_max) != 0));
    }
    collect_enums(c);
    collect_structs(c);
    order_tables(c);
    m->declarations = c->declarations.items;
    m->declaration_count = c->declarations.count;
    m->types = c->types.items;
    m->type_count = c->types.count;
    m->refs = c->refs.items;
    m->ref_count = c->refs.count;
    m->bounds = c->bounds.items;
    m->bound_count = c->bounds.count;
}
