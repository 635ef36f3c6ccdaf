/*
 * Which type descriptors are emitted, in which order, and which of them other
 * emitted files name.
 */
#include "output_c/lower.h"

struct lower_struct *lower_made(const struct lower *l, size_t i)
{
    return &l->structs[((const size_t *)l->made.items)[i]];
}

struct model_type *lower_to_write(const struct lower *l,
                                  const struct model_type *type)
{
    return l->all[type->schema->number];
}

bool lower_is_private(const struct lower_decl *d)
{
    return d->enumeration != NULL    ? d->enumeration->is_private
           : d->alternatives != NULL ? d->alternatives->kinds->is_private
           : d->type != NULL         ? d->type->structure->is_private
                                     : false;
}

static void add_type(struct lower *l, struct list *list,
                     struct model_type *type)
{
    list_add(l->arena, list, &type, sizeof(type));
}

/*
 * A descriptor stands behind those that it names; enums come first, and structs
 * and unions are declared before. The server's file has the descriptors that
 * only private state needs.
 */
static void order_descriptors(struct lower *l, struct list *of_all,
                              struct list *of_private, struct list *forward)
{
    const size_t count = l->schema->decl_count;
    struct model_type **types = l->types.items;
    for (size_t i = 0; i < count; i++) {
        const struct lower_decl *d = &l->decls[i];
        if (d->enumeration != NULL) {
            add_type(l, lower_is_private(d) ? of_private : of_all, d->type);
        }
    }
    for (size_t i = 0; i < l->types.count; i++) {
        add_type(l, i < l->public_types ? of_all : of_private, types[i]);
    }
    for (size_t i = 0; i < count; i++) {
        const struct lower_decl *d = &l->decls[i];
        if (d->alternatives != NULL) {
            add_type(l, lower_is_private(d) ? of_private : of_all, d->type);
        }
        if (d->type != NULL && d->enumeration == NULL && lower_is_private(d)) {
            add_type(l, forward, d->type);
        }
    }
    for (size_t i = 0; i < l->made.count; i++) {
        struct lower_struct *s = lower_made(l, i);
        add_type(l, s->to->is_private ? of_private : of_all, s->type);
    }
}

/* The descriptors that those of @type and its code name. */
static void share_parts(struct lower *l, const struct model_type *type)
{
    const struct model_struct *s = type->structure;
    for (size_t i = 0; s != NULL && i < s->field_count; i++) {
        const struct model_type *field = s->fields[i].type;
        lower_share(lower_to_write(l, field));
        if (field->inner != NULL) {
            lower_share(lower_to_write(l, field->inner));
        }
    }
    if (type->inner != NULL) {
        lower_share(lower_to_write(l, type->inner));
    }
}

/* Descriptors of the types' file that private state names in the server's. */
static void share_with_private(struct lower *l, const struct list *of_private)
{
    struct model_type **types = l->types.items, **of_server = of_private->items;
    for (size_t i = l->public_types; i < l->types.count; i++) {
        share_parts(l, types[i]);
    }
    for (size_t i = 0; i < l->made.count; i++) {
        if (lower_made(l, i)->to->is_private) {
            share_parts(l, lower_made(l, i)->type);
        }
    }
    for (size_t i = 0; i < of_private->count; i++) {
        of_server[i]->is_shared = false; /* they stand where they are named */
    }
}

void lower_collect_descriptors(struct lower *l)
{
    struct list of_all = { 0 }, of_private = { 0 }, forward = { 0 };
    struct model *m = l->model;
    order_descriptors(l, &of_all, &of_private, &forward);
    share_with_private(l, &of_private);
    m->types = of_all.items;
    m->type_count = of_all.count;
    m->private_types = of_private.items;
    m->private_type_count = of_private.count;
    m->forward_types = forward.items;
    m->forward_count = forward.count;
}
