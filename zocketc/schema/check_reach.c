/*
 * Which types are reached from where: from the parts of an actor that clients
 * see, or only from its private state, which makes them the server's alone. A
 * type that no actor uses is public, and so are its parts. By a work list,
 * since a chain of types may be long; before any type is looked at, so that
 * unknown names are ignored here.
 */
#include "schema/check.h"

struct reach {
    struct check *c;
    bool by_clients;  /* now; else from parts that only the server has */
    struct list open; /* struct symbol * */
};

static void reach_symbol(struct reach *r, struct symbol *s)
{
    bool *reached = r->by_clients ? &s->is_public : &s->is_stored;
    if (!*reached) {
        *reached = true;
        list_add(r->c->arena, &r->open, &s, sizeof(s));
    }
}

static void reach_type(struct reach *r, const struct ast_type *type)
{
    if (type->kind != AST_TYPE_NAME) {
        for (const struct ast_type *t = type->inner; t != NULL; t = t->next) {
            reach_type(r, t);
        }
        return;
    }
    struct symbol *s = check_find(r->c, type->name.text);
    if (s != NULL) {
        reach_symbol(r, s);
    }
}

static void reach_fields(struct reach *r, const struct ast_field *fields)
{
    for (const struct ast_field *f = fields; f != NULL; f = f->next) {
        reach_type(r, f->type);
    }
}

static void reach_member(struct reach *r, const struct ast_decl *actor,
                         const struct ast_member *m)
{
    if (m->kind == AST_MEMBER_STATE) {
        reach_symbol(r, check_find(r->c, arena_printf(r->c->arena, "%s.state",
                                                      actor->name.text)));
    }
    reach_fields(r, m->fields);
    reach_fields(r, m->payload.params);
    if (m->payload.type != NULL) {
        reach_type(r, m->payload.type);
    }
    const struct ast_type *types[] = { m->result, m->chunk, m->progress };
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i] != NULL) {
            reach_type(r, types[i]);
        }
    }
}

/* Follows the parts of all symbols that were reached. */
static void reach_parts(struct reach *r)
{
    for (size_t i = 0; i < r->open.count; i++) {
        const struct symbol *s = ((struct symbol **)r->open.items)[i];
        reach_fields(r, s->fields);
        if (s->decl->type != NULL) {
            reach_type(r, s->decl->type);
        }
    }
    r->open.count = 0;
}

static void reach_actor(struct reach *r, const struct ast_decl *actor)
{
    for (const struct ast_member *m = actor->members; m != NULL; m = m->next) {
        const bool is_private = m->kind == AST_MEMBER_PRIVATE ||
                                m->kind == AST_MEMBER_TIMER || m->is_internal;
        if (r->by_clients != is_private) {
            reach_member(r, actor, m);
        }
    }
}

/* The app's own declarations: clients see errors and broadcasts. */
static void reach_access(struct reach *r, const struct ast_decl *d)
{
    const bool is_public = d->kind == AST_DECL_ERROR ||
                           d->kind == AST_DECL_BROADCAST;
    if (is_public && r->by_clients) {
        reach_fields(r, d->payload.params);
        if (d->payload.type != NULL) {
            reach_type(r, d->payload.type);
        }
    } else if (!is_public && !r->by_clients) {
        reach_fields(r, d->fields);
        reach_fields(r, d->data != NULL ? d->data->fields : NULL);
    }
}

/* From all that clients see, or from all else. */
static void reach_decls(struct check *c, bool by_clients)
{
    struct reach r = { .c = c, .by_clients = by_clients };
    for (const struct ast_decl *d = c->file->decls; d != NULL; d = d->next) {
        if (d->kind == AST_DECL_ACTOR) {
            reach_actor(&r, d);
        } else if (d->kind >= AST_DECL_CONNECTION) {
            reach_access(&r, d);
        }
    }
    reach_parts(&r);
}

void check_reach(struct check *c)
{
    struct reach r = { .c = c, .by_clients = true };
    reach_decls(c, true);
    reach_decls(c, false);
    for (struct symbol *s = c->symbols; s != NULL; s = s->next) {
        s->is_reached = s->is_public || s->is_stored;
    }
    for (struct symbol *s = c->symbols; s != NULL; s = s->next) {
        if (!s->is_reached) {
            reach_symbol(&r, s);
        }
    }
    reach_parts(&r);
}
