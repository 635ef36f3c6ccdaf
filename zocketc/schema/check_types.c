/* Types: from the AST to the schema. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "schema/check.h"
#include "syntax/parse.h"

struct symbol *check_find(const struct check *c, const char *name)
{
    return table_find(&c->symbol_table, name);
}

struct schema_type *check_new_type(struct check *c, enum schema_kind kind,
                                   struct source_range at)
{
    const struct schema_kind_info *info = &schema_kinds[kind];
    struct schema_type *type = ARENA_NEW(c->arena, struct schema_type);
    type->kind = kind;
    type->number = c->schema->type_count++;
    type->at = at;
    type->max = UINT32_MAX;
    if (schema_is_integral(kind)) {
        type->int_min = (int64_t)info->min;
        type->int_max = (int64_t)info->max;
    } else if (schema_is_real(kind)) {
        type->float_min = info->min;
        type->float_max = info->max;
    }
    return type;
}

/* A type is as deep through aliases as without them; and a chain of aliases is
 * followed only so far. */
static bool too_deep(struct check *c, const struct ast_type *ast, int depth)
{
    if (depth <= PARSE_DEPTH_MAX) {
        return false;
    }
    diag_report(c->diag, ast->at, DIAG_TOO_DEEP, PARSE_DEPTH_MAX);
    return true;
}

/* ---- lists and maps ---- */

static const struct schema_type *container(struct check *c,
                                           const struct ast_type *ast,
                                           struct type_use use)
{
    const bool list = ast->kind == AST_TYPE_LIST;
    const struct type_use inner_use = {
        .holder = list && check_has_minimum(ast) ? use.holder : NULL,
        .depth = use.depth + 1,
    };
    const struct schema_type *inner = check_type(c, ast->inner, inner_use);
    if (inner == NULL || too_deep(c, ast, inner->depth + 1)) {
        return NULL;
    }
    struct schema_type *type = check_new_type(
        c, list ? SCHEMA_LIST : SCHEMA_MAP, ast->at);
    type->inner = inner;
    type->depth = inner->depth + 1;
    check_rules(c, ast->rules, type);
    return type;
}

/* ---- tuples ---- */

/* Fills the elements. Returns false if an element is wrong, which is reported.
 */
static bool check_items(struct check *c, const struct ast_type *ast,
                        struct type_use use, const struct schema_type **items,
                        int *depth)
{
    const struct type_use item_use = {
        .owner = use.owner,
        .holder = use.holder,
        .depth = use.depth + 1,
    };
    bool good = true;
    for (const struct ast_type *e = ast->inner; e != NULL; e = e->next) {
        *items = check_type(c, e, item_use);
        good = good && *items != NULL;
        if (*items != NULL && (*items)->depth > *depth) {
            *depth = (*items)->depth;
        }
        items++;
    }
    return good;
}

/* The names of the elements; NULL: they have none. */
static const struct ast_name *check_labels(struct check *c,
                                           const struct ast_type *ast,
                                           size_t count)
{
    struct ast_name *labels = arena_alloc(c->arena, count * sizeof(*labels));
    struct table seen = { 0 };
    size_t i = 0, named = 0, taken = 0;
    for (const struct ast_type *e = ast->inner; e != NULL; e = e->next) {
        labels[i++] = e->label;
        if (e->label.text != NULL) {
            named++;
            taken += check_take(c, &seen, &e->label, "element");
        }
    }
    if (named != 0 && named != count) {
        diag_report(c->diag, ast->at, DIAG_TUPLE_NAMES);
    }
    return taken == count ? labels : NULL;
}

/* @alias: of which this is all, or NULL. */
static const struct schema_type *tuple(struct check *c,
                                       const struct ast_type *ast,
                                       struct type_use use, const char *alias)
{
    size_t count = 0;
    int depth = 0;
    for (const struct ast_type *e = ast->inner; e != NULL; e = e->next) {
        count++;
    }
    if (count > FIELDS_MAX) {
        diag_report(c->diag, ast->at, DIAG_TOO_MANY_FIELDS, "a tuple",
                    FIELDS_MAX);
        return NULL;
    }
    const struct schema_type **items = arena_alloc(c->arena,
                                                   count * sizeof(*items));
    if (!check_items(c, ast, use, items, &depth) ||
        too_deep(c, ast, depth + 1)) {
        return NULL;
    }
    struct schema_type *type = check_new_type(c, SCHEMA_TUPLE, ast->at);
    type->alias = alias;
    type->items = items;
    type->labels = check_labels(c, ast, count);
    type->item_count = count;
    type->depth = depth + 1;
    return type;
}

