/*
 * The types of a file. Types that the schema names keep their names; others
 * take one that is left. Every named type has the shape in which clients
 * receive it; one that clients send has another where a default makes a
 * difference.
 */
#include "output_ts/lower.h"

#include <string.h>

enum {
    COLUMNS = 80,
    ALIAS_MARKS = 15 /* "export type  = ;" without the name */
};

void ts_add_interface(struct ts_lower *l, const struct ts_interface *interface)
{
    struct ts_interface *copy = ARENA_NEW(l->arena, struct ts_interface);
    *copy = *interface;
    const struct ts_decl decl = { .interface = copy };
    list_add(l->arena, &l->decls, &decl, sizeof(decl));
}

void ts_add_alias(struct ts_lower *l, const struct ts_alias *alias)
{
    struct ts_alias *copy = ARENA_NEW(l->arena, struct ts_alias);
    const char *text = ts_union(l->arena, alias->alternatives,
                                alias->alternative_count);
    *copy = *alias;
    copy->is_long = alias->alternative_count > 1 &&
                    ALIAS_MARKS + strlen(alias->name) + strlen(text) > COLUMNS;
    const struct ts_decl decl = { .alias = copy };
    list_add(l->arena, &l->decls, &decl, sizeof(decl));
}

/* ---- names ---- */

static void name_node(struct ts_lower *l, struct ts_node *node,
                      const char *name)
{
    node->names[TS_IN] = ts_take(&l->names, l->arena, name);
    node->names[TS_OUT] = node->names[TS_IN];
}

static void name_input(struct ts_lower *l, struct ts_node *node)
{
    if (node->has_default && node->goes[TS_OUT]) {
        const char *name = arena_printf(l->arena, "%sInput",
                                        node->names[TS_IN]);
        node->names[TS_OUT] = ts_take(&l->names, l->arena, name);
    }
}

/* NULL: an alias that is replaced by its type, or that no client sees. */
static struct ts_node *node_of_decl(const struct ts_lower *l,
                                    const struct schema_decl *d)
{
    return d->type != NULL ? ts_find_node(l, d->type)
           : d->is_tuple   ? table_find(&l->declared, d->name.text)
                           : NULL;
}

void ts_name_nodes(struct ts_lower *l)
{
    const struct schema *s = l->schema;
    struct list nodes = { 0 };
    for (size_t i = 0; i < s->decl_count; i++) {
        struct ts_node *node = node_of_decl(l, &s->decls[i]);
        if (node != NULL) {
            name_node(l, node, s->decls[i].name.text);
            list_add(l->arena, &nodes, &node, sizeof(node));
        }
    }
    for (size_t i = 0; i < s->actor_count; i++) {
        const struct schema_actor *a = &s->actors[i];
        struct ts_node *node = l->structs[a->state->number];
        name_node(l, node,
                  arena_printf(l->arena, "%sState",
                               ts_pascal(l->arena, a->name.text)));
        list_add(l->arena, &nodes, &node, sizeof(node));
    }
    for (size_t i = 0; i < nodes.count; i++) {
        name_input(l, ((struct ts_node **)nodes.items)[i]);
    }
}

/* ---- structs ---- */

static struct ts_property field_property(const struct ts_lower *l,
                                         const struct schema_struct *s,
                                         const struct schema_field *f,
                                         enum ts_way way)
{
    const char *type = ts_type(l, f->type, way);
    const bool may_lack = f->type->kind == SCHEMA_OPTIONAL ||
                          (way == TS_OUT && f->value != NULL);
    if (may_lack && way == TS_OUT && strcmp(type, "unknown") != 0) {
        type = arena_printf(l->arena, "%s | undefined", type);
    }
    return (struct ts_property){
        .comment = ts_field_comment(l->arena, s, f, way),
        .key = ts_key(l->arena, f->name.text),
        .is_optional = may_lack,
        .type = type,
    };
}

void ts_lower_struct(struct ts_lower *l, const struct schema_struct *s,
                     enum ts_way way)
{
    const struct ts_node *node = l->structs[s->number];
    struct ts_property *properties = arena_alloc(
        l->arena, (s->field_count + 1) * sizeof(*properties));
    for (size_t i = 0; i < s->field_count; i++) {
        properties[i] = field_property(l, s, &s->fields[i], way);
    }
    ts_add_interface(l, &(struct ts_interface){
                            .comment = ts_comment(l->arena, s->doc),
                            .name = node->names[way],
                            .properties = properties,
                            .property_count = s->field_count,
                        });
}

/* The way of the type that has the plain name. */
static enum ts_way plain_way(const struct ts_node *node)
{
    return node->goes[TS_IN] || node->has_default ? TS_IN : TS_OUT;
}

static bool has_input(const struct ts_node *node)
{
    return node->names[TS_OUT] != node->names[TS_IN];
}

void ts_lower_state(struct ts_lower *l, const struct schema_struct *s)
{
    ts_lower_struct(l, s, TS_IN);
    if (has_input(l->structs[s->number])) {
        ts_lower_struct(l, s, TS_OUT);
    }
}

/* ---- unions ---- */

/* The name of a variant's interface. A variant without a default has the same
 * one both ways. */
