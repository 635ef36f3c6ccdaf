/*
 * Which named types clients receive and send, and which have a default in them.
 * Both by work lists over the graph of types, forwards and backwards, so the
 * time is linear however types contain each other.
 */
#include "output_ts/lower.h"

struct reach {
    struct ts_lower *l;
    struct ts_node *from; /* the node whose parts are looked at, or NULL */
    enum ts_way way;
    struct list open; /* struct ts_node *: parts are to be followed */
};

static const char *declared_name(const struct schema_type *type)
{
    return type->kind == SCHEMA_ENUM    ? type->enumeration->name.text
           : type->kind == SCHEMA_UNION ? type->alternatives->name.text
                                        : type->alias;
}

static bool is_named(const struct schema_type *type)
{
    return type->kind == SCHEMA_ENUM || type->kind == SCHEMA_STRUCT ||
           type->kind == SCHEMA_UNION ||
           (type->kind == SCHEMA_TUPLE && type->alias != NULL);
}

struct ts_node *ts_find_node(const struct ts_lower *l,
                             const struct schema_type *type)
{
    if (!is_named(type)) {
        return NULL;
    }
    return type->kind == SCHEMA_STRUCT
               ? l->structs[type->structure->number]
               : table_find(&l->declared, declared_name(type));
}

static struct ts_node *node_of(struct ts_lower *l,
                               const struct schema_type *type)
{
    struct ts_node *node = ts_find_node(l, type);
    if (node != NULL) {
        return node;
    }
    node = ARENA_NEW(l->arena, struct ts_node);
    node->type = type;
    list_add(l->arena, &l->nodes, &node, sizeof(node));
    if (type->kind == SCHEMA_STRUCT) {
        l->structs[type->structure->number] = node;
    } else {
        table_put(&l->declared, l->arena, declared_name(type), node);
    }
    return node;
}

/* ---- what clients see ---- */

/* Parts of structs and unions are followed later: they may be in a circle. */
static void reach_type(struct reach *r, const struct schema_type *type)
{
    if (type->inner != NULL) {
        reach_type(r, type->inner);
    }
    if (!is_named(type)) {
        for (size_t i = 0; i < type->item_count; i++) {
            reach_type(r, type->items[i]);
        }
        return;
    }
    struct ts_node *node = node_of(r->l, type);
    if (r->from != NULL) {
        list_add(r->l->arena, &node->users, &r->from, sizeof(r->from));
    }
    if (!node->goes[r->way]) {
        node->goes[r->way] = true;
        list_add(r->l->arena, &r->open, &node, sizeof(node));
    }
}

static void reach_payload(struct reach *r, const struct schema_type *type)
{
    if (type != NULL) {
        reach_type(r, type);
    }
}

static void reach_parts(struct reach *r, const struct schema_type *type)
{
    const struct schema_struct *s = type->structure;
    const struct schema_union *u = type->alternatives;
    for (size_t i = 0; s != NULL && i < s->field_count; i++) {
        reach_type(r, s->fields[i].type);
    }
    for (size_t i = 0; u != NULL && i < u->variant_count; i++) {
        reach_type(r, u->variants[i].type);
    }
    for (size_t i = 0; i < type->item_count; i++) {
        reach_type(r, type->items[i]);
    }
}

static void follow(struct reach *r)
{
    for (size_t i = 0; i < r->open.count; i++) {
        r->from = ((struct ts_node **)r->open.items)[i];
        reach_parts(r, r->from->type);
    }
    r->open.count = 0;
    r->from = NULL;
}

static void reach_actor(struct reach *r, const struct schema_actor *a)
{
    if (r->way == TS_IN) {
        reach_type(r, a->state->type);
    }
    for (size_t i = 0; i < a->method_count; i++) {
        const struct schema_method *m = &a->methods[i];
        if (m->is_internal) {
            continue;
        }
        if (r->way == TS_OUT) {
            reach_payload(r, m->input);
            continue;
        }
        reach_payload(r, m->result);
        reach_payload(r, m->chunk);
        reach_payload(r, m->progress);
    }
    for (size_t i = 0; r->way == TS_IN && i < a->event_count; i++) {
        reach_payload(r, a->events[i].payload);
    }
}

static void reach_received(struct reach *r)
{
    const struct schema *s = r->l->schema;
    for (size_t i = 0; i < s->error_count; i++) {
        reach_payload(r, s->errors[i].details);
    }
    for (size_t i = 0; i < s->broadcast_count; i++) {
        reach_payload(r, s->broadcasts[i].payload);
    }
}

static void reach_sent(struct reach *r)
{
    const struct schema_connection *c = r->l->schema->connection;
    for (size_t i = 0; c != NULL && i < c->input->field_count; i++) {
        if (c->parameters[i].source == SCHEMA_FROM_QUERY) {
            reach_type(r, c->input->fields[i].type);
        }
    }
}

static void reach_way(struct ts_lower *l, enum ts_way way)
{
    struct reach r = { .l = l, .way = way };
    for (size_t i = 0; i < l->schema->actor_count; i++) {
        reach_actor(&r, &l->schema->actors[i]);
    }
    if (way == TS_IN) {
        reach_received(&r);
    } else {
        reach_sent(&r);
    }
    follow(&r);
}

static bool is_private(const struct schema_type *type)
{
    return type->kind == SCHEMA_STRUCT  ? type->structure->is_private
           : type->kind == SCHEMA_UNION ? type->alternatives->is_private
                                        : type->enumeration->is_private;
}

/* Declared types that nothing uses are there, too. */
static void reach_unused(struct ts_lower *l)
{
    struct reach r = { .l = l, .way = TS_IN };
    for (size_t i = 0; i < l->schema->decl_count; i++) {
        const struct schema_decl *d = &l->schema->decls[i];
        if (d->type != NULL && !is_private(d->type) &&
            ts_find_node(l, d->type) == NULL) {
            reach_type(&r, d->type);
        }
    }
    follow(&r);
}

/* ---- defaults ---- */

static bool has_own_default(const struct schema_type *type)
{
    const struct schema_struct *s = type->structure;
    size_t i = 0;
    while (s != NULL && i < s->field_count && s->fields[i].value == NULL) {
        i++;
    }
    return s != NULL && i < s->field_count;
}

static void add_default(struct ts_lower *l, struct list *open,
                        struct ts_node *node)
{
    if (!node->has_default) {
        node->has_default = true;
        list_add(l->arena, open, &node, sizeof(node));
    }
}

static void find_defaults(struct ts_lower *l)
{
    struct list open = { 0 };
    for (size_t i = 0; i < l->nodes.count; i++) {
        struct ts_node *node = ((struct ts_node **)l->nodes.items)[i];
        if (has_own_default(node->type)) {
            add_default(l, &open, node);
        }
    }
    for (size_t i = 0; i < open.count; i++) {
        const struct ts_node *node = ((struct ts_node **)open.items)[i];
        for (size_t k = 0; k < node->users.count; k++) {
            add_default(l, &open, ((struct ts_node **)node->users.items)[k]);
        }
    }
}

void ts_reach(struct ts_lower *l)
{
    l->structs = arena_alloc(l->arena, (l->schema->struct_count + 1) *
                                           sizeof(struct ts_node *));
    reach_way(l, TS_IN);
    reach_way(l, TS_OUT);
    reach_unused(l);
    find_defaults(l);
}
