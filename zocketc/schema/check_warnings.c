/*
 * What is no mistake, but rarely meant: types that no actor uses, and inputs
 * whose size, and what a pattern costs on it, the client alone decides. Both
 * are found on a checked schema, the second by a work list, since a chain of
 * types may be long.
 */
#include "schema/check.h"

/* ---- unused types ---- */

/* Only of the schema itself: what is imported is for several, and one
 * without actors is for others. */
static void warn_unused(struct check *c)
{
    const struct source *root = c->diag->sources.first;
    if (c->model->actor_count == 0) {
        return;
    }
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        const struct ast_name *name = &s->decl->name;
        if (!s->is_reached && name->at.start < root->base + root->len) {
            diag_report(c->diag, name->at, DIAG_UNUSED_TYPE, name->text);
        }
    }
}

/* ---- inputs without bounds ---- */

struct inputs {
    struct check *c;
    struct table seen;   /* structs, by stem */
    struct list open;    /* const struct model_struct * */
    const char *pattern; /* that searches a string without a bound; or NULL */
};

static void open_struct(struct inputs *in, const struct model_struct *s)
{
    if (table_find(&in->seen, s->stem) == NULL) {
        table_put(&in->seen, in->c->arena, s->stem, (void *)(uintptr_t)s);
        list_add(in->c, &in->open, &s, sizeof(s));
    }
}

static void look_for_patterns(struct inputs *in, const struct model_type *type)
{
    for (size_t i = 0; i < type->pattern_count; i++) {
        if (type->patterns[i].searches) {
            in->pattern = type->patterns[i].shown;
        }
    }
}

/* Whether @type, down to the structs in it, has something without a bound. */
static bool is_unbounded(struct inputs *in, const struct model_type *type)
{
    const bool counted = type->kind == MODEL_STRING ||
                         type->kind == MODEL_BYTES ||
                         type->kind == MODEL_LIST || type->kind == MODEL_MAP;
    bool found = counted && type->max == UINT32_MAX;
    if (found && type->kind == MODEL_STRING) {
        look_for_patterns(in, type);
    }
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

static void warn_of_type(struct inputs *in, struct source_range at,
                         const char *name, const struct model_type *type)
{
    in->pattern = NULL;
    if (is_unbounded(in, type)) {
        diag_report(in->c->diag, at, DIAG_UNBOUNDED_INPUT, name);
    }
    if (in->pattern != NULL) {
        diag_report(in->c->diag, at, DIAG_UNBOUNDED_PATTERN, in->pattern, name);
    }
}

static void warn_unbounded(struct check *c)
{
    struct inputs in = { .c = c };
    for (size_t i = 0; i < c->model->actor_count; i++) {
        const struct model_actor *a = &c->model->actors[i];
        for (size_t k = 0; k < a->method_count; k++) {
            const struct model_method *m = &a->methods[k];
            if (m->input != NULL) {
                warn_of_type(&in, m->at, m->name, m->input);
            }
        }
    }
    for (size_t i = 0; i < in.open.count; i++) {
        const struct model_struct *s =
            ((const struct model_struct **)in.open.items)[i];
        for (size_t f = 0; f < s->field_count; f++) {
            warn_of_type(&in, s->fields[f].at, s->fields[f].name,
                         s->fields[f].type);
        }
    }
}

void check_warnings(struct check *c)
{
    warn_unused(c);
    warn_unbounded(c);
}