static const char *variant_name(struct ts_lower *l, const struct ts_node *node,
                                const struct schema_variant *v,
                                const char *plain, enum ts_way way)
{
    const bool is_other = way == TS_OUT && has_input(node);
    if (is_other && !has_input(ts_find_node(l, v->type))) {
        return plain;
    }
    return ts_take(&l->names, l->arena,
                   arena_printf(l->arena, "%s%s%s", node->names[TS_IN],
                                ts_pascal(l->arena, v->name.text),
                                is_other ? "Input" : ""));
}

static void add_variant(struct ts_lower *l, const struct schema_union *u,
                        const struct schema_variant *v, const char *name,
                        enum ts_way way)
{
    struct ts_property *kind = ARENA_NEW(l->arena, struct ts_property);
    *kind = (struct ts_property){
        .key = ts_key(l->arena, u->discriminator),
        .type = ts_string(l->arena, v->name.text, strlen(v->name.text)),
    };
    ts_add_interface(l, &(struct ts_interface){
                            .comment = ts_comment(l->arena, v->doc),
                            .name = name,
                            .base = ts_type(l, v->type, way),
                            .properties = kind,
                            .property_count = 1,
                        });
}

/* @plain: the names of variants as they come in, or NULL. Returns those of the
 * interfaces of this way. */
static const char *const *lower_union(struct ts_lower *l,
                                      const struct ts_node *node,
                                      const char *const *plain, enum ts_way way)
{
    const struct schema_union *u = node->type->alternatives;
    const char **names = arena_alloc(l->arena,
                                     u->variant_count * sizeof(*names));
    for (size_t i = 0; i < u->variant_count; i++) {
        names[i] = variant_name(l, node, &u->variants[i],
                                plain != NULL ? plain[i] : NULL, way);
    }
    ts_add_alias(l, &(struct ts_alias){
                        .comment = ts_union_comment(l->arena, u, way == TS_IN),
                        .name = node->names[way],
                        .alternatives = names,
                        .alternative_count = u->variant_count,
                    });
    for (size_t i = 0; i < u->variant_count; i++) {
        if (plain == NULL || names[i] != plain[i]) {
            add_variant(l, u, &u->variants[i], names[i], way);
        }
    }
    return names;
}

/* ---- enums and tuples ---- */

static void lower_enum(struct ts_lower *l, const struct ts_node *node)
{
    const struct schema_enum *e = node->type->enumeration;
    const char **values = arena_alloc(l->arena,
                                      e->value_count * sizeof(*values));
    for (size_t i = 0; i < e->value_count; i++) {
        values[i] = ts_string(l->arena, e->values[i].wire.text,
                              e->values[i].wire.len);
    }
    ts_add_alias(l,
                 &(struct ts_alias){
                     .comment = ts_enum_comment(l->arena, e, node->goes[TS_IN]),
                     .name = node->names[TS_IN],
                     .alternatives = values,
                     .alternative_count = e->value_count,
                 });
}

static void lower_tuple(struct ts_lower *l, const struct ts_node *node,
                        enum ts_way way)
{
    const char **text = ARENA_NEW(l->arena, const char *);
    *text = ts_tuple(l, node->type, way);
    ts_add_alias(l, &(struct ts_alias){
                        .comment = ts_tuple_comment(l->arena, node->type),
                        .name = node->names[way],
                        .alternatives = text,
                        .alternative_count = 1,
                    });
}

/* ---- declarations ---- */

static void lower_node(struct ts_lower *l, const struct ts_node *node)
{
    const enum ts_way plain = plain_way(node);
    const char *const *variants = NULL;
    switch (node->type->kind) {
    case SCHEMA_ENUM:
        lower_enum(l, node);
        break;
    case SCHEMA_STRUCT:
        ts_lower_struct(l, node->type->structure, plain);
        if (has_input(node)) {
            ts_lower_struct(l, node->type->structure, TS_OUT);
        }
        break;
    case SCHEMA_UNION:
        variants = lower_union(l, node, NULL, plain);
        if (has_input(node)) {
            (void)lower_union(l, node, variants, TS_OUT);
        }
        break;
    case SCHEMA_TUPLE:
        lower_tuple(l, node, plain);
        if (has_input(node)) {
            lower_tuple(l, node, TS_OUT);
        }
        break;
#define ZKT_SCALAR(symbol, ...) case SCHEMA_##symbol:
#include "zocket/scalars.def"
#undef ZKT_SCALAR
    case SCHEMA_LIST:
    case SCHEMA_MAP:
    case SCHEMA_OPTIONAL:
    case SCHEMA_NULLABLE:
    case SCHEMA_LITERAL:
    case SCHEMA_KIND_COUNT:
        break; /* they have no name */
    }
}

void ts_lower_decls(struct ts_lower *l)
{
    for (size_t i = 0; i < l->schema->decl_count; i++) {
        const struct ts_node *node = node_of_decl(l, &l->schema->decls[i]);
        if (node != NULL) {
            lower_node(l, node);
        }
    }
}

/* ---- payloads ---- */

const char *ts_lower_payload(struct ts_lower *l,
                             const struct schema_type *payload,
                             const char *name, enum ts_way way,
                             const char *none)
{
    if (payload == NULL) {
        return none;
    }
    if (schema_is_made(payload)) {
        name_node(l, ts_find_node(l, payload), name);
        ts_lower_struct(l, payload->structure, way);
    }
    return ts_type(l, payload, way);
}
