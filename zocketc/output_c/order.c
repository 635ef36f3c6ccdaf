/*
 * The last step to the model: the order of declarations, and facts that depend
 * on the whole, such as the structs that stand in a state.
 */
#include <math.h>
#include <string.h>

#include "output_c/lower.h"

/* ---- memory ---- */

/* Whether a value of @type may hold memory, as far as is known now. */
static bool owns(const struct model_type *type)
{
    if (type->owns || (type->inner != NULL && type->inner->owns)) {
        return true;
    }
    const struct model_struct *s = type->structure;
    for (size_t i = 0; s != NULL && i < s->field_count; i++) {
        if (s->fields[i].type->owns) {
            return true;
        }
    }
    const struct model_union *u = type->alternatives;
    for (size_t i = 0; u != NULL && i < u->variant_count; i++) {
        if (u->variants[i].type->owns) {
            return true;
        }
    }
    return false;
}

/* Repeats until nothing changes: a type that holds an owner is an owner. */
static void find_owners(struct lower *l)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < l->schema->type_count; i++) {
            struct model_type *type = l->all[i];
            if (type != NULL && !type->owns && owns(type)) {
                type->owns = changed = true;
            }
        }
    }
}

/* ---- declarations ---- */

struct arrange {
    struct lower *l;
    struct table done; /* C prefixes of declared types and of entries */
    struct table refs; /* C prefixes of types with a ref */
    struct list later; /* types that pointers mention */
};

static void declare_type(struct arrange *a, const struct model_type *type);

/* Notes that @c_prefix is declared. Returns false if it was before. */
static bool first_time(struct arrange *a, const char *c_prefix)
{
    if (table_find(&a->done, c_prefix) != NULL) {
        return false;
    }
    table_put(&a->done, a->l->arena, c_prefix, a);
    return true;
}

static void add(struct arrange *a, enum model_declaration_kind kind,
                const struct model_type *type)
{
    const struct model_declaration d = { kind, type };
    list_add(a->l->arena, &a->l->declarations, &d, sizeof(d));
}

static void declare_struct(struct arrange *a, const struct model_type *type)
{
    const struct model_struct *s = type->structure;
    if (!first_time(a, type->c_prefix)) {
        return;
    }
    for (size_t i = 0; i < s->field_count; i++) {
        declare_type(a, s->fields[i].type);
    }
    add(a,
        type->kind == SCHEMA_TUPLE ? MODEL_DECLARE_TUPLE : MODEL_DECLARE_STRUCT,
        type);
}

static void declare_union(struct arrange *a, const struct model_type *type)
{
    const struct model_union *u = type->alternatives;
    if (!first_time(a, type->c_prefix)) {
        return;
    }
    for (size_t i = 0; i < u->variant_count; i++) {
        declare_type(a, u->variants[i].type);
    }
    add(a, MODEL_DECLARE_UNION, type);
}

static void mention(struct arrange *a, const struct model_type *type)
{
    list_add(a->l->arena, &a->later, &type, sizeof(type));
}

static void declare_container(struct arrange *a, const struct model_type *type,
                              enum model_declaration_kind kind)
{
    if (!lower_is_runtime(type->c_prefix) && first_time(a, type->c_prefix)) {
        add(a, kind, type);
    }
}

/* Declares all types that must be complete before @type stands by value. */
static void declare_type(struct arrange *a, const struct model_type *type)
{
    switch (type->kind) {
    case SCHEMA_STRUCT:
    case SCHEMA_TUPLE:
        declare_struct(a, type);
        return;
    case SCHEMA_UNION:
        declare_union(a, type);
        return;
    case SCHEMA_LIST:
        declare_container(a, type, MODEL_DECLARE_LIST);
        mention(a, type);
        return;
    case SCHEMA_MAP:
        declare_container(a, type, MODEL_DECLARE_MAP);
        mention(a, type);
        return;
    case SCHEMA_OPTIONAL:
    case SCHEMA_NULLABLE:
        if (type->is_boxed) {
            mention(a, type);
            return;
        }
        declare_type(a, type->inner);
        declare_container(a, type, MODEL_DECLARE_OPTIONAL);
        return;
    case SCHEMA_LITERAL:
    case SCHEMA_ENUM: /* all of them come first */
#define ZKT_SCALAR(symbol, ...) case SCHEMA_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case SCHEMA_KIND_COUNT:
        return;
    }
}