/* ---- optional and nullable types ---- */

static const struct schema_type *optional(struct check *c,
                                          const struct ast_type *ast,
                                          struct type_use use)
{
    const bool nullable = ast->kind == AST_TYPE_NULLABLE;
    const struct type_use inner_use = {
        .owner = use.owner,
        .depth = use.depth,
    };
    if (!nullable && !use.field) {
        diag_report(c->diag, ast->at, DIAG_MISPLACED_OPTIONAL);
        return NULL;
    }
    const struct schema_type *inner = check_type(c, ast->inner, inner_use);
    if (inner == NULL) {
        return NULL;
    }
    if (schema_may_lack(inner->kind)) {
        diag_report(c->diag, ast->at, DIAG_DOUBLE_NULL);
        return NULL;
    }
    struct schema_type *type = check_new_type(
        c, nullable ? SCHEMA_NULLABLE : SCHEMA_OPTIONAL, ast->at);
    type->inner = inner;
    type->depth = inner->depth;
    type->closes_cycle = check_closes_cycle(c, ast->inner, use.owner);
    return type;
}

/* ---- literals ---- */

static bool is_good_literal(const struct ast_value *value)
{
    if (value->kind != AST_VALUE_NUMBER) {
        return true;
    }
    const double number = strtod(value->text, NULL);
    const struct schema_kind_info *info = &schema_kinds[SCHEMA_INT64];
    return value->whole && number >= info->min && number <= info->max;
}

static const struct schema_type *literal(struct check *c,
                                         const struct ast_type *ast,
                                         const struct ast_value *value,
                                         struct type_use use)
{
    if (!use.literal || ast->rules != NULL) {
        diag_report(c->diag, ast->at, DIAG_MISPLACED_LITERAL);
        return NULL;
    }
    if (!is_good_literal(value)) {
        diag_report(c->diag, ast->at, DIAG_BAD_LITERAL);
        return NULL;
    }
    struct schema_type *type = check_new_type(c, SCHEMA_LITERAL, ast->at);
    type->literal = value;
    return type;
}

/* "true" and "false" are literals. */
static const struct schema_type *word_literal(struct check *c,
                                              const struct ast_type *ast,
                                              struct type_use use)
{
    struct ast_value *value = ARENA_NEW(c->arena, struct ast_value);
    value->kind = AST_VALUE_NAME;
    value->at = ast->at;
    value->text = ast->name.text;
    return literal(c, ast, value, use);
}

/* ---- names ---- */

/* The scalar that other languages call @name, in any case; or NULL. */
static const char *find_alias(const char *name)
{
    static const struct {
        const char *theirs, *ours;
    } aliases[] = {
#define A(theirs, ours) { theirs, ours },
#include "schema/aliases.def"
#undef A
    };
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        if (strcasecmp(name, aliases[i].theirs) == 0) {
            return aliases[i].ours;
        }
    }
    return NULL;
}

/* Types that an unknown name may mean: the schema's, then those of the
 * language. */
struct candidates {
    const struct symbol **symbols;
    size_t count;
    const struct type_use *use;
};

/* A candidate that would not be refused. */
static const char *candidate_at(const void *user, size_t i)
{
    const struct candidates *all = user;
    const struct type_use *use = all->use;
    if (i >= all->count) {
        const struct schema_kind_info *info = &schema_kinds[i - all->count];
        return use->variant || info->class == SCHEMA_CLASS_NONE ? NULL
                                                                : info->word;
    }
    const struct symbol *s = all->symbols[i];
    const bool fits = !use->variant || s->decl->kind == AST_DECL_STRUCT;
    return fits && !s->resolving && !s->failed ? s->decl->name.text : NULL;
}

static struct candidates find_candidates(struct check *c,
                                         const struct type_use *use)
{
    struct candidates all = { .use = use };
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        all.count++;
    }
    all.symbols = arena_alloc(c->arena, (all.count + 1) * sizeof(*all.symbols));
    all.count = 0;
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        all.symbols[all.count++] = s;
    }
    return all;
}

