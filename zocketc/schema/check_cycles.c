/*
 * Types in types. Structs, unions and aliases are the nodes of a graph; its
 * edges are the types that they hold by value; an edge through '?' or '| null'
 * is weak, since a pointer can take its place. Strongly connected components
 * (Tarjan's algorithm, with a stack of its own, since a schema may be hostile)
 * of all edges say where pointers are needed; those of the strong edges alone
 * are types without end.
 */
#include <string.h>

#include "schema/check.h"
#include "syntax/parse.h"

enum edge_kind {
    EDGE_STRONG, /* by value */
    EDGE_WEAK,   /* may be absent or null */
    EDGE_NEEDED  /* an item of a list that has a minimum: by pointer, but there
                    is no value without it */
};

struct edge {
    size_t to;
    enum edge_kind kind;
};

struct node {
    struct symbol *symbol;
    size_t first_edge, edge_count;
    size_t index, low; /* from 1; 0: not seen */
    bool on_stack, infinite;
    size_t next_edge;
    int depth;        /* of the types in it, with itself */
    size_t own, size; /* values of its own; of all that it contains */
};

enum {
    SIZE_LIMIT = 10000 /* values in a struct: nobody means more */
};

struct graph {
    struct check *c;
    struct node *nodes;
    size_t node_count;
    struct list edges; /* struct edge */
    size_t *stack, *path;
    size_t stack_count, path_count, seen;
    bool strong_only;
};

static const struct edge *edge_at(const struct graph *g, size_t i)
{
    return &((const struct edge *)g->edges.items)[i];
}

/* ---- the graph ---- */

static bool is_node(const struct symbol *s)
{
    return s->decl->kind != AST_DECL_ENUM;
}

bool check_has_minimum(const struct ast_type *type)
{
    for (const struct ast_rule *r = type->rules; r != NULL; r = r->next) {
        if (r->kind == AST_RULE_RANGE && r->low.text != NULL &&
            strcmp(r->low.text, "0") != 0) {
            return true;
        }
    }
    return false;
}

/* Adds edges for the types in @type. */
static void add_edges(struct graph *g, struct node *node,
                      const struct ast_type *type, enum edge_kind kind)
{
    switch (type->kind) {
    case AST_TYPE_OPTIONAL:
    case AST_TYPE_NULLABLE:
        add_edges(g, node, type->inner, EDGE_WEAK);
        return;
    case AST_TYPE_TUPLE:
        for (const struct ast_type *e = type->inner; e != NULL; e = e->next) {
            add_edges(g, node, e, kind);
        }
        return;
    case AST_TYPE_NAME: {
        const struct symbol *s = check_find(g->c, type->name.text);
        if (s != NULL && is_node(s)) {
            const struct edge edge = { s->cycle, kind };
            list_add(g->c->arena, &g->edges, &edge, sizeof(edge));
            node->edge_count++;
        }
        return;
    }
    case AST_TYPE_LIST:
        if (kind != EDGE_WEAK && check_has_minimum(type)) {
            add_edges(g, node, type->inner, EDGE_NEEDED);
        }
        return;
    case AST_TYPE_LITERAL:
    case AST_TYPE_MAP: /* by pointer */
        return;
    }
}

/* Until the components are known, a symbol's cycle is the number of its node.
 */
static void make_graph(struct graph *g)
{
    for (struct symbol *s = g->c->symbols; s != NULL; s = s->next) {
        if (is_node(s)) {
            s->cycle = g->node_count++;
        }
    }
    g->nodes = arena_alloc(g->c->arena,
                           (g->node_count + 1) * sizeof(*g->nodes));
    g->stack = arena_alloc(g->c->arena, (g->node_count + 1) * sizeof(size_t));
    g->path = arena_alloc(g->c->arena, (g->node_count + 1) * sizeof(size_t));
    for (struct symbol *s = g->c->symbols; s != NULL; s = s->next) {
        if (!is_node(s)) {
            continue;
        }
        struct node *node = &g->nodes[s->cycle];
        node->symbol = s;
        node->first_edge = g->edges.count;
        node->own = 1;
        if (s->decl->type != NULL) {
            add_edges(g, node, s->decl->type, EDGE_STRONG);
        }
        for (const struct ast_field *f = s->fields; f != NULL; f = f->next) {
            add_edges(g, node, f->type, EDGE_STRONG);
            node->own++;
        }
    }
}

