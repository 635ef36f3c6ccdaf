/*
 * Schemas that are right and rarely meant: types that no actor uses, inputs
 * without an upper bound, and patterns that search such an input. All are found
 * on a checked schema, inputs by a work list, since a chain of types may be
 * long.
 */
#include "schema/check.h"

/* ---- unused types ---- */

/* Only of the schema itself: imported types are for several schemas, and a
 * schema without actors is for others. */
static void warn_unused(struct check *c)
{
    const struct source *root = c->diag->sources.first;
    if (c->schema->actor_count == 0) {
        return;
    }
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        const struct ast_name *name = &s->decl->name;
        if (!s->is_reached && !s->is_included &&
            name->at.start < root->base + root->len) {
            diag_report(c->diag, name->at, DIAG_UNUSED_TYPE, name->text);
        }
    }
}

/* ---- inputs without bounds ---- */

struct inputs {
    struct check *c;
    bool *seen;          /* structs, by number */
    struct list open;    /* const struct schema_struct * */
    const char *pattern; /* that searches a string without a bound; or NULL */
};

static void open_struct(struct inputs *in, const struct schema_struct *s)
{
    if (!in->seen[s->number]) {
        in->seen[s->number] = true;
        list_add(in->c->arena, &in->open, &s, sizeof(s));
    }
}

static void look_for_patterns(struct inputs *in, const struct schema_type *type)
{
    for (size_t i = 0; i < type->pattern_count; i++) {
        if (type->patterns[i].searches) {
            in->pattern = type->patterns[i].display;
        }
    }
}

static bool is_counted(const struct schema_type *type)
{
    const enum schema_class class = schema_kinds[type->kind].class;
    return class == SCHEMA_CLASS_TEXT || class == SCHEMA_CLASS_BYTES ||
           type->kind == SCHEMA_LIST || type->kind == SCHEMA_MAP;
}

/* Whether @type, down to the structs in it, has something without a bound. */
static bool is_unbounded(struct inputs *in, const struct schema_type *type)
{
    bool found = is_counted(type) && type->max == UINT32_MAX;
    if (found) {
        look_for_patterns(in, type);
    }
    if (type->kind == SCHEMA_STRUCT) {
        open_struct(in, type->structure);
    }
    for (size_t i = 0; i < type->item_count; i++) {
        found = is_unbounded(in, type->items[i]) || found;
    }
    const struct schema_union *u = type->alternatives;
    for (size_t i = 0; u != NULL && i < u->variant_count; i++) {
        open_struct(in, u->variants[i].type->structure);
    }
    if (type->inner != NULL) {
        found = is_unbounded(in, type->inner) || found;
    }
    return found;
}

static void warn_of_type(struct inputs *in, const struct ast_name *name,
                         const struct schema_type *type)
{
    in->pattern = NULL;
    if (is_unbounded(in, type)) {
        diag_report(in->c->diag, name->at, DIAG_UNBOUNDED_INPUT, name->text);
    }
    if (in->pattern != NULL) {
        diag_report(in->c->diag, name->at, DIAG_UNBOUNDED_PATTERN, in->pattern,
                    name->text);
    }
}

static void warn_unbounded(struct check *c)
{
    struct inputs in = { .c = c };
    in.seen = arena_alloc(c->arena, c->structs.count + 1);
    for (size_t i = 0; i < c->schema->actor_count; i++) {
        const struct schema_actor *a = &c->schema->actors[i];
        for (size_t k = 0; k < a->method_count; k++) {
            const struct schema_method *m = &a->methods[k];
            if (m->input != NULL) {
                warn_of_type(&in, &m->name, m->input);
            }
        }
    }
    for (size_t i = 0; i < in.open.count; i++) {
        const struct schema_struct *s =
            ((const struct schema_struct **)in.open.items)[i];
        for (size_t f = 0; f < s->field_count; f++) {
            warn_of_type(&in, &s->fields[f].name, s->fields[f].type);
        }
    }
}

void check_warnings(struct check *c)
{
    warn_unused(c);
    warn_unbounded(c);
}