void check_unknown_type(struct check *c, const struct ast_name *name,
                        const struct type_use *use)
{
    diag_report(c->diag, name->at, DIAG_UNKNOWN_TYPE, name->text);
    if (c->diag->errors > DIAG_ERRORS_MAX) {
        return; /* nobody will see it */
    }
    if (strcasecmp(name->text, "void") == 0) {
        diag_report(c->diag, name->at, DIAG_NO_RESULT);
        return;
    }
    const struct candidates all = find_candidates(c, use);
    const char *near = diag_nearest(name->text, all.count + SCHEMA_KIND_COUNT,
                                    candidate_at, &all);
    const struct symbol *s = near != NULL ? check_find(c, near) : NULL;
    const char *ours = use->variant || s != NULL ? NULL
                                                 : find_alias(name->text);
    if (s == NULL) {
        near = ours != NULL ? ours : near;
    } else if (use->holder == NULL || !check_holds(c, s, use->holder)) {
        diag_report(c->diag, s->decl->name.at, DIAG_DID_YOU_MEAN, near);
        return;
    }
    if (s == NULL && near != NULL) {
        diag_report(c->diag, name->at, DIAG_DID_YOU_MEAN_WORD, near);
    }
}

/* The type that an alias stands for, once it is known. */
static const struct schema_type *resolve(struct check *c, struct symbol *symbol,
                                         struct type_use use)
{
    const struct ast_decl *decl = symbol->decl;
    symbol->resolving = true;
    const struct schema_type *type = decl->type->kind == AST_TYPE_TUPLE
                                         ? tuple(c, decl->type, use,
                                                 decl->name.text)
                                         : check_type(c, decl->type, use);
    symbol->resolving = false;
    symbol->failed = type == NULL;
    return type;
}

/* An alias is replaced by its type, with rules of its own on top. */
static const struct schema_type *alias(struct check *c, struct symbol *symbol,
                                       const struct ast_type *ast,
                                       struct type_use use)
{
    const struct ast_decl *decl = symbol->decl;
    if (symbol->type != NULL && ast->rules == NULL) {
        return symbol->type; /* it was looked at before */
    }
    if (symbol->failed) {
        return NULL; /* reported before */
    }
    if (symbol->resolving) {
        diag_report(c->diag, decl->name.at, DIAG_ALIAS_CYCLE, decl->name.text);
        return NULL;
    }
    use.literal = false;
    use.owner = symbol;
    use.holder = symbol;
    use.depth++;
    if (too_deep(c, ast, use.depth)) {
        return NULL;
    }
    const struct schema_type *type = resolve(c, symbol, use);
    if (type != NULL && decl->type->kind != AST_TYPE_OPTIONAL) {
        symbol->type = type;
    }
    if (type != NULL && ast->rules != NULL) {
        struct schema_type *narrowed = check_new_type(c, type->kind, ast->at);
        const size_t number = narrowed->number;
        *narrowed = *type;
        narrowed->number = number;
        narrowed->at = ast->at;
        check_rules(c, ast->rules, narrowed);
        type = narrowed;
    }
    return type;
}

static const struct schema_type *named(struct check *c,
                                       const struct ast_type *ast,
                                       struct type_use use)
{
    const enum schema_kind scalar = schema_find_scalar(ast->name.text);
    if (scalar != SCHEMA_KIND_COUNT) {
        struct schema_type *type = check_new_type(c, scalar, ast->at);
        check_rules(c, ast->rules, type);
        return type;
    }
    if (strcmp(ast->name.text, "true") == 0 ||
        strcmp(ast->name.text, "false") == 0) {
        return word_literal(c, ast, use);
    }
    struct symbol *symbol = check_find(c, ast->name.text);
    if (symbol == NULL) {
        check_unknown_type(c, &ast->name, &use);
        return NULL;
    }
    symbol->used = true;
    if (symbol->decl->kind == AST_DECL_TYPE) {
        return alias(c, symbol, ast, use);
    }
    struct schema_type ruled = *symbol->type;
    check_rules(c, ast->rules, &ruled);
    return symbol->type;
}

const struct schema_type *check_type(struct check *c,
                                     const struct ast_type *type,
                                     struct type_use use)
{
    switch (type->kind) {
    case AST_TYPE_LIST:
    case AST_TYPE_MAP:
        return container(c, type, use);
    case AST_TYPE_OPTIONAL:
    case AST_TYPE_NULLABLE:
        return optional(c, type, use);
    case AST_TYPE_TUPLE:
        return tuple(c, type, use, NULL);
    case AST_TYPE_NAME:
        return named(c, type, use);
    case AST_TYPE_LITERAL:
        return literal(c, type, type->literal, use);
    }
    return NULL;
}

void check_aliases(struct check *c)
{
    for (const struct symbol *s = c->symbols; s != NULL; s = s->next) {
        if (s->decl->kind == AST_DECL_TYPE && !s->used) {
            const struct ast_type use = {
                .kind = AST_TYPE_NAME,
                .at = s->decl->name.at,
                .name = s->decl->name,
            };
            (void)check_type(c, &use, (struct type_use){ .field = false });
        }
    }
}