/* Types behind pointers must be complete in the end, too. */
static void declare_later(struct arrange *a)
{
    for (size_t i = 0; i < a->later.count; i++) {
        const struct model_type *type =
            ((const struct model_type *const *)a->later.items)[i];
        declare_type(a, type->inner);
        if (type->kind == SCHEMA_MAP && !lower_is_runtime(type->entry) &&
            first_time(a, type->entry)) {
            add(a, MODEL_DECLARE_ENTRY, type);
        }
    }
    a->later.count = 0;
}

/* ---- places ---- */

static bool has_ref_kind(const struct model_type *type)
{
    return type->kind == SCHEMA_STRUCT || type->kind == SCHEMA_LIST ||
           type->kind == SCHEMA_MAP;
}

static void add_ref(struct arrange *a, const struct model_type *type)
{
    struct model_type *written = lower_to_write(a->l, type);
    written->has_ref = true;
    if (!lower_is_runtime(type->c_prefix) &&
        table_find(&a->refs, type->c_prefix) == NULL) {
        table_put(&a->refs, a->l->arena, type->c_prefix, written);
        list_add(a->l->arena, &a->l->refs, &type, sizeof(type));
    }
}

/* Gives refs to the types in @type, and with @itself to @type, which then is no
 * direct field of a state. */
static void mark_refs(struct arrange *a, const struct model_type *type,
                      bool itself)
{
    while (schema_may_lack(type->kind)) {
        type = type->inner;
        itself = itself || type->kind == SCHEMA_STRUCT;
    }
    if (!has_ref_kind(type) || (itself && type->has_ref)) {
        return;
    }
    if (itself) {
        add_ref(a, type);
    }
    if (type->kind != SCHEMA_STRUCT) {
        mark_refs(a, type->inner, true);
        return;
    }
    for (size_t i = 0; i < type->structure->field_count; i++) {
        const struct model_type *field = type->structure->fields[i].type;
        mark_refs(a, field, field->kind == SCHEMA_STRUCT);
    }
}

static void mark_state(struct arrange *a, const struct model_struct *state)
{
    for (size_t i = 0; state != NULL && i < state->field_count; i++) {
        const struct model_type *type = state->fields[i].type;
        mark_refs(a, type, type->kind == SCHEMA_STRUCT);
    }
}

/* ---- enums ---- */

static void collect_enums(struct lower *l)
{
    struct list enums = { 0 };
    for (size_t i = 0; i < l->schema->decl_count; i++) {
        const struct lower_decl *d = &l->decls[i];
        const struct model_enum *e = d->alternatives != NULL
                                         ? d->alternatives->kinds
                                         : d->enumeration;
        if (e != NULL) {
            list_add(l->arena, &enums, e, sizeof(*e));
        }
    }
    l->model->enums = enums.items;
    l->model->enum_count = enums.count;
}

/* ---- declarations, in their order ---- */

static void declare_used(struct arrange *a, const struct model_type *type)
{
    if (type != NULL) {
        declare_type(a, type);
        declare_later(a);
    }
}

static void declare_structs(struct arrange *a, bool of_private)
{
    for (size_t i = 0; i < a->l->made.count; i++) {
        const struct lower_struct *s = lower_made(a->l, i);
        if (s->to->is_private == of_private) {
            declare_used(a, s->type);
        }
    }
}

