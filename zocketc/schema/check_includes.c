/*
 * "...Person": the fields of another struct, in place. They are put in before
 * anything else is looked at, so that nothing else has to know. Each struct is
 * expanded once; a chain is followed so far as types may be nested, and no
 * further field is put in when there are too many.
 */
#include "schema/check.h"
#include "syntax/parse.h"

struct expansion {
    struct check *c;
    struct ast_field *first, *last;
    size_t count;
};

static void append(struct expansion *e, const struct ast_field *field,
                   struct source_range at)
{
    struct ast_field *copy = ARENA_NEW(e->c->arena, struct ast_field);
    *copy = *field;
    copy->name.at = at;
    copy->next = NULL;
    if (e->last != NULL) {
        e->last->next = copy;
    } else {
        e->first = copy;
    }
    e->last = copy;
    e->count++;
}

static void expand(struct check *c, struct symbol *symbol, int depth);

/* The struct that an include names; NULL: reported. */
static struct symbol *find_included(struct check *c, const struct symbol *into,
                                    const struct ast_name *name, int depth)
{
    struct symbol *from = check_find(c, name->text);
    const bool scalar = schema_find_scalar(name->text) != SCHEMA_KIND_COUNT;
    if (from == NULL && !scalar) {
        const struct type_use use = { .variant = true, .holder = into };
        check_unknown_type(c, name, &use);
        return NULL;
    }
    if (scalar || from->decl->kind != AST_DECL_STRUCT) {
        diag_report(c->diag, name->at, DIAG_BAD_INCLUDE, name->text);
        return NULL;
    }
    if (from->expanding) {
        diag_report(c->diag, name->at, DIAG_INCLUDE_CYCLE, name->text);
        return NULL;
    }
    if (depth == PARSE_DEPTH_MAX) {
        diag_report(c->diag, name->at, DIAG_TOO_DEEP, PARSE_DEPTH_MAX);
        return NULL;
    }
    return from;
}

static void include(struct expansion *e, const struct symbol *into,
                    const struct ast_field *field, int depth)
{
    struct symbol *from = find_included(e->c, into, &field->name, depth);
    if (from == NULL) {
        return;
    }
    expand(e->c, from, depth + 1);
    from->is_included = true;
    const struct ast_field *f = from->fields;
    for (; f != NULL && e->count <= FIELDS_MAX; f = f->next) {
        append(e, f, field->name.at);
    }
}

static bool has_includes(const struct ast_field *fields)
{
    while (fields != NULL && !fields->is_include) {
        fields = fields->next;
    }
    return fields != NULL;
}

static void expand(struct check *c, struct symbol *symbol, int depth)
{
    struct expansion e = { .c = c };
    if (symbol->expanded) {
        return;
    }
    symbol->expanded = true;
    if (!has_includes(symbol->decl->fields)) {
        return;
    }
    symbol->expanding = true;
    for (const struct ast_field *f = symbol->decl->fields; f != NULL;
         f = f->next) {
        if (f->is_include) {
            include(&e, symbol, f, depth);
        } else {
            append(&e, f, f->name.at);
        }
    }
    symbol->expanding = false;
    symbol->fields = e.first;
}

void check_includes(struct check *c)
{
    for (struct symbol *s = c->symbols; s != NULL; s = s->next) {
        expand(c, s, 0);
    }
}