/* ---- components ---- */

static void enter(struct graph *g, size_t n)
{
    struct node *node = &g->nodes[n];
    node->index = node->low = ++g->seen;
    node->on_stack = true;
    node->next_edge = 0;
    node->depth = 1;
    node->size = node->own;
    g->stack[g->stack_count++] = n;
    g->path[g->path_count++] = n;
}

static void note_child(struct node *node, const struct node *child)
{
    node->low = child->low < node->low ? child->low : node->low;
    node->depth = child->depth + 1 > node->depth ? child->depth + 1
                                                 : node->depth;
}

/* Whether an edge is in the graph that is looked at now. */
static bool counts(const struct graph *g, const struct edge *edge)
{
    return edge->kind == EDGE_STRONG ||
           edge->kind == (g->strong_only ? EDGE_NEEDED : EDGE_WEAK);
}

/* Follows the next edge of the node at the end of the path; false: none. */
static bool follow(struct graph *g, struct node *node)
{
    while (node->next_edge < node->edge_count) {
        const struct edge *edge = edge_at(g,
                                          node->first_edge + node->next_edge++);
        struct node *to = &g->nodes[edge->to];
        if (!counts(g, edge)) {
            continue;
        }
        if (to->index == 0) {
            node->next_edge--; /* once more, when the child is done */
            enter(g, edge->to);
            return true;
        }
        if (to->on_stack) {
            node->low = to->index < node->low ? to->index : node->low;
        } else {
            node->depth = to->depth + 1 > node->depth ? to->depth + 1
                                                      : node->depth;
            node->size += node->size <= SIZE_LIMIT ? to->size : 0;
        }
    }
    return false;
}

static bool has_edge_to_itself(const struct graph *g, const struct node *node)
{
    for (size_t i = 0; i < node->edge_count; i++) {
        const struct edge *edge = edge_at(g, node->first_edge + i);
        if (&g->nodes[edge->to] == node && counts(g, edge)) {
            return true;
        }
    }
    return false;
}

/* A component is complete: its nodes are those from @root's on. */
static void take_component(struct graph *g, size_t root)
{
    const bool several = g->stack[g->stack_count - 1] != root;
    size_t n;
    do {
        n = g->stack[--g->stack_count];
        struct node *node = &g->nodes[n];
        const struct ast_decl *decl = node->symbol->decl;
        node->on_stack = false;
        if (!g->strong_only) {
            node->symbol->cycle = root;
        } else if ((several || has_edge_to_itself(g, node)) &&
                   decl->kind != AST_DECL_TYPE) {
            node->infinite = true;
        }
    } while (n != root);
}

static void find_components(struct graph *g, bool strong_only)
{
    g->strong_only = strong_only;
    g->seen = g->stack_count = g->path_count = 0;
    for (size_t i = 0; i < g->node_count; i++) {
        g->nodes[i].index = 0;
    }
    for (size_t i = 0; i < g->node_count; i++) {
        if (g->nodes[i].index == 0) {
            enter(g, i);
        }
        while (g->path_count > 0) {
            const size_t n = g->path[g->path_count - 1];
            if (follow(g, &g->nodes[n])) {
                continue;
            }
            g->path_count--;
            if (g->nodes[n].low == g->nodes[n].index) {
                take_component(g, n);
            }
            if (g->path_count > 0) {
                note_child(&g->nodes[g->path[g->path_count - 1]], &g->nodes[n]);
            }
        }
    }
}