static void declare_unions(struct arrange *a, bool of_private)
{
    for (size_t i = 0; i < a->l->schema->decl_count; i++) {
        const struct lower_decl *d = &a->l->decls[i];
        if (d->alternatives != NULL && lower_is_private(d) == of_private) {
            declare_used(a, d->type);
        }
    }
}

static void declare_of_actor(struct arrange *a, const struct model_actor *actor)
{
    for (size_t i = 0; i < actor->method_count; i++) {
        const struct model_method *m = &actor->methods[i];
        declare_used(a, m->is_internal ? NULL : m->result);
        declare_used(a, m->is_internal ? NULL : m->input);
        declare_used(a, m->part);
    }
    for (size_t i = 0; i < actor->event_count; i++) {
        declare_used(a, actor->events[i].payload);
    }
}

/* Declares everything; declarations for the server alone come last. */
static void declare_all(struct lower *l)
{
    struct model *m = l->model;
    struct arrange a = { .l = l };
    struct model_type **types = l->types.items;
    declare_structs(&a, false);
    declare_unions(&a, false);
    for (size_t i = 0; i < m->actor_count; i++) {
        declare_of_actor(&a, &m->actors[i]);
    }
    for (size_t i = 0; i < l->public_types; i++) {
        declare_used(&a, types[i]); /* those of nobody's field */
    }
    m->declaration_count = l->declarations.count;
    declare_structs(&a, true);
    declare_unions(&a, true);
    for (size_t i = l->public_types; i < l->types.count; i++) {
        declare_used(&a, types[i]);
    }
    m->declarations = l->declarations.items;
    m->private_declarations = m->declarations != NULL
                                  ? m->declarations + m->declaration_count
                                  : NULL;
    m->private_declaration_count = l->declarations.count - m->declaration_count;
}

/* ---- facts about the whole ---- */

static bool is_infinite(const struct model_type *type)
{
    return schema_is_real(type->kind) && (isinf(type->schema->float_min) != 0 ||
                                          isinf(type->schema->float_max) != 0);
}

static void find_includes(struct lower *l)
{
    struct model *m = l->model;
    struct model_type **types = l->types.items;
    for (size_t i = 0; i < l->made.count; i++) {
        const struct model_struct *s = lower_made(l, i)->to;
        bool *has = s->is_private ? &m->private_copies : &m->has_copies;
        *has = *has || s->is_value;
    }
    for (size_t i = 0; i < l->types.count; i++) {
        bool *has = i < l->public_types ? &m->has_infinity
                                        : &m->private_infinity;
        *has = *has || is_infinite(types[i]);
    }
}

/* The model's structs and types by the numbers that the schema gives them. */
static void number(struct lower *l)
{
    const struct schema *s = l->schema;
    const struct model_struct **structs = arena_alloc(
        l->arena, (s->struct_count + 1) * sizeof(*structs));
    const struct model_type **types = arena_alloc(
        l->arena, (s->type_count + 1) * sizeof(*types));
    for (size_t i = 0; i < s->struct_count; i++) {
        structs[i] = l->structs[i].to;
    }
    for (size_t i = 0; i < s->type_count; i++) {
        types[i] = l->all[i];
    }
    l->model->structs = structs;
    l->model->all_types = types;
}

void lower_order(struct lower *l)
{
    struct model *m = l->model;
    struct arrange a = { .l = l };
    find_owners(l);
    declare_all(l);
    for (size_t i = 0; i < m->actor_count; i++) {
        mark_state(&a, m->actors[i].state);
        mark_state(&a, m->actors[i].private_state);
    }
    find_includes(l);
    collect_enums(l);
    lower_collect_descriptors(l);
    number(l);
    m->refs = l->refs.items;
    m->ref_count = l->refs.count;
    m->bounds = l->bounds.items;
    m->bound_count = l->bounds.count;
    m->constants = l->constants.items;
    m->constant_count = l->constants.count;
    m->checks = l->checks.items;
    m->check_count = l->checks.count;
}
