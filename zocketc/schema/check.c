/*
 * The checker's main line: names first, then declarations and their parts. A
 * mistake in a declaration does not keep the others from being checked, so a
 * run shows every mistake.
 */
#include "schema/check.h"

#include <string.h>

bool check_take(struct check *c, struct table *scope,
                const struct ast_name *name, const char *noun)
{
    const struct ast_name *first = table_find(scope, name->text);
    if (first != NULL) {
        diag_report(c->diag, name->at, DIAG_DUPLICATE_NAME, noun, name->text);
        diag_report(c->diag, first->at, DIAG_FIRST_HERE);
        return false;
    }
    struct ast_name *kept = ARENA_NEW(c->arena, struct ast_name);
    *kept = *name;
    table_put(scope, c->arena, name->text, kept);
    return true;
}

/* ---- names ---- */

static void check_app(struct check *c)
{
    const struct ast_decl *app = NULL;
    for (const struct ast_decl *d = c->file->decls; d != NULL; d = d->next) {
        if (d->kind != AST_DECL_APP) {
            continue;
        }
        if (app != NULL) {
            diag_report(c->diag, d->name.at, DIAG_DUPLICATE_APP);
            diag_report(c->diag, app->name.at, DIAG_FIRST_HERE);
            continue;
        }
        app = d;
    }
    c->schema->app.text = "app";
    if (app != NULL) {
        c->schema->app = app->name;
        c->schema->doc = app->doc;
    } else if (c->diag->errors == 0) {
        diag_report(c->diag, (struct source_range){ 0, 0 }, DIAG_MISSING_APP);
    }
}

bool check_is_app_name(const char *name)
{
    return strcmp(name, "connection") == 0 || strcmp(name, "middleware") == 0;
}

/* Words that stand where a type may, and are none. */
static bool is_no_type(const char *word)
{
    return strcmp(word, "stream") == 0 || strcmp(word, "true") == 0 ||
           strcmp(word, "false") == 0;
}

static void declare(struct check *c, const struct ast_decl *decl)
{
    const struct symbol *first = check_find(c, decl->name.text);
    if (first != NULL) {
        diag_report(c->diag, decl->name.at, DIAG_DUPLICATE_NAME, "type",
                    decl->name.text);
        diag_report(c->diag, first->decl->name.at, DIAG_FIRST_HERE);
        return;
    }
    if (schema_find_scalar(decl->name.text) != SCHEMA_KIND_COUNT ||
        is_no_type(decl->name.text) || check_is_app_name(decl->name.text)) {
        diag_report(c->diag, decl->name.at, DIAG_RESERVED_NAME, "a type",
                    decl->name.text);
    }
    struct symbol *symbol = ARENA_NEW(c->arena, struct symbol);
    symbol->decl = decl;
    symbol->fields = decl->fields;
    if (c->last_symbol != NULL) {
        c->last_symbol->next = symbol;
    } else {
        c->symbols = symbol;
    }
    c->last_symbol = symbol;
    table_put(&c->symbol_table, c->arena, decl->name.text, symbol);
}

/* The state of an actor is a type, too: "chat.state". */
static void declare_state(struct check *c, const struct ast_decl *actor)
{
    const struct ast_member *m = actor->members;
    while (m != NULL && m->kind != AST_MEMBER_STATE) {
        m = m->next;
    }
    const char *name = arena_printf(c->arena, "%s.state", actor->name.text);
    if (m == NULL || check_find(c, name) != NULL) {
        return;
    }
    struct ast_decl *decl = ARENA_NEW(c->arena, struct ast_decl);
    decl->kind = AST_DECL_STRUCT;
    decl->name = (struct ast_name){ name, m->name.at };
    decl->fields = m->fields;
    declare(c, decl);
    c->last_symbol->actor = actor->name.text;
}

static bool is_type(const struct ast_decl *decl)
{
    return decl->kind == AST_DECL_ENUM || decl->kind == AST_DECL_STRUCT ||
           decl->kind == AST_DECL_UNION || decl->kind == AST_DECL_TYPE;
}

static void check_names(struct check *c)
{
    for (const struct ast_decl *d = c->file->decls; d != NULL; d = d->next) {
        if (is_type(d)) {
            declare(c, d);
        }
    }
    for (const struct ast_decl *d = c->file->decls; d != NULL; d = d->next) {
        if (d->kind == AST_DECL_ACTOR) {
            declare_state(c, d);
        }
    }
}

static void name_file(struct check *c, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(base, '.');
    const size_t len = dot != NULL && dot != base ? (size_t)(dot - base)
                                                  : strlen(base);
    c->schema->file_name = base;
    c->schema->file_stem = arena_text(c->arena, base, len);
}

/* ---- all of it ---- */

const struct schema *check_file(struct arena *arena, struct diag *diag,
                                const struct ast_file *file, const char *path)
{
    struct check c = { .arena = arena, .diag = diag, .file = file };
    c.schema = ARENA_NEW(arena, struct schema);
    name_file(&c, path);
    check_app(&c);              /* schema: the app */
    check_names(&c);            /* symbols, by name */
    check_includes(&c);         /* symbols: fields that are included */
    if (check_cycles(&c)) {     /* symbols: which contain each other */
        check_reach(&c);        /* symbols: public or private */
        check_declarations(&c); /* symbols: enums, structs, unions */
        check_access(&c);       /* schema: errors, middleware, … */
        check_actors(&c);       /* schema: actors; structs: of their parts */
        check_members(&c);      /* structs and unions: their parts */
        check_connection_fields(&c);   /* schema: sources and rates */
        check_timer_keys(&c);          /* schema: keys of timers */
        check_readers(&c);             /* schema: readers of state fields */
        check_aliases(&c);             /* nothing: those that nobody uses */
        check_finish_declarations(&c); /* schema: declarations and structs */
    }
    if (diag->errors == 0) {
        check_warnings(&c);
    }
    return c.schema;
}