static void report(const struct graph *g)
{
    for (size_t i = 0; i < g->node_count; i++) {
        const struct ast_decl *decl = g->nodes[i].symbol->decl;
        if (g->nodes[i].infinite) {
            diag_report(g->c->diag, decl->name.at, DIAG_INFINITE_TYPE,
                        decl->kind == AST_DECL_UNION ? "union" : "struct",
                        decl->name.text);
        } else if (g->nodes[i].depth == PARSE_DEPTH_MAX + 1) {
            diag_report(g->c->diag, decl->name.at, DIAG_TOO_DEEP,
                        PARSE_DEPTH_MAX);
        }
    }
}

/* Of several that contain each other only the innermost. */
static bool report_size(const struct graph *g)
{
    bool good = true;
    for (size_t i = 0; i < g->node_count; i++) {
        const struct node *node = &g->nodes[i];
        bool inner = node->size > SIZE_LIMIT;
        good = good && !inner;
        for (size_t e = 0; e < node->edge_count && inner; e++) {
            const struct edge *edge = edge_at(g, node->first_edge + e);
            inner = !counts(g, edge) || g->nodes[edge->to].size <= SIZE_LIMIT;
        }
        if (inner) {
            diag_report(g->c->diag, node->symbol->decl->name.at, DIAG_TOO_LARGE,
                        node->symbol->decl->name.text, SIZE_LIMIT);
        }
    }
    return good;
}

bool check_cycles(struct check *c)
{
    struct graph g = { .c = c };
    make_graph(&g);
    find_components(&g, true);
    report(&g);
    find_components(&g, false);
    return report_size(&g);
}

bool check_closes_cycle(const struct check *c, const struct ast_type *type,
                        const struct symbol *owner)
{
    if (owner == NULL) {
        return false;
    }
    if (type->kind == AST_TYPE_TUPLE) {
        for (const struct ast_type *e = type->inner; e != NULL; e = e->next) {
            if (check_closes_cycle(c, e, owner)) {
                return true;
            }
        }
        return false;
    }
    /* A nullable type inside of it is a pointer already, where it must be. */
    const struct symbol *s = type->kind == AST_TYPE_NAME
                                 ? check_find(c, type->name.text)
                                 : NULL;
    return s != NULL && is_node(s) && s->cycle == owner->cycle;
}

/* ---- cycles that a suggestion would make ---- */

struct holding {
    struct check *c;
    struct table seen; /* struct symbol, by name */
    struct list open;  /* const struct symbol * */
};

static void hold_name(struct holding *h, const char *name)
{
    struct symbol *s = check_find(h->c, name);
    if (s != NULL && table_find(&h->seen, name) == NULL) {
        table_put(&h->seen, h->c->arena, name, s);
        list_add(h->c->arena, &h->open, &s, sizeof(s));
    }
}

static void hold_type(struct holding *h, const struct ast_type *type)
{
    switch (type->kind) {
    case AST_TYPE_TUPLE:
        for (const struct ast_type *e = type->inner; e != NULL; e = e->next) {
            hold_type(h, e);
        }
        return;
    case AST_TYPE_NAME:
        hold_name(h, type->name.text);
        return;
    case AST_TYPE_LIST:
        if (check_has_minimum(type)) {
            hold_type(h, type->inner);
        }
        return;
    case AST_TYPE_OPTIONAL:
    case AST_TYPE_NULLABLE:
    case AST_TYPE_MAP:
    case AST_TYPE_LITERAL:
        return;
    }
}

/* An include that is not expanded yet holds the fields of its struct. */
static void hold_field(struct holding *h, const struct ast_field *field)
{
    if (field->is_include) {
        hold_name(h, field->name.text);
    } else {
        hold_type(h, field->type);
    }
}

bool check_holds(struct check *c, const struct symbol *symbol,
                 const struct symbol *part)
{
    struct holding h = { .c = c };
    list_add(c->arena, &h.open, &symbol, sizeof(symbol));
    for (size_t i = 0; i < h.open.count; i++) {
        const struct symbol *s = ((const struct symbol **)h.open.items)[i];
        if (s == part) {
            return true;
        }
        for (const struct ast_field *f = s->fields; f != NULL; f = f->next) {
            hold_field(&h, f);
        }
        if (s->decl->type != NULL) {
            hold_type(&h, s->decl->type);
        }
    }
    return false;
}
