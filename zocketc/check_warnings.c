/*
 * What is no mistake, but rarely meant: types that no actor uses, and inputs
 * whose size the client alone decides. Both are found on a checked schema, by
 * work lists, since a chain of types may be long.
 */
#include "check.h"

/* ---- unused types ---- */

struct reach {
    struct check *c;
    struct list open; /* struct symbol * */
};

static void reach_type(struct reach *r, const struct ast_type *type)
{
    if (type->kind != AST_TYPE_NAME) {
        for (const struct ast_type *t = type->inner; t != NULL; t = t->next) {
            reach_type(r, t);
        }
        return;
    }
    struct symbol *s = check_find(r->c, type->name.text);
    if (s != NULL && !s->reached) {
        s->reached = true;
        list_add(r->c, &r->open, &s, sizeof(s));
    }
}

static void reach_fields(struct reach *r, const struct ast_field *fields)
{
    for (const struct ast_field *f = fields; f != NULL; f = f->next) {
        reach_type(r, f->type);
    }
}

static void reach_actor(struct reach *r, const struct ast_decl *actor)
{
    for (const struct ast_member *m = actor->members; m != NULL; m = m->next) {
        reach_fields(r, m->fields);
        reach_fields(r, m->payload.params);
        if (m->payload.type != NULL) {
            reach_type(r, m->payload.type);
        }
        if (m->result != NULL) {
            reach_type(r, m->result);
        }
    }
}

static void reach_all(struct reach *r)
{
    for (const struct ast_decl *d = r->c->file->decls; d != NULL; d = d->next) {
        if (d->kind == AST_DECL_ACTOR) {
            reach_actor(r, d);
        }
    }
    for (size_t i = 0; i < r->open.count; i++) {
        const struct symbol *s = ((struct symbol **)r->open.items)[i];
        reach_fields(r, s->decl->fields);
        if (s->decl->type != NULL) {
            reach_type(r, s->decl->type);
        }
    }
}

/* Only of the schema itself: what is imported is for several, and one
 * without actors is for others. */
static void warn_unused(struct check *c)
{
    const struct source *root = c->diag->sources.first;
    struct reach r = { .c = c };
    if (c->model->actor_count == 0) {
        return;
    }
    reach_all(&r);
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        const struct ast_name *name = &s->decl->name;
        if (!s->reached && name->at.start < root->base + root->len) {
            diag_report(c->diag, name->at, DIAG_UNUSED_TYPE, name->text);
        }
    }
}

/* ---- inputs without bounds ---- */

struct inputs {
    struct check *c;
    struct table seen; /* structs, by stem */
    struct list open;  /* const struct model_struct * */
};

static void open_struct(struct inputs *in, const struct model_struct *s)
{
    if (table_find(&in->seen, s->stem) == NULL) {
        table_put(&in->seen, in->c->arena, s->stem, (void *)(uintptr_t)s);
        list_add(in->c, &in->open, &s, sizeof(s));
    }
}

/* Whether @type, down to the structs in it, has something without a bound. */
static bool is_unbounded(struct inputs *in, const struct model_type *type)
{
    const bool counted = type->kind == MODEL_STRING ||
                         type->kind == MODEL_BYTES ||
                         type->kind == MODEL_LIST || type->kind == MODEL_MAP;
    bool found = counted && type->max == UINT32_MAX;
    if (type->kind == MODEL_STRUCT) {
        open_struct(in, type->structure);
    } else if (type->kind == MODEL_TUPLE) {
        for (size_t i = 0; i < type->structure->field_count; i++) {
            found = is_unbounded(in, type->structure->fields[i].type) || found;
        }
    } else if (type->kind == MODEL_UNION) {
        for (size_t i = 0; i < type->alternatives->variant_count; i++) {
            open_struct(in, type->alternatives->variants[i].type->structure);
        }
    } else if (type->inner != NULL) {
        found = is_unbounded(in, type->inner) || found;
    }
    return found;
}

static void warn_unbounded(struct check *c)
{
    struct inputs in = { .c = c };
    for (size_t i = 0; i < c->model->actor_count; i++) {
        const struct model_actor *a = &c->model->actors[i];
        for (size_t k = 0; k < a->method_count; k++) {
            const struct model_method *m = &a->methods[k];
            if (m->input != NULL && is_unbounded(&in, m->input)) {
                diag_report(c->diag, m->at, DIAG_UNBOUNDED_INPUT, m->name);
            }
        }
    }
    for (size_t i = 0; i < in.open.count; i++) {
        const struct model_struct *s =
            ((const struct model_struct **)in.open.items)[i];
        for (size_t f = 0; f < s->field_count; f++) {
            if (is_unbounded(&in, s->fields[f].type)) {
                diag_report(c->diag, s->fields[f].at, DIAG_UNBOUNDED_INPUT,
                            s->fields[f].name);
            }
        }
    }
}

void check_warnings(struct check *c)
{
    warn_unused(c);
    warn_unbounded(c);
}
